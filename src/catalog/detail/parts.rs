//! What a detail is made of, and the writer that collects one.

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::ListingId;
use crate::catalog::detail::drawing::Drawing;
use crate::listing::filter::{exactly, quote};
use crate::model::estate::{Estate, RegionEstate};
use crate::text;

/// One row in full. All text is as AWS sent it: who shows it makes it safe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detail {
    pub title: String,
    pub sections: Vec<Section>,
    /// Where one key leads from here.
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// Empty for the first.
    pub heading: String,
    pub body: Body,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// Labels and values.
    Facts(Vec<(String, String)>),
    /// Prose, wrapped.
    Prose(String),
    /// A document, shown as it stands.
    Code(String),
    /// Figures with a bar each; `parts` name the figures of every row.
    Bars { parts: Vec<String>, rows: Vec<(String, Vec<u64>)> },
    /// Rows under headings.
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
    /// A way through the network, place by place.
    Ladder(Vec<Rung>),
    /// Boxes and the arrows between them.
    Graph(Drawing),
}

/// One place on a way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rung {
    /// On the way back.
    pub back: bool,
    /// `security groups of interface eni-0a web`
    pub place: String,
    /// The rules, routes or entries that let it through; where it is stopped, why.
    pub rules: Vec<String>,
    pub stops: bool,
}

/// A hop: the rows of another listing that have to do with this one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    /// `resource sg-0a41`, `account payments-prod`, `3 findings`
    pub label: String,
    #[serde(serialize_with = "listing_name")]
    pub listing: ListingId,
    /// The filter that selects them.
    pub filter: String,
}

impl Link {
    pub fn to(label: impl Into<String>, listing: ListingId, filter: impl Into<String>) -> Self {
        Self { label: label.into(), listing, filter: filter.into() }
    }
}

fn listing_name<S: serde::Serializer>(id: &ListingId, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(id.get().name)
}

/// Collects a detail; facts without a value are left out.
pub struct Writer {
    pub detail: Detail,
    pub now: Timestamp,
}

impl Writer {
    pub fn new(title: impl Into<String>, now: Timestamp) -> Self {
        Self { detail: Detail { title: title.into(), sections: Vec::new(), links: Vec::new() }, now }
    }
    pub fn section(&mut self, heading: &str, body: Body) {
        let empty = match &body {
            Body::Facts(facts) => facts.is_empty(),
            Body::Prose(text) | Body::Code(text) => text.trim().is_empty(),
            Body::Table { rows, .. } => rows.is_empty(),
            Body::Ladder(rungs) => rungs.is_empty(),
            Body::Graph(drawing) => drawing.boxes.is_empty(),
            Body::Bars { rows, .. } => rows.is_empty(),
        };
        if !empty {
            self.detail.sections.push(Section { heading: heading.to_owned(), body });
        }
    }
    pub fn facts(&mut self, heading: &str, facts: &[(&str, String)]) {
        let kept = facts.iter().filter(|(_, value)| !value.is_empty()).map(|(label, value)| ((*label).to_owned(), value.clone()));
        let kept = kept.collect();
        self.section(heading, Body::Facts(kept));
    }
    pub fn table(&mut self, heading: &str, head: &[&str], rows: Vec<Vec<String>>) {
        self.section(heading, Body::Table { head: head.iter().map(|h| (*h).to_owned()).collect(), rows });
    }
    pub fn link(&mut self, label: impl Into<String>, listing: ListingId, filter: impl Into<String>) {
        let link = Link::to(label, listing, filter);
        if !self.detail.links.contains(&link) {
            self.detail.links.push(link);
        }
    }
    pub fn time(&self, at: Option<Timestamp>) -> String {
        at.map_or_else(String::new, |at| {
            format!("{} UTC ({} ago)", at.strftime("%Y-%m-%d %H:%M"), text::span(self.now.as_second() - at.as_second()))
        })
    }
    pub fn account(&mut self, estate: &Estate, id: &str) -> String {
        if id.is_empty() {
            return String::new();
        }
        let label = estate.account_label(id).to_owned();
        self.link(format!("account {label}"), ListingId::Accounts, exactly("id", id));
        if label == id { label } else { format!("{label} ({id})") }
    }
    pub fn place(&mut self, estate: &Estate, region: &RegionEstate) -> [(&'static str, String); 2] {
        [("account", self.account(estate, &region.account)), ("region", region.region.clone())]
    }
    pub fn findings_on(&mut self, id: &str) {
        if !id.is_empty() {
            // An ARN names one; other ids stand somewhere in it.
            let filter = if id.starts_with("arn:") { exactly("resource", id) } else { format!("resource:{}", quote(id)) };
            self.link("findings on it", ListingId::Findings, filter);
        }
    }
    pub fn finish(self) -> Detail {
        self.detail
    }
}

/// A value, and what decided it.
pub fn decided(value: &str, by: &str) -> String {
    if by.is_empty() { value.to_owned() } else { format!("{value} (by {by})") }
}

/// The tags of something, as facts.
pub fn tags(tags: &crate::model::account::Tags) -> Body {
    Body::Facts(tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}
