//! A recording on disk as a player wants it: held against its digest once, then read as it is played, from wherever somebody
//! seeks. However long it is, a line of it is in memory. It feeds no screen.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::formats::asciicast::{CastError, Event, Header, Reader, What};
use crate::model::decision::Hash;
use crate::terminal::{Place, Scene, Scenes};

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// A recording, ready to be played.
pub struct Film {
    reader: Reader<BufReader<File>>,
    length: Duration,
    /// The time of the last scene that was given.
    last: Duration,
    is_cut_off: bool,
    digest: String,
}

/// Reads through and hashes what passes.
struct Hashed<R> {
    from: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.hash.update(&into[..read]);
        Ok(read)
    }
}

impl Film {
    /// Reads a recording through, so that it is known to be one, how long it is and what its digest is.
    ///
    /// # Errors
    /// Where it cannot be read or is no recording.
    pub fn open(path: &Path) -> Result<Self, CastError> {
        let hashed = Hashed { from: File::open(path)?, hash: Sha256::new() };
        let mut whole = Reader::new(BufReader::with_capacity(CHUNK, hashed))?;
        let mut length = Duration::ZERO;
        while let Some(event) = whole.event()? {
            length = event.at;
        }
        let is_cut_off = whole.is_cut_off();
        // Where it is cut off there may be more behind the cut.
        let mut from = whole.into_inner();
        io::copy(&mut from, &mut io::sink())?;
        let digest = Hash(from.into_inner().hash.finalize().into()).to_string();
        let reader = Reader::new(BufReader::with_capacity(CHUNK, File::open(path)?))?;
        Ok(Self { reader, length, last: Duration::ZERO, is_cut_off, digest })
    }

    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// Columns and rows at its start.
    pub fn size(&self) -> (u16, u16) {
        (self.header().width, self.header().height)
    }

    /// What recorded it was stopped while it wrote.
    pub fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The file's digest, as the ledger has it.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

/// What a screen shows of an event: not what was typed.
pub fn scene(event: Event) -> Option<(Duration, Scene)> {
    let scene = match event.what {
        What::Output(text) => Scene::Output(text),
        What::Resize(columns, rows) => Scene::Resize(columns, rows),
        What::Marker(text) => Scene::Marker(text),
        What::Input(_) => return None,
    };
    Some((event.at, scene))
}

impl Scenes for Film {
    fn length(&self) -> Duration {
        self.length
    }

    fn place(&self) -> Place {
        Place { offset: self.reader.offset(), at: self.last }
    }

    fn go(&mut self, to: Place) {
        self.last = to.at;
        if let Err(error) = self.reader.go(to.offset, to.at) {
            tracing::warn!(%error, "a recording cannot be read from another place");
        }
    }

    fn scene(&mut self) -> Option<(Duration, Scene)> {
        loop {
            match self.reader.event() {
                Ok(None) => return None,
                Ok(Some(event)) => {
                    self.last = event.at;
                    if let Some(scene) = scene(event) {
                        return Some(scene);
                    }
                }
                // It was whole when it was opened: somebody has changed it since.
                Err(error) => {
                    tracing::warn!(%error, "a recording cannot be read on");
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{Allow, Player, Steer, Terminal};

    /// A recording of so many lines, one a second.
    fn film(lines: usize) -> (tempfile::TempDir, Film) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.cast");
        let mut text = String::from("{\"version\":2,\"width\":40,\"height\":5}\n");
        for n in 0..lines {
            text.push_str(&format!("[{n}.0, \"i\", \"typed\"]\n[{n}.0, \"o\", \"line {n} {}\\r\\n\"]\n", "x".repeat(500)));
        }
        std::fs::write(&path, text).unwrap();
        let film = Film::open(&path).unwrap();
        (directory, film)
    }

    fn shown(player: &mut Player, screen: &mut Terminal) -> (String, usize) {
        let mut steps = 1;
        while !player.show(screen, 32 << 10) {
            steps += 1;
        }
        let mut text = String::new();
        screen.draw(|_, _, glyph| text.push_str(glyph.text));
        (text, steps)
    }

    #[test]
    fn a_long_recording_is_sought_from_pictures_kept_on_the_way() {
        let (_directory, film) = film(6_000);
        assert_eq!(film.length(), Duration::from_secs(5_999));
        let (size, mut screen) = (film.size(), Terminal::new(40, 5, Allow::default()));
        let mut player = Player::new(size, Box::new(film), 1.0);
        player.steer(Steer::End);
        let (end, whole) = shown(&mut player, &mut screen);
        assert!(end.contains("x") && whole > 80, "{whole}");
        // Back by a little: the way is not begun anew.
        player.steer(Steer::By(-60));
        let (_, back) = shown(&mut player, &mut screen);
        assert!(back < whole / 4, "{back} of {whole}");
        let at = |player: &mut Player, screen: &mut Terminal, second: u64| {
            player.seek(Duration::from_secs(second));
            shown(player, screen).0
        };
        // Whatever way leads there, the same stands there.
        let (_other, again) = self::film(6_000);
        let mut straight = (Player::new(size, Box::new(again), 1.0), Terminal::new(40, 5, Allow::default()));
        for second in [4_500, 200, 3_000, 5_998, 3] {
            let sought = at(&mut player, &mut screen, second);
            let (_fresh, fresh) = self::film(6_000);
            straight.0 = Player::new(size, Box::new(fresh), 1.0);
            let expected = at(&mut straight.0, &mut straight.1, second);
            assert_eq!(sought, expected, "at {second}");
        }
    }

    #[test]
    fn what_is_no_recording_is_refused_and_one_that_was_cut_off_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.cast");
        assert!(matches!(Film::open(&path), Err(CastError::Io(_))));
        std::fs::write(&path, "nonsense").unwrap();
        assert!(matches!(Film::open(&path), Err(CastError::Header(_))));
        std::fs::write(&path, "{\"version\":2,\"width\":4,\"height\":5}\n[1.5, \"o\", \"a\"]\n[2.0, \"o\", \"b").unwrap();
        let film = Film::open(&path).unwrap();
        assert!(film.is_cut_off());
        assert_eq!(film.length(), Duration::from_millis(1500));
        assert_eq!(film.digest(), crate::work::sessions::shelf::digest(&path).unwrap());
    }
}
