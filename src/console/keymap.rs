//! Keys to actions: a trie from the action rows and the user's config.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::console::action::{ACTIONS, Action, Scope, row_of};

/// One key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// A text that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no key; write them like a, G, ctrl-f, alt-x, enter, f5, \"g g\"")]
pub struct NotAKey(String);

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let mut modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let mut code = event.code;
        match code {
            // A letter carries its shift in itself.
            KeyCode::Char(_) => modifiers.remove(KeyModifiers::SHIFT),
            KeyCode::BackTab => {
                code = KeyCode::Tab;
                modifiers.insert(KeyModifiers::SHIFT);
            }
            _ => {}
        }
        Self { code, modifiers }
    }
}

const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];

impl FromStr for Key {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut rest = text;
        let mut modifiers = KeyModifiers::NONE;
        for (name, modifier) in [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)] {
            if let Some(tail) = rest.strip_prefix(name).filter(|t| !t.is_empty()) {
                rest = tail;
                modifiers |= modifier;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => match NAMED.iter().find(|(name, _)| *name == rest) {
                Some((_, code)) => *code,
                None => {
                    let number = rest.strip_prefix('f').and_then(|n| n.parse().ok()).filter(|n| (1..=12).contains(n));
                    KeyCode::F(number.ok_or_else(|| NotAKey(text.to_owned()))?)
                }
            },
        };
        Ok(Self { code, modifiers })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, modifier) in [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)] {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "f{n}"),
            code => f.write_str(NAMED.iter().find(|(_, c)| *c == code).map_or("?", |(name, _)| name)),
        }
    }
}

#[derive(Debug, Default)]
struct Branch {
    action: Option<Action>,
    next: HashMap<Key, Branch>,
}

/// What a key press came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// It completed a sequence.
    Action(Action),
    /// More keys are needed.
    Pending,
    /// It means nothing here.
    Nothing,
}

/// Keys to actions in every scope.
#[derive(Debug)]
pub struct Keymap {
    scopes: BTreeMap<Scope, Branch>,
    pending: Vec<Key>,
    /// Scope, keys as text and action name, in the order of the action rows: what help shows.
    bindings: Vec<(Scope, String, &'static str)>,
}

impl Keymap {
    /// The default keys with the user's on top: by scope, keys to action names. An empty action frees the keys.
    ///
    /// # Errors
    /// Names the scope, key or action that is not known.
    pub fn new(user: &BTreeMap<String, BTreeMap<String, String>>) -> Result<Self, String> {
        let mut map = Self { scopes: BTreeMap::new(), pending: Vec::new(), bindings: Vec::new() };
        for row in ACTIONS {
            for keys in row.keys {
                map.bind(row.scope, keys, row.name, row.action).map_err(|e| e.to_string())?;
            }
        }
        for (scope_name, keys) in user {
            let scopes: Vec<&str> = Scope::ALL.iter().map(|s| s.word()).collect();
            let scope = Scope::ALL
                .into_iter()
                .find(|s| s.word() == scope_name)
                .ok_or_else(|| format!("keys: there is no scope {scope_name:?}; there are {}", scopes.join(", ")))?;
            for (keys, name) in keys {
                map.bindings.retain(|(s, k, _)| (*s, k.as_str()) != (scope, keys.as_str()));
                if name.is_empty() {
                    map.unbind(scope, keys).map_err(|e| e.to_string())?;
                    continue;
                }
                let row = row_of(name).ok_or_else(|| {
                    let nearest = ACTIONS.iter().min_by_key(|r| strsim::damerau_levenshtein(r.name, name)).map_or("", |r| r.name);
                    format!("keys.{scope_name}: there is no action {name:?}; did you mean {nearest:?}?")
                })?;
                map.bind(scope, keys, row.name, row.action).map_err(|e| e.to_string())?;
            }
        }
        Ok(map)
    }

