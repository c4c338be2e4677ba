//! Lambda: the functions of a region and the roles they run as. Their code and their environment are not read.

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::rest::Read;
use crate::aws::scope::{Answer, Scope, objects};
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

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LIST_FUNCTIONS];

struct ListFunctions;

impl Read for ListFunctions {
    const CALL: Call = LIST_FUNCTIONS;
    const PATH: &'static str = "/2015-03-31/functions";
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
