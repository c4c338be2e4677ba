//! OpenSSH and scp through `bartizan ssm proxy`, configured by the very lines that docs/sessions.md gives. The machine's own `ssh`
//! is the client; the server is the Python package asyncssh, pinned. Skipped, by name, where one of them is out of reach.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

#[path = "ssm_support/packages.rs"]
mod packages;
#[path = "ssm_support/place.rs"]
mod place;
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use bartizan::ssm::gateway::GatewayOptions;
use place::{PATIENCE, Place, Running};
use serde_json::json;

const PINS: &str = "asyncssh==2.24.1\ncryptography==50.0.2\ncffi==2.1.1\npycparser==3.12\ntyping_extensions==4.16.0\n";

/// A server without passwords: it says what it was asked to run, and keeps files in one directory.
const SERVER: &str = r#"
import asyncio, sys, asyncssh

class Open(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False

async def run(process):
    process.stdout.write(f"{process.get_extra_info('username')} ran {process.command}\n")
    process.stderr.write("words\n")
    process.exit(5)

async def main():
    keep = lambda channel: asyncssh.SFTPServer(channel, chroot=sys.argv[1])
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        Open, "127.0.0.1", 0, server_host_keys=[key], process_factory=run, sftp_factory=keep, allow_scp=True)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"#;

/// The lines that the docs give for `~/.ssh/config`.
fn lines_of_the_docs() -> String {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sessions.md")).unwrap();
    let (_, block) = docs.split_once("four lines in `~/.ssh/config`").expect("docs/sessions.md shows no lines for OpenSSH");
    let lines = block.split("```").nth(1).unwrap().trim().to_owned() + "\n";
    assert_eq!(lines.lines().count(), 4, "{lines}");
    lines
}

#[test]
fn openssh_and_scp_work_through_the_proxy_as_the_docs_say() {
    let test = "openssh_and_scp_work_through_the_proxy_as_the_docs_say";
    if Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_err() {
        eprintln!("{test}: skipped, there is no OpenSSH client");
        return;
    }
    let Some(python) = packages::wheels(test, "asyncssh", PINS) else { return };
    let place = Place::new(GatewayOptions::default());
    let home = place.home.path();
    let files = home.join("files");
    for directory in [&files, &place.bin(), &home.join(".config/bartizan")] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::write(home.join(".config/bartizan/config.toml"), "[aws]\nregions = [\"eu-west-1\"]\nsingle_account = true\n").unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_bartizan"), place.bin().join("bartizan")).unwrap();
    let config = home.join("ssh_config");
    fs::write(&config, lines_of_the_docs()).unwrap();

    let mut server = Command::new(python.join("python"));
    let mut server = server.arg("-c").arg(SERVER).arg(&files).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let _server = Running(server);
    let run = |program: &str, args: &[&str]| -> Output {
        let mut client = Command::new(program);
        client.arg("-F").arg(&config).args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        client.args(["-o", "BatchMode=yes", "-o", &format!("Port={}", port.trim())]).args(args);
        client.env_clear().envs(place.environment()).current_dir(home).stdin(Stdio::null()).output().unwrap()
    };
    let done = run("ssh", &["i-0aaaaaaaaaaaaaaaa", "uptime"]);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!((done.status.code(), &*out), (Some(5), "ec2-user ran uptime\n"), "{err}");
    assert!(err.contains("words"), "{err}");

    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(home.join("there"), &bytes).unwrap();
    // In scp's own protocol: of a subsystem this server tells no exit status, which scp takes for a failure.
    let done = run("scp", &["-O", "there", "i-0aaaaaaaaaaaaaaaa:/kept"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(fs::read(files.join("kept")).unwrap() == bytes, "what was sent differs");
    let done = run("scp", &["-O", "i-0aaaaaaaaaaaaaaaa:/kept", "back"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(fs::read(home.join("back")).unwrap() == bytes, "what came back differs");

    // OpenSSH does not wait for its proxy command.
    let end = Instant::now() + PATIENCE;
    let entries = loop {
        let entries = place.entries();
        if entries.len() == 6 {
            break entries;
        }
        assert!(Instant::now() < end, "a session has no end in the ledger: {entries:#?}");
    };
    let starts: Vec<_> = entries.iter().filter(|e| e["kind"] == "session-start").collect();
    assert_eq!((starts.len(), entries.len()), (3, 6), "{entries:#?}");
    for start in starts {
        assert_eq!((&start["content"]["mode"], &start["reason"]), (&json!("proxy"), &json!("ssh as ec2-user")));
    }
    assert_eq!(place.cloud.gateway(|g| g.open_sessions()), Vec::<String>::new());
}
