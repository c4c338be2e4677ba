//! Session Manager, which moto lacks: its listings (`DescribeInstanceInformation`, `DescribeSessions`, `GetConnectionStatus`)
//! and, with a loopback gateway behind it, sessions (`StartSession`, `ResumeSession`, `TerminateSession`) and their data keys
//! (KMS's `GenerateDataKey`), and ECS Exec into seeded tasks (`DescribeTasks`, `ExecuteCommand`). By the API references. Seeded by the tests; what runs on a node is the gateway's matter.

use super::wire::{Asked, Refusal};
use bartizan::ssm::gateway::Gateway;
use bartizan::ssm::service::{self, DataKeyRequest, StartRequest};
use data_encoding::BASE64;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a node lives: (account, region).
type Place = (String, String);
/// What answers a request that changes something.
type Change = fn(&mut Nodes, &Place, &Value) -> Result<Value, Refusal>;

/// The managed nodes and sessions of all accounts and regions, as their API documents (times as epoch seconds).
#[derive(Default)]
pub struct Nodes {
    nodes: BTreeMap<Place, Vec<Node>>,
    sessions: BTreeMap<Place, Vec<Value>>,
    tasks: BTreeMap<Place, Vec<Value>>,
    generation: u64,
    /// What sessions run on; none: they are refused.
    pub gateway: Option<Gateway>,
}

struct Node {
    document: Value,
    tags: BTreeMap<String, String>,
}

/// The gateway's answer, which is there at once, with AWS's code taken out of its words.
fn now<T>(answer: service::BoxFuture<'_, Result<T, service::ServiceError>>) -> Result<T, Refusal> {
    let Some(answer) = answer.now_or_never() else { return Err(wrong("the gateway did not answer at once")) };
    answer.map_err(|error| {
        let (code, message) = error.message.split_once(": ").unwrap_or(("ValidationException", &error.message));
        Refusal::new(400, code, message)
    })
}

