//! The ways to nodes: AWS by the connections that are open, or the loopback gateway behind the demo. It answers the calls
//! that the Session Manager protocol asks of its caller; it opens no session itself. Whatever leads to a node comes through
//! here, so guardrails are held here, whatever a dialogue has asked before.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use tokio::sync::{OnceCell, watch};

use crate::aws::{Access, Connection, Failure, Kind, Scope, kms, ssm};
use crate::model::account::Caller;
use crate::model::coverage::Outcome;
use crate::model::guard::{Guarded, Said};
use crate::model::node::Machine;
use crate::ssm::crypt::DATA_KEY_LEN;
use crate::ssm::dial::{Network, Proxy};
use crate::ssm::gateway::{Gateway, GatewayOptions};
use crate::ssm::handshake::SessionType;
use crate::ssm::service::{
    BoxFuture, DataKey, DataKeyRequest, Refusal, Resumed, Service, ServiceError, StartRequest, Started, Token,
};
use crate::ssm::session::SessionOptions;
use crate::ssm::upgrade::Endpoints;

/// How long a session waits for the first connection to AWS.
const CONNECTING: Duration = Duration::from_secs(20);

/// Where sessions go, and what stands before them.
pub struct Way {
    to: To,
    guard: Box<dyn Fn(&Machine) -> Guarded + Send + Sync>,
}

enum To {
    Live(Live),
    Loopback(Box<Loopback>),
    /// Nowhere, and why.
    Nowhere(String),
}

/// By connections as they are made.
struct Live {
    connections: watch::Receiver<Vec<Connection>>,
    /// Accounts that were entered, by caller and account.
    entered: Mutex<HashMap<(String, String), Access>>,
}

/// The demo's own machine.
struct Loopback {
    /// What is said first.
    banner: Option<String>,
    options: GatewayOptions,
    caller: Caller,
    gateway: OnceCell<Arc<Gateway>>,
}

/// A node within reach.
pub struct Reach {
    pub service: Arc<dyn Service>,
    /// For a shell; what else is run changes the type.
    pub options: SessionOptions,
    pub caller: Caller,
    /// What has to be said before anything else.
    pub banner: Option<String>,
}

impl Way {
    fn new(to: To) -> Self {
        Self { to, guard: Box::new(|_| Guarded::default()) }
    }

    /// To AWS, by connections as they are made.
    pub fn live(connections: watch::Receiver<Vec<Connection>>) -> Self {
        Self::new(To::Live(Live { connections, entered: Mutex::default() }))
    }

    /// To AWS, by connections that are there already.
    pub fn over(connections: Vec<Connection>) -> Self {
        Self::live(watch::channel(connections).1)
    }

    /// To the local shell, in a directory of its own. `offline` are nodes whose agent does not answer.
    pub fn loopback(directory: PathBuf, offline: Vec<String>, caller: Caller) -> Self {
        let banner =
            format!("This is a demo: a shell on your own machine, no node is touched.\nIt stands in {}", directory.display());
        let options = GatewayOptions { directory: Some(directory), offline, ..GatewayOptions::default() };
        Self::new(To::Loopback(Box::new(Loopback { banner: Some(banner), options, caller, gateway: OnceCell::new() })))
    }

    /// To a gateway that runs already.
    pub fn through(gateway: Arc<Gateway>, caller: Caller) -> Self {
        let (options, gateway) = (GatewayOptions::default(), OnceCell::new_with(Some(gateway)));
        Self::new(To::Loopback(Box::new(Loopback { banner: None, options, caller, gateway })))
    }

    /// Nowhere, and why.
    pub fn nowhere(why: impl Into<String>) -> Self {
        Self::new(To::Nowhere(why.into()))
    }

    /// With a guardrail before each machine.
    #[must_use]
    pub fn guarded(self, guard: impl Fn(&Machine) -> Guarded + Send + Sync + 'static) -> Self {
        Self { guard: Box::new(guard), ..self }
    }

