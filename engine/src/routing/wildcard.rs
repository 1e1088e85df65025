// SPDX-License-Identifier: Apache-2.0
//! The address tree: which queues on wildcard addresses receive what is sent to a concrete one.

mod search;

pub use search::Cursor;

use crate::address::name::{WildcardSyntax, Word};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// Addresses, concrete and wildcard ones, with a value each, found by the words they share with a name.
///
/// A lookup follows only the branches that still fit, so its cost depends on the words of the name and the patterns
/// along its way, not on how many addresses are stored. The words match as [`WildcardSyntax::matches`] says; with
/// `routing_enabled` off every word is literal.
///
/// *Invariants*: the same addresses are found in the same order (by their text) whatever order they were inserted in;
/// nothing recurses, so an address may have any number of words; every node but the root leads to an address.
#[derive(Debug, Clone)]
pub struct AddressTree<T> {
    syntax: WildcardSyntax,
    nodes: Vec<Node<T>>,
    /// places in `nodes` to use again
    free: Vec<NodeId>,
    len: usize,
}

type NodeId = u32;

const ROOT: NodeId = 0;

#[derive(Debug, Clone)]
struct Node<T> {
    literal: BTreeMap<Box<str>, NodeId>,
    single: Option<NodeId>,
    any: Option<NodeId>,
    /// whether the last word on the way here is the any-words wildcard, which takes further words and stays
    is_any: bool,
    /// the address that ends here
    entry: Option<(Box<str>, T)>,
}

impl<T> Node<T> {
    fn new(is_any: bool) -> Node<T> {
        Node {
            literal: BTreeMap::new(),
            single: None,
            any: None,
            is_any,
            entry: None,
        }
    }

    fn child(&self, word: Word<'_>) -> Option<NodeId> {
        match word {
            Word::Literal(word) => self.literal.get(word).copied(),
            Word::Single => self.single,
            Word::Any => self.any,
        }
    }

    fn is_unused(&self) -> bool {
        self.entry.is_none()
            && self.literal.is_empty()
            && self.single.is_none()
            && self.any.is_none()
    }
}

/// Nodes reached by the words read so far; ascending and without repeats.
type Active = SmallVec<[NodeId; 16]>;

/// Indices of the pattern's words that may come next; ascending and without repeats. One past the last is "matched".
type Positions = SmallVec<[u32; 8]>;

