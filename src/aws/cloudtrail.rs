//! CloudTrail's event history: which management events of the last 90 days one principal caused. Data events, such as
//! reading an object, are not in it. A role acts under the names of its sessions, which are learnt from the events that
//! began them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::aws::call::{Call, Rate, Reach, Wire};
use crate::aws::json::{Action, target};
use crate::aws::scope::{Answer, Read, Scope, Tally};
use crate::model::principal::{Trail, TrailEvent};

/// "The rate of lookup requests is limited to two per second, per account, per Region" (API reference, LookupEvents).
const LOOKUP_EVENTS: Call = Call {
    action: "cloudtrail:LookupEvents",
    reach: Reach::PerRegion,
    rate: Rate { per_second: 2.0, burst: 2.0 },
    paginated: Some("NextToken"),
    what: "management events, when you ask for those of one principal",
    wire: Wire::Json,
};

/// Every API action this file calls.
pub const CALLS: &[Call] = &[LOOKUP_EVENTS];

struct LookupEvents;

impl Action for LookupEvents {
    const CALL: Call = LOOKUP_EVENTS;
    const HEADERS: [(&'static str, &'static str); 2] =
        target("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents");
}

/// As far back as the history goes.
const DAYS: i64 = 90;
/// Pages of 50 events that one look-up reads: twenty seconds.
const MOST_PAGES: usize = 40;
/// Sessions of a role that are looked up, those seen last first.
const MOST_SESSIONS: usize = 12;

/// What the history of these regions tells of a user or role up to a time. Regions are asked side by side.
pub async fn trail(scopes: &[Scope], arn: &str, to: Timestamp) -> Answer<Trail> {
    let from = to.saturating_sub(SignedDuration::from_hours(24 * DAYS)).unwrap_or(to);
    let mut tallies: Vec<Tally> = scopes.iter().map(|_| Tally::new(LOOKUP_EVENTS)).collect();
    let mut whole = true;
    let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = if arn.contains(":role/") {
        let begun = everywhere(scopes, "ResourceName", arn, (from, to), &mut tallies, &mut whole).await;
        let mut sessions: BTreeMap<String, Timestamp> = BTreeMap::new();
        for (event, at) in &begun {
            if let Some(session) = session_of(event, arn) {
                let last = sessions.entry(session).or_insert(*at);
                *last = (*last).max(*at);
            }
        }
        let mut sessions: Vec<(String, Timestamp)> = sessions.into_iter().collect();
        sessions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        whole &= sessions.len() <= MOST_SESSIONS;
        sessions.into_iter().take(MOST_SESSIONS).map(|(session, _)| session).collect()
    } else {
        vec![name]
    };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut events: BTreeMap<(String, String), TrailEvent> = BTreeMap::new();
    for name in names {
        for (event, at) in everywhere(scopes, "Username", &name, (from, to), &mut tallies, &mut whole).await {
            // Another principal may go by the same name, and one event comes with two questions.
            if !is_of(&event, arn) || !seen.insert(event["eventID"].as_str().unwrap_or_default().to_owned()) {
                continue;
            }
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let (source, name) = (text("eventSource"), text("eventName"));
            let fresh = TrailEvent { source: source.clone(), name: name.clone(), last: at, times: 0 };
            let known = events.entry((source, name)).or_insert(fresh);
            known.last = known.last.max(at);
            known.times += 1;
        }
    }
    whole &= tallies.iter().all(|t| t.failure.is_none());
    let coverage = scopes.iter().zip(&tallies).map(|(scope, tally)| scope.covered(tally)).collect();
    let regions = scopes.iter().map(|s| s.region().to_owned()).collect();
    let value = Trail { from: Some(from), to: Some(to), whole, regions, events: events.into_values().collect() };
    Answer { value, coverage }
}

