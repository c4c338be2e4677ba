//! The test cloud's own test: it starts, answers by AWS's rules, injects each fault, records calls and keeps accounts apart.
//!
//! Everything goes through the real SDK over real HTTP, one attempt a call.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of these tests are tests too")]
#![allow(clippy::large_futures, reason = "unoptimised SDK futures; `run` gives them a deep stack")]

mod support;

use aws_sdk_organizations::types::AccountStatus;
use aws_sdk_securityhub::types as hub;
use aws_sdk_ssm::types::{InstanceInformationStringFilter, SessionFilter, SessionFilterKey, SessionState};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use support::organization::{ENTRY_ROLE, Kind, Plan, Rules, seed};
use support::{Cloud, Fault, Options, Rule, run};

const HERE: &str = "eu-west-1";
const THERE: &str = "us-east-1";
const MEMBER: &str = "222222222222";

fn cloud() -> Cloud {
    Cloud::with(Options { managed_policies: false })
}

/// A finding document of an account, numbered.
fn finding(account: &str, region: &str, number: usize) -> Value {
    let labels = ["INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL"];
    let normalized = [0, 1, 40, 70, 90];
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("finding-{number:04}"),
        "ProductArn": format!("arn:aws:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": format!("rule-{}", number % 3),
        "AwsAccountId": account,
        "Region": region,
        "CreatedAt": "2026-01-01T00:00:00.000Z",
        "UpdatedAt": format!("2026-02-{:02}T00:00:00.000Z", 1 + number % 28),
        "Severity": { "Label": labels[number % 5], "Normalized": normalized[number % 5] },
        "Title": format!("Finding {number}"),
        "Description": "What is wrong",
        "Resources": [{ "Type": if number.is_multiple_of(2) { "AwsS3Bucket" } else { "AwsIamRole" }, "Id": format!("resource-{number}"),
                        "Tags": { "team": if number.is_multiple_of(4) { "data" } else { "platform" } } }],
        "Workflow": { "Status": if number.is_multiple_of(7) { "SUPPRESSED" } else { "NEW" } },
        "RecordState": "ACTIVE",
        "Confidence": number % 100,
    })
}

fn put(cloud: &Cloud, account: &str, region: &str, count: usize) {
    cloud.hub(|hub| (0..count).for_each(|n| hub.put(account, region, finding(account, region, n))));
}

fn text(comparison: hub::StringFilterComparison, value: &str) -> hub::StringFilter {
    hub::StringFilter::builder().comparison(comparison).value(value).build()
}

/// All pages of a question, as ids, and how many pages it took.
async fn ask(
    client: &aws_sdk_securityhub::Client,
    filters: hub::AwsSecurityFindingFilters,
    sort: &[(&str, hub::SortOrder)],
    size: i32,
) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut token) = (Vec::new(), 0, None);
    loop {
        let mut call = client.get_findings().filters(filters.clone()).max_results(size).set_next_token(token);
        for (field, order) in sort {
            call = call.sort_criteria(hub::SortCriterion::builder().field(*field).sort_order(order.clone()).build());
        }
        let page = call.send().await.unwrap();
        pages += 1;
        assert!(page.findings().len() <= size as usize);
        ids.extend(page.findings().iter().map(|f| f.id().unwrap_or_default().to_owned()));
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return (ids, pages);
        }
    }
}

