//! Loss, cuts, closes, stale credentials and hostile peers, in simulated time over sockets in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod ssm_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use bartizan::ssm::channel::{Channel, ChannelEvent, ChannelOptions, Encryption};
use bartizan::ssm::forward::{Forward, ForwardOptions};
use bartizan::ssm::frame::{Frame, MessageId, MessageType, PayloadType, Size};
use bartizan::ssm::gateway::{Faults, Gateway, GatewayOptions, Shell};
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::service::{BoxFuture, DataKey, DataKeyRequest, Resumed, Service, ServiceError, StartRequest, Started, Token};
use bartizan::ssm::session::{Connection, End, Event, Session, SessionOptions};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use ssm_support::{drain, in_memory, next, open, until};
use tokio_tungstenite::tungstenite::Message;

const SECOND: Duration = Duration::from_secs(1);

fn echo() -> GatewayOptions {
    GatewayOptions { shell: Shell::Echo, ..GatewayOptions::default() }
}

fn shell(gateway: &Gateway) -> SessionOptions {
    SessionOptions { size: Some(Size { cols: 80, rows: 24 }), ..in_memory(gateway, SessionType::Shell) }
}

/// Types 10,000 keys, five a second apart in time, and checks that their echo came once and in order.
async fn type_keys(session: &mut Session, keys: u32) {
    let input = session.input.clone();
    let typist = tokio::spawn(async move {
        for key in 0..keys {
            input.send(Bytes::copy_from_slice(&key.to_be_bytes())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    });
    let mut echoed = Vec::new();
    while echoed.len() < keys as usize * 4 {
        match tokio::time::timeout(SECOND * 3600, session.events.next()).await.unwrap().unwrap() {
            Event::Output(data) => echoed.extend_from_slice(&data),
            Event::End(end) => panic!("{end:?} after {} bytes", echoed.len()),
            _ => {}
        }
    }
    typist.await.unwrap();
    let expected: Vec<u8> = (0..keys).flat_map(u32::to_be_bytes).collect();
    assert!(echoed == expected, "the echo is not what was typed");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_arrive_once_in_order_under_five_percent_loss_each_way() {
    let gateway = Gateway::in_memory(echo());
    gateway.set_faults(Faults {
        loss: 5,
        duplicate: 2,
        reorder: 2,
        corrupt: 1,
        delay: Duration::from_millis(20),
        ..Faults::default()
    });
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    type_keys(&mut session, 10_000).await;
    assert!(session.input.status().borrow().repeated > 100);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_arrive_once_in_order_over_twenty_cuts_of_up_to_thirty_seconds() {
    let gateway = Arc::new(Gateway::in_memory(echo()));
    let loss = Faults { loss: 5, ..Faults::default() };
    gateway.set_faults(loss.clone());
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    let cutter = tokio::spawn({
        let (gateway, id, mut status) = (Arc::clone(&gateway), session.id.clone(), session.input.status());
        async move {
            let mut rng = fastrand::Rng::with_seed(3);
            for _ in 0..20 {
                status.wait_for(|status| status.connection == Connection::Connected).await.unwrap();
                tokio::time::sleep(Duration::from_millis(rng.u64(1000..30_000))).await;
                gateway.set_faults(Faults { down: true, ..loss.clone() });
                gateway.cut(&id);
                tokio::time::sleep(Duration::from_millis(rng.u64(10..30_000))).await;
                gateway.set_faults(loss.clone());
            }
        }
    });
    type_keys(&mut session, 10_000).await;
    cutter.await.unwrap();
    session.input.status().wait_for(|status| status.connection == Connection::Connected).await.unwrap();
    assert_eq!(session.input.status().borrow().resumed, 20);
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_session_survives_the_same() {
    let gateway = Gateway::in_memory(GatewayOptions { kms_key: Some("key".into()), ..echo() });
    gateway.set_faults(Faults { loss: 5, reorder: 5, bye_after: Some(SECOND * 20), ..Faults::default() });
    let options = SessionOptions { encryption: Encryption::Required, ..shell(&gateway) };
    let mut session = open(&gateway, StartRequest::shell("i-1"), options).await;
    type_keys(&mut session, 2000).await;
    assert!(session.input.status().borrow().resumed >= 5);
}

#[tokio::test(start_paused = true)]
async fn the_last_size_arrives_whenever_the_connection_is_cut() {
    let gateway = Gateway::in_memory(GatewayOptions { shell: Shell::Sizes, ..GatewayOptions::default() });
    gateway.set_faults(Faults { loss: 5, delay: Duration::from_millis(20), ..Faults::default() });
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    until(&mut session.events, "80x24 ").await;
    let mut rng = fastrand::Rng::with_seed(11);
    for turn in 0..300_u16 {
        let rows = 25 + turn;
        session.input.resize(Size { cols: 100, rows });
        // While it settles, while it is under way, while its acknowledgement is.
        tokio::time::sleep(Duration::from_millis(rng.u64(0..130))).await;
        gateway.cut(&session.id);
        if turn % 3 == 0 {
            tokio::time::sleep(Duration::from_millis(rng.u64(0..60))).await;
            session.input.resize(Size { cols: 99, rows });
            until(&mut session.events, &format!("99x{rows} ")).await;
        } else {
            until(&mut session.events, &format!("100x{rows} ")).await;
        }
    }
    assert!(session.input.status().borrow().resumed >= 290);
}

#[tokio::test(start_paused = true)]
async fn an_hourly_bye_is_not_the_end_for_a_whole_day() {
    let gateway = Gateway::in_memory(echo());
    gateway.set_faults(Faults { bye_after: Some(SECOND * 3600), ..Faults::default() });
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    for hour in 0..24_u8 {
        tokio::time::sleep(SECOND * 3600).await;
        session.input.send(Bytes::copy_from_slice(&[hour])).await.unwrap();
        loop {
            if let Event::Output(data) = next(&mut session.events).await {
                assert_eq!(data[..], [hour]);
                break;
            }
        }
    }
    assert!(session.input.status().borrow().resumed >= 23);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_five_minutes_is_outlived_and_one_of_an_hour_is_not() {
    let gateway = Gateway::in_memory(echo());
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    let status = session.input.status();
    assert!(matches!(next(&mut session.events).await, Event::Ready(_)));
    gateway.set_faults(Faults { down: true, ..Faults::default() });
    gateway.cut(&session.id);
    tokio::time::sleep(SECOND * 10).await;
    assert!(matches!(status.borrow().connection, Connection::Reconnecting(2..)), "{:?}", status.borrow());
    session.input.send(Bytes::from_static(b"typed meanwhile")).await.unwrap();
    tokio::time::sleep(SECOND * 290).await;
    gateway.set_faults(Faults::default());
    assert_eq!(next(&mut session.events).await, Event::Output(Bytes::from_static(b"typed meanwhile")));
    gateway.set_faults(Faults { down: true, ..Faults::default() });
    gateway.cut(&session.id);
    let Some(Event::End(End::Lost(why))) = tokio::time::timeout(SECOND * 3600, session.events.next()).await.unwrap() else {
        panic!("not lost")
    };
    assert!(why.contains("503"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_aws_no_longer_has_ends() {
    let gateway = Gateway::in_memory(echo());
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    assert!(matches!(next(&mut session.events).await, Event::Ready(_)));
    gateway.set_faults(Faults { refuse_resume: true, ..Faults::default() });
    gateway.cut(&session.id);
    assert_eq!(drain(&mut session.events).await.4, End::Gone("the session has timed out".into()));
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_closed_with_awss_word_for_it() {
    let gateway = Gateway::in_memory(GatewayOptions { idle_timeout: Some(SECOND * 1200), ..echo() });
    let mut session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    assert!(matches!(next(&mut session.events).await, Event::Ready(_)));
    let end = tokio::time::timeout(SECOND * 3600, session.events.next()).await.unwrap().unwrap();
    let Event::End(End::Closed(why)) = end else { panic!("{end:?}") };
    assert!(why.contains("inactivity"), "{why}");
}

/// Gives old credentials first and new ones afterwards, as a provider whose cache has run out.
struct Expiring {
    inner: Arc<dyn Service>,
    asked: AtomicU32,
    good_from: u32,
}

impl Service for Expiring {
    fn start<'a>(&'a self, request: &'a StartRequest) -> BoxFuture<'a, Result<Started, ServiceError>> {
        self.inner.start(request)
    }
    fn resume<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<Resumed, ServiceError>> {
        self.inner.resume(session_id)
    }
    fn terminate<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        self.inner.terminate(session_id)
    }
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Credentials>, ServiceError>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let key = if asked < self.good_from { "AKIASTALE" } else { "AKIAFRESH" };
        Box::pin(async move { Ok(Some(Credentials::new(key, "secret", None, None, "test"))) })
    }
    fn data_key<'a>(&'a self, request: &'a DataKeyRequest) -> BoxFuture<'a, Result<DataKey, ServiceError>> {
        self.inner.data_key(request)
    }
}

#[tokio::test(start_paused = true)]
async fn stale_credentials_are_asked_for_anew_once() {
    let gateway = Gateway::in_memory(echo());
    gateway.set_faults(Faults { stale_key: Some("AKIASTALE".into()), ..Faults::default() });
    let start = |good_from| {
        let service = Expiring { inner: gateway.service(), asked: AtomicU32::new(0), good_from };
        let options = shell(&gateway);
        async move { Session::start(Arc::new(service), &StartRequest::shell("i-1"), options).await }
    };
    let mut session = start(1).await.unwrap();
    assert!(matches!(next(&mut session.events).await, Event::Ready(_)));
    let mut session = start(u32::MAX).await.unwrap();
    let End::Denied(why) = drain(&mut session.events).await.4 else { panic!("not denied") };
    assert!(why.contains("403") && why.contains("expired"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_stream_url_is_refused_and_the_session_ended() {
    let gateway = Gateway::in_memory(echo());
    let options = SessionOptions { endpoints: bartizan::ssm::upgrade::Endpoints::Aws, ..shell(&gateway) };
    let error = Session::start(gateway.service(), &StartRequest::shell("i-1"), options).await.unwrap_err().to_string();
    assert!(error.contains("no AWS Session Manager endpoint"), "{error}");
    tokio::time::sleep(SECOND).await;
    assert!(gateway.open_sessions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_told_of() {
    let gateway = Gateway::in_memory(GatewayOptions { agent_delay: SECOND * 3600, ..echo() });
    let session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    tokio::time::sleep(SECOND * 15).await;
    let status = *session.input.status().borrow();
    assert_eq!(status.connection, Connection::Connected);
    assert!(!status.ready && status.unanswered.is_some_and(|s| s >= 10), "{status:?}");
    // A departure is possible all the same.
    session.input.terminate();
    let mut events = session.events;
    assert_eq!(drain(&mut events).await.4, End::Terminated);
}

#[tokio::test(start_paused = true)]
async fn a_full_session_waits_with_its_input_and_with_its_output() {
    let gateway = Gateway::in_memory(GatewayOptions { agent_delay: SECOND * 3600, ..echo() });
    let session = open(&gateway, StartRequest::shell("i-1"), shell(&gateway)).await;
    let mut taken = 0;
    let block = Bytes::from(vec![b'x'; 16 << 10]);
    while tokio::time::timeout(SECOND, session.input.send(block.clone())).await.is_ok() {
        taken += block.len();
        assert!(taken < 4 << 20, "input is not bounded");
    }
    assert!(taken >= 256 << 10);
}

/// What a hostile gateway says on one connection.
async fn speak(tcp: tokio::net::TcpStream, what: Vec<Message>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(tcp).await else { return };
    for message in what {
        if socket.send(message).await.is_err() {
            return;
        }
    }
    // Until the client goes.
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn a_gateway_that_talks_nonsense_is_outlived_until_it_closes_the_session() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move {
        let scripts = [
            vec![Message::Binary(vec![0xff; 4000].into()), Message::Text("{}".into()), Message::Binary(Bytes::new())],
            vec![Message::Binary(vec![0; 1 << 20].into())],
            vec![Message::Close(None)],
            vec![Message::Text("channel_closed".into())],
        ];
        let mut seen = Vec::new();
        for (turn, script) in scripts.into_iter().enumerate() {
            let (tcp, _) = listener.accept().await.unwrap();
            seen.push(turn);
            if turn == 0 {
                // Nonsense alone is no reason to go; then the socket breaks.
                let _ = tokio::time::timeout(Duration::from_millis(300), speak(tcp, script)).await;
            } else {
                tokio::spawn(speak(tcp, script));
            }
        }
        seen.len()
    });
    let gateway = Gateway::in_memory(echo());
    let service = gateway.service();
    let started = service.start(&StartRequest::shell("i-1")).await.unwrap();
    let url = format!("ws://{address}/v1/data-channel/x?role=publish_subscribe");
    let service = Elsewhere { inner: service, url: url.clone() };
    let options = SessionOptions {
        endpoints: bartizan::ssm::upgrade::Endpoints::Also(address),
        ..SessionOptions::new(SessionType::Shell, "eu-west-1")
    };
    let started = Started { stream_url: url, ..started };
    let mut session = Session::open(Arc::new(service), "i-1", started, options).await.unwrap();
    let (out, .., end) = drain(&mut session.events).await;
    assert_eq!((out.len(), end), (0, End::Closed(String::new())));
    assert_eq!(server.await.unwrap(), 4);
    assert!(session.input.status().borrow().dropped >= 2);
}

/// Resumes at another address.
struct Elsewhere {
    inner: Arc<dyn Service>,
    url: String,
}

impl Service for Elsewhere {
    fn start<'a>(&'a self, request: &'a StartRequest) -> BoxFuture<'a, Result<Started, ServiceError>> {
        self.inner.start(request)
    }
    fn resume<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Resumed, ServiceError>> {
        let resumed = Resumed { token: Some(Token::new("t")), stream_url: Some(self.url.clone()) };
        Box::pin(async move { Ok(resumed) })
    }
    fn terminate<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        self.inner.terminate(session_id)
    }
    fn credentials(&self) -> BoxFuture<'_, Result<Option<Credentials>, ServiceError>> {
        self.inner.credentials()
    }
    fn data_key<'a>(&'a self, request: &'a DataKeyRequest) -> BoxFuture<'a, Result<DataKey, ServiceError>> {
        self.inner.data_key(request)
    }
}

#[tokio::test(start_paused = true)]
async fn only_agents_that_need_it_get_keep_alives_so_that_idle_sessions_may_end() {
    let sleeps = |version: &'static str| async move {
        let options = GatewayOptions { agent_version: version.into(), idle_timeout: Some(SECOND * 30), ..echo() };
        let gateway = Gateway::in_memory(options);
        let options = in_memory(&gateway, SessionType::Port);
        let request = StartRequest::port("i-1", 9);
        let forward = Forward::open(gateway.service(), &request, &options, &ForwardOptions::default()).await.unwrap();
        tokio::time::sleep(SECOND * 120).await;
        forward.status().asleep.is_some()
    };
    assert!(sleeps("3.3.987.0").await);
    assert!(!sleeps("3.1.0.0").await);
}

// ---- the state machine against hostile peers ---------------------------------------------------------------------------

fn channel(encryption: Encryption) -> Channel {
    let options = ChannelOptions {
        session_type: SessionType::Shell,
        session_id: "s".into(),
        target: "i-1".into(),
        encryption,
        size: Some(Size { cols: 1, rows: 1 }),
        hold: Duration::from_millis(200),
    };
    Channel::new(options, std::time::Instant::now(), std::time::SystemTime::now())
}

fn output(sequence: i64, payload_type: PayloadType, payload: &[u8]) -> Bytes {
    Frame {
        kind: MessageType::Output,
        schema: 1,
        created: 1,
        sequence,
        flags: 0,
        id: MessageId::random(),
        payload_type,
        payload: Bytes::copy_from_slice(payload),
    }
    .encode()
}

fn frames(channel: &mut Channel, now: std::time::Instant) -> Vec<Frame> {
    std::iter::from_fn(|| channel.poll_frame(now)).map(|bytes| Frame::decode(&bytes).unwrap()).collect()
}

#[test]
fn a_repeated_message_is_acknowledged_again_and_delivered_once() {
    let (mut channel, now) = (channel(Encryption::Unknown), std::time::Instant::now());
    for _ in 0..3 {
        channel.binary(&output(0, PayloadType::Output, b"$ "), now).unwrap();
    }
    let acks = frames(&mut channel, now).into_iter().filter(|f| f.kind == MessageType::Acknowledge).count();
    assert_eq!(acks, 3);
    let outputs = std::iter::from_fn(|| channel.poll_event()).filter(|e| matches!(e, ChannelEvent::Output(_))).count();
    assert_eq!(outputs, 1);
}

#[test]
fn keystrokes_wait_for_the_node_and_a_pause_holds_everything_but_acknowledgements() {
    let (mut channel, now) = (channel(Encryption::Unknown), std::time::Instant::now());
    channel.send(Bytes::from_static(b"ls\r"));
    let sent = frames(&mut channel, now);
    assert!(sent.iter().all(|f| f.payload_type == PayloadType::Size), "{sent:?}");
    channel.text("pause_publication", now);
    channel.binary(&output(0, PayloadType::Output, b"$ "), now).unwrap();
    // Any stream message ends a pause.
    let sent = frames(&mut channel, now);
    let data: Vec<_> = sent.iter().filter(|f| f.payload_type == PayloadType::Output).collect();
    assert_eq!(data.len(), 1);
    channel.text("pause_publication", now);
    channel.send(Bytes::from_static(b"x"));
    assert!(frames(&mut channel, now).is_empty());
    channel.text("start_publication", now);
    assert_eq!(frames(&mut channel, now).len(), 1);
}

#[test]
fn a_handshake_after_early_keys_sends_them_again_once_it_is_done() {
    let (mut channel, start) = (channel(Encryption::Unknown), std::time::Instant::now());
    channel.send(Bytes::from_static(b"ls\r"));
    let size = frames(&mut channel, start).remove(0);
    let ack = Frame::acknowledgement(&size, 1).encode();
    channel.binary(&ack, start).unwrap();
    let later = start + Duration::from_millis(250);
    assert_eq!(frames(&mut channel, later)[0].payload, "ls\r");
    let request = br#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}}]}"#;
    channel.binary(&output(0, PayloadType::HandshakeRequest, request), later).unwrap();
    assert!(frames(&mut channel, later).iter().all(|f| f.payload != "ls\r"));
    channel.binary(&output(1, PayloadType::HandshakeComplete, b"{}"), later).unwrap();
    let again: Vec<_> = frames(&mut channel, later).into_iter().filter(|f| f.payload == "ls\r").collect();
    assert_eq!(again.len(), 1);
}

#[test]
fn a_session_that_must_be_encrypted_takes_and_sends_nothing_plain() {
    let now = std::time::Instant::now();
    let mut plain = channel(Encryption::Required);
    plain.send(Bytes::from_static(b"secret"));
    plain.binary(&output(0, PayloadType::Output, b"$ "), now).unwrap();
    assert!(frames(&mut plain, now + SECOND * 60).iter().all(|f| f.payload != "secret"));
    assert!(matches!(plain.poll_event(), Some(ChannelEvent::Failed(_))));
    // A handshake that ends without a key is no handshake.
    let mut cheated = channel(Encryption::Required);
    cheated.binary(&output(0, PayloadType::HandshakeRequest, br#"{"RequestedClientActions":[]}"#), now).unwrap();
    assert!(matches!(cheated.poll_event(), Some(ChannelEvent::Failed(_))));
}

#[derive(Debug, Clone)]
enum Hostile {
    Raw(Vec<u8>),
    Stream(i64, u32, Vec<u8>),
    Ack(i64),
    Text(String),
    Poll(u32),
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let json = prop::sample::select(vec![
        r#"{"AgentVersion":"9","RequestedClientActions":[{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"k","Challenge":"!"}}]}"#,
        r#"{"Challenge":"AAAA"}"#,
        r#"{"HandshakeTimeToComplete":-1,"CustomerMessage":"hi"}"#,
        r#"{"RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":[]}]}"#,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ]);
    let payload = prop_oneof![prop::collection::vec(any::<u8>(), 0..200), json.prop_map(|s| s.as_bytes().to_vec())];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Hostile::Raw),
        (prop_oneof![0..12i64, any::<i64>()], 0..14u32, payload).prop_map(|(s, t, p)| Hostile::Stream(s, t, p)),
        prop_oneof![0..5i64, any::<i64>()].prop_map(Hostile::Ack),
        ".{0,20}".prop_map(Hostile::Text),
        (0..5000u32).prop_map(Hostile::Poll),
    ]
}

proptest! {
    #[test]
    fn no_peer_makes_it_panic_or_grow(script in prop::collection::vec(hostile(), 0..120)) {
        let mut channel = channel(Encryption::Unknown);
        let mut now = std::time::Instant::now();
        channel.send(Bytes::from_static(b"typed"));
        for act in script {
            match act {
                Hostile::Raw(bytes) => { let _ = channel.binary(&bytes.into(), now); }
                Hostile::Stream(sequence, kind, payload) => {
                    let _ = channel.binary(&output(sequence, PayloadType::from_number(kind), &payload), now);
                }
                Hostile::Ack(sequence) => {
                    let frame = Frame { sequence, ..Frame::control(MessageType::Input, Bytes::new(), 1) };
                    let _ = channel.binary(&Frame::acknowledgement(&frame, 1).encode(), now);
                }
                Hostile::Text(text) => channel.text(&text, now),
                Hostile::Poll(ms) => {
                    now += Duration::from_millis(u64::from(ms));
                    frames(&mut channel, now);
                    while let Some(event) = channel.poll_event() {
                        if matches!(event, ChannelEvent::NeedDataKey(_)) {
                            channel.data_key(Ok(DataKey { plain: vec![7; 64].into(), encrypted: vec![1] }));
                        }
                    }
                }
            }
        }
        prop_assert!(channel.memory() < 1 << 20);
    }
}

#[test]
fn a_flood_of_frames_out_of_order_stays_within_its_memory() {
    let (mut channel, now) = (channel(Encryption::Unknown), std::time::Instant::now());
    let payload = vec![b'x'; 60_000];
    for sequence in 1..4000 {
        let _ = channel.binary(&output(sequence, PayloadType::Output, &payload), now);
    }
    assert!(channel.memory() <= 16 << 20, "{}", channel.memory());
    // Nor is the socket read on while nobody takes the events.
    channel.binary(&output(0, PayloadType::Output, &payload), now).unwrap();
    assert!(!channel.wants_read());
}
