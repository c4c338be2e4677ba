//! Reading a policy document out of JSON with positions.

use super::json::{self, Fault, Member, Node, Span, Value};
use super::{
    Condition, Effect, Element, Operator, Policy, PolicyError, PrincipalElement, PrincipalKind, PrincipalValue, Spanned,
    Statement, Version,
};

type Read<T> = Result<T, Wrong>;

/// What is wrong, at which part.
struct Wrong {
    span: Span,
    what: String,
}

fn wrong<T>(span: Span, what: impl Into<String>) -> Read<T> {
    Err(Wrong { span, what: what.into() })
}

pub(super) fn policy(text: &str) -> Result<Policy, PolicyError> {
    let node = json::read(text).map_err(|Fault { at, what }| Wrong { span: Span::new(at, at), what });
    node.and_then(document).map_err(|Wrong { span, what }| {
        let (line, column) = span.place(text);
        PolicyError { what, span, line, column }
    })
}

fn document(node: Node) -> Read<Policy> {
    let span = node.span;
    let Value::Object(members) = node.value else {
        return wrong(span, format!("a policy is a JSON object, this is {}", node.kind()));
    };
    let (mut version, mut id, mut statements) = (None, None, None);
    for Member { key, key_span, node } in members {
        match key.as_str() {
            "Version" => {
                version = Some(match text(&node, "Version")?.text.as_str() {
                    "2012-10-17" => Version::V2012,
                    "2008-10-17" => Version::V2008,
                    other => {
                        let other: String = other.chars().take(40).collect();
                        return wrong(node.span, format!("unknown version {other:?}; it is \"2012-10-17\" or \"2008-10-17\""));
                    }
                });
            }
            "Id" => id = Some(text(&node, "Id")?),
            "Statement" => statements = Some(node),
            other => return unknown(other, key_span, &["Version", "Id", "Statement"], "a policy"),
        }
    }
    let Some(node) = statements else { return wrong(span, "a policy needs a Statement") };
    let (single, items) = match node.value {
        Value::List(items) => (false, items),
        Value::Object(_) => (true, vec![node]),
        _ => return wrong(node.span, format!("Statement is an object or a list of them, this is {}", node.kind())),
    };
    let statements = items.into_iter().map(statement).collect::<Read<Vec<_>>>()?;
    Ok(Policy { version, id, statements, single })
}

const ELEMENTS: &[&str] =
    &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

fn unknown<T>(key: &str, span: Span, known: &[&str], of: &str) -> Read<T> {
    let shown: String = key.chars().take(40).collect();
    match known.iter().find(|k| k.eq_ignore_ascii_case(key)) {
        Some(right) => wrong(span, format!("{shown:?} is spelled {right:?}")),
        None => wrong(span, format!("{shown:?} is no element of {of}; those are {}", known.join(", "))),
    }
}

fn statement(node: Node) -> Read<Statement> {
    let span = node.span;
    let Value::Object(members) = node.value else {
        return wrong(span, format!("a statement is an object, this is {}", node.kind()));
    };
    let (mut sid, mut effect, mut conditions) = (None, None, Vec::new());
    let (mut principal, mut action, mut resource) = (None, None, None);
    for Member { key, key_span, node } in members {
        match key.as_str() {
            "Sid" => sid = Some(text(&node, "Sid")?),
            "Effect" => {
                effect = Some(match text(&node, "Effect")?.text.as_str() {
                    "Allow" => Effect::Allow,
                    "Deny" => Effect::Deny,
                    _ => return wrong(node.span, "Effect is \"Allow\" or \"Deny\""),
                });
            }
            "Principal" | "NotPrincipal" => {
                if principal.is_some() {
                    return wrong(key_span, "a statement has Principal or NotPrincipal, not both");
                }
                principal = Some(principals(node, key == "NotPrincipal")?);
            }
            "Action" | "NotAction" => {
                if action.is_some() {
                    return wrong(key_span, "a statement has Action or NotAction, not both");
                }
                action = Some(element(node, &key, key == "NotAction")?);
            }
            "Resource" | "NotResource" => {
                if resource.is_some() {
                    return wrong(key_span, "a statement has Resource or NotResource, not both");
                }
                resource = Some(element(node, &key, key == "NotResource")?);
            }
            "Condition" => conditions = condition_block(node)?,
            other => return unknown(other, key_span, ELEMENTS, "a statement"),
        }
    }
    let Some(effect) = effect else { return wrong(span, "the statement needs an Effect") };
    let Some(action) = action else { return wrong(span, "the statement needs an Action or a NotAction") };
    Ok(Statement { span, sid, effect, principal, action, resource, conditions })
}

