//! AWS's wire: what a request asks (service, action, account, region) and how an answer or error is written in each protocol.
//!
//! It keeps no state and knows no service's rules.

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// A response body: whole, or one that breaks off.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;
/// The front's answer.
pub type Answer = Response<Body>;

/// How a service writes its requests, answers and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Paths and JSON bodies: Security Hub, Lambda.
    RestJson,
    /// `X-Amz-Target` and JSON bodies: Systems Manager, Organizations.
    Json,
    /// `Action=` forms and XML: IAM, STS, Elastic Load Balancing.
    Query,
    /// As `Query`, with EC2's own error document.
    Ec2,
}

/// One request, understood.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The signing name: `ec2`, `iam`, `securityhub`, `elasticloadbalancing`… It is also the IAM action's prefix.
    pub service: String,
    /// The API action: `DescribeVpcs`.
    pub action: String,
    /// The caller's account, 12 digits.
    pub account: String,
    /// The region signed for.
    pub region: String,
    /// The access key id signed with, empty when unsigned.
    pub access_key: String,
    /// `sts:AssumeRole` only: the account of the role asked for.
    pub target: Option<String>,
    pub protocol: Protocol,
    pub method: Method,
    pub path: String,
    /// The query string's pairs, then the form's.
    pub form: Vec<(String, String)>,
    pub body: Bytes,
}

impl Asked {
    /// Understands a request. `account` is left to the caller, who knows the access keys.
    pub fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Self {
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let (access_key, region, signed) = credential_scope(header("authorization")).unwrap_or_default();
        let mut form = pairs(uri.query().unwrap_or_default());
        if header("content-type").starts_with("application/x-www-form-urlencoded") {
            form.extend(pairs(&String::from_utf8_lossy(body)));
        }
        let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
        let action = match header("x-amz-target").rsplit_once('.') {
            Some((_, action)) => action.to_owned(),
            None => match form.iter().find(|(k, _)| k == "Action") {
                Some((_, action)) => action.clone(),
                None if signed == "s3" => s3_action(method, &path, &form),
                None => rest_action(method, &path).map_or_else(|| format!("{method} {path}"), str::to_owned),
            },
        };
        let service = if signed.is_empty() && action.starts_with("AssumeRoleWith") { "sts".to_owned() } else { signed };
        let protocol = match service.as_str() {
            "ec2" => Protocol::Ec2,
            "iam" | "sts" | "elasticloadbalancing" | "sns" => Protocol::Query,
            _ if headers.contains_key("x-amz-target") => Protocol::Json,
            _ => Protocol::RestJson,
        };
        let target = form.iter().find(|(k, _)| k == "RoleArn").and_then(|(_, arn)| arn.split(':').nth(4)).map(str::to_owned);
        let account = String::new();
        let (method, body) = (method.clone(), body.clone());
        Self { service, action, account, region, access_key, target, protocol, method, path, form, body }
    }

    /// The JSON body; an empty one is `{}`, a broken one is an error for the caller to answer.
    pub fn json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body)
            .map_err(|e| Refusal::new(400, "SerializationException", format!("the body is not JSON: {e}")))
    }

    /// The first value of a query or form parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Writes an error as this request's protocol does.
    pub fn refuse(&self, refusal: &Refusal) -> Answer {
        let Refusal { status, code, message } = refusal;
        let (kind, body) = match self.protocol {
            Protocol::RestJson => {
                ("application/json", json!({ "Message": message, "Code": code, "message": message }).to_string())
            }
            Protocol::Json => ("application/x-amz-json-1.1", json!({ "__type": code, "message": message }).to_string()),
            Protocol::Query => {
                let side = if *status < 500 { "Sender" } else { "Receiver" };
                let body = format!(
                    "<ErrorResponse><Error><Type>{side}</Type><Code>{code}</Code><Message>{}</Message></Error>\
                     <RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>",
                    xml(message)
                );
                ("text/xml", body)
            }
            Protocol::Ec2 => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{}</Message>\
                     </Error></Errors><RequestID>00000000-0000-4000-8000-000000000000</RequestID></Response>",
                    xml(message)
                );
                ("text/xml;charset=UTF-8", body)
            }
        };
        let mut answer = answer(*status, kind, body);
        if matches!(self.protocol, Protocol::RestJson | Protocol::Json)
            && let Ok(value) = HeaderValue::from_str(code)
        {
            answer.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), value);
        }
        answer
    }

    /// Writes a JSON result as this request's protocol does.
    pub fn reply(&self, result: &Value) -> Answer {
        let kind = if self.protocol == Protocol::Json { "application/x-amz-json-1.1" } else { "application/json" };
        answer(200, kind, result.to_string())
    }
}

