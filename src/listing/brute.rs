//! The engine held against a plain evaluator: rows as lists of strings, filters as a tree of its own that is written out,
//! read back by the engine and judged here row by row. It shares no code with what it checks.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::listing::codec::seal;
use crate::listing::filter::{Filter, parse};
use crate::listing::index::{Index, RowId};
use crate::listing::query::{Cancel, Group, GroupBy, Query, Sort, count, facets, run};
use crate::listing::schema::{Field, FieldId, Kind, Schema};
use crate::listing::segment::{Cell, Segment, SegmentBuilder, SegmentError};

const NOW: i64 = 1_700_000_000;
const NAMES: [&str; 8] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"];
const WORDS: &[&str] = &["LOW", "MEDIUM", "HIGH", "CRITICAL"];
const SORTS_OF: [Kind; 8] =
    [Kind::Keyword, Kind::Text, Kind::Set, Kind::Rank(WORDS), Kind::Number, Kind::Time, Kind::Age, Kind::Until];

/// A cell is its members as text: none, one, or several for a set. Ranks are words, numbers and instants decimal.
type Row = Vec<Vec<String>>;

#[derive(Debug, Clone)]
struct Case {
    kinds: Vec<(Kind, bool)>,
    /// Rows with keys, by segment.
    segments: Vec<Vec<(u64, Row)>>,
    ask: Ask,
    sorts: Vec<(usize, bool)>,
    group: Option<(usize, usize, usize)>,
}

/// A filter of the checker's own.
#[derive(Debug, Clone)]
enum Ask {
    /// One test on a field, understood by the field's kind; `form` and `op` choose among those it has.
    Field {
        field: usize,
        form: u8,
        op: usize,
        texts: Vec<String>,
        number: i64,
    },
    Word(String),
    Phrase(String),
    Not(Box<Ask>),
    And(Vec<Ask>),
    Or(Vec<Ask>),
}

const OPS: [&str; 5] = [":", ">", ">=", "<", "<="];

fn compare(op: &str, ordering: Ordering) -> bool {
    match op {
        ">" => ordering == Ordering::Greater,
        ">=" => ordering != Ordering::Less,
        "<" => ordering == Ordering::Less,
        "<=" => ordering != Ordering::Greater,
        _ => ordering == Ordering::Equal,
    }
}

fn wild(pattern: &[char], text: &[char]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some('*'), _) => wild(&pattern[1..], text) || (!text.is_empty() && wild(pattern, &text[1..])),
        (Some('?'), Some(_)) => wild(&pattern[1..], &text[1..]),
        (Some(a), Some(b)) if a == b => wild(&pattern[1..], &text[1..]),
        _ => false,
    }
}

