//! IAM: all of an account's identities and how they may be used.

use std::time::Duration;

use aws_sdk_iam::operation::{
    generate_credential_report::builders::GenerateCredentialReportFluentBuilder,
    generate_service_last_accessed_details::builders::GenerateServiceLastAccessedDetailsFluentBuilder,
    get_access_key_last_used::builders::GetAccessKeyLastUsedFluentBuilder,
    get_account_authorization_details::builders::GetAccountAuthorizationDetailsFluentBuilder,
    get_account_password_policy::builders::GetAccountPasswordPolicyFluentBuilder,
    get_account_summary::builders::GetAccountSummaryFluentBuilder,
    get_credential_report::builders::GetCredentialReportFluentBuilder,
    get_open_id_connect_provider::builders::GetOpenIDConnectProviderFluentBuilder,
    get_saml_provider::builders::GetSAMLProviderFluentBuilder,
    get_service_last_accessed_details::builders::GetServiceLastAccessedDetailsFluentBuilder,
    list_access_keys::builders::ListAccessKeysFluentBuilder, list_account_aliases::builders::ListAccountAliasesFluentBuilder,
    list_open_id_connect_providers::builders::ListOpenIDConnectProvidersFluentBuilder,
    list_saml_providers::builders::ListSAMLProvidersFluentBuilder,
};
use aws_sdk_iam::types::AccessAdvisorUsageGranularityType;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::call::{Rate, calls};
use crate::aws::error::{Failure, Kind};
use crate::aws::scope::{Answer, Read, Scope, Tally, objects};
use crate::model::Extra;
use crate::model::principal::{AccessKey, CredentialRow, Identity, LastAccessed, OidcProvider, SamlProvider};

// AWS publishes no figures for IAM; careful ones, which the limiter lowers where AWS wants it slower.
const READS: Rate = Rate { per_second: 10.0, burst: 20.0 };
const REPORT: Rate = Rate { per_second: 1.0, burst: 3.0 };
const NEXT: Option<&str> = Some("Marker");

/// A report takes AWS seconds to a minute; four hours old ones are handed out at once.
const REPORT_POLLS: u32 = 30;
const REPORT_PAUSE: Duration = Duration::from_secs(2);

calls! {
    DETAILS = "iam:GetAccountAuthorizationDetails", Global, Query, READS, NEXT, "users, groups, roles and policies", GetAccountAuthorizationDetailsFluentBuilder;
    GENERATE_REPORT = "iam:GenerateCredentialReport", Global, Query, REPORT, None, "the credential report", GenerateCredentialReportFluentBuilder;
    GET_REPORT = "iam:GetCredentialReport", Global, Query, REPORT, None, "credential report rows", GetCredentialReportFluentBuilder;
    PASSWORD_POLICY = "iam:GetAccountPasswordPolicy", Global, Query, READS, None, "the password policy", GetAccountPasswordPolicyFluentBuilder;
    SUMMARY = "iam:GetAccountSummary", Global, Query, READS, None, "the account summary", GetAccountSummaryFluentBuilder;
    SAML_PROVIDERS = "iam:ListSAMLProviders", Global, Query, READS, None, "SAML providers", ListSAMLProvidersFluentBuilder;
    SAML_PROVIDER = "iam:GetSAMLProvider", Global, Query, READS, None, "SAML providers' details", GetSAMLProviderFluentBuilder;
    OIDC_PROVIDERS = "iam:ListOpenIDConnectProviders", Global, Query, READS, None, "OIDC providers", ListOpenIDConnectProvidersFluentBuilder;
    OIDC_PROVIDER = "iam:GetOpenIDConnectProvider", Global, Query, READS, None, "OIDC providers' details", GetOpenIDConnectProviderFluentBuilder;
    ACCESS_KEYS = "iam:ListAccessKeys", Global, Query, READS, NEXT, "access keys", ListAccessKeysFluentBuilder;
    KEY_LAST_USED = "iam:GetAccessKeyLastUsed", Global, Query, READS, None, "last uses of access keys", GetAccessKeyLastUsedFluentBuilder;
    ALIASES = "iam:ListAccountAliases", Global, Query, READS, NEXT, "the account's alias", ListAccountAliasesFluentBuilder;
    GENERATE_ACCESSED = "iam:GenerateServiceLastAccessedDetails", Global, Query, REPORT, None, "reports of what principals used", GenerateServiceLastAccessedDetailsFluentBuilder;
    ACCESSED = "iam:GetServiceLastAccessedDetails", Global, Query, READS, NEXT, "services that principals used", GetServiceLastAccessedDetailsFluentBuilder;
}

