//! One account and region to ask: its clients, and the ways to ask (one answer, all pages, a list). What a service is
//! asked for stands in that service's file.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::ask::{Patience, ask};
use crate::aws::call::{Call, Reach, Request, Wire};
use crate::aws::error::{Failure, Kind};
use crate::aws::json::{Action, Json};
use crate::aws::keys::Keys;
use crate::aws::limit::Limiter;
use crate::aws::query::{self, Query};
use crate::aws::rest::{self, Rest};
use crate::aws::signed;
use crate::aws::xml::{self, Dialect};
use crate::model::coverage::{Coverage, Outcome};

/// More pages than any account has; a service that pages on without end is cut off here.
const MOST_PAGES: usize = 20_000;

/// What arrived, and what was asked for it. Partial data stays: coverage tells what is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    pub value: T,
    pub coverage: Vec<Coverage>,
}

impl<T> Answer<T> {
    /// Whether every question was answered.
    pub fn is_whole(&self) -> bool {
        self.coverage.iter().all(|c| c.outcome == Outcome::Ok)
    }
    /// The value; its coverage joins `all`.
    pub(super) fn into(self, all: &mut Vec<Coverage>) -> T {
        all.extend(self.coverage);
        self.value
    }
}

/// One account and region, with credentials. Cheap to clone.
#[derive(Clone)]
pub struct Scope(Arc<Inner>, Patience);

struct Inner {
    account: String,
    region: String,
    sdk: SdkConfig,
    keys: Arc<Keys>,
    limiter: Arc<Limiter>,
    clients: Clients,
}

#[derive(Default)]
struct Clients {
    ec2: OnceLock<aws_sdk_ec2::Client>,
    elbv2: OnceLock<aws_sdk_elasticloadbalancingv2::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    organizations: OnceLock<aws_sdk_organizations::Client>,
    securityhub: OnceLock<aws_sdk_securityhub::Client>,
    ssm: OnceLock<aws_sdk_ssm::Client>,
}

macro_rules! clients {
    ($($name:ident: $krate:ident),+) => {
        $(pub(super) fn $name(&self) -> &$krate::Client {
            self.0.clients.$name.get_or_init(|| $krate::Client::new(&self.0.sdk))
        })+
    };
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({} {})", self.0.account, self.0.region)
    }
}

impl Scope {
    pub(super) fn new(account: String, region: String, sdk: SdkConfig, keys: Arc<Keys>, limiter: Arc<Limiter>) -> Self {
        Self(Arc::new(Inner { account, region, sdk, keys, limiter, clients: Clients::default() }), Patience::LONG)
    }
    pub fn account(&self) -> &str {
        &self.0.account
    }
    pub fn region(&self) -> &str {
        &self.0.region
    }
    /// A call of a service that has no client here.
    pub(super) fn json<A: Action>(&self, body: &Value) -> Json<A> {
        Json::new(self.0.sdk.clone(), Arc::clone(&self.0.keys), body)
    }
    /// The URL at which a service is asked here, for whoever asks it in our place.
    pub fn endpoint(&self, service: &str) -> String {
        signed::endpoint(&self.0.sdk, service)
    }
    /// As [`Self::json`], where the service speaks the query protocol.
    pub(super) fn query<A: query::Ask>(&self, parameters: &[(&str, Option<String>)]) -> Query<A> {
        Query::new(self.0.sdk.clone(), Arc::clone(&self.0.keys), parameters)
    }
    /// As [`Self::json`], where the service speaks REST.
    pub(super) fn rest<R: rest::Read>(&self, query: &[(&str, Option<String>)]) -> Rest<R> {
        Rest::new(self.0.sdk.clone(), Arc::clone(&self.0.keys), query)
    }
    /// As [`Self::rest`], of something below the service's own path.
    pub(super) fn rest_at<R: rest::Read>(&self, path: &str, query: &[(&str, Option<String>)]) -> Rest<R> {
        Rest::at(self.0.sdk.clone(), Arc::clone(&self.0.keys), path, query)
    }
    /// The host of the endpoint that stands in for AWS's own; none where AWS is asked.
    pub fn endpoint_host(&self) -> Option<String> {
        let url: http::Uri = self.0.sdk.endpoint_url()?.parse().ok()?;
        url.host().map(|host| host.to_ascii_lowercase())
    }
    /// The credentials in use, fetched anew where they have run out.
    ///
    /// # Errors
    /// Where there are none now.
    pub async fn credentials(&self) -> Result<Credentials, Failure> {
        Ok(self.0.keys.current().await?.0)
    }
    /// The same, asking once: for whoever tries again by itself.
    #[must_use]
    pub fn once(&self) -> Self {
        Self(Arc::clone(&self.0), Patience::NONE)
    }