fn chars(text: &str) -> Vec<char> {
    text.to_lowercase().chars().collect()
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Ask {
    fn text(&self, kinds: &[(Kind, bool)]) -> String {
        match self {
            Ask::Word(word) => word.clone(),
            Ask::Phrase(phrase) => quote(phrase),
            Ask::Not(ask) => format!("!({})", ask.text(kinds)),
            Ask::And(asks) => asks.iter().map(|ask| format!("({})", ask.text(kinds))).collect::<Vec<_>>().join(" and "),
            Ask::Or(asks) => asks.iter().map(|ask| format!("({})", ask.text(kinds))).collect::<Vec<_>>().join(" or "),
            Ask::Field { field, form, op, texts, number } => {
                let (name, kind) = (NAMES[field % kinds.len()], kinds[field % kinds.len()].0);
                if form % 5 == 4 {
                    return format!("{name}:none");
                }
                match kind {
                    Kind::Keyword | Kind::Text | Kind::Set => match form % 5 {
                        0 | 3 => format!("{name}:{}", texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join(",")),
                        1 => format!("{name}={}", quote(&texts[0])),
                        _ => format!("{name}:{}*{}", plain(&texts[0]), plain(&texts[texts.len() - 1])),
                    },
                    Kind::Rank(words) => format!("{name}{}{}", OPS[*op], words[place(*number, words)].to_lowercase()),
                    Kind::Number => format!("{name}{}{number}", OPS[*op]),
                    Kind::Time => format!("{name}{}{}", OPS[*op], jiff::Timestamp::from_second(NOW - number).unwrap()),
                    Kind::Age | Kind::Until => format!("{name}{}{}s", OPS[*op], number.abs()),
                }
            }
        }
    }

    fn holds(&self, kinds: &[(Kind, bool)], row: &Row) -> bool {
        let contains = |part: &str| {
            kinds
                .iter()
                .zip(row)
                .filter(|((kind, search), _)| *search && worded(*kind))
                .any(|(_, cell)| cell.iter().any(|member| member.to_lowercase().contains(&part.to_lowercase())))
        };
        match self {
            Ask::Word(text) | Ask::Phrase(text) => contains(text),
            Ask::Not(ask) => !ask.holds(kinds, row),
            Ask::And(asks) => asks.iter().all(|ask| ask.holds(kinds, row)),
            Ask::Or(asks) => asks.iter().any(|ask| ask.holds(kinds, row)),
            Ask::Field { field, form, op, texts, number } => {
                let (cell, kind) = (&row[field % kinds.len()], kinds[field % kinds.len()].0);
                if form % 5 == 4 {
                    return cell.is_empty();
                }
                let value = || cell[0].parse::<i64>().unwrap();
                match kind {
                    Kind::Keyword | Kind::Text | Kind::Set => {
                        let one = |text: &String| match form % 5 {
                            _ if text.is_empty() && form % 5 != 2 => cell.is_empty(),
                            0 | 3 => cell.iter().any(|member| member.to_lowercase().contains(&text.to_lowercase())),
                            1 => cell.iter().any(|member| member == text),
                            _ => {
                                let pattern = format!("{}*{}", plain(&texts[0]), plain(&texts[texts.len() - 1]));
                                cell.iter().any(|member| wild(&chars(&pattern), &chars(member)))
                            }
                        };
                        if matches!(form % 5, 0 | 3) { texts.iter().any(one) } else { one(&texts[0]) }
                    }
                    _ if cell.is_empty() => false,
                    Kind::Rank(words) => {
                        let own = words.iter().position(|word| *word == cell[0]).unwrap();
                        compare(OPS[*op], own.cmp(&place(*number, words)))
                    }
                    Kind::Number => compare(OPS[*op], value().cmp(number)),
                    Kind::Time => compare(OPS[*op], value().cmp(&(NOW - number))),
                    Kind::Age => compare(OPS[*op], (NOW - value()).cmp(&number.abs())),
                    Kind::Until => compare(OPS[*op], (value() - NOW).cmp(&number.abs())),
                }
            }
        }
    }
}

fn worded(kind: Kind) -> bool {
    matches!(kind, Kind::Keyword | Kind::Text | Kind::Set | Kind::Rank(_))
}

fn place(number: i64, words: &[&str]) -> usize {
    number.unsigned_abs() as usize % words.len()
}

/// What may stand in a value without quotes.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | ',' | '(' | ')')).collect()
}

/// Puts two cells in order; one without a value comes last whatever the direction.
fn order(kind: Kind, descending: bool, a: &[String], b: &[String]) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let number = |cell: &[String]| cell[0].parse::<i64>().unwrap();
    let text = |cell: &[String]| (cell.join("\u{1f}").to_lowercase(), cell.join("\u{1f}"));
    let rank = |cell: &[String]| WORDS.iter().position(|word| *word == cell[0]).unwrap();
    let ordering = match kind {
        Kind::Keyword | Kind::Text | Kind::Set => text(a).cmp(&text(b)),
        Kind::Rank(_) => rank(a).cmp(&rank(b)),
        Kind::Number | Kind::Time | Kind::Until => number(a).cmp(&number(b)),
        Kind::Age => number(b).cmp(&number(a)),
    };
    if descending { ordering.reverse() } else { ordering }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[aAbB]{1,3}", "[aAbÉé/:]{1,6}", "[ab]{6,9}", "a(/b|:A|/){0,3}[abB]{0,2}", "[a\"\\\\ ,é]{0,4}",]
}

