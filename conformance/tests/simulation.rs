// SPDX-License-Identifier: Apache-2.0
//! The simulator as a test: 500 seeds, every seed that ever failed, proof that a seed is a whole run and nothing else,
//! and proof that the checks find bugs that were put in on purpose.

use std::time::Instant;

use hind_conformance::simulator::counters::Counters;
use hind_conformance::simulator::disk::fault::Fault;
use hind_conformance::simulator::disk::journal;
use hind_conformance::simulator::limits::Limits;
use hind_conformance::simulator::mqtt;
use hind_conformance::simulator::planted::Planted;
use hind_conformance::simulator::seeds::{self, Seeds};
use hind_conformance::simulator::world::{self, Options};

/// Seeds every `cargo test` runs.
const BUDGET: u64 = 500;
/// Seeds with little memory, so that nearly everything goes through pages, every `cargo test` runs.
const LIMITED_BUDGET: u64 = 40;
/// Seeds with clients of MQTT beside those of STOMP every `cargo test` runs.
const MQTT_BUDGET: u64 = 60;
/// Seeds within which a planted bug has to be found, and one that shows in pages only.
const PLANTED_BUDGET: u64 = 200;
const PLANTED_IN_PAGES_BUDGET: u64 = 500;

/// What clients do and meet; every one of it has to happen within the budget.
const EXERCISED: [&str; 113] = [
    "command.abort",
    "command.ack",
    "command.ack_in_transaction",
    "command.beat",
    "command.begin",
    "command.commit",
    "command.connect",
    "command.disconnect",
    "command.nack",
    "command.promised_beat",
    "command.offence",
    "command.send",
    "command.send_again",
    "command.subscribe",
    "command.subscribe_durable",
    "command.subscribe_wildcard",
    "command.unsubscribe",
    "command.unsubscribe_durable",
    "send.duplicate_id",
    "send.expiring",
    "send.in_transaction",
    "send.non_persistent",
    "send.persistent",
    "send.scheduled",
    "send.to_topic",
    "mode.auto",
    "mode.client",
    "mode.client_individual",
    "event.beat",
    "event.error",
    "event.fold",
    "event.given_up",
    "event.message",
    "event.missed",
    "event.open",
    "event.receipt",
    "event.redelivered",
    "event.refused_full",
    "crash.kill",
    "crash.power_loss",
    "crash.stop",
    "loss.lost",
    "loss.reordered",
    "loss.torn",
    "mishap.pause",
    "mishap.reset",
    "mishap.vanish",
    "page.append",
    "page.delete",
    "page.list",
    "page.read",
    "page.seal",
    "notice.disk_full",
    "notice.address_blocked",
    "notice.address_dropping",
    "notice.address_unblocked",
    "notice.damaged",
    "notice.page_damaged",
    "notice.page_set_aside",
    "notice.paging_started",
    "notice.paging_stopped",
    "notice.dead_lettered",
    "notice.recovered",
    "notice.recovered_torn",
    "notice.storage_failed",
    "mqtt_out.connect",
    "mqtt_out.disconnect",
    "mqtt_out.pingreq",
    "mqtt_out.puback",
    "mqtt_out.pubcomp",
    "mqtt_out.publish",
    "mqtt_out.pubrec",
    "mqtt_out.pubrel",
    "mqtt_out.subscribe",
    "mqtt_out.unsubscribe",
    "mqtt_in.connack",
    "mqtt_in.disconnect",
    "mqtt_in.pingresp",
    "mqtt_in.puback",
    "mqtt_in.pubcomp",
    "mqtt_in.publish",
    "mqtt_in.pubrec",
    "mqtt_in.pubrel",
    "mqtt_in.suback",
    "mqtt_in.unsuback",
    "mqtt.break",
    "mqtt.connect_v311",
    "mqtt.connect_v5",
    "mqtt.deliver_qos0",
    "mqtt.deliver_qos1",
    "mqtt.deliver_qos2",
    "mqtt.delivered_again",
    "mqtt.disconnect_with_will",
    "mqtt.from_mqtt",
    "mqtt.from_stomp",
    "mqtt.publish_again",
    "mqtt.release_again",
    "mqtt.retain_clear",
    "mqtt.retained_came",
    "mqtt.session_expired",
    "mqtt.session_new",
    "mqtt.session_resumed",
    "mqtt.subscribe_again",
    "mqtt.subscribe_shared",
    "mqtt.to_stomp",
    "mqtt.will_came",
    "mqtt.will_cancelled",
    "check.mqtt_promises",
    "check.mqtt_retained",
    "check.mqtt_shared_promises",
    "check.mqtt_wills",
    "check.promises_kept",
    "check.transactions_in_doubt",
];

