//! Escalation across accounts: an independent search by brute force over small random organisations, and one story of three
//! accounts through the command line, the question line, a principal's detail and the judgement.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "support/dice.rs"]
mod dice;

use std::collections::BTreeSet;
use std::process::Command;

use bartizan::catalog::detail::Detail;
use bartizan::iam::account::Account;
use bartizan::iam::graph::{Graph, Joined, Node, Power, Prize, Rest, To};
use bartizan::iam::read::authorization_details;
use bartizan::listing::query::Cancel;
use bartizan::model::account::{ControlKind, ControlPolicy, Controls, Organization, Unit};
use bartizan::model::coverage::{Coverage, Outcome};
use bartizan::model::document::Document;
use bartizan::model::estate::{self, Estate};
use bartizan::model::resource::Resource;
use bartizan::work::identity::Engine;
use bartizan::work::judge::{Settings, judge};
use dice::Dice;
use serde_json::{Value, json};

const IDS: [&str; 3] = ["111122223333", "444455556666", "777788889999"];

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn control(name: &str, statements: &[Value], targets: &[&str]) -> ControlPolicy {
    ControlPolicy {
        id: format!("p-{name}"),
        name: name.to_owned(),
        document: Document(document(statements).to_string()),
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        ..ControlPolicy::default()
    }
}

/// Accounts of one organisation, each from its `get-account-authorization-details`, under these policies.
fn organisation(accounts: &[Value], scps: Vec<ControlPolicy>, rcps: Vec<ControlPolicy>) -> Estate {
    let mut estate = Estate::default();
    for (id, details) in IDS.iter().zip(accounts) {
        let mut account = bartizan::model::account::Account::bare(*id);
        account.name = ["build", "shop", "vault"][IDS.iter().position(|i| i == id).unwrap()].to_owned();
        estate.put_account(account);
        let mut identity = authorization_details(&details.to_string()).unwrap();
        identity.account = (*id).to_owned();
        estate.put_identity(identity);
    }
    let everything = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let all = control("FullAWSAccess", &[everything], &[&["r-1"][..], &IDS].concat());
    estate.organization = Some(Organization {
        id: "o-1".into(),
        management_account: "000011112222".into(),
        name: "acme".into(),
        units: vec![Unit { id: "r-1".into(), name: "Root".into(), path: String::new() }],
        controls: vec![
            Controls { kind: ControlKind::Service, whole: true, policies: std::iter::once(all).chain(scps).collect() },
            Controls { kind: ControlKind::Resource, whole: true, policies: rcps },
        ],
        delegates: None,
        extra: Default::default(),
    });
    estate
}

