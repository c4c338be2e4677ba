//! What one principal may do with one action, prepared so that it can be asked of many resources.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::ways;
use crate::iam::account::{Account, Principal};
use crate::iam::evaluate::{ActionName, Compiled, Context, Request, Resource, Truth};
use crate::iam::facts::facts;
use crate::iam::facts::keys::same_key;
use crate::iam::policy::Effect;
use crate::iam::strangers::choices;

/// A statement: its policy's place in [`Account::policies`] and its own place in that; or one of a resource's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId {
    pub policy: u32,
    pub statement: u32,
}

/// Added to the place of a resource.
const OF_RESOURCE: u32 = 1 << 31;

impl StatementId {
    /// A statement of a resource's policy, by the resource's place in [`crate::iam::resources::Resources`].
    pub fn of_resource(place: usize, statement: usize) -> Self {
        Self { policy: place as u32 | OF_RESOURCE, statement: statement as u32 }
    }
    /// The place of the resource whose policy it is of.
    pub fn resource(self) -> Option<usize> {
        (self.policy & OF_RESOURCE != 0).then_some((self.policy & !OF_RESOURCE) as usize)
    }
    /// The policy.
    pub fn policy(self, account: &Account) -> Option<&Compiled> {
        match self.resource() {
            Some(place) => account.resources().at(place)?.policy(),
            None => account.policies.get(self.policy as usize),
        }
    }
    /// The account without it.
    pub(super) fn taken_from(self, account: &Account) -> Account {
        match self.resource() {
            Some(place) => account.without_of_resource(place, self.statement as usize),
            None => account.without(self.policy as usize, self.statement as usize),
        }
    }
}

/// For each action of interest, the statements of each policy that name it.
pub(super) struct Table {
    actions: HashMap<&'static str, Column>,
}

struct Column {
    name: ActionName,
    /// What a request for it names, in this account: one of each of these.
    takes: Vec<Vec<Taken>>,
    /// Requests for it say no tags.
    tagless: bool,
    /// By policy.
    allow: Vec<Box<[u32]>>,
    deny: Vec<Box<[u32]>>,
}

impl Table {
    pub(super) fn new(account: &Account, actions: impl Iterator<Item = &'static str>) -> Self {
        let actions: std::collections::BTreeSet<&'static str> = actions.collect();
        let columns = actions.into_iter().map(|action| {
            let name = ActionName::new(action);
            let (mut allow, mut deny) = (Vec::new(), Vec::new());
            for policy in &account.policies {
                let (mut allows, mut denies) = (Vec::new(), Vec::new());
                for (i, effect) in policy.naming(&name) {
                    if effect == Effect::Allow { allows.push(i as u32) } else { denies.push(i as u32) }
                }
                allow.push(allows.into());
                deny.push(denies.into());
            }
            (action, Column { name, takes: takes(account, action), tagless: tagless(action), allow, deny })
        });
        Self { actions: columns.collect() }
    }

    /// Whether an Allow statement of a policy names any of the actions.
    pub(super) fn is_gainful(&self, policy: usize) -> bool {
        self.actions.values().any(|column| !column.allow[policy].is_empty())
    }

