//! Owns the task of a running session: it drives a [`Channel`] and a [`Link`] over a WebSocket and speaks with the handles of
//! `session` over channels. It does not own what the bytes mean nor the AWS calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::{FutureExt, Sink, Stream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::ssm::channel::{Channel, ChannelEvent, ChannelOptions};
use crate::ssm::clock::now;
use crate::ssm::dial::Socket;
use crate::ssm::frame::{Flag, MessageId, OpenDataChannel, Size};
use crate::ssm::link::{Failure, Link, Step};
use crate::ssm::service::{BoxFuture, DataKey, Refusal, Service, ServiceError, Started, Token};
use crate::ssm::standing::{RESERVE, Standing};
use crate::ssm::terms::{Abandoned, Connection, End, Event, SessionOptions, Status};
use crate::ssm::upgrade::{StreamUrl, UpgradeError};

/// Bytes written to the socket before it is flushed.
const BATCH: usize = 64 << 10;
/// A message without acknowledgement for this long is worth telling.
const UNANSWERED: Duration = Duration::from_secs(10);
/// How long a session's own end is waited for after it was asked.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long what was typed may take to arrive before a session is left.
const LEAVING: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Run,
    Leave,
    Terminate,
}

#[derive(Debug)]
pub(crate) enum Command {
    Data(Bytes),
    Flag(Flag),
}

/// The task's ends of what it shares with the session's handles.
pub(crate) struct Plugs {
    pub commands: mpsc::Receiver<Command>,
    pub events: mpsc::Sender<Event>,
    pub size: watch::Receiver<Option<Size>>,
    pub wish: watch::Receiver<Wish>,
    pub status: watch::Sender<Status>,
    pub idle: Arc<AtomicBool>,
}

struct Dialled {
    socket: Socket,
    token: Token,
    stream_url: String,
}

struct DialFailure {
    failure: Failure,
    why: String,
}

/// One attempt: a fresh token where one is needed, fresh credentials, a fresh signature, a socket.
async fn attempt(
    service: Arc<dyn Service>,
    options: Arc<SessionOptions>,
    session_id: Arc<str>,
    mut token: Token,
    mut stream_url: String,
    resume: bool,
) -> Result<Dialled, DialFailure> {
    let refused = |error: ServiceError| DialFailure {
        failure: match error.refusal {
            Refusal::Denied => Failure::Denied,
            Refusal::Gone | Refusal::Invalid => Failure::Gone,
            Refusal::Offline | Refusal::Retry => Failure::Passing,
        },
        why: error.message,
    };
    let bad_url = |error: UpgradeError| DialFailure { failure: Failure::Gone, why: error.to_string() };
    // A session that is taken up has no address yet.
    let mut url = match stream_url.as_str() {
        "" => None,
        known => Some(StreamUrl::check(known, &options.endpoints).map_err(bad_url)?),
    };
    if resume && !url.as_ref().is_some_and(StreamUrl::is_presigned) {
        let resumed = service.resume(&session_id).await.map_err(refused)?;
        let Some(new) = resumed.token.filter(|token| !token.reveal().is_empty()) else {
            return Err(DialFailure { failure: Failure::Gone, why: "the session has timed out".into() });
        };
        token = new;
        if let Some(new) = resumed.stream_url.filter(|url| !url.is_empty()) {
            url = Some(StreamUrl::check(&new, &options.endpoints).map_err(bad_url)?);
            stream_url = new;
        }
    }
    let Some(url) = url else {
        return Err(DialFailure { failure: Failure::Gone, why: "AWS gave no address for the session".into() });
    };
    let credentials = service.credentials().await.map_err(refused)?;
    if credentials.is_none() && !url.is_presigned() {
        tracing::warn!(session = %session_id, "no credentials: the data channel is opened without a signature");
    }
    let request = url.request(credentials, &options.region, SystemTime::now()).map_err(bad_url)?;
    let socket = options.dial.dial(&url, request).await.map_err(|error| match error.status {
        Some(401 | 403) => {
            DialFailure { failure: Failure::Denied, why: format!("{error}; ssmmessages:OpenDataChannel must be allowed") }
        }
        _ => DialFailure { failure: Failure::Passing, why: error.to_string() },
    })?;
    Ok(Dialled { socket, token, stream_url })
}

