//! Help shared by the Session Manager tests: sessions on the loopback gateway.
#![allow(dead_code, reason = "each test file uses a part")]

use std::time::Duration;

use bartizan::ssm::gateway::Gateway;
use bartizan::ssm::handshake::SessionType;
use bartizan::ssm::service::StartRequest;
use bartizan::ssm::session::{End, Event, Events, Session, SessionOptions};

/// Options for a session of this type on this gateway, over the network.
pub fn options(gateway: &Gateway, session_type: SessionType) -> SessionOptions {
    SessionOptions { endpoints: gateway.endpoints(), ..SessionOptions::new(session_type, "eu-west-1") }
}

/// The same through memory, for simulated time.
pub fn in_memory(gateway: &Gateway, session_type: SessionType) -> SessionOptions {
    SessionOptions { dial: gateway.dialler(), ..options(gateway, session_type) }
}

/// Starts a session on node `i-1`.
pub async fn open(gateway: &Gateway, request: StartRequest, options: SessionOptions) -> Session {
    Session::start(gateway.service(), &request, options).await.unwrap()
}

/// The next event, or a panic after a minute.
pub async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(60), events.next()).await.expect("no event for a minute").expect("events ended")
}

/// Reads until this text has come; answers all that came.
pub async fn until(events: &mut Events, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        match next(events).await {
            Event::Output(data) => all.push_str(&String::from_utf8_lossy(&data)),
            Event::End(end) => panic!("ended with {end:?} after {all:?}, before {text:?}"),
            _ => {}
        }
    }
    all
}

/// Reads to the end; answers output, error stream, exit code, notices and how it ended.
pub async fn drain(events: &mut Events) -> (Vec<u8>, Vec<u8>, Option<i32>, Vec<String>, End) {
    let (mut out, mut err, mut code, mut notices) = (Vec::new(), Vec::new(), None, Vec::new());
    loop {
        match next(events).await {
            Event::Output(data) => out.extend_from_slice(&data),
            Event::StdErr(data) => err.extend_from_slice(&data),
            Event::ExitCode(number) => code = Some(number),
            Event::Notice(text) => notices.push(text),
            Event::End(end) => return (out, err, code, notices, end),
            Event::Ready(_) | Event::ConnectRefused => {}
        }
    }
}
