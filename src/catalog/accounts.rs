//! The listing of accounts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::{Facts, ListingId, Names, Spec, Subject, Value, spec};
use crate::listing::filter;
use crate::listing::query::facets;
use crate::listing::schema::Kind;
use crate::model::account::Account;
use crate::model::coverage::Outcome;

pub struct Accounts;

/// An account with what is known about it.
pub struct Row<'a> {
    pub account: &'a Arc<Account>,
    pub open: usize,
    pub critical: usize,
    pub high: usize,
    pub regions: usize,
    /// Questions to AWS that were answered, and all that were asked.
    pub answered: usize,
    pub asked: usize,
    pub roles: usize,
    pub users: usize,
}

impl Subject for Accounts {
    type Row<'a> = Row<'a>;
    const NAMES: Names = Names { name: "accounts", title: "Accounts", one: "account", many: "accounts" };
    const SORT: &'static str = "ou,name";
    const GROUPS: &'static [&'static str] = &["ou", "environment", "owner", "status"];
    const EMPTY: &'static str = "No accounts yet. The first answer from AWS fills this list; press ctrl-r to ask again.";
    const OF_DETAILS: &'static str = Self::EMPTY;

    fn specs<'a>() -> Vec<Spec<Row<'a>>> {
        let spec = spec::<Row<'a>>;
        vec![
            spec("id", "ACCOUNT", Kind::Text, 12, "Twelve digits", |r| Value::text(&*r.account.id)).alias(&["account"]),
            spec("name", "NAME", Kind::Text, 18, "The account's name", |r| Value::text(&*r.account.name)).grow(),
            spec("ou", "UNIT", Kind::Keyword, 24, "Organisational units above it", |r| Value::text(&*r.account.ou_path)).grow(),
            spec("environment", "ENVIRONMENT", Kind::Keyword, 14, "Environment class", |r| {
                Value::text(r.account.environment_word())
            })
            .alias(&["env"]),
            spec("owner", "OWNER", Kind::Keyword, 12, "The team answerable", |r| Value::text(r.account.owner_word()))
                .alias(&["team"]),
            spec("critical", "CRIT", Kind::Number, 5, "Open critical findings", |r| Value::number(r.critical)),
            spec("high", "HIGH", Kind::Number, 5, "Open high findings", |r| Value::number(r.high)),
            spec("open", "OPEN", Kind::Number, 6, "Open findings of every severity", |r| Value::number(r.open)),
            spec("coverage", "COVERAGE", Kind::Number, 8, "Percent of the questions to AWS that were answered", |r| {
                (r.answered * 100).checked_div(r.asked).map_or(Value::None, Value::number)
            }),
            spec("status", "STATUS", Kind::Keyword, 9, "The account's state in the organisation", |r| {
                Value::text(&*r.account.status)
            }),
            spec("roles", "ROLES", Kind::Number, 5, "IAM roles", |r| Value::number(r.roles)).hidden(),
            spec("users", "USERS", Kind::Number, 5, "IAM users", |r| Value::number(r.users)).hidden(),
            spec("regions", "REGIONS", Kind::Number, 7, "Regions that were read", |r| Value::number(r.regions)).hidden(),
            spec("email", "E-MAIL", Kind::Text, 28, "The root user's address", |r| Value::text(&*r.account.email)).hidden(),
            spec("environment_by", "ENVIRONMENT BY", Kind::Keyword, 24, "The rule or tag that decided the environment", |r| {
                Value::text(&*r.account.environment.decided_by)
            })
            .hidden(),
            spec("owner_by", "OWNER BY", Kind::Keyword, 24, "The rule or tag that decided the owner", |r| {
                Value::text(&*r.account.owner.decided_by)
            })
            .hidden(),
            spec("joined", "JOINED", Kind::Time, 16, "When it joined the organisation (UTC)", |r| Value::time(r.account.joined))
                .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags, as key=value", |r| {
                Value::set(r.account.tags.iter().map(|(key, value)| format!("{key}={value}")))
            })
            .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Row<'a>)) {
        let counts = |expression: &str| -> BTreeMap<String, usize> {
            let schema = &ListingId::Findings.get().schema;
            let (Ok(filter), Some(field)) = (filter::parse(expression, schema, facts.now.as_second()), schema.field("account"))
            else {
                return BTreeMap::new();
            };
            facets(&facts.findings, &filter, field).into_iter().collect()
        };
        let (open, critical, high) = (counts("open:yes"), counts("open:yes severity:critical"), counts("open:yes severity:high"));
        let of = |map: &BTreeMap<String, usize>, id: &str| map.get(id).copied().unwrap_or_default();
        let estate = &facts.estate;
        // Answered and asked, of each account in one pass.
        let mut questions: HashMap<&str, (usize, usize)> = HashMap::new();
        for rows in estate.coverage.chunk_by(|a, b| a.account == b.account) {
            let (answered, asked) = questions.entry(&rows[0].account).or_default();
            *answered += rows.iter().filter(|c| c.outcome == Outcome::Ok).count();
            *asked += rows.iter().filter(|c| c.outcome != Outcome::NotAsked).count();
        }
        for account in &estate.accounts {
            let id = account.id.as_str();
            let (answered, asked) = questions.get(id).copied().unwrap_or_default();
            let identity = estate.identity(id);
            each(
                id,
                &Row {
                    account,
                    open: of(&open, id),
                    critical: of(&critical, id),
                    high: of(&high, id),
                    regions: estate.regions.iter().filter(|r| r.account == id).count(),
                    answered,
                    asked,
                    roles: identity.map_or(0, |i| i.roles.len()),
                    users: identity.map_or(0, |i| i.users.len()),
                },
            );
        }
    }
}
