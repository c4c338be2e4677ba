//! Closed, ordered sets of words: severities, states, outcomes.

/// A word that is none of the expected ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of {expected}")]
pub struct UnknownWord {
    pub(crate) word: String,
    pub(crate) expected: String,
}

/// Declares a closed, ordered set of words once: variants, their text, and reading them back.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every word, in order, lowest first.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
            /// Every value, in order, lowest first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub const fn word(self) -> &'static str {
                Self::WORDS[self as usize]
            }
            /// Its place in [`Self::WORDS`].
            pub const fn rank(self) -> u8 {
                self as u8
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::model::words::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|v| v.word().eq_ignore_ascii_case(word)).ok_or_else(|| Self::Err {
                    word: word.chars().take(60).collect(),
                    expected: Self::WORDS.join(", "),
                })
            }
        }
    };
}
pub(crate) use words;
