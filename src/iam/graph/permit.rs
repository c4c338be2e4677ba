//! What one principal may do with one action, prepared so that it can be asked of many resources.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::ways;
use crate::iam::account::{Account, Principal};
use crate::iam::evaluate::{ActionName, Compiled, Context, Known, Request, Resource, Truth};
use crate::iam::facts::facts;
use crate::iam::facts::keys::same_key;
use crate::iam::policy::Effect;
use crate::iam::sets::glob::{ArnPattern, common};
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
    /// As it is written.
    action: &'static str,
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
        let conditions = account.policies.iter().flat_map(|p| &p.policy.statements).flat_map(|s| &s.conditions);
        let asked: HashSet<String> = conditions.map(|c| c.key.text.to_ascii_lowercase()).collect();
        let columns = actions.into_iter().map(|action| {
            let name = ActionName::new(action);
            let (mut allow, mut deny) = (Vec::<Box<[u32]>>::new(), Vec::<Box<[u32]>>::new());
            for policy in &account.policies {
                let (mut allows, mut denies) = (Vec::new(), Vec::new());
                for (i, effect) in policy.naming(&name) {
                    if effect == Effect::Allow { allows.push(i as u32) } else { denies.push(i as u32) }
                }
                allow.push(Box::from(allows));
                deny.push(Box::from(denies));
            }
            // What nobody may do is not asked for.
            let named = allow.iter().any(|statements| !statements.is_empty());
            let takes = if named { takes(account, action, &asked) } else { Vec::new() };
            (action, Column { action, name, takes, tagless: tagless(action), allow, deny })
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
        let (tags, chosen) = (OnceCell::new(), OnceCell::new());
        Some(Permit { table: self, account, who: p, column, guarded, allow, deny, limits, everywhere, of_policy, tags, chosen })
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
    /// The permission to give tags to what it makes.
    tags: OnceCell<Option<Box<Permit<'a>>>>,
    /// What its caller may say of a request, where statements ask for what that chooses.
    chosen: OnceCell<Vec<Context>>,
}

/// Choices of a caller's that are tried.
const MOST_CHOSEN: usize = 64;

/// Of keys, in lower case, that tell what runs as the role: not everything the policy has there gets that far.
const CONTENTS: &[&str] = &[
    "templateurl",
    "resourcetypes",
    "stackpolicyurl",
    "codesigningconfigarn",
    "codebuild:source",
    "buildspec",
    "environment.image",
];

/// What a request says of tags, in lower case.
const REQUEST_TAG: &str = "aws:requesttag/";
const TAG_KEYS: &str = "aws:tagkeys";

/// Whether whoever calls an action chooses what it says of a key, in lower case, of what it makes.
fn is_chosen(action: &ActionName, key: &str) -> bool {
    const MAKE: [&str; 4] = ["create", "run", "request", "register"];
    // Which role a thing gets is what is asked; what is said of users and roles, and of what is there, is not the caller's.
    let fixed = ["aws:", "iam:", "sts:"].iter().any(|start| key.starts_with(start))
        || ["role", "instanceprofile", "resourcetag/"].iter().chain(CONTENTS).any(|part| key.contains(part));
    let known = || facts().action(action.as_str());
    !fixed
        && MAKE.iter().any(|verb| action.name().starts_with(verb))
        && known().is_some_and(|(service, action)| service.keys_of(action).any(|k| same_key(k, key)))
}

impl Column {
    /// Requests for it give tags to what they make, by a permission that is asked for as well.
    fn is_tagged(&self) -> bool {
        !self.tagless && self.name.service() == "ec2" && self.name.as_str() != "ec2:createtags"
    }
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
        // To whom nothing may be given nothing is told of it.
        let own = |key: &str| key.starts_with(REQUEST_TAG) && self.tags().is_some() || is_chosen(&self.column.name, key);
        let choices = choices(statements.into_iter(), &Context::new(), &own);
        // One alone says nothing.
        if choices.len() < 2 {
            return Vec::new();
        }
        let with_keys = |said: Context| {
            let keys: Vec<String> = said.valued(REQUEST_TAG).map(str::to_owned).collect();
            if self.column.is_tagged() { said.with(TAG_KEYS, keys) } else { said }
        };
        choices.into_iter().take(MOST_CHOSEN).map(with_keys).collect()
    }

    /// The permission to give tags to what it makes (EC2: "Grant permission to tag resources during creation").
    fn tags(&self) -> Option<&Permit<'a>> {
        let tags = || self.table.permit(self.account, self.who, ways::TAGS_MACHINE, self.guarded).map(Box::new);
        if self.column.is_tagged() { self.tags.get_or_init(tags).as_deref() } else { None }
    }

    fn may_tag(&self, taken: &Taken, context: &Context) -> Truth {
        let context = || context.clone().with("ec2:CreateAction", self.column.action.split(':').nth(1));
        self.tags().map_or(Truth::No, |tags| tags.on_as(&taken.resource, &context()).0)
    }

    /// As [`Self::on`], whatever the caller says of its request.
    pub(super) fn on_as(&self, resource: &Resource, context: &Context) -> Granted {
        if let Some(by) = &self.everywhere {
            return (Truth::Yes, by.clone());
        }
        let request = self.request(resource, context);
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
        let request = self.request(resource, context);
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
        let mut open = Truth::Yes;
        let mut by = Vec::new();
        for any in &self.column.takes {
            let of = |taken: &Taken| {
                let said = self.said(taken, context).into_iter();
                said.map(|(said, truth)| truth.and(self.on_some(taken, &said, &mut by))).max().unwrap_or(Truth::No)
            };
            open = open.and(any.iter().map(of).max().unwrap_or(Truth::No));
        }
        by.sort_unstable();
        if open == Truth::No { (Truth::No, Arc::from([])) } else { (open, by.into()) }
    }

    /// What a request says of one of the types that it names, and whether it may say so: only what is made is given tags.
    fn said<'c>(&self, taken: &Taken, context: &'c Context) -> Vec<(Cow<'c, Context>, Truth)> {
        let none = [""; 0];
        let mut said = Cow::Borrowed(context);
        taken.lacks.iter().for_each(|key| said.to_mut().set(key, none));
        if !self.column.is_tagged() {
            return vec![(said, Truth::Yes)];
        }
        let tagging = if taken.is_made { self.may_tag(taken, &said) } else { Truth::No };
        let is_open = context.get(TAG_KEYS) == Known::Unknown && context.valued(REQUEST_TAG).next().is_none();
        let mut bare = said.clone().into_owned().with(TAG_KEYS, none);
        bare.forget(REQUEST_TAG);
        bare.close(REQUEST_TAG);
        match tagging {
            Truth::No => vec![(Cow::Owned(bare), Truth::Yes)],
            _ if is_open => vec![(said, Truth::Yes)],
            tagging => vec![(said, tagging), (Cow::Owned(bare), Truth::Yes)],
        }
    }

    /// Whether it is allowed on something of a type, by statements that are added to the list.
    fn on_some(&self, taken: &Taken, context: &Context, by: &mut Vec<StatementId>) -> Truth {
        let whole = self.request(&taken.resource, context);
        let left = OnceCell::new();
        let mut best = Truth::No;
        for s in &self.allow {
            let (compiled, statement) = (policy(self.account, *s), s.statement as usize);
            let some = |resource: &Resource| {
                let request = self.request(resource, context);
                if is_elsewhere(resource, context) {
                    Truth::No
                } else {
                    compiled.conditions_hold(statement, &request).and(self.left(&request))
                }
            };
            let parts = match compiled.names(statement, &whole) {
                Truth::No => continue,
                Truth::Yes => None,
                Truth::Maybe => self.parts(compiled, statement, taken),
            };
            let holds = match parts {
                Some(parts) => parts.iter().map(some).max().unwrap_or(Truth::No),
                None => compiled.conditions_hold(statement, &whole).and(*left.get_or_init(|| self.left(&whole))),
            };
            if holds != Truth::No && !by.contains(s) {
                by.push(*s);
            }
            best = best.or(holds);
        }
        best
    }

    fn request<'r>(&'r self, resource: &'r Resource, context: &'r Context) -> Request<'r> {
        Request { caller: &self.who.caller, action: &self.column.name, resource, context }
    }

    /// What the limits leave of a request, and no Deny takes away.
    fn left(&self, request: &Request<'_>) -> Truth {
        let asks = |s: &StatementId| policy(self.account, *s).applies(s.statement as usize, request);
        if self.deny.iter().any(|s| asks(s) == Truth::Yes) {
            return Truth::No;
        }
        let barred = if self.deny.iter().any(|s| self.may_bar(*s, request)) { Truth::Maybe } else { Truth::Yes };
        let within = self.limits.iter().map(|limit| limit.iter().map(asks).max().unwrap_or(Truth::No));
        within.fold(barred, Truth::and)
    }

    /// What a statement names of a type; none where that is not told by comparing its values part by part.
    fn parts(&self, compiled: &Compiled, statement: usize, taken: &Taken) -> Option<Vec<Resource>> {
        let named = compiled.policy.statements.get(statement)?.resource.as_ref().filter(|r| !r.not)?;
        let fitting = named.values.iter().filter(|v| {
            let pattern = ArnPattern::new(&v.text);
            v.text.contains("${") || pattern.overlaps(&taken.pattern)
        });
        fitting.map(|v| Some(self.account.resource(&common(&v.text, taken.resource.as_str())?))).collect()
    }

    /// Whether a Deny takes all of it away if something is so that is not known.
    fn may_bar(&self, id: StatementId, request: &Request<'_>) -> bool {
        let (compiled, statement) = (policy(self.account, id), id.statement as usize);
        compiled.names(statement, request) == Truth::Yes && compiled.conditions_hold(statement, request) == Truth::Maybe
    }
}

