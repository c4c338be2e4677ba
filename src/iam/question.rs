//! Questions as people type them: `who can s3:GetObject on arn:…`, `can role/x iam:PassRole on role/y`. It reads them;
//! who answers knows the accounts.

use super::evaluate::Context;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    WhoCan {
        action: String,
        resource: String,
        context: Context,
    },
    Can {
        principal: String,
        action: String,
        resource: String,
        context: Context,
    },
    /// Who can become a principal; an administrator where none is named.
    WhoBecomes {
        target: Option<String>,
    },
    /// Who gets at a resource, and by which chain.
    WhoReaches {
        resource: String,
    },
    /// How a principal becomes another; an administrator where none is named.
    Become {
        principal: String,
        target: Option<String>,
    },
    Blast {
        principal: String,
    },
}

/// An example of each form of question, for whoever asked what is none.
const EXAMPLES: [&str; 7] = [
    "who can s3:GetObject on arn:aws:s3:::payroll/2026.csv",
    "can role/deployer iam:PassRole on role/admin",
    "can jo ec2:RunInstances if aws:TagKeys=team",
    "who can become administrator",
    "can role/ci become administrator",
    "who can reach arn:aws:s3:::payroll",
    "blast user/jo",
];

/// Why a text is no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}. Ask for example: {example}")]
pub struct QuestionError {
    pub why: String,
    pub example: &'static str,
}

fn wrong<T>(why: impl Into<String>, form: usize) -> Result<T, QuestionError> {
    Err(QuestionError { why: why.into(), example: EXAMPLES[form] })
}

/// Words that may stand before what they name and say nothing.
const FILLERS: &[&str] = &["do", "the"];

