//! The front: the HTTP server the tests' clients talk to. It understands each request, records it, lets it meet its fault,
//! answers what moto lacks and forwards the rest unchanged.
//!
//! It owns the sockets and the shared state. The services' rules are in `hub` and `nodes`, the protocols in `wire`.

use super::accessed::Accessed;
use super::calls::Call;
use super::faults::{Fault, Rules};
use super::hub::Hub;
use super::nodes::Nodes;
use super::wire::{Answer, Asked, Body, Refusal, answer, whole};
use futures_util::stream;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The account of credentials the front has not seen issued: moto's default, the organisation's management account.
pub const MANAGEMENT: &str = "123456789012";
/// The largest request or answer passed on.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What the front knows; shared with the `Cloud` that the test holds.
pub struct State {
    moto: u16,
    client: Client<HttpConnector, Full<Bytes>>,
    pub calls: Mutex<Vec<Call>>,
    pub rules: Mutex<Rules>,
    pub hub: Mutex<Hub>,
    pub nodes: Mutex<Nodes>,
    pub accessed: Mutex<Accessed>,
    /// Access key id → account, from the answers of `AssumeRole*` and `CreateAccessKey`.
    keys: Mutex<HashMap<String, String>>,
    expired: Mutex<HashSet<String>>,
    /// Calls until `expire_issued` happens by itself; 0 for never.
    expire_in: AtomicU64,
}

/// The connection is to be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut by a rule of the test cloud")]
struct Cut;

