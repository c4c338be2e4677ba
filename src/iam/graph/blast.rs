//! Blast radius: what is lost of an account with a key, a role, an instance or a pipeline. What is lost of others is
//! [`super::Joined::abroad`].

use std::collections::btree_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::build::{Actor, Ground};
use super::outside::Outsider;
use super::permit::Table;
use super::reach::{ENTERS, Prize, chosen, visited};
use super::{Graph, To, ways};
use crate::iam::account::{Account, Principal};
use crate::iam::evaluate::{ActionName, Context, Decision, Resource, Truth};
use crate::iam::facts::Level;
use crate::iam::grants::{self, Actions};
use crate::iam::policy::{Effect, Element};

/// What can be reached from one principal, or from several at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Blast {
    /// One is, or becomes, an administrator: everything in the account is lost.
    pub everything: bool,
    /// That rests on nothing that is not known.
    pub certain: bool,
    /// Others that they can become, nearest first.
    pub reached: Vec<Reached>,
    /// What they can do to themselves that gives them more; that counts in all that follows.
    pub gains: Vec<Gained>,
    /// What all of these can do, by service and access level in the order of [`Level::ALL`].
    pub by_service: BTreeMap<&'static str, [u32; 5]>,
    pub actions: usize,
    /// What can be read, written and destroyed where data is kept.
    pub data: Vec<Data>,
    /// Resources whose tags tell the class of their data and that can be got at, by class.
    pub classes: Vec<Class>,
    /// Of the resources that are known by name, in whatever account, those that can be got at, by service.
    pub things: Vec<Things>,
}

/// Something that one of those can do to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gained {
    pub principal: usize,
    /// `join the group readers`
    pub how: String,
    /// Nothing unknown stands in between.
    pub certain: bool,
}

/// What can be got at of one service's known resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Things {
    /// `buckets`
    pub what: &'static str,
    /// How many the account has.
    pub known: usize,
    pub read: usize,
    pub write: usize,
    pub destroy: usize,
    /// ARNs, sorted.
    pub resources: Vec<String>,
}

