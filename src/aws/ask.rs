//! Asking AWS one thing until it is answered or clearly will not be: the only place that waits, retries and gives up.
//!
//! The SDK's own retries are off. Each attempt, first or later, takes its turn at the limiter, so that retries can never
//! exceed the rate of first attempts (no retry storm), and throttling slows the whole lane down, not one call.

use std::time::{Duration, Instant};

use crate::aws::call::{Capture, LARGEST_BODY, Request};
use crate::aws::error::{Failure, Kind};
use crate::aws::limit::{Limiter, backoff};

/// How much is tried before a call has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Answers of "slow down" that are waited out.
    throttled: u32,
    /// Broken answers and connections that are tried again.
    broken: u32,
    /// After this long no further attempt begins.
    time: Duration,
    /// The first retry comes within this; later ones within ever longer spans.
    pause: Duration,
}

const PAUSE: Duration = Duration::from_millis(200);

impl Patience {
    /// For collecting behind the screen.
    pub(super) const LONG: Self = Self { throttled: 12, broken: 4, time: Duration::from_secs(180), pause: PAUSE };
    /// For whoever tries again by itself: one attempt.
    pub(super) const NONE: Self = Self { throttled: 0, broken: 0, time: Duration::ZERO, pause: Duration::ZERO };
    /// For what a person waits for.
    pub(super) const SHORT: Self = Self { throttled: 5, broken: 2, time: Duration::from_secs(30), pause: PAUSE };
}

/// Sends a request and returns the answer's body.
///
/// # Errors
/// The last attempt's failure. Expired credentials are the caller's to renew.
pub(super) async fn ask<R: Request>(
    limiter: &Limiter,
    account: &str,
    region: &str,
    patience: Patience,
    request: &R,
) -> Result<Vec<u8>, Failure> {
    let lane = limiter.lane(account, region, &R::CALL);
    let start = Instant::now();
    let (mut throttled, mut broken) = (0, 0);
    loop {
        lane.turn().await;
        let capture = Capture::default();
        let failure = match request.clone().once(capture.clone()).await {
            Ok(()) => {
                lane.answered();
                let body = capture.take();
                if body.len() <= LARGEST_BODY {
                    return Ok(body);
                }
                return Err(Failure::unreadable(format!("the answer has {} bytes, at most {LARGEST_BODY} are read", body.len())));
            }
            Err(failure) => failure,
        };
        let (tries, most) = match failure.kind {
            Kind::Throttled => {
                lane.throttled();
                (&mut throttled, patience.throttled)
            }
            Kind::Broken | Kind::Unreachable => (&mut broken, patience.broken),
            _ => return Err(failure),
        };
        let wait = backoff(*tries, patience.pause);
        *tries += 1;
        tracing::debug!(action = R::CALL.action, account, region, code = %failure.code, tries = *tries, "will ask again");
        if *tries > most || start.elapsed() + wait > patience.time {
            return Err(failure);
        }
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use crate::aws::call::{Call, Rate, Reach, Wire};

    /// Answers from a script, last answer first.
    #[derive(Clone)]
    struct Script(Arc<Mutex<Vec<Result<(), Failure>>>>);

    impl Request for Script {
        const CALL: Call = Call {
            action: "test:Script",
            reach: Reach::Global,
            rate: Rate { per_second: 1e6, burst: 1e3 },
            paginated: None,
            what: "tests",
            wire: Wire::Json,
        };
        async fn once(self, _: Capture) -> Result<(), Failure> {
            self.0.lock().unwrap().pop().unwrap_or(Ok(()))
        }
    }

    async fn run(kind: Kind, times: usize) -> (Result<Vec<u8>, Failure>, usize) {
        let script = Script(Arc::new(Mutex::new(vec![Err(Failure::new(kind, "x", "")); times])));
        let patience = Patience { pause: Duration::ZERO, ..Patience::LONG };
        let answer = ask(&Limiter::default(), "1", "", patience, &script).await;
        let left = script.0.lock().unwrap().len();
        (answer, times - left)
    }

    #[tokio::test]
    async fn throttling_and_breakage_are_waited_out_within_bounds() {
        assert!(run(Kind::Throttled, 8).await.0.is_ok());
        assert!(run(Kind::Broken, 4).await.0.is_ok());
        let (answer, asked) = run(Kind::Throttled, 1000).await;
        assert_eq!((answer.unwrap_err().kind, asked), (Kind::Throttled, 13));
        let (answer, asked) = run(Kind::Unreachable, 1000).await;
        assert_eq!((answer.unwrap_err().kind, asked), (Kind::Unreachable, 5));
    }

    #[tokio::test]
    async fn refusals_are_not_asked_twice() {
        for kind in [Kind::Denied, Kind::Expired, Kind::Missing, Kind::NotEnabled, Kind::Failed] {
            let (answer, asked) = run(kind, 9).await;
            assert_eq!((answer.unwrap_err().kind, asked), (kind, 1));
        }
    }
}