mod brute {
    //! The search by brute force, over a model of its own: no policy is read, no graph built.
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum May {
        Everything,
        AssumeAny,
        Assume(usize),
        NeverAssume(usize),
        /// Put a policy on itself.
        RewriteSelf,
        RewriteTrust(usize),
        Read,
        NeverRead,
        /// Change the function's code.
        Code,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Lets {
        Named(usize),
        Account(usize),
        Everyone,
        /// Place in [`OUTSIDE`].
        Outside(usize),
    }

    /// Whom a trust lets in from outside beside everyone, who comes last.
    pub const OUTSIDE: [&str; 4] = [
        "account 999988887777",
        "GitHub Actions: repo:acme/app:ref:refs/heads/main",
        "lambda.amazonaws.com",
        "everyone with an AWS account",
    ];
    pub const SERVICE: usize = 2;
    const EVERYONE: usize = 3;

    #[derive(Clone, Debug)]
    pub struct Person {
        pub account: usize,
        pub name: String,
        pub role: bool,
        /// AWS keeps it.
        pub kept: bool,
        /// Its boundary leaves it all but `sts`, and so administration.
        pub bounded: bool,
        pub may: Vec<Option<May>>,
        pub lets: Vec<Option<Lets>>,
    }

    #[derive(Clone, Debug, Default)]
    pub struct World {
        pub people: Vec<Person>,
        /// Nobody of the account assumes the role; nobody of the second account assumes roles of the first.
        pub scps: Vec<(usize, usize)>,
        pub rcps: Vec<(usize, usize)>,
        /// What the policy of the first account's bucket says: whether it allows or denies to read it, and whom.
        pub bucket: Vec<Option<(bool, Lets)>>,
        /// A function, by the role that it runs as, and whom its policy lets change its code.
        pub function: Option<(usize, Vec<Option<Lets>>)>,
        /// Whether the account from outside is told of, whoever names it, and everyone with an account.
        pub told: [bool; 2],
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum At {
        Person(usize),
        Administrator(usize),
        Outside(usize),
    }

    impl World {
        pub fn arn(&self, p: usize) -> String {
            let person = &self.people[p];
            let kind = if person.role { "role" } else { "user" };
            let path = if person.kept { "/aws-reserved/sso.amazonaws.com/" } else { "/" };
            format!("arn:aws:iam::{}:{kind}{path}{}", IDS[person.account], person.name)
        }
        /// Takes away a statement of somebody's own policy or of a role's trust; false where it is of another.
        pub fn forget(&mut self, account: &str, policy: &str, statement: usize) -> bool {
            let Some(who) = policy.strip_prefix("trust of ").or(policy.strip_prefix("inline own of ")) else { return false };
            let name = who.rsplit('/').next().unwrap();
            let person = self.people.iter_mut().find(|p| p.name == name && IDS[p.account] == account).unwrap();
            if policy.starts_with("trust") {
                person.lets[statement] = None;
            } else {
                person.may[statement] = None;
            }
            true
        }
        fn may(&self, p: usize, what: May) -> bool {
            self.people[p].may.contains(&Some(what))
        }
        pub fn is_administrator(&self, p: usize) -> bool {
            self.may(p, May::Everything)
        }
        /// What keeps an account out, whatever its own policies say.
        fn is_barred(&self, account: usize, role: usize) -> bool {
            self.scps.contains(&(account, role)) || self.rcps.contains(&(self.people[role].account, account))
        }
        fn assumes(&self, p: usize, role: usize) -> bool {
            let (me, to) = (&self.people[p], &self.people[role]);
            if p == role || !to.role || self.is_barred(me.account, role) || self.may(p, May::NeverAssume(role)) {
                return false;
            }
            let lets = |l: Lets| to.lets.contains(&Some(l));
            let own = !me.bounded && [May::Everything, May::AssumeAny, May::Assume(role)].iter().any(|m| self.may(p, *m));
            if me.account != to.account {
                return own && (lets(Lets::Named(p)) || lets(Lets::Account(me.account)) || lets(Lets::Everyone));
            }
            // Within an account a grant to the caller is enough by itself; a boundary still limits one to a role's ARN.
            lets(Lets::Everyone)
                || lets(Lets::Named(p)) && (!me.role || !me.bounded)
                || lets(Lets::Account(me.account)) && own
                || lets(Lets::Named(p)) && own
        }
        fn codes(&self, p: usize) -> Option<usize> {
            let (role, lets) = self.function.as_ref()?;
            let account = self.people[p].account;
            let own = self.may(p, May::Everything) || self.may(p, May::Code);
            let lets = |l: Lets| lets.contains(&Some(l));
            let named = lets(Lets::Named(p)) || lets(Lets::Everyone);
            let codes = match account == self.people[*role].account {
                true => own || named,
                false => own && (named || lets(Lets::Account(account))),
            };
            codes.then_some(*role)
        }
        fn next(&self, at: At) -> Vec<At> {
            let mut next = Vec::new();
            match at {
                At::Person(p) => {
                    let me = &self.people[p];
                    let administrator = self.is_administrator(p);
                    for role in 0..self.people.len() {
                        let abroad = self.people[role].account != me.account;
                        if self.assumes(p, role) || !abroad && !administrator && self.may(p, May::RewriteTrust(role)) {
                            next.push(At::Person(role));
                        }
                    }
                    next.extend(self.codes(p).map(At::Person));
                    if administrator || self.may(p, May::RewriteSelf) && !me.kept {
                        next.push(At::Administrator(me.account));
                    }
                }
                At::Outside(n) => {
                    // An account is among everyone, and only so where some role names it.
                    let all = || self.people.iter().map(|p| &p.lets).chain(self.function.as_ref().map(|(_, lets)| lets));
                    let named = self.told[0] || all().any(|lets| lets.contains(&Some(Lets::Outside(0))));
                    let lets = |l: &Option<Lets>| match l {
                        Some(Lets::Everyone) => n == EVERYONE || n == 0 && named,
                        l => *l == Some(Lets::Outside(n)),
                    };
                    let roles = (0..self.people.len()).filter(|p| self.people[*p].lets.iter().any(lets));
                    next.extend(roles.map(At::Person));
                    let over = self.function.iter().filter(|(_, all)| all.iter().any(lets));
                    next.extend(over.map(|(role, _)| At::Person(*role)));
                }
                At::Administrator(account) => {
                    let of = |p: &usize| self.people[*p].account == account && !self.people[*p].kept;
                    next.extend((0..self.people.len()).filter(of).map(At::Person));
                    let let_in = |lets: &[Option<Lets>]| {
                        lets.iter().flatten().any(|l| match l {
                            Lets::Everyone => true,
                            Lets::Account(a) => *a == account,
                            Lets::Named(q) => of(q),
                            Lets::Outside(_) => false,
                        })
                    };
                    for (role, to) in self.people.iter().enumerate().filter(|(_, t)| t.role && t.account != account) {
                        if let_in(&to.lets) && !self.is_barred(account, role) {
                            next.push(At::Person(role));
                        }
                    }
                    let over = self.function.iter().filter(|(role, lets)| self.people[*role].account != account && let_in(lets));
                    next.extend(over.map(|(role, _)| At::Person(*role)));
                }
            }
            next
        }
        /// Whether somebody reads the bucket as it is.
        pub fn reads(&self, at: At) -> bool {
            let says = |effect: bool, l: Lets| self.bucket.contains(&Some((effect, l)));
            let (allows, denies) = (|l| says(true, l), |l| says(false, l));
            if denies(Lets::Everyone) {
                return false;
            }
            let across = |account: usize| allows(Lets::Account(account)) || allows(Lets::Everyone);
            match at {
                At::Person(p) => {
                    let account = self.people[p].account;
                    let denied = denies(Lets::Named(p)) || denies(Lets::Account(account)) || self.may(p, May::NeverRead);
                    let own = self.may(p, May::Everything) || self.may(p, May::Read);
                    !denied
                        && match account {
                            0 => own || allows(Lets::Named(p)) || allows(Lets::Everyone),
                            _ => own && (allows(Lets::Named(p)) || across(account)),
                        }
                }
                At::Administrator(account) => {
                    // It gives whoever of its account is let in what that takes.
                    let through = |q: &usize| {
                        let of = self.people[*q].account == account && !self.people[*q].kept;
                        of && allows(Lets::Named(*q)) && !denies(Lets::Named(*q))
                    };
                    !denies(Lets::Account(account))
                        && (account == 0 || across(account) || (0..self.people.len()).any(|q| through(&q)))
                }
                At::Outside(0) => {
                    !denies(Lets::Outside(0)) && (allows(Lets::Outside(0)) || self.told[0] && allows(Lets::Everyone))
                }
                At::Outside(EVERYONE) => self.told[1] && allows(Lets::Everyone),
                At::Outside(_) => false,
            }
        }
        /// Whoever gets to one of these.
        pub fn reaching(&self, is_goal: impl Fn(At) -> bool) -> BTreeSet<usize> {
            (0..self.people.len()).filter(|p| self.reaches(At::Person(*p), &is_goal)).collect()
        }
        /// Of [`OUTSIDE`] those that do.
        pub fn reaching_from_outside(&self, is_goal: impl Fn(At) -> bool) -> BTreeSet<usize> {
            (0..OUTSIDE.len()).filter(|n| self.reaches(At::Outside(*n), &is_goal)).collect()
        }
        fn reaches(&self, from: At, is_goal: &impl Fn(At) -> bool) -> bool {
            let (mut seen, mut queue) = (BTreeSet::from([from]), vec![from]);
            while let Some(at) = queue.pop() {
                if is_goal(at) {
                    return true;
                }
                queue.extend(self.next(at).into_iter().filter(|n| seen.insert(*n)));
            }
            false
        }

        /// The same as policies.
        pub fn estate(&self) -> Estate {
            let assume = |effect: &str, on: Value| json!({"Effect": effect, "Action": "sts:AssumeRole", "Resource": on});
            let with_sid = |n: usize, mut s: Value| {
                s["Sid"] = json!(format!("S{n}"));
                s
            };
            let accounts: Vec<Value> = (0..IDS.len())
                .map(|account| {
                    let boundary = format!("arn:aws:iam::{}:policy/limit", IDS[account]);
                    let (mut users, mut roles) = (Vec::new(), Vec::new());
                    for (p, person) in self.people.iter().enumerate().filter(|(_, p)| p.account == account) {
                        let own = |(n, may): (usize, &Option<May>)| {
                            Some(with_sid(n, match (*may)? {
                                May::Everything => json!({"Effect": "Allow", "Action": "*", "Resource": "*"}),
                                May::AssumeAny => assume("Allow", json!("*")),
                                May::Assume(role) => assume("Allow", json!(self.arn(role))),
                                May::NeverAssume(role) => assume("Deny", json!(self.arn(role))),
                                May::RewriteSelf => {
                                    let action = if person.role { "iam:PutRolePolicy" } else { "iam:PutUserPolicy" };
                                    json!({"Effect": "Allow", "Action": action, "Resource": self.arn(p)})
                                }
                                May::Read | May::NeverRead => {
                                    let effect = if may == &Some(May::Read) { "Allow" } else { "Deny" };
                                    json!({"Effect": effect, "Action": "s3:GetObject", "Resource": format!("{BUCKET}/*")})
                                }
                                May::Code => json!({"Effect": "Allow", "Action": "lambda:UpdateFunctionCode", "Resource": "*"}),
                                May::RewriteTrust(role) => {
                                    json!({"Effect": "Allow", "Action": "iam:UpdateAssumeRolePolicy", "Resource": self.arn(role)})
                                }
                            }))
                        };
                        let statements: Vec<Value> = person.may.iter().enumerate().filter_map(own).collect();
                        let lets = |(n, lets): (usize, &Option<Lets>)| {
            let host = "token.actions.githubusercontent.com";
                            let principal = match (*lets)? {
                                Lets::Named(q) => json!({"AWS": self.arn(q)}),
                                Lets::Account(a) => json!({"AWS": IDS[a]}),
                                Lets::Everyone => json!("*"),
                                Lets::Outside(0) => json!({"AWS": "arn:aws:iam::999988887777:root"}),
                                Lets::Outside(SERVICE) => json!({"Service": OUTSIDE[SERVICE]}),
                                Lets::Outside(_) => json!({"Federated": format!("arn:aws:iam::{}:oidc-provider/{host}", IDS[account])}),
                            };
                            let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
                            if statement["Principal"].get("Federated").is_some() {
                                statement["Action"] = json!("sts:AssumeRoleWithWebIdentity");
                                statement["Condition"] = json!({"StringEquals": {format!("{host}:sub"): "repo:acme/app:ref:refs/heads/main",
                                    format!("{host}:aud"): "sts.amazonaws.com"}});
                            }
                            Some(with_sid(n, statement))
                        };
                        let trust: Vec<Value> = person.lets.iter().enumerate().filter_map(lets).collect();
                        let (kind, list) = if person.role { ("Role", "RolePolicyList") } else { ("User", "UserPolicyList") };
                        let path = self.arn(p).split_once(&format!("{}/", kind.to_lowercase())).unwrap().1.to_owned();
                        let mut value = json!({format!("{kind}Name"): person.name, "Arn": self.arn(p),
                            "Path": format!("/{}", path.strip_suffix(&person.name).unwrap()),
                            list: [{"PolicyName": "own", "PolicyDocument": document(&statements)}]});
                        if person.bounded {
                            value["PermissionsBoundary"] = json!({"PermissionsBoundaryArn": boundary});
                        }
                        if person.role {
                            value["AssumeRolePolicyDocument"] = document(&trust);
                            roles.push(value);
                        } else {
                            users.push(value);
                        }
                    }
                    let limit = document(&[json!({"Effect": "Allow", "NotAction": "sts:*", "Resource": "*"})]);
                    json!({"UserDetailList": users, "RoleDetailList": roles, "Policies": [{"PolicyName": "limit", "Arn": boundary,
                        "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": true, "Document": limit}]}]})
                })
                .collect();
            let scps = self.scps.iter().enumerate().map(|(n, (account, role))| {
                control(&format!("scp{n}"), &[assume("Deny", json!(self.arn(*role)))], &[IDS[*account]])
            });
            let rcps = self.rcps.iter().enumerate().map(|(n, (of, out))| {
                let mut deny = assume("Deny", json!("*"));
                deny["Principal"] = json!("*");
                deny["Condition"] = json!({"StringEquals": {"aws:PrincipalAccount": IDS[*out]}});
                control(&format!("rcp{n}"), &[deny], &[IDS[*of]])
            });
            let mut estate = organisation(&accounts, scps.collect(), rcps.collect());
            let principal = |whom: Lets| match whom {
                Lets::Named(p) => json!({"AWS": self.arn(p)}),
                Lets::Account(a) => json!({"AWS": IDS[a]}),
                Lets::Everyone => json!("*"),
                Lets::Outside(_) => json!({"AWS": "arn:aws:iam::999988887777:root"}),
            };
            if let Some((role, lets)) = &self.function {
                // All functions were told: no others may run as a role.
                let (api, region) = ("lambda:ListFunctions".to_owned(), "eu-west-1".to_owned());
                let told = Coverage {
                    account: String::new(),
                    region,
                    api,
                    outcome: Outcome::Ok,
                    reason: String::new(),
                    count: 1,
                    at: Default::default(),
                };
                estate.put_coverage(IDS.map(|id| Coverage { account: id.into(), ..told.clone() }));
                let id = IDS[self.people[*role].account];
                let arn = format!("arn:aws:lambda:eu-west-1:{id}:function:f");
                let may = |whom| json!({"Effect": "Allow", "Principal": principal(whom), "Action": "lambda:UpdateFunctionCode", "Resource": arn});
                let each = lets.iter().enumerate().filter_map(|(n, whom)| Some(with_sid(n, may((*whom)?))));
                let policy = Some(Document(document(&each.collect::<Vec<Value>>()).to_string()));
                let region = estate.region_mut(id, "eu-west-1");
                let function = json!({"FunctionName": "f", "FunctionArn": arn, "Role": self.arn(*role)});
                region.workloads.functions = vec![serde_json::from_value(function).unwrap()];
                region.resources = vec![Resource { arn, policy, ..Resource::default() }];
            }
            let says = |(n, says): (usize, &Option<(bool, Lets)>)| {
                let (allows, whom) = (*says)?;
                let principal = principal(whom);
                let effect = if allows { "Allow" } else { "Deny" };
                let on = format!("{BUCKET}/*");
                Some(with_sid(n, json!({"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "Resource": on})))
            };
            let statements: Vec<Value> = self.bucket.iter().enumerate().filter_map(says).collect();
            if !self.bucket.is_empty() {
                let policy = Some(Document(document(&statements).to_string()));
                estate.region_mut(IDS[0], "eu-west-1").resources =
                    vec![Resource { arn: BUCKET.into(), policy, ..Resource::default() }];
            }
            estate
        }
    }

    pub const BUCKET: &str = "arn:aws:s3:::ledger";

    impl Dice {
        pub fn world(&mut self) -> World {
            let accounts = 2 + self.roll(2);
            let mut world = World::default();
            for account in 0..accounts {
                for n in 0..2 + self.roll(3) {
                    let role = n > 0;
                    let (kept, bounded) = (role && self.roll(12) == 0, self.roll(10) == 0);
                    let name = format!("{}{n}", if role { "r" } else { "u" });
                    world.people.push(Person { account, name, role, kept, bounded, may: Vec::new(), lets: Vec::new() });
                }
            }
            let count = world.people.len();
            let roles: Vec<usize> = (0..count).filter(|p| world.people[*p].role).collect();
            for p in 0..count {
                let account = world.people[p].account;
                for _ in 0..self.roll(4) {
                    let role = roles[self.roll(roles.len())];
                    let may = match self.roll(16) {
                        0 => May::Everything,
                        1 => May::RewriteSelf,
                        2 => May::NeverAssume(role),
                        3 if world.people[role].account == account && !world.people[role].kept && role != p => {
                            May::RewriteTrust(role)
                        }
                        4..8 => May::AssumeAny,
                        _ => May::Assume(role),
                    };
                    world.people[p].may.push(Some(may));
                }
                // AWS's own roles trust nobody that is told of here.
                let trusts = world.people[p].role && !world.people[p].kept;
                for _ in 0..if trusts { 1 + self.roll(2) } else { 0 } {
                    let lets = match self.roll(17) {
                        0 => Lets::Everyone,
                        14.. => Lets::Outside(self.roll(3)),
                        1..6 => Lets::Account(self.roll(accounts)),
                        _ => Lets::Named(self.roll(count)),
                    };
                    world.people[p].lets.push(Some(lets));
                }
            }
            self.guard(&mut world, accounts, &roles);
            world
        }
        /// With a function.
        pub fn with_function(&mut self, mut world: World) -> World {
            let (count, accounts) = (world.people.len(), 1 + world.people.last().map_or(0, |p| p.account));
            let Some(role) = (0..count).rev().find(|p| world.people[*p].role && !world.people[*p].kept) else { return world };
            let p = self.roll(count);
            world.people[p].may.push(Some(May::Code));
            let one = |dice: &mut Self| match dice.roll(8) {
                0 => Lets::Everyone,
                1 | 2 => Lets::Outside(0),
                3 | 4 => Lets::Account(dice.roll(accounts)),
                _ => Lets::Named(dice.roll(count)),
            };
            world.function = Some((role, (0..1 + self.roll(2)).map(|_| Some(one(self))).collect()));
            world
        }
        /// With a bucket.
        pub fn with_bucket(&mut self, mut world: World) -> World {
            let (count, accounts) = (world.people.len(), 1 + world.people.last().map_or(0, |p| p.account));
            for _ in 0..1 + self.roll(3) {
                let (p, never) = (self.roll(count), self.roll(5) == 0);
                world.people[p].may.push(Some(if never { May::NeverRead } else { May::Read }));
            }
            for _ in 0..1 + self.roll(4) {
                let whom = match self.roll(10) {
                    0 => Lets::Everyone,
                    1 | 2 => Lets::Outside(0),
                    3..6 => Lets::Account(self.roll(accounts)),
                    _ => Lets::Named(self.roll(count)),
                };
                let allows = self.roll(5) > 0;
                world.bucket.push(Some((allows, whom)));
            }
            let names = |whom: Lets| world.people.iter().any(|p| p.lets.contains(&Some(whom)));
            let says = |effect: bool, whom: Lets| world.bucket.contains(&Some((effect, whom)));
            let kept_out = says(false, Lets::Everyone) || says(false, Lets::Outside(0));
            let account = names(Lets::Outside(0)) || says(true, Lets::Outside(0)) && !kept_out;
            world.told = [account, names(Lets::Everyone)];
            world
        }
        fn guard(&mut self, world: &mut World, accounts: usize, roles: &[usize]) {
            if self.roll(4) == 0 {
                world.scps.push((self.roll(accounts), roles[self.roll(roles.len())]));
            }
            if self.roll(4) == 0 {
                let (of, out) = (self.roll(accounts), self.roll(accounts));
                world.rcps.extend((of != out).then_some((of, out)));
            }
        }
    }
}

fn accounts(estate: &Estate) -> Vec<Account> {
    estate.identities.iter().map(|i| Account::of_estate(estate, &i.account).unwrap()).collect()
}

#[test]
fn random_organisations_agree_with_a_search_by_brute_force() {
    use brute::{At, OUTSIDE, SERVICE};
    let mut dice = Dice(0x5eed_0b7a);
    let (mut abroad, mut cuts_tried, mut function_cuts, mut across, mut from_outside, mut kept_outside) = (0, 0, 0, 0, 0, 0);
    for round in 0..300 {
        let mut world = dice.world();
        if round % 3 > 0 {
            world = dice.with_function(world);
        }
        let estate = world.estate();
        let accounts = accounts(&estate);
        assert!(accounts.iter().all(|a| a.problems.is_empty()));
        let graphs: Vec<Graph<'_>> = accounts.iter().map(Graph::new).collect();
        let joined = Joined::new(graphs.iter().map(Graph::built));
        let place = |node: Node| {
            let arn = joined.arn(node);
            (0..world.people.len()).find(|p| world.arn(*p) == arn).unwrap()
        };
        let is_top = |at: At| match at {
            At::Person(p) => world.is_administrator(p),
            At::Administrator(_) => true,
            At::Outside(_) => false,
        };
        let outside = |node: Node| OUTSIDE.iter().position(|who| *who == joined.arn(node)).unwrap();
        // Administrator of any account.
        let goal = joined.administrator();
        let routes = joined.routes(&goal);
        let found: BTreeSet<usize> = routes.iter().map(|r| place(r.from)).collect();
        let expected = world.reaching(is_top);
        assert_eq!(found, expected, "round {round}: {world:#?}");
        assert!(routes.iter().all(|r| r.certain), "nothing is conditional here");
        // From outside, services left out.
        let of_outside: BTreeSet<usize> =
            joined.routes_of(joined.outside_of(&goal), &goal).iter().map(|r| outside(r.from)).collect();
        let mut expected_outside = world.reaching_from_outside(is_top);
        expected_outside.remove(&SERVICE);
        assert_eq!(of_outside, expected_outside, "round {round}: {world:#?}");
        let powers = joined.powers();
        for p in 0..world.people.len() {
            let node = joined.find(&world.arn(p)).unwrap();
            let To::Principal(at) = node.at else { panic!("a principal") };
            let power = match (world.is_administrator(p), expected.contains(&p)) {
                (true, _) => Power::Administrator,
                (_, true) => Power::CanBecome,
                _ => Power::Ordinary,
            };
            assert_eq!(powers[node.account][at], power, "round {round}: {}", world.arn(p));
        }
        // Every role and user.
        for target in 0..world.people.len() {
            let node = joined.find(&world.arn(target)).unwrap();
            let goal = joined.principals(&[node]);
            let found: BTreeSet<usize> = joined.routes(&goal).iter().map(|r| place(r.from)).collect();
            let expected = world.reaching(|at| at == At::Person(target));
            assert_eq!(found, expected, "round {round} to {}: {world:#?}", world.arn(target));
            let every: Vec<Node> = joined.outsiders().map(|(node, _)| node).collect();
            let found: BTreeSet<usize> = joined.routes_of(every.iter().copied(), &goal).iter().map(|r| outside(r.from)).collect();
            assert_eq!(found, world.reaching_from_outside(|at| at == At::Person(target)), "round {round}: {world:#?}");
            let (paths, more) = joined.paths(&every, &goal, 200);
            let starts: BTreeSet<usize> = paths.iter().map(|r| outside(r.from)).collect();
            assert!(more || starts == found, "round {round}: {starts:?} {found:?}");
            from_outside += paths.iter().filter(|r| r.legs.len() > 1).count();
            // All simple ways: none twice, none in a circle, the shortest first, and each where there is one.
            let (paths, more) = joined.paths(&joined.principals_of_all(), &goal, 200);
            let starts: BTreeSet<usize> = paths.iter().map(|r| place(r.from)).collect();
            let others: BTreeSet<usize> = expected.iter().copied().filter(|p| *p != target).collect();
            assert!(more || starts == others, "round {round}: {starts:?} {others:?}");
            let trails: BTreeSet<Vec<Node>> = paths
                .iter()
                .map(|r| {
                    let trail: Vec<Node> = std::iter::once(r.from).chain(r.legs.iter().map(|l| l.to)).collect();
                    assert_eq!(trail.iter().collect::<BTreeSet<_>>().len(), trail.len(), "in a circle");
                    assert!(r.legs.iter().zip(&trail).all(|(leg, at)| leg.from == *at && !leg.by.is_empty()));
                    assert_eq!(r.end(), node);
                    trail
                })
                .collect();
            assert_eq!(trails.len(), paths.len(), "one of them twice");
            assert!(paths.windows(2).all(|two| two[0].legs.len() <= two[1].legs.len()));
            across += paths.iter().filter(|r| r.from.account != node.account).count();
        }
        abroad += routes.iter().filter(|r| r.end().account != r.from.account).count();
        // What a cut is said to free is free once the statement is gone from the model.
        for cut in joined.cuts(&goal, 3, graphs.as_slice()) {
            let id = &accounts[cut.account].id;
            let n: usize = cut.label.strip_prefix('S').unwrap().parse().unwrap();
            let mut without = world.clone();
            if !without.forget(id, &cut.policy, n) {
                assert_eq!(cut.policy, "policy of function:f");
                without.function.as_mut().unwrap().1[n] = None;
                function_cuts += 1;
            }
            let after = without.reaching(is_top);
            let outside_after = without.reaching_from_outside(is_top);
            let freed: BTreeSet<usize> = expected.difference(&after).copied().collect();
            let told: BTreeSet<usize> = cut.freed.iter().map(|node| place(*node)).collect();
            assert_eq!(told, freed, "round {round}: {} {} of {id}: {world:#?}", cut.policy, cut.label);
            let mut after = outside_after;
            after.remove(&SERVICE);
            let freed: BTreeSet<usize> = expected_outside.difference(&after).copied().collect();
            let told: BTreeSet<usize> = cut.outside.iter().map(|node| outside(*node)).collect();
            assert_eq!(told, freed, "round {round}: {} {} of {id}: {world:#?}", cut.policy, cut.label);
            kept_outside += told.len();
            assert_eq!(cut.of, expected.iter().filter(|p| !world.is_administrator(**p)).count());
            cuts_tried += 1;
        }
    }
    assert!(abroad > 100 && cuts_tried > 200 && across > 3_000, "{abroad} {cuts_tried} {across}");
    assert!(function_cuts > 6, "{function_cuts}");
    assert!(from_outside > 1_000 && kept_outside > 50, "{from_outside} {kept_outside}");
}

/// Who reads a bucket: by its own policies, by the bucket's, by becoming others, from outside; and which statement keeps off whom.
#[test]
fn random_resources_agree_with_a_search_by_brute_force() {
    use brute::{BUCKET, OUTSIDE, SERVICE};
    let mut dice = Dice(0x5eed_b0c3);
    let (mut inside, mut from_outside, mut own_cuts, mut bucket_cuts, mut kept_outside) = (0, 0, 0, 0, 0);
    for round in 0..250 {
        let world = dice.world();
        let world = dice.with_bucket(world);
        let estate = world.estate();
        let accounts = accounts(&estate);
        let graphs: Vec<Graph<'_>> = accounts.iter().map(Graph::new).collect();
        let prize = Prize::new(BUCKET, &["s3:GetObject".to_owned()]).unwrap();
        let joined = Joined::new(graphs.iter().map(Graph::built));
        let (joined, _, held) = joined.visiting(None, &prize, graphs.as_slice()).unwrap();
        let reached = graphs.iter().enumerate().map(|(at, g)| (at, g.reach(&prize)));
        let goal = joined.resource(reached.chain([(joined.len(), held)]));
        let place = |node: &Node| (0..world.people.len()).find(|p| world.arn(*p) == joined.arn(*node)).unwrap();
        // Everyone, account or not, is told of where the bucket alone says so.
        let outside = |node: &Node| OUTSIDE.iter().position(|who| *who == joined.arn(*node));
        let found: BTreeSet<usize> = joined.routes(&goal).iter().map(|r| place(&r.from)).collect();
        let expected = world.reaching(|at| world.reads(at));
        assert_eq!(found, expected, "round {round}: {world:#?}");
        let routes = joined.routes_of(joined.outside_of(&goal), &goal);
        let anyone = routes.iter().any(|r| joined.arn(r.from) == "everyone");
        let by_all = |effect: bool| world.bucket.contains(&Some((effect, brute::Lets::Everyone)));
        assert_eq!(anyone, by_all(true) && !by_all(false), "round {round}: {world:#?}");
        let of_outside: BTreeSet<usize> = routes.iter().filter_map(|r| outside(&r.from)).filter(|n| *n != SERVICE).collect();
        let mut expected_outside = world.reaching_from_outside(|at| world.reads(at));
        expected_outside.remove(&SERVICE);
        assert_eq!(of_outside, expected_outside, "round {round}: {world:#?}");
        for route in joined.routes(&goal) {
            let told = joined.use_of(&goal, route.end(), graphs.as_slice());
            let unnamed = |needs: Vec<Rest>| needs.is_empty() || needs.iter().any(|(_, by)| by.is_empty());
            assert!(told.is_none_or(|(_, needs)| !unnamed(needs)), "round {round}: what lets it is named");
        }
        inside += expected.len();
        from_outside += expected_outside.len();
        for cut in joined.cuts(&goal, 5, graphs.as_slice()) {
            let id = &accounts[cut.account].id;
            let n: usize = cut.label.strip_prefix('S').unwrap().parse().unwrap();
            let mut without = world.clone();
            if without.forget(id, &cut.policy, n) {
                own_cuts += 1;
            } else {
                assert_eq!(cut.policy, "policy of ledger");
                without.bucket[n] = None;
                bucket_cuts += 1;
            }
            let after = without.reaching(|at| without.reads(at));
            let freed: BTreeSet<usize> = expected.difference(&after).copied().collect();
            let told: BTreeSet<usize> = cut.freed.iter().map(place).collect();
            assert_eq!(told, freed, "round {round}: {} {} of {id}: {world:#?}", cut.policy, cut.label);
            let after = without.reaching_from_outside(|at| without.reads(at));
            let mut freed: BTreeSet<usize> = expected_outside.difference(&after).copied().collect();
            freed.remove(&SERVICE);
            let told: BTreeSet<usize> = cut.outside.iter().filter_map(outside).collect();
            assert_eq!(told, freed, "round {round}: {} {} of {id}: {world:#?}", cut.policy, cut.label);
            kept_outside += told.len();
            assert_eq!(cut.of, expected.len());
        }
    }
    assert!(inside > 600 && from_outside > 120, "{inside} {from_outside}");
    assert!(own_cuts > 180 && bucket_cuts > 120 && kept_outside > 30, "{own_cuts} {bucket_cuts} {kept_outside}");
}

/// A function's own policy lets other accounts, read or not, put code of theirs into it, and so become its role.
#[test]
fn a_function_is_taken_over_from_other_accounts() {
    let mut estate = story_from_outside();
    let arn = format!("arn:aws:lambda:eu-west-1:{}:function:books", IDS[2]);
    let change = |sid: &str, who: Value, action: &str| json!({"Sid": sid, "Effect": "Allow", "Principal": who, "Action": action, "Resource": arn});
    let statements = [
        change("Build", json!({"AWS": format!("arn:aws:iam::{}:role/pipeline", IDS[0])}), "lambda:UpdateFunctionCode"),
        change("Invoke", json!({"Service": "s3.amazonaws.com"}), "lambda:InvokeFunction"),
        change("Vendor", json!({"AWS": "123456789012"}), "lambda:UpdateFunctionConfiguration"),
    ];
    let region = estate.region_mut(IDS[2], "eu-west-1");
    let function = json!({"FunctionName": "books", "FunctionArn": arn, "Role": format!("arn:aws:iam::{}:role/keeper", IDS[2])});
    region.workloads.functions.push(serde_json::from_value(function).unwrap());
    let policy = Some(Document(document(&statements).to_string()));
    region.resources.push(Resource { arn: arn.clone(), policy, ..Resource::default() });
    let mut build = (**estate.identity(IDS[0]).unwrap()).clone();
    let pipeline = build.roles.iter_mut().find(|r| r.role_name == "pipeline").unwrap();
    let own: Value = serde_json::from_str(&pipeline.role_policy_list[0].policy_document.0).unwrap();
    let code = json!({"Sid": "Code", "Effect": "Allow", "Action": "lambda:UpdateFunctionCode", "Resource": arn});
    pipeline.role_policy_list[0].policy_document = Document(document(&[own["Statement"][0].clone(), code]).to_string());
    estate.put_identity(build);

    let paths = data(&estate, &["paths", "--from", "role/pipeline", "--to", "role/keeper"]);
    let role = format!("role/keeper of account {}", IDS[2]);
    assert_eq!(sentences(&paths[0]), [format!("role/pipeline can replace the code of a function that runs as {role}")]);
    assert_eq!(
        paths[0]["steps"][0]["needs"],
        json!([
            "lambda:UpdateFunctionCode by inline own of role/pipeline, Code",
            "lambda:UpdateFunctionCode by policy of function:books, Build"
        ])
    );
    // By roles alone it takes one step more.
    assert_eq!(paths.iter().map(|p| sentences(p).len()).collect::<Vec<_>>(), [1, 2]);
    for who in ["123456789012", "arn:aws:iam::123456789012:user/x"] {
        let paths = data(&estate, &["paths", "--from", who, "--to", "role/keeper"]);
        assert!(sentences(&paths[0])[0].ends_with(&format!("can put a layer under a function that runs as {role}")), "{paths:?}");
        assert_eq!(
            paths[0]["steps"][0]["needs"],
            json!(["lambda:UpdateFunctionConfiguration by policy of function:books, Vendor"])
        );
        let cut = &data(&estate, &["paths", "--cuts", "--from", who, "--to", "role/keeper"])[0];
        assert_eq!((&cut["policy"], &cut["statement"]), (&json!("policy of function:books"), &json!("Vendor")));
    }
    let blast: Value = serde_json::from_str(&run(&estate, &["--json", "blast", "123456789012"])).unwrap();
    let keeper = format!("arn:aws:iam::{}:role/keeper", IDS[2]);
    assert_eq!((&blast["accounts"][0]["principals"], &blast["accounts"][0]["everything"]), (&json!([keeper]), &json!(true)));
    let answer = Engine::default().ask(&estate, "can 123456789012 become administrator").unwrap();
    let told = serde_json::to_value(&answer.detail).unwrap()["sections"].to_string();
    assert!(told.contains("can put a layer under a function that runs as role/keeper of vault"), "{told}");
}

/// A developer becomes the pipeline, the pipeline deploys to the shop, the shop's deployer becomes the keeper of the vault,
/// who makes itself an administrator; the vault's administrators get back into the build account.
fn story() -> Estate {
    let arn = |account: usize, name: &str| format!("arn:aws:iam::{}:{name}", IDS[account]);
    let assume = |to: &str| json!({"Sid": "Go", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": to});
    let own = |statements: &[Value]| json!([{"PolicyName": "own", "PolicyDocument": document(statements)}]);
    let trust =
        |who: &str| document(&[json!({"Sid": "Let", "Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"})]);
    let role = |account: usize, name: &str, trusted: &str, statements: &[Value]| {
        json!({"RoleName": name, "Path": "/", "Arn": arn(account, &format!("role/{name}")), "AssumeRolePolicyDocument": trust(trusted),
            "RolePolicyList": own(statements)})
    };
    let user = |name: &str, statements: &[Value]| json!({"UserName": name, "Path": "/", "Arn": arn(0, &format!("user/{name}")), "UserPolicyList": own(statements)});
    let read = json!({"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::ledger/*"});
    let rewrite = json!({"Sid": "Raise", "Effect": "Allow", "Action": "iam:PutRolePolicy", "Resource": arn(2, "role/keeper")});
    let everything = json!({"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"});
    let build = json!({
        "UserDetailList": [user("dev", &[assume(&arn(0, "role/pipeline"))]), user("idle", &[])],
        "RoleDetailList": [
            role(0, "pipeline", IDS[0], &[assume(&arn(1, "role/deploy"))]),
            role(0, "break-glass", IDS[2], &[everything]),
        ],
    });
    let shop = json!({"RoleDetailList": [role(1, "deploy", IDS[0], &[assume(&arn(2, "role/keeper"))])]});
    let vault = json!({"RoleDetailList": [role(2, "keeper", &arn(1, "role/deploy"), &[rewrite, read])]});
    let mut estate = organisation(&[build, shop, vault], Vec::new(), Vec::new());
    estate.region_mut(IDS[2], "eu-west-1").resources =
        vec![Resource { arn: "arn:aws:s3:::ledger".into(), ..Resource::default() }];
    estate
}

const DEV: &str = "arn:aws:iam::111122223333:user/dev";

fn run(estate: &Estate, args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("estate.json.zst");
    estate::write(std::fs::File::create(&file).unwrap(), estate, std::iter::empty()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    let done = command.env_clear().env("HOME", home.path()).args(["--from", file.to_str().unwrap(), "iam"]).args(args);
    let done = done.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn data(estate: &Estate, args: &[&str]) -> Vec<Value> {
    serde_json::from_str(&run(estate, &[&["--json"], args].concat())).unwrap()
}

fn sentences(path: &Value) -> Vec<&str> {
    path["steps"].as_array().unwrap().iter().map(|s| s["sentence"].as_str().unwrap()).collect()
}

#[test]
fn the_command_line_tells_ways_through_several_accounts() {
    let estate = story();
    let paths = data(&estate, &["paths", "--who", "user/dev"]);
    assert_eq!(
        sentences(&paths[0]),
        [
            "user/dev can assume role/pipeline".to_owned(),
            format!("role/pipeline can assume role/deploy of account {}", IDS[1]),
            format!("role/deploy can assume role/keeper of account {}", IDS[2]),
            "role/keeper can change its own permissions by iam:PutRolePolicy".to_owned(),
        ]
    );
    assert_eq!((&paths[0]["certain"], &paths[0]["account"]), (&json!(true), &json!(IDS[0])));
    let steps = paths[0]["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|s| s["account"].as_str().unwrap()).collect::<Vec<_>>(), [IDS[0], IDS[1], IDS[2], IDS[2]]);
    assert_eq!(
        steps[1]["needs"],
        json!(["sts:AssumeRole by inline own of role/pipeline, Go", "sts:AssumeRole by trust of role/deploy, Let"])
    );
    // Everyone who becomes an administrator of whatever account; and back into the first.
    let from = |paths: &[Value]| -> BTreeSet<String> {
        paths.iter().map(|p| p["from"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()).collect()
    };
    let all = data(&estate, &["paths"]);
    let climbers = ["role/deploy", "role/keeper", "role/pipeline", "user/dev"].map(str::to_owned);
    assert_eq!(from(&all), BTreeSet::from(climbers.clone()));
    let back = data(&estate, &["paths", "--to", "role/break-glass"]);
    assert_eq!(from(&back), BTreeSet::from(climbers), "the loop through three accounts");
    let dev = back.iter().find(|p| p["from"] == DEV).unwrap();
    assert_eq!(sentences(dev).len(), 5);
    assert_eq!(
        sentences(dev)[4],
        format!("an administrator of account {} can assume role/break-glass of account {}", IDS[2], IDS[0])
    );
    assert_eq!(data(&estate, &["paths", "--who", "user/idle"]), [] as [Value; 0]);
    // A resource of the third account.
    let ledger = data(&estate, &["paths", "--to", "arn:aws:s3:::ledger"]);
    let dev = ledger.iter().find(|p| p["from"] == DEV).unwrap();
    assert_eq!(sentences(dev).last().unwrap(), &"role/keeper can s3:GetObject on arn:aws:s3:::ledger/*");
    assert_eq!((sentences(dev).len(), &dev["steps"][3]["account"]), (4, &json!(IDS[2])));
    // What is lost with the developer: everything in the vault, and its own account after all.
    let blast: Value = serde_json::from_str(&run(&estate, &["--json", "blast", "user/dev"])).unwrap();
    assert_eq!((&blast["everything"], &blast["everything_by_another_account"]), (&json!(false), &json!(true)));
    assert_eq!(blast["everything_in"], json!([IDS[2]]));
    let roles: Vec<&str> = blast["other_accounts"].as_array().unwrap().iter().map(|r| r["role"].as_str().unwrap()).collect();
    assert_eq!(roles, [format!("arn:aws:iam::{}:role/deploy", IDS[1]), format!("arn:aws:iam::{}:role/keeper", IDS[2])]);
    let text = run(&estate, &["blast", "user/dev"]);
    assert!(text.contains("lost after all") && text.contains("role/keeper in 3 steps by role/deploy"), "{text}");
    // What all of them rest on is one statement of the third account, told with its account.
    let cuts = data(&estate, &["paths", "--cuts"]);
    assert_eq!((&cuts[0]["account"], &cuts[0]["policy"]), (&json!(IDS[2]), &json!("inline own of role/keeper")));
    assert_eq!((&cuts[0]["of"], cuts[0]["cuts_off"].as_array().unwrap().len()), (&json!(4), 4));
    let to_ledger = data(&estate, &["paths", "--cuts", "--to", "arn:aws:s3:::ledger"]);
    let trust = to_ledger.iter().find(|c| c["policy"] == "trust of role/keeper").unwrap();
    let kept_off: Vec<&str> = trust["cuts_off"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap()).collect();
    assert_eq!(kept_off.len(), 4, "the administrator of the build account may deploy as well: {kept_off:?}");
    let text = run(&estate, &["paths", "--cuts"]);
    assert!(text.contains(&format!("in account {}: cuts off 4 of 4", IDS[2])), "{text}");
}

#[test]
fn the_question_line_and_the_detail_tell_the_account_of_each_step() {
    let estate = story();
    let engine = Engine::default();
    let ask = |question: &str| {
        let answer = engine.ask(&estate, question).unwrap();
        serde_json::to_value(&answer.detail).unwrap()["sections"].to_string()
    };
    let dev = ask("can user/dev become administrator");
    for says in
        ["Yes, in 4 steps", "\"place\":\"shop\"", "role/pipeline can assume role/deploy of shop", "trust of role/keeper, Let"]
    {
        assert!(dev.contains(says), "{says}: {dev}");
    }
    assert!(
        ask("can user/dev become role/break-glass").contains("an administrator of vault can assume role/break-glass of build")
    );
    assert!(ask("can user/idle become administrator").contains("No: there is no way"));
    let who = ask("who can become administrator");
    for says in ["4 principals can become one, 3 of them of another account than their own", "can become of vault", "4 of 4"] {
        assert!(who.contains(says), "{says}: {who}");
    }
    let keeper = ask("who can become role/keeper");
    assert!(keeper.contains("By way of another account") && keeper.contains("user/dev"), "{keeper}");
    let reach = ask("who can reach arn:aws:s3:::ledger");
    assert!(reach.contains("By a chain, from build") && reach.contains(", in vault"), "{reach}");

    let blast = ask("blast user/dev");
    assert!(blast.contains("Everything in 1 other account: vault.") && blast.contains("role/keeper"), "{blast}");

    let mut detail = Detail { title: String::new(), sections: Vec::new(), links: Vec::new() };
    engine.tell(&estate, DEV, &mut detail);
    let text = serde_json::to_string(&detail).unwrap();
    for says in [
        "can become one of vault",
        "\"place\":\"vault\"",
        "in vault there is no way left",
        "role/deploy can assume role/keeper of vault",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(detail.links.iter().any(|l| l.label == "role/keeper of vault"), "it leads on to the others");
}

/// The story with a pipeline of GitHub's and the function service let into the build account, and a partner into the shop.
fn story_from_outside() -> Estate {
    let mut estate = story();
    let host = "token.actions.githubusercontent.com";
    let github = json!({"Sid": "Ci", "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": format!("arn:aws:iam::{}:oidc-provider/{host}", IDS[0])},
        "Condition": {"StringLike": {format!("{host}:sub"): "repo:acme/app:*"}, "StringEquals": {format!("{host}:aud"): "sts.amazonaws.com"}}});
    let let_in = |sid: &str, who: Value| json!({"Sid": sid, "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": who});
    let service = let_in("Functions", json!({"Service": "lambda.amazonaws.com"}));
    let partner = let_in("Partner", json!({"AWS": "arn:aws:iam::999988887777:role/sync"}));
    for (account, role, more) in [(0, "pipeline", vec![github, service]), (1, "deploy", vec![partner])] {
        let mut identity = (**estate.identity(IDS[account]).unwrap()).clone();
        let role = identity.roles.iter_mut().find(|r| r.role_name == role).unwrap();
        let mut trust: Value = serde_json::from_str(&role.assume_role_policy_document.0).unwrap();
        trust["Statement"].as_array_mut().unwrap().extend(more);
        role.assume_role_policy_document = Document(trust.to_string());
        estate.put_identity(identity);
    }
    estate
}

const GITHUB: &str = "GitHub Actions: repo:acme/app:*";

#[test]
fn ways_begin_outside() {
    let estate = story_from_outside();
    // By any name that means it: a pattern of several subjects, the system, its own; one subject is asked for by itself.
    for who in ["repo:acme/*", "GitHub Actions", GITHUB, "repo:acme/app:ref:refs/heads/main"] {
        let from = if who.contains("main") { who } else { GITHUB };
        let paths = data(&estate, &["paths", "--who", who]);
        assert_eq!((&paths[0]["from"], &paths[0]["outsider"], &paths[0]["certain"]), (&json!(from), &json!(true), &json!(true)));
        assert_eq!(
            sentences(&paths[0])[..2],
            [
                format!("{from} is let into role/pipeline of account {} by its trust", IDS[0]),
                format!("role/pipeline can assume role/deploy of account {}", IDS[1]),
            ]
        );
        assert_eq!(paths[0]["steps"][0]["needs"], json!(["sts:AssumeRoleWithWebIdentity by trust of role/pipeline, Ci"]));
        assert_eq!(sentences(&paths[0]).len(), 4, "and on to the vault's administrator");
    }
    // A whole account, a role of it, and a service.
    for (who, from) in [
        ("999988887777", "999988887777"),
        ("arn:aws:iam::999988887777:role/sync", "arn:aws:iam::999988887777:role/sync"),
        ("arn:aws:sts::999988887777:assumed-role/sync/jo", "arn:aws:sts::999988887777:assumed-role/sync/jo"),
        ("lambda.amazonaws.com", "lambda.amazonaws.com"),
    ] {
        let paths = data(&estate, &["paths", "--who", who, "--to", "arn:aws:s3:::ledger"]);
        assert!(!paths.is_empty() && paths.iter().all(|p| p["from"].as_str().unwrap().starts_with(from)), "{who}: {paths:?}");
        assert_eq!(sentences(&paths[0]).last().unwrap(), &"role/keeper can s3:GetObject on arn:aws:s3:::ledger/*");
    }
    // Among everyone: pipelines and foreign accounts, and services only at the role that lets them in.
    let outsiders = |args: &[&str]| -> BTreeSet<String> {
        let all = data(&estate, args).into_iter().filter(|p| p["outsider"] == true);
        all.map(|p| p["from"].as_str().unwrap().to_owned()).collect()
    };
    let partner = "role/sync of 999988887777";
    assert_eq!(outsiders(&["paths"]), BTreeSet::from([GITHUB.to_owned(), partner.to_owned()]));
    assert_eq!(outsiders(&["paths", "--to", "role/keeper"]), BTreeSet::from([GITHUB.to_owned(), partner.to_owned()]));
    let at_the_door = outsiders(&["paths", "--to", "role/pipeline"]);
    assert_eq!(at_the_door, BTreeSet::from([GITHUB.to_owned(), "lambda.amazonaws.com".to_owned(), partner.to_owned()]));
    // All simple ways of everyone: the shortest of each among them, and more.
    let (shortest, all) =
        (data(&estate, &["paths", "--to", "role/keeper"]), data(&estate, &["paths", "--all", "--to", "role/keeper"]));
    assert!(shortest.iter().all(|p| all.contains(p)) && all.len() >= shortest.len(), "{} {}", shortest.len(), all.len());
    let of = |from: &str, paths: &[Value]| paths.iter().filter(|p| p["from"] == from).count();
    assert_eq!(of(GITHUB, &shortest), 1);
    // The one statement that keeps it out is its own trust.
    let cut = &data(&estate, &["paths", "--cuts", "--who", "repo:acme/app:x", "--to", "role/pipeline"])[0];
    assert_eq!(
        (&cut["policy"], &cut["cuts_off_outside"]),
        (&json!("trust of role/pipeline"), &json!([GITHUB, "repo:acme/app:x"]))
    );
    let text = run(&estate, &["paths", "--cuts"]);
    assert!(text.contains("cuts off 4 of 4, and 2 from outside"), "{text}");
    // What is lost with it is what is lost with the role that lets it in.
    let blast: Value = serde_json::from_str(&run(&estate, &["--json", "blast", "repo:acme/app:x"])).unwrap();
    assert_eq!((&blast["outsiders"], &blast["accounts"][0]["everything_in"]), (&json!(["repo:acme/app:x"]), &json!([IDS[2]])));
    let (role, of_role): (&Value, Value) =
        (&blast["accounts"][0], serde_json::from_str(&run(&estate, &["--json", "blast", "role/pipeline"])).unwrap());
    for field in ["actions", "other_accounts", "by_service"] {
        assert_eq!(role[field], of_role[field], "{field}");
    }

    let engine = Engine::default();
    let ask = |question: &str| {
        let answer = engine.ask(&estate, question).unwrap();
        serde_json::to_value(&answer.detail).unwrap()["sections"].to_string()
    };
    let become_it = ask("can repo:acme/app:ref:refs/heads/main become administrator");
    for says in [
        "Yes, in 4 steps",
        "is let into role/pipeline of build by its trust",
        "sts:AssumeRoleWithWebIdentity by trust of role/pipeline, Ci",
    ] {
        assert!(become_it.contains(says), "{says}: {become_it}");
    }
    assert!(ask("can 999988887777 become role/break-glass").contains("Yes, in 4 steps"));
    let keeper = ask("who can become role/keeper");
    assert!(keeper.contains("From outside") && keeper.contains(GITHUB) && keeper.contains(partner), "{keeper}");
    let reach = ask("who can reach arn:aws:s3:::ledger");
    assert!(reach.contains("From outside") && reach.contains(GITHUB), "{reach}");
    assert!(!reach.contains("lambda.amazonaws.com"), "services run everywhere: {reach}");
    let blast = ask("blast repo:acme/app:x");
    assert!(blast.contains("Everything in 1 other account: vault.") && blast.contains("Roles that let it in"), "{blast}");
    // Whoever is of an account that was read is none of those outside, and a name that is mistyped is nobody's.
    for name in [IDS[0], "arn:aws:iam::111122223333:user/nosuch"] {
        let read = engine.ask(&estate, &format!("blast {name}")).unwrap_err();
        assert!(read.contains("account 111122223333 was read: name one of its users or roles"), "{read}");
    }
    // Who is neither known nor let in is said to be neither.
    let nobody = engine.ask(&estate, "blast repo:umbra/x").unwrap_err();
    assert!(nobody.contains("nothing lets \"repo:umbra/x\" in from outside."), "{nobody}");
}

#[test]
fn the_judgement_counts_ways_through_other_accounts() {
    let mut estate = story();
    let now = "2026-03-14T03:07:00Z".parse().unwrap();
    let judged = |estate: &Estate| judge(estate, &Engine::default(), &Settings::default(), now, &Cancel::new()).unwrap();
    let found = judged(&estate);
    let power = |of: &bartizan::work::judge::Judged, arn: &str| of.standings.principals[arn].power;
    assert_eq!(power(&found, DEV), Power::CanBecome);
    let finding = |of: &bartizan::work::judge::Judged| {
        of.findings.iter().find(|f| f.control == "iam-escalation" && f.resource.id == DEV).cloned()
    };
    let told = finding(&found).unwrap();
    assert_eq!(told.account, IDS[0]);
    assert!(
        told.description.contains("role/deploy can assume role/keeper of vault; then role/keeper can change"),
        "{}",
        told.description
    );
    let keys: BTreeSet<_> = found.findings.iter().map(|f| f.key).collect();
    assert_eq!(keys.len(), found.findings.len(), "nobody is told twice");
    // A resource control policy over the vault that keeps the shop out ends it for all but the keeper.
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalAccount": IDS[1]}}});
    let organization = estate.organization.as_mut().unwrap();
    organization.controls[1].policies.push(control("perimeter", &[deny], &[IDS[2]]));
    let guarded = estate.clone();
    let found = judged(&guarded);
    assert_eq!(power(&found, DEV), Power::Ordinary);
    assert_eq!(power(&found, "arn:aws:iam::777788889999:role/keeper"), Power::CanBecome);
    assert_eq!(finding(&found), None);
    // An external id that nobody knows leaves it open.
    let mut estate = story();
    let mut vault = (**estate.identity(IDS[2]).unwrap()).clone();
    let trust = &mut vault.roles[0].assume_role_policy_document;
    let mut asked: Value = serde_json::from_str(&trust.0).unwrap();
    asked["Statement"][0]["Condition"] = json!({"StringEquals": {"sts:ExternalId": "x"}});
    trust.0 = asked.to_string();
    estate.put_identity(vault);
    let found = judged(&estate);
    assert_eq!((power(&found, DEV), finding(&found)), (Power::MayBecome, None));
    let path = &data(&estate, &["paths", "--who", "user/dev"])[0];
    assert_eq!(path["certain"], false);
    assert!(sentences(path)[2].ends_with(&format!("role/keeper of account {}, under conditions", IDS[2])));
}

/// An account that changes is compiled anew, and what rests on it with it; one that does not is kept.
#[test]
fn an_answer_follows_the_estate() {
    let mut estate = story();
    let engine = Engine::default();
    let can = |estate: &Estate| {
        let answer = engine.ask(estate, "can user/dev become administrator").unwrap();
        serde_json::to_value(&answer.detail).unwrap()["sections"][0]["body"].to_string()
    };
    assert!(can(&estate).contains("Yes, in 4 steps"));
    assert!(engine.is_warm(&estate, DEV), "every account on the way is compiled");
    let mut shop = (**estate.identity(IDS[1]).unwrap()).clone();
    shop.roles[0].assume_role_policy_document = Document(document(&[]).to_string());
    estate.put_identity(shop);
    assert!(can(&estate).contains("No: there is no way"));
}
