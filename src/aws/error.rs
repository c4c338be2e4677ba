//! What can go wrong at the door to AWS: a call's failure, classified in one place, and the errors that keep the door
//! shut (credentials, profiles, regions). It sends nothing and retries nothing.

use std::error::Error;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::model::coverage::Outcome;

/// What kind of failure a call met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The credentials may not do this.
    Denied,
    /// AWS asked to slow down, again and again.
    Throttled,
    /// The credentials ran out.
    Expired,
    /// There are no credentials at all.
    NoCredentials,
    /// The service, region or feature is not in use here.
    NotEnabled,
    /// What was asked for does not exist.
    Missing,
    /// No answer: name, connection, TLS or time.
    Unreachable,
    /// The service failed (5xx) or its answer could not be read; another try may do.
    Broken,
    /// Anything else AWS refused.
    Failed,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub struct Failure {
    pub kind: Kind,
    /// AWS's error code, `UnauthorizedOperation`; empty where there was none.
    pub code: String,
    /// AWS's own words.
    pub message: String,
}

impl Failure {
    pub fn new(kind: Kind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into() }
    }

    /// Classifies what the SDK met.
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if let Some(credentials) = find::<CredentialsError, _>(error) {
            if let Some(inner) = find::<Self, _>(credentials) {
                return inner.clone();
            }
            return Self::of_credentials(credentials);
        }
        match error {
            // AWS refuses with other statuses: this is an answer whose body makes no sense.
            SdkError::ServiceError(service) if service.raw().status().is_success() => {
                let status = service.raw().status().as_u16();
                Self::new(Kind::Broken, "", format!("the answer (HTTP status {status}) could not be read: {}", chain(error)))
            }
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let code = error.code().unwrap_or_default();
                let message = error.message().map_or_else(|| format!("HTTP status {status}"), str::to_owned);
                Self::new(classify(code, status, &message), code, shorten(&message))
            }
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                Self::new(Kind::Broken, "", format!("the answer (HTTP status {status}) could not be read: {}", chain(error)))
            }
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) => Self::new(Kind::Unreachable, "", chain(error)),
            _ => Self::new(Kind::Failed, "", chain(error)),
        }
    }

    /// Classifies a refusal as it came.
    pub(super) fn answered(code: &str, status: u16, message: Option<&str>) -> Self {
        let message = message.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
        Self::new(classify(code, status, &message), code, shorten(&message))
    }

    /// Classifies what a provider of credentials met.
    pub(super) fn of_credentials(error: &CredentialsError) -> Self {
        let kind = match error {
            CredentialsError::CredentialsNotLoaded(_) => Kind::NoCredentials,
            CredentialsError::ProviderTimedOut(_) => Kind::Unreachable,
            _ if find::<ConnectorError, _>(error).is_some() => Kind::Unreachable,
            CredentialsError::InvalidConfiguration(_) => Kind::Failed,
            // The last in the chain: an instance without a role, or an address that is no instance's.
            _ if find::<ImdsError, _>(error).is_some() => Kind::NoCredentials,
            _ => Kind::Expired,
        };
        Self::new(kind, "", chain(error))
    }

    /// An answer that came but could not be read.
    pub(super) fn unreadable(why: impl Into<String>) -> Self {
        Self::new(Kind::Broken, "", why)
    }

    /// How it stands in coverage.
    pub const fn outcome(&self) -> Outcome {
        match self.kind {
            Kind::Denied => Outcome::Denied,
            Kind::Throttled => Outcome::Throttled,
            // There is nothing to ask where a service is off.
            Kind::NotEnabled => Outcome::NotAsked,
            Kind::Expired | Kind::NoCredentials | Kind::Missing | Kind::Unreachable | Kind::Broken | Kind::Failed => {
                Outcome::Failed
            }
        }
    }

    /// AWS's words, and what to do next.
    pub fn reason(&self) -> String {
        let said = match (self.code.is_empty(), self.message.is_empty()) {
            (false, false) => format!("{}: {}", self.code, self.message),
            (false, true) => self.code.clone(),
            _ => self.message.clone(),
        };
        format!("{}; {}", said.trim_end_matches(['.', ' ']), self.next())
    }

    fn next(&self) -> &'static str {
        match self.kind {
            Kind::Denied if self.message.contains("service control policy") => {
                "a policy of the organisation denies it, whatever the role allows"
            }
            Kind::Denied
                if matches!(self.code.as_str(), "InvalidClientTokenId" | "UnrecognizedClientException" | "AuthFailure") =>
            {
                "the credentials are not valid here: check the key, and that the region is enabled for the account"
            }
            Kind::Denied => "allow it to the role in use; `bartizan permissions` prints the policy",
            Kind::Throttled => "others use up the account's rate; the next refresh tries again",
            Kind::NoCredentials => "set AWS_PROFILE or -p, or run `aws configure`",
            Kind::Expired => "renew the credentials and refresh",
            Kind::NotEnabled => "enable it there if it should be covered",
            Kind::Missing => "it may have been deleted meanwhile; refresh",
            Kind::Unreachable => "check the network, the proxy and the endpoint; the next refresh tries again",
            Kind::Broken => "the service had a problem; the next refresh tries again",
            Kind::Failed => "see AWS's words",
        }
    }
}