enum Wake {
    Message(Message),
    Lost(String),
    Flushed,
}

/// Waits for the socket: to have written what is in its buffer, or to have something to read.
async fn socket_wake(socket: &mut Option<Socket>, dirty: bool, read: bool) -> Wake {
    let Some(socket) = socket else { return std::future::pending().await };
    poll_fn(|cx| {
        if dirty {
            match Pin::new(&mut *socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Wake::Flushed),
                Poll::Ready(Err(error)) => return Poll::Ready(Wake::Lost(error.to_string())),
                Poll::Pending => {}
            }
        }
        if read {
            match Pin::new(&mut *socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                    let why = frame.map_or("closed".to_owned(), |f| format!("{} {}", f.code, f.reason));
                    return Poll::Ready(Wake::Lost(why));
                }
                Poll::Ready(Some(Ok(message))) => return Poll::Ready(Wake::Message(message)),
                Poll::Ready(Some(Err(WsError::ConnectionClosed)) | None) => {
                    return Poll::Ready(Wake::Lost("closed".into()));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Wake::Lost(error.to_string())),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    })
    .await
}

async fn optional<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn next_command(commands: &mut Option<mpsc::Receiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}

fn channel_options(target: &str, session_id: &str, options: &SessionOptions) -> ChannelOptions {
    ChannelOptions {
        session_type: options.session_type.clone(),
        session_id: session_id.to_owned(),
        target: target.to_owned(),
        encryption: options.encryption,
        size: options.size,
        hold: options.hold,
    }
}

pub(crate) struct Driver {
    channel: Channel,
    link: Link,
    service: Arc<dyn Service>,
    options: Arc<SessionOptions>,
    session_id: Arc<str>,
    token: Token,
    stream_url: String,
    client_id: MessageId,
    socket: Option<Socket>,
    /// Frames stand in the socket's buffer.
    dirty: bool,
    dialling: Option<BoxFuture<'static, Result<Dialled, DialFailure>>>,
    key: Option<BoxFuture<'static, Result<DataKey, ServiceError>>>,
    commands: Option<mpsc::Receiver<Command>>,
    events: mpsc::Sender<Event>,
    size: watch::Receiver<Option<Size>>,
    wish: watch::Receiver<Wish>,
    /// All writing halves were dropped; the session goes on for its reader.
    inputs_gone: bool,
    /// The reading half was dropped: nobody has the session any more.
    abandoned: bool,
    /// When to stop waiting for the end that was asked for.
    farewell: Option<Instant>,
    /// When to stop waiting for what was typed to arrive, once the session is to be left.
    leaving: Option<Instant>,
    /// Numbers to the node that the kept standing promises; none where it is not kept.
    promised: Option<i64>,
    status: watch::Sender<Status>,
    idle: Arc<AtomicBool>,
    state: Status,
    /// Both clocks at the last turn: a sleeping machine stops only one of them.
    clocks: (Instant, SystemTime),
}

impl Driver {
    pub(crate) fn new(service: Arc<dyn Service>, target: &str, started: Started, options: SessionOptions, plugs: Plugs) -> Self {
        let now = now();
        let channel_options = channel_options(target, &started.session_id, &options);
        Self {
            channel: Channel::new(channel_options, now, SystemTime::now()),
            link: Link::new(options.patience, now, fastrand::u64(..)),
            service,
            options: Arc::new(options),
            session_id: started.session_id.into(),
            token: started.token,
            stream_url: started.stream_url,
            client_id: MessageId::random(),
            socket: None,
            dirty: false,
            dialling: None,
            key: None,
            commands: Some(plugs.commands),
            events: plugs.events,
            size: plugs.size,
            wish: plugs.wish,
            inputs_gone: false,
            abandoned: false,
            farewell: None,
            leaving: None,
            promised: None,
            status: plugs.status,
            idle: plugs.idle,
            state: Status::default(),
            clocks: (now, SystemTime::now()),
        }
    }

