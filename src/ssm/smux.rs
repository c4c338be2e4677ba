//! Owns smux version 1: many streams over one byte stream, without I/O. It does not own connections, buffers for slow readers
//! or lingering (`forward`).
//!
//! Frame: version 1, command, length u16, stream id u32 (little-endian), then `length` bytes. Source: xtaci/smux, protocol
//! version 1, as vendored in both public peers. Version 1 has no window for a stream and no half-close.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, BufMut, Bytes, BytesMut};

const VERSION: u8 = 1;
const HEADER: usize = 8;
/// Most data in one frame that we send: small, so that an interactive stream gets its turn.
pub const SLICE: usize = 8 << 10;
/// Streams that a peer may hold open at once.
pub const MOST_STREAMS: usize = 4096;

/// Which end this is; it decides the stream ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Opens streams: 3, 5, 7 and so on.
    Client,
    /// Takes them.
    Server,
}

/// What the peer did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MuxEvent {
    Opened(u32),
    Data(u32, Bytes),
    Closed(u32),
}

/// The peer does not speak smux version 1; the byte stream cannot be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MuxError {
    #[error("the multiplexed stream is broken: version {0}, not 1")]
    Version(u8),
    #[error("the multiplexed stream is broken: unknown command {0}")]
    Command(u8),
}

/// One end of a multiplexed byte stream.
#[derive(Debug)]
pub struct Mux {
    role: Role,
    last_id: u32,
    streams: BTreeMap<u32, ()>,
    unread: BytesMut,
    out: BytesMut,
    events: VecDeque<MuxEvent>,
    broken: Option<MuxError>,
}

