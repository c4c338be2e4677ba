//! S3: the buckets of a region, their policies, and whether Block Public Access holds what those let everyone do.

use futures_util::StreamExt;
use serde_json::Value;

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::error::Failure;
use crate::aws::policies::{Codes, each};
use crate::aws::rest::{Read, segment};
use crate::aws::scope::{self, Answer, Scope, Tally};
use crate::model::account::Tags;
use crate::model::arn::partition_of;
use crate::model::resource::Resource;

// AWS publishes no figures for operations on buckets; careful ones, which the limiter lowers where AWS wants it slower.
const READS: Rate = Rate { per_second: 20.0, burst: 40.0 };

const fn read(action: &'static str, paginated: Option<&'static str>, what: &'static str, wire: Wire) -> Call {
    Call { action, reach: Reach::PerRegion, rate: READS, paginated, what, wire }
}

const LIST: Call = read("s3:ListAllMyBuckets", Some("ContinuationToken"), "buckets", Wire::Xml);
const POLICY: Call = read("s3:GetBucketPolicy", None, "policies of buckets", Wire::Json);
const TAGS: Call = read("s3:GetBucketTagging", None, "tags of buckets", Wire::Xml);
const BLOCK: Call = read("s3:GetBucketPublicAccessBlock", None, "public access blocks of buckets", Wire::Xml);
const ACCOUNT_BLOCK: Call = read("s3:GetAccountPublicAccessBlock", None, "the account's public access block", Wire::Xml);

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST, POLICY, TAGS, BLOCK, ACCOUNT_BLOCK];

macro_rules! reads {
    ($($name:ident $call:ident $path:literal;)+) => {
        $(struct $name;
        impl Read for $name {
            const CALL: Call = $call;
            const PATH: &'static str = $path;
        })+
    };
}

reads! {
    ListBuckets LIST "/";
    GetBucketPolicy POLICY "/";
    GetBucketTagging TAGS "/";
    GetBucketBlock BLOCK "/";
    GetAccountBlock ACCOUNT_BLOCK "/v20180820/configuration/publicAccessBlock";
}

const CODES: Codes = Codes { none: &["NoSuchBucketPolicy"], gone: &["NoSuchBucket"] };
const NO_BLOCK: &str = "NoSuchPublicAccessBlockConfiguration";
/// Buckets that are asked about side by side.
const AT_ONCE: usize = 16;