impl Question {
    /// Reads a question; keywords in any case, a question mark at the end does no harm.
    ///
    /// # Errors
    /// What is missing, with an example.
    pub fn read(text: &str) -> Result<Self, QuestionError> {
        let text = text.trim().trim_end_matches('?');
        let words: Vec<&str> = text.split_whitespace().filter(|w| !FILLERS.contains(&w.to_ascii_lowercase().as_str())).collect();
        let lower: Vec<String> = words.iter().map(|w| w.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        match lower.as_slice() {
            [] => wrong("There is no question yet", 0),
            ["who", "can", "become", ..] | ["who-can", "become", ..] => {
                let at = if lower[0] == "who" { 3 } else { 2 };
                match words.get(at..) {
                    Some([target]) => Ok(Self::WhoBecomes { target: target_of(target) }),
                    Some([]) | None => wrong("It does not say who is to be become", 3),
                    Some(more) => wrong(format!("{:?} is more than one name", more.join(" ")), 3),
                }
            }
            ["who", "can", "reach", ..] | ["who-can", "reach", ..] => {
                let at = if lower[0] == "who" { 3 } else { 2 };
                match words.get(at..) {
                    Some([resource]) => Ok(Self::WhoReaches { resource: (*resource).to_owned() }),
                    Some([]) | None => wrong("It names no resource", 5),
                    Some(more) => wrong(format!("{:?} is more than one resource", more.join(" ")), 5),
                }
            }
            ["who", "can", ..] | ["who-can", ..] => {
                let at = if lower[0] == "who" { 2 } else { 1 };
                let Some(action) = words.get(at) else { return wrong("It names no action", 0) };
                let (resource, context) = rest(&words[at + 1..], 0)?;
                Ok(Self::WhoCan { action: action_of(action, 0)?, resource, context })
            }
            ["can", ..] => {
                let Some(principal) = words.get(1) else { return wrong("It names neither a principal nor an action", 1) };
                match (lower.get(2).copied(), words.get(3..)) {
                    (None, _) => wrong(format!("It does not say what {principal} is to do"), 1),
                    (Some("become"), Some([target])) => {
                        Ok(Self::Become { principal: (*principal).to_owned(), target: target_of(target) })
                    }
                    (Some("become"), _) => wrong(format!("It does not say whom {principal} is to become"), 4),
                    (Some(_), behind) => {
                        let (resource, context) = rest(behind.unwrap_or_default(), 1)?;
                        let action = action_of(words[2], 1)?;
                        Ok(Self::Can { principal: (*principal).to_owned(), action, resource, context })
                    }
                }
            }
            ["blast", ..] => match words.as_slice() {
                [_, principal] => Ok(Self::Blast { principal: (*principal).to_owned() }),
                _ => wrong("It names no principal, or several", 6),
            },
            [first, ..] => wrong(format!("A question begins with who can, can, or blast, not with {first:?}"), 0),
        }
    }
}

fn action_of(word: &str, form: usize) -> Result<String, QuestionError> {
    match word.split_once(':') {
        Some((service, name)) if !service.is_empty() && !name.is_empty() => Ok(word.to_owned()),
        _ => wrong(format!("{word:?} is no action: one is written service:Action"), form),
    }
}

fn target_of(word: &str) -> Option<String> {
    let administrator = ["administrator", "admin", "administrators"].iter().any(|w| word.eq_ignore_ascii_case(w));
    (!administrator).then(|| word.to_owned())
}

type Rest = (String, Context);

/// `on RESOURCE if KEY=VALUE and KEY=VALUE,VALUE and !KEY`
fn rest(words: &[&str], form: usize) -> Result<Rest, QuestionError> {
    let mut resource = None;
    let mut context = Context::new();
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            "on" | "in" | "to" => match words.next() {
                Some(named) if resource.is_none() => resource = Some(named.to_owned()),
                Some(named) => return wrong(format!("{named:?} is a second resource"), form),
                None => return wrong(format!("{word:?} is followed by no resource"), form),
            },
            "if" | "when" | "with" | "and" => match words.next() {
                Some(told) => context.tell(told).or_else(|why| wrong(why, 2))?,
                None => return wrong(format!("{word:?} is followed by no KEY=VALUE"), 2),
            },
            // The preposition may be left out.
            _ if resource.is_none() => resource = Some(word.to_owned()),
            _ => return wrong(format!("{word:?} has no place in it"), form),
        }
    }
    Ok((resource.unwrap_or_else(|| "*".to_owned()), context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads() {
        for example in EXAMPLES {
            Question::read(example).unwrap();
        }
        let can = |resource: &str, context: Context| {
            let [principal, action, resource] = ["role/x", "iam:PassRole", resource].map(str::to_owned);
            Ok(Question::Can { principal, action, resource, context })
        };
        assert_eq!(Question::read("can role/x iam:PassRole on role/y"), can("role/y", Context::new()));
        assert_eq!(Question::read("  Can role/x do iam:PassRole role/y ?"), can("role/y", Context::new()));
        assert_eq!(Question::read("can role/x iam:PassRole"), can("*", Context::new()));
        let keys = Context::new().with("a:k", ["1", "2"]).with("b:k", ["3"]);
        assert_eq!(Question::read("can role/x iam:PassRole on role/y if a:k=1,2 and b:k=3"), can("role/y", keys));
        assert_eq!(Question::read("who can become admin"), Ok(Question::WhoBecomes { target: None }));
        let becomes = Question::Become { principal: "user/a".into(), target: Some("role/b".into()) };
        assert_eq!(Question::read("can user/a become role/b"), Ok(becomes));
        assert!(matches!(Question::read("who-can s3:GetObject"), Ok(Question::WhoCan { resource, .. }) if resource == "*"));
    }

    #[test]
    fn what_is_missing_is_said_with_an_example() {
        for (text, says) in [
            ("", "no question yet"),
            ("why", "begins with who can"),
            ("who can", "names no action"),
            ("who can read", "is no action"),
            ("who can s3:GetObject on", "followed by no resource"),
            ("who can s3:GetObject on a b", "has no place in it"),
            ("who can s3:GetObject on a on b", "second resource"),
            ("can role/x", "what role/x is to do"),
            ("can role/x become", "whom role/x is to become"),
            ("can role/x s3:GetObject on b if x", "write KEY=VALUE"),
            ("blast", "names no principal"),
            ("who can reach", "names no resource"),
            ("who can reach a b", "more than one resource"),
            ("who can become", "who is to be become"),
            ("who can become a-role b-role", "more than one name"),
        ] {
            let error = Question::read(text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("for example: "), "{text}: {error}");
        }
    }
}
