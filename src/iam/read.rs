//! Reads the file that `aws iam get-account-authorization-details` writes, and says of another file what it is.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::policy::json::{self, Fault, Span, TOO_DEEP};
use crate::model::principal::{Group, Identity, ManagedPolicy, Role, User};
use crate::text;

/// Why a file is no account's authorisation details.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(
        "the file is not whole JSON: {what} at line {line}, column {column}; write it again with aws iam get-account-authorization-details --output json"
    )]
    Json { what: String, line: usize, column: usize },
    #[error("the file is nested too deeply (at {line}:{column}): no answer of aws iam get-account-authorization-details is")]
    Deep { line: usize, column: usize },
    #[error("the file is {looks}, not the answer of aws iam get-account-authorization-details; write that with --output json")]
    Other { looks: String },
    #[error(
        "the file has no one meaning: {what} at line {line}, column {column}; write it again with aws iam get-account-authorization-details --output json"
    )]
    Twice { what: String, line: usize, column: usize },
    #[error("{part} of the file cannot be read: {source}; was it changed by hand?")]
    Part { part: &'static str, source: serde_json::Error },
}

/// The lists of the answer, each with what nobody knows of where it is not there.
const LISTS: [(&str, &str); 4] = [
    ("UserDetailList", "who its users are"),
    ("GroupDetailList", "what its groups grant"),
    ("RoleDetailList", "which roles it has and whom they trust"),
    ("Policies", "what its managed policies allow and deny"),
];

/// What commands' answers have at their top.
const ITS_OWN: [&str; 3] = ["UserDetailList", "RoleDetailList", "GroupDetailList"];
const OTHERS: &[(&str, &str)] = &[
    ("Statement", "a policy document: lint it instead"),
    ("PolicyVersion", "the answer of aws iam get-policy-version"),
    ("Policy", "the answer of aws iam get-policy"),
    ("PolicyDocument", "the answer of aws iam get-role-policy or get-user-policy"),
    ("Policies", "the answer of aws iam list-policies"),
    ("AttachedPolicies", "the answer of aws iam list-attached-role-policies"),
    ("PolicyNames", "the answer of aws iam list-role-policies"),
    ("Users", "the answer of aws iam list-users"),
    ("User", "the answer of aws iam get-user"),
    ("Roles", "the answer of aws iam list-roles"),
    ("Role", "the answer of aws iam get-role"),
    ("Groups", "the answer of aws iam list-groups"),
    ("InstanceProfiles", "the answer of aws iam list-instance-profiles"),
    ("AccessKeyMetadata", "the answer of aws iam list-access-keys"),
    ("SummaryMap", "the answer of aws iam get-account-summary"),
    ("PasswordPolicy", "the answer of aws iam get-account-password-policy"),
    ("ReportFormat", "the answer of aws iam get-credential-report"),
    ("ServicesLastAccessed", "the answer of aws iam get-service-last-accessed-details"),
    ("EvaluationResults", "the answer of aws iam simulate-principal-policy"),
    ("SecretString", "the answer of aws secretsmanager get-secret-value"),
    ("SecretBinary", "the answer of aws secretsmanager get-secret-value"),
    ("OpenIDConnectProviderList", "the answer of aws iam list-open-id-connect-providers"),
    ("SAMLProviderList", "the answer of aws iam list-saml-providers"),
    ("Accounts", "the answer of aws organizations list-accounts"),
    ("Findings", "a findings file: import it instead"),
    ("Reservations", "the answer of aws ec2 describe-instances"),
    ("SecurityGroups", "the answer of aws ec2 describe-security-groups"),
    ("Vpcs", "the answer of aws ec2 describe-vpcs"),
    ("Buckets", "the answer of aws s3api list-buckets"),
    ("Functions", "the answer of aws lambda list-functions"),
    ("Records", "a CloudTrail log"),
    ("AWSTemplateFormatVersion", "a CloudFormation template"),
    ("terraform_version", "a Terraform state"),
];

