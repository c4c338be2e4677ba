//! The request context: the condition keys of a request whose values are known, known to be absent, or not known.

use jiff::Timestamp;

/// Condition keys of a request. A key that is not in it is *not known*, unless the context is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// By key in lower case, sorted; no values means the key is absent.
    keys: Vec<(String, Vec<String>)>,
    /// Beginnings of keys all of which are known: those not named are absent.
    closed: Vec<String>,
    /// Keys that are not named are absent.
    complete: bool,
}

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<'a> {
    Values(&'a [String]),
    Absent,
    Unknown,
}

/// What a request at this time says of it, with its keys.
pub(crate) fn moment(time: Timestamp) -> [(&'static str, String); 2] {
    [("aws:CurrentTime", time.to_string()), ("aws:EpochTime", time.as_second().to_string())]
}

impl Context {
    pub fn new() -> Self {
        Self::default()
    }
    /// A context in which every key that is not named is absent.
    pub fn complete() -> Self {
        Self { complete: true, ..Self::default() }
    }
    /// Sets a key to its values; with none, the key is absent.
    pub fn set<T: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let key = key.to_ascii_lowercase();
        let values = values.into_iter().map(Into::into).collect();
        match self.keys.binary_search_by(|(k, _)| k.as_str().cmp(&key)) {
            Ok(at) => self.keys[at].1 = values,
            Err(at) => self.keys.insert(at, (key, values)),
        }
    }
    /// As [`Self::set`], in a chain.
    #[must_use]
    pub fn with<T: Into<String>>(mut self, key: &str, values: impl IntoIterator<Item = T>) -> Self {
        self.set(key, values);
        self
    }
    /// With what another knows, which counts where both know something.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        other.keys.iter().for_each(|(key, values)| self.set(key, values.iter().cloned()));
        self.closed.extend(other.closed.iter().cloned());
        self.complete |= other.complete;
        self
    }
    /// Says that all keys that begin so are known, `aws:PrincipalTag/`.
    pub fn close(&mut self, beginning: &str) {
        self.closed.push(beginning.to_ascii_lowercase());
    }
    /// Leaves it open what the keys are that begin so.
    pub fn forget(&mut self, beginning: &str) {
        let beginning = beginning.to_ascii_lowercase();
        self.keys.retain(|(key, _)| !key.starts_with(&beginning));
        self.closed.retain(|closed| !closed.starts_with(&beginning));
    }
    /// Takes in what people write of a request: `KEY=VALUE`, several values with commas between or the key several times,
    /// `KEY=` for a value without a letter, `!KEY` for a key that the request does not carry.
    ///
    /// # Errors
    /// What is wrong with the text, in words.
    pub fn tell(&mut self, text: &str) -> Result<(), String> {
        let (key, values) = match (text.strip_prefix('!'), text.split_once('=')) {
            (Some(key), _) => (key, Vec::new()),
            (None, Some((key, values))) => (key, values.split(',').collect()),
            (None, None) => return Err(format!("{text:?} has no =: write KEY=VALUE, or !KEY for a key that is absent")),
        };
        let key = key.trim().to_ascii_lowercase();
        if !key.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty()) {
            return Err(format!("{key:?} is no condition key: one is written service:Key, like aws:SourceIp"));
        }
        let known = self.keys.iter().position(|(k, _)| *k == key);
        match known.filter(|_| !values.is_empty()) {
            Some(at) => self.keys[at].1.extend(values.into_iter().map(str::to_owned)),
            None => self.set(&key, values),
        }
        Ok(())
    }
    /// What comes behind this beginning in the keys that have values.
    pub fn valued(&self, beginning: &str) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, values)| !values.is_empty()).filter_map(move |(key, _)| key.strip_prefix(beginning))
    }
    /// The keys that are told, in lower case, each with its values.
    pub fn told(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.keys.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
    /// What is known of a key, which is given in lower case.
    pub fn get(&self, key: &str) -> Known<'_> {
        match self.keys.binary_search_by(|(k, _)| k.as_str().cmp(key)) {
            Ok(at) if self.keys[at].1.is_empty() => Known::Absent,
            Ok(at) => Known::Values(&self.keys[at].1),
            Err(_) if self.complete || self.closed.iter().any(|c| key.starts_with(c)) => Known::Absent,
            Err(_) => Known::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_of_a_request() {
        let mut context = Context::new();
        for text in ["aws:TagKeys=a", "aws:TagKeys=b,c", "s3:prefix=", "!aws:MultiFactorAuthPresent"] {
            context.tell(text).unwrap();
        }
        let of = |key: &str| context.get(key);
        assert_eq!(of("aws:tagkeys"), Known::Values(&["a", "b", "c"].map(str::to_owned)));
        assert_eq!(of("s3:prefix"), Known::Values(&[String::new()]));
        assert_eq!(of("aws:multifactorauthpresent"), Known::Absent);
        assert_eq!(of("aws:sourceip"), Known::Unknown);
        for wrong in ["aws:SourceIp", "SourceIp=1", "=1", ":x=1", "!", "aws:=1"] {
            assert!(context.tell(wrong).is_err(), "{wrong}");
        }
    }
}
