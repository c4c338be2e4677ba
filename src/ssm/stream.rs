//! Owns reliable order in one direction each: [`Outbound`] numbers, windows and repeats stream messages until they are
//! acknowledged; [`Inbound`] puts them in order and tells which to acknowledge. Both work for either end of a channel and
//! take the time as an argument. They do not own sockets, payload meanings or encryption.
//!
//! Timing follows the peers (smoothed RTT, RFC 6298's shape), with Karn's rule, back-off for each message and, because
//! acknowledgements here are selective, an early repeat once three later messages have been acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::ssm::frame::{Frame, MessageId, MessageType, PayloadType};

/// Longest payload of one message, in bytes; what both public peers send.
pub const PAYLOAD: usize = 1024;
const FIRST_WINDOW: usize = 64;
const SMALLEST_WINDOW: usize = 16;
const LARGEST_WINDOW: usize = 1024;
/// How far the newest message may be ahead of the oldest unacknowledged one; peers keep 10,000 out of order.
const SPAN: usize = 8192;
const FIRST_RTO: Duration = Duration::from_millis(200);
const LEAST_RTO: Duration = Duration::from_millis(100);
const MOST_RTO: Duration = Duration::from_secs(5);
const MOST_BACKOFF: Duration = Duration::from_secs(2);
/// Acknowledgements of later messages that make an early repeat.
const LATER: u8 = 3;
/// How often a message is sent that the node may have had from an earlier client: agents before 3.2.1041.0 acknowledge nothing twice.
const MOST_DOUBTFUL: u32 = 4;

/// Round-trip time, as both peers reckon it.
#[derive(Debug, Clone)]
struct Rtt {
    smoothed: Duration,
    variation: Duration,
    least: Option<Duration>,
}

impl Rtt {
    fn sample(&mut self, rtt: Duration) {
        let error = self.smoothed.abs_diff(rtt);
        self.variation = (self.variation * 3 + error) / 4;
        self.smoothed = (self.smoothed * 7 + rtt) / 8;
        self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
    }

    fn rto(&self) -> Duration {
        if self.least.is_none() {
            return FIRST_RTO;
        }
        (self.smoothed + (self.variation * 4).max(Duration::from_millis(10))).clamp(LEAST_RTO, MOST_RTO)
    }

    /// Whether a sample shows no queue building up.
    fn is_flat(&self, rtt: Duration) -> bool {
        self.least.is_none_or(|least| rtt <= least * 2 + Duration::from_millis(20))
    }
}

#[derive(Debug)]
struct Slot {
    frame: Bytes,
    acked: bool,
    sent: Instant,
    first: Instant,
    sends: u32,
    due: Instant,
    later: u8,
    waiting: bool,
}

/// The sending half.
#[derive(Debug)]
pub struct Outbound {
    kind: MessageType,
    base: i64,
    flight: VecDeque<Slot>,
    unacked: usize,
    queue: VecDeque<(PayloadType, BytesMut)>,
    queued: usize,
    resend: VecDeque<i64>,
    rtt: Rtt,
    window: usize,
    check: Option<Instant>,
    payload: usize,
    first_flag: bool,
    /// The last halving, so that one burst of losses halves once.
    halved: Option<Instant>,
    repeated: u64,
    /// Numbers below this one may have been used by an earlier client.
    doubtful: i64,
}

/// Told of an acknowledgement that matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    pub sequence: i64,
}

impl Outbound {
    /// A sender of this kind of message (`Input` for a client, `Output` for an agent).
    pub fn new(kind: MessageType) -> Self {
        Self {
            first_flag: kind == MessageType::Output,
            kind,
            base: 0,
            flight: VecDeque::new(),
            unacked: 0,
            queue: VecDeque::new(),
            queued: 0,
            resend: VecDeque::new(),
            rtt: Rtt { smoothed: Duration::from_millis(100), variation: Duration::ZERO, least: None },
            window: FIRST_WINDOW,
            check: None,
            payload: PAYLOAD,
            halved: None,
            repeated: 0,
            doubtful: 0,
        }
    }

    /// A sender that goes on after an earlier one: with this number, and in doubt about those before `unused`.
    pub fn going_on(kind: MessageType, from: i64, unused: i64) -> Self {
        Self { base: from, doubtful: unused, ..Self::new(kind) }
    }

