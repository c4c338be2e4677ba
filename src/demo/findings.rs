//! Findings by index: every fact of the `n`-th follows from `n` and the time alone, so that a million need no memory
//! until somebody asks for them. Even indexes tell what is true of the estate, as long as there is such; the others
//! tell of events, flaws in software, and resources that only findings know.

use jiff::Timestamp;

use crate::demo::accounts::{REFUSED, REGIONS, SEATS, SUSPENDED, seconds};
use crate::demo::facts::Facts;
use crate::demo::kinds::{Class, Kind, Source};
use crate::demo::random::{Random, hex, label, mix, uuid};
use crate::model::arn::ResourceRef;
use crate::model::finding::{Compliance, Finding, FindingKey, RecordState, Severity, SourceRef, Status, Verdict};

/// From here on indexes tell of nothing that stands in the estate, which is too small to be named that often.
const DEEP: usize = 20_000;
/// From here on made-up resources are numbered.
const NUMBERED: usize = 5_000;

const WORDS: [&str; 28] = [
    "raw-events",
    "exports",
    "invoices",
    "images",
    "uploads",
    "reports",
    "logs",
    "backups",
    "artifacts",
    "sessions",
    "orders",
    "catalog",
    "search",
    "metrics",
    "audit",
    "tokens",
    "mailer",
    "webhooks",
    "ledger",
    "refunds",
    "pricing",
    "ingest",
    "archive",
    "static",
    "profiles",
    "gateway",
    "scheduler",
    "partners",
];

/// Kinds to draw from, by severity; the last lane's checks passed.
#[derive(Default)]
struct Lanes {
    by_severity: [Vec<u16>; 5],
}

pub(super) struct Generator {
    kinds: Vec<Kind>,
    facts: Facts,
    /// Targets of each class that stands in the estate.
    standing: Vec<Vec<u32>>,
    near: Lanes,
    deep: Lanes,
    /// Accounts as often as findings turn up in them.
    accounts: Vec<u8>,
}

/// What an index decides first.
pub(super) struct Draw {
    kind: u16,
    account: u8,
    region: u8,
    target: Option<u32>,
    passed: bool,
    random: Random,
}

/// Regions as often as they are used.
const WHERE: [u8; 10] = [0, 0, 0, 0, 0, 1, 1, 2, 2, 3];

impl Generator {
    pub(super) fn new(kinds: Vec<Kind>, facts: Facts) -> Self {
        let mut standing = vec![Vec::new(); Class::Policy as usize + 1];
        for (n, target) in facts.targets.iter().enumerate() {
            standing[target.class as usize].push(n as u32);
        }
        let (mut near, mut deep) = (Lanes::default(), Lanes::default());
        for (n, kind) in kinds.iter().enumerate() {
            // Checks of things that stand in the estate are facts, never drawn.
            if kind.class.in_estate() && kind.source.checks()
                || kind.source == Source::AccessAnalyzer && kind.class == Class::Role
            {
                continue;
            }
            let lane = if kind.source.checks() { &[kind.severity, Severity::Informational][..] } else { &[kind.severity][..] };
            for severity in lane {
                let times = if kind.source == Source::GuardDuty { 1 } else { 2 };
                for _ in 0..times {
                    near.by_severity[usize::from(severity.rank())].push(n as u16);
                    if !kind.class.in_estate() {
                        deep.by_severity[usize::from(severity.rank())].push(n as u16);
                    }
                }
            }
        }
        let often = |n: usize| match SEATS[n].unit {
            _ if n == SUSPENDED => 0,
            _ if n == REFUSED => 1,
            "Workloads/Production" => 5,
            "Workloads/NonProduction" => 4,
            "Sandbox" => 3,
            _ => 2,
        };
        let accounts = (0..SEATS.len()).flat_map(|n| std::iter::repeat_n(n as u8, often(n))).collect();
        Self { kinds, facts, standing, near, deep, accounts }
    }

