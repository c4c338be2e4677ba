//! What holds together, or never does: conditions on one key that exclude each other, and statements that others cover between
//! them.

use std::collections::BTreeMap;

use super::{Linter, Weight, covers};
use crate::iam::evaluate::{ActionName, Caller, Compiled, Context, Request, Resource, Truth, around};
use crate::iam::facts::keys::kind_of;
use crate::iam::facts::{Action, Service};
use crate::iam::grants::Actions;
use crate::iam::policy::{Compare, Condition, Effect, Element, Policy, Quantifier, Statement};

/// Under this name conditions are tried, so that nothing is known of their key but its value.
const KEY: &str = "tried:Key";
/// Statements of a policy whose unions are compared, values that these name, and comparisons of one policy: what people write by
/// hand has fewer.
const MOST_STATEMENTS: usize = 16;
const MOST_VALUES: usize = 30;
const MOST_UNIONS: usize = 20;
/// Values of conditions on one key that are tried.
const MOST_TRIED: usize = 500;

impl Linter {
    /// Conditions on one key of which no request meets all: the statement does nothing.
    pub(super) fn together(&mut self, s: &Statement, actions: &[(&'static Service, &'static Action)]) {
        let mut by_key: BTreeMap<String, Vec<&Condition>> = BTreeMap::new();
        for c in &s.conditions {
            by_key.entry(c.key.text.to_ascii_lowercase()).or_default().push(c);
        }
        for all in by_key.into_values().filter(|all| all.len() > 1) {
            if all.iter().map(|c| c.values.len()).sum::<usize>() > MOST_TRIED {
                continue;
            }
            let Some(values) = all.iter().find_map(|c| possible(c, &all, actions)) else { continue };
            if let Some(last) = all.last().filter(|_| never(&all, &values)) {
                let message = format!("no request meets all conditions on {}: the statement does nothing", last.key.text);
                self.say("useless", Weight::Warning, last.key.span, message);
            }
        }
    }

    /// Statements that no other covers, but several of the same effect between them do: those that take all of its actions on
    /// parts of its resources, or parts of its actions on all of its resources. `told` are of no use already.
    pub(super) fn covered_together(&mut self, policy: &Policy, named: &[Actions], mut told: Vec<bool>) {
        let all = &policy.statements;
        if all.len() > MOST_STATEMENTS {
            return;
        }
        let mut unions = 0;
        for (i, s) in all.iter().enumerate() {
            let Some(resource) = s.resource.as_ref().filter(|_| !told[i] && s.principal.is_none() && !named[i].is_empty()) else {
                continue;
            };
            let beside: Vec<usize> = (0..all.len())
                .filter(|j| *j != i && !told[*j] && all[*j].effect == s.effect && all[*j].principal.is_none())
                .filter(|j| all[*j].conditions.is_empty() || all[*j].conditions == s.conditions)
                .filter(|j| all[*j].resource.as_ref().is_some_and(|r| !r.not))
                .collect();
            let mut between = |some: &[usize]| {
                let values = some.iter().filter_map(|j| all[*j].resource.as_ref()).flat_map(|r| &r.values);
                let wide = Element::of(values.map(|v| v.text.clone()));
                unions += 1;
                let bounded = unions <= MOST_UNIONS && wide.values.len() <= MOST_VALUES && resource.values.len() <= MOST_VALUES;
                bounded && covers(Some(&wide), Some(resource))
            };
            let whole: Vec<usize> = beside.iter().copied().filter(|j| named[i].within(&named[*j])).collect();
            let by_resources = fewest(whole, &mut between);
            let takes = |some: &[usize]| {
                let mut actions = Actions::none();
                some.iter().for_each(|j| actions.add(&named[*j]));
                named[i].within(&actions)
            };
            let by_actions = || {
                // One that takes them all does not cover the resources, or it would have been told by itself.
                let part = |j: &usize| !named[i].within(&named[*j]) && !named[i].clone().and(&named[*j]).is_empty();
                let parts: Vec<usize> = beside.iter().copied().filter(part).collect();
                if parts.len() < 2 || !takes(&parts) {
                    return None;
                }
                fewest(parts.into_iter().filter(|j| between(&[*j])).collect(), takes)
            };
            if let Some(others) = by_resources.or_else(by_actions) {
                told[i] = true;
                let labels: Vec<String> = others.iter().map(|j| all[*j].label(*j)).collect();
                let message = format!("{} cover this statement between them", labels.join(" and "));
                self.say("shadowed", Weight::Warning, s.span, message);
            }
        }
    }
}