    /// The patterns of resources for which a principal's own policies allow an action.
    pub(super) fn patterns<'p>(&self, account: &'p Account, p: &Principal, action: &str) -> Vec<&'p str> {
        let Some(column) = self.actions.get(action) else { return Vec::new() };
        let statements = p
            .policies
            .iter()
            .flat_map(|policy| column.allow[*policy].iter().map(|s| &account.policies[*policy].policy.statements[*s as usize]));
        let resources = statements.filter_map(|s| s.resource.as_ref());
        // All but some of them is nearly everything.
        let each = resources.flat_map(|r| r.values.iter().map(|v| if r.not { "*" } else { v.text.as_str() }));
        each.collect()
    }

    /// What a principal's own policies may allow of an action; none where nothing does. `guarded`: within the service
    /// control policies over the account.
    pub(super) fn permit<'a>(
        &'a self,
        account: &'a Account,
        p: &'a Principal,
        action: &'static str,
        guarded: bool,
    ) -> Option<Permit<'a>> {
        let column = self.actions.get(action)?;
        let pick = |policies: &[usize], of: &[Box<[u32]>]| -> Vec<StatementId> {
            let each = |policy: &usize| {
                let policy = *policy;
                of[policy].iter().map(move |s| StatementId { policy: policy as u32, statement: *s })
            };
            policies.iter().flat_map(each).collect()
        };
        let mut allow = pick(&p.policies, &column.allow);
        if allow.is_empty() {
            return None;
        }
        allow.sort_unstable();
        allow.dedup();
        let boundary: Vec<usize> = p.boundary.into_iter().collect();
        let guards = if p.caller.is_service_linked() || !guarded { &[] } else { account.scp_levels() };
        let mut limits: Vec<Vec<StatementId>> = guards.iter().map(|level| pick(level, &column.allow)).collect();
        limits.extend((!boundary.is_empty()).then(|| pick(&boundary, &column.allow)));
        if limits.iter().any(Vec::is_empty) {
            return None;
        }
        // A level that allows it everywhere limits nothing.
        limits.retain(|level| !level.iter().any(|s| policy(account, *s).is_open(s.statement as usize)));
        let mut deny = pick(&p.policies, &column.deny);
        deny.extend(pick(&boundary, &column.deny));
        deny.extend(guards.iter().flat_map(|level| pick(level, &column.deny)));
        let open: Vec<StatementId> =
            allow.iter().copied().filter(|s| policy(account, *s).is_open(s.statement as usize)).collect();
        let everywhere = (deny.is_empty() && limits.is_empty() && !open.is_empty()).then(|| open.into());
        let asks = |s: &StatementId| {
            let statement = policy(account, *s).policy.statements.get(s.statement as usize);
            statement.is_some_and(|s| s.conditions.iter().any(|c| c.key.text.eq_ignore_ascii_case("iam:PolicyARN")))
        };
        let of_policy = allow.iter().chain(&deny).chain(limits.iter().flatten()).any(asks);
        let chosen = OnceCell::new();
        Some(Permit { table: self, account, who: p, column, guarded, allow, deny, limits, everywhere, of_policy, chosen })
    }
}

fn policy(account: &Account, id: StatementId) -> &Compiled {
    &account.policies[id.policy as usize]
}

/// Whether something is granted, and the statements any of which grant it.
pub(super) type Granted = (Truth, Arc<[StatementId]>);

/// One principal, one action.
pub(super) struct Permit<'a> {
    table: &'a Table,
    account: &'a Account,
    pub(super) who: &'a Principal,
    column: &'a Column,
    guarded: bool,
    allow: Vec<StatementId>,
    deny: Vec<StatementId>,
    /// Each must allow: SCP levels and the boundary.
    limits: Vec<Vec<StatementId>>,
    /// Where nothing limits it: the statements that allow it on every resource.
    everywhere: Option<Arc<[StatementId]>>,
    /// Whether it matters which policy is attached.
    pub(super) of_policy: bool,
    /// What its caller may say of a request, where statements ask for what that chooses.
    chosen: OnceCell<Vec<Context>>,
}

/// Choices of a caller's that are tried.
const MOST_CHOSEN: usize = 64;

/// What a request says of tags, in lower case.
const REQUEST_TAG: &str = "aws:requesttag/";
const TAG_KEYS: &str = "aws:tagkeys";

/// Whether whoever calls an action chooses what it says of a key, in lower case, of what it makes.
fn is_chosen(action: &ActionName, key: &str) -> bool {
    const MAKE: [&str; 4] = ["create", "run", "request", "register"];
    // Which role a thing gets is what is asked; what is said of users and roles, and of what is there, is not the caller's.
    let fixed = ["aws:", "iam:", "sts:"].iter().any(|start| key.starts_with(start))
        || ["role", "instanceprofile", "resourcetag/"].iter().any(|part| key.contains(part));
    let known = || facts().action(action.as_str());
    !fixed
        && MAKE.iter().any(|verb| action.name().starts_with(verb))
        && known().is_some_and(|(service, action)| service.keys_of(action).any(|k| same_key(k, key)))
}

impl<'a> Permit<'a> {
    /// The values that its statements compare a key with.
    pub(super) fn asked(&self, key: &'static str) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        let account = self.account;
        let all = self.allow.iter().chain(&self.deny).chain(self.limits.iter().flatten());
        let statements = all.filter_map(move |s| policy(account, *s).policy.statements.get(s.statement as usize));
        let of_key = statements.flat_map(|s| &s.conditions).filter(move |c| c.key.text.eq_ignore_ascii_case(key));
        of_key.flat_map(|c| &c.values).map(|v| v.text.as_str())
    }

    /// Whether it is allowed on a resource, and the statements any of which allow it.
    pub(super) fn on(&self, resource: &Resource, context: &Context) -> Granted {
        self.at_best(context, |context| self.on_as(resource, context))
    }

