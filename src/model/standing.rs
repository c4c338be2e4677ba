//! What judgement found of each principal, and the delivery pipelines: plain data that lists show. The judging is done
//! elsewhere, behind the screen, after an estate came in.

use std::collections::HashMap;

use crate::model::words::words;

words! {
    /// Whether a principal is an administrator in effect.
    Power {
        Ordinary = "no",
        /// If conditions that are not known hold.
        MayBecome = "may become",
        CanBecome = "can become",
        Administrator = "yes",
    }
}

words! {
    /// Who acts as a principal.
    Nature {
        Unknown = "unknown",
        /// AWS's own services, for themselves.
        Aws = "AWS",
        Machine = "machine",
        Human = "human",
        /// People and machines share it, which is a defect.
        Both = "both",
    }
}

/// One user or role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub power: Power,
    pub nature: Nature,
    /// What tells its nature: `it has a console password`.
    pub nature_by: String,
    /// Who from outside its account may become it; of services only what people would call foreign.
    pub foreign: Vec<String>,
    /// Of the actions it is granted the percentage it did not use in 90 days; none where AWS was not asked.
    pub unused: Option<u8>,
}

words! {
    /// Whom a resource's own policy lets in from outside.
    Open {
        Nobody = "no",
        /// An account that is not in the organisation, or somebody of it.
        Foreign = "foreign",
        Public = "public",
    }
}

/// How open a resource is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Openness {
    pub open: Open,
    /// `everyone`, `account 999988887777`
    pub who: Vec<String>,
}

/// A delivery pipeline that can become a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// The role's ARN.
    pub role: String,
    /// Twelve digits.
    pub account: String,
    /// `GitHub Actions`, …; else the issuer.
    pub system: String,
    pub issuer: String,
    /// Whose tokens are let in; empty: everyone's.
    pub subjects: Vec<String>,
    /// What weakens the trust, in sentences.
    pub weak: Vec<String>,
    /// It lets in pipelines of strangers.
    pub open: bool,
    pub power: Power,
    /// Actions it is granted that write, and that manage permissions.
    pub writes: usize,
    pub manages: usize,
    /// Services it may change.
    pub deploys: Vec<String>,
    /// What that is, as policies name it.
    pub on: Vec<String>,
}

impl Pipeline {
    /// One role may trust several.
    pub fn id(&self) -> String {
        format!("{} {} {}", self.role, self.issuer, self.subjects.join(" "))
    }
}

/// All that judgement found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standings {
    /// Users and roles by ARN.
    pub principals: HashMap<String, Standing>,
    /// By account and role.
    pub pipelines: Vec<Pipeline>,
    /// Resources whose policies are known, by ARN.
    pub resources: HashMap<String, Openness>,
}
