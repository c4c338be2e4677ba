//! Least privilege: `iam unused` and `iam policy`.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::{holder, safe};
use crate::cli::list::unless_closed;
use crate::iam::account::{Account, Principal};
use crate::iam::facts::Level;
use crate::iam::lint::Kind;
use crate::iam::trim::{TooLong, Trimmed};
use crate::iam::unused::{Unused, Use, share, unused};
use crate::iam::write::{Intent, write_policy};
use crate::model::principal::{Identity, LastAccessed, Trail};
use crate::text;
use crate::work::sweep::Used;

/// Options of unused.
#[derive(Debug, Args)]
pub(super) struct Leftover {
    principal: String,
    /// Not used for so many days, of the 400 that AWS tracks
    #[arg(long, default_value_t = 90, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=400))]
    days: i64,
    /// Actions to keep whatever their use: s3:Get*
    #[arg(long, value_name = "ACTION")]
    keep: Vec<String>,
    /// A saved answer of `aws iam get-service-last-accessed-details` instead of asking AWS
    #[arg(long, value_name = "FILE")]
    used: Option<PathBuf>,
    /// Ask CloudTrail as well what it did in the last 90 days: management events only, twice a second, in every region
    #[arg(long, conflicts_with = "used")]
    cloudtrail: bool,
}

impl Leftover {
    /// Whose use AWS is asked for, and whether CloudTrail is.
    pub(super) fn used(&self) -> Used {
        match self.used {
            Some(_) => Used::Nobody,
            None => Used::One { who: self.principal.clone(), trail: self.cloudtrail },
        }
    }

    /// Prints what is left over.
    pub(super) fn run(&self, json: bool, accounts: &[Account], identities: &[Arc<Identity>]) -> Result<Done> {
        let principal = &self.principal;
        let account = holder(accounts, principal)?;
        let at = account.principal(principal)?;
        let arn = &account.principals[at].arn;
        let accessed = match &self.used {
            Some(file) => {
                let name = file.display();
                let text = fs::read_to_string(file).wrap_err_with(|| format!("could not read {name}"))?;
                last_accessed(&text, arn).wrap_err_with(|| name.to_string())?
            }
            None => {
                let all = identities.iter().flat_map(|i| &i.last_accessed);
                let found = all.into_iter().find(|l| l.arn == *arn).cloned();
                found.ok_or_else(|| {
                    eyre!(
                        "what {principal} used is not in what is looked at: ask AWS (leave --from away), collect with \
                         --last-used, or give a saved answer with --used"
                    )
                })?
            }
        };
        if self.cloudtrail && accessed.trail.is_none() {
            bail!("what CloudTrail tells of {principal} is not in what is looked at: ask AWS (leave --from away)");
        }
        let found = unused(account, at, &Use::of(&accessed), Use::since(&accessed, self.days), &self.keep);
        // Nothing is handed out that was not held against the old.
        let trimmed = found.trimmed(account, at);
        if let Some((policy, fault)) = trimmed.iter().find_map(|t| Some((&t.name, t.fault.as_ref()?))) {
            bail!("{policy} without what is unused: {fault}; this is a defect, please report it");
        }
        let groups = found.by_groups(account, at);
        if json {
            let mut value = as_json(arn, account.part, self.days, accessed.trail.as_ref(), &found, &trimmed);
            let unread = &account.principals[at].unread;
            value["unread"] = json!(unread);
            value["share"] = if unread.is_empty() { json!(found.share) } else { Value::Null };
            value["groups"] = groups.iter().map(|(group, actions)| json!({"group": group, "actions": actions})).collect();
            unless_closed(writeln!(io::stdout().lock(), "{}", serde_json::to_string_pretty(&value)?))?;
            return Ok(Done::Whole);
        }
        print(&account.principals[at], self.days, accessed.trail.as_ref(), &found, &trimmed, &groups)
    }
}

