//! Owns one session of a port forward: it carries local connections over the session, many at once by smux, or one after the
//! other for old agents. It does not own the listener nor the choice of a lane (`forward`).
//!
//! Version 1 of smux has no window for a stream, so a slow local reader is buffered here, up to a cap. A reader that stands still
//! with a full buffer is cut off alone, so that it does not hold the others up; one that is slow but moving slows its lane.
//!
//! There is no half-close either: a closed stream loses what the node still answers. So after the local side has said its last
//! word, the stream is kept until the node closes it or has been silent for a while.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::ssm::clock::now;
use crate::ssm::dial::Io;
use crate::ssm::frame::Flag;
use crate::ssm::handshake::PortMode;
use crate::ssm::session::{End, Event, Events, Input, Session};
use crate::ssm::smux::{Mux, MuxEvent, Role, SLICE};

/// Bytes kept for one slow local reader.
const MOST_BUFFERED: usize = 4 << 20;
/// What a waiting piece costs beyond its bytes.
const PIECE: usize = 64;
/// Bytes kept for all slow local readers of a lane.
const MOST_BUFFERED_ALL: usize = 24 << 20;
/// A reader with a full buffer that takes nothing for this long is cut off when others need the lane.
const STALLED: Duration = Duration::from_secs(5);
/// How long the node may be silent after the local side's last word.
pub const LINGER: Duration = Duration::from_secs(2);
/// Bytes of local data that wait for the session.
const MOST_WAITING: usize = 64 << 10;
/// smux keep-alive, for agents that end a silent multiplexer after 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What a forward counts. Shared by its lanes.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub opened: AtomicU64,
    pub open: AtomicUsize,
    /// Connections that the node could not make.
    pub refused: AtomicU64,
    /// Connections cut off because their reader stood still.
    pub stalled: AtomicU64,
    /// Bytes to and from the node.
    pub sent: AtomicU64,
    pub received: AtomicU64,
}

/// A local connection.
pub(crate) enum Connection {
    Tcp(TcpStream),
    Other(Box<dyn Io>),
}

type ReadEnd = Box<dyn AsyncRead + Send + Unpin>;

/// The writing side of a local connection.
enum WriteEnd {
    Tcp(OwnedWriteHalf),
    Other(WriteHalf<Box<dyn Io>>),
}

impl Connection {
    fn split(self) -> (ReadEnd, WriteEnd) {
        match self {
            Self::Tcp(tcp) => {
                let (read, write) = tcp.into_split();
                (Box::new(read), WriteEnd::Tcp(write))
            }
            Self::Other(io) => {
                let (read, write) = tokio::io::split(io);
                (Box::new(read), WriteEnd::Other(write))
            }
        }
    }
}

impl WriteEnd {
    /// Writes some of the data; 0 when the local side takes no more.
    async fn write(&mut self, data: &[u8]) -> usize {
        let written = match self {
            Self::Tcp(write) => write.write(data).await,
            Self::Other(write) => write.write(data).await,
        };
        written.unwrap_or(0)
    }

    /// Writes all of the data; false when the local side takes no more.
    async fn write_all(&mut self, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            let written = self.write(data).await;
            if written == 0 {
                return false;
            }
            data = &data[written..];
        }
        match self {
            Self::Tcp(_) => true,
            Self::Other(write) => write.flush().await.is_ok(),
        }
    }

    /// The stream has come to its end.
    async fn end(&mut self) {
        // A local side that is gone needs no end.
        let _ = match self {
            Self::Tcp(write) => write.shutdown().await,
            Self::Other(write) => write.shutdown().await,
        };
    }

    /// The stream was cut off. TCP can tell that from an end, so that nobody takes half a file for a whole one.
    fn reset(self) {
        if let Self::Tcp(write) = self {
            // Without it the connection just ends.
            let _ = write.as_ref().set_zero_linger();
            write.forget();
        }
    }
}