fn cell(kind: Kind) -> BoxedStrategy<Vec<String>> {
    let one = |text: BoxedStrategy<String>| {
        (text, 0..5u8).prop_map(|(text, none)| if none == 0 || text.is_empty() { vec![] } else { vec![text] }).boxed()
    };
    match kind {
        Kind::Keyword | Kind::Text => one(text().boxed()),
        Kind::Set => vec(text(), 0..4)
            .prop_map(|mut members| {
                members.retain(|member| !member.is_empty());
                members.sort();
                members.dedup();
                members
            })
            .boxed(),
        Kind::Rank(words) => one((0..words.len()).prop_map(|place| words[place].to_owned()).boxed()),
        Kind::Number => one(prop_oneof![-3i64..4, Just(i64::MAX), Just(i64::MIN + 1), any::<i32>().prop_map(i64::from)]
            .prop_map(|number| number.to_string())
            .boxed()),
        Kind::Time | Kind::Age | Kind::Until => {
            one((-200_000i64..200_000).prop_map(|back| (NOW - back / 100 * 100).to_string()).boxed())
        }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let number = prop_oneof![-3i64..4, (-2000i64..2000).prop_map(|number| number * 100), any::<i32>().prop_map(i64::from)];
    let leaf = prop_oneof![
        5 => (0..8usize, 0..5u8, 0..OPS.len(), vec(text(), 1..3), number)
            .prop_map(|(field, form, op, texts, number)| Ask::Field { field, form, op, texts, number }),
        1 => "[abé/]{1,3}".prop_map(Ask::Word),
        1 => text().prop_filter("not empty", |text| !text.is_empty()).prop_map(Ask::Phrase),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ask| Ask::Not(Box::new(ask))),
            vec(inner.clone(), 1..4).prop_map(Ask::And),
            vec(inner, 1..4).prop_map(Ask::Or),
        ]
    })
}

fn case() -> impl Strategy<Value = Case> {
    let kinds = vec(((0..7usize).prop_map(|place| SORTS_OF[place]), any::<bool>()), 1..8);
    kinds.prop_flat_map(|kinds| {
        let row = kinds.iter().map(|(kind, _)| cell(*kind)).collect::<Vec<_>>();
        let segments = vec(vec((0..40u64, row), 0..25), 0..4);
        (
            Just(kinds),
            segments,
            ask(),
            vec((0..8usize, any::<bool>()), 0..6),
            proptest::option::of((0..8usize, 0..8usize, 0..8usize)),
        )
            .prop_map(|(kinds, segments, ask, sorts, group)| Case { kinds, segments, ask, sorts, group })
    })
}

fn schema(kinds: &[(Kind, bool)]) -> Arc<Schema> {
    let field = |(name, (kind, search)): (&&'static str, &(Kind, bool))| Field {
        name,
        title: name,
        kind: *kind,
        aliases: &[],
        also: &[],
        search: *search,
        natural: false,
        help: "",
    };
    Arc::new(Schema::new(NAMES.iter().zip(kinds).map(field).collect()))
}

fn segment(schema: &Arc<Schema>, rows: &[(u64, Row)]) -> Segment {
    let mut builder = SegmentBuilder::new(schema.clone());
    for (payload, (key, row)) in rows.iter().enumerate() {
        for ((id, field), cell) in schema.iter().zip(row) {
            let Some(first) = cell.first() else { continue };
            match field.kind {
                Kind::Keyword => builder.keyword(id, first),
                Kind::Text => builder.text(id, first),
                Kind::Set => builder.set(id, cell.iter().map(String::as_str)),
                Kind::Rank(_) => builder.rank_word(id, first),
                Kind::Number => builder.number(id, first.parse().unwrap()),
                Kind::Time | Kind::Age | Kind::Until => builder.time(id, first.parse().unwrap()),
            };
        }
        builder.push(*key, payload as u64);
    }
    builder.finish()
}

/// An index whose segments were written and read back.
fn index(case: &Case) -> Index {
    let schema = schema(&case.kinds);
    let mut index = Index::new(schema.clone());
    for (place, rows) in case.segments.iter().enumerate() {
        let built = segment(&schema, rows);
        let read = Segment::from_bytes(schema.clone(), &built.to_bytes()).unwrap();
        assert_eq!(read.columns, built.columns);
        index = index.with(&format!("s{place}"), Arc::new(read));
    }
    index
}

