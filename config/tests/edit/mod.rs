// SPDX-License-Identifier: Apache-2.0
//! Single edits of XML text, each with the lines in which its consequence must show.

use std::collections::BTreeSet;
use std::ops::Range;

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    RenameElement,
    RenameOpenTag,
    RenameAttribute,
    DeleteOpenTag,
    DeleteCloseTag,
    DeleteElement,
    DuplicateElement,
    GarbageText,
    EmptyText,
    BreakNumber,
    SwapCaseOfElement,
    SwapCaseOfText,
    GarbageAttribute,
    RemoveAttribute,
    RenameParameter,
    GarbageParameter,
    RemoveParameter,
    DropEquals,
    WrongSeparator,
    DropQuote,
    DropBracket,
    DropSlash,
    StrayText,
    ChangeNamespace,
    StrayVariable,
}

pub const CLASSES: [Class; 25] = [
    Class::RenameElement,
    Class::RenameOpenTag,
    Class::RenameAttribute,
    Class::DeleteOpenTag,
    Class::DeleteCloseTag,
    Class::DeleteElement,
    Class::DuplicateElement,
    Class::GarbageText,
    Class::EmptyText,
    Class::BreakNumber,
    Class::SwapCaseOfElement,
    Class::SwapCaseOfText,
    Class::GarbageAttribute,
    Class::RemoveAttribute,
    Class::RenameParameter,
    Class::GarbageParameter,
    Class::RemoveParameter,
    Class::DropEquals,
    Class::WrongSeparator,
    Class::DropQuote,
    Class::DropBracket,
    Class::DropSlash,
    Class::StrayText,
    Class::ChangeNamespace,
    Class::StrayVariable,
];

impl Class {
    /// The text is no longer well-formed, so that the parser may stumble again further on.
    pub fn breaks_the_tree(self) -> bool {
        matches!(
            self,
            Self::RenameOpenTag
                | Self::DeleteOpenTag
                | Self::DeleteCloseTag
                | Self::DropQuote
                | Self::DropBracket
                | Self::DropSlash
        )
    }
}

/// An edited text.
pub struct Edit {
    pub text: String,
    /// For the failure's message.
    pub what: String,
    /// Where its consequence may be reported.
    pub lines: BTreeSet<u32>,
    /// Where values in force may come to differ; more lines than `lines` when what stands inside goes with it.
    pub reach: BTreeSet<u32>,
    /// The elements around it, by name and line.
    pub around: Vec<(String, u32)>,
    /// Names of what stood there: their defaults may now rule.
    pub names: BTreeSet<String>,
    /// There is a reason why it may change nothing.
    pub may_mean_the_same: bool,
}

/// splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).expect("small"))
            .expect("below a usize")
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() {
            None
        } else {
            Some(&from[self.below(from.len())])
        }
    }
}

/// An element of the text by its places.
#[derive(Clone, Debug)]
struct Element {
    name: String,
    open: Range<usize>,
    /// The same as `open` when it closes itself.
    close: Range<usize>,
    attributes: Vec<Attribute>,
    /// The text inside when there are no elements inside.
    text: Option<Range<usize>>,
    parent: Option<usize>,
}

#[derive(Clone, Debug)]
struct Attribute {
    name: Range<usize>,
    value: Range<usize>,
}

impl Element {
    fn self_closing(&self) -> bool {
        self.open == self.close
    }
}

/// Takes well-formed text apart, comments and instructions skipped.
fn scan(text: &str) -> Vec<Element> {
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find('<').map(|found| at + found) {
        let rest = &text[start..];
        let skip = |end: &str| start + rest.find(end).expect("well-formed") + end.len();
        if rest.starts_with("<!--") {
            at = skip("-->");
        } else if rest.starts_with("<?") {
            at = skip("?>");
        } else if rest.starts_with("</") {
            at = skip(">");
            let index = open.pop().expect("well-formed");
            elements[index].close = start..at;
            let inside = elements[index].open.end..start;
            let leaf = elements
                .iter()
                .skip(index + 1)
                .all(|other| other.open.start > at);
            if leaf
                && !text[inside.clone()].trim().is_empty()
                && !text[inside.clone()].contains('<')
            {
                elements[index].text = Some(inside);
            }
        } else {
            at = tag_end(text, start);
            let tag = start..at;
            let name_end = start
                + 1
                + rest[1..]
                    .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
                    .expect("well-formed");
            elements.push(Element {
                name: text[start + 1..name_end].to_owned(),
                open: tag.clone(),
                close: tag.clone(),
                attributes: attributes(text, name_end..at),
                text: None,
                parent: open.last().copied(),
            });
            if !text[tag].ends_with("/>") {
                open.push(elements.len() - 1);
            }
        }
    }
    elements
}

