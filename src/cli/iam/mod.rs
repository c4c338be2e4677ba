//! `bartizan iam`: who can do what, who can become whom, and why; on AWS, on an estate file, or on a plain answer of
//! `aws iam get-account-authorization-details`.

mod ask;
mod blast;
mod least;
mod lint;
mod paths;

pub(super) use paths::begun;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};

use crate::cli::{Done, Global, setup};
use crate::iam::account::{Account, is_claim, outsider};
use crate::iam::graph::Graph;
use crate::iam::read::authorization_details;
use crate::iam::resources::Resources;
use crate::model::principal::Identity;
use crate::text;
use crate::work::sweep::{Kind as Asked, Used};

/// Options of iam.
#[derive(Debug, Args)]
pub(super) struct Iam {
    /// The account, by its twelve digits or its name, where what is looked at has several
    #[arg(long, global = true, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// An answer of `aws iam get-account-authorization-details`, in place of what is known of that account's IAM
    #[arg(long, global = true, value_name = "FILE")]
    details: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// May a principal do something? Exit code 1 where it may not
    Can {
        /// An ARN, role/name or user/name; root, * for whoever has no account, a service, or another account's ARN or digits
        principal: String,
        /// service:Action
        action: String,
        /// The resource's ARN, role/name or user/name [default: all that the action takes]
        #[arg(default_value = "*", hide_default_value = true)]
        resource: String,
        /// What is known of the request: aws:SourceIp=10.0.0.1; several values with commas between, !KEY for a key that is absent
        #[arg(long, value_name = "KEY=VALUE")]
        context: Vec<String>,
        /// A policy that its session was made with (`aws sts assume-role --policy`), which limits it further; may be repeated
        #[arg(long, value_name = "FILE")]
        session_policy: Vec<PathBuf>,
    },
    /// Who may do something, for certain or under conditions
    WhoCan {
        /// service:Action
        action: String,
        /// As for can
        #[arg(default_value = "*", hide_default_value = true)]
        resource: String,
        /// As for can
        #[arg(long, value_name = "KEY=VALUE")]
        context: Vec<String>,
    },
    /// How a principal, or somebody from outside, becomes another or an administrator, or gets at a resource
    Paths(paths::Paths),
    /// What is lost with a principal: what it can become, read, write and destroy
    Blast {
        /// A user or role; the id of an access key, an instance or a function, for whoever acts by it; or somebody from outside,
        /// as a pipeline by its token's subject
        principal: String,
    },
    /// What a principal is granted and does not use, and its policies without that, as a diff
    Unused(least::Leftover),
    /// Write a least-privilege policy from what is to be done with which ARNs
    Policy(Box<least::Wanted>),
    /// Say what is wrong with a policy document. Exit code 1 where AWS would refuse it or it does not do what it says
    Lint {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What it is attached to: a managed policy, unless the file is an answer of AWS, which tells
        #[arg(long, value_enum)]
        kind: Option<lint::Attached>,
    },
    /// Delivery pipelines that can become roles, what keeps strangers out, and what each may change
    Pipelines,
}

/// Accounts compiled, and as they were read.
type Looked = (Vec<Account>, Vec<Arc<Identity>>);

