//! The parts of a statement against the facts: actions that exist, resources they take, condition keys they know.

use std::collections::{HashMap, HashSet};

use super::{Kind, Linter, Weight};
use crate::iam::facts::keys::{is_global, same_key};
use crate::iam::facts::{Action, Service, facts};
use crate::iam::policy::{Compare, Effect, Element, Piece, Quantifier, Spanned, Statement, Template};
use crate::iam::sets::glob::{ArnPattern, Glob};

impl Linter<'_> {
    /// Checks the action element; the known actions it names, at most once each; none where it is a `NotAction` or all.
    pub(super) fn actions(&mut self, element: &Element) -> Vec<(&'static Service, &'static Action)> {
        let wild = |text: String| {
            let glob = text.contains(['*', '?']).then(|| Glob::new(&text));
            (text, glob)
        };
        let lower: Vec<(String, Option<Glob>)> = element.values.iter().map(|v| wild(v.text.to_ascii_lowercase())).collect();
        let wildcards: Vec<usize> = (0..lower.len()).filter(|i| lower[*i].1.is_some()).collect();
        let mut seen: HashSet<&str> = HashSet::new();
        let mut named = Vec::new();
        for (i, value) in element.values.iter().enumerate() {
            if value.text.bytes().all(|b| b == b'*') && !value.text.is_empty() {
                continue;
            }
            let found = facts().expand(&value.text);
            if found.is_empty() {
                self.unknown_action(value);
            }
            let own = &lower[i].0;
            let covers = |j: &&usize| {
                let (text, glob) = &lower[**j];
                text != own && glob.as_ref().is_some_and(|g| g.matches(own))
            };
            if !seen.insert(own) {
                self.say("repeated", Weight::Note, value.span, format!("{} stands twice", value.text));
            } else if let Some(j) = wildcards.iter().find(covers) {
                let wider = &element.values[*j];
                self.say("covered", Weight::Note, value.span, format!("{} is covered by {}", value.text, wider.text));
            }
            named.extend(found);
        }
        if element.not {
            return Vec::new();
        }
        named.sort_unstable_by_key(|(i, ..)| *i);
        named.dedup_by_key(|(i, ..)| *i);
        named.into_iter().map(|(_, s, a)| (s, a)).collect()
    }

    fn unknown_action(&mut self, value: &Spanned) {
        let text = &value.text;
        if text.trim() != text || text.contains(char::is_whitespace) {
            let message = format!("{text:?} has white space in it and never matches");
            return self.say("unknown-action", Weight::Error, value.span, message);
        }
        let Some((prefix, name)) = text.split_once(':') else {
            let message = format!("{text:?} has no service; actions are written service:Action");
            return self.say("unknown-action", Weight::Error, value.span, message);
        };
        let Some(service) = facts().service(&prefix.to_ascii_lowercase()) else {
            let message = format!("there is no service {prefix:?}");
            return self.say("unknown-service", Weight::Warning, value.span, message);
        };
        let near = service
            .actions
            .iter()
            .map(|a| (distance(&a.name.to_ascii_lowercase(), &name.to_ascii_lowercase()), a.name))
            .min()
            .filter(|(d, _)| *d <= 3);
        let hint = near.map(|(_, n)| format!("; did you mean {prefix}:{n}?")).unwrap_or_default();
        let what = if name.contains(['*', '?']) { "no action of it matches" } else { "it has no such action" };
        self.say("unknown-action", Weight::Warning, value.span, format!("{text}: {what}{hint}"));
    }

    pub(super) fn resources(&mut self, s: &Statement, actions: &[(&'static Service, &'static Action)], variables: bool) {
        let Some(element) = &s.resource else { return };
        let mut patterns = Vec::new();
        for value in &element.values {
            let text = &value.text;
            if text == "*" {
                patterns.clear();
                break;
            }
            if !text.starts_with("arn:") && !text.starts_with('*') && !text.starts_with("${") {
                let message = format!("{text:?} is no ARN: it starts with arn: or is *");
                self.say("no-arn", Weight::Error, value.span, message);
                continue;
            }
            let parts = text.splitn(6, ':').count();
            if parts < 6 && !text.starts_with("${") && !text.starts_with('*') {
                let message = format!("{text:?} has {parts} of an ARN's six parts; AWS takes the others as *: write them");
                self.say("short-arn", Weight::Warning, value.span, message);
            }
            if !variables && text.contains("${") {
                let message = "policy variables are plain text in this version";
                self.say("plain-variable", Weight::Warning, value.span, message);
            }
            // A variable may stand for anything.
            let template = Template::read(text, true, true);
            let open: Vec<_> =
                template.pieces.into_iter().map(|p| if matches!(p, Piece::Variable { .. }) { Piece::Star } else { p }).collect();
            patterns.push((value, ArnPattern::of(&open)));
        }
        if element.not || actions.is_empty() || patterns.is_empty() || actions.len() > 400 {
            return;
        }
        let sets = patterns;
        let mut used = vec![false; sets.len()];
        let mut useless = Vec::new();
        let mut compared: HashMap<(&str, usize), Vec<bool>> = HashMap::new();
        for (service, action) in actions {
            if action.resources.is_empty() {
                useless.push(format!("{}:{}", service.prefix, action.name));
                continue;
            }
            let mut any = false;
            for r in action.resources.iter().map(|(r, _)| *r) {
                // Many actions take the same type; each is compared with each pattern once.
                let fits = compared.entry((service.prefix, r)).or_insert_with(|| {
                    let fits = |own: &ArnPattern| service.resources.get(r).is_some_and(|r| own.overlaps(r.pattern()));
                    sets.iter().map(|(_, own)| fits(own)).collect::<Vec<bool>>()
                });
                for (used, fits) in used.iter_mut().zip(fits.iter()) {
                    *used |= fits;
                    any |= fits;
                }
            }
            if !any {
                useless.push(format!("{}:{}", service.prefix, action.name));
            }
        }
        for ((value, _), _) in sets.iter().zip(&used).filter(|(_, used)| !**used) {
            let message = format!("no action of the statement takes {}", value.text);
            self.say("resource-mismatch", Weight::Warning, value.span, message);
        }
        if !useless.is_empty() {
            let many = useless.len() > 3;
            let shown = useless.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            let all = useless.len() == actions.len();
            let message = format!(
                "{shown}{} {} none of the statement's resources{}",
                if many { ", …" } else { "" },
                if useless.len() == 1 { "takes" } else { "take" },
                if all { ": the statement does nothing" } else { "; such actions need Resource \"*\"" },
            );
            let weight = if all { Weight::Error } else { Weight::Warning };
            self.say(if all { "useless" } else { "action-mismatch" }, weight, s.span, message);
        }
    }

    pub(super) fn conditions(&mut self, s: &Statement, actions: &[(&'static Service, &'static Action)], variables: bool) {
        for c in &s.conditions {
            let key = &c.key;
            if c.values.is_empty() {
                self.say("useless", Weight::Warning, key.span, "a condition without values never holds");
            }
            if !variables && c.values.iter().any(|v| v.text.contains("${")) {
                self.say("plain-variable", Weight::Warning, key.span, "policy variables are plain text in this version");
            }
            self.values(s, c, actions);
            if matches!(c.operator.compare, Compare::StringEquals) && c.values.iter().any(|v| v.text.contains('*')) {
                self.say("literal-star", Weight::Warning, key.span, "StringEquals compares * as it is; StringLike has wildcards");
            }
            if c.operator.quantifier == Quantifier::AllValues && s.effect == Effect::Allow {
                let guarded = s
                    .conditions
                    .iter()
                    .any(|o| o.operator.compare == Compare::Null && o.key.text.eq_ignore_ascii_case(&key.text));
                if !guarded {
                    self.say(
                        "for-all-values",
                        Weight::Warning,
                        key.span,
                        "ForAllValues holds where the key is absent; add a Null condition",
                    );
                }
            }
            if actions.is_empty() || s.principal.as_ref().is_some_and(|_| self.kind == Kind::Trust) {
                continue;
            }
            let global = is_global(&key.text);
            // A service's own keys are loosely kept in the reference: one that the service has is taken as known.
            let mut asked = "";
            let of_service = |(service, _): &(&'static Service, &'static Action)| {
                std::mem::replace(&mut asked, service.prefix) != service.prefix
                    && service.keys.iter().any(|k| same_key(k.name, &key.text))
            };
            let of_action =
                |(service, action): &(&'static Service, &'static Action)| service.keys_of(action).any(|k| same_key(k, &key.text));
            if !global && !actions.iter().any(of_service) && !actions.iter().any(of_action) {
                let message = format!("none of the statement's actions knows the condition key {}", key.text);
                self.say("unknown-key", Weight::Warning, key.span, message);
            }
        }
    }
}

/// How many letters differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(80).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(80).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (before + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            before = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
