//! The player of a recording: where it stands in time, and what a screen has to be fed to show that. It has no clock and
//! reads no files; whoever plays lets time pass and gives the scenes.

use std::time::Duration;

use crate::terminal::{Allow, Terminal};

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

/// What somebody wants of a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steer {
    /// Stops, or goes on; at the end, begins again.
    Pause,
    /// By so many seconds, back where they are negative.
    By(i64),
    Start,
    End,
    Faster,
    Slower,
}

/// Where a player stands, to be shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stand {
    pub at: Duration,
    pub length: Duration,
    pub speed: f64,
    pub playing: bool,
    /// Nothing comes any more.
    pub over: bool,
    /// The screen is still on its way there.
    pub seeking: bool,
    /// What was remarked last.
    pub marker: Option<String>,
}

/// A recording and where it stands.
#[derive(Debug)]
pub struct Player {
    size: (u16, u16),
    scenes: Vec<(Duration, Scene)>,
    /// The scene that the screen is fed next, and how many of its bytes it has.
    next: usize,
    fed: usize,
    /// The screen has to begin anew, in the recording's own size.
    rewind: bool,
    at: Duration,
    speed: f64,
    playing: bool,
    marker: Option<String>,
}

impl Player {
    /// At the beginning, playing. Scenes are in the order of their times.
    pub fn new(size: (u16, u16), scenes: Vec<(Duration, Scene)>, speed: f64) -> Self {
        let speed = speed.clamp(SPEEDS.0, SPEEDS.1);
        Self { size, scenes, next: 0, fed: 0, rewind: true, at: Duration::ZERO, speed, playing: true, marker: None }
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.scenes.last().map_or(Duration::ZERO, |(at, _)| *at)
    }

    /// Whether the screen shows where the player stands.
    fn is_shown(&self) -> bool {
        !self.rewind && self.scenes.get(self.next).is_none_or(|(at, _)| *at > self.at)
    }

    /// Where it stands.
    pub fn stand(&self) -> Stand {
        let over = self.is_shown() && self.next >= self.scenes.len();
        Stand {
            at: self.at,
            length: self.length(),
            speed: self.speed,
            playing: self.playing && !over,
            over,
            seeking: !self.is_shown(),
            marker: self.marker.clone(),
        }
    }

    /// Goes to a time; the screen follows by [`Player::show`].
    pub fn seek(&mut self, to: Duration) {
        let to = to.min(self.length());
        if to < self.at {
            (self.next, self.fed, self.rewind, self.marker) = (0, 0, true, None);
        }
        self.at = to;
    }

    /// Does what somebody wants.
    pub fn steer(&mut self, steer: Steer) {
        match steer {
            Steer::Pause if self.stand().over => {
                self.playing = true;
                self.seek(Duration::ZERO);
            }
            Steer::Pause => self.playing = !self.playing,
            Steer::By(seconds) => {
                let by = Duration::from_secs(seconds.unsigned_abs());
                self.seek(if seconds < 0 { self.at.saturating_sub(by) } else { self.at.saturating_add(by) });
            }
            Steer::Start => self.seek(Duration::ZERO),
            Steer::End => self.seek(self.length()),
            Steer::Faster => self.speed = (self.speed * 2.0).min(SPEEDS.1),
            Steer::Slower => self.speed = (self.speed / 2.0).max(SPEEDS.0),
        }
    }

    /// Lets time pass; none passes while the screen is on its way.
    pub fn advance(&mut self, by: Duration) {
        if !self.playing || !self.is_shown() {
            return;
        }
        let Some((next, _)) = self.scenes.get(self.next) else { return };
        // Long silences are cut short.
        let to = (self.at + by.mul_f64(self.speed)).max(next.saturating_sub(LONGEST_PAUSE));
        self.seek(to);
    }

    /// How long until something happens; none where nothing does by itself.
    pub fn wait(&self) -> Option<Duration> {
        if !self.playing {
            return None;
        }
        let (next, _) = self.scenes.get(self.next)?;
        Some(next.saturating_sub(self.at).min(LONGEST_PAUSE).div_f64(self.speed))
    }

