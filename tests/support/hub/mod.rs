//! Security Hub, as far as moto lacks it: findings per account and region with filters, sort, pages, imports, updates and
//! history; the hub itself, its administrator and its aggregation region. By AWS's API reference and user guide.
//!
//! Reading and paging are here, filters and sort in `query`, imports and updates in `write`. It does no I/O.

mod query;
mod write;

use super::wire::{Asked, Refusal};
use jiff::Timestamp;
use query::{Order, Query};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// A finding's identity: (`ProductArn`, `Id`).
pub type Key = (String, String);
/// Where a finding lives: (account, region).
pub type Place = (String, String);

/// How many page tokens stay valid; the oldest expire.
const TOKENS: usize = 4096;

/// One finding with what AWS remembers beside its document.
pub struct Record {
    pub doc: Value,
    /// The fields a customer set by `BatchUpdateFindings`, which a provider no longer overwrites.
    customer: BTreeSet<&'static str>,
    /// `GetFindingHistory`'s records, newest first.
    history: VecDeque<Value>,
}

struct Account {
    since: String,
    findings: BTreeMap<Key, Record>,
}

struct Aggregator {
    arn: String,
    home: String,
    mode: String,
    regions: Vec<String>,
}

struct Page {
    place: Place,
    question: String,
    rows: Arc<Vec<(Place, Key)>>,
    offset: usize,
}

/// The findings service of all accounts and regions.
#[derive(Default)]
pub struct Hub {
    hubs: BTreeMap<Place, Account>,
    aggregators: BTreeMap<String, Aggregator>,
    administrators: BTreeMap<String, String>,
    pages: HashMap<String, Page>,
    oldest: VecDeque<String>,
    issued: u64,
    now: Option<Timestamp>,
    /// Updates of these findings that are yet to be refused: code, and how often.
    refusals: HashMap<Key, (&'static str, u32)>,
}

/// AWS's refusal of a bad request.
fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidInputException", message)
}

/// `Severity.Normalized` of a label.
pub fn normalized(label: &str) -> Option<i64> {
    Some(match label {
        "INFORMATIONAL" => 0,
        "LOW" => 1,
        "MEDIUM" => 40,
        "HIGH" => 70,
        "CRITICAL" => 90,
        _ => return None,
    })
}

/// `Severity.Label` of a normalized severity.
fn label(normalized: i64) -> Option<&'static str> {
    Some(match normalized {
        0 => "INFORMATIONAL",
        1..=39 => "LOW",
        40..=69 => "MEDIUM",
        70..=89 => "HIGH",
        90..=100 => "CRITICAL",
        _ => return None,
    })
}

impl Hub {
    /// Turns Security Hub on for an account in a region.
    pub fn enable(&mut self, account: &str, region: &str) {
        let since = self.clock();
        self.hubs.entry((account.to_owned(), region.to_owned())).or_insert_with(|| Account { since, findings: BTreeMap::new() });
    }

    /// Turns it off; its findings are gone.
    pub fn disable(&mut self, account: &str, region: &str) {
        self.hubs.remove(&(account.to_owned(), region.to_owned()));
    }

    /// Makes `administrator` see and update `member`'s findings.
    pub fn set_administrator(&mut self, member: &str, administrator: &str) {
        self.administrators.insert(member.to_owned(), administrator.to_owned());
    }

    /// Links regions to `home` for an account and its members. `mode` is AWS's `RegionLinkingMode`: `ALL_REGIONS`,
    /// `ALL_REGIONS_EXCEPT_SPECIFIED` or `SPECIFIED_REGIONS`.
    pub fn set_aggregator(&mut self, account: &str, home: &str, mode: &str, regions: &[&str]) {
        let arn = format!("arn:aws:securityhub:{home}:{account}:finding-aggregator/123e4567-e89b-12d3-a456-{account}");
        let regions = regions.iter().map(|r| (*r).to_owned()).collect();
        self.aggregators.insert(account.to_owned(), Aggregator { arn, home: home.to_owned(), mode: mode.to_owned(), regions });
    }

