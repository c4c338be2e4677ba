//! The player of a recording: where it stands in time, and what a screen has to be fed to show that. It has no clock and
//! reads no files; whoever plays lets time pass and gives the scenes. What the screen was like is remembered on the way, so that
//! seeking back need not begin at the start.

use std::time::Duration;

use crate::terminal::emulator::Picture;
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

/// A place in a recording, as whoever reads it knows it: what comes next from there, and the time of what came last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub offset: u64,
    pub at: Duration,
}

/// Where scenes come from, in the order of their times.
pub trait Scenes: Send {
    /// When the last one is.
    fn length(&self) -> Duration;
    /// Where the next one stands.
    fn place(&self) -> Place;
    /// Goes on from a place that was given.
    fn go(&mut self, to: Place);
    /// The next one, and when it is.
    fn scene(&mut self) -> Option<(Duration, Scene)>;
}

/// Scenes that are all there.
#[derive(Debug, Default)]
pub struct Listed {
    scenes: Vec<(Duration, Scene)>,
    next: usize,
}

impl Listed {
    pub fn new(scenes: Vec<(Duration, Scene)>) -> Self {
        Self { scenes, next: 0 }
    }
}

impl Scenes for Listed {
    fn length(&self) -> Duration {
        self.scenes.last().map_or(Duration::ZERO, |(at, _)| *at)
    }
    fn place(&self) -> Place {
        let at = self.next.checked_sub(1).and_then(|last| self.scenes.get(last)).map_or(Duration::ZERO, |(at, _)| *at);
        Place { offset: self.next as u64, at }
    }
    fn go(&mut self, to: Place) {
        self.next = usize::try_from(to.offset).unwrap_or(usize::MAX);
    }
    fn scene(&mut self) -> Option<(Duration, Scene)> {
        let scene = self.scenes.get(self.next).cloned()?;
        self.next += 1;
        Some(scene)
    }
}

/// What the screen was like at a place, so that a seek need not begin anew.
struct Mark {
    place: Place,
    picture: Picture,
    marker: Option<String>,
}

/// Bytes between two marks at first; where marks become too large, every second goes and they stand twice as far apart.
const APART: usize = 512 << 10;
/// Bytes that all marks may take together.
const MOST_MARKS: usize = 32 << 20;

/// A recording and where it stands.
pub struct Player {
    size: (u16, u16),
    scenes: Box<dyn Scenes>,
    length: Duration,
    /// Where it all begins.
    start: Place,
    /// The scene that the screen is fed next, and how many of its bytes it has.
    next: Option<(Duration, Scene)>,
    fed: usize,
    /// What the screen has to be before it is fed on: the mark of this number, or blank.
    rewind: Option<Option<usize>>,
    /// In the order of their places.
    marks: Vec<Mark>,
    apart: usize,
    /// Bytes fed since the last mark.
    since: usize,
    at: Duration,
    speed: f64,
    playing: bool,
    marker: Option<String>,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Player({:?} of {:?}, {} marks)", self.at, self.length, self.marks.len())
    }
}

