//! Owns when to dial, ping, give up on a silent socket and try again: the life of the connection under a session, without I/O.
//! It does not own the socket, nor what runs over it (`channel`).
//!
//! The gateway closes every data channel about once an hour and that is no end; so is any other loss of the socket. The end is a
//! `channel_closed` message, a session that AWS no longer has, or patience run out.

use std::time::{Duration, Instant};

/// How a link keeps itself alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Between pings. Proxies drop idle connections after a minute or so.
    pub ping: Duration,
    /// Without any inbound frame or pong for this long, the socket is dead.
    pub silence: Duration,
    /// One dial, with the AWS calls before it.
    pub dial: Duration,
    /// First and longest wait between two dials; the real wait is random below it, and doubles.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// How long a lost session is tried again.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(30),
            silence: Duration::from_secs(70),
            dial: Duration::from_secs(30),
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(10),
            total: Duration::from_secs(600),
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Open a socket; `resume` asks for a new token first.
    Dial { resume: bool },
    /// Send a ping.
    Ping,
    /// Forget the socket or the dial that is under way; [`Link::lost`] has been taken care of.
    Drop(&'static str),
    /// Patience has run out; the text is the last failure.
    GiveUp(String),
}

/// Why a dial failed, as far as it decides about another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Try again.
    Passing,
    /// Not allowed. Credentials are asked anew for each dial, so a second time in a row is final.
    Denied,
    /// The session no longer exists.
    Gone,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Wait { until: Instant },
    Dialling { deadline: Instant },
    Up { since: Instant, heard: Instant, ping: Instant, proven: bool },
    Over,
}

/// The life of a session's connection.
#[derive(Debug)]
pub struct Link {
    patience: Patience,
    state: State,
    attempt: u32,
    dialled_before: bool,
    lost_since: Option<Instant>,
    denied: u32,
    last: String,
    rng: fastrand::Rng,
}