    /// The way to a machine, for whom has said this to its guardrail.
    ///
    /// # Errors
    /// In words: the guardrail asks for more or refuses, there is no connection, or the account cannot be entered.
    pub async fn reach(&self, machine: &Machine, said: &Said) -> Result<Reach, String> {
        (self.guard)(machine).lets(said, &machine.account_name)?;
        match &self.to {
            To::Live(live) => live.reach(machine).await,
            To::Loopback(loopback) => loopback.reach().await,
            To::Nowhere(why) => Err(why.clone()),
        }
    }
}

impl Live {
    async fn reach(&self, machine: &Machine) -> Result<Reach, String> {
        let mut connections = self.connections.clone();
        // Whether one came in time is seen below.
        let came = async { connections.wait_for(|c| !c.is_empty()).await.map(|c| c.clone()).unwrap_or_default() };
        let connections = tokio::time::timeout(CONNECTING, came).await.unwrap_or_default();
        if connections.is_empty() {
            return Err("There is no way to AWS: sign in, then open the session.".into());
        }
        let own = connections.iter().filter(|c| c.caller.account == machine.account);
        let others = connections.iter().filter(|c| c.caller.account != machine.account);
        let mut why = String::new();
        for connection in own.chain(others) {
            let name = (connection.caller.arn.clone(), machine.account.clone());
            let known = self.entered.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            let access = match known {
                Some(access) => access,
                None => {
                    let answer = Box::pin(connection.enter(&machine.account)).await;
                    let Some(access) = answer.value else {
                        why = answer.coverage.into_iter().find(|c| c.outcome != Outcome::Ok).map_or(why, |c| c.reason);
                        continue;
                    };
                    self.entered.lock().unwrap_or_else(PoisonError::into_inner).insert(name, access.clone());
                    access
                }
            };
            let scope = access.scope(&machine.region);
            let mut options = SessionOptions::new(SessionType::Shell, &machine.region);
            if let Some(host) = scope.endpoint_host() {
                options.endpoints = Endpoints::Host(host);
            } else if let Some(proxy) = proxy(&machine.region)? {
                options.dial = Arc::new(Network::new().through(proxy));
            }
            return Ok(Reach { service: Arc::new(Aws(scope)), options, caller: connection.caller.clone(), banner: None });
        }
        Err(format!("Account {} cannot be entered: {why}", machine.account))
    }
}

/// The proxy that the environment names for the data channel, unless it is to be reached without one.
fn proxy(region: &str) -> Result<Option<Proxy>, String> {
    let variable = |names: [&str; 2]| names.iter().find_map(|n| std::env::var(n).ok()).filter(|v| !v.trim().is_empty());
    let Some(url) = variable(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
    let host = format!("ssmmessages.{region}.amazonaws.com");
    if is_exempt(&host, &variable(["NO_PROXY", "no_proxy"]).unwrap_or_default()) {
        return Ok(None);
    }
    Proxy::parse(url.trim()).map(Some).map_err(|e| e.to_string())
}

/// Whether `NO_PROXY` names a host: itself, a domain it is in, or everything.
fn is_exempt(host: &str, list: &str) -> bool {
    list.split(',').map(|name| name.trim().trim_start_matches("*.").trim_start_matches('.')).any(|name| {
        name == "*" || (!name.is_empty() && (host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))))
    })
}

impl Loopback {
    async fn reach(&self) -> Result<Reach, String> {
        let failed = |e: std::io::Error| format!("The demo's gateway could not be started on 127.0.0.1: {e}");
        let gateway = self.gateway.get_or_try_init(|| async {
            if let Some(directory) = &self.options.directory {
                std::fs::create_dir_all(directory).map_err(failed)?;
            }
            Gateway::listen(self.options.clone()).await.map(Arc::new).map_err(failed)
        });
        let gateway = gateway.await?;
        let mut options = SessionOptions::new(SessionType::Shell, "eu-west-1");
        options.endpoints = gateway.endpoints();
        Ok(Reach { service: gateway.service(), options, caller: self.caller.clone(), banner: self.banner.clone() })
    }
}