/// All of an account's IAM.
pub async fn identity(scope: &Scope) -> Answer<Identity> {
    let first = async {
        let details = details(scope).await;
        let users: Vec<String> = details.value.users.iter().map(|user| user.user_name.clone()).collect();
        let keys = access_keys(scope, users).await;
        (details, keys)
    };
    let (first, report, policy, summary, saml, oidc) = tokio::join!(
        Box::pin(first),
        Box::pin(credential_report(scope)),
        Box::pin(password_policy(scope)),
        Box::pin(summary(scope)),
        Box::pin(saml_providers(scope)),
        Box::pin(oidc_providers(scope)),
    );
    let mut coverage = Vec::new();
    let all = &mut coverage;
    let mut value = first.0.into(all);
    value.access_keys = first.1.into(all);
    (value.credentials, value.credentials_made) = report.into(all);
    value.password_policy = policy.into(all);
    value.summary = summary.into(all);
    value.saml_providers = saml.into(all);
    value.oidc_providers = oidc.into(all);
    Answer { value, coverage }
}

/// The account's alias: its name where the organisation cannot tell it.
pub async fn alias(scope: &Scope) -> Answer<Option<String>> {
    let aliases: Answer<Vec<String>> = scope.list("AccountAliases", |t| scope.iam().list_account_aliases().set_marker(t)).await;
    Answer { value: aliases.value.into_iter().next(), coverage: aliases.coverage }
}

async fn details(scope: &Scope) -> Answer<Identity> {
    let mut value = Identity { account: scope.account().to_owned(), ..Identity::default() };
    let next = |t| scope.iam().get_account_authorization_details().max_items(1000).set_marker(t);
    let tally = scope.pages(next, |mut page| {
        let parts = [
            objects(&mut page, "UserDetailList", &mut value.users),
            objects(&mut page, "GroupDetailList", &mut value.groups),
            objects(&mut page, "RoleDetailList", &mut value.roles),
            objects(&mut page, "Policies", &mut value.policies),
        ];
        let count = parts.iter().map(|part| part.count).sum();
        Read { count, broken: parts.into_iter().find_map(|part| part.broken), enough: false }
    });
    let tally = tally.await;
    Answer { coverage: vec![scope.covered(&tally)], value }
}

/// Has the report made, waits for it, reads its rows. Where it may not be made, the last one is read.
async fn credential_report(scope: &Scope) -> Answer<(Vec<CredentialRow>, Option<Timestamp>)> {
    let iam = scope.iam();
    let mut made = Tally::new(GENERATE_REPORT);
    for poll in 0.. {
        match scope.value(&iam.generate_credential_report()).await {
            Ok(answer) if answer["State"] == "COMPLETE" => {
                made.count = 1;
                break;
            }
            Ok(_) if poll + 1 < REPORT_POLLS => tokio::time::sleep(REPORT_PAUSE).await,
            Ok(_) => {
                let waited = REPORT_PAUSE.as_secs() * u64::from(REPORT_POLLS);
                made.fail(Failure::new(Kind::Broken, "", format!("AWS has not made the credential report after {waited} s")));
                break;
            }
            Err(failure) => {
                made.fail(failure);
                break;
            }
        }
    }
    let mut got = Tally::new(GET_REPORT);
    let mut value = (Vec::new(), None);
    let answer = scope.value(&iam.get_credential_report()).await;
    match answer.and_then(|answer| report_rows(&answer).map(|rows| (rows, made_at(&answer["GeneratedTime"])))) {
        Ok(report) => {
            got.count = report.0.len() as u64;
            value = report;
        }
        Err(failure) => got.fail(failure),
    }
    Answer { value, coverage: vec![scope.covered(&made), scope.covered(&got)] }
}

/// What each of these principals used of what it is granted, by service and where AWS knows it by action. AWS makes a
/// report for each, which takes seconds.
pub async fn last_accessed(scope: &Scope, arns: Vec<String>) -> Answer<Vec<LastAccessed>> {
    let iam = scope.iam();
    let mut each = futures_util::stream::iter(arns)
        .map(|arn| async move {
            let (mut made, mut got) = (Tally::new(GENERATE_ACCESSED), Tally::new(ACCESSED));
            let request = iam.generate_service_last_accessed_details().arn(&arn);
            let asked = scope.value(&request.granularity(AccessAdvisorUsageGranularityType::ActionLevel)).await;
            let job = asked.and_then(|answer| match answer["JobId"].as_str() {
                Some(job) => Ok(job.to_owned()),
                None => Err(Failure::unreadable(format!("AWS began no report for {arn}"))),
            });
            let value = match made.add(job) {
                Some(job) => got.add(accessed(scope, arn, &job).await),
                None => None,
            };
            (value, made, got)
        })
        .buffered(4);
    let (mut all_made, mut all_got) = (Tally::new(GENERATE_ACCESSED), Tally::new(ACCESSED));
    let mut value = Vec::new();
    while let Some((one, made, got)) = each.next().await {
        value.extend(one);
        all_made.join(made);
        all_got.join(got);
    }
    drop(each);
    Answer { value, coverage: vec![scope.covered(&all_made), scope.covered(&all_got)] }
}