fn wrong(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

impl Nodes {
    /// Adds a managed node: an `InstanceInformation` document with at least `InstanceId` and `PingStatus`.
    pub fn add_node(&mut self, account: &str, region: &str, document: Value, tags: &[(&str, &str)]) {
        let tags = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.nodes.entry((account.to_owned(), region.to_owned())).or_default().push(Node { document, tags });
    }

    /// Adds a session: a `Session` document with at least `SessionId`, `Target` and `Status`.
    pub fn add_session(&mut self, account: &str, region: &str, document: Value) {
        self.sessions.entry((account.to_owned(), region.to_owned())).or_default().push(document);
    }

    /// Adds a task of ECS: a `Task` document with at least `taskArn`, `clusterArn` and `containers`.
    pub fn add_task(&mut self, account: &str, region: &str, document: Value) {
        self.tasks.entry((account.to_owned(), region.to_owned())).or_default().push(document);
    }

    /// Changes a node's document. False when there is none.
    pub fn edit_node(&mut self, account: &str, region: &str, id: &str, change: impl FnOnce(&mut Value)) -> bool {
        let nodes = self.nodes.get_mut(&(account.to_owned(), region.to_owned()));
        let node = nodes.and_then(|nodes| nodes.iter_mut().find(|node| node.document["InstanceId"] == id));
        node.map(|node| change(&mut node.document)).is_some()
    }

    /// Makes every page token handed out so far invalid.
    pub fn expire_tokens(&mut self) {
        self.generation += 1;
    }

    /// Answers a request, or `None` for what is left to moto.
    pub fn answer(&mut self, asked: &Asked) -> Option<Result<Value, Refusal>> {
        let place = (asked.account.clone(), asked.region.clone());
        let change: Option<Change> = match asked.action.as_str() {
            "StartSession" => Some(Self::start),
            "ResumeSession" => Some(Self::resume),
            "TerminateSession" => Some(Self::terminate),
            "GenerateDataKey" => Some(Self::data_key),
            "ExecuteCommand" => Some(Self::execute),
            _ => None,
        };
        if let Some(change) = change {
            return Some(asked.json().and_then(|body| change(self, &place, &body)));
        }
        let answer: fn(&Self, &Place, &Value) -> Result<Value, Refusal> = match asked.action.as_str() {
            "DescribeInstanceInformation" => Self::instances,
            "DescribeSessions" => Self::sessions,
            "GetConnectionStatus" => Self::connection,
            "DescribeTasks" => Self::tasks,
            _ => return None,
        };
        Some(asked.json().and_then(|body| answer(self, &place, &body)))
    }

    fn instances(&self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let newer = body["Filters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let older = body["InstanceInformationFilterList"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !newer.is_empty() && !older.is_empty() {
            return Err(wrong("Filters and InstanceInformationFilterList can't be used together"));
        }
        let newer = newer.iter().map(|f| (&f["Key"], &f["Values"]));
        let older = older.iter().map(|f| (&f["key"], &f["valueSet"]));
        let mut filters = Vec::new();
        for (key, values) in newer.chain(older) {
            let key = key.as_str().unwrap_or_default();
            let values: Vec<&str> = values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if values.is_empty() || values.len() > 100 {
                return Err(wrong(format!("the filter {key} must have between 1 and 100 values")));
            }
            let field = match key {
                "InstanceIds" => "InstanceId",
                "PlatformTypes" => "PlatformType",
                "ActivationIds" => "ActivationId",
                "AgentVersion" | "PingStatus" | "IamRole" | "ResourceType" | "AssociationStatus" => key,
                _ if key == "tag-key" || key.starts_with("tag:") => key,
                _ => return Err(Refusal::new(400, "InvalidFilterKey", format!("{key} is not a filter key"))),
            };
            filters.push((field, values));
        }
        let passes = |node: &&Node| {
            filters.iter().all(|(field, values)| match field.strip_prefix("tag:") {
                Some(tag) => node.tags.get(tag).is_some_and(|have| values.contains(&have.as_str())),
                None if *field == "tag-key" => node.tags.keys().any(|have| values.contains(&have.as_str())),
                None => node.document[*field].as_str().is_some_and(|have| values.contains(&have)),
            })
        };
        let rows: Vec<&Value> = self.nodes.get(place).into_iter().flatten().filter(passes).map(|node| &node.document).collect();
        self.page(body, &rows, (5, 50), 50, "InstanceInformationList")
    }

    fn sessions(&self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let open = |session: &Value| ["Connected", "Connecting"].iter().any(|status| session["Status"] == *status);
        let active = match body["State"].as_str() {
            Some("Active") => true,
            Some("History") => false,
            other => return Err(wrong(format!("State must be Active or History, not {other:?}"))),
        };
        let mut rows: Vec<&Value> =
            self.sessions.get(place).into_iter().flatten().filter(|session| open(session) == active).collect();
        for filter in body["Filters"].as_array().into_iter().flatten() {
            let (key, value) = (filter["key"].as_str().unwrap_or_default(), filter["value"].as_str().unwrap_or_default());
            match key {
                "Target" | "Owner" | "Status" | "SessionId" | "AccessType" => rows.retain(|session| session[key] == value),
                "InvokedAfter" | "InvokedBefore" => {
                    let edge =
                        value.parse::<Timestamp>().map_err(|e| wrong(format!("{key} is not a timestamp: {value}: {e}")))?;
                    let edge = edge.as_millisecond() as f64 / 1000.0;
                    let start = |session: &Value| session["StartDate"].as_f64().unwrap_or(0.0);
                    rows.retain(|session| if key == "InvokedAfter" { start(session) >= edge } else { start(session) < edge });
                }
                _ => return Err(Refusal::new(400, "InvalidFilterKey", format!("{key} is not a filter key"))),
            }
        }
        self.page(body, &rows, (1, 200), 200, "Sessions")
    }

    fn connection(&self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let Some(target) = body["Target"].as_str() else { return Err(wrong("Target is required")) };
        let node = self.nodes.get(place).into_iter().flatten().find(|node| node.document["InstanceId"] == target);
        let online = node.is_some_and(|node| node.document["PingStatus"] == "Online");
        Ok(json!({ "Target": target, "Status": if online { "connected" } else { "notconnected" } }))
    }

    fn gateway(&self) -> Result<&Gateway, Refusal> {
        self.gateway.as_ref().ok_or_else(|| wrong("this test cloud has no gateway for sessions"))
    }

    fn start(&mut self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let target = text("Target");
        if self.connection(place, body)?["Status"] != "connected" {
            return Err(Refusal::new(400, "TargetNotConnected", format!("{target} is not connected.")));
        }
        if text("Reason").chars().count() > 256 {
            return Err(wrong("Reason must have length less than or equal to 256"));
        }
        let mut request = StartRequest { target: target.clone(), ..StartRequest::default() };
        request.document = body["DocumentName"].as_str().map(str::to_owned);
        request.reason = body["Reason"].as_str().map(str::to_owned);
        for (name, values) in body["Parameters"].as_object().into_iter().flatten() {
            let values = values.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            request.parameters.insert(name.clone(), values);
        }
        let started = now(self.gateway()?.service().start(&request))?;
        self.add_session(
            &place.0,
            &place.1,
            json!({
                "SessionId": started.session_id, "Target": target, "Status": "Connected",
                "StartDate": Timestamp::now().as_millisecond() as f64 / 1000.0, "Reason": text("Reason"),
                "Owner": format!("arn:aws:iam::{}:user/test", place.0),
                "DocumentName": request.document.as_deref().unwrap_or("SSM-SessionManagerRunShell"),
            }),
        );
        let token = started.token.reveal();
        Ok(json!({ "SessionId": started.session_id, "TokenValue": token, "StreamUrl": started.stream_url }))
    }

    /// The task of a cluster that a request names; none where the cluster has none such.
    fn task(&self, place: &Place, cluster: &str, task: &str) -> Result<Option<&Value>, Refusal> {
        let last = |value: &Value| value.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default().to_owned();
        let mut of_cluster = self.tasks.get(place).into_iter().flatten().filter(|t| last(&t["clusterArn"]) == cluster).peekable();
        if of_cluster.peek().is_none() {
            return Err(Refusal::new(400, "ClusterNotFoundException", "Cluster not found."));
        }
        Ok(of_cluster.find(|t| last(&t["taskArn"]) == task || t["taskArn"] == task))
    }

    fn tasks(&self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let cluster = body["cluster"].as_str().unwrap_or("default");
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for asked in body["tasks"].as_array().into_iter().flatten() {
            let id = asked.as_str().unwrap_or_default();
            match self.task(place, cluster, id)? {
                Some(task) => tasks.push(task.clone()),
                None => failures.push(json!({
                    "arn": format!("arn:aws:ecs:{}:{}:task/{cluster}/{id}", place.1, place.0), "reason": "MISSING",
                })),
            }
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }

    fn execute(&mut self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let invalid = |message: &str| Refusal::new(400, "InvalidParameterException", message);
        let text = |field: &str| body[field].as_str().unwrap_or_default();
        if body["interactive"] != true {
            return Err(invalid("Interactive is the only mode supported currently."));
        }
        let task = self.task(place, body["cluster"].as_str().unwrap_or("default"), text("task"))?.cloned();
        let task = task.ok_or_else(|| invalid("The specified task was not found."))?;
        if task["enableExecuteCommand"] != true {
            return Err(invalid(
                "The execute command failed because execute command was not enabled when the task was run or the execute \
                 command agent isn't running. Wait and try again or run a new task with execute command enabled and try again.",
            ));
        }
        let containers = task["containers"].as_array().cloned().unwrap_or_default();
        let container = containers.iter().find(|c| c["name"] == text("container"));
        let container = container.ok_or_else(|| invalid("The specified container was not found."))?;
        let last = |value: &Value| value.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default().to_owned();
        let runtime = container["runtimeId"].as_str().unwrap_or_default();
        let target = format!("ecs:{}_{}_{runtime}", last(&task["clusterArn"]), last(&task["taskArn"]));
        let request = StartRequest::interactive_command(&target, text("command"));
        let started = now(self.gateway()?.service().start(&request))?;
        Ok(json!({
            "clusterArn": task["clusterArn"], "taskArn": task["taskArn"], "containerName": container["name"],
            "interactive": true,
            "session": {
                "sessionId": started.session_id, "streamUrl": started.stream_url, "tokenValue": started.token.reveal(),
            },
        }))
    }

    fn resume(&mut self, _: &Place, body: &Value) -> Result<Value, Refusal> {
        let id = body["SessionId"].as_str().unwrap_or_default();
        let resumed = now(self.gateway()?.service().resume(id))?;
        let token = resumed.token.as_ref().map_or("", |token| token.reveal());
        Ok(json!({ "SessionId": id, "TokenValue": token, "StreamUrl": resumed.stream_url.unwrap_or_default() }))
    }

    fn terminate(&mut self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let id = body["SessionId"].as_str().unwrap_or_default().to_owned();
        now(self.gateway()?.service().terminate(&id))?;
        for session in self.sessions.entry(place.clone()).or_default() {
            if session["SessionId"] == id.as_str() {
                session["Status"] = "Terminated".into();
                session["EndDate"] = (Timestamp::now().as_millisecond() as f64 / 1000.0).into();
            }
        }
        Ok(json!({ "SessionId": id }))
    }

    fn data_key(&mut self, _: &Place, body: &Value) -> Result<Value, Refusal> {
        let key_id = body["KeyId"].as_str().unwrap_or_default().to_owned();
        if body["NumberOfBytes"] != 64 {
            return Err(wrong("a session's key has 64 bytes"));
        }
        let context = body["EncryptionContext"].as_object().into_iter().flatten();
        let context = context.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
        let key = now(self.gateway()?.service().data_key(&DataKeyRequest { key_id: key_id.clone(), context }))?;
        let (plain, encrypted) = (BASE64.encode(&key.plain), BASE64.encode(&key.encrypted));
        Ok(json!({ "KeyId": key_id, "Plaintext": plain, "CiphertextBlob": encrypted }))
    }

    /// One page of rows under `field`. A token belongs to one listing and dies with `expire_tokens`.
    fn page(
        &self,
        body: &Value,
        rows: &[&Value],
        (least, most): (u64, u64),
        usual: usize,
        field: &str,
    ) -> Result<Value, Refusal> {
        let size = match &body["MaxResults"] {
            Value::Null => usual,
            value => match value.as_u64() {
                Some(n) if (least..=most).contains(&n) => n as usize,
                _ => return Err(wrong(format!("MaxResults must be between {least} and {most}, not {value}"))),
            },
        };
        let prefix = format!("{field}.{}.", self.generation);
        let start = match body["NextToken"].as_str() {
            None => 0,
            Some(token) => match token.strip_prefix(&prefix).and_then(|n| n.parse::<usize>().ok()) {
                Some(start) => start,
                None => return Err(Refusal::new(400, "InvalidNextToken", "The specified token isn't valid.")),
            },
        };
        let end = rows.len().min(start.saturating_add(size));
        let mut answer = json!({ field: rows.get(start..end).unwrap_or_default() });
        if end < rows.len() {
            answer["NextToken"] = format!("{prefix}{end}").into();
        }
        Ok(answer)
    }
}