/// The fewest of these that suffice, by leaving out one after the other; none where all do not, or one does.
fn fewest(mut all: Vec<usize>, mut suffice: impl FnMut(&[usize]) -> bool) -> Option<Vec<usize>> {
    if all.len() < 2 || !suffice(&all) {
        return None;
    }
    for one in all.clone() {
        let rest: Vec<usize> = all.iter().copied().filter(|j| *j != one).collect();
        if suffice(&rest) {
            all = rest;
        }
    }
    (all.len() > 1).then_some(all)
}

/// The only values that a condition leaves a key, of which none is that the key is absent; none where they cannot be listed. Of
/// numbers and times those next to one that is named stand for all between two.
fn possible(c: &Condition, all: &[&Condition], actions: &[(&'static Service, &'static Action)]) -> Option<Vec<Option<String>>> {
    let says = |word: &str| !c.values.is_empty() && c.values.iter().all(|v| v.text.eq_ignore_ascii_case(word));
    if c.operator.compare == Compare::Null {
        return says("true").then(|| vec![None]);
    }
    let listed = matches!(c.operator.compare, Compare::StringEquals | Compare::Bool);
    let ordered = || all.iter().flat_map(|c| c.values.iter().flat_map(|v| around(c.operator.compare, &v.text)));
    let is_ordered = c.values.first().is_some_and(|v| !around(c.operator.compare, &v.text).is_empty());
    let key = &c.key.text;
    // A key that holds several values meets one condition by one of them and the next by another; what a token says may.
    let single = match kind_of(key, actions) {
        Some(kind) => !kind.starts_with("ArrayOf") && !key.contains('.'),
        None => key.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("aws:")),
    };
    let plain = |c: &&Condition| {
        c.operator.quantifier == Quantifier::Single && !c.values.is_empty() && c.values.iter().all(|v| !v.text.contains("${"))
    };
    let all_plain = (listed || is_ordered) && single && !c.operator.negated && !c.operator.if_exists && all.iter().all(plain);
    all_plain
        .then(|| if is_ordered { ordered().map(Some).collect() } else { c.values.iter().map(|v| Some(v.text.clone())).collect() })
}

/// Whether no value meets all conditions, by our own evaluator.
fn never(all: &[&Condition], values: &[Option<String>]) -> bool {
    let renamed = |c: &&Condition| {
        let mut c = (*c).clone();
        KEY.clone_into(&mut c.key.text);
        c
    };
    let any = || Element::of(["*".to_owned()]);
    let asking = Statement::of(None, Effect::Allow, any(), any(), all.iter().map(renamed).collect());
    let compiled = Compiled::new("", "", Policy::of(vec![asking]));
    let (caller, action) = (Caller::new("arn:aws:iam::000000000000:user/x"), ActionName::new("sts:GetCallerIdentity"));
    let resource = Resource::new("*");
    let holds = |value: &Option<String>| {
        let context = Context::new().with(KEY, value.clone());
        let request = Request { caller: &caller, action: &action, resource: &resource, context: &context };
        compiled.conditions_hold(0, &request) != Truth::No
    };
    !values.iter().any(holds)
}

#[cfg(test)]
mod tests {
    use crate::iam::lint::{Kind, lint};

    fn said(statements: &str) -> Vec<(&'static str, String)> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        lint(&text, Kind::Managed).into_iter().map(|l| (l.id, l.message)).collect()
    }