    clients! {
        ec2: aws_sdk_ec2, elbv2: aws_sdk_elasticloadbalancingv2, iam: aws_sdk_iam, organizations: aws_sdk_organizations,
        securityhub: aws_sdk_securityhub, ssm: aws_sdk_ssm
    }

    /// Asks one thing and returns the answer's body. Credentials that AWS calls expired are fetched anew, once.
    pub(super) async fn body<R: Request>(&self, request: &R) -> Result<Vec<u8>, Failure> {
        let inner = &*self.0;
        let (_, turn) = inner.keys.current().await?;
        let region = self.region_of(&R::CALL);
        let asked = Box::pin(ask(&inner.limiter, &inner.account, region, self.1, request)).await;
        match asked {
            Err(failure) if failure.kind == Kind::Expired => {
                inner.keys.expired(turn).await;
                inner.keys.current().await?;
                Box::pin(ask(&inner.limiter, &inner.account, region, self.1, request)).await
            }
            other => other,
        }
    }

    /// Asks one thing and returns the answer in the shape of `aws … --output json`.
    pub(super) async fn value<R: Request>(&self, request: &R) -> Result<Value, Failure> {
        let body = self.body(request).await?;
        let read = match R::CALL.wire {
            Wire::Ec2 => xml::read(&body, Dialect::Ec2),
            Wire::Query => xml::read(&body, Dialect::Query),
            Wire::Xml => xml::read(&body, Dialect::Plain),
            Wire::Json => serde_json::from_slice(&body).map_err(|e| format!("the answer is not JSON: {e}")),
        };
        let value = read.map_err(|why| Failure::unreadable(format!("{}: {why}", R::CALL.action)))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(Failure::unreadable(format!("{}: the answer is not an object", R::CALL.action)))
        }
    }

    /// Asks page after page; `next` makes the request for a page's token, `each` takes a page and counts its objects.
    pub(super) async fn pages<R: Request>(
        &self,
        next: impl Fn(Option<String>) -> R + Send + Sync,
        mut each: impl FnMut(Value) -> Read + Send,
    ) -> Tally {
        let mut tally = Tally::new(R::CALL);
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut page = match self.value(&next(token.clone())).await {
                Ok(page) => page,
                Err(failure) => return tally.failed(failure),
            };
            let following = R::CALL.paginated.and_then(|field| match page.get_mut(field).map(Value::take) {
                Some(Value::String(text)) if !text.is_empty() => Some(text),
                _ => None,
            });
            let read = each(page);
            let enough = read.enough;
            tally.read(read);
            if following.is_none() || enough {
                return tally;
            }
            if following == token {
                return tally.failed(Failure::unreadable(format!("{} gave the same page's token twice", R::CALL.action)));
            }
            token = following;
        }
        tally.failed(Failure::unreadable(format!("{} has more than {MOST_PAGES} pages", R::CALL.action)))
    }

    /// Asks for all pages of one kind of object, which stand in the answer's `field`.
    pub(super) async fn list<T: DeserializeOwned + Send, R: Request>(
        &self,
        field: &str,
        next: impl Fn(Option<String>) -> R + Send + Sync,
    ) -> Answer<Vec<T>> {
        let mut all = Vec::new();
        let tally = self.pages(next, |mut page| objects(&mut page, field, &mut all)).await;
        Answer { value: all, coverage: vec![self.covered(&tally)] }
    }

    /// The coverage row of what was asked.
    pub(super) fn covered(&self, tally: &Tally) -> Coverage {
        let what = tally.call.what;
        let (outcome, reason) = match &tally.failure {
            None => (Outcome::Ok, String::new()),
            Some(failure) if tally.times > 1 => {
                (failure.outcome(), format!("{} times, first: {}", tally.times, failure.reason()))
            }
            Some(failure) if tally.count > 0 => {
                (failure.outcome(), format!("only {} {what} arrived: {}", tally.count, failure.reason()))
            }
            Some(failure) => (failure.outcome(), failure.reason()),
        };
        Coverage {
            account: self.0.account.clone(),
            region: self.region_of(&tally.call).to_owned(),
            api: tally.call.action.to_owned(),
            outcome,
            reason,
            count: tally.count,
            at: Timestamp::now(),
        }
    }

    fn region_of(&self, call: &Call) -> &str {
        if matches!(call.reach, Reach::PerRegion | Reach::Hub | Reach::Node) { &self.0.region } else { "" }
    }
}

