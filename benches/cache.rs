//! The cache and the findings store at size: 1,000,000 findings in 96 segments. Prints what was measured beside its
//! budget. `BARTIZAN_BENCH_FINDINGS` sets another number. Opening is measured in a process of its own, on files that were
//! put out of the page cache where the system does that (Linux), so that time and memory are those of a first start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan::cache::Cache;
use bartizan::catalog::ListingId;
use bartizan::listing::index::Index;
use bartizan::model::account::Account;
use bartizan::model::arn::ResourceRef;
use bartizan::model::finding::{Compliance, Finding, FindingKey, RecordState, Severity, SourceRef, Status};
use bartizan::work::store::{Origin, Store};
use jiff::Timestamp;

const REGIONS: [&str; 4] = ["eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2"];

fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

fn account(n: u64) -> String {
    format!("{:012}", 111_100_000_000 + (n % 24) * 1_111)
}

fn make(n: u64) -> Finding {
    let r = mix(n + 1);
    let (account, region) = (account(n), REGIONS[(n / 24 % 4) as usize]);
    let control = r % 2000;
    let id = format!(
        "arn:aws:securityhub:{region}:{account}:subscription/aws-foundational/v/1.0.0/EC2.{control}/finding/{r:016x}-{n:08x}"
    );
    let seen = Timestamp::from_second(1_700_000_000 + (r >> 20 & 0x3ff_ffff) as i64).unwrap();
    Finding {
        key: FindingKey::of(&["bench", &id]),
        source: SourceRef { name: ["Security Hub", "GuardDuty", "Inspector"][(r >> 8 & 1) as usize].into(), id },
        also: Vec::new(),
        account: account.clone(),
        region: region.into(),
        control: format!("EC2.{control}"),
        title: format!("Control {control}: what should be closed is open to everyone"),
        description: format!(
            "The resource does not meet control {control}: it takes connections from any address, which it need not."
        ),
        severity: Severity::ALL[[4, 3, 3, 2, 2, 2, 2, 1, 1, 1, 0][(r % 11) as usize] as usize],
        status: Status::ALL[[0, 0, 0, 1, 2, 3][(r % 6) as usize] as usize],
        record: RecordState::Active,
        compliance: Some(Compliance::Failed),
        verdict: None,
        resource: ResourceRef::new(
            format!("arn:aws:ec2:{region}:{account}:security-group/sg-{:017x}", r >> 3),
            "AwsEc2SecurityGroup",
        ),
        others: Vec::new(),
        types: vec!["Software and Configuration Checks/Industry and Regulatory Standards".into()],
        already: false,
        first_seen: seen,
        updated: seen,
        remediation: "Close it, or say why it must be open.".into(),
        remediation_url: format!("https://docs.example.com/controls/EC2.{control}/remediation"),
        document: String::new(),
    }
}

