//! Shells and commands through the loopback gateway: real sockets, real terminals.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod ssm_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bartizan::ssm::dial::{Network, Proxy};
use bartizan::ssm::frame::Size;
use bartizan::ssm::gateway::{Faults, Gateway, GatewayOptions, Shell};
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::link::Patience;
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::session::{Abandoned, Connection, End, Event, Session, SessionOptions};
use bartizan::ssm::standing::Standing;
use bytes::Bytes;
use ssm_support::{drain, in_memory, next, open, options, until};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

async fn gateway() -> Gateway {
    Gateway::listen(GatewayOptions::default()).await.unwrap()
}

fn shell(gateway: &Gateway) -> SessionOptions {
    SessionOptions { size: Some(Size { cols: 123, rows: 37 }), ..options(gateway, SessionType::Shell) }
}

#[tokio::test]
async fn a_shell_has_its_size_from_the_first_byte_and_ends_with_exit() {
    let gateway = gateway().await;
    let mut session = open(&gateway, StartRequest::shell("i-1").because("ticket 7"), shell(&gateway)).await;
    session.input.send(Bytes::from_static(b"stty size; echo $((40+2))\r")).await.unwrap();
    let text = until(&mut session.events, "42\r\n").await;
    assert!(text.contains("37 123"), "{text}");
    session.input.resize(Size { cols: 80, rows: 24 });
    tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            session.input.send(Bytes::from_static(b"stty size; echo do''ne\r")).await.unwrap();
            if until(&mut session.events, "done").await.contains("24 80") {
                break;
            }
        }
    })
    .await
    .unwrap();
    session.input.send(Bytes::from_static(b"exit\r")).await.unwrap();
    let (.., end) = drain(&mut session.events).await;
    assert_eq!(end, End::Closed(String::new()));
    assert_eq!(gateway.started()[0].reason.as_deref(), Some("ticket 7"));
    assert_eq!(session.input.status().borrow().connection, Connection::Ended);
}

/// Waits in silence, answers, and waits again: Linux throws away what a terminal's first process writes right before it exits.
const READS: &str = "read x; echo got $x; read y";

#[tokio::test]
async fn a_silent_read_does_not_deadlock() {
    let gateway = gateway().await;
    let request = StartRequest::interactive_command("i-1", READS);
    let mut session =
        open(&gateway, request, SessionOptions { session_type: SessionType::InteractiveCommand, ..shell(&gateway) }).await;
    session.input.send(Bytes::from_static(b"bartizan\r")).await.unwrap();
    until(&mut session.events, "got bartizan").await;
    session.input.send(Bytes::from_static(b"\r")).await.unwrap();
    assert_eq!(drain(&mut session.events).await.4, End::Closed(String::new()));
}

#[tokio::test]
async fn a_silent_read_outlives_loss_and_cuts() {
    let gateway = gateway().await;
    gateway.set_faults(Faults { loss: 5, duplicate: 2, reorder: 2, ..Faults::default() });
    for turn in 0..10 {
        let request = StartRequest::interactive_command("i-1", READS);
        let kind = SessionType::InteractiveCommand;
        let mut session = open(&gateway, request, SessionOptions { session_type: kind, ..shell(&gateway) }).await;
        // Before it is ready, and after.
        if turn % 2 == 1 {
            while !matches!(next(&mut session.events).await, Event::Ready(_)) {}
        }
        gateway.cut(&session.id);
        session.input.send(Bytes::from_static(b"bar")).await.unwrap();
        gateway.cut(&session.id);
        session.input.send(Bytes::from_static(b"tizan\r")).await.unwrap();
        until(&mut session.events, "got bartizan").await;
        session.input.send(Bytes::from_static(b"\r")).await.unwrap();
        assert_eq!(drain(&mut session.events).await.4, End::Closed(String::new()));
    }
}

