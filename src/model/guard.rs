//! Guardrails: what is asked before something is done to an account, and what is refused there. The strictest of those
//! that match counts. It asks nobody itself: whoever acts does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::account::{Account, Environment, Tags};
use crate::model::attribution::Rule;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Decisions on findings, accounts, resources and principals.
    Triage,
    /// Shells, commands and port forwards.
    Sessions,
    /// Findings sent to Security Hub by `push`.
    Pushes,
}

/// What is asked before, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    #[default]
    Nothing,
    /// A yes.
    Confirm,
    /// The account's name, typed.
    Type,
    /// It is not done.
    Refuse,
}

/// One guardrail of the configuration. Every pattern that is given must match; `*` and `?` are wildcards, case is ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// Pattern on the account id.
    pub account: Option<String>,
    /// Pattern on the account's name.
    pub name: Option<String>,
    /// Pattern on the OU path; matches the units below it too.
    pub ou: Option<String>,
    /// Patterns on tag values, by tag key.
    #[serde(default)]
    pub tags: Tags,
    pub environment: Option<Environment>,
    /// What it stands before; everything where not given.
    #[serde(default)]
    pub acts: Vec<Act>,
    pub ask: Ask,
    /// Shown to whom it stops.
    pub why: Option<String>,
}

impl Guardrail {
    fn matches(&self, account: &Account, act: Act) -> bool {
        let Self { account: id, name, ou, tags, environment, acts, .. } = self;
        let patterns = Rule { account: id.clone(), name: name.clone(), ou: ou.clone(), tags: tags.clone(), ..Rule::default() };
        let environment = environment.is_none_or(|e| account.environment.value == Some(e));
        (acts.is_empty() || acts.contains(&act)) && environment && (patterns.is_empty() || patterns.matches(account))
    }
}

/// What somebody said when a guardrail asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Said {
    #[default]
    Nothing,
    /// A yes.
    Yes,
    /// An account's name, as typed.
    Name(String),
}

/// What stands before an account: what is asked, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarded {
    pub ask: Ask,
    pub why: String,
}