    /// What is true if the caller says of its request what serves it best.
    fn at_best(&self, context: &Context, ask: impl Fn(&Context) -> Granted) -> Granted {
        let mut plain = ask(context);
        if plain.0 == Truth::Maybe && self.column.tagless {
            let mut said = context.clone().with(TAG_KEYS, [""; 0]);
            said.close(REQUEST_TAG);
            plain = ask(&said);
        }
        if plain.0 != Truth::Maybe {
            return plain;
        }
        let chosen = self.chosen.get_or_init(|| self.choices());
        chosen.iter().map(|said| ask(&said.clone().and(context))).find(|granted| granted.0 == Truth::Yes).unwrap_or(plain)
    }

    /// What its caller may say, where that tells anything.
    fn choices(&self) -> Vec<Context> {
        let all = self.allow.iter().chain(&self.deny).chain(self.limits.iter().flatten());
        let statements = all.filter_map(|s| policy(self.account, *s).policy.statements.get(s.statement as usize));
        let statements: Vec<_> = statements.collect();
        let may_tag = OnceCell::new();
        let may_tag = || *may_tag.get_or_init(|| self.may_tag());
        let own = |key: &str| key.starts_with(REQUEST_TAG) && may_tag() || is_chosen(&self.column.name, key);
        let choices = choices(statements.into_iter(), &Context::new(), &own);
        // One alone says nothing.
        if choices.len() < 2 {
            return Vec::new();
        }
        let with_keys = |said: Context| {
            let keys: Vec<String> = said.valued(REQUEST_TAG).map(str::to_owned).collect();
            if may_tag() { said.with(TAG_KEYS, keys) } else { said }
        };
        choices.into_iter().take(MOST_CHOSEN).map(with_keys).collect()
    }

    /// Whether its caller may give tags to what it makes (EC2: "Grant permission to tag resources during creation").
    fn may_tag(&self) -> bool {
        let action = &self.column.name;
        if self.column.tagless || action.service() != "ec2" || action.as_str() == "ec2:createtags" {
            return false;
        }
        let tags = self.table.permit(self.account, self.who, ways::TAGS_MACHINE, self.guarded);
        let on = |taken: &Taken| tags.as_ref().is_some_and(|tags| tags.on_as(&taken.resource, &Context::new()).0 != Truth::No);
        self.column.takes.iter().flatten().any(on)
    }

    /// As [`Self::on`], whatever the caller says of its request.
    pub(super) fn on_as(&self, resource: &Resource, context: &Context) -> Granted {
        if let Some(by) = &self.everywhere {
            return (Truth::Yes, by.clone());
        }
        let caller = &self.who.caller;
        let request = Request { caller, action: &self.column.name, resource, context };
        let ask = |s: &StatementId| policy(self.account, *s).applies(s.statement as usize, &request);
        let any = |all: &[StatementId]| {
            let mut truth = Truth::No;
            for s in all {
                truth = truth.or(ask(s));
                if truth == Truth::Yes {
                    break;
                }
            }
            truth
        };
        let none = || (Truth::No, Arc::from([]));
        let mut truth = any(&self.allow);
        if truth == Truth::No {
            return none();
        }
        truth = truth.and(any(&self.deny).negate());
        for limit in &self.limits {
            truth = truth.and(any(limit));
        }
        if truth == Truth::No {
            return none();
        }
        // A statement that may hold is no alternative to one that does.
        let certain: Arc<[StatementId]> = self.allow.iter().filter(|s| ask(s) == Truth::Yes).copied().collect();
        let by = if certain.is_empty() { self.allow.iter().filter(|s| ask(s) != Truth::No).copied().collect() } else { certain };
        (truth, by)
    }

    /// Whether it is allowed on a resource but for what denies it, which whoever may change permissions takes off.
    pub(super) fn is_granted(&self, resource: &Resource, context: &Context) -> Truth {
        let request = Request { caller: &self.who.caller, action: &self.column.name, resource, context };
        let ask = |s: &StatementId| policy(self.account, *s).applies(s.statement as usize, &request);
        let any = |all: &[StatementId]| all.iter().map(ask).max().unwrap_or(Truth::No);
        self.limits.iter().fold(any(&self.allow), |truth, limit| truth.and(any(limit)))
    }