fn tag_end(text: &str, start: usize) -> usize {
    let mut quote = None;
    for (offset, c) in text[start..].char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '>' => return start + offset + 1,
            _ => {}
        }
    }
    panic!("well-formed");
}

fn attributes(text: &str, range: Range<usize>) -> Vec<Attribute> {
    let mut found = Vec::new();
    let mut at = range.start;
    while let Some(equals) = text[at..range.end].find('=').map(|offset| at + offset) {
        let name = at
            + text[at..equals]
                .rfind(char::is_whitespace)
                .expect("a space before a name")
            + 1;
        let quote = &text[equals + 1..=equals + 1];
        let end = equals + 2 + text[equals + 2..].find(quote).expect("well-formed");
        found.push(Attribute {
            name: name..equals,
            value: equals + 2..end,
        });
        at = end + 1;
    }
    found
}

fn line(text: &str, at: usize) -> u32 {
    u32::try_from(text[..at].matches('\n').count()).expect("short") + 1
}

fn lines(text: &str, range: &Range<usize>) -> BTreeSet<u32> {
    (line(text, range.start)..=line(text, range.end)).collect()
}

/// One letter changed, dropped, doubled or swapped.
fn misspelt(word: &str, random: &mut Random) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = random.below(letters.len());
    match random.below(4) {
        0 if letters.len() > 1 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        2 if at + 1 < letters.len() && letters[at] != letters[at + 1] => letters.swap(at, at + 1),
        _ => letters[at] = if letters[at] == 'x' { 'y' } else { 'x' },
    }
    if letters.first().is_some_and(|first| !first.is_alphabetic()) {
        letters.insert(0, 'x');
    }
    letters.into_iter().collect()
}

fn swapped_case(word: &str) -> String {
    word.chars()
        .map(|c| {
            if c.is_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// An edit in the making: replacements in one place each.
struct Change<'a> {
    text: &'a str,
    parts: Vec<(Range<usize>, String)>,
    lines: BTreeSet<u32>,
    reach: BTreeSet<u32>,
    around: Vec<(String, u32)>,
    names: BTreeSet<String>,
    may_mean_the_same: bool,
}

impl<'a> Change<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            parts: Vec::new(),
            lines: BTreeSet::new(),
            reach: BTreeSet::new(),
            around: Vec::new(),
            names: BTreeSet::new(),
            may_mean_the_same: false,
        }
    }

    fn replace(mut self, range: Range<usize>, with: impl Into<String>) -> Self {
        self.lines.extend(lines(self.text, &range));
        self.parts.push((range, with.into()));
        self
    }

    fn also(mut self, lines: impl IntoIterator<Item = u32>) -> Self {
        self.lines.extend(lines);
        self
    }

    fn reaching(mut self, range: &Range<usize>) -> Self {
        self.reach.extend(lines(self.text, range));
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.names.insert(name.to_owned());
        self
    }

    fn same_if(mut self, reason: bool) -> Self {
        self.may_mean_the_same |= reason;
        self
    }

    fn done(mut self) -> Option<Edit> {
        self.parts.sort_by_key(|(range, _)| range.start);
        let at = self.parts.first()?.0.start;
        let around = scan(self.text)
            .into_iter()
            .filter(|element| element.open.start < at && at < element.close.end);
        self.around = around
            .map(|element| (element.name.clone(), line(self.text, element.open.start)))
            .collect();
        let what = self.parts.iter().map(|(range, with)| {
            let start = range.start.saturating_sub(12);
            let start = (start..=range.start)
                .find(|at| self.text.is_char_boundary(*at))
                .unwrap_or(range.start);
            format!(
                "{:?} {:?} by {with:?}",
                &self.text[start..range.start],
                &self.text[range.clone()]
            )
        });
        let what = format!(
            "line {:?}: {}",
            self.lines.first(),
            what.collect::<Vec<_>>().join(", ")
        );
        let mut text = self.text.to_owned();
        for (range, with) in self.parts.iter().rev() {
            text.replace_range(range.clone(), with);
        }
        if text == self.text {
            return None;
        }
        Some(Edit {
            text,
            what,
            reach: self.reach.union(&self.lines).copied().collect(),
            lines: self.lines,
            around: self.around,
            names: self.names,
            may_mean_the_same: self.may_mean_the_same,
        })
    }
}