/// What the writer of one connection has still to write, and when it last could.
#[derive(Debug)]
struct Backlog {
    bytes: AtomicUsize,
    /// Milliseconds since the lane's start.
    moved: AtomicU64,
}

struct Stream {
    writer: mpsc::UnboundedSender<Bytes>,
    cut: Option<oneshot::Sender<()>>,
    reader: JoinHandle<()>,
    backlog: Arc<Backlog>,
    /// When the local side ended, and when the node was last heard.
    ended: Option<Instant>,
    heard: Instant,
}

impl Stream {
    /// Cuts the local connection off, with what it has not read yet.
    fn cut_off(mut self) {
        if let Some(cut) = self.cut.take() {
            // A writer that is gone has closed it already.
            let _ = cut.send(());
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The writer ends by itself, once it has written what it has.
        self.reader.abort();
    }
}

enum Local {
    Data(Bytes),
    /// The local side has sent its last byte.
    End,
    /// The local side can no longer be written to.
    Broken,
}

/// One lane at work.
pub(crate) struct Lane {
    input: Input,
    events: Events,
    connections: mpsc::Receiver<Connection>,
    counters: Arc<Counters>,
    /// Connections of this lane. The forward counts up when it chooses the lane; here it goes down.
    load: Arc<AtomicUsize>,
    start: Instant,
}

impl Lane {
    pub(crate) fn new(
        session: Session,
        connections: mpsc::Receiver<Connection>,
        counters: Arc<Counters>,
        load: Arc<AtomicUsize>,
    ) -> Self {
        Self { input: session.input, events: session.events, connections, counters, load, start: now() }
    }

    /// Runs until the session ends, or until the forward lets go of it. `ready` hears when the node takes connections; notices
    /// go to `notice`.
    pub(crate) async fn run(mut self, ready: impl FnOnce(), notice: impl Fn(String)) -> End {
        let opened = loop {
            match self.events.next().await {
                Some(Event::Ready(opened)) => break opened,
                Some(Event::Notice(text)) => notice(text),
                Some(Event::End(end)) => return end,
                Some(_) => {}
                None => return End::Left,
            }
        };
        ready();
        let end = match opened.port {
            Some(PortMode::Mux) => self.mux(opened.quiet_mux, &notice).await,
            Some(PortMode::Basic | PortMode::Stream) => self.basic(&notice).await,
            None => Some(End::Failed("the node opened no port session; nothing can be forwarded over it".into())),
        };
        // Connections that are still there end with their tasks.
        if let Some(end) = end {
            return end;
        }
        self.input.terminate();
        loop {
            match self.events.next().await {
                Some(Event::End(end)) => return end,
                Some(_) => {}
                None => return End::Left,
            }
        }
    }

    fn take(&self) {
        self.counters.opened.fetch_add(1, Ordering::Relaxed);
        self.counters.open.fetch_add(1, Ordering::Relaxed);
    }

    fn let_go(&self, number: usize) {
        self.counters.open.fetch_sub(number, Ordering::Relaxed);
        self.load.fetch_sub(number, Ordering::Relaxed);
    }

