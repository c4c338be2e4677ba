//! Reads of AWS's REST protocols (JSON, and S3's XML) from services for which this build carries no SDK crate, as `json`
//! does it for JSON 1.1.

use std::marker::PhantomData;
use std::sync::Arc;

use aws_types::SdkConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::aws::call::{Call, Capture, Request};
use crate::aws::error::Failure;
use crate::aws::keys::Keys;
use crate::aws::signed::{Bare, exchange};

/// What a path's segment and a query keep as they are (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// An action that is read this way.
pub(super) trait Read: Send + Sync + 'static {
    const CALL: Call;
    /// `/2015-03-31/functions`; what stands below it is told with each request.
    const PATH: &'static str;
}

/// One request, ready to be sent.
pub(super) struct Rest<R> {
    sdk: SdkConfig,
    keys: Arc<Keys>,
    path: Arc<str>,
    /// The account whose own endpoint is asked, as S3 Control has one for each.
    account: Option<Arc<str>>,
    read: PhantomData<fn() -> R>,
}

impl<R> Clone for Rest<R> {
    fn clone(&self) -> Self {
        Self {
            sdk: self.sdk.clone(),
            keys: Arc::clone(&self.keys),
            path: Arc::clone(&self.path),
            account: self.account.clone(),
            read: PhantomData,
        }
    }
}

impl<R: Read> Rest<R> {
    /// The request with these parameters; those without a value are left out.
    pub(super) fn new(sdk: SdkConfig, keys: Arc<Keys>, query: &[(&str, Option<String>)]) -> Self {
        Self::at(sdk, keys, "", query)
    }

    /// As [`Self::new`], of what stands at a path below the action's own, percent-encoded.
    pub(super) fn at(sdk: SdkConfig, keys: Arc<Keys>, below: &str, query: &[(&str, Option<String>)]) -> Self {
        let pair = |(name, value): &(&str, Option<String>)| value.as_ref().map(|value| format!("{name}={}", segment(value)));
        let query: Vec<String> = query.iter().filter_map(pair).collect();
        let path =
            if query.is_empty() { format!("{}{below}", R::PATH) } else { format!("{}{below}?{}", R::PATH, query.join("&")) };
        Self { sdk, keys, path: path.into(), account: None, read: PhantomData }
    }

    /// Asks S3 Control of this account.
    #[must_use]
    pub(super) fn of_account(mut self, account: &str) -> Self {
        self.account = Some(account.into());
        self
    }
}

impl<R: Read> Request for Rest<R> {
    const CALL: Call = R::CALL;

    async fn once(self, capture: Capture) -> Result<(), Failure> {
        let host = self.account.as_ref().map(|account| format!("{account}.s3-control"));
        let account = self.account.as_deref().map(|account| ("x-amz-account-id", account));
        let bare = Bare { method: "GET", host: host.as_deref(), path: &self.path, headers: account.as_slice(), body: &[] };
        exchange(&self.sdk, &self.keys, &R::CALL, bare, capture).await
    }
}
