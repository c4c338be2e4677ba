//! Values with wildcards and policy variables (AWS: "IAM policy elements: Variables and tags"), taken apart.

/// One piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// `*`
    Star,
    /// `?`
    One,
    /// `${key}` or `${key, 'default'}`; the key in lower case.
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// A value taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    pub pieces: Vec<Piece>,
}

impl Template {
    /// Takes a value apart. `wildcards`: whether `*` and `?` stand for more than themselves; `variables`: whether
    /// `${…}` does, which it does from version 2012-10-17 on. `${*}`, `${?}` and `${$}` are the plain characters.
    pub fn read(value: &str, wildcards: bool, variables: bool) -> Self {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = value;
        while let Some(c) = rest.chars().next() {
            if variables
                && let Some(inner) = rest.strip_prefix("${")
                && let Some(end) = inner.find('}')
            {
                let body = &inner[..end];
                if matches!(body, "*" | "?" | "$") {
                    text.push_str(body);
                } else {
                    flush(&mut pieces, &mut text);
                    let (key, default) = match body.split_once(',') {
                        Some((key, d)) => {
                            let d = d.trim();
                            let inner = d.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
                            (key, Some(inner.unwrap_or(d).to_owned()))
                        }
                        None => (body, None),
                    };
                    pieces.push(Piece::Variable { key: key.trim().to_ascii_lowercase(), default });
                }
                rest = &inner[end + 1..];
                continue;
            }
            match c {
                '*' | '?' if wildcards => {
                    flush(&mut pieces, &mut text);
                    pieces.push(if c == '*' { Piece::Star } else { Piece::One });
                }
                c => text.push(c),
            }
            rest = &rest[c.len_utf8()..];
        }
        flush(&mut pieces, &mut text);
        Self { pieces }
    }

    pub fn has_variables(&self) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Variable { .. }))
    }
}

fn flush(pieces: &mut Vec<Piece>, text: &mut String) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_values_apart() {
        let read = |v| Template::read(v, true, true).pieces;
        assert_eq!(
            read("a/${aws:UserName, 'x'}/*"),
            [
                Piece::Text("a/".into()),
                Piece::Variable { key: "aws:username".into(), default: Some("x".into()) },
                Piece::Text("/".into()),
                Piece::Star
            ]
        );
        assert_eq!(read("${*}${?}${$}"), [Piece::Text("*?$".into())]);
        assert_eq!(read("${open"), [Piece::Text("${open".into())]);
        assert_eq!(Template::read("${aws:username}*", true, false).pieces.len(), 2);
    }
}
