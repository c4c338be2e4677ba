//! One recording that is played in the console: read, held against the ledger, and fed to its screen as time passes or as
//! somebody seeks. In small pieces, so that no way is so long that a key waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::message::Outcome;
use crate::message::session::{LiveId, Reel, State};
use crate::model::decision::person;
use crate::terminal::{Player, Steer};
use crate::work::sessions::film::Film;
use crate::work::sessions::{Home, Over, turned};

/// Bytes that the screen takes at once: a moment's work.
const PIECE: usize = 32 << 10;
/// Between two frames of what plays.
const FRAME: Duration = Duration::from_millis(33);
/// The clock on screen goes on at least this often.
const TICK: Duration = Duration::from_millis(500);

/// Plays until it is closed.
pub(super) async fn run(
    home: &Arc<Home>,
    id: LiveId,
    session_id: &str,
    reel: &Reel,
    mut steers: mpsc::UnboundedReceiver<Steer>,
    mut end: watch::Receiver<bool>,
) -> Over {
    let history = match home.book.history() {
        Ok(history) => history,
        Err(why) => return Over::failed(why),
    };
    let Some(kept) = history.kept(session_id) else {
        return Over::failed(format!("There is no recording of {session_id} on this machine."));
    };
    let sealed = history.told(session_id).and_then(|told| told.end.as_ref()).and_then(|end| end.recording.clone());
    let path = kept.path.clone();
    let read = tokio::task::spawn_blocking(move || {
        Film::open(&path).map_err(|why| format!("The recording {} cannot be played: {why}", path.display()))
    });
    let film = tokio::select! {
        read = read => match read {
            Ok(Ok(read)) => read,
            Ok(Err(why)) => return Over::failed(why),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return closed(),
        },
        () = turned(&mut end) => return closed(),
    };
    let cut = if film.is_cut_off() { ", and it is cut off" } else { "" };
    let seal = match sealed {
        Some(sealed) if sealed == film.digest() => (format!("its digest is the ledger's{cut}"), false),
        Some(_) => (format!("NOT the file that was sealed: its digest is not the ledger's{cut}"), true),
        None => (format!("not sealed in the ledger{cut}"), false),
    };
    let who = history.told(session_id).map_or_else(String::new, |told| {
        let at = told.began.strftime("%Y-%m-%d %H:%M");
        format!(", {} on {at} UTC", person(&told.actor))
    });
    let title = film.header().title.clone().unwrap_or_else(|| session_id.to_owned());
    home.replay(id, |live| {
        live.title = format!("{title}{who}");
        live.seal = Some(seal);
        live.state = State::Open;
    });
    let mut player = Player::new(film.size(), Box::new(film), 1.0);
    home.tell().await;
    let (mut last, mut told) = (Instant::now(), Instant::now());
    loop {
        let shown = reel.screen.with(|screen| player.show(screen, PIECE));
        reel.put(player.stand());
        if (shown || told.elapsed() > TICK) && reel.screen.touch() {
            told = Instant::now();
            let _ = home.outcomes.send(Outcome::Touched).await;
        }
        if !shown {
            // On the way somewhere: others have their turn, and the way may change.
            tokio::task::yield_now().await;
            match steers.try_recv() {
                _ if *end.borrow() => return closed(),
                Ok(steer) => player.steer(steer),
                Err(mpsc::error::TryRecvError::Empty) => {}
                Err(mpsc::error::TryRecvError::Disconnected) => return closed(),
            }
            last = Instant::now();
            continue;
        }
        let wait = player.wait().map(|wait| wait.clamp(FRAME, TICK));
        tokio::select! {
            () = turned(&mut end) => return closed(),
            steer = steers.recv() => match steer {
                Some(steer) => player.steer(steer),
                None => return closed(),
            },
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
        let now = Instant::now();
        player.advance(now - last);
        last = now;
    }
}

fn closed() -> Over {
    Over { why: "It was closed.".into(), bad: false, outcome: "ended" }
}
