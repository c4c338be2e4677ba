//! Everyone who is in none of the accounts that are joined, as one more account: of people without policies, whom the trusts
//! of roles name. Ways begin there and lead nowhere back; walking them is `joined`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::crossings::{Crossing, Entry};
use super::issuers::Issuer;
use super::trust::{Source, Trust};
use super::{Built, Person, To};
use crate::iam::sets::glob::Glob;
use crate::iam::strangers::account_of;

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
    fn of(trust: &Trust) -> Self {
        let mut source = trust.source.clone();
        // Each account has a provider of its own for the same issuer.
        if let Source::Oidc { arn, issuer, .. } = &mut source {
            arn.clone_from(issuer);
        }
        Self { source, who: trust.who(), subjects: trust.subjects.clone() }
    }

    /// Whether a name as people write it means this one, or may mean somebody who is among these: an ARN, an account's twelve digits, a
    /// token's subject, a service, a provider, `everyone`.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let same = |text: &str| text.eq_ignore_ascii_case(name);
        let account = account_of(name);
        let whole = account.is_some_and(|id| name == id || name.ends_with(":root"));
        let by_source = match &self.source {
            Source::Everyone => account.is_some() || same("everyone") || same("*"),
            Source::Account { id, .. } => account == Some(id),
            Source::Principal { arn, .. } => same(arn) || whole && account_of(arn) == account,
            Source::Service { name } => same(name),
            Source::Saml { arn } => same(arn),
            Source::Oidc { issuer, pipeline, .. } => {
                let subject = |pattern: &String| Glob::new(pattern).matches(name) || Glob::new(name).matches(pattern);
                let provider = name.split_once(":oidc-provider/").is_some_and(|(_, host)| host == issuer);
                // Of another claim, `repository_id 1234`, no subject tells.
                let untold = self.subjects.iter().all(|s| s.contains(' ')) && Issuer::of(issuer, []).begins(name);
                untold || provider || same(issuer) || pipeline.is_some_and(same) || self.subjects.iter().any(subject)
            }
            Source::Deleted { id } => same(id),
        };
        by_source || same(&self.who) || self.subjects.iter().any(|s| same(s))
    }
}

/// Roles by ARN, each with the action that is asked for and the places of the statements that let in.
type Roles<'a> = BTreeMap<&'a Arc<str>, (&'static str, Vec<u32>)>;

/// Those from outside whom the accounts' roles let in, after those that were known before, and the account they make up.
pub(super) fn outside(accounts: &[&Built], before: &[Outsider]) -> (Vec<Outsider>, Built) {
    let joined = |id: &str| accounts.iter().any(|built| built.id == id);
    // Accounts that are joined tell themselves who of theirs is let in.
    let is_inside = |source: &Source| match source {
        Source::Account { id, known: true } => joined(id),
        Source::Principal { arn, known: true } => account_of(arn).is_some_and(joined),
        _ => false,
    };
    let mut doors: BTreeMap<Outsider, Roles<'_>> = BTreeMap::new();
    for built in accounts {
        for trust in built.trusts.iter().filter(|t| t.admits && !is_inside(&t.source)) {
            let role = &built.people[trust.role].arn;
            let roles = doors.entry(Outsider::of(trust)).or_default();
            roles.entry(role).or_insert((trust.action, Vec::new())).1.push(trust.statement.statement);
        }
    }
    let mut all = before.to_vec();
    let mut crossings = Vec::new();
    for (outsider, roles) in doors {
        let at = before.iter().position(|o| *o == outsider).unwrap_or_else(|| {
            all.push(outsider);
            all.len() - 1
        });
        crossings.extend(roles.into_iter().map(|(role, (action, trust))| {
            let (from, by, needs) = (To::Principal(at), Entry::Trust(action), [].into());
            Crossing { from, through: None, role: Arc::clone(role), by, certain: true, needs, trust: trust.into() }
        }));
    }
    let account = people(&all, crossings.into());
    (all, account)
}

/// An account of nobody's, with these in it.
fn people(all: &[Outsider], crossings: Arc<[Crossing]>) -> Built {
    Built {
        administrators: vec![false; all.len()],
        edges: Vec::new(),
        starts: vec![0; all.len() + 1],
        incoming: vec![Vec::new(); all.len() + 1],
        id: String::new(),
        people: all.iter().map(|o| Person { arn: o.who.as_str().into(), trust: None, kept: true }).collect(),
        crossings,
        trusts: [].into(),
    }
}