    /// Whether it is allowed on some resource of each kind that it takes: an Allow statement holds or may, and no Deny takes all
    /// of it away.
    pub(super) fn somewhere(&self, context: &Context) -> Granted {
        self.at_best(context, |context| self.somewhere_as(context))
    }

    fn somewhere_as(&self, context: &Context) -> Granted {
        if let Some(by) = &self.everywhere {
            return (Truth::Yes, by.clone());
        }
        let is_open = |s: &&StatementId| policy(self.account, **s).is_open(s.statement as usize);
        let free: Vec<StatementId> = self.allow.iter().filter(is_open).copied().collect();
        match (self.deny.is_empty(), self.deny.iter().any(|s| is_open(&s))) {
            (_, true) => return (Truth::No, Arc::from([])),
            (true, _) if !free.is_empty() && self.limits.is_empty() => return (Truth::Yes, free.into()),
            _ => {}
        }
        let caller = &self.who.caller;
        let mut open = Truth::Yes;
        let mut by = Vec::new();
        for any in &self.column.takes {
            let mut best = Truth::No;
            for Taken { resource, lacks } in any {
                let lacking = |all: Context, key: &&'static str| all.with(key, [""; 0]);
                let context = match lacks.is_empty() {
                    true => Cow::Borrowed(context),
                    false => Cow::Owned(lacks.iter().fold(context.clone(), lacking)),
                };
                let context = &*context;
                let request = Request { caller, action: &self.column.name, resource, context };
                let asks = |s: &StatementId| policy(self.account, *s).applies(s.statement as usize, &request);
                if self.deny.iter().any(|s| asks(s) == Truth::Yes) {
                    continue;
                }
                let barred = self.deny.iter().any(|s| self.may_bar(*s, &request));
                let within = self.limits.iter().map(|limit| limit.iter().map(asks).max().unwrap_or(Truth::No));
                let within = within.fold(Truth::Yes, Truth::and);
                if within == Truth::No {
                    continue;
                }
                for s in self.allow.iter().filter(|s| asks(s) != Truth::No) {
                    let holds = policy(self.account, *s).conditions_hold(s.statement as usize, &request);
                    let holds = holds.and(within);
                    best = best.or(if barred { holds.and(Truth::Maybe) } else { holds });
                    if !by.contains(s) {
                        by.push(*s);
                    }
                }
            }
            open = open.and(best);
        }
        by.sort_unstable();
        if open == Truth::No { (Truth::No, Arc::from([])) } else { (open, by.into()) }
    }

    /// Whether a Deny takes all of it away if something is so that is not known.
    fn may_bar(&self, id: StatementId, request: &Request<'_>) -> bool {
        let (compiled, statement) = (policy(self.account, id), id.statement as usize);
        compiled.names(statement, request) == Truth::Yes && compiled.conditions_hold(statement, request) == Truth::Maybe
    }
}

/// All resources of a type.
struct Taken {
    resource: Resource,
    /// Keys of the service that others of the action's types have and this has not.
    lacks: Vec<&'static str>,
}

/// Whether requests for an action say no tags; those that are not known may.
fn tagless(action: &str) -> bool {
    let known = facts().action(action);
    known.is_some_and(|(service, action)| {
        !service.keys_of(action).any(|key| same_key(key, REQUEST_TAG) || same_key(key, TAG_KEYS))
    })
}

/// What a request for an action names, in this account: one of each of these lists; anything where that is not known.
fn takes(account: &Account, action: &str) -> Vec<Vec<Taken>> {
    let anything = |resource: Resource| Taken { resource, lacks: Vec::new() };
    let Some((service, action)) = facts().action(action) else { return vec![vec![anything(Resource::new("*"))]] };
    let all: Vec<&str> =
        service.keys_of(action).filter(|key| !key.starts_with("aws:") && !key.contains(['$', '<', '*'])).collect();
    let taken = |at: usize| {
        let of = service.resources.get(at)?;
        let has = |key: &&str| action.keys.contains(key) || of.keys.contains(key);
        let lacks = all.iter().copied().filter(|key| !has(key)).collect();
        Some(Taken { resource: account.resource(&account.pattern_of(of)), lacks })
    };
    let required: Vec<Vec<Taken>> =
        action.resources.iter().filter(|(_, required)| *required).filter_map(|(at, _)| Some(vec![taken(*at)?])).collect();
    if !required.is_empty() {
        return required;
    }
    // Nothing has to be named, so that all may be.
    let optional = action.resources.iter().filter_map(|(at, _)| taken(*at));
    vec![optional.chain([anything(Resource::literal("*"))]).collect()]
}
