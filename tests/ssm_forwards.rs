//! Port forwards, SSH streams and their troubles, through the loopback gateway to real TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod ssm_support;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use bartizan::ssm::forward::{Forward, ForwardError, ForwardOptions, Listen, pipe};
use bartizan::ssm::gateway::{Faults, Gateway, GatewayOptions};
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::session::End;
use ssm_support::{in_memory, open, options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that sends back what it gets, and ends when its client does.
async fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = tcp.into_split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

/// A server that takes everything until its client says `.`, then answers with the SHA-256 and the count; or, asked with `g`,
/// gives that many MiB.
async fn digest_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 9];
                tcp.read_exact(&mut head).await.unwrap();
                let size = usize::try_from(u64::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
                if head[0] == b'g' {
                    let data = pattern(size);
                    let _ = tcp.write_all(&data).await;
                    // Until the client has it all and goes.
                    let _ = tcp.read(&mut head).await;
                    return;
                }
                let mut context = digest::Context::new(&digest::SHA256);
                let mut left = size;
                let mut buffer = vec![0; 64 << 10];
                while left > 0 {
                    let read = tcp.read(&mut buffer).await.unwrap();
                    assert_ne!(read, 0, "cut {left} bytes before the end");
                    context.update(&buffer[..read]);
                    left -= read;
                }
                tcp.write_all(context.finish().as_ref()).await.unwrap();
            });
        }
    });
    port
}

fn pattern(size: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut data = vec![0; size];
    rng.fill(&mut data);
    data
}

fn head(kind: u8, size: usize) -> Vec<u8> {
    let mut head = vec![kind];
    head.extend((size as u64).to_be_bytes());
    head
}

async fn forward(gateway: &Gateway, request: &StartRequest, lanes: usize) -> Result<Forward, ForwardError> {
    let options = options(gateway, SessionType::Port);
    Forward::open(gateway.service(), request, &options, &ForwardOptions { lanes, ..ForwardOptions::default() }).await
}

async fn round_trip(local: &str, data: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(local).await.unwrap();
    tcp.write_all(data).await.unwrap();
    let mut back = vec![0; data.len()];
    tokio::time::timeout(Duration::from_secs(60), tcp.read_exact(&mut back)).await.unwrap().unwrap();
    back
}

async fn sizes(size: usize, faults: Faults) {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    gateway.set_faults(faults);
    let port = digest_server().await;
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 1).await.unwrap();
    both_ways(&forward, size).await;
}

/// Sends so many bytes through a forward to a digest server, then has as many sent back.
async fn both_ways(forward: &Forward, size: usize) {
    let data = pattern(size);
    let expected = digest::digest(&digest::SHA256, &data);

    let mut up = TcpStream::connect(&forward.local).await.unwrap();
    up.write_all(&head(b'p', size)).await.unwrap();
    up.write_all(&data).await.unwrap();
    let mut answer = [0; 32];
    up.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, expected.as_ref(), "to the node");

    let mut down = TcpStream::connect(&forward.local).await.unwrap();
    down.write_all(&head(b'g', size)).await.unwrap();
    let mut got = vec![0; size];
    down.read_exact(&mut got).await.unwrap();
    assert_eq!(digest::digest(&digest::SHA256, &got).as_ref(), expected.as_ref(), "from the node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_each_way_are_whole() {
    sizes(64 << 20, Faults::default()).await;
}

