//! Who owns a finding: its own word, else its resource's, else its account's, else the user's rules and tags, else
//! nobody; and always which of them decided.

use std::collections::HashMap;
use std::fmt;

use crate::model::account::Attribution;
use crate::model::decision::Subject;
use crate::model::finding::FindingKey;
use crate::triage::projection::Projection;
use crate::triage::state::{Name, State};

/// What decided the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin<'a> {
    /// Set on the finding itself.
    Explicit,
    /// Set on its resource, or on the principal it is about.
    Resource,
    Account,
    /// The rule or tag that gave the account its owner, in its own words.
    Rule(&'a str),
    Unowned,
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("explicit"),
            Self::Resource => f.write_str("from resource"),
            Self::Account => f.write_str("from account"),
            Self::Rule(rule) => f.write_str(rule),
            Self::Unowned => f.write_str("unowned"),
        }
    }
}

/// An owner and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned<'a> {
    pub owner: Option<&'a str>,
    pub origin: Origin<'a>,
}

impl<'a> Owned<'a> {
    /// `unowned` where nobody owns it.
    pub fn word(&self) -> &'a str {
        self.owner.unwrap_or("unowned")
    }
}

/// Owners that were set on accounts, resources and principals, looked up once for many findings.
#[derive(Debug, Clone)]
pub struct Owners<'a> {
    states: &'a Projection,
    accounts: HashMap<&'a str, &'a Name>,
    resources: HashMap<&'a str, &'a Name>,
    principals: HashMap<&'a str, &'a Name>,
}

impl<'a> Owners<'a> {
    pub fn new(states: &'a Projection) -> Self {
        let (mut accounts, mut resources, mut principals) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (subject, state) in states.others() {
            let Some(owner) = &state.owner else { continue };
            match subject {
                Subject::Account(id) => accounts.insert(id.as_str(), owner),
                Subject::Resource(arn) => resources.insert(arn.as_str(), owner),
                Subject::Principal(arn) => principals.insert(arn.as_str(), owner),
                Subject::Finding(_) | Subject::Session(_) => None,
            };
        }
        Self { states, accounts, resources, principals }
    }

    /// The owner of a finding. `resource` is its resource's ARN or id, `rule` what rules and tags say of its account.
    pub fn of(&self, finding: FindingKey, resource: &str, account: &str, rule: Option<&'a Attribution<String>>) -> Owned<'a> {
        self.of_state(self.states.finding(finding), resource, account, rule)
    }

    /// The same for a finding whose state is at hand.
    pub fn of_state(
        &self,
        state: Option<&'a State>,
        resource: &str,
        account: &str,
        rule: Option<&'a Attribution<String>>,
    ) -> Owned<'a> {
        let owned = |owner: &'a Name, origin| Owned { owner: Some(&**owner), origin };
        if let Some(owner) = state.and_then(|s| s.owner.as_ref()) {
            return owned(owner, Origin::Explicit);
        }
        if let Some(owner) = self.resources.get(resource).or_else(|| self.principals.get(resource)).copied() {
            return owned(owner, Origin::Resource);
        }
        if let Some(owner) = self.accounts.get(account).copied() {
            return owned(owner, Origin::Account);
        }
        match rule.and_then(|r| r.value.as_deref().map(|v| (v, &r.decided_by))) {
            Some((owner, by)) => Owned { owner: Some(owner), origin: Origin::Rule(by) },
            None => Owned { owner: None, origin: Origin::Unowned },
        }
    }
}

/// The owner of one finding; for many, make [`Owners`] once.
pub fn owner<'a>(
    states: &'a Projection,
    finding: FindingKey,
    resource: &str,
    account: &str,
    rule: Option<&'a Attribution<String>>,
) -> Owned<'a> {
    Owners::new(states).of(finding, resource, account, rule)
}
