//! A team's ledger: twenty consoles on one PostgreSQL, a server that goes away and comes back, passwords and tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, dead_code, reason = "tests")]

#[path = "support/book.rs"]
mod book;
#[path = "support/postgres.rs"]
mod postgres;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bartizan::ledger::address::Address;
use bartizan::ledger::either::AnyStore;
use bartizan::ledger::error::LedgerError;
use bartizan::ledger::handle::{Decided, Ledger, Options};
use bartizan::ledger::local::Keep;
use bartizan::ledger::store::{Store, Token};
use bartizan::ledger::verify::Against;
use bartizan::model::decision::{Decision, EntryId, person};
use bartizan::model::finding::{FindingKey, Severity, Status};
use bartizan::triage::projection::Projection;
use bartizan::triage::rules::same_person;
use book::{Random, all, append, ask, delivered, finding, ledger, note};

#[test]
fn twenty_consoles_decide_two_hundred_times_each() {
    const CONSOLES: u64 = 20;
    const EACH: usize = 200;
    const FINDINGS: u64 = 60;
    let server = postgres::shared();
    let url = server.database();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let root = tempfile::tempdir().unwrap();
        let mut consoles = Vec::new();
        for n in 0..CONSOLES {
            consoles.push(ledger(&url, &root.path().join(n.to_string())).await);
        }
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (n, l) in consoles.iter().cloned().enumerate() {
            tasks.spawn(async move {
                let me = format!("p{n}");
                let arn = book::actor(&me).arn;
                let mut random = Random(n as u64 + 1);
                let mut saved = Vec::new();
                let mut lost_claims = 0;
                while saved.len() < EACH {
                    let f = u128::from(random.below(FINDINGS));
                    let state = l.projection().finding(FindingKey(f)).cloned().unwrap_or_default();
                    let mine = state.claim.as_ref().is_some_and(|c| same_person(&c.by, &arn));
                    let (decision, based_on) = match (&state.claim, random.below(3)) {
                        (None, 0 | 1) => (Decision::Claim, Some(state.last)),
                        (Some(_), 0 | 1) if mine => (Decision::Release, Some(state.last)),
                        _ => (Decision::Note { text: format!("{me} {}", saved.len()) }, None),
                    };
                    let claims = matches!(decision, Decision::Claim);
                    match l.decide(vec![ask(append(&me, finding(f), decision, based_on))]).await.unwrap().remove(0) {
                        Decided::Saved(entry) => saved.push(entry.id),
                        Decided::Conflict { since } => {
                            assert!(!since.is_empty(), "the loser sees who");
                            lost_claims += usize::from(claims);
                        }
                        other => panic!("{other:?}"),
                    }
                }
                (saved, lost_claims)
            });
        }
        let done = tasks.join_all().await;
        let seconds = start.elapsed().as_secs_f64();
        let total = CONSOLES as usize * EACH;
        eprintln!(
            "20 consoles, {total} decisions: {seconds:.1} s, {:.0} entries/s, {} claims lost to another",
            total as f64 / seconds,
            done.iter().map(|d| d.1).sum::<usize>()
        );

        let entries = all(consoles[0].store()).await;
        let ids: HashSet<EntryId> = entries.iter().map(|e| e.id).collect();
        assert_eq!((entries.len(), ids.len()), (total, total), "none lost, none twice");
        assert!(done.iter().flat_map(|d| &d.0).all(|id| ids.contains(id)));
        assert_eq!(entries.last().unwrap().sequence, total as u64, "no gaps");
        // A claim stands only where nobody else's did.
        let mut holders: HashMap<_, &str> = HashMap::new();
        for e in &entries {
            match e.decision {
                Decision::Claim => assert_eq!(holders.insert(&e.subject, person(&e.actor.arn)), None, "entry {}", e.sequence),
                Decision::Release => assert_eq!(holders.remove(&e.subject), Some(person(&e.actor.arn)), "entry {}", e.sequence),
                _ => {}
            }
        }
        let rebuilt = Projection::rebuild(&entries);
        for l in &consoles {
            l.merge().await.unwrap();
            assert_eq!(*l.projection(), rebuilt);
            assert!(l.kept().await.unwrap().is_empty());
        }
        let report = consoles[0].verify(Against::default(), |_| {}).await.unwrap();
        assert_eq!((report.entries, report.fault), (total as u64, None));
        for l in &consoles {
            l.close().await.unwrap();
        }
    });
}

