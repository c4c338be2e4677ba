//! Owns the task of a session on a terminal whose data channel the plugin carries: the plugin on a pseudo-terminal of ours, behind
//! the same handles as any other session. It does not own how the plugin is called (`plugin`), nor forwards, which the plugin
//! listens for itself.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use portable_pty::{ChildKiller, MasterPty, PtySize, native_pty_system};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::ssm::channel::Opened;
use crate::ssm::clock::now;
use crate::ssm::driver::{Command, Plugs, Wish};
use crate::ssm::frame::Size;
use crate::ssm::plugin::{NAME, PluginCall};
use crate::ssm::service::Service;
use crate::ssm::terms::{Connection, End, Event, SessionOptions, Status};

/// How long its end is waited for after the session's end was asked for.
const FAREWELL: Duration = Duration::from_secs(2);
const READ: usize = 16 << 10;

/// What comes from the plugin's terminal.
enum Piece {
    Output(Bytes),
    /// Its end, with its exit code.
    End(u32),
}

/// A session whose data channel the plugin carries.
pub(crate) struct Carrier {
    service: Arc<dyn Service>,
    session_id: String,
    options: SessionOptions,
    plugs: Plugs,
    pieces: mpsc::Receiver<Piece>,
    keys: mpsc::Sender<Bytes>,
    master: Box<dyn MasterPty + Send>,
    killer: Box<dyn ChildKiller + Send + Sync>,
    state: Status,
    farewell: Option<Instant>,
    /// Handed on as soon as the reader has room.
    waiting: Option<Event>,
    told_ready: bool,
}

fn pty_size(size: Option<Size>) -> PtySize {
    let Size { cols, rows } = size.unwrap_or(Size { cols: 80, rows: 24 });
    PtySize { rows: rows.max(1), cols: cols.max(1), pixel_width: 0, pixel_height: 0 }
}

