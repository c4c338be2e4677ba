//! Everyone who is in none of the accounts that are joined, as one more account: of people without policies, whom the trusts
//! of roles name, and the policies of functions that run as them. Ways begin there and lead nowhere back; walking them is
//! `joined`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crossings::{Crossing, Entry};
use super::trust::{Serves, Source, Trust};
use super::{Built, Person, To};
use crate::iam::facts::is_service;
use crate::iam::openings::Visitor;
use crate::iam::sets::glob::Glob;
use crate::iam::strangers::account_of;
use crate::model::arn::short;

/// Somebody from outside, or many of whom a trust asks the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outsider {
    pub source: Source,
    /// [`Trust::who`]
    pub who: String,
    /// As in [`Trust::subjects`].
    subjects: Vec<String>,
}

impl Outsider {
    /// Somebody by name: an account's twelve digits, an ARN, everyone, a service, a token's subject.
    pub(super) fn named(name: &str) -> Self {
        if ["everyone", "*"].contains(&name) {
            return Self::visitor(&Visitor::Everyone, |_| false);
        }
        let source = match account_of(name) {
            None if is_service(name) => Source::Service { name: name.to_owned() },
            Some(id) if name == id || name.ends_with(":root") => Source::Account { id: id.to_owned(), known: false },
            Some(_) => Source::Principal { arn: name.to_owned(), known: false },
            None => Source::Oidc { arn: String::new(), issuer: String::new(), pipeline: None, serves: Serves::Unknown },
        };
        Self { source, who: name.to_owned(), subjects: Vec::new() }
    }

    /// Whom a resource's policy names; `known`: whether an account is of the organisation.
    pub(super) fn visitor(who: &Visitor, known: impl Fn(&str) -> bool) -> Self {
        let source = match who {
            Visitor::Everyone | Visitor::EveryAccount => Source::Everyone,
            Visitor::Account(id) => Source::Account { id: id.clone(), known: known(id) },
            Visitor::Principal(arn) => Source::Principal { known: account_of(arn).is_some_and(known), arn: arn.clone() },
            Visitor::Service(name) => Source::Service { name: name.clone() },
        };
        Self { source, who: who.words(), subjects: Vec::new() }
    }

    /// As whom it asks for a resource; none where no policy of a resource speaks of such.
    pub(super) fn as_visitor(&self) -> Option<Visitor> {
        Some(match &self.source {
            Source::Everyone if self.who == Visitor::Everyone.words() => Visitor::Everyone,
            Source::Everyone => Visitor::EveryAccount,
            Source::Account { id, .. } => Visitor::Account(id.clone()),
            Source::Principal { arn, .. } => Visitor::Principal(arn.clone()),
            Source::Service { name } => Visitor::Service(name.clone()),
            Source::Deleted { .. } | Source::Saml { .. } | Source::Oidc { .. } => return None,
        })
    }

    fn of(trust: &Trust) -> Self {
        let mut source = trust.source.clone();
        // Each account has a provider of its own for the same issuer.
        if let Source::Oidc { arn, issuer, .. } = &mut source {
            arn.clone_from(issuer);
        }
        Self { source, who: trust.who(), subjects: trust.subjects.clone() }
    }

    /// Whether each role is asked for it by name; of others those that trusts name are all there are.
    pub(super) fn is_asked_for(&self) -> bool {
        !matches!(self.source, Source::Everyone | Source::Service { .. })
    }

    /// Whether a name as people write it means all of these: a service, a provider or its issuer, a pattern of subjects,
    /// `everyone`.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let same = |text: &str| text.eq_ignore_ascii_case(name);
        let begins = |text: &str| name.len() > 3 && text.get(..name.len()).is_some_and(same);
        let by_source = match &self.source {
            Source::Everyone => same("everyone") || same("*"),
            Source::Account { .. } | Source::Principal { .. } | Source::Deleted { .. } => false,
            Source::Service { name } => same(name),
            Source::Saml { arn } => same(arn) || same(short(arn)),
            Source::Oidc { issuer, pipeline, .. } => {
                let provider = name.split_once(":oidc-provider/").is_some_and(|(_, host)| host == issuer);
                // Subjects are told apart by case, and one is asked for by itself.
                let several = |pattern: &String| name.contains(['*', '?']) && Glob::new(name).matches(pattern);
                provider || same(issuer) || pipeline.is_some_and(begins) || self.subjects.iter().any(several)
            }
        };
        by_source || name == self.who
    }

    /// Whether whoever it is, is one of those that another stands for.
    pub(super) fn is_among(&self, other: &Self) -> bool {
        let account = |source: &Source| match source {
            Source::Account { id, .. } => Some(id.clone()),
            Source::Principal { arn, .. } => account_of(arn).map(str::to_owned),
            _ => None,
        };
        match (&self.source, &other.source) {
            (own, Source::Everyone) => account(own).is_some(),
            (Source::Principal { .. }, Source::Account { .. }) => account(&self.source) == account(&other.source),
            (Source::Oidc { issuer, .. }, Source::Oidc { issuer: theirs, .. }) if issuer == theirs => {
                let within = |own: &String| other.subjects.iter().any(|s| Glob::new(s).matches(own));
                self.who != other.who
                    && (other.subjects.is_empty() || !self.subjects.is_empty() && self.subjects.iter().all(within))
            }
            _ => false,
        }
    }
}

