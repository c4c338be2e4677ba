//! Ways out of an account: which of its principals may assume which roles of other accounts, change the code of functions that
//! run as them, or get at those that IAM Identity Center keeps in them. Both sides must allow it, and what lies over either.
//! Where they lead on is `joined`'s.

use std::sync::Arc;

use super::permit::{Permit, StatementId, Table};
use super::threads::side_by_side;
use super::ways::{ADMITS, ASSIGN, Admit, Gate, PROVISION, REWRITES_SET, TAKE_OVERS, changes_code};
use super::{Need, To};
use crate::iam::account::Account;
use crate::iam::center::{IdentityCenter, is_aws_kept, set_of};
use crate::iam::evaluate::{ActionName, Caller, Compiled, Context, Decision, Request, Resource, Truth};

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
    pub by: Entry,
    /// Nothing unknown stands in between.
    pub certain: bool,
    /// What it rests on in its own account; nothing of an administrator, who gives itself what it needs.
    pub needs: Arc<[Need]>,
    /// Places of the statements any of which let it in: of the role's trust, or of the function's own policy.
    pub lets_in: Arc<[u32]>,
}

/// How a role of another account is got at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// By its trust, with the action that is asked for.
    Trust(&'static str),
    /// By the code of a function that runs as it: row of the table of take-overs, and the function's place in
    /// [`crate::iam::resources::Resources`], whose own policy lets that be changed.
    Code(u8, u32),
    /// By IAM Identity Center, as its people are: row of the table of gates.
    Admit(u8),
    /// As [`Self::Admit`], with the role's permission set changed first by this action, so that it is an administrator's.
    Set(&'static str, u8),
}

impl Crossing {
    /// What is asked for, in order.
    pub fn actions(&self) -> Vec<&'static str> {
        match self.by {
            Entry::Trust(action) => vec![action],
            Entry::Code(row, _) => TAKE_OVERS[usize::from(row)].actions.to_vec(),
            _ if !self.needs.is_empty() => self.needs.iter().map(|n| n.action).collect(),
            Entry::Admit(row) => vec![ADMITS[usize::from(row)].action],
            Entry::Set(change, row) => vec![change, PROVISION, ADMITS[usize::from(row)].action],
        }
    }
}

/// All of an account, by who crosses, an administrator as such last; by role.
pub(super) fn crossings(account: &Account, table: &Table, administrators: &[bool]) -> Vec<Crossing> {
    let resources = account.resources();
    let known = resources.roles_trusting(&account.id).into_iter();
    let roles = known.filter_map(|arn| Some(Threshold::of_role(account, arn, resources.trust(arn)?)));
    let elsewhere = resources.open_functions().filter(|(own, ..)| *own != account.id);
    let functions: Vec<(usize, &str)> = elsewhere.map(|(_, place, role)| (place, role)).collect();
    let by_code =
        changes_code().flat_map(|change| functions.iter().filter_map(move |f| Threshold::of_function(account, *f, change)));
    let thresholds: Vec<Threshold> = roles.chain(by_code).collect();
    let of_sets = resources.kept_by_center(&account.id, account.identity_center);
    if thresholds.is_empty() && of_sets.is_empty() {
        return Vec::new();
    }
    let count = account.principals.len();
    let each = side_by_side(count, |p| {
        let mut own = of_principal(account, table, p, &thresholds);
        if !administrators[p] {
            own.extend(by_center(account, table, Some(p), &of_sets));
        }
        own
    });
    let made = thresholds.iter().filter_map(|threshold| of_administrator(account, threshold));
    each.into_iter().flatten().chain(made).chain(by_center(account, table, None, &of_sets)).collect()
}

