//! Roles to colours, from `themes/*.toml`, down to 256, 16 or none; and the glyphs borders and marks are made of.
//!
//! A role falls back by its dots: `ui.text.focus`, `ui.text`, `ui`.

use std::collections::{BTreeMap, HashMap};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// The themes that are built in, by name.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("contrast", include_str!("../../themes/contrast.toml")),
    ("terminal", include_str!("../../themes/terminal.toml")),
];

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    None,
    Sixteen,
    TwoFiftySix,
    True,
}

impl Depth {
    /// By the variables that terminals and users set (no-color.org, `COLORTERM`, `TERM`).
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        if variable("NO_COLOR").is_some_and(|v| !v.is_empty()) || term == "dumb" {
            Self::None
        } else if variable("COLORTERM").is_some_and(|v| v == "truecolor" || v == "24bit") || term.contains("direct") {
            Self::True
        } else if term.contains("256color") {
            Self::TwoFiftySix
        } else {
            Self::Sixteen
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    palette: BTreeMap<String, String>,
    style: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    fg: Option<String>,
    bg: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    reverse: bool,
}

/// Characters that borders, marks and charts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyphs {
    pub horizontal: &'static str,
    pub vertical: &'static str,
    pub corners: [&'static str; 4],
    pub cursor: &'static str,
    pub mark: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub branch: &'static str,
    pub link: &'static str,
    /// Columns left out at the left and at the right.
    pub more: [&'static str; 2],
    pub bar: &'static str,
    /// Eighths of a cell, from one to eight.
    pub levels: [&'static str; 8],
    /// Marks of the severities, lowest first.
    pub severity: [&'static str; 5],
}

/// For terminals that show Unicode.
pub const UNICODE: Glyphs = Glyphs {
    horizontal: "─",
    vertical: "│",
    corners: ["┌", "┐", "└", "┘"],
    cursor: "▌",
    mark: "•",
    up: "↑",
    down: "↓",
    branch: "└ ",
    link: "→",
    more: ["‹", "›"],
    bar: "█",
    levels: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    severity: ["·", "▽", "◇", "△", "▲"],
};

/// For those that do not.
pub const ASCII: Glyphs = Glyphs {
    horizontal: "-",
    vertical: "|",
    corners: ["+", "+", "+", "+"],
    cursor: ">",
    mark: "*",
    up: "^",
    down: "v",
    branch: "` ",
    link: "->",
    more: ["<", ">"],
    bar: "#",
    levels: [".", ".", ":", ":", "=", "=", "#", "#"],
    severity: [".", "-", "+", "!", "#"],
};

impl Glyphs {
    /// The stand-in of one of our own signs on a terminal without Unicode; foreign text has none.
    pub fn plain(self, sign: &str) -> Option<&'static str> {
        if self != ASCII {
            return None;
        }
        Some(match sign {
            "…" => "~",
            "·" | "•" => ".",
            "−" | "–" | "—" => "-",
            "≥" | "→" | "›" => ">",
            "≤" | "←" | "‹" => "<",
            "×" => "x",
            "─" => "-",
            "│" => "|",
            "├" => "+",
            "└" => "`",
            "▼" => "v",
            "●" => "o",
            "◆" => "#",
            _ => return None,
        })
    }
}

/// A theme at one colour depth.
#[derive(Debug, Clone)]
pub struct Theme {
    pub name: String,
    pub glyphs: Glyphs,
    depth: Depth,
    styles: HashMap<String, Style>,
}

impl Theme {
    /// A built-in theme.
    ///
    /// # Errors
    /// Names the themes there are.
    pub fn named(name: &str, depth: Depth, glyphs: Glyphs) -> Result<Self, String> {
        let found = BUILT_IN.iter().find(|(n, _)| *n == name);
        let (name, text) = found.ok_or_else(|| {
            let names: Vec<&str> = BUILT_IN.iter().map(|(n, _)| *n).collect();
            format!("there is no theme {name:?}; there are auto, {}", names.join(", "))
        })?;
        Self::parse(name, text, depth, glyphs)
    }

    /// A theme from a file's text.
    ///
    /// # Errors
    /// Says what is wrong with it, and where.
    pub fn parse(name: &str, text: &str, depth: Depth, glyphs: Glyphs) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| format!("theme {name}: {e}"))?;
        let mut styles = HashMap::new();
        for (role, entry) in &file.style {
            let colour = |word: &Option<String>| -> Result<Option<Color>, String> {
                let Some(word) = word else { return Ok(None) };
                let word = file.palette.get(word).unwrap_or(word);
                let colour: Color = word.parse().map_err(|_| format!("theme {name}: {role}: {word:?} is no colour"))?;
                Ok(reduce(colour, depth))
            };
            let mut style = Style { fg: colour(&entry.fg)?, bg: colour(&entry.bg)?, ..Style::default() };
            for (on, modifier) in [
                (entry.bold, Modifier::BOLD),
                (entry.dim, Modifier::DIM),
                (entry.italic, Modifier::ITALIC),
                (entry.underline, Modifier::UNDERLINED),
                (entry.reverse || (depth == Depth::None && entry.bg.is_some() && role != "ui"), Modifier::REVERSED),
            ] {
                if on {
                    style = style.add_modifier(modifier);
                }
            }
            styles.insert(role.clone(), style);
        }
        Ok(Self { name: name.to_owned(), glyphs, depth, styles })
    }

    /// The nearest colour that the terminal has; none on one without colours.
    pub fn nearest(&self, colour: Color) -> Option<Color> {
        reduce(colour, self.depth)
    }

    /// The style of a role, or of the nearest role above it.
    pub fn style(&self, role: &str) -> Style {
        self.known(role).unwrap_or_default()
    }

    /// As [`Theme::style`], but none where only the base role `ui` or nothing is known of it.
    pub fn known(&self, role: &str) -> Option<Style> {
        let mut role = role;
        loop {
            if let Some(style) = self.styles.get(role) {
                return Some(*style);
            }
            role = &role[..role.rfind('.')?];
        }
    }
}

/// The nearest colour that the terminal has.
fn reduce(colour: Color, depth: Depth) -> Option<Color> {
    match (depth, colour) {
        (Depth::None, _) => None,
        (Depth::True, colour) => Some(colour),
        (Depth::TwoFiftySix, Color::Rgb(r, g, b)) => Some(Color::Indexed(to_256(r, g, b))),
        (Depth::Sixteen, Color::Rgb(r, g, b)) => Some(to_16(r, g, b)),
        (Depth::Sixteen, Color::Indexed(n)) if n >= 16 => {
            let (r, g, b) = from_256(n);
            Some(to_16(r, g, b))
        }
        (_, colour) => Some(colour),
    }
}

/// xterm's cube of 6×6×6 (16–231) and its 24 greys (232–255).
fn to_256(r: u8, g: u8, b: u8) -> u8 {
    (16..=255u8).min_by_key(|n| distance(from_256(*n), (r, g, b))).unwrap_or(15)
}

fn from_256(n: u8) -> (u8, u8, u8) {
    if n >= 232 {
        let grey = 8 + 10 * (n - 232);
        return (grey, grey, grey);
    }
    let n = n.saturating_sub(16);
    let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
    (level(n / 36), level(n / 6 % 6), level(n % 6))
}

fn to_16(r: u8, g: u8, b: u8) -> Color {
    const BASE: [(Color, (u8, u8, u8)); 16] = [
        (Color::Black, (0, 0, 0)),
        (Color::Red, (170, 0, 0)),
        (Color::Green, (0, 170, 0)),
        (Color::Yellow, (170, 85, 0)),
        (Color::Blue, (0, 0, 170)),
        (Color::Magenta, (170, 0, 170)),
        (Color::Cyan, (0, 170, 170)),
        (Color::Gray, (170, 170, 170)),
        (Color::DarkGray, (85, 85, 85)),
        (Color::LightRed, (255, 85, 85)),
        (Color::LightGreen, (85, 255, 85)),
        (Color::LightYellow, (255, 255, 85)),
        (Color::LightBlue, (85, 85, 255)),
        (Color::LightMagenta, (255, 85, 255)),
        (Color::LightCyan, (85, 255, 255)),
        (Color::White, (255, 255, 255)),
    ];
    BASE.iter().min_by_key(|(_, rgb)| distance(*rgb, (r, g, b))).map_or(Color::White, |(c, _)| *c)
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let part = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    part(a.0, b.0) + part(a.1, b.1) + part(a.2, b.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_theme_reads_at_every_depth_and_knows_every_role() {
        for (name, _) in BUILT_IN {
            for depth in [Depth::None, Depth::Sixteen, Depth::TwoFiftySix, Depth::True] {
                let theme = Theme::named(name, depth, UNICODE).unwrap();
                for role in ["ui", "ui.cursor", "ui.header", "ui.hint.key", "severity.critical", "severity.informational"] {
                    assert!(theme.known(role).is_some(), "{name} {role}");
                }
                if depth == Depth::None {
                    assert!(
                        theme.styles.values().all(|s| s.fg.is_none() && s.bg.is_none()),
                        "{name} has colours where there are none"
                    );
                }
            }
        }
    }

    #[test]
    fn roles_fall_back_by_their_dots() {
        let text = "[style]\n\"ui\" = { fg = \"red\" }\n\"ui.text.focus\" = { fg = \"blue\" }";
        let theme = Theme::parse("t", text, Depth::Sixteen, ASCII).unwrap();
        assert_eq!(theme.style("ui.text").fg, Some(Color::Red));
        assert_eq!(theme.style("ui.text.focus.more").fg, Some(Color::Blue));
        assert_eq!(theme.known("severity.high"), None);
    }

    #[test]
    fn depth_by_environment() {
        let detect =
            |pairs: &[(&str, &str)]| Depth::detect(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        assert_eq!(detect(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), Depth::None);
        assert_eq!(detect(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(detect(&[("TERM", "screen-256color")]), Depth::TwoFiftySix);
        assert_eq!(detect(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(to_256(255, 255, 255), 231);
        assert_eq!(to_16(250, 80, 80), Color::LightRed);
    }
}
