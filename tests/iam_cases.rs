//! The table of evaluation cases, `tests/iam/cases.txt`: each by the page of AWS's documentation that states its rule.
//! The file's head says how it is read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use bartizan::iam::evaluate::{
    ActionName, Caller, Compiled, Context, Decision, Layers, Request, Resource, ResourcePolicy, decide, explain,
};
use bartizan::iam::policy::Policy;

#[derive(Default, Clone)]
struct Group {
    page: String,
    caller: Option<String>,
    user: Option<String>,
    action: Option<String>,
    resource: Option<String>,
    account: Option<String>,
    identity: Vec<String>,
    boundary: Option<String>,
    session: Option<Vec<String>>,
    scps: Vec<Vec<String>>,
    rcps: Vec<Vec<String>>,
    policy: Option<String>,
    unread: bool,
    open: bool,
    version: Option<String>,
}

fn list(text: &str) -> serde_json::Value {
    text.split(',').map(|t| t.trim().replace("\\_", " ")).collect::<Vec<_>>().into()
}

/// `allow ACTIONS on RESOURCES for PRINCIPALS if CONDITION`, several with ` ; ` between.
fn policy(text: &str, version: Option<&str>) -> String {
    if text.starts_with('{') {
        return text.to_owned();
    }
    let mut statements = Vec::new();
    for part in text.split(" ; ") {
        let mut statement = serde_json::Map::new();
        let (head, condition) = part.split_once(" if ").map_or((part, None), |(h, c)| (h, Some(c)));
        let (head, principals) = head.split_once(" for ").map_or((head, None), |(h, p)| (h, Some(p)));
        let (head, resources) = head.split_once(" on ").map_or((head, None), |(h, r)| (h, Some(r)));
        let (effect, actions) = head.trim().split_once(' ').unwrap();
        statement.insert("Effect".into(), if effect == "allow" { "Allow" } else { "Deny" }.into());
        assert!(["allow", "deny"].contains(&effect), "{text}");
        let mut put = |name: &str, value: &str| {
            let (not, value) = value.trim().strip_prefix("not ").map_or(("", value), |v| ("Not", v));
            statement.insert(format!("{not}{name}"), list(value));
        };
        put("Action", actions);
        if let Some(resources) = resources {
            put("Resource", resources);
        }
        if let Some(principals) = principals {
            let (not, value) = principals.trim().strip_prefix("not ").map_or(("", principals.trim()), |v| ("Not", v));
            let value = if value == "*" {
                "*".into()
            } else {
                let mut map = serde_json::Map::new();
                for p in value.split(' ') {
                    let (kind, names) = p.split_once('=').unwrap();
                    map.insert(kind.to_owned(), list(names));
                }
                map.into()
            };
            statement.insert(format!("{not}Principal"), value);
        }
        if let Some(condition) = condition {
            statement.insert("Condition".into(), serde_json::from_str(condition).expect(condition));
        }
        statements.push(serde_json::Value::Object(statement));
    }
    serde_json::json!({"Version": version.unwrap_or("2012-10-17"), "Statement": statements}).to_string()
}

