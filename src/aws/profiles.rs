//! The user's profiles: which exist, and what a profile's chain of roles is. The SDK reads the files and every kind of
//! plain credentials; this adds what it lacks: `mfa_serial` on a role, asked for with a prompt.

use std::fmt;
use std::sync::Arc;

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;
use aws_types::os_shim_internal::{Env, Fs};
use futures_util::future::BoxFuture;

use crate::aws::error::AwsError;
use crate::aws::regions::nearest;
use crate::aws::sts::{Role, sanitise};

/// Whose code is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MfaRequest {
    pub profile: String,
    /// The device's ARN or serial number.
    pub device: String,
}

/// Asks the person for a code; the error says why there is none (`cancelled`, `no terminal`).
pub type Prompt = Arc<dyn Fn(MfaRequest) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What the configuration files say.
pub(super) struct Profiles {
    set: ProfileSet,
}

/// How a profile's credentials come about.
pub(super) struct Chain {
    pub(super) leaf: Leaf,
    /// Roles to become, in this order.
    pub(super) roles: Vec<Step>,
}

/// Where a chain begins.
pub(super) enum Leaf {
    /// A profile the SDK understands.
    Profile(String),
    /// Keys that stand in a profile which is a role's source by naming itself.
    Keys(Credentials),
}