/// The text with one mistake of this class; `None` when there is no place for one.
pub fn edit(text: &str, class: Class, random: &mut Random) -> Option<Edit> {
    let elements = scan(text);
    let inner: Vec<Element> = elements
        .iter()
        .filter(|element| element.parent.is_some())
        .cloned()
        .collect();
    let change = Change::new(text);
    match class {
        Class::RenameElement | Class::SwapCaseOfElement => {
            let element = random.pick(&inner)?;
            let name = if class == Class::RenameElement {
                misspelt(&element.name, random)
            } else {
                swapped_case(&element.name)
            };
            renamed(change, element, &name).done()
        }
        Class::RenameOpenTag | Class::DropSlash => {
            torn_tag(change, class, random.pick(&inner)?, random)
        }
        Class::DeleteOpenTag | Class::DeleteCloseTag => {
            let paired: Vec<Element> = inner
                .iter()
                .filter(|element| !element.self_closing())
                .cloned()
                .collect();
            let element = random.pick(&paired)?;
            let gone = if class == Class::DeleteOpenTag {
                &element.open
            } else {
                &element.close
            };
            let change = change.also([
                line(text, element.open.start),
                line(text, element.close.start),
            ]);
            change
                .also(parent_lines(text, &elements, element))
                .replace(gone.clone(), "")
                .done()
        }
        Class::DeleteElement => {
            let element = random.pick(&inner)?;
            let whole = element.open.start..element.close.end;
            let names = inside(&elements, &whole);
            let change = names.iter().fold(change, |change, name| change.named(name));
            let newlines = "\n".repeat(text[whole.clone()].matches('\n').count());
            let described = DESCRIBED.contains(&element.name.as_str());
            change
                .also([parent_line(text, &elements, element)])
                .replace(whole, newlines)
                .same_if(described)
                .done()
        }
        Class::DuplicateElement => duplicated(change, random.pick(&inner)?),
        Class::GarbageText | Class::EmptyText | Class::BreakNumber | Class::SwapCaseOfText => {
            in_text(change, class, &inner, random)
        }
        Class::RenameAttribute | Class::GarbageAttribute | Class::RemoveAttribute => {
            in_attribute(change, class, &inner, random)
        }
        Class::RenameParameter
        | Class::GarbageParameter
        | Class::RemoveParameter
        | Class::DropEquals
        | Class::WrongSeparator => in_parameter(change, class, &inner, random),
        Class::DropQuote => {
            let owners: Vec<&Element> = inner
                .iter()
                .filter(|element| !element.attributes.is_empty())
                .collect();
            let owner = random.pick(&owners)?;
            let attribute = random.pick(&owner.attributes)?.value.clone();
            let quote = if random.below(2) == 0 {
                attribute.start - 1
            } else {
                attribute.end
            };
            change.replace(quote..quote + 1, "").done()
        }
        Class::DropBracket => {
            let element = random.pick(&inner)?;
            let tag = if random.below(2) == 0 {
                &element.open
            } else {
                &element.close
            };
            let at = if random.below(2) == 0 {
                tag.start
            } else {
                tag.end - 1
            };
            let around = [
                line(text, element.open.start),
                line(text, element.close.start),
            ];
            change
                .also(around)
                .also(parent_lines(text, &elements, element))
                .replace(at..at + 1, "")
                .done()
        }
        Class::StrayText => {
            let element = random.pick(&inner)?;
            change
                .named(&element.name)
                .replace(element.close.end..element.close.end, "stray")
                .done()
        }
        Class::ChangeNamespace => {
            let start = text.find("urn:activemq:core")?;
            let name = misspelt("urn:activemq:core", random);
            change.replace(start..start + 17, name).done()
        }
        Class::StrayVariable => {
            let leaves: Vec<&Element> = inner
                .iter()
                .filter(|element| element.text.is_some())
                .collect();
            let element = random.pick(&leaves)?;
            let at = element.text.clone()?.start;
            change
                .named(&element.name)
                .replace(at..at, "${nobody.knows.it}")
                .done()
        }
    }
}

