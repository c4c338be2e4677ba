//! That a policy does what was asked for and nothing else: by the evaluator for what is allowed, with the conditions met
//! and unmet, and by sets for what somebody's edit allows beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::needed::Only;
use super::{Grants, Intent, WriteError, full, meant, overlap};
use crate::iam::evaluate::{ActionName, Caller, Compiled, Context, Decision, Layers, Request, Resource, ResourcePolicy, decide};
use crate::iam::facts::facts;
use crate::iam::grants::Actions;
use crate::iam::policy::{Effect, Piece, Policy, Template};
use crate::iam::sets::Set;
use crate::text;

const ACCOUNT: &str = "111122223333";

/// Policies on a role, in an account whose keys and roles leave the decision to its own policies.
struct Bench {
    policies: Vec<Compiled>,
    delegating: Option<Compiled>,
    caller: Caller,
    /// Keys that resources are named by: `aws:username`.
    variables: BTreeSet<String>,
}

impl Bench {
    fn new(policies: &[Policy], grants: &Grants) -> Self {
        let arns = grants.values().flat_map(BTreeMap::keys);
        let variables = arns.flat_map(|arn| Template::read(arn, true, true).pieces).filter_map(|piece| match piece {
            Piece::Variable { key, .. } => Some(key),
            _ => None,
        });
        let delegating = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},"Action":"*","Resource":"*"}}}}"#
        );
        Self {
            policies: policies.iter().map(|p| Compiled::new("written", "", p.clone())).collect(),
            delegating: Policy::read(&delegating).ok().map(|p| Compiled::new("account", "", p)),
            caller: Caller::new(&format!("arn:aws:iam::{ACCOUNT}:role/proof")),
            variables: variables.collect(),
        }
    }
    /// Whether a request is allowed that meets these conditions and, of one more, has a value that does not.
    fn allows(&self, action: &str, resource: &Resource, met: &[Only], unmet: Option<&Only>) -> bool {
        // Whoever asks has a name for every variable of the policy.
        let mut context = Context::complete();
        for key in &self.variables {
            context.set(key, [NAME]);
        }
        for only in met {
            let Some(value) = only.example(action, resource.as_str()) else { return false };
            context.set(&only.key, [value]);
        }
        if let Some(unmet) = unmet {
            context.set(&unmet.key, [UNFIT]);
        }
        let identity: Vec<&Compiled> = self.policies.iter().collect();
        let own = self.delegating.as_ref().map_or(ResourcePolicy::None, ResourcePolicy::Is);
        let layers = Layers { identity: &identity, resource: own, ..Layers::default() };
        let name = ActionName::new(action);
        decide(&Request { caller: &self.caller, action: &name, resource, context: &context }, &layers) == Decision::Allowed
    }
    /// The conditions without which the request is allowed all the same.
    fn unguarded<'a>(&self, action: &str, resource: &Resource, needed: &'a [Only]) -> impl Iterator<Item = &'a Only> {
        needed.iter().filter(move |unmet| self.allows(action, resource, needed, Some(unmet)))
    }
}

/// No operator's comparison with a value that was asked for holds for this one.
const UNFIT: &str = "\u{1}";

/// What stands in the place of a variable.
const NAME: &str = "name";

/// The resource that an ARN means for the one who asks.
fn resource(arn: &str) -> Resource {
    Resource::new(&text::fill(arn, |_| NAME.into())).in_account(ACCOUNT)
}

