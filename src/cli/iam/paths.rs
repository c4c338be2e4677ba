//! `iam paths`: ways to become another, an administrator, or to get at a resource; and the statements that cut most.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use color_eyre::eyre::{Report, Result, bail};
use serde_json::{Value, json};

use crate::cli::Done;
use crate::cli::iam::{group, holder, inward, safe};
use crate::cli::list::unless_closed;
use crate::iam::account::Account;
use crate::iam::doubts::doubts;
use crate::iam::graph::{self, Built, Cut, Goal, Graph, Joined, Leg, Nobody, Node, Prize, Route, To, onward};
use crate::iam::resources::Held;
use crate::iam::strangers::account_of;
use crate::text;

/// Paths that are listed at most, of one and of everyone.
const MOST_PATHS: usize = 100;
const MOST_OF_ALL: usize = 10_000;
/// Statements that are told to cut most.
const MOST_CUTS: usize = 5;

/// Options of paths.
#[derive(Debug, Args)]
pub(super) struct Paths {
    /// Whose ways: a user or role, a group for all who are in it, or somebody from outside: a token's subject, a service, a
    /// foreign account's digits or ARN, everyone; --from will do, where what it names is no file
    #[arg(long, value_name = "PRINCIPAL|OUTSIDER")]
    who: Option<String>,
    /// A principal, a group, or the ARN of a resource that somebody gets at [default: administrator]
    #[arg(long, value_name = "PRINCIPAL|ARN")]
    to: Option<String>,
    /// What is done with the resource [default: whatever reads it, writes it or manages permissions on it]
    #[arg(long, value_name = "ACTION", requires = "to")]
    action: Vec<String>,
    /// Every way of everyone that passes nobody twice, and not only the shortest of each
    #[arg(long, conflicts_with_all = ["who", "cuts"])]
    all: bool,
    /// The statements whose removal cuts off most principals, each tried out, instead of the paths
    #[arg(long)]
    cuts: bool,
}

/// The words of a command line, with `--from P` of `iam paths` as `--who P`. Every command's `--from` names what is looked at,
/// and clap keeps the last of two; so it does here where it names a file. What stands behind `--` is a node's.
pub(in crate::cli) fn begun(mut words: Vec<OsString>) -> Vec<OsString> {
    let own = words.iter().position(|w| w == "--").unwrap_or(words.len());
    let after = |from: usize, word: &str| Some(from + words.get(from..own)?.iter().position(|w| w == word)? + 1);
    let Some(first) = after(0, "iam").and_then(|at| after(at, "paths")) else { return words };
    for at in first..own {
        let Some(word) = words[at].to_str() else { continue };
        let begins = match word.split_once('=') {
            Some(("--from", value)) => begins(value).then(|| format!("--who={value}")),
            None if word == "--from" => {
                words.get(at + 1).and_then(|w| w.to_str()).filter(|w| begins(w)).map(|_| "--who".to_owned())
            }
            _ => None,
        };
        if let Some(word) = begins {
            words[at] = word.into();
        }
    }
    words
}

/// Whether it names somebody, and nothing to look at.
fn begins(value: &str) -> bool {
    let file = value.starts_with(['.', '/', '~']) || [".json", ".zst", ".csv"].iter().any(|end| value.ends_with(end));
    !(file || value == "demo" || Path::new(value).exists())
}

