//! One million rows through the listing engine, against the budgets of the design: memory, loading, filtering, sorting,
//! grouping. A plain program: it prints what was measured, the budget, and the median and 95th percentile.
//!
//! Rows are synthetic and the same on every run: 96 segments (24 accounts in 4 regions), ids and ARNs of real shape.
//! "cold" is the first query after a change of segments, which also works out what later ones share.
//! Run with `cargo bench --bench listing`; `BARTIZAN_BENCH_ROWS` sets another number of rows. On a busy machine
//! `BARTIZAN_BENCH_PROCESSOR=1 taskset -c 0 cargo bench --bench listing` measures the processor time of one thread instead
//! of the wall clock: what one core alone would need.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan::listing::filter::parse;
use bartizan::listing::index::Index;
use bartizan::listing::query::{Cancel, GroupBy, Query, Sort, facets, run};
use bartizan::listing::schema::{Field, FieldId, Kind, Schema};
use bartizan::listing::segment::{Segment, SegmentBuilder};

const NOW: i64 = 1_790_000_000;
const ROUNDS: usize = 15;
const FIELDS: [&str; 12] =
    ["id", "resource", "account", "region", "control", "title", "owner", "severity", "status", "age", "updated", "sources"];

fn schema() -> Arc<Schema> {
    let field = |name: &'static str| Field {
        name,
        title: name,
        kind: match name {
            "id" | "resource" => Kind::Text,
            "severity" => Kind::Rank(&["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"]),
            "status" => Kind::Rank(&["NEW", "NOTIFIED", "SUPPRESSED", "RESOLVED"]),
            "age" => Kind::Age,
            "updated" => Kind::Time,
            "sources" => Kind::Set,
            _ => Kind::Keyword,
        },
        aliases: &[],
        also: &[],
        natural: false,
        search: matches!(name, "id" | "resource" | "account" | "control" | "title" | "owner"),
        help: "",
    };
    Arc::new(Schema::new(FIELDS.iter().map(|name| field(name)).collect()))
}

/// A small generator of numbers, the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn build(schema: &Arc<Schema>, total: usize) -> Vec<(String, Segment)> {
    let mut random = Random(42);
    let subjects = [
        "Security groups",
        "S3 buckets",
        "IAM roles",
        "RDS instances",
        "Lambda functions",
        "EBS volumes",
        "KMS keys",
        "CloudTrail trails",
    ];
    let verbs = ["should not allow", "should have", "should be configured with", "must not use", "should enforce"];
    let objects = [
        "unrestricted ingress to port",
        "encryption at rest with policy",
        "public read access level",
        "logging to destination",
        "automatic rotation of tier",
    ];
    let titles: Vec<String> =
        (0..2000).map(|n| format!("{} {} {} {}", subjects[n % 8], verbs[n / 8 % 5], objects[n / 40 % 5], n / 200 + 22)).collect();
    let names = ["payments-prod", "data-lake", "edge", "identity", "sandbox", "logs"];
    let mut segments = Vec::new();
    for place in 0..96usize {
        let (account, region) =
            (100_000_000_000 + place as u64 / 4 * 7_919, ["eu-west-1", "us-east-1", "eu-central-1", "ap-southeast-2"][place % 4]);
        let name = format!("{}-{}", names[place / 4 % 6], place / 24);
        let mut builder = SegmentBuilder::new(schema.clone());
        let rows = total * (place + 1) / 96 - total * place / 96;
        for _ in 0..rows {
            let title = random.below(2000) as usize;
            let control =
                format!("{}.{}", ["EC2", "S3", "IAM", "RDS", "Lambda", "EC2", "KMS", "CloudTrail"][title % 8], title / 8 + 1);
            let (a, b) = (random.next(), random.next());
            let uuid = format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
                a >> 32,
                a >> 16 & 0xffff,
                a & 0xfff,
                b >> 48 & 0xfff,
                b & 0xffff_ffff_ffff
            );
            let id = format!("arn:aws:securityhub:{region}:{account}:security-control/{control}/finding/{uuid}");
            let (c, d) = (random.below(4), random.below(1 << 34));
            let resource = match title % 8 {
                0 => format!("arn:aws:ec2:{region}:{account}:security-group/sg-0{d:016x}"),
                1 => format!("arn:aws:s3:::{name}-bucket-{}", d % 4000),
                2 => format!("arn:aws:iam::{account}:role/service-role/Deploy{c}Role{}", d % 9000),
                3 => format!("arn:aws:rds:{region}:{account}:db:orders-{}", d % 3000),
                4 => format!("arn:aws:lambda:{region}:{account}:function:handler-{}-{c}", d % 9000),
                5 => format!("arn:aws:ec2:{region}:{account}:volume/vol-0{d:016x}"),
                6 => format!("arn:aws:kms:{region}:{account}:key/{uuid}"),
                _ => format!("arn:aws:cloudtrail:{region}:{account}:trail/trail-{}", d % 20),
            };
            let owner = format!("team-{}", title % 37);
            let created = NOW - random.below(86_400 * 400) as i64;
            builder
                .text(FieldId(0), &id)
                .text(FieldId(1), &resource)
                .keyword(FieldId(2), &name)
                .keyword(FieldId(3), region)
                .keyword(FieldId(4), &control)
                .keyword(FieldId(5), &titles[title])
                .keyword(FieldId(6), if title.is_multiple_of(37) { "" } else { &owner })
                .rank(FieldId(7), [0, 1, 1, 2, 2, 2, 3, 3, 4, 1][random.below(10) as usize])
                .rank(FieldId(8), [0, 0, 0, 1, 2, 3][random.below(6) as usize])
                .time(FieldId(9), created)
                .time(FieldId(10), created + random.below((NOW - created) as u64 + 1) as i64)
                .set(FieldId(11), ["securityhub", "prowler", "guardduty"].into_iter().take(random.below(3) as usize + 1));
            builder.push(random.next(), random.below(1 << 40));
        }
        segments.push((format!("{account}/{region}"), builder.finish()));
    }
    segments
}

