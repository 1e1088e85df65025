// SPDX-License-Identifier: Apache-2.0
//! How far a queue has read in the pages of its address.

use std::collections::{BTreeMap, BTreeSet};

use super::Queue;
use super::ahead::Ahead;
use super::consumer::{Consumer, ConsumerKey};
use crate::address::ledger::Ledger;
use crate::id::{ConnectionId, MessageId, PageId};
use crate::message::Message;
use crate::storage::record::PagePlace;
use crate::time::Instant;

/// A place in a page from which messages are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    /// The page.
    pub page: PageId,
    /// The next message of it.
    pub index: u32,
    /// Where in the file that message begins, or one before it.
    pub offset: u64,
}

/// What a read is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Purpose {
    /// The next messages in order.
    Next,
    /// Messages left behind whose time has come.
    Due,
    /// What consumers with a selector take, while what nobody takes fills the memory.
    Search,
}

/// How far a queue has read in the pages of its address.
///
/// Everything before `next` is in memory, acknowledged, or left behind until its time.
///
/// *Invariants*: at most one read is under way; `in_memory` is the sum over the entries of the queue that came from a
/// page; `ahead` has those of them that a search found at `next` or behind.
#[derive(Debug, Default)]
pub struct PageCursor {
    /// Where reading in order goes on.
    pub next: Place,
    /// Where searching for those who choose goes on; never before `next`.
    pub search: Place,
    /// Where reading what is due goes on, and in which page.
    pub due: Place,
    /// The read under way.
    pub reading: Option<Purpose>,
    /// Messages of pages that are in memory.
    pub in_memory: Ledger,
    /// Those of them whose turn has not come.
    pub ahead: Ahead,
    /// Pages in which messages were left behind, with the earliest time at which one of them is due, ms since 1970.
    pub behind: BTreeMap<PageId, u64>,
    /// Pages in which messages are due that found no room.
    pub crowded: BTreeSet<PageId>,
    /// Messages that came after those in the pages and yet were not paged (before a restart): held until then.
    pub after: BTreeSet<MessageId>,
    /// When it was last said that it reads no more until something is settled.
    pub(crate) held_said: Option<Instant>,
    /// The next read has to be so long to show a whole message.
    pub(crate) at_least: u64,
}

impl PageCursor {
    /// When the earliest message left behind is due, ms since 1970; nothing is while a read is under way, or has to wait
    /// for others: it goes on by itself.
    pub fn next_due(&self) -> Option<u64> {
        let due = self.behind.values().min().copied();
        let goes_on = self.reading.is_some() || self.due.page != PageId(0);
        due.filter(|at| *at != u64::MAX && !goes_on)
    }

    /// The first page with a message that is due.
    pub fn due_page(&self, wall: u64) -> Option<PageId> {
        let mut behind = self.behind.iter();
        behind.find(|(_, at)| **at <= wall).map(|(page, _)| *page)
    }

    /// A page that was looked through may have more by now: who looks for what has expired looks into it again.
    pub(super) fn look_anew(&mut self, page: PageId) {
        if self.behind.get(&page) == Some(&u64::MAX) {
            self.behind.remove(&page);
        }
    }

    /// A message of a page is left behind until then.
    pub(crate) fn leave_behind(&mut self, page: PageId, at: u64) {
        let earliest = self.behind.entry(page).or_insert(at);
        *earliest = at.min(*earliest);
    }
}

impl Queue {
    /// A message on it came from a page: read in its turn, or found `ahead` of it.
    pub(crate) fn mark_paged(&mut self, id: MessageId, place: PagePlace, ahead: bool) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.paged.replace(place).is_none() {
            self.cursor.in_memory.add(entry.message.size());
            if ahead {
                self.cursor.ahead.insert(place, &entry.message);
            }
        }
    }

    /// The least place up to which a consumer has looked that would take something and finds nothing.
    pub(crate) fn searched_least(&self) -> Option<Place> {
        self.hungry_choosy().map(|consumer| consumer.searched).min()
    }

    /// Those that would take something and have looked no further than `from` look on from `to`: nothing is between.
    pub(crate) fn look_on(&mut self, from: Place, to: Place) {
        self.move_on(|searched| searched <= from, to);
    }

    /// Whether one of them that looks at `place` takes this message.
    pub(crate) fn is_sought(&self, message: &Message, place: Place) -> bool {
        let hungry = self.hungry.values().flatten();
        let hungry = hungry.filter_map(|key| Some((key, self.consumers.get(key)?)));
        hungry
            .filter(|(_, consumer)| !consumer.takes_all() && consumer.searched == place)
            .any(|(key, consumer)| consumer.takes(message, ConnectionId::default(), key.0))
    }

    /// Those that would take something and looked on from there have looked to there. Who came while the disk was reading
    /// has not.
    pub(crate) fn searched(&mut self, from: Place, to: Place) {
        self.move_on(|searched| searched == from, to);
    }

    fn move_on(&mut self, whose: impl Fn(Place) -> bool, to: Place) {
        let mut moved: Vec<(ConsumerKey, Place)> = Vec::new();
        for key in self.hungry.values().flatten() {
            if let Some(consumer) = self.consumers.get_mut(key)
                && whose(consumer.searched)
            {
                moved.push((*key, consumer.searched));
                consumer.searched = to;
            }
        }
        for (key, from) in moved {
            self.offer_between(key, from, to);
        }
    }

    fn hungry_choosy(&self) -> impl Iterator<Item = &Consumer> {
        let hungry = self.hungry.values().flatten();
        let hungry = hungry.filter_map(|key| self.consumers.get(key));
        hungry.filter(|consumer| !consumer.takes_all())
    }
}