impl<T> AddressTree<T> {
    pub fn new(syntax: WildcardSyntax) -> AddressTree<T> {
        AddressTree {
            syntax,
            nodes: vec![Node::new(false)],
            free: Vec::new(),
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the value of `address` and returns the one it replaces.
    pub fn insert(&mut self, address: &str, value: T) -> Option<T> {
        let mut at = ROOT;
        for word in self.words(address) {
            at = match self.node(at).child(word) {
                Some(child) => child,
                None => self.add_child(at, word),
            };
        }
        let replaced = self.node_mut(at).entry.replace((address.into(), value));
        self.len += usize::from(replaced.is_none());
        replaced.map(|(_, value)| value)
    }

    /// Takes `address` away, and with it the branches that lead nowhere else.
    pub fn remove(&mut self, address: &str) -> Option<T> {
        let mut path: Vec<(NodeId, Word<'_>)> = Vec::new();
        let mut at = ROOT;
        for word in self.words(address) {
            path.push((at, word));
            at = self.node(at).child(word)?;
        }
        let (_, value) = self.node_mut(at).entry.take()?;
        self.len -= 1;
        while let Some((parent, word)) = path.pop()
            && self.node(at).is_unused()
        {
            self.remove_child(parent, word, at);
            at = parent;
        }
        Some(value)
    }

    /// The value inserted for this very address.
    pub fn get(&self, address: &str) -> Option<&T> {
        let node = self.node(self.find(address)?);
        node.entry.as_ref().map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, address: &str) -> Option<&mut T> {
        let at = self.find(address)?;
        self.node_mut(at).entry.as_mut().map(|(_, value)| value)
    }

    /// Calls `visit` once for each address that matches the concrete `name`: its own and wildcard ones.
    pub fn matching<'t>(&'t self, name: &str, mut visit: impl FnMut(&'t str, &'t T)) {
        for at in self.reached_by(name) {
            if let Some((address, value)) = &self.node(at).entry {
                visit(address, value);
            }
        }
    }

    /// Calls `visit` once for each concrete address that `pattern` matches: those a queue on `pattern`, created now,
    /// receives from.
    pub fn matched_by<'t>(&'t self, pattern: &str, mut visit: impl FnMut(&'t str, &'t T)) {
        let words: Vec<Word<'_>> = self.words(pattern).collect();
        let mut found: Vec<NodeId> = Vec::new();
        let mut pending: Vec<(NodeId, Positions)> = vec![(ROOT, with_skipped_any(&words, [0]))];
        while let Some((at, positions)) = pending.pop() {
            let node = self.node(at);
            if node.entry.is_some() && positions.last() == Some(&(words.len() as u32)) {
                found.push(at);
            }
            let expected = positions
                .iter()
                .filter_map(|position| words.get(*position as usize));
            if expected
                .clone()
                .all(|word| matches!(word, Word::Literal(_)))
            {
                // no wildcard comes next: only the children named need a look
                let mut named: SmallVec<[&str; 8]> = expected.filter_map(literal).collect();
                named.sort_unstable();
                named.dedup();
                for word in named {
                    if let Some(child) = node.literal.get(word) {
                        pending.push((*child, after_word(&words, &positions, word)));
                    }
                }
                continue;
            }
            for (word, child) in &node.literal {
                let next = after_word(&words, &positions, word);
                if !next.is_empty() {
                    pending.push((*child, next));
                }
            }
        }
        self.sort_by_address(&mut found);
        for at in found {
            if let Some((address, value)) = &self.node(at).entry {
                visit(address, value);
            }
        }
    }

    /// The nodes with an address that matches `name`, ordered by that address.
    fn reached_by(&self, name: &str) -> Active {
        let mut active = Active::new();
        self.activate(ROOT, &mut active);
        for word in self.syntax.words(name) {
            let mut next = Active::new();
            for at in active {
                let node = self.node(at);
                if node.is_any {
                    self.activate(at, &mut next);
                }
                for child in [node.child(Word::Literal(word)), node.single]
                    .into_iter()
                    .flatten()
                {
                    self.activate(child, &mut next);
                }
            }
            next.sort_unstable();
            next.dedup();
            active = next;
            if active.is_empty() {
                return active;
            }
        }
        active.retain(|at| self.node(*at).entry.is_some());
        self.sort_by_address(&mut active);
        active
    }

    /// Adds a node and, because any-words may take zero words, those behind its any-words children.
    fn activate(&self, at: NodeId, active: &mut Active) {
        let mut reached = Some(at);
        while let Some(at) = reached {
            active.push(at);
            reached = self.node(at).any;
        }
    }

    fn sort_by_address(&self, found: &mut [NodeId]) {
        let address = |at: &NodeId| self.node(*at).entry.as_ref().map(|(address, _)| address);
        found.sort_unstable_by(|left, right| address(left).cmp(&address(right)));
    }

    fn find(&self, address: &str) -> Option<NodeId> {
        self.words(address)
            .try_fold(ROOT, |at, word| self.node(at).child(word))
    }

    fn words<'p>(&self, address: &'p str) -> impl Iterator<Item = Word<'p>> + use<'p, T> {
        let syntax = self.syntax;
        syntax
            .words(address)
            .map(move |word| match syntax.routing_enabled {
                true => syntax.word(word),
                false => Word::Literal(word),
            })
    }

    fn add_child(&mut self, parent: NodeId, word: Word<'_>) -> NodeId {
        let node = Node::new(word == Word::Any);
        let child = match self.free.pop() {
            Some(freed) => {
                *self.node_mut(freed) = node;
                freed
            }
            None => {
                self.nodes.push(node);
                NodeId::try_from(self.nodes.len() - 1).expect("2³² nodes do not fit in memory")
            }
        };
        let parent = self.node_mut(parent);
        match word {
            Word::Literal(word) => drop(parent.literal.insert(word.into(), child)),
            Word::Single => parent.single = Some(child),
            Word::Any => parent.any = Some(child),
        }
        child
    }

    fn remove_child(&mut self, parent: NodeId, word: Word<'_>, child: NodeId) {
        debug_assert!(self.node(child).is_unused());
        let parent = self.node_mut(parent);
        match word {
            Word::Literal(word) => drop(parent.literal.remove(word)),
            Word::Single => parent.single = None,
            Word::Any => parent.any = None,
        }
        self.free.push(child);
    }