/// Codes from AWS's common errors and the services' own references; where the code does not tell, the status does.
fn classify(code: &str, status: u16, message: &str) -> Kind {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown"
        | "PriorRequestNotComplete"
        | "EC2ThrottledException"
        | "RateExceededException"
        | "LimitExceededException"
            if code != "LimitExceededException" || message.to_ascii_lowercase().contains("rate") =>
        {
            Kind::Throttled
        }
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => Kind::Expired,
        "InvalidAccessException" if message.contains("not subscribed") || message.contains("not enabled") => Kind::NotEnabled,
        "OptInRequired" | "SubscriptionRequiredException" | "AWSOrganizationsNotInUseException" => Kind::NotEnabled,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnauthorizedAccess"
        | "NotAuthorized"
        | "NotAuthorizedException"
        | "AuthorizationError"
        | "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "InvalidAccessException" => Kind::Denied,
        "NoSuchEntity" | "NoSuchEntityException" | "ResourceNotFoundException" | "ReportNotPresent" => Kind::Missing,
        _ if code.ends_with(".NotFound") => Kind::Missing,
        "ServiceUnavailable"
        | "InternalError"
        | "InternalFailure"
        | "InternalException"
        | "InternalServerError"
        | "RequestTimeout"
        | "RequestTimeoutException" => Kind::Broken,
        _ if status == 429 => Kind::Throttled,
        _ if status >= 500 => Kind::Broken,
        _ if status == 401 || status == 403 => Kind::Denied,
        _ => Kind::Failed,
    }
}

/// The first `T` among an error and its causes.
pub(super) fn find<'a, T: Error + 'static, E: Error + 'static>(error: &'a E) -> Option<&'a T> {
    let mut next: Option<&'a (dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error and its causes in one line, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let line = |error: &dyn Error| error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = line(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let words = line(cause);
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    shorten(&text)
}

fn shorten(text: &str) -> String {
    const MOST: usize = 600;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain(['…']).collect() }
}