/// How a role is entered.
#[derive(Clone)]
pub(super) struct Entered {
    pub(super) by: Entry,
    /// Places of the statements that let in.
    pub(super) statements: Vec<u32>,
    pub(super) certain: bool,
    /// Whoever is among those that are let in is so, too.
    pub(super) alike: bool,
}

/// By the role's ARN and the function by which it is entered; none by its trust.
type Roles<'a> = BTreeMap<(&'a Arc<str>, Option<(u8, u32)>), Entered>;

/// Somebody from outside who was asked about by name, and the roles that let it in.
pub(super) type Asked = (Outsider, Vec<(Arc<str>, Entered)>);

/// Somebody from outside whom the policy of a function lets change its code.
pub(super) struct Coder {
    pub(super) who: Outsider,
    /// Place of the role that the function runs as.
    pub(super) role: usize,
    pub(super) entered: Entered,
}

/// Those from outside whom the accounts' roles let in, after those that were known before, one that was asked about last; and
/// the account they make up.
pub(super) fn outside(accounts: &[&Built], before: &[Outsider], asked: Option<&Asked>) -> (Vec<Outsider>, Built) {
    let joined = |id: &str| accounts.iter().any(|built| built.id == id);
    // Accounts that are joined tell themselves who of theirs is let in.
    let is_inside = |source: &Source| match source {
        Source::Account { id, known: true } => joined(id),
        Source::Principal { arn, known: true } => account_of(arn).is_some_and(joined),
        _ => false,
    };
    let mut doors: BTreeMap<Outsider, Roles<'_>> = before.iter().map(|o| (o.clone(), Roles::new())).collect();
    for built in accounts {
        for trust in built.trusts.iter().filter(|t| t.admits && !t.read && !is_inside(&t.source)) {
            let statements = vec![trust.statement.statement];
            let entered = Entered { by: Entry::Trust(trust.action), statements, certain: trust.certain, alike: trust.alike };
            enter(doors.entry(Outsider::of(trust)).or_default(), &built.people[trust.role].arn, entered);
        }
        for coder in built.coders.iter() {
            enter(doors.entry(coder.who.clone()).or_default(), &built.people[coder.role].arn, coder.entered.clone());
        }
    }
    // Who is among others gets in where they do.
    let wider = |o: &Outsider| doors.iter().filter(|(other, _)| o.is_among(other)).collect::<Vec<_>>();
    let more: Vec<_> = doors
        .keys()
        .map(|o| (o.clone(), wider(o)))
        .filter(|(_, wider)| !wider.is_empty())
        .map(|(o, wider)| (o, wider.into_iter().flat_map(|(_, roles)| roles.clone()).collect::<Vec<_>>()))
        .collect();
    for (outsider, wider) in more {
        let roles = doors.entry(outsider).or_default();
        for ((role, _), entered) in wider {
            // Who of them is kept out was not asked.
            let certain = entered.certain && entered.alike;
            enter(roles, role, Entered { certain, ..entered });
        }
    }
    let mut all = before.to_vec();
    let mut crossings = Vec::new();
    for (outsider, roles) in doors {
        let at = before.iter().position(|o| *o == outsider).unwrap_or_else(|| {
            all.push(outsider);
            all.len() - 1
        });
        crossings.extend(roles.into_iter().map(|((role, _), entered)| crossing(at, role, entered)));
    }
    if let Some((outsider, roles)) = asked {
        crossings.extend(roles.iter().map(|(role, entered)| crossing(all.len(), role, entered.clone())));
        all.push(outsider.clone());
    }
    let account = people(&all, crossings.into());
    (all, account)
}

/// Adds a way into a role: statements under conditions are no alternative to one that lets in for certain.
fn enter<'a>(roles: &mut Roles<'a>, role: &'a Arc<str>, entered: Entered) {
    let function = if let Entry::Code(row, place) = entered.by { Some((row, place)) } else { None };
    let known = roles.entry((role, function)).or_insert_with(|| Entered { statements: Vec::new(), ..entered.clone() });
    if entered.certain && !known.certain {
        *known = Entered { statements: Vec::new(), ..entered.clone() };
    }
    if entered.certain == known.certain {
        known.statements.extend(entered.statements);
        known.statements.sort_unstable();
        known.statements.dedup();
    }
}

fn crossing(at: usize, role: &Arc<str>, Entered { by, statements, certain, .. }: Entered) -> Crossing {
    let (from, role, needs) = (To::Principal(at), Arc::clone(role), [].into());
    Crossing { from, through: None, role, by, certain, needs, lets_in: statements.into() }
}

/// An account of nobody's, with these in it.
fn people(all: &[Outsider], crossings: Arc<[Crossing]>) -> Built {
    Built {
        administrators: vec![false; all.len()],
        edges: Vec::new(),
        starts: vec![0; all.len() + 1],
        incoming: vec![Vec::new(); all.len() + 1],
        id: String::new(),
        people: all.iter().map(|o| Person { arn: o.who.as_str().into(), trust: None, kept: true, unread: false }).collect(),
        crossings,
        trusts: [].into(),
        coders: [].into(),
    }
}
