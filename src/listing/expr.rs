//! A filter as a tree, its written form, and its meaning row by row. It owns what a filter means; reading one is
//! [`crate::listing::filter`]'s, answering one over a whole index is [`crate::listing::query`]'s.

use std::fmt;

use crate::listing::index::{Index, RowId};
use crate::listing::schema::{FieldId, Kind};
use crate::listing::segment::Cell;
use crate::listing::strings::fold;
use crate::listing::value::{Fuzzy, Test, TextTest};

/// Which rows to show. Made by [`crate::listing::filter::parse`]; `Display` writes it so that it parses to the same filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub(crate) root: Node,
    pub(crate) now: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// A free word, as written.
    Word(String),
    /// A quoted phrase, without its quotes.
    Phrase(String),
    Term(Term),
}

/// `field:value,value` and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) field: FieldId,
    pub(crate) name: &'static str,
    pub(crate) op: &'static str,
    pub(crate) values: Vec<Written>,
    /// One for each value; any of them suffices.
    pub(crate) tests: Vec<Test>,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

impl Node {
    pub(crate) fn and(nodes: Vec<Node>) -> Node {
        let flat = nodes.into_iter().flat_map(|node| match node {
            Node::And(inner) => inner,
            other => vec![other],
        });
        one_or(flat.collect(), Node::And)
    }

    pub(crate) fn or(nodes: Vec<Node>) -> Node {
        let flat = nodes.into_iter().flat_map(|node| match node {
            Node::Or(inner) => inner,
            other => vec![other],
        });
        one_or(flat.collect(), Node::Or)
    }
}

fn one_or(mut nodes: Vec<Node>, many: impl Fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            nodes.push(last);
            many(nodes)
        }
        (_, None) => Node::And(Vec::new()),
    }
}

impl Default for Filter {
    fn default() -> Filter {
        Filter::all()
    }
}

impl Filter {
    /// The filter that every row passes.
    pub fn all() -> Filter {
        Filter { root: Node::And(Vec::new()), now: 0 }
    }

    /// Whether every row passes because nothing was asked.
    pub fn is_empty(&self) -> bool {
        matches!(&self.root, Node::And(nodes) if nodes.is_empty())
    }

    /// Rows that pass both, with this filter's idea of now.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        Filter { root: Node::and(vec![self.root, other.root]), now: self.now.max(other.now) }
    }

    /// Whether one row passes, with ages counted from the `now` the filter was read at. This is the plain meaning of a
    /// filter, one row at a time; [`crate::listing::query::run`] answers for all rows at once.
    pub fn matches(&self, index: &Index, row: RowId) -> bool {
        holds(&self.root, self.now, index, row)
    }
}

fn holds(node: &Node, now: i64, index: &Index, row: RowId) -> bool {
    match node {
        Node::And(nodes) => nodes.iter().all(|node| holds(node, now, index, row)),
        Node::Or(nodes) => nodes.iter().any(|node| holds(node, now, index, row)),
        Node::Not(node) => !holds(node, now, index, row),
        Node::Phrase(phrase) => {
            let test = TextTest::Contains(fold(phrase));
            searched(index, row).any(|(_, cell)| has(&cell, &test))
        }
        Node::Word(word) => {
            let test = TextTest::word(word);
            let mut fuzzy = Fuzzy::new(word);
            searched(index, row).any(|(kind, cell)| {
                let mut near = |text: &str| fuzzy.as_mut().is_some_and(|fuzzy| fuzzy.accepts(&fold(text)));
                has(&cell, &test) || (kind == Kind::Keyword && cell.members().any(&mut near))
            })
        }
        Node::Term(term) => {
            let cell = index.cell(row, term.field);
            term.tests.iter().any(|test| match (test, &cell) {
                (Test::Missing, cell) => cell.is_none(),
                (Test::Text(test), cell) => has(cell, test),
                (Test::Ranks(places), Cell::Rank(place, _)) => places.contains(place),
                (Test::Between(numbers), Cell::Number(number) | Cell::Time(number)) => numbers.contains(number),
                (Test::Aged(ages), Cell::Time(time)) => ages.contains(&now.saturating_sub(*time)),
                _ => false,
            })
        }
    }
}

/// Whether any word of the cell passes.
fn has(cell: &Cell<'_>, test: &TextTest) -> bool {
    cell.members().any(|member| test.accepts(&fold(member), member))
}

fn searched(index: &Index, row: RowId) -> impl Iterator<Item = (Kind, Cell<'_>)> {
    index.schema().iter().filter(|(_, field)| field.search).map(move |(id, field)| (field.kind, index.cell(row, id)))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_node(f, &self.root)
    }
}

fn write_node(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::And(nodes) => write_all(f, nodes, " "),
        Node::Or(nodes) => write_all(f, nodes, " or "),
        Node::Not(inner) => {
            f.write_str("!")?;
            write_inner(f, inner, matches!(**inner, Node::And(_) | Node::Or(_)))
        }
        Node::Word(word) => f.write_str(word),
        Node::Phrase(phrase) => f.write_str(&quoted(phrase)),
        Node::Term(term) => {
            write!(f, "{}{}", term.name, term.op)?;
            for (place, value) in term.values.iter().enumerate() {
                if place > 0 {
                    f.write_str(",")?;
                }
                if value.quoted { f.write_str(&quoted(&value.text))? } else { f.write_str(&value.text)? }
            }
            Ok(())
        }
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, nodes: &[Node], between: &str) -> fmt::Result {
    for (place, node) in nodes.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        write_inner(f, node, between == " " && matches!(node, Node::Or(_)))?;
    }
    Ok(())
}

fn write_inner(f: &mut fmt::Formatter<'_>, node: &Node, parentheses: bool) -> fmt::Result {
    if !parentheses {
        return write_node(f, node);
    }
    f.write_str("(")?;
    write_node(f, node)?;
    f.write_str(")")
}

/// `text` in quotes, as the filter language reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}
