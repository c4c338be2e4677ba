//! Calls of AWS's JSON protocols (1.1 and 1.0) to services for which this build carries no SDK crate (each costs minutes of build):
//! signed and sent here, declared, limited and classified like all others.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_types::SdkConfig;
use serde_json::Value;

use crate::aws::call::{Call, Capture, Request};
use crate::aws::error::Failure;
use crate::aws::keys::Keys;
use crate::aws::signed::{Bare, exchange};

/// An action that is called this way.
pub(super) trait Action: Send + Sync + 'static {
    const CALL: Call;
    /// The content type, and the `X-Amz-Target`: `TrentService.GenerateDataKey`.
    const HEADERS: [(&'static str, &'static str); 2];
    /// What the endpoint's host begins with, where it is not the service's name in actions.
    const HOST: Option<&'static str> = None;
}

/// The headers of an action with this target.
pub(super) const fn target(name: &'static str) -> [(&'static str, &'static str); 2] {
    [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", name)]
}

/// As [`target`], of a service that speaks version 1.0 of the protocol.
pub(super) const fn target_1_0(name: &'static str) -> [(&'static str, &'static str); 2] {
    [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", name)]
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
}

impl<A: Action> Request for Json<A> {
    const CALL: Call = A::CALL;

    async fn once(self, capture: Capture) -> Result<(), Failure> {
        let bare = Bare { method: "POST", host: A::HOST, path: "/", headers: &A::HEADERS, body: self.body.as_bytes() };
        exchange(&self.sdk, &self.keys, &A::CALL, bare, capture).await
    }
}
