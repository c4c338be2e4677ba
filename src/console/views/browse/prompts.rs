//! What is typed and chosen over a list: the filter with its completions, the file to write to, sort, columns, groups.

use std::collections::HashMap;
use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::console::views::browse::{Browse, Choice, Prompt};
use crate::console::views::{Context, Request};
use crate::console::widgets::chooser::{Chooser, Chosen, Item};
use crate::console::widgets::table::Place;
use crate::listing::complete::complete;
use crate::listing::index::Index;
use crate::listing::query::{Sort, distinct};
use crate::listing::schema::{FieldId, Kind};

impl Browse {
    pub(super) fn choose_sort(&mut self) {
        let items = self.listing.columns.iter().map(|c| self.item(c.field, None)).collect();
        let at = self.sort.first().map_or(0, |s| usize::from(s.field.0));
        self.choosing = Some((Choice::Sort, Chooser::new("Sort by (again to turn around)", items).at(at)));
    }

    pub(super) fn choose_columns(&mut self) {
        let items = self.listing.columns.iter().map(|c| self.item(c.field, Some(self.columns.contains(&c.field)))).collect();
        self.choosing = Some((Choice::Columns, Chooser::new("Columns: space or enter turns one, esc is done", items)));
    }

    pub(super) fn choose_group(&mut self) {
        let mut items = vec![Item { text: "(no groups)".into(), help: "Every row by itself".into(), on: None }];
        items.extend(self.listing.groups.iter().filter_map(|g| self.listing.field(g)).map(|f| self.item(f, None)));
        self.choosing = Some((Choice::Group, Chooser::new("Group by", items)));
    }

    fn item(&self, field: FieldId, on: Option<bool>) -> Item {
        let field = self.listing.schema.get(field);
        Item { text: field.name.to_owned(), help: field.help.to_owned(), on }
    }

    fn chosen(&mut self, choice: Choice, n: usize, cx: &mut Context<'_>) -> Vec<Request> {
        match choice {
            Choice::Sort => {
                self.choosing = None;
                let Some(column) = self.listing.columns.get(n) else { return Vec::new() };
                let field = column.field;
                let descending = match self.sort.first() {
                    Some(first) if first.field == field => !first.descending,
                    _ => matches!(self.listing.schema.get(field).kind, Kind::Rank(_) | Kind::Number),
                };
                self.sort.retain(|s| s.field != field);
                self.sort.insert(0, Sort { field, descending });
                self.sort.truncate(3);
                let mut requests = self.ask(cx);
                requests.push(Request::Remember);
                requests
            }
            Choice::Columns => {
                let Some(column) = self.listing.columns.get(n).map(|c| c.field) else { return Vec::new() };
                if self.columns.contains(&column) {
                    if self.columns.len() > 1 {
                        self.columns.retain(|c| *c != column);
                    } else {
                        return vec![Request::Notice("The last column stays.".to_owned(), true)];
                    }
                } else {
                    self.columns.push(column);
                }
                if let Some((_, chooser)) = &mut self.choosing {
                    chooser.toggle(n);
                }
                vec![Request::Remember]
            }
            Choice::Group => {
                self.choosing = None;
                self.group = n.checked_sub(1).and_then(|n| self.listing.groups.get(n)).and_then(|g| self.listing.field(g));
                self.drilled.clear();
                self.answered = None;
                self.place = Place::default();
                self.ask(cx)
            }
        }
    }

    pub fn typed(&mut self, key: KeyEvent, cx: &mut Context<'_>) -> Option<Vec<Request>> {
        if let Some((choice, chooser)) = &mut self.choosing {
            let choice = *choice;
            return Some(match chooser.key(key) {
                Chosen::Nothing => Vec::new(),
                Chosen::Closed => {
                    self.choosing = None;
                    Vec::new()
                }
                Chosen::Item(n) => self.chosen(choice, n, cx),
            });
        }
        let prompt = self.prompt.as_mut()?;
        let stop = key.code == KeyCode::Esc || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL));
        match prompt {
            Prompt::Export { input } => {
                if stop {
                    self.prompt = None;
                } else if key.code == KeyCode::Enter {
                    let path = PathBuf::from(input.text().trim());
                    self.prompt = None;
                    return Some(self.export(path, cx));
                } else {
                    input.key(key);
                }
                Some(Vec::new())
            }
            Prompt::Filter { input, before, completions, chosen } => {
                if stop {
                    let before = std::mem::take(before);
                    self.prompt = None;
                    self.filter = before;
                    return Some(self.ask(cx));
                }
                match key.code {
                    KeyCode::Enter if self.error.is_none() => {
                        self.prompt = None;
                        return Some(Vec::new());
                    }
                    KeyCode::Enter => return Some(Vec::new()),
                    KeyCode::Tab | KeyCode::BackTab => {
                        if completions.is_empty() {
                            let index = cx.world.index(self.listing.id);
                            let values = |field: FieldId, part: &str| values(index, field, part);
                            *completions = complete(input.text(), input.cursor_chars(), &self.listing.schema, &values);
                            *chosen = None;
                        }
                        let many = completions.len();
                        if many == 0 {
                            return Some(Vec::new());
                        }
                        let next = match (*chosen, key.code) {
                            (None, _) => 0,
                            (Some(n), KeyCode::Tab) => (n + 1) % many,
                            (Some(n), _) => (n + many - 1) % many,
                        };
                        let range = match *chosen {
                            None => completions[next].range.clone(),
                            Some(n) => completions[n].range.start..completions[n].range.start + completions[n].text.len(),
                        };
                        input.replace(range, &completions[next].text);
                        *chosen = Some(next);
                        if many == 1 {
                            completions.clear();
                            *chosen = None;
                        }
                    }
                    _ => {
                        if !input.key(key) {
                            return Some(Vec::new());
                        }
                        completions.clear();
                        *chosen = None;
                    }
                }
                self.filter = input.text().to_owned();
                self.drilled.clear();
                Some(self.ask(cx))
            }
        }
    }

    pub fn pasted(&mut self, what: &str, cx: &mut Context<'_>) -> Vec<Request> {
        if let Some((_, chooser)) = &mut self.choosing {
            chooser.paste(what);
            return Vec::new();
        }
        match &mut self.prompt {
            Some(Prompt::Filter { input, .. }) => {
                input.insert(what);
                self.filter = input.text().to_owned();
                self.ask(cx)
            }
            Some(Prompt::Export { input }) => {
                input.insert(what);
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

/// The values of a field that contain a text, most frequent first.
fn values(index: &Index, field: FieldId, part: &str) -> Vec<String> {
    let part = part.to_lowercase();
    let schema = index.schema();
    let also = schema.get(field).also.iter().filter_map(|name| schema.field(name));
    // Names come before the ids they stand for.
    let all: Vec<(String, usize)> = also.chain([field]).flat_map(|field| distinct(index, field, 5_000)).collect();
    let mut found: HashMap<bool, Vec<String>> = HashMap::new();
    for (value, _) in all {
        let lower = value.to_lowercase();
        if lower.contains(&part) {
            found.entry(lower.starts_with(&part)).or_default().push(value);
        }
    }
    let mut first = found.remove(&true).unwrap_or_default();
    first.extend(found.remove(&false).unwrap_or_default());
    first
}
