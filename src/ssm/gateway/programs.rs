//! Owns what the loopback agent runs: the local shell on a real pseudo-terminal, commands, real TCP connections behind a
//! forward, and an echo for tests in simulated time.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::ssm::frame::{Flag, Size};
use crate::ssm::gateway::agent::{FromProgram, Program, ToProgram};
use crate::ssm::handshake::PortMode;
use crate::ssm::smux::{Mux, MuxEvent, Role};

/// What real agents read at once.
const READ: usize = 1024;

fn ends() -> (Program, mpsc::Receiver<ToProgram>, mpsc::Sender<FromProgram>) {
    let (input, to_program) = mpsc::channel(64);
    let (from_program, output) = mpsc::channel(64);
    (Program { input, output }, to_program, from_program)
}

/// Sends back what it gets.
pub(super) fn echo() -> Program {
    let (program, mut input, output) = ends();
    tokio::spawn(async move {
        while let Some(item) = input.recv().await {
            if let ToProgram::Data(data) = item
                && output.send(FromProgram::Data(data)).await.is_err()
            {
                break;
            }
        }
    });
    program
}

/// Sends back every size it gets.
pub(super) fn sizes() -> Program {
    let (program, mut input, output) = ends();
    tokio::spawn(async move {
        while let Some(item) = input.recv().await {
            if let ToProgram::Size(Size { cols, rows }) = item
                && output.send(FromProgram::Data(format!("{cols}x{rows} ").into())).await.is_err()
            {
                break;
            }
        }
    });
    program
}

/// A shell, or one command, on a pseudo-terminal. It starts when its size is known, or after a moment without one, so that a
/// full-screen program is drawn in the right size at once.
pub(super) fn terminal(shell: &str, command: Option<&str>, directory: Option<&PathBuf>) -> Program {
    let mut builder = CommandBuilder::new(shell);
    if let Some(command) = command {
        builder.args(["-c", command]);
    }
    if let Some(directory) = directory {
        builder.cwd(directory);
        builder.env("HOME", directory);
    }
    builder.env("TERM", "xterm-256color");
    builder.env("LANG", "C.UTF-8");
    // A shell's start-up file named here would run on the user's own machine.
    builder.env_remove("ENV");
    let (program, mut input, output) = ends();
    tokio::spawn(async move {
        // What comes first is a size, from every known client.
        let first = tokio::time::timeout(Duration::from_millis(50), input.recv()).await.ok().flatten();
        let told = output.clone();
        if let Err(why) = start_terminal(builder, first, input, output) {
            // A session that is gone needs no reason.
            let _ = told.send(FromProgram::End(format!("Unable to start shell: {why}"))).await;
        }
    });
    program
}

fn pty_size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows: rows.max(1), cols: cols.max(1), pixel_width: 0, pixel_height: 0 }
}

fn start_terminal(
    builder: CommandBuilder,
    first: Option<ToProgram>,
    mut input: mpsc::Receiver<ToProgram>,
    output: mpsc::Sender<FromProgram>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let size = if let Some(ToProgram::Size(size)) = &first { pty_size(size.cols, size.rows) } else { pty_size(80, 24) };
    let pair = native_pty_system().openpty(size)?;
    let mut child = pair.slave.spawn_command(builder)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader()?;
    let mut writer = pair.master.take_writer()?;
    let mut killer = child.clone_killer();
    std::thread::Builder::new().name("loopback pty reader".into()).spawn(move || {
        let mut buffer = [0; READ];
        // The end of a pty is an error on Linux (EIO); either way there is nothing more to read.
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            if output.blocking_send(FromProgram::Data(Bytes::copy_from_slice(&buffer[..read]))).is_err() {
                break;
            }
        }
        let _ = child.wait();
        let _ = output.blocking_send(FromProgram::End(String::new()));
    })?;
    let master = pair.master;
    std::thread::Builder::new().name("loopback pty writer".into()).spawn(move || {
        let mut next = first;
        while let Some(item) = next.take().or_else(|| input.blocking_recv()) {
            match item {
                ToProgram::Data(data) => {
                    if writer.write_all(&data).and_then(|()| writer.flush()).is_err() {
                        break;
                    }
                }
                ToProgram::Size(size) => {
                    let _ = master.resize(pty_size(size.cols, size.rows));
                }
                ToProgram::Flag(_) => {}
            }
        }
        // The session is over: so is what it ran.
        let _ = killer.kill();
    })?;
    Ok(())
}

/// One command without a terminal. `apart` sends the error stream and the exit code on their own.
pub(super) fn command(shell: &str, text: &str, apart: bool, directory: Option<&PathBuf>) -> Result<Program, String> {
    let mut builder = Command::new(shell);
    builder.args(["-c", text]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if let Some(directory) = directory {
        builder.current_dir(directory);
    }
    let mut child = builder.spawn().map_err(|e| format!("Unable to run the command: {e}"))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("Unable to run the command: no pipes".into());
    };
    let (program, mut input, output) = ends();
    tokio::spawn(async move {
        let out = tokio::spawn(copy(stdout, output.clone(), FromProgram::Data));
        let kind = if apart { FromProgram::StdErr } else { FromProgram::Data };
        let err = tokio::spawn(copy(stderr, output.clone(), kind));
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                item = input.recv() => match item {
                    // An interrupt, as the agent scans for it.
                    Some(ToProgram::Data(data)) if data.contains(&3) => { let _ = child.start_kill(); }
                    Some(_) => {}
                    None => { let _ = child.start_kill(); break child.wait().await; }
                }
            }
        };
        let _ = out.await;
        let _ = err.await;
        if apart {
            let code = status.ok().and_then(|s| s.code()).unwrap_or(-1);
            let _ = output.send(FromProgram::ExitCode(code)).await;
        }
        let _ = output.send(FromProgram::End(String::new())).await;
    });
    Ok(program)
}

