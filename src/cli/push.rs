//! `bartizan push`: imported findings to Security Hub, so that others see them there.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use clap::Args;
use color_eyre::eyre::{Result, bail, eyre};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::securityhub::{BATCH, import};
use crate::aws::{Connection, Scope};
use crate::catalog::ListingId;
use crate::cli::{Done, Global, setup};
use crate::formats::submit::{Submission, submission};
use crate::listing::filter;
use crate::listing::query::{Cancel, Query, run};
use crate::model::account::Account;
use crate::model::coverage::Outcome;
use crate::model::finding::Finding;
use crate::model::guard::{Act, Ask, Before, Guarded, Guardrails};
use crate::text;
use crate::work::source::{self, Opened, Source};

/// The largest call, in bytes ("Using BatchImportFindings": 6 MB a batch), with room for what stands around the findings.
const LARGEST_CALL: usize = 6_000_000;
/// How often findings are sent that the service itself failed on.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Options of push.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// Only findings that match, in the console's filter language
    #[arg(long, short, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Only print what would be sent, as ASFF
    #[arg(long)]
    dry_run: bool,
    /// What a guardrail wants typed: the account's name, or yes
    #[arg(long, value_name = "WORDS")]
    confirm: Option<String>,
}

/// One finding on its way, and what became of it.
struct Sending {
    submission: Submission,
    text: String,
    /// Why it did not arrive; none: it did.
    why: Option<String>,
}

impl Push {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        let config = setup::config(global)?;
        if config.read_only && !self.dry_run {
            bail!("this is read-only: nothing is sent to Security Hub");
        }
        let now = Timestamp::now();
        let runtime = setup::runtime()?;
        runtime.block_on(Box::pin(async {
            let (opened, connections) = match setup::from(global)? {
                Some(source @ Source::File { .. }) if self.dry_run => (source::open(source, &config, now), Vec::new()),
                Some(Source::File { .. }) => bail!("import the file first: `bartizan import FILE`, then `bartizan push`"),
                Some(_) => bail!("the demo's findings are made up: there is nothing to push"),
                None => setup::known(global, &config, now).await?,
            };
            opened.problems.iter().for_each(|p| eprintln!("{p}"));
            let findings = self.findings(&opened, now)?;
            if findings.is_empty() {
                bail!("there is nothing to push: no imported finding matches; `bartizan import FILE` brings findings in");
            }
            let (mut ready, mut refused) = prepare(&findings);
            let before = guarded(&opened, &config.policy().guardrails, &mut ready, &mut refused);
            if self.dry_run {
                let all: Vec<Value> = ready.iter().filter_map(|s| serde_json::from_str(&s.text).ok()).collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
                tell(&refused);
                return Ok(if refused.is_empty() { Done::Whole } else { Done::InPart });
            }
            setup::confirmed(&before, self.confirm.as_deref())?;
            if connections.is_empty() {
                bail!("there is no way to AWS: sign in, then push");
            }
            send(&connections, &mut ready).await;
            print(&ready, &refused)
        }))
    }

    fn findings(&self, opened: &Opened, now: Timestamp) -> Result<Vec<Finding>> {
        let index = opened.world.index(ListingId::Findings);
        let schema = &ListingId::Findings.get().schema;
        let expression = self.filter.as_deref().unwrap_or_default();
        let filter =
            filter::parse(expression, schema, now.as_second()).map_err(|e| eyre!("the filter is wrong: {}", e.message))?;
        let query = Query { filter, now: now.as_second(), ..Query::default() };
        let rows = run(index, &query, &Cancel::new()).map(|rows| rows.ids).unwrap_or_default();
        let keys: Vec<u64> = rows.iter().filter_map(|row| index.key(*row)).collect();
        let mut findings = opened.library.read().imported(&keys)?;
        findings.sort_by_key(|f| f.key);
        Ok(findings)
    }
}

/// Findings as they are to be sent, and those that Security Hub would not take: id and why. Of several with one id, which
/// Prowler's ASFF has, all but the first get one of their own.
fn prepare(findings: &[Finding]) -> (Vec<Sending>, Vec<(String, String)>) {
    let (mut ready, mut refused) = (Vec::new(), Vec::new());
    let mut taken: HashMap<(String, String), usize> = HashMap::new();
    for finding in findings {
        let made = submission(finding).and_then(|mut submission| {
            let times = taken.entry((submission.product.clone(), submission.id.clone())).or_default();
            *times += 1;
            if *times > 1 {
                submission.rename(format!("{}/{}", submission.id, finding.key));
            }
            let text = submission.text()?;
            Ok(Sending { submission, text, why: None })
        });
        match made {
            Ok(sending) => ready.push(sending),
            Err(why) => refused.push((finding.source.id.clone(), why)),
        }
    }
    (ready, refused)
}

/// Takes out what guardrails refuse; what they ask before the rest.
fn guarded(opened: &Opened, rails: &Guardrails, ready: &mut Vec<Sending>, refused: &mut Vec<(String, String)>) -> Before {
    let mut accounts: BTreeMap<String, (String, Guarded)> = BTreeMap::new();
    ready.retain(|sending| {
        let id = &sending.submission.account;
        let (label, guarded) = accounts.entry(id.clone()).or_insert_with(|| {
            let account = opened.world.estate.account(id).map_or_else(|| Account::bare(id), |a| (**a).clone());
            (account.label().to_owned(), rails.before(&account, Act::Pushes))
        });
        let refuse = guarded.ask == Ask::Refuse;
        if refuse {
            refused.push((sending.submission.id.clone(), format!("refused in {label}: {}", guarded.why)));
        }
        !refuse
    });
    let asked: Vec<(String, Guarded)> = accounts.into_values().filter(|(_, guarded)| guarded.ask != Ask::Refuse).collect();
    Before::gather(&asked, None)
}

