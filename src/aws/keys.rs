//! Credentials in memory: fetched when first needed, again before they run out, again when AWS says they did. It does
//! not choose which credentials to use.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::SdkConfig;
use tokio::sync::Mutex;

use crate::aws::error::{Failure, Kind};
use crate::aws::limit::Limiter;
use crate::aws::profiles::{MfaRequest, Prompt};
use crate::aws::sts::{self, Role};

/// Temporary credentials are fetched anew this long before they run out.
const EARLY: Duration = Duration::from_secs(300);
/// A failure is remembered this long, so that a hundred waiting calls do not each ask for the same refused role.
const REMEMBERED: Duration = Duration::from_secs(15);

/// Where credentials come from.
pub(super) enum Source {
    /// As they are.
    Fixed(Credentials),
    /// From a provider the embedder gave.
    Given(SharedCredentialsProvider),
    /// What the SDK finds: environment, container, instance, default profile.
    Found(ProviderConfig),
    /// What a profile says, by the SDK: keys, SSO, process, web identity.
    Profile(ProviderConfig, String),
    /// A role, by the credentials in `base`.
    Role { base: Box<SdkConfig>, role: Role, mfa: Option<(MfaRequest, Prompt)> },
}

/// One set of credentials, kept fresh. Its `Debug` shows none of it.
pub(super) struct Keys {
    source: Source,
    limiter: Arc<Limiter>,
    /// What renews them, told when they have run out: ``run `aws sso login --profile x` ``.
    hint: String,
    remembered: Duration,
    slot: Mutex<Slot>,
}

/// Hands the credentials to the SDK.
#[derive(Debug, Clone)]
struct Provider(Arc<Keys>);

struct Slot {
    /// Grows with each fetch; tells which credentials a caller saw fail.
    turn: u64,
    kept: Option<Kept>,
}

enum Kept {
    Good(Credentials),
    Bad(Failure, Instant),
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    pub(super) fn new(source: Source, limiter: Arc<Limiter>, hint: String) -> Arc<Self> {
        Arc::new(Self { source, limiter, hint, remembered: REMEMBERED, slot: Mutex::new(Slot { turn: 0, kept: None }) })
    }

    /// These credentials as the SDK takes them.
    pub(super) fn provider(self: &Arc<Self>) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Provider(self.clone()))
    }

    /// Credentials that are good for some minutes, and which turn of them these are.
    pub(super) async fn current(&self) -> Result<(Credentials, u64), Failure> {
        let mut slot = self.slot.lock().await;
        match &slot.kept {
            Some(Kept::Good(keys)) if keys.expiry().is_none_or(|at| at > SystemTime::now() + EARLY) => {
                return Ok((keys.clone(), slot.turn));
            }
            Some(Kept::Bad(failure, at)) if at.elapsed() < self.remembered => return Err(failure.clone()),
            _ => {}
        }
        let fetched = self.fetch().await;
        slot.turn += 1;
        match fetched {
            Ok(keys) => {
                slot.kept = Some(Kept::Good(keys.clone()));
                Ok((keys, slot.turn))
            }
            Err(mut failure) => {
                if matches!(failure.kind, Kind::Expired | Kind::NoCredentials) && !self.hint.is_empty() {
                    failure.message = format!("{} ({})", failure.message, self.hint);
                }
                slot.kept = Some(Kept::Bad(failure.clone(), Instant::now()));
                Err(failure)
            }
        }
    }

    /// AWS called these credentials expired: the next use fetches new ones.
    pub(super) async fn expired(&self, turn: u64) {
        let mut slot = self.slot.lock().await;
        if slot.turn == turn {
            slot.kept = None;
        }
    }

    async fn fetch(&self) -> Result<Credentials, Failure> {
        match &self.source {
            Source::Fixed(keys) => Ok(keys.clone()),
            Source::Given(provider) => load(provider).await,
            // Built anew each time: a provider keeps the files it once read, the user may have logged in meanwhile.
            Source::Found(config) => {
                load(&Box::pin(DefaultCredentialsChain::builder().configure(config.clone()).build()).await).await
            }
            Source::Profile(config, name) => {
                load(&ProfileFileCredentialsProvider::builder().configure(config).profile_name(name).build()).await
            }
            Source::Role { base, role, mfa: None } => sts::assume(base, &self.limiter, role, None).await,
            Source::Role { base, role, mfa: Some((request, prompt)) } => {
                let code = prompt(request.clone()).await.map_err(|why| {
                    let message = format!("profile {} needs a code of MFA device {}: {why}", request.profile, request.device);
                    Failure::new(Kind::Denied, "", message)
                })?;
                sts::assume(base, &self.limiter, role, Some((&request.device, code.trim()))).await
            }
        }
    }
}

async fn load(provider: &impl ProvideCredentials) -> Result<Credentials, Failure> {
    Box::pin(provider.provide_credentials()).await.map_err(|error| Failure::of_credentials(&error))
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let keys = self.0.current().await;
            keys.map(|(keys, _)| keys).map_err(CredentialsError::provider_error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Hands out credentials that live `lives`, or none; counts how often it was asked.
    #[derive(Debug)]
    struct Counting {
        lives: Option<Duration>,
        asked: Arc<AtomicU32>,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.asked.fetch_add(1, Ordering::SeqCst);
            future::ProvideCredentials::ready(match self.lives {
                Some(lives) => Ok(Credentials::new("AKIDSECRET", "s3cr3t", None, Some(SystemTime::now() + lives), "test")),
                None => Err(CredentialsError::not_loaded("none here")),
            })
        }
    }

    fn keys(lives: Option<Duration>) -> (Arc<Keys>, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let provider = SharedCredentialsProvider::new(Counting { lives, asked: asked.clone() });
        (Keys::new(Source::Given(provider), Arc::default(), "run the thing".into()), asked)
    }

    #[tokio::test]
    async fn fetched_once_and_again_when_expired() {
        let (keys, asked) = keys(Some(Duration::from_secs(3600)));
        let (_, turn) = keys.current().await.unwrap();
        keys.current().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        // Two callers saw the same credentials fail: one fetch.
        keys.expired(turn).await;
        keys.current().await.unwrap();
        keys.expired(turn).await;
        keys.current().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn fetched_again_before_they_run_out() {
        let (keys, asked) = keys(Some(Duration::from_secs(60)));
        keys.current().await.unwrap();
        keys.current().await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_refusal_is_remembered_for_a_while() {
        let (mut keys, asked) = keys(None);
        let failure = keys.current().await.unwrap_err();
        assert_eq!(failure.kind, Kind::NoCredentials);
        assert!(failure.message.contains("run the thing"), "{failure}");
        keys.current().await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        Arc::get_mut(&mut keys).unwrap().remembered = Duration::ZERO;
        keys.current().await.unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn debug_hides_everything() {
        let (keys, _) = keys(Some(Duration::from_secs(3600)));
        keys.current().await.unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(…)");
    }
}