/// Why there is no connection to AWS. Every text says what was tried, why it failed and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    #[error(
        "no AWS credentials found for {who}: {why}; set AWS_PROFILE or -p, run `aws configure` or `aws sso login`, or look \
         around without AWS: `bartizan demo`"
    )]
    NoCredentials { who: String, why: String },
    #[error(
        "the SSO session of profile {profile} has expired or never began: {why}; run `aws sso login --profile {profile}` and try again"
    )]
    SsoExpired { profile: String, why: String },
    #[error("the credentials of {who} have expired: {why}; renew them and try again")]
    Expired { who: String, why: String },
    #[error("there is no profile {wanted:?} in {files}; {}", known(.nearest.as_deref(), .profiles))]
    UnknownProfile { wanted: String, nearest: Option<String>, profiles: Vec<String>, files: String },
    #[error("profile {profile}: {why}")]
    BadProfile { profile: String, why: String },
    #[error("could not read the AWS configuration files: {why}; correct them and try again")]
    BadFiles { why: String },
    #[error("there is no region {wanted:?}; {}", known(.nearest.as_deref(), .regions))]
    UnknownRegion { wanted: String, nearest: Option<String>, regions: Vec<String> },
    #[error("region {region} is not enabled in account {account}; enable it in the account's settings or leave it out of -r")]
    RegionOff { region: String, account: String },
    #[error("could not reach AWS at {endpoint}: {why}; check the network, HTTPS_PROXY and AWS_ENDPOINT_URL, then try again")]
    Unreachable { endpoint: String, why: String },
    #[error("profile {profile} needs a code of MFA device {device}: {why}")]
    Mfa { profile: String, device: String, why: String },
    #[error("AWS refused {what} to {who}: {failure}")]
    Refused { what: String, who: String, failure: Failure },
}

fn known(nearest: Option<&str>, all: &[String]) -> String {
    let meant = nearest.map(|n| format!("did you mean {n}? ")).unwrap_or_default();
    if all.is_empty() { format!("{meant}there are none") } else { format!("{meant}there are: {}", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_statuses_have_one_kind() {
        for (code, status, message, kind) in [
            ("RequestLimitExceeded", 503, "", Kind::Throttled),
            ("ThrottlingException", 400, "Rate exceeded", Kind::Throttled),
            ("LimitExceededException", 429, "Rate exceeded", Kind::Throttled),
            ("LimitExceededException", 400, "too many roles", Kind::Failed),
            ("", 429, "", Kind::Throttled),
            ("UnauthorizedOperation", 403, "", Kind::Denied),
            ("AccessDenied", 403, "", Kind::Denied),
            ("", 403, "", Kind::Denied),
            ("ExpiredToken", 403, "", Kind::Expired),
            ("InvalidAccessException", 401, "Account 1 is not subscribed to AWS Security Hub", Kind::NotEnabled),
            ("AWSOrganizationsNotInUseException", 400, "", Kind::NotEnabled),
            ("NoSuchEntity", 404, "", Kind::Missing),
            ("InvalidVpcID.NotFound", 400, "", Kind::Missing),
            ("InternalError", 500, "", Kind::Broken),
            ("", 502, "", Kind::Broken),
            ("ValidationError", 400, "", Kind::Failed),
        ] {
            assert_eq!(classify(code, status, message), kind, "{code} {status}");
        }
    }

    #[test]
    fn a_reason_is_aws_words_and_what_to_do() {
        let denied = Failure::new(Kind::Denied, "UnauthorizedOperation", "You are not authorized to perform this operation.");
        assert_eq!(
            denied.reason(),
            "UnauthorizedOperation: You are not authorized to perform this operation; allow it to the role in use; \
             `bartizan permissions` prints the policy"
        );
        let scp = Failure::new(Kind::Denied, "AccessDenied", "… with an explicit deny in a service control policy");
        assert!(scp.reason().ends_with("whatever the role allows"));
        assert_eq!(Failure::new(Kind::NotEnabled, "x", "").outcome(), Outcome::NotAsked);
    }

    #[test]
    fn unknown_names_show_the_nearest_and_all() {
        let error = AwsError::UnknownRegion {
            wanted: "eu-wset-1".into(),
            nearest: Some("eu-west-1".into()),
            regions: vec!["eu-west-1".into(), "us-east-1".into()],
        };
        assert_eq!(
            error.to_string(),
            "there is no region \"eu-wset-1\"; did you mean eu-west-1? there are: eu-west-1, us-east-1"
        );
    }
}