#[test]
fn five_hundred_seeds_break_no_promise_and_meet_everything() {
    let began = Instant::now();
    let outcome = seeds::run(Seeds {
        first: 0,
        end: BUDGET,
        time: None,
        planted: None,
    });
    if let Some((_, text)) = outcome.failure {
        panic!("{text}");
    }
    eprintln!("{}", outcome.counters);
    eprintln!(
        "{} seeds in {:.1} s",
        outcome.passed,
        began.elapsed().as_secs_f64()
    );
    assert_eq!(outcome.passed, BUDGET);
    assert!(outcome.counters.get("run.operations") >= 2_000 * BUDGET);
    assert!(outcome.counters.group("fault") >= 5 * BUDGET);
    let limited = seeds::run(Seeds {
        first: Limits::FIRST_SEED,
        end: Limits::FIRST_SEED + LIMITED_BUDGET,
        time: None,
        planted: None,
    });
    if let Some((_, text)) = limited.failure {
        panic!("{text}");
    }
    let crossing = seeds::run(Seeds {
        first: mqtt::FIRST_SEED,
        end: mqtt::FIRST_SEED + MQTT_BUDGET,
        time: None,
        planted: None,
    });
    if let Some((_, text)) = crossing.failure {
        panic!("{text}");
    }
    let mut counters = outcome.counters;
    counters.merge(&crossing.counters);
    counters.merge(&limited.counters);
    assert_all_met(&counters);
}

fn assert_all_met(counters: &Counters) {
    // No queue of the workload is purged when its last consumer leaves.
    let records = journal::KINDS[1..].iter().copied();
    let records = records.filter(|kind| *kind != "record.page_purged");
    let faults = Fault::ALL.into_iter().chain(Fault::OF_PAGES);
    let faults = faults.map(Fault::counter);
    let never: Vec<&str> = EXERCISED
        .into_iter()
        .chain(records)
        .chain(faults)
        .filter(|name| counters.get(name) == 0)
        .collect();
    assert!(never.is_empty(), "never happened: {never:?}");
}

#[test]
fn seeds_that_once_failed_pass() {
    let list = include_str!("../src/simulator/failed_seeds.txt");
    let lines = list
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut checked = 0;
    for line in lines {
        let (seed, why) = line.split_once(' ').expect("a seed and why it once failed");
        let seed = seed.parse().expect("a seed is a number");
        if let Err(text) = seeds::run_one(seed, None) {
            panic!("{text}\nit failed before: {why}");
        }
        let options = Options {
            seed,
            unlimited: true,
            ..Options::default()
        };
        if let Err(failure) = world::run(&options) {
            panic!("without limits: {failure}\nit failed before: {why}");
        }
        checked += 1;
    }
    assert!(checked > 0, "the list is read");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let options = Options {
            seed,
            ..Options::default()
        };
        let report = world::run(&options).unwrap_or_else(|failure| panic!("{failure}"));
        (report.trace_hash, report.trace_lines, report.time)
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}

#[test]
fn planted_bugs_are_found() {
    for planted in Planted::ALL {
        let (first, budget) = match planted.is_in_pages() {
            true => (Limits::FIRST_SEED, PLANTED_IN_PAGES_BUDGET),
            false if planted.is_of_mqtt() => (mqtt::FIRST_SEED, PLANTED_BUDGET),
            false => (0, PLANTED_BUDGET),
        };
        let outcome = seeds::run(Seeds {
            first,
            end: first + budget,
            time: None,
            planted: Some(planted),
        });
        let (seed, text) = outcome
            .failure
            .unwrap_or_else(|| panic!("{planted:?} was not found within {budget} seeds"));
        let verdict = text
            .lines()
            .rfind(|line| line.starts_with("seed "))
            .unwrap_or_default();
        eprintln!("{planted:?}: {verdict}");
        assert!(
            seeds::run_one(seed, None).is_ok(),
            "without the bug the seed passes"
        );
    }
}