impl Paths {
    pub(super) fn run(&self, json: bool, accounts: &[Account]) -> Result<Done> {
        let ends = self.ends(accounts)?;
        ends.say_doubts(accounts, self.action.is_empty());
        let graphs = match &ends.nobody {
            // Somebody from outside is looked for everywhere.
            Some(_) => accounts.iter().map(Graph::new).collect(),
            None => self.around(accounts, ends.whose.map(|(a, _)| a), ends.target.map(|(a, _)| a), &ends.asked),
        };
        let Some(Start { joined, from, outside }) = self.start(accounts, &ends, &graphs)? else { return print(json, &[]) };
        let goal = ends.goal(&joined, &graphs, outside);
        if self.cuts {
            let cut_of = |from: &Node| joined.cut_of(*from, &goal, graphs.as_slice());
            let cuts = match from.as_slice() {
                [] => joined.cuts(&goal, MOST_CUTS, graphs.as_slice()),
                from => from.iter().filter_map(cut_of).collect(),
            };
            let cuts: Vec<Value> = cuts.iter().map(|cut| cut_as_json(&graphs, &joined, cut)).collect();
            return print_cuts(json, &cuts);
        }
        let paths = self.paths(&joined, &from, &goal, ends.prize.is_some());
        let all: Vec<Value> = paths.iter().map(|path| told(&graphs, &joined, &goal, path)).collect();
        let rules = |from: &Node| joined.shortest(*from, &goal).is_some_and(|p| p.legs.is_empty());
        if all.is_empty() && self.to.is_none() && from.iter().any(rules) {
            eprintln!("It is an administrator already.");
        }
        print(json, &all)
    }

