//! The player of a recording: forwards, back, faster, slower. It knows no files; whoever plays gives the scenes.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::time::Instant;

use crate::console::run::{Leave, Stop, Terminal, listen};
use crate::console::screen::{self, Painter};
use crate::console::theme::Theme;
use crate::console::widgets::{clear, put, terminal};
use crate::terminal::{Allow, Terminal as Emulator};
use crate::text;

/// How far an arrow goes.
const STEP: Duration = Duration::from_secs(5);
/// A pause longer than this is played as this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The slowest and the fastest.
const SPEEDS: (f64, f64) = (0.1, 100.0);

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    Output(String),
    Resize(u16, u16),
    Marker(String),
}

/// A recording and where it stands.
pub struct Player {
    title: String,
    size: (u16, u16),
    scenes: Vec<(Duration, Scene)>,
    /// The next scene.
    next: usize,
    at: Duration,
    speed: f64,
    playing: bool,
    /// What was remarked last.
    marker: Option<String>,
    screen: Emulator,
}

impl Player {
    /// At the beginning, playing.
    pub fn new(title: String, size: (u16, u16), scenes: Vec<(Duration, Scene)>, speed: f64) -> Self {
        let screen = Emulator::new(size.0, size.1, Allow::default());
        Self { title, size, scenes, next: 0, at: Duration::ZERO, speed, playing: true, marker: None, screen }
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.scenes.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
    /// Where it stands.
    pub fn at(&self) -> Duration {
        self.at
    }
    /// Whether it moves by itself.
    pub fn is_playing(&self) -> bool {
        self.playing && self.next < self.scenes.len()
    }
    /// What is on screen now.
    pub fn screen(&mut self) -> &mut Emulator {
        &mut self.screen
    }

    /// Goes to a time.
    pub fn seek(&mut self, to: Duration) {
        let to = to.min(self.length());
        if to < self.at {
            self.screen = Emulator::new(self.size.0, self.size.1, Allow::default());
            (self.next, self.marker) = (0, None);
        }
        self.at = to;
        while let Some((at, scene)) = self.scenes.get(self.next).filter(|(at, _)| *at <= to) {
            let _ = at;
            match scene {
                Scene::Output(text) => self.screen.feed(text.as_bytes()),
                Scene::Resize(columns, rows) => self.screen.resize(*columns, *rows),
                Scene::Marker(text) => self.marker = Some(text.clone()),
            }
            self.next += 1;
        }
        // A recording's screen answers nobody.
        let _ = self.screen.take_replies();
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        if !self.is_playing() {
            return;
        }
        let mut to = self.at + by.mul_f64(self.speed);
        // Long silences are cut short.
        if let Some((next, _)) = self.scenes.get(self.next) {
            let from = next.saturating_sub(LONGEST_PAUSE);
            if from > to {
                to = from;
            }
        }
        self.seek(to);
    }

    /// How long until something happens.
    pub fn wait(&self) -> Option<Duration> {
        if !self.playing {
            return None;
        }
        let (next, _) = self.scenes.get(self.next)?;
        Some(next.saturating_sub(self.at).min(LONGEST_PAUSE).div_f64(self.speed))
    }

    /// Takes a key; true where it leaves.
    pub fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> bool {
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char(' ') if self.next >= self.scenes.len() => {
                self.playing = true;
                self.seek(Duration::ZERO);
            }
            KeyCode::Char(' ') => self.playing = !self.playing,
            KeyCode::Left | KeyCode::Char('h') => self.seek(self.at.saturating_sub(STEP)),
            KeyCode::Right | KeyCode::Char('l') => self.seek(self.at + STEP),
            KeyCode::PageUp => self.seek(self.at.saturating_sub(STEP * 12)),
            KeyCode::PageDown => self.seek(self.at + STEP * 12),
            KeyCode::Home | KeyCode::Char('g') => self.seek(Duration::ZERO),
            KeyCode::End | KeyCode::Char('G') => self.seek(self.length()),
            KeyCode::Char('+' | '=') => self.speed = (self.speed * 2.0).min(SPEEDS.1),
            KeyCode::Char('-') => self.speed = (self.speed / 2.0).max(SPEEDS.0),
            _ => {}
        }
        false
    }

