//! What the cache knows about itself: format, context, how fresh each segment is. It owns the meta file's shape.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The format written here, and the newest that is read.
pub(crate) const FORMAT: u32 = 1;

/// Where findings stand: an account and a region. One segment each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    account: String,
    region: String,
}

impl Place {
    /// The place of findings of this account and region. What is no account id (12 digits) and no region name counts as
    /// not said, so that a hostile file makes neither odd file names nor a million segments; the findings keep it.
    pub fn of(account: &str, region: &str) -> Self {
        let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let name = (3..=32).contains(&region.len()) && region.bytes().all(letter);
        Self {
            account: if digits { account.to_owned() } else { String::new() },
            region: if name { region.to_owned() } else { String::new() },
        }
    }
    /// Twelve digits, or empty.
    pub fn account(&self) -> &str {
        &self.account
    }
    /// Empty where it was not said.
    pub fn region(&self) -> &str {
        &self.region
    }
    /// `111122223333.eu-west-1`: what its files are called.
    pub(crate) fn stem(&self) -> String {
        let word = |text: &str| if text.is_empty() { "_".to_owned() } else { text.to_owned() };
        format!("{}.{}", word(&self.account), word(&self.region))
    }
    pub(crate) fn of_stem(stem: &str) -> Option<Self> {
        let (account, region) = stem.split_once('.')?;
        let place = Self::of(account, region);
        (place.stem() == stem).then_some(place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

impl FromStr for Place {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (account, region) = text.split_once('/').ok_or_else(|| format!("{text:?} is no account/region"))?;
        Ok(Self::of(account, region))
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whose data this is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// `o-…`; empty outside an organisation.
    pub organization: String,
    /// The caller's account.
    pub account: String,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: String,
}

/// How fresh a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// When the last sweep that read every finding began.
    pub full: Option<Timestamp>,
    /// The newest `UpdatedAt` seen: a delta asks from here.
    pub updated: Option<Timestamp>,
    /// Its findings come from an administrator's hub: its own is not asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub through: bool,
}

/// How fresh each segment is. Write it after the findings it speaks of are saved, never before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SweepMarks(pub BTreeMap<Place, Mark>);

impl SweepMarks {
    /// The mark of a place; empty where there is none.
    pub fn get(&self, account: &str, region: &str) -> Mark {
        self.0.get(&Place::of(account, region)).copied().unwrap_or_default()
    }
    /// A full sweep that began at `at` is done.
    pub fn swept(&mut self, account: &str, region: &str, at: Timestamp) {
        self.0.entry(Place::of(account, region)).or_default().full = Some(at);
    }
    /// Findings up to this `UpdatedAt` have arrived; an older one changes nothing.
    pub fn updated(&mut self, account: &str, region: &str, at: Timestamp) {
        let mark = self.0.entry(Place::of(account, region)).or_default();
        mark.updated = mark.updated.max(Some(at));
    }
}

/// What is known of a segment before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) rows: u64,
    /// Rows to show first.
    pub(crate) urgent: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Meta {
    pub(crate) format: u32,
    pub(crate) schema: u64,
    pub(crate) context: Context,
    pub(crate) marks: SweepMarks,
    pub(crate) segments: BTreeMap<Place, Summary>,
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// The format of a meta file, whatever else a later version keeps in it; none where it is no meta file.
pub(crate) fn format(bytes: &[u8]) -> Option<u32> {
    serde_json::from_slice::<Version>(bytes).ok().map(|v| v.format)
}