    /// Whose ways are asked for and where they lead, as far as the accounts know them.
    fn ends<'a>(&self, accounts: &'a [Account]) -> Result<Ends<'a>> {
        // What is neither a user nor a role is a resource; a group is got at by whoever changes it or who is in it.
        let to_group = self.to.as_deref().map(|to| group(accounts, to)).transpose()?.flatten().map(|(_, arn, _)| arn);
        let to = to_group.as_deref().or(self.to.as_deref());
        let prize = match to.filter(|to| !accounts.iter().any(|a| a.principal(to).is_ok())) {
            Some(to) if to.starts_with("arn:") && !to.contains(":role/") && !to.contains(":user/") => {
                Some(Prize::new(to, &self.action)?)
            }
            _ => None,
        };
        if prize.is_none() && !self.action.is_empty() {
            bail!("--action says what is done with a resource, and {:?} is none", self.to.as_deref().unwrap_or_default());
        }
        let found = self.who.as_deref().map(|who| holder(accounts, who).and_then(|a| Ok((a, a.principal(who)?))));
        let (whose, nobody) =
            found.map_or((None, None), |found| found.map_or_else(|why| (None, Some(why)), |own| (Some(own), None)));
        let target = match to.filter(|_| prize.is_none()) {
            // A name of the account that is looked at means that one.
            Some(to) => match whose.and_then(|(own, _)| Some((own, own.principal(to).ok()?))) {
                Some(own) => Some(own),
                None => Some(holder(accounts, to).and_then(|a| Ok((a, a.principal(to)?)))?),
            },
            None => None,
        };
        // Whom a resource lets in from other accounts is known where its policy is; else it is reached from within its own.
        let asked = prize.as_ref().map_or_else(Vec::new, |prize| {
            let known = accounts.first().and_then(|a| a.resources().find(&prize.resource)).is_some_and(Held::is_known);
            let id = prize.resource.split(':').nth(4).unwrap_or_default();
            match accounts.iter().find(|a| a.id == id && !known) {
                Some(own) => vec![own.id.as_str()],
                None => accounts.iter().map(|a| a.id.as_str()).collect(),
            }
        });
        Ok(Ends { prize, whose, nobody, target, asked })
    }

    /// The accounts joined, with whoever is asked about from outside; none where nothing lets that one in anywhere.
    fn start(&self, accounts: &[Account], ends: &Ends<'_>, graphs: &[Graph<'_>]) -> Result<Option<Start>> {
        let joined = Joined::new(graphs.iter().map(Graph::built));
        let in_group = self.who.as_deref().map(|who| group(accounts, who)).transpose()?.flatten();
        let called = self.who.as_deref().filter(|_| ends.nobody.is_some() && in_group.is_none());
        let met = match (&ends.prize, called) {
            (Some(prize), called) => {
                joined.visiting(called, prize, graphs).map(|(joined, from, held)| (joined, from, Some(held)))
            }
            (None, Some(who)) => joined.calling(who, graphs).map(|(joined, from)| (joined, from, None)),
            (None, None) => Ok((joined, Vec::new(), None)),
        };
        let (joined, outsiders, outside) = match (met, &ends.nobody) {
            (Ok(met), _) => met,
            (Err(nobody), why) => {
                let foreign = matches!(nobody, Nobody::LetIn(_)) && called.and_then(account_of).is_some();
                match why {
                    Some(why) if !(ends.prize.is_some() && foreign) => bail!("{why}; and {nobody}"),
                    _ => return Ok(None),
                }
            }
        };
        let mut from: Vec<Node> = ends.whose.and_then(|own| node(&joined, own)).into_iter().chain(outsiders).collect();
        if let Some((account, _, members)) = in_group {
            if members.is_empty() {
                bail!("nobody is in {}", self.who.as_deref().unwrap_or_default());
            }
            from = members.into_iter().filter_map(|at| node(&joined, (account, at))).collect();
        }
        Ok(Some(Start { joined, from, outside }))
    }

    /// The ways that are asked for, those of nobody in particular where `from` is empty.
    fn paths(&self, joined: &Joined, from: &[Node], goal: &Goal, to_resource: bool) -> Vec<Route> {
        let most = if from.is_empty() { MOST_OF_ALL } else { MOST_PATHS };
        let every = |from: &[Node]| {
            let (paths, more) = joined.paths(from, goal, most);
            if more {
                eprintln!("there are, or may be, more paths than the {} shown: those are the shortest", paths.len());
            }
            paths
        };
        let outside = joined.outside_of(goal);
        let mut paths = match from {
            [] if self.all => every(&[joined.principals_of_all(), outside].concat()),
            [] => [joined.routes(goal), joined.routes_of(outside, goal)].concat(),
            from => every(from),
        };
        // Whoever is there already has no step to take; for a resource that is worth telling.
        paths.retain(|p| to_resource || !p.legs.is_empty());
        if self.all || !from.is_empty() {
            let starts = if from.is_empty() { joined.principals_of_all() } else { from.to_vec() };
            let there = joined.already(&starts, goal).into_iter().filter(|_| to_resource);
            paths.splice(0..0, there);
        }
        if from.is_empty() && self.to.is_some() {
            paths.sort_by_key(|p| (!p.certain, p.legs.len(), p.from));
        }
        paths
    }

    /// The graphs of the accounts that ways may lead through: on from whoever is asked about, or back from the target.
    fn around<'a>(
        &self,
        accounts: &'a [Account],
        whose: Option<&'a Account>,
        target: Option<&'a Account>,
        asked: &[&str],
    ) -> Vec<Graph<'a>> {
        let find = |id: &str| accounts.iter().find(|a| a.id == id);
        match (whose, target) {
            (Some(whose), target) => {
                let mut ids = vec![whose.id.as_str()];
                ids.extend(target.map(|t| t.id.as_str()).filter(|id| *id != whose.id));
                let build = |id: &str| find(id).map(|account| (account, Graph::new(account).built()));
                let all: Vec<(&Account, Arc<Built>)> = onward(&ids, build);
                all.into_iter().map(|(account, built)| Graph::again(account, built)).collect()
            }
            (None, Some(target)) => inward(accounts, &[&target.id]),
            (None, None) if self.to.is_some() => inward(accounts, asked),
            (None, None) => accounts.iter().map(Graph::new).collect(),
        }
    }
}