fn text(node: &Node, what: &str) -> Read<Spanned> {
    match &node.value {
        Value::Text(text) => Ok(Spanned { text: text.clone(), span: node.span }),
        _ => wrong(node.span, format!("{what} is text, this is {}", node.kind())),
    }
}

/// One text or a list of texts; whether it was one.
fn texts(node: Node, what: &str) -> Read<(Vec<Spanned>, bool)> {
    match node.value {
        Value::List(items) => Ok((items.iter().map(|item| text(item, what)).collect::<Read<_>>()?, false)),
        _ => Ok((vec![text(&node, what)?], true)),
    }
}

fn element(node: Node, what: &str, not: bool) -> Read<Element> {
    let (values, single) = texts(node, what)?;
    Ok(Element { not, values, single })
}

fn principals(node: Node, not: bool) -> Read<PrincipalElement> {
    let span = node.span;
    let members = match node.value {
        Value::Text(ref text) if text == "*" => {
            let value = Spanned { text: "*".to_owned(), span };
            return Ok(PrincipalElement { not, span, principals: vec![PrincipalValue { kind: PrincipalKind::Everyone, value }] });
        }
        Value::Object(members) => members,
        _ => return wrong(span, "a principal is \"*\" or an object with AWS, Service, Federated or CanonicalUser"),
    };
    let mut all = Vec::new();
    for Member { key, key_span, node } in members {
        let kind = match key.as_str() {
            "AWS" => PrincipalKind::Aws,
            "Service" => PrincipalKind::Service,
            "Federated" => PrincipalKind::Federated,
            "CanonicalUser" => PrincipalKind::CanonicalUser,
            other => return unknown(other, key_span, &["AWS", "Service", "Federated", "CanonicalUser"], "a principal"),
        };
        all.extend(texts(node, &key)?.0.into_iter().map(|value| PrincipalValue { kind, value }));
    }
    Ok(PrincipalElement { not, span, principals: all })
}

fn condition_block(node: Node) -> Read<Vec<Condition>> {
    let Value::Object(operators) = node.value else {
        return wrong(node.span, format!("Condition is an object of operators, this is {}", node.kind()));
    };
    let mut all = Vec::new();
    for Member { key, key_span, node } in operators {
        let Some(operator) = Operator::read(&key) else {
            let key: String = key.chars().take(60).collect();
            return wrong(key_span, format!("{key:?} is no condition operator"));
        };
        if all.iter().any(|c: &Condition| c.operator == operator) {
            return wrong(key_span, format!("the operator {key} stands twice in one Condition"));
        }
        let Value::Object(keys) = node.value else {
            return wrong(node.span, format!("{key} takes an object of condition keys, this is {}", node.kind()));
        };
        for member in keys {
            let key = Spanned { text: member.key, span: member.key_span };
            let (single, items) = match member.node.value {
                Value::List(items) => (false, items),
                _ => (true, vec![member.node]),
            };
            let values = items.into_iter().map(scalar).collect::<Read<Vec<_>>>()?;
            all.push(Condition { operator, operator_span: key_span, key, values, single });
        }
    }
    Ok(all)
}

fn scalar(node: Node) -> Read<Spanned> {
    let text = match node.value {
        Value::Text(text) | Value::Number(text) => text,
        Value::Bool(b) => b.to_string(),
        _ => return wrong(node.span, format!("a condition's value is text, a number, true or false, this is {}", node.kind())),
    };
    Ok(Spanned { text, span: node.span })
}
