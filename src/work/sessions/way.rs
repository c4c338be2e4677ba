//! The ways to nodes: AWS by the connections that are open, or the loopback gateway behind the demo. It answers the calls
//! that the Session Manager protocol asks of its caller; it opens no session itself. Whatever leads to a node comes through
//! here, so guardrails are held here, whatever a dialogue has asked before.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use tokio::sync::{OnceCell, watch};

use crate::aws::exec::{Container, Task};
use crate::aws::{Access, Connection, Failure, Kind, Scope, ec2, exec, kms, ssm};
use crate::model::account::Caller;
use crate::model::coverage::Outcome;
use crate::model::guard::{Guarded, Said};
use crate::model::node::Machine;
use crate::ssm::crypt::DATA_KEY_LEN;
use crate::ssm::dial::{Network, Proxy};
use crate::ssm::gateway::{Gateway, GatewayOptions};
use crate::ssm::handshake::SessionType;
use crate::ssm::plugin::Plugin;
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
    Live(Box<Live>),
    Loopback(Box<Loopback>),
    /// Nowhere, and why.
    Nowhere(String),
}

/// By connections as they are made.
struct Live {
    connections: watch::Receiver<Vec<Connection>>,
    /// Accounts that were entered, by caller and account.
    entered: Mutex<HashMap<(String, String), Access>>,
    /// Who carries sessions on terminals in our place.
    plugin: Option<Plugin>,
    /// The container that ECS Exec leads into, where that is what is wanted.
    container: Option<Container>,
}

/// The demo's own machine.
struct Loopback {
    /// What is said first.
    banner: Option<String>,
    options: GatewayOptions,
    caller: Caller,
    gateway: OnceCell<Arc<Gateway>>,
}

/// Where a task is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    pub account: Option<&'a str>,
    pub region: Option<&'a str>,
}

