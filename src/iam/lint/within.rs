//! Policies within the answers of AWS's commands: `get-policy-version`, `get-role-policy`, `get-bucket-policy` and their
//! like hold a document, some as JSON within a text. It is looked over where it stands, so that places are the file's.

use super::{Kind, Lint, Weight, lint, place};
use crate::iam::policy::Span;
use crate::iam::policy::json::{self, Member, Node, Value};
use crate::iam::read;

/// What there is to say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// What the file is, where it is no policy document itself.
    pub what: Option<String>,
    /// As what the document was looked over; none where there are several, each looked over as what it is.
    pub kind: Option<Kind>,
    pub lints: Vec<Lint>,
}

/// Where answers hold their document, and what that is attached to; none where the answer does not tell.
type Answer = (&'static [&'static str], &'static str, &'static str, Option<Kind>);

/// By the way to the document, and a key that stands beside its beginning; the first that fits counts.
const ANSWERS: &[Answer] = &[
    (&["PolicyVersion", "Document"], "PolicyVersion", "the answer of aws iam get-policy-version", Some(Kind::Managed)),
    (&["PolicyDocument"], "RoleName", "the answer of aws iam get-role-policy", Some(Kind::InlineRole)),
    (&["PolicyDocument"], "UserName", "the answer of aws iam get-user-policy", Some(Kind::InlineUser)),
    (&["PolicyDocument"], "GroupName", "the answer of aws iam get-group-policy", Some(Kind::InlineGroup)),
    (&["Role", "AssumeRolePolicyDocument"], "Role", "the answer of aws iam get-role, with the role's trust", Some(Kind::Trust)),
    (&["Policy", "Content"], "Policy", "the answer of aws organizations describe-policy", None),
    (&["Policy"], "PolicyName", "the answer of aws kms get-key-policy", Some(Kind::Resource)),
    (&["Policy"], "RevisionId", "the answer of aws lambda get-policy", Some(Kind::Resource)),
    (&["Policy"], "Policy", "the answer of aws s3api get-bucket-policy", Some(Kind::Resource)),
    (&["Attributes", "Policy"], "Attributes", "the attributes of a queue or a topic, with its policy", Some(Kind::Resource)),
    (&["ResourcePolicy"], "ARN", "the answer of aws secretsmanager get-resource-policy", Some(Kind::Resource)),
    (&["policyText"], "policyText", "the answer of aws ecr get-repository-policy", Some(Kind::Resource)),
    (
        &["InlinePolicy"],
        "InlinePolicy",
        "the answer of aws sso-admin get-inline-policy-for-permission-set",
        Some(Kind::InlineRole),
    ),
];

/// Looks over a policy document, or the one within an answer of AWS. `kind` is what it is attached to, where that is
/// said; else the answer tells, and without one it is a managed policy.
pub fn look_over(text: &str, kind: Option<Kind>) -> Looked {
    let plain = |lints| Looked { what: None, kind: Some(kind.unwrap_or(Kind::Managed)), lints };
    let top = match json::read(text) {
        Ok(Node { value: Value::Object(top), .. }) if top.iter().all(|m| m.key != "Statement") => top,
        // What is no JSON at all, the document's reader says best.
        _ => return plain(lint(text, kind.unwrap_or(Kind::Managed))),
    };
    let member = |key: &str| top.iter().find(|m| m.key == key).map(|m| &m.node);
    for (way, beside, what, told) in ANSWERS {
        let Some(node) = member(beside).and(member(way[0])).and_then(|node| inner(node, &way[1..])) else { continue };
        let control = member("Policy").and_then(|p| inner(p, &["PolicySummary", "Type"]));
        let control = control.and_then(|t| match &t.value {
            Value::Text(text) if text == "SERVICE_CONTROL_POLICY" => Some(Kind::Scp),
            Value::Text(text) if text == "RESOURCE_CONTROL_POLICY" => Some(Kind::Rcp),
            _ => None,
        });
        let kind = kind.or(*told).or(control).unwrap_or(Kind::Managed);
        let Some(mut lints) = looked_over(text, node, kind) else { continue };
        place(text, &mut lints);
        return Looked { what: Some((*what).to_owned()), kind: Some(kind), lints };
    }
    let details = details(&top);
    if !details.is_empty() {
        let mut lints = Vec::new();
        for (name, kind, node) in &details {
            let own = looked_over(text, node, *kind).into_iter().flatten();
            lints.extend(own.map(|l| Lint { message: format!("{name}: {}", l.message), ..l }));
        }
        place(text, &mut lints);
        let what =
            format!("the answer of aws iam get-account-authorization-details, with documents of its own: {}", details.len());
        return Looked { what: Some(what), kind: None, lints };
    }
    let Some(what) = read::answer(|key| member(key).is_some()) else {
        return plain(lint(text, kind.unwrap_or(Kind::Managed)));
    };
    let message = format!(
        "this is {what}, which holds no policy document to look over; write one with aws iam get-policy-version, get-role-policy \
         or get-role"
    );
    let lint = Lint { id: "no-policy", weight: Weight::Error, span: Span::default(), line: 1, column: 1, message };
    Looked { what: Some(what.to_owned()), ..plain(vec![lint]) }
}