/// Whose ways are asked for and where they lead.
struct Ends<'a> {
    /// A resource that somebody gets at.
    prize: Option<Prize>,
    whose: Option<(&'a Account, usize)>,
    /// Why whoever is asked about is no user or role: it may be somebody from outside.
    nobody: Option<Report>,
    target: Option<(&'a Account, usize)>,
    /// Accounts that the resource is asked for in.
    asked: Vec<&'a str>,
}

/// Where ways begin.
struct Start {
    joined: Joined,
    /// Empty for everyone.
    from: Vec<Node>,
    /// Who gets at the resource from outside.
    outside: Option<graph::Held>,
}

impl Ends<'_> {
    /// Says what the answer does without.
    fn say_doubts(&self, accounts: &[Account], any_action: bool) {
        let (Some(prize), Some(account)) = (&self.prize, accounts.first()) else { return };
        let unread = account.unread(&prize.resource);
        let odd = prize.asks().iter().filter(|_| !any_action).flat_map(|ask| doubts(&ask.action, &ask.arn));
        unread.into_iter().chain(odd).for_each(|note| eprintln!("{}", text::line(&note)));
        if account.owner(&prize.resource).is_none() && self.asked.len() > 1 && self.whose.is_none() {
            eprintln!("The ARN names no account that is known: each account answers as if the resource stood in it.");
        }
    }

    fn goal(&self, joined: &Joined, graphs: &[Graph<'_>], outside: Option<graph::Held>) -> Goal {
        match (&self.prize, self.target.and_then(|target| node(joined, target))) {
            (Some(prize), _) => {
                // Whoever is asked about is asked by its own policies as well, wherever the resource stands.
                let own = self.whose.map(|(account, _)| account.id.as_str());
                let is_asked = |id: &str| self.asked.contains(&id) || own == Some(id);
                let reached = graphs.iter().enumerate().filter(|(_, g)| is_asked(&g.account.id));
                let inside = reached.map(|(at, g)| (at, g.reach(prize)));
                joined.resource(inside.chain(outside.map(|held| (joined.len(), held))))
            }
            (None, Some(to)) => joined.principals(&[to]),
            (None, None) => joined.administrator(),
        }
    }
}

fn node(joined: &Joined, (account, at): (&Account, usize)) -> Option<Node> {
    Some(Node::principal(joined.account(&account.id)?, at))
}

fn print(json: bool, paths: &[Value]) -> Result<Done> {
    let mut out = io::stdout().lock();
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(paths)?))?;
        return Ok(Done::Whole);
    }
    let mut lines = Vec::new();
    for path in paths {
        let certain = if path["certain"] == true { "" } else { "  (under conditions)" };
        lines.push(format!("{} → {}{certain}", path["from"].as_str().unwrap_or(""), path["to"].as_str().unwrap_or("")));
        for step in path["steps"].as_array().into_iter().flatten() {
            lines.push(format!("  {}", step["sentence"].as_str().unwrap_or("")));
            for need in step["needs"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                lines.push(format!("    {need}"));
            }
        }
    }
    unless_closed(writeln!(out, "{}", if lines.is_empty() { "No path.".to_owned() } else { safe(&lines) }))?;
    Ok(Done::Whole)
}