    fn node(&self, at: NodeId) -> &Node<T> {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: NodeId) -> &mut Node<T> {
        &mut self.nodes[at as usize]
    }
}

fn literal<'p>(word: &Word<'p>) -> Option<&'p str> {
    if let Word::Literal(word) = word {
        Some(word)
    } else {
        None
    }
}

/// Where the pattern may be after one more word of a name.
fn after_word(words: &[Word<'_>], positions: &[u32], word: &str) -> Positions {
    let next = positions
        .iter()
        .filter_map(|position| match words.get(*position as usize)? {
            Word::Any => Some(*position),
            Word::Single => Some(position + 1),
            Word::Literal(wanted) => (*wanted == word).then_some(position + 1),
        });
    with_skipped_any(words, next)
}

/// The positions, and those behind any-words, which may take zero words.
fn with_skipped_any(words: &[Word<'_>], positions: impl IntoIterator<Item = u32>) -> Positions {
    let mut reached = Positions::new();
    for mut position in positions {
        reached.push(position);
        while words.get(position as usize) == Some(&Word::Any) {
            position += 1;
            reached.push(position);
        }
    }
    reached.sort_unstable();
    reached.dedup();
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(addresses: &[&'static str]) -> AddressTree<&'static str> {
        let mut tree = AddressTree::new(WildcardSyntax::default());
        for address in addresses {
            tree.insert(address, *address);
        }
        tree
    }

    fn matching<'t>(tree: &'t AddressTree<impl Copy>, name: &str) -> Vec<&'t str> {
        let mut found = Vec::new();
        tree.matching(name, |address, _| found.push(address));
        found
    }

    fn matched_by<'t>(tree: &'t AddressTree<impl Copy>, pattern: &str) -> Vec<&'t str> {
        let mut found = Vec::new();
        tree.matched_by(pattern, |address, _| found.push(address));
        found
    }

    #[test]
    fn a_concrete_name_finds_its_own_address_and_the_wildcards_over_it() {
        let tree = tree(&[
            "news.europe",
            "news.*",
            "news.#",
            "#",
            "#.europe",
            "*.europe",
            "news",
            "news.usa",
            "*",
            "*.*.*",
        ]);
        let expected = [
            "#",
            "#.europe",
            "*.europe",
            "news.#",
            "news.*",
            "news.europe",
        ];
        assert_eq!(matching(&tree, "news.europe"), expected);
        assert_eq!(matching(&tree, "news"), ["#", "*", "news", "news.#"]);
        assert_eq!(matching(&tree, "europe"), ["#", "#.europe", "*"]);
        assert_eq!(matching(&tree, "news.a.b"), ["#", "*.*.*", "news.#"]);
        assert_eq!(matching(&tree, ""), ["#", "*"]);
    }

    #[test]
    fn an_address_reached_in_several_ways_is_visited_once() {
        let tree = tree(&["#.a.#", "#.#", "*.#.#"]);
        assert_eq!(matching(&tree, "a.a.a"), ["#.#", "#.a.#", "*.#.#"]);
    }

    #[test]
    fn a_new_wildcard_finds_the_concrete_addresses_it_matches() {
        let tree = tree(&["a", "a.b", "a.b.c", "a.c", "b.c", "a.*", "#", "a.#.c"]);
        assert_eq!(matched_by(&tree, "a.#"), ["a", "a.b", "a.b.c", "a.c"]);
        assert_eq!(matched_by(&tree, "*.c"), ["a.c", "b.c"]);
        assert_eq!(matched_by(&tree, "#.c"), ["a.b.c", "a.c", "b.c"]);
        assert_eq!(matched_by(&tree, "a.#.c"), ["a.b.c", "a.c"]);
        assert_eq!(matched_by(&tree, "a.b"), ["a.b"]);
        assert_eq!(matched_by(&tree, "x.#"), Vec::<&str>::new());
    }

    #[test]
    fn an_escaped_delimiter_is_part_of_its_word() {
        let tree = tree(&[r"a\.b.c", r"a\.b.*", "a.b.*", r"a.\*"]);
        assert_eq!(matching(&tree, r"a\.b.c"), [r"a\.b.*", r"a\.b.c"]);
        assert_eq!(matching(&tree, "a.x"), Vec::<&str>::new());
        assert_eq!(matched_by(&tree, "*.c"), [r"a\.b.c"]);
    }

    #[test]
    fn with_routing_off_every_word_is_literal() {
        let syntax = WildcardSyntax {
            routing_enabled: false,
            ..WildcardSyntax::default()
        };
        let mut tree = AddressTree::new(syntax);
        tree.insert("a.*", 1);
        tree.insert("a.b", 2);
        assert_eq!(matching(&tree, "a.b"), ["a.b"]);
        assert_eq!(matched_by(&tree, "a.*"), ["a.*"]);
    }

    #[test]
    fn removing_the_last_address_leaves_only_the_root() {
        let addresses = ["a.b.c", "a.*.c", "a.#", "a", "a.b"];
        let mut tree = tree(&addresses);
        assert_eq!(tree.len(), 5);
        assert_eq!(tree.insert("a", "again"), Some("a"));
        assert_eq!(tree.len(), 5);
        assert_eq!(tree.remove("a.*"), None);
        assert_eq!(tree.remove("a.b"), Some("a.b"));
        assert_eq!(tree.get("a.b.c"), Some(&"a.b.c"));
        for address in ["a.b.c", "a.*.c", "a.#", "a"] {
            assert!(tree.remove(address).is_some(), "{address}");
        }
        assert!(tree.is_empty());
        assert!(tree.node(ROOT).is_unused());
        assert_eq!(tree.free.len() + 1, tree.nodes.len());
        let nodes = tree.nodes.len();
        tree.insert("x.y", "x.y");
        assert_eq!(tree.nodes.len(), nodes);
        *tree.get_mut("x.y").expect("just inserted") = "changed";
        assert_eq!(tree.get("x.y"), Some(&"changed"));
    }

    #[test]
    fn a_name_of_100_000_words_is_matched_without_recursion() {
        let name = "a.".repeat(100_000) + "b";
        let mut tree = tree(&["#.b", "#.a.#"]);
        tree.insert("x.#", "x.#");
        assert_eq!(matching(&tree, &name), ["#.a.#", "#.b"]);
        tree.insert(&name, "long");
        assert_eq!(matched_by(&tree, "#.b"), [name.as_str()]);
        assert_eq!(tree.remove(&name), Some("long"));
    }

    /// Seeded, so that a failure is the same in every run.
    fn random_address(random: &mut u64, words: &[&str]) -> String {
        let mut next = |below: usize| {
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            (*random % below as u64) as usize
        };
        let count = 1 + next(4);
        (0..count)
            .map(|_| words[next(words.len())])
            .collect::<Vec<_>>()
            .join(".")
    }

    #[test]
    fn the_tree_agrees_with_matching_every_pattern_by_itself() {
        let syntax = WildcardSyntax::default();
        for seed in 1..200_u64 {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut tree = AddressTree::new(syntax);
            let mut stored = std::collections::BTreeSet::new();
            for round in 0..60 {
                let address = random_address(&mut random, &["a", "b", "", "*", "#", r"a\.b"]);
                if round % 4 == 3 {
                    assert_eq!(
                        tree.remove(&address).is_some(),
                        stored.remove(&address),
                        "seed {seed}"
                    );
                } else {
                    assert_eq!(
                        tree.insert(&address, ()).is_none(),
                        stored.insert(address),
                        "seed {seed}"
                    );
                }
            }
            for _ in 0..30 {
                let name = random_address(&mut random, &["a", "b", "", r"a\.b"]);
                let expected: Vec<_> = stored
                    .iter()
                    .filter(|pattern| syntax.matches(pattern, &name))
                    .collect();
                assert_eq!(matching(&tree, &name), expected, "seed {seed}: {name}");

                let pattern = random_address(&mut random, &["a", "b", "*", "#"]);
                let concrete = stored.iter().filter(|name| !syntax.is_wildcard(name));
                let expected: Vec<_> = concrete
                    .filter(|name| syntax.matches(&pattern, name))
                    .collect();
                assert_eq!(
                    matched_by(&tree, &pattern),
                    expected,
                    "seed {seed}: {pattern}"
                );
            }
        }
    }
}
