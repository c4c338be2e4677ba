//! Owns the WebSocket upgrade: which stream URLs are dialled, and the signed request. It does not own the socket (`dial`).
//!
//! Signature: AWS Signature Version 4 for service `ssmmessages`, empty payload; `host`, `x-amz-date` and, for temporary
//! credentials, `x-amz-security-token` are signed. A URL that is already presigned is left as it is.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, SessionTokenMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderValue, Request, Uri};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Where a data channel may be opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Endpoints {
    /// Only `wss` to AWS's own `ssmmessages` endpoints.
    #[default]
    Aws,
    /// Also, with or without TLS, this one `host:port`, which the user has named. For test peers and private proxies.
    Also(String),
    /// The same for a host on every port: the streams of a stand-in for AWS come from ports of its own choice.
    Host(String),
}

/// Endings of AWS's host names, by partition.
const SUFFIXES: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
];

/// Why a stream URL is not dialled or a request not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    #[error("the stream URL {0:?} cannot be read")]
    Url(String),
    #[error(
        "the stream URL leads to {0:?}, which is no AWS Session Manager endpoint; name it as an endpoint override to allow it"
    )]
    Foreign(String),
    #[error("the stream URL of {0:?} is not encrypted (wss); it was not dialled")]
    Plain(String),
    #[error("the request to open the data channel could not be signed: {0}")]
    Sign(String),
}

/// A checked stream URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamUrl {
    /// The URL as AWS gave it, query included byte for byte.
    pub uri: Uri,
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

