// SPDX-License-Identifier: Apache-2.0
//! What the broker remembers is bounded by what it was given: its ledgers are the sums they claim to be, and at rest
//! nothing is left of what is over.

use std::collections::BTreeMap;

use hind_engine::address::ledger::{Ledger, weight};
use hind_engine::queue::Queue;
use hind_engine::state::State;

use super::Violation;
use crate::simulator::disk::Disk;
use crate::simulator::disk::bulk::Name;
use crate::simulator::limits::Limits;
use crate::simulator::model::{Kind, Message, Model, TOPIC_NAMES};
use crate::simulator::node::Process;
use crate::simulator::settings;

/// Things the gate may hold when everything appended is stored: none.
///
/// # Errors
/// Something waits for what has already happened.
///
/// # Panics
/// If an invariant of the engine's own ledgers does not hold.
pub fn at_any_time(process: &Process) -> Result<(), Violation> {
    let node = process.node();
    node.engine().state().check();
    let waiting = node.engine().gate().waiting();
    if waiting > 0 {
        return broken(format!("{waiting} things wait at an open gate"));
    }
    if node.storage().backlog() > 0 {
        return broken(format!(
            "{} bytes count as not stored",
            node.storage().backlog()
        ));
    }
    Ok(())
}

/// What messages take in memory is what the ledgers say, and no more than the limits of the run allow.
///
/// # Errors
/// A ledger has drifted, or more is in memory than may be.
pub fn within_limits(process: &Process, model: &Model) -> Result<(), Violation> {
    let state = process.node().engine().state();
    let mut not_paged = 0;
    for address in state.addresses.iter() {
        let queues = address.queues.iter().filter_map(|id| state.queues.get(*id));
        // A message is charged once, however many queues of the address hold it.
        let mut messages = BTreeMap::new();
        for queue in queues {
            what_is_read(queue, state)?;
            let entries = queue.sorted().into_iter();
            messages.extend(entries.map(|(id, entry)| (id, entry.clone())));
        }
        let mut sum = Ledger::default();
        for entry in messages.values() {
            sum.messages += 1;
            sum.bytes += weight(&entry.message);
            if entry.paged.is_none() {
                not_paged += weight(&entry.message);
            }
        }
        if sum != address.memory {
            let name = &address.record.name;
            let memory = address.memory;
            return broken(format!("{name}: the ledger says {memory:?}, not {sum:?}"));
        }
    }
    let limit = model.limits.as_ref().and_then(|limits| limits.global_bytes);
    let most = limit.map_or(u64::MAX, |limit| limit + at_once(model));
    if not_paged > most {
        return broken(format!(
            "{not_paged} bytes are in memory beside what was read from pages, instead of {most}"
        ));
    }
    Ok(())
}

/// Bytes that may come to memory though nothing more is to come: the last message, or the last transaction; and one of
/// each client that is told to wait by it.
fn at_once(model: &Model) -> u64 {
    /// Headers, and what a message takes beside its own bytes.
    const MORE: u64 = 1_000;
    /// The topic's own address, and those of the wildcards that match it.
    const ADDRESSES: u64 = TOPIC_NAMES.len() as u64;
    let size = |message: &Message| {
        let addresses = match message.sending.place {
            Some(_) => 1,
            None => ADDRESSES,
        };
        addresses * (settings::LARGE_FROM.min(message.sending.size as u64) + MORE)
    };
    let of_one = model.transactions.iter().map(|transaction| {
        let sends = transaction.sends.iter();
        sends.map(|uid| size(&model.messages[uid.0])).sum::<u64>()
    });
    let clients = match model.limits.as_ref().is_some_and(Limits::blocks) {
        true => 6,
        false => 1,
    };
    of_one.max().unwrap_or(0) + (clients - 1 + ADDRESSES) * (settings::LARGE_FROM + MORE)
}

