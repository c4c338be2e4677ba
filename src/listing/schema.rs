//! The fields of a listing: names, kinds and help, declared once. It owns names and their look-up, no data.

/// How a field's values are stored, compared and filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of few distinct texts; each is stored once.
    Keyword,
    /// Many distinct texts, such as ARNs and ids.
    Text,
    /// Several keywords at once (tags, sources): a row matches when any member does.
    Set,
    /// A closed, ordered list of words, lowest first; at most 255 of them.
    Rank(&'static [&'static str]),
    /// A whole number.
    Number,
    /// An instant, in unix seconds.
    Time,
    /// An instant in unix seconds, filtered and shown as the span before now (`age<7d`). Ascending means youngest first.
    Age,
    /// An instant in unix seconds, filtered and shown as the span from now on (`due<2d`, `due<0d` for what is over).
    /// Ascending means soonest first.
    Until,
}

/// One field of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What the filter language and exports call it: letters, digits, `_`, `-` and `.`, starting with a letter.
    pub name: &'static str,
    /// The column's heading.
    pub title: &'static str,
    /// How its values are stored and compared.
    pub kind: Kind,
    /// Other names the filter language takes.
    pub aliases: &'static [&'static str],
    /// Other fields of the same kind that a term on this one looks into too: a thing that has an id and a name is found
    /// by either.
    pub also: &'static [&'static str],
    /// Whether free words look here (texts, sets and ranks only).
    pub search: bool,
    /// Whether a keyword or set sorts with figures in it as numbers: `10.0.0.9` before `10.0.0.10`.
    pub natural: bool,
    /// One line for completion and help.
    pub help: &'static str,
}

/// A field's place in its [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// The fields of one listing, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    fields: Vec<Field>,
    fingerprint: u64,
}

impl Schema {
    /// A schema of `fields`; the n-th is [`FieldId`]`(n)`. Fields past 65,535 are left out.
    pub fn new(mut fields: Vec<Field>) -> Schema {
        fields.truncate(usize::from(u16::MAX));
        let fingerprint = fingerprint(&fields);
        Schema { fields, fingerprint }
    }

    /// The field called `name`, by its name or an alias, in any case.
    pub fn field(&self, name: &str) -> Option<FieldId> {
        let named = |field: &Field| field.name.eq_ignore_ascii_case(name);
        let alias = |field: &Field| field.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name));
        let place = self.fields.iter().position(named).or_else(|| self.fields.iter().position(alias))?;
        u16::try_from(place).ok().map(FieldId)
    }

    /// The field at `id`.
    ///
    /// # Panics
    /// When `id` is of another, longer schema.
    pub fn get(&self, id: FieldId) -> &Field {
        &self.fields[usize::from(id.0)]
    }

    /// Every field with its id, in order.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, &Field)> {
        (0u16..).map(FieldId).zip(&self.fields)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field name that `name` was probably meant to be.
    pub fn nearest(&self, name: &str) -> Option<&'static str> {
        let aliases = self.fields.iter().flat_map(|field| field.aliases.iter().map(move |alias| (*alias, field.name)));
        nearest(name, self.fields.iter().map(|field| (field.name, field.name)).chain(aliases))
    }

    /// A number that changes when names, kinds or rank words change: stored columns of another fingerprint are not read.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// The answer that belongs to the spelling closest to `word`, or none when nothing is close.
pub(crate) fn nearest<T>(word: &str, choices: impl Iterator<Item = (&'static str, T)>) -> Option<T> {
    let word: String = word.chars().take(64).flat_map(char::to_lowercase).collect();
    let near = |(spelling, answer): (&'static str, T)| {
        let spelling = spelling.to_lowercase();
        let starts = word.len() >= 2 && spelling.starts_with(&word);
        let distance = if starts { 1 } else { strsim::damerau_levenshtein(&word, &spelling) };
        (distance <= (word.chars().count() / 3).max(1)).then_some((distance, answer))
    };
    choices.filter_map(near).min_by_key(|(distance, _)| *distance).map(|(_, answer)| answer)
}

/// FNV-1a over everything that changes the meaning of stored columns.
fn fingerprint(fields: &[Field]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for field in fields {
        eat(field.name.as_bytes());
        match field.kind {
            Kind::Keyword => eat(b"keyword"),
            Kind::Text => eat(b"text"),
            Kind::Set => eat(b"set"),
            Kind::Rank(words) => {
                eat(b"rank");
                words.iter().for_each(|word| eat(word.as_bytes()));
            }
            Kind::Number => eat(b"number"),
            Kind::Time => eat(b"time"),
            Kind::Age => eat(b"age"),
            Kind::Until => eat(b"until"),
        }
    }
    hash
}
