//! From the user's options to connections: which credentials, which regions, who the caller is, and the way into member
//! accounts. It collects nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::identity::IdentityCache;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::SdkConfig;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::region::Region;

use crate::aws::ec2;
use crate::aws::error::{AwsError, Failure, Kind};
use crate::aws::keys::{Keys, Source};
use crate::aws::limit::Limiter;
use crate::aws::profiles::{Leaf, Profiles, Prompt};
use crate::aws::regions::{KNOWN, nearest};
use crate::aws::scope::{Answer, Scope, Tally};
use crate::aws::sts::{self, Role};
use crate::model::account::Caller;

/// The role AWS Organizations makes in accounts it creates.
pub const DEFAULT_ROLE: &str = "OrganizationAccountAccessRole";

/// Answers global questions where no region is configured.
const FALLBACK_REGION: &str = "us-east-1";

/// What the user chose; everything may be left out.
#[derive(Clone, Default)]
pub struct Options {
    /// Profiles to use at once; none: the environment, AWS_PROFILE or `default`, container, instance.
    pub profiles: Vec<String>,
    /// Regions to read; none: what the environment and the profile say.
    pub regions: Vec<String>,
    /// Instead of AWS's own endpoints, for every service; AWS_ENDPOINT_URL does the same.
    pub endpoint_url: Option<String>,
    /// The role in member accounts, with its path; none: [`DEFAULT_ROLE`].
    pub role_name: Option<String>,
    pub external_id: Option<String>,
    /// Names the user in member accounts' logs; none: made from the caller's ARN.
    pub session_name: Option<String>,
    /// Asks for MFA codes; none: profiles that need one say so.
    pub mfa: Option<Prompt>,
    /// Instead of all that could be found: for embedding and tests.
    pub credentials: Option<SharedCredentialsProvider>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("profiles", &self.profiles)
            .field("regions", &self.regions)
            .field("endpoint_url", &self.endpoint_url)
            .field("role_name", &self.role_name)
            .finish_non_exhaustive()
    }
}

/// One caller's way to AWS.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The profile's name; none where the credentials were found or given otherwise.
    pub profile: Option<String>,
    /// Who this is.
    pub caller: Caller,
    /// Regions the user chose or the profile names; empty: all that are enabled ([`ec2::regions`]).
    pub regions: Vec<String>,
    access: Access,
    role_name: String,
    external_id: Option<String>,
    session_name: String,
}

/// Credentials for one account.
#[derive(Clone)]
pub struct Access {
    account: String,
    home: String,
    sdk: SdkConfig,
    keys: Arc<Keys>,
    limiter: Arc<Limiter>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({})", self.account)
    }
}

impl Access {
    pub fn account(&self) -> &str {
        &self.account
    }
    /// The region that answers for global services.
    pub(super) fn home(&self) -> &str {
        &self.home
    }
    /// Credentials for what signs by itself.
    pub(super) async fn credentials(&self) -> Result<Credentials, Failure> {
        self.keys.current().await.map(|(keys, _)| keys)
    }
    /// The account in one region.
    pub fn scope(&self, region: &str) -> Scope {
        let sdk = self.sdk.to_builder().region(Region::new(region.to_owned())).build();
        Scope::new(self.account.clone(), region.to_owned(), sdk, self.keys.clone(), self.limiter.clone())
    }
    /// The account in the region that answers for global services.
    pub fn global(&self) -> Scope {
        self.scope(&self.home)
    }
}