    #[test]
    fn conditions_that_exclude_each_other_are_told() {
        let never = |condition: &str| {
            let statement =
                format!(r#"{{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{condition}}}"#);
            said(&statement).iter().any(|(id, message)| *id == "useless" && message.contains("no request meets all"))
        };
        for condition in [
            r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"},"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}"#,
            r#"{"Null":{"aws:username":"true"},"StringEquals":{"aws:username":"x"}}"#,
            r#"{"Null":{"aws:username":"true"},"StringLike":{"AWS:UserName":"x*"}}"#,
            r#"{"Null":{"aws:TagKeys":"true"},"ForAnyValue:StringEquals":{"aws:TagKeys":"x"}}"#,
            r#"{"StringEquals":{"aws:username":["jo","ada"]},"StringLike":{"aws:username":"b*"}}"#,
            r#"{"StringEquals":{"aws:username":"jo"},"StringEqualsIfExists":{"aws:username":"ada"}}"#,
            r#"{"Bool":{"aws:SecureTransport":"true"},"BoolIfExists":{"aws:SecureTransport":"false"}}"#,
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2025-12-01"}}"#,
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"DateLessThanEquals":{"aws:CurrentTime":"2026-01-01"}}"#,
            r#"{"NumericGreaterThan":{"s3:max-keys":"10"},"NumericLessThan":{"s3:max-keys":["10","5"]}}"#,
            r#"{"NumericEquals":{"s3:max-keys":"10"},"NumericNotEquals":{"s3:max-keys":"10"}}"#,
        ] {
            assert!(never(condition), "{condition}");
        }
        for condition in [
            r#"{"StringEquals":{"aws:username":["jo","ada"]},"StringNotEquals":{"aws:username":"ada"}}"#,
            r#"{"Null":{"aws:username":"true"},"StringEqualsIfExists":{"aws:username":"x"}}"#,
            r#"{"Null":{"aws:username":"true"},"StringNotEquals":{"aws:username":"x"}}"#,
            r#"{"Null":{"aws:username":"false"},"StringEquals":{"aws:username":"x"}}"#,
            r#"{"StringEquals":{"aws:username":"${aws:PrincipalTag/user}"},"StringLike":{"aws:username":"b*"}}"#,
            r#"{"StringEquals":{"aws:username":"JO"},"StringEqualsIgnoreCase":{"aws:username":"jo"}}"#,
            r#"{"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"DateLessThan":{"aws:CurrentTime":"2026-01-02"}}"#,
            r#"{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-01-01"},"DateLessThanEquals":{"aws:CurrentTime":"2026-01-01"}}"#,
            r#"{"NumericGreaterThan":{"s3:max-keys":"10"},"NumericLessThan":{"s3:max-keys":["5","20"]}}"#,
            r#"{"NumericGreaterThan":{"s3:max-keys":"10"},"NumericLessThanIfExists":{"s3:max-keys":"11"}}"#,
            // One of several values meets each.
            r#"{"ForAnyValue:StringEquals":{"aws:TagKeys":"a"},"ForAnyValue:StringLike":{"aws:TagKeys":"b*"}}"#,
            r#"{"StringEquals":{"aws:PrincipalOrgPaths":"a"},"StringLike":{"aws:PrincipalOrgPaths":"b*"}}"#,
        ] {
            assert!(!never(condition), "{condition}");
        }
    }

    #[test]
    fn statements_that_others_cover_between_them_are_told() {
        let allow = |action: &str, resource: &str| format!(r#"{{"Effect":"Allow","Action":{action},"Resource":{resource}}}"#);
        let shadowed = |statements: &[String]| {
            let said = said(&format!("[{}]", statements.join(",")));
            said.into_iter().filter(|(id, _)| *id == "shadowed").map(|(_, message)| message).collect::<Vec<_>>()
        };
        let read = |resource: &str| allow(r#""s3:GetObject""#, resource);
        let (a, b, c) = (r#""arn:aws:s3:::a/*""#, r#""arn:aws:s3:::b/*""#, r#""arn:aws:s3:::c/*""#);
        let both = r#"["arn:aws:s3:::b/x","arn:aws:s3:::a/y"]"#;
        let told = ["statement 1 and statement 2 cover this statement between them"];
        assert_eq!(shadowed(&[read(a), read(b), read(both)]), told);
        // Those that are needed for it are named, and no others.
        assert_eq!(shadowed(&[read(a), read(b), read(c), read(both)]), told);
        let write = allow(r#""s3:PutObject""#, a);
        assert_eq!(shadowed(&[read(a), write, allow(r#"["s3:GetObject","s3:PutObject"]"#, r#""arn:aws:s3:::a/k""#)]), told);
        for fine in [
            &[read(a), read(b), read(r#"["arn:aws:s3:::b/x","arn:aws:s3:::c/y"]"#)],
            &[read(a), read(b).replace("Allow", "Deny"), read(both)],
            &[read(a), allow(r#""s3:PutObject""#, b), read(both)],
        ] {
            assert_eq!(shadowed(fine), [""; 0], "{fine:?}");
        }
        // Of three that cover each other two are left.
        let three = [read(r#"["arn:aws:s3:::a/*","arn:aws:s3:::b/*"]"#), read(r#"["arn:aws:s3:::b/*","arn:aws:s3:::c/*"]"#)];
        let third = read(r#"["arn:aws:s3:::a/*","arn:aws:s3:::c/*"]"#);
        assert_eq!(shadowed(&[three[0].clone(), three[1].clone(), third]).len(), 1);
    }
}