/// An error to answer with: HTTP status, AWS's error code, a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

/// A whole answer.
pub fn answer(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(whole(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A body that arrives whole.
pub fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// `Credential=KEY/DATE/REGION/SERVICE/aws4_request` of an Authorization header, as (key, region, service).
fn credential_scope(authorization: &str) -> Option<(String, String, String)> {
    let scope = authorization.split("Credential=").nth(1)?.split([',', ' ']).next()?;
    let mut parts = scope.split('/');
    let (key, _date, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((key.to_owned(), region.to_owned(), service.to_owned()))
}

/// The pairs of a query string or form.
fn pairs(text: &str) -> Vec<(String, String)> {
    let plain = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (plain(k), plain(v)))
        .collect()
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Security Hub's and Lambda's actions by method and path (their API references). A path ending in `/` stands for what follows it.
/// S3's reads, by IAM's names for them: what is read of a bucket stands in the query.
fn s3_action(method: &Method, path: &str, form: &[(String, String)]) -> String {
    let asks = |name: &str| form.iter().any(|(k, _)| k == name);
    let action = match path {
        _ if *method != Method::GET => None,
        "/v20180820/configuration/publicAccessBlock" => Some("GetAccountPublicAccessBlock"),
        "/" => Some("ListAllMyBuckets"),
        _ if asks("policy") => Some("GetBucketPolicy"),
        _ if asks("tagging") => Some("GetBucketTagging"),
        _ if asks("publicAccessBlock") => Some("GetBucketPublicAccessBlock"),
        _ => None,
    };
    action.map_or_else(|| format!("{method} {path}"), str::to_owned)
}

fn rest_action(method: &Method, path: &str) -> Option<&'static str> {
    const ROUTES: &[(&str, &str, &str)] = &[
        ("POST", "/findings", "GetFindings"),
        ("POST", "/findings/import", "BatchImportFindings"),
        ("PATCH", "/findings/batchupdate", "BatchUpdateFindings"),
        ("PATCH", "/findings", "UpdateFindings"),
        ("POST", "/findingHistory/get", "GetFindingHistory"),
        ("GET", "/findingAggregator/list", "ListFindingAggregators"),
        ("GET", "/findingAggregator/get/", "GetFindingAggregator"),
        ("POST", "/findingAggregator/create", "CreateFindingAggregator"),
        ("DELETE", "/findingAggregator/delete/", "DeleteFindingAggregator"),
        ("GET", "/accounts", "DescribeHub"),
        ("POST", "/accounts", "EnableSecurityHub"),
        ("DELETE", "/accounts", "DisableSecurityHub"),
        ("GET", "/members", "ListMembers"),
        ("GET", "/administrator", "GetAdministratorAccount"),
        ("GET", "/organization/admin", "ListOrganizationAdminAccounts"),
        ("GET", "/organization/configuration", "DescribeOrganizationConfiguration"),
        ("POST", "/standards/get", "GetEnabledStandards"),
        ("GET", "/standards", "DescribeStandards"),
        ("GET", "/standards/controls/", "DescribeStandardsControls"),
        ("GET", "/products", "DescribeProducts"),
        ("GET", "/productSubscriptions", "ListEnabledProductsForImport"),
        ("POST", "/insights/get", "GetInsights"),
        ("GET", "/insights/results/", "GetInsightResults"),
        ("GET", "/securityControls/definitions", "ListSecurityControlDefinitions"),
        ("GET", "/automationrules/list", "ListAutomationRules"),
        ("POST", "/findingsv2", "GetFindingsV2"),
        ("PATCH", "/findingsv2/batchupdatev2", "BatchUpdateFindingsV2"),
        ("GET", "/tags/", "ListTagsForResource"),
        ("GET", "/2015-03-31/functions", "ListFunctions"),
        ("POST", "/2015-03-31/functions", "CreateFunction"),
    ];
    if path.starts_with("/2015-03-31/functions/") && path.ends_with("/policy") {
        return Some(if *method == Method::GET { "GetPolicy" } else { "AddPermission" });
    }
    let fits = |route: &str| if route.ends_with('/') { path.starts_with(route) } else { path == route };
    ROUTES.iter().find(|(m, route, _)| *m == method.as_str() && fits(route)).map(|(_, _, action)| *action)
}
