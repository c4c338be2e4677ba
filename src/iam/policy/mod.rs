//! The policy language: a document as AWS accepts it, with the position of every part, so that a message or a
//! highlight can point into the text (AWS: "IAM JSON policy elements reference", "Grammar of the IAM JSON policy language").
//!
//! It says what a document says; what that means for a request is `evaluate`'s work.

pub mod condition;
pub mod json;
mod print;
mod read;
mod template;

pub use condition::{Compare, Operator, Quantifier};
pub use json::Span;
pub use template::{Piece, Template};

/// A text of the document and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned {
    pub text: String,
    pub span: Span,
}

/// A policy document.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// As written; none means [`Version::V2008`].
    pub version: Option<Version>,
    pub id: Option<Spanned>,
    /// In the document's order.
    pub statements: Vec<Statement>,
    /// `Statement` was one object and not a list of them.
    single: bool,
}

/// The version of the language. Policy variables are plain text in the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V2008,
    V2012,
}

impl Version {
    pub const fn word(self) -> &'static str {
        match self {
            Self::V2008 => "2008-10-17",
            Self::V2012 => "2012-10-17",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    Allow,
    Deny,
}

impl Effect {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Deny => "Deny",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The whole object.
    pub span: Span,
    pub sid: Option<Spanned>,
    pub effect: Effect,
    /// None in policies attached to an identity.
    pub principal: Option<PrincipalElement>,
    pub action: Element,
    /// None in role trust policies, where the role is meant.
    pub resource: Option<Element>,
    /// All must hold.
    pub conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// The `Not…` form.
    pub not: bool,
    pub values: Vec<Spanned>,
    /// Written as one text and not as a list.
    single: bool,
}

impl Element {
    /// The element over these values, written as a list where there is more than one.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<Spanned> = values.into_iter().map(|text| Spanned { text, span: Span::default() }).collect();
        Self { not: false, single: values.len() == 1, values }
    }
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq)]
pub struct PrincipalElement {
    pub not: bool,
    pub span: Span,
    pub principals: Vec<PrincipalValue>,
}

/// One principal of a `Principal` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalValue {
    pub kind: PrincipalKind,
    pub value: Spanned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// `"Principal": "*"`
    Everyone,
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

impl PrincipalKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Everyone => "*",
            Self::Aws => "AWS",
            Self::Service => "Service",
            Self::Federated => "Federated",
            Self::CanonicalUser => "CanonicalUser",
        }
    }
}

/// One line of a `Condition` block: operator, key, values (any of which may match).
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub operator: Operator,
    pub operator_span: Span,
    pub key: Spanned,
    /// Numbers and booleans as they are written.
    pub values: Vec<Spanned>,
    single: bool,
}

impl Condition {
    pub fn of(operator: Operator, key: impl Into<String>, values: Vec<String>) -> Self {
        let span = Span::default();
        let values: Vec<Spanned> = values.into_iter().map(|text| Spanned { text, span }).collect();
        Self { operator, operator_span: span, key: Spanned { text: key.into(), span }, single: values.len() == 1, values }
    }
    /// `StringEquals aws:SourceVpc vpc-1`, in one line.
    pub fn describe(&self) -> String {
        let values: Vec<&str> = self.values.iter().take(8).map(|v| v.text.as_str()).collect();
        let more = if self.values.len() > 8 { ", …" } else { "" };
        format!("{} {} {}{more}", self.operator.name(), self.key.text, values.join(", "))
    }
}

/// Why a text is no policy: what is wrong and where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy cannot be read: line {line}, column {column}: {what}")]
pub struct PolicyError {
    pub what: String,
    pub span: Span,
    /// From 1.
    pub line: usize,
    pub column: usize,
}

/// No service takes a policy of more than 32 KB, and AWS itself keeps a few that are larger; white space and escapes add to
/// that where it is written.
const LARGEST: usize = 512 << 10;
const LARGEST_WRITTEN: usize = 160 << 10;

impl Policy {
    /// Reads a document that is in force somewhere, so that it is of a size that AWS accepts.
    ///
    /// # Errors
    /// As [`Self::read`], and for one that is larger.
    pub fn in_force(text: &str) -> Result<Self, PolicyError> {
        let large = |size: usize, of: &str| {
            let what = format!("{size} {of} are more than any policy AWS accepts");
            Err(PolicyError { what, span: Span::default(), line: 1, column: 1 })
        };
        if text.len() > LARGEST {
            return large(text.len(), "bytes");
        }
        let policy = Self::read(text)?;
        let size = policy.size();
        if size > LARGEST_WRITTEN { large(size, "characters") } else { Ok(policy) }
    }
    /// Reads a document.
    ///
    /// # Errors
    /// [`PolicyError`] for the first thing that AWS would refuse, with its place.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        read::policy(text)
    }
    /// A document of the current version with these statements.
    pub fn of(statements: Vec<Statement>) -> Self {
        Self { version: Some(Version::V2012), id: None, statements, single: false }
    }
    /// The document as JSON with two spaces of indent; it reads back to an equal value.
    pub fn print(&self) -> String {
        print::policy(self)
    }
    /// Its length as AWS counts it against the size limits: without white space.
    pub fn size(&self) -> usize {
        // White space inside texts is counted by AWS only in part; texts here have none to speak of.
        print::compact(self).len()
    }
}

impl Statement {
    /// An identity policy's statement.
    pub fn of(sid: Option<String>, effect: Effect, action: Element, resource: Element, conditions: Vec<Condition>) -> Self {
        let span = Span::default();
        Self {
            span,
            sid: sid.map(|text| Spanned { text, span }),
            effect,
            principal: None,
            action,
            resource: Some(resource),
            conditions,
        }
    }
    /// Its Sid, else `statement N` counted from 1.
    pub fn label(&self, index: usize) -> String {
        match &self.sid {
            Some(sid) if !sid.text.is_empty() => sid.text.clone(),
            _ => format!("statement {}", index + 1),
        }
    }
}
