//! The event loop: keys and outcomes in, effects out, one drawing for all that is ready, at a bounded pace. Idle means
//! no wake-ups and no bytes.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::console::app::{App, Wishes};
use crate::console::screen::{self, Painter};
use crate::message::{Effect, Outcome};

/// Between two frames: 30 a second, 12 over SSH.
const FRAME: Duration = Duration::from_millis(33);
const FRAME_OVER_SSH: Duration = Duration::from_millis(83);
/// Outcomes taken before keys are looked at again.
const AT_ONCE: usize = 256;
/// How long the first frame waits for cached rows.
const FIRST: Duration = Duration::from_millis(25);

/// How the console runs.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    pub mouse: bool,
    pub over_ssh: bool,
    /// Inside tmux or screen: what goes to the clipboard has to pass through.
    pub tmux: bool,
    pub screen: bool,
}

/// Runs the console until it is left. The terminal is given back however this ends.
///
/// # Errors
/// Where the terminal cannot be used.
pub async fn run(
    mut app: App,
    effects: mpsc::UnboundedSender<Effect>,
    mut outcomes: mpsc::Receiver<Outcome>,
    terminal: Terminal,
) -> io::Result<()> {
    screen::enter(terminal.mouse)?;
    let _leave = Leave;
    let mut stop = Stop::new()?;
    let mut events = listen()?;
    let (width, height) = crossterm::terminal::size()?;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let mut painter = Painter::new(width, height);
    let pace = terminal.pace();
    let send = |wanted: Vec<Effect>| {
        for effect in wanted {
            // `work` ends only after the console.
            let _ = effects.send(effect);
        }
    };

    send(app.start((width, height)));
    // What is there at once belongs into the first frame.
    let first = Instant::now() + FIRST;
    while let Ok(Some(outcome)) = tokio::time::timeout_at(first, outcomes.recv()).await {
        let answered = matches!(outcome, Outcome::Answer { .. });
        send(app.outcome(outcome, Timestamp::now()));
        if answered {
            break;
        }
    }
    let mut dirty = true;
    let mut next_frame = Instant::now();
    loop {
        // Also of what came before the first frame: a session may be over by then.
        if grant(&app.take_wishes(), &mut painter, terminal)? {
            return Ok(());
        }
        if dirty && Instant::now() >= next_frame {
            draw(&mut app, &mut buffer, &mut painter)?;
            dirty = false;
            next_frame = Instant::now() + pace;
        }
        let event = tokio::select! {
            biased;
            () = stop.asked() => return Ok(()),
            event = events.recv() => match event {
                Some(event) => Some(event?),
                None => return Ok(()),
            },
            outcome = outcomes.recv() => {
                let Some(outcome) = outcome else { return Ok(()) };
                send(app.outcome(outcome, Timestamp::now()));
                None
            }
            () = tokio::time::sleep_until(next_frame), if dirty => continue,
        };
        dirty = true;
        let mut next = event;
        // Everything that is ready goes into one frame.
        loop {
            if let Some(event) = next {
                if let Event::Resize(width, height) = event {
                    buffer = Buffer::empty(Rect::new(0, 0, width, height));
                }
                panic_on_request(&event);
                send(app.event(&event, Timestamp::now()));
                if grant(&app.take_wishes(), &mut painter, terminal)? {
                    return Ok(());
                }
            }
            next = match events.try_recv() {
                Ok(event) => Some(event?),
                Err(_) => break,
            };
        }
        // So many at a time: a node that floods must not keep the keys waiting.
        for _ in 0..AT_ONCE {
            let Ok(outcome) = outcomes.try_recv() else { break };
            send(app.outcome(outcome, Timestamp::now()));
        }
    }
}

impl Terminal {
    /// Between two frames.
    pub fn pace(self) -> Duration {
        if self.over_ssh { FRAME_OVER_SSH } else { FRAME }
    }
}

