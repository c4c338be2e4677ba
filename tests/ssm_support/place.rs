//! A cloud with nodes and a home for the built program: run to its end, kept running, or on a screen.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of it")]

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bartizan::ssm::gateway::GatewayOptions;
use portable_pty::CommandBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Cloud, Options};

#[path = "../pty/mod.rs"]
mod pty;

pub use pty::Terminal;

pub const REGION: &str = "eu-west-1";
/// The one account of these clouds; nobody classified it, and its name is its id.
pub const ACCOUNT: &str = "123456789012";
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A cloud with three nodes, and a home for the program.
pub struct Place {
    pub cloud: Cloud,
    pub home: TempDir,
}

impl Place {
    pub fn new(options: GatewayOptions) -> Self {
        let cloud = Cloud::with(Options { managed_policies: false });
        cloud.nodes(|nodes| {
            let node = |id: &str, name: &str, ping: &str| {
                json!({"InstanceId": id, "PingStatus": ping, "ComputerName": name, "PlatformType": "Linux",
                       "IPAddress": "10.0.0.7", "LastPingDateTime": 1_773_450_000.0, "AgentVersion": "3.3.987.0"})
            };
            nodes.add_node(ACCOUNT, REGION, node("i-0aaaaaaaaaaaaaaaa", "web", "Online"), &[]);
            nodes.add_node(ACCOUNT, REGION, node("i-0bbbbbbbbbbbbbbbb", "twin", "Online"), &[]);
            nodes.add_node(ACCOUNT, REGION, node("i-0cccccccccccccccc", "twin", "ConnectionLost"), &[]);
        });
        let home = tempfile::tempdir().unwrap();
        cloud.open_sessions(GatewayOptions { directory: Some(home.path().to_owned()), ..options });
        Self { cloud, home }
    }

    /// Where programs are found first.
    pub fn bin(&self) -> PathBuf {
        self.home.path().join("bin")
    }

    pub fn environment(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = self.cloud.environment(REGION).into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        all.push(("HOME".into(), self.home.path().display().to_string()));
        all.push(("LANG".into(), "C.UTF-8".into()));
        let path = std::env::var("PATH").unwrap_or_default();
        all.push(("PATH".into(), format!("{}:{path}", self.bin().display())));
        all
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        // Before everything else: behind a `--` they would be another's.
        command.env_clear().envs(self.environment()).args(["--single-account", "-r", REGION]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end: exit code, standard output, standard error.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// The ledger's entries, exported.
    pub fn entries(&self) -> Vec<Value> {
        let (code, out, err) = self.run(&["ledger", "export"]);
        assert_eq!(code, 0, "{err}");
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|entry| entry["kind"].is_string()).collect()
    }

    /// Recordings, each with its text.
    pub fn recordings(&self) -> Vec<(PathBuf, String)> {
        let directory = self.home.path().join(".local/share/bartizan/recordings");
        let files = fs::read_dir(directory).into_iter().flatten().map(|f| f.unwrap().path());
        let casts = files.filter(|path| path.extension().is_some_and(|e| e == "cast"));
        casts.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
    }

    pub fn digest(path: &Path) -> String {
        let out = Command::new("sha256sum").arg(path).output().unwrap();
        String::from_utf8(out.stdout).unwrap().split(' ').next().unwrap().to_owned()
    }
}

/// A server that sends back what it gets.
pub fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut read, mut write) = (tcp.try_clone().unwrap(), tcp);
                let _ = std::io::copy(&mut read, &mut write);
            });
        }
    });
    port
}

/// A program that runs until it is told to stop.
pub struct Running(pub Child);

impl Running {
    pub fn stop(mut self, signal: &str) -> (i32, String) {
        assert!(Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status().unwrap().success());
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not stop");
            std::thread::yield_now();
        };
        let mut err = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status.code().unwrap_or(-1), err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// The program in a terminal.
pub struct Screen(Terminal);

impl Deref for Screen {
    type Target = Terminal;
    fn deref(&self) -> &Terminal {
        &self.0
    }
}

impl DerefMut for Screen {
    fn deref_mut(&mut self) -> &mut Terminal {
        &mut self.0
    }
}

impl Screen {
    pub fn open(place: &Place, args: &[&str], size: (u16, u16)) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_bartizan"));
        command.args(["--single-account", "-r", REGION, "--theme", "dark"]);
        command.args(args);
        command.env_clear();
        for (name, value) in place.environment() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        command.cwd(place.home.path());
        Self(Terminal::run(command, size))
    }

    /// Waits for the shell's prompt, whoever runs it.
    pub fn prompts(&mut self) {
        self.until("a prompt", |text| text.contains("$ ") || text.contains("# ") || text.trim_end().ends_with(['$', '#']));
    }

    pub fn types(&mut self, keys: &str) {
        self.press(keys);
    }

    /// Waits for the program's end; its exit code and last words.
    pub fn end(&mut self) -> (u32, String) {
        (self.0.end(), self.text())
    }
}
