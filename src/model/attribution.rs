//! Environment class and owner of an account: the user's rules first (last match wins, as in a CODEOWNERS file),
//! then tags, else nothing; and always which of them decided.

use serde::{Deserialize, Serialize};

use crate::model::account::{Account, Attribution, Environment, Tags};

/// One rule of the user's list. Every pattern that is given must match; `*` and `?` are wildcards, case is ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Pattern on the account id.
    #[serde(default)]
    pub account: Option<String>,
    /// Pattern on the account's name.
    #[serde(default)]
    pub name: Option<String>,
    /// Pattern on the OU path; `Workloads/Production` also matches the units below it.
    #[serde(default)]
    pub ou: Option<String>,
    /// Patterns on tag values, by tag key.
    #[serde(default)]
    pub tags: Tags,
    /// The environment class this rule gives.
    #[serde(default)]
    pub environment: Option<Environment>,
    /// The owner this rule gives.
    #[serde(default)]
    pub owner: Option<String>,
}

/// Rules and the tags to fall back on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub rules: Vec<Rule>,
    /// Tag keys that name the environment, first present wins; case is ignored.
    pub environment_tags: Vec<String>,
    /// Tag keys that name the owner, first present wins; case is ignored.
    pub owner_tags: Vec<String>,
}

impl Default for Rules {
    fn default() -> Self {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect();
        Self { rules: Vec::new(), environment_tags: words(&["Environment", "env"]), owner_tags: words(&["Owner", "team"]) }
    }
}

impl Rule {
    /// Whether it has no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.account.is_none() && self.name.is_none() && self.ou.is_none() && self.tags.is_empty()
    }
    /// Whether every pattern that is given matches; a rule without any matches nothing.
    pub fn matches(&self, account: &Account) -> bool {
        !self.is_empty()
            && self.account.as_deref().is_none_or(|p| wildcard(p, &account.id))
            && self.name.as_deref().is_none_or(|p| wildcard(p, &account.name))
            && self.ou.as_deref().is_none_or(|p| in_unit(p, &account.ou_path))
            && self.tags.iter().all(|(key, p)| tag(&account.tags, key).is_some_and(|(_, value)| wildcard(p, value)))
    }
    fn describe(&self) -> String {
        let mut parts = Vec::new();
        for (what, pattern) in [("account", &self.account), ("name", &self.name), ("ou", &self.ou)] {
            if let Some(pattern) = pattern {
                parts.push(format!("{what} {pattern}"));
            }
        }
        parts.extend(self.tags.iter().map(|(key, value)| format!("tag {key}={value}")));
        parts.join(", ")
    }
}

impl Rules {
    /// Sets environment and owner of an account, and what decided each.
    pub fn attribute(&self, account: &mut Account) {
        account.environment = self.environment(account);
        account.owner = self.owner(account);
    }

    fn environment(&self, account: &Account) -> Attribution<Environment> {
        self.last(account, |r| r.environment).unwrap_or_else(|| {
            let read = |key: &String| {
                let (key, value) = tag(&account.tags, key)?;
                Environment::from_tag(value).map(|e| Attribution::new(e, format!("tag {key}")))
            };
            self.environment_tags.iter().find_map(read).unwrap_or_default()
        })
    }

    fn owner(&self, account: &Account) -> Attribution<String> {
        self.last(account, |r| r.owner.clone()).unwrap_or_else(|| {
            let read = |key: &String| {
                let (key, value) = tag(&account.tags, key)?;
                (!value.trim().is_empty()).then(|| Attribution::new(value.trim().to_owned(), format!("tag {key}")))
            };
            self.owner_tags.iter().find_map(read).unwrap_or_default()
        })
    }

    fn last<T>(&self, account: &Account, give: impl Fn(&Rule) -> Option<T>) -> Option<Attribution<T>> {
        self.rules.iter().enumerate().rev().find_map(|(n, rule)| {
            let value = give(rule)?;
            rule.matches(account).then(|| Attribution::new(value, format!("rule {}: {}", n + 1, rule.describe())))
        })
    }
}

fn tag<'a>(tags: &'a Tags, key: &str) -> Option<(&'a str, &'a str)> {
    tags.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(k, v)| (k.as_str(), v.as_str()))
}

/// Whether a unit's path matches, or a unit above it does.
fn in_unit(pattern: &str, path: &str) -> bool {
    let mut path = path;
    loop {
        if wildcard(pattern, path) {
            return true;
        }
        match path.rfind('/') {
            Some(at) => path = &path[..at],
            None => return false,
        }
    }
}

/// Whether the whole text matches a pattern of `*` (any run) and `?` (any one character), ignoring ASCII case.
/// Linear in pattern × text at worst; never recursive.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j, mut star, mut mark) = (0, 0, None, 0);
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some(i);
            mark = j;
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i].eq_ignore_ascii_case(&t[j])) {
            i += 1;
            j += 1;
        } else if let Some(s) = star {
            i = s + 1;
            mark += 1;
            j = mark;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let mut account = Account::bare("111122223333");
        account.name = "payments-prod".into();
        account.ou_path = "Workloads/Production".into();
        account.tags = [("environment".to_owned(), "dev".to_owned()), ("Team".to_owned(), "payments".to_owned())].into();
        account
    }

    fn rule(name: Option<&str>, ou: Option<&str>, environment: Option<Environment>, owner: Option<&str>) -> Rule {
        Rule { name: name.map(Into::into), ou: ou.map(Into::into), environment, owner: owner.map(Into::into), ..Rule::default() }
    }

    #[test]
    fn the_last_matching_rule_wins_then_tags_then_nothing() {
        let mut rules = Rules::default();
        let mut a = account();
        rules.attribute(&mut a);
        assert_eq!((a.environment_word(), a.environment.decided_by.as_str()), ("non-production", "tag environment"));
        assert_eq!((a.owner_word(), a.owner.decided_by.as_str()), ("payments", "tag Team"));

        rules.rules = vec![
            rule(Some("*-prod"), None, Some(Environment::Production), Some("apps")),
            rule(None, Some("workloads"), None, Some("platform")),
            rule(Some("data-*"), None, None, Some("data")),
            Rule { owner: Some("nobody".into()), ..Rule::default() },
        ];
        rules.attribute(&mut a);
        assert_eq!((a.environment_word(), a.environment.decided_by.as_str()), ("production", "rule 1: name *-prod"));
        assert_eq!((a.owner_word(), a.owner.decided_by.as_str()), ("platform", "rule 2: ou workloads"));

        let mut bare = Account::bare("444455556666");
        rules.attribute(&mut bare);
        assert_eq!((bare.environment_word(), bare.owner_word()), ("unclassified", "unowned"));
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("prod-*", "PROD-eu", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*-prod", "x-prod-1", false),
            ("*a*b*", "xxaxxbxx", true),
            ("", "x", false),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
        assert!(!wildcard(&"*a".repeat(200), &"a".repeat(199)));
    }
}
