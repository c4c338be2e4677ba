//! How fast AWS is asked: a token bucket for each account, region and API action, at AWS's documented rate, that slows
//! down when AWS says so and recovers with its answers. It does not retry.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::aws::call::{Call, Rate};

/// Token buckets, shared by everything one console asks of AWS.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<Key, Bucket>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    account: String,
    region: String,
    action: &'static str,
}

#[derive(Debug)]
struct Bucket {
    /// Below zero: that many have been promised a token and wait for it.
    tokens: f64,
    /// Tokens a second now; at most the declared rate.
    rate: f64,
    at: Instant,
}

impl Bucket {
    fn fill(&mut self, full: Rate, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        // Whoever was throttled gets no burst until it recovered.
        let most = (full.burst * self.rate / full.per_second).max(1.0);
        self.tokens = (self.tokens + gained).min(most);
        self.at = now;
    }
}

/// One account, region and action's place at the limiter.
pub(super) struct Lane<'a> {
    limiter: &'a Limiter,
    key: Key,
    rate: Rate,
}

impl Limiter {
    pub(super) fn lane(&self, account: &str, region: &str, call: &Call) -> Lane<'_> {
        Lane { limiter: self, key: Key { account: account.into(), region: region.into(), action: call.action }, rate: call.rate }
    }
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane<'_> {
    /// Waits for this action's turn, first come first served. Dropping the future gives the turn back.
    pub(super) async fn turn(&self) {
        let wait = self.reserve(Instant::now());
        if !wait.is_zero() {
            let mut turn = Promised { lane: self, used: false };
            tokio::time::sleep(wait).await;
            turn.used = true;
        }
    }
    /// AWS asked to slow down: half the rate, and nothing left of the burst.
    pub(super) fn throttled(&self) {
        self.slow(Instant::now());
    }
    /// AWS answered: a tenth of the declared rate comes back.
    pub(super) fn answered(&self) {
        self.recover(Instant::now());
    }

    /// Takes the next token and tells how long until it is there.
    fn reserve(&self, now: Instant) -> Duration {
        self.with(now, |bucket| {
            bucket.tokens -= 1.0;
            if bucket.tokens < 0.0 { Duration::from_secs_f64(-bucket.tokens / bucket.rate) } else { Duration::ZERO }
        })
    }
    fn give_back(&self, now: Instant) {
        self.with(now, |bucket| bucket.tokens += 1.0);
    }
    fn slow(&self, now: Instant) {
        let slowest = self.rate.per_second / 16.0;
        self.with(now, |bucket| {
            bucket.rate = (bucket.rate / 2.0).max(slowest);
            bucket.tokens = bucket.tokens.min(0.0);
        });
    }
    fn recover(&self, now: Instant) {
        let full = self.rate.per_second;
        self.with(now, |bucket| bucket.rate = (bucket.rate + full / 10.0).min(full));
    }
    fn with<T>(&self, now: Instant, change: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut buckets = self.limiter.lock();
        let full = Bucket { tokens: self.rate.burst, rate: self.rate.per_second, at: now };
        let bucket = buckets.entry(self.key.clone()).or_insert(full);
        bucket.fill(self.rate, now);
        change(bucket)
    }
}

struct Promised<'a> {
    lane: &'a Lane<'a>,
    used: bool,
}

impl Drop for Promised<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.lane.give_back(Instant::now());
        }
    }
}

/// How long to wait before the `n`th retry (from 0): anywhere between nothing and an exponentially growing, capped
/// span, so that many who failed together do not come back together ("full jitter"). `first` bounds the first wait.
pub(super) fn backoff(n: u32, first: Duration) -> Duration {
    let most = (u64::try_from(first.as_millis()).unwrap_or(1_000).min(10_000) << n.min(10)).min(10_000);
    // The standard library seeds each RandomState anew; good enough to spread retries, no further dependency.
    let dice = RandomState::new().hash_one(n);
    Duration::from_millis(dice % (most + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::call::{Reach, Wire};

    const SLOW: Call = Call {
        action: "test:Slow",
        reach: Reach::PerRegion,
        rate: Rate { per_second: 2.0, burst: 4.0 },
        paginated: None,
        what: "tests",
        wire: Wire::Json,
    };

    /// When the last of so many turns, all taken at `now`, comes.
    fn last_of(lane: &Lane<'_>, turns: usize, now: Instant) -> f64 {
        (0..turns).fold(Duration::ZERO, |_, _| lane.reserve(now)).as_secs_f64()
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 0.01, "{a} is not about {b}");
    }

    #[test]
    fn a_burst_then_the_declared_rate() {
        let limiter = Limiter::default();
        let (lane, now) = (limiter.lane("1", "eu-west-1", &SLOW), Instant::now());
        near(last_of(&lane, 4, now), 0.0);
        near(last_of(&lane, 6, now), 3.0);
        // Four seconds later the debt is paid, and two tokens are there.
        let later = now + Duration::from_secs(4);
        near(last_of(&lane, 2, later), 0.0);
        near(last_of(&lane, 1, later), 0.5);
        // Another region has a bucket of its own.
        near(last_of(&limiter.lane("1", "us-east-1", &SLOW), 4, now), 0.0);
    }

    #[test]
    fn throttling_halves_and_answers_recover() {
        let limiter = Limiter::default();
        let (lane, now) = (limiter.lane("1", "", &SLOW), Instant::now());
        lane.slow(now);
        near(last_of(&lane, 3, now), 3.0);
        for _ in 0..20 {
            lane.slow(now);
        }
        let later = now + Duration::from_secs(600);
        near(last_of(&lane, 1, later), 0.0);
        near(last_of(&lane, 1, later), 8.0); // never below a sixteenth, and no burst
        for _ in 0..10 {
            lane.recover(later);
        }
        let much_later = later + Duration::from_secs(600);
        near(last_of(&lane, 4, much_later), 0.0);
        near(last_of(&lane, 4, much_later), 2.0);
    }

    #[tokio::test]
    async fn a_dropped_wait_gives_its_turn_back() {
        use futures_util::FutureExt;
        let limiter = Limiter::default();
        let lane = limiter.lane("1", "", &SLOW);
        last_of(&lane, 4, Instant::now());
        for _ in 0..100 {
            assert!(lane.turn().now_or_never().is_none());
        }
        assert!(lane.reserve(Instant::now()) <= Duration::from_millis(500));
    }

    #[test]
    fn backoff_grows_and_is_capped() {
        let wait = |n| backoff(n, Duration::from_millis(200));
        assert!((0..100).all(|_| wait(0) <= Duration::from_millis(200)));
        assert!((0..100).all(|n| wait(n) <= Duration::from_secs(10)));
        assert!((0..200).any(|_| wait(9) > Duration::from_secs(2)));
        assert!((0..200).any(|_| wait(9) < Duration::from_secs(2)));
    }
}