async fn copy(mut from: impl AsyncRead + Unpin, to: mpsc::Sender<FromProgram>, kind: fn(Bytes) -> FromProgram) {
    let mut buffer = [0; READ];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.send(kind(Bytes::copy_from_slice(&buffer[..read]))).await.is_err() {
            break;
        }
    }
}

/// A forward to this host and port.
pub(super) fn port(host: String, port: u16, mode: PortMode) -> Program {
    let (program, input, output) = ends();
    tokio::spawn(async move {
        let end = match mode {
            PortMode::Mux => mux(host, port, input, &output).await,
            PortMode::Basic | PortMode::Stream => basic(host, port, mode, input, &output).await,
        };
        let _ = output.send(FromProgram::End(end)).await;
    });
    program
}

struct Stream {
    write: mpsc::UnboundedSender<Bytes>,
    reader: JoinHandle<()>,
}

/// Connections behind the multiplexer: dialled one after the other, closed whole on either side's end.
async fn mux(host: String, port: u16, mut input: mpsc::Receiver<ToProgram>, output: &mpsc::Sender<FromProgram>) -> String {
    let mut mux = Mux::new(Role::Server);
    let mut streams: BTreeMap<u32, Stream> = BTreeMap::new();
    let (local, mut from_local) = mpsc::channel::<(u32, Option<Bytes>)>(64);
    loop {
        while mux.waiting() > 0 {
            let mut bytes = mux.take();
            while !bytes.is_empty() {
                let part = bytes.split_to(bytes.len().min(READ));
                if output.send(FromProgram::Data(part)).await.is_err() {
                    return String::new();
                }
            }
        }
        tokio::select! {
            item = input.recv() => match item {
                Some(ToProgram::Data(data)) => if let Err(error) = mux.feed(data) { return error.to_string() },
                Some(_) => {}
                None => return String::new(),
            },
            Some((id, data)) = from_local.recv() => match data {
                Some(data) => mux.send(id, &data),
                None => { streams.remove(&id); mux.close(id); }
            }
        }
        while let Some(event) = mux.poll() {
            match event {
                MuxEvent::Opened(id) => match TcpStream::connect((host.as_str(), port)).await {
                    Ok(tcp) => {
                        let _ = tcp.set_nodelay(true);
                        let (mut read, write) = tcp.into_split();
                        let (queue, writes) = mpsc::unbounded_channel();
                        tokio::spawn(write_all(write, writes));
                        let local = local.clone();
                        let reader = tokio::spawn(async move {
                            let mut buffer = BytesMut::with_capacity(16 << 10);
                            while let Ok(1..) = read.read_buf(&mut buffer).await {
                                if local.send((id, Some(buffer.split().freeze()))).await.is_err() {
                                    return;
                                }
                                buffer.reserve(16 << 10);
                            }
                            let _ = local.send((id, None)).await;
                        });
                        streams.insert(id, Stream { write: queue, reader });
                    }
                    Err(_) => {
                        mux.close(id);
                        let _ = output.send(FromProgram::Flag(Flag::ConnectToPortError)).await;
                    }
                },
                MuxEvent::Data(id, data) => {
                    if let Some(stream) = streams.get(&id) {
                        let _ = stream.write.send(data);
                    }
                }
                MuxEvent::Closed(id) => {
                    if let Some(stream) = streams.remove(&id) {
                        stream.reader.abort();
                    }
                }
            }
        }
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(data) = queue.recv().await {
        if write.write_all(&data).await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

/// One raw connection: at once for a stream, at the first data and again after each disconnect for an old agent's forward.
async fn basic(
    host: String,
    port: u16,
    mode: PortMode,
    mut input: mpsc::Receiver<ToProgram>,
    output: &mpsc::Sender<FromProgram>,
) -> String {
    let mut first = Bytes::new();
    loop {
        let tcp = match TcpStream::connect((host.as_str(), port)).await {
            Ok(tcp) => tcp,
            Err(error) => return format!("Unable to connect to specified port: {error}"),
        };
        let _ = tcp.set_nodelay(true);
        let (mut read, mut write) = tcp.into_split();
        let mut buffer = [0; READ];
        let mut open = write.write_all(&first).await.is_ok();
        while open {
            tokio::select! {
                read = read.read(&mut buffer) => match read {
                    Ok(read @ 1..) => {
                        if output.send(FromProgram::Data(Bytes::copy_from_slice(&buffer[..read]))).await.is_err() {
                            return String::new();
                        }
                    }
                    _ if mode == PortMode::Stream => return String::new(),
                    _ => open = false,
                },
                item = input.recv() => match item {
                    Some(ToProgram::Data(data)) => open = write.write_all(&data).await.is_ok(),
                    Some(ToProgram::Flag(Flag::DisconnectToPort)) => open = false,
                    Some(_) => {}
                    None => return String::new(),
                }
            }
        }
        // Dialled again when data comes.
        first = loop {
            match input.recv().await {
                Some(ToProgram::Data(data)) => break data,
                Some(_) => {}
                None => return String::new(),
            }
        };
    }
}