    /// Goes on with a session from where another client stood.
    pub(crate) fn taken_up(
        service: Arc<dyn Service>,
        target: &str,
        session_id: &str,
        standing: &Standing,
        options: SessionOptions,
        plugs: Plugs,
    ) -> Self {
        let (time, wall) = (now(), SystemTime::now());
        let channel = Channel::taken_up(channel_options(target, session_id, &options), standing, time, wall);
        let link = Link::resuming(options.patience, time, fastrand::u64(..));
        let started = Started { session_id: session_id.to_owned(), token: Token::new(""), stream_url: String::new() };
        let client_id = MessageId::parse(&standing.client).unwrap_or_else(MessageId::random);
        // What is kept still stands, and is forgotten should AWS no longer have the session.
        let promised = Some(standing.unused);
        Self { channel, link, client_id, promised, ..Self::new(service, target, started, options, plugs) }
    }

    pub(crate) async fn run(mut self) {
        let end = self.turns().await;
        self.link.end();
        match end {
            End::Left => self.keep(true),
            // It may be taken up once the network is back.
            End::Lost(_) => {}
            _ => self.forget(),
        }
        // A protocol failure leaves a session on the node that nobody reads.
        if matches!(end, End::Failed(_) | End::Denied(_)) {
            let _ = tokio::time::timeout(FAREWELL, self.service.terminate(&self.session_id)).await;
        }
        if let Some(mut socket) = self.socket.take() {
            let _ = tokio::time::timeout(Duration::from_millis(200), socket.close(None)).await;
        }
        self.state.connection = Connection::Ended;
        self.status.send_replace(self.state);
        // What came before the end is delivered before it.
        while let Some(event) = self.channel.poll_event() {
            if let Some(event) = self.translate(event)
                && self.events.send(event).await.is_err()
            {
                return;
            }
        }
        if end == End::Left && !self.channel.is_idle() {
            let _ = self.events.send(Event::Notice("what was typed last had not reached the node".into())).await;
        }
        let _ = self.events.send(Event::End(end)).await;
    }

    async fn turns(&mut self) -> End {
        loop {
            let now = now();
            self.watch_clocks(now);
            if let Some(end) = self.steps(now) {
                return end;
            }
            if let Some(end) = self.deliver() {
                return end;
            }
            if let Some(end) = self.leave(now) {
                return end;
            }
            if let Err(why) = self.write(now) {
                self.lost(why, now);
                continue;
            }
            self.tell(now);
            let read = self.channel.wants_read();
            let take = self.channel.input_room() > 0;
            let wait = self.deadline(now).unwrap_or(now + Duration::from_secs(60));
            tokio::select! {
                wake = socket_wake(&mut self.socket, self.dirty, read) => self.wake(wake),
                result = optional(&mut self.dialling) => {
                    self.dialling = None;
                    if let Some(end) = self.dialled(result) {
                        return end;
                    }
                }
                answer = optional(&mut self.key) => {
                    self.key = None;
                    self.channel.data_key(answer);
                }
                // Room for an event: the next turn delivers.
                () = async { drop(self.events.reserve().await) }, if self.channel.has_event() => {}
                () = self.events.closed(), if !self.abandoned => self.abandoned = true,
                command = next_command(&mut self.commands), if take => self.command(command),
                changed = self.wish.changed(), if !self.inputs_gone => self.inputs_gone |= changed.is_err(),
                changed = self.size.changed(), if !self.inputs_gone => {
                    if changed.is_ok() && let Some(size) = *self.size.borrow_and_update() {
                        self.channel.resize(size, now);
                    }
                }
                () = tokio::time::sleep_until(wait.into()) => {}
            }
        }
    }

