// SPDX-License-Identifier: Apache-2.0
//! What the broker's process does to the world, what the world does to it, and how it ends and starts again.

use hind_engine::notice::Notice;
use hind_engine::storage::request::{Completion, PageCompletion};
use hind_ha::input::DiskUsage;

use super::mqtt::Mqtt;
use super::{Happening, World, clocks, connection_id};
use crate::simulator::check::{self, Violation};
use crate::simulator::disk::fault::Fault;
use crate::simulator::disk::{Crash, Disk, journal};
use crate::simulator::limits::Limits;
use crate::simulator::network::{Direction, LinkId};
use crate::simulator::node::{Deed, Process, Speaks};
use crate::simulator::planted::Planted;

/// A disk with room.
pub(super) const ROOMY: DiskUsage = DiskUsage {
    total: 1_000_000,
    free: 600_000,
};
/// A disk the settings call too full.
pub(super) const CROWDED: DiskUsage = DiskUsage {
    total: 1_000_000,
    free: 10_000,
};

impl World {
    /// The operator starts the broker, after turning back a bit that kept it from starting.
    pub(super) fn start(&mut self) -> Result<(), Violation> {
        if self.process.is_some() {
            return Ok(());
        }
        self.incarnation += 1;
        let incarnation = self.incarnation;
        self.trace.line(
            self.now,
            format_args!("node"),
            format_args!("starts as {incarnation}"),
        );
        let seed = u128::from(self.random.number()) << 64 | u128::from(self.random.number());
        let mut process = Process::new(seed, self.random.chance(50), self.known_limits().as_ref());
        process.start(clocks(self));
        self.process = Some(process);
        self.ending = false;
        self.carry_out()
    }

    /// The limits that the broker is told of.
    fn known_limits(&self) -> Option<Limits> {
        let mut limits = self.limits.clone();
        if self.disk.planted == Some(Planted::CountsHalf)
            && let Some(global) = limits
                .as_mut()
                .and_then(|limits| limits.global_bytes.as_mut())
        {
            *global *= 2;
        }
        limits
    }

    /// The process ends as if killed; with the machine's power, or alone.
    pub(super) fn crash(&mut self, crash: Crash) {
        self.trace.line(
            self.now,
            format_args!("node"),
            format_args!("ends: {crash:?}"),
        );
        self.counters.hit(match crash {
            Crash::Kill => "crash.kill",
            Crash::PowerLoss => "crash.power_loss",
        });
        self.count_records();
        self.process = None;
        self.open = false;
        self.wake = None;
        self.deeds_left = None;
        self.crash_while_writing = false;
        self.disk.crash(crash);
        self.model.crashed();
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for id in links {
            self.cut(id);
            let after = self.random.between(10_000, 2_000_000);
            self.later(after, Happening::Closed(id, Direction::Down));
        }
        if let Some(waiting) = self.suspended.take() {
            drop(waiting);
        }
        if self.flip_next && self.flipped.is_none() {
            self.flip_next = !self.flip();
        }
        let after = self.random.between(500_000, 4_000_000);
        self.later(after, Happening::Restart);
    }

    /// Turns a bit of what recovery has to miss. Not every log has one.
    fn flip(&mut self) -> bool {
        let bit = journal::sensitive_bit(&self.disk, &mut self.random);
        if let Some((segment, byte, bit)) = bit {
            self.trace.line(
                self.now,
                format_args!("disk"),
                format_args!("flips bit {bit} of byte {byte} in {segment:?}"),
            );
            self.turn_bit((segment, byte, bit));
            self.flipped = Some((segment, byte, bit));
            self.disk.armed.hit(Fault::BitFlip);
        }
        bit.is_some()
    }

    fn turn_bit(
        &mut self,
        (segment, byte, bit): (hind_engine::storage::request::Segment, usize, u8),
    ) {
        if let Some(file) = self.disk.file_mut(segment) {
            file.flip(byte, bit);
        }
    }

    pub(super) fn accept(&mut self, id: LinkId) -> Result<(), Violation> {
        if self.links.get(&id).is_none_or(|link| link.is_cut()) {
            return Ok(());
        }
        let now = clocks(self);
        match &mut self.process {
            Some(process) if self.open => {
                let number = self.links.get(&id).map_or(0, |link| link.client);
                let speaks = Speaks::of(Mqtt::number(number));
                process.accept(now, connection_id(id), id, speaks);
                self.carry_out()
            }
            _ => {
                self.cut(id);
                self.later(10_000, Happening::Closed(id, Direction::Down));
                Ok(())
            }
        }
    }