#[tokio::test(start_paused = true)]
async fn sixty_four_mebibytes_each_way_are_whole_under_loss_and_twenty_cuts_of_up_to_thirty_seconds() {
    let gateway = Arc::new(Gateway::in_memory(GatewayOptions::default()));
    let loss = Faults { loss: 5, delay: Duration::from_millis(10), ..Faults::default() };
    gateway.set_faults(loss.clone());
    let port = digest_server().await;
    let options = in_memory(&gateway, SessionType::Port);
    let request = StartRequest::port("i-1", port);
    let forward = Forward::open(gateway.service(), &request, &options, &ForwardOptions::default()).await.unwrap();
    let id = forward.status().sessions[0].clone();
    let cutter = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            let mut rng = fastrand::Rng::with_seed(5);
            for cuts in 1.. {
                tokio::time::sleep(Duration::from_millis(rng.u64(300..1500))).await;
                gateway.set_faults(Faults { down: true, ..loss.clone() });
                gateway.cut(&id);
                tokio::time::sleep(Duration::from_millis(rng.u64(10..30_000))).await;
                gateway.set_faults(loss.clone());
                DONE.store(cuts, std::sync::atomic::Ordering::Relaxed);
            }
        }
    });
    static DONE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    both_ways(&forward, 64 << 20).await;
    cutter.abort();
    let cuts = DONE.load(std::sync::atomic::Ordering::Relaxed);
    assert!(cuts >= 20, "it was done after {cuts} cuts");
    assert_eq!(forward.status().sessions.len(), 1, "it is still the first session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_mebibytes_each_way_are_whole_under_every_fault() {
    sizes(
        2 << 20,
        Faults { loss: 5, duplicate: 3, reorder: 5, corrupt: 2, delay: Duration::from_millis(2), ..Faults::default() },
    )
    .await;
}

#[tokio::test]
async fn many_connections_over_four_lanes() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let port = echo_server().await;
    let forward = Arc::new(forward(&gateway, &StartRequest::port("i-1", port), 4).await.unwrap());
    assert_eq!(forward.status().sessions.len(), 4);
    let mut all = tokio::task::JoinSet::new();
    for n in 0..40_u8 {
        let local = forward.local.clone();
        all.spawn(async move {
            let data = vec![n; 20_000];
            assert_eq!(round_trip(&local, &data).await, data);
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    let status = forward.status();
    assert_eq!((status.opened, status.refused, status.lanes), (40, 0, 4));
    assert!(status.sent >= 800_000 && status.received >= 800_000);
    drop(forward);
    tokio::time::timeout(Duration::from_secs(20), async {
        while !gateway.open_sessions().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn connections_that_come_at_once_go_over_different_lanes() {
    let pace = GatewayOptions { pace: Duration::from_millis(2), ..GatewayOptions::default() };
    let gateway = Gateway::listen(pace).await.unwrap();
    let port = digest_server().await;
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 4).await.unwrap();
    let mut all = tokio::task::JoinSet::new();
    let begun = std::time::Instant::now();
    for _ in 0..4 {
        let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
        all.spawn(async move {
            tcp.write_all(&head(b'g', 1 << 20)).await.unwrap();
            tcp.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    // 4 MiB at 1 KiB every 2 ms over one lane would take 8 s.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_idle_forward_falls_asleep_and_wakes_at_the_next_connection() {
    let idle = GatewayOptions { idle_timeout: Some(Duration::from_millis(200)), ..GatewayOptions::default() };
    let gateway = Gateway::listen(idle).await.unwrap();
    let port = echo_server().await;
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 2).await.unwrap();
    for turn in 1..3 {
        assert_eq!(round_trip(&forward.local, b"hello").await, b"hello");
        assert_eq!(gateway.started().len(), turn * 2);
        assert!(tokio::time::timeout(Duration::from_secs(20), forward.ended()).await.unwrap().contains("inactivity"));
        assert!(forward.status().asleep.is_some() && forward.status().ended.is_none());
    }
}

#[tokio::test]
async fn a_session_that_is_ended_from_outside_resets_its_connections() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let port = echo_server().await;
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 1).await.unwrap();
    let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
    tcp.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    tcp.read_exact(&mut back).await.unwrap();
    gateway.terminate(&forward.status().sessions[0]);
    let cut = tokio::time::timeout(Duration::from_secs(20), tcp.read(&mut back)).await.unwrap();
    assert_eq!(cut.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_closed_request_still_gets_its_answer() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = [0; 5];
        tcp.read_exact(&mut request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        tcp.write_all(&vec![b'a'; 300_000]).await.unwrap();
    });
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 1).await.unwrap();
    let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
    tcp.write_all(b"hello").await.unwrap();
    tcp.shutdown().await.unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer.len(), 300_000);
}

#[tokio::test]
async fn a_refused_port_ends_the_connection_and_not_the_forward() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let forward = forward(&gateway, &StartRequest::port("i-1", closed), 1).await.unwrap();
    for expected in 1..3 {
        let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), tcp.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(read.unwrap_or(0), 0);
        tokio::time::timeout(Duration::from_secs(20), async {
            while forward.status().refused < expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }
    assert_eq!(forward.status().asleep, None);
}

#[tokio::test]
async fn a_refused_remote_host_is_told_in_the_agents_words() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let request = StartRequest::remote_port("i-1", "169.254.169.254", 80);
    let error = forward(&gateway, &request, 2).await.unwrap_err().to_string();
    assert!(error.contains("Forwarding to IP address 169.254.169.254 is forbidden"), "{error}");
}

#[tokio::test]
async fn a_taken_local_port_is_refused_before_a_session_starts() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = Listen::loopback(taken.local_addr().unwrap().port());
    let options = options(&gateway, SessionType::Port);
    let error = Forward::open(
        gateway.service(),
        &StartRequest::port("i-1", 80),
        &options,
        &ForwardOptions { listen, ..ForwardOptions::default() },
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("choose another port"), "{error}");
    assert!(gateway.started().is_empty());
}