    /// The cheap part: kind, place and target.
    pub(super) fn draw(&self, n: usize) -> Draw {
        let mut random = Random::new(n as u64 ^ 0x00ba_2712_a4ac_3e00);
        if n.is_multiple_of(2)
            && let Some(fact) = self.facts.facts.get(n / 2)
        {
            let target = &self.facts.targets[fact.target as usize];
            let (account, region) = (target.account, target.region);
            return Draw { kind: fact.kind, account, region, target: Some(fact.target), passed: false, random };
        }
        // Of a hundred: 2 critical, 12 high, 40 medium, 27 low, the rest are checks that passed.
        let severity = match random.below(100) {
            0..2 => Severity::Critical,
            2..14 => Severity::High,
            14..54 => Severity::Medium,
            54..81 => Severity::Low,
            _ => Severity::Informational,
        };
        let lanes = if n < DEEP { &self.near } else { &self.deep };
        let kind = random.pick(&lanes.by_severity[usize::from(severity.rank())]);
        let class = self.kinds[usize::from(kind)].class;
        let passed = severity == Severity::Informational;
        if class.in_estate() {
            let target = random.pick(&self.standing[class as usize]);
            let at = &self.facts.targets[target as usize];
            return Draw { kind, account: at.account, region: at.region, target: Some(target), passed, random };
        }
        let account = random.pick(&self.accounts);
        let region = if class.global() { 0 } else { random.pick(&WHERE) };
        // Security Hub is not enabled there.
        let dark = (SEATS[usize::from(account)].name, REGIONS[usize::from(region)]) == ("backup", "ap-southeast-2");
        Draw { kind, account, region: if dark { 0 } else { region }, target: None, passed, random }
    }

    pub(super) fn place(&self, draw: &Draw) -> (&'static str, &'static str) {
        (SEATS[usize::from(draw.account)].id, REGIONS[usize::from(draw.region)])
    }
    pub(super) fn kind(&self, draw: &Draw) -> &Kind {
        &self.kinds[usize::from(draw.kind)]
    }

    /// The finding without its document, as it stands at `now`.
    pub(super) fn finding(&self, n: usize, now: Timestamp) -> Finding {
        let mut draw = self.draw(n);
        // Newer ones are more: the cube keeps a ninth within the last day, and the oldest at two years.
        let unit = draw.random.unit();
        let age = 120 + (unit * unit * unit * 730.0 * 86_400.0) as u64;
        self.aged(n, draw, now, age)
    }

    /// The finding as one that was first seen `age` seconds ago.
    pub(super) fn aged(&self, n: usize, mut draw: Draw, now: Timestamp, age: u64) -> Finding {
        let kind = self.kind(&draw);
        let (account, region) = self.place(&draw);
        let random = &mut draw.random;
        let percent = random.below(100);
        let record = if percent % 17 == 3 && age > 86_400 { RecordState::Archived } else { RecordState::Active };
        let status = match percent {
            _ if draw.passed => {
                if percent < 90 {
                    Status::Resolved
                } else {
                    Status::New
                }
            }
            _ if age < 7200 => Status::New,
            0..78 => Status::New,
            78..87 => Status::Notified,
            87..95 => Status::Resolved,
            _ => Status::Suppressed,
        };
        let settled = status == Status::Resolved || record == RecordState::Archived;
        let within = if settled { age } else { age.min(64_800) };
        let updated = random.below(within as usize) as u64;
        let compliance = kind.source.checks().then(|| match random.below(100) {
            _ if draw.passed => Compliance::Passed,
            0..97 => Compliance::Failed,
            97 | 98 => Compliance::Warning,
            _ => Compliance::NotAvailable,
        });
        let looked_at = if kind.source == Source::GuardDuty { 18 } else { 2 };
        let verdict = (random.below(100) < looked_at)
            .then(|| random.pick(&[Verdict::TruePositive, Verdict::FalsePositive, Verdict::BenignPositive, Verdict::Unknown]));
        let twin = !kind.twin.is_empty() && random.below(100) < if draw.target.is_some() { 30 } else { 8 };
        let resource = match draw.target {
            Some(target) => ResourceRef::new(self.facts.targets[target as usize].id.as_str(), kind.class.kind()),
            None => ResourceRef::new(made(n, kind, account, region, usize::from(draw.account), random), kind.class.kind()),
        };
        let id = source_id(kind, account, region, random, &resource.id);
        let short = resource.short();
        let title = match kind.title.split_once("{}") {
            Some((before, after)) => [before, short, after].concat(),
            None => kind.title.to_owned(),
        };
        let named = if kind.class == Class::Account { "the account" } else { short };
        let (lead, seat) =
            (if draw.passed { "The check passed on " } else { " Found on " }, SEATS[usize::from(draw.account)].name);
        let description = [if draw.passed { "" } else { kind.why }, lead, named, " in ", seat, "."].concat();
        let also = if twin {
            let mut id = ["prowler-", kind.twin, "-", account, "-", region, "-"].concat();
            hex(&mut id, label(&resource.id));
            vec![SourceRef { name: Source::Prowler.name().to_owned(), id }]
        } else {
            Vec::new()
        };
        Finding {
            key: key(kind, account, region, &id, &resource.id),
            source: SourceRef { name: kind.source.name().to_owned(), id },
            also,
            account: account.to_owned(),
            region: region.to_owned(),
            control: kind.control.to_owned(),
            title,
            description,
            severity: if draw.passed { Severity::Informational } else { kind.severity },
            status,
            record,
            compliance,
            verdict,
            resource,
            others: Vec::new(),
            types: vec![category(kind)],
            already: false,
            first_seen: seconds(now, age),
            updated: seconds(now, updated),
            remediation: kind.fix.to_owned(),
            remediation_url: guide(kind),
            document: String::new(),
        }
    }
}