fn whole(n: u64) -> Finding {
    let mut f = make(n);
    let (severity, status, resource) = (f.severity, f.status, &f.resource.id);
    f.document = format!(
        r#"{{"SchemaVersion":"2018-10-08","Id":"{id}","ProductArn":"arn:aws:securityhub:{region}::product/aws/securityhub","ProductName":"{source}","CompanyName":"AWS","Region":"{region}","GeneratorId":"aws-foundational/v/1.0.0/{control}","AwsAccountId":"{account}","Types":["Software and Configuration Checks/Industry and Regulatory Standards"],"FirstObservedAt":"{seen}","LastObservedAt":"{seen}","CreatedAt":"{seen}","UpdatedAt":"{seen}","Severity":{{"Product":0,"Label":"{severity}","Normalized":0,"Original":"{severity}"}},"Title":"{title}","Description":"{description}","Remediation":{{"Recommendation":{{"Text":"Close it, or say why it must be open.","Url":"{url}"}}}},"ProductFields":{{"StandardsArn":"arn:aws:securityhub:::standards/aws-foundational/v/1.0.0","ControlId":"{control}","RelatedAWSResources:0/name":"securityhub-{control}-{hash:08x}","RelatedAWSResources:0/type":"AWS::Config::ConfigRule","StandardsControlArn":"arn:aws:securityhub:{region}:{account}:control/aws-foundational/v/1.0.0/{control}","aws/securityhub/ProductName":"Security Hub","aws/securityhub/CompanyName":"AWS","Resources:0/Id":"{resource}"}},"Resources":[{{"Type":"AwsEc2SecurityGroup","Id":"{resource}","Partition":"aws","Region":"{region}","Tags":{{"team":"team-{team}","env":"prod"}},"Details":{{"AwsEc2SecurityGroup":{{"GroupName":"edge-{hash:x}","GroupId":"sg-{hash:017x}","OwnerId":"{account}","VpcId":"vpc-{vpc:017x}","IpPermissions":[{{"IpProtocol":"tcp","FromPort":{port},"ToPort":{port},"IpRanges":[{{"CidrIp":"0.0.0.0/0"}}]}}],"IpPermissionsEgress":[{{"IpProtocol":"-1","IpRanges":[{{"CidrIp":"0.0.0.0/0"}}]}}]}}}}}}],"Compliance":{{"Status":"FAILED","SecurityControlId":"{control}","AssociatedStandards":[{{"StandardsId":"standards/aws-foundational/v/1.0.0"}}]}},"WorkflowState":"NEW","Workflow":{{"Status":"{status}"}},"RecordState":"ACTIVE"}}"#,
        id = f.source.id,
        region = f.region,
        source = f.source.name,
        control = f.control,
        account = f.account,
        seen = f.updated,
        title = f.title,
        description = f.description,
        url = f.remediation_url,
        hash = mix(n) & 0xffff_ffff,
        team = mix(n) % 12,
        vpc = mix(n % 60),
        port = mix(n) % 65_536,
    );
    f
}

fn accounts(id: &str) -> Option<Arc<Account>> {
    Some(Arc::new(Account { name: format!("account-{id}"), ..Account::bare(id) }))
}

fn row(what: &str, budget: &str, measured: &str) {
    println!("{what:<58} {budget:>10} {measured:>14}");
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn median(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 95 / 100])
}

/// Resident memory in MB; 0 where the system does not say.
fn resident(which: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024 / 1_000_000
}

fn bytes(dir: &Path, end: &str) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap()).filter(|e| e.path().to_string_lossy().ends_with(end));
    files.map(|e| e.metadata().unwrap().len()).sum()
}

/// Puts the files out of the page cache.
fn forget(dir: &Path) {
    for path in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            forget(&path);
            continue;
        }
        let file = std::fs::File::open(&path).unwrap();
        file.sync_all().unwrap();
        #[cfg(target_os = "linux")]
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}

