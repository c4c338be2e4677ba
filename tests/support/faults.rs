//! Faults by rule: which call meets which trouble, and how that trouble looks on the wire of its service.
//!
//! Chance is decided by a hash of the rule's seed and the call's own running number per (account, region, action), so the
//! same calls meet the same faults whatever order the tasks run in.

use super::wire::{Asked, Refusal};
use std::collections::HashMap;
use std::time::Duration;

/// The trouble a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The answer comes later by this much; other rules still apply.
    Latency(Duration),
    /// Refused with the service's own throttling error.
    Throttling,
    /// The service's own internal error, status 500, or 503 with its "unavailable" code.
    ServerError(u16),
    /// The service's own access refusal.
    AccessDenied,
    /// The service's own answer to credentials past their end.
    ExpiredCredentials,
    /// The connection closes without an answer; nothing was done.
    CutBefore,
    /// What was asked is done; the connection closes without an answer.
    CutAfter,
    /// What was asked is done; the connection closes in the middle of the answer's body.
    CutMidBody,
    /// What was asked is done; status 200 with a body that is no document of the protocol.
    Garbage,
    /// What was asked is done; status 200 with the first half of the document, as if it were whole.
    Truncated,
}

impl Fault {
    /// A short name, as recorded with a call.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Throttling => "throttling",
            Self::ServerError(_) => "server error",
            Self::AccessDenied => "access denied",
            Self::ExpiredCredentials => "expired credentials",
            Self::CutBefore => "cut before",
            Self::CutAfter => "cut after",
            Self::CutMidBody => "cut mid-body",
            Self::Garbage => "garbage",
            Self::Truncated => "truncated",
        }
    }

    /// The error document of a fault that is one.
    pub fn refusal(self, asked: &Asked) -> Option<Refusal> {
        let service = asked.service.as_str();
        Some(match self {
            Self::Throttling => match service {
                "securityhub" => Refusal::new(429, "TooManyRequestsException", "Too Many Requests"),
                "organizations" => Refusal::new(
                    400,
                    "TooManyRequestsException",
                    "AWS Organizations can't complete your request because another request is already in progress. Try again later.",
                ),
                "ec2" => Refusal::new(503, "RequestLimitExceeded", "Request limit exceeded."),
                "iam" | "sts" | "elasticloadbalancing" => Refusal::new(400, "Throttling", "Rate exceeded"),
                _ => Refusal::new(400, "ThrottlingException", "Rate exceeded"),
            },
            Self::ServerError(503) => match service {
                "ec2" => Refusal::new(503, "Unavailable", "The server is overloaded and can't handle the request."),
                "securityhub" | "ssm" | "organizations" => {
                    Refusal::new(503, "ServiceUnavailableException", "Service Unavailable")
                }
                _ => Refusal::new(503, "ServiceUnavailable", "Service Unavailable"),
            },
            Self::ServerError(status) => match service {
                "ec2" => Refusal::new(status, "InternalError", "An internal error has occurred"),
                "iam" => Refusal::new(
                    status,
                    "ServiceFailure",
                    "The request processing has failed because of an unknown error, exception or failure.",
                ),
                "ssm" => Refusal::new(status, "InternalServerError", "An error occurred on the server side."),
                "organizations" => Refusal::new(
                    status,
                    "ServiceException",
                    "AWS Organizations can't complete your request because of an internal service error. Try again later.",
                ),
                "securityhub" => Refusal::new(status, "InternalException", "Internal server error"),
                _ => Refusal::new(
                    status,
                    "InternalFailure",
                    "The request processing has failed because of an unknown error, exception or failure.",
                ),
            },
            Self::AccessDenied => {
                let who = format!("arn:aws:sts::{}:assumed-role/test/test", asked.account);
                let message = match &asked.target {
                    Some(target) if asked.action == "AssumeRole" => {
                        let arn = asked
                            .parameter("RoleArn")
                            .map_or_else(|| format!("arn:aws:iam::{target}:role/unknown"), str::to_owned);
                        format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}")
                    }
                    _ => format!(
                        "User: {who} is not authorized to perform: {service}:{} on resource: * because no identity-based policy allows it",
                        asked.action
                    ),
                };
                match service {
                    "ec2" => Refusal::new(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
                    "iam" | "sts" | "elasticloadbalancing" => Refusal::new(403, "AccessDenied", message),
                    "securityhub" => Refusal::new(403, "AccessDeniedException", message),
                    _ => Refusal::new(400, "AccessDeniedException", message),
                }
            }
            Self::ExpiredCredentials => match service {
                "ec2" => Refusal::new(400, "RequestExpired", "Request has expired."),
                "iam" | "sts" | "elasticloadbalancing" => {
                    Refusal::new(403, "ExpiredToken", "The security token included in the request is expired")
                }
                "securityhub" => {
                    Refusal::new(403, "ExpiredTokenException", "The security token included in the request is expired")
                }
                _ => Refusal::new(400, "ExpiredTokenException", "The security token included in the request is expired"),
            },
            _ => return None,
        })
    }
}