/// The product's ARN in a region.
pub(super) fn product_arn(source: Source, region: &str) -> String {
    ["arn:aws:securityhub:", region, "::product/", source.product()].concat()
}

/// As the importers decide identity (`docs/findings.md`): product ARN and id; for Prowler, whose ids repeat, account,
/// region, check and resource.
fn key(kind: &Kind, account: &str, region: &str, id: &str, resource: &str) -> FindingKey {
    match kind.source {
        Source::Prowler => FindingKey::of(&["prowler", account, region, kind.control, resource]),
        source => FindingKey::of(&["asff", &product_arn(source, region), id]),
    }
}

/// The id that the product gives a finding.
fn source_id(kind: &Kind, account: &str, region: &str, random: &mut Random, resource: &str) -> String {
    let (a, b) = (random.next(), random.next());
    let mut id = String::with_capacity(128);
    match kind.source {
        Source::SecurityHub => {
            for part in ["arn:aws:securityhub:", region, ":", account, ":security-control/", kind.control, "/finding/"] {
                id.push_str(part);
            }
            uuid(&mut id, a, b);
            return id;
        }
        Source::GuardDuty => {
            id.push_str(&detector(account, region));
            id.push_str("/finding/");
        }
        Source::Inspector => id.push_str(&["arn:aws:inspector2:", region, ":", account, ":finding/"].concat()),
        Source::Macie => id.push_str(&["arn:aws:macie2:", region, ":", account, ":finding/"].concat()),
        Source::AccessAnalyzer => {
            id.push_str(&["arn:aws:access-analyzer:", region, ":", account, ":analyzer/acme-organization/finding/"].concat());
            uuid(&mut id, a, b);
            return id;
        }
        Source::Prowler => {
            id.push_str(&["prowler-", kind.control, "-", account, "-", region, "-"].concat());
            hex(&mut id, label(resource));
            return id;
        }
    }
    hex(&mut id, a);
    hex(&mut id, b);
    id
}

/// The GuardDuty detector of an account in a region.
pub(super) fn detector(account: &str, region: &str) -> String {
    let mut arn = ["arn:aws:guardduty:", region, ":", account, ":detector/"].concat();
    let n = label(account) ^ label(region);
    hex(&mut arn, n);
    hex(&mut arn, mix(n));
    arn
}

