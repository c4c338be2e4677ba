//! Calls of AWS's query protocol to services for which this build carries no SDK crate, as `json` does it for JSON 1.1:
//! a form is sent, XML comes back.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_types::SdkConfig;

use crate::aws::call::{Call, Capture, Request};
use crate::aws::error::Failure;
use crate::aws::keys::Keys;
use crate::aws::rest::segment;
use crate::aws::signed::{Bare, exchange};

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")];

/// An action that is asked this way.
pub(super) trait Ask: Send + Sync + 'static {
    const CALL: Call;
    /// The API's version, which tells services apart that share a name: `2012-06-01`.
    const VERSION: &'static str;
}

/// One request, ready to be sent.
pub(super) struct Query<A> {
    sdk: SdkConfig,
    keys: Arc<Keys>,
    form: Arc<str>,
    ask: PhantomData<fn() -> A>,
}

impl<A> Clone for Query<A> {
    fn clone(&self) -> Self {
        Self { sdk: self.sdk.clone(), keys: Arc::clone(&self.keys), form: Arc::clone(&self.form), ask: PhantomData }
    }
}

impl<A: Ask> Query<A> {
    /// The request with these parameters; those without a value are left out.
    pub(super) fn new(sdk: SdkConfig, keys: Arc<Keys>, parameters: &[(&str, Option<String>)]) -> Self {
        let action = A::CALL.action.split(':').next_back().unwrap_or_default();
        let mut form = format!("Action={action}&Version={}", A::VERSION);
        for (name, value) in parameters {
            if let Some(value) = value {
                form += &format!("&{name}={}", segment(value));
            }
        }
        Self { sdk, keys, form: form.into(), ask: PhantomData }
    }
}

impl<A: Ask> Request for Query<A> {
    const CALL: Call = A::CALL;

    async fn once(self, capture: Capture) -> Result<(), Failure> {
        let bare = Bare { method: "POST", host: None, path: "/", headers: FORM, body: self.form.as_bytes() };
        exchange(&self.sdk, &self.keys, &A::CALL, bare, capture).await
    }
}