/// What of a page could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Objects that could.
    pub(super) count: u64,
    /// What could not, and why.
    pub(super) broken: Option<String>,
    /// No further page is wanted.
    pub(super) enough: bool,
}

/// Takes the objects of a page's list; what cannot be read is left out and told.
pub(super) fn objects<T: DeserializeOwned>(page: &mut Value, field: &str, into: &mut Vec<T>) -> Read {
    let list = match page.get_mut(field).map(Value::take) {
        Some(Value::Array(list)) => list,
        None | Some(Value::Null) => return Read::default(),
        Some(Value::String(text)) if text.is_empty() => return Read::default(),
        Some(_) => return Read { broken: Some(format!("{field} is not a list")), ..Read::default() },
    };
    let (all, before) = (list.len(), into.len());
    let mut first = None;
    for item in list {
        match serde_json::from_value(item) {
            Ok(item) => into.push(item),
            Err(error) => first = first.or(Some(error)),
        }
    }
    let read = into.len() - before;
    let broken = first.map(|error| format!("{} of {all} in {field} could not be read: {error}", all - read));
    Read { count: read as u64, broken, enough: false }
}

/// What became of asking one API, once or many times.
#[derive(Debug)]
pub(super) struct Tally {
    call: Call,
    /// Objects that arrived.
    pub(super) count: u64,
    /// The first failure, and how many there were.
    pub(super) failure: Option<Failure>,
    times: usize,
}

impl Tally {
    pub(super) const fn new(call: Call) -> Self {
        Self { call, count: 0, failure: None, times: 0 }
    }
    pub(super) fn failed(mut self, failure: Failure) -> Self {
        self.fail(failure);
        self
    }
    pub(super) fn fail(&mut self, failure: Failure) {
        self.times += 1;
        self.failure.get_or_insert(failure);
    }
    pub(super) fn read(&mut self, read: Read) {
        self.count += read.count;
        if let Some(why) = read.broken {
            self.fail(Failure::unreadable(why));
        }
    }
    /// Counts one more answer: one object, or a failure.
    pub(super) fn add<T>(&mut self, answer: Result<T, Failure>) -> Option<T> {
        match answer {
            Ok(value) => {
                self.count += 1;
                Some(value)
            }
            Err(failure) => {
                self.fail(failure);
                None
            }
        }
    }
    /// Joins what another asking of the same API came to.
    pub(super) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.times += other.times;
        if self.failure.is_none() {
            self.failure = other.failure;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Vpc;
    use serde_json::json;

    #[test]
    fn what_cannot_be_read_is_left_out_and_told() {
        let mut vpcs: Vec<Vpc> = Vec::new();
        let mut page =
            json!({"Vpcs": [{"VpcId": "vpc-1", "New": {"a": 1}}, {"VpcId": ["x"]}, {"VpcId": "vpc-2", "IsDefault": "true"}]});
        let read = objects(&mut page, "Vpcs", &mut vpcs);
        assert_eq!(read.count, 2);
        assert!(read.broken.unwrap().starts_with("1 of 3 in Vpcs could not be read"));
        assert_eq!((vpcs[0].extra["New"]["a"].as_i64(), vpcs[1].is_default), (Some(1), true));
        for empty in [json!({}), json!({"Vpcs": null}), json!({"Vpcs": ""}), json!({"Vpcs": []})] {
            assert_eq!(objects(&mut empty.clone(), "Vpcs", &mut vpcs), Read::default());
        }
        assert!(objects(&mut json!({"Vpcs": 7}), "Vpcs", &mut vpcs).broken.is_some());
    }
}
