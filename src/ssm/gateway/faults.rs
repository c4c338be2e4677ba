//! Owns what the loopback gateway can be told to do wrong, one direction of a session's frames at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// What goes wrong between the two sides. Percentages are of stream messages and acknowledgements; control messages pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Faults {
    /// Frames that vanish.
    pub loss: u32,
    /// Frames that come twice.
    pub duplicate: u32,
    /// Frames that change places with the next.
    pub reorder: u32,
    /// Frames whose digest is wrong.
    pub corrupt: u32,
    /// How long every frame is under way.
    pub delay: Duration,
    /// Each frame to the client waits this long for the one before: a slow consumer.
    pub slow: Duration,
    /// `ResumeSession` answers without a token.
    pub refuse_resume: bool,
    /// Upgrades signed with this access key id are answered 403: stale credentials.
    pub stale_key: Option<String>,
    /// Upgrades are answered 503.
    pub down: bool,
    /// The gateway says "Bye" after this long, as AWS does every hour.
    pub bye_after: Option<Duration>,
    /// `GenerateDataKey` is denied.
    pub deny_kms: bool,
}

/// The faults in force now.
#[derive(Debug, Default)]
pub(super) struct SharedFaults(Mutex<Faults>);

impl SharedFaults {
    pub(super) fn get(&self) -> Faults {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, faults: Faults) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }
}

/// One direction of a session, with its faults.
#[derive(Debug)]
pub(super) struct Wire {
    rng: fastrand::Rng,
    under_way: VecDeque<(Instant, Bytes)>,
    swapped: Option<Bytes>,
    last: Option<Instant>,
}

impl Wire {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), under_way: VecDeque::new(), swapped: None, last: None }
    }

    fn chance(&mut self, percent: u32) -> bool {
        percent > 0 && self.rng.u32(..100) < percent
    }

    /// A frame enters.
    pub(super) fn enter(&mut self, frame: Bytes, faults: &Faults, slow: bool, now: Instant) {
        if self.chance(faults.loss) {
            return;
        }
        let frame = if self.chance(faults.corrupt) {
            let mut bytes = frame.to_vec();
            if let Some(byte) = bytes.get_mut(80) {
                *byte ^= 0xff;
            }
            Bytes::from(bytes)
        } else {
            frame
        };
        if self.swapped.is_none() && self.chance(faults.reorder) {
            self.swapped = Some(frame);
            return;
        }
        let twice = self.chance(faults.duplicate);
        let mut at = now + faults.delay;
        if slow {
            at = at.max(self.last.map_or(now, |last| last + faults.slow));
        }
        self.last = Some(at);
        self.under_way.push_back((at, frame.clone()));
        if twice {
            self.under_way.push_back((at, frame));
        }
        if let Some(earlier) = self.swapped.take() {
            self.under_way.push_back((at, earlier));
        }
    }

    /// A frame that arrives by now.
    pub(super) fn leave(&mut self, now: Instant) -> Option<Bytes> {
        let (at, _) = self.under_way.front()?;
        if *at > now {
            return None;
        }
        self.under_way.pop_front().map(|(_, frame)| frame)
    }

    /// When the next one arrives.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// Frames under way.
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn clear(&mut self) {
        self.under_way.clear();
        self.swapped = None;
    }
}