fn print_cuts(json: bool, cuts: &[Value]) -> Result<Done> {
    let mut out = io::stdout().lock();
    if json {
        unless_closed(writeln!(out, "{}", serde_json::to_string_pretty(cuts)?))?;
        return Ok(Done::Whole);
    }
    let mut lines = Vec::new();
    for cut in cuts {
        let text = |field: &str| cut[field].as_str().unwrap_or_default();
        let freed: Vec<&str> = cut["cuts_off"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let place = format!("{}, {} in account {}", text("policy"), text("statement"), text("account"));
        let outside: Vec<&str> = cut["cuts_off_outside"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let and = if outside.is_empty() { String::new() } else { format!(", and {} from outside", outside.len()) };
        lines.push(format!("{place}: cuts off {} of {}{and}", freed.len(), cut["of"]));
        let all = [freed, outside].concat();
        lines.extend(all.iter().take(20).map(|arn| format!("  {arn}")));
        if all.len() > 20 {
            lines.push(format!("  and {} more", all.len() - 20));
        }
    }
    let none = "No single statement of a policy or a role's trust cuts anybody off: there is no path for certain, or every one has \
                another beside it.";
    unless_closed(writeln!(out, "{}", if lines.is_empty() { none.to_owned() } else { safe(&lines) }))?;
    Ok(Done::Whole)
}

fn cut_as_json(graphs: &[Graph<'_>], joined: &Joined, cut: &Cut) -> Value {
    let account = graphs[cut.account].account;
    let policy = cut.statement.policy(account);
    json!({
        "account": account.id,
        "policy": cut.policy,
        "policy_arn": policy.map_or("", |p| &p.arn),
        "statement": cut.label,
        "cuts_off": cut.freed.iter().map(|p| joined.arn(*p)).collect::<Vec<_>>(),
        "cuts_off_outside": cut.outside.iter().map(|p| joined.arn(*p)).collect::<Vec<_>>(),
        "of": cut.of,
    })
}

/// A path as data, each step with a sentence, what it rests on, and the account that it leads into.
fn told(graphs: &[Graph<'_>], joined: &Joined, goal: &Goal, path: &Route) -> Value {
    let by = |action: &str, by: &[(String, String)]| {
        let statements: Vec<String> = by.iter().map(|(policy, statement)| format!("{policy}, {statement}")).collect();
        format!("{action} by {}", statements.join(" or "))
    };
    let id = |node: Node| graphs.get(node.account).map_or("", |g| g.account.id.as_str());
    let step = |leg: &Leg| {
        let needs: Vec<String> = joined.rests(leg, graphs).iter().map(|(action, any)| by(action, any)).collect();
        let sentence = joined.sentence(leg, graphs, &|id| format!("account {id}"));
        json!({ "to": joined.arn(leg.to), "account": id(leg.to), "sentence": sentence, "needs": needs, "ways": leg.by.len() })
    };
    let mut steps: Vec<Value> = path.legs.iter().map(step).collect();
    let end = path.end();
    let mut to = path.legs.last().map_or("administrator", |leg| joined.arn(leg.to)).to_owned();
    if let Some(held) = goal.held(end.account) {
        to.clone_from(&held.prize.resource);
        // The last step is the use of the resource itself.
        steps.extend(joined.use_of(goal, end, graphs).map(|(sentence, needs)| {
            let needs: Vec<String> = needs.iter().map(|(action, any)| by(action, any)).collect();
            let holder = if let To::Principal(at) = end.at { held.holder(at) } else { None };
            let asks = held.prize.asks();
            let may: Vec<&str> =
                holder.iter().flat_map(|h| &h.may).filter_map(|u| Some(asks.get(u.ask)?.action.as_str())).collect();
            let owner = held.prize.resource.split(':').nth(4).unwrap_or_default();
            let account = graphs.first().and_then(|g| g.account.owner(&held.prize.resource)).unwrap_or(owner);
            json!({ "to": to, "account": account, "sentence": sentence, "needs": needs, "ways": may.len(), "actions": may })
        }));
    }
    json!({
        "from": joined.arn(path.from),
        "outsider": joined.outsider(path.from).is_some(),
        "account": id(path.from),
        "to": to,
        "certain": path.certain,
        "steps": steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_names_whose_ways_are_told_where_it_names_no_file() {
        let read = |text: &str| {
            let words = begun(text.split(' ').map(OsString::from).collect());
            words.into_iter().map(|w| w.into_string().unwrap_or_default()).collect::<Vec<_>>().join(" ")
        };
        for (typed, read_as) in [
            ("b iam paths --from role/x --to user/y", "b iam paths --who role/x --to user/y"),
            ("b --from demo iam paths --from=everyone", "b --from demo iam paths --who=everyone"),
            ("b iam paths --from demo", "b iam paths --from demo"),
            ("b iam paths --from ./estate", "b iam paths --from ./estate"),
            ("b --from role/x iam paths", "b --from role/x iam paths"),
            ("b iam can --from x y z", "b iam can --from x y z"),
            ("b ssm run web -- iam paths --from role/x", "b ssm run web -- iam paths --from role/x"),
            ("b iam paths --from", "b iam paths --from"),
        ] {
            assert_eq!(read(typed), read_as);
        }
    }
}