/// Elements whose absence changes nothing because they only say what is so anyway, or what has no effect.
const DESCRIBED: [&str; 20] = [
    "journal-device-block-size",
    "page-sync-timeout",
    "journal-max-io",
    "file-store",
    "store",
    "ha-policy",
    "primary-only",
    "purge-page-folders",
    "connectors",
    "broadcast-groups",
    "broadcast-group",
    "discovery-groups",
    "discovery-group",
    "cluster-connections",
    "cluster-connection",
    "cluster-user",
    "cluster-password",
    "refresh-timeout",
    "message-load-balancing",
    "max-hops",
];

fn inside(elements: &[Element], range: &Range<usize>) -> Vec<String> {
    let within = elements
        .iter()
        .filter(|element| range.start <= element.open.start && element.close.end <= range.end);
    within
        .flat_map(|element| [element.name.clone()].into_iter())
        .collect()
}

fn parent_line(text: &str, elements: &[Element], element: &Element) -> u32 {
    element
        .parent
        .map_or(1, |parent| line(text, elements[parent].open.start))
}

fn parent_lines(text: &str, elements: &[Element], element: &Element) -> [u32; 2] {
    let parent = element.parent.map_or(element, |parent| &elements[parent]);
    [
        line(text, parent.open.start),
        line(text, parent.close.start),
    ]
}

fn renamed<'a>(change: Change<'a>, element: &Element, name: &str) -> Change<'a> {
    let length = element.name.len();
    let change = change.named(&element.name).replace(
        element.open.start + 1..element.open.start + 1 + length,
        name,
    );
    if element.self_closing() {
        return change;
    }
    change.replace(
        element.close.start + 2..element.close.start + 2 + length,
        name,
    )
}

fn torn_tag(
    change: Change<'_>,
    class: Class,
    element: &Element,
    random: &mut Random,
) -> Option<Edit> {
    let text = change.text;
    let change = change.also([
        line(text, element.open.start),
        line(text, element.close.start),
    ]);
    if class == Class::DropSlash {
        let slash = if element.self_closing() {
            element.open.end - 2
        } else {
            element.close.start + 1
        };
        return change.replace(slash..slash + 1, "").done();
    }
    if element.self_closing() {
        return None;
    }
    let name = misspelt(&element.name, random);
    change
        .replace(
            element.open.start + 1..element.open.start + 1 + element.name.len(),
            name,
        )
        .done()
}

/// The copy follows in the same line, so that its lines are known; its first line is the original's last.
fn duplicated(change: Change<'_>, element: &Element) -> Option<Edit> {
    let whole = element.open.start..element.close.end;
    let copy = change.text[whole.clone()].to_owned();
    let last = line(change.text, whole.end);
    let height = u32::try_from(copy.matches('\n').count()).expect("short");
    // Twice the same permission, queue, address, mapping, or one of several that are only described.
    let repeatable = [
        "permission",
        "queue",
        "address",
        "role-mapping",
        "connector",
        "broadcast-group",
        "discovery-group",
        "cluster-connection",
        "connector-ref",
    ];
    let same = repeatable.contains(&element.name.as_str());
    change
        .also(last..=last + height)
        .same_if(same)
        .replace(whole.end..whole.end, copy)
        .done()
}

fn in_text(
    change: Change<'_>,
    class: Class,
    inner: &[Element],
    random: &mut Random,
) -> Option<Edit> {
    let text = change.text;
    let number = |range: &Range<usize>| text[range.clone()].trim().parse::<i64>().is_ok();
    let fits = |element: &&Element| {
        element
            .text
            .as_ref()
            .is_some_and(|range| class != Class::BreakNumber || number(range))
    };
    let leaves: Vec<&Element> = inner.iter().filter(fits).collect();
    let element = random.pick(&leaves)?;
    let range = element.text.clone()?;
    let old = &text[range.clone()];
    let broken = [
        format!("{old}x"),
        format!("-{old}"),
        format!("{old}.5"),
        format!("{old}99999999999999999999"),
        format!("{old} {old}"),
        format!("{old}1"),
        "1e3".to_owned(),
    ];
    let new = match class {
        Class::GarbageText => (*random
            .pick(&["garbage", "yes", "12x", "-7", "10MM", "0x10", "Ω≈ç", "true"])?)
        .to_owned(),
        Class::EmptyText => String::new(),
        Class::BreakNumber => random.pick(&broken)?.clone(),
        _ => swapped_case(old),
    };
    let same = equivalent(old, &new);
    change
        .named(&element.name)
        .replace(range, new)
        .same_if(same)
        .done()
}

