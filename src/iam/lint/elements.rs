//! The parts of a statement against the facts: actions that exist, resources they take, condition keys they know.

use std::collections::{HashMap, HashSet};

use super::arns::open;
use super::trust::is_claim;
use super::{Kind, Linter, Weight};
use crate::iam::facts::keys::{global_keys, is_global, same_key};
use crate::iam::facts::{Action, Service, facts, held_against};
use crate::iam::policy::{Compare, Condition, Effect, Element, Piece, Quantifier, Spanned, Statement, Template};
use crate::iam::sets::glob::{ArnPattern, Glob, is_every_action, split};

/// Keys of tags, which requests carry for some actions only.
const TAGS: &[&str] = &["aws:RequestTag/*", "aws:ResourceTag/*", "aws:TagKeys"];

/// Services whose actions are those of HTTP, on paths of which the reference lists but some.
const BY_PATH: &[&str] = &["apigateway"];

/// Services of whose keys the reference does not say which action has them: AWS's own managed policies use them with others.
const LOOSE: &[&str] = &["a4b", "aws-marketplace", "iottwinmaker", "ssm", "tag"];

/// Services all of whose resources stand in an account. Of others AWS has some of its own in none, though the reference writes
/// their ARNs with one: documents and parameters of ssm, views of resource-explorer-2.
const OWNED: &[&str] = &[
    "dynamodb",
    "ecr",
    "ecs",
    "eks",
    "elasticfilesystem",
    "firehose",
    "iam",
    "kinesis",
    "lambda",
    "logs",
    "rds",
    "secretsmanager",
    "sns",
    "sqs",
    "states",
];

/// Values of one element that are looked up.
const MOST_EXPANDED: usize = 5_000;

/// Actions of one statement whose resources are compared.
const MOST_MATCHED: usize = 400;
/// Conditions of one statement that are looked over: what AWS takes has no room for more.
const MOST_CONDITIONS: usize = 500;

/// Sorts actions by their places, each once.
fn once(named: &mut Vec<(usize, &Service, &Action)>) {
    named.sort_unstable_by_key(|(i, ..)| *i);
    named.dedup_by_key(|(i, ..)| *i);
}

impl Linter {
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
        let all = |value: &Spanned| is_every_action(&value.text);
        // Each is expanded once, and no more than any policy has that AWS takes.
        let mut expanded: HashMap<&str, bool> = HashMap::new();
        for (value, (text, _)) in element.values.iter().zip(&lower).filter(|(v, _)| !all(v)) {
            if expanded.len() < MOST_EXPANDED && !expanded.contains_key(text.as_str()) {
                let found = facts().expand(&value.text);
                expanded.insert(text, found.is_empty());
                named.extend(found);
                if named.len() > facts().action_count() {
                    once(&mut named);
                }
            }
        }
        let unknown = |text: &str| expanded.get(text).copied().unwrap_or_default();
        // What names nothing that there is does nothing.
        let dead = !element.not && element.values.iter().zip(&lower).all(|(v, (text, _))| !all(v) && unknown(text));
        for (i, value) in element.values.iter().enumerate() {
            if all(value) {
                continue;
            }
            if unknown(&lower[i].0) {
                self.unknown_action(value, if dead { Weight::Error } else { Weight::Warning });
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
        }
        if element.not {
            return Vec::new();
        }
        once(&mut named);
        named.into_iter().map(|(_, s, a)| (s, a)).collect()
    }