    pub(super) fn arrive_up(&mut self, id: LinkId, bytes: &[u8]) -> Result<(), Violation> {
        let now = clocks(self);
        match &mut self.process {
            Some(process) if self.links.get(&id).is_some_and(|link| !link.is_cut()) => {
                process.bytes(now, connection_id(id), bytes);
                self.carry_out()
            }
            _ => Ok(()),
        }
    }

    /// The broker learns that a link has ended.
    pub(super) fn closed_up(&mut self, id: LinkId) -> Result<(), Violation> {
        if let Some(link) = self.links.get(&id) {
            self.model.ended(link.connection, false);
            self.model.noticed(link.connection);
        }
        let now = clocks(self);
        match &mut self.process {
            Some(process) => {
                process.lost(now, connection_id(id));
                self.carry_out()
            }
            None => Ok(()),
        }
    }

    /// The disk has ended an operation on one of its sides; `finish` says what became of it.
    pub(super) fn disk_finished(
        &mut self,
        incarnation: u64,
        finish: fn(&mut Disk) -> Vec<Completion>,
    ) -> Result<(), Violation> {
        if incarnation != self.incarnation || self.process.is_none() {
            return Ok(());
        }
        let completions = finish(&mut self.disk);
        self.account_for_damage();
        if let Some(breach) = self.disk.breach.take() {
            return Err(Violation::new("disk", breach));
        }
        for mut completion in completions {
            if self.disk.planted == Some(Planted::LedgerDrifts)
                && let Completion::Page(PageCompletion::Appended(_, bytes)) = &mut completion
            {
                *bytes -= 1;
            }
            let now = clocks(self);
            if let Completion::Failed(why) = &completion {
                self.trace
                    .line(self.now, format_args!("disk"), format_args!("{why}"));
                self.ending = true;
            }
            if let Some(process) = &mut self.process {
                process.disk(now, completion);
                self.carry_out()?;
            }
        }
        self.fold_if_due()?;
        self.begin_disk();
        Ok(())
    }

    pub(super) fn woken(&mut self, incarnation: u64) -> Result<(), Violation> {
        let due = self.wake.is_some_and(|at| at <= self.now);
        if incarnation != self.incarnation || !due {
            return Ok(());
        }
        self.wake = None;
        let now = clocks(self);
        match &mut self.process {
            Some(process) => {
                process.expire(now);
                self.carry_out()
            }
            None => Ok(()),
        }
    }

    /// Carries out what the process wants, one deed after the other; it may be killed between any two.
    pub(super) fn carry_out(&mut self) -> Result<(), Violation> {
        while let Some(deed) = self
            .process
            .as_mut()
            .and_then(|process| process.deeds.pop_front())
        {
            if let Some((left, crash)) = &mut self.deeds_left {
                if *left == 0 {
                    let crash = *crash;
                    self.crash(crash);
                    return Ok(());
                }
                *left -= 1;
            }
            self.deed(deed)?;
        }
        if self.disk.planted == Some(Planted::DeletesPagesEarly) {
            self.delete_pages_early();
        }
        self.set_wake();
        self.begin_disk();
        self.look_at_memory()
    }

    /// Every now and then: what is in memory is what may be.
    fn look_at_memory(&mut self) -> Result<(), Violation> {
        const EVERY: u64 = 16;
        self.looks += 1;
        match &self.process {
            Some(process) if self.open && self.looks.is_multiple_of(EVERY) => {
                self.counters.hit("check.memory");
                check::bounded_memory::within_limits(process, &self.model)
            }
            _ => Ok(()),
        }
    }

    fn deed(&mut self, deed: Deed) -> Result<(), Violation> {
        match deed {
            Deed::Disk(request) => {
                self.trace_page(&request);
                self.disk.submit(request);
            }
            Deed::Bytes(link, bytes) => self.carry(link, Direction::Down, bytes),
            Deed::Close(link, orderly) => self.close(link, orderly),
            Deed::Open => return self.opened(),
            Deed::Exit(success) => self.exited(success),
            Deed::Notice(notice) => return self.notice(&notice),
        }
        Ok(())
    }