impl Link {
    /// A link that dials at once. `seed` makes its waits.
    pub fn new(patience: Patience, now: Instant, seed: u64) -> Self {
        Self {
            patience,
            state: State::Wait { until: now },
            attempt: 0,
            dialled_before: false,
            lost_since: None,
            denied: 0,
            last: String::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// A link to a session that another client had before: already its first dial asks for a token.
    pub fn resuming(patience: Patience, now: Instant, seed: u64) -> Self {
        Self { dialled_before: true, ..Self::new(patience, now, seed) }
    }

    /// Which attempt to reconnect is under way; 0 while connected.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether a socket is open.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Why the last connection or dial failed.
    pub fn last_failure(&self) -> &str {
        &self.last
    }

    /// What to do now, if anything. `reading` is false while the caller itself does not read the socket.
    pub fn poll(&mut self, now: Instant, reading: bool) -> Option<Step> {
        match self.state {
            State::Wait { until } => {
                if let Some(since) = self.lost_since
                    && now.saturating_duration_since(since) >= self.patience.total
                {
                    self.state = State::Over;
                    return Some(Step::GiveUp(self.last.clone()));
                }
                if now < until {
                    return None;
                }
                self.state = State::Dialling { deadline: now + self.patience.dial };
                let resume = self.dialled_before;
                self.dialled_before = true;
                Some(Step::Dial { resume })
            }
            State::Dialling { deadline } => {
                if now < deadline {
                    return None;
                }
                self.failed(Failure::Passing, "no answer in time".into(), now);
                Some(Step::Drop("the dial took too long"))
            }
            State::Up { heard, ping, since, proven } => {
                if !reading {
                    // Silence means nothing while nobody listens.
                    self.state = State::Up { heard: now, ping, since, proven };
                } else if now.saturating_duration_since(heard) >= self.patience.silence {
                    self.lost("nothing was heard".into(), now);
                    return Some(Step::Drop("nothing was heard"));
                }
                if now < ping {
                    return None;
                }
                self.state = State::Up { heard, ping: now + self.patience.ping, since, proven };
                Some(Step::Ping)
            }
            State::Over => None,
        }
    }

    /// The socket is open; a ping is due at once.
    pub fn dialled(&mut self, now: Instant) {
        self.state = State::Up { since: now, heard: now, ping: now, proven: false };
    }

    /// Something arrived. A message proves that the gateway took the token; a pong does not.
    pub fn heard(&mut self, message: bool, now: Instant) {
        if let State::Up { since, ping, proven, .. } = self.state {
            let proven = proven || message || now.saturating_duration_since(since) > Duration::from_secs(5);
            if proven {
                self.attempt = 0;
                self.denied = 0;
                self.lost_since = None;
            }
            self.state = State::Up { since, heard: now, ping, proven };
        }
    }

    /// The socket is lost. The first new dial goes out at once, if the gateway had taken this one.
    pub fn lost(&mut self, why: String, now: Instant) {
        let proven = matches!(self.state, State::Up { proven: true, .. });
        self.retry(why, proven, now);
    }

    /// A dial failed. Answers the text to end with, if there is to be no other.
    pub fn failed(&mut self, failure: Failure, why: String, now: Instant) -> Option<String> {
        self.denied = if failure == Failure::Denied { self.denied + 1 } else { 0 };
        if failure == Failure::Gone || self.denied >= 2 {
            self.state = State::Over;
            return Some(why);
        }
        self.retry(why, false, now);
        None
    }

    fn retry(&mut self, why: String, at_once: bool, now: Instant) {
        self.last = why;
        self.lost_since.get_or_insert(now);
        let top = self.patience.first_wait.saturating_mul(2_u32.saturating_pow(self.attempt.min(16)));
        let top = top.min(self.patience.longest_wait);
        self.attempt += 1;
        let wait = if at_once { Duration::ZERO } else { top.mul_f64(self.rng.f64()) };
        self.state = State::Wait { until: now + wait };
    }

    /// The machine has slept: the socket is taken for dead and the next dial goes out at once.
    pub fn woke(&mut self, now: Instant) -> bool {
        let up = self.is_up();
        if up {
            self.retry("this machine was asleep".into(), true, now);
        }
        up
    }

    /// There is nothing more to do.
    pub fn end(&mut self) {
        self.state = State::Over;
    }

    /// When [`Link::poll`] is to be asked again.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Wait { until } => Some(self.lost_since.map_or(until, |since| until.min(since + self.patience.total))),
            State::Dialling { deadline } => Some(deadline),
            State::Up { heard, ping, .. } => Some(ping.min(heard + self.patience.silence)),
            State::Over => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn up() -> (Link, Instant) {
        let now = Instant::now();
        let mut link = Link::new(Patience::default(), now, 1);
        assert_eq!(link.poll(now, true), Some(Step::Dial { resume: false }));
        link.dialled(now);
        assert_eq!(link.poll(now, true), Some(Step::Ping));
        (link, now)
    }

    #[test]
    fn pings_every_thirty_seconds_and_gives_a_silent_socket_up() {
        let (mut link, start) = up();
        assert_eq!(link.poll(start + SECOND * 29, true), None);
        assert_eq!(link.poll(start + SECOND * 30, true), Some(Step::Ping));
        link.heard(false, start + SECOND * 31);
        assert_eq!(link.poll(start + SECOND * 60, true), Some(Step::Ping));
        assert_eq!(link.poll(start + SECOND * 90, true), Some(Step::Ping));
        assert_eq!(link.poll(start + SECOND * 101, true), Some(Step::Drop("nothing was heard")));
        assert!(!link.is_up());
    }

    #[test]
    fn an_hourly_close_is_resumed_at_once() {
        let (mut link, start) = up();
        link.heard(true, start + SECOND);
        link.lost("1000 Bye".into(), start + SECOND * 3600);
        assert_eq!(link.poll(start + SECOND * 3600, true), Some(Step::Dial { resume: true }));
        assert_eq!(link.attempt(), 1);
    }

    #[test]
    fn tries_for_ten_minutes_with_growing_waits() {
        let (mut link, start) = up();
        link.heard(true, start);
        link.lost("cut".into(), start);
        let mut now = start;
        let mut dials = 0;
        let gave_up = loop {
            match link.poll(now, true) {
                Some(Step::Dial { resume }) => {
                    assert!(resume);
                    dials += 1;
                    assert_eq!(link.failed(Failure::Passing, "refused".into(), now), None);
                }
                Some(Step::GiveUp(why)) => break why,
                Some(other) => panic!("{other:?}"),
                None => now = link.deadline().unwrap(),
            }
        };
        assert_eq!(gave_up, "refused");
        assert_eq!(now - start, Patience::default().total);
        assert!((30..200).contains(&dials), "{dials}");
    }

    #[test]
    fn a_socket_that_closes_at_once_is_not_dialled_in_a_circle() {
        let (mut link, start) = up();
        let mut now = start;
        let mut dials = 0;
        while now < start + SECOND * 60 {
            match link.poll(now, true) {
                Some(Step::Dial { .. }) => {
                    dials += 1;
                    link.dialled(now);
                    link.heard(false, now);
                    link.lost("closed".into(), now);
                }
                Some(_) => {}
                None if link.is_up() => link.lost("closed".into(), now),
                None => now = link.deadline().unwrap(),
            }
        }
        assert!(dials < 60, "{dials}");
    }

    #[test]
    fn one_denial_is_tried_again_with_fresh_credentials_and_two_are_final() {
        let (mut link, now) = up();
        link.lost("cut".into(), now);
        assert_eq!(link.failed(Failure::Denied, "403".into(), now), None);
        assert_eq!(link.failed(Failure::Denied, "403".into(), now).as_deref(), Some("403"));
        let (mut link, now) = up();
        assert!(link.failed(Failure::Gone, "no such session".into(), now).is_some());
    }

    #[test]
    fn after_sleep_a_new_socket_is_dialled_at_once() {
        let (mut link, now) = up();
        assert!(link.woke(now));
        assert_eq!(link.poll(now, true), Some(Step::Dial { resume: true }));
        assert!(!link.woke(now));
    }

    #[test]
    fn not_reading_is_not_silence() {
        let (mut link, start) = up();
        for second in 1..600 {
            link.poll(start + SECOND * second, false);
        }
        assert!(link.is_up());
    }
}