impl Player {
    /// At the beginning, playing.
    pub fn new(size: (u16, u16), mut scenes: Box<dyn Scenes>, speed: f64) -> Self {
        let speed = speed.clamp(SPEEDS.0, SPEEDS.1);
        let (length, start) = (scenes.length(), scenes.place());
        let next = scenes.scene();
        Self {
            size,
            scenes,
            length,
            start,
            next,
            fed: 0,
            rewind: Some(None),
            marks: Vec::new(),
            apart: APART,
            since: 0,
            at: Duration::ZERO,
            speed,
            playing: true,
            marker: None,
        }
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Whether the screen shows where the player stands.
    fn is_shown(&self) -> bool {
        self.rewind.is_none() && self.next.as_ref().is_none_or(|(at, _)| *at > self.at)
    }

    /// Where it stands.
    pub fn stand(&self) -> Stand {
        let over = self.is_shown() && self.next.is_none();
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
        let back = to < self.at;
        self.at = to;
        // The last mark that the way may begin at; forwards only where that is a short cut.
        let mark = self.marks.partition_point(|mark| mark.place.at <= to).checked_sub(1);
        let here = self.next.as_ref().map_or(self.length, |(at, _)| *at);
        let ahead = mark.is_some_and(|mark| self.marks[mark].place.at > here);
        if back || ahead {
            self.begin_at(mark);
        }
    }

    /// Begins at a mark, or at the start.
    fn begin_at(&mut self, mark: Option<usize>) {
        let (place, marker) = mark.map_or((self.start, None), |n| (self.marks[n].place, self.marks[n].marker.clone()));
        self.scenes.go(place);
        (self.next, self.fed, self.since) = (self.scenes.scene(), 0, 0);
        (self.marker, self.rewind) = (marker, Some(mark));
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
        let Some((next, _)) = self.next else { return };
        // Long silences are cut short.
        let to = (self.at + by.mul_f64(self.speed)).max(next.saturating_sub(LONGEST_PAUSE));
        self.seek(to);
    }

    /// How long until something happens; none where nothing does by itself.
    pub fn wait(&self) -> Option<Duration> {
        if !self.playing {
            return None;
        }
        let (next, _) = self.next.as_ref()?;
        Some(next.saturating_sub(self.at).min(LONGEST_PAUSE).div_f64(self.speed))
    }

    /// Feeds the screen until it shows where the player stands or has taken about so many bytes; whether it does.
    pub fn show(&mut self, screen: &mut Terminal, most: usize) -> bool {
        match self.rewind.take() {
            Some(Some(mark)) => screen.set(&self.marks[mark].picture),
            Some(None) => *screen = Terminal::new(self.size.0, self.size.1, Allow::default()),
            None => {}
        }
        let mut left = most;
        while let Some((_, scene)) = self.next.as_ref().filter(|(at, _)| *at <= self.at) {
            match scene {
                Scene::Output(text) => {
                    let rest = &text.as_bytes()[self.fed..];
                    let part = &rest[..rest.len().min(left)];
                    screen.feed(part);
                    left -= part.len();
                    self.since += part.len();
                    if part.len() < rest.len() {
                        self.fed += part.len();
                        break;
                    }
                }
                Scene::Resize(columns, rows) => screen.resize(*columns, *rows),
                Scene::Marker(text) => self.marker = Some(text.clone()),
            }
            let place = self.scenes.place();
            self.fed = 0;
            self.mark(screen, place);
            self.next = self.scenes.scene();
        }
        // A recording's screen answers nobody.
        let _ = screen.take_replies();
        self.is_shown()
    }

    /// Remembers what the screen is like where the way has been long, and where nobody has been before.
    fn mark(&mut self, screen: &Terminal, place: Place) {
        if self.since < self.apart || self.marks.last().is_some_and(|last| last.place.offset >= place.offset) {
            return;
        }
        let Some(picture) = screen.picture() else { return };
        self.since = 0;
        self.marks.push(Mark { place, picture, marker: self.marker.clone() });
        while self.marks.len() > 1 && self.marks.iter().map(|mark| mark.picture.memory()).sum::<usize>() > MOST_MARKS {
            let mut keep = true;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
            self.apart *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player() -> (Player, Terminal) {
        let output = |second: u64, text: &str| (Duration::from_secs(second), Scene::Output(text.into()));
        let scenes = vec![output(0, "a"), output(10, "b"), (Duration::from_secs(12), Scene::Resize(30, 4)), output(100, "c")];
        (Player::new((10, 3), Box::new(Listed::new(scenes)), 1.0), Terminal::new(10, 3, Allow::default()))
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
        let mut player = Player::new((80, 24), Box::new(Listed::new(scenes)), 1.0);
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
    fn marks_are_thinned_out_before_they_are_too_much() {
        let scenes = (0..60).map(|n| (Duration::from_secs(n), Scene::Output("x".repeat(600)))).collect();
        let mut player = Player::new((500, 200), Box::new(Listed::new(scenes)), 1.0);
        let mut screen = Terminal::new(500, 200, Allow::default());
        player.apart = 1;
        player.seek(Duration::from_secs(40));
        while !player.show(&mut screen, usize::MAX) {}
        let memory: usize = player.marks.iter().map(|mark| mark.picture.memory()).sum();
        assert!(memory <= MOST_MARKS && player.marks.len() > 1 && player.apart > 1, "{} marks, {memory}", player.marks.len());
        assert!(player.marks.is_sorted_by_key(|mark| mark.place.offset));
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
