//! Private sessions against the loopback gateway: echo, forwards, ready for the first key, the end. A plain program; it prints
//! what was measured, the figures of the existing client and of a plain reference client on a loopback with the public agent's own
//! session code, and ours.
//!
//! The gateway speaks real WebSockets and real frames, runs the local shell on a real pseudo-terminal and dials real TCP. "As an
//! agent" gives each message of 1 KiB the 1.4 ms that the public agent needs for it (it sleeps 1 ms after each). Run with
//! `cargo bench --bench ssm`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a bench prints")]

use std::time::{Duration, Instant};

use bartizan::ssm::forward::{Forward, ForwardOptions};
use bartizan::ssm::frame::Size;
use bartizan::ssm::gateway::{Faults, Gateway, GatewayOptions};
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::session::{Event, Session, SessionOptions};
use bartizan::terminal::{Allow, Terminal};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The figures of the existing client and of the reference client; a dash where none was measured.
type Peers = (&'static str, &'static str);
const NONE: Peers = ("-", "-");

fn row(what: &str, (existing, reference): Peers, ours: &str) {
    println!("{what:<52} {existing:>16} {reference:>16}  {ours}");
}

fn times(what: &str, theirs: Peers, mut all: Vec<Duration>) {
    all.sort_unstable();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let p95 = all[(all.len() * 95 / 100).min(all.len() - 1)];
    row(what, theirs, &format!("median {:.2} ms, p95 {:.2} ms", ms(all[all.len() / 2]), ms(p95)));
}

async fn open(gateway: &Gateway, request: StartRequest, session_type: SessionType) -> Session {
    let options = SessionOptions {
        size: Some(Size { cols: 80, rows: 24 }),
        endpoints: gateway.endpoints(),
        ..SessionOptions::new(session_type, "eu-west-1")
    };
    Session::start(gateway.service(), &request, options).await.unwrap()
}

async fn ready(session: &mut Session) {
    while !matches!(session.events.next().await.unwrap(), Event::Ready(_)) {}
}

/// A server that sends back what it gets.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tcp.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = tcp.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

/// A server that takes everything, or gives for ever.
async fn server(give: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = vec![b'x'; 64 << 10];
                if give {
                    while tcp.write_all(&buffer).await.is_ok() {}
                } else {
                    let mut count = 0_u64;
                    while let Ok(read @ 1..) = tcp.read(&mut buffer).await {
                        count += read as u64;
                        if buffer[read - 1] == b'.' {
                            let _ = tcp.write_u64(count).await;
                        }
                    }
                }
            });
        }
    });
    port
}

async fn forward(gateway: &Gateway, port: u16, lanes: usize) -> Forward {
    let options = SessionOptions { endpoints: gateway.endpoints(), ..SessionOptions::new(SessionType::Port, "eu-west-1") };
    let request = StartRequest::port("i-1", port);
    Forward::open(gateway.service(), &request, &options, &ForwardOptions { lanes, ..ForwardOptions::default() }).await.unwrap()
}

async fn upload(gateway: &Gateway, size: usize, what: &str, theirs: Peers) {
    let forward = forward(gateway, server(false).await, 1).await;
    let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
    let mut data = vec![b'x'; size];
    data[size - 1] = b'.';
    let begun = Instant::now();
    tcp.write_all(&data).await.unwrap();
    assert_eq!(tcp.read_u64().await.unwrap(), size as u64);
    row(what, theirs, &format!("{:.1} MiB/s", (size >> 20) as f64 / begun.elapsed().as_secs_f64()));
}

async fn download(gateway: &Gateway, lanes: usize, lasts: Duration, what: &str, theirs: Peers) {
    let forward = forward(gateway, server(true).await, lanes).await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..lanes {
        let local = forward.local.clone();
        all.spawn(async move {
            let mut tcp = TcpStream::connect(local).await.unwrap();
            let mut buffer = vec![0; 64 << 10];
            let begun = Instant::now();
            let mut count = 0;
            while begun.elapsed() < lasts {
                count += tcp.read(&mut buffer).await.unwrap();
            }
            count
        });
    }
    let mut count = 0;
    while let Some(done) = all.join_next().await {
        count += done.unwrap();
    }
    row(what, theirs, &format!("{:.2} MiB/s", count as f64 / f64::from(1 << 20) / lasts.as_secs_f64()));
}