/// Which command's answer has such keys at its top; none where it is not known.
pub fn answer(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    if ITS_OWN.iter().any(|key| has(key)) {
        return Some("the answer of aws iam get-account-authorization-details");
    }
    if ["UserId", "Account", "Arn"].iter().all(|key| has(key)) {
        return Some("the answer of aws sts get-caller-identity");
    }
    OTHERS.iter().find(|(key, _)| has(key)).map(|(_, what)| *what)
}

/// The text of a file.
///
/// # Errors
/// [`NoText`]
pub fn text(bytes: Vec<u8>) -> Result<String, NoText> {
    let marked = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    // Without a mark of byte order every other byte of what AWS writes is none.
    let halves = bytes.len() > 3 && bytes.iter().step_by(2).all(|b| *b == 0) != bytes.iter().skip(1).step_by(2).all(|b| *b == 0);
    if marked || halves {
        return Err(NoText::Utf16);
    }
    String::from_utf8(bytes).map_err(|e| NoText::Binary { at: e.utf8_error().valid_up_to() })
}

/// Why a file is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    #[error("it is UTF-16 text, as PowerShell's > writes: save it as UTF-8 (Out-File -Encoding utf8)")]
    Utf16,
    #[error("it is no UTF-8 text: byte {at}, from 0, is of no character; is it a binary file?")]
    Binary { at: usize },
}

/// What is wrong with a text, as our own reader of JSON tells it, so that all of us name the same place; else as serde does.
fn fault(text: &str, serde: &serde_json::Error) -> (String, usize, usize) {
    match json::read(text) {
        Err(Fault { at, what }) => {
            let (line, column) = Span::new(at, at).place(text);
            (what, line, column)
        }
        // What it says has its place behind it.
        Ok(_) => {
            let what = serde.to_string();
            let what = what.split(" at line ").next().unwrap_or_default().to_owned();
            (what, serde.line(), serde.column())
        }
    }
}

/// Reads a whole file, or a list of its pages. The account's id is that of most ARNs in it. Where AWS says that more pages
/// follow the last, the account is known in part; lists that no page has are among its gaps. What stands twice is taken once.
///
/// # Errors
/// [`ReadError`]
pub fn authorization_details(text: &str) -> Result<Identity, ReadError> {
    let text = text.trim_start_matches('\u{feff}');
    let value: Value = serde_json::from_str(text).map_err(|e| match fault(text, &e) {
        (what, line, column) if what == TOO_DEEP => ReadError::Deep { line, column },
        (what, line, column) => ReadError::Json { what, line, column },
    })?;
    serde_json::from_str::<Once>(text).map_err(|e| {
        let (what, line, column) = fault(text, &e);
        ReadError::Twice { what, line, column }
    })?;
    let pages = match value {
        Value::Array(pages) if !pages.is_empty() => pages,
        other => vec![other],
    };
    let more = |page: &Value| page["IsTruncated"] == true || page["NextToken"].is_string();
    let part = pages.last().is_some_and(more);
    let missing: Vec<(&str, &str)> =
        LISTS.into_iter().filter(|(list, _)| pages.iter().all(|page| page[list].is_null())).collect();
    let mut identity = Identity { part, details_only: true, ..Identity::default() };
    for page in pages {
        page_into(page, &mut identity)?;
    }
    if !missing.is_empty() {
        let (lists, unknown): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
        identity.gaps.push(format!(
            "the file has no {}, so that it is not known {}. Write the answer again without --filter and --query",
            lists.join(" and no "),
            unknown.join(", and ")
        ));
    }
    let gaps = &mut identity.gaps;
    once(&mut identity.users, |u| &u.arn, gaps);
    once(&mut identity.groups, |g| &g.arn, gaps);
    once(&mut identity.roles, |r| &r.arn, gaps);
    once(&mut identity.policies, |p| &p.arn, gaps);
    identity.account = account(&identity);
    Ok(identity)
}

