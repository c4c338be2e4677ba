//! `aws-ssm-bridge` as a client of the loopback gateway. The session is given by the environment (`BRIDGE_SESSION`, `BRIDGE_URL`,
//! `BRIDGE_TOKEN`); the first argument says what is done with it. What comes of it is printed; it judges nothing.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use aws_ssm_bridge::documents::{NonInteractiveCommand, PortForwardingSession, ShellSession};
use aws_ssm_bridge::{
    DocumentSpec, EndpointPolicy, PortForwardConfig, PortForwarder, Session, SessionConfig, ShutdownSignal,
};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes through the forward, each way.
const BYTES: usize = 300_000;

fn given(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set"))
}

async fn attach(document: DocumentSpec) -> Result<Session, Box<dyn Error>> {
    let config =
        SessionConfig { document: Some(document), endpoint_policy: EndpointPolicy::AllowAny, ..SessionConfig::new("i-1") };
    Ok(Session::attach(given("BRIDGE_SESSION")?, given("BRIDGE_URL")?, given("BRIDGE_TOKEN")?, config).await?)
}

/// Prints all that comes, to the end.
async fn print(session: &Session, keys: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut output = session.output();
    session.wait_ready().await?;
    for keys in keys {
        session.send(keys.as_bytes().to_vec()).await?;
    }
    while let Some(bytes) = output.next().await {
        std::io::stdout().write_all(&bytes)?;
    }
    println!("\nEXIT {:?} CLOSED {:?}", session.exit_code(), session.close_reason());
    Ok(())
}

async fn forward(port: u16) -> Result<(), Box<dyn Error>> {
    let session = Arc::new(attach(DocumentSpec::new(&PortForwardingSession::new(port))).await?);
    let forwarder = PortForwarder::bind(PortForwardConfig::default()).await?;
    let local = forwarder.local_addr();
    let shutdown = ShutdownSignal::new();
    let forwarding = tokio::spawn(forwarder.forward(Arc::clone(&session), shutdown.clone()));
    let (mut read, mut write) = TcpStream::connect(local).await?.into_split();
    let sent: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move { write.write_all(&sent).await.map(|()| write) });
    let mut echoed = vec![0; BYTES];
    read.read_exact(&mut echoed).await?;
    drop(writing.await??);
    println!("ECHOED {} SAME {}", echoed.len(), echoed == expected);
    shutdown.shutdown();
    forwarding.await??;
    session.terminate().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    match (arguments.get(1).map(String::as_str), arguments.get(2)) {
        (Some("shell"), _) => {
            let session = attach(DocumentSpec::new(&ShellSession::new())).await?;
            session.send_terminal_size(91, 31).await?;
            print(&session, &["stty size; echo $((40+2))\r", "exit\r"]).await
        }
        (Some("command"), _) => {
            let session = attach(DocumentSpec::new(&NonInteractiveCommand::new("as the session has it"))).await?;
            print(&session, &[]).await
        }
        (Some("forward"), Some(port)) => forward(port.parse()?).await,
        _ => Err("say what: shell, command, or forward PORT".into()),
    }
}