fn as_json(arn: &str, part: bool, days: i64, trail: Option<&Trail>, found: &Unused, trimmed: &[Trimmed]) -> Value {
    let trimmed = trimmed.iter().map(|t| {
        let too_long = t.too_long.as_ref().map(|l| {
            json!({
                "size": l.size, "limit": l.limit, "all_inline_together": l.together, "managed_policies": l.documents,
            })
        });
        json!({
            "policy": t.name, "policy_arn": t.arn, "before": t.before, "after": t.after, "diff": t.diff, "too_long": too_long,
            "others": t.others.iter().map(|o| json!({"arn": o.arn, "boundary": o.boundary})).collect::<Vec<_>>(),
        })
    });
    json!({
        "principal": arn,
        "part": part,
        "days": days,
        "share": found.share,
        "services": found.services,
        "actions": found.actions,
        "unknown": found.unknown,
        "cloudtrail": trail.map(|t| json!({
            "from": t.from.map(|at| at.to_string()), "to": t.to.map(|at| at.to_string()), "whole": t.whole,
            "regions": t.regions, "kinds": t.events.len(), "decided": found.by_trail,
        })),
        "policies": trimmed.collect::<Vec<_>>(),
    })
}

/// Names that a line shows of a list; all of them are in the JSON.
const SHOWN: usize = 24;