/// The pane's terminal alone: `size` bytes of a listing with colours.
fn terminal() {
    let line = "\x1b[32mdrwxr-xr-x\x1b[0m 2 root root 4096 Nov 22 02:00 \x1b[1;34msome-directory\x1b[0m\r\n";
    let block = line.repeat((1 << 20) / line.len());
    let mut terminal = Terminal::new(200, 50, Allow::default());
    let begun = Instant::now();
    for _ in 0..64 {
        terminal.feed(block.as_bytes());
    }
    let rate = (64 * block.len()) as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64();
    row("terminal: output to cells, 200x50", NONE, &format!("{rate:.0} MiB/s"));
    let begun = Instant::now();
    assert!(terminal.search("not there", None, true).is_none());
    let lines = terminal.above();
    row(&format!("terminal: search {lines} lines"), NONE, &format!("{:.1} ms", begun.elapsed().as_secs_f64() * 1e3));
    let begun = Instant::now();
    let mut cells = 0;
    for _ in 0..100 {
        terminal.draw(|_, _, _| cells += 1);
    }
    let each = begun.elapsed().as_secs_f64() * 1e3 / 100.0;
    row(&format!("terminal: draw {} cells", cells / 100), NONE, &format!("{each:.2} ms"));
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    row("what", ("existing", "reference"), "ours");
    terminal();
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let as_agent = GatewayOptions { pace: Duration::from_micros(1400), ..GatewayOptions::default() };
    let paced = Gateway::listen(as_agent).await.unwrap();

    for (gateway, what) in [(&gateway, "key to echo, shell"), (&paced, "key to echo, shell, as an agent")] {
        let mut session = open(gateway, StartRequest::interactive_command("i-1", "cat"), SessionType::InteractiveCommand).await;
        ready(&mut session).await;
        let mut all = Vec::new();
        for key in 0..1000 {
            let begun = Instant::now();
            session.input.send(Bytes::from_static(if key % 50 == 49 { b"\x15" } else { b"x" })).await.unwrap();
            while !matches!(session.events.next().await.unwrap(), Event::Output(_)) {}
            if key % 50 != 49 {
                all.push(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        times(what, ("0.73 ms", "-"), all);
    }

    let mut first_key = Vec::new();
    let mut silent = Vec::new();
    let mut ends = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let mut session = open(&gateway, StartRequest::shell("i-1"), SessionType::Shell).await;
        ready(&mut session).await;
        first_key.push(begun.elapsed());
        // The prompt has come: the shell reads.
        while !matches!(session.events.next().await.unwrap(), Event::Output(_)) {}
        let begun = Instant::now();
        session.input.send(Bytes::from_static(b"exit\r")).await.unwrap();
        while !matches!(session.events.next().await.unwrap(), Event::End(_)) {}
        ends.push(begun.elapsed());
        let begun = Instant::now();
        let mut session =
            open(&gateway, StartRequest::interactive_command("i-1", "read x"), SessionType::InteractiveCommand).await;
        ready(&mut session).await;
        silent.push(begun.elapsed());
    }
    times("ready for the first key, shell that prompts", ("1000 ms", "270 ms"), first_key);
    times("ready for the first key, silent command", ("never", "540 ms"), silent);
    times("`exit` to closed", ("2100 ms", "6 ms"), ends);

    for (gateway, what) in [(&gateway, "1 byte there and back, forward"), (&paced, "1 byte there and back, forward, as an agent")]
    {
        let forward = forward(gateway, echo().await, 1).await;
        let mut tcp = TcpStream::connect(&forward.local).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut all = Vec::new();
        for _ in 0..1000 {
            let begun = Instant::now();
            tcp.write_all(b"x").await.unwrap();
            tcp.read_u8().await.unwrap();
            all.push(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        times(what, ("0.65 ms", "1.1 ms"), all);
    }

    let lasts = Duration::from_secs(5);
    upload(&gateway, 64 << 20, "upload, 64 MiB", ("0.55 MiB/s", "10.8 MiB/s")).await;
    let far = Gateway::listen(GatewayOptions::default()).await.unwrap();
    far.set_faults(Faults { delay: Duration::from_millis(40), ..Faults::default() });
    upload(&far, 64 << 20, "upload, 64 MiB, 80 ms there and back", ("-", "9.1 MiB/s")).await;
    download(&paced, 1, lasts, "download, 1 lane, as an agent", ("0.61 MiB/s", "0.62-0.71 MiB/s")).await;
    download(&paced, 4, lasts, "download, 4 lanes, as an agent", ("0.61 MiB/s", "2.43 MiB/s")).await;
    download(&gateway, 1, lasts, "download, 1 lane, as fast as it goes", NONE).await;
    download(&gateway, 4, lasts, "download, 4 lanes, as fast as it goes", NONE).await;
}