    /// The first number that is not acknowledged.
    pub fn first_unacked(&self) -> i64 {
        self.base
    }

    /// Another longest payload, at least 1 byte.
    pub fn set_payload(&mut self, bytes: usize) {
        self.payload = bytes.max(1);
    }

    /// Queues a payload. Data of the same type joins the last waiting message while it fits, so that a backlog travels in few
    /// messages; what was queued at once is split only where it is longer than one message.
    pub fn queue(&mut self, payload_type: PayloadType, payload: &[u8]) {
        self.queued += payload.len();
        let data = matches!(payload_type, PayloadType::Output | PayloadType::StdErr);
        if !data {
            self.queue.push_back((payload_type, BytesMut::from(payload)));
            return;
        }
        if let Some((last, waiting)) = self.queue.back_mut()
            && *last == payload_type
            && waiting.len() + payload.len() <= self.payload
        {
            waiting.extend_from_slice(payload);
            return;
        }
        for part in payload.chunks(self.payload) {
            self.queue.push_back((payload_type, BytesMut::from(part)));
        }
    }

    /// Bytes that wait for a place in the window.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Messages sent and not acknowledged.
    pub fn unacked(&self) -> usize {
        self.unacked
    }

    /// Whether all that was queued has been acknowledged.
    pub fn is_idle(&self) -> bool {
        self.unacked == 0 && self.queue.is_empty()
    }

    /// The number that the next new message will have.
    pub fn next_sequence(&self) -> i64 {
        self.base + self.flight.len() as i64
    }

