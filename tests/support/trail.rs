//! CloudTrail's event history, which moto lacks: `LookupEvents` by the API reference, newest first, one attribute, pages of
//! the size that is asked for. Seeded by the tests; it does no I/O.

use super::wire::{Asked, Refusal};
use serde_json::{Value, json};

/// Events, each as CloudTrail records it, with its region.
#[derive(Default)]
pub struct Trail {
    events: Vec<(String, Value)>,
}

impl Trail {
    /// Records an event in a region: `userIdentity`, `eventTime` and the rest as the CloudTrail record reference has them.
    pub fn record(&mut self, region: &str, mut event: Value) {
        event["eventID"] = json!(format!("event-{}", self.events.len()));
        self.events.push((region.to_owned(), event));
    }

    /// The answer, or none for what is not this action.
    pub fn answer(&self, asked: &Asked) -> Option<Result<Value, Refusal>> {
        (asked.action == "LookupEvents").then(|| asked.json().and_then(|body| self.lookup(&asked.region, &body)))
    }

    fn lookup(&self, region: &str, body: &Value) -> Result<Value, Refusal> {
        let wrong = |what: &str| Refusal::new(400, "InvalidLookupAttributesException", what);
        let attributes = body["LookupAttributes"].as_array().cloned().unwrap_or_default();
        let [attribute] = attributes.as_slice() else { return Err(wrong("one attribute can be looked up")) };
        let (key, wanted) = (attribute["AttributeKey"].as_str(), attribute["AttributeValue"].as_str().unwrap_or_default());
        let seconds = |field: &str| body[field].as_i64().ok_or_else(|| wrong("times are seconds"));
        let (from, to) = (seconds("StartTime")?, seconds("EndTime")?);
        let mut found: Vec<&Value> = Vec::new();
        for (_, event) in self.events.iter().filter(|(r, _)| r == region) {
            let at: jiff::Timestamp = event["eventTime"].as_str().and_then(|t| t.parse().ok()).expect("an event has a time");
            let fits = match key {
                Some("Username") => username(event) == wanted,
                Some("ResourceName") => {
                    event["resources"].as_array().into_iter().flatten().any(|r| r["ARN"].as_str() == Some(wanted))
                }
                _ => return Err(wrong("no such attribute")),
            };
            if fits && (from..=to).contains(&at.as_second()) {
                found.push(event);
            }
        }
        found.sort_by_key(|e| std::cmp::Reverse(e["eventTime"].as_str().unwrap_or_default().to_owned()));
        let size = body["MaxResults"].as_u64().unwrap_or(50).min(50) as usize;
        let start: usize = body["NextToken"].as_str().and_then(|t| t.parse().ok()).unwrap_or(0);
        let page: Vec<Value> = found
            .iter()
            .skip(start)
            .take(size)
            .map(|e| json!({"EventId": e["eventID"], "EventName": e["eventName"], "Username": username(e), "CloudTrailEvent": e.to_string()}))
            .collect();
        let mut answer = json!({"Events": page});
        if start + size < found.len() {
            answer["NextToken"] = json!((start + size).to_string());
        }
        Ok(answer)
    }
}

/// A user's name, or the name of a role's session.
fn username(event: &Value) -> String {
    let who = &event["userIdentity"];
    let session = who["arn"].as_str().and_then(|arn| arn.rsplit('/').next());
    who["userName"].as_str().or(session).unwrap_or_default().to_owned()
}