/// A lock that outlives a panicking test.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl State {
    /// The state before the first call, with moto at this port.
    pub fn new(moto: u16) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            moto,
            client: Client::builder(TokioExecutor::new()).build(connector),
            calls: Mutex::default(),
            rules: Mutex::default(),
            hub: Mutex::default(),
            nodes: Mutex::default(),
            accessed: Mutex::default(),
            keys: Mutex::default(),
            expired: Mutex::default(),
            expire_in: AtomicU64::new(0),
        }
    }

    /// Ends every temporary credential issued so far, as if its time were over.
    pub fn expire_issued(&self) {
        let keys: Vec<String> = lock(&self.keys).keys().cloned().collect();
        lock(&self.expired).extend(keys);
    }

    /// Has `expire_issued` happen by itself when this many more calls have come.
    pub fn expire_after(&self, calls: u64) {
        self.expire_in.store(calls, Ordering::SeqCst);
    }

    /// The account an access key belongs to.
    pub fn account_of(&self, access_key: &str) -> String {
        lock(&self.keys).get(access_key).cloned().unwrap_or_else(|| MANAGEMENT.to_owned())
    }

    /// Serves connections until the runtime ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((socket, _)) = listener.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            let state = Arc::clone(&self);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { state.answer(request).await }
                });
                // an error here is a client gone or a connection cut on purpose
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Cut> {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MOST_BYTES).collect().await else { return Err(Cut) };
        let body = body.to_bytes();
        let mut asked = Asked::read(&parts.method, &parts.uri, &parts.headers, &body);
        asked.account = self.account_of(&asked.access_key);
        let (delay, fault) = self.meet(&asked);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if let Some(refusal) = fault.and_then(|fault| fault.refusal(&asked)) {
            return Ok(asked.refuse(&refusal));
        }
        if fault == Some(Fault::CutBefore) {
            return Err(Cut);
        }
        let report = if asked.service == "iam" { lock(&self.accessed).answer(&asked) } else { None };
        let done = match self.own(&asked) {
            Some(Ok(result)) => asked.reply(&result),
            Some(Err(refusal)) => asked.refuse(&refusal),
            None if report.is_some() => answer(200, "text/xml", report.unwrap_or_default()),
            None => self.forward(&asked, &parts.uri, parts.headers).await,
        };
        match fault {
            None => Ok(done),
            Some(Fault::CutAfter) => Err(Cut),
            Some(fault) => spoil(done, fault).await,
        }
    }

    /// Records the call with the fault it meets.
    fn meet(&self, asked: &Asked) -> (Duration, Option<Fault>) {
        let left = self.expire_in.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) {
            self.expire_issued();
        }
        let (delay, mut fault) = lock(&self.rules).judge(asked);
        if fault.is_none() && lock(&self.expired).contains(&asked.access_key) {
            fault = Some(Fault::ExpiredCredentials);
        }
        let late = (!delay.is_zero()).then_some("latency");
        lock(&self.calls).push(Call {
            service: asked.service.clone(),
            action: asked.action.clone(),
            account: asked.account.clone(),
            target: asked.target.clone(),
            region: asked.region.clone(),
            access_key: asked.access_key.clone(),
            at: Instant::now(),
            fault: fault.map(Fault::name).or(late),
        });
        (delay, fault)
    }

    /// What the front answers itself.
    fn own(&self, asked: &Asked) -> Option<Result<serde_json::Value, Refusal>> {
        match asked.service.as_str() {
            "securityhub" => lock(&self.hub).answer(asked),
            "ssm" | "kms" | "ecs" => lock(&self.nodes).answer(asked),
            _ => None,
        }
    }

    async fn forward(&self, asked: &Asked, uri: &Uri, mut headers: HeaderMap) -> Answer {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let Ok(uri) = format!("http://127.0.0.1:{}{path}", self.moto).parse::<Uri>() else {
            return answer(400, "text/plain", "the test cloud's front cannot forward this address");
        };
        connection_headers_off(&mut headers);
        let mut request = Request::new(Full::new(asked.body.clone()));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let gone = |why: String| answer(502, "text/plain", format!("the test cloud's front got no answer from moto: {why}"));
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return gone(format!("{error:?}")),
        };
        let (mut parts, body) = response.into_parts();
        let bytes = match Limited::new(body, MOST_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return gone(error.to_string()),
        };
        connection_headers_off(&mut parts.headers);
        if parts.status.is_success() {
            self.learn(asked, &bytes);
        }
        Response::from_parts(parts, whole(bytes))
    }

    /// Remembers whose credentials an answer hands out.
    fn learn(&self, asked: &Asked, body: &Bytes) {
        let account = match (asked.service.as_str(), asked.action.as_str()) {
            ("sts", action) if action.starts_with("AssumeRole") => asked.target.clone().unwrap_or_else(|| MANAGEMENT.to_owned()),
            ("iam", "CreateAccessKey") => asked.account.clone(),
            _ => return,
        };
        let text = String::from_utf8_lossy(body);
        if let Some(key) = text.split("<AccessKeyId>").nth(1).and_then(|rest| rest.split('<').next()) {
            lock(&self.keys).insert(key.trim().to_owned(), account);
        }
    }
}

/// Headers that belong to one connection, and lengths that hyper writes anew.
fn connection_headers_off(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    headers.remove("keep-alive");
}

/// Breaks an answer that was whole.
async fn spoil(done: Answer, fault: Fault) -> Result<Answer, Cut> {
    let (mut parts, body) = done.into_parts();
    let bytes = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let half = bytes.slice(..bytes.len() / 2);
    Ok(match fault {
        Fault::CutMidBody => {
            parts.headers.insert(CONTENT_LENGTH, (bytes.len().max(2)).into());
            let pieces = [Ok(Frame::data(half)), Err(std::io::Error::other("cut"))];
            // the first half must reach the wire before the cut, hence the turn in between
            let pieces = stream::unfold(pieces.into_iter(), |mut pieces| async move {
                tokio::task::yield_now().await;
                pieces.next().map(|piece| (piece, pieces))
            });
            let body: Body = BodyExt::boxed_unsync(StreamBody::new(pieces));
            Response::from_parts(parts, body)
        }
        Fault::Truncated => Response::from_parts(parts, whole(half)),
        Fault::Garbage => Response::from_parts(parts, whole(Bytes::from_static(b"\x00\x1b[31m{\"<not a document"))),
        _ => Response::from_parts(parts, whole(bytes)),
    })
}