/// What a queue has read from pages: what `max-read-page-bytes` and `-messages` allow and the message that reaches them,
/// as much again of what is due or was found ahead before its turn came; and as much of what is ahead.
fn what_is_read(queue: &Queue, state: &State) -> Result<(), Violation> {
    let all = queue.cursor.in_memory;
    let ahead = queue.cursor.ahead.memory();
    let Some(address) = state.addresses.get(queue.address_id()) else {
        return Ok(());
    };
    let entries = queue.sorted().into_iter();
    let largest = entries.map(|(_, entry)| entry.message.size()).max();
    let (messages, bytes) = (
        address.settings.max_read_page_messages.unwrap_or(u64::MAX),
        address.settings.max_read_page_bytes.unwrap_or(u64::MAX),
    );
    let within = |ledger: Ledger, times: u64| {
        let bytes = bytes.saturating_mul(times);
        ledger.messages <= messages.saturating_mul(times).max(times)
            && ledger.bytes <= bytes.saturating_add(times * largest.unwrap_or(0))
    };
    let in_order = Ledger {
        messages: all.messages - ahead.messages,
        bytes: all.bytes - ahead.bytes,
    };
    if within(in_order, 2) && within(ahead, 1) {
        return Ok(());
    }
    broken(format!(
        "{} has read {in_order:?} and ahead {ahead:?}; it may read {messages} messages, {bytes} bytes",
        queue.name()
    ))
}

/// Segments the log may hold beyond twice what lives: the one being written, and the one being cleaned.
const SEGMENTS_SPARE: u64 = 2;

/// Every queue that certainly exists has been drained and every client has left.
///
/// # Errors
/// Something is left, or the log takes more room than it may.
///
/// # Panics
/// If an invariant of the engine's own ledgers does not hold.
pub fn at_rest(process: &Process, model: &Model, disk: &Disk) -> Result<(), Violation> {
    at_any_time(process)?;
    let engine = process.node().engine();
    if engine.client_count() > 0 {
        return broken(format!("{} clients are remembered", engine.client_count()));
    }
    let in_doubt = |name: &str| {
        let place = model.place_named(name).map(|place| &model.places[place.0]);
        place.is_some_and(|place| place.kind == Kind::Durable && !place.is_subscribed())
    };
    for queue in engine
        .state()
        .queues
        .iter()
        .filter(|queue| !in_doubt(queue.name()))
    {
        let left = engine.state().message_count(queue.id());
        if queue.temporary || !queue.is_empty() || left > 0 {
            return broken(format!(
                "{} still exists with {left} messages, {} of them in memory: {:?}",
                queue.name(),
                queue.len(),
                queue.cursor
            ));
        }
    }
    pages_at_rest(process, disk, in_doubt)?;
    let footprint = process.node().storage().footprint();
    let bound = 2 * footprint.live_bytes + SEGMENTS_SPARE * settings::SEGMENT as u64;
    if footprint.total_bytes > bound {
        return broken(format!(
            "the log takes more than {bound} bytes: {footprint:?}"
        ));
    }
    Ok(())
}

/// No page is kept that nothing is left in, except for queues that may have anything; no file without its page, unless it
/// was set aside.
fn pages_at_rest(
    process: &Process,
    disk: &Disk,
    in_doubt: impl Fn(&str) -> bool,
) -> Result<(), Violation> {
    let engine = process.node().engine();
    let state = engine.state();
    for (id, page) in state.pages.iter() {
        let wanted = page.shares().any(|(queue, share)| {
            let queue = state.queues.get(*queue);
            !share.pending.is_empty() && queue.is_some_and(|queue| in_doubt(queue.name()))
        });
        if !wanted {
            return broken(format!("page {id} is left of {:?}", page.address));
        }
    }
    for (name, _) in disk.bulk.files() {
        if let Name::Page(id) = name
            && !disk.bulk.is_aside(name)
            && state.pages.get(id).is_none()
        {
            return broken(format!("the file of page {id} is left"));
        }
    }
    if engine.pages_under_way() > 0 {
        let bytes = engine.pages_under_way();
        return broken(format!("{bytes} bytes count as not written to pages"));
    }
    Ok(())
}

fn broken(what: String) -> Result<(), Violation> {
    Err(Violation::new("bounded_memory", what))
}