    /// Feeds the screen until it shows where the player stands or has taken about so many bytes; whether it does.
    pub fn show(&mut self, screen: &mut Terminal, most: usize) -> bool {
        if std::mem::take(&mut self.rewind) {
            *screen = Terminal::new(self.size.0, self.size.1, Allow::default());
        }
        let mut left = most;
        while let Some((_, scene)) = self.scenes.get(self.next).filter(|(at, _)| *at <= self.at) {
            match scene {
                Scene::Output(text) => {
                    let rest = &text.as_bytes()[self.fed..];
                    let part = &rest[..rest.len().min(left)];
                    screen.feed(part);
                    left -= part.len();
                    if part.len() < rest.len() {
                        self.fed += part.len();
                        break;
                    }
                }
                Scene::Resize(columns, rows) => screen.resize(*columns, *rows),
                Scene::Marker(text) => self.marker = Some(text.clone()),
            }
            (self.next, self.fed) = (self.next + 1, 0);
        }
        // A recording's screen answers nobody.
        let _ = screen.take_replies();
        self.is_shown()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn player() -> (Player, Terminal) {
        let output = |second: u64, text: &str| (Duration::from_secs(second), Scene::Output(text.into()));
        let scenes = vec![output(0, "a"), output(10, "b"), (Duration::from_secs(12), Scene::Resize(30, 4)), output(100, "c")];
        (Player::new((10, 3), scenes, 1.0), Terminal::new(10, 3, Allow::default()))
    }

    fn text((player, screen): &mut (Player, Terminal)) -> String {
        assert!(player.show(screen, usize::MAX));
        let mut text = String::new();
        screen.draw(|_, _, glyph| text.push_str(glyph.text));
        text
    }

    #[test]
    fn seeking_goes_both_ways_and_silence_is_cut_short() {
        let mut played = player();
        played.0.seek(Duration::from_secs(11));
        assert_eq!(text(&mut played), "ab");
        played.0.seek(Duration::from_secs(200));
        assert_eq!((text(&mut played).as_str(), played.1.size()), ("abc", (30, 4)));
        assert_eq!((played.0.stand().at, played.0.stand().over), (Duration::from_secs(100), true));
        played.0.seek(Duration::from_secs(3));
        assert_eq!((text(&mut played).as_str(), played.1.size()), ("a", (10, 3)));
        played.0.advance(Duration::from_millis(10));
        assert_eq!(played.0.stand().at, Duration::from_secs(8), "seven silent seconds become two");
        assert_eq!(played.0.wait(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_long_way_is_gone_in_small_steps_and_time_waits_for_it() {
        let long = "x".repeat(10_000);
        let scenes = vec![
            (Duration::ZERO, Scene::Output(long)),
            (Duration::from_secs(5), Scene::Marker("m".into())),
            (Duration::from_secs(9), Scene::Output("end".into())),
        ];
        let mut player = Player::new((80, 24), scenes, 1.0);
        let mut screen = Terminal::new(80, 24, Allow::default());
        player.steer(Steer::End);
        let mut steps = 0;
        while !player.show(&mut screen, 1_000) {
            let stand = player.stand();
            assert!(stand.seeking && !stand.over && stand.at == Duration::from_secs(9));
            player.advance(Duration::from_secs(60));
            steps += 1;
        }
        assert_eq!(steps, 10);
        assert_eq!(player.stand().marker.as_deref(), Some("m"));
        let mut shown = String::new();
        screen.draw(|_, _, glyph| shown.push_str(glyph.text));
        assert!(shown.ends_with("xend"), "{shown}");
    }

    #[test]
    fn it_pauses_changes_speed_and_begins_again() {
        let (mut player, mut screen) = player();
        player.show(&mut screen, usize::MAX);
        player.steer(Steer::Pause);
        player.advance(Duration::from_secs(50));
        assert_eq!((player.stand().at, player.stand().playing, player.wait()), (Duration::ZERO, false, None));
        player.steer(Steer::By(5));
        assert_eq!(player.stand().at, Duration::from_secs(5));
        player.steer(Steer::By(-9));
        assert_eq!(player.stand().at, Duration::ZERO);
        player.steer(Steer::Faster);
        assert!((player.stand().speed - 2.0).abs() < 1e-9);
        for _ in 0..20 {
            player.steer(Steer::Slower);
        }
        assert!((player.stand().speed - 0.1).abs() < 1e-9);
        player.steer(Steer::End);
        player.show(&mut screen, usize::MAX);
        assert!(player.stand().over && !player.stand().playing);
        player.steer(Steer::Pause);
        player.show(&mut screen, usize::MAX);
        let stand = player.stand();
        assert!(stand.playing && stand.at == Duration::ZERO, "at the end it begins again");
    }
}