    /// Messages that were sent again, in all.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// The smoothed round-trip time, once one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.rtt.least.map(|_| self.rtt.smoothed)
    }

    /// Since when the oldest unacknowledged message has been under way.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.flight.front().map(|slot| slot.first)
    }

    /// The next frame to write, if there is one to write now. `created` is the wall clock in milliseconds; `seal` encrypts a
    /// payload, and a payload that it refuses is dropped.
    pub fn poll(
        &mut self,
        now: Instant,
        created: u64,
        mut seal: impl FnMut(PayloadType, Bytes) -> Option<Bytes>,
    ) -> Option<Bytes> {
        self.expire(now);
        while let Some(sequence) = self.resend.pop_front() {
            let rto = self.rtt.rto();
            let Some(slot) = usize::try_from(sequence - self.base).ok().and_then(|at| self.flight.get_mut(at)) else { continue };
            slot.waiting = false;
            if slot.acked {
                continue;
            }
            slot.sent = now;
            slot.sends += 1;
            slot.later = 0;
            // Each repeat of one message waits twice as long as the one before.
            let wait = rto.max((rto * 2_u32.saturating_pow(slot.sends.min(10) - 1)).min(MOST_BACKOFF));
            slot.due = now + wait;
            self.repeated += 1;
            self.check = Some(self.check.map_or(slot.due, |check| check.min(slot.due)));
            return Some(slot.frame.clone());
        }
        while self.unacked < self.window && self.flight.len() < SPAN {
            let (payload_type, payload) = self.queue.pop_front()?;
            self.queued = self.queued.saturating_sub(payload.len());
            let Some(payload) = seal(payload_type, payload.freeze()) else { continue };
            let sequence = self.next_sequence();
            let frame = Frame {
                kind: self.kind.clone(),
                schema: 1,
                created,
                sequence,
                flags: u64::from(self.first_flag && sequence == 0),
                id: MessageId::random(),
                payload_type,
                payload,
            }
            .encode();
            let due = now + self.rtt.rto();
            // In the buffer before it is on the wire: the acknowledgement may be faster than this function's caller.
            self.flight.push_back(Slot {
                frame: frame.clone(),
                acked: false,
                sent: now,
                first: now,
                sends: 1,
                due,
                later: 0,
                waiting: false,
            });
            self.unacked += 1;
            self.check = Some(self.check.map_or(due, |check| check.min(due)));
            return Some(frame);
        }
        None
    }

    fn expire(&mut self, now: Instant) {
        if self.check.is_none_or(|check| check > now) {
            return;
        }
        let mut next: Option<Instant> = None;
        let (mut lost, mut given_up) = (false, 0);
        for (at, slot) in self.flight.iter_mut().enumerate() {
            if slot.acked || slot.waiting {
                continue;
            }
            if slot.due <= now && slot.sends >= MOST_DOUBTFUL && self.base + (at as i64) < self.doubtful {
                (slot.acked, slot.frame) = (true, Bytes::new());
                given_up += 1;
            } else if slot.due <= now {
                slot.waiting = true;
                self.resend.push_back(self.base + at as i64);
                // The first repeat is the sign of a loss; later ones mean a consumer that is not ready yet.
                lost |= slot.sends == 1;
            } else {
                next = Some(next.map_or(slot.due, |n| n.min(slot.due)));
            }
        }
        self.check = next;
        if given_up > 0 {
            self.unacked -= given_up;
            self.trim();
        }
        if lost {
            self.halve(now);
        }
    }

    /// Forgets what is acknowledged up to the first that is not.
    fn trim(&mut self) {
        while self.flight.front().is_some_and(|slot| slot.acked) {
            self.flight.pop_front();
            self.base += 1;
        }
    }

    fn halve(&mut self, now: Instant) {
        if self.halved.is_none_or(|last| now.duration_since(last) >= self.rtt.rto()) {
            self.window = (self.window / 2).max(SMALLEST_WINDOW);
            self.halved = Some(now);
        }
    }

    /// Takes an acknowledgement. Unknown and repeated ones are nothing.
    pub fn acked(&mut self, sequence: i64, now: Instant) -> Option<Acked> {
        let at = usize::try_from(sequence.checked_sub(self.base)?).ok()?;
        let slot = self.flight.get_mut(at).filter(|slot| !slot.acked)?;
        slot.acked = true;
        slot.frame = Bytes::new();
        let sent = slot.sent;
        self.unacked -= 1;
        // Karn: a repeated message's acknowledgement may be that of either.
        if slot.sends == 1 {
            let rtt = now.saturating_duration_since(sent);
            if self.rtt.is_flat(rtt) && self.window < LARGEST_WINDOW {
                self.window += 1;
            }
            self.rtt.sample(rtt);
        }
        // The oldest holes before it: what was sent before this one and still is not there has probably been lost.
        for (before, slot) in self.flight.iter_mut().take(at).enumerate().take(64) {
            if slot.acked || slot.waiting || slot.sent > sent {
                continue;
            }
            slot.later = slot.later.saturating_add(1);
            if slot.later == LATER && slot.sends <= 4 {
                slot.waiting = true;
                self.resend.push_back(self.base + before as i64);
            }
        }
        self.trim();
        Some(Acked { sequence })
    }

    /// The socket is new: everything unacknowledged is due at once, in order.
    pub fn reconnected(&mut self) {
        self.resend.clear();
        for (at, slot) in self.flight.iter_mut().enumerate() {
            slot.waiting = !slot.acked;
            if slot.waiting {
                self.resend.push_back(self.base + at as i64);
            }
        }
    }

    /// Whether [`Outbound::poll`] may have something at once.
    pub fn has_work(&self) -> bool {
        !self.resend.is_empty() || (!self.queue.is_empty() && self.unacked < self.window && self.flight.len() < SPAN)
    }

    /// When [`Outbound::poll`] is to be asked again, if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        self.check
    }
}

/// What an arriving stream message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next in order: acknowledge it; [`Inbound::take`] gives it.
    Next,
    /// Ahead of its turn, kept: acknowledge it.
    Early,
    /// Had before: acknowledge it again, or its sender repeats it for ever.
    Repeated,
    /// Not kept and not to be acknowledged; its sender repeats it.
    Refused,
}

/// The receiving half.
#[derive(Debug, Default)]
pub struct Inbound {
    expected: i64,
    held: BTreeMap<i64, Frame>,
    bytes: usize,
}

/// Most messages kept out of order.
const MOST_HELD: usize = 10_000;
/// Most payload bytes kept out of order.
const MOST_HELD_BYTES: usize = 16 << 20;

impl Inbound {
    /// A receiver that expects number 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// A receiver that goes on after an earlier one.
    pub fn going_on(expected: i64) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Expects the first that has come: what was before it had been taken by an earlier receiver.
    pub fn skip(&mut self) {
        if let Some((first, _)) = self.held.first_key_value() {
            self.expected = self.expected.max(*first);
        }
    }