fn run(group: &Group, line: &str) -> Result<(), String> {
    let (ask, expected) = line.rsplit_once("->").ok_or("no ->")?;
    let mut g = group.clone();
    let mut context = if g.open { Context::new() } else { Context::complete() };
    for token in ask.split_whitespace() {
        let token = token.replace("\\_", " ");
        let (key, value) = token.split_once('=').ok_or(format!("no = in {token}"))?;
        match key {
            "caller" => g.caller = Some(value.to_owned()),
            "action" => g.action = Some(value.to_owned()),
            "resource" => g.resource = Some(value.to_owned()),
            "account" => g.account = Some(value.to_owned()),
            key => context.set(key, value.split('|').filter(|v| !v.is_empty())),
        }
    }
    let read = |text: &String| {
        let text = policy(text, g.version.as_deref());
        Compiled::new("p", "", Policy::read(&text).unwrap_or_else(|e| panic!("{e}: {text}")))
    };
    let identity: Vec<Compiled> = g.identity.iter().map(read).collect();
    let boundary = g.boundary.as_ref().map(read);
    let session: Option<Vec<Compiled>> = g.session.as_ref().map(|s| s.iter().map(read).collect());
    let levels = |all: &[Vec<String>]| -> Vec<Vec<Compiled>> { all.iter().map(|l| l.iter().map(read).collect()).collect() };
    let (scps, rcps) = (levels(&g.scps), levels(&g.rcps));
    let own = g.policy.as_ref().map(read);
    let identity: Vec<&Compiled> = identity.iter().collect();
    let session: Option<Vec<&Compiled>> = session.as_ref().map(|s| s.iter().collect());
    let scps: Vec<Vec<&Compiled>> = scps.iter().map(|l| l.iter().collect()).collect();
    let rcps: Vec<Vec<&Compiled>> = rcps.iter().map(|l| l.iter().collect()).collect();
    let mut caller = Caller::new(g.caller.as_deref().unwrap_or("arn:aws:iam::111122223333:user/jo"));
    caller.user = g.user.clone();
    let resource = g.resource.as_deref().unwrap_or("arn:aws:s3:::b/k");
    let named = resource.split(':').nth(4).is_some_and(|a| !a.is_empty());
    let mut resource = Resource::new(resource);
    if g.account.is_some() || !named {
        resource = resource.in_account(g.account.as_deref().unwrap_or("111122223333"));
    }
    let action = ActionName::new(g.action.as_deref().unwrap_or("s3:GetObject"));
    let layers = Layers {
        identity: &identity,
        boundary: boundary.as_ref(),
        session: session.as_deref(),
        scps: &scps,
        rcps: &rcps,
        resource: match &own {
            Some(own) => ResourcePolicy::Is(own),
            None if g.unread => ResourcePolicy::Unknown,
            None => ResourcePolicy::None,
        },
    };
    let request = Request { caller: &caller, action: &action, resource: &resource, context: &context };
    let answer = explain(&request, &layers);
    if decide(&request, &layers) != answer.decision {
        return Err("the fast decision differs from the explained one".to_owned());
    }
    let found = match answer.decision {
        Decision::Allowed => "allowed".to_owned(),
        Decision::Denied { explicit: true } => "explicit".to_owned(),
        Decision::Denied { explicit: false } => "implicit".to_owned(),
        Decision::Depends => {
            let mut keys: Vec<&str> = answer.depends.iter().map(|d| d.key.as_str()).collect();
            keys.sort_unstable();
            keys.dedup();
            format!("depends {}", keys.join(", "))
        }
    };
    // Every decision names its reasons.
    let reasons = match answer.decision {
        Decision::Denied { explicit: true } => !answer.because.is_empty(),
        Decision::Denied { explicit: false } => !answer.missing.is_empty() || !answer.why.is_empty(),
        Decision::Depends => !answer.depends.is_empty(),
        Decision::Allowed => !answer.because.is_empty() || !answer.why.is_empty(),
    };
    if !reasons {
        return Err(format!("{found} without a reason"));
    }
    if found == expected.trim() { Ok(()) } else { Err(format!("found {found}, expected {}", expected.trim())) }
}

#[test]
fn every_case_of_the_table() {
    let text = include_str!("iam/cases.txt");
    let mut group = Group::default();
    let (mut cases, mut wrong) = (0, Vec::new());
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(page) = line.strip_prefix("==") {
            group = Group { page: page.trim().to_owned(), ..Group::default() };
            continue;
        }
        if let Some(case) = line.strip_prefix('>') {
            assert!(!group.page.is_empty(), "line {}: a case without a page", n + 1);
            cases += 1;
            if let Err(why) = run(&group, case) {
                wrong.push(format!("line {}: {line}: {why} ({})", n + 1, group.page));
            }
            continue;
        }
        let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("line {}: {line}", n + 1));
        let value = value.trim().to_owned();
        match key {
            "caller" => group.caller = Some(value),
            "user" => group.user = Some(value),
            "action" => group.action = Some(value),
            "resource" => group.resource = Some(value),
            "account" => group.account = Some(value),
            "identity" => group.identity.push(value),
            "boundary" => group.boundary = Some(value),
            "session" => group.session.get_or_insert_default().extend((!value.is_empty()).then_some(value)),
            "scp" => group.scps.push(vec![value]),
            "scp+" => group.scps.last_mut().unwrap().push(value),
            "rcp" => group.rcps.push(vec![value]),
            "policy" => group.policy = Some(value),
            "condition" => group.identity = vec![format!("allow s3:* on * if {value}")],
            "unread" => group.unread = true,
            "open" => group.open = true,
            "version" => group.version = Some(value),
            other => panic!("line {}: {other:?} is no part of a group", n + 1),
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 400, "{cases} cases");
}