/// The events of one attribute in every region, each as CloudTrail recorded it with its time. What could not be read whole
/// takes `whole` away.
async fn everywhere(
    scopes: &[Scope],
    key: &str,
    value: &str,
    (from, to): (Timestamp, Timestamp),
    tallies: &mut [Tally],
    whole: &mut bool,
) -> Vec<(Value, Timestamp)> {
    let body = json!({
        "LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}],
        "StartTime": from.as_second(),
        "EndTime": to.as_second(),
        "MaxResults": 50,
    });
    let each = scopes.iter().map(|scope| {
        let body = &body;
        async move {
            let (mut pages, mut found) = (0, Vec::new());
            let next = |token: Option<String>| {
                let mut body = body.clone();
                if let Some(token) = token {
                    body["NextToken"] = Value::from(token);
                }
                scope.json::<LookupEvents>(&body)
            };
            let tally = scope.pages(next, |mut page| {
                pages += 1;
                let mut read = recorded(&mut page, &mut found);
                read.enough = pages == MOST_PAGES;
                read
            });
            let tally = tally.await;
            (tally, found, pages < MOST_PAGES)
        }
    });
    let mut all = Vec::new();
    for ((tally, found, to_the_end), known) in futures_util::future::join_all(each).await.into_iter().zip(tallies) {
        known.join(tally);
        *whole &= to_the_end;
        all.extend(found);
    }
    all
}

/// Takes the events out of a page.
fn recorded(page: &mut Value, into: &mut Vec<(Value, Timestamp)>) -> Read {
    let mut read = Read::default();
    for event in page["Events"].as_array_mut().into_iter().flatten() {
        let whole = event["CloudTrailEvent"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let at = whole.as_ref().and_then(|e| e["eventTime"].as_str()).and_then(|t| t.parse().ok());
        match (whole, at) {
            (Some(whole), Some(at)) => {
                into.push((whole, at));
                read.count += 1;
            }
            _ => read.broken = Some(format!("event {} cannot be read", event["EventId"].as_str().unwrap_or_default())),
        }
    }
    read
}

/// The session of the role that an event began.
fn session_of(event: &Value, role: &str) -> Option<String> {
    let begins = event["eventSource"] == "sts.amazonaws.com" && event["eventName"].as_str()?.starts_with("AssumeRole");
    let named = event["requestParameters"]["roleArn"].as_str() == Some(role);
    let session = event["requestParameters"]["roleSessionName"].as_str();
    let given = event["responseElements"]["assumedRoleUser"]["arn"].as_str().and_then(|a| a.rsplit('/').next());
    (begins && named).then(|| session.or(given).map(str::to_owned))?
}

/// Whether a user or role caused an event.
fn is_of(event: &Value, arn: &str) -> bool {
    let who = &event["userIdentity"];
    who["arn"].as_str() == Some(arn) || who["sessionContext"]["sessionIssuer"]["arn"].as_str() == Some(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_principals_own() {
        let role = "arn:aws:iam::111122223333:role/app/worker";
        let begun = json!({"eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
            "requestParameters": {"roleArn": role, "roleSessionName": "i-1"}});
        assert_eq!(session_of(&begun, role).as_deref(), Some("i-1"));
        assert_eq!(session_of(&begun, "arn:aws:iam::111122223333:role/other"), None);
        let by = |issuer: &str| {
            json!({"userIdentity": {"arn": "arn:aws:sts::111122223333:assumed-role/worker/i-1",
            "sessionContext": {"sessionIssuer": {"arn": issuer}}}})
        };
        assert!(is_of(&by(role), role));
        assert!(!is_of(&by("arn:aws:iam::111122223333:role/worker"), role));
        let user = json!({"userIdentity": {"arn": "arn:aws:iam::111122223333:user/jo"}});
        assert!(is_of(&user, "arn:aws:iam::111122223333:user/jo") && !is_of(&user, role));
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut found = Vec::new();
        let good = json!({"eventTime": "2026-06-01T00:00:00Z", "eventName": "X"}).to_string();
        let mut page = json!({"Events": [{"EventId": "1", "CloudTrailEvent": good}, {"EventId": "2", "CloudTrailEvent": "{"}]});
        let read = recorded(&mut page, &mut found);
        assert_eq!((read.count, found.len()), (1, 1));
        assert_eq!(read.broken.as_deref(), Some("event 2 cannot be read"));
        assert_eq!(recorded(&mut json!({}), &mut found), Read::default());
    }
}