impl Mux {
    /// A new end with no streams.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            last_id: 1,
            streams: BTreeMap::new(),
            unread: BytesMut::new(),
            out: BytesMut::new(),
            events: VecDeque::new(),
            broken: None,
        }
    }

    fn frame(&mut self, command: u8, id: u32, data: &[u8]) {
        self.out.reserve(HEADER + data.len());
        self.out.put_u8(VERSION);
        self.out.put_u8(command);
        self.out.put_u16_le(data.len() as u16);
        self.out.put_u32_le(id);
        self.out.put_slice(data);
    }

    /// Opens a stream; `None` when there are [`MOST_STREAMS`].
    pub fn open(&mut self) -> Option<u32> {
        if self.streams.len() >= MOST_STREAMS {
            return None;
        }
        // After 2^31 streams the ids begin again; one that is still open is passed over.
        loop {
            self.last_id = self.last_id.checked_add(2).unwrap_or(3);
            if !self.streams.contains_key(&self.last_id) {
                break;
            }
        }
        let id = self.last_id;
        self.streams.insert(id, ());
        self.frame(0, id, &[]);
        Some(id)
    }

    /// Sends data on an open stream; on any other it is dropped.
    pub fn send(&mut self, id: u32, data: &[u8]) {
        if self.streams.contains_key(&id) {
            for slice in data.chunks(SLICE) {
                self.frame(2, id, slice);
            }
        }
    }

    /// Ends a stream in both directions; what still arrives for it is dropped.
    pub fn close(&mut self, id: u32) {
        if self.streams.remove(&id).is_some() {
            self.frame(1, id, &[]);
        }
    }

    /// Sends a keep-alive. Only for peers that end a silent multiplexer; it counts as traffic for AWS's idle timeout.
    pub fn keep_alive(&mut self) {
        self.frame(3, 0, &[]);
    }

    /// Open streams.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Bytes that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Takes the bytes to write.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// Reads bytes of the peer, cut anywhere. At most one unfinished frame (64 KiB) is kept.
    pub fn feed(&mut self, mut bytes: Bytes) -> Result<(), MuxError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        if !self.unread.is_empty() {
            self.unread.extend_from_slice(&bytes);
            bytes = self.unread.split().freeze();
        }
        while bytes.len() >= HEADER {
            let (version, command) = (bytes[0], bytes[1]);
            let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
            let id = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            if version != VERSION {
                return self.fail(MuxError::Version(version));
            }
            if command > 3 {
                return self.fail(MuxError::Command(command));
            }
            // Data is passed on as it comes; nothing waits for the rest of a long frame but its header's count.
            if bytes.len() < HEADER + length {
                break;
            }
            bytes.advance(HEADER);
            let data = bytes.split_to(length);
            self.read(command, id, data);
        }
        self.unread.extend_from_slice(&bytes);
        Ok(())
    }

    fn fail(&mut self, error: MuxError) -> Result<(), MuxError> {
        self.broken = Some(error);
        Err(error)
    }

    fn read(&mut self, command: u8, id: u32, data: Bytes) {
        match command {
            0 if self.role == Role::Server && !self.streams.contains_key(&id) => {
                if self.streams.len() >= MOST_STREAMS {
                    self.frame(1, id, &[]);
                    return;
                }
                self.streams.insert(id, ());
                self.events.push_back(MuxEvent::Opened(id));
            }
            1 if self.streams.remove(&id).is_some() => self.events.push_back(MuxEvent::Closed(id)),
            2 if !data.is_empty() && self.streams.contains_key(&id) => self.events.push_back(MuxEvent::Data(id, data)),
            _ => {}
        }
    }

    /// What the peer did next.
    pub fn poll(&mut self) -> Option<MuxEvent> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(mux: &mut Mux) -> Vec<MuxEvent> {
        std::iter::from_fn(|| mux.poll()).collect()
    }

    #[test]
    fn the_first_stream_is_three_and_the_bytes_are_the_peers() {
        let mut mux = Mux::new(Role::Client);
        assert_eq!((mux.open(), mux.open()), (Some(3), Some(5)));
        mux.send(3, b"hi");
        mux.close(3);
        assert_eq!(
            mux.take()[..],
            [1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 1, 2, 2, 0, 3, 0, 0, 0, b'h', b'i', 1, 1, 0, 0, 3, 0, 0, 0]
        );
        mux.send(3, b"late");
        mux.close(3);
        assert!(mux.take().is_empty());
    }

    #[test]
    fn another_version_or_command_breaks_the_stream_for_good() {
        let mut mux = Mux::new(Role::Client);
        assert_eq!(mux.feed(vec![2, 0, 0, 0, 0, 0, 0, 0].into()), Err(MuxError::Version(2)));
        assert_eq!(mux.feed(vec![1, 3, 0, 0, 0, 0, 0, 0].into()), Err(MuxError::Version(2)));
        assert_eq!(Mux::new(Role::Server).feed(vec![1, 4, 0, 0, 0, 0, 0, 0].into()), Err(MuxError::Command(4)));
    }

    #[test]
    fn unknown_streams_are_nothing_and_a_flood_of_streams_is_refused() {
        let mut mux = Mux::new(Role::Server);
        mux.feed(vec![1, 2, 1, 0, 9, 0, 0, 0, b'x', 1, 1, 0, 0, 9, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0].into()).unwrap();
        assert!(events(&mut mux).is_empty());
        for id in 0..10_000_u32 {
            let mut syn = vec![1, 0, 0, 0];
            syn.extend(id.to_le_bytes());
            mux.feed(syn.into()).unwrap();
        }
        assert_eq!(events(&mut mux).len(), MOST_STREAMS);
        assert_eq!(mux.take().len(), (10_000 - MOST_STREAMS) * HEADER);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_cut_are_read_alike(bytes in prop::collection::vec(any::<u8>(), 0..600), cut in 1usize..50) {
            let (mut whole, mut parts) = (Mux::new(Role::Server), Mux::new(Role::Server));
            let first = whole.feed(bytes.clone().into());
            let second = bytes.chunks(cut).try_for_each(|part| parts.feed(Bytes::copy_from_slice(part)));
            prop_assert_eq!(first, second);
            prop_assert_eq!(events(&mut whole), events(&mut parts));
            prop_assert!(parts.unread.len() <= HEADER + usize::from(u16::MAX));
        }

        #[test]
        fn streams_carry_their_bytes(script in prop::collection::vec((0usize..4, prop::collection::vec(any::<u8>(), 1..20_000)), 1..12),
                                     cut in 1usize..3000) {
            let (mut client, mut server) = (Mux::new(Role::Client), Mux::new(Role::Server));
            let ids: Vec<u32> = (0..4).map(|_| client.open().unwrap()).collect();
            let mut sent: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            for (which, data) in &script {
                client.send(ids[*which], data);
                sent.entry(ids[*which]).or_default().extend(data);
            }
            for id in &ids { client.close(*id); }
            let wire = client.take();
            for part in wire.chunks(cut) { server.feed(Bytes::copy_from_slice(part)).unwrap(); }
            let mut got: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            for event in events(&mut server) {
                if let MuxEvent::Data(id, data) = event { got.entry(id).or_default().extend(&data); }
            }
            prop_assert_eq!(got, sent);
            prop_assert_eq!(server.streams(), 0);
        }
    }
}