    /// Has the session's standing kept: at its end as it is, before that whenever the promised numbers are used up, so that what
    /// is kept stays true however this process ends.
    fn keep(&mut self, last: bool) {
        let Some(keep) = &self.options.keep else { return };
        let next = self.channel.next_sequence();
        if !last && self.promised.is_some_and(|promised| next < promised) && !self.channel.is_encrypted() {
            return;
        }
        match self.channel.standing(&self.client_id.to_string(), last) {
            Some(standing) if last => keep(Some(&standing)),
            Some(standing) => {
                let unused = standing.unused + RESERVE;
                keep(Some(&Standing { unused, ..standing }));
                self.promised = Some(unused);
            }
            None => self.forget(),
        }
    }

    /// Nobody can take the session up any more.
    fn forget(&mut self) {
        if let Some(keep) = self.options.keep.as_ref().filter(|_| self.promised.is_some()) {
            keep(None);
        }
        self.promised = None;
    }

    fn watch_clocks(&mut self, now: Instant) {
        let wall = SystemTime::now();
        let passed = now.saturating_duration_since(self.clocks.0);
        let wall_passed = wall.duration_since(self.clocks.1).unwrap_or_default();
        self.clocks = (now, wall);
        if wall_passed > passed + Duration::from_secs(20) && self.link.woke(now) {
            self.socket = None;
        }
    }

    fn steps(&mut self, now: Instant) -> Option<End> {
        while let Some(step) = self.link.poll(now, self.channel.wants_read()) {
            match step {
                Step::Dial { resume } => {
                    let (service, options) = (Arc::clone(&self.service), Arc::clone(&self.options));
                    let session_id = Arc::clone(&self.session_id);
                    let (token, url) = (self.token.clone(), self.stream_url.clone());
                    self.dialling = Some(Box::pin(attempt(service, options, session_id, token, url, resume)));
                }
                Step::Ping => self.put(Message::Ping(Bytes::from_static(b"keepalive"))),
                Step::Drop(why) => {
                    tracing::debug!(session = %self.session_id, why, "the socket was dropped");
                    self.socket = None;
                    self.dialling = None;
                }
                Step::GiveUp(why) => return Some(End::Lost(why)),
            }
        }
        None
    }

    fn dialled(&mut self, result: Result<Dialled, DialFailure>) -> Option<End> {
        let now = now();
        match result {
            Ok(dialled) => {
                self.socket = Some(dialled.socket);
                self.token = dialled.token;
                self.stream_url = dialled.stream_url;
                if self.state.connection != Connection::Connecting {
                    self.state.resumed += 1;
                }
                self.link.dialled(now);
                self.channel.connected();
                let open = OpenDataChannel::new(self.token.reveal(), self.client_id);
                self.put(Message::Text(open.to_text().into()));
                None
            }
            Err(DialFailure { failure, why }) => {
                tracing::debug!(session = %self.session_id, %why, "a dial failed");
                let why = self.link.failed(failure, why, now)?;
                // Its `channel_closed` was lost with the connection.
                if failure == Failure::Gone && self.farewell.is_some() {
                    return Some(End::Terminated);
                }
                Some(if failure == Failure::Denied { End::Denied(why) } else { End::Gone(why) })
            }
        }
    }

    /// Puts one message into the socket's buffer; failures show at the flush.
    fn put(&mut self, message: Message) {
        if let Some(socket) = &mut self.socket {
            let _ = Pin::new(socket).start_send(message);
            self.dirty = true;
        }
    }

