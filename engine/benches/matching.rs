// SPDX-License-Identifier: Apache-2.0
//! What a turn spends on finding addresses and evaluating selectors. Prints nanoseconds per operation; compare runs on
//! one machine only: `cargo bench -p hind-engine --bench matching`.
// a benchmark measures wall time and prints it; nothing here is part of the engine
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use hind_engine::address::matches::Matches;
use hind_engine::address::name::WildcardSyntax;
use hind_engine::routing::wildcard::AddressTree;
use hind_engine::selector::{Fields, Selector, Value};
use std::hint::black_box;
use std::time::Instant;

const PATTERNS: u32 = 100_000;
const LOOKUPS: u32 = 200_000;

fn main() {
    address_tree();
    subscriptions();
    settings();
    selectors();
}

fn report(what: &str, operations: u32, start: Instant) {
    let each = start.elapsed().as_nanos() / u128::from(operations);
    println!("{what:<60} {each:>8} ns");
}

/// Sites with devices: three in four are concrete; the rest are subscriptions to the neighbour site's same device, a few
/// of them to that device at every site.
fn address(number: u32) -> String {
    let (site, device) = (number % 1000, number / 1000);
    match number % 4 {
        0 if number.is_multiple_of(400) => format!("#.device{device}.temperature"),
        0 => format!("site{}.device{device}.*", site + 1),
        _ => format!("site{site}.device{device}.temperature"),
    }
}

fn address_tree() {
    let addresses: Vec<String> = (0..PATTERNS).map(address).collect();
    let mut tree = AddressTree::new(WildcardSyntax::default());

    let start = Instant::now();
    for address in &addresses {
        tree.insert(address, 1_u64);
    }
    report("address tree: insert, 100,000 addresses", PATTERNS, start);

    let start = Instant::now();
    let mut found = 0;
    for number in 0..LOOKUPS {
        tree.matching(
            &addresses[(number * 4 + 1) as usize % addresses.len()],
            |_, value| found += value,
        );
    }
    report("address tree: addresses matching a name", LOOKUPS, start);
    assert!(found >= u64::from(LOOKUPS), "every name finds itself");

    let start = Instant::now();
    let mut found = 0;
    for number in 0..1000 {
        tree.matched_by(&format!("site{number}.#"), |_, value| found += value);
    }
    report("address tree: names matched by a new site.#", 1000, start);
    black_box(found);

    let start = Instant::now();
    for address in &addresses {
        black_box(tree.remove(address));
    }
    report("address tree: remove", PATTERNS, start);
    assert!(tree.is_empty());
}

/// The client's own devices, as `a/+/c` and `a/#` have them: all wildcards, and a handful of them for any one name.
fn subscription(number: u32) -> String {
    let (site, device) = (number % 1000, number / 1000);
    match number % 3 {
        0 => format!("site{site}.*.sensor{device}"),
        1 => format!("site{site}.device{device}.#"),
        _ => format!("*.device{device}.sensor{site}"),
    }
}

fn subscriptions() {
    for count in [1_000, 10_000, 100_000] {
        let mut tree = AddressTree::new(WildcardSyntax::default());
        for number in 0..count {
            tree.insert(&subscription(number), 1_u64);
        }
        let names: Vec<String> = (0..1_000)
            .map(|n| format!("site{n}.device{}.sensor{}", n % 7, n % 11))
            .collect();
        let start = Instant::now();
        let mut found = 0;
        for number in 0..LOOKUPS {
            let name = &names[number as usize % names.len()];
            tree.matching(name, |_, value| found += value);
        }
        let what = format!("subscriptions with wildcards matching a name, {count}");
        report(&what, LOOKUPS, start);
        assert!(found > 0 && found < u64::from(LOOKUPS) * 10, "a few each");
    }
}

fn settings() {
    let mut settings = Matches::new(WildcardSyntax::default(), None);
    for number in 0..10_000 {
        settings
            .insert(&format!("site{number}.orders"), number)
            .expect("no any-words");
    }
    for number in 0..20 {
        settings
            .insert(&format!("site{number}.#"), number)
            .expect("any-words are last");
    }
    settings.insert("#", 0).expect("any-words are last");
    let names: Vec<String> = (0..1000)
        .map(|number| format!("site{number}.orders"))
        .collect();
    let start = Instant::now();
    for number in 0..LOOKUPS {
        let name = &names[number as usize % names.len()];
        black_box(settings.all(name).count());
    }
    report(
        "settings: all matches among 10,000 exact, 21 wildcard",
        LOOKUPS,
        start,
    );
}

struct Order;

impl Fields for Order {
    fn field<'a>(&'a self, name: &str) -> Option<Value<'a>> {
        match name {
            "colour" => Some(Value::Text("red")),
            "weight" => Some(Value::Integer(2600)),
            "AMQPriority" => Some(Value::Integer(4)),
            "country" => Some(Value::Text("Switzerland")),
            _ => None,
        }
    }
}

fn selectors() {
    let selectors = [
        ("colour = 'red'", true),
        ("colour = 'blue' AND weight > 2500", false),
        (
            "JMSPriority > 3 AND weight * 2 BETWEEN 5000 AND 6000 AND NOT colour IN ('blue', 'green')",
            true,
        ),
        ("country LIKE 'S%zer%d' OR missing IS NOT NULL", true),
    ];
    for (text, expected) in selectors {
        let start = Instant::now();
        for _ in 0..LOOKUPS {
            black_box(Selector::parse(black_box(text)).expect("valid"));
        }
        report(&format!("parse: {:.50}", text), LOOKUPS, start);

        let selector = Selector::parse(text).expect("valid").expect("not blank");
        assert_eq!(selector.matches(&Order), expected);
        let start = Instant::now();
        for _ in 0..LOOKUPS {
            black_box(selector.matches(black_box(&Order)));
        }
        report(&format!("evaluate: {:.50}", text), LOOKUPS, start);
    }
}