/// Session Manager's calls, to AWS.
struct Aws(Scope);

/// What a failure means to a session.
fn refused(failure: &Failure) -> ServiceError {
    let refusal = match failure.kind {
        _ if failure.code == "TargetNotConnected" => Refusal::Offline,
        _ if failure.code == "DoesNotExistException" => Refusal::Gone,
        Kind::Denied | Kind::NoCredentials => Refusal::Denied,
        Kind::Missing => Refusal::Gone,
        Kind::Throttled | Kind::Unreachable | Kind::Broken | Kind::Expired => Refusal::Retry,
        Kind::NotEnabled | Kind::Failed => Refusal::Invalid,
    };
    let words = if refusal == Refusal::Offline {
        let said = failure.message.trim_end_matches(['.', ' ']);
        format!(
            "{}: {said}; is it running, is it a managed node, and does its agent reach the ssmmessages endpoint?",
            failure.code
        )
    } else {
        failure.reason()
    };
    ServiceError::new(refusal, words)
}

impl Service for Aws {
    fn start<'a>(&'a self, request: &'a StartRequest) -> BoxFuture<'a, Result<Started, ServiceError>> {
        Box::pin(async move {
            let parameters = request.parameters.clone().into_iter().collect();
            let document = request.document.as_deref();
            let started = ssm::start(&self.0, &request.target, document, parameters, request.reason.as_deref()).await;
            let started = started.map_err(|e| refused(&e))?;
            Ok(Started {
                session_id: started.session_id,
                token: Token::new(started.token.as_str()),
                stream_url: started.stream_url,
            })
        })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<Resumed, ServiceError>> {
        Box::pin(async move {
            let resumed = ssm::resume(&self.0, session_id).await.map_err(|e| refused(&e))?;
            Ok(Resumed {
                token: (!resumed.token.is_empty()).then(|| Token::new(resumed.token.as_str())),
                stream_url: (!resumed.stream_url.is_empty()).then_some(resumed.stream_url),
            })
        })
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move { ssm::terminate(&self.0, session_id).await.map_err(|e| refused(&e)) })
    }

    fn credentials(&self) -> BoxFuture<'_, Result<Option<Credentials>, ServiceError>> {
        Box::pin(async move { self.0.credentials().await.map(Some).map_err(|e| refused(&e)) })
    }

    fn data_key<'a>(&'a self, request: &'a DataKeyRequest) -> BoxFuture<'a, Result<DataKey, ServiceError>> {
        Box::pin(async move {
            let key = kms::data_key(&self.0, &request.key_id, &request.context, DATA_KEY_LEN).await.map_err(|e| refused(&e))?;
            Ok(DataKey { plain: key.plain, encrypted: key.encrypted })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemptions_are_read_as_they_are_written() {
        let host = "ssmmessages.eu-west-1.amazonaws.com";
        for list in ["*", host, "amazonaws.com", ".amazonaws.com", "x.example, *.eu-west-1.amazonaws.com"] {
            assert!(is_exempt(host, list), "{list}");
        }
        for list in ["", ",", "azonaws.com", "s3.amazonaws.com", "com.example"] {
            assert!(!is_exempt(host, list), "{list}");
        }
    }

    #[test]
    fn refusals_tell_whether_another_try_makes_sense() {
        let of = |kind, code: &str| refused(&Failure::new(kind, code, "i-1 is not connected.")).refusal;
        assert_eq!(of(Kind::Failed, "TargetNotConnected"), Refusal::Offline);
        assert_eq!(of(Kind::Failed, "DoesNotExistException"), Refusal::Gone);
        assert_eq!(of(Kind::Denied, "AccessDeniedException"), Refusal::Denied);
        assert_eq!(of(Kind::Expired, "ExpiredTokenException"), Refusal::Retry);
        assert_eq!(of(Kind::Failed, "InvalidDocument"), Refusal::Invalid);
    }
}
