//! What carries a policy of its own: buckets, keys, queues, topics, functions, secrets, repositories, with whom from outside
//! they let in.

use crate::catalog::{Facts, Names, Spec, Subject, Value, YES_NO, spec};
use crate::listing::schema::Kind;
use crate::model::account::class_of;
use crate::model::estate::RegionEstate;
use crate::model::resource::Resource;
use crate::model::standing::{Open, Openness};

pub struct Resources;

/// A resource with its place and what was judged of it.
pub struct ResourceRow<'a> {
    pub resource: &'a Resource,
    pub region: &'a RegionEstate,
    pub account_name: &'a str,
    /// None before the judgement, and where its policy is not known.
    pub open: Option<&'a Openness>,
}

/// How a person calls what kind of thing it is.
pub fn kind_of(resource: &Resource) -> &'static str {
    match resource.service() {
        "s3" => "S3 bucket",
        "kms" => "KMS key",
        "sqs" => "SQS queue",
        "sns" => "SNS topic",
        "lambda" => "Lambda function",
        "secretsmanager" => "secret",
        "ecr" => "ECR repository",
        _ => "",
    }
}

/// Its name without the kind.
pub fn name_of(resource: &Resource) -> &str {
    let short = crate::model::arn::short(&resource.arn);
    let rest = ["key/", "function:", "secret:", "repository/"].iter().find_map(|kind| short.strip_prefix(kind));
    rest.unwrap_or(short)
}

impl Subject for Resources {
    type Row<'a> = ResourceRow<'a>;
    const NAMES: Names = Names { name: "resources", title: "Resources", one: "resource", many: "resources" };
    const SORT: &'static str = "open:desc,kind,name";
    const GROUPS: &'static [&'static str] = &["kind", "account_name", "open", "class"];
    const EMPTY: &'static str = "No buckets, keys, queues, topics, functions, secrets or repositories were read. Press ! for what \
                                 AWS refused.";

    fn specs<'a>() -> Vec<Spec<ResourceRow<'a>>> {
        let spec = spec::<ResourceRow<'a>>;
        vec![
            spec("id", "ARN", Kind::Text, 40, "Its ARN", |r| Value::text(&*r.resource.arn)).alias(&["arn"]).hidden(),
            spec("kind", "KIND", Kind::Keyword, 15, "What it is", |r| Value::text(kind_of(r.resource))),
            spec("name", "NAME", Kind::Text, 28, "Its name", |r| Value::text(name_of(r.resource))).grow(),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(r.account_name)),
            spec(
                "open",
                "OPEN",
                Kind::Rank(Open::WORDS),
                7,
                "Whom its policy lets in from outside: nobody, accounts that are foreign, or the public",
                |r| r.open.map_or(Value::None, |o| Value::Rank(o.open.rank())),
            ),
            spec("lets_in", "LETS IN", Kind::Set, 24, "Who from outside gets in by its policy", |r| {
                r.open.map_or(Value::None, |o| Value::set(&o.who))
            })
            .grow(),
            spec("class", "DATA", Kind::Keyword, 12, "The class of its data, where its tags tell", |r| {
                Value::text(class_of(&r.resource.tags).unwrap_or_default())
            }),
            spec("policy", "POLICY", Kind::Keyword, 8, "Whether it has a policy of its own", |r| {
                Value::text(match &r.resource.policy {
                    _ if r.resource.unread => "not read",
                    Some(_) => "yes",
                    None => "no",
                })
            }),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.region.region)).hidden(),
            spec("blocked", "BLOCKED", YES_NO, 7, "Whether Block Public Access keeps a public bucket to its account", |r| {
                r.resource.restricted.map_or(Value::None, Value::flag)
            })
            .hidden(),
            spec("tag", "TAGS", Kind::Set, 24, "Tags of buckets and secrets, as key=value", |r| {
                super::network::tag_set(&r.resource.tags)
            })
            .hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.region.account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &ResourceRow<'a>)) {
        for region in &facts.estate.regions {
            let account_name = facts.estate.account_label(&region.account);
            for resource in &region.resources {
                let open = facts.standings.resources.get(&resource.arn);
                each(&resource.arn, &ResourceRow { resource, region, account_name, open });
            }
        }
    }
}