    /// The broker ends a link.
    fn close(&mut self, id: LinkId, orderly: bool) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        self.model.ended(link.connection, orderly);
        self.model.noticed(link.connection);
        let arrival = link.arrival(Direction::Down, self.now, &mut self.random);
        self.at(arrival, Happening::Closed(id, Direction::Down));
    }

    /// The broker serves: what it recovered has to be what the log says, now and read again.
    fn opened(&mut self) -> Result<(), Violation> {
        if let Some(flipped) = self.flipped {
            let what = format!("it started although {flipped:?} was flipped");
            return Err(Violation::new("damage", what));
        }
        self.open = true;
        self.mqtt.book.opened = self.now;
        self.counters.hit("event.open");
        self.trace
            .line(self.now, format_args!("node"), format_args!("serves"));
        self.fold_due = true;
        let now = clocks(self);
        if let Some(process) = &mut self.process {
            process.usage(now, ROOMY);
        }
        Ok(())
    }

    fn exited(&mut self, success: bool) {
        let reboot = !success && self.random.chance(50);
        self.crash(if reboot {
            Crash::PowerLoss
        } else {
            Crash::Kill
        });
        if let Some(flipped) = self.flipped.take() {
            self.turn_bit(flipped);
        }
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), Violation> {
        let counter = match notice {
            Notice::DeadLettered { .. } => "notice.dead_lettered",
            Notice::DiskFull(_) => "notice.disk_full",
            Notice::Recovered { torn: 1.., .. } => "notice.recovered_torn",
            Notice::Recovered { .. } => "notice.recovered",
            Notice::Damaged(_) => "notice.damaged",
            Notice::StorageFailed(_) => "notice.storage_failed",
            Notice::PagingStarted { .. } => "notice.paging_started",
            Notice::PagingStopped { .. } => "notice.paging_stopped",
            Notice::AddressBlocked { .. } => "notice.address_blocked",
            Notice::AddressUnblocked { .. } => "notice.address_unblocked",
            Notice::AddressDropping { .. } => "notice.address_dropping",
            Notice::PageDamaged { .. } => "notice.page_damaged",
            Notice::PageSetAside { .. } => "notice.page_set_aside",
            _ => return Ok(()),
        };
        self.counters.hit(counter);
        self.trace.line(
            self.now,
            format_args!("node"),
            format_args!("says {notice:?}"),
        );
        if matches!(notice, Notice::Damaged(_)) && self.flipped.is_none() {
            return Err(Violation::new(
                "damage",
                format!("it refuses a sound disk: {notice:?}"),
            ));
        }
        if let Notice::PageDamaged { page, .. } = notice
            && self
                .disk
                .bulk
                .damage()
                .iter()
                .all(|damage| damage.page != *page)
        {
            return Err(Violation::new(
                "damage",
                format!("it finds damage in a sound page: {notice:?}"),
            ));
        }
        Ok(())
    }

    fn set_wake(&mut self) {
        let deadline = self
            .process
            .as_ref()
            .and_then(|process| process.deadline(clocks(self)));
        if let Some(at) = deadline
            && self.wake.is_none_or(|wake| at < wake)
        {
            let at = at.max(self.now);
            self.wake = Some(at);
            self.at(at, Happening::Wake(self.incarnation));
        }
    }

    fn begin_disk(&mut self) {
        if self.process.is_none() {
            return;
        }
        if let Some(duration) = self.disk.begin() {
            self.disk_begun(duration, Happening::Disk);
        }
        if let Some(duration) = self.disk.begin_bulk() {
            self.disk_begun(duration, Happening::Bulk);
        }
    }

    fn disk_begun(&mut self, duration: u64, ends: fn(u64) -> Happening) {
        self.later(duration, ends(self.incarnation));
        if self.crash_while_writing && self.disk.is_writing() {
            self.crash_while_writing = false;
            self.disk.armed.hit(Fault::Torn);
            let after = self.random.below(duration);
            self.later(after, Happening::Crash(self.incarnation, Crash::PowerLoss));
        }
    }

    /// Compares what is live with the log, when nothing is under way between them.
    fn fold_if_due(&mut self) -> Result<(), Violation> {
        let Some(process) = self.process.as_ref().filter(|_| self.fold_due && self.open) else {
            return Ok(());
        };
        let storage = process.node().storage();
        if !self.disk.is_idle() || storage.stored() != storage.appended() {
            return Ok(());
        }
        self.fold_due = false;
        self.counters.hit("event.fold");
        check::bounded_memory::at_any_time(process)?;
        check::fold::live_is_log(process.node(), &mut self.disk, self.limits.as_ref())
    }

    /// Counts the kinds of records the log holds now.
    fn count_records(&mut self) {
        for (segment, file) in self.disk.files() {
            for record in journal::records(segment, file.durable()) {
                if let Some(name) = journal::KINDS.get(usize::from(record.kind)) {
                    self.counters.hit(name);
                }
            }
        }
    }
}
