//! AWS Organizations: the organisation, its units and accounts. Where it may not be listed, the answer says so in a type
//! and the caller falls back to the one account at hand.

use std::collections::BTreeMap;

use aws_sdk_organizations::operation::{
    describe_organization::builders::DescribeOrganizationFluentBuilder, describe_policy::builders::DescribePolicyFluentBuilder,
    list_accounts_for_parent::builders::ListAccountsForParentFluentBuilder,
    list_delegated_administrators::builders::ListDelegatedAdministratorsFluentBuilder,
    list_delegated_services_for_account::builders::ListDelegatedServicesForAccountFluentBuilder,
    list_organizational_units_for_parent::builders::ListOrganizationalUnitsForParentFluentBuilder,
    list_policies::builders::ListPoliciesFluentBuilder, list_roots::builders::ListRootsFluentBuilder,
    list_tags_for_resource::builders::ListTagsForResourceFluentBuilder,
    list_targets_for_policy::builders::ListTargetsForPolicyFluentBuilder,
};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::call::{Rate, calls};
use crate::aws::error::{Failure, Kind};
use crate::aws::scope::{Answer, Scope, Tally, objects};
use crate::model::account::{Account, ControlKind, ControlPolicy, Controls, Organization, Tags, Unit};
use crate::model::coverage::Coverage;
use crate::model::principal::{Document, tags};
use crate::model::{Extra, lenient};

// AWS lists these limits for each action in "Throttling limits"
// (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html); this stays below the lowest
// of them, because the whole organisation shares them.
const SLOW: Rate = Rate { per_second: 1.0, burst: 2.0 };
const LISTS: Rate = Rate { per_second: 5.0, burst: 8.0 };
const NEXT: Option<&str> = Some("NextToken");

/// AWS nests five units deep and allows 2,000 of them; more is not an organisation.
const MOST_UNITS: usize = 10_000;

calls! {
    DESCRIBE = "organizations:DescribeOrganization", Management, Json, SLOW, None, "the organisation", DescribeOrganizationFluentBuilder;
    ROOTS = "organizations:ListRoots", Management, Json, SLOW, NEXT, "roots", ListRootsFluentBuilder;
    UNITS = "organizations:ListOrganizationalUnitsForParent", Management, Json, LISTS, NEXT, "organisational units", ListOrganizationalUnitsForParentFluentBuilder;
    ACCOUNTS = "organizations:ListAccountsForParent", Management, Json, LISTS, NEXT, "accounts", ListAccountsForParentFluentBuilder;
    TAGS = "organizations:ListTagsForResource", Management, Json, LISTS, NEXT, "account tags", ListTagsForResourceFluentBuilder;
    DELEGATES = "organizations:ListDelegatedAdministrators", Management, Json, LISTS, NEXT, "delegated administrators", ListDelegatedAdministratorsFluentBuilder;
    SERVICES = "organizations:ListDelegatedServicesForAccount", Management, Json, LISTS, NEXT, "what they administer", ListDelegatedServicesForAccountFluentBuilder;
    POLICIES = "organizations:ListPolicies", Management, Json, LISTS, NEXT, "policies over accounts", ListPoliciesFluentBuilder;
    POLICY = "organizations:DescribePolicy", Management, Json, LISTS, None, "policies' documents", DescribePolicyFluentBuilder;
    TARGETS = "organizations:ListTargetsForPolicy", Management, Json, LISTS, NEXT, "what policies are attached to", ListTargetsForPolicyFluentBuilder;
}

/// What can be known of the organisation.
#[derive(Debug, Clone, PartialEq)]
pub enum Directory {
    /// The organisation and its accounts, sorted by id.
    Organization { organization: Organization, accounts: Vec<Account> },
    /// Only the account at hand.
    Alone { why: Alone, reason: String },
}