/// What reads, writes and destroys a known resource, by service; of buckets their objects.
const THINGS: &[(&str, &str, [&str; 4])] = &[
    ("s3", "buckets", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy"]),
    (
        "secretsmanager",
        "secrets",
        [
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:DeleteSecret",
            "secretsmanager:PutResourcePolicy",
        ],
    ),
    ("kms", "keys", ["kms:Decrypt", "kms:Encrypt", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"]),
    ("sqs", "queues", ["sqs:ReceiveMessage", "sqs:SendMessage", "sqs:DeleteQueue", "sqs:AddPermission"]),
    ("sns", "topics", ["sns:Subscribe", "sns:Publish", "sns:DeleteTopic", "sns:AddPermission"]),
    ("ecr", "repositories", ["ecr:BatchGetImage", "ecr:PutImage", "ecr:DeleteRepository", "ecr:SetRepositoryPolicy"]),
    ("lambda", "functions", ["lambda:GetFunction", "lambda:UpdateFunctionCode", "lambda:DeleteFunction", "lambda:AddPermission"]),
];

/// What can be got at of one class of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// As the tags have it.
    pub class: String,
    /// Resources that can be read (or entered), and that can be destroyed.
    pub read: usize,
    pub destroy: usize,
    /// ARNs, sorted.
    pub resources: Vec<String>,
}

/// What destroys a machine.
const DESTROYS: &[&str] = &["ec2:TerminateInstances"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    pub principal: usize,
    pub steps: u32,
    /// Nothing unknown stands in between.
    pub certain: bool,
}

/// Access to one service's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    pub service: &'static str,
    pub read: usize,
    pub write: usize,
    /// Actions that delete.
    pub destroy: usize,
    /// `Resource` values of the statements behind it, sorted; `NotResource` is shown as `not …`.
    pub resources: Vec<String>,
}

/// Services that keep a customer's data or secrets.
const DATA: &[&str] = &[
    "s3",
    "dynamodb",
    "rds",
    "rds-data",
    "redshift",
    "redshift-data",
    "secretsmanager",
    "ssm",
    "kms",
    "sqs",
    "sns",
    "kinesis",
    "es",
    "elasticfilesystem",
    "ebs",
    "ec2",
    "glacier",
    "athena",
    "glue",
    "logs",
    "backup",
    "ecr",
    "codecommit",
    "cognito-idp",
    "neptune-db",
    "timestream",
    "memorydb",
    "elasticache",
    "fsx",
    "lambda",
];

/// The known resources, in whatever account, whose own policies let any of these from outside get at them, for certain or under
/// conditions; `asked`: one was asked about by name.
pub(super) fn open_to(account: &Account, outsiders: &[&Outsider], asked: bool) -> Vec<Things> {
    let known = account.resources().all();
    let mut found = Vec::new();
    for (service, what, actions) in THINGS {
        let mut things = Things::none(what);
        for held in known.iter().filter(|h| h.resource.service() == *service) {
            things.known += 1;
            let allows = |action: &&str| held.policy().is_some_and(|p| p.allows_somebody(&ActionName::new(action)));
            if !actions.iter().any(allows) {
                continue;
            }
            let actions = actions.map(str::to_owned);
            let Ok(prize) = Prize::new(&held.resource.arn, &actions) else { continue };
            let met = outsiders.iter().flat_map(|outsider| visited(account, &prize, outsider, asked));
            let does: BTreeSet<usize> = met.map(|(ask, ..)| ask).collect();
            things.add(&held.resource.arn, [0, 1, 2, 3].map(|ask| does.contains(&ask)));
        }
        found.extend((!things.resources.is_empty()).then_some(things));
    }
    found
}

impl Things {
    fn none(what: &'static str) -> Self {
        Self { what, known: 0, read: 0, write: 0, destroy: 0, resources: Vec::new() }
    }

    /// Counts what can be done with one: read, written, destroyed, and its policy rewritten so that all of that can be.
    fn add(&mut self, arn: &str, does: [bool; 4]) {
        let [read, write, destroy, _] = does.map(|it| usize::from(it || does[3]));
        self.read += read;
        self.write += write;
        self.destroy += destroy;
        self.resources.extend(does.contains(&true).then(|| arn.to_owned()));
    }

    /// `3 buckets: 2 read, 1 written, 0 destroyed: arn:…`
    pub fn line(&self) -> String {
        let Self { what, read, write, destroy, resources, .. } = self;
        let (count, all) = (resources.len(), resources.join(" "));
        let one =
            |what: &str| what.strip_suffix("ies").map_or_else(|| what.trim_end_matches('s').to_owned(), |w| format!("{w}y"));
        let what = if count == 1 { one(what) } else { (*what).to_owned() };
        format!("{count} {what}: {read} read, {write} written, {destroy} destroyed: {all}")
    }
}

impl Graph<'_> {
    /// What is lost with principals, each with whether it is itself for certain. `under_conditions`: whether ways whose conditions
    /// are not known count.
    pub fn blast(&self, from: &[(usize, bool)], under_conditions: bool) -> Blast {
        let mut seen: BTreeMap<usize, (u32, bool)> = BTreeMap::new();
        let mut order = Vec::new();
        let rules = |sure: bool| from.iter().any(|(p, certain)| *certain >= sure && self.administrators[*p]);
        let (mut everything, mut certain) = (rules(false), rules(true));
        // Certain ways first, so that what is certain is said to be.
        for certain_only in [true, false] {
            if !certain_only && !under_conditions {
                break;
            }
            for (p, _) in from.iter().filter(|(_, sure)| *sure >= certain_only) {
                seen.entry(*p).or_insert((0, certain_only));
            }
            let mut queue: VecDeque<usize> = seen.keys().copied().collect();
            while let Some(at) = queue.pop_front() {
                let steps = seen.get(&at).map_or(0, |s| s.0);
                for e in self.edges_from(at).iter().filter(|e| e.certain || !certain_only) {
                    let To::Principal(to) = e.to else {
                        everything = true;
                        certain |= certain_only;
                        continue;
                    };
                    if let MapEntry::Vacant(new) = seen.entry(to) {
                        new.insert((steps + 1, certain_only));
                        order.push(Reached { principal: to, steps: steps + 1, certain: certain_only });
                        everything |= self.administrators[to];
                        certain |= self.administrators[to] && certain_only;
                        queue.push_back(to);
                    }
                }
            }
        }
        order.sort_by_key(|r| (r.steps, r.principal));
        let mut granted = if everything { Actions::all() } else { Actions::none() };
        let mut gains = Vec::new();
        let made = if everything { Vec::new() } else { self.made(seen.keys().copied(), under_conditions, &mut gains) };
        let as_is = seen.keys().filter(|_| !everything).map(|p| &self.account.principals[*p]);
        let each: Vec<(&Principal, Actions)> =
            as_is.chain(&made).map(|who| (who, grants::of_principal(self.account, who))).collect();
        each.iter().for_each(|(_, own)| granted.add(own));
        let things = self.things(&each, everything);
        let data = self.data(&each, &granted, everything);
        let classes = self.classes(&each, everything);
        let (by_service, actions) = (granted.by_service(), granted.count());
        Blast { everything, certain, reached: order, gains, by_service, actions, data, classes, things }
    }

    /// What these can make of themselves, and how.
    fn made(&self, all: impl Iterator<Item = usize>, under_conditions: bool, gains: &mut Vec<Gained>) -> Vec<Principal> {
        let table = Table::new(self.account, ways::actions());
        let ground = Ground::new(self.account, &table);
        let mut made = Vec::new();
        for at in all {
            let likenesses = ground.likenesses(Actor { at, who: &self.account.principals[at] }, |_| true);
            for likeness in likenesses.into_iter().filter(|l| under_conditions || l.truth == Truth::Yes) {
                let how = self.gain(likeness.gain);
                gains.push(Gained { principal: at, how, certain: likeness.truth == Truth::Yes });
                made.push(likeness.who);
            }
        }
        made
    }

    /// The known resources that any of these principals gets at, by its own policies or by the resource's.
    fn things(&self, principals: &[(&Principal, Actions)], everything: bool) -> Vec<Things> {
        let context = chosen();
        let known = self.account.resources().all();
        let mut found = Vec::new();
        for (service, what, actions) in THINGS {
            let mut things = Things::none(what);
            let asked: Vec<(ActionName, Actions)> =
                actions.iter().map(|a| (ActionName::new(a), Actions::named(&Element::of([(*a).to_owned()])))).collect();
            for held in known.iter().filter(|h| h.resource.service() == *service) {
                let own = held.account == self.account.id;
                things.known += usize::from(own);
                let arn = &held.resource.arn;
                let itself = self.account.resource(arn);
                let inside = if *service == "s3" { self.account.resource(&format!("{arn}/*")) } else { itself.clone() };
                // What its own policies do not grant, the resource's may.
                let speaks = |name: &ActionName| held.policy().is_some_and(|p| p.allows_somebody(name));
                let allowed = |(name, bit): &(ActionName, Actions), resource: &Resource| {
                    let not_denied = |decision| !matches!(decision, Decision::Denied { .. });
                    if everything {
                        return (own || speaks(name))
                            && not_denied(self.account.decision_for_administrator(None, name, resource, &context));
                    }
                    let spoken = speaks(name);
                    let named = |p: &Principal| held.policy().is_some_and(|of| of.allows(&p.caller, name));
                    let may = |(p, granted): &&(&Principal, Actions)| bit.within(granted) || spoken && named(p);
                    principals.iter().filter(may).any(|(p, _)| not_denied(self.account.decision(p, name, resource, &context)))
                };
                let on = [&inside, &inside, &inside, &itself];
                things.add(arn, [0, 1, 2, 3].map(|at| asked.get(at).is_some_and(|ask| allowed(ask, on[at]))));
            }
            if !things.resources.is_empty() {
                found.push(things);
            }
        }
        found
    }

    /// Of the resources whose tags tell a class those that any of these principals gets at.
    fn classes(&self, principals: &[(&Principal, Actions)], everything: bool) -> Vec<Class> {
        let context = Context::new();
        let may = |actions: &[ActionName], resource: &Resource| {
            let allowed = |p: &Principal, a: &ActionName| {
                !matches!(self.account.decision(p, a, resource, &context), Decision::Denied { .. })
            };
            everything || principals.iter().any(|(p, _)| actions.iter().any(|a| allowed(p, a)))
        };
        let named = |all: &[&str]| all.iter().map(|a| ActionName::new(a)).collect::<Vec<_>>();
        let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
        for tagged in &self.account.tagged {
            let service = tagged.arn.split(':').nth(2).unwrap_or_default();
            let (enters, destroys, rewrites) = match THINGS.iter().find(|(of, ..)| *of == service) {
                Some((_, _, [read, _, destroy, policy])) => (named(&[read]), named(&[destroy]), named(&[policy])),
                None => (named(ENTERS), named(DESTROYS), Vec::new()),
            };
            let inside = if service == "s3" { format!("{}/*", tagged.arn) } else { tagged.arn.clone() };
            let resource = self.account.resource(&inside);
            let rewrite = may(&rewrites, &self.account.resource(&tagged.arn));
            let (read, destroy) = (rewrite || may(&enters, &resource), rewrite || may(&destroys, &resource));
            if read || destroy {
                let fresh = || Class { class: tagged.class.clone(), read: 0, destroy: 0, resources: Vec::new() };
                let class = classes.entry(&tagged.class).or_insert_with(fresh);
                class.read += usize::from(read);
                class.destroy += usize::from(destroy);
                class.resources.push(tagged.arn.clone());
            }
        }
        classes.into_values().collect()
    }

    fn data(&self, principals: &[(&Principal, Actions)], granted: &Actions, everything: bool) -> Vec<Data> {
        let mut counts: BTreeMap<&'static str, Data> = BTreeMap::new();
        for (service, action) in granted.iter().filter(|(s, _)| DATA.contains(&s.prefix)) {
            let fresh = || Data { service: service.prefix, read: 0, write: 0, destroy: 0, resources: Vec::new() };
            let data = counts.entry(service.prefix).or_insert_with(fresh);
            let deletes = ["Delete", "Terminate", "Purge", "ScheduleKeyDeletion"].iter().any(|d| action.name.starts_with(d));
            match action.level {
                Level::Read => data.read += 1,
                Level::Write if deletes => data.destroy += 1,
                Level::Write | Level::PermissionsManagement => data.write += 1,
                _ => {}
            }
        }
        let mut resources: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        let policies: BTreeSet<usize> = principals.iter().flat_map(|(p, _)| p.policies.iter().copied()).collect();
        for s in policies.iter().flat_map(|p| &self.account.policies[*p].policy.statements).filter(|s| s.effect == Effect::Allow)
        {
            let Some(element) = s.resource.as_ref().filter(|_| !everything) else { continue };
            let named = Actions::named(&s.action);
            for service in counts.keys().copied().filter(|s| touches(&named, s)) {
                let shown = element.values.iter().map(|v| if element.not { format!("not {}", v.text) } else { v.text.clone() });
                resources.entry(service).or_default().extend(shown);
            }
        }
        counts
            .into_values()
            .filter(|d| d.read + d.write + d.destroy > 0)
            .map(|mut d| {
                d.resources =
                    if everything { vec!["*".to_owned()] } else { resources.remove(d.service).into_iter().flatten().collect() };
                d
            })
            .collect()
    }
}

fn touches(actions: &Actions, service: &str) -> bool {
    crate::iam::facts::facts().service(service).is_some_and(|s| (s.first..s.first + s.actions.len()).any(|i| actions.has(i)))
}