    fn write(&mut self, now: Instant) -> Result<(), String> {
        if self.socket.is_none() {
            self.dirty = false;
            return Ok(());
        }
        // Only an empty buffer is filled, so that a slow socket holds the channel back and not memory.
        let mut written = 0;
        if !self.dirty {
            while written < BATCH {
                self.keep(false);
                let Some(frame) = self.channel.poll_frame(now) else { break };
                written += frame.len();
                let Some(socket) = &mut self.socket else { break };
                Pin::new(socket).start_send(Message::Binary(frame)).map_err(|e| e.to_string())?;
                self.dirty = true;
            }
        }
        if self.dirty
            && let Some(socket) = &mut self.socket
        {
            match poll_fn(|cx| Pin::new(&mut *socket).poll_flush(cx)).now_or_never() {
                Some(Ok(())) => self.dirty = false,
                Some(Err(error)) => return Err(error.to_string()),
                None => {}
            }
        }
        Ok(())
    }

    fn wake(&mut self, wake: Wake) {
        let now = now();
        let mut wake = Some(wake);
        // What else is there already is read in the same turn.
        for _ in 0..64 {
            match wake {
                Some(Wake::Flushed) => self.dirty = false,
                Some(Wake::Lost(why)) => return self.lost(why, now),
                Some(Wake::Message(message)) => self.message(message, now),
                None => return,
            }
            if !self.channel.wants_read() {
                return;
            }
            wake = socket_wake(&mut self.socket, false, true).now_or_never();
        }
        if let Some(Wake::Message(message)) = wake {
            self.message(message, now);
        } else if let Some(Wake::Lost(why)) = wake {
            self.lost(why, now);
        }
    }

    fn message(&mut self, message: Message, now: Instant) {
        match message {
            Message::Binary(bytes) => {
                self.link.heard(true, now);
                if let Err(error) = self.channel.binary(&bytes, now) {
                    tracing::debug!(session = %self.session_id, %error, "a frame was dropped");
                }
            }
            Message::Text(text) => {
                self.link.heard(true, now);
                self.channel.text(&text, now);
            }
            _ => self.link.heard(false, now),
        }
    }

    fn lost(&mut self, why: String, now: Instant) {
        tracing::debug!(session = %self.session_id, %why, "the socket was lost");
        self.socket = None;
        self.dirty = false;
        self.link.lost(why, now);
    }

    fn command(&mut self, command: Option<Command>) {
        let Some(command) = command else {
            self.commands = None;
            self.inputs_gone = true;
            return;
        };
        self.take(command);
        while self.channel.input_room() > 0
            && let Some(command) = self.commands.as_mut().and_then(|c| c.try_recv().ok())
        {
            self.take(command);
        }
    }

    fn take(&mut self, command: Command) {
        self.idle.store(false, Ordering::Release);
        match command {
            Command::Data(data) => {
                self.state.sent += data.len() as u64;
                self.channel.send(data);
            }
            Command::Flag(flag) => self.channel.flag(flag),
        }
    }

    /// Hands events on while the reader has room. Answers the end, when one was among them.
    fn deliver(&mut self) -> Option<End> {
        while self.channel.has_event() {
            let permit = match self.events.try_reserve() {
                Ok(permit) => permit,
                Err(mpsc::error::TrySendError::Full(())) => return None,
                Err(mpsc::error::TrySendError::Closed(())) => {
                    self.abandoned = true;
                    while let Some(event) = self.channel.poll_event() {
                        match event {
                            ChannelEvent::Closed(why) => return Some(End::Closed(why)),
                            ChannelEvent::Failed(why) => return Some(End::Failed(why)),
                            _ => {}
                        }
                    }
                    return None;
                }
            };
            let event = match self.channel.poll_event()? {
                ChannelEvent::Closed(_) if self.farewell.is_some() => return Some(End::Terminated),
                ChannelEvent::Closed(why) => return Some(End::Closed(why)),
                ChannelEvent::Failed(why) => return Some(End::Failed(why)),
                ChannelEvent::NeedDataKey(request) => {
                    let service = Arc::clone(&self.service);
                    self.key = Some(Box::pin(async move { service.data_key(&request).await }));
                    continue;
                }
                ChannelEvent::Ready(opened) => {
                    self.state.ready = true;
                    Event::Ready(opened)
                }
                ChannelEvent::Output(data) => {
                    self.state.received += data.len() as u64;
                    Event::Output(data)
                }
                ChannelEvent::StdErr(data) => {
                    self.state.received += data.len() as u64;
                    Event::StdErr(data)
                }
                ChannelEvent::ExitCode(code) => Event::ExitCode(code),
                ChannelEvent::ConnectRefused => Event::ConnectRefused,
                ChannelEvent::Notice(text) => Event::Notice(text),
            };
            permit.send(event);
        }
        None
    }