    fn branch(&mut self, scope: Scope, keys: &str) -> Result<&mut Branch, NotAKey> {
        let mut branch = self.scopes.entry(scope).or_default();
        for key in keys.split(' ') {
            branch = branch.next.entry(key.parse()?).or_default();
        }
        Ok(branch)
    }

    fn bind(&mut self, scope: Scope, keys: &str, name: &'static str, action: Action) -> Result<(), NotAKey> {
        self.branch(scope, keys)?.action = Some(action);
        self.bindings.push((scope, keys.to_owned(), name));
        Ok(())
    }

    fn unbind(&mut self, scope: Scope, keys: &str) -> Result<(), NotAKey> {
        self.branch(scope, keys)?.action = None;
        Ok(())
    }

    /// A key in a context: its scopes, nearest first.
    pub fn press(&mut self, key: Key, scopes: &[Scope]) -> Press {
        self.pending.push(key);
        let mut pending = false;
        for scope in scopes {
            let mut branch = self.scopes.get(scope);
            for key in &self.pending {
                branch = branch.and_then(|b| b.next.get(key));
            }
            if let Some(found) = branch {
                if let Some(action) = found.action {
                    self.pending.clear();
                    return Press::Action(action);
                }
                pending |= !found.next.is_empty();
            }
        }
        if pending {
            return Press::Pending;
        }
        self.pending.clear();
        Press::Nothing
    }

    /// Keys waiting for more, as text.
    pub fn pending(&self) -> String {
        self.pending.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Scope, keys and action name of every binding.
    pub fn bindings(&self) -> &[(Scope, String, &'static str)] {
        &self.bindings
    }

    /// The first keys bound to an action by its name.
    pub fn keys_of(&self, name: &str) -> Option<&str> {
        self.bindings.iter().find(|(_, _, n)| *n == name).map(|(_, keys, _)| keys.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(scope: &str, keys: &str, action: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        [(scope.to_owned(), [(keys.to_owned(), action.to_owned())].into())].into()
    }

    #[test]
    fn keys_read_and_print() {
        for text in ["a", "G", "ctrl-f", "shift-tab", "enter", "f5", "space", "/", "?", "-", "ctrl--"] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        assert!("hyper-x".parse::<Key>().is_err());
        assert!("f13".parse::<Key>().is_err());
    }

    #[test]
    fn no_two_actions_share_a_key_in_one_context() {
        let contexts: &[&[Scope]] = &[
            &[Scope::List, Scope::Row, Scope::Moving, Scope::Global],
            &[Scope::Detail, Scope::Row, Scope::Moving, Scope::Global],
            &[Scope::Document, Scope::Moving, Scope::Global],
        ];
        for scopes in contexts {
            let mut seen = HashMap::new();
            for row in ACTIONS.iter().filter(|r| scopes.contains(&r.scope)) {
                for key in row.keys {
                    assert_eq!(seen.insert(*key, row.name), None, "{key} in {scopes:?}");
                }
            }
        }
    }

    #[test]
    fn the_user_adds_changes_and_frees_keys() {
        let press = |map: &mut Keymap, key: &str| map.press(key.parse().unwrap(), &[Scope::List, Scope::Global]);
        let mut map = Keymap::new(&user("list", "z z", "filter")).unwrap();
        assert_eq!(press(&mut map, "z"), Press::Pending);
        assert_eq!(press(&mut map, "z"), Press::Action(Action::Filter));
        assert_eq!(press(&mut map, "z"), Press::Pending);
        assert_eq!(press(&mut map, "x"), Press::Nothing);
        let mut map = Keymap::new(&user("global", "q", "")).unwrap();
        assert_eq!(press(&mut map, "q"), Press::Nothing);
        assert!(Keymap::new(&user("global", "q", "qiut")).unwrap_err().contains("\"quit\""));
        assert!(Keymap::new(&user("globe", "q", "quit")).is_err());
    }
}
