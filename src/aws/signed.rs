//! One request of our own to a service for which this build carries no SDK crate: signed, sent, its answer read or its
//! refusal named. What is asked and how it is declared is `json`'s, `query`'s and `rest`'s matter.

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::SdkConfig;
use serde_json::Value;

use crate::aws::call::{Call, Capture};
use crate::aws::error::{Failure, Kind};
use crate::aws::keys::Keys;
use crate::aws::xml::{self, Dialect};

/// One try: connecting, sending, reading.
const ATTEMPT: Duration = Duration::from_secs(30);

/// What is sent.
pub(super) struct Bare<'a> {
    pub(super) method: &'static str,
    /// What the endpoint's host begins with, where it is not the service's name in actions.
    pub(super) host: Option<&'a str>,
    /// Path and query, percent-encoded, beginning with `/`.
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: &'a [u8],
}

/// Signs a request by the keys of now, sends it once, and leaves the answer's body in `capture`.
pub(super) async fn exchange(sdk: &SdkConfig, keys: &Keys, call: &Call, bare: Bare<'_>, capture: Capture) -> Result<(), Failure> {
    let request = signed(sdk, keys, call, &bare).await?;
    let unreachable = |why: &dyn std::fmt::Display| Failure::new(Kind::Unreachable, "", why.to_string());
    let answer = async {
        let connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .proxy_config(ProxyConfig::from_env())
            .build();
        let mut response = connector.call(request).await.map_err(|e| unreachable(&e))?;
        let status = response.status().as_u16();
        let kind = response.headers().get("x-amzn-errortype").unwrap_or_default().to_owned();
        let body = ByteStream::new(response.take_body()).collect().await.map_err(|e| unreachable(&e))?;
        Ok((status, kind, body.into_bytes()))
    };
    let (status, kind, body) = match tokio::time::timeout(ATTEMPT, answer).await {
        Ok(answered) => answered?,
        Err(_) => return Err(unreachable(&format!("no answer within {} s", ATTEMPT.as_secs()))),
    };
    if (200..300).contains(&status) {
        capture.put(body.to_vec());
        return Ok(());
    }
    let said = refusal(&body);
    // `com.amazonaws.kms#AccessDeniedException` in some bodies, the bare code in others; REST services name it in a header,
    // some with a URL behind a colon.
    let named = said["__type"].as_str().or_else(|| said["Code"].as_str()).unwrap_or(&kind);
    let code = named.rsplit('#').next().and_then(|c| c.split(':').next()).unwrap_or_default();
    let message = said["message"].as_str().or_else(|| said["Message"].as_str());
    Err(Failure::answered(code, status, message))
}

/// A refusal as an object with a code and a message: JSON as it came, of XML the innermost `Error`.
fn refusal(body: &[u8]) -> Value {
    if body.first() != Some(&b'<') {
        return serde_json::from_slice(body).unwrap_or_default();
    }
    let mut said = xml::read(body, Dialect::Plain).unwrap_or_default();
    match said.get_mut("Error").map(Value::take) {
        Some(inner) => inner,
        None => said,
    }
}

/// How a service wants its requests signed: S3 takes the body's digest in a header, and the path as it is.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

async fn signed(sdk: &SdkConfig, keys: &Keys, call: &Call, bare: &Bare<'_>) -> Result<HttpRequest, Failure> {
    let unsigned =
        |why: &dyn std::fmt::Display| Failure::new(Kind::Failed, "", format!("{} could not be signed: {why}", call.action));
    let service = call.action.split(':').next().unwrap_or_default();
    let region = sdk.region().map_or("", |r| r.as_ref());
    let url = format!("{}{}", endpoint(sdk, bare.host.unwrap_or(service)), bare.path);
    let uri: http::Uri = url.parse().map_err(|e| unsigned(&e))?;
    let host = uri.authority().map_or("", |a| a.as_str());
    let (keys, _) = keys.current().await?;
    let identity: Identity = keys.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::now())
        .settings(settings(service))
        .build()
        .map_err(|e| unsigned(&e))?
        .into();
    let headers = std::iter::once(("host", host)).chain(bare.headers.iter().copied());
    let to_sign = SignableRequest::new(bare.method, &url, headers, SignableBody::Bytes(bare.body)).map_err(|e| unsigned(&e))?;
    let (instructions, _) = sign(to_sign, &params).map_err(|e| unsigned(&e))?.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(bare.body.to_vec()));
    request.set_method(bare.method).map_err(|e| unsigned(&e))?;
    request.set_uri(url.as_str()).map_err(|e| unsigned(&e))?;
    let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = bare.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    for (name, value) in given.chain(signed) {
        request.headers_mut().insert(name, value);
    }
    if !bare.body.is_empty() {
        request.headers_mut().insert("content-length", bare.body.len().to_string());
    }
    Ok(request)
}

/// A service's endpoint: the one that stands in for AWS's, else its own in the configuration's region.
pub(super) fn endpoint(sdk: &SdkConfig, service: &str) -> String {
    let region = sdk.region().map_or("", |r| r.as_ref());
    match sdk.endpoint_url() {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("https://{service}.{region}.{}", dns_suffix(region)),
    }
}

/// The ending of a region's host names, by partition.
fn dns_suffix(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "amazonaws.com.cn",
        r if r.starts_with("eusc-") => "amazonaws.eu",
        r if r.starts_with("us-iso-") => "c2s.ic.gov",
        r if r.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_in_every_protocol() {
        let query = b"<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
            <Code>AuthorizationError</Code><Message>not &lt;you&gt;</Message></Error><RequestId>r</RequestId></ErrorResponse>";
        assert_eq!((&refusal(query)["Code"], &refusal(query)["Message"]), (&"AuthorizationError".into(), &"not <you>".into()));
        let s3 = b"<?xml version=\"1.0\"?><Error><Code>NoSuchBucketPolicy</Code><Message>none</Message></Error>";
        assert_eq!(refusal(s3)["Code"], "NoSuchBucketPolicy");
        assert_eq!(refusal(b"{\"__type\":\"AccessDeniedException\"}")["__type"], "AccessDeniedException");
        for other in [&b"<html><body>503</body></html>"[..], b"", b"no", b"<a>"] {
            assert_eq!(refusal(other)["Code"].as_str(), None);
        }
    }
}
