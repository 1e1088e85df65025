// SPDX-License-Identifier: Apache-2.0
//! The packet ids of a client session that are in use, in both directions (MQTT 5.0, 4.3 and 4.9).

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::id::PacketId;
use crate::storage::record::Flight;

/// Packet ids in use.
///
/// *Invariants*: an outbound id is in `sent` or in `received`, not in both; `open` is the number of those that went out
/// over the present connection, which is what its Receive Maximum counts.
#[derive(Debug, Default)]
pub struct Packets {
    sent: FxHashMap<PacketId, Sent>,
    received: FxHashMap<PacketId, Received>,
    inbound: BTreeSet<PacketId>,
    /// The last id given.
    last: u16,
    /// How many the client has said that it has.
    receipts: u64,
    open: u32,
    /// How many may be open.
    window: u16,
}

/// A message with the client.
#[derive(Clone, Copy, Debug)]
struct Sent {
    flight: Flight,
    /// It went out over the present connection.
    now: bool,
}

/// A message that the client has, and will forget.
#[derive(Clone, Copy, Debug)]
struct Received {
    /// How many were before it.
    order: u64,
    now: bool,
}

impl Packets {
    /// What a record said was on its way; nothing of it over the present connection.
    pub fn restore(
        &mut self,
        sent: &[(PacketId, Flight)],
        received: &[PacketId],
        inbound: &[PacketId],
    ) {
        let window = self.window;
        *self = Self {
            window,
            last: self.last,
            ..Self::default()
        };
        for (packet, flight) in sent {
            self.put(*packet, *flight);
        }
        received
            .iter()
            .for_each(|packet| self.put_received(*packet));
        self.inbound.extend(inbound);
    }

    /// A connection takes up the session: so many may be open.
    pub fn resume(&mut self, window: u16) {
        debug_assert_eq!(self.open, 0, "the connection before has been left");
        self.window = window;
    }

    /// The connection is gone: nothing is open.
    pub fn suspend(&mut self) {
        self.open = 0;
        self.sent.values_mut().for_each(|sent| sent.now = false);
        let received = self.received.values_mut();
        received.for_each(|received| received.now = false);
    }

    /// Whether one more may go out.
    pub fn has_room(&self) -> bool {
        self.has_open_room() && self.sent.len() + self.received.len() < 0xffff
    }

    /// Whether one more may be open over this connection, under an id that it has already.
    pub fn has_open_room(&self) -> bool {
        self.open < u32::from(self.window)
    }