/// What there is to say about the document at a place of a file; none where it is none.
fn looked_over(text: &str, node: &Node, kind: Kind) -> Option<Vec<Lint>> {
    let (document, places) = document(text, node)?;
    let at = |at: u32| places.at(at as usize);
    let moved = |l: Lint| Lint { span: Span::new(at(l.span.start), at(l.span.end)), ..l };
    Some(lint(&document, kind).into_iter().map(moved).collect())
}

/// The documents of an account's own policies in what `get-account-authorization-details` answers, each with whose it is: those
/// in force, without AWS's own.
fn details(top: &[Member]) -> Vec<(String, Kind, &Node)> {
    let list = |key: &str| top.iter().find(|m| m.key == key).map_or(&[][..], |m| items(&m.node));
    let mut all = Vec::new();
    for (key, own, kind, of) in [
        ("UserDetailList", "UserPolicyList", Kind::InlineUser, "user"),
        ("GroupDetailList", "GroupPolicyList", Kind::InlineGroup, "group"),
        ("RoleDetailList", "RolePolicyList", Kind::InlineRole, "role"),
    ] {
        for holder in list(key) {
            let name = said(holder, &["UserName", "GroupName", "RoleName"]);
            let trust = inner(holder, &["AssumeRolePolicyDocument"]);
            all.extend(trust.map(|document| (format!("trust of role/{name}"), Kind::Trust, document)));
            for policy in inner(holder, &[own]).map_or(&[][..], items) {
                let inline = format!("inline {} of {of}/{name}", said(policy, &["PolicyName"]));
                all.extend(inner(policy, &["PolicyDocument"]).map(|document| (inline, kind, document)));
            }
        }
    }
    for policy in list("Policies").iter().filter(|p| !said(p, &["Arn"]).contains(":iam::aws:")) {
        let versions = inner(policy, &["PolicyVersionList"]).map_or(&[][..], items).iter();
        let is_default = |v: &&Node| inner(v, &["IsDefaultVersion"]).is_some_and(|d| matches!(d.value, Value::Bool(true)));
        let document = versions.filter(is_default).find_map(|v| inner(v, &["Document"]));
        all.extend(document.map(|document| (said(policy, &["PolicyName"]).to_owned(), Kind::Managed, document)));
    }
    all
}

fn items(node: &Node) -> &[Node] {
    if let Value::List(items) = &node.value { items } else { &[] }
}

/// What the first of these keys that is there says.
fn said<'a>(node: &'a Node, keys: &[&str]) -> &'a str {
    let found = keys.iter().find_map(|key| inner(node, &[key]));
    if let Some(Value::Text(text)) = found.map(|n| &n.value) { text } else { "" }
}

fn inner<'a>(node: &'a Node, way: &[&str]) -> Option<&'a Node> {
    way.iter().try_fold(node, |node, key| match &node.value {
        Value::Object(members) => members.iter().find(|m| m.key == *key).map(|m| &m.node),
        _ => None,
    })
}

/// Where each byte of a document stands in its file.
enum Places {
    From(usize),
    Each(Vec<usize>),
}

impl Places {
    fn at(&self, byte: usize) -> usize {
        match self {
            Self::From(start) => start + byte,
            Self::Each(places) => places.get(byte).or(places.last()).copied().unwrap_or_default(),
        }
    }
}

