// SPDX-License-Identifier: Apache-2.0
//! What goes wrong, when its time has come.

use std::collections::VecDeque;

use super::process::{CROWDED, ROOMY};
use super::{CLIENTS, Happening, World, clocks};
use crate::simulator::check::Violation;
use crate::simulator::disk::Crash;
use crate::simulator::disk::fault::Fault;
use crate::simulator::network::{Direction, LinkId};
use crate::simulator::plan::Mishap;

impl World {
    /// Something goes wrong.
    pub(super) fn mishap(&mut self, mishap: Mishap) -> Result<(), Violation> {
        self.trace
            .line(self.now, format_args!("world"), format_args!("{mishap:?}"));
        match mishap {
            Mishap::Disk(fault) => return self.disk_fault(fault),
            Mishap::Kill => self.deeds_left = Some((self.random.below(60), Crash::Kill)),
            Mishap::PowerLoss => self.deeds_left = Some((self.random.below(60), Crash::PowerLoss)),
            Mishap::Stop => return self.stop(),
            Mishap::Pause => self.suspend(),
            Mishap::Reset => self.lose_link(true),
            Mishap::Vanish => self.lose_link(false),
            Mishap::Fold => self.fold_due = true,
        }
        Ok(())
    }

    fn disk_fault(&mut self, fault: Fault) -> Result<(), Violation> {
        match fault {
            Fault::Slow
            | Fault::FailedWrite
            | Fault::FailedSync
            | Fault::Full
            | Fault::PageFlipped
            | Fault::PageCut
            | Fault::PageUnreadable => self.disk.armed.arm(fault),
            Fault::FailedRead => {
                self.disk.armed.arm(fault);
                self.deeds_left = Some((0, Crash::Kill));
            }
            Fault::BitFlip => {
                self.flip_next = true;
                self.deeds_left = Some((0, Crash::PowerLoss));
            }
            Fault::Torn => self.crash_while_writing = true,
            Fault::NearlyFull => return self.crowd(),
        }
        Ok(())
    }

    /// The disk fills up, and is given room again a little later.
    fn crowd(&mut self) -> Result<(), Violation> {
        let now = clocks(self);
        if let Some(process) = self.process.as_mut().filter(|_| self.open) {
            process.usage(now, CROWDED);
            self.disk.armed.hit(Fault::NearlyFull);
            let after = self.random.between(500_000, 5_000_000);
            self.later(after, Happening::Room(self.incarnation));
            self.carry_out()?;
        }
        Ok(())
    }

    pub(super) fn room_again(&mut self, incarnation: u64) -> Result<(), Violation> {
        let now = clocks(self);
        match &mut self.process {
            Some(process) if incarnation == self.incarnation => {
                process.usage(now, ROOMY);
                self.carry_out()
            }
            _ => Ok(()),
        }
    }

    fn stop(&mut self) -> Result<(), Violation> {
        let now = clocks(self);
        if let Some(process) = &mut self.process {
            self.ending = true;
            self.open = false;
            self.counters.hit("crash.stop");
            process.stop(now);
            self.carry_out()?;
        }
        Ok(())
    }

    fn suspend(&mut self) {
        if self.suspended.is_none() && self.process.is_some() {
            self.counters.hit("mishap.pause");
            self.suspended = Some(VecDeque::new());
            let after = self.random.between(100_000, 30_000_000);
            self.later(after, Happening::Resume(self.incarnation));
        }
    }

    pub(super) fn resume(&mut self, incarnation: u64) -> Result<(), Violation> {
        if incarnation != self.incarnation {
            return Ok(());
        }
        for happening in self.suspended.take().into_iter().flatten() {
            self.happen(happening)?;
        }
        Ok(())
    }

    /// A link breaks. `told`: the broker learns of it soon, else not before it misses the client.
    fn lose_link(&mut self, told: bool) {
        let connected: Vec<LinkId> = self.clients[..CLIENTS]
            .iter()
            .filter_map(|client| client.link)
            .chain(self.mqtt.links())
            .collect();
        if connected.is_empty() {
            return;
        }
        let id = self.random.pick(&connected);
        self.counters.hit(if told {
            "mishap.reset"
        } else {
            "mishap.vanish"
        });
        self.cut(id);
        if let Some(process) = &mut self.process {
            process.forget_unread(id);
        }
        let after = self.random.between(10_000, 1_000_000);
        self.later(after, Happening::Closed(id, Direction::Down));
        if told {
            let after = self.random.between(10_000, 1_000_000);
            self.later(after, Happening::Closed(id, Direction::Up));
        }
    }
}