    /// A free id for a message that goes out. There must be room.
    pub fn assign(&mut self, flight: Flight) -> PacketId {
        assert!(self.has_room(), "asked before");
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            let packet = PacketId(self.last);
            if !self.sent.contains_key(&packet) && !self.received.contains_key(&packet) {
                self.sent.insert(packet, Sent { flight, now: true });
                self.open += 1;
                return packet;
            }
        }
    }

    /// The message goes out again, under the id it has.
    pub fn resend(&mut self, packet: PacketId) {
        if let Some(sent) = self.sent.get_mut(&packet).filter(|sent| !sent.now) {
            sent.now = true;
            self.open += 1;
        }
    }

    /// A message is with the client. Nothing changes if it is known.
    pub fn put(&mut self, packet: PacketId, flight: Flight) {
        let sent = self.sent.get(&packet);
        if sent.is_none_or(|sent| sent.flight != flight) {
            self.completed(packet);
            self.sent.insert(packet, Sent { flight, now: false });
            self.last = packet.0;
        }
    }

    /// The message under that id, if it is with the client.
    pub fn flight(&self, packet: PacketId) -> Option<Flight> {
        self.sent.get(&packet).map(|sent| sent.flight)
    }

    /// Whether the client has said that it has the message of that id, and not that it has forgotten it.
    pub fn is_received(&self, packet: PacketId) -> bool {
        self.received.contains_key(&packet)
    }

    /// The client has the message; the id stays in use.
    pub fn received(&mut self, packet: PacketId) {
        let now = self.sent.remove(&packet).is_some_and(|sent| sent.now);
        self.put_received(packet);
        if let Some(received) = self.received.get_mut(&packet) {
            received.now = now;
        }
    }

    fn put_received(&mut self, packet: PacketId) {
        self.receipts += 1;
        let order = self.receipts;
        self.received
            .entry(packet)
            .or_insert(Received { order, now: false });
    }

    /// The id is free, whatever it stood for.
    pub fn completed(&mut self, packet: PacketId) {
        let sent = self.sent.remove(&packet).is_some_and(|sent| sent.now);
        let received = self.received.remove(&packet);
        if sent || received.is_some_and(|received| received.now) {
            self.open -= 1;
        }
    }

    /// Messages with the client, by packet id.
    pub fn all_sent(&self) -> Vec<(PacketId, Flight)> {
        let sent = self.sent.iter();
        let mut all: Vec<_> = sent.map(|(packet, sent)| (*packet, sent.flight)).collect();
        all.sort_unstable_by_key(|(packet, _)| *packet);
        all
    }

    /// Ids of messages that the client has, in the order in which it said so.
    pub fn all_received(&self) -> Vec<PacketId> {
        let received = self.received.iter();
        let mut all: Vec<_> = received
            .map(|(packet, received)| (received.order, *packet))
            .collect();
        all.sort_unstable();
        all.into_iter().map(|(_, packet)| packet).collect()
    }

    /// Ids of QoS 2 messages from the client that it has not released.
    pub fn all_inbound(&self) -> Vec<PacketId> {
        self.inbound.iter().copied().collect()
    }

    /// Whether the client has sent a message under that id and not released it.
    pub fn is_inbound(&self, packet: PacketId) -> bool {
        self.inbound.contains(&packet)
    }

    /// The client has sent a message under that id.
    pub fn taken(&mut self, packet: PacketId) {
        self.inbound.insert(packet);
    }

    /// It will not send it again.
    pub fn released(&mut self, packet: PacketId) {
        self.inbound.remove(&packet);
    }

    /// Checks the invariants.
    ///
    /// # Panics
    /// If one does not hold.
    pub fn check(&self) {
        let both = |packet: &PacketId| self.received.contains_key(packet);
        assert!(!self.sent.keys().any(both), "a packet id stands for two");
        let sent = self.sent.values().filter(|sent| sent.now).count();
        let received = self.received.values().filter(|received| received.now);
        assert_eq!(self.open as usize, sent + received.count(), "open packets");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{MessageId, QueueId};
    use crate::message::Qos;

    fn flight(message: u64) -> Flight {
        Flight {
            queue: QueueId(1),
            message: MessageId(message),
            qos: Qos::ExactlyOnce,
        }
    }

    #[test]
    fn ids_go_round_and_pass_over_those_in_use() {
        let mut packets = Packets::default();
        packets.resume(3);
        packets.last = 65_533;
        packets.put(PacketId(1), flight(9));
        packets.last = 65_533;
        let ids: Vec<u16> = (0..3).map(|n| packets.assign(flight(n)).0).collect();
        assert_eq!(ids, [65_534, 65_535, 2]);
        assert!(!packets.has_room());
        packets.completed(PacketId(2));
        assert_eq!(packets.assign(flight(4)), PacketId(3));
        packets.check();
    }

    #[test]
    fn a_received_message_is_open_until_it_is_completed_or_the_connection_goes() {
        let mut packets = Packets::default();
        packets.resume(1);
        let first = packets.assign(flight(1));
        packets.received(first);
        assert!(packets.is_received(first) && !packets.has_room());
        packets.suspend();
        packets.resume(1);
        assert_eq!(packets.all_received(), [first]);
        assert!(packets.has_room());
        let second = packets.assign(flight(2));
        assert_ne!(first, second);
        packets.completed(first);
        assert!(!packets.has_room());
        packets.completed(second);
        assert!(packets.has_room());
        packets.check();
    }

    #[test]
    fn what_is_sent_again_counts_once() {
        let mut packets = Packets::default();
        packets.restore(&[(PacketId(7), flight(1))], &[PacketId(3)], &[PacketId(5)]);
        packets.resume(1);
        packets.resend(PacketId(7));
        packets.resend(PacketId(7));
        packets.check();
        assert!(!packets.has_room());
        assert_eq!(packets.flight(PacketId(7)), Some(flight(1)));
        assert_eq!(packets.all_inbound(), [PacketId(5)]);
    }
}