    /// The number that is expected next.
    pub fn expected(&self) -> i64 {
        self.expected
    }

    /// Payload bytes kept out of order.
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Places a stream message.
    pub fn arrive(&mut self, mut frame: Frame) -> Arrival {
        let sequence = frame.sequence;
        if sequence < self.expected || self.held.contains_key(&sequence) {
            return Arrival::Repeated;
        }
        if sequence != self.expected && (self.held.len() >= MOST_HELD || self.bytes + frame.payload.len() > MOST_HELD_BYTES) {
            return Arrival::Refused;
        }
        self.bytes += frame.payload.len();
        if sequence != self.expected {
            // Its own memory: a slice would keep the socket's whole buffer for as long as it waits.
            frame.payload = Bytes::copy_from_slice(&frame.payload);
        }
        self.held.insert(sequence, frame);
        if sequence == self.expected { Arrival::Next } else { Arrival::Early }
    }

    /// The next message in order, if it is there.
    pub fn take(&mut self) -> Option<Frame> {
        let frame = self.held.remove(&self.expected)?;
        self.expected += 1;
        self.bytes -= frame.payload.len();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn poll(out: &mut Outbound, now: Instant) -> Option<Frame> {
        out.poll(now, 1, |_, payload| Some(payload)).map(|bytes| Frame::decode(&bytes).unwrap())
    }

    fn all(out: &mut Outbound, now: Instant) -> Vec<i64> {
        std::iter::from_fn(|| poll(out, now)).map(|frame| frame.sequence).collect()
    }

    fn queue(out: &mut Outbound, messages: usize) {
        for _ in 0..messages {
            out.queue(PayloadType::Flag, b"1234");
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_window_holds_back_and_opens_with_acknowledgements() {
        let (mut out, start) = (Outbound::new(MessageType::Input), Instant::now());
        queue(&mut out, 5000);
        assert_eq!(all(&mut out, start).len(), 64);
        for sequence in 0..64 {
            out.acked(sequence, start + MS);
        }
        assert_eq!(all(&mut out, start + MS).len(), 128);
        for sequence in 64..4000 {
            out.acked(sequence, start + MS * 2);
            all(&mut out, start + MS * 2);
        }
        assert_eq!(out.unacked(), 5000 - 4000);
        assert!(out.window <= LARGEST_WINDOW);
    }

    #[test]
    fn what_is_not_acknowledged_is_repeated_ever_slower() {
        let (mut out, start) = (Outbound::new(MessageType::Input), Instant::now());
        queue(&mut out, 1);
        all(&mut out, start);
        let mut times = Vec::new();
        for ms in 0..10_000_u32 {
            times.extend(all(&mut out, start + MS * ms).iter().map(|_| ms));
        }
        assert_eq!(times, [200, 600, 1400, 3000, 5000, 7000, 9000]);
    }

    #[test]
    fn a_hole_is_repeated_before_its_time() {
        let (mut out, start) = (Outbound::new(MessageType::Input), Instant::now());
        queue(&mut out, 5);
        all(&mut out, start);
        for sequence in [0, 2, 3] {
            out.acked(sequence, start + MS);
        }
        assert!(all(&mut out, start + MS).is_empty());
        out.acked(4, start + MS);
        assert_eq!(all(&mut out, start + MS * 2), [1]);
    }

    #[test]
    fn after_a_reconnect_all_unacknowledged_go_again_in_order() {
        let (mut out, start) = (Outbound::new(MessageType::Input), Instant::now());
        queue(&mut out, 6);
        all(&mut out, start);
        out.acked(0, start);
        out.acked(3, start);
        out.reconnected();
        assert_eq!(all(&mut out, start + MS), [1, 2, 4, 5]);
    }

    #[test]
    fn hostile_acknowledgements_are_nothing() {
        let (mut out, start) = (Outbound::new(MessageType::Input), Instant::now());
        queue(&mut out, 2);
        all(&mut out, start);
        for sequence in [i64::MIN, -1, 2, 7, i64::MAX] {
            assert_eq!(out.acked(sequence, start), None);
        }
        assert_eq!(out.acked(1, start), Some(Acked { sequence: 1 }));
        assert_eq!(out.acked(1, start), None);
        assert_eq!(out.unacked(), 1);
    }

    #[test]
    fn keys_in_a_backlog_share_messages_and_are_not_split() {
        let mut out = Outbound::new(MessageType::Input);
        for _ in 0..300 {
            out.queue(PayloadType::Output, b"\x1b[1;5A");
        }
        let frame = poll(&mut out, Instant::now()).unwrap();
        assert_eq!(frame.payload.len(), 1020);
        assert!(frame.payload.ends_with(b"\x1b[1;5A"));
    }

    #[test]
    fn what_an_earlier_sender_may_have_sent_is_given_up_and_what_is_new_is_not() {
        let (mut out, start) = (Outbound::going_on(MessageType::Input, 40, 42), Instant::now());
        queue(&mut out, 3);
        let mut sent: BTreeMap<i64, u32> = BTreeMap::new();
        for ms in 0..20_000_u32 {
            for sequence in all(&mut out, start + MS * ms) {
                *sent.entry(sequence).or_default() += 1;
            }
        }
        assert_eq!((sent[&40], sent[&41]), (MOST_DOUBTFUL, MOST_DOUBTFUL));
        assert!(sent[&42] > 2 * MOST_DOUBTFUL, "{sent:?}");
        assert_eq!((out.first_unacked(), out.unacked(), out.next_sequence()), (42, 1, 43));
        assert_eq!(out.acked(42, start + MS * 20_000), Some(Acked { sequence: 42 }));
        assert!(out.is_idle());
    }

    #[test]
    fn a_receiver_that_goes_on_takes_what_has_come_once_it_is_told_to() {
        let mut inbound = Inbound::going_on(7);
        let frame = |sequence| Frame { sequence, ..Frame::control(MessageType::Output, Bytes::new(), 1) };
        assert_eq!(inbound.arrive(frame(6)), Arrival::Repeated);
        for sequence in [12, 11, 14] {
            assert_eq!(inbound.arrive(frame(sequence)), Arrival::Early);
        }
        assert!(inbound.take().is_none());
        inbound.skip();
        let taken: Vec<i64> = std::iter::from_fn(|| inbound.take()).map(|f| f.sequence).collect();
        assert_eq!((taken.as_slice(), inbound.expected()), (&[11, 12][..], 13));
    }

    #[test]
    fn out_of_order_memory_is_bounded() {
        let mut inbound = Inbound::new();
        let big = Frame { payload: vec![0; 1 << 19].into(), ..Frame::control(MessageType::Output, Bytes::new(), 1) };
        let refused = (1..1000).filter(|n| inbound.arrive(Frame { sequence: *n, ..big.clone() }) == Arrival::Refused).count();
        assert!(inbound.held_bytes() <= MOST_HELD_BYTES);
        assert_eq!(refused, 999 - 32);
        assert_eq!(inbound.arrive(Frame { sequence: 0, ..big }), Arrival::Next);
    }

    proptest! {
        /// Whatever is lost, doubled or out of order on the way: everything arrives once and in order.
        #[test]
        fn all_arrives_once_in_order(seed in any::<u64>(), loss in 0..40u32) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut out, mut inbound) = (Outbound::new(MessageType::Input), Inbound::new());
            let mut now = Instant::now();
            let (mut wire, mut acks): (Vec<Frame>, Vec<i64>) = (Vec::new(), Vec::new());
            let mut got = Vec::new();
            for n in 0..500_u32 {
                out.queue(PayloadType::Flag, &n.to_be_bytes());
            }
            for _ in 0..20_000 {
                now += MS * 5;
                while let Some(frame) = poll(&mut out, now) {
                    if rng.u32(..100) >= loss { wire.push(frame.clone()); }
                    if rng.u32(..100) < 5 { wire.push(frame); }
                }
                rng.shuffle(&mut wire);
                for frame in wire.drain(..) {
                    let sequence = frame.sequence;
                    if inbound.arrive(frame) != Arrival::Refused && rng.u32(..100) >= loss { acks.push(sequence); }
                    while let Some(frame) = inbound.take() { got.push(u32::from_be_bytes(frame.payload[..].try_into().unwrap())); }
                }
                for sequence in acks.drain(..) { out.acked(sequence, now); }
                if out.is_idle() { break; }
            }
            prop_assert_eq!(got, (0..500).collect::<Vec<_>>());
        }
    }
}
