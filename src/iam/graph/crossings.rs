//! Ways out of an account: which of its principals may assume which roles of other accounts. Both sides must allow, and
//! what lies over either. Where they lead on is `joined`'s.

use std::sync::Arc;

use super::To;
use super::build::{is_aws_kept, spread, threads};
use super::permit::{StatementId, Table};
use crate::iam::account::Account;
use crate::iam::evaluate::{ActionName, Compiled, Context, Decision, Request, Resource, Truth};
use crate::iam::policy::Effect;

/// What is asked for across accounts.
pub(super) const ASSUME: &str = "sts:AssumeRole";

/// One way from a principal to a role of another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    pub from: To,
    /// Of an administrator: the principal that it becomes first, where the trust does not let in whomever it likes.
    pub through: Option<usize>,
    /// ARN.
    pub role: Arc<str>,
    /// What is asked for.
    pub action: &'static str,
    /// Nothing unknown stands in between.
    pub certain: bool,
    /// Its own statements any of which allow it; none of an administrator, who gives itself what it needs.
    pub own: Arc<[StatementId]>,
    /// Places of the statements of the role's trust any of which let it in.
    pub trust: Arc<[u32]>,
}

/// All of an account, by who crosses, an administrator as such last; by role.
pub(super) fn crossings(account: &Account, table: &Table) -> Vec<Crossing> {
    let resources = account.resources();
    let known = resources.roles_trusting(&account.id).into_iter();
    let roles: Vec<Role> = known.filter_map(|arn| Some(Role::new(account, arn, resources.trust(arn)?))).collect();
    if roles.is_empty() {
        return Vec::new();
    }
    let count = account.principals.len();
    let each = spread(count, count.div_ceil(threads()).max(1), |p| of_principal(account, table, p, &roles));
    let made = roles.iter().filter_map(|role| of_administrator(account, role));
    each.into_iter().flatten().chain(made).collect()
}

/// Those to one role, as if it had this trust.
pub(super) fn to_role(account: &Account, role: &str, trust: Compiled) -> Vec<Crossing> {
    let table = Table::new(account, std::iter::once(ASSUME));
    let role = [Role::new(account, role, Arc::new(trust))];
    let each = (0..account.principals.len()).flat_map(|p| of_principal(account, &table, p, &role));
    each.chain(of_administrator(account, &role[0])).collect()
}

struct Role {
    arn: Arc<str>,
    resource: Resource,
    trust: Arc<Compiled>,
}

impl Role {
    fn new(account: &Account, arn: &str, trust: Arc<Compiled>) -> Self {
        Self { arn: arn.into(), resource: account.resource(arn), trust }
    }

    /// Whether it matters who of an account asks.
    fn is_personal(&self, account: &Account) -> bool {
        let root = format!(":iam::{}:root", account.id);
        let whole = |name: &str| name == "*" || name == account.id || name.ends_with(&root);
        self.trust.policy.statements.iter().any(|s| {
            let named = s.principal.as_ref().is_some_and(|e| e.not || e.principals.iter().any(|p| !whole(&p.value.text)));
            let keys = ["aws:principal", "aws:userid", "aws:username"];
            named || s.conditions.iter().any(|c| keys.iter().any(|k| c.key.text.to_ascii_lowercase().starts_with(k)))
        })
    }

    /// Statements of the trust that speak of a caller, those that hold for certain where there are any.
    fn speak_of(&self, account: &Account, p: usize) -> Arc<[u32]> {
        let (action, context) = (ActionName::new(ASSUME), Context::new());
        let caller = &account.principals[p].caller;
        let request = Request { caller, action: &action, resource: &self.resource, context: &context };
        let all: Vec<usize> = self.trust.grants(&request).into_iter().map(|(s, _)| s).collect();
        let sure = |s: &usize| self.trust.applies(*s, &request) == Truth::Yes;
        let any = all.iter().any(&sure);
        all.iter().filter(|s| !any || sure(s)).map(|s| *s as u32).collect()
    }
}

fn of_principal(account: &Account, table: &Table, p: usize, roles: &[Role]) -> Vec<Crossing> {
    // From another account both sides must allow.
    let Some(permit) = table.permit(account, &account.principals[p], ASSUME, true) else { return Vec::new() };
    let context = Context::new();
    let crossing = |role: &Role| {
        let (truth, own) = permit.on(&role.resource, &context);
        let trust = if truth == Truth::No { [].into() } else { role.speak_of(account, p) };
        if trust.is_empty() {
            return None;
        }
        let certain = certainly(account.assumes(p, &role.resource, &role.trust))?;
        let (from, role) = (To::Principal(p), Arc::clone(&role.arn));
        Some(Crossing { from, through: None, role, action: ASSUME, certain, own, trust })
    };
    roles.iter().filter_map(crossing).collect()
}

/// What an administrator of the account can do: act as anybody in it, and allow it whatever its own side has to.
fn of_administrator(account: &Account, role: &Role) -> Option<Crossing> {
    let by = |through| certainly(account.administrator_assumes(through, &role.resource, &role.trust));
    let mut best = by(None).map(|certain| (None, certain));
    if best != Some((None, true)) && role.is_personal(account) {
        let all = (0..account.principals.len()).filter(|p| !is_aws_kept(&account.principals[*p].path));
        for p in all.filter(|p| !role.speak_of(account, *p).is_empty()) {
            match by(Some(p)) {
                Some(true) => {
                    best = Some((Some(p), true));
                    break;
                }
                Some(false) if best.is_none() => best = Some((Some(p), false)),
                _ => {}
            }
        }
    }
    let (through, certain) = best?;
    let trust = match through {
        Some(p) => role.speak_of(account, p),
        // It is nobody yet: whichever statement lets the account in will let it in.
        None => role.trust.naming(&ActionName::new(ASSUME)).filter(|(_, e)| *e == Effect::Allow).map(|(s, _)| s as u32).collect(),
    };
    let (role, own) = (Arc::clone(&role.arn), [].into());
    Some(Crossing { from: To::Administrator, through, role, action: ASSUME, certain, own, trust })
}

fn certainly(decision: Decision) -> Option<bool> {
    match decision {
        Decision::Allowed => Some(true),
        Decision::Depends => Some(false),
        Decision::Denied { .. } => None,
    }
}
