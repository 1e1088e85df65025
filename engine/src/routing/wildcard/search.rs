// SPDX-License-Identifier: Apache-2.0
//! Looking through the tree in portions: for lookups whose answer may be the whole tree.

use std::ops::Bound;

use super::{AddressTree, NodeId, Positions, ROOT, after_word, with_skipped_any};
use crate::address::name::Word;

/// Where a search goes on: behind the node of these words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cursor(Vec<Box<str>>);

/// A node on the way, and how far its children have been looked at.
struct Step<'t> {
    at: NodeId,
    /// Which words of the pattern may come next.
    positions: Positions,
    after: Option<&'t str>,
}

impl<T> AddressTree<T> {
    /// Calls `visit` for the concrete addresses that `pattern` matches and that come behind `after`, in the order of
    /// their words; looks at no more than `looks` nodes. Where to go on, unless that was all. Addresses that come and go
    /// meanwhile are found or not; the others are found once.
    pub fn search<'t>(
        &'t self,
        pattern: &str,
        after: Option<&'t Cursor>,
        looks: usize,
        mut visit: impl FnMut(&'t str, &'t T),
    ) -> Option<Cursor> {
        let words: Vec<Word<'_>> = self.words(pattern).collect();
        let (mut path, mut steps) = self.resume(&words, after);
        let mut looks = looks;
        if after.is_none() {
            self.visit_node(ROOT, &steps[0].positions, &words, &mut visit);
        }
        while let Some(step) = steps.last_mut() {
            if looks == 0 {
                return Some(Cursor(path.iter().map(|word| Box::from(*word)).collect()));
            }
            let Some((word, child)) = self.next_child(step, &words) else {
                steps.pop();
                if steps.len() < path.len() + 1 {
                    path.truncate(steps.len().saturating_sub(1));
                }
                continue;
            };
            step.after = Some(word);
            looks -= 1;
            let positions = after_word(&words, &step.positions, word);
            if positions.is_empty() {
                continue;
            }
            self.visit_node(child, &positions, &words, &mut visit);
            path.truncate(steps.len() - 1);
            path.push(word);
            steps.push(Step {
                at: child,
                positions,
                after: None,
            });
        }
        None
    }

    /// The way to the cursor, as far as it is still there.
    fn resume<'t>(
        &'t self,
        words: &[Word<'_>],
        after: Option<&'t Cursor>,
    ) -> (Vec<&'t str>, Vec<Step<'t>>) {
        let mut path: Vec<&str> = Vec::new();
        let mut steps = vec![Step {
            at: ROOT,
            positions: with_skipped_any(words, [0]),
            after: None,
        }];
        for word in after.iter().flat_map(|cursor| &cursor.0) {
            let last = steps.last_mut().expect("begins with the root");
            last.after = Some(word);
            let Some(child) = self.node(last.at).literal.get(word) else {
                break;
            };
            let positions = after_word(words, &last.positions, word);
            path.push(word);
            steps.push(Step {
                at: *child,
                positions,
                after: None,
            });
        }
        (path, steps)
    }

    fn visit_node<'t>(
        &'t self,
        at: NodeId,
        positions: &Positions,
        words: &[Word<'_>],
        visit: &mut impl FnMut(&'t str, &'t T),
    ) {
        let is_end = positions.last() == Some(&u32::try_from(words.len()).unwrap_or(u32::MAX));
        if let Some((address, value)) = self.node(at).entry.as_ref().filter(|_| is_end) {
            visit(address, value);
        }
    }

    /// The next child that may be on the way to a match.
    fn next_child<'t>(&'t self, step: &Step<'t>, words: &[Word<'_>]) -> Option<(&'t str, NodeId)> {
        let node = self.node(step.at);
        let from = step.after.map_or(Bound::Unbounded, Bound::Excluded);
        let expected = step.positions.iter();
        let expected = expected.filter_map(|position| words.get(*position as usize));
        let mut named: Option<&str> = None;
        for word in expected {
            let Word::Literal(word) = word else {
                let children = node.literal.range::<str, _>((from, Bound::Unbounded));
                return children.map(|(word, child)| (&**word, *child)).next();
            };
            let is_behind = step.after.is_none_or(|after| *word > after);
            let is_first = named.is_none_or(|first| *word < first);
            if is_behind && is_first && node.literal.contains_key(*word) {
                named = Some(word);
            }
        }
        let (word, child) = node.literal.get_key_value(named?)?;
        Some((word, *child))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::name::WildcardSyntax;

    fn tree(addresses: &[&str]) -> AddressTree<()> {
        let mut tree = AddressTree::new(WildcardSyntax::default());
        for address in addresses {
            tree.insert(address, ());
        }
        tree
    }

    /// What a search in portions of so many looks finds.
    fn found(tree: &AddressTree<()>, pattern: &str, looks: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let next = tree.search(pattern, cursor.as_ref(), looks, |address, ()| {
                found.push(address.to_owned());
            });
            match next {
                Some(next) => cursor = Some(next),
                None => return found,
            }
        }
    }

    #[test]
    fn portions_of_any_size_find_what_one_look_finds() {
        let addresses = [
            "a", "a.b", "a.b.c", "a.c", "b.c", "a..c", "", ".", "b.b.b.b", "a.b.b", "z",
        ];
        let tree = tree(&addresses);
        for pattern in [
            "#", "a.#", "*.c", "#.c", "a.#.c", "a.b", "*.*", "x.#", "", "#.b.#",
        ] {
            let mut expected = Vec::new();
            tree.matched_by(pattern, |address, ()| expected.push(address.to_owned()));
            for looks in [1, 2, 3, 100] {
                let mut found = found(&tree, pattern, looks);
                found.sort_unstable();
                assert_eq!(found, expected, "{pattern} in portions of {looks}");
            }
        }
    }

    #[test]
    fn a_search_goes_on_though_the_place_it_stopped_at_is_gone() {
        let mut tree = tree(&["a.x", "b.x", "b.y", "c.x"]);
        let mut first = Vec::new();
        let cursor = tree.search("#", None, 4, |address, ()| first.push(address.to_owned()));
        assert_eq!(first, ["a.x", "b.x"]);
        tree.remove("b.x");
        tree.remove("b.y");
        let mut rest = Vec::new();
        let end = tree.search("#", cursor.as_ref(), 9, |address, ()| rest.push(address));
        assert_eq!((rest, end), (vec!["c.x"], None));
    }
}
