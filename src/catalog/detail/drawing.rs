//! A small graph as lines of text: boxes one under the other, and beside them arrows that lead down, each with its words.
//! It knows lines and cells, not what the boxes stand for.

use serde::Serialize;

use crate::text;

/// Boxes and arrows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Drawing {
    pub boxes: Vec<Node>,
    pub arrows: Vec<Arrow>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    pub label: String,
    /// Where it stands, under its label; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// What all arrows lead to.
    pub goal: bool,
}

/// An arrow from a box to one below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrow {
    /// Places in [`Drawing::boxes`].
    pub from: usize,
    pub to: usize,
    pub label: String,
    /// Else it holds under conditions.
    pub certain: bool,
}

/// What a part of a line is, for whoever colours it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Rule,
    Label,
    Goal,
    Word,
    /// The words of an arrow that holds under conditions.
    Doubt,
}

/// A line of parts.
pub type Inked = Vec<(String, Ink)>;

/// The characters lines are drawn with.
struct Pens {
    across: char,
    down: char,
    /// Top left, top right, bottom left, bottom right.
    corners: [char; 4],
    out: char,
    join: char,
    cross: char,
    head: char,
}

const UNICODE: Pens = Pens {
    across: '─', down: '│', corners: ['┌', '┐', '└', '┘'], out: '├', join: '┤', cross: '┼', head: '◄'
};
const ASCII: Pens = Pens { across: '-', down: '|', corners: ['+'; 4], out: '+', join: '+', cross: '+', head: '<' };

/// A way down for the arrows to one box.
struct Lane {
    to: usize,
    column: usize,
    open: bool,
}

impl Drawing {
    /// The lines of the drawing, none wider than `cells` where there are 40 or more.
    pub fn lines(&self, cells: usize, ascii: bool) -> Vec<Inked> {
        let pens = if ascii { &ASCII } else { &UNICODE };
        let cells = cells.max(40);
        let texts = self.boxes.iter().flat_map(|b| [&b.label, &b.place]);
        let widest = texts.map(|t| text::width(&text::line(t))).max().unwrap_or(0);
        let wide = (widest + 4).clamp(8, cells * 2 / 5);
        let mut lanes = self.lanes(cells);
        let words = lanes.iter().map(|l| l.column).min().unwrap_or(cells).saturating_sub(wide + 3);
        let mut lines = Vec::new();
        for (n, node) in self.boxes.iter().enumerate() {
            let rule = pens.across.to_string().repeat(wide - 2);
            let edge = |left: char, right: char| vec![(format!("{left}{rule}{right}"), Ink::Rule)];
            lines.push(with_lanes(edge(pens.corners[0], pens.corners[1]), wide, &lanes, pens));
            let label = text::pad(&text::line(&node.label), wide - 4, false);
            let ink = if node.goal { Ink::Goal } else { Ink::Label };
            let mut line = vec![(format!("{} ", pens.down), Ink::Rule), (label, ink), (format!(" {}", pens.down), Ink::Rule)];
            match lanes.iter().position(|l| l.to == n) {
                Some(at) => {
                    lanes[at].open = false;
                    let run = run(wide + 1, lanes[at].column, &lanes, pens);
                    line.push((format!("{}{run}{}", pens.head, pens.corners[3]), Ink::Rule));
                    let used = lanes[at].column + 1;
                    lines.push(with_lanes(line, used, &lanes, pens));
                }
                None => lines.push(with_lanes(line, wide, &lanes, pens)),
            }
            // The place stands beside the first arrow, or on a line of its own.
            let mut place = (!node.place.is_empty()).then(|| text::pad(&text::line(&node.place), wide - 4, false));
            for arrow in self.arrows.iter().filter(|a| a.from == n) {
                let Some(at) = lanes.iter().position(|l| l.to == arrow.to) else { continue };
                let word = text::fit(&text::line(&arrow.label), words).into_owned();
                let from = wide + 2 + text::width(&word) + 1;
                let run = run(from, lanes[at].column, &lanes, pens);
                let end = if std::mem::replace(&mut lanes[at].open, true) { pens.join } else { pens.corners[1] };
                let ink = if arrow.certain { Ink::Word } else { Ink::Doubt };
                let mut line = match place.take() {
                    Some(place) => vec![(format!("{} ", pens.down), Ink::Rule), (place, Ink::Word), (" ".to_owned(), Ink::Rule)],
                    None => vec![(format!("{}{}", pens.down, " ".repeat(wide - 2)), Ink::Rule)],
                };
                line.extend([
                    (format!("{}{} ", pens.out, pens.across), Ink::Rule),
                    (word, ink),
                    (format!(" {run}{end}"), Ink::Rule),
                ]);
                lines.push(with_lanes(line, lanes[at].column + 1, &lanes, pens));
            }
            if let Some(place) = place {
                let line =
                    vec![(format!("{} ", pens.down), Ink::Rule), (place, Ink::Word), (format!(" {}", pens.down), Ink::Rule)];
                lines.push(with_lanes(line, wide, &lanes, pens));
            }
            lines.push(with_lanes(edge(pens.corners[2], pens.corners[3]), wide, &lanes, pens));
        }
        lines
    }

    /// A lane for each box that arrows lead to; those that end first stand nearest, so that few cross.
    fn lanes(&self, cells: usize) -> Vec<Lane> {
        let mut ends: Vec<usize> = Vec::new();
        let mut lanes: Vec<(usize, usize)> = Vec::new();
        for to in 0..self.boxes.len() {
            let Some(from) = self.arrows.iter().filter(|a| a.to == to).map(|a| a.from).min() else { continue };
            let free = ends.iter().position(|end| *end <= from);
            let lane = free.unwrap_or_else(|| {
                ends.push(0);
                ends.len() - 1
            });
            ends[lane] = to;
            lanes.push((to, lane));
        }
        let first = cells.saturating_sub(2 * ends.len().max(1) - 1);
        lanes.into_iter().map(|(to, lane)| Lane { to, column: first + 2 * lane, open: false }).collect()
    }
}