/// Reaches for the ledger until it is back, a bounded number of times.
async fn back(l: &Ledger) -> bartizan::ledger::handle::Merged {
    for _ in 0..20 {
        match l.merge().await {
            Ok(merged) => return merged,
            Err(e) if e.is_offline() => {}
            Err(e) => panic!("{e}"),
        }
    }
    panic!("the ledger did not come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_without_a_connection_are_kept_and_merged_with_conflicts_shown() {
    let server = tokio::task::spawn_blocking(|| Arc::new(postgres::Server::start())).await.unwrap();
    let on_server = async |act: fn(&postgres::Server)| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || act(&server)).await.unwrap();
    };
    let url = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || server.database()
    })
    .await
    .unwrap();
    let root = tempfile::tempdir().unwrap();
    let (mine, theirs) = (root.path().join("mine"), root.path().join("theirs"));
    let l = ledger(&url, &mine).await;
    l.decide(vec![ask(note("jo", 1, "before"))]).await.unwrap();
    let based = |l: &Ledger, n| l.projection().finding(FindingKey(n)).map_or(0, |s| s.last);

    on_server(postgres::Server::stop).await;
    let claim = delivered(append("jo", finding(1), Decision::Claim, Some(based(&l, 1))));
    let id = claim.append.draft.id;
    assert_eq!(l.decide(vec![claim]).await.unwrap(), [Decided::Offline(id)]);
    assert!(l.is_offline());
    let start = Instant::now();
    // A second decision on the same finding, and two on another, which someone else will have claimed meanwhile.
    for (n, decision) in [
        (1, Decision::Severity { severity: Severity::High }),
        (2, Decision::Claim),
        (2, Decision::Status { status: Status::Notified }),
    ] {
        let on = based(&l, n);
        assert!(matches!(
            l.decide(vec![ask(append("jo", finding(n), decision, Some(on)))]).await.unwrap()[0],
            Decided::Offline(_)
        ));
    }
    l.decide(vec![ask(note("jo", 2, "a note goes in whatever stands there"))]).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "while offline, nobody waits for the network");
    let shown = l.projection();
    assert_eq!(shown.finding(FindingKey(1)).unwrap().severity, Some(Severity::High));
    assert_eq!(shown.finding(FindingKey(2)).unwrap().assignee.as_deref(), Some("jo"));
    assert!(l.merge().await.unwrap_err().is_offline());

    // The console is killed and started again while the ledger is still away: all is still shown.
    drop(l);
    let l = ledger(&url, &mine).await;
    assert!(l.is_offline());
    assert_eq!(l.kept().await.unwrap().len(), 5);
    assert_eq!(l.projection().finding(FindingKey(1)).unwrap().severity, Some(Severity::High));

    on_server(postgres::Server::run).await;
    let other = ledger(&url, &theirs).await;
    assert!(matches!(
        other.decide(vec![ask(append("kim", finding(2), Decision::Claim, Some(0)))]).await.unwrap()[0],
        Decided::Saved(_)
    ));
    let merged = back(&l).await;
    assert!(!l.is_offline());
    assert_eq!(
        merged.saved.iter().map(|e| (e.decision.word(), e.subject.clone())).collect::<Vec<_>>(),
        [("claim", finding(1)), ("severity", finding(1)), ("note", finding(2))]
    );
    assert_eq!(merged.conflicts.len(), 2);
    for (draft, since) in &merged.conflicts {
        assert_eq!(draft.subject, finding(2));
        assert_eq!(since.first().map(|e| e.actor.name()), Some("kim"), "both sides are shown");
    }
    assert_eq!(l.projection().finding(FindingKey(2)).unwrap().assignee.as_deref(), Some("kim"));
    assert_eq!(l.local().delivery_counts().await.unwrap().pending, 1, "the merged claim is on its way to Security Hub");
    let kept = l.kept().await.unwrap();
    assert!(kept.iter().all(|k| k.state == Keep::Conflict) && kept.len() == 2);
    // A person lets the claim go, and decides the status anew on top of what they now see.
    assert_eq!(l.resolve(kept[0].ask.append.draft.id, None).await.unwrap(), None);
    let on = based(&l, 2);
    let anew = l.resolve(kept[1].ask.append.draft.id, Some(on)).await.unwrap().unwrap();
    assert!(matches!(anew, Decided::Saved(e) if e.decision == Decision::Status { status: Status::Notified }));
    assert!(l.kept().await.unwrap().is_empty());
    let report = l.verify(Against::default(), |_| {}).await.unwrap();
    assert_eq!((report.entries, report.fault), (6, None));
    assert_eq!(*l.projection(), Projection::rebuild(&all(l.store()).await));

    // A restart of the server between two decisions is not even noticed.
    on_server(postgres::Server::stop).await;
    on_server(postgres::Server::run).await;
    assert!(matches!(l.decide(vec![ask(note("jo", 3, "x"))]).await.unwrap()[0], Decided::Saved(_)));
    drop((l, other));
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_and_tokens() {
    let (server, url) = tokio::task::spawn_blocking(|| {
        let server = postgres::shared();
        let url = server.database();
        (server, url)
    })
    .await
    .unwrap();
    let wrong = url.replace("pa%2Fss%3Aw%40rd", "s3cret");
    let refused = AnyStore::open(&Address::parse(&wrong).unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Refused { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("s3cret"), "{refused}");
    let missing = format!("{url}nowhere");
    let refused = AnyStore::open(&Address::parse(&missing).unwrap(), None).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Refused { .. }), "{refused}");

    // A token instead of a password, asked for once and not for every connection.
    let asked = Arc::new(AtomicU32::new(0));
    let bare = url.replace(":pa%2Fss%3Aw%40rd", "");
    let token: Token = {
        let asked = Arc::clone(&asked);
        Arc::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(postgres::PASSWORD.to_owned()) })
        })
    };
    let s = AnyStore::open(&Address::parse(&bare).unwrap(), Some(token)).await.unwrap();
    s.append(&[note("jo", 1, "x")]).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let failing: Token = Arc::new(|| Box::pin(async { Err("the role has no rds-db:connect".to_owned()) }));
    let refused = AnyStore::open(&Address::parse(&bare).unwrap(), Some(failing)).await.unwrap_err();
    assert!(refused.to_string().contains("rds-db:connect"), "{refused}");
    let directory = tempfile::tempdir().unwrap();
    let options = Options { address: Address::parse(&wrong).unwrap(), directory: directory.path().to_owned(), token: None };
    assert!(matches!(Ledger::open(&options).await.unwrap_err(), LedgerError::Refused { .. }), "a wrong password is not offline");
    s.close().await;
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_never_reached_opens_offline() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("postgres://jo:s3cret@127.0.0.1:{port}/ledger");
    let l = ledger(&url, directory.path()).await;
    assert!(l.is_offline());
    assert!(matches!(l.decide(vec![ask(note("jo", 1, "x"))]).await.unwrap()[0], Decided::Offline(_)));
    assert!(l.history(&finding(1)).await.unwrap_err().is_offline());
    assert!(store_error(&url).await.contains("decisions are kept here"));
}

