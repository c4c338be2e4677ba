//! The command line, through the built program: every command on the demo, its files and exit codes, and every bad input
//! with what is said about it. What needs AWS talks to loopback only.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bartizan::aws::permissions::calls;
use bartizan::catalog::ListingId;
use bartizan::model::estate;
use serde_json::{Value, json};
use support::{Cloud, Fault, Rule};

/// One run of the program.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// A home of its own for the program, with nothing of the caller's environment.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.env_clear().env("HOME", self.path()).env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
        command
    }
    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(&[], args)
    }
    fn run_with(&self, env: &[(&str, String)], args: &[&str]) -> Ran {
        ran(self.command().envs(env.iter().cloned()).args(args))
    }
    /// Every file below, with its bytes.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
            for path in fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path()) {
                if path.is_dir() { walk(&path, into) } else { into.push((path.clone(), fs::read(&path).unwrap())) }
            }
        }
        let mut all = Vec::new();
        walk(self.path(), &mut all);
        all.sort();
        all
    }
}

fn ran(command: &mut Command) -> Ran {
    let done = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code().unwrap_or(-1), out: text(done.stdout), err: text(done.stderr) }
}

impl Ran {
    /// It did all it was asked and printed this.
    fn done(self) -> String {
        assert_eq!(self.code, 0, "{}", self.err);
        self.out
    }
    /// It failed with this code, printed no data, and said each of these.
    fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.out, "", "no data where there is none");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not said: {}", self.err);
        }
        assert!(!self.err.contains("panicked") && !self.err.contains('\u{1b}'), "{}", self.err);
    }
    fn json(self) -> Vec<Value> {
        serde_json::from_str(&self.done()).unwrap()
    }
}

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Every file of findings that the project carries.
const DATA: [&str; 8] = [
    "event.json",
    "prowler-3.json",
    "prowler.asff.json",
    "prowler.csv",
    "prowler.ocsf.json",
    "security-hub.json",
    "security-hub.ndjson",
    "security-lake.ocsf.ndjson",
];

