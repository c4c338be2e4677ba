//! The Security Token Service: who the caller is, and temporary credentials of a role.

use aws_credential_types::Credentials;
use aws_sdk_sts::operation::{
    assume_role::builders::AssumeRoleFluentBuilder, get_caller_identity::builders::GetCallerIdentityFluentBuilder,
};
use aws_types::SdkConfig;
use jiff::Timestamp;
use serde_json::Value;

use crate::aws::ask::{Patience, ask};
use crate::aws::call::{Rate, calls};
use crate::aws::error::Failure;
use crate::aws::limit::Limiter;
use crate::aws::xml::{self, Dialect};
use crate::model::account::Caller;
use crate::model::arn::Arn;

// 600 requests a second for an account and region, shared by STS's actions
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html); others share it, so a part of it.
const STS: Rate = Rate { per_second: 50.0, burst: 100.0 };

calls! {
    GET_CALLER_IDENTITY = "sts:GetCallerIdentity", Management, Query, STS, None, "who the caller is", GetCallerIdentityFluentBuilder;
    ASSUME_ROLE = "sts:AssumeRole", Management, Query, STS, None, "credentials of member accounts", AssumeRoleFluentBuilder;
}

/// The role to become, and how.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    /// In seconds; AWS's default is an hour.
    pub(super) duration: Option<i32>,
}

/// Who the credentials of this configuration belong to.
pub(super) async fn caller(sdk: &SdkConfig, limiter: &Limiter) -> Result<Caller, Failure> {
    let request = aws_sdk_sts::Client::new(sdk).get_caller_identity();
    let region = sdk.region().map_or("", |r| r.as_ref());
    let answer = value(&ask(limiter, "", region, Patience::SHORT, &request).await?)?;
    let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let caller = Caller { arn: field("Arn"), account: field("Account"), user_id: field("UserId") };
    match caller.arn.parse::<Arn>() {
        Ok(_) if !caller.account.is_empty() => Ok(caller),
        _ => Err(Failure::unreadable("sts:GetCallerIdentity answered without an account and ARN")),
    }
}

/// Temporary credentials of a role; `mfa` is a device and its current code.
pub(super) async fn assume(
    sdk: &SdkConfig,
    limiter: &Limiter,
    role: &Role,
    mfa: Option<(&str, &str)>,
) -> Result<Credentials, Failure> {
    let request = aws_sdk_sts::Client::new(sdk)
        .assume_role()
        .role_arn(&role.arn)
        .role_session_name(&role.session_name)
        .set_external_id(role.external_id.clone())
        .set_duration_seconds(role.duration)
        .set_serial_number(mfa.map(|(device, _)| device.to_owned()))
        .set_token_code(mfa.map(|(_, code)| code.to_owned()));
    let region = sdk.region().map_or("", |r| r.as_ref());
    let answer = value(&ask(limiter, "", region, Patience::SHORT, &request).await?)?;
    let field = |name: &str| answer["Credentials"][name].as_str().filter(|v| !v.is_empty()).map(str::to_owned);
    let missing = || Failure::unreadable("sts:AssumeRole answered without credentials");
    let expiry: Timestamp = field("Expiration").and_then(|t| t.parse().ok()).ok_or_else(missing)?;
    Ok(Credentials::new(
        field("AccessKeyId").ok_or_else(missing)?,
        field("SecretAccessKey").ok_or_else(missing)?,
        Some(field("SessionToken").ok_or_else(missing)?),
        Some(expiry.into()),
        "sts:AssumeRole",
    ))
}

fn value(body: &[u8]) -> Result<Value, Failure> {
    xml::read(body, Dialect::Query).map_err(Failure::unreadable)
}

/// A session name that tells whose it is, from the caller's ARN: `bartizan-jo`. AWS allows 2 to 64 of letters, digits and
/// `_+=,.@-` (`sts:AssumeRole`, RoleSessionName).
pub fn session_name(caller: &Caller) -> String {
    let who = caller.arn.parse::<Arn>().map_or_else(|_| String::new(), |arn| arn.name().to_owned());
    sanitise(&format!("bartizan-{who}"))
}

/// Makes any text a session name AWS accepts.
pub fn sanitise(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let mut name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    while name.len() < 2 {
        name.push('-');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(arn: &str) -> String {
        session_name(&Caller { arn: arn.into(), account: "1".into(), user_id: String::new() })
    }

    #[test]
    fn session_names_tell_whose_they_are() {
        assert_eq!(named("arn:aws:sts::111122223333:assumed-role/SecurityAudit/jo@example.com"), "bartizan-jo@example.com");
        assert_eq!(named("arn:aws:iam::111122223333:user/ops/ana"), "bartizan-ana");
        assert_eq!(named("arn:aws:iam::111122223333:root"), "bartizan-root");
        assert_eq!(named("nonsense"), "bartizan-");
    }

    #[test]
    fn session_names_fit_what_aws_accepts() {
        assert_eq!(sanitise("jö e\u{1b}/x"), "j--e--x");
        assert_eq!(sanitise(""), "--");
        assert_eq!(sanitise(&"a".repeat(100)).len(), 64);
    }
}
