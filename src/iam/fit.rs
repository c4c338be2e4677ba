//! Which actions take a resource: by its ARN and an access level, over the resource types of the facts. What they do with
//! it is not known here.

use super::facts::{Action, Level, Service, facts};
use super::sets::Set;
use super::sets::glob::split;
use crate::text;

/// Actions of an access level that take a resource with this ARN, in the facts' order. Types are compared exactly: a pattern fits a type
/// where the type's ARNs cover it; where none does, those it overlaps.
pub fn actions_on(arn: &str, level: Level) -> Vec<(&'static Service, &'static Action)> {
    let asked = Set::resource(arn);
    let mut found = Vec::new();
    for service in candidates(arn) {
        let fits = fits(service, &asked);
        found.extend(service.actions.iter().filter(|a| a.level == level && takes(a, &fits)).map(|action| (service, action)));
    }
    found
}

/// What a pattern names as well, below the types whose actions [`actions_on`] gives: the type it fits, another, and what its ARNs
/// go on with, `bucket`, `object` and `/*` for `arn:aws:s3:::b*`. Only such as have actions of the level.
pub fn below(arn: &str, level: Level) -> Vec<(&'static str, &'static str, String)> {
    let asked = Set::resource(arn);
    let mut found = Vec::new();
    for service in candidates(arn) {
        let fits = fits(service, &asked);
        let used = |i: usize| service.actions.iter().any(|a| a.level == level && takes(a, &[i]) && !takes(a, &fits));
        for (i, other) in service.resources.iter().enumerate().filter(|(i, _)| !fits.contains(i)) {
            let goes_on = fits.iter().map(|f| &service.resources[*f]).find_map(|f| {
                let rest = other.arn.strip_prefix(f.arn).filter(|rest| rest.starts_with('/'))?;
                Some((f.name, text::fill(rest, |_| "*".into())))
            });
            let Some((of, suffix)) = goes_on else { continue };
            if Set::arns(other.pattern()).overlaps(&asked).unwrap_or(false) && used(i) {
                found.push((of, other.name, suffix));
            }
        }
    }
    found
}

/// A secret's ARN that lacks the dash and the six characters that AWS puts behind its name (AWS Secrets Manager: "Actions,
/// resources, and condition keys"), with them as a pattern.
pub fn whole_secret(arn: &str) -> Option<String> {
    let named = split(arn).filter(|parts| parts[2] == "secretsmanager")?[5].strip_prefix("secret:")?;
    let end = named.rsplit('-').next().filter(|end| end.len() < named.len());
    let whole = end.is_some_and(|end| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'?'));
    (!whole && !named.ends_with(['*', '}'])).then(|| format!("{arn}-??????"))
}

fn takes(action: &Action, types: &[usize]) -> bool {
    action.resources.iter().any(|(r, _)| types.contains(r))
}

/// The ARN's service is most often the action's; where it is not (`elasticloadbalancing`, `execute-api`) all are tried.
fn candidates(arn: &str) -> Vec<&'static Service> {
    let own: Vec<&Service> = facts().service(arn.split(':').nth(2).unwrap_or_default()).into_iter().collect();
    if own.is_empty() { facts().services().collect() } else { own }
}

/// The places of the types that a pattern fits.
fn fits(service: &Service, asked: &Set) -> Vec<usize> {
    let types: Vec<(usize, Set)> = service.resources.iter().map(|r| Set::arns(r.pattern())).enumerate().collect();
    let of = |fits: &dyn Fn(&Set) -> bool| -> Vec<usize> { types.iter().filter(|(_, t)| fits(t)).map(|(i, _)| *i).collect() };
    let covered = of(&|t| t.covers(asked).unwrap_or(false));
    if covered.is_empty() {
        return of(&|t| t.overlaps(asked).unwrap_or(false));
    }
    // `bucket/*` is an object and not a bucket, though a bucket's pattern covers it: the closest types win.
    let closest = |i: &usize| !covered.iter().any(|j| j != i && narrower(&types[*j].1, &types[*i].1));
    covered.iter().copied().filter(closest).collect()
}

fn narrower(a: &Set, b: &Set) -> bool {
    b.covers(a).unwrap_or(false) && !a.covers(b).unwrap_or(true)
}