/// Two spellings of one number.
fn equivalent(old: &str, new: &str) -> bool {
    let number = old.starts_with(|c: char| c.is_ascii_digit());
    number && (old.eq_ignore_ascii_case(new) || (old, new) == ("0", "-0"))
}

fn in_attribute(
    change: Change<'_>,
    class: Class,
    inner: &[Element],
    random: &mut Random,
) -> Option<Edit> {
    let text = change.text;
    let owners: Vec<&Element> = inner
        .iter()
        .filter(|element| !element.attributes.is_empty())
        .collect();
    let element = random.pick(&owners)?;
    let attribute = random.pick(&element.attributes)?.clone();
    let name = &text[attribute.name.clone()];
    // Attributes about the XML itself say nothing about the broker.
    let described = name.starts_with("xsi:") || name.starts_with("xmlns:");
    let change = change
        .named(name)
        .same_if(described)
        .reaching(&(element.open.start..element.close.end))
        .also([line(text, element.open.start)]);
    match class {
        Class::RenameAttribute => change
            .replace(attribute.name.clone(), misspelt(name, random))
            .done(),
        Class::GarbageAttribute => {
            if name.starts_with("xmlns:") {
                return None;
            }
            let new = *random.pick(&["garbage", "", "yes", "-3", "#.x", "12x"])?;
            change
                .same_if(described)
                .replace(attribute.value, new)
                .done()
        }
        _ => change
            .replace(attribute.name.start..attribute.value.end + 1, "")
            .done(),
    }
}

fn in_parameter(
    change: Change<'_>,
    class: Class,
    inner: &[Element],
    random: &mut Random,
) -> Option<Edit> {
    let text = change.text;
    let query = |element: &Element| {
        let range = element
            .text
            .clone()
            .filter(|_| element.name == "acceptor")?;
        let start = range.start + text[range.clone()].find('?')? + 1;
        Some(start..range.end)
    };
    let queries: Vec<Range<usize>> = inner.iter().filter_map(query).collect();
    let query = random.pick(&queries)?.clone();
    let mut parameters = Vec::new();
    let mut at = query.start;
    for part in text[query.clone()].split_inclusive([';']) {
        for piece in part.split_inclusive("&amp;") {
            let bare = piece.trim_end_matches("&amp;").trim_end_matches(';');
            parameters.push((at..at + bare.len(), at..at + piece.len()));
            at += piece.len();
        }
    }
    let (bare, with_separator) = random.pick(&parameters)?.clone();
    let equals = bare.start + text[bare.clone()].find('=')?;
    let (name, value) = (&text[bare.start..equals], &text[equals + 1..bare.end]);
    match class {
        Class::RenameParameter => change
            .replace(bare.start..equals, misspelt(name, random))
            .done(),
        Class::GarbageParameter => {
            let new = *random.pick(&["garbage", "", "yes", "-9", "12x", "%zz"])?;
            change.replace(equals + 1..bare.end, new).done()
        }
        Class::RemoveParameter => change.replace(with_separator, "").done(),
        Class::DropEquals => change.replace(equals..equals + 1, "").done(),
        _ => {
            let separator = bare.end..with_separator.end;
            let same = value.is_empty();
            if separator.is_empty() {
                None
            } else {
                change.same_if(same).replace(separator, ",").done()
            }
        }
    }
}

/// Two lines of `<core>` that hold one whole element each, exchanged.
pub fn swap_lines(text: &str, random: &mut Random) -> Option<String> {
    let elements = scan(text);
    let whole = |element: &&Element| {
        let in_core = element
            .parent
            .is_some_and(|parent| elements[parent].name == "core");
        in_core && line(text, element.open.start) == line(text, element.close.end)
    };
    let single: Vec<&Element> = elements.iter().filter(whole).collect();
    let (left, right) = (*random.pick(&single)?, *random.pick(&single)?);
    if left.open.start >= right.open.start {
        return None;
    }
    let (left, right) = (
        left.open.start..left.close.end,
        right.open.start..right.close.end,
    );
    let (first, second) = (
        text[left.clone()].to_owned(),
        text[right.clone()].to_owned(),
    );
    let mut swapped = text.to_owned();
    swapped.replace_range(right, &first);
    swapped.replace_range(left, &second);
    Some(swapped)
}