/// The buckets of an account that stand in a region.
pub(super) async fn buckets(scope: &Scope) -> Answer<Vec<Resource>> {
    let region = scope.region().to_owned();
    let mut names: Vec<String> = Vec::new();
    let next = |token| {
        let own = Some(region.clone());
        scope.rest::<ListBuckets>(&[
            ("bucket-region", own),
            ("continuation-token", token),
            ("max-buckets", Some("1000".to_owned())),
        ])
    };
    let listed = scope.pages(next, |page| named(&page, &region, &mut names)).await;
    let partition = partition_of(&region);
    let asked = names.into_iter().map(|name| (format!("arn:{partition}:s3:::{name}"), name)).collect();
    let ask = |name: String| async move {
        let request = scope.rest_at::<GetBucketPolicy>(&segment(&name), &[("policy", Some(String::new()))]);
        let body = scope.body(&request).await?;
        String::from_utf8(body).map(Some).map_err(|_| Failure::unreadable("the policy is not UTF-8"))
    };
    let (mut value, policies) = each(POLICY, CODES, asked, ask).await;
    let tagging = tags(scope, &mut value).await;
    let (mut blocks, mut of_account) = (Tally::new(BLOCK), Tally::new(ACCOUNT_BLOCK));
    if value.iter().any(|bucket| bucket.policy.is_some()) {
        let request = scope.rest::<GetAccountBlock>(&[]).of_account(scope.account());
        let account = of_account.add(restricts(scope.value(&request).await));
        let with_policy: Vec<usize> = (0..value.len()).filter(|at| value[*at].policy.is_some()).collect();
        let names: Vec<(usize, String)> =
            with_policy.into_iter().map(|at| (at, value[at].arn.rsplit(':').next().unwrap_or_default().to_owned())).collect();
        let mut asked = futures_util::stream::iter(names)
            .map(|(at, name)| async move {
                let request = scope.rest_at::<GetBucketBlock>(&segment(&name), &[("publicAccessBlock", Some(String::new()))]);
                (at, restricts(scope.value(&request).await))
            })
            .buffered(AT_ONCE);
        while let Some((at, answer)) = asked.next().await {
            let own = blocks.add(answer);
            value[at].restricted = match (account, own) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
    }
    let coverage = [listed, policies, tagging, blocks, of_account].iter().map(|tally| scope.covered(tally)).collect();
    Answer { value, coverage }
}

/// Puts its tags on each bucket.
async fn tags(scope: &Scope, buckets: &mut [Resource]) -> Tally {
    let mut tally = Tally::new(TAGS);
    let names: Vec<String> = buckets.iter().map(|b| b.arn.rsplit(':').next().unwrap_or_default().to_owned()).collect();
    let mut asked = futures_util::stream::iter(names)
        .map(|name| async move {
            let request = scope.rest_at::<GetBucketTagging>(&segment(&name), &[("tagging", Some(String::new()))]);
            match scope.value(&request).await {
                Err(failure) if matches!(failure.code.as_str(), "NoSuchTagSet" | "NoSuchBucket") => Ok(Tags::default()),
                answer => answer.map(|answer| tag_set(&answer)),
            }
        })
        .buffered(AT_ONCE);
    let mut at = 0;
    while let Some(answer) = asked.next().await {
        buckets[at].tags = tally.add(answer).unwrap_or_default();
        at += 1;
    }
    tally
}

/// The tags of an answer: one stands alone, several in a list.
fn tag_set(answer: &Value) -> Tags {
    let pair = |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned()));
    match &answer["TagSet"]["Tag"] {
        Value::Array(all) => all.iter().filter_map(pair).collect(),
        one => pair(one).into_iter().collect(),
    }
}

/// The names on a page of buckets that stand in the region: where the service does not sort them out, we do.
fn named(page: &Value, region: &str, into: &mut Vec<String>) -> scope::Read {
    let before = into.len();
    let buckets = match &page["Buckets"]["Bucket"] {
        Value::Array(all) => all.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => &[],
    };
    for bucket in buckets {
        let here = bucket["BucketRegion"].as_str().is_none_or(|r| r == region);
        into.extend(bucket["Name"].as_str().filter(|_| here).map(str::to_owned));
    }
    scope::Read { count: (into.len() - before) as u64, ..scope::Read::default() }
}

/// Whether a block keeps public policies to the account itself; there may be no block at all.
fn restricts(answer: Result<Value, Failure>) -> Result<bool, Failure> {
    match answer {
        Ok(block) => Ok(block["RestrictPublicBuckets"].as_str().is_some_and(|t| t.eq_ignore_ascii_case("true"))),
        Err(failure) if failure.code == NO_BLOCK => Ok(false),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::xml::{Dialect, read};

    #[test]
    fn one_bucket_and_many_read_alike() {
        let page = |buckets: &str| {
            let text = format!(
                "<?xml version=\"1.0\"?><ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>x</ID></Owner><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
            );
            let mut names = Vec::new();
            let read = named(&read(text.as_bytes(), Dialect::Plain).unwrap(), "eu-west-1", &mut names);
            assert_eq!(read.count as usize, names.len());
            names
        };
        let bucket =
            |name: &str, region: &str| format!("<Bucket><Name>{name}</Name><BucketRegion>{region}</BucketRegion></Bucket>");
        assert_eq!(page(&bucket("a", "eu-west-1")), ["a"]);
        assert_eq!(page(&(bucket("a", "eu-west-1") + &bucket("b", "us-east-1") + &bucket("c", "eu-west-1"))), ["a", "c"]);
        assert_eq!(page("<Bucket><Name>old</Name></Bucket>"), ["old"]);
        assert!(page("").is_empty());
    }
}