#[test]
fn every_listing_prints_in_every_format() {
    let home = Home::new();
    for listing in ListingId::ALL.map(ListingId::get) {
        let list = |more: &[&str]| {
            let mut args = vec!["list", listing.name, "--from", "demo", "--limit", "7"];
            args.extend_from_slice(more);
            home.run(&args)
        };
        let names: Vec<&str> = listing.schema.iter().map(|(_, f)| f.name).collect();
        let rows = list(&["-o", "json"]).json();
        if listing.id == ListingId::Decisions {
            assert!(rows.is_empty(), "nothing is decided in the demo");
            continue;
        }
        assert!(!rows.is_empty() && rows.len() <= 7, "{}", listing.name);
        for row in &rows {
            let fields: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(fields, names, "{}: the fields are the schema's", listing.name);
            assert!(row["id"].as_str().is_some_and(|id| !id.is_empty()), "{row}");
            if !matches!(listing.id, ListingId::Accounts | ListingId::Queues) {
                assert!(row["account"].as_str().is_some_and(|a| !a.is_empty()), "{}: {row}", listing.name);
            }
            if let Some(region) = row.get("region").filter(|r| !r.is_null()) {
                assert!(region.as_str().unwrap().split('-').count() >= 3, "{row}");
            }
        }
        let lines = list(&["-o", "ndjson"]).done();
        let each: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let ids = |rows: &[Value]| rows.iter().map(|r| r["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&each), ids(&rows), "{}: the same rows in the same order", listing.name);
        let text = list(&["-o", "csv"]).done();
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(csv.headers().unwrap().iter().collect::<Vec<_>>(), names);
        let at = names.iter().position(|n| *n == "id").unwrap();
        let cells: Vec<Value> = csv.records().map(|r| r.unwrap()[at].into()).collect();
        assert_eq!(cells, ids(&rows));
        let table = list(&[]).done();
        let shown: Vec<&str> = listing.columns.iter().filter(|c| c.shown).map(|c| listing.schema.get(c.field).title).collect();
        let head = table.lines().next().unwrap();
        assert!(shown.iter().all(|title| head.contains(title)), "{head}");
        assert_eq!(table.lines().count(), rows.len() + 1);
        assert!(!table.contains('\u{1b}'));
    }
}

#[test]
fn regions_stand_in_rows_of_regional_things() {
    let home = Home::new();
    for listing in ["findings", "vpcs", "subnets", "security-groups", "interfaces", "nodes"] {
        for row in home.run(&["list", listing, "--from", "demo", "-o", "json", "--limit", "50"]).json() {
            assert!(row["region"].is_string(), "{listing}: {row}");
        }
    }
}

#[test]
fn rows_are_filtered_sorted_chosen_and_limited() {
    let home = Home::new();
    let list = |args: &[&str]| {
        let mut all = vec!["list", "findings", "--from", "demo", "-o", "json"];
        all.extend_from_slice(args);
        home.run(&all).json()
    };
    let all = list(&[]);
    // What is judged of the estate stands beside what was reported.
    let judged = all.iter().filter(|r| r["source"] == serde_json::json!(["bartizan"])).count();
    assert!(judged > 100, "{judged}");
    assert_eq!(all.len(), 5000 + judged);
    let bad = list(&[
        "--filter",
        "severity>=high status:new",
        "--sort",
        "title,severity:desc",
        "--columns",
        "id,title,severity,status",
    ]);
    let wanted = |row: &&Value| ["HIGH", "CRITICAL"].contains(&row["severity"].as_str().unwrap()) && row["status"] == "NEW";
    let want: BTreeSet<&str> = all.iter().filter(wanted).map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(bad.iter().map(|r| r["id"].as_str().unwrap()).collect::<BTreeSet<_>>(), want);
    assert!(!want.is_empty() && want.len() < all.len());
    assert_eq!(bad[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "title", "severity", "status"]);
    let order: Vec<(String, bool)> =
        bad.iter().map(|r| (r["title"].as_str().unwrap().to_lowercase(), r["severity"] != "CRITICAL")).collect();
    assert!(order.is_sorted(), "by title, then worst first");
    let few =
        list(&["--filter", "severity>=high status:new", "--sort", "title,severity:desc", "--limit", "3", "--columns", "id"]);
    assert_eq!(few.iter().map(|r| &r["id"]).collect::<Vec<_>>(), bad.iter().take(3).map(|r| &r["id"]).collect::<Vec<_>>());
    assert_eq!(few[0].as_object().unwrap().len(), 1);
    let none = home.run(&["list", "findings", "--from", "demo", "--filter", "title:no-such-title-anywhere"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "No findings match.\n"));
    assert_eq!(list(&["--filter", "title:no-such-title-anywhere"]), Vec::<Value>::new());
}

#[test]
fn one_thing_of_each_listing_is_shown_in_full() {
    let home = Home::new();
    for listing in ListingId::ALL.map(ListingId::get) {
        let row = home.run(&["list", listing.name, "--from", "demo", "-o", "json", "--limit", "1", "--columns", "id"]).json();
        if listing.id == ListingId::Decisions {
            assert!(row.is_empty(), "nothing is decided in the demo");
            continue;
        }
        let id = row[0]["id"].as_str().unwrap().to_owned();
        let text = home.run(&["show", &id, "--from", "demo"]).done();
        assert!(text.lines().count() > 3 && !text.contains('\u{1b}'), "{}: {text}", listing.name);
        if matches!(listing.id, ListingId::Findings | ListingId::Principals | ListingId::Vpcs) {
            let raw = home.run(&["show", &id, "--from", "demo", "-o", "json"]).done();
            let documents: Vec<Value> =
                serde_json::Deserializer::from_str(&raw).into_iter::<Value>().map(|d| d.unwrap()).collect();
            assert!(!documents.is_empty() && raw.contains(id.rsplit('/').next().unwrap()), "{raw}");
        }
    }
    home.run(&["show", "i-no-such-thing", "--from", "demo"])
        .failed(1, &["nothing has the id or ARN \"i-no-such-thing\"", "bartizan list"]);
}

#[test]
fn permissions_name_exactly_what_is_called() {
    let home = Home::new();
    let declared: BTreeSet<String> = calls().iter().map(|c| c.action.to_owned()).collect();
    let actions = |policy: &Value| -> BTreeSet<String> {
        let statements = policy["Statement"].as_array().unwrap().iter();
        let all = statements.flat_map(|s| match &s["Action"] {
            Value::Array(list) => list.clone(),
            one => vec![one.clone()],
        });
        all.map(|a| a.as_str().unwrap().to_owned()).collect()
    };
    let policy: Value = serde_json::from_str(&home.run(&["permissions"]).done()).unwrap();
    assert_eq!(actions(&policy), declared);
    let entering = policy["Statement"].as_array().unwrap().iter().find(|s| s["Action"] == "sts:AssumeRole").unwrap();
    assert_eq!(entering["Resource"], "arn:aws:iam::*:role/OrganizationAccountAccessRole");
    let own: Value =
        serde_json::from_str(&home.run(&["permissions", "--role", "audit", "--partition", "aws-cn"]).done()).unwrap();
    assert!(own.to_string().contains("arn:aws-cn:iam::*:role/audit"));
    let member: Value = serde_json::from_str(&home.run(&["permissions", "member"]).done()).unwrap();
    let member = actions(&member);
    assert!(
        member.is_subset(&declared) && !member.contains("sts:AssumeRole") && member.contains("ec2:DescribeVpcs"),
        "{member:?}"
    );
    let trust = ["--trust", "123456789012", "--role", "audit", "--external-id", "x-1"];
    let template = |what: &str| home.run(&[&["permissions", what][..], &trust].concat()).done();
    for text in [template("cloudformation"), template("terraform")] {
        for word in ["audit", "arn:aws:iam::123456789012:root", "x-1", "sts:ExternalId"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let missing: Vec<_> = member.iter().filter(|action| !text.contains(action.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    home.run(&["permissions", "terraform"]).failed(1, &["--trust"]);
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let home = Home::new();
    let commands = [
        "demo",
        "collect",
        "import",
        "list",
        "show",
        "triage",
        "report",
        "ledger",
        "push",
        "iam",
        "net",
        "permissions",
        "completions",
        "man",
    ];
    let mut texts = vec![home.run(&["man"]).done()];
    texts.extend(["bash", "zsh", "fish"].map(|shell| home.run(&["completions", shell]).done()));
    for text in texts {
        for command in commands {
            assert!(text.contains(command), "{command}");
        }
    }
    assert!(home.run(&["--help"]).done().contains("Usage: bartizan"));
    assert_eq!(home.run(&["--version"]).done(), concat!("bartizan ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_wrong_line_is_code_2_and_says_what_is_right() {
    let home = Home::new();
    home.run(&["list", "finding"]).failed(2, &["findings", "principals", "possible values"]);
    home.run(&["lst"]).failed(2, &["'lst'", "list"]);
    home.run(&["list", "findings", "-o", "xml"]).failed(2, &["table", "json", "csv", "ndjson"]);
    home.run(&["collect"]).failed(2, &["--out"]);
    home.run(&["import"]).failed(2, &["FILE"]);
    home.run(&["show"]).failed(2, &["ID"]);
    home.run(&["completions", "tcl"]).failed(2, &["bash"]);
    assert!(home.files().is_empty(), "nothing was written for it");
}

#[test]
fn a_filter_with_an_unknown_field_points_at_it() {
    let home = Home::new();
    let ran = home.run(&["list", "findings", "--from", "demo", "--filter", "severity>=high sevrity:low"]);
    ran.failed(1, &["column 16", "sevrity", "severity", "  severity>=high sevrity:low\n"]);
    let caret = ran.err.lines().find(|l| l.trim() == "^").unwrap();
    assert_eq!(caret.len(), 2 + 16, "under the field");
    home.run(&["list", "findings", "--from", "demo", "--sort", "nothing"]).failed(1, &["nothing", "severity", "title"]);
    home.run(&["list", "findings", "--from", "demo", "--columns", "nothing"]).failed(1, &["nothing", "severity", "title"]);
    home.run(&["list", "findings", "--from", "demo", "--filter", "(severity:low"]).failed(1, &["column"]);
}

#[test]
fn a_configuration_with_an_unknown_key_names_its_place() {
    let home = Home::new();
    let config = home.file("bad.toml", "theme = \"dark\"\n\n[aws]\n  regoins = [\"eu-west-1\"]\n");
    let config = config.to_str().unwrap();
    home.run(&["list", "accounts", "--from", "demo", "--config", config])
        .failed(1, &["bad.toml", "line 4, column 3", "regoins", "did you mean", "regions"]);
    home.run(&["list", "accounts", "--from", "demo", "--config", "/no/such/config.toml"]).failed(1, &["/no/such/config.toml"]);
    // The one in its usual place is read without being named.
    home.file(".config/bartizan/config.toml", "read_onyl = true\n");
    home.run(&["list", "accounts", "--from", "demo"]).failed(1, &["line 1, column 1", "read_only"]);
}

// ---- files

#[test]
fn the_demo_collected_into_a_file_lists_the_same() {
    let home = Home::new();
    let out = home.path().join("demo.json.zst");
    let out = out.to_str().unwrap();
    let ran = home.run(&["collect", "--from", "demo", "--out", out]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let (estate, findings) = estate::read(fs::File::open(out).unwrap()).unwrap();
    let judged = findings.iter().filter(|f| f.source.name == "bartizan").count();
    assert_eq!((estate.accounts.len(), findings.len()), (24, 5000 + judged));
    assert!(ran.err.contains(&format!("24 accounts, 4 regions, 5,{judged} findings")), "{}", ran.err);
    for listing in ["accounts", "principals", "interfaces", "sessions"] {
        let rows = |from: &str| -> BTreeSet<String> {
            let rows = home.run(&["list", listing, "--from", from, "-o", "json", "--columns", "id"]).json();
            rows.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(rows(out), rows("demo"), "{listing}");
    }
    // A file that was changed, cut or is something else says so.
    let bytes = fs::read(out).unwrap();
    let cut = home.file("cut.json.zst", &bytes[..bytes.len() / 2]);
    home.run(&["list", "accounts", "--from", cut.to_str().unwrap()]).failed(1, &["cut.json.zst"]);
    home.run(&["list", "accounts", "--from", "/no/such/estate"]).failed(1, &["/no/such/estate"]);
    let empty = home.file("empty.json.zst", "");
    home.run(&["list", "accounts", "--from", empty.to_str().unwrap()]).failed(1, &["empty.json.zst"]);
    let refused = home.run(&["collect", "--from", "demo", "--out", "/no/such/folder/x.zst"]);
    refused.failed(1, &["/no/such/folder/x.zst", "because"]);
}

#[test]
fn files_of_findings_are_imported_into_a_file_and_looked_at_as_they_are() {
    let home = Home::new();
    for name in DATA {
        let out = home.path().join(format!("{name}.zst"));
        let ran = home.run(&["import", &data(name), "--out", out.to_str().unwrap()]);
        // A record that cannot be read is told with its place; the rest is there.
        let broken = ran.err.contains("could not be read");
        assert_eq!(ran.code, if broken { 3 } else { 0 }, "{name}: {}", ran.err);
        assert!(ran.out.is_empty() && ran.err.contains(name), "{}", ran.err);
        let (_, findings) = estate::read(fs::File::open(&out).unwrap()).unwrap();
        assert!(!findings.is_empty(), "{name}");
        let ids = |from: &str| -> Vec<String> {
            let rows = home.run(&["list", "findings", "--from", from, "-o", "json", "--columns", "id", "--sort", "id"]).json();
            rows.iter().map(|r| r["id"].as_str().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(ids(out.to_str().unwrap()), ids(&data(name)), "{name}: opened directly, it is the same");
    }
    assert!(!home.path().join(".cache").exists(), "--out leaves the cache alone");
}

#[test]
fn an_import_into_the_cache_is_known_the_second_time_and_a_broken_file_changes_nothing() {
    let home = Home::new();
    let env = [("AWS_PROFILE", "team".to_owned())];
    let all: Vec<String> = DATA.iter().map(|name| data(name)).collect();
    let mut args = vec!["import"];
    args.extend(all.iter().map(String::as_str));
    let first = home.run_with(&env, &args);
    assert!([0, 3].contains(&first.code), "{}", first.err);
    let added = |ran: &Ran| ran.err.lines().last().unwrap().to_owned();
    assert!(added(&first).ends_with("0 known already") && !added(&first).starts_with("0 new"), "{}", first.err);
    let again = home.run_with(&env, &args);
    assert!(added(&again).starts_with("0 new, 0 changed, "), "{}", again.err);
    #[cfg(unix)]
    for (path, _) in home.files() {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let before = home.files();
    let inside = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = inside.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write("good.json", &fs::read(data("security-hub.json")).unwrap());
    for (broken, words) in [
        (write("empty.json", b""), ["empty", "nothing was imported"]),
        (write("noise.bin", &[0, 159, 146, 150, 255, 7]), ["noise.bin", "nothing was imported"]),
        (write("other.json", b"{\"hello\": 1}"), ["other.json", "nothing was imported"]),
        ("/no/such/file.json".to_owned(), ["/no/such/file.json", "nothing was imported"]),
    ] {
        home.run_with(&env, &["import", &good, &broken]).failed(1, &words);
        assert_eq!(home.files(), before, "{broken}");
    }
    // One that was cut off gives what is whole in it, here nothing, and says where it ends.
    let half = write("half.json", &fs::read(data("security-hub.json")).unwrap()[..900]);
    let cut = home.run_with(&env, &["import", &half]);
    assert_eq!((cut.code, added(&cut).as_str()), (3, "0 new, 0 changed, 0 known already"), "{}", cut.err);
    assert!(cut.err.contains("half.json: record 1 at line 3, column 9: ") && cut.err.contains("cut off"), "{}", cut.err);
}

#[test]
fn a_cache_of_a_newer_version_is_left_alone() {
    let home = Home::new();
    let env = [("AWS_PROFILE", "team".to_owned())];
    assert_eq!(home.run_with(&env, &["import", &data("security-hub.json")]).code, 0);
    let meta = home.path().join(".cache/bartizan/team/meta.json");
    let mut text: Value = serde_json::from_slice(&fs::read(&meta).unwrap()).unwrap();
    text["format"] = json!(999);
    fs::write(&meta, text.to_string()).unwrap();
    let before = home.files();
    home.run_with(&env, &["import", &data("prowler.csv")]).failed(1, &["newer bartizan", "999", "update bartizan"]);
    assert_eq!(home.files(), before);
}

#[cfg(unix)]
#[test]
fn a_cache_that_cannot_be_written_says_so_and_what_to_do() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let home = Home::new();
    // A file where the directory should be: nobody can write below it.
    home.file("cache", "not a directory");
    let cache = home.path().join("cache").to_str().unwrap().to_owned();
    let import = ["import", &data("security-hub.json")];
    home.run_with(&[("XDG_CACHE_HOME", cache)], &import).failed(1, &["could not", "Not a directory", "XDG_CACHE_HOME"]);

    let kept = home.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o555)).unwrap();
    let root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let mut command = home.command();
    if root {
        // Root may write everywhere, so it looks through the eyes of someone else, who can reach the program.
        let copy = home.path().join("bartizan");
        fs::copy(env!("CARGO_BIN_EXE_bartizan"), &copy).unwrap();
        let file = home.file("findings.json", fs::read(data("security-hub.json")).unwrap());
        for (path, mode) in [(home.path().to_owned(), 0o755), (copy.clone(), 0o755), (file.clone(), 0o644)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        command = Command::new(&copy);
        command.env_clear().uid(65_534).gid(65_534).current_dir("/").args(["import", file.to_str().unwrap()]);
    } else {
        command.args(import);
    }
    let ran = ran(command.env("HOME", home.path()).env("XDG_CACHE_HOME", &kept));
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o755)).unwrap();
    ran.failed(1, &["could not make", "XDG_CACHE_HOME"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_what_was_there_and_says_so() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    let env = [("AWS_PROFILE", "team".to_owned())];
    assert_eq!(home.run_with(&env, &["import", &data("security-hub.json")]).code, 0);
    // `/dev/full` answers every write as a full disk does; here, where a region's findings are to go.
    let log = home.path().join(".cache/bartizan/team/findings/111122223333.eu-north-1.0.log");
    symlink("/dev/full", &log).unwrap();
    let kept = home.run_with(&env, &["list", "findings", "--from", &data("security-hub.json"), "-o", "json"]).json();
    let ran = home.run_with(&env, &["import", &data("prowler.csv")]);
    ran.failed(1, &["free some space", "eu-north-1"]);
    // With space again, all of it comes in, and what was there before is still known.
    fs::remove_file(&log).unwrap();
    assert_eq!(home.run_with(&env, &["import", &data("prowler.csv")]).code, 0);
    let again = home.run_with(&env, &["import", &data("security-hub.json")]);
    assert!(again.err.ends_with(&format!("0 new, 0 changed, {} known already\n", kept.len())), "{}", again.err);
    // The same for the file of a collection.
    let out = home.path().join("x.zst");
    symlink("/dev/full", home.path().join("x.zst.part")).unwrap();
    home.run(&["collect", "--from", "demo", "--out", out.to_str().unwrap()]).failed(1, &["x.zst", "No space left"]);
    assert!(!out.exists());
}

// ---- the way to AWS

/// A loopback address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn without_credentials_it_says_how_to_get_some() {
    let home = Home::new();
    home.run_with(&[("AWS_ENDPOINT_URL", nobody())], &["list", "accounts"])
        .failed(1, &["no AWS credentials", "AWS_PROFILE", "aws configure", "bartizan demo"]);
    assert!(home.run(&["collect", "--out", home.path().join("x").to_str().unwrap()]).code == 1);
    assert!(!home.path().join("x").exists());
}

/// Where something answers at the instance's metadata address but gives no credentials.
#[test]
fn a_machine_without_a_role_has_no_credentials() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metadata = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = std::io::Read::read(&mut stream, &mut [0; 4_096]);
            let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = std::io::Write::write_all(&mut stream, refusal);
        }
    });
    let environment = [
        ("AWS_ENDPOINT_URL", nobody()),
        ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata),
    ];
    let ran = Home::new().run_with(&environment, &["list", "accounts"]);
    ran.failed(1, &["no AWS credentials", "instance role", "bartizan demo"]);
}

#[test]
fn an_expired_sso_token_names_the_command_that_renews_it() {
    let home = Home::new();
    home.file(
        ".aws/config",
        "[profile corp]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = ReadOnly\nregion = eu-west-1\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n\
         [profile hop]\nrole_arn = arn:aws:iam::444455556666:role/Hop\nsource_profile = corp\n",
    );
    // Never logged in, then a token that ran out (named by the SHA-1 of the session's name).
    home.run(&["list", "accounts", "-p", "corp"]).failed(1, &["corp", "aws sso login --profile corp"]);
    let token = json!({"startUrl": "https://example.awsapps.com/start", "region": "eu-west-1", "accessToken": "old-token", "expiresAt": "2020-01-01T00:00:00Z"});
    let name = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
    home.file(&format!(".aws/sso/cache/{name}.json"), token.to_string());
    for profile in ["corp", "hop"] {
        let ran = home.run_with(&[("AWS_ENDPOINT_URL", nobody())], &["list", "accounts", "-p", profile]);
        ran.failed(1, &["has expired or never began", "aws sso login --profile corp"]);
        assert!(!ran.err.contains("old-token"), "{}", ran.err);
    }
    let chosen = home.run_with(&[("AWS_PROFILE", "corp".to_owned())], &["list", "accounts"]);
    chosen.failed(1, &["aws sso login --profile corp"]);
}

#[test]
fn an_unknown_profile_names_the_nearest() {
    let home = Home::new();
    home.file(".aws/config", "[profile production]\nregion = eu-west-1\n[profile staging]\nregion = eu-west-1\n");
    home.run(&["list", "accounts", "-p", "prodution"])
        .failed(1, &["no profile \"prodution\"", "did you mean production?", "there are: production, staging"]);
    home.run_with(&[("AWS_PROFILE", "stagin".to_owned())], &["list", "accounts"]).failed(1, &["did you mean staging?"]);
}

#[test]
fn an_unreachable_endpoint_is_named() {
    let home = Home::new();
    let nobody = nobody();
    let env = [
        ("AWS_ENDPOINT_URL", nobody.clone()),
        ("AWS_ACCESS_KEY_ID", "AKIDTEST".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "s3cr3t-of-the-test".to_owned()),
        ("AWS_REGION", "eu-west-1".to_owned()),
    ];
    let ran = home.run_with(&env, &["list", "accounts"]);
    ran.failed(1, &["could not reach AWS at", &nobody, "check the network"]);
    assert!(!ran.err.contains("s3cr3t"), "{}", ran.err);
    // The option does the same as the environment.
    let ran = home.run_with(&env[1..], &["list", "accounts", "--endpoint-url", &nobody]);
    ran.failed(1, &["could not reach AWS at", &nobody]);
}

#[test]
fn what_the_cloud_refuses_is_told_and_no_secret_leaves() {
    const SECRET: &str = "wJalrXUtnFEMI-the-secret-of-this-test";
    const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN-of-this-test";
    let cloud = Cloud::with(support::Options { managed_policies: false });
    let home = Home::new();
    let mut env = cloud.environment("eu-west-1");
    for (name, value) in &mut env {
        if *name == "AWS_SECRET_ACCESS_KEY" {
            *value = SECRET.to_owned();
        }
    }
    env.push(("AWS_SESSION_TOKEN", TOKEN.to_owned()));
    env.push(("BARTIZAN_LOG", "trace".to_owned()));
    let mut said = String::new();
    let mut list = |args: &[&str]| {
        let ran = home.run_with(&env, args);
        said.push_str(&ran.out);
        said.push_str(&ran.err);
        ran
    };

    list(&["list", "vpcs", "-r", "eu-wset-1"]).failed(1, &["no region \"eu-wset-1\"", "did you mean eu-west-1?", "us-east-1"]);

    // All is well: the rows, and the caller first on standard error.
    let whole = list(&["list", "vpcs", "-o", "json"]);
    assert!(whole.err.starts_with("arn:aws:"), "{}", whole.err);
    let rows = whole.json();
    assert!(rows.iter().all(|r| r["region"] == "eu-west-1" && r["account"] == cloud.management()), "{rows:?}");

    // One refused question: the rest is printed, the code is 3, standard error names it.
    cloud.fault(Rule::new(Fault::AccessDenied).action("DescribeSubnets"));
    let part = list(&["list", "vpcs", "-o", "json"]);
    assert_eq!(part.code, 3, "{}", part.err);
    assert!(part.err.contains("denied: 123456789012 eu-west-1 ec2:DescribeSubnets: "), "{}", part.err);
    assert!(part.err.contains("bartizan permissions"), "{}", part.err);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&part.out).unwrap().len(), rows.len());
    cloud.heal_all();

    // An organisation one may not list.
    cloud.fault(Rule::new(Fault::AccessDenied).service("organizations"));
    let alone = list(&["list", "accounts", "-o", "json"]);
    assert_eq!(alone.code, 3, "{}", alone.err);
    assert!(alone.err.contains("Only account 123456789012 is read: "), "{}", alone.err);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&alone.out).unwrap()[0]["id"], cloud.management());
    cloud.heal_all();

    // Credentials at their end, and ones that AWS does not take.
    cloud.fault(Rule::new(Fault::ExpiredCredentials));
    list(&["list", "vpcs"]).failed(1, &["have expired", "renew them"]);
    cloud.heal_all();
    cloud.fault(Rule::new(Fault::AccessDenied).service("sts"));
    list(&["list", "vpcs"]).failed(1, &["AWS refused sts:GetCallerIdentity"]);
    cloud.heal_all();

    let out = home.path().join("estate.json.zst");
    let collected = list(&["collect", "--out", out.to_str().unwrap()]);
    assert_eq!(collected.code, 0, "{}", collected.err);
    let unpacked = zstd::decode_all(fs::File::open(&out).unwrap()).unwrap();
    let log = home.files().into_iter().find(|(path, _)| path.ends_with("bartizan.log")).expect("there is a log");
    assert!(log.1.len() > 1000, "the log has something to leak");
    for (name, bytes) in home.files().into_iter().chain([("said".into(), said.into_bytes()), ("estate".into(), unpacked)]) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{} holds a secret", name.display());
    }
}
