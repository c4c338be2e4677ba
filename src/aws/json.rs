//! Calls of AWS's JSON 1.1 protocol to services for which this build carries no SDK crate (each costs minutes of build):
//! signed and sent here, declared, limited and classified like all others.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
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

use crate::aws::call::{Call, Capture, Request};
use crate::aws::error::{Failure, Kind};
use crate::aws::keys::Keys;

/// One try: connecting, sending, reading.
const ATTEMPT: Duration = Duration::from_secs(30);

/// An action that is called this way.
pub(super) trait Action: Send + Sync + 'static {
    const CALL: Call;
    /// The `X-Amz-Target`: `TrentService.GenerateDataKey`.
    const TARGET: &'static str;
}

/// One request, ready to be sent.
pub(super) struct Json<A> {
    sdk: SdkConfig,
    keys: Arc<Keys>,
    body: Arc<str>,
    action: PhantomData<fn() -> A>,
}

impl<A> Clone for Json<A> {
    fn clone(&self) -> Self {
        Self { sdk: self.sdk.clone(), keys: Arc::clone(&self.keys), body: Arc::clone(&self.body), action: PhantomData }
    }
}

impl<A: Action> Json<A> {
    pub(super) fn new(sdk: SdkConfig, keys: Arc<Keys>, body: &Value) -> Self {
        Self { sdk, keys, body: body.to_string().into(), action: PhantomData }
    }

    async fn signed(&self) -> Result<HttpRequest, Failure> {
        let unsigned = |why: &dyn std::fmt::Display| {
            Failure::new(Kind::Failed, "", format!("{} could not be signed: {why}", A::CALL.action))
        };
        let service = A::CALL.action.split(':').next().unwrap_or_default();
        let region = self.sdk.region().map_or("", |r| r.as_ref());
        let url = format!("{}/", endpoint(&self.sdk, service));
        let uri: http::Uri = url.parse().map_err(|e| unsigned(&e))?;
        let host = uri.authority().map_or("", |a| a.as_str());
        let (keys, _) = self.keys.current().await?;
        let identity: Identity = keys.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| unsigned(&e))?
            .into();
        let headers = [("host", host), ("content-type", "application/x-amz-json-1.1"), ("x-amz-target", A::TARGET)];
        let body = SignableBody::Bytes(self.body.as_bytes());
        let to_sign = SignableRequest::new("POST", &url, headers.into_iter(), body).map_err(|e| unsigned(&e))?;
        let (instructions, _) = sign(to_sign, &params).map_err(|e| unsigned(&e))?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(self.body.as_bytes().to_vec()));
        request.set_method("POST").map_err(|e| unsigned(&e))?;
        request.set_uri(url.as_str()).map_err(|e| unsigned(&e))?;
        let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let given = headers.into_iter().skip(1).map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (name, value) in given.chain(signed) {
            request.headers_mut().insert(name, value);
        }
        request.headers_mut().insert("content-length", self.body.len().to_string());
        Ok(request)
    }
}

impl<A: Action> Request for Json<A> {
    const CALL: Call = A::CALL;

    async fn once(self, capture: Capture) -> Result<(), Failure> {
        let request = self.signed().await?;
        let unreachable = |why: &dyn std::fmt::Display| Failure::new(Kind::Unreachable, "", why.to_string());
        let exchange = async {
            let connector = Connector::builder()
                .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
                .proxy_config(ProxyConfig::from_env())
                .build();
            let mut response = connector.call(request).await.map_err(|e| unreachable(&e))?;
            let status = response.status().as_u16();
            let body = ByteStream::new(response.take_body()).collect().await.map_err(|e| unreachable(&e))?;
            Ok((status, body.into_bytes()))
        };
        let (status, body) = match tokio::time::timeout(ATTEMPT, exchange).await {
            Ok(answered) => answered?,
            Err(_) => return Err(unreachable(&format!("no answer within {} s", ATTEMPT.as_secs()))),
        };
        if (200..300).contains(&status) {
            capture.put(body.to_vec());
            return Ok(());
        }
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        // `com.amazonaws.kms#AccessDeniedException` in some answers, the bare code in others.
        let code = said["__type"].as_str().unwrap_or_default().rsplit('#').next().unwrap_or_default();
        let message = said["message"].as_str().or_else(|| said["Message"].as_str());
        Err(Failure::answered(code, status, message))
    }
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