#[tokio::test]
async fn an_old_agent_takes_one_connection_after_the_other() {
    let old = GatewayOptions { agent_version: "3.0.100.0".into(), ..GatewayOptions::default() };
    let gateway = Gateway::listen(old).await.unwrap();
    let port = echo_server().await;
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 1).await.unwrap();
    for n in 0..3_u8 {
        let data = vec![n + 1; 5000];
        assert_eq!(round_trip(&forward.local, &data).await, data);
    }
}

#[tokio::test]
async fn a_unix_socket_is_forwarded_and_removed() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let port = echo_server().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("forward");
    let options = options(&gateway, SessionType::Port);
    let request = StartRequest::socket("i-1", port, path.to_str().unwrap());
    let forward = Forward::open(
        gateway.service(),
        &request,
        &options,
        &ForwardOptions { listen: Listen::Unix(path.clone()), ..ForwardOptions::default() },
    )
    .await
    .unwrap();
    let mut unix = tokio::net::UnixStream::connect(&path).await.unwrap();
    unix.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    unix.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    drop(forward);
    tokio::time::timeout(Duration::from_secs(10), async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_ssh_stream_ends_with_its_local_side() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let port = echo_server().await;
    let session = open(&gateway, StartRequest::ssh("i-1", port), options(&gateway, SessionType::Port)).await;
    let (here, mut there) = tokio::io::duplex(1 << 20);
    let (read, write) = tokio::io::split(here);
    let piped = tokio::spawn(pipe(session, read, write));
    let data = pattern(500_000);
    there.write_all(&data).await.unwrap();
    let mut back = vec![0; data.len()];
    there.read_exact(&mut back).await.unwrap();
    assert_eq!(back, data);
    there.shutdown().await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(20), piped).await.unwrap().unwrap();
    assert!(matches!(end, End::Terminated | End::Closed(_)), "{end:?}");
}

#[tokio::test]
async fn a_reader_that_stands_still_does_not_hold_the_others_up() {
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let port = digest_server().await;
    let forward = forward(&gateway, &StartRequest::port("i-1", port), 1).await.unwrap();
    let mut still = TcpStream::connect(&forward.local).await.unwrap();
    still.write_all(&head(b'g', 40 << 20)).await.unwrap();
    // The other connection gets its answer although the first is never read.
    let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
    tcp.write_all(&head(b'g', 1 << 20)).await.unwrap();
    let mut got = vec![0; 1 << 20];
    tokio::time::timeout(Duration::from_secs(60), tcp.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(got, pattern(1 << 20));
    // Later on too, when the first one's buffer is full.
    tokio::time::timeout(Duration::from_secs(60), async {
        let data = pattern(1 << 20);
        loop {
            let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
            tcp.write_all(&head(b'g', 1 << 20)).await.unwrap();
            tcp.read_exact(&mut got).await.unwrap();
            assert_eq!(got, data);
            if forward.status().stalled == 1 {
                break;
            }
        }
    })
    .await
    .unwrap();
    // The one that was cut off can tell that from an end.
    let mut rest = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(20), still.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(cut.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}