fn print(
    of: &Principal,
    days: i64,
    trail: Option<&Trail>,
    found: &Unused,
    trimmed: &[Trimmed],
    groups: &[(String, Vec<String>)],
) -> Result<Done> {
    let mut out = io::stdout().lock();
    let mut lines = vec![format!("{}: {} of what it is granted was not used in {days} days.", of.arn, share(found, &of.unread))];
    if !of.unread.is_empty() {
        lines.push(format!("Not read, so that what they grant is not counted: {}", of.unread.join(", ")));
    }
    lines.extend(trail.map(|t| trail_words(t, found)));
    let mut list = |label: &str, names: &[String]| {
        if !names.is_empty() {
            let more =
                if names.len() > SHOWN { format!(", and {} more (--json has all)", names.len() - SHOWN) } else { String::new() };
            lines.push(format!("{label}: {}{more}", names[..names.len().min(SHOWN)].join(", ")));
        }
    };
    list("Services not used", &found.services.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    list("Actions not used", &found.actions);
    list("Nothing is known of", &found.unknown.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
    for (group, actions) in groups {
        list(&format!("Not used, and still granted by {group}"), actions);
    }
    for policy in trimmed {
        lines.push(String::new());
        let changed = policy.diff.iter().any(|l| !l.starts_with("  "));
        match (&policy.after, changed) {
            (_, false) => lines.push(format!("{}: all of it is used.", policy.name)),
            (None, true) => lines.push(format!("{}: nothing of it is used; it can go.", policy.name)),
            (Some(_), true) => {
                let of_aws = if policy.arn.contains(":iam::aws:") {
                    " (AWS keeps it: attach this as one of your own instead)"
                } else {
                    ""
                };
                lines.push(format!("{}{of_aws}:", policy.name));
                lines.extend(policy.diff.iter().cloned());
            }
        }
        lines.extend(policy.too_long.iter().flat_map(long_words));
        lines.extend(others_words(policy));
    }
    unless_closed(writeln!(out, "{}", safe(&lines)))?;
    Ok(Done::Whole)
}

/// Whom a change to a policy would change as well.
fn others_words(policy: &Trimmed) -> Option<String> {
    let some = |boundary: bool| {
        let arns: Vec<&str> = policy.others.iter().filter(|o| o.boundary == boundary).map(|o| o.arn.as_str()).collect();
        let more = if arns.len() > SHOWN { format!(", and {} more (--json has all)", arns.len() - SHOWN) } else { String::new() };
        let named = format!("{}{more}", arns[..arns.len().min(SHOWN)].join(", "));
        let word = if boundary { "the permissions boundary of" } else { "attached to" };
        (!arns.is_empty()).then(|| format!("{word} {named}"))
    };
    let both: Vec<String> = [some(false), some(true)].into_iter().flatten().collect();
    let to_do = if policy.after.is_some() {
        "a new version changes them, too: to leave them as they are, attach this as a policy of its own instead"
    } else {
        "to leave them as they are, detach it here and do not delete it"
    };
    (!both.is_empty()).then(|| format!("It is also {}; {to_do}.", both.join(" and ")))
}

/// That AWS does not take a policy where it stands, and what to attach in its place.
fn long_words(long: &TooLong) -> Vec<String> {
    let of = if long.together { "all inline policies together" } else { "a managed policy" };
    let count = |n: usize| text::count(n as u64);
    let begin = format!("AWS does not take it: {} characters are more than the {} of {of}.", count(long.size), count(long.limit));
    match long.documents.as_slice() {
        [] => vec![format!(
            "{begin} One of its statements alone is too long for any policy: cut it by hand, or keep fewer actions."
        )],
        [_] if long.together => vec![format!("{begin} Attach it as a managed policy instead.")],
        parts => {
            let many =
                if parts.len() > 10 { ", more than the ten that a principal has unless AWS is asked for more" } else { "" };
            let mut lines = vec![format!("{begin} Attach these {} managed policies instead{many}:", parts.len())];
            lines.extend(parts.iter().flat_map(|p| p.lines()).map(str::to_owned));
            lines
        }
    }
}

/// What CloudTrail was asked and what that is worth.
fn trail_words(trail: &Trail, found: &Unused) -> String {
    let times: u64 = trail.events.iter().map(|e| e.times).sum();
    let day = |at: Option<jiff::Timestamp>| at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d").to_string());
    let whole = if trail.whole {
        "all that it has".to_owned()
    } else {
        "not all that it has, so that nothing counts as unused by it".to_owned()
    };
    format!(
        "CloudTrail, {} to {}, {} regions: {times} management events of {} kinds, {whole}. Data events, such as reading an object, \
         are not in it. It alone shows {} granted actions as used and {} as unused.",
        day(trail.from),
        day(trail.to),
        trail.regions.len(),
        trail.events.len(),
        found.by_trail.0,
        found.by_trail.1,
    )
}

/// What a policy is to allow.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it allows")]
pub(super) struct Wanted {
    /// List what is there
    #[arg(long, value_name = "ARN")]
    list: Vec<String>,
    /// Read
    #[arg(long, value_name = "ARN")]
    read: Vec<String>,
    /// Write, change and delete
    #[arg(long, value_name = "ARN")]
    write: Vec<String>,
    /// Tag
    #[arg(long, value_name = "ARN")]
    tagging: Vec<String>,
    /// Manage permissions on it
    #[arg(long, value_name = "ARN")]
    permissions: Vec<String>,
    /// Actions that take no resource; with wildcards, like s3:List*, all of those that take none
    #[arg(long, value_name = "ACTION")]
    action: Vec<String>,
    /// Actions to leave out
    #[arg(long, value_name = "ACTION")]
    without: Vec<String>,
    /// A role that is handed to a service: iam:PassRole, to the services that the actions asked for start
    #[arg(long, value_name = "ROLE")]
    pass: Vec<String>,
    /// The service that roles are handed to, like lambda.amazonaws.com, in place of those
    #[arg(long, value_name = "SERVICE")]
    pass_to: Vec<String>,
    /// A service that may be given the role linked to it, like ecs.amazonaws.com
    #[arg(long, value_name = "SERVICE")]
    service_linked: Vec<String>,
    /// A KMS key that what is read and written is encrypted with: its use through the services asked for
    #[arg(long, value_name = "ARN")]
    key: Vec<String>,
    /// The policy that users and roles must have as their permissions boundary when they are made or changed
    #[arg(long, value_name = "ARN")]
    boundary: Option<String>,
    /// What every request must carry, like aws:ResourceTag/team=payments or aws:SourceIp=192.0.2.0/24
    #[arg(long, value_name = "KEY=VALUE")]
    only: Vec<String>,
}

impl Wanted {
    pub(super) fn intent(&self) -> Intent {
        let asked = [
            (Level::List, &self.list),
            (Level::Read, &self.read),
            (Level::Write, &self.write),
            (Level::Tagging, &self.tagging),
            (Level::PermissionsManagement, &self.permissions),
        ];
        Intent {
            on: asked.iter().flat_map(|(level, arns)| arns.iter().map(|arn| (*level, arn.clone()))).collect(),
            plain: self.action.clone(),
            without: self.without.clone(),
            pass: self.pass.clone(),
            pass_to: self.pass_to.clone(),
            linked: self.service_linked.clone(),
            keys: self.key.clone(),
            boundary: self.boundary.clone(),
            only: self.only.clone(),
        }
    }
}

/// Writes policies from what is to be done with what.
pub(super) fn policy(json: bool, intent: &Intent) -> Result<Done> {
    let written = write_policy(intent, Kind::Managed.size_limit())?;
    let mut out = io::stdout().lock();
    if json {
        let documents = written.policies.iter().map(|p| serde_json::from_str(&p.print())).collect::<Result<Vec<Value>, _>>()?;
        let left_out = written.left_out.iter().map(|(why, actions)| json!({"why": why, "actions": actions}));
        let value = json!({
            "policies": documents, "left_out": left_out.collect::<Vec<_>>(), "needed": written.also_needed,
            "notes": written.notes,
        });
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(&value)?))?;
        return Ok(Done::Whole);
    }
    for policy in &written.policies {
        unless_closed(writeln!(out, "{}", policy.print()))?;
    }
    for told in written.beside() {
        eprintln!("{}", text::line(&told));
    }
    Ok(Done::Whole)
}

