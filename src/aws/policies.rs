//! The policies that resources carry themselves: how one resource after the other is asked for its own. What each service
//! is asked stands in its own file.

use futures_util::future::join_all;

use crate::aws::call::Call;
use crate::aws::error::{Failure, Kind};
use crate::aws::scope::Tally;
use crate::model::document::Document;
use crate::model::resource::Resource;

/// Resources that are asked about side by side; the limiter keeps AWS's pace below that.
const AT_ONCE: usize = 16;

/// How a service says that there is nothing to read.
#[derive(Clone, Copy)]
pub(super) struct Codes {
    /// The resource has no policy.
    pub(super) none: &'static [&'static str],
    /// It is gone since it was listed.
    pub(super) gone: &'static [&'static str],
}

/// Asks each resource for its policy: `asked` are ARNs with what the service knows each by, `ask` answers the policy's text.
pub(super) async fn each<F>(
    call: Call,
    codes: Codes,
    asked: Vec<(String, String)>,
    ask: impl Fn(String) -> F,
) -> (Vec<Resource>, Tally)
where
    F: Future<Output = Result<Option<String>, Failure>>,
{
    let mut tally = Tally::new(call);
    let mut value = Vec::with_capacity(asked.len());
    // Who may read none of the first ones may read none: the rest is not asked.
    let mut shut = false;
    let mut asked = asked.into_iter().peekable();
    while asked.peek().is_some() {
        let some: Vec<(String, String)> = asked.by_ref().take(AT_ONCE).collect();
        if shut {
            value.extend(some.into_iter().map(|(arn, _)| Resource { arn, unread: true, ..Resource::default() }));
            continue;
        }
        let (arns, by): (Vec<String>, Vec<String>) = some.into_iter().unzip();
        let mut denied = 0;
        for (arn, answer) in arns.into_iter().zip(join_all(by.into_iter().map(&ask)).await) {
            let mut resource = Resource { arn, ..Resource::default() };
            match answer {
                Ok(policy) => {
                    tally.count += 1;
                    resource.policy = policy.filter(|text| !text.is_empty()).map(Document);
                }
                Err(failure) if codes.none.contains(&failure.code.as_str()) => tally.count += 1,
                Err(failure) if codes.gone.contains(&failure.code.as_str()) => continue,
                Err(failure) => {
                    denied += usize::from(failure.kind == Kind::Denied);
                    tally.fail(failure);
                    resource.unread = true;
                }
            }
            value.push(resource);
        }
        shut = denied == AT_ONCE;
    }
    value.sort_by(|a, b| a.arn.cmp(&b.arn));
    (value, tally)
}