/// A line across from one column up to another, over the lanes that are open between.
fn run(from: usize, to: usize, lanes: &[Lane], pens: &Pens) -> String {
    let crossed = |column: usize| lanes.iter().any(|l| l.open && l.column == column);
    (from..to).map(|column| if crossed(column) { pens.cross } else { pens.across }).collect()
}

/// The line with the lanes that go on down behind what is drawn up to a column.
fn with_lanes(mut line: Inked, used: usize, lanes: &[Lane], pens: &Pens) -> Inked {
    let last = lanes.iter().filter(|l| l.open && l.column >= used).map(|l| l.column).max();
    if let Some(last) = last {
        let open = |column: usize| lanes.iter().any(|l| l.open && l.column == column);
        line.push(((used..=last).map(|c| if open(c) { pens.down } else { ' ' }).collect(), Ink::Rule));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(labels: &[&str], arrows: &[(usize, usize, &str)]) -> Drawing {
        let last = labels.len() - 1;
        Drawing {
            boxes: labels
                .iter()
                .enumerate()
                .map(|(n, l)| Node { label: (*l).to_owned(), place: String::new(), goal: n == last })
                .collect(),
            arrows: arrows
                .iter()
                .map(|(from, to, label)| Arrow { from: *from, to: *to, label: (*label).to_owned(), certain: true })
                .collect(),
        }
    }

    fn plain(drawing: &Drawing, cells: usize, ascii: bool) -> Vec<String> {
        drawing.lines(cells, ascii).into_iter().map(|l| l.into_iter().map(|(t, _)| t).collect::<String>()).collect()
    }

    #[test]
    fn a_chain_is_read_from_top_to_bottom() {
        let chain = drawing(&["user/jo", "role/ci", "administrator"], &[(0, 1, "sts:AssumeRole"), (1, 2, "iam:PutRolePolicy")]);
        assert_eq!(
            plain(&chain, 50, false),
            [
                "┌───────────────┐",
                "│ user/jo       │",
                "│               ├─ sts:AssumeRole ───────────────┐",
                "└───────────────┘                                │",
                "┌───────────────┐                                │",
                "│ role/ci       │◄───────────────────────────────┘",
                "│               ├─ iam:PutRolePolicy ────────────┐",
                "└───────────────┘                                │",
                "┌───────────────┐                                │",
                "│ administrator │◄───────────────────────────────┘",
                "└───────────────┘",
            ]
        );
        assert!(plain(&chain, 50, true).iter().all(|l| l.is_ascii()));
    }

    #[test]
    fn ways_part_and_meet_again_within_the_width() {
        let label = "iam:PassRole + lambda:CreateFunction + lambda:InvokeFunction and very much more than fits";
        let arrows = [(0, 1, "a:B"), (0, 2, "c:D"), (1, 3, label), (2, 3, "e:F"), (0, 3, "g:H")];
        for (cells, ascii) in [(40, false), (78, false), (78, true), (120, false)] {
            let lines = plain(&drawing(&["user/start", "role/left", "role/right", "administrator"], &arrows), cells, ascii);
            assert!(lines.iter().all(|l| text::width(l) <= cells), "{cells}\n{}", lines.join("\n"));
            let heads = lines.iter().filter(|l| l.contains(if ascii { '<' } else { '◄' })).count();
            assert_eq!(heads, 3, "one for each box that is led to\n{}", lines.join("\n"));
        }
        let wide = plain(&drawing(&["s", "l", "r", "g"], &[(0, 1, "1"), (0, 2, "2"), (1, 3, "3"), (2, 3, "4")]), 40, false);
        assert_eq!(
            wide,
            [
                "┌──────┐",
                "│ s    │",
                "│      ├─ 1 ─────────────────────────┐",
                "│      ├─ 2 ─────────────────────────┼─┐",
                "└──────┘                             │ │",
                "┌──────┐                             │ │",
                "│ l    │◄────────────────────────────┘ │",
                "│      ├─ 3 ─────────────────────────┐ │",
                "└──────┘                             │ │",
                "┌──────┐                             │ │",
                "│ r    │◄────────────────────────────┼─┘",
                "│      ├─ 4 ─────────────────────────┤",
                "└──────┘                             │",
                "┌──────┐                             │",
                "│ g    │◄────────────────────────────┘",
                "└──────┘",
            ]
        );
    }

    #[test]
    fn where_a_box_stands_is_told_under_its_label() {
        let mut chain = drawing(&["role/ci", "role/root"], &[(0, 1, "sts:AssumeRole")]);
        chain.boxes[0].place = "build".to_owned();
        chain.boxes[1].place = "payments-prod".to_owned();
        assert_eq!(
            plain(&chain, 50, false),
            [
                "┌───────────────┐",
                "│ role/ci       │",
                "│ build         ├─ sts:AssumeRole ───────────────┐",
                "└───────────────┘                                │",
                "┌───────────────┐                                │",
                "│ role/root     │◄───────────────────────────────┘",
                "│ payments-prod │",
                "└───────────────┘",
            ]
        );
    }

    #[test]
    fn nothing_draws_nothing() {
        assert!(Drawing::default().lines(80, false).is_empty());
        assert_eq!(plain(&drawing(&["alone"], &[]), 80, false).len(), 3);
    }
}