/// A task, and where it runs.
#[derive(Debug, Clone)]
pub struct Found {
    pub account: String,
    pub region: String,
    pub task: Task,
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
        Self::new(To::Live(Box::new(Live { connections, entered: Mutex::default(), plugin: None, container: None })))
    }

    /// To AWS, by connections that are there already.
    pub fn over(connections: Vec<Connection>) -> Self {
        Self::live(watch::channel(connections).1)
    }

    /// The same with an installed plugin carrying sessions on terminals.
    ///
    /// # Errors
    /// In words: this way needs none.
    pub fn by(self, plugin: Plugin) -> Result<Self, String> {
        match self.to {
            To::Live(live) => Ok(Self { to: To::Live(Box::new(Live { plugin: Some(plugin), ..*live })), ..self }),
            _ => Err("The demo's sessions stay on this machine: no plugin can carry them.".into()),
        }
    }

    /// The same into one container, under its name as a target.
    #[must_use]
    pub fn into_container(self, container: Container) -> Self {
        match self.to {
            To::Live(live) => Self { to: To::Live(Box::new(Live { container: Some(container), ..*live })), ..self },
            to => Self { to, ..self },
        }
    }

    /// To the local shell, in a directory of its own. `offline` are nodes whose agent does not answer.
    pub fn loopback(directory: PathBuf, offline: Vec<String>, caller: Caller) -> Self {
        let banner =
            format!("This is a demo: a shell on your own machine, no node is touched.\nIt stands in {}", directory.display());
        let options = GatewayOptions { directory: Some(directory), offline, ..GatewayOptions::default() };
        Self::new(To::Loopback(Box::new(Loopback { banner: Some(banner), options, caller, gateway: OnceCell::new() })))
    }

    /// A task of ECS: of an account, else the caller's own; in a region, else those that were chosen, else all.
    ///
    /// # Errors
    /// In words: there is none, or it cannot be looked for.
    pub async fn task(&self, place: Place<'_>, cluster: &str, task: &str) -> Result<Found, String> {
        match &self.to {
            To::Live(live) => Box::pin(live.task(place, cluster, task)).await,
            To::Loopback(_) => Err("The demo has no containers: sessions in them go by AWS.".into()),
            To::Nowhere(why) => Err(why.clone()),
        }
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

    /// Ends a session on a machine from outside, whoever has it open; answers who did. It leads nowhere, so no guardrail stands
    /// before it; AWS decides whether the caller may.
    ///
    /// # Errors
    /// In words: there is no connection, the account cannot be entered, or AWS refuses.
    pub async fn end(&self, machine: &Machine, session_id: &str) -> Result<Caller, String> {
        let Reach { service, caller, .. } = match &self.to {
            To::Live(live) => live.reach(machine).await?,
            To::Loopback(loopback) => loopback.reach().await?,
            To::Nowhere(why) => return Err(why.clone()),
        };
        match service.terminate(session_id).await {
            Ok(()) => Ok(caller),
            Err(error) if error.refusal == Refusal::Gone => Err("AWS no longer has the session.".to_owned()),
            Err(error) => Err(error.to_string()),
        }
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
    /// Credentials for an account, by the first connection that may enter it; the account's own before others.
    async fn access(&self, account: Option<&str>) -> Result<(Connection, Access), String> {
        let mut connections = self.connections.clone();
        // Whether one came in time is seen below.
        let came = async { connections.wait_for(|c| !c.is_empty()).await.map(|c| c.clone()).unwrap_or_default() };
        let connections = tokio::time::timeout(CONNECTING, came).await.unwrap_or_default();
        let Some(first) = connections.first() else {
            return Err("There is no way to AWS: sign in, then open the session.".into());
        };
        let account = account.unwrap_or(&first.caller.account);
        let own = connections.iter().filter(|c| c.caller.account == account);
        let others = connections.iter().filter(|c| c.caller.account != account);
        let mut why = String::new();
        for connection in own.chain(others) {
            let name = (connection.caller.arn.clone(), account.to_owned());
            let known = self.entered.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            let access = match known {
                Some(access) => access,
                None => {
                    let answer = Box::pin(connection.enter(account)).await;
                    let Some(access) = answer.value else {
                        why = answer.coverage.into_iter().find(|c| c.outcome != Outcome::Ok).map_or(why, |c| c.reason);
                        continue;
                    };
                    self.entered.lock().unwrap_or_else(PoisonError::into_inner).insert(name, access.clone());
                    access
                }
            };
            return Ok((connection.clone(), access));
        }
        Err(format!("Account {account} cannot be entered: {why}"))
    }

    async fn reach(&self, machine: &Machine) -> Result<Reach, String> {
        let (connection, access) = self.access(Some(&machine.account)).await?;
        let scope = access.scope(&machine.region);
        let mut options = SessionOptions::new(SessionType::Shell, &machine.region);
        if let Some(host) = scope.endpoint_host() {
            options.endpoints = Endpoints::Host(host);
        } else if let Some(proxy) = proxy(&machine.region)? {
            options.dial = Arc::new(Network::new().through(proxy));
        }
        options.plugin = self.plugin.clone().map(|plugin| plugin.at(scope.endpoint("ssm")));
        let service: Arc<dyn Service> = match self.container.as_ref().filter(|c| c.target() == machine.id) {
            Some(container) => Arc::new(Inside { aws: Aws(scope), container: container.clone() }),
            None => Arc::new(Aws(scope)),
        };
        Ok(Reach { service, options, caller: connection.caller, banner: None })
    }

    async fn task(&self, place: Place<'_>, cluster: &str, task: &str) -> Result<Found, String> {
        let (connection, access) = self.access(place.account).await?;
        let mut regions = match place.region {
            Some(region) => vec![region.to_owned()],
            None => connection.regions,
        };
        if regions.is_empty() {
            // The one at hand first.
            let home = access.global();
            regions.push(home.region().to_owned());
            let all = ec2::regions(&home).await.value.into_iter();
            regions.extend(all.filter(|r| r.enabled && r.name != home.region()).map(|r| r.name));
        }
        let mut why = None;
        for region in &regions {
            match exec::task(&access.scope(region), cluster, task).await {
                Ok(Some(task)) => return Ok(Found { account: access.account().to_owned(), region: region.clone(), task }),
                Err(failure) if failure.kind != Kind::Missing => why = why.or(Some(format!("{region}: {failure}"))),
                Ok(None) | Err(_) => {}
            }
        }
        let names = if regions.len() > 4 { format!("{} regions", regions.len()) } else { regions.join(", ") };
        Err(match why {
            Some(why) => format!("The task {task} of cluster {cluster} was not found. {why}"),
            None => format!(
                "There is no task {task} in a cluster {cluster} of account {} in {names}; a task that stopped is forgotten \
                 within the hour. -r says another region.",
                access.account()
            ),
        })
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

/// The same into a container, where ECS starts the session.
struct Inside {
    aws: Aws,
    container: Container,
}

/// What runs where nothing else is asked for: every image with a shell has it.
const SHELL: &str = "/bin/sh";

impl Service for Inside {
    fn start<'a>(&'a self, request: &'a StartRequest) -> BoxFuture<'a, Result<Started, ServiceError>> {
        Box::pin(async move {
            let command = match (request.document.as_deref(), request.parameters.get("command").and_then(|c| c.first())) {
                (None, _) => SHELL,
                (Some("AWS-StartInteractiveCommand"), Some(command)) => command,
                _ => {
                    let words = "ECS Exec runs a shell or a command on a terminal, and nothing else";
                    return Err(ServiceError::new(Refusal::Invalid, words));
                }
            };
            let started = exec::execute(&self.aws.0, &self.container, command).await.map_err(|e| refused(&e))?;
            Ok(Started {
                session_id: started.session_id,
                token: Token::new(started.token.as_str()),
                stream_url: started.stream_url,
            })
        })
    }

    fn resume<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<Resumed, ServiceError>> {
        self.aws.resume(session_id)
    }

    fn terminate<'a>(&'a self, session_id: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        self.aws.terminate(session_id)
    }

    fn credentials(&self) -> BoxFuture<'_, Result<Option<Credentials>, ServiceError>> {
        self.aws.credentials()
    }

    fn data_key<'a>(&'a self, request: &'a DataKeyRequest) -> BoxFuture<'a, Result<DataKey, ServiceError>> {
        self.aws.data_key(request)
    }
}

/// What a failure means to a session.
fn refused(failure: &Failure) -> ServiceError {
    let refusal = match failure.kind {
        // ECS's code ends in Exception.
        _ if failure.code.starts_with("TargetNotConnected") => Refusal::Offline,
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
        assert_eq!(of(Kind::Failed, "TargetNotConnectedException"), Refusal::Offline);
        assert_eq!(of(Kind::Failed, "DoesNotExistException"), Refusal::Gone);
        assert_eq!(of(Kind::Denied, "AccessDeniedException"), Refusal::Denied);
        assert_eq!(of(Kind::Expired, "ExpiredTokenException"), Refusal::Retry);
        assert_eq!(of(Kind::Failed, "InvalidDocument"), Refusal::Invalid);
    }
}