    fn unknown_action(&mut self, value: &Spanned, weight: Weight) {
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
            return self.say("unknown-service", weight, value.span, message);
        };
        let near = service
            .actions
            .iter()
            .map(|a| (distance(&a.name.to_ascii_lowercase(), &name.to_ascii_lowercase()), a.name))
            .min()
            .filter(|(d, _)| *d <= 3);
        let hint = near.map(|(_, n)| format!("; did you mean {prefix}:{n}?")).unwrap_or_default();
        let what = if name.contains(['*', '?']) { "no action of it matches" } else { "it has no such action" };
        self.say("unknown-action", weight, value.span, format!("{text}: {what}{hint}"));
    }

    pub(super) fn resources(&mut self, s: &Statement, actions: &[(&'static Service, &'static Action)], variables: bool) {
        let Some(element) = &s.resource else { return };
        let patterns = self.arns(element, variables);
        if !element.not && !actions.is_empty() && !patterns.is_empty() && actions.len() <= MOST_MATCHED {
            self.mismatches(s, actions, &patterns, variables);
        }
    }

    /// Looks over the values of a resource element; they as patterns, none where one of them is everything.
    fn arns<'e>(&mut self, element: &'e Element, variables: bool) -> Vec<(&'e Spanned, ArnPattern)> {
        let mut patterns = Vec::new();
        for value in &element.values {
            let text = &value.text;
            if text == "*" {
                patterns.clear();
                break;
            }
            // Of the API itself (Amazon API Gateway: "Control access to a REST API with resource policies").
            if let Some(path) = text.strip_prefix("execute-api:/").filter(|_| self.kind == Kind::Resource) {
                patterns.push((value, ArnPattern::new(&format!("arn:*:execute-api:*:*:*/{path}"))));
                continue;
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
            if variables {
                self.variables(value);
            } else if text.contains("${") {
                let message = "policy variables are plain text in this version";
                self.say("plain-variable", Weight::Warning, value.span, message);
            }
            self.arn(value, variables);
            // A variable may stand for anything.
            let template = Template::read(text, true, true);
            let open: Vec<_> =
                template.pieces.into_iter().map(|p| if matches!(p, Piece::Variable { .. }) { Piece::Star } else { p }).collect();
            patterns.push((value, ArnPattern::of(&open)));
        }
        patterns
    }

    /// Resources that no action takes, and actions that take none of the resources.
    fn mismatches(
        &mut self,
        s: &Statement,
        actions: &[(&'static Service, &'static Action)],
        patterns: &[(&Spanned, ArnPattern)],
        variables: bool,
    ) {
        // What names no account is nothing that stands in one.
        let nobodys: Vec<bool> = patterns
            .iter()
            .map(|(value, _)| split(&open(&value.text, variables)).is_some_and(|parts| parts[4].is_empty()))
            .collect();
        let mut used = vec![false; patterns.len()];
        let mut useless = Vec::new();
        let mut compared: HashMap<(&str, usize), Vec<bool>> = HashMap::new();
        for (service, action) in actions {
            let name = || format!("{}:{}", service.prefix, action.name);
            if action.resources.is_empty() {
                let mut any = false;
                if let Some(arn) = held_against(&name()) {
                    for (used, (_, own)) in used.iter_mut().zip(patterns) {
                        let fits = own.matches(arn);
                        *used |= fits;
                        any |= fits;
                    }
                }
                if !any {
                    useless.push(name());
                }
                continue;
            }
            let mut any = false;
            if BY_PATH.contains(&service.prefix) {
                for (used, (value, _)) in used.iter_mut().zip(patterns) {
                    let fits = value.text.split(':').nth(2).is_some_and(|s| s == service.prefix || s.contains(['*', '?']));
                    *used |= fits;
                    any |= fits;
                }
            }
            for r in action.resources.iter().map(|(r, _)| *r) {
                // Many actions take the same type; each is compared with each pattern once.
                let fits = compared.entry((service.prefix, r)).or_insert_with(|| {
                    let Some(of) = service.resources.get(r) else { return vec![false; patterns.len()] };
                    let owned = OWNED.contains(&service.prefix) && split(of.arn).is_some_and(|parts| parts[4] == "${Account}");
                    patterns.iter().zip(&nobodys).map(|((_, own), nobodys)| of.may_be(own) && !(owned && *nobodys)).collect()
                });
                for (used, fits) in used.iter_mut().zip(fits.iter()) {
                    *used |= fits;
                    any |= fits;
                }
            }
            if !any {
                useless.push(name());
            }
        }
        for ((value, _), _) in patterns.iter().zip(&used).filter(|(_, used)| !**used) {
            let message = format!("no action of the statement takes {}", value.text);
            self.say("resource-mismatch", Weight::Warning, value.span, message);
        }
        // A wildcard is meant for those that fit.
        let all = useless.len() == actions.len();
        useless.sort_unstable();
        let idle = |value: &Spanned| {
            let mut named = facts().expand(&value.text).into_iter().map(|(_, s, a)| format!("{}:{}", s.prefix, a.name));
            named.all(|name| useless.binary_search(&name).is_ok())
        };
        if !all {
            let mut meant: Vec<String> = s.action.values.iter().filter(|v| idle(v)).map(|v| v.text.clone()).collect();
            meant.retain(|text| !facts().expand(text).is_empty());
            useless = meant;
        }
        if !useless.is_empty() {
            let many = useless.len() > 3;
            let shown = useless.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            // What the first of them takes, where it takes any.
            let first = useless.first().and_then(|name| facts().expand(name).into_iter().next()).map(|(_, s, a)| (s, a));
            let shapes =
                first.into_iter().flat_map(|(service, a)| a.resources.iter().filter_map(|(r, _)| service.resources.get(*r)));
            let shape = shapes.map(|r| r.arn).min_by_key(|arn| arn.len());
            let message = format!(
                "{shown}{} {} none of the statement's resources, but {}{}",
                if many { ", …" } else { "" },
                if useless.len() == 1 { "takes" } else { "take" },
                shape.unwrap_or("* alone"),
                if all { "; the statement does nothing" } else { "" },
            );
            let weight = if all { Weight::Error } else { Weight::Warning };
            self.say(if all { "useless" } else { "action-mismatch" }, weight, s.span, message);
        }
    }

    pub(super) fn conditions(&mut self, s: &Statement, actions: &[(&'static Service, &'static Action)], variables: bool) {
        self.together(s, actions);
        for (i, c) in s.conditions.iter().enumerate().take(MOST_CONDITIONS) {
            let key = &c.key;
            let mut before = s.conditions[..i].iter().filter(|o| o.operator == c.operator);
            if before.any(|o| o.key.text != key.text && o.key.text.eq_ignore_ascii_case(&key.text)) {
                let message = format!("{} stands twice under one operator: its case does not matter", key.text);
                self.say("repeated-key", Weight::Error, key.span, message);
            }
            if c.values.is_empty() {
                self.say("useless", Weight::Warning, key.span, "a condition without values never holds");
            }
            if !variables && c.values.iter().any(|v| v.text.contains("${")) {
                self.say("plain-variable", Weight::Warning, key.span, "policy variables are plain text in this version");
            }
            self.values(s, c, actions, variables);
            // `${*}` and `${?}` say that the characters themselves are meant.
            let has = |sign: char| c.values.iter().any(|v| v.text.replace("${*}", "").replace("${?}", "").contains(sign));
            let wild = [('*', Weight::Warning), ('?', Weight::Note)].into_iter().find(|(sign, _)| has(*sign));
            if let Some((sign, weight)) = wild.filter(|_| c.operator.compare == Compare::StringEquals) {
                let of_token = self.kind == Kind::Trust && sign == '*' && !c.operator.negated && is_claim(&key.text);
                let message = if of_token {
                    "a star is a star under StringEquals, and no token says so: StringLike has wildcards".to_owned()
                } else {
                    format!("StringEquals compares {sign} as it is; StringLike has wildcards")
                };
                self.say("literal-star", weight, key.span, message);
            }
            if c.operator.quantifier == Quantifier::AllValues && s.effect == Effect::Allow {
                let guarded = s
                    .conditions
                    .iter()
                    .filter(|o| o.operator.compare == Compare::Null && o.key.text.eq_ignore_ascii_case(&key.text))
                    .any(|o| o.values.iter().all(|v| v.text.eq_ignore_ascii_case("false")));
                if !guarded {
                    self.say(
                        "for-all-values",
                        Weight::Warning,
                        key.span,
                        "ForAllValues holds where the key is absent; add a Null condition",
                    );
                }
            }
            match &s.principal {
                Some(p) if self.kind == Kind::Trust => self.told(p, c),
                _ if actions.is_empty() => {
                    let text = &c.key.text;
                    let global = text.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("aws:"));
                    if global && !is_global(text) && !TAGS.iter().any(|tags| same_key(tags, text)) {
                        self.unknown_key(c, actions);
                    }
                }
                _ => self.key(c, actions),
            }
        }
    }

    /// Says what a key that no request for the statement's actions carries does. AWS's own keys are all known; a service may have
    /// one that is newer than the facts.
    fn unknown_key(&mut self, c: &Condition, actions: &[(&'static Service, &'static Action)]) {
        let key = c.key.text.as_str();
        let lower = key.to_ascii_lowercase();
        let prefix = lower.split(':').next().unwrap_or_default();
        let mut services: Vec<&Service> = actions.iter().map(|(service, _)| *service).collect();
        services.dedup_by_key(|service| service.prefix);
        let own = services.into_iter().flat_map(|service| &service.keys).map(|k| k.name);
        let far = |known: &&str| distance(&known.to_ascii_lowercase(), &lower);
        let near = global_keys().chain(own).min_by_key(far).filter(|known| far(known) <= 3);
        let near = near.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
        let (what, weight) = match prefix {
            "aws" => (format!("{key} is no condition key of AWS's"), Weight::Error),
            _ => (format!("none of the statement's actions knows the condition key {key}"), Weight::Warning),
        };
        self.say("unknown-key", weight, c.key.span, format!("{what}{}{near}", said_without(c)));
    }

    /// Whether requests for the statement's actions can carry a condition's key.
    fn key(&mut self, c: &Condition, actions: &[(&'static Service, &'static Action)]) {
        let key = &c.key;
        // These are every service's, but not every action's.
        let of_tags = TAGS.iter().any(|tags| same_key(tags, &key.text));
        let global = is_global(&key.text);
        // What a token says that is brought along.
        let brings =
            |(service, action): &(&Service, &Action)| service.prefix == "sts" && action.name == "AssumeRoleWithWebIdentity";
        if key.text.contains('.') && key.text.contains(':') && actions.iter().any(brings) {
            return;
        }
        if global && !of_tags {
            return;
        }
        if actions.iter().any(|(service, action)| service.keys_of(action).any(|k| same_key(k, &key.text))) {
            return;
        }
        let mut asked = "";
        let of_service = |(service, _): &(&'static Service, &'static Action)| {
            std::mem::replace(&mut asked, service.prefix) != service.prefix
                && service.keys.iter().any(|k| same_key(k.name, &key.text))
        };
        if !global && !actions.iter().any(of_service) {
            return self.unknown_key(c, actions);
        }
        let loose = actions.iter().any(|(service, _)| LOOSE.contains(&service.prefix));
        if !loose && holds_without(c) == Some(false) {
            let message = format!("no request for the statement's actions carries {}: the condition never holds", key.text);
            self.say("idle-key", Weight::Warning, key.span, message);
        }
    }
}

/// What a condition does whose key is never there.
pub(super) fn said_without(c: &Condition) -> &'static str {
    match holds_without(c) {
        Some(true) => ", and without it the condition always holds",
        Some(false) => ", and without it the condition never holds",
        None => "",
    }
}

/// Whether a condition holds where its key is absent; none where it asks just that.
fn holds_without(c: &Condition) -> Option<bool> {
    let op = c.operator;
    (op.compare != Compare::Null).then_some(op.if_exists || op.negated || op.quantifier == Quantifier::AllValues)
}

/// How many letters differ, of the first eighty.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let head = |text: &str| text.chars().take(80).collect::<String>();
    strsim::levenshtein(&head(a), &head(b))
}