/// Connects with each profile, in their order, or with the credentials that are found; calls `sts:GetCallerIdentity`
/// and checks the chosen regions.
///
/// # Errors
/// One for each profile that cannot be used; the others stay usable.
pub async fn connect(options: &Options) -> Vec<Result<Connection, AwsError>> {
    let limiter = Arc::new(Limiter::default());
    let http = http_client();
    let all: Vec<Option<&str>> = match options.profiles.as_slice() {
        [] => vec![None],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    // One after the other: they may ask the person for MFA codes.
    let mut connections = Vec::with_capacity(all.len());
    for profile in all {
        connections.push(Box::pin(connect_one(options, profile, &limiter, &http)).await);
    }
    connections
}

async fn connect_one(
    options: &Options,
    profile: Option<&str>,
    limiter: &Arc<Limiter>,
    http: &SharedHttpClient,
) -> Result<Connection, AwsError> {
    let env = Env::real();
    let var = |name: &str| env.get(name).ok().filter(|v| !v.trim().is_empty());
    let profiles = Profiles::load(&Fs::real(), &env).await?;
    let keys_in_env = var("AWS_ACCESS_KEY_ID").is_some();
    // The profile that decides: named, or by AWS_PROFILE or `default` where the environment holds no keys.
    let deciding = match profile {
        _ if options.credentials.is_some() => None,
        Some(name) => Some(profiles.get(name)?.name().to_owned()),
        None if keys_in_env => None,
        None if var("AWS_PROFILE").is_some() => Some(profiles.get(profiles.selected())?.name().to_owned()),
        None => profiles.get(profiles.selected()).ok().map(|p| p.name().to_owned()),
    };
    let of_profile = |key: &str| deciding.as_deref().and_then(|name| profiles.get(name).ok()?.get(key).map(str::to_owned));
    let configured = match profile {
        Some(_) => of_profile("region").or_else(|| var("AWS_REGION")).or_else(|| var("AWS_DEFAULT_REGION")),
        None => var("AWS_REGION").or_else(|| var("AWS_DEFAULT_REGION")).or_else(|| of_profile("region")),
    };
    let home = options.regions.iter().find(|r| KNOWN.contains(&r.as_str())).cloned().or_else(|| configured.clone());
    let home = home.unwrap_or_else(|| FALLBACK_REGION.to_owned());

    let sdk = load(options, profile, &home, http).await;
    let found = ProviderConfig::without_region().with_region(Some(Region::new(home.clone()))).with_http_client(http.clone());
    let sso = deciding.as_deref().and_then(|name| match profiles.chain(name).ok()?.leaf {
        Leaf::Profile(leaf) if profiles.is_sso(&leaf) => Some(leaf),
        _ => None,
    });
    let hint = sso.as_ref().map(|name| format!("run `aws sso login --profile {name}`")).unwrap_or_default();
    let fresh = |source| Keys::new(source, limiter.clone(), hint.clone());
    let mut roles = Vec::new();
    let mut keys = match (&options.credentials, &deciding) {
        (Some(given), _) => fresh(Source::Given(given.clone())),
        (None, Some(name)) => {
            let chain = profiles.chain(name)?;
            roles = chain.roles;
            match chain.leaf {
                Leaf::Keys(keys) => fresh(Source::Fixed(keys)),
                // Not named by the user and nothing to become: what is found may also be a container's or an instance's.
                Leaf::Profile(_) if profile.is_none() && roles.is_empty() => fresh(Source::Found(found)),
                Leaf::Profile(leaf) => fresh(Source::Profile(found, leaf)),
            }
        }
        (None, None) => fresh(Source::Found(found)),
    };
    for step in roles {
        let mfa = match (step.mfa, &options.mfa) {
            (None, _) => None,
            (Some(request), Some(prompt)) => Some((request, prompt.clone())),
            (Some(request), None) => {
                let why = "there is no one to ask; run bartizan in a terminal".to_owned();
                return Err(AwsError::Mfa { profile: request.profile, device: request.device, why });
            }
        };
        keys = fresh(Source::Role { base: Box::new(with_keys(&sdk, &keys)), role: step.role, mfa });
    }

    let sdk = with_keys(&sdk, &keys);
    let who = deciding.as_ref().or(sso.as_ref()).map_or_else(|| ENVIRONMENT.to_owned(), |p| format!("profile {p}"));
    let endpoint = || {
        let set = sdk.endpoint_url().map(str::to_owned);
        set.unwrap_or_else(|| format!("https://sts.{home}.amazonaws.com"))
    };
    let asked = match keys.current().await {
        Ok(_) => sts::caller(&sdk, limiter).await,
        Err(failure) => Err(failure),
    };
    let caller = asked.map_err(|failure| shut(failure, &who, sso.as_deref(), endpoint))?;
    tracing::debug!(arn = %caller.arn, region = %home, "connected");
    let session_name = options.session_name.as_deref().map_or_else(|| sts::session_name(&caller), sts::sanitise);
    let access = Access { account: caller.account.clone(), home, sdk, keys, limiter: limiter.clone() };
    let regions = match options.regions.as_slice() {
        [] => configured.into_iter().collect(),
        wanted => check_regions(&access, wanted).await?,
    };
    let role_name = options.role_name.clone().unwrap_or_else(|| DEFAULT_ROLE.to_owned());
    let profile = profile.map(str::to_owned).or(deciding);
    Ok(Connection { profile, caller, regions, access, role_name, external_id: options.external_id.clone(), session_name })
}

/// Who asks, where no profile is named.
const ENVIRONMENT: &str = "this environment";
/// Where credentials are looked for then.
const CHAIN: &str = "environment variables, profile files, web identity, container and instance role gave none";

/// Why the door stays shut, by what asking for the caller's identity met.
fn shut(failure: Failure, who: &str, sso: Option<&str>, endpoint: impl Fn() -> String) -> AwsError {
    // The hint stands in the error's own words already.
    let why = failure.message.split(" (run `aws sso login").next().unwrap_or_default().to_owned();
    let who = who.to_owned();
    match (failure.kind, sso) {
        (Kind::Unreachable, _) => AwsError::Unreachable { endpoint: endpoint(), why },
        (Kind::Expired | Kind::NoCredentials, Some(profile)) => AwsError::SsoExpired { profile: profile.to_owned(), why },
        // The chain tells each provider's inner state; which ones there are says more.
        (Kind::NoCredentials, None) if who == ENVIRONMENT => AwsError::NoCredentials { who, why: CHAIN.to_owned() },
        (Kind::NoCredentials, None) => AwsError::NoCredentials { who, why },
        (Kind::Expired, None) => AwsError::Expired { who, why },
        _ => AwsError::Refused { what: "sts:GetCallerIdentity".into(), who, failure },
    }
}

/// The chosen regions, each once, in their order.
async fn check_regions(access: &Access, wanted: &[String]) -> Result<Vec<String>, AwsError> {
    let answer = ec2::regions(&access.global()).await;
    let mut regions: Vec<String> = Vec::new();
    for region in wanted {
        let known = match answer.value.iter().find(|r| &r.name == region) {
            Some(found) if !found.enabled => {
                return Err(AwsError::RegionOff { region: region.clone(), account: access.account.clone() });
            }
            Some(_) => true,
            // Where AWS would not tell, this build's own list decides.
            None => answer.value.is_empty() && KNOWN.contains(&region.as_str()),
        };
        if !known {
            let asked: Vec<String> = answer.value.iter().filter(|r| r.enabled).map(|r| r.name.clone()).collect();
            let regions = if asked.is_empty() { KNOWN.iter().map(|r| (*r).to_owned()).collect() } else { asked };
            let nearest = nearest(region, regions.iter().map(String::as_str));
            return Err(AwsError::UnknownRegion { wanted: region.clone(), nearest, regions });
        }
        if !regions.contains(region) {
            regions.push(region.clone());
        }
    }
    Ok(regions)
}

impl Connection {
    /// The caller's own account.
    pub fn access(&self) -> Access {
        self.access.clone()
    }

    /// An account of the organisation, by the configured role; the caller's own without one. Where the account refuses,
    /// the value is none and coverage says why.
    pub async fn enter(&self, account: &str) -> Answer<Option<Access>> {
        if account == self.caller.account {
            return Answer { value: Some(self.access()), coverage: Vec::new() };
        }
        let partition = self.caller.arn.split(':').nth(1).unwrap_or("aws");
        let role = Role {
            arn: format!("arn:{partition}:iam::{account}:role/{}", self.role_name),
            session_name: self.session_name.clone(),
            external_id: self.external_id.clone(),
            duration: None,
        };
        let source = Source::Role { base: Box::new(self.access.sdk.clone()), role, mfa: None };
        let keys = Keys::new(source, self.access.limiter.clone(), String::new());
        let access = Access {
            account: account.to_owned(),
            home: self.access.home.clone(),
            sdk: with_keys(&self.access.sdk, &keys),
            keys: keys.clone(),
            limiter: self.access.limiter.clone(),
        };
        let mut tally = Tally::new(sts::ASSUME_ROLE);
        let entered = tally.add(keys.current().await.map_err(|failure| self.refused(account, failure)));
        let coverage = vec![access.global().covered(&tally)];
        Answer { value: entered.map(|_| access), coverage }
    }

    fn refused(&self, account: &str, mut failure: Failure) -> Failure {
        if failure.kind == Kind::Denied {
            let role = &self.role_name;
            failure.message =
                format!("{} (role {role} of account {account} must exist and trust {})", failure.message, self.caller.arn);
        }
        failure
    }
}

/// Everything about the SDK but the credentials. Its own retries are off: `ask` has them, under the limiter.
async fn load(options: &Options, profile: Option<&str>, region: &str, http: &SharedHttpClient) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .operation_attempt_timeout(Duration::from_secs(30))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(http.clone())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        // `Keys` keeps credentials and knows when AWS called them expired; a second cache would hide the new ones.
        .identity_cache(IdentityCache::no_cache())
        .no_credentials();
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    Box::pin(loader.load()).await
}

fn with_keys(sdk: &SdkConfig, keys: &Arc<Keys>) -> SdkConfig {
    sdk.to_builder().credentials_provider(keys.provider()).build()
}

/// One pool of connections for all services, accounts and regions; the SDK's default would make one for each client and
/// read the system's certificates each time.
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = aws_smithy_http_client::Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(kind: Kind, sso: Option<&str>) -> String {
        let failure = Failure::new(kind, "Code", "what AWS said");
        shut(failure, "profile corp", sso, || "http://127.0.0.1:9".into()).to_string()
    }

    #[test]
    fn a_shut_door_says_what_to_do() {
        assert!(says(Kind::Expired, Some("corp")).contains("run `aws sso login --profile corp`"));
        assert!(says(Kind::Expired, None).contains("credentials of profile corp have expired"));
        assert!(says(Kind::NoCredentials, None).contains("bartizan demo"));
        assert!(says(Kind::Unreachable, Some("corp")).starts_with("could not reach AWS at http://127.0.0.1:9"));
        assert!(says(Kind::Denied, None).contains("refused sts:GetCallerIdentity to profile corp: Code: what AWS said"));
    }
}
