//! Systems Manager: managed nodes, the sessions on them, and the calls that open and end a session. What travels over a
//! session's data channel is not its concern.

use std::collections::HashMap;

use aws_sdk_ssm::operation::{
    describe_instance_information::builders::DescribeInstanceInformationFluentBuilder,
    describe_sessions::builders::DescribeSessionsFluentBuilder, resume_session::builders::ResumeSessionFluentBuilder,
    start_session::builders::StartSessionFluentBuilder, terminate_session::builders::TerminateSessionFluentBuilder,
};
use aws_sdk_ssm::types::SessionState;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::aws::call::{Call, Rate, Reach, Wire, calls};
use crate::aws::error::Failure;
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::node::{Node, Session};

// AWS publishes no figure for these; a careful one, which the limiter lowers where AWS wants it slower.
const SSM: Rate = Rate { per_second: 5.0, burst: 10.0 };
const NEXT: Option<&str> = Some("NextToken");

/// Ended sessions that are kept for each account and region; AWS has them for 30 days.
pub const MOST_ENDED_SESSIONS: usize = 400;

calls! {
    NODES = "ssm:DescribeInstanceInformation", PerRegion, Json, SSM, NEXT, "managed nodes", DescribeInstanceInformationFluentBuilder;
    SESSIONS = "ssm:DescribeSessions", PerRegion, Json, SSM, NEXT, "sessions", DescribeSessionsFluentBuilder;
    START = "ssm:StartSession", Node, Json, SSM, None, "sessions that you open", StartSessionFluentBuilder;
    RESUME = "ssm:ResumeSession", Node, Json, SSM, None, "sessions whose connection was lost", ResumeSessionFluentBuilder;
    TERMINATE = "ssm:TerminateSession", Node, Json, SSM, None, "the end of a session", TerminateSessionFluentBuilder;
}

/// What opens a session's data channel, by a signed WebSocket upgrade that is not sent here; AWS asks for it since clients sign
/// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-restrict-access-quickstart.html>).
pub const CHANNELS: &[Call] = &[Call {
    action: "ssmmessages:OpenDataChannel",
    reach: Reach::Node,
    rate: SSM,
    paginated: None,
    what: "the data channels of sessions",
    wire: Wire::Json,
}];

/// Managed nodes and their ping state.
pub async fn nodes(scope: &Scope) -> Answer<Vec<Node>> {
    let next = |t| scope.ssm().describe_instance_information().max_results(50).set_next_token(t);
    scope.list("InstanceInformationList", next).await
}

/// All open sessions, and the first [`MOST_ENDED_SESSIONS`] ended ones that AWS lists; newest first.
pub async fn sessions(scope: &Scope) -> Answer<Vec<Session>> {
    let mut value: Vec<Session> = Vec::new();
    let next = |t| scope.ssm().describe_sessions().state(SessionState::Active).max_results(200).set_next_token(t);
    let mut tally = scope.pages(next, |mut page| objects(&mut page, "Sessions", &mut value)).await;
    if tally.failure.is_none() {
        let mut ended: Vec<Session> = Vec::new();
        let next = |t| scope.ssm().describe_sessions().state(SessionState::History).max_results(200).set_next_token(t);
        let history = scope.pages(next, |mut page| {
            let mut read = objects(&mut page, "Sessions", &mut ended);
            read.enough = ended.len() >= MOST_ENDED_SESSIONS;
            read
        });
        tally.join(history.await);
        // One that ended between the two questions stands in both.
        ended.retain(|session| !value.iter().any(|open| open.session_id == session.session_id));
        value.extend(ended);
    }
    value.sort_by(|a, b| b.start_date.cmp(&a.start_date).then_with(|| a.session_id.cmp(&b.session_id)));
    Answer { value, coverage: vec![scope.covered(&tally)] }
}

/// Where a session's data channel is, and what opens it. `Debug` hides the token.
#[derive(Clone)]
pub struct Channel {
    pub session_id: String,
    /// Empty where AWS gave none: the session is over.
    pub token: Zeroizing<String>,
    pub stream_url: String,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", self.session_id)
    }
}

fn channel(mut answer: Value) -> Channel {
    let mut text = |field: &str| match answer.get_mut(field).map(Value::take) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    Channel { session_id: text("SessionId"), token: Zeroizing::new(text("TokenValue")), stream_url: text("StreamUrl") }
}

/// Starts a session on a target. A document of the account's own choice where none is named. Asked once: a second try
/// could start a second session.
///
/// # Errors
/// AWS's refusal.
pub async fn start(
    scope: &Scope,
    target: &str,
    document: Option<&str>,
    parameters: HashMap<String, Vec<String>>,
    reason: Option<&str>,
) -> Result<Channel, Failure> {
    let scope = scope.once();
    let parameters = (!parameters.is_empty()).then_some(parameters);
    let request = scope.ssm().start_session().target(target).set_document_name(document.map(str::to_owned));
    let request = request.set_parameters(parameters).set_reason(reason.map(str::to_owned));
    let channel = channel(scope.value(&request).await?);
    if channel.session_id.is_empty() || channel.token.is_empty() || channel.stream_url.is_empty() {
        return Err(Failure::unreadable("ssm:StartSession answered without a session, a token or a stream URL"));
    }
    Ok(channel)
}

/// A new way into a session whose connection was lost; without a token the session is over.
///
/// # Errors
/// AWS's refusal.
pub async fn resume(scope: &Scope, session_id: &str) -> Result<Channel, Failure> {
    let scope = scope.once();
    Ok(channel(scope.value(&scope.ssm().resume_session().session_id(session_id)).await?))
}

/// Ends a session.
///
/// # Errors
/// AWS's refusal.
pub async fn terminate(scope: &Scope, session_id: &str) -> Result<(), Failure> {
    let request = scope.ssm().terminate_session().session_id(session_id);
    scope.value(&request).await.map(drop)
}