    /// Many connections at once. `None` when the forward wants the end.
    async fn mux(&mut self, quiet: bool, notice: &impl Fn(String)) -> Option<End> {
        let mut mux = Mux::new(Role::Client);
        let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
        let (local, mut from_local) = mpsc::channel::<(u32, Local)>(32);
        let drained = Arc::new(Notify::new());
        let mut outgoing: VecDeque<Bytes> = VecDeque::new();
        let mut waiting = 0;
        let mut keep_alive = now() + KEEP_ALIVE;
        let end = loop {
            if mux.waiting() > 0 {
                waiting += mux.waiting();
                outgoing.push_back(mux.take());
            }
            let time = now();
            let full = self.overfull(&mut mux, &mut streams, time);
            self.linger(&mut mux, &mut streams, time);
            if mux.waiting() > 0 {
                continue;
            }
            let tick = streams.values().filter_map(|s| s.ended).min().is_some() || full;
            let wait = if tick { time + Duration::from_millis(100) } else { keep_alive };
            tokio::select! {
                event = self.events.next(), if !full => match event {
                    Some(Event::Output(data)) => {
                        self.counters.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                        if let Err(error) = mux.feed(data) {
                            self.input.terminate();
                            break Some(End::Failed(error.to_string()));
                        }
                        self.incoming(&mut mux, &mut streams);
                    }
                    Some(Event::ConnectRefused) => { self.counters.refused.fetch_add(1, Ordering::Relaxed); }
                    Some(Event::Notice(text)) => notice(text),
                    Some(Event::End(end)) => break Some(end),
                    Some(_) => {}
                    None => break Some(End::Left),
                },
                connection = self.connections.recv() => {
                    let Some(connection) = connection else { break None };
                    if let Some(id) = mux.open() {
                        self.take();
                        streams.insert(id, attach(id, connection, local.clone(), Arc::clone(&drained), self.start));
                    } else {
                        // Too many at once: this one is closed.
                        self.load.fetch_sub(1, Ordering::Relaxed);
                    }
                }
                Some((id, what)) = from_local.recv(), if waiting < MOST_WAITING => match what {
                    Local::Data(data) => {
                        self.counters.sent.fetch_add(data.len() as u64, Ordering::Relaxed);
                        mux.send(id, &data);
                    }
                    Local::End => if let Some(stream) = streams.get_mut(&id) {
                        stream.ended = Some(now());
                    },
                    Local::Broken => {
                        mux.close(id);
                        self.let_go(usize::from(streams.remove(&id).is_some()));
                    }
                },
                sent = send(&self.input, outgoing.front().cloned()), if !outgoing.is_empty() => {
                    // The session's end comes as an event.
                    waiting -= outgoing.pop_front().map_or(0, |bytes| bytes.len());
                    if !sent { outgoing.clear(); waiting = 0; }
                }
                () = drained.notified(), if full => {}
                () = tokio::time::sleep_until(wait.into()) => {
                    if !quiet && now() >= keep_alive {
                        mux.keep_alive();
                    }
                    if now() >= keep_alive {
                        keep_alive = now() + KEEP_ALIVE;
                    }
                }
            }
        };
        self.let_go(streams.len());
        streams.into_values().for_each(Stream::cut_off);
        end
    }

