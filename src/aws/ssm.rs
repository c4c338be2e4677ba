//! Systems Manager: managed nodes and the sessions on them. Opening sessions is not done here.

use aws_sdk_ssm::operation::{
    describe_instance_information::builders::DescribeInstanceInformationFluentBuilder,
    describe_sessions::builders::DescribeSessionsFluentBuilder,
};
use aws_sdk_ssm::types::SessionState;

use crate::aws::call::{Rate, calls};
use crate::aws::scope::{Answer, Scope, objects};
use crate::model::node::{Node, Session};

// AWS publishes no figure for these two; a careful one, which the limiter lowers where AWS wants it slower.
const SSM: Rate = Rate { per_second: 5.0, burst: 10.0 };
const NEXT: Option<&str> = Some("NextToken");

/// Ended sessions that are kept for each account and region; AWS has them for 30 days.
pub const MOST_ENDED_SESSIONS: usize = 400;

calls! {
    NODES = "ssm:DescribeInstanceInformation", PerRegion, Json, SSM, NEXT, "managed nodes", DescribeInstanceInformationFluentBuilder;
    SESSIONS = "ssm:DescribeSessions", PerRegion, Json, SSM, NEXT, "sessions", DescribeSessionsFluentBuilder;
}

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