/// The document that a value is, or holds as text, and its places in the file.
fn document(text: &str, node: &Node) -> Option<(String, Places)> {
    let (start, end) = (node.span.start as usize, node.span.end as usize);
    match &node.value {
        Value::Object(members) if members.iter().any(|m| matches!(m.key.as_str(), "Statement" | "Version")) => {
            Some((text.get(start..end)?.to_owned(), Places::From(start)))
        }
        Value::Text(inner) => {
            let places = unescaped(text.get(start..end)?, inner).map(|at| start + at).collect();
            // The API's own answers write documents as in a URL.
            Some(if inner.trim_start().starts_with("%7B") {
                decoded(inner, places)
            } else {
                (inner.clone(), Places::Each(places))
            })
        }
        _ => None,
    }
}

/// Where in the quoted text each byte of what it says stands, and where it ends.
fn unescaped<'a>(quoted: &'a str, says: &'a str) -> impl Iterator<Item = usize> + 'a {
    let mut at = 1;
    let each = says.chars().flat_map(move |c| {
        let from = at;
        at += match quoted.as_bytes().get(from..from + 2) {
            Some(b"\\u") if c as u32 > 0xffff => 12,
            Some(b"\\u") => 6,
            Some([b'\\', _]) => 2,
            _ => c.len_utf8(),
        };
        std::iter::repeat_n(from, c.len_utf8())
    });
    each.chain(std::iter::once(quoted.len() - 1))
}

