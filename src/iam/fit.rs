//! Which actions take a resource: by its ARN and an access level, over the resource types of the facts. What they do with
//! it is not known here.

use super::facts::{Action, Level, Service, facts};
use super::sets::Set;

/// Actions of an access level that take a resource with this ARN, in the facts' order. Types are compared exactly: a pattern fits a type
/// where the type's ARNs cover it; where none does, those it overlaps.
pub fn actions_on(arn: &str, level: Level) -> Vec<(&'static Service, &'static Action)> {
    let asked = Set::resource(arn);
    let prefix = arn.split(':').nth(2).unwrap_or_default();
    let mut found = Vec::new();
    // The ARN's service is most often the action's; where it is not (`elasticloadbalancing`, `execute-api`) all are tried.
    let own: Vec<&Service> = facts().service(prefix).into_iter().collect();
    let candidates = if own.is_empty() { facts().services().collect() } else { own };
    for service in candidates {
        let types: Vec<(usize, Set)> = service.resources.iter().map(|r| Set::arns(r.pattern())).enumerate().collect();
        let mut fits: Vec<usize> = types.iter().filter(|(_, t)| t.covers(&asked).unwrap_or(false)).map(|(i, _)| *i).collect();
        if fits.is_empty() {
            fits = types.iter().filter(|(_, t)| t.overlaps(&asked).unwrap_or(false)).map(|(i, _)| *i).collect();
        } else {
            // `bucket/*` is an object and not a bucket, though a bucket's pattern covers it: the closest types win.
            let closest: Vec<usize> =
                fits.iter().copied().filter(|i| !fits.iter().any(|j| j != i && narrower(&types[*j].1, &types[*i].1))).collect();
            fits = closest;
        }
        for action in &service.actions {
            if action.level == level && action.resources.iter().any(|(r, _)| fits.contains(r)) {
                found.push((service, action));
            }
        }
    }
    found
}

fn narrower(a: &Set, b: &Set) -> bool {
    b.covers(a).unwrap_or(false) && !a.covers(b).unwrap_or(true)
}
