//! Lambda: the functions of a region, the roles they run as and who may invoke them. Their code and their environment are
//! not read.

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::policies::{Codes, each};
use crate::aws::rest::{Read, segment};
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::resource::Resource;
use crate::model::workload::Function;

/// "Rate of control plane API requests": 15 a second over all of them
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>); the account's own tools need the most of it.
const LIST_FUNCTIONS: Call = Call {
    action: "lambda:ListFunctions",
    reach: Reach::PerRegion,
    rate: Rate { per_second: 5.0, burst: 10.0 },
    paginated: Some("NextMarker"),
    what: "functions",
    wire: Wire::Json,
};

/// The same page: it shares those 15 a second.
const GET_POLICY: Call = Call {
    action: "lambda:GetPolicy",
    reach: Reach::PerRegion,
    rate: Rate { per_second: 5.0, burst: 10.0 },
    paginated: None,
    what: "policies of functions",
    wire: Wire::Json,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST_FUNCTIONS, GET_POLICY];

struct ListFunctions;

impl Read for ListFunctions {
    const CALL: Call = LIST_FUNCTIONS;
    const PATH: &'static str = "/2015-03-31/functions";
}

struct GetPolicy;

impl Read for GetPolicy {
    const CALL: Call = GET_POLICY;
    const PATH: &'static str = "/2015-03-31/functions/";
}

// A function that is gone and one without a policy are told alike.
const CODES: Codes = Codes { none: &["ResourceNotFoundException"], gone: &[] };

/// The policies of these functions: who may invoke them.
pub async fn policies(scope: &Scope, functions: &[Function]) -> Answer<Vec<Resource>> {
    let asked = functions.iter().map(|f| (f.function_arn.clone(), f.function_name.clone())).collect();
    let ask = |name: String| async move {
        let answer = scope.value(&scope.rest_at::<GetPolicy>(&format!("{}/policy", segment(&name)), &[])).await?;
        Ok(answer["Policy"].as_str().map(str::to_owned))
    };
    let (value, tally) = each(GET_POLICY, CODES, asked, ask).await;
    Answer { value, coverage: vec![scope.covered(&tally)] }
}

/// All functions of an account and region.
pub async fn functions(scope: &Scope) -> Answer<Vec<Function>> {
    let mut value: Vec<Function> = Vec::new();
    let next = |marker| scope.rest::<ListFunctions>(&[("MaxItems", Some("50".to_owned())), ("Marker", marker)]);
    let tally = scope.pages(next, |mut page| {
        // People keep passwords in the environment: it must not reach a file of ours.
        let functions = page.get_mut("Functions").and_then(|f| f.as_array_mut());
        for function in functions.into_iter().flatten().filter_map(|f| f.as_object_mut()) {
            function.remove("Environment");
        }
        objects(&mut page, "Functions", &mut value)
    });
    let tally = tally.await;
    value.sort_by(|a, b| a.function_arn.cmp(&b.function_arn));
    Answer { value, coverage: vec![scope.covered(&tally)] }
}
