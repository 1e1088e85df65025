// SPDX-License-Identifier: Apache-2.0
//! What must hold of a queue at the end of every step.

use super::{Place, Queue};

impl Queue {
    /// Checks the invariants; for the simulator and tests.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        let ready: Vec<_> = self.ready.iter().collect();
        assert!(
            ready
                .iter()
                .all(|id| self.entries[id].place == Place::Ready),
            "{}: ready without place",
            self.name()
        );
        let places = self
            .entries
            .values()
            .filter(|entry| entry.place == Place::Ready)
            .count();
        assert_eq!(
            ready.len(),
            places,
            "{}: places and ready list differ",
            self.name()
        );
        assert_eq!(
            self.bytes,
            self.entries.values().map(|e| e.message.size()).sum::<u64>(),
            "{}: bytes",
            self.name()
        );
        let sizes = ready.iter().map(|id| self.entries[id].message.size());
        assert_eq!(
            self.ready_bytes,
            sizes.sum::<u64>(),
            "{}: ready bytes",
            self.name()
        );
        for (id, entry) in &self.entries {
            let scheduled = self.scheduled.contains(&(entry.scheduled, *id));
            assert_eq!(
                scheduled,
                entry.place == Place::Scheduled,
                "{}: {id} is in the wrong list",
                self.name()
            );
        }
        for (key, consumer) in &self.consumers {
            let listed = self.hungry.get(&consumer.priority);
            assert!(
                !consumer.is_hungry() || listed.is_some_and(|keys| keys.contains(key)),
                "{}: a hungry consumer is not listed",
                self.name()
            );
            let scanned = consumer.scanned.iter().zip(&self.scanned_max);
            assert!(
                scanned.into_iter().all(|(one, max)| one <= max),
                "{}: a consumer has looked further than any",
                self.name()
            );
        }
        let paged = self.entries.values().filter(|e| e.paged.is_some());
        assert_eq!(
            (
                paged.clone().count() as u64,
                paged.map(|e| e.message.size()).sum()
            ),
            (self.cursor.in_memory.messages, self.cursor.in_memory.bytes),
            "{}: what came from pages",
            self.name()
        );
        self.check_ahead();
        let delivering = self
            .entries
            .values()
            .filter(|entry| entry.place == Place::Delivering)
            .count();
        let unsettled: usize = self
            .consumers
            .values()
            .map(|consumer| consumer.unsettled.len())
            .sum();
        assert!(
            unsettled <= delivering,
            "{}: more unsettled than delivering",
            self.name()
        );
    }
}
