//! A recording on screen: what a key wants of its player, and how it is drawn. The playing itself is `work`'s.

use ratatui::layout::Rect;

use crate::console::action::Action;
use crate::console::views::Canvas;
use crate::console::widgets::player::{self, About};
use crate::console::widgets::put;
use crate::console::widgets::scroller::wrap;
use crate::message::session::{LiveReplay, State};
use crate::terminal::Steer;

/// How far an arrow goes, and a page, in seconds.
const STEPS: (i64, i64) = (5, 60);
/// Where a recording that could not be played says why.
const MARGIN: u16 = 2;

/// What an action wants of the player; none where it is none of the player's.
pub fn steer(action: Action) -> Option<Steer> {
    Some(match action {
        Action::Pause => Steer::Pause,
        Action::Left => Steer::By(-STEPS.0),
        Action::Right => Steer::By(STEPS.0),
        Action::PageUp => Steer::By(-STEPS.1),
        Action::PageDown => Steer::By(STEPS.1),
        Action::Top => Steer::Start,
        Action::Bottom => Steer::End,
        Action::Faster => Steer::Faster,
        Action::Slower => Steer::Slower,
        _ => return None,
    })
}

/// A turn of the wheel.
pub fn wheel(lines: i16) -> Steer {
    Steer::By(if lines < 0 { -STEPS.0 } else { STEPS.0 })
}

/// Draws the recording; none is one that was asked for and is not told of yet.
pub fn draw(area: Rect, replay: Option<&LiveReplay>, canvas: &mut Canvas<'_>) {
    let theme = canvas.theme;
    let words = match replay.map(|replay| &replay.state) {
        None | Some(State::Starting) => "Reading the recording …".to_owned(),
        Some(State::Ended { why, .. }) => format!("{why} q leaves."),
        Some(State::Open | State::Reconnecting(_)) => String::new(),
    };
    let Some(replay) = replay.filter(|_| words.is_empty()) else {
        let cells = usize::from(area.width.saturating_sub(2 * MARGIN));
        for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&words, cells)) {
            put(canvas.buffer, area.x + MARGIN, y, area.width.saturating_sub(MARGIN), &line, theme.style("ui.notice"));
        }
        return;
    };
    replay.reel.screen.seen();
    let stand = replay.reel.stand();
    let remark = replay.seal.as_ref().map(|(words, bad)| (words.as_str(), *bad));
    let about = About { title: &replay.title, remark, hint: "" };
    replay.reel.screen.with(|screen| player::draw(canvas.buffer, area, screen, &stand, about, theme));
}
