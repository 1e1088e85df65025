// SPDX-License-Identifier: Apache-2.0
//! Whose turn it is to ask the disk for a part of a page, when more queues want to than may at a time.

use std::collections::{BTreeSet, VecDeque};

use crate::id::QueueId;

/// Queues that wait to read, first come first served; each once.
///
/// *Invariant*: `line` and `there` hold the same queues.
#[derive(Debug, Default)]
pub(crate) struct ReadTurns {
    line: VecDeque<QueueId>,
    there: BTreeSet<QueueId>,
}

impl ReadTurns {
    /// The queue stands behind those that wait already, unless it is one of them.
    pub fn wait(&mut self, queue: QueueId) {
        if self.there.insert(queue) {
            self.line.push_back(queue);
        }
    }

    /// The queue whose turn it is.
    pub fn next(&mut self) -> Option<QueueId> {
        let queue = self.line.pop_front()?;
        self.there.remove(&queue);
        Some(queue)
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_first_is_first_and_nobody_stands_in_line_twice() {
        let mut turns = ReadTurns::default();
        for queue in [3, 1, 3, 2, 1] {
            turns.wait(QueueId(queue));
        }
        assert_eq!(turns.next(), Some(QueueId(3)));
        turns.wait(QueueId(3));
        let rest: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(rest, [1, 2, 3].map(QueueId));
        assert!(turns.is_empty());
    }
}