/// Takes what stands several times once: pages that were joined overlap. Where they say different things, the first counts.
fn once<T: PartialEq>(all: &mut Vec<T>, arn: fn(&T) -> &str, gaps: &mut Vec<String>) {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<T> = Vec::with_capacity(all.len());
    for one in std::mem::take(all) {
        match first.get(arn(&one)).filter(|_| !arn(&one).is_empty()) {
            None => {
                first.insert(arn(&one).to_owned(), kept.len());
                kept.push(one);
            }
            Some(at) if kept[*at] == one => {}
            Some(_) => gaps.push(format!(
                "{} stands in the file twice and not with the same content: answers rest on the first. Write the answer again",
                text::line(arn(&one))
            )),
        }
    }
    *all = kept;
}

/// JSON no object of which names a key twice: of two statements under one key only one would count.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Once)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if seen.contains(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice in one object")));
            }
            seen.insert(key);
            map.next_value::<Self>()?;
        }
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self, A::Error> {
        while all.next_element::<Self>()?.is_some() {}
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

fn page_into(page: Value, identity: &mut Identity) -> Result<(), ReadError> {
    let Value::Object(mut map) = page else {
        let looks = match page {
            Value::Array(_) => "an empty list or a list of lists",
            Value::String(_) => "one text",
            _ => "one value",
        };
        return Err(ReadError::Other { looks: looks.to_owned() });
    };
    if !ITS_OWN.iter().any(|k| map.contains_key(*k)) {
        let known = answer(|key| map.contains_key(key)).map(str::to_owned);
        let looks = known.unwrap_or_else(|| {
            let keys: Vec<String> = map.keys().take(3).map(|k| format!("{:?}", k.chars().take(40).collect::<String>())).collect();
            if keys.is_empty() { "an empty object".to_owned() } else { format!("an object with {}", keys.join(", ")) }
        });
        return Err(ReadError::Other { looks });
    }
    fn part<T: serde::de::DeserializeOwned>(
        map: &mut serde_json::Map<String, Value>,
        part: &'static str,
    ) -> Result<Vec<T>, ReadError> {
        match map.remove(part) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => serde_json::from_value(value).map_err(|source| ReadError::Part { part, source }),
        }
    }
    identity.users.extend(part::<User>(&mut map, "UserDetailList")?);
    identity.groups.extend(part::<Group>(&mut map, "GroupDetailList")?);
    identity.roles.extend(part::<Role>(&mut map, "RoleDetailList")?);
    identity.policies.extend(part::<ManagedPolicy>(&mut map, "Policies")?);
    Ok(())
}