impl Carrier {
    /// Starts the plugin on a terminal of its own.
    pub(crate) fn start(
        call: &PluginCall,
        service: Arc<dyn Service>,
        session_id: &str,
        options: SessionOptions,
        plugs: Plugs,
    ) -> io::Result<Self> {
        let pair = native_pty_system().openpty(pty_size(options.size)).map_err(io::Error::other)?;
        let mut child = pair.slave.spawn_command(call.on_terminal()).map_err(io::Error::other)?;
        drop(pair.slave);
        let killer = child.clone_killer();
        let mut reader = pair.master.try_clone_reader().map_err(io::Error::other)?;
        let mut writer = pair.master.take_writer().map_err(io::Error::other)?;
        let (arrived, pieces) = mpsc::channel(16);
        let (keys, mut typed) = mpsc::channel::<Bytes>(64);
        std::thread::Builder::new().name("plugin's output".into()).spawn(move || {
            let mut buffer = vec![0; READ];
            // The end of a pty is an error on Linux (EIO); either way there is nothing more to read.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if arrived.blocking_send(Piece::Output(Bytes::copy_from_slice(&buffer[..read]))).is_err() {
                    break;
                }
            }
            let code = child.wait().map_or(1, |status| status.exit_code());
            let _ = arrived.blocking_send(Piece::End(code));
        })?;
        std::thread::Builder::new().name("plugin's input".into()).spawn(move || {
            while let Some(data) = typed.blocking_recv() {
                if writer.write_all(&data).and_then(|()| writer.flush()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            service,
            session_id: session_id.to_owned(),
            options,
            plugs,
            pieces,
            keys,
            master: pair.master,
            killer,
            state: Status { connection: Connection::Connected, ..Status::default() },
            farewell: None,
            waiting: None,
            told_ready: false,
        })
    }

    pub(crate) async fn run(mut self) {
        let end = self.turns().await;
        let _ = self.killer.kill();
        // Its exit code is 0 whatever happened, so that only this is sure to leave nothing open on the node.
        let _ = tokio::time::timeout(FAREWELL, self.service.terminate(&self.session_id)).await;
        self.state.connection = Connection::Ended;
        self.plugs.status.send_replace(self.state);
        if let Some(event) = self.waiting.take() {
            let _ = self.plugs.events.send(event).await;
        }
        let _ = self.plugs.events.send(Event::End(end)).await;
    }

    async fn turns(&mut self) -> End {
        // What was typed and is not yet with the plugin.
        let mut held: Option<Bytes> = None;
        let (mut inputs_gone, mut typing) = (false, true);
        loop {
            self.tell();
            let wait = self.farewell.unwrap_or(now() + Duration::from_secs(60));
            tokio::select! {
                // Room for an event, or nobody who would take it.
                () = async { drop(self.plugs.events.reserve().await) }, if self.waiting.is_some() => self.deliver(),
                // Nobody reads any more. Left it would be lost: no other client can go on where the plugin was.
                () = self.plugs.events.closed(), if self.farewell.is_none() => self.leave(),
                piece = self.pieces.recv(), if self.waiting.is_none() => match piece {
                    Some(Piece::Output(bytes)) => self.output(bytes).await,
                    Some(Piece::End(_)) if self.farewell.is_some() => return End::Terminated,
                    Some(Piece::End(0)) => return End::Closed(String::new()),
                    Some(Piece::End(code)) => {
                        return End::Failed(format!("{NAME} ended with exit code {code}; what it said stands above"));
                    }
                    None => return End::Failed(format!("{NAME} could not be read")),
                },
                () = async { drop(self.keys.reserve().await) }, if held.is_some() => {
                    let Some(data) = held.take() else { continue };
                    let length = data.len() as u64;
                    match self.keys.try_send(data) {
                        Ok(()) => self.state.sent += length,
                        Err(TrySendError::Full(data)) => held = Some(data),
                        Err(TrySendError::Closed(_)) => typing = false,
                    }
                }
                command = self.plugs.commands.recv(), if held.is_none() && typing => match command {
                    Some(Command::Data(data)) => held = Some(data),
                    // It has no word for flags of ours.
                    Some(Command::Flag(_)) => {}
                    None => (inputs_gone, typing) = (true, false),
                },
                changed = self.plugs.size.changed(), if !inputs_gone => {
                    inputs_gone |= changed.is_err();
                    let size = *self.plugs.size.borrow_and_update();
                    // A terminal that is gone has no size.
                    let _ = self.master.resize(pty_size(size));
                }
                changed = self.plugs.wish.changed(), if !inputs_gone => {
                    inputs_gone |= changed.is_err();
                    if *self.plugs.wish.borrow() != Wish::Run {
                        self.leave();
                    }
                }
                () = tokio::time::sleep_until(wait.into()), if self.farewell.is_some() => return End::Terminated,
            }
        }
    }

    fn deliver(&mut self) {
        if let Some(event) = self.waiting.take()
            && let Err(TrySendError::Full(event)) = self.plugs.events.try_send(event)
        {
            self.waiting = Some(event);
        }
    }

    async fn output(&mut self, bytes: Bytes) {
        if !self.told_ready {
            self.told_ready = true;
            self.state.ready = true;
            let opened = Opened {
                session_type: self.options.session_type.clone(),
                port: None,
                encrypted: false,
                agent_version: String::new(),
                quiet_mux: false,
            };
            let _ = self.plugs.events.send(Event::Ready(opened)).await;
        }
        self.state.received += bytes.len() as u64;
        self.waiting = Some(Event::Output(bytes));
    }

    /// Asks for the session's end; the plugin ends with it.
    fn leave(&mut self) {
        if self.farewell.is_some() {
            return;
        }
        self.farewell = Some(now() + FAREWELL);
        let (service, session_id) = (Arc::clone(&self.service), self.session_id.clone());
        tokio::spawn(async move {
            if let Err(error) = service.terminate(&session_id).await {
                tracing::warn!(session = %session_id, %error, "the session could not be terminated");
            }
        });
    }

    fn tell(&mut self) {
        let state = self.state;
        self.plugs.status.send_if_modified(|told| std::mem::replace(told, state) != state);
    }
}
