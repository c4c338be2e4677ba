//! Reads of AWS's REST JSON protocol from services for which this build carries no SDK crate, as `json` does it for JSON 1.1.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_types::SdkConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws::call::{Call, Capture, Request};
use crate::aws::error::Failure;
use crate::aws::keys::Keys;
use crate::aws::signed::{Bare, exchange};

/// What a query keeps as it is (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An action that is read this way.
pub(super) trait Read: Send + Sync + 'static {
    const CALL: Call;
    /// `/2015-03-31/functions`
    const PATH: &'static str;
}

/// One request, ready to be sent.
pub(super) struct Rest<R> {
    sdk: SdkConfig,
    keys: Arc<Keys>,
    path: Arc<str>,
    read: PhantomData<fn() -> R>,
}

impl<R> Clone for Rest<R> {
    fn clone(&self) -> Self {
        Self { sdk: self.sdk.clone(), keys: Arc::clone(&self.keys), path: Arc::clone(&self.path), read: PhantomData }
    }
}

impl<R: Read> Rest<R> {
    /// The request with these parameters; those without a value are left out.
    pub(super) fn new(sdk: SdkConfig, keys: Arc<Keys>, query: &[(&str, Option<String>)]) -> Self {
        let pair = |(name, value): &(&str, Option<String>)| {
            value.as_ref().map(|value| format!("{name}={}", utf8_percent_encode(value, UNRESERVED)))
        };
        let query: Vec<String> = query.iter().filter_map(pair).collect();
        let path = if query.is_empty() { R::PATH.to_owned() } else { format!("{}?{}", R::PATH, query.join("&")) };
        Self { sdk, keys, path: path.into(), read: PhantomData }
    }
}

impl<R: Read> Request for Rest<R> {
    const CALL: Call = R::CALL;

    async fn once(self, capture: Capture) -> Result<(), Failure> {
        let bare = Bare { method: "GET", path: &self.path, headers: &[], body: &[] };
        exchange(&self.sdk, &self.keys, &R::CALL, bare, capture).await
    }
}