/// Reads stdin for as long as somebody listens. The stream keeps the first waker that polls it, so one task alone polls.
///
/// # Errors
/// Where the system does not let one listen.
pub(super) fn listen() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (heard, events) = mpsc::channel(256);
    let mut window = Window::new()?;
    tokio::spawn(async move {
        let mut stream = EventStream::new();
        let mut looks = 0;
        loop {
            let event = tokio::select! {
                event = stream.next() => {
                    looks = LOOKS;
                    match event {
                        // Told by the signal itself.
                        Some(Ok(Event::Resize(..))) if cfg!(unix) => continue,
                        event => event,
                    }
                }
                () = window.changed() => {
                    looks = LOOKS;
                    Some(crossterm::terminal::size().map(|(width, height)| Event::Resize(width, height)))
                }
                () = tokio::time::sleep(LYING), if looks > 0 => {
                    looks = if nudge() { looks - 1 } else { 0 };
                    continue;
                }
                () = heard.closed() => return,
            };
            let Some(event) = event else { return };
            if heard.send(event).await.is_err() {
                return;
            }
        }
    });
    Ok(events)
}

/// The event stream is told once of what can be read, and leaves at the first event: where a key and a change of size come in the
/// same moment, or more than it reads at once, the rest lies there until the next key. So after each event it is looked, once
/// it is quiet, whether something lies there.
const LYING: Duration = Duration::from_millis(10);
/// How often in a row.
const LOOKS: u32 = 50;

/// Has the stream told again of what lies there to be read; whether there is anything.
#[cfg(unix)]
fn nudge() -> bool {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    if !matches!(rustix::io::ioctl_fionread(&stdin), Ok(1..)) {
        return false;
    }
    // Setting the terminal to what it is wakes whoever waits for it.
    tcgetattr(&stdin).is_ok_and(|settings| tcsetattr(&stdin, OptionalActions::Now, &settings).is_ok())
}

#[cfg(not(unix))]
fn nudge() -> bool {
    false
}

/// The signal that the terminal has another size. The event stream loses it where a key comes in the same moment.
#[cfg(unix)]
struct Window(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Window {
    fn new() -> io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).map(Self)
    }
    async fn changed(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
struct Window;

#[cfg(not(unix))]
impl Window {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }
    async fn changed(&mut self) {
        std::future::pending().await
    }
}

fn draw(app: &mut App, buffer: &mut Buffer, painter: &mut Painter) -> io::Result<()> {
    buffer.reset();
    let drawn = app.draw(buffer);
    let bytes = painter.paint(buffer, drawn.scroll, drawn.cursor);
    if bytes.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Does what the console wants of the terminal; true where it wants to leave.
fn grant(wishes: &Wishes, painter: &mut Painter, terminal: Terminal) -> io::Result<bool> {
    for text in &wishes.copies {
        let mut out = io::stdout().lock();
        out.write_all(screen::copy(text, terminal.tmux, terminal.screen).as_bytes())?;
        out.flush()?;
    }
    if wishes.redraw {
        painter.forget();
    }
    #[cfg(unix)]
    if wishes.suspend {
        screen::leave();
        // Stops here until the shell's `fg`.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP)?;
        screen::enter(terminal.mouse)?;
        painter.forget();
    }
    Ok(wishes.quit)
}

/// Gives the terminal back when the loop ends, however it ends.
pub(super) struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        screen::leave();
    }
}

/// The signals that end a program.
#[cfg(unix)]
pub struct Stop {
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    /// Listens for them from now on.
    ///
    /// # Errors
    /// Where the system does not let one listen.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
    /// Waits for one.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(unix)]
impl Stop {
    /// Waits for one that is not ctrl-c: the program is to leave, whatever it runs.
    pub async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

#[cfg(not(unix))]
pub struct Stop;

#[cfg(not(unix))]
impl Stop {
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }
    pub async fn asked(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
    pub async fn told(&mut self) {
        std::future::pending().await
    }
}

/// Builds for tests panic at F12 where the environment asks for it: so that what a panic leaves behind can be tested.
#[cfg(debug_assertions)]
fn panic_on_request(event: &Event) {
    if let Event::Key(key) = event
        && key.code == crossterm::event::KeyCode::F(12)
        && std::env::var_os("BARTIZAN_PANIC").is_some()
    {
        panic!("asked for by BARTIZAN_PANIC");
    }
}

#[cfg(not(debug_assertions))]
fn panic_on_request(_: &Event) {}