/// What a principal of the account that keeps IAM Identity Center gets at of the roles that it keeps elsewhere; none: an
/// administrator as such, as which every administrator does. Who is assigned to what, and who somebody is there, is not
/// collected: that stays under conditions. No permission over IAM is asked for (IAM Identity Center: "Identity-based policy
/// examples", the note on the management account).
fn by_center(account: &Account, table: &Table, principal: Option<usize>, roles: &[&str]) -> Vec<Crossing> {
    let context = Context::new();
    let permit = |action: &'static str| table.permit(account, &account.principals[principal?], action, true);
    let need =
        |action: &'static str, (truth, by): (Truth, Arc<[StatementId]>)| (truth != Truth::No).then_some(Need { action, by });
    let somewhere = |action: &'static str| match principal {
        None => Some(None),
        Some(_) => Some(Some(need(action, permit(action)?.somewhere(&context))?)),
    };
    let gates = ADMITS.iter().enumerate().filter(|(_, gate)| gate.by == Gate::IdentityCenter);
    let gates: Vec<_> = gates.map(|(row, gate)| (row as u8, gate, permit(gate.action))).collect();
    let change = somewhere(PROVISION).and_then(|provision| {
        let (set, own) = REWRITES_SET.iter().find_map(|(action, _)| Some((*action, somewhere(action)?)))?;
        Some((set, [own, provision]))
    });
    let from = principal.map_or(To::Administrator, To::Principal);
    let mut all = Vec::new();
    for of_account in roles.chunk_by(|a, b| owner(a) == owner(b)) {
        let admits = |(row, gate, permit): &(u8, &Admit, Option<Permit<'_>>)| match (principal, permit) {
            (None, _) => Some((*row, None)),
            (_, permit) => Some((*row, Some(need(gate.action, gate.opens(permit.as_ref()?, of_account[0], &context))?))),
        };
        // A delegate keeps users and groups of all, and assigns nobody in the management account.
        let theirs = account.identity_center == IdentityCenter::Delegated
            && owner(of_account[0]).is_some_and(|id| account.resources().is_management(id));
        let mut open = gates.iter().filter(|(_, gate, _)| !theirs || gate.action != ASSIGN);
        let Some((row, admit)) = open.find_map(admits) else { continue };
        let crossing = |role: &str, by: Entry, needs: &Arc<[Need]>| {
            let (role, needs) = (Arc::from(role), Arc::clone(needs));
            Crossing { from, through: None, role, by, certain: false, needs, lets_in: [].into() }
        };
        let needs: Arc<[Need]> = admit.iter().cloned().collect();
        all.extend(of_account.iter().map(|role| crossing(role, Entry::Admit(row), &needs)));
        // One set is enough to make the point.
        let may_change = |role: &&&str| {
            account.identity_center == IdentityCenter::Management
                || account.resources().is_set_of_management(set_of(role)) != Some(true)
        };
        if let (Some((set, own)), Some(role)) = (&change, of_account.iter().find(may_change)) {
            let needs = own.iter().chain([&admit]).flatten().cloned().collect();
            all.push(crossing(role, Entry::Set(set, row), &needs));
        }
    }
    all
}

/// The account that an ARN names.
fn owner(arn: &str) -> Option<&str> {
    arn.split(':').nth(4)
}

/// Those to one role, as if it had this trust.
pub(super) fn to_role(account: &Account, role: &str, trust: Compiled) -> Vec<Crossing> {
    through(account, &[Threshold::of_role(account, role, Arc::new(trust))])
}

/// Those to the role that a function runs as, by the function's place.
pub(super) fn to_function(account: &Account, place: usize, role: &str) -> Vec<Crossing> {
    let thresholds: Vec<Threshold> =
        changes_code().filter_map(|change| Threshold::of_function(account, (place, role), change)).collect();
    through(account, &thresholds)
}

fn through(account: &Account, thresholds: &[Threshold]) -> Vec<Crossing> {
    let table = Table::new(account, thresholds.iter().map(|threshold| threshold.action));
    let each = (0..account.principals.len()).flat_map(|p| of_principal(account, &table, p, thresholds));
    each.chain(thresholds.iter().filter_map(|threshold| of_administrator(account, threshold))).collect()
}

/// A role of another account, and the policy that has to let in whoever comes: its trust, or that of a function.
struct Threshold {
    role: Arc<str>,
    by: Entry,
    action: &'static str,
    name: ActionName,
    /// What is asked for: the role, or the function.
    resource: Resource,
    policy: Arc<Compiled>,
}

impl Threshold {
    fn of_role(account: &Account, arn: &str, trust: Arc<Compiled>) -> Self {
        let (by, name) = (Entry::Trust(ASSUME), ActionName::new(ASSUME));
        Self { role: arn.into(), by, action: ASSUME, name, resource: account.resource(arn), policy: trust }
    }

