//! Which finding a record is about: the keys of every source, and rows of one file that claim to be the same.
//! The rules and their reasons are written out in `docs/findings.md`; change them there and here together.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use crate::formats::merge::merge;
use crate::model::finding::{Finding, FindingKey};

/// The product name all of Prowler's formats are given.
pub(crate) const PROWLER: &str = "Prowler";

/// Prowler's checks that report several findings on one resource, in words that stay the same from scan to scan: one
/// for each policy attached to a user. Their words are part of the identity.
const SEVERAL_PER_RESOURCE: &[&str] = &["iam_policy_attached_only_to_group_or_roles"];

/// What tells one of Prowler's findings from all others, and stands in all of its formats.
pub(crate) struct ProwlerParts<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) check: &'a str,
    /// The resource's ARN, else its id.
    pub(crate) resource: &'a str,
    /// Prowler's `status_extended`.
    pub(crate) words: &'a str,
}

/// The key of one of Prowler's findings: its own ids differ between formats and repeat in ASFF.
pub(crate) fn prowler_key(p: &ProwlerParts<'_>) -> FindingKey {
    let base = ["prowler", p.account, p.region, p.check, p.resource];
    if SEVERAL_PER_RESOURCE.contains(&p.check) {
        let words = prowler_words(p.words);
        return FindingKey::of(&[base[0], base[1], base[2], base[3], base[4], &words]);
    }
    FindingKey::of(&base)
}

/// Prowler's words as its ASFF cuts them: 1,000 characters and three dots.
pub(crate) fn prowler_words(words: &str) -> String {
    match words.char_indices().nth(1000) {
        Some((cut, _)) => format!("{}...", &words[..cut]),
        None => words.to_owned(),
    }
}

/// The key of a finding that Security Hub holds or that is written for it: product ARN and id, which Security Hub
/// keeps unique. OCSF answers name the product as `…:productv2/…`, which is the same product.
pub(crate) fn product_key(product_arn: &str, id: &str) -> FindingKey {
    FindingKey::of(&["asff", &product_arn.replacen(":productv2/", ":product/", 1), id])
}

/// The key of any other OCSF finding: vendor, product and its id.
pub(crate) fn ocsf_key(vendor: &str, product: &str, id: &str) -> FindingKey {
    FindingKey::of(&["ocsf", vendor, product, id])
}

/// Settles rows of one file that share a key. Rows of the same time that say different things are different findings:
/// the one whose words come first keeps the key, each other gets a key with its words added. Rows that then still
/// share a key are reports of one finding and are merged. Returns the findings in the file's order, and how many rows
/// were merged into others.
pub(crate) fn settle(mut findings: Vec<Finding>) -> (Vec<Finding>, usize) {
    let mut firsts = Places::with_capacity_and_hasher(findings.len(), BuildHasherDefault::default());
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for (i, finding) in findings.iter().enumerate() {
        match firsts.entry(finding.key.0) {
            Entry::Vacant(place) => {
                place.insert(i);
            }
            Entry::Occupied(first) => groups.entry(*first.get()).or_insert_with(|| vec![*first.get()]).push(i),
        }
    }
    if groups.is_empty() {
        return (findings, 0);
    }
    // The groups touch disjoint rows, so their order does not matter.
    for group in groups.into_values() {
        let mut by_time: HashMap<_, Vec<([String; 3], usize)>> = HashMap::new();
        for i in group {
            by_time.entry(findings[i].updated).or_default().push((says(&findings[i]), i));
        }
        for mut same_time in by_time.into_values() {
            same_time.sort();
            let keeper = same_time[0].0.clone();
            for (words, i) in same_time.into_iter().filter(|(words, _)| *words != keeper) {
                let key = findings[i].key.to_string();
                findings[i].key = FindingKey::of(&["row", &key, &words[0], &words[1], &words[2]]);
            }
        }
    }
    let mut set = Vec::with_capacity(findings.len());
    let merged = add(&mut set, findings);
    (set, merged)
}

/// Where each key stands. Keys are digests already: their low half serves as the hash.
type Places = HashMap<u128, usize, BuildHasherDefault<KeyHasher>>;

#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

/// What a row says, beside its key.
fn says(finding: &Finding) -> [String; 3] {
    [finding.resource.id.clone(), finding.title.chars().take(256).collect(), prowler_words(&finding.description)]
}

/// Adds findings to a set without repeats, in order; one that the set holds is merged into it, as the fresher report.
/// Returns how many were merged.
pub fn add(set: &mut Vec<Finding>, more: Vec<Finding>) -> usize {
    let mut places: Places = set.iter().enumerate().map(|(i, f)| (f.key.0, i)).collect();
    let mut merged = 0;
    for finding in more {
        match places.get(&finding.key.0) {
            Some(&place) => {
                merge(&mut set[place], finding);
                merged += 1;
            }
            None => {
                places.insert(finding.key.0, set.len());
                set.push(finding);
            }
        }
    }
    merged
}
