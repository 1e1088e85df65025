// SPDX-License-Identifier: Apache-2.0
//! What a turn leaves to be done beside it: doors to open and close, lines to log. Done in order by one task.

use std::collections::VecDeque;

use hind_engine::notice::Notice;
use hind_ha::effect::Door;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// One thing to do.
#[derive(Debug)]
pub enum Chore {
    /// Something at the doors.
    Door(Door),
    /// Something to log.
    Notice(Notice),
    /// So many notices came faster than they could be logged, and are lost.
    Lost(u64),
    /// The node panicked.
    NodeBroke,
}

/// The list of chores.
#[derive(Debug, Default)]
pub struct Chores {
    list: Mutex<List>,
    added: Notify,
}

#[derive(Debug, Default)]
struct List {
    chores: VecDeque<Chore>,
    lost: u64,
}

impl Chores {
    /// Notices that may wait to be logged.
    const NOTICES_MAX: usize = 10_000;

    /// Adds the doors and notices of a turn. Doors open before the log says that the broker is active: whoever waits
    /// for that line connects at once.
    pub fn add(&self, doors: &mut Vec<Door>, notices: &mut Vec<Notice>) {
        let mut list = self.list.lock();
        for notice in notices.drain(..) {
            if matches!(notice, Notice::Active) {
                list.chores.extend(doors.drain(..).map(Chore::Door));
            }
            if list.chores.len() < Self::NOTICES_MAX {
                list.chores.push_back(Chore::Notice(notice));
            } else {
                list.lost += 1;
            }
        }
        list.chores.extend(doors.drain(..).map(Chore::Door));
        drop(list);
        self.added.notify_one();
    }

    /// The node panicked: the process has to end.
    pub fn node_broke(&self) {
        self.list.lock().chores.push_back(Chore::NodeBroke);
        self.added.notify_one();
    }

    /// The next chore, waiting for one. For one task only.
    pub async fn next(&self) -> Chore {
        loop {
            if let Some(chore) = self.pop() {
                return chore;
            }
            self.added.notified().await;
        }
    }

    fn pop(&self) -> Option<Chore> {
        let mut list = self.list.lock();
        let next = list.chores.pop_front();
        if next.is_none() && list.lost > 0 {
            return Some(Chore::Lost(std::mem::take(&mut list.lost)));
        }
        next
    }
}