fn index(schema: &Arc<Schema>, segments: &[(String, Arc<Segment>)]) -> Index {
    Index::new(schema.clone()).with_all(segments.iter().map(|(name, segment)| (name.as_str(), segment.clone())))
}

fn report(what: &str, budget: Option<u64>, times: &mut [Duration]) {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, p95) = (ms(times[times.len() / 2]), ms(times[(times.len() * 95).div_ceil(100) - 1]));
    let verdict = match budget {
        Some(budget) if p95 > budget as f64 => "OVER",
        Some(_) => "ok",
        None => "",
    };
    let budget = budget.map_or("-".to_owned(), |budget| format!("{budget} ms"));
    println!("{what:<52} {budget:>8} {:>9.2} {median:>9.2} {p95:>9.2}  {verdict}", ms(times[0]));
}

/// The main thread's time on a processor, when `BARTIZAN_BENCH_PROCESSOR` asks for it and the system tells.
fn processor_time() -> Option<Duration> {
    std::env::var_os("BARTIZAN_BENCH_PROCESSOR")?;
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn timed<T>(rounds: usize, mut work: impl FnMut() -> T) -> Vec<Duration> {
    (0..rounds)
        .map(|_| {
            let (start, processor) = (Instant::now(), processor_time());
            black_box(work());
            match (processor, processor_time()) {
                (Some(before), Some(after)) => after - before,
                _ => start.elapsed(),
            }
        })
        .collect()
}

fn main() {
    let total = std::env::var("BARTIZAN_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let schema = schema();
    println!("{:<52} {:>8} {:>9} {:>9} {:>9}", format!("{total} rows, 96 segments"), "budget", "best ms", "median", "p95");

    let mut built = Vec::new();
    report("build, row by row", None, &mut timed(1, || built = build(&schema, total)));
    let mut stored: Vec<(String, Vec<u8>)> = Vec::new();
    report(
        "to bytes",
        None,
        &mut timed(1, || {
            stored = built.iter().map(|(name, segment)| (name.clone(), segment.to_bytes())).collect();
        }),
    );
    drop(built);
    let mut segments: Vec<(String, Arc<Segment>)> = Vec::new();
    let load = || {
        stored.iter().map(|(name, bytes)| (name.clone(), Arc::new(Segment::from_bytes(schema.clone(), bytes).unwrap()))).collect()
    };
    report("from bytes, all segments", Some(1000), &mut timed(5, || segments = load()));
    let bytes: usize = stored.iter().map(|(_, bytes)| bytes.len()).sum();
    drop(stored);
    println!("stored form: {} MB; columns in memory: {} MB", bytes >> 20, index(&schema, &segments).memory() >> 20);

    let ask = |index: &Index, filter: &str, sort: &[(&str, bool)], group: Option<GroupBy>| {
        let sort = sort.iter().map(|(name, descending)| Sort { field: schema.field(name).unwrap(), descending: *descending });
        let query = Query { filter: parse(filter, &schema, NOW).unwrap(), sort: sort.collect(), group, now: NOW };
        run(index, &query, &Cancel::new()).unwrap()
    };
    let severest: &[(&str, bool)] = &[("severity", true), ("age", false)];
    report("cold: all rows, severity then age", None, &mut timed(5, || ask(&index(&schema, &segments), "", severest, None)));

    let warm = index(&schema, &segments);
    ask(&warm, "", severest, None);
    let typed = [
        "severity>=high",
        "status:new severity:critical",
        "account:prod",
        "account:payments-prod-0 region:eu-west-1",
        "age<7d",
        "updated>2026-06-01 !owner:none",
        "title:*port*",
        "control:S3.1,IAM.4",
        "sources:prowler severity>=medium",
        "owner:none or severity:low",
    ];
    let kinds = [
        ("typed", 16, &typed[..]),
        (
            "substring",
            33,
            &[
                "\"0a41\"",
                "resource:sg-0",
                "id:finding/00f",
                "resource:role/service-role/deploy",
                "resource:*bucket-1??",
                "\"e\"",
                "resource=arn:aws:s3:::edge-0-bucket-7",
            ][..],
        ),
        ("free word", 33, &["encryption", "paymnts", "bucket", "0a4f", "rotaton", "zzzz", "a"][..]),
        (
            "combined",
            33,
            &[
                "severity>=high status:new account:prod bucket",
                "severity:critical 0a41 !title:port",
                "(encryption or rotation) age<30d resource:key/",
            ][..],
        ),
    ];
    for (name, budget, filters) in kinds {
        let mut all = Vec::new();
        for filter in filters {
            ask(&warm, filter, severest, None);
            let mut times = timed(ROUNDS, || ask(&warm, filter, severest, None));
            all.extend(times.iter().copied());
            let rows = ask(&warm, filter, severest, None).ids.len();
            report(&format!("  {filter} ({rows})"), Some(budget), &mut times);
        }
        report(&format!("filter key to new rows, {name}: all"), Some(budget), &mut all);
    }

    for (name, (_, field)) in FIELDS.iter().zip(schema.iter()) {
        let budget = if field.kind == Kind::Text { 300 } else { 100 };
        let mut cold: Vec<Duration> = (0..3)
            .map(|_| {
                let index = index(&schema, &segments);
                timed(1, || ask(&index, "", &[(name, false)], None))[0]
            })
            .collect();
        report(&format!("sort all rows by {name}, cold"), Some(budget), &mut cold);
        report(&format!("sort all rows by {name}, again"), Some(budget), &mut timed(5, || ask(&warm, "", &[(name, true)], None)));
    }
    for name in ["title", "account", "owner", "sources", "resource"] {
        let by = GroupBy { field: schema.field(name).unwrap(), oldest: schema.field("age"), worst: schema.field("severity") };
        ask(&warm, "", severest, Some(by));
        report(&format!("group all rows by {name}, in order"), None, &mut timed(5, || ask(&warm, "", severest, Some(by))));
    }
    let severity = schema.field("severity").unwrap();
    let new = parse("status:new", &schema, NOW).unwrap();
    report("count severities of new rows", None, &mut timed(ROUNDS, || facets(&warm, &new, severity)));
    let key = warm.key(ask(&warm, "", severest, None).ids[total / 2]).unwrap();
    report("find a row by key", None, &mut timed(ROUNDS, || warm.find(key)));
    println!("columns and all that was worked out: {} MB", warm.memory() >> 20);
    if let Some(resident) = resident() {
        println!("resident now: {resident} MB");
    }
}

/// What the process holds in memory, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb >> 10)
}