/// Sends all, each to the hub of its own account and region.
async fn send(connections: &[Connection], ready: &mut [Sending]) {
    let mut places: BTreeMap<(String, String), Vec<&mut Sending>> = BTreeMap::new();
    for sending in ready {
        let place = (sending.submission.account.clone(), sending.submission.region.clone());
        places.entry(place).or_default().push(sending);
    }
    for ((account, region), mut all) in places {
        match scope(connections, &account, &region).await {
            Ok(scope) => send_to(&scope, &mut all).await,
            Err(why) => all.iter_mut().for_each(|s| s.why = Some(why.clone())),
        }
    }
}

async fn scope(connections: &[Connection], account: &str, region: &str) -> Result<Scope, String> {
    let mut why = String::new();
    let own = connections.iter().filter(|c| c.caller.account == account);
    let others = connections.iter().filter(|c| c.caller.account != account);
    for connection in own.chain(others) {
        let answer = connection.enter(account).await;
        match answer.value {
            Some(access) => return Ok(access.scope(region)),
            None => why = answer.coverage.into_iter().find(|c| c.outcome != Outcome::Ok).map_or(why, |c| c.reason),
        }
    }
    Err(format!("account {account} cannot be entered: {why}"))
}

/// Sends findings of one hub, as many at once as a call takes.
async fn send_to(scope: &Scope, all: &mut [&mut Sending]) {
    let mut waiting: Vec<usize> = (0..all.len()).collect();
    for attempt in 1..=TRIES {
        let mut again = Vec::new();
        let mut rest = waiting.as_slice();
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take(BATCH).take_while(|n| {
                size += all[**n].text.len() + 1;
                size <= LARGEST_CALL
            });
            // One alone always fits: a finding is far smaller than a call.
            let many = fits.count().max(1);
            let (now, later) = rest.split_at(many);
            rest = later;
            let texts: Vec<String> = now.iter().map(|n| all[*n].text.clone()).collect();
            match import(scope, &texts).await {
                Ok(failed) => {
                    for n in now {
                        let sending = &mut *all[*n];
                        let not = failed.iter().find(|f| f.id == sending.submission.id);
                        sending.why = not.map(|f| format!("{}: {}", f.code, f.message));
                        if not.is_some_and(crate::aws::securityhub::Unprocessed::may_pass) {
                            again.push(*n);
                        }
                    }
                }
                Err(failure) => {
                    now.iter().for_each(|n| all[*n].why = Some(failure.reason()));
                    // What this call met the next would meet too: the call itself has been tried again already.
                    rest.iter().for_each(|n| all[*n].why = Some(failure.reason()));
                    break;
                }
            }
        }
        if again.is_empty() || attempt == TRIES {
            return;
        }
        waiting = again;
        tokio::time::sleep(PAUSE).await;
    }
}

fn tell(refused: &[(String, String)]) {
    for (id, why) in refused.iter().take(40) {
        eprintln!("not sent, {}: {}", text::line(id), text::line(why));
    }
    if refused.len() > 40 {
        eprintln!("… and {} more", refused.len() - 40);
    }
}

fn print(ready: &[Sending], refused: &[(String, String)]) -> Result<Done> {
    let row = |s: &Sending| {
        let mut row = json!({"id": s.submission.id, "account": s.submission.account, "region": s.submission.region, "sent": s.why.is_none()});
        if let Some(why) = &s.why {
            row["why"] = Value::from(why.as_str());
        }
        row
    };
    let not = refused.iter().map(|(id, why)| json!({"id": id, "sent": false, "why": why}));
    println!("{}", serde_json::to_string_pretty(&ready.iter().map(row).chain(not).collect::<Vec<_>>())?);
    let failed: Vec<(String, String)> =
        ready.iter().filter_map(|s| Some((s.submission.id.clone(), s.why.clone()?))).chain(refused.iter().cloned()).collect();
    tell(&failed);
    let sent = ready.len() + refused.len() - failed.len();
    eprintln!("{} sent to Security Hub, {} not", text::count(sent as u64), text::count(failed.len() as u64));
    match (sent, failed.len()) {
        (0, _) => bail!("nothing was sent"),
        (_, 0) => Ok(Done::Whole),
        _ => Ok(Done::InPart),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::formats::asff;

    #[test]
    fn findings_that_share_an_id_get_their_own() {
        let record = |words: &str| {
            json!({
                "SchemaVersion": "2018-10-08", "Id": "twice", "GeneratorId": "prowler-iam_policy_attached_only_to_group_or_roles",
                "ProductArn": "arn:aws:securityhub:eu-west-1::product/prowler/prowler", "AwsAccountId": "111122223333",
                "CreatedAt": "2026-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z", "Severity": {"Label": "LOW"},
                "Title": "t", "Description": words,
                "Resources": [{"Id": "arn:aws:iam::111122223333:user/u", "Type": "AwsIamUser", "Region": "eu-west-1"}],
            })
        };
        let findings: Vec<Finding> = ["policy a", "policy b"].map(|w| asff::finding(&record(w).to_string()).unwrap()).to_vec();
        let (ready, refused) = prepare(&findings);
        assert!(refused.is_empty(), "{refused:?}");
        assert_eq!(ready[0].submission.id, "twice");
        assert_eq!(ready[1].submission.id, format!("twice/{}", findings[1].key));
        // They are the same findings again when they come back.
        for (sending, finding) in ready.iter().zip(&findings) {
            assert_eq!(asff::finding(&sending.text).unwrap().key, finding.key);
        }
    }
}