impl Guarded {
    /// Whether what was said is what is asked before something is done in the account of this name.
    ///
    /// # Errors
    /// In words, what stands in the way.
    pub fn lets(&self, said: &Said, account: &str) -> Result<(), String> {
        let why = &self.why;
        match (self.ask, said) {
            (Ask::Refuse, _) => Err(format!("No session is opened in {account}: {why}.")),
            (Ask::Nothing, _) | (Ask::Confirm, Said::Yes | Said::Name(_)) => Ok(()),
            (Ask::Type, Said::Name(name)) if name.trim() == account => Ok(()),
            (Ask::Confirm, Said::Nothing) => Err(format!("{account} asks for a yes first, and none was given: {why}.")),
            (Ask::Type, _) => Err(format!("{account} asks for its name first, and it was not typed: {why}.")),
        }
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guardrails(pub Vec<Guardrail>);

impl Guardrails {
    /// What stands before an act on an account.
    pub fn before(&self, account: &Account, act: Act) -> Guarded {
        let matching = self.0.iter().enumerate().filter(|(_, rail)| rail.matches(account, act));
        // Of equals the last, as everywhere in the configuration.
        let Some((n, rail)) = matching.max_by_key(|(n, rail)| (rail.ask, *n)) else { return Guarded::default() };
        let why = rail.why.clone().unwrap_or_else(|| format!("guardrail {} of the configuration", n + 1));
        Guarded { ask: rail.ask, why }
    }
}

/// What has to be said before something is carried out on several accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// A yes is needed.
    pub confirm: bool,
    /// The words that have to be typed; none: nothing has to be.
    pub words: Option<String>,
    /// Why, a line each.
    pub why: Vec<String>,
}

impl Before {
    /// Gathers what stands before these accounts, none of which refuses: labels, and what each asks. `cap` is given where
    /// the number itself has to be typed.
    pub fn gather(accounts: &[(String, Guarded)], number: Option<usize>) -> Self {
        let typed: Vec<&str> = accounts.iter().filter(|(_, g)| g.ask == Ask::Type).map(|(name, _)| name.as_str()).collect();
        let names = match typed.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            many => Some(format!("{} accounts", many.len())),
        };
        let words: Vec<String> = names.into_iter().chain(number.map(|n| n.to_string())).collect();
        let mut whys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, guarded) in accounts.iter().filter(|(_, g)| g.ask > Ask::Nothing) {
            whys.entry(&guarded.why).or_default().push(name);
        }
        let why = whys.into_iter().map(|(why, names)| match names.as_slice() {
            [one] => format!("{one}: {why}"),
            many => format!("{} accounts: {why}", many.len()),
        });
        Self {
            confirm: accounts.iter().any(|(_, g)| g.ask >= Ask::Confirm),
            words: (!words.is_empty()).then(|| words.join(" ")),
            why: why.collect(),
        }
    }

    /// Whether something has to be said at all.
    pub fn asks(&self) -> bool {
        self.confirm || self.words.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::account::Attribution;

    fn account(name: &str, ou: &str, environment: Environment) -> Account {
        let mut account = Account::bare("111122223333");
        account.name = name.into();
        account.ou_path = ou.into();
        account.environment = Attribution::new(environment, "test");
        account
    }

    #[test]
    fn the_strictest_guardrail_that_matches_counts() {
        let production = Guardrail { environment: Some(Environment::Production), ask: Ask::Type, ..Guardrail::default() };
        let sandbox = Guardrail { ou: Some("Sandbox".into()), ask: Ask::Confirm, ..Guardrail::default() };
        let ledger = Guardrail {
            name: Some("*-ledger".into()),
            acts: vec![Act::Sessions],
            ask: Ask::Refuse,
            why: Some("nobody logs in there".into()),
            ..Guardrail::default()
        };
        let rails = Guardrails(vec![ledger, production, sandbox]);
        let ask = |a: &Account, act| rails.before(a, act).ask;
        let shop = account("shop", "Workloads", Environment::Production);
        let books = account("books-ledger", "Workloads", Environment::Production);
        let play = account("play", "Sandbox/Jo", Environment::NonProduction);
        let other = account("other", "Workloads", Environment::NonProduction);
        assert_eq!([ask(&shop, Act::Sessions), ask(&shop, Act::Triage)], [Ask::Type, Ask::Type]);
        assert_eq!([ask(&books, Act::Sessions), ask(&books, Act::Triage)], [Ask::Refuse, Ask::Type]);
        assert_eq!(rails.before(&books, Act::Sessions).why, "nobody logs in there");
        assert_eq!(rails.before(&books, Act::Pushes).why, "guardrail 2 of the configuration");
        assert_eq!([ask(&play, Act::Pushes), ask(&other, Act::Pushes)], [Ask::Confirm, Ask::Nothing]);
    }

    #[test]
    fn what_was_said_has_to_be_what_is_asked() {
        let lets = |ask, said: &Said| Guarded { ask, why: "w".into() }.lets(said, "shop").is_ok();
        let all = [Said::Nothing, Said::Yes, Said::Name("shop ".into()), Said::Name("shop-2".into())];
        for (ask, wanted) in [
            (Ask::Nothing, [true; 4]),
            (Ask::Confirm, [false, true, true, true]),
            (Ask::Type, [false, false, true, false]),
            (Ask::Refuse, [false; 4]),
        ] {
            assert_eq!(std::array::from_fn(|n| lets(ask, &all[n])), wanted, "{ask:?}");
        }
    }

    #[test]
    fn what_has_to_be_typed_names_the_account_their_number_and_the_bulk() {
        let guarded = |ask| Guarded { ask, why: "w".into() };
        let typed = |list: &[(&str, Ask)], number| {
            let all: Vec<(String, Guarded)> = list.iter().map(|(n, ask)| ((*n).to_owned(), guarded(*ask))).collect();
            Before::gather(&all, number)
        };
        assert_eq!(typed(&[("a", Ask::Nothing)], None), Before::default());
        assert!(typed(&[("a", Ask::Confirm)], None).confirm);
        assert_eq!(typed(&[("a", Ask::Confirm)], None).words, None);
        assert_eq!(typed(&[("a", Ask::Type), ("b", Ask::Confirm)], None).words.as_deref(), Some("a"));
        assert_eq!(typed(&[("a", Ask::Type), ("b", Ask::Type)], Some(600)).words.as_deref(), Some("2 accounts 600"));
        assert_eq!(typed(&[], Some(600)).words.as_deref(), Some("600"));
    }
}
