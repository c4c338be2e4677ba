//! Session Manager's listings, which moto lacks: `DescribeInstanceInformation`, `DescribeSessions`, `GetConnectionStatus`.
//! By the Systems Manager API reference. Seeded by the tests; it does no I/O.

use super::wire::{Asked, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a node lives: (account, region).
type Place = (String, String);

/// The managed nodes and sessions of all accounts and regions, as their API documents (times as epoch seconds).
#[derive(Default)]
pub struct Nodes {
    nodes: BTreeMap<Place, Vec<Node>>,
    sessions: BTreeMap<Place, Vec<Value>>,
    generation: u64,
}

struct Node {
    document: Value,
    tags: BTreeMap<String, String>,
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
    pub fn answer(&self, asked: &Asked) -> Option<Result<Value, Refusal>> {
        let place = (asked.account.clone(), asked.region.clone());
        let answer: fn(&Self, &Place, &Value) -> Result<Value, Refusal> = match asked.action.as_str() {
            "DescribeInstanceInformation" => Self::instances,
            "DescribeSessions" => Self::sessions,
            "GetConnectionStatus" => Self::connection,
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
