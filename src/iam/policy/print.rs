//! Writing a policy document as JSON that reads back to an equal value.

use super::json::quote;
use super::{Condition, Element, Policy, PrincipalElement, PrincipalKind, Spanned, Statement};

pub(super) fn policy(policy: &Policy) -> String {
    Printer { out: String::new(), indent: Some(0) }.policy(policy)
}

/// Without white space.
pub(super) fn compact(policy: &Policy) -> String {
    Printer { out: String::new(), indent: None }.policy(policy)
}

struct Printer {
    out: String,
    indent: Option<usize>,
}

impl Printer {
    fn policy(mut self, policy: &Policy) -> String {
        self.open('{');
        let mut first = true;
        if let Some(version) = policy.version {
            self.key("Version", &mut first);
            quote(&mut self.out, version.word());
        }
        if let Some(id) = &policy.id {
            self.key("Id", &mut first);
            quote(&mut self.out, &id.text);
        }
        self.key("Statement", &mut first);
        match policy.statements.as_slice() {
            [one] if policy.single => self.statement(one),
            many => {
                self.open('[');
                for (i, statement) in many.iter().enumerate() {
                    self.next(i == 0);
                    self.statement(statement);
                }
                self.close(']', many.is_empty());
            }
        }
        self.close('}', false);
        self.out
    }

    fn statement(&mut self, s: &Statement) {
        self.open('{');
        let mut first = true;
        if let Some(sid) = &s.sid {
            self.key("Sid", &mut first);
            quote(&mut self.out, &sid.text);
        }
        self.key("Effect", &mut first);
        quote(&mut self.out, s.effect.word());
        if let Some(principal) = &s.principal {
            self.key(if principal.not { "NotPrincipal" } else { "Principal" }, &mut first);
            self.principal(principal);
        }
        self.key(if s.action.not { "NotAction" } else { "Action" }, &mut first);
        self.element(&s.action);
        if let Some(resource) = &s.resource {
            self.key(if resource.not { "NotResource" } else { "Resource" }, &mut first);
            self.element(resource);
        }
        if !s.conditions.is_empty() {
            self.key("Condition", &mut first);
            self.conditions(&s.conditions);
        }
        self.close('}', false);
    }

    fn principal(&mut self, element: &PrincipalElement) {
        if let [one] = element.principals.as_slice()
            && one.kind == PrincipalKind::Everyone
        {
            return quote(&mut self.out, "*");
        }
        self.open('{');
        let mut first = true;
        let mut rest = element.principals.as_slice();
        while let Some(head) = rest.first() {
            let run = rest.iter().take_while(|p| p.kind == head.kind).count();
            self.key(head.kind.word(), &mut first);
            let values: Vec<&Spanned> = rest[..run].iter().map(|p| &p.value).collect();
            self.values(&values, run == 1);
            rest = &rest[run..];
        }
        self.close('}', element.principals.is_empty());
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        self.open('{');
        let mut first = true;
        let mut rest = conditions;
        while let Some(head) = rest.first() {
            let run = rest.iter().take_while(|c| c.operator == head.operator).count();
            self.key(&head.operator.name(), &mut first);
            self.open('{');
            let mut first_key = true;
            for condition in &rest[..run] {
                self.key(&condition.key.text, &mut first_key);
                self.values(&condition.values.iter().collect::<Vec<_>>(), condition.single);
            }
            self.close('}', false);
            rest = &rest[run..];
        }
        self.close('}', false);
    }

    fn element(&mut self, element: &Element) {
        self.values(&element.values.iter().collect::<Vec<_>>(), element.single);
    }

    fn values(&mut self, values: &[&Spanned], single: bool) {
        if let ([one], true) = (values, single) {
            return quote(&mut self.out, &one.text);
        }
        self.open('[');
        for (i, value) in values.iter().enumerate() {
            self.next(i == 0);
            quote(&mut self.out, &value.text);
        }
        self.close(']', values.is_empty());
    }

    fn key(&mut self, key: &str, first: &mut bool) {
        self.next(*first);
        *first = false;
        quote(&mut self.out, key);
        self.out.push(':');
        if self.indent.is_some() {
            self.out.push(' ');
        }
    }
    fn next(&mut self, first: bool) {
        if !first {
            self.out.push(',');
        }
        self.line();
    }
    fn line(&mut self) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent));
        }
    }
    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
        self.indent = self.indent.map(|i| i + 2);
    }
    fn close(&mut self, bracket: char, empty: bool) {
        self.indent = self.indent.map(|i| i.saturating_sub(2));
        if !empty {
            self.line();
        }
        self.out.push(bracket);
    }
}