fn plain_groups(case: &Case, rows: &[&(u64, Row)], passing: &[bool], by: GroupBy) -> Vec<Group> {
    let kind = case.kinds[usize::from(by.field.0)].0;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for ((_, row), passes) in rows.iter().zip(passing) {
        let mut values = row[usize::from(by.field.0)].clone();
        if matches!(kind, Kind::Time | Kind::Age | Kind::Until) {
            let day = |value: &String| jiff::Timestamp::from_second(value.parse().unwrap()).unwrap().to_string()[..10].to_owned();
            values = values.iter().map(day).collect();
        }
        if values.is_empty() {
            values.push(String::new());
        }
        for value in values {
            let empty = Group { value: value.clone(), matched: 0, total: 0, oldest: None, worst: None };
            let group = groups.entry(value).or_insert(empty);
            group.total += 1;
            if *passes {
                group.matched += 1;
                let one = |field: Option<FieldId>| field.and_then(|field| row[usize::from(field.0)].first());
                let oldest = one(by.oldest).map(|value| value.parse::<i64>().unwrap());
                group.oldest = [group.oldest, oldest].into_iter().flatten().min();
                let worst = one(by.worst).map(|value| WORDS.iter().position(|word| word == value).unwrap() as u8);
                group.worst = group.worst.max(worst);
            }
        }
    }
    let mut groups: Vec<Group> = groups.into_values().filter(|group| group.matched > 0).collect();
    let cell = |group: &Group| if group.value.is_empty() { vec![] } else { vec![group.value.clone()] };
    // days sort as they are written
    let kind = if matches!(kind, Kind::Time | Kind::Age | Kind::Until) { Kind::Text } else { kind };
    groups.sort_by(|a, b| {
        let (severest, most) = (b.worst.cmp(&a.worst), b.matched.cmp(&a.matched));
        severest.then(most).then_with(|| order(kind, false, &cell(a), &cell(b)))
    });
    groups
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn answers_like_a_plain_evaluator(case in case()) {
        let index = index(&case);
        let written = case.ask.text(&case.kinds);
        let filter = parse(&written, index.schema(), NOW).unwrap_or_else(|error| panic!("{written}: {error}"));
        let again = parse(&filter.to_string(), index.schema(), NOW);
        prop_assert_eq!(again.as_ref(), Ok(&filter), "{} became {}", written, filter);

        let rows: Vec<&(u64, Row)> = case.segments.iter().flatten().collect();
        let passing: Vec<bool> = rows.iter().map(|(_, row)| case.ask.holds(&case.kinds, row)).collect();
        let field = |place: usize| place % case.kinds.len();
        let mut expected: Vec<usize> = (0..rows.len()).filter(|row| passing[*row]).collect();
        expected.sort_by(|a, b| {
            let by = |(place, descending): &(usize, bool)| {
                let place = field(*place);
                order(case.kinds[place].0, *descending, &rows[*a].1[place], &rows[*b].1[place])
            };
            let ordered = case.sorts.iter().map(by).fold(Ordering::Equal, Ordering::then);
            ordered.then(rows[*a].0.cmp(&rows[*b].0)).then(a.cmp(b))
        });

        let all: Vec<RowId> = index.ids().collect();
        let of = |place: usize| FieldId(field(place) as u16);
        let with = |place: usize, wanted: fn(Kind) -> bool| Some(of(place)).filter(|_| wanted(case.kinds[field(place)].0));
        let group = case.group.map(|(by, oldest, worst)| GroupBy {
            field: of(by),
            oldest: with(oldest, |kind| matches!(kind, Kind::Time | Kind::Age | Kind::Until)),
            worst: with(worst, |kind| matches!(kind, Kind::Rank(_))),
        });
        let sort = case.sorts.iter().map(|(place, descending)| Sort { field: of(*place), descending: *descending }).collect();
        let query = Query { filter: filter.clone(), sort, group, now: NOW };
        let found = run(&index, &query, &Cancel::new()).unwrap();
        let expected_ids: Vec<RowId> = expected.iter().map(|row| all[*row]).collect();
        prop_assert_eq!(&found.ids, &expected_ids, "{}", written);
        prop_assert_eq!(found.total, rows.len());
        prop_assert_eq!(count(&index, &filter, NOW, &Cancel::new()), Some(expected.len()));
        for (id, passes) in all.iter().zip(&passing) {
            prop_assert_eq!(filter.matches(&index, *id), *passes, "{}", written);
        }
        if let Some(by) = group {
            let groups = plain_groups(&case, &rows, &passing, by);
            prop_assert_eq!(&found.groups, &groups);
            let mut counts = facets(&index, &filter, by.field);
            counts.sort();
            let mut expected: Vec<(String, usize)> = groups.into_iter().map(|group| (group.value, group.matched)).collect();
            expected.sort();
            prop_assert_eq!(counts, expected);
        }
        for (key, _) in &rows {
            let first = all.iter().copied().find(|id| index.key(*id) == Some(*key));
            prop_assert_eq!(index.find(*key), first);
        }
        prop_assert_eq!(index.find(41), None);
    }

    #[test]
    fn cells_come_back(case in case()) {
        let index = index(&case);
        for (id, (_, row)) in index.ids().zip(case.segments.iter().flatten()) {
            for ((field, declared), cell) in index.schema().iter().zip(row) {
                let found = match index.cell(id, field) {
                    Cell::Number(number) | Cell::Time(number) => vec![number.to_string()],
                    cell => cell.members().map(str::to_owned).collect(),
                };
                prop_assert_eq!(&found, cell, "{}", declared.name);
            }
        }
    }

    #[test]
    fn near_words_are_found_alike_row_by_row(
        values in vec("[abcd]{3,9}", 1..20),
        word in "[abcd]{4,8}",
    ) {
        let kinds = [(Kind::Keyword, true), (Kind::Text, true)];
        let rows: Vec<(u64, Row)> = values.iter().zip(0..).map(|(value, key)| (key, vec![vec![value.clone()], vec![]])).collect();
        let index = Index::new(schema(&kinds)).with("a", Arc::new(segment(&schema(&kinds), &rows)));
        let filter = parse(&word, index.schema(), NOW).unwrap();
        let found = run(&index, &Query { filter: filter.clone(), ..Query::default() }, &Cancel::new()).unwrap();
        let expected: Vec<RowId> = index.ids().filter(|id| filter.matches(&index, *id)).collect();
        prop_assert_eq!(found.ids, expected);
    }

    #[test]
    fn altered_bytes_never_panic(case in case(), changes in vec((any::<usize>(), any::<u8>()), 0..6), cut in any::<usize>(), sealed in any::<bool>()) {
        let schema = schema(&case.kinds);
        let rows: Vec<(u64, Row)> = case.segments.concat();
        let mut bytes = segment(&schema, &rows).to_bytes();
        let whole = bytes.clone();
        if cut % 4 == 0 {
            bytes.truncate(cut / 4 % (bytes.len() + 1));
        }
        let length = bytes.len();
        for (place, byte) in &changes {
            if length > 0 {
                bytes[place % length] = *byte;
            }
        }
        if sealed {
            seal(&mut bytes);
        }
        match Segment::from_bytes(schema.clone(), &bytes) {
            // With a right checksum altered bytes may be a segment: then everything about it must be safe.
            Ok(read) => {
                prop_assert!(sealed || bytes == whole, "an altered byte went unnoticed");
                let index = Index::new(schema.clone()).with("a", Arc::new(read));
                let written = case.ask.text(&case.kinds);
                let sort = case.sorts.iter().map(|(place, descending)| Sort { field: FieldId((place % case.kinds.len()) as u16), descending: *descending });
                let group = GroupBy { field: FieldId(0), oldest: Some(FieldId(0)), worst: Some(FieldId(0)) };
                let query = Query { filter: parse(&written, &schema, NOW).unwrap(), sort: sort.collect(), group: Some(group), now: NOW };
                run(&index, &query, &Cancel::new()).unwrap();
                for id in index.ids() {
                    for (field, _) in schema.iter() {
                        index.cell(id, field);
                    }
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(Segment::from_bytes(schema(&[(Kind::Text, true)]), &bytes).is_err());
    }
}

/// Many rows in one segment and in several: more than one block, more than one thread.
#[test]
fn large_indexes_answer_alike() {
    let kinds = [
        (Kind::Text, true),
        (Kind::Keyword, true),
        (Kind::Rank(WORDS), false),
        (Kind::Age, false),
        (Kind::Set, true),
        (Kind::Number, false),
    ];
    let schema = schema(&kinds);
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 33) % below
    };
    let mut rows: Vec<(u64, Row)> = Vec::new();
    for _ in 0..70_000u64 {
        let text = match random(4) {
            0 => format!("arn:aws:s3:::bucket-{:05}", random(60_000)),
            1 => format!("arn:aws:s3:::bucket-{:05}/Key/{}", random(60), random(2000)),
            2 => format!("resource-number-{:06}", random(90_000)),
            _ => format!("arn:aws:ec2:eu-west-{}:1234:security-group/sg-{:08x}", random(3), random(1 << 32)),
        };
        rows.push((
            random(u64::from(u32::MAX)),
            vec![
                vec![text],
                vec![format!("Account {}", random(900))],
                vec![WORDS[random(4) as usize].to_owned()],
                vec![(NOW - random(90_000_000) as i64).to_string()],
                (0..random(3)).map(|_| format!("s{}", random(9))).collect(),
                vec![(random(u64::MAX >> 33) as i64 * if random(2) == 0 { 1 << 32 } else { -(1 << 32) }).to_string()],
            ],
        ));
    }
    rows.iter_mut().for_each(|(_, row)| {
        row[4].sort();
        row[4].dedup();
    });
    for parts in [1, 5] {
        let mut index = Index::new(schema.clone());
        for (place, rows) in rows.chunks(rows.len() / parts + 1).enumerate() {
            index = index.with(&format!("s{place}"), Arc::new(segment(&schema, rows)));
        }
        let all: Vec<RowId> = index.ids().collect();
        for text in [
            "bucket-00",
            "f0:key/1",
            "f0:s3:::bucket-000",
            "f0:/key/",
            "f0:*number-0?11*",
            "f0:SG-0",
            "f2>=high f0:00",
            "!f2:low f3<20d",
            "f4:s1,s2 !f4:s3",
            "f0:bucket-00011",
            "f1:7 or f0:777",
            "zz",
            "",
            "f5>0",
        ] {
            let filter = parse(text, &schema, NOW).unwrap();
            let found = run(&index, &Query { filter: filter.clone(), now: NOW, ..Query::default() }, &Cancel::new()).unwrap();
            let mut expected: Vec<RowId> = all.iter().copied().filter(|id| filter.matches(&index, *id)).collect();
            expected.sort_by_key(|id| (index.key(*id), *id));
            assert_eq!(found.ids, expected, "{text} in {parts}");
        }
        for (fields, descending) in
            [(vec![0], false), (vec![1, 0], true), (vec![4, 5, 3, 0], false), (vec![5, 5, 0, 1, 2, 3], true)]
        {
            let sort = fields.iter().map(|field| Sort { field: FieldId(*field), descending }).collect();
            let found = run(&index, &Query { sort, now: NOW, ..Query::default() }, &Cancel::new()).unwrap();
            let mut expected: Vec<usize> = (0..rows.len()).collect();
            let mut keyed: Vec<Vec<(bool, String, String, i64)>> = Vec::new();
            for (_, row) in &rows {
                keyed.push(
                    fields
                        .iter()
                        .map(|field| {
                            let cell = &row[usize::from(*field)];
                            let joined = cell.join("\u{1f}");
                            let number = match field {
                                2 => WORDS.iter().position(|word| *word == joined).unwrap() as i64,
                                3 => -joined.parse::<i64>().unwrap(),
                                5 => joined.parse().unwrap(),
                                _ => 0,
                            };
                            let text = if matches!(field, 0 | 1 | 4) { joined } else { String::new() };
                            (cell.is_empty(), text.to_lowercase(), text, number)
                        })
                        .collect(),
                );
            }
            expected.sort_by(|a, b| {
                let pairs = keyed[*a].iter().zip(&keyed[*b]);
                let ordered = pairs.map(|(a, b)| {
                    let values = (&a.1, &a.2, a.3).cmp(&(&b.1, &b.2, b.3));
                    a.0.cmp(&b.0).then(if descending { values.reverse() } else { values })
                });
                ordered.fold(Ordering::Equal, Ordering::then).then(rows[*a].0.cmp(&rows[*b].0)).then(a.cmp(b))
            });
            let expected: Vec<RowId> = expected.into_iter().map(|row| all[row]).collect();
            assert!(found.ids == expected, "sorted by {fields:?}, descending {descending}, in {parts}");
        }
    }
}

#[test]
fn a_cancelled_query_gives_nothing() {
    let schema = schema(&[(Kind::Text, true)]);
    let rows: Vec<(u64, Row)> = (0..10).map(|key| (key, vec![vec![format!("row {key}")]])).collect();
    let index = Index::new(schema.clone()).with("a", Arc::new(segment(&schema, &rows)));
    let cancel = Cancel::new();
    assert_eq!(run(&index, &Query::default(), &cancel).map(|rows| rows.ids.len()), Some(10));
    let elsewhere = cancel.clone();
    elsewhere.cancel();
    assert_eq!(run(&index, &Query::default(), &cancel), None);
    assert_eq!(count(&index, &Filter::all(), 0, &cancel), None);
}

#[test]
fn segments_come_and_go_by_name() {
    let schema = schema(&[(Kind::Keyword, true)]);
    let one = |value: &str, key| Arc::new(segment(&schema, &[(key, vec![vec![value.to_owned()]])]));
    let first = Index::new(schema.clone()).with("b", one("old", 1)).with("a", one("other", 2));
    let second = first.with("b", one("new", 1));
    let value = |index: &Index, key| index.cell(index.find(key).unwrap(), FieldId(0)).members().next().map(str::to_owned);
    assert_eq!(value(&first, 1).as_deref(), Some("old"));
    assert_eq!(value(&second, 1).as_deref(), Some("new"));
    assert_eq!(second.segments().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(), ["a", "b"]);
    let id = second.find(1).unwrap();
    let third = second.without("a").without("b");
    assert_eq!((third.rows(), third.find(1), third.key(id)), (0, None, None));
    assert_eq!(third.cell(id, FieldId(0)), Cell::None);
    assert!(run(&third, &Query::default(), &Cancel::new()).unwrap().ids.is_empty());
}

#[test]
fn stored_columns_of_another_kind_are_refused() {
    let (text, keyword) = (schema(&[(Kind::Text, true)]), schema(&[(Kind::Keyword, true)]));
    let bytes = segment(&text, &[(1, vec![vec!["a/b".into()]])]).to_bytes();
    assert_eq!(Segment::from_bytes(keyword, &bytes).unwrap_err(), SegmentError::OtherSchema);
    assert_eq!(Segment::from_bytes(text.clone(), b"").unwrap_err(), SegmentError::NotASegment);
    let mut newer = bytes;
    newer[8] = 9;
    assert!(matches!(Segment::from_bytes(text, &newer).unwrap_err(), SegmentError::Version { found: 9, .. }));
}

#[test]
fn limits_hold_and_nothing_is_no_value() {
    let kinds = [(Kind::Text, true), (Kind::Set, true), (Kind::Number, false), (Kind::Rank(WORDS), false)];
    let schema = schema(&kinds);
    let mut builder = SegmentBuilder::new(schema.clone());
    let long = "é/".repeat(40_000);
    builder.text(FieldId(0), &long).set(FieldId(1), ["b\u{1f}c", "a", "", "a"]).number(FieldId(2), i64::MIN).rank(FieldId(3), 9);
    builder.push(1, 2);
    builder.text(FieldId(0), "").push(2, 3);
    let segment = builder.finish();
    let Cell::Text(text) = segment.cell(0, FieldId(0)) else { panic!("no text") };
    assert!(long.starts_with(text.as_ref()) && (65_530..=65_535).contains(&text.len()));
    assert_eq!(segment.cell(0, FieldId(1)).members().collect::<Vec<_>>(), ["a", "b c"]);
    assert_eq!(segment.cell(0, FieldId(2)), Cell::Number(i64::MIN + 1));
    assert_eq!(segment.cell(0, FieldId(3)), Cell::None);
    assert_eq!(segment.cell(1, FieldId(0)), Cell::None);
    assert_eq!(segment.cell(2, FieldId(0)), Cell::None);
    assert_eq!((segment.key(1), segment.payload(1), segment.key(2)), (Some(2), Some(3), None));
    assert!(Segment::from_bytes(schema, &segment.to_bytes()).is_ok());
}