#[tokio::test]
async fn a_command_gives_its_streams_apart_and_its_exit_code() {
    let gateway = gateway().await;
    let request = StartRequest::command("i-1", "echo out; echo err >&2; exit 3");
    let mut session = open(&gateway, request, options(&gateway, SessionType::NonInteractiveCommand)).await;
    let (out, err, code, _, end) = drain(&mut session.events).await;
    assert_eq!((out.as_slice(), err.as_slice(), code), (b"out\n".as_slice(), b"err\n".as_slice(), Some(3)));
    assert_eq!(end, End::Closed(String::new()));
}

#[tokio::test]
async fn an_encrypted_shell_works_and_a_denied_key_ends_it_with_the_reason() {
    let kms = GatewayOptions { kms_key: Some("arn:aws:kms:eu-west-1:1:key/k".into()), ..GatewayOptions::default() };
    let gateway = Gateway::listen(GatewayOptions { customer_message: "be careful".into(), ..kms }).await.unwrap();
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    session.input.send(Bytes::from_static(b"stty size; echo $((40+2))\r")).await.unwrap();
    let mut notice = None;
    let opened = loop {
        match next(&mut session.events).await {
            Event::Ready(opened) => break opened,
            Event::Notice(text) => notice = Some(text),
            other => panic!("{other:?}"),
        }
    };
    assert!(opened.encrypted);
    assert_eq!(notice.as_deref(), Some("be careful"));
    assert!(until(&mut session.events, "42\r\n").await.contains("37 123"));
    session.input.terminate();
    assert_eq!(drain(&mut session.events).await.4, End::Terminated);

    gateway.set_faults(Faults { deny_kms: true, ..Faults::default() });
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    let End::Closed(why) = drain(&mut session.events).await.4 else { panic!("not closed") };
    assert!(why.contains("kms:GenerateDataKey"), "{why}");
}

#[tokio::test]
async fn an_end_that_was_asked_for_is_no_failure_when_its_last_word_is_lost() {
    let gateway = gateway().await;
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    session.input.send(Bytes::from_static(b"echo re''ady\r")).await.unwrap();
    until(&mut session.events, "ready").await;
    let id = gateway.open_sessions()[0].clone();
    session.input.terminate();
    gateway.cut(&id);
    gateway.terminate(&id);
    assert_eq!(drain(&mut session.events).await.4, End::Terminated);
}