/// Waits for one report and reads its pages.
async fn accessed(scope: &Scope, arn: String, job: &str) -> Result<LastAccessed, Failure> {
    let iam = scope.iam();
    let mut all = LastAccessed { arn, ..LastAccessed::default() };
    let mut marker: Option<String> = None;
    let mut polls = 0;
    loop {
        let mut page = scope.value(&iam.get_service_last_accessed_details().job_id(job).set_marker(marker.clone())).await?;
        match page["JobStatus"].as_str() {
            Some("COMPLETED") => {}
            Some("IN_PROGRESS") if polls < REPORT_POLLS => {
                polls += 1;
                tokio::time::sleep(REPORT_PAUSE).await;
                continue;
            }
            Some("IN_PROGRESS") => {
                let waited = REPORT_PAUSE.as_secs() * u64::from(REPORT_POLLS);
                return Err(Failure::new(
                    Kind::Broken,
                    "",
                    format!("AWS has not made the report on {} after {waited} s", all.arn),
                ));
            }
            other => {
                let why = page["Error"]["Message"].as_str().or(other).unwrap_or("without a reason");
                return Err(Failure::new(Kind::Failed, "", format!("AWS made no report on {}: {why}", all.arn)));
            }
        }
        all.made = made_at(&page["JobCompletionDate"]).or(all.made);
        let read = objects(&mut page, "ServicesLastAccessed", &mut all.services);
        if let Some(why) = read.broken {
            return Err(Failure::unreadable(why));
        }
        match page["Marker"].as_str() {
            Some(next) if !next.is_empty() && marker.as_deref() != Some(next) => marker = Some(next.to_owned()),
            _ => return Ok(all),
        }
    }
}

/// A time as AWS writes it.
fn made_at(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The rows of a report: base64 of CSV with a head line.
fn report_rows(answer: &Value) -> Result<Vec<CredentialRow>, Failure> {
    let bad = |why: String| Failure::unreadable(format!("the credential report could not be read: {why}"));
    let content: String = answer["Content"].as_str().unwrap_or_default().split_whitespace().collect();
    let text = aws_smithy_types::base64::decode(content).map_err(|e| bad(e.to_string()))?;
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let head = reader.headers().map_err(|e| bad(e.to_string()))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        rows.push(head.iter().zip(record.iter()).map(|(name, field)| (name.to_owned(), Value::from(field))).collect());
    }
    Ok(rows)
}

async fn password_policy(scope: &Scope) -> Answer<Option<Extra>> {
    let mut tally = Tally::new(PASSWORD_POLICY);
    let value = match scope.value(&scope.iam().get_account_password_policy()).await {
        Ok(mut answer) => {
            tally.count = 1;
            Some(scalars(answer["PasswordPolicy"].take()))
        }
        // An account without a policy of its own answers so; that is an answer.
        Err(failure) if failure.kind == Kind::Missing => None,
        Err(failure) => {
            tally.fail(failure);
            None
        }
    };
    Answer { value, coverage: vec![scope.covered(&tally)] }
}

async fn summary(scope: &Scope) -> Answer<Extra> {
    let mut tally = Tally::new(SUMMARY);
    let answer = tally.add(scope.value(&scope.iam().get_account_summary()).await);
    let value = answer.map(|mut answer| scalars(answer["SummaryMap"].take())).unwrap_or_default();
    Answer { value, coverage: vec![scope.covered(&tally)] }
}

/// An object whose texts are all numbers or truths, as what they are.
fn scalars(value: Value) -> Extra {
    let Value::Object(map) = value else { return Extra::new() };
    let scalar = |value: Value| match value.as_str() {
        Some("true") => Value::Bool(true),
        Some("false") => Value::Bool(false),
        Some(text) => text.parse::<i64>().map_or(value, Value::from),
        None => value,
    };
    map.into_iter().map(|(key, value)| (key, scalar(value))).collect()
}