/// When a fault applies. Every condition given must hold; none given means every call.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    service: Option<String>,
    action: Option<String>,
    account: Option<String>,
    target: Option<String>,
    region: Option<String>,
    after: u64,
    times: Option<u64>,
    chance: f64,
    seed: u64,
}

impl Rule {
    /// A rule for every call; narrow it with the methods below.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            service: None,
            action: None,
            account: None,
            target: None,
            region: None,
            after: 0,
            times: None,
            chance: 1.0,
            seed: 0,
        }
    }

    /// Only calls to this service, by its signing name.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Only this action.
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Only calls by this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Only `sts:AssumeRole` of a role in this account.
    #[must_use]
    pub fn target(mut self, account: &str) -> Self {
        self.target = Some(account.to_owned());
        self
    }

    /// Only calls signed for this region.
    #[must_use]
    pub fn region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// Not the first `calls` calls that fit.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.after = calls;
        self
    }

    /// At most this often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// With this probability (0 to 1), decided by `seed`.
    #[must_use]
    pub fn chance(mut self, chance: f64, seed: u64) -> Self {
        self.chance = chance;
        self.seed = seed;
        self
    }

    fn fits(&self, asked: &Asked) -> bool {
        let same = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        same(&self.service, &asked.service)
            && same(&self.action, &asked.action)
            && same(&self.account, &asked.account)
            && same(&self.region, &asked.region)
            && self.target.as_deref().is_none_or(|want| asked.target.as_deref() == Some(want))
    }
}

/// A rule's number, to take it away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleId(u64);

/// The rules in force.
#[derive(Debug, Default)]
pub struct Rules {
    next: u64,
    active: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    id: u64,
    rule: Rule,
    seen: u64,
    hit: u64,
    per_call: HashMap<String, u64>,
}

impl Rules {
    pub fn add(&mut self, rule: Rule) -> RuleId {
        self.next += 1;
        self.active.push(Active { id: self.next, rule, seen: 0, hit: 0, per_call: HashMap::new() });
        RuleId(self.next)
    }

    pub fn remove(&mut self, id: RuleId) {
        self.active.retain(|active| active.id != id.0);
    }

    pub fn clear(&mut self) {
        self.active.clear();
    }

    /// How often a rule's fault was met.
    pub fn hits(&self, id: RuleId) -> u64 {
        self.active.iter().find(|active| active.id == id.0).map_or(0, |active| active.hit)
    }

    /// The delay and the one other fault this call meets; the earliest rule wins.
    pub fn judge(&mut self, asked: &Asked) -> (Duration, Option<Fault>) {
        let mut delay = Duration::ZERO;
        let mut met = None;
        for active in &mut self.active {
            if !active.rule.fits(asked) || (met.is_some() && !matches!(active.rule.fault, Fault::Latency(_))) {
                continue;
            }
            active.seen += 1;
            if active.seen <= active.rule.after || active.rule.times.is_some_and(|times| active.hit >= times) {
                continue;
            }
            if active.rule.chance < 1.0 {
                let key = format!("{}/{}/{}/{}", asked.account, asked.region, asked.service, asked.action);
                let number = active.per_call.entry(key.clone()).or_default();
                *number += 1;
                if unit(active.rule.seed, &key, *number) >= active.rule.chance {
                    continue;
                }
            }
            active.hit += 1;
            match active.rule.fault {
                Fault::Latency(more) => delay += more,
                fault => met = Some(fault),
            }
        }
        (delay, met)
    }
}

/// A number in 0..1 from a seed, a key and a running number: FNV-1a, then splitmix64's finish.
fn unit(seed: u64, key: &str, number: u64) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in key.bytes().chain(number.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (hash >> 11) as f64 / (1u64 << 53) as f64
}