fn account(identity: &Identity) -> String {
    let arns = identity.users.iter().map(|u| &u.arn).chain(identity.roles.iter().map(|r| &r.arn));
    let arns = arns.chain(identity.groups.iter().map(|g| &g.arn)).chain(identity.policies.iter().map(|p| &p.arn));
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for id in arns.filter_map(|a| a.split(':').nth(4)).filter(|id| id.len() == 12) {
        *counts.entry(id).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, n)| *n).map(|(id, _)| id.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_named() {
        for (text, says) in [
            (r#"{"Version":"2012-10-17","Statement":[]}"#, "a policy document"),
            (r#"{"Users":[]}"#, "list-users"),
            (r#"{"Policies":[]}"#, "list-policies"),
            (r#"{"Foo":1}"#, "\"Foo\""),
            ("[]", "list"),
            ("3", "one value"),
            (r#"{"UserDetailList":[{"UserName""#, "found the end of the text at line 1, column 31"),
            ("", "found the end of the text at line 1, column 1"),
            ("\u{feff}{\n\"Us", "no closing quote at line 2, column 1"),
            (
                r#"{"UserId":"AIDA","Account":"111122223333","Arn":"arn:aws:iam::111122223333:user/jo"}"#,
                "sts get-caller-identity",
            ),
            (r#"{"ARN":"arn","Name":"n","SecretString":"s"}"#, "secretsmanager get-secret-value"),
            (r#"{"RoleDetailList":[{"RoleName":[]}]}"#, "RoleDetailList of the file"),
            (r#"{"UserDetailList":[],"UserDetailList":[]}"#, "\"UserDetailList\" stands twice"),
            (
                r#"{"UserDetailList":[{"UserPolicyList":[{"PolicyDocument":{"Effect":"Deny","Effect":"Allow"}}]}]}"#,
                "stands twice in one object at line 1, column 74",
            ),
        ] {
            let error = authorization_details(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let deep = authorization_details(&"[".repeat(500)).unwrap_err().to_string();
        assert!(deep.starts_with("the file is nested too deeply (at 1:66)"), "{deep}");
    }

    #[test]
    fn files_that_are_no_text_are_named() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert_eq!(text(utf16("\u{feff}{}")), Err(NoText::Utf16));
        assert_eq!(text(utf16("{\"Version\":1}")), Err(NoText::Utf16));
        assert_eq!(text(vec![b'{', 0xff]), Err(NoText::Binary { at: 1 }));
        assert_eq!(text("{\"ü\":1}".into()), Ok("{\"ü\":1}".to_owned()));
        assert_eq!(text(Vec::new()), Ok(String::new()));
    }

    #[test]
    fn pages_are_joined_and_the_account_is_found() {
        let text = r#"[{"UserDetailList":[{"UserName":"a","Arn":"arn:aws:iam::111122223333:user/a"}]},
            {"RoleDetailList":[{"RoleName":"r","Arn":"arn:aws:iam::111122223333:role/r"}],"UserDetailList":[]}]"#;
        let identity = authorization_details(text).unwrap();
        assert_eq!((identity.account.as_str(), identity.users.len(), identity.roles.len()), ("111122223333", 1, 1));
        assert!(!identity.part);
    }

    #[test]
    fn what_a_file_lacks_and_what_stands_twice_is_told() {
        let user = |id: &str| format!(r#"{{"UserName":"a","UserId":"{id}","Arn":"arn:aws:iam::111122223333:user/a"}}"#);
        let read = |text: &str| authorization_details(text).unwrap();
        let whole = r#""GroupDetailList":[],"RoleDetailList":[],"Policies":[]"#;
        let page = |id: &str| format!(r#"{{"UserDetailList":[{}],{whole}}}"#, user(id));
        // Pages that overlap.
        let twice = read(&format!("[{},{}]", page("A"), page("A")));
        assert_eq!((twice.users.len(), twice.gaps.as_slice()), (1, &[][..]));
        let other = read(&format!("[{},{}]", page("A"), page("B")));
        assert_eq!((other.users.len(), other.users[0].user_id.as_str()), (1, "A"));
        assert!(other.gaps[0].contains("user/a stands in the file twice"), "{:?}", other.gaps);

        let none = read(r#"{"UserDetailList":[],"GroupDetailList":[],"RoleDetailList":null}"#);
        assert!(none.gaps[0].starts_with("the file has no RoleDetailList and no Policies, so that"), "{:?}", none.gaps);
        // What one page lacks, another may have.
        let pages = read(&format!(r#"[{{"UserDetailList":[{}]}},{{{whole}}}]"#, user("A")));
        assert_eq!(pages.gaps, [""; 0]);
    }

    #[test]
    fn a_part_of_an_answer_is_told_from_the_whole() {
        let page = |more: &str| format!(r#"{{"UserDetailList":[],"RoleDetailList":[]{more}}}"#);
        let part = |text: &str| authorization_details(text).unwrap().part;
        let (first, last) = (page(r#","IsTruncated":true,"Marker":"m""#), page(r#","IsTruncated":false"#));
        assert!(part(&first) && part(&page(r#","NextToken":"t""#)));
        assert!(!part(&last) && !part(&page("")) && !part(&page(r#","NextToken":null"#)));
        assert!(!part(&format!("[{first},{last}]")) && part(&format!("[{first},{first}]")));
    }
}
