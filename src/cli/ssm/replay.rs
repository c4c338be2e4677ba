//! `bartizan ssm replay`: a recording played in the terminal, or printed as text where there is none.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;
use color_eyre::eyre::{Result, WrapErr as _, bail};
use serde_json::Value as Json;

use crate::cli::list::unless_closed;
use crate::cli::{Done, Global, console, setup};
use crate::console::replay::{Player, play};
use crate::formats::asciicast::{CastError, Reader, What};
use crate::terminal::{Allow, Point, Terminal};
use crate::text;
use crate::work::sessions::film::Film;

/// Options of replay.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// A recording: an asciicast version 2 file
    file: PathBuf,
    /// How fast
    #[arg(long, default_value_t = 1.0, value_name = "TIMES")]
    speed: f64,
    /// Print the text instead of playing it
    #[arg(long)]
    text: bool,
}

impl Replay {
    pub(super) fn run(&self, global: &Global) -> Result<Done> {
        if !(0.1..=100.0).contains(&self.speed) {
            bail!("the speed is a number from 0.1 to 100");
        }
        let name = self.file.display();
        let unread = || format!("could not read {name}");
        let cut = || eprintln!("{name} is cut off: what recorded it was stopped; what is there is played");
        if self.text || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            let file = File::open(&self.file).wrap_err_with(|| format!("could not open {name}"))?;
            let recording = Reader::new(BufReader::new(file)).wrap_err_with(unread)?;
            let mut out = BufWriter::new(io::stdout().lock());
            match print(recording, &mut out) {
                Ok(is_cut_off) => {
                    unless_closed(out.flush())?;
                    is_cut_off.then(cut);
                }
                Err(Unprinted::Read(error)) => return Err(error).wrap_err_with(unread),
                Err(Unprinted::Write(error)) => unless_closed(Err(error))?,
            }
            return Ok(Done::Whole);
        }
        let film = Film::open(&self.file).wrap_err_with(unread)?;
        if film.is_cut_off() {
            cut();
        }
        let config = setup::config(global)?;
        let (theme, ..) = console::looks(&config, &Json::Null)?;
        let title = film.header().title.clone().unwrap_or_else(|| name.to_string());
        let player = Player::new(title, film.size(), Box::new(film), self.speed);
        let runtime = setup::runtime()?;
        let played = runtime.block_on(play(player, theme, console::terminal(&config)));
        runtime.shutdown_background();
        played.wrap_err("the terminal could not be used")?;
        Ok(Done::Whole)
    }
}

/// Why a recording was not printed.
#[derive(Debug)]
enum Unprinted {
    Read(CastError),
    Write(io::Error),
}

impl From<io::Error> for Unprinted {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Prints what was on screen, line by line, as text that is safe to show; whether the recording is cut off.
fn print(mut recording: Reader<impl BufRead>, out: &mut impl io::Write) -> Result<bool, Unprinted> {
    let mut terminal = Terminal::new(recording.header().width, recording.header().height, Allow::default());
    let mut next = 0;
    let mut until = |terminal: &mut Terminal, end: u64| -> io::Result<()> {
        while next < end {
            let last = terminal.size().0.saturating_sub(1);
            terminal.select(Point { line: next, column: 0 }, Point { line: next, column: last });
            let line = terminal.selected_text().unwrap_or_default();
            terminal.clear_selection();
            writeln!(out, "{}", text::line(line.trim_end()))?;
            next += 1;
        }
        Ok(())
    };
    while let Some(event) = recording.event().map_err(Unprinted::Read)? {
        match event.what {
            What::Output(text) => {
                // In pieces: what scrolls far away in one go is no longer kept.
                for part in text.as_bytes().chunks(16 << 10) {
                    terminal.feed(part);
                    if !terminal.is_full_screen() {
                        let top = terminal.top_line();
                        until(&mut terminal, top)?;
                    }
                }
            }
            What::Resize(columns, rows) => terminal.resize(columns, rows),
            What::Input(_) | What::Marker(_) => {}
        }
    }
    let rows = u64::from(terminal.size().1);
    let top = terminal.top_line();
    let used = (0..rows).rev().find(|row| {
        let (from, to) = (Point { line: top + row, column: 0 }, Point { line: top + row, column: u16::MAX });
        terminal.select(from, to);
        terminal.selected_text().is_some_and(|text| !text.trim().is_empty())
    });
    let end = used.map_or(top, |row| top + row + 1);
    until(&mut terminal, end)?;
    Ok(recording.is_cut_off())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_text_of_a_recording_is_whole_and_safe() {
        let mut file = String::from("{\"version\":2,\"width\":20,\"height\":5}\n");
        for n in 0..300 {
            file.push_str(&format!("[{n}.0, \"o\", \"line {n}\\u001b]52;c;aGk=\\u0007\\r\\n\"]\n"));
        }
        let mut out = Vec::new();
        assert!(!print(Reader::new(file.as_bytes()).unwrap(), &mut out).unwrap());
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[299]), (300, "line 0", "line 299"));
        assert!(!text.contains('\u{1b}'));
    }
}
