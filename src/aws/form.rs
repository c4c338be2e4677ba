//! Calls of AWS's query protocol (a form there, XML back) to services for which this build carries no SDK crate, as `json`
//! does it for JSON 1.1.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_types::SdkConfig;

use crate::aws::call::{Call, Capture, Request};
use crate::aws::error::Failure;
use crate::aws::keys::Keys;
use crate::aws::rest::segment;
use crate::aws::signed::{Bare, exchange};

const HEADERS: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// An action that is called this way.
pub(super) trait Action: Send + Sync + 'static {
    const CALL: Call;
    /// Of the service's API: `2010-03-31`.
    const VERSION: &'static str;
}

/// One request, ready to be sent.
pub(super) struct Form<A> {
    sdk: SdkConfig,
    keys: Arc<Keys>,
    body: Arc<str>,
    action: PhantomData<fn() -> A>,
}

impl<A> Clone for Form<A> {
    fn clone(&self) -> Self {
        Self { sdk: self.sdk.clone(), keys: Arc::clone(&self.keys), body: Arc::clone(&self.body), action: PhantomData }
    }
}

impl<A: Action> Form<A> {
    /// The request with these fields; those without a value are left out.
    pub(super) fn new(sdk: SdkConfig, keys: Arc<Keys>, fields: &[(&str, Option<String>)]) -> Self {
        let action = A::CALL.action.split(':').next_back().unwrap_or_default();
        let mut body = format!("Action={action}&Version={}", A::VERSION);
        for (name, value) in fields {
            if let Some(value) = value {
                body.push_str(&format!("&{name}={}", segment(value)));
            }
        }
        Self { sdk, keys, body: body.into(), action: PhantomData }
    }
}

impl<A: Action> Request for Form<A> {
    const CALL: Call = A::CALL;

    async fn once(self, capture: Capture) -> Result<(), Failure> {
        let bare = Bare { method: "POST", host: None, path: "/", headers: &HEADERS, body: self.body.as_bytes() };
        exchange(&self.sdk, &self.keys, &A::CALL, bare, capture).await
    }
}