#[tokio::test]
async fn dropping_a_session_terminates_it() {
    let gateway = gateway().await;
    let session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    assert_eq!(gateway.open_sessions().len(), 1);
    drop(session);
    tokio::time::timeout(Duration::from_secs(20), async {
        while !gateway.open_sessions().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn starts_that_are_refused_say_why() {
    let refuse = |options: GatewayOptions| async {
        let gateway = Gateway::listen(options).await.unwrap();
        let options = shell(&gateway);
        Session::start(gateway.service(), &StartRequest::shell("i-2"), options).await.unwrap_err().to_string()
    };
    let default = GatewayOptions::default;
    let denied = refuse(GatewayOptions { deny_start: true, ..default() }).await;
    assert!(denied.contains("no session on i-2 was started") && denied.contains("ssm:StartSession"), "{denied}");
    assert!(refuse(GatewayOptions { nodes: vec!["i-1".into()], ..default() }).await.contains("TargetNotConnected"));
    assert!(refuse(GatewayOptions { offline: vec!["i-2".into()], ..default() }).await.contains("not connected"));
}

/// A proxy that takes one password and carries bytes.
async fn proxy() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut tcp = BufReader::new(tcp);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    tcp.read_line(&mut head).await.unwrap();
                }
                if !head.contains("Proxy-Authorization: Basic am86cGFzcw==\r\n") {
                    tcp.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").await.unwrap();
                    return;
                }
                let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
                let mut on = TcpStream::connect(target).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 Established\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tcp, &mut on).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_session_goes_through_a_proxy_and_says_when_the_proxy_refuses() {
    let gateway = gateway().await;
    let port = proxy().await;
    let through = |user: &str| {
        let proxy = Proxy::parse(&format!("http://{user}@127.0.0.1:{port}")).unwrap();
        SessionOptions { dial: Arc::new(Network::new().through(proxy)), ..shell(&gateway) }
    };
    let mut session = open(&gateway, StartRequest::shell("i-1"), through("jo:pass")).await;
    session.input.send(Bytes::from_static(b"exit\r")).await.unwrap();
    assert_eq!(drain(&mut session.events).await.4, End::Closed(String::new()));

    let patience = Patience { total: Duration::from_millis(300), ..Patience::default() };
    let refused = SessionOptions { patience, ..through("jo:wrong") };
    let mut session = open(&gateway, StartRequest::shell("i-1"), refused).await;
    let End::Lost(why) = drain(&mut session.events).await.4 else { panic!("not lost") };
    assert!(why.contains("407 Who are you"), "{why}");
}

/// Every standing that was to be kept, in order.
type Kept = Arc<Mutex<Vec<Option<Standing>>>>;

fn keeping(options: SessionOptions) -> (SessionOptions, Kept) {
    let kept = Kept::default();
    let into = Arc::clone(&kept);
    let keep = Arc::new(move |standing: Option<&Standing>| into.lock().unwrap().push(standing.cloned()));
    (SessionOptions { keep: Some(keep), ..options }, kept)
}

/// A session that was left in good order is gone on with by another client; so is one whose client was killed and that is known
/// only as it stood long before, with agents that acknowledge a message twice and with those that do not.
#[tokio::test(start_paused = true)]
async fn a_session_is_gone_on_with_by_another_client() {
    for (killed, reacknowledge) in [(false, true), (true, true), (false, false), (true, false)] {
        let options = GatewayOptions { shell: Shell::Echo, reacknowledge, ..GatewayOptions::default() };
        let gateway = Gateway::in_memory(options);
        let (first, kept) = keeping(in_memory(&gateway, SessionType::Shell));
        let first = SessionOptions { abandoned: Abandoned::Leave, size: Some(Size { cols: 80, rows: 24 }), ..first };
        let mut session = open(&gateway, StartRequest::shell("i-1"), first).await;
        for n in 0..100 {
            session.input.send(Bytes::from(format!("<{n}>"))).await.unwrap();
            until(&mut session.events, &format!("<{n}>")).await;
        }
        session.input.leave();
        let (.., end) = drain(&mut session.events).await;
        assert_eq!(end, End::Left);
        assert_eq!(gateway.open_sessions(), [session.id.clone()]);
        let standings: Vec<Standing> = kept.lock().unwrap().iter().flatten().cloned().collect();
        let (oldest, last) = (standings.first().unwrap().clone(), standings.last().unwrap().clone());
        assert!(last.exact && last.unsure == last.unused && last.unused > 100, "{last:?}");
        assert!(!oldest.exact && oldest.unused > last.unused, "what is kept while it runs promises more: {oldest:?}");

        let standing = if killed { oldest } else { last };
        let (options, kept) = keeping(in_memory(&gateway, SessionType::Shell));
        let options = SessionOptions { size: Some(Size { cols: 90, rows: 30 }), ..options };
        let mut again = Session::take_up(gateway.service(), "i-1", &session.id, &standing, options);
        let mut all = String::new();
        for n in 100..200 {
            again.input.send(Bytes::from(format!("<{n}>"))).await.unwrap();
            all.push_str(&until(&mut again.events, &format!("<{n}>")).await);
        }
        let expected: String = (100..200).map(|n| format!("<{n}>")).collect();
        assert_eq!(all, expected, "once and in order, killed: {killed}, reacknowledge: {reacknowledge}");
        again.input.terminate();
        let (.., end) = drain(&mut again.events).await;
        assert_eq!(end, End::Terminated);
        assert_eq!(kept.lock().unwrap().last(), Some(&None), "what has ended is not kept");
        assert!(gateway.open_sessions().is_empty());
    }
}

/// What a program fills the screen with is drawn again: it is told another size first, then the right one.
#[tokio::test(start_paused = true)]
async fn a_session_that_is_gone_on_with_has_the_size_of_its_new_terminal() {
    let gateway = Gateway::in_memory(GatewayOptions { shell: Shell::Sizes, ..GatewayOptions::default() });
    let (first, kept) = keeping(in_memory(&gateway, SessionType::Shell));
    let first = SessionOptions { size: Some(Size { cols: 80, rows: 24 }), ..first };
    let mut session = open(&gateway, StartRequest::shell("i-1"), first).await;
    until(&mut session.events, "80x24 ").await;
    session.input.leave();
    drain(&mut session.events).await;
    let standing = kept.lock().unwrap().last().cloned().flatten().unwrap();
    let size = Some(Size { cols: 80, rows: 24 });
    let options = SessionOptions { size, ..in_memory(&gateway, SessionType::Shell) };
    let mut again = Session::take_up(gateway.service(), "i-1", &session.id, &standing, options);
    let text = until(&mut again.events, "80x24 ").await;
    assert!(text.trim_end().ends_with("80x23 80x24"), "{text}");
}

/// What goes on while nobody is there, and a session that AWS has ended meanwhile.
#[tokio::test]
async fn what_a_session_says_while_nobody_is_there_is_heard_later_and_its_end_is_told() {
    let gateway = gateway().await;
    let (first, kept) = keeping(shell(&gateway));
    let mut session = open(&gateway, StartRequest::shell("i-1"), first).await;
    session.input.send(Bytes::from_static(b"x=ke''pt; (sleep 0.3; echo wh''ile away) & echo go''ne\r")).await.unwrap();
    until(&mut session.events, "gone").await;
    session.input.leave();
    let (.., end) = drain(&mut session.events).await;
    assert_eq!(end, End::Left);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let standing = kept.lock().unwrap().last().cloned().flatten().unwrap();
    let (options, kept) = keeping(shell(&gateway));
    let mut again = Session::take_up(gateway.service(), "i-1", &session.id, &standing, options);
    until(&mut again.events, "while away").await;
    again.input.send(Bytes::from_static(b"echo still $x\r")).await.unwrap();
    until(&mut again.events, "still kept").await;
    again.input.leave();
    drain(&mut again.events).await;
    let standing = kept.lock().unwrap().last().cloned().flatten().unwrap();
    gateway.terminate(&session.id);
    while !gateway.open_sessions().is_empty() {
        tokio::task::yield_now().await;
    }
    let (options, kept) = keeping(shell(&gateway));
    let mut late = Session::take_up(gateway.service(), "i-1", &session.id, &standing, options);
    let (.., end) = drain(&mut late.events).await;
    assert!(matches!(&end, End::Gone(why) if why.contains("timed out")), "{end:?}");
    assert_eq!(kept.lock().unwrap().as_slice(), [None], "nobody is to try that again");
}

/// The keys of an encrypted session are in one client's memory: it is never left, nor kept.
#[tokio::test]
async fn an_encrypted_session_is_ended_rather_than_left() {
    let options = GatewayOptions { kms_key: Some("alias/sessions".into()), ..GatewayOptions::default() };
    let gateway = Gateway::listen(options).await.unwrap();
    let (options, kept) = keeping(shell(&gateway));
    let mut session = open(&gateway, StartRequest::shell("i-1"), SessionOptions { abandoned: Abandoned::Leave, ..options }).await;
    session.input.send(Bytes::from_static(b"echo op''en\r")).await.unwrap();
    until(&mut session.events, "open").await;
    session.input.leave();
    let (.., end) = drain(&mut session.events).await;
    assert_eq!(end, End::Terminated);
    assert!(kept.lock().unwrap().iter().all(Option::is_none), "{kept:?}");
    while !gateway.open_sessions().is_empty() {
        tokio::task::yield_now().await;
    }
}
