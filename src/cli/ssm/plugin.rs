//! Forwards and SSH streams that an installed `session-manager-plugin` carries: started here, written into the ledger here, ended
//! here. Shells that it carries are sessions like any other (`shell`).

use std::process::Stdio;
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, bail, eyre};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use crate::cli::Done;
use crate::cli::ssm::At;
use crate::message::session::Forwarding;
use crate::ssm::plugin::{NAME, Plugin};
use crate::ssm::service::StartRequest;
use crate::ssm::upgrade::StreamUrl;
use crate::text;
use crate::work::sessions::record::{Ended, Told, detail, document};
use crate::work::sessions::way::Reach;

/// How long its end is waited for after the session's end was asked for.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session that the plugin carries.
struct Carried {
    at: At,
    reach: Reach,
    id: String,
    child: Child,
    began: Instant,
}

/// Starts a session, writes its start into the ledger and hands it to the plugin.
async fn start(
    mut at: At,
    plugin: &Plugin,
    request: StartRequest,
    mode: &'static str,
    what: &str,
    (stdin, stdout): (Stdio, Stdio),
) -> Result<Carried> {
    at.way = at.way.by(plugin.clone()).map_err(|why| eyre!(why))?;
    let reach = at.way.reach(&at.machine, &at.said).await.map_err(|why| eyre!(why))?;
    let plugin = reach.options.plugin.as_ref().unwrap_or(plugin);
    let request = request.because(&at.reason);
    let credentials = reach.service.credentials().await?;
    let began = Instant::now();
    let started = reach.service.start(&request).await?;
    let told = Told {
        machine: at.machine.clone(),
        mode,
        detail: detail(what, Some(plugin)),
        document: document(&at.machine, &request),
        reason: at.reason.clone(),
        finding: None,
    };
    let mut written = false;
    let carried = async {
        // What we would not dial ourselves is not handed on either.
        StreamUrl::check(&started.stream_url, &reach.options.endpoints)?;
        at.book.start(&reach.caller, &started.session_id, &told).await.map_err(|why| eyre!(why))?;
        written = true;
        let call = plugin.call(&request, &started, &reach.options.region, credentials.as_ref());
        let mut process = call.process();
        process.stdin(stdin).stdout(stdout).kill_on_drop(true);
        process.spawn().map_err(|error| eyre!("{} could not be started: {error}", call.program.display()))
    };
    match carried.await {
        Ok(child) => Ok(Carried { at, id: started.session_id, reach, child, began }),
        Err(why) => {
            let _ = reach.service.terminate(&started.session_id).await;
            if written {
                let ended = Ended { outcome: "failed", said: why.to_string(), took: began.elapsed(), ..Ended::default() };
                at.book.end(&reach.caller, &started.session_id, ended).await.map_err(|why| eyre!(why))?;
            }
            Err(why)
        }
    }
}

impl Carried {
    /// Waits for the plugin's end, or ends it where that is asked, and writes the end into the ledger.
    async fn end(mut self, stopped: bool) -> Result<Done> {
        let mut code = None;
        // Its exit code is 0 whatever happened: only this is sure to leave nothing open on the node.
        if stopped {
            let _ = self.reach.service.terminate(&self.id).await;
            match tokio::time::timeout(FAREWELL, self.child.wait()).await {
                Ok(_) => {}
                Err(_) => self.child.kill().await?,
            }
        } else {
            code = self.child.wait().await?.code();
            let _ = self.reach.service.terminate(&self.id).await;
        }
        let (outcome, said) = match code {
            _ if stopped => ("terminated", String::new()),
            Some(0) => ("ended", String::new()),
            Some(code) => ("failed", format!("{NAME} ended with exit code {code}")),
            None => ("failed", format!("{NAME} was killed")),
        };
        // How much went by it does not tell.
        let ended = Ended { outcome, said: said.clone(), took: self.began.elapsed(), ..Ended::default() };
        self.at.book.end(&self.reach.caller, &self.id, ended).await.map_err(|why| eyre!(why))?;
        self.at.desk.ledger().close().await?;
        if said.is_empty() { Ok(Done::Whole) } else { bail!(said) }
    }
}

/// Carries an SSH connection.
pub(super) async fn proxy(at: At, plugin: &Plugin, port: u16) -> Result<Done> {
    let request = StartRequest::ssh(&at.machine.id, port);
    let mut stop = crate::console::run::Stop::new()?;
    let streams = (Stdio::inherit(), Stdio::inherit());
    let mut carried = start(at, plugin, request, "proxy", &format!("port {port}"), streams).await?;
    let stopped = tokio::select! {
        _ = carried.child.wait() => false,
        () = stop.asked() => true,
    };
    carried.end(stopped).await
}

/// The port here, of a line in which the plugin tells it.
fn opened(line: &str) -> Option<u16> {
    line.strip_prefix("Port ")?.split_once(" opened for sessionId ")?.0.parse().ok()
}

/// Forwards a port until it is stopped.
pub(super) async fn forward(at: At, plugin: &Plugin, wanted: &Forwarding) -> Result<Done> {
    if wanted.lanes > 1 {
        eprintln!("{NAME} has one session for all connections: {} lanes are not to be had", wanted.lanes);
    }
    let mut request = match &wanted.host {
        Some(host) => StartRequest::remote_port(&at.machine.id, host, wanted.port),
        None => StartRequest::port(&at.machine.id, wanted.port),
    };
    request.parameters.insert("localPortNumber".into(), vec![wanted.local.to_string()]);
    let mut stop = crate::console::run::Stop::new()?;
    let streams = (Stdio::null(), Stdio::piped());
    let mut carried = start(at, plugin, request, "forward", &format!("to {}", wanted.destination()), streams).await?;
    let Some(stdout) = carried.child.stdout.take() else { bail!("{NAME} has no output to read") };
    let mut lines = BufReader::new(stdout).lines();
    let stopped = loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            () = stop.asked() => break true,
        };
        let Ok(Some(line)) = line else { break false };
        if let Some(port) = opened(&line) {
            println!("127.0.0.1:{port}");
            eprintln!(
                "127.0.0.1:{port} leads to {} through {}; ctrl-c stops it",
                text::line(&wanted.destination()),
                text::line(&wanted.machine.name)
            );
        } else if !line.trim().is_empty() {
            eprintln!("{}", text::line(&line));
        }
    };
    carried.end(stopped).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_plugins_words() {
        assert_eq!(opened("Port 44985 opened for sessionId jo-0f."), Some(44985));
        assert_eq!(opened("Waiting for connections..."), None);
        assert_eq!(opened("Port x opened for sessionId y"), None);
    }
}