    /// A function and the role that it runs as; none where its policy does not speak of this way to change its code.
    fn of_function(account: &Account, (place, role): (usize, &str), (row, action): (u8, &'static str)) -> Option<Self> {
        let held = account.resources().at(place)?;
        let name = ActionName::new(action);
        let policy = held.shared().filter(|policy| policy.allows_somebody(&name))?;
        let (by, resource) = (Entry::Code(row, place as u32), account.resource(&held.resource.arn));
        Some(Self { role: role.into(), by, action, name, resource, policy: Arc::clone(policy) })
    }

    /// The trust, where that is asked.
    fn trust(&self) -> Option<&Compiled> {
        matches!(self.by, Entry::Trust(_)).then_some(&*self.policy)
    }

    /// Whether it matters who of an account asks.
    fn is_personal(&self, account: &Account) -> bool {
        let root = format!(":iam::{}:root", account.id);
        let whole = |name: &str| name == "*" || name == account.id || name.ends_with(&root);
        self.policy.policy.statements.iter().any(|s| {
            let named = s.principal.as_ref().is_some_and(|e| e.not || e.principals.iter().any(|p| !whole(&p.value.text)));
            let keys = ["aws:principal", "aws:userid", "aws:username"];
            named || s.conditions.iter().any(|c| keys.iter().any(|k| c.key.text.to_ascii_lowercase().starts_with(k)))
        })
    }

    /// Statements of the policy that speak of a caller, those that hold for certain where there are any.
    fn speak_of(&self, caller: &Caller) -> Arc<[u32]> {
        let context = Context::new();
        let request = Request { caller, action: &self.name, resource: &self.resource, context: &context };
        let all: Vec<usize> = self.policy.grants(&request).into_iter().map(|(s, _)| s).collect();
        let sure = |s: &usize| self.policy.applies(*s, &request) == Truth::Yes;
        let any = all.iter().any(&sure);
        all.iter().filter(|s| !any || sure(s)).map(|s| *s as u32).collect()
    }
}

fn of_principal(account: &Account, table: &Table, p: usize, thresholds: &[Threshold]) -> Vec<Crossing> {
    let context = Context::new();
    let who = &account.principals[p];
    let crossing = |permit: &Permit<'_>, threshold: &Threshold| {
        // From another account both sides must allow.
        let (truth, own) = permit.on(&threshold.resource, &context);
        let lets_in = if truth == Truth::No { [].into() } else { threshold.speak_of(&who.caller) };
        if lets_in.is_empty() {
            return None;
        }
        let certain = certainly(account.crosses(p, &threshold.name, &threshold.resource, threshold.trust()))?;
        let needs = [Need { action: threshold.action, by: own }].into();
        Some(Crossing {
            from: To::Principal(p),
            through: None,
            role: Arc::clone(&threshold.role),
            by: threshold.by,
            certain,
            needs,
            lets_in,
        })
    };
    let by_action = thresholds.chunk_by(|a, b| a.action == b.action);
    let with_permit =
        by_action.filter_map(|thresholds| Some((table.permit(account, who, thresholds[0].action, true)?, thresholds)));
    with_permit
        .flat_map(|(permit, thresholds)| {
            thresholds.iter().filter_map(|threshold| crossing(&permit, threshold)).collect::<Vec<_>>()
        })
        .collect()
}

/// What an administrator of the account can do: act as anybody in it, and allow it whatever its own side has to.
fn of_administrator(account: &Account, threshold: &Threshold) -> Option<Crossing> {
    let by = |through| certainly(account.administrator_crosses(through, &threshold.name, &threshold.resource, threshold.trust()));
    let mut best = by(None).map(|certain| (None, certain));
    if best != Some((None, true)) && threshold.is_personal(account) {
        let all = (0..account.principals.len()).filter(|p| !is_aws_kept(&account.principals[*p].path));
        for p in all.filter(|p| !threshold.speak_of(&account.principals[*p].caller).is_empty()) {
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
    // It is nobody yet: whichever statement lets the account in will let it in.
    let somebody = || Caller::new(&account.somebody());
    let lets_in = threshold.speak_of(&through.map_or_else(somebody, |p| account.principals[p].caller.clone()));
    let role = Arc::clone(&threshold.role);
    Some(Crossing { from: To::Administrator, through, role, by: threshold.by, certain, needs: [].into(), lets_in })
}

fn certainly(decision: Decision) -> Option<bool> {
    match decision {
        Decision::Allowed => Some(true),
        Decision::Depends => Some(false),
        Decision::Denied { .. } => None,
    }
}
