//! Changes while somebody watches. Each tick follows from its number alone; nothing is remembered between two.

use jiff::Timestamp;

use crate::demo::accounts::seconds;
use crate::demo::nodes::{Post, session};
use crate::demo::random::Random;
use crate::demo::{FINDINGS, Organization};
use crate::model::coverage::Outcome;
use crate::model::finding::{Finding, Status};
use crate::model::node::{Node, Session};

/// Ticks between a node's loss and its return, and between a session's start and its end.
const LOST_FOR: u64 = 4;
const SESSION_FOR: u64 = 15;
const SESSION_EVERY: u64 = 5;
const NODE_EVERY: u64 = 3;

/// What changed: each entry replaces the one with its key or id, or is new.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tick {
    /// With their documents.
    pub findings: Vec<Finding>,
    /// Account, region, node.
    pub nodes: Vec<(String, String, Node)>,
    /// Account, region, session.
    pub sessions: Vec<(String, String, Session)>,
}

impl Organization {
    /// The changes of the `k`-th tick as of `now`; ticks are meant to come a few seconds apart. One to three findings
    /// are new or change their status; now and then a node is lost and comes back, a session starts and ends.
    pub fn tick(&self, k: u64, now: Timestamp) -> Tick {
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut random = Random::new(k ^ 0x71c4_0000_0000_0000);
        let mut tick = Tick::default();
        for j in 0..random.below(3) {
            // Behind the ones there are, two places for each tick; even places there may tell of the estate again,
            // so only odd ones are used.
            let turn = usize::try_from(k).unwrap_or(usize::MAX).wrapping_mul(4).wrapping_add(j * 2);
            let n = self.findings.max(FINDINGS).wrapping_add(turn) | 1;
            let age = 1 + random.below(40) as u64;
            let mut finding = self.generator.aged(n, self.generator.draw(n), now, age);
            finding.document = self.write(&finding, n);
            tick.findings.push(finding);
        }
        if self.findings > 0 {
            let n = random.below(self.findings);
            let mut finding = self.finding(n);
            finding.status = match finding.status {
                Status::New => random.pick(&[Status::Notified, Status::Notified, Status::Resolved]),
                Status::Notified => Status::Resolved,
                Status::Resolved | Status::Suppressed => Status::New,
            };
            finding.updated = now.max(finding.updated);
            finding.document = self.write(&finding, n);
            tick.findings.push(finding);
        }
        self.nodes(k, now, &mut tick);
        self.sessions(k, now, &mut tick);
        tick
    }

    fn nodes(&self, k: u64, now: Timestamp, tick: &mut Tick) {
        let changes = [(Some(k), "ConnectionLost"), (k.checked_sub(LOST_FOR), "Online")];
        for (at, state) in changes {
            let Some(at) = at.filter(|at| at.is_multiple_of(NODE_EVERY)) else { continue };
            let Some(post) = self.post(at) else { continue };
            let region = self.estate.region(&post.account, &post.region);
            let Some(node) = region.and_then(|r| r.nodes.iter().find(|n| n.instance_id == post.instance)) else { continue };
            let mut node = node.clone();
            node.ping_status = state.to_owned();
            node.last_ping_date_time = Some(if state == "Online" { seconds(now, 3) } else { seconds(now, 360) });
            tick.nodes.push((post.account.clone(), post.region.clone(), node));
        }
    }

    fn sessions(&self, k: u64, now: Timestamp, tick: &mut Tick) {
        for (at, over) in [(Some(k), false), (k.checked_sub(SESSION_FOR), true)] {
            let Some(at) = at.filter(|at| at.is_multiple_of(SESSION_EVERY)) else { continue };
            // Not on lost nodes, nor where sessions may not be listed.
            let Some(post) = self.post(at.wrapping_add(1)).filter(|post| self.takes_sessions(post)) else { continue };
            // How long a tick takes is the caller's; the end says a plausible start.
            let start = if over { seconds(now, SESSION_FOR * 4) } else { now };
            let session = session(post, at.wrapping_add(1 << 32), start, over.then_some(now));
            tick.sessions.push((post.account.clone(), post.region.clone(), session));
        }
    }

    fn takes_sessions(&self, post: &Post) -> bool {
        let asked = |api: &str| {
            let row = self.estate.coverage.iter().find(|c| c.account == post.account && c.region == post.region && c.api == api);
            row.is_some_and(|c| c.outcome == Outcome::Ok)
        };
        let region = self.estate.region(&post.account, &post.region);
        let node = region.and_then(|r| r.nodes.iter().find(|n| n.instance_id == post.instance));
        node.is_some_and(|n| n.ping_status == "Online") && asked("ssm:DescribeSessions")
    }

    fn post(&self, k: u64) -> Option<&Post> {
        let n = Random::new(k ^ 0x9057).below(self.posts.len());
        self.posts.get(n)
    }
}