impl StreamUrl {
    /// Checks a stream URL against the endpoints that are allowed.
    pub fn check(url: &str, endpoints: &Endpoints) -> Result<Self, UpgradeError> {
        let shown = || url.split('?').next().unwrap_or_default().chars().take(200).collect::<String>();
        let uri: Uri = url.parse().map_err(|_| UpgradeError::Url(shown()))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UpgradeError::Url(shown()));
        };
        let tls = match scheme {
            "wss" => true,
            "ws" => false,
            _ => return Err(UpgradeError::Url(shown())),
        };
        let host = authority.host().to_ascii_lowercase();
        if authority.as_str().contains('@') {
            return Err(UpgradeError::Foreign(host));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let named = match endpoints {
            Endpoints::Aws => false,
            Endpoints::Also(also) => *also == format!("{host}:{port}"),
            Endpoints::Host(named) => named.eq_ignore_ascii_case(&host),
        };
        if !named {
            let aws = SUFFIXES.iter().any(|suffix| host.ends_with(suffix));
            let messages = host.split('.').any(|label| label == "ssmmessages" || label == "ssmmessages-fips");
            if !aws || !messages || port != 443 {
                return Err(UpgradeError::Foreign(format!("{host}:{port}")));
            }
            if !tls {
                return Err(UpgradeError::Plain(host));
            }
        }
        Ok(Self { uri, host: host.trim_matches(['[', ']']).to_owned(), port, tls })
    }

    /// Whether the URL carries its own signature. Such a session is never resumed.
    pub fn is_presigned(&self) -> bool {
        self.uri.query().unwrap_or_default().split('&').any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
        })
    }

    /// The upgrade request, signed for this dial. `now` is the wall clock; a signature is good for five minutes.
    pub fn request(&self, credentials: Option<Credentials>, region: &str, now: SystemTime) -> Result<Request<()>, UpgradeError> {
        let sign_error = |e: &dyn std::fmt::Display| UpgradeError::Sign(e.to_string());
        let mut request = self.uri.clone().into_client_request().map_err(|e| sign_error(&e))?;
        let Some(credentials) = credentials.filter(|_| !self.is_presigned()) else { return Ok(request) };
        let identity: Identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::Headers;
        settings.session_token_mode = SessionTokenMode::Include;
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("ssmmessages")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|e| sign_error(&e))?
            .into();
        let host = self.uri.authority().map_or("", |a| a.as_str());
        let uri = self.uri.to_string();
        let to_sign =
            SignableRequest::new("GET", &uri, [("host", host)].into_iter(), SignableBody::empty()).map_err(|e| sign_error(&e))?;
        let (instructions, _) = sign(to_sign, &params).map_err(|e| sign_error(&e))?.into_parts();
        for (name, value) in instructions.headers() {
            let mut value = HeaderValue::from_str(value).map_err(|e| sign_error(&e))?;
            value.set_sensitive(true);
            let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|e| sign_error(&e))?;
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<StreamUrl, UpgradeError> {
        StreamUrl::check(url, &Endpoints::Aws)
    }

    #[test]
    fn only_encrypted_aws_endpoints_are_dialled() {
        assert!(check("wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/s?role=publish_subscribe").is_ok());
        assert!(check("wss://ssmmessages-fips.us-east-1.amazonaws.com/v1/data-channel/s").is_ok());
        assert!(check("wss://ssmmessages.cn-north-1.amazonaws.com.cn/v1/data-channel/s").is_ok());
        assert!(check("wss://ssmmessages.eu-central-1.api.aws/v1/data-channel/s").is_ok());
        for foreign in [
            "wss://ssmmessages.eu-west-1.amazonaws.com.evil.example/v1",
            "wss://evil.example/ssmmessages.eu-west-1.amazonaws.com",
            "wss://ssmmessages.eu-west-1.amazonaws.com@evil.example/v1",
            "wss://evil@ssmmessages.eu-west-1.amazonaws.com/v1",
            "wss://bucket.s3.amazonaws.com/v1",
            "wss://ssmmessages.eu-west-1.amazonaws.com:8443/v1",
            "wss://127.0.0.1:9/v1",
        ] {
            assert!(matches!(check(foreign), Err(UpgradeError::Foreign(_))), "{foreign}");
        }
        assert!(matches!(check("ws://ssmmessages.eu-west-1.amazonaws.com:443/v1"), Err(UpgradeError::Plain(_))));
        assert!(matches!(check("https://ssmmessages.eu-west-1.amazonaws.com/v1"), Err(UpgradeError::Url(_))));
        assert!(matches!(check("nonsense"), Err(UpgradeError::Url(_))));
    }

    #[test]
    fn an_override_allows_that_address_only() {
        let also = Endpoints::Also("127.0.0.1:9000".into());
        assert!(!StreamUrl::check("ws://127.0.0.1:9000/v1", &also).unwrap().tls);
        assert!(StreamUrl::check("ws://127.0.0.1:9001/v1", &also).is_err());
        let host = Endpoints::Host("127.0.0.1".into());
        assert!(StreamUrl::check("ws://127.0.0.1:9001/v1", &host).is_ok());
        assert!(StreamUrl::check("ws://127.0.0.2:9001/v1", &host).is_err());
    }

    #[test]
    fn the_query_goes_out_byte_for_byte() {
        let url = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/jo@x-0a?role=publish_subscribe&cell-number=A+/b==";
        let request = check(url).unwrap().request(None, "eu-west-1", SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(request.uri().to_string(), url);
    }

    #[test]
    fn a_presigned_url_is_not_signed_again() {
        let url = check("wss://ssmmessages.eu-west-1.amazonaws.com/v1?X-Amz-Signature=abc").unwrap();
        assert!(url.is_presigned());
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        let request = url.request(Some(credentials), "eu-west-1", SystemTime::UNIX_EPOCH).unwrap();
        assert!(!request.headers().contains_key("authorization"));
    }

    #[test]
    fn a_session_token_is_signed_and_sent() {
        let url = check("wss://ssmmessages.eu-west-1.amazonaws.com/v1").unwrap();
        let credentials = Credentials::new("AKID", "secret", Some("session".into()), None, "test");
        let request = url.request(Some(credentials), "eu-west-1", SystemTime::UNIX_EPOCH).unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"), "{authorization}");
        assert_eq!(request.headers()["x-amz-security-token"], "session");
    }
}
