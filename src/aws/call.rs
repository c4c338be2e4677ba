//! What a service's file declares about each API action it calls, and the one way such a call is sent. It knows no
//! service and no credentials.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;

use crate::aws::error::Failure;

/// The largest answer that is read: real pages are far below, a hostile endpoint's is refused.
pub(super) const LARGEST_BODY: usize = 64 << 20;

/// Where an action is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Once in each account and region.
    PerRegion,
    /// Once in each account.
    Global,
    /// Once, with the caller's own credentials.
    Management,
    /// Where a hub holds findings, and it changes them: only when a person decided or pushes, never to collect.
    Hub,
    /// Where a node stands: only when a person opens a session on it, never to collect.
    Node,
}

/// How often AWS lets an account call an action in one region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Ec2,
    Query,
    /// S3.
    Xml,
    Json,
}

/// One API action that this build calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Call {
    /// IAM's name: `ec2:DescribeVpcs`.
    pub action: &'static str,
    pub reach: Reach,
    pub rate: Rate,
    /// The answer's field that holds the next page's token; none where there is one page only.
    pub paginated: Option<&'static str>,
    /// What it answers, as people say it: `VPCs`.
    pub what: &'static str,
    pub(super) wire: Wire,
}

/// A request that can be sent because its call is declared; only [`calls!`] implements it, [`Raw`] for such a one, and
/// `json` and `rest` for services without an SDK crate.
pub(super) trait Request: Clone + Send + Sync {
    const CALL: Call;
    /// Sends it once; the answer's body is in `capture` afterwards.
    fn once(self, capture: Capture) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Declares calls: `NAME = "service:Action", Reach, Wire, rate, page token field, "what", request builder;`. Each gets a
/// constant and may then be sent; all stand in `CALLS`.
macro_rules! calls {
    ($($name:ident = $action:literal, $reach:ident, $wire:ident, $rate:expr, $paginated:expr, $what:literal, $builder:ty;)+) => {
        $(pub(super) const $name: $crate::aws::call::Call = $crate::aws::call::Call {
            action: $action,
            reach: $crate::aws::call::Reach::$reach,
            rate: $rate,
            paginated: $paginated,
            what: $what,
            wire: $crate::aws::call::Wire::$wire,
        };
        impl $crate::aws::call::Request for $builder {
            const CALL: $crate::aws::call::Call = $name;
            async fn once(self, capture: $crate::aws::call::Capture) -> Result<(), $crate::aws::error::Failure> {
                let sent = Box::pin(self.customize().interceptor(capture).send()).await;
                sent.map(drop).map_err(|error| $crate::aws::error::Failure::of(&error))
            }
        })+
        /// Every API action this file calls.
        pub const CALLS: &[$crate::aws::call::Call] = &[$($name),+];
    };
}
pub(super) use calls;

/// A request whose body is given as text, for what the SDK's types cannot say: they cannot be read from JSON, and they
/// drop fields that they do not know.
#[derive(Clone)]
pub(super) struct Raw<R> {
    request: R,
    body: Arc<[u8]>,
}

impl<R: Request> Raw<R> {
    pub(super) fn new(request: R, body: String) -> Self {
        Self { request, body: body.into_bytes().into() }
    }
}

impl<R: Request> Request for Raw<R> {
    const CALL: Call = R::CALL;
    async fn once(self, capture: Capture) -> Result<(), Failure> {
        self.request.once(Capture { body: Some(self.body), ..capture }).await
    }
}

/// Keeps the body of an answer as it came, and sends a body as it is given.
#[derive(Clone, Default)]
pub(super) struct Capture {
    answer: Arc<Mutex<Vec<u8>>>,
    /// Instead of what the SDK wrote.
    body: Option<Arc<[u8]>>,
}

impl Capture {
    pub(super) fn put(&self, answer: Vec<u8>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.answer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Capture") // an answer of sts:AssumeRole holds secrets
    }
}

impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "capture the answer's body"
    }
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(body) = &self.body {
            let request = context.request_mut();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.to_vec());
        }
        Ok(())
    }
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let length = context.response().headers().get("content-length").and_then(|l| l.parse::<usize>().ok());
        match length {
            Some(length) if length > LARGEST_BODY => {
                Err(format!("the answer has {length} bytes, at most {LARGEST_BODY} are read").into())
            }
            _ => Ok(()),
        }
    }
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(bytes) = context.response().body().bytes() {
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
        }
        Ok(())
    }
}