/// ASFF's finding type.
fn category(kind: &Kind) -> String {
    match kind.source {
        Source::SecurityHub => "Software and Configuration Checks/Industry and Regulatory Standards".to_owned(),
        Source::Inspector => "Software and Configuration Checks/Vulnerabilities/CVE".to_owned(),
        Source::AccessAnalyzer => {
            "Software and Configuration Checks/AWS Security Best Practices/External Access Granted".to_owned()
        }
        Source::Prowler => "Software and Configuration Checks".to_owned(),
        Source::GuardDuty => {
            let purpose = kind.control.split(':').next().unwrap_or_default();
            let tactic = match purpose {
                "Recon" | "Discovery" => "Discovery",
                "CredentialAccess" => "Credential Access",
                "DefenseEvasion" | "Stealth" => "Defense Evasion",
                "Persistence" => "Persistence",
                "Execution" => "Execution",
                "Backdoor" | "Trojan" => "Command and Control",
                _ => "Initial Access",
            };
            ["TTPs/", tactic, "/", &kind.control.replacen('/', "-", 1)].concat()
        }
        Source::Macie => {
            let group =
                if kind.control.starts_with("Policy") { "Effects/Data Exposure/" } else { "Sensitive Data Identifications/PII/" };
            [group, kind.control].concat()
        }
    }
}

/// Where to read more.
fn guide(kind: &Kind) -> String {
    match kind.source {
        Source::SecurityHub => ["https://docs.aws.amazon.com/console/securityhub/", kind.control, "/remediation"].concat(),
        Source::Prowler => ["https://hub.prowler.com/check/", kind.control].concat(),
        Source::Inspector => ["https://nvd.nist.gov/vuln/detail/", kind.control].concat(),
        Source::GuardDuty => "https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-active.html".to_owned(),
        Source::Macie => "https://docs.aws.amazon.com/macie/latest/user/findings-types.html".to_owned(),
        Source::AccessAnalyzer => "https://docs.aws.amazon.com/IAM/latest/UserGuide/what-is-access-analyzer.html".to_owned(),
    }
}

/// The ARN of a resource that only findings know.
fn made(n: usize, kind: &Kind, account: &str, region: &str, seat: usize, random: &mut Random) -> String {
    let seat = &SEATS[seat];
    let word = random.pick(&WORDS);
    let number = random.next();
    let mut name = String::with_capacity(96);
    match kind.class {
        Class::Key | Class::Certificate => uuid(&mut name, number, mix(number)),
        Class::Volume | Class::Files => {
            name.push_str(if kind.class == Class::Volume { "vol-0" } else { "fs-0" });
            hex(&mut name, number);
        }
        Class::Distribution | Class::Stage => {
            let digits = if kind.class == Class::Stage {
                b"abcdefghij0123456789klmnopqrstuv"
            } else {
                b"ABCDEFGHIJ0123456789KLMNOPQRSTUV"
            };
            name.push_str(if kind.class == Class::Stage { "" } else { "EXAMPLE" });
            name.extend((0..10).map(|place| char::from(digits[(number >> (place * 5)) as usize & 31])));
        }
        _ => {
            // Bucket names are the world's; the others need to be unique in the account only.
            name.push_str(if kind.class == Class::Bucket { seat.name } else { seat.app });
            name.push_str(if matches!(kind.class, Class::Image | Class::Repository | Class::Secret) { "/" } else { "-" });
            name.push_str(word);
            // Prowler's findings are told apart by their resource, so it must be one of its own.
            if n >= NUMBERED || kind.source == Source::Prowler {
                name.push('-');
                name.push_str(itoa(n, &mut [0; 20]));
            }
            if kind.class == Class::Image {
                name.push_str("/sha256:");
                let digest = mix(number >> 56);
                (0..4).for_each(|part| hex(&mut name, mix(digest ^ part)));
            }
        }
    }
    let mut arn = String::with_capacity(160);
    arn.push_str("arn:aws:");
    let mut rest = kind.class.shape();
    while let Some((before, after)) = rest.split_once('{') {
        arn.push_str(before);
        arn.push_str(match after.as_bytes().first() {
            Some(b'R') => region,
            Some(b'A') => account,
            _ => &name,
        });
        rest = after.get(2..).unwrap_or_default();
    }
    arn.push_str(rest);
    arn
}

/// Decimal digits without the machinery of `format!`, which shows at a million findings.
fn itoa(mut n: usize, buffer: &mut [u8; 20]) -> &str {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 || at == 0 {
            break;
        }
    }
    std::str::from_utf8(&buffer[at..]).unwrap_or_default()
}
