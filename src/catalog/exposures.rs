//! The listing of exposures: every concrete way in, as the network engine found and ranked it.

use std::collections::BTreeSet;

use crate::catalog::{Facts, Names, Spec, Subject, Value, YES_NO, spec};
use crate::listing::schema::Kind;
use crate::model::account::Environment;
use crate::model::arn::short;
use crate::model::finding::Severity;
use crate::network::exposure::{Exposure, kind_of};
use crate::network::matrix::UNCLASSIFIED;
use crate::network::net::{Home, Net};
use crate::network::picture::Picture;
use crate::network::reach::Verdict;

pub struct Exposures;

/// An exposure in its network.
pub struct Row<'a> {
    pub net: &'a Net,
    pub exposure: &'a Exposure,
}

/// How sure it is.
const SURE: &[&str] = &["unknown", "yes"];

impl Row<'_> {
    fn home(&self) -> &Home {
        &self.net.homes[self.net.interfaces[self.exposure.interface].home]
    }
    fn name(&self) -> &str {
        self.net.name_of(self.exposure.resource(self.net))
    }
}

/// Every object an exposure is on: interface, instance, groups, subnet, VPC, load balancer, account.
pub fn objects<'n>(net: &'n Net, e: &Exposure) -> BTreeSet<&'n str> {
    let i = &net.interfaces[e.interface];
    let mut all = BTreeSet::from([i.id.as_str(), net.subnets[i.subnet].id.as_str(), net.vpcs[i.vpc].id.as_str()]);
    all.extend(i.groups.iter().map(|g| net.groups[*g].id.as_str()));
    all.extend(i.instance.map(|x| net.instances[x].id.as_str()));
    let lbs = [i.load_balancer, e.via, e.front].into_iter().flatten();
    all.extend(lbs.map(|lb| net.load_balancers[lb].arn.as_str()));
    all.extend(net.subnets[i.subnet].table.map(|t| net.tables[t].id.as_str()));
    all
}

/// The account that an exposure is in.
pub fn account_of<'p>(picture: &'p Picture, e: &Exposure) -> &'p str {
    &picture.net.homes[picture.net.interfaces[e.interface].home].account
}

/// Whether anything reaches an object from outside, as far as the engine has said.
pub fn is_exposed(picture: &Picture, id: &str) -> bool {
    picture.exposures.iter().any(|e| objects(&picture.net, e).contains(id))
}