/// In a process of its own: opens the cache and says how long it took.
fn open(dir: &Path) {
    let start = Instant::now();
    let cache = Arc::new(Cache::open(dir, Arc::clone(&ListingId::Findings.get().schema)).unwrap());
    let mut first = None;
    let (store, problems) = Store::on(&cache, &accounts, &mut |_: &Index| {
        first.get_or_insert_with(|| start.elapsed());
    });
    let all = start.elapsed();
    assert!(problems.is_empty(), "{problems:?}");
    let (now, peak) = (resident("VmRSS:"), resident("VmHWM:"));
    let index = store.index();
    let ids: Vec<_> = index.ids().collect();
    let mut times = Vec::new();
    for n in 0..400u64 {
        let key = index.key(ids[(mix(n) % ids.len() as u64) as usize]).unwrap();
        let start = Instant::now();
        let finding = store.finding(key).unwrap().unwrap();
        times.push(start.elapsed());
        assert!(!finding.document.is_empty());
    }
    let (middle, most) = median(times);
    let rows = index.rows();
    println!(
        "{} {} {now} {peak} {} {} {rows}",
        first.unwrap().as_micros(),
        all.as_micros(),
        middle.as_micros(),
        most.as_micros()
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--open-cache") {
        return open(Path::new(&arguments[at + 1]));
    }
    let count: u64 = std::env::var("BARTIZAN_BENCH_FINDINGS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    println!("{:<58} {:>10} {:>14}", format!("{count} findings, 96 segments"), "budget", "measured");

    let places: Vec<(String, &str)> = (0..96).map(|n| (account(n), REGIONS[(n / 24 % 4) as usize])).collect();
    let place = |n: u64| (places[(n % 96) as usize].0.as_str(), places[(n % 96) as usize].1);
    let start = Instant::now();
    let generated = Store::generated(count, &place, &make, &accounts, Arc::new(whole));
    row("generated: rows of all", "2000 ms", &ms(start.elapsed()));
    assert_eq!(generated.index().rows() as u64, count);
    drop(generated);

    let scratch = std::env::temp_dir().join(format!("bartizan-bench-cache-{}", std::process::id()));
    let cache = Arc::new(Cache::open(&scratch, Arc::clone(&ListingId::Findings.get().schema)).unwrap());
    let (mut store, _) = Store::on(&cache, &accounts, &mut |_| {});
    let (mut raw, mut spent) = (0, Duration::ZERO);
    // As an import brings them; a sweep's pages of 100 are measured below.
    for from in (0..count).step_by(50_000) {
        let batch: Vec<Finding> = (from..count.min(from + 50_000)).map(whole).collect();
        raw += batch.iter().map(|f| f.document.len() as u64).sum::<u64>();
        let start = Instant::now();
        store.put_all(batch, Origin::Live, &accounts).unwrap();
        spent += start.elapsed();
    }
    row("put, 50,000 at a time", "", &format!("{:.0} /s", count as f64 / spent.as_secs_f64()));
    let mut pages = Vec::new();
    for page in 0..50 {
        let batch: Vec<Finding> = (count + page * 100..count + page * 100 + 100).map(whole).collect();
        let start = Instant::now();
        store.put_all(batch, Origin::Live, &accounts).unwrap();
        pages.push(start.elapsed());
    }
    row("put, a page of 100 new ones over 96 segments: median", "333 ms", &ms(median(pages).0));
    let batch: Vec<Finding> = (0..100).map(|n| Finding { status: Status::Notified, ..whole(n) }).collect();
    let start = Instant::now();
    store.put_all(batch, Origin::Live, &accounts).unwrap();
    row("put, a page of 100 changed ones over 96 segments", "", &ms(start.elapsed()));
    let start = Instant::now();
    store.save().unwrap();
    row("save all 96 segments", "", &ms(start.elapsed()));
    drop(store);
    let findings = scratch.join("findings");
    let (columns, logs) = (bytes(&findings, ".columns"), bytes(&findings, ".log"));
    row("on disk: columns", "", &format!("{} MB", columns / 1_000_000));
    row("on disk: documents", "", &format!("{} MB", logs / 1_000_000));
    row("one document: raw, packed", "", &format!("{} B, {} B", raw / count, logs / count));

    let mut runs: Vec<Vec<u64>> = Vec::new();
    for _ in 0..5 {
        forget(&scratch);
        let run = Command::new(std::env::current_exe().unwrap()).arg("--open-cache").arg(&scratch).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let text = String::from_utf8(run.stdout).unwrap();
        runs.push(text.split_whitespace().map(|n| n.parse().unwrap()).collect());
    }
    let middle = |column: usize| {
        let mut values: Vec<u64> = runs.iter().map(|run| run[column]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    row("cold open: first segment", "150 ms", &format!("{:.1} ms", middle(0) as f64 / 1e3));
    row("cold open: every row in the index", "1000 ms", &format!("{:.1} ms", middle(1) as f64 / 1e3));
    row("resident after it", "350 MB", &format!("{} MB", middle(2)));
    row("resident at most", "", &format!("{} MB", middle(3)));
    row("one finding by key, document read: median", "1 ms", &format!("{} µs", middle(4)));
    row("one finding by key, document read: 95 %", "1 ms", &format!("{} µs", middle(5)));
    std::fs::remove_dir_all(&scratch).unwrap();
}