/// Everything meant is allowed where its conditions hold and only there, and no other action is allowed on any of these
/// resources.
pub(super) fn prove(policies: &[Policy], grants: &Grants) -> Result<(), WriteError> {
    let bench = Bench::new(policies, grants);
    let arns: BTreeSet<&String> = grants.values().flat_map(|on| on.keys()).collect();
    let resources: Vec<(&String, Resource)> = arns.into_iter().map(|a| (a, resource(a))).collect();
    let conditions: BTreeSet<&Vec<Only>> = grants.values().flat_map(|on| on.values()).collect();
    let services: BTreeSet<&str> = grants.keys().filter_map(|a| a.split(':').next()).collect();
    for service in services.into_iter().filter_map(|s| facts().service(s)) {
        for action in &service.actions {
            let name = full(service, action);
            let own = grants.get(&name);
            for (arn, resource) in &resources {
                if let Some(needed) = own.and_then(|o| o.get(*arn)) {
                    if !bench.allows(&name, resource, needed, None) {
                        return Err(WriteError::Unproven(format!("not allow {name} on {arn}")));
                    }
                    let free = own.is_some_and(|on| otherwise(on, arn, needed));
                    if let Some(only) = bench.unguarded(&name, resource, needed).next().filter(|_| !free) {
                        return Err(WriteError::Unproven(format!("allow {name} on {arn} whatever {} is", only.key)));
                    }
                    continue;
                }
                let covered = own.is_some_and(|o| o.keys().any(|a| overlap(a, arn)));
                if !covered && conditions.iter().any(|c| bench.allows(&name, resource, c, None)) {
                    return Err(WriteError::Unproven(format!("allow {name} on {arn}, which was not asked for")));
                }
            }
        }
    }
    Ok(())
}

/// Whether the action is meant under other conditions on what overlaps this resource.
fn otherwise(on: &BTreeMap<String, Vec<Only>>, arn: &str, needed: &Vec<Only>) -> bool {
    on.iter().any(|(other, conditions)| conditions != needed && overlap(other, arn))
}

/// How a policy that somebody edited compares with an intent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// What was asked for and is not allowed: action and ARN.
    pub missing: Vec<(String, String)>,
    /// What is allowed and was not asked for: action, and the resource as the policy writes it.
    pub beside: Vec<(String, String)>,
    /// What is allowed without the condition it needs: action, and the condition's key.
    pub unguarded: Vec<(String, String)>,
}

/// Compares policies with an intent, by the evaluator for what is missing or unguarded and by sets for what is too much.
///
/// # Errors
/// As [`super::write_policy`], for the intent.
pub fn compare(policies: &[Policy], intent: &Intent) -> Result<Compared, WriteError> {
    let grants = meant(intent)?.grants;
    let bench = Bench::new(policies, &grants);
    let mut compared = Compared::default();
    for (action, on) in &grants {
        for (arn, needed) in on {
            let resource = resource(arn);
            if !bench.allows(action, &resource, needed, None) {
                compared.missing.push((action.clone(), arn.clone()));
            } else if !otherwise(on, arn, needed) {
                for only in bench.unguarded(action, &resource, needed) {
                    let found = (action.clone(), only.key.clone());
                    if !compared.unguarded.contains(&found) {
                        compared.unguarded.push(found);
                    }
                }
            }
        }
    }
    let mut beside = BTreeSet::new();
    for s in policies.iter().flat_map(|p| &p.statements).filter(|s| s.effect == Effect::Allow) {
        // What no facts tell was not asked for.
        let unknown = s.action.values.iter().filter(|v| !s.action.not && facts().expand(&v.text).is_empty());
        let on = s.resource.as_ref().and_then(|r| r.values.first()).map_or("*", |v| &v.text);
        compared.beside.extend(unknown.map(|v| (v.text.clone(), on.to_owned())).filter(|f| beside.insert(f.clone())));
        for (service, action) in Actions::named(&s.action).iter() {
            let name = full(service, action);
            let asked = grants.get(&name).map(|on| Set::union(on.keys().map(|a| Set::resource(a))));
            let wide = |value: &str| match &asked {
                Some(asked) => !asked.covers(&Set::resource(value)).unwrap_or(false),
                None => true,
            };
            let found = match &s.resource {
                Some(r) if r.not => Some("all but what is named".to_owned()),
                Some(r) => r.values.iter().find(|v| wide(&v.text)).map(|v| v.text.clone()),
                None => None,
            };
            let found = found.map(|resource| (name, resource));
            compared.beside.extend(found.filter(|f| beside.insert(f.clone())));
        }
    }
    Ok(compared)
}
