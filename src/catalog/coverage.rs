//! The listing of coverage: what was asked of AWS and what came back.

use crate::catalog::{Facts, Names, Spec, Subject, Value, spec};
use crate::listing::schema::Kind;
use crate::model::coverage::{Coverage, Outcome};

pub struct CoverageRows;

pub struct Row<'a> {
    id: String,
    coverage: &'a Coverage,
    account_name: &'a str,
}

/// The id of a coverage row: account, region and API.
pub fn id(row: &Coverage) -> String {
    format!("{}/{}/{}", row.account, row.region, row.api)
}

impl Subject for CoverageRows {
    type Row<'a> = Row<'a>;
    const NAMES: Names = Names { name: "coverage", title: "Coverage", one: "question", many: "questions" };
    const SORT: &'static str = "outcome:desc,account_name,region,api";
    const GROUPS: &'static [&'static str] = &["outcome", "account_name", "api", "region"];
    const EMPTY: &'static str = "Nothing was asked of AWS yet.";
    const OF_DETAILS: &'static str = Self::EMPTY;

    fn specs<'a>() -> Vec<Spec<Row<'a>>> {
        let spec = spec::<Row<'a>>;
        vec![
            spec("id", "ID", Kind::Text, 24, "Account, region and API", |r| Value::text(&*r.id)).hidden().mute(),
            spec("outcome", "OUTCOME", Kind::Rank(Outcome::WORDS), 9, "How the question ended", |r| {
                Value::Rank(r.coverage.outcome.rank())
            }),
            spec("account_name", "ACCOUNT", Kind::Keyword, 14, "The account's name", |r| Value::text(r.account_name)),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region; empty for global APIs", |r| {
                Value::text(&*r.coverage.region)
            }),
            spec("api", "API", Kind::Keyword, 20, "The action that was called", |r| Value::text(&*r.coverage.api)).grow(),
            spec("reason", "REASON", Kind::Keyword, 24, "Why it did not end well, and what to do", |r| {
                Value::text(&*r.coverage.reason)
            })
            .grow(),
            spec("count", "OBJECTS", Kind::Number, 7, "Objects that arrived", |r| {
                Value::Number(i64::try_from(r.coverage.count).unwrap_or(i64::MAX))
            }),
            spec("asked", "ASKED", Kind::Age, 5, "How long ago", |r| Value::Time(r.coverage.at)),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| {
                Value::text(&*r.coverage.account)
            })
            .also(&["account_name"])
            .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Row<'a>)) {
        // Rows of an account follow each other.
        let mut last: Option<(&str, &str)> = None;
        for coverage in facts.estate.coverage.iter() {
            let account = coverage.account.as_str();
            let account_name = match last {
                Some((of, name)) if of == account => name,
                _ => facts.estate.account_label(account),
            };
            last = Some((account, account_name));
            let row = Row { id: id(coverage), coverage, account_name };
            each(&row.id, &row);
        }
    }
}