    /// Whether the node must be held back because a local reader is behind; cuts off the one that stands still.
    fn overfull(&self, mux: &mut Mux, streams: &mut BTreeMap<u32, Stream>, time: Instant) -> bool {
        let all: usize = streams.values().map(|s| s.backlog.bytes.load(Ordering::Relaxed)).sum();
        if all < MOST_BUFFERED {
            return false;
        }
        let most = streams.iter().map(|(id, s)| (s.backlog.bytes.load(Ordering::Relaxed), *id)).max();
        let Some((bytes, id)) = most else { return false };
        if bytes < MOST_BUFFERED && all < MOST_BUFFERED_ALL {
            return false;
        }
        let moved = streams.get(&id).map_or(0, |s| s.backlog.moved.load(Ordering::Relaxed));
        let passed = time.saturating_duration_since(self.start).saturating_sub(Duration::from_millis(moved));
        if passed >= STALLED && streams.len() > 1 {
            mux.close(id);
            if let Some(stream) = streams.remove(&id) {
                stream.cut_off();
            }
            self.let_go(1);
            self.counters.stalled.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Closes the streams whose local side has ended and whose node side has been silent since.
    fn linger(&self, mux: &mut Mux, streams: &mut BTreeMap<u32, Stream>, time: Instant) {
        if streams.values().all(|s| s.ended.is_none()) {
            return;
        }
        // While something of ours is under way, the node cannot have answered it.
        let idle = self.input.is_idle();
        let mut over = Vec::new();
        for (id, stream) in streams.iter_mut() {
            let Some(ended) = stream.ended else { continue };
            if !idle {
                stream.ended = Some(time);
            } else if time.saturating_duration_since(ended.max(stream.heard)) >= LINGER {
                over.push(*id);
            }
        }
        for id in over {
            mux.close(id);
            streams.remove(&id);
            self.let_go(1);
        }
    }

    fn incoming(&self, mux: &mut Mux, streams: &mut BTreeMap<u32, Stream>) {
        let mut heard = None;
        while let Some(event) = mux.poll() {
            match event {
                MuxEvent::Opened(_) => {}
                MuxEvent::Data(id, data) => {
                    let Some(stream) = streams.get_mut(&id) else { continue };
                    stream.heard = *heard.get_or_insert_with(now);
                    if stream.backlog.bytes.fetch_add(data.len() + PIECE, Ordering::Relaxed) == 0 {
                        let passed = stream.heard.saturating_duration_since(self.start);
                        stream.backlog.moved.store(passed.as_millis() as u64, Ordering::Relaxed);
                    }
                    // Small pieces have their own memory, and do not keep the large one that they came in.
                    let data = if data.len() < SLICE / 2 { Bytes::copy_from_slice(&data) } else { data };
                    // A writer that is gone has said so on the other channel.
                    let _ = stream.writer.send(data);
                }
                MuxEvent::Closed(id) => self.let_go(usize::from(streams.remove(&id).is_some())),
            }
        }
    }

    /// One connection after the other, raw: agents up to 3.0.196.0.
    async fn basic(&mut self, notice: &impl Fn(String)) -> Option<End> {
        let mut early: VecDeque<Bytes> = VecDeque::new();
        loop {
            let connection = tokio::select! {
                connection = self.connections.recv() => connection?,
                event = self.events.next(), if early.len() < 256 => {
                    match event {
                        // A server that speaks first.
                        Some(Event::Output(data)) => early.push_back(data),
                        Some(Event::Notice(text)) => notice(text),
                        Some(Event::End(end)) => return Some(end),
                        Some(_) => {}
                        None => return Some(End::Left),
                    }
                    continue;
                }
            };
            self.take();
            let end = carry(connection, &self.input, &mut self.events, &mut early, &self.counters).await;
            self.let_go(1);
            if let Some(end) = end {
                return Some(end);
            }
            // What the node sends until it knows of the end belongs to nobody.
            if self.input.flag(Flag::DisconnectToPort).await.is_ok() {
                let until = now() + LINGER;
                while !self.input.is_idle() && now() < until {
                    tokio::select! {
                        event = self.events.next() => match event {
                            Some(Event::End(end)) => return Some(end),
                            Some(_) => {}
                            None => return Some(End::Left),
                        },
                        () = tokio::time::sleep(Duration::from_millis(20)) => {}
                    }
                }
            }
            early.clear();
        }
    }
}

async fn send(input: &Input, data: Option<Bytes>) -> bool {
    match data {
        Some(data) => input.send(data).await.is_ok(),
        None => true,
    }
}

/// Starts the two tasks of a multiplexed connection.
fn attach(id: u32, connection: Connection, to_lane: mpsc::Sender<(u32, Local)>, drained: Arc<Notify>, start: Instant) -> Stream {
    let (read, write) = connection.split();
    let (writer, queue) = mpsc::unbounded_channel();
    let (cut, cut_off) = oneshot::channel();
    let backlog = Arc::new(Backlog { bytes: AtomicUsize::new(0), moved: AtomicU64::new(0) });
    let writing = Writing { id, queue, backlog: Arc::clone(&backlog), to_lane: to_lane.clone(), drained, start };
    tokio::spawn(writing.run(write, cut_off));
    let reader = tokio::spawn(read_in(id, read, to_lane));
    Stream { writer, cut: Some(cut), reader, backlog, ended: None, heard: now() }
}

async fn read_in(id: u32, mut read: ReadEnd, to_lane: mpsc::Sender<(u32, Local)>) {
    let mut buffer = BytesMut::with_capacity(SLICE);
    loop {
        let what = match read.read_buf(&mut buffer).await {
            Ok(0) => Local::End,
            Ok(_) => Local::Data(buffer.split().freeze()),
            Err(_) => Local::Broken,
        };
        let more = matches!(what, Local::Data(_));
        if to_lane.send((id, what)).await.is_err() || !more {
            return;
        }
        buffer.reserve(SLICE);
    }
}

/// The task that writes to one local connection.
struct Writing {
    id: u32,
    queue: mpsc::UnboundedReceiver<Bytes>,
    backlog: Arc<Backlog>,
    to_lane: mpsc::Sender<(u32, Local)>,
    drained: Arc<Notify>,
    start: Instant,
}

impl Writing {
    async fn run(mut self, mut write: WriteEnd, cut_off: oneshot::Receiver<()>) {
        let cut_off = async {
            // A stream that is let go without a word is written to its end.
            if cut_off.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let cut_off = tokio::select! {
            biased;
            () = cut_off => true,
            () = self.all(&mut write) => false,
        };
        if cut_off {
            write.reset();
        }
    }

    async fn all(&mut self, write: &mut WriteEnd) {
        while let Some(mut data) = self.queue.recv().await {
            self.backlog.bytes.fetch_sub(PIECE, Ordering::Relaxed);
            while !data.is_empty() {
                let written = write.write(&data).await;
                if written == 0 {
                    // A lane that is gone needs no word.
                    let _ = self.to_lane.send((self.id, Local::Broken)).await;
                    return;
                }
                data.advance(written);
                self.backlog.bytes.fetch_sub(written, Ordering::Relaxed);
                let passed = now().saturating_duration_since(self.start);
                self.backlog.moved.store(passed.as_millis() as u64, Ordering::Relaxed);
                self.drained.notify_one();
            }
        }
        write.end().await;
    }
}

/// Carries one raw connection. Answers the session's end, or `None` when the connection has ended.
pub(crate) async fn carry(
    connection: Connection,
    input: &Input,
    events: &mut Events,
    early: &mut VecDeque<Bytes>,
    counters: &Counters,
) -> Option<End> {
    let (mut read, mut write) = connection.split();
    for data in early.drain(..) {
        if !write.write_all(&data).await {
            return None;
        }
    }
    let mut buffer = BytesMut::with_capacity(SLICE);
    let mut pending: Option<Bytes> = None;
    let mut ended: Option<Instant> = None;
    loop {
        if let Some(at) = &mut ended {
            if !input.is_idle() {
                *at = now();
            } else if now().saturating_duration_since(*at) >= LINGER {
                return None;
            }
        }
        let tick = now() + if ended.is_some() { Duration::from_millis(50) } else { Duration::from_secs(60) };
        tokio::select! {
            read = read.read_buf(&mut buffer), if pending.is_none() && ended.is_none() => match read {
                Ok(0) => ended = Some(now()),
                Ok(read) => {
                    counters.sent.fetch_add(read as u64, Ordering::Relaxed);
                    pending = Some(buffer.split().freeze());
                    buffer.reserve(SLICE);
                }
                Err(_) => return None,
            },
            sent = send(input, pending.clone()), if pending.is_some() => {
                pending = None;
                if !sent { ended = Some(now()); }
            }
            event = events.next() => match event {
                Some(Event::Output(data)) => {
                    counters.received.fetch_add(data.len() as u64, Ordering::Relaxed);
                    // A slow reader holds the whole session back: it has the session for itself.
                    if !write.write_all(&data).await {
                        return None;
                    }
                    if let Some(at) = &mut ended { *at = now(); }
                }
                Some(Event::End(end)) => {
                    if matches!(&end, End::Closed(why) if why.is_empty()) { write.end().await } else { write.reset() }
                    return Some(end);
                }
                Some(_) => {}
                None => return Some(End::Left),
            },
            () = tokio::time::sleep_until(tick.into()) => {}
        }
    }
}
