//! Policies for the editor: written from a wish, looked over, and compared with the wish by our own evaluator.

use crate::iam::facts::Level;
use crate::iam::lint::{Kind, look_over};
use crate::iam::policy::Policy;
use crate::iam::write::{Compared, Intent, compare, write_policy};
use crate::message::{PolicyAsk, PolicyMessage, PolicySays, PolicyWish};

/// Of what is missing or too much so many are named.
const MOST_NAMED: usize = 3;

const DOES_IT: &str = "Allows all that is asked for and nothing else.";

/// Answers about a policy.
pub(super) fn answer(ask: &PolicyAsk) -> PolicySays {
    match ask {
        PolicyAsk::Write(wish) => match write_policy(&intent(wish), Kind::Managed.size_limit()) {
            Ok(written) => {
                let documents: Vec<String> = written.policies.iter().map(Policy::print).collect();
                let mut says = check(documents.first().map_or("", String::as_str), None);
                // Nothing is handed out that was not proven.
                let mut words = vec![DOES_IT.to_owned()];
                words.extend(written.beside());
                says.proof = Some((words.join(" "), true));
                PolicySays { documents, ..says }
            }
            Err(error) => PolicySays { error: Some(error.to_string()), ..PolicySays::default() },
        },
        PolicyAsk::Check { document, wish } => check(document, wish.as_ref()),
    }
}

fn check(document: &str, wish: Option<&PolicyWish>) -> PolicySays {
    let limit = Kind::Managed.size_limit();
    let mut says = PolicySays { size: (0, limit), ..PolicySays::default() };
    if document.trim().is_empty() {
        return says;
    }
    // What is pasted may be an answer of AWS with a policy in it.
    says.messages = look_over(document, None)
        .lints
        .into_iter()
        .map(|l| {
            let about = document.get(l.span.start as usize..l.span.end as usize).unwrap_or_default();
            let cells = about.lines().next().unwrap_or_default().chars().count().max(1);
            PolicyMessage {
                line: l.line.saturating_sub(1),
                column: l.column.saturating_sub(1),
                cells,
                weight: l.weight.word(),
                text: l.message,
            }
        })
        .collect();
    let Ok(policy) = Policy::read(document) else { return says };
    says.size.0 = policy.size();
    if let Some(wish) = wish {
        says.proof = Some(match compare(&[policy], &intent(wish)) {
            Ok(compared) if compared == Compared::default() => (DOES_IT.to_owned(), true),
            Ok(compared) => (words(&compared), false),
            Err(error) => (error.to_string(), false),
        });
    }
    says
}

fn words(compared: &Compared) -> String {
    let some = |all: &[(String, String)], between: &str| {
        let named: Vec<String> = all.iter().take(MOST_NAMED).map(|(action, on)| format!("{action} {between} {on}")).collect();
        let more = if all.len() > MOST_NAMED { format!(" and {} more", all.len() - MOST_NAMED) } else { String::new() };
        format!("{}{more}", named.join(", "))
    };
    let mut parts = Vec::new();
    if !compared.missing.is_empty() {
        parts.push(format!("Does not allow {}.", some(&compared.missing, "on")));
    }
    if !compared.beside.is_empty() {
        parts.push(format!("Allows what was not asked for: {}.", some(&compared.beside, "on")));
    }
    if !compared.unguarded.is_empty() {
        parts.push(format!("Allows more than is safe: {}.", some(&compared.unguarded, "without a condition on")));
    }
    parts.join(" ")
}

fn intent(wish: &PolicyWish) -> Intent {
    let words =
        |text: &str| -> Vec<String> { text.split([' ', ',', '\n', '\t']).filter(|w| !w.is_empty()).map(str::to_owned).collect() };
    let levels = [
        (Level::List, &wish.list),
        (Level::Read, &wish.read),
        (Level::Write, &wish.write),
        (Level::Tagging, &wish.tagging),
        (Level::PermissionsManagement, &wish.permissions),
    ];
    let (pass, pass_to) = words(&wish.pass).into_iter().partition(|word| word.starts_with("arn:"));
    Intent {
        on: levels.iter().flat_map(|(level, text)| words(text).into_iter().map(|arn| (*level, arn))).collect(),
        plain: words(&wish.plain),
        without: words(&wish.without),
        pass,
        pass_to,
        linked: words(&wish.linked),
        keys: words(&wish.keys),
        boundary: Some(wish.boundary.trim().to_owned()).filter(|b| !b.is_empty()),
        // Commas stand between the values of one condition.
        only: wish.only.split_whitespace().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_becomes_a_policy_and_an_edit_is_told_from_it() {
        let wish = PolicyWish { read: "arn:aws:s3:::data/*, arn:aws:s3:::more/*".into(), ..PolicyWish::default() };
        let written = answer(&PolicyAsk::Write(wish.clone()));
        assert_eq!((written.documents.len(), written.error.clone()), (1, None));
        assert!(written.proof.unwrap().1 && written.size.0 > 0 && written.messages.is_empty());
        let document = written.documents[0].clone();
        let checked = |document: String| answer(&PolicyAsk::Check { document, wish: Some(wish.clone()) });
        assert!(checked(document.clone()).proof.unwrap().1);
        let (words, good) = checked(document.replace("arn:aws:s3:::data/*", "*")).proof.unwrap();
        assert!(!good && words.contains("Allows what was not asked for: s3:"), "{words}");
        let (words, good) = checked(document.replace("s3:GetObject\"", "s3:GetObjectAcl\"")).proof.unwrap();
        assert!(!good && words.contains("Does not allow s3:GetObject on arn:aws:s3:::data/*"), "{words}");
    }

    #[test]
    fn messages_point_into_the_document() {
        let document = "{\"Version\":\"2012-10-17\",\"Statement\":[\n  {\"Effect\":\"Allow\",\n   \"Action\":\"s3:GetObjekt\",\"Resource\":\"*\"}]}";
        let says = answer(&PolicyAsk::Check { document: document.into(), wish: None });
        let message = &says.messages[0];
        assert_eq!((message.line, message.weight), (2, "error"));
        let line: Vec<char> = document.lines().nth(2).unwrap().chars().collect();
        let about: String = line[message.column..message.column + message.cells].iter().collect();
        assert!(about.contains("s3:GetObjekt"), "{about}");
        // What is no policy at all has its place, too.
        let broken = answer(&PolicyAsk::Check { document: "{\n  \"Version\": }".into(), wish: None });
        assert_eq!((broken.messages.len(), broken.messages[0].line, broken.size.0), (1, 1, 0));
        assert_eq!(answer(&PolicyAsk::Check { document: "  ".into(), wish: None }).messages, []);
        let error = answer(&PolicyAsk::Write(PolicyWish { read: "bucket".into(), ..PolicyWish::default() })).error.unwrap();
        assert!(error.contains("no ARN"), "{error}");
    }
}