impl Subject for Exposures {
    type Row<'a> = Row<'a>;
    const NAMES: Names = Names { name: "exposures", title: "Exposures", one: "exposure", many: "exposures" };
    const SORT: &'static str = "score:desc,account_name,name";
    const GROUPS: &'static [&'static str] =
        &["account_name", "environment", "kind", "ports", "source", "severity", "vpc", "owner", "region"];
    const EMPTY: &'static str = "Nothing that was collected is reachable from the internet or a named source, or the network \
                                 is not readable yet: press ! for what was refused.";

    fn specs<'a>() -> Vec<Spec<Row<'a>>> {
        let spec = spec::<Row<'a>>;
        vec![
            spec("id", "ID", Kind::Text, 24, "Stays the same from sweep to sweep", |r| Value::text(r.exposure.id.to_string()))
                .hidden()
                .mute(),
            spec("severity", "SEV", Kind::Rank(Severity::WORDS), 10, "How bad it is, by its score", |r| {
                Value::Rank(r.exposure.severity.rank())
            })
            .alias(&["sev"]),
            spec("score", "SCORE", Kind::Number, 7, "What the severity comes from; the open row shows its parts", |r| {
                Value::Number(i64::from(r.exposure.points()))
            }),
            spec("account_name", "ACCOUNT", Kind::Keyword, 15, "The account's name", |r| Value::text(&*r.home().label)),
            spec("name", "REACHED", Kind::Text, 18, "The machine, load balancer or interface that is reached", |r| {
                Value::text(r.name())
            })
            .grow(),
            spec("ports", "ON", Kind::Keyword, 14, "Protocol and ports", |r| Value::text(r.exposure.service().to_string()))
                .natural(),
            spec("kind", "KIND", Kind::Keyword, 14, "administration, database, web, everything, …", |r| {
                Value::text(kind_of(&r.exposure.opening))
            }),
            spec("source", "FROM", Kind::Keyword, 10, "internet, or a source named in the configuration", |r| {
                Value::text(&*r.exposure.source)
            }),
            spec("peers", "ADDRESSES", Kind::Text, 18, "Which part of the internet", |r| {
                Value::text(r.exposure.opening.peers.to_string())
            })
            .grow(),
            spec("sure", "SURE", Kind::Rank(SURE), 7, "yes; unknown where something on the way is not known", |r| {
                Value::Rank(u8::from(r.exposure.verdict == Verdict::Yes))
            }),
            spec("public", "PUBLIC", Kind::Set, 15, "Public addresses it is reached at", |r| {
                Value::set(r.exposure.addresses.iter().map(ToString::to_string))
            })
            .natural()
            .hidden(),
            spec("findings", "FINDINGS", Kind::Number, 8, "Open findings on the machine", |r| {
                Value::number(r.exposure.behind.open_findings)
            })
            .hidden(),
            spec("role", "ROLE", Kind::Text, 20, "The role that runs on the machine", |r| {
                Value::text(short(&r.exposure.behind.role))
            })
            .hidden(),
            spec("administrator", "ADMIN", YES_NO, 5, "Whether that role is an administrator, or can become one", |r| {
                Value::flag(r.exposure.behind.administrator || r.exposure.behind.becomes_administrator)
            })
            .hidden(),
            spec("exploit", "EXPLOIT", YES_NO, 7, "Whether an exploit is known for a vulnerability on the machine", |r| {
                Value::flag(r.exposure.behind.known_exploited)
            })
            .hidden(),
            spec("via", "THROUGH", Kind::Keyword, 16, "The load balancer that passes it on", |r| {
                r.exposure.via.map_or(Value::None, |lb| Value::text(&*r.net.load_balancers[lb].name))
            })
            .hidden(),
            spec("inspected", "INSPECTED", YES_NO, 9, "Whether a firewall on the way inspects it (not evaluated)", |r| {
                Value::flag(!r.exposure.inspected.is_empty())
            })
            .hidden(),
            spec("owner", "OWNER", Kind::Keyword, 11, "The account's owning team", |r| {
                let owner = r.home().owner.as_str();
                Value::text(if owner.is_empty() { "unowned" } else { owner })
            })
            .alias(&["team"])
            .hidden(),
            spec("environment", "ENV", Kind::Keyword, 14, "The account's environment class", |r| {
                Value::text(r.home().environment.map_or(UNCLASSIFIED, Environment::word))
            })
            .alias(&["env"])
            .hidden()
            .mute(),
            spec("resource", "RESOURCE", Kind::Text, 30, "ARN of what is reached", |r| {
                Value::text(r.net.arn_of(r.exposure.resource(r.net)))
            })
            .alias(&["arn"])
            .hidden(),
            spec("vpc", "VPC", Kind::Keyword, 21, "The VPC it stands in", |r| {
                Value::text(&*r.net.vpcs[r.net.interfaces[r.exposure.interface].vpc].id)
            })
            .hidden(),
            spec("on", "OBJECTS", Kind::Set, 24, "Interface, machine, groups, subnet, route table, VPC, load balancer", |r| {
                Value::set(objects(r.net, r.exposure))
            })
            .hidden(),
            spec("region", "REGION", Kind::Keyword, 14, "The AWS region", |r| Value::text(&*r.home().region)).hidden(),
            spec("account", "ACCOUNT ID", Kind::Keyword, 12, "The account's twelve digits", |r| Value::text(&*r.home().account))
                .also(&["account_name"])
                .hidden(),
        ]
    }

    fn rows<'a>(facts: &'a Facts, each: &mut dyn FnMut(&str, &Row<'a>)) {
        let Some(picture) = &facts.network else { return };
        for exposure in picture.exposures.iter() {
            each(&exposure.id.to_string(), &Row { net: &picture.net, exposure });
        }
    }
}