/// Reads a saved answer about one principal.
fn last_accessed(text: &str, arn: &str) -> Result<LastAccessed> {
    let mut value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).wrap_err("it is not whole JSON")?;
    let services = value["ServicesLastAccessed"].take();
    if !services.is_array() {
        bail!("it is not the answer of aws iam get-service-last-accessed-details: that has a list ServicesLastAccessed");
    }
    let again = "aws iam get-service-last-accessed-details --max-items 1000 --job-id ID";
    match value["JobStatus"].as_str() {
        Some("COMPLETED") | None => {}
        Some("IN_PROGRESS") => bail!("AWS was still at work on the report: ask for it again in a while with {again}"),
        Some(status) => {
            let why = value["Error"]["Message"].as_str().map(|why| format!(" ({why})")).unwrap_or_default();
            bail!(
                "AWS made no report, its job is {status}{why}: have it made again with aws iam \
                 generate-service-last-accessed-details --granularity ACTION_LEVEL --arn {arn}"
            )
        }
    }
    if value["IsTruncated"] == true || value["NextToken"].is_string() {
        bail!("it is one page of the report, and services of the pages behind would count as unknown: ask for all with {again}");
    }
    let made = value["JobCompletionDate"].as_str().and_then(|t| t.parse().ok());
    // Who used a service stands beside it: the report of somebody else would tell wrongly what is left over.
    let entities = services.as_array().into_iter().flatten().flat_map(|service| {
        let actions = service["TrackedActionsLastAccessed"].as_array().into_iter().flatten();
        actions.map(|action| &action["LastAccessedEntity"]).chain([&service["LastAuthenticatedEntity"]]).filter_map(Value::as_str)
    });
    if let Some(other) = entities.into_iter().find(|entity| *entity != arn) {
        bail!("it is the report of {other}: have one made of {arn}");
    }
    let services = serde_json::from_value(services).wrap_err("its list ServicesLastAccessed cannot be read")?;
    Ok(LastAccessed { arn: arn.to_owned(), made, services, trail: None })
}