/// Whether a resource is in another region than the one that is called.
fn is_elsewhere(resource: &Resource, context: &Context) -> bool {
    match (resource.key("aws:requestedregion"), context.get("aws:requestedregion")) {
        (Known::Values(own), Known::Values(called)) => own != called,
        _ => false,
    }
}

/// All resources of a type.
struct Taken {
    resource: Resource,
    pattern: ArnPattern,
    /// The action makes it, so that a request may give it tags.
    is_made: bool,
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

/// Of actions that name what they make beside what is there already, what they make (Service Authorization Reference, "Actions,
/// resources, and condition keys for Amazon EC2").
const MAKES: &[(&str, &[&str])] = &[("ec2:RunInstances", &["instance", "volume", "network-interface", "spot-instances-request"])];

/// What a request for an action names, in this account: one of each of these lists; anything where that is not known.
/// `asked`: the keys that conditions speak of, in lower case.
fn takes(account: &Account, action: &str, asked: &HashSet<String>) -> Vec<Vec<Taken>> {
    let made = MAKES.iter().find(|(name, _)| name.eq_ignore_ascii_case(action)).map(|(_, made)| *made);
    let anything = |resource: Resource| Taken { resource, pattern: ArnPattern::new("*"), is_made: true, lacks: Vec::new() };
    let Some((service, action)) = facts().action(action) else { return vec![vec![anything(Resource::new("*"))]] };
    // What an action is said to have, its types have; what none of them has is its own.
    let types = || action.resources.iter().filter_map(|(at, _)| service.resources.get(*at));
    let of_types = |asked: &String| {
        let own = asked.split_once(':').is_some_and(|(prefix, _)| prefix == service.prefix);
        let same = |key: &&&'static str| key.eq_ignore_ascii_case(asked);
        if own { types().find_map(|of| of.keys.iter().find(same)).copied() } else { None }
    };
    let of_types: Vec<&str> = asked.iter().filter_map(of_types).collect();
    let taken = |at: usize| {
        let of = service.resources.get(at)?;
        let lacks = of_types.iter().copied().filter(|key| !of.keys.contains(key)).collect();
        let arn = account.pattern_of(of);
        let is_made = made.is_none_or(|made| made.contains(&of.name));
        Some(Taken { resource: account.resource(&arn), pattern: ArnPattern::new(&arn), is_made, lacks })
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
