//! Who owns a finding: its own word, else its resource's, else its account's, else the user's rules and tags, else
//! nobody; and always which of them decided.

use std::fmt;

use crate::model::account::Attribution;
use crate::model::decision::Subject;
use crate::model::finding::FindingKey;
use crate::triage::projection::Projection;
use crate::triage::state::Name;

/// What decided the owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Set on the finding itself.
    Explicit,
    /// Set on its resource, or on the principal it is about.
    Resource,
    Account,
    /// The rule or tag that gave the account its owner, in its own words.
    Rule(String),
    Unowned,
}

impl fmt::Display for Origin {
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub owner: Option<Name>,
    pub origin: Origin,
}

impl Owned {
    /// `unowned` where nobody owns it.
    pub fn word(&self) -> &str {
        self.owner.as_deref().unwrap_or("unowned")
    }
}

/// The owner of a finding. `resource` is its resource's ARN or id, `rule` what rules and tags say of its account.
pub fn owner(
    states: &Projection,
    finding: FindingKey,
    resource: &str,
    account: &str,
    rule: Option<&Attribution<String>>,
) -> Owned {
    let set_on = |subject: &Subject| states.get(subject).and_then(|s| s.owner.clone());
    if let Some(owner) = set_on(&Subject::Finding(finding)) {
        return Owned { owner: Some(owner), origin: Origin::Explicit };
    }
    if !resource.is_empty()
        && let Some(owner) =
            set_on(&Subject::Resource(resource.to_owned())).or_else(|| set_on(&Subject::Principal(resource.to_owned())))
    {
        return Owned { owner: Some(owner), origin: Origin::Resource };
    }
    if !account.is_empty()
        && let Some(owner) = set_on(&Subject::Account(account.to_owned()))
    {
        return Owned { owner: Some(owner), origin: Origin::Account };
    }
    match rule.and_then(|r| r.value.as_deref().map(|v| (v, r.decided_by.clone()))) {
        Some((owner, by)) => Owned { owner: Some(owner.into()), origin: Origin::Rule(by) },
        None => Owned { owner: None, origin: Origin::Unowned },
    }
}
