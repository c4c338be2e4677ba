//! The distinct texts of many lists, sorted, with each list's codes mapped to them. It owns the merge; lists stay as they are.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::listing::strings::Strings;

/// Distinct texts in order: by folded form, then as given. A text's place is also its sort rank.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    pub(crate) values: Strings,
    /// For each list, for each of its codes, the place in `values`.
    pub(crate) maps: Vec<Vec<u32>>,
}

/// One distinct text while merging: where it is first, and the next of the same folded form.
struct Entry {
    list: usize,
    code: usize,
    next: Option<u32>,
}

impl Dictionary {
    pub(crate) fn merge(lists: &[&Strings]) -> Dictionary {
        let mut entries: Vec<Entry> = Vec::new();
        let mut by_folded: HashMap<&str, u32> = HashMap::new();
        let mut maps: Vec<Vec<u32>> = Vec::with_capacity(lists.len());
        for (list, strings) in lists.iter().enumerate() {
            let mut map = Vec::with_capacity(strings.len());
            for code in 0..strings.len() {
                let fresh = entries.len() as u32;
                let first = *by_folded.entry(strings.folded(code)).or_insert(fresh);
                let mut at = first;
                // Texts that differ only in case are chained; almost always there is one.
                while let Some(entry) = entries.get(at as usize) {
                    if lists[entry.list].same_case(entry.code, strings, code) {
                        break;
                    }
                    at = entry.next.unwrap_or(fresh);
                }
                if at == fresh {
                    if first != fresh {
                        let next = entries[first as usize].next.replace(fresh);
                        entries.push(Entry { list, code, next });
                    } else {
                        entries.push(Entry { list, code, next: None });
                    }
                }
                map.push(at);
            }
            maps.push(map);
        }
        let folded = |entry: &Entry| lists[entry.list].folded(entry.code);
        let mut order: Vec<u32> = (0..entries.len() as u32).collect();
        // each list brings its texts in order, and a stable sort merges such runs
        order.sort_by(|a, b| {
            let (a, b) = (&entries[*a as usize], &entries[*b as usize]);
            folded(a).cmp(folded(b)).then_with(|| match a.next.is_some() || b.next.is_some() {
                true => lists[a.list].get(a.code).cmp(&lists[b.list].get(b.code)),
                false => Ordering::Equal,
            })
        });
        let mut values = Strings::default();
        let mut places = vec![0u32; entries.len()];
        for (place, at) in order.iter().enumerate() {
            let entry = &entries[*at as usize];
            values.push(&lists[entry.list].get(entry.code));
            places[*at as usize] = place as u32;
        }
        values.shrink();
        maps.iter_mut().flatten().for_each(|code| *code = places[*code as usize]);
        Dictionary { values, maps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_and_keeps_case_apart() {
        let list = |texts: &[&str]| {
            let mut strings = Strings::default();
            texts.iter().for_each(|text| strings.push(text));
            strings
        };
        let (a, b) = (list(&["prod", "Prod", "zeta"]), list(&["PROD", "alpha", "prod", "Prod"]));
        let merged = Dictionary::merge(&[&a, &b]);
        let values: Vec<String> = (0..merged.values.len()).map(|at| merged.values.get(at).into_owned()).collect();
        assert_eq!(values, ["alpha", "PROD", "Prod", "prod", "zeta"]);
        assert_eq!(merged.maps, [vec![3, 2, 4], vec![1, 0, 3, 2]]);
    }
}