    fn translate(&self, event: ChannelEvent) -> Option<Event> {
        match event {
            ChannelEvent::Output(data) => Some(Event::Output(data)),
            ChannelEvent::StdErr(data) => Some(Event::StdErr(data)),
            ChannelEvent::ExitCode(code) => Some(Event::ExitCode(code)),
            ChannelEvent::Notice(text) => Some(Event::Notice(text)),
            _ => None,
        }
    }

    /// Ends the session when the caller wants it or is no longer there.
    fn leave(&mut self, now: Instant) -> Option<End> {
        if let Some(until) = self.farewell {
            return (now >= until).then_some(End::Terminated);
        }
        let wish = *self.wish.borrow();
        let left = wish == Wish::Leave || (self.abandoned && wish == Wish::Run && self.options.abandoned == Abandoned::Leave);
        if wish == Wish::Run && !self.abandoned {
            return None;
        }
        // What is encrypted nobody could take up: its keys go with this task.
        if left && !self.channel.is_encrypted() {
            let until = *self.leaving.get_or_insert(now + LEAVING);
            let wait = !self.channel.is_idle() && self.link.is_up() && now < until;
            return (!wait).then_some(End::Left);
        }
        self.farewell = Some(now + FAREWELL);
        if self.channel.understands_terminate() && self.link.is_up() {
            self.channel.flag(Flag::TerminateSession);
        }
        // The flag alone is lost with the connection; the call is answered with `channel_closed` too.
        let (service, session_id) = (Arc::clone(&self.service), Arc::clone(&self.session_id));
        tokio::spawn(async move {
            if let Err(error) = service.terminate(&session_id).await {
                tracing::warn!(session = %session_id, %error, "the session could not be terminated");
            }
        });
        None
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        let unanswered = self.channel.waiting_since().map(|since| (since + UNANSWERED).max(now + Duration::from_secs(1)));
        let writable = self.socket.is_some() && !self.dirty;
        let frames = self.channel.deadline().filter(|_| writable);
        let ready = writable.then_some(now).filter(|_| self.channel.has_frame());
        [self.link.deadline(), frames, ready, self.farewell, self.leaving, unanswered].into_iter().flatten().min()
    }

    fn tell(&mut self, now: Instant) {
        self.idle.store(self.channel.is_idle(), Ordering::Release);
        self.state.connection = match (self.link.is_up(), self.state.connection) {
            (true, _) if self.channel.is_paused() => Connection::Paused,
            (true, _) => Connection::Connected,
            (false, Connection::Connecting) if self.link.attempt() == 0 => Connection::Connecting,
            (false, _) => Connection::Reconnecting(self.link.attempt()),
        };
        (self.state.repeated, self.state.dropped) = self.channel.troubles();
        // To the millisecond: a finer figure would change with every acknowledgement.
        self.state.round_trip = self.channel.round_trip().map(|rtt| Duration::from_millis(rtt.as_millis() as u64));
        let waited = self.channel.waiting_since().map(|since| now.saturating_duration_since(since));
        self.state.unanswered = waited.filter(|w| *w >= UNANSWERED).map(|w| w.as_secs());
        let state = self.state;
        self.status.send_if_modified(|told| std::mem::replace(told, state) != state);
    }
}