impl Iam {
    /// Whether the exit code is the answer.
    pub(super) fn answers(&self) -> bool {
        matches!(self.command, Command::Can { .. } | Command::Lint { .. })
    }

    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        match &self.command {
            Command::Lint { files, kind } => return lint::run(self.json, files, *kind),
            Command::Policy(wanted) => return least::policy(self.json, &wanted.intent()),
            _ => {}
        }
        let used = match &self.command {
            Command::Unused(asked) => asked.used(),
            _ => Used::Nobody,
        };
        let (accounts, identities) = self.accounts(global, used)?;
        // Those who may do something are told with what is not known of it.
        if !matches!(self.command, Command::Can { .. } | Command::WhoCan { .. }) {
            accounts.iter().flat_map(|a| &a.lacking).for_each(|gap| eprintln!("{}", text::line(gap)));
            for problem in accounts.iter().flat_map(|a| &a.problems) {
                eprintln!("{}: {}", text::line(&problem.policy), text::line(&problem.why));
            }
        }
        match &self.command {
            Command::Can { principal, action, resource, context, session_policy } => {
                let outsider = outsider(principal, |id| accounts.iter().any(|a| a.id == id));
                // Somebody from outside is answered by the account that the resource stands in.
                let owner = || accounts.iter().find(|a| a.owner(resource) == Some(a.id.as_str())).or(accounts.first());
                let account = match owner().filter(|_| outsider.is_some()) {
                    Some(owner) => owner,
                    None => holder(&accounts, principal).map_err(|why| match is_claim(principal) {
                        true => eyre!(
                            "{why}. For the holders of a token, `bartizan iam paths --who '{principal}'` tells which roles they become: \
                             ask about those"
                        ),
                        false => why,
                    })?,
                };
                // A role or user by its name may be another account's.
                let is_principal = ["role/", "user/"].iter().any(|kind| resource.starts_with(kind));
                let resource = match account.named(resource) {
                    Ok(own) => own,
                    Err(_) if is_principal => holder(&accounts, resource)?.named(resource)?,
                    Err(unknown) => accounts.iter().find_map(|a| a.named(resource).ok()).ok_or(unknown)?,
                };
                let context = ask::read_context(context, &accounts)?;
                let session = ask::session_policies(session_policy)?;
                let answer = match &outsider {
                    Some(who) if session.is_some() => {
                        bail!("session policies are of users and roles that are known here, not of {who}")
                    }
                    Some(who) => account.can_outsider(who, action, &resource, &context),
                    None => account.can_within(session.as_deref(), principal, action, &resource, &context),
                }?;
                let notes = ask::notes([account], Some(principal), action, &resource);
                ask::can(self.json, &format!("{principal} {action} on {resource}"), &answer, &notes)
            }
            Command::WhoCan { action, resource, context } => {
                ask::who_can(self.json, &accounts, (action, resource), &ask::read_context(context, &accounts)?)
            }
            Command::Paths(asked) => asked.run(self.json, &accounts),
            Command::Blast { principal } => blast::blast(self.json, &accounts, principal),
            Command::Unused(asked) => asked.run(self.json, &accounts, &identities),
            Command::Pipelines => blast::pipelines(self.json, &accounts),
            Command::Lint { .. } | Command::Policy { .. } => Ok(Done::Whole),
        }
    }

    /// The accounts that are looked at, compiled and as they were read.
    fn accounts(&self, global: &Global, used: Used) -> Result<Looked> {
        let mut no_details = None;
        if let Some(from) = global.from.as_deref().filter(|from| *from != "demo") {
            // A plain answer of the AWS CLI will do.
            let text = fs::read(from).wrap_err_with(|| format!("could not read {from}"))?;
            if let Ok(text) = String::from_utf8(text) {
                match authorization_details(&text) {
                    Ok(identity) => {
                        if let Some(asked) = self.account.as_ref().filter(|asked| **asked != identity.account) {
                            bail!("no IAM of account {asked:?} is known: {from} is that of account {}", identity.account);
                        }
                        let mut account = Account::read(&identity);
                        account.ask_at(setup::modified(Path::new(from)));
                        return Ok((vec![account], vec![Arc::new(identity)]));
                    }
                    // It may be an estate or a file of findings.
                    Err(error) if setup::from(global).is_err() => return Err(error).wrap_err_with(|| from.to_owned()),
                    Err(error) => no_details = Some(error),
                }
            }
        }
        let kinds = [Asked::Accounts, Asked::Iam, Asked::Network, Asked::Workloads, Asked::Resources];
        let looked = match used {
            Used::Nobody => setup::look(global, &kinds),
            used => setup::look_with_used(global, &kinds, used),
        }?;
        let mut estate = (*looked.world.estate).clone();
        if let Some(path) = &self.details {
            let name = path.display();
            let text = fs::read_to_string(path).wrap_err_with(|| format!("could not read {name}"))?;
            estate.put_identity(authorization_details(&text).wrap_err_with(|| name.to_string())?);
        }
        let estate = &estate;
        let wanted = |id: &str| {
            self.account.as_deref().is_none_or(|asked| asked == id || estate.account(id).is_some_and(|a| a.name == asked))
        };
        let ids = estate.identities.iter().map(|i| i.account.as_str()).filter(|id| wanted(id));
        let resources = Arc::new(Resources::of(estate));
        let accounts: Vec<Account> = ids.filter_map(|id| Account::among(estate, id, &resources)).collect();
        match (&self.account, accounts.is_empty()) {
            (Some(asked), true) => bail!("no IAM of account {asked:?} is known; `bartizan list accounts` shows what there is"),
            (None, true) if no_details.is_some() => {
                // A file of ours may have none; any other is named as what it is.
                let error = no_details.map_or_else(|| eyre!("no IAM is known"), Into::into);
                Err(error).wrap_err_with(|| format!("there is no IAM in {}", global.from.as_deref().unwrap_or_default()))
            }
            (None, true) => bail!("no IAM is known: `bartizan list coverage` shows what AWS refused"),
            _ => Ok((accounts, estate.identities.clone())),
        }
    }
}

/// The account that a principal stands in.
fn holder<'a>(accounts: &'a [Account], principal: &str) -> Result<&'a Account> {
    let mut found = accounts.iter().filter(|a| a.principal(principal).is_ok());
    match (found.next(), found.next()) {
        (Some(account), None) => Ok(account),
        (Some(one), Some(two)) => {
            bail!("{principal:?} is in account {} and in {}, among others: name it by ARN, or say --account", one.id, two.id)
        }
        (None, _) => match accounts {
            [only] => Err(only.principal(principal).err().map_or_else(|| eyre!("there is no {principal:?}"), Into::into)),
            _ => bail!(
                "no user or role {principal:?} in {} accounts; name it by ARN, or as user/name or role/name",
                accounts.len()
            ),
        },
    }
}

/// The one group of a name: its account, its ARN and who is in it; none where there is no such group.
fn group<'a>(accounts: &'a [Account], name: &str) -> Result<Option<(&'a Account, String, Vec<usize>)>> {
    let mut found = accounts.iter().filter_map(|a| a.members(name).map(|(arn, members)| (a, arn, members)));
    match (found.next(), found.next()) {
        (Some((one, ..)), Some((two, ..))) => {
            bail!("{name:?} is in account {} and in {}, among others: name it by ARN, or say --account", one.id, two.id)
        }
        (found, _) => Ok(found),
    }
}

/// The graphs of some accounts and of those from which ways may lead into them.
fn inward<'a>(accounts: &'a [Account], into: &[&str]) -> Vec<Graph<'a>> {
    let ids = accounts.first().map(|a| a.resources().inward(into)).unwrap_or_default();
    ids.iter().filter_map(|id| accounts.iter().find(|a| a.id == *id)).map(Graph::new).collect()
}

/// Foreign text, line by line.
fn safe(lines: &[String]) -> String {
    lines.iter().map(|line| text::line(line).into_owned()).collect::<Vec<_>>().join("\n")
}