async fn store_error(url: &str) -> String {
    AnyStore::open(&Address::parse(url).unwrap(), None).await.unwrap_err().to_string()
}

/// Stands between console and server, and falls silent when told to: nothing is refused, nothing arrives.
struct Wire {
    silent: tokio::sync::watch::Sender<bool>,
    port: u16,
}

impl Wire {
    async fn to(server: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silent, watch) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = tokio::net::TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::spawn(Self::pass(near_read, far_write, watch.clone()));
                tokio::spawn(Self::pass(far_read, near_write, watch.clone()));
            }
        });
        Self { silent, port }
    }

    async fn pass(
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
        mut silent: tokio::sync::watch::Receiver<bool>,
    ) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut buffer = [0; 4096];
        while let Ok(n) = from.read(&mut buffer).await {
            if n == 0 || silent.wait_for(|s| !s).await.is_err() || to.write_all(&buffer[..n]).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_falls_silent_is_no_reason_to_wait_or_to_decide_twice() {
    let (server, url) = tokio::task::spawn_blocking(|| {
        let server = postgres::shared();
        let url = server.database();
        (server, url)
    })
    .await
    .unwrap();
    let (before, rest) = url.rsplit_once(':').unwrap();
    let (port, name) = rest.split_once('/').unwrap();
    let wire = Wire::to(port.parse().unwrap()).await;
    let through = format!("{before}:{}/{name}", wire.port);
    let directory = tempfile::tempdir().unwrap();
    let l = ledger(&through, directory.path()).await;
    l.decide(vec![ask(note("jo", 1, "before"))]).await.unwrap();
    wire.silent.send(true).unwrap();
    let start = Instant::now();
    assert!(matches!(
        l.decide(vec![ask(append("jo", finding(2), Decision::Claim, Some(0)))]).await.unwrap()[0],
        Decided::Offline(_)
    ));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    // What was on the line arrives after all, and then it is merged: still once.
    wire.silent.send(false).unwrap();
    back(&l).await;
    let entries = all(l.store()).await;
    assert_eq!(entries.iter().map(|e| e.decision.word()).collect::<Vec<_>>(), ["note", "claim"]);
    assert!(l.kept().await.unwrap().is_empty());
    assert_eq!(*l.projection(), Projection::rebuild(&entries));
    drop(l);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}

/// A certificate for localhost that vouches for itself, and its key, as PEM; none where openssl is not here.
fn certificate() -> Option<(String, String)> {
    const CONFIG: &str = "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=v3\n[dn]\nCN=localhost\n[v3]\n\
                          subjectAltName=DNS:localhost\nbasicConstraints=critical,CA:FALSE\n";
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("config"), CONFIG).unwrap();
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config"]).arg(path("config"));
    let made = openssl.arg("-keyout").arg(path("key")).arg("-out").arg(path("certificate")).output().ok()?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some((std::fs::read_to_string(path("certificate")).unwrap(), std::fs::read_to_string(path("key")).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_and_verified() {
    let (Some((certificate, key)), Some((other, _))) = (certificate(), certificate()) else {
        return eprintln!("skipped: tls_is_spoken_and_verified: no openssl here to make certificates with");
    };
    let (server, url, file) = tokio::task::spawn_blocking(move || {
        let server = postgres::Server::start();
        server.stop();
        let file = server.certify(&certificate, &key);
        server.run();
        let url = server.database();
        (server, url, file)
    })
    .await
    .unwrap();
    let url = url.replace("127.0.0.1", "localhost");
    let directory = tempfile::tempdir().unwrap();
    let stranger = directory.path().join("other.crt");
    std::fs::write(&stranger, other).unwrap();
    let open = async |parameters: String| AnyStore::open(&Address::parse(&format!("{url}?{parameters}")).unwrap(), None).await;
    let s = open(format!("sslmode=verify-full&sslrootcert={}", file.display())).await.unwrap();
    s.append(&[note("jo", 1, "x")]).await.unwrap();
    s.close().await;
    open("sslmode=require".to_owned()).await.unwrap().close().await;
    let refused = open(format!("sslmode=verify-full&sslrootcert={}", stranger.display())).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Refused { .. }), "{refused}");
    let refused = open("sslmode=verify-full".to_owned()).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Refused { .. }), "a certificate that nobody vouches for: {refused}");
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
}