async fn saml_providers(scope: &Scope) -> Answer<Vec<SamlProvider>> {
    let iam = scope.iam();
    let mut coverage = Vec::new();
    let mut value: Vec<SamlProvider> = scope.list("SAMLProviderList", |_| iam.list_saml_providers()).await.into(&mut coverage);
    let mut tally = Tally::new(SAML_PROVIDER);
    for provider in &mut value {
        let answer = scope.value(&iam.get_saml_provider().saml_provider_arn(&provider.arn)).await;
        if let Some(whole) = tally.add(answer.and_then(|answer| of_arn(answer, &provider.arn))) {
            *provider = whole;
        }
    }
    coverage.push(scope.covered(&tally));
    Answer { value, coverage }
}

async fn oidc_providers(scope: &Scope) -> Answer<Vec<OidcProvider>> {
    let iam = scope.iam();
    let mut coverage = Vec::new();
    let mut value: Vec<OidcProvider> =
        scope.list("OpenIDConnectProviderList", |_| iam.list_open_id_connect_providers()).await.into(&mut coverage);
    let mut tally = Tally::new(OIDC_PROVIDER);
    for provider in &mut value {
        let answer = scope.value(&iam.get_open_id_connect_provider().open_id_connect_provider_arn(&provider.arn)).await;
        if let Some(whole) = tally.add(answer.and_then(|answer| of_arn(answer, &provider.arn))) {
            *provider = whole;
        }
    }
    coverage.push(scope.covered(&tally));
    Answer { value, coverage }
}

/// An answer that does not repeat the ARN it was asked by.
fn of_arn<T: DeserializeOwned>(mut answer: Value, arn: &str) -> Result<T, Failure> {
    answer["Arn"] = Value::from(arn);
    serde_json::from_value(answer).map_err(|e| Failure::unreadable(format!("{arn}: {e}")))
}

/// Every user's access keys with their last use, in the users' order.
async fn access_keys(scope: &Scope, users: Vec<String>) -> Answer<Vec<AccessKey>> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Used {
        #[serde(deserialize_with = "crate::model::lenient::time")]
        last_used_date: Option<jiff::Timestamp>,
        service_name: String,
        region: String,
    }

    let iam = scope.iam();
    let mut each = futures_util::stream::iter(users)
        .map(|user| async move {
            let mut keys: Vec<AccessKey> = Vec::new();
            let next = |t| iam.list_access_keys().user_name(&user).set_marker(t);
            let listed = scope.pages(next, |mut page| objects(&mut page, "AccessKeyMetadata", &mut keys)).await;
            let mut used = Tally::new(KEY_LAST_USED);
            for key in &mut keys {
                let answer = scope.value(&iam.get_access_key_last_used().access_key_id(&key.access_key_id)).await;
                let read = answer.and_then(|mut answer| {
                    serde_json::from_value::<Used>(answer["AccessKeyLastUsed"].take())
                        .map_err(|e| Failure::unreadable(format!("the last use of {}: {e}", key.access_key_id)))
                });
                if let Some(last) = used.add(read) {
                    key.last_used_date = last.last_used_date;
                    key.last_used_service = last.service_name;
                    key.last_used_region = last.region;
                }
            }
            (keys, listed, used)
        })
        .buffered(8);
    let (mut all_listed, mut all_used) = (Tally::new(ACCESS_KEYS), Tally::new(KEY_LAST_USED));
    let mut value = Vec::new();
    while let Some((keys, listed, used)) = each.next().await {
        value.extend(keys);
        all_listed.join(listed);
        all_used.join(used);
    }
    drop(each);
    Answer { value, coverage: vec![scope.covered(&all_listed), scope.covered(&all_used)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn report_rows_keep_their_columns_in_order() {
        let content =
            aws_smithy_types::base64::encode("user,arn,mfa_active\n<root_account>,arn:aws:iam::1:root,false\njo,\"a,b\",true\n");
        let rows = report_rows(&json!({"Content": content})).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].keys().collect::<Vec<_>>(), ["user", "arn", "mfa_active"]);
        assert_eq!((&rows[0]["user"], &rows[1]["arn"]), (&json!("<root_account>"), &json!("a,b")));
        assert!(report_rows(&json!({"Content": "%%%"})).is_err());
        assert!(report_rows(&json!({"Content": aws_smithy_types::base64::encode("a,b\n1\n")})).is_err());
        assert_eq!(report_rows(&json!({})).unwrap().len(), 0);
    }

    #[test]
    fn scalars_become_what_they_are() {
        let policy = scalars(json!({"MinimumPasswordLength": "14", "RequireSymbols": "true", "Other": "x"}));
        assert_eq!(policy["MinimumPasswordLength"], 14);
        assert_eq!(policy["RequireSymbols"], true);
        assert_eq!(policy["Other"], "x");
    }
}