    /// Draws the screen and a line about it.
    pub fn draw(&mut self, buffer: &mut Buffer, theme: &Theme) {
        let area = buffer.area;
        let foot = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
        let body = Rect { height: area.height.saturating_sub(1), ..area };
        terminal::draw(buffer, body, &mut self.screen, theme);
        clear(buffer, foot, ratatui::style::Style::default());
        let state = match (self.next >= self.scenes.len(), self.playing) {
            (true, _) => "the end",
            (false, true) => "playing",
            (false, false) => "paused",
        };
        let marker = self.marker.as_ref().map_or_else(String::new, |m| format!("  {m}"));
        let left = format!("{state}  {} of {}  ×{}{marker}  {}", clock(self.at), clock(self.length()), self.speed, self.title);
        let hint = "space  ← →  + -  q";
        let room = area.width.saturating_sub(u16::try_from(text::width(hint)).unwrap_or(0) + 3);
        put(buffer, foot.x + 1, foot.y, room, &left, theme.style("ui.notice"));
        put(buffer, foot.x + room + 1, foot.y, area.width, hint, theme.style("ui.hint.key"));
        let (columns, rows) = self.screen.size();
        if columns > body.width || rows > body.height {
            let words = format!(" recorded at {columns}×{rows}: a part is shown ");
            put(buffer, foot.x + 1, body.bottom().saturating_sub(1), area.width - 1, &words, theme.style("ui.warning"));
        }
    }
}

/// `1:02:03`, `2:03`.
fn clock(at: Duration) -> String {
    let all = SignedDuration::try_from(at).map_or(0, |d| d.as_secs());
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Plays in the terminal until it is left.
///
/// # Errors
/// Where the terminal cannot be used.
pub async fn play(mut player: Player, theme: Theme, how: Terminal) -> io::Result<()> {
    screen::enter(how.mouse)?;
    let _leave = Leave;
    let mut stop = Stop::new()?;
    let mut events = listen()?;
    let (width, height) = crossterm::terminal::size()?;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let mut painter = Painter::new(width, height);
    player.seek(Duration::ZERO);
    let mut last = Instant::now();
    loop {
        buffer.reset();
        player.draw(&mut buffer, &theme);
        let bytes = painter.paint(&buffer, None, None);
        if !bytes.is_empty() {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            out.flush()?;
        }
        let pace = how.pace();
        let wait = player.wait().map(|wait| wait.max(pace));
        let event = tokio::select! {
            () = stop.asked() => return Ok(()),
            event = events.recv() => match event {
                Some(event) => Some(event?),
                None => return Ok(()),
            },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => None,
        };
        let now = Instant::now();
        player.advance(now - last);
        last = now;
        match event {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release && player.key(key.code, key.modifiers) => return Ok(()),
            Some(Event::Resize(width, height)) => buffer = Buffer::empty(Rect::new(0, 0, width, height)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player() -> Player {
        let output = |second: u64, text: &str| (Duration::from_secs(second), Scene::Output(text.into()));
        let scenes = vec![output(0, "a"), output(10, "b"), (Duration::from_secs(12), Scene::Resize(30, 4)), output(100, "c")];
        Player::new("t".into(), (10, 3), scenes, 1.0)
    }

    fn shown(player: &mut Player) -> String {
        let mut text = String::new();
        player.screen().draw(|_, _, glyph| text.push_str(glyph.text));
        text
    }

    #[test]
    fn seeking_goes_both_ways_and_silence_is_cut_short() {
        let mut player = player();
        player.seek(Duration::from_secs(11));
        assert_eq!(shown(&mut player), "ab");
        player.seek(Duration::from_secs(200));
        assert_eq!(
            (shown(&mut player).as_str(), player.at(), player.screen().size()),
            ("abc", Duration::from_secs(100), (30, 4))
        );
        player.seek(Duration::from_secs(3));
        assert_eq!((shown(&mut player).as_str(), player.screen().size()), ("a", (10, 3)));
        player.advance(Duration::from_millis(10));
        assert_eq!(player.at(), Duration::from_secs(8), "seven silent seconds become two");
        assert_eq!(player.wait(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn keys_pause_seek_and_change_the_speed() {
        let mut player = player();
        let press = |player: &mut Player, code| player.key(code, KeyModifiers::NONE);
        press(&mut player, KeyCode::Char(' '));
        assert!(!player.is_playing());
        player.advance(Duration::from_secs(50));
        assert_eq!((player.at(), player.wait()), (Duration::ZERO, None));
        press(&mut player, KeyCode::Right);
        assert_eq!(player.at(), STEP);
        press(&mut player, KeyCode::Left);
        press(&mut player, KeyCode::Left);
        assert_eq!(player.at(), Duration::ZERO);
        press(&mut player, KeyCode::Char('+'));
        assert!((player.speed - 2.0).abs() < 1e-9);
        press(&mut player, KeyCode::End);
        press(&mut player, KeyCode::Char(' '));
        assert!(player.is_playing() && player.at() == Duration::ZERO, "space at the end begins again");
        assert!(press(&mut player, KeyCode::Char('q')));
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }
}
