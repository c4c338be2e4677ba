//! A recording played in the whole terminal: forwards, back, faster, slower. It knows no files; whoever plays gives the
//! scenes. In the console recordings are played behind a pane of the Sessions view instead.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::time::Instant;

use crate::console::run::{Leave, Stop, Terminal, listen};
use crate::console::screen::{self, Painter};
use crate::console::theme::Theme;
use crate::console::widgets::player::{self, About};
use crate::terminal::{Allow, Player as Reel, Scenes, Steer, Terminal as Emulator};

/// How far an arrow goes, and a page, in seconds.
const STEPS: (i64, i64) = (5, 60);

/// A recording and its screen.
pub struct Player {
    title: String,
    reel: Reel,
    screen: Emulator,
}

impl Player {
    /// At the beginning, playing.
    pub fn new(title: String, size: (u16, u16), scenes: Box<dyn Scenes>, speed: f64) -> Self {
        let screen = Emulator::new(size.0, size.1, Allow::default());
        let mut player = Self { title, reel: Reel::new(size, scenes, speed), screen };
        player.show();
        player
    }

    fn show(&mut self) {
        while !self.reel.show(&mut self.screen, usize::MAX) {}
    }

    /// Lets time pass.
    pub fn advance(&mut self, by: Duration) {
        self.reel.advance(by);
        self.show();
    }

    /// How long until something happens.
    pub fn wait(&self) -> Option<Duration> {
        self.reel.wait()
    }

    /// Takes a key; true where it leaves.
    pub fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> bool {
        let steer = match code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char(' ') => Steer::Pause,
            KeyCode::Left | KeyCode::Char('h') => Steer::By(-STEPS.0),
            KeyCode::Right | KeyCode::Char('l') => Steer::By(STEPS.0),
            KeyCode::PageUp => Steer::By(-STEPS.1),
            KeyCode::PageDown => Steer::By(STEPS.1),
            KeyCode::Home | KeyCode::Char('g') => Steer::Start,
            KeyCode::End | KeyCode::Char('G') => Steer::End,
            KeyCode::Char('+' | '=') => Steer::Faster,
            KeyCode::Char('-') => Steer::Slower,
            _ => return false,
        };
        self.reel.steer(steer);
        self.show();
        false
    }

    /// Draws the screen and a line about it.
    pub fn draw(&mut self, buffer: &mut Buffer, theme: &Theme) {
        let about = About { title: &self.title, remark: None, hint: "space  ← →  + -  q" };
        player::draw(buffer, buffer.area, &mut self.screen, &self.reel.stand(), about, theme);
    }
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
    use crate::terminal::{Listed, Scene};

    fn shown(player: &mut Player) -> String {
        let mut text = String::new();
        player.screen.draw(|_, _, glyph| text.push_str(glyph.text));
        text
    }

    #[test]
    fn keys_pause_seek_and_leave() {
        let output = |second: u64, text: &str| (Duration::from_secs(second), Scene::Output(text.into()));
        let scenes = Listed::new(vec![output(0, "a"), output(7, "b"), output(100, "c")]);
        let mut player = Player::new("t".into(), (10, 3), Box::new(scenes), 1.0);
        let press = |player: &mut Player, code| player.key(code, KeyModifiers::NONE);
        press(&mut player, KeyCode::Char(' '));
        player.advance(Duration::from_secs(50));
        assert_eq!((shown(&mut player).as_str(), player.wait()), ("a", None));
        press(&mut player, KeyCode::Right);
        press(&mut player, KeyCode::Right);
        assert_eq!(shown(&mut player), "ab");
        press(&mut player, KeyCode::Left);
        assert_eq!(shown(&mut player), "a");
        press(&mut player, KeyCode::PageDown);
        press(&mut player, KeyCode::End);
        assert_eq!(shown(&mut player), "abc");
        press(&mut player, KeyCode::Char(' '));
        assert_eq!(shown(&mut player), "a", "space at the end begins again");
        assert!(press(&mut player, KeyCode::Char('q')));
        assert!(player.key(KeyCode::Char('c'), KeyModifiers::CONTROL));
    }
}
