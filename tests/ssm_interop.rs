//! Clients and peers that are not ours, against our gateway and our multiplexer. They come pinned from their registries (see
//! `packages`); where one is out of reach its test is skipped, by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

#[path = "ssm_support/packages.rs"]
mod packages;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use bartizan::ssm::gateway::{Faults, Gateway, GatewayOptions};
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::smux::{Mux, MuxEvent, Role};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// A session as the package's own example has it: size first, an acknowledgement for each output, text as it is typed.
const SCRIPT: &str = r#"
const { ssm } = require("ssm-session");
const WebSocket = require("ws");
const [url, token] = process.argv.slice(1);
const socket = new WebSocket(url);
let typed = false;
socket.on("open", () => ssm.init(socket, { token, termOptions: { cols: 91, rows: 31 } }));
socket.on("message", (data) => {
  const message = ssm.decode(data);
  if (message.messageType === "output_stream_data") {
    ssm.sendACK(socket, message);
    process.stdout.write(Buffer.from(message.payload));
    if (!typed) {
      typed = true;
      ssm.sendText(socket, "stty size; echo $((40+2))\r");
      ssm.sendText(socket, "exit\r");
    }
  } else if (message.messageType === "channel_closed") {
    process.stdout.write("CLOSED");
    socket.close();
  }
});
"#;

/// Runs the script on a session of this gateway; what it printed.
async fn by_npm(test: &str, gateway: &Gateway) -> Option<String> {
    let home = packages::npm(test, "ssm-session", &["ssm-session@1.0.6", "ws@8.18.3"])?;
    let started = gateway.service().start(&StartRequest::shell("i-1")).await.unwrap();
    let mut node = Command::new("node");
    node.arg("-e").arg(SCRIPT).arg(&started.stream_url).arg(started.token.reveal()).current_dir(home).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), node.output()).await.unwrap().unwrap();
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_npm_package_ssm_session_is_a_client_of_our_gateway() {
    let test = "the_npm_package_ssm_session_is_a_client_of_our_gateway";
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let Some(text) = by_npm(test, &gateway).await else { return };
    assert!(text.contains("31 91") && text.contains("42\r\n") && text.ends_with("CLOSED"), "{text}");
}

#[tokio::test]
async fn the_npm_package_hears_what_is_repeated_once_it_is_there() {
    let test = "the_npm_package_hears_what_is_repeated_once_it_is_there";
    // It repeats nothing itself, so only what it is sent may be lost.
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    gateway.set_faults(Faults { delay: Duration::from_millis(5), ..Faults::default() });
    let Some(text) = by_npm(test, &gateway).await else { return };
    assert!(text.contains("31 91") && text.ends_with("CLOSED"), "{text}");
}

#[tokio::test]
async fn the_real_go_smux_is_a_peer_of_ours_in_both_roles() {
    let test = "the_real_go_smux_is_a_peer_of_ours_in_both_roles";
    let Some(peer) = packages::smux_peer(test) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();

    // Theirs echoes, ours opens.
    let mut child = Command::new(&peer).args(["server", port.as_str()]).kill_on_drop(true).spawn().unwrap();
    let (mut tcp, _) = listener.accept().await.unwrap();
    let mut mux = Mux::new(Role::Client);
    let data: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let ids: Vec<u32> = (0..8).map(|_| mux.open().unwrap()).collect();
    ids.iter().for_each(|id| mux.send(*id, &data));
    let mut back: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    tokio::time::timeout(Duration::from_secs(60), async {
        while back.len() < 8 || back.values().any(|got| got.len() < data.len()) {
            turn(&mut tcp, &mut mux).await;
            while let Some(event) = mux.poll() {
                if let MuxEvent::Data(id, bytes) = event {
                    back.entry(id).or_default().extend_from_slice(&bytes);
                }
            }
        }
    })
    .await
    .unwrap();
    assert!(back.values().all(|got| *got == data));
    child.kill().await.unwrap();

    // Theirs opens and checks, ours echoes.
    let child = Command::new(&peer).args(["client", port.as_str()]).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let (mut tcp, _) = listener.accept().await.unwrap();
    let mut mux = Mux::new(Role::Server);
    let mut output = tokio::spawn(child.wait_with_output());
    let output = loop {
        tokio::select! {
            () = turn(&mut tcp, &mut mux) => {}
            output = &mut output => break output.unwrap().unwrap(),
        }
        while let Some(event) = mux.poll() {
            if let MuxEvent::Data(id, bytes) = event {
                mux.send(id, &bytes);
            }
        }
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "WHOLE\n");
}

/// Writes what the multiplexer has and reads what has come.
async fn turn(tcp: &mut TcpStream, mux: &mut Mux) {
    let (mut read, mut write) = tcp.split();
    let mut out = mux.take();
    let mut buffer = BytesMut::with_capacity(64 << 10);
    tokio::select! {
        written = write.write_all_buf(&mut out), if !out.is_empty() => written.unwrap(),
        read = read.read_buf(&mut buffer) => if !matches!(read, Ok(1..)) { std::future::pending::<()>().await },
    }
    // What was not written yet goes before anything new.
    while !out.is_empty() {
        let mut more = BytesMut::with_capacity(64 << 10);
        tokio::select! {
            written = write.write_all_buf(&mut out) => written.unwrap(),
            read = read.read_buf(&mut more) => { read.unwrap(); buffer.extend_from_slice(&more); }
        }
    }
    mux.feed(buffer.freeze()).unwrap();
}

/// Runs the program in `tests/bridge` on a session of this gateway; what it printed.
async fn by_bridge(test: &str, gateway: &Gateway, request: &StartRequest, does: &[&str]) -> Option<String> {
    let program = packages::bridge(test)?;
    let started = gateway.service().start(request).await.unwrap();
    let mut bridge = Command::new(program);
    bridge.args(does).kill_on_drop(true).env("BRIDGE_SESSION", &started.session_id);
    bridge.env("BRIDGE_URL", &started.stream_url).env("BRIDGE_TOKEN", started.token.reveal());
    let output = tokio::time::timeout(Duration::from_secs(60), bridge.output()).await.unwrap().unwrap();
    Some(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_crate_aws_ssm_bridge_is_a_client_of_our_gateway() {
    let test = "the_crate_aws_ssm_bridge_is_a_client_of_our_gateway";
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let Some(text) = by_bridge(test, &gateway, &StartRequest::shell("i-1"), &["shell"]).await else { return };
    assert!(text.contains("31 91") && text.contains("42\r\n") && text.contains("CLOSED"), "{text}");

    let request = StartRequest::command("i-1", "echo out; exit 7");
    let text = by_bridge(test, &gateway, &request, &["command"]).await.unwrap();
    // It knows no exit code: it reads a bare number where agents write `EXIT_CODE: 7`.
    assert!(text.contains("out\n") && text.contains("CLOSED Some(AgentClosed"), "{text}");

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
    let text = by_bridge(test, &gateway, &StartRequest::port("i-1", port), &["forward", &port.to_string()]).await.unwrap();
    assert!(text.contains("ECHOED 300000 SAME true"), "{text}");

    // Over a slow line too.
    gateway.set_faults(Faults { delay: Duration::from_millis(5), ..Faults::default() });
    let text = by_bridge(test, &gateway, &StartRequest::shell("i-1"), &["shell"]).await.unwrap();
    assert!(text.contains("31 91") && text.contains("CLOSED"), "{text}");
}