/// The error code a call meets.
fn code<T, E: ProvideErrorMetadata>(
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> impl Future<Output = String> {
    let call = Box::pin(call);
    async { call.await.err().and_then(|refused| refused.code().map(str::to_owned)).unwrap_or_default() }
}

/// What went wrong with a call, in full.
fn trouble<T, E: std::fmt::Debug>(
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> impl Future<Output = String> {
    let call = Box::pin(call);
    async { call.await.err().map(|error| format!("{error:?}")).unwrap_or_default() }
}

fn numbers(ids: &[String]) -> Vec<usize> {
    ids.iter().map(|id| id.trim_start_matches("finding-").parse().unwrap()).collect()
}

#[test]
fn findings_are_filtered_sorted_and_paged_by_the_rules() {
    run(async {
        use hub::StringFilterComparison as C;
        let cloud = cloud();
        put(&cloud, cloud.management(), HERE, 250);
        let client = aws_sdk_securityhub::Client::new(&cloud.config(HERE));
        let none = hub::AwsSecurityFindingFilters::builder;

        let (ids, pages) = ask(&client, none().build(), &[], 100).await;
        assert_eq!((ids.len(), pages), (250, 3));
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 250, "no row twice");

        // positive comparisons of one attribute are OR-ed, attributes AND-ed
        let filters = none()
            .severity_label(text(C::Equals, "HIGH"))
            .severity_label(text(C::Equals, "CRITICAL"))
            .resource_type(text(C::Prefix, "AwsIam"))
            .build();
        let (ids, _) =
            ask(&client, filters, &[("SeverityNormalized", hub::SortOrder::Descending), ("Id", hub::SortOrder::Ascending)], 7)
                .await;
        let want: Vec<usize> =
            (0..250).filter(|n| n % 5 == 4 && n % 2 == 1).chain((0..250).filter(|n| n % 5 == 3 && n % 2 == 1)).collect();
        assert_eq!(numbers(&ids), want);

        // negative ones AND-ed, and with a prefix first
        let filters = none()
            .generator_id(text(C::Prefix, "rule-"))
            .generator_id(text(C::NotEquals, "rule-0"))
            .generator_id(text(C::PrefixNotEquals, "rule-2"))
            .build();
        let (ids, _) = ask(&client, filters, &[("Id", hub::SortOrder::Ascending)], 100).await;
        assert_eq!(numbers(&ids), (0..250).filter(|n| n % 3 == 1).collect::<Vec<_>>());

        let filters = none()
            .workflow_status(text(C::NotEquals, "SUPPRESSED"))
            .resource_tags(
                hub::MapFilter::builder().key("team").value("data").comparison(hub::MapFilterComparison::Equals).build(),
            )
            .confidence(hub::NumberFilter::builder().gte(10.0).lt(20.0).build())
            .updated_at(hub::DateFilter::builder().start("2026-02-05T00:00:00Z").end("2026-02-20T00:00:00Z").build())
            .build();
        let (ids, _) = ask(&client, filters, &[("Id", hub::SortOrder::Ascending)], 100).await;
        let want: Vec<usize> = (0..250)
            .filter(|n| n % 7 != 0 && n % 4 == 0 && (10..20).contains(&(n % 100)) && (5..=20).contains(&(1 + n % 28)))
            .collect();
        assert!(!want.is_empty());
        assert_eq!(numbers(&ids), want);

        cloud.hub(|hub| hub.set_now("2026-02-28T12:00:00Z".parse().unwrap()));
        let range = hub::DateRange::builder().value(3).unit(hub::DateRangeUnit::Days).build();
        let filters = none().updated_at(hub::DateFilter::builder().date_range(range).build()).build();
        let (ids, _) = ask(&client, filters, &[], 100).await;
        assert_eq!(ids.len(), (0..250).filter(|n| 1 + n % 28 >= 26).count());

        let filters = none().title(text(C::Contains, "12")).build();
        let (ids, _) = ask(&client, filters, &[("SeverityLabel", hub::SortOrder::Descending)], 100).await;
        let numbers = numbers(&ids);
        assert_eq!(numbers.len(), (0..250).filter(|n| n.to_string().contains("12")).count());
        assert!(numbers.windows(2).all(|pair| pair[0] % 5 >= pair[1] % 5), "labels sort by severity: {numbers:?}");
    });
}

#[test]
fn what_security_hub_refuses_is_refused() {
    run(async {
        use hub::StringFilterComparison as C;
        let cloud = cloud();
        put(&cloud, cloud.management(), HERE, 5);
        let client = aws_sdk_securityhub::Client::new(&cloud.config(HERE));
        let none = hub::AwsSecurityFindingFilters::builder;
        let equal = || text(C::Equals, "x");
        let many =
            none().title(equal()).description(equal()).id(equal()).region(equal()).product_arn(equal()).generator_id(equal());
        let many = many
            .aws_account_id(equal())
            .record_state(equal())
            .workflow_status(equal())
            .note_text(equal())
            .company_name(equal())
            .build();
        let long = (0..21).fold(none(), |filters, n| filters.title(text(C::Equals, &n.to_string()))).build();
        let mixed = none().title(text(C::Contains, "a")).title(text(C::NotContains, "b")).build();
        let both = none().title(text(C::Equals, "a")).title(text(C::NotEquals, "b")).build();
        for filters in [many, long, mixed, both] {
            let refused = client.get_findings().filters(filters).send().await.unwrap_err();
            assert_eq!(refused.code(), Some("InvalidInputException"), "{refused:?}");
        }
        for call in [
            client.get_findings().max_results(101),
            client.get_findings().max_results(0),
            client.get_findings().next_token("nonsense"),
        ] {
            assert_eq!(call.send().await.unwrap_err().code(), Some("InvalidInputException"));
        }
        // a token belongs to its question, may be used again, and expires
        let token = client.get_findings().max_results(2).send().await.unwrap().next_token.unwrap();
        for _ in 0..2 {
            assert_eq!(client.get_findings().max_results(2).next_token(&token).send().await.unwrap().findings().len(), 2);
        }
        let foreign = client.get_findings().filters(none().id(equal()).build()).next_token(&token).send().await.unwrap_err();
        assert_eq!(foreign.code(), Some("InvalidInputException"));
        cloud.hub(support::hub::Hub::expire_tokens);
        assert_eq!(
            client.get_findings().max_results(2).next_token(&token).send().await.unwrap_err().code(),
            Some("InvalidInputException")
        );
        // where Security Hub is off
        let off = aws_sdk_securityhub::Client::new(&cloud.config(THERE)).get_findings().send().await.unwrap_err();
        assert_eq!(off.code(), Some("InvalidAccessException"));
        assert!(off.into_service_error().is_invalid_access_exception());
    });
}

#[test]
fn triage_does_not_touch_updated_at_and_a_provider_does_not_undo_it() {
    run(async {
        let cloud = cloud();
        let account = cloud.management();
        put(&cloud, account, HERE, 3);
        let client = aws_sdk_securityhub::Client::new(&cloud.config(HERE));
        let product = format!("arn:aws:securityhub:{HERE}:{account}:product/{account}/default");
        let id = |id: &str| hub::AwsSecurityFindingIdentifier::builder().id(id).product_arn(&product).build();
        let get = || async {
            client
                .get_findings()
                .filters(
                    hub::AwsSecurityFindingFilters::builder()
                        .id(text(hub::StringFilterComparison::Equals, "finding-0001"))
                        .build(),
                )
                .send()
                .await
                .unwrap()
                .findings
                .unwrap_or_default()
                .remove(0)
        };
        let before = get().await;
        let answer = client
            .batch_update_findings()
            .finding_identifiers(id("finding-0001"))
            .finding_identifiers(id("no-such-finding"))
            .note(hub::NoteUpdate::builder().text("mine").updated_by("jo").build())
            .workflow(hub::WorkflowUpdate::builder().status(hub::WorkflowStatus::Notified).build())
            .severity(hub::SeverityUpdate::builder().label(hub::SeverityLabel::Critical).build())
            .user_defined_fields("owner", "team-a")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.processed_findings().len(), 1);
        assert_eq!(answer.unprocessed_findings()[0].error_code(), Some("FindingNotFound"));
        let after = get().await;
        assert_eq!(after.updated_at(), before.updated_at());
        assert_eq!(after.note().and_then(|n| n.text()), Some("mine"));
        assert_eq!(after.workflow().and_then(|w| w.status()), Some(&hub::WorkflowStatus::Notified));
        assert_eq!(after.severity().and_then(|s| s.normalized()), Some(90));

        // the provider sends the finding again
        let again = |updated: &str, state: hub::RecordState| {
            client.batch_import_findings().findings(
                hub::AwsSecurityFinding::builder()
                    .schema_version("2018-10-08")
                    .id("finding-0001")
                    .product_arn(&product)
                    .generator_id("rule-1")
                    .aws_account_id(account)
                    .created_at("2026-01-01T00:00:00.000Z")
                    .updated_at(updated)
                    .title("A new title")
                    .description("What is wrong")
                    .severity(hub::Severity::builder().label(hub::SeverityLabel::Low).build())
                    .workflow(hub::Workflow::builder().status(hub::WorkflowStatus::New).build())
                    .record_state(state)
                    .resources(hub::Resource::builder().r#type("AwsIamRole").id("resource-1").build())
                    .build(),
            )
        };
        let stale = again("2025-12-31T00:00:00.000Z", hub::RecordState::Active).send().await.unwrap();
        assert_eq!((stale.success_count(), stale.failed_count()), (Some(0), Some(1)));
        let fresh = again("2026-03-01T00:00:00.000Z", hub::RecordState::Archived).send().await.unwrap();
        assert_eq!((fresh.success_count(), fresh.failed_count()), (Some(1), Some(0)), "{:?}", fresh.failed_findings());
        let now = get().await;
        assert_eq!(now.title(), Some("A new title"));
        assert_eq!(now.note().and_then(|n| n.text()), Some("mine"));
        assert_eq!(now.severity().and_then(|s| s.label()), Some(&hub::SeverityLabel::Critical), "a customer's severity stays");
        assert_eq!(now.workflow().and_then(|w| w.status()), Some(&hub::WorkflowStatus::Notified));
        // active again: NOTIFIED turns NEW
        again("2026-03-02T00:00:00.000Z", hub::RecordState::Active).send().await.unwrap();
        assert_eq!(get().await.workflow().and_then(|w| w.status()), Some(&hub::WorkflowStatus::New));
        let history = client.get_finding_history().finding_identifier(id("finding-0001")).send().await.unwrap();
        assert_eq!(history.records().len(), 3);
        assert_eq!(history.records()[2].updates().iter().filter(|u| u.updated_field() == Some("Note")).count(), 1);
    });
}

#[test]
fn imports_are_checked_and_completed() {
    run(async {
        let cloud = cloud();
        let account = cloud.management();
        cloud.hub(|hub| hub.enable(account, HERE));
        let client = aws_sdk_securityhub::Client::new(&cloud.config(HERE));
        let make = |id: &str, owner: &str, region: &str, title: &str| {
            hub::AwsSecurityFinding::builder()
                .schema_version("2018-10-08")
                .id(id)
                .product_arn(format!("arn:aws:securityhub:{region}:{owner}:product/{owner}/default"))
                .generator_id("rule")
                .aws_account_id(owner)
                .created_at("2026-01-01T00:00:00Z")
                .updated_at("2026-01-01T00:00:00Z")
                .title(title)
                .description("d")
                .severity(hub::Severity::builder().label(hub::SeverityLabel::High).build())
                .resources(hub::Resource::builder().r#type("AwsIamRole").id("r").build())
                .build()
        };
        let long = "x".repeat(257);
        let answer = client
            .batch_import_findings()
            .findings(make("good", account, HERE, "t"))
            .findings(make("long", account, HERE, &long))
            .findings(make("account", MEMBER, HERE, "t"))
            .findings(make("region", account, THERE, "t"))
            .send()
            .await
            .unwrap();
        assert_eq!((answer.success_count(), answer.failed_count()), (Some(1), Some(3)));
        let failed: Vec<_> = answer.failed_findings().iter().filter_map(|f| f.id()).collect();
        assert_eq!(failed, ["long", "account", "region"]);
        let stored = client.get_findings().send().await.unwrap().findings.unwrap_or_default().remove(0);
        assert_eq!(stored.workflow().and_then(|w| w.status()), Some(&hub::WorkflowStatus::New));
        assert_eq!(stored.record_state(), Some(&hub::RecordState::Active));
        assert_eq!(stored.region(), Some(HERE));
        assert_eq!(stored.severity().and_then(|s| s.normalized()), Some(70));
        let call =
            (0..101).fold(client.batch_import_findings(), |call, n| call.findings(make(&n.to_string(), account, HERE, "t")));
        assert_eq!(call.send().await.unwrap_err().code(), Some("InvalidInputException"));
    });
}

#[test]
fn the_aggregation_region_sees_linked_regions_and_the_administrator_its_members() {
    run(async {
        let cloud = cloud();
        let admin = cloud.management();
        for account in [admin, MEMBER] {
            for region in [HERE, THERE] {
                put(&cloud, account, region, 4);
            }
        }
        let count = |config: aws_types::SdkConfig| async move {
            let client = aws_sdk_securityhub::Client::new(&config);
            ask(&client, hub::AwsSecurityFindingFilters::builder().build(), &[], 100).await.0.len()
        };
        assert_eq!(count(cloud.config(HERE)).await, 4);
        cloud.hub(|hub| hub.set_administrator(MEMBER, admin));
        assert_eq!(count(cloud.config(HERE)).await, 8);
        cloud.hub(|hub| hub.set_aggregator(admin, HERE, "ALL_REGIONS", &[]));
        assert_eq!(count(cloud.config(HERE)).await, 16);
        assert_eq!(count(cloud.config(THERE)).await, 8);
        let member = cloud.config_in(MEMBER, "Reader", THERE).await;
        assert_eq!(count(member.clone()).await, 4, "a member sees its own only");
        let client = aws_sdk_securityhub::Client::new(&member);
        let arn = client.list_finding_aggregators().send().await.unwrap().finding_aggregators()[0]
            .finding_aggregator_arn()
            .unwrap()
            .to_owned();
        let found = client.get_finding_aggregator().finding_aggregator_arn(arn).send().await.unwrap();
        assert_eq!(found.finding_aggregation_region(), Some(HERE));
        assert_eq!(
            client.describe_hub().send().await.unwrap().hub_arn(),
            Some(format!("arn:aws:securityhub:{THERE}:{MEMBER}:hub/default").as_str())
        );
        assert_eq!(
            client.get_administrator_account().send().await.unwrap().administrator().and_then(|a| a.account_id()),
            Some(admin)
        );
    });
}

#[test]
fn nodes_and_sessions_are_listed() {
    run(async {
        let cloud = cloud();
        let account = cloud.management();
        cloud.nodes(|nodes| {
        for n in 0..12 {
            let ping = if n % 3 == 0 { "ConnectionLost" } else { "Online" };
            let document = json!({ "InstanceId": format!("i-{n:017x}"), "PingStatus": ping, "PlatformType": "Linux", "LastPingDateTime": 1_767_225_600.5 });
            nodes.add_node(account, HERE, document, &[("team", if n % 2 == 0 { "a" } else { "b" })]);
            let status = if n < 2 { "Connected" } else { "Terminated" };
            nodes.add_session(account, HERE, json!({ "SessionId": format!("jo-{n}"), "Target": format!("i-{n:017x}"), "Status": status, "StartDate": 1_767_225_600 + n * 60, "Owner": "jo" }));
        }
    });
        let client = aws_sdk_ssm::Client::new(&cloud.config(HERE));
        let first = client.describe_instance_information().max_results(5).send().await.unwrap();
        assert_eq!(first.instance_information_list().len(), 5);
        let rest = client.describe_instance_information().set_next_token(first.next_token).send().await.unwrap();
        assert_eq!((rest.instance_information_list().len(), rest.next_token()), (7, None));
        let filter = |key: &str, value: &str| InstanceInformationStringFilter::builder().key(key).values(value).build().unwrap();
        let some = client
            .describe_instance_information()
            .filters(filter("PingStatus", "Online"))
            .filters(filter("tag:team", "a"))
            .send()
            .await
            .unwrap();
        assert_eq!(some.instance_information_list().len(), (0..12).filter(|n| n % 3 != 0 && n % 2 == 0).count());
        assert_eq!(
            client.describe_instance_information().max_results(4).send().await.unwrap_err().code(),
            Some("ValidationException")
        );
        assert_eq!(
            client.describe_instance_information().filters(filter("Colour", "red")).send().await.unwrap_err().code(),
            Some("InvalidFilterKey")
        );
        assert_eq!(
            client.describe_instance_information().next_token("x").send().await.unwrap_err().code(),
            Some("InvalidNextToken")
        );
        assert_eq!(client.describe_sessions().state(SessionState::Active).send().await.unwrap().sessions().len(), 2);
        let after = SessionFilter::builder().key(SessionFilterKey::InvokedAfter).value("2026-01-01T00:05:00Z").build().unwrap();
        let past = client.describe_sessions().state(SessionState::History).filters(after).send().await.unwrap();
        assert_eq!(past.sessions().len(), 7);
        assert_eq!(
            client.get_connection_status().target(format!("i-{:017x}", 1)).send().await.unwrap().status().map(|s| s.as_str()),
            Some("connected")
        );
        assert_eq!(
            client.get_connection_status().target(format!("i-{:017x}", 0)).send().await.unwrap().status().map(|s| s.as_str()),
            Some("notconnected")
        );
    });
}

#[test]
fn every_fault_reaches_a_real_client_in_its_services_words() {
    run(async {
        let cloud = cloud();
        put(&cloud, cloud.management(), HERE, 3);
        let config = cloud.config(HERE);
        let hub = aws_sdk_securityhub::Client::new(&config);
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let iam = aws_sdk_iam::Client::new(&config);
        let ssm = aws_sdk_ssm::Client::new(&config);
        let organizations = aws_sdk_organizations::Client::new(&config);
        let sts = aws_sdk_sts::Client::new(&config);
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
        let expected = [
            (
                Fault::Throttling,
                [
                    "TooManyRequestsException",
                    "RequestLimitExceeded",
                    "Throttling",
                    "ThrottlingException",
                    "TooManyRequestsException",
                    "Throttling",
                    "Throttling",
                ],
            ),
            (
                Fault::AccessDenied,
                [
                    "AccessDeniedException",
                    "UnauthorizedOperation",
                    "AccessDenied",
                    "AccessDeniedException",
                    "AccessDeniedException",
                    "AccessDenied",
                    "AccessDenied",
                ],
            ),
            (
                Fault::ExpiredCredentials,
                [
                    "ExpiredTokenException",
                    "RequestExpired",
                    "ExpiredToken",
                    "ExpiredTokenException",
                    "ExpiredTokenException",
                    "ExpiredToken",
                    "ExpiredToken",
                ],
            ),
            (
                Fault::ServerError(500),
                [
                    "InternalException",
                    "InternalError",
                    "ServiceFailure",
                    "InternalServerError",
                    "ServiceException",
                    "InternalFailure",
                    "InternalFailure",
                ],
            ),
            (
                Fault::ServerError(503),
                [
                    "ServiceUnavailableException",
                    "Unavailable",
                    "ServiceUnavailable",
                    "ServiceUnavailableException",
                    "ServiceUnavailableException",
                    "ServiceUnavailable",
                    "ServiceUnavailable",
                ],
            ),
        ];
        for (fault, codes) in expected {
            let rule = cloud.fault(Rule::new(fault));
            let met = [
                code(hub.get_findings().send()).await,
                code(ec2.describe_vpcs().send()).await,
                code(iam.list_roles().send()).await,
                code(ssm.describe_instance_information().send()).await,
                code(organizations.list_roots().send()).await,
                code(sts.get_caller_identity().send()).await,
                code(elb.describe_load_balancers().send()).await,
            ];
            assert_eq!(met, codes, "{fault:?}");
            assert_eq!(cloud.hits(rule), 7);
            cloud.heal(rule);
        }
        assert_eq!(trouble(hub.get_findings().send()).await, "");

        for fault in [Fault::CutBefore, Fault::CutAfter] {
            cloud.fault(Rule::new(fault).times(2));
            for failed in [trouble(ec2.describe_vpcs().send()).await, trouble(iam.list_roles().send()).await] {
                assert!(failed.contains("DispatchFailure"), "{fault:?}: {failed:?}");
            }
            cloud.heal_all();
        }
        for fault in [Fault::CutMidBody, Fault::Garbage, Fault::Truncated] {
            cloud.fault(Rule::new(fault));
            assert_ne!(trouble(hub.get_findings().send()).await, "", "{fault:?}");
            if fault != Fault::Truncated {
                // the SDK takes an XML document that ends too early for a whole one
                assert_ne!(trouble(ec2.describe_vpcs().send()).await, "", "{fault:?}");
            }
            cloud.heal_all();
        }
        // what was cut after was done
        cloud.fault(Rule::new(Fault::CutAfter).times(1));
        assert_ne!(trouble(iam.create_role().role_name("done").assume_role_policy_document("{}").send()).await, "");
        assert_eq!(trouble(iam.get_role().role_name("done").send()).await, "");

        let slow = cloud.fault(Rule::new(Fault::Latency(Duration::from_millis(300))).service("sts"));
        let start = Instant::now();
        assert_eq!(trouble(sts.get_caller_identity().send()).await, "");
        assert!(start.elapsed() >= Duration::from_millis(300));
        assert_eq!(cloud.hits(slow), 1);
    });
}

#[test]
fn rules_choose_their_calls() {
    run(async {
        let cloud = cloud();
        let config = cloud.config(HERE);
        let sts = aws_sdk_sts::Client::new(&config);
        let ec2 = aws_sdk_ec2::Client::new(&config);
        cloud.fault(Rule::new(Fault::Throttling).service("sts").action("GetCallerIdentity").after(1).times(2));
        let mut met = Vec::new();
        for _ in 0..5 {
            met.push(sts.get_caller_identity().send().await.is_err());
        }
        assert_eq!(met, [false, true, true, false, false]);
        ec2.describe_vpcs().send().await.unwrap();
        cloud.heal_all();

        // a chance is the same for the same calls
        let mut rounds = Vec::new();
        for _ in 0..2 {
            let rule = cloud.fault(Rule::new(Fault::ServerError(500)).chance(0.3, 7));
            let mut round = Vec::new();
            for _ in 0..60 {
                round.push(sts.get_caller_identity().send().await.is_err());
            }
            cloud.heal(rule);
            rounds.push(round);
        }
        assert_eq!(rounds[0], rounds[1]);
        let hits = rounds[0].iter().filter(|hit| **hit).count();
        assert!((8..=30).contains(&hits), "{hits} of 60 at 30 %");

        // one account's roles may not be assumed, one region is refused
        cloud.fault(Rule::new(Fault::AccessDenied).action("AssumeRole").target(MEMBER));
        cloud.fault(Rule::new(Fault::AccessDenied).region(THERE).service("ec2"));
        let role = |account: &str| {
            sts.assume_role().role_arn(format!("arn:aws:iam::{account}:role/Reader")).role_session_name("t").send()
        };
        assert_eq!(role(MEMBER).await.unwrap_err().code(), Some("AccessDenied"));
        role("333333333333").await.unwrap();
        ec2.describe_vpcs().send().await.unwrap();
        assert!(aws_sdk_ec2::Client::new(&cloud.config(THERE)).describe_vpcs().send().await.is_err());
    });
}

#[test]
fn accounts_are_apart_and_calls_are_recorded() {
    run(async {
        let cloud = cloud();
        let member = cloud.config_in(MEMBER, "Reader", HERE).await;
        let iam = aws_sdk_iam::Client::new(&member);
        iam.create_user().user_name("only-here").send().await.unwrap();
        let mine = aws_sdk_iam::Client::new(&cloud.config(HERE)).list_users().send().await.unwrap();
        assert!(mine.users().is_empty());
        let who = aws_sdk_sts::Client::new(&member).get_caller_identity().send().await.unwrap();
        assert_eq!(who.account(), Some(MEMBER));
        let calls: Vec<_> = cloud.calls().into_iter().map(|c| (c.name(), c.account, c.target, c.fault)).collect();
        let row = |name: &str, account: &str, target: Option<&str>| {
            (name.to_owned(), account.to_owned(), target.map(str::to_owned), None)
        };
        assert_eq!(
            calls,
            [
                row("sts:AssumeRole", cloud.management(), Some(MEMBER)),
                row("iam:CreateUser", MEMBER, None),
                row("iam:ListUsers", cloud.management(), None),
                row("sts:GetCallerIdentity", MEMBER, None),
            ]
        );
        assert_eq!(cloud.counts()["iam:ListUsers"], 1);
        assert_eq!(cloud.peaks(Duration::from_secs(60))[&(MEMBER.to_owned(), HERE.to_owned(), "iam:CreateUser".to_owned())], 1);

        // the credentials' time ends; new ones work
        cloud.expire_issued();
        assert_eq!(iam.list_users().send().await.unwrap_err().code(), Some("ExpiredToken"));
        let again = aws_sdk_iam::Client::new(&cloud.config_in(MEMBER, "Reader", HERE).await);
        assert_eq!(again.list_users().send().await.unwrap().users().len(), 1);

        // and half-way, by themselves
        cloud.expire_after(2);
        assert_eq!(trouble(again.list_users().send()).await, "");
        assert_eq!(code(again.list_users().send()).await, "ExpiredToken");
    });
}

#[test]
fn an_organisation_is_seeded_and_entered() {
    run(async {
        let cloud = Cloud::start();
        let plan = Plan { accounts: 6, findings: 120, ..Plan::default() };
        let seeded = seed(&cloud, &plan).await;
        assert!(cloud.calls().is_empty(), "seeding is not recorded");
        assert_eq!(seeded.active().count(), plan.accounts);
        let organizations = aws_sdk_organizations::Client::new(&cloud.config(HERE));
        let listed = organizations.list_accounts().send().await.unwrap();
        let statuses: BTreeMap<_, _> = listed
            .accounts()
            .iter()
            .map(|a| (a.id().unwrap_or_default(), a.status() == Some(&AccountStatus::Suspended)))
            .collect();
        assert_eq!(statuses, seeded.accounts.iter().map(|a| (a.id.as_str(), a.suspended)).collect());
        for account in seeded.active() {
            if !account.path.is_empty() {
                let parents = organizations.list_parents().child_id(&account.id).send().await.unwrap();
                assert_eq!(parents.parents()[0].id(), Some(account.parent.as_str()));
            }
            for (region, place) in &account.places {
                let config = if account.id == cloud.management() {
                    cloud.config(region)
                } else {
                    cloud.config_in(&account.id, ENTRY_ROLE, region).await
                };
                let ec2 = aws_sdk_ec2::Client::new(&config);
                let groups = ec2.describe_security_groups().send().await.unwrap();
                let ids: BTreeSet<String> =
                    groups.security_groups().iter().filter_map(|g| g.group_id()).map(str::to_owned).collect();
                assert_eq!(ids, place.network.all[&Kind::SecurityGroup]);
                for group in groups.security_groups() {
                    let Some(want) = place.network.rules.get(group.group_id().unwrap_or_default()) else { continue };
                    let mut have = Rules::new();
                    for p in group.ip_permissions() {
                        let sources = p.ip_ranges().iter().filter_map(|r| r.cidr_ip());
                        let sources = sources.chain(p.ipv6_ranges().iter().filter_map(|r| r.cidr_ipv6()));
                        let sources = sources.chain(p.user_id_group_pairs().iter().filter_map(|g| g.group_id()));
                        let sources = sources.chain(p.prefix_list_ids().iter().filter_map(|l| l.prefix_list_id()));
                        for source in sources {
                            have.insert((
                                "tcp".to_owned(),
                                p.from_port().unwrap_or(-1),
                                p.to_port().unwrap_or(-1),
                                source.to_owned(),
                            ));
                        }
                    }
                    assert_eq!(have, *want);
                }
                let routes = ec2.describe_route_tables().send().await.unwrap();
                let have: BTreeSet<_> = routes
                    .route_tables()
                    .iter()
                    .flat_map(|t| t.routes().iter().map(move |r| (t, r)))
                    .filter_map(|(t, r)| {
                        let target = r
                            .nat_gateway_id()
                            .or(r.vpc_peering_connection_id())
                            .or(r.transit_gateway_id())
                            .or(r.gateway_id().filter(|g| *g != "local"))?;
                        Some((t.route_table_id()?.to_owned(), r.destination_cidr_block()?.to_owned(), target.to_owned()))
                    })
                    .collect();
                assert!(place.network.routes.is_subset(&have), "{:?} of {have:?}", place.network.routes);
                let hub = aws_sdk_securityhub::Client::new(&config);
                let (ids, _) = ask(&hub, hub::AwsSecurityFindingFilters::builder().build(), &[], 100).await;
                assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), place.findings);
                let nodes = aws_sdk_ssm::Client::new(&config).describe_instance_information().send().await.unwrap();
                let ids: BTreeSet<_> =
                    nodes.instance_information_list().iter().filter_map(|n| n.instance_id()).map(str::to_owned).collect();
                assert_eq!(ids, place.nodes);
                if region == HERE {
                    let iam = aws_sdk_iam::Client::new(&config);
                    let roles = iam.list_roles().send().await.unwrap();
                    let have: BTreeSet<_> = roles.roles().iter().map(|r| r.arn().to_owned()).collect();
                    let want: BTreeSet<_> = account.identity.roles.iter().map(|r| r.arn.clone()).collect();
                    assert!(want.is_subset(&have), "{want:?} of {have:?}");
                    let users = iam.list_users().send().await.unwrap();
                    assert_eq!(
                        users.users().iter().map(|u| u.arn().to_owned()).collect::<Vec<_>>(),
                        account.identity.users.iter().map(|u| u.arn.clone()).collect::<Vec<_>>()
                    );
                }
            }
        }
    });
}

#[test]
fn nothing_is_left_running() {
    let cloud = cloud();
    let moto = cloud.moto_url().trim_start_matches("http://").to_owned();
    assert!(std::net::TcpStream::connect(&moto).is_ok());
    drop(cloud);
    assert!(std::net::TcpStream::connect(&moto).is_err(), "moto ends with its cloud");
}