    /// Fixes the service's clock, for `DateRange` filters and the times it writes.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = Some(now);
    }

    /// Has the next `times` updates of a finding end among the unprocessed ones, with one of the API reference's codes.
    pub fn refuse_updates(&mut self, key: Key, code: &'static str, times: u32) {
        self.refusals.insert(key, (code, times));
    }

    /// `GetFindingHistory`'s records of a finding, newest first.
    pub fn history_of(&self, account: &str, region: &str, key: &Key) -> Vec<Value> {
        let hub = self.hubs.get(&(account.to_owned(), region.to_owned()));
        hub.and_then(|hub| hub.findings.get(key)).map(|r| r.history.iter().cloned().collect()).unwrap_or_default()
    }

    /// Makes every page token handed out so far invalid.
    pub fn expire_tokens(&mut self) {
        self.pages.clear();
        self.oldest.clear();
    }

    /// Puts a finding in as it is, without a provider's rules. Turns the hub on.
    pub fn put(&mut self, account: &str, region: &str, doc: Value) {
        self.enable(account, region);
        let key = key_of(&doc);
        if let Some(hub) = self.hubs.get_mut(&(account.to_owned(), region.to_owned())) {
            hub.findings.insert(key, Record { doc, customer: BTreeSet::new(), history: VecDeque::new() });
        }
    }

    /// Removes a finding (AWS does so 90 days after its last update).
    pub fn remove(&mut self, account: &str, region: &str, key: &Key) -> bool {
        self.hubs.get_mut(&(account.to_owned(), region.to_owned())).is_some_and(|hub| hub.findings.remove(key).is_some())
    }

    /// All findings of an account in a region.
    pub fn findings(&self, account: &str, region: &str) -> Vec<Value> {
        let hub = self.hubs.get(&(account.to_owned(), region.to_owned()));
        hub.map(|hub| hub.findings.values().map(|record| record.doc.clone()).collect()).unwrap_or_default()
    }

    /// Changes one finding in place, as someone else's hand would. False when there is none.
    pub fn edit(&mut self, account: &str, region: &str, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
        let record = self.hubs.get_mut(&(account.to_owned(), region.to_owned())).and_then(|hub| hub.findings.get_mut(key));
        record.map(|record| change(&mut record.doc)).is_some()
    }

    /// Answers a request, or `None` for what is left to moto.
    pub fn answer(&mut self, asked: &Asked) -> Option<Result<Value, Refusal>> {
        let place = (asked.account.clone(), asked.region.clone());
        if asked.action == "EnableSecurityHub" {
            self.enable(&place.0, &place.1);
            return Some(Ok(json!({})));
        }
        let known = [
            "GetFindings",
            "BatchImportFindings",
            "BatchUpdateFindings",
            "GetFindingHistory",
            "ListFindingAggregators",
            "GetFindingAggregator",
            "DescribeHub",
            "DisableSecurityHub",
            "ListMembers",
            "GetAdministratorAccount",
        ];
        if !known.contains(&asked.action.as_str()) {
            return None;
        }
        if !self.hubs.contains_key(&place) {
            return Some(Err(Refusal::new(
                401,
                "InvalidAccessException",
                format!("Account {} is not subscribed to AWS Security Hub", place.0),
            )));
        }
        let body = match asked.json() {
            Ok(body) => body,
            Err(refusal) => return Some(Err(refusal)),
        };
        Some(match asked.action.as_str() {
            "GetFindings" => self.get_findings(&place, &body),
            "BatchImportFindings" => self.import(&place, &body),
            "BatchUpdateFindings" => self.update(&place, &body),
            "GetFindingHistory" => self.history(&place, &body),
            "ListFindingAggregators" => {
                let arns: Vec<_> =
                    self.aggregator_of(&place.0).map(|a| json!({ "FindingAggregatorArn": a.arn })).into_iter().collect();
                Ok(json!({ "FindingAggregators": arns }))
            }
            "GetFindingAggregator" => match self.aggregator_of(&place.0).filter(|a| asked.path.ends_with(&a.arn)) {
                Some(a) => Ok(json!({
                    "FindingAggregatorArn": a.arn,
                    "FindingAggregationRegion": a.home,
                    "RegionLinkingMode": a.mode,
                    "Regions": a.regions,
                })),
                None => Err(Refusal::new(404, "ResourceNotFoundException", "The finding aggregator does not exist")),
            },
            "DescribeHub" => Ok(json!({
                "HubArn": format!("arn:aws:securityhub:{}:{}:hub/default", place.1, place.0),
                "SubscribedAt": self.hubs.get(&place).map(|hub| hub.since.clone()),
                "AutoEnableControls": true,
                "ControlFindingGenerator": "SECURITY_CONTROL",
            })),
            "DisableSecurityHub" => {
                self.disable(&place.0, &place.1);
                Ok(json!({}))
            }
            "ListMembers" => {
                let member = |id: &String| json!({ "AccountId": id, "AdministratorId": place.0, "MasterId": place.0, "MemberStatus": "Enabled" });
                let members = self.administrators.iter().filter(|(_, admin)| **admin == place.0).map(|(id, _)| member(id));
                Ok(json!({ "Members": members.collect::<Vec<_>>() }))
            }
            _ => Ok(match self.administrators.get(&place.0) {
                Some(admin) => json!({ "Administrator": { "AccountId": admin, "MemberStatus": "Enabled" } }),
                None => json!({}),
            }),
        })
    }

    fn clock(&self) -> String {
        stamp(self.now.unwrap_or_else(Timestamp::now))
    }

    /// The account's own aggregator, or its administrator's.
    fn aggregator_of(&self, account: &str) -> Option<&Aggregator> {
        self.aggregators.get(account).or_else(|| self.aggregators.get(self.administrators.get(account)?))
    }

    /// Every place whose findings are visible from `place`.
    fn visible(&self, place: &Place) -> Vec<Place> {
        let (account, region) = place;
        let aggregator = self.aggregator_of(account).filter(|a| a.home == *region);
        let linked = |other: &str| {
            other == region
                || aggregator.is_some_and(|a| match a.mode.as_str() {
                    "ALL_REGIONS" => true,
                    "ALL_REGIONS_EXCEPT_SPECIFIED" => !a.regions.iter().any(|r| r == other),
                    _ => a.regions.iter().any(|r| r == other),
                })
        };
        let seen = |other: &str| other == account || self.administrators.get(other) == Some(account);
        self.hubs.keys().filter(|(a, r)| seen(a) && linked(r)).cloned().collect()
    }

    fn get_findings(&mut self, place: &Place, body: &Value) -> Result<Value, Refusal> {
        let size = match &body["MaxResults"] {
            Value::Null => 100,
            value => match value.as_u64() {
                Some(n @ 1..=100) => n as usize,
                _ => return Err(invalid(format!("MaxResults must be between 1 and 100, not {value}"))),
            },
        };
        let query = Query::read(&body["Filters"], self.now.unwrap_or_else(Timestamp::now))?;
        let order = Order::read(&body["SortCriteria"])?;
        let question = format!("{}{}", body["Filters"], body["SortCriteria"]);
        let (rows, start) = match body["NextToken"].as_str() {
            Some(token) => match self.pages.get(token) {
                Some(page) if page.place == *place && page.question == question => (Arc::clone(&page.rows), page.offset),
                _ => return Err(invalid("The NextToken is not valid: it has expired or was issued for another request")),
            },
            None => (Arc::new(self.select(place, &query, &order)), 0),
        };
        let end = rows.len().min(start + size);
        let doc = |(at, key): &(Place, Key)| self.hubs.get(at)?.findings.get(key).map(|record| record.doc.clone());
        let findings: Vec<Value> = rows[start..end].iter().filter_map(doc).collect();
        let mut answer = json!({ "Findings": findings });
        if end < rows.len() {
            answer["NextToken"] = self.token(Page { place: place.clone(), question, rows, offset: end }).into();
        }
        Ok(answer)
    }

    /// The findings that pass, in order; equal ones by identity, so that pages never overlap.
    fn select(&self, place: &Place, query: &Query, order: &Order) -> Vec<(Place, Key)> {
        let mut rows = Vec::new();
        for at in self.visible(place) {
            if let Some(hub) = self.hubs.get(&at) {
                let found = hub.findings.iter().filter(|(_, record)| query.matches(&record.doc));
                rows.extend(found.map(|(key, record)| (order.ranks(&record.doc), (at.clone(), key.clone()))));
            }
        }
        rows.sort_by(|(left, l), (right, r)| order.compare(left, right).then_with(|| l.cmp(r)));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn token(&mut self, page: Page) -> String {
        self.issued += 1;
        let token = format!("U2FsdGVkX1{:016x}", self.issued.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.pages.insert(token.clone(), page);
        self.oldest.push_back(token.clone());
        while self.oldest.len() > TOKENS {
            if let Some(old) = self.oldest.pop_front() {
                self.pages.remove(&old);
            }
        }
        token
    }
}

/// A document's identity; empty strings where it has none.
pub fn key_of(doc: &Value) -> Key {
    let text = |field: &str| doc[field].as_str().unwrap_or_default().to_owned();
    (text("ProductArn"), text("Id"))
}

/// AWS's way to write a time: UTC with milliseconds.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
