//! Figures of the IAM engine against DESIGN's budgets. The account is `$BARTIZAN_SAMPLES/iam/account-1000-roles.json.zst`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr, reason = "a bench prints")]

use std::time::Instant;

use bartizan::iam::account::Account;
use bartizan::iam::evaluate::{ActionName, Caller, Compiled, Context, Decision, Layers, Request, Resource, decide};
use bartizan::iam::facts::facts;
use bartizan::iam::graph::{Graph, Power, Target};
use bartizan::iam::lint::{Kind, lint};
use bartizan::iam::policy::Policy;
use bartizan::iam::read;

fn main() {
    let at = Instant::now();
    let count = facts().action_count();
    println!("facts: index of {count} actions in {:.1} ms", at.elapsed().as_secs_f64() * 1e3);
    let at = Instant::now();
    let services = facts().services().count();
    println!("facts: all {services} services read in {:.1} ms", at.elapsed().as_secs_f64() * 1e3);
    evaluations();
    let Ok(samples) = std::env::var("BARTIZAN_SAMPLES") else {
        println!("graph: skipped, BARTIZAN_SAMPLES is not set");
        return;
    };
    let packed = std::fs::read(format!("{samples}/iam/account-1000-roles.json.zst")).unwrap();
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let at = Instant::now();
    let identity = read::authorization_details(&text).unwrap();
    println!("file: {} MB read in {:.0} ms", text.len() >> 20, at.elapsed().as_secs_f64() * 1e3);
    let mut times = Vec::new();
    for _ in 0..5 {
        let whole = Instant::now();
        let at = Instant::now();
        let account = Account::read(&identity);
        let compiled = at.elapsed();
        let at = Instant::now();
        let graph = Graph::new(&account);
        let built = at.elapsed();
        let at = Instant::now();
        let powers = graph.powers();
        let reach = powers.iter().filter(|p| **p >= Power::CanBecome).count();
        let routes = graph.escalations().iter().flatten().count();
        let paths = at.elapsed();
        times.push(whole.elapsed().as_secs_f64() * 1e3);
        println!(
            "graph: {} principals, {} policies, {} edges; {} administrators, {reach} are or can become one, {routes} shortest paths; compile {:.0} ms, edges {:.0} ms, paths {:.0} ms",
            account.principals.len(),
            account.policies.len(),
            graph.edges().len(),
            powers.iter().filter(|p| **p == Power::Administrator).count(),
            compiled.as_secs_f64() * 1e3,
            built.as_secs_f64() * 1e3,
            paths.as_secs_f64() * 1e3,
        );
    }
    times.sort_by(f64::total_cmp);
    println!("graph: median of 5 {:.0} ms (budget 1,000; principalmapper-0ca 759,000)", times[2]);
    let documents: Vec<&str> = identity.policies.iter().filter_map(|p| p.default_document()).map(|d| d.0.as_str()).collect();
    let at = Instant::now();
    let lints: usize = documents.iter().map(|d| lint(d, Kind::Managed).len()).sum();
    println!(
        "lint: {} policies, {lints} messages in {:.0} ms (parliament 9,800)",
        documents.len(),
        at.elapsed().as_secs_f64() * 1e3
    );
    let account = Account::read(&identity);
    let graph = Graph::new(&account);
    let at = Instant::now();
    let cuts = graph.cuts(&Target::Administrator, 5);
    println!(
        "cuts: best frees {} principals, {:.0} ms",
        cuts.first().map_or(0, |c| c.freed.len()),
        at.elapsed().as_secs_f64() * 1e3
    );
    let at = Instant::now();
    let (paths, more) = graph.paths(None, &Target::Administrator, 1000);
    println!("paths: {} simple paths (more: {more}) in {:.0} ms", paths.len(), at.elapsed().as_secs_f64() * 1e3);
    let at = Instant::now();
    let who = account.who_can("s3:GetObject", "arn:aws:s3:::bucket/key", &Context::new()).unwrap();
    println!("who-can: {} principals in {:.1} ms", who.len(), at.elapsed().as_secs_f64() * 1e3);
}

/// Identity, boundary and two SCP levels, over different actions and resources, as iam-simulate was measured.
fn evaluations() {
    let policy = |name: &str, text: &str| Compiled::new(name, "", Policy::read(text).unwrap());
    let identity = policy(
        "identity",
        r#"{"Version":"2012-10-17","Statement":[
          {"Sid":"Read","Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":["arn:aws:s3:::data-*","arn:aws:s3:::data-*/*"]},
          {"Sid":"Own","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"},
          {"Sid":"Queue","Effect":"Allow","Action":["sqs:SendMessage","sqs:ReceiveMessage"],"Resource":"arn:aws:sqs:*:111122223333:jobs-*"},
          {"Sid":"No","Effect":"Deny","Action":"*","Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}]}"#,
    );
    let boundary = policy(
        "boundary",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*"],"Resource":"*"}]}"#,
    );
    let full = policy("FullAWSAccess", r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let region = policy(
        "regions",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
          {"Effect":"Deny","NotAction":["iam:*","sts:*","s3:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}}]}"#,
    );
    let scps = [vec![&full], vec![&region]];
    let own = [&identity];
    let layers = Layers { identity: &own, boundary: Some(&boundary), scps: &scps, ..Layers::default() };
    let caller = Caller::new("arn:aws:iam::111122223333:user/jo");
    let context = Context::complete().with("aws:MultiFactorAuthPresent", ["true"]).with("aws:RequestedRegion", ["eu-west-1"]);
    let actions = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListBucket",
        "sqs:SendMessage",
        "sqs:DeleteQueue",
        "iam:CreateUser",
        "ec2:RunInstances",
    ]
    .map(ActionName::new);
    let resources: Vec<Resource> = [
        "arn:aws:s3:::data-1/key",
        "arn:aws:s3:::home/jo/x",
        "arn:aws:s3:::other",
        "arn:aws:sqs:eu-west-1:111122223333:jobs-1",
        "*",
    ]
    .into_iter()
    .map(|r| Resource::new(r).in_account("111122223333"))
    .collect();
    let (mut done, mut allowed) = (0u64, 0u64);
    let at = Instant::now();
    while at.elapsed().as_millis() < 1_500 {
        for _ in 0..200 {
            for action in &actions {
                for resource in &resources {
                    let request = Request { caller: &caller, action, resource, context: &context };
                    allowed += u64::from(decide(std::hint::black_box(&request), &layers) == Decision::Allowed);
                    done += 1;
                }
            }
        }
    }
    let a_second = done as f64 / at.elapsed().as_secs_f64();
    println!("evaluate: {a_second:.0} a second on one core, {allowed} of {done} allowed (budget 500,000; iam-simulate 750)");
}
