// SPDX-License-Identifier: Apache-2.0
//! One mistake of each class, somewhere in a well-formed text.

use std::ops::Range;

use super::change::Change;
use super::random::Random;
use super::scan::{Element, line, scan};
use super::{Class, Edit};

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

/// The text with one mistake of this class; `None` when there is no place for one.
pub fn edit(text: &str, class: Class, random: &mut Random) -> Option<Edit> {
    let elements = scan(text);
    let inner: Vec<Element> = elements
        .iter()
        .filter(|element| element.parent.is_some())
        .cloned()
        .collect();
    let element = random.pick(&inner)?;
    let change = Change::new(text);
    match class {
        Class::RenameElement => renamed(change, element, &misspelt(&element.name, random)).done(),
        Class::SwapCaseOfElement => renamed(change, element, &swapped_case(&element.name)).done(),
        Class::RenameOpenTag | Class::DropSlash => torn_tag(change, class, element, random),
        Class::DeleteOpenTag | Class::DeleteCloseTag => {
            without_tag(change, class, &elements, random)
        }
        Class::DeleteElement => without(change, &elements, element),
        Class::DuplicateElement => duplicated(change, element),
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
        Class::DropQuote => without_quote(change, &inner, random),
        Class::DropBracket => without_bracket(change, &elements, element, random),
        Class::StrayText => change
            .named(&element.name)
            .replace(element.close.end..element.close.end, "stray")
            .done(),
        Class::ChangeNamespace => {
            let start = text.find("urn:activemq:core")?;
            change
                .replace(start..start + 17, misspelt("urn:activemq:core", random))
                .done()
        }
        Class::StrayVariable => stray_variable(change, &inner, random),
    }
}

fn without_tag(
    change: Change<'_>,
    class: Class,
    elements: &[Element],
    random: &mut Random,
) -> Option<Edit> {
    let text = change.text;
    let paired = |element: &&Element| element.parent.is_some() && !element.self_closing();
    let paired: Vec<&Element> = elements.iter().filter(paired).collect();
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
        .also(parent_lines(text, elements, element))
        .replace(gone.clone(), "")
        .done()
}

fn without(change: Change<'_>, elements: &[Element], element: &Element) -> Option<Edit> {
    let text = change.text;
    let whole = element.open.start..element.close.end;
    let names = inside(elements, &whole);
    let change = names.iter().fold(change, |change, name| change.named(name));
    let newlines = "\n".repeat(text[whole.clone()].matches('\n').count());
    let described = DESCRIBED.contains(&element.name.as_str());
    let parent = element
        .parent
        .map_or(1, |parent| line(text, elements[parent].open.start));
    change
        .also([parent])
        .replace(whole, newlines)
        .same_if(described)
        .done()
}

fn without_quote(change: Change<'_>, inner: &[Element], random: &mut Random) -> Option<Edit> {
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

fn without_bracket(
    change: Change<'_>,
    elements: &[Element],
    element: &Element,
    random: &mut Random,
) -> Option<Edit> {
    let text = change.text;
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
        .also(parent_lines(text, elements, element))
        .replace(at..at + 1, "")
        .done()
}

fn stray_variable(change: Change<'_>, inner: &[Element], random: &mut Random) -> Option<Edit> {
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