/// Why there is only the account at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// The account is in no organisation.
    NoOrganization,
    /// The credentials may not list it; only the management account and delegated administrators may.
    NotPermitted,
    /// AWS could not be asked.
    Failed,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    id: String,
    #[serde(default)]
    master_account_id: String,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    state: String,
    #[serde(default, deserialize_with = "lenient::time")]
    joined_timestamp: Option<Timestamp>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parent {
    id: String,
    #[serde(default)]
    name: String,
    /// Of roots: the kinds of policies and whether each is switched on.
    #[serde(default)]
    policy_types: Vec<PolicyKind>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyKind {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Summary {
    id: String,
    arn: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delegate {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    service_principal: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    target_id: String,
}

/// The organisation with its units, accounts and their tags, asked with the caller's own credentials.
pub async fn directory(scope: &Scope) -> Answer<Directory> {
    let client = scope.organizations();
    let mut described = Tally::new(DESCRIBE);
    let answer = described.add(scope.value(&client.describe_organization()).await);
    let organization = answer.and_then(|mut answer| {
        let organization: Result<Described, _> = serde_json::from_value(answer["Organization"].take());
        organization.map_err(|e| described.fail(Failure::unreadable(format!("the organisation could not be read: {e}")))).ok()
    });
    let mut coverage = vec![scope.covered(&described)];
    let Some(organization) = organization else {
        return Answer { value: alone(described.failure.as_ref()), coverage };
    };

    let mut roots: Vec<Parent> = Vec::new();
    let asked = scope.pages(|t| client.list_roots().set_next_token(t), |mut page| objects(&mut page, "Roots", &mut roots)).await;
    coverage.push(scope.covered(&asked));
    if roots.is_empty() {
        return Answer { value: alone(asked.failure.as_ref()), coverage };
    }
    let on = |kind: ControlKind| {
        let all = || roots.iter().flat_map(|r| &r.policy_types);
        all().any(|p| p.kind == kind.word() && p.status.eq_ignore_ascii_case("ENABLED"))
    };
    let on: Vec<ControlKind> = ControlKind::ALL.iter().copied().filter(|kind| on(*kind)).collect();
    let (units, mut accounts) = walk(scope, roots, &mut coverage).await;
    tag(scope, &mut accounts, &mut coverage).await;
    let name = accounts.iter().find(|a| a.id == organization.master_account_id).map(|a| a.name.clone()).unwrap_or_default();
    let organization = Organization {
        id: organization.id,
        management_account: organization.master_account_id,
        name,
        units,
        controls: on.into_iter().map(|kind| Controls { kind, whole: false, policies: Vec::new() }).collect(),
        delegates: None,
        extra: organization.extra,
    };
    Answer { value: Directory::Organization { organization, accounts }, coverage }
}

/// Reads which accounts administer what for the organisation. Without all of it, it says nothing.
pub async fn delegates(scope: &Scope, organization: &mut Organization) -> Vec<Coverage> {
    let client = scope.organizations();
    let mut found: Vec<Delegate> = Vec::new();
    let next = |t| client.list_delegated_administrators().set_next_token(t);
    let asked = scope.pages(next, |mut page| objects(&mut page, "DelegatedAdministrators", &mut found)).await;
    let mut whole = asked.failure.is_none();
    let mut services = Tally::new(SERVICES);
    let mut all = BTreeMap::new();
    let mut each = futures_util::stream::iter(found)
        .map(|delegate| async move {
            let mut services: Vec<Service> = Vec::new();
            let next = |t| client.list_delegated_services_for_account().account_id(&delegate.id).set_next_token(t);
            let asked = scope.pages(next, |mut page| objects(&mut page, "DelegatedServices", &mut services)).await;
            (delegate.id, services, asked)
        })
        .buffered(4);
    while let Some((id, of, asked)) = each.next().await {
        whole &= asked.failure.is_none();
        services.join(asked);
        let mut of: Vec<String> = of.into_iter().map(|s| s.service_principal).collect();
        of.sort();
        all.insert(id, of);
    }
    drop(each);
    organization.delegates = whole.then_some(all);
    vec![scope.covered(&asked), scope.covered(&services)]
}

/// Reads the policies of each kind that is switched on, with what each is attached to, into the organisation. Who may
/// list accounts need not be allowed this: the directory is whole without it.
pub async fn controls(scope: &Scope, organization: &mut Organization) -> Vec<Coverage> {
    let client = scope.organizations();
    let (mut listed, mut described, mut attached) = (Tally::new(POLICIES), Tally::new(POLICY), Tally::new(TARGETS));
    for controls in &mut organization.controls {
        let kind = controls.kind;
        let mut found: Vec<Summary> = Vec::new();
        let next = |t| client.list_policies().filter(kind.word().into()).set_next_token(t);
        let asked = scope.pages(next, |mut page| objects(&mut page, "Policies", &mut found)).await;
        let mut whole = asked.failure.is_none();
        listed.join(asked);
        let mut each = futures_util::stream::iter(found)
            .map(|summary| async move {
                let document = scope.value(&client.describe_policy().policy_id(&summary.id)).await;
                let document = document.and_then(|answer| match answer["Policy"]["Content"].as_str() {
                    Some(text) => Ok(Document(text.to_owned())),
                    None => Err(Failure::unreadable(format!("policy {} came without its document", summary.id))),
                });
                let mut targets: Vec<Attached> = Vec::new();
                let next = |t| client.list_targets_for_policy().policy_id(&summary.id).set_next_token(t);
                let asked = scope.pages(next, |mut page| objects(&mut page, "Targets", &mut targets)).await;
                (summary, document, targets, asked)
            })
            .buffered(4);
        while let Some((summary, document, targets, asked)) = each.next().await {
            whole &= asked.failure.is_none();
            attached.join(asked);
            match described.add(document) {
                Some(document) => controls.policies.push(ControlPolicy {
                    id: summary.id,
                    arn: summary.arn,
                    name: summary.name,
                    document,
                    targets: targets.into_iter().map(|t| t.target_id).collect(),
                }),
                None => whole = false,
            }
        }
        drop(each);
        controls.policies.sort_by(|a, b| a.id.cmp(&b.id));
        controls.whole = whole;
    }
    if organization.controls.is_empty() {
        return Vec::new();
    }
    [listed, described, attached].iter().map(|tally| scope.covered(tally)).collect()
}

fn alone(failure: Option<&Failure>) -> Directory {
    let why = match failure.map(|f| f.kind) {
        Some(Kind::NotEnabled) => Alone::NoOrganization,
        Some(Kind::Denied) => Alone::NotPermitted,
        _ => Alone::Failed,
    };
    let reason = failure.map_or_else(|| "AWS answered without an organisation".to_owned(), Failure::reason);
    Directory::Alone { why, reason }
}

/// Goes down the tree, level by level: units parents first, accounts by id.
async fn walk(scope: &Scope, roots: Vec<Parent>, coverage: &mut Vec<Coverage>) -> (Vec<Unit>, Vec<Account>) {
    let client = scope.organizations();
    let mut units: Vec<Unit> = Vec::new();
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    let (mut unit_tally, mut account_tally) = (Tally::new(UNITS), Tally::new(ACCOUNTS));
    let mut level: Vec<Unit> = roots.into_iter().map(|r| Unit { id: r.id, name: r.name, path: String::new() }).collect();
    while !level.is_empty() {
        let asked = level.iter().map(|unit| {
            let (id, path) = (unit.id.clone(), unit.path.clone());
            async move {
                let (mut below, mut listed): (Vec<Parent>, Vec<Listed>) = (Vec::new(), Vec::new());
                let next = |t| client.list_organizational_units_for_parent().parent_id(&id).set_next_token(t);
                let units = scope.pages(next, |mut page| objects(&mut page, "OrganizationalUnits", &mut below)).await;
                let next = |t| client.list_accounts_for_parent().parent_id(&id).set_next_token(t);
                let accounts = scope.pages(next, |mut page| objects(&mut page, "Accounts", &mut listed)).await;
                (path, below, units, listed, accounts)
            }
        });
        let asked: Vec<_> = asked.collect();
        let mut answers = futures_util::stream::iter(asked).buffered(4);
        let mut next: Vec<Unit> = Vec::new();
        while let Some((path, below, one_units, listed, one_accounts)) = answers.next().await {
            unit_tally.join(one_units);
            account_tally.join(one_accounts);
            next.extend(below.into_iter().map(|unit| {
                let path = if path.is_empty() { unit.name.clone() } else { format!("{path}/{}", unit.name) };
                Unit { id: unit.id, name: unit.name, path }
            }));
            for account in listed {
                accounts.insert(account.id.clone(), account_of(account, &path));
            }
        }
        drop(answers);
        units.append(&mut level);
        next.retain(|unit| !units.iter().any(|known| known.id == unit.id));
        if units.len() + next.len() > MOST_UNITS {
            unit_tally.fail(Failure::unreadable(format!("the organisation has more than {MOST_UNITS} units")));
            break;
        }
        level = next;
    }
    coverage.push(scope.covered(&unit_tally));
    coverage.push(scope.covered(&account_tally));
    (units, accounts.into_values().collect())
}

fn account_of(listed: Listed, path: &str) -> Account {
    // `Status` gives way to `State`, which knows more words; either may be missing.
    let status = if listed.state.is_empty() { listed.status } else { listed.state };
    Account {
        name: listed.name,
        email: listed.email,
        ou_path: path.to_owned(),
        status,
        joined: listed.joined_timestamp,
        extra: listed.extra,
        ..Account::bare(listed.id)
    }
}

async fn tag(scope: &Scope, accounts: &mut [Account], coverage: &mut Vec<Coverage>) {
    #[derive(Deserialize)]
    struct Tagged(#[serde(deserialize_with = "tags::deserialize")] Tags);

    let client = scope.organizations();
    let ids: Vec<String> = accounts.iter().map(|a| a.id.clone()).collect();
    let mut each = futures_util::stream::iter(ids)
        .map(|id| async move {
            let mut all = Tags::new();
            let next = |t| client.list_tags_for_resource().resource_id(&id).set_next_token(t);
            let tally = scope.pages(next, |mut page| {
                let mut pairs: Vec<Value> = Vec::new();
                let mut read = objects(&mut page, "Tags", &mut pairs);
                match serde_json::from_value::<Tagged>(Value::Array(pairs)) {
                    Ok(tagged) => all.extend(tagged.0),
                    Err(error) => read.broken = Some(format!("the tags of account {id} could not be read: {error}")),
                }
                read
            });
            let tally = tally.await;
            (all, tally)
        })
        .buffered(4);
    let mut tally = Tally::new(TAGS);
    for account in accounts.iter_mut() {
        let Some((tags, one)) = each.next().await else { break };
        account.tags = tags;
        tally.join(one);
    }
    drop(each);
    coverage.push(scope.covered(&tally));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_keeps_what_we_do_not_know() {
        let text = r#"{"Id":"111122223333","Name":"pay","Email":"p@x","Status":"ACTIVE","State":"PENDING_CLOSURE",
            "JoinedTimestamp":1700000000.5,"JoinedMethod":"CREATED","Paths":["o/r/ou"]}"#;
        let account = account_of(serde_json::from_str(text).unwrap(), "Workloads/Production");
        assert_eq!((account.status.as_str(), account.ou_path.as_str()), ("PENDING_CLOSURE", "Workloads/Production"));
        assert_eq!(account.joined.unwrap().as_second(), 1_700_000_000);
        assert_eq!(account.extra["Paths"][0], "o/r/ou");
    }

    #[test]
    fn why_alone() {
        let why = |kind| match alone(Some(&Failure::new(kind, "x", "y"))) {
            Directory::Alone { why, .. } => why,
            Directory::Organization { .. } => unreachable!(),
        };
        assert_eq!(why(Kind::NotEnabled), Alone::NoOrganization);
        assert_eq!(why(Kind::Denied), Alone::NotPermitted);
        assert_eq!(why(Kind::Unreachable), Alone::Failed);
    }
}
