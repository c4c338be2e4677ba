//! The cloud a test holds: starts moto and the front, hands out SDK configurations, and reaches into the state behind.

use super::accessed::Accessed;
use super::calls::{self, Call};
use super::faults::{Rule, RuleId};
use super::front::{MANAGEMENT, State, lock};
use super::hub::Hub;
use super::moto::Moto;
use super::nodes::Nodes;
use super::trail::Trail;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use bartizan::ssm::gateway::{Gateway, GatewayOptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How a cloud is started.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether AWS's managed policies exist. Needed to attach them; each account's first IAM call takes 0.3 s longer.
    pub managed_policies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { managed_policies: true }
    }
}

/// A test cloud of its own: nothing is shared with another. Ends, with moto, when dropped.
///
/// It runs on a thread of its own, so that it serves any test, asynchronous or not, and may live in a `static`.
pub struct Cloud {
    url: String,
    state: Arc<State>,
    moto: Moto,
    runtime: Option<Runtime>,
}

impl Cloud {
    /// Starts a cloud. The first call ever installs moto under `target/testcloud`.
    ///
    /// # Panics
    /// When it cannot: the test that needs it fails with the reason.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// Starts a cloud with options.
    pub fn with(options: Options) -> Self {
        let moto = Moto::start(options.managed_policies).unwrap_or_else(|why| panic!("{why}"));
        let state = Arc::new(State::new(moto.port()));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("test cloud").build();
        let runtime = runtime.expect("test cloud: no runtime");
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("test cloud: no free loopback port");
        let address = listener.local_addr().expect("test cloud: no local address");
        listener.set_nonblocking(true).expect("test cloud: cannot set the socket up");
        let served = Arc::clone(&state);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("test cloud: cannot serve the socket");
            served.serve(listener).await;
        });
        Self { url: format!("http://{address}"), state, moto, runtime: Some(runtime) }
    }

    /// The endpoint for every service: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Moto behind the front, for set-up that should neither be recorded nor meet faults. The front does not know whose
    /// credentials moto hands out here: use them here only.
    pub fn moto_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.moto.port())
    }

    /// One request to moto by the management account, without a client for its service: seeding only. `target` is the
    /// `X-Amz-Target` of JSON protocols, else empty.
    ///
    /// # Panics
    /// When moto refuses it.
    pub fn seed(&self, region: &str, service: &str, (method, path): (&str, &str), target: &str, body: &str) -> String {
        use std::io::{Read, Write};
        let host = self.moto_url().trim_start_matches("http://").to_owned();
        let mut stream = std::net::TcpStream::connect(&host).expect("moto listens");
        let scope = format!("Credential=test/20260601/{region}/{service}/aws4_request");
        let kind = match (target, body.starts_with("Action=")) {
            ("", true) => "application/x-www-form-urlencoded",
            (t, _) if t.starts_with("AmazonSQS") => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        };
        let target = if target.is_empty() { String::new() } else { format!("X-Amz-Target: {target}\r\n") };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, \
             Signature=0000\r\n{target}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .expect("moto reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("moto answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        assert!(head.starts_with("HTTP/1.1 20"), "{service} {method} {path} {target}: {answer}");
        body.to_owned()
    }

    /// Moto's process id.
    pub fn moto_pid(&self) -> u32 {
        self.moto.pid()
    }

    /// The environment for a child process that should use this cloud: endpoint, region and the management account's keys.
    pub fn environment(&self, region: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// An SDK configuration for the management account: one attempt a call, so that a fault is seen.
    pub fn config(&self, region: &str) -> SdkConfig {
        self.config_as(region, Credentials::new("test", "test", None, None, "test cloud"))
    }

    /// As `config`, with these credentials.
    pub fn config_as(&self, region: &str, credentials: Credentials) -> SdkConfig {
        config_at(&self.url, region, credentials)
    }

    /// As `config`, as `role` in `account` by `sts:AssumeRole`.
    ///
    /// # Panics
    /// When the role may not be assumed.
    pub async fn config_in(&self, account: &str, role: &str, region: &str) -> SdkConfig {
        assume(&self.config(region), account, role).await
    }

    /// Security Hub's state, to seed and to look at.
    pub fn hub<T>(&self, work: impl FnOnce(&mut Hub) -> T) -> T {
        work(&mut lock(&self.state.hub))
    }

    /// Session Manager's state, to seed and to look at.
    pub fn nodes<T>(&self, work: impl FnOnce(&mut Nodes) -> T) -> T {
        work(&mut lock(&self.state.nodes))
    }

    /// Has sessions run on a loopback gateway.
    pub fn open_sessions(&self, options: GatewayOptions) {
        let runtime = self.runtime.as_ref().expect("test cloud: no runtime");
        let (send, receive) = std::sync::mpsc::channel();
        runtime.spawn(async move { send.send(Gateway::listen(options).await) });
        let gateway = receive.recv().expect("test cloud: no gateway").expect("test cloud: no port for the gateway");
        lock(&self.state.nodes).gateway = Some(gateway);
    }

    /// The gateway that sessions run on.
    pub fn gateway<T>(&self, work: impl FnOnce(&Gateway) -> T) -> T {
        work(lock(&self.state.nodes).gateway.as_ref().expect("test cloud: open_sessions was not called"))
    }

    /// What principals used, to seed.
    pub fn accessed<T>(&self, work: impl FnOnce(&mut Accessed) -> T) -> T {
        work(&mut lock(&self.state.accessed))
    }

    /// CloudTrail's event history, to seed.
    pub fn trail<T>(&self, work: impl FnOnce(&mut Trail) -> T) -> T {
        work(&mut lock(&self.state.trail))
    }

    /// Puts a fault rule in force. Rules may come and go while calls run; the earliest that applies wins.
    pub fn fault(&self, rule: Rule) -> RuleId {
        lock(&self.state.rules).add(rule)
    }

    /// Takes a rule away.
    pub fn heal(&self, id: RuleId) {
        lock(&self.state.rules).remove(id);
    }

    /// Takes all rules away.
    pub fn heal_all(&self) {
        lock(&self.state.rules).clear();
    }

    /// How often a rule's fault was met.
    pub fn hits(&self, id: RuleId) -> u64 {
        lock(&self.state.rules).hits(id)
    }

    /// Ends all temporary credentials issued so far; new ones work.
    pub fn expire_issued(&self) {
        self.state.expire_issued();
    }

    /// Has `expire_issued` happen by itself with the `calls`th call from now: credentials that end half-way.
    pub fn expire_after(&self, calls: u64) {
        self.state.expire_after(calls);
    }

    /// The account an access key belongs to.
    pub fn account_of(&self, access_key: &str) -> String {
        self.state.account_of(access_key)
    }

    /// Every call so far, in order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state.calls).clone()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        lock(&self.state.calls).clear();
    }

    /// How often each IAM action (`ec2:DescribeVpcs`) was called.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        calls::counts(&lock(&self.state.calls))
    }

    /// The most calls within any window of this length, for each (account, region, IAM action).
    pub fn peaks(&self, window: Duration) -> BTreeMap<(String, String, String), usize> {
        calls::peaks(&lock(&self.state.calls), window)
    }

    /// The management account's id.
    pub fn management(&self) -> &'static str {
        MANAGEMENT
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // a runtime may not be dropped inside another's task; this returns at once
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An SDK configuration against any endpoint.
///
/// Built by hand: nothing of the user's environment or files gets in.
pub fn config_at(url: &str, region: &str, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

/// The same configuration as `role` in `account`.
pub async fn assume(config: &SdkConfig, account: &str, role: &str) -> SdkConfig {
    let arn = format!("arn:aws:iam::{account}:role/{role}");
    let answer = aws_sdk_sts::Client::new(config).assume_role().role_arn(arn).role_session_name("test").send().await;
    let given = answer.expect("test cloud: sts:AssumeRole refused").credentials.expect("test cloud: no credentials");
    let session = Some(given.session_token);
    let credentials = Credentials::new(given.access_key_id, given.secret_access_key, session, None, "test cloud");
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

/// Runs an asynchronous test to its end on a thread with a deep stack.
///
/// The SDK's unoptimised code for a Security Hub finding (whose `ResourceDetails` has a field for each resource type)
/// needs more stack than a test thread's 2 MB.
pub fn run<T: Send>(test: impl Future<Output = T> + Send) -> T {
    const STACK: usize = 32 * 1024 * 1024;
    let whole = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_stack_size(STACK).enable_all().build().expect("test cloud: no runtime");
        runtime.block_on(test)
    };
    let ended = std::thread::scope(|scope| {
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        let thread = std::thread::Builder::new().name(name).stack_size(STACK).spawn_scoped(scope, whole);
        thread.expect("test cloud: no thread").join()
    });
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