pub(super) struct Step {
    pub(super) role: Role,
    pub(super) mfa: Option<MfaRequest>,
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Profiles {
    /// Reads `~/.aws/config` and `~/.aws/credentials`, or the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name.
    pub(super) async fn load(fs: &Fs, env: &Env) -> Result<Self, AwsError> {
        let read = aws_config::profile::load(fs, env, &Default::default(), None).await;
        Ok(Self { set: read.map_err(|e| AwsError::BadFiles { why: crate::aws::error::chain(&e) })? })
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.set.profiles().map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// The profile that counts where none is named: AWS_PROFILE or `default`.
    pub(super) fn selected(&self) -> &str {
        self.set.selected_profile()
    }

    pub(super) fn get(&self, name: &str) -> Result<&Profile, AwsError> {
        self.set.get_profile(name).ok_or_else(|| {
            let profiles = self.names();
            let nearest = nearest(name, profiles.iter().map(String::as_str));
            AwsError::UnknownProfile {
                wanted: name.into(),
                nearest,
                profiles,
                files: "~/.aws/config and ~/.aws/credentials".into(),
            }
        })
    }

    /// Whether a chain begins with an SSO session, so that `aws sso login` renews it.
    pub(super) fn is_sso(&self, name: &str) -> bool {
        self.set.get_profile(name).is_some_and(|p| p.get("sso_session").is_some() || p.get("sso_start_url").is_some())
    }

    /// Follows `source_profile` from a profile down to plain credentials.
    ///
    /// # Errors
    /// An unknown profile on the way, a circle, a role without a source.
    pub(super) fn chain(&self, name: &str) -> Result<Chain, AwsError> {
        let mut roles = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        let mut at = name;
        let leaf = loop {
            let profile = self.get(at)?;
            let bad = |why: String| AwsError::BadProfile { profile: at.to_owned(), why };
            // A web identity, or a source outside the files: the SDK's to read.
            let (Some(arn), Some(source)) = (profile.get("role_arn"), profile.get("source_profile")) else {
                break Leaf::Profile(at.to_owned());
            };
            seen.push(profile.name());
            let duration = match profile.get("duration_seconds").map(|text| (text, text.trim().parse::<i32>())) {
                None => None,
                Some((_, Ok(seconds))) => Some(seconds),
                Some((text, Err(_))) => {
                    return Err(bad(format!("duration_seconds = {text:?} is not a whole number; correct it")));
                }
            };
            roles.push(Step {
                role: Role {
                    arn: arn.to_owned(),
                    session_name: profile.get("role_session_name").map_or_else(|| "bartizan".to_owned(), sanitise),
                    external_id: profile.get("external_id").map(str::to_owned),
                    duration,
                },
                mfa: profile.get("mfa_serial").map(|device| MfaRequest { profile: at.to_owned(), device: device.to_owned() }),
            });
            if source == at {
                break Leaf::Keys(keys_of(profile).ok_or_else(|| {
                    bad("names itself as source_profile but holds no aws_access_key_id and aws_secret_access_key; add them, or name another source".into())
                })?);
            }
            if seen.contains(&source) {
                return Err(bad(format!("its source_profile leads in a circle: {} -> {source}; break it", seen.join(" -> "))));
            }
            at = self.set.get_profile(source).map(Profile::name).ok_or_else(|| {
                let near = nearest(source, self.set.profiles()).map(|n| format!(", did you mean {n}?")).unwrap_or_default();
                bad(format!("its source_profile {source:?} does not exist{near}; correct it"))
            })?;
        };
        roles.reverse();
        Ok(Chain { leaf, roles })
    }
}

fn keys_of(profile: &Profile) -> Option<Credentials> {
    let (id, secret) = (profile.get("aws_access_key_id")?, profile.get("aws_secret_access_key")?);
    Some(Credentials::new(id, secret, profile.get("aws_session_token").map(str::to_owned), None, "profile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
[profile base]
aws_access_key_id = AKIDBASE
aws_secret_access_key = secret
[profile admin]
role_arn = arn:aws:iam::111122223333:role/Admin
source_profile = hop
mfa_serial = arn:aws:iam::111122223333:mfa/jo
external_id = x-1
duration_seconds = 900
[profile hop]
role_arn = arn:aws:iam::444455556666:role/Hop
role_session_name = jo hop
source_profile = base
[profile own]
role_arn = arn:aws:iam::111122223333:role/Own
source_profile = own
aws_access_key_id = AKIDOWN
aws_secret_access_key = secret
[profile round]
role_arn = arn:aws:iam::111122223333:role/R
source_profile = about
[profile about]
role_arn = arn:aws:iam::111122223333:role/A
source_profile = round
[profile lost]
role_arn = arn:aws:iam::111122223333:role/L
source_profile = bsae
[profile corp]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = ReadOnly
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://example.awsapps.com/start
";

    async fn profiles() -> Profiles {
        let env = Env::from_slice(&[("AWS_CONFIG_FILE", "/config"), ("AWS_SHARED_CREDENTIALS_FILE", "/credentials")]);
        Profiles::load(&Fs::from_slice(&[("/config", CONFIG), ("/credentials", "")]), &env).await.unwrap()
    }

    #[tokio::test]
    async fn a_chain_is_followed_to_its_keys() {
        let profiles = profiles().await;
        let chain = profiles.chain("admin").unwrap();
        assert!(matches!(&chain.leaf, Leaf::Profile(name) if name == "base"));
        let arns: Vec<&str> = chain.roles.iter().map(|s| s.role.arn.as_str()).collect();
        assert_eq!(arns, ["arn:aws:iam::444455556666:role/Hop", "arn:aws:iam::111122223333:role/Admin"]);
        assert_eq!(chain.roles[0].role.session_name, "jo-hop");
        assert_eq!(chain.roles[0].mfa, None);
        let admin = &chain.roles[1];
        assert_eq!(admin.mfa.as_ref().unwrap().device, "arn:aws:iam::111122223333:mfa/jo");
        assert_eq!((admin.role.external_id.as_deref(), admin.role.duration), (Some("x-1"), Some(900)));
        assert!(matches!(profiles.chain("own").unwrap().leaf, Leaf::Keys(keys) if keys.access_key_id() == "AKIDOWN"));
        assert!(matches!(profiles.chain("corp").unwrap().leaf, Leaf::Profile(name) if profiles.is_sso(&name)));
    }

    #[tokio::test]
    async fn bad_chains_say_what_is_wrong() {
        let profiles = profiles().await;
        let error = |name: &str| profiles.chain(name).err().unwrap().to_string();
        assert!(error("round").contains("in a circle: round -> about -> round"), "{}", error("round"));
        assert!(error("lost").contains("\"bsae\" does not exist, did you mean base?"), "{}", error("lost"));
        assert!(error("admn").contains("did you mean admin?"), "{}", error("admn"));
        assert!(error("admn").contains("there are: about, admin, base"), "{}", error("admn"));
    }
}