fn decoded(text: &str, places: Vec<usize>) -> (String, Places) {
    let (mut bytes, mut from) = (Vec::new(), Vec::new());
    let all = text.as_bytes();
    let mut at = 0;
    while at < all.len() {
        let code = all.get(at + 1..at + 3).filter(|_| all[at] == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(all[at]));
        from.push(places[at]);
        at += if code.is_some() { 3 } else { 1 };
    }
    from.extend(places.last());
    match String::from_utf8(bytes) {
        Ok(text) => (text, Places::Each(from)),
        Err(_) => (text.to_owned(), Places::Each(places)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "{\"Version\": \"2012-10-17\",\n\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": [\"s3:GetObject\", \"s3:GetObjekt\"], \"Resource\": \"arn:aws:s3:::bü😀/*\"}]}";

    fn said(text: &str) -> (Looked, Vec<&str>) {
        let looked = look_over(text, None);
        let at = |l: &Lint| text.get(l.span.start as usize..l.span.end as usize).unwrap_or("between two characters");
        let texts = looked.lints.iter().filter(|l| l.id == "unknown-action").map(at).collect();
        (looked, texts)
    }

    #[test]
    fn documents_within_answers_are_looked_over_in_their_place() {
        let quoted = serde_json::to_string(DOCUMENT).unwrap();
        let escaped = quoted.replace('ü', "\\u00fc").replace('😀', "\\ud83d\\ude00").replace('{', "\\u007b");
        let url: String = DOCUMENT
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect();
        for (text, kind, what, shown) in [
            (
                format!("{{\n\"PolicyVersion\": {{\"Document\": {DOCUMENT}, \"VersionId\": \"v1\"}}}}"),
                Kind::Managed,
                "get-policy-version",
                "\"s3:GetObjekt\"",
            ),
            (
                format!("{{\"RoleName\": \"r\", \"PolicyName\": \"p\", \"PolicyDocument\": {DOCUMENT}}}"),
                Kind::InlineRole,
                "get-role-policy",
                "\"s3:GetObjekt\"",
            ),
            (
                format!("{{\"UserName\": \"u\", \"PolicyName\": \"p\", \"PolicyDocument\": \"{url}\"}}"),
                Kind::InlineUser,
                "get-user-policy",
                "%22s3%3AGetObjekt%22",
            ),
            (format!("{{\n  \"Policy\": {quoted}\n}}"), Kind::Resource, "get-bucket-policy", "\\\"s3:GetObjekt\\\""),
            (
                format!("{{\"Policy\": {escaped}, \"RevisionId\": \"1\"}}"),
                Kind::Resource,
                "lambda get-policy",
                "\\\"s3:GetObjekt\\\"",
            ),
            (
                format!("{{\"Attributes\": {{\"Policy\": {quoted}}}}}"),
                Kind::Resource,
                "a queue or a topic",
                "\\\"s3:GetObjekt\\\"",
            ),
            (
                format!("{{\"Policy\": {{\"PolicySummary\": {{\"Type\": \"SERVICE_CONTROL_POLICY\"}}, \"Content\": {quoted}}}}}"),
                Kind::Scp,
                "describe-policy",
                "\\\"s3:GetObjekt\\\"",
            ),
            (
                format!(
                    "{{\"Policy\": {{\"PolicySummary\": {{\"Type\": \"RESOURCE_CONTROL_POLICY\"}}, \"Content\": {quoted}}}}}"
                ),
                Kind::Rcp,
                "describe-policy",
                "\\\"s3:GetObjekt\\\"",
            ),
        ] {
            let (looked, texts) = said(&text);
            assert_eq!((looked.kind, texts.as_slice()), (Some(kind), &[shown][..]), "{text}: {looked:?}");
            assert!(looked.what.as_ref().is_some_and(|w| w.contains(what)), "{looked:?}");
            let slip = looked.lints.iter().find(|l| l.id == "unknown-action").unwrap();
            let before = &text[..slip.span.start as usize];
            assert_eq!(slip.line, before.matches('\n').count() + 1);
            assert_eq!(slip.column, before.chars().rev().take_while(|c| *c != '\n').count() + 1);
        }
        // What is said of the kind counts.
        let asked = look_over(&format!("{{\"Policy\": {quoted}}}"), Some(Kind::InlineUser));
        assert!(asked.kind == Some(Kind::InlineUser) && asked.lints.iter().any(|l| l.id == "needless-principal"));
        let trust = r#"{"Role":{"RoleName":"r","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:GetObject"}]}}}"#;
        assert!(look_over(trust, None).lints.iter().any(|l| l.id == "trust-action"));
    }

    #[test]
    fn an_account_is_looked_over_policy_by_policy() {
        let slip = |action: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"arn:aws:s3:::b/x"}}]}}"#
            )
        };
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"s3:GetObject"}]}"#;
        let text = format!(
            r#"{{"UserDetailList":[{{"UserName":"jo","UserPolicyList":[{{"PolicyName":"p","PolicyDocument":{}}}]}}],
"RoleDetailList":[{{"RoleName":"r","AssumeRolePolicyDocument":{trust},"RolePolicyList":[]}}],
"Policies":[{{"PolicyName":"own","Arn":"arn:aws:iam::111122223333:policy/own","PolicyVersionList":[
{{"Document":{},"IsDefaultVersion":false}},{{"Document":{},"IsDefaultVersion":true}}]}},
{{"PolicyName":"aws","Arn":"arn:aws:iam::aws:policy/aws","PolicyVersionList":[{{"Document":{},"IsDefaultVersion":true}}]}}]}}"#,
            slip("s3:GetObjekt"),
            slip("s3:Olde"),
            slip("s3:PutObjekt"),
            slip("s3:Theirs")
        );
        let (looked, texts) = said(&text);
        assert_eq!((looked.kind, texts.as_slice()), (None, &["\"s3:GetObjekt\"", "\"s3:PutObjekt\""][..]), "{looked:?}");
        assert!(looked.lints.iter().any(|l| l.id == "trust-action" && l.message.starts_with("trust of role/r: ") && l.line == 2));
        let of = |start: &str| looked.lints.iter().any(|l| l.id == "unknown-action" && l.message.starts_with(start));
        assert!(of("inline p of user/jo: ") && of("own: "), "{looked:?}");
    }

    #[test]
    fn what_holds_no_policy_is_named() {
        for (text, says) in [
            (r#"{"Users":[]}"#, "aws iam list-users"),
            (
                r#"{"UserId":"AIDA","Account":"111122223333","Arn":"arn:aws:iam::111122223333:user/jo"}"#,
                "aws sts get-caller-identity,",
            ),
            (r#"{"ARN":"arn","Name":"n","SecretString":"s"}"#, "aws secretsmanager get-secret-value,"),
            (r#"{"UserDetailList":[]}"#, "aws iam get-account-authorization-details"),
            (r#"{"Policy":{"Arn":"arn:aws:iam::aws:policy/x"}}"#, "aws iam get-policy,"),
        ] {
            let looked = look_over(text, None);
            assert!(looked.lints.len() == 1 && looked.lints[0].message.contains(says), "{looked:?}");
            assert_eq!((looked.lints[0].id, looked.lints[0].weight), ("no-policy", Weight::Error));
        }
        for (text, id) in [("[]", "unreadable"), ("{", "unreadable"), ("{\"Foo\":1}", "unreadable")] {
            let looked = look_over(text, None);
            assert_eq!((looked.lints[0].id, looked.what), (id, None), "{text}");
        }
    }
}
