// SPDX-License-Identifier: Apache-2.0
//! Any packet that a connected client may send.

use bytes::Bytes;

use super::{
    Acknowledge, Auth, Disconnect, Frame, Kind, Malformed, Publish, Subscribe, Unsubscribe, Version,
};

/// A packet after CONNECT, which [`Connect`](super::Connect) reads.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Packet<'a> {
    Publish(Publish<'a>),
    PubAck(Acknowledge<'a>),
    PubRec(Acknowledge<'a>),
    PubRel(Acknowledge<'a>),
    PubComp(Acknowledge<'a>),
    Subscribe(Subscribe<'a>),
    Unsubscribe(Unsubscribe<'a>),
    PingReq,
    Disconnect(Disconnect),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// From this length a packet is held in memory of its own and its payload is a slice of it; below, the payload is
    /// copied to its exact size, so that a small message does not keep a whole read buffer alive.
    pub const SHARED: usize = 16 * 1024;

    /// Reads the packet of `frame` in `bytes`, which begin with its fixed header. `whole` is that memory, if it holds
    /// nothing else.
    ///
    /// # Errors
    /// It is malformed, or must not be sent.
    ///
    /// # Panics
    /// If `bytes` are shorter than the frame says.
    pub fn read(
        frame: Frame,
        bytes: &'a [u8],
        whole: Option<&'a Bytes>,
        version: Version,
    ) -> Result<Self, Malformed> {
        let body = &bytes[frame.header..frame.length];
        let acknowledge = || Acknowledge::read(frame.kind, body, version);
        Ok(match frame.kind {
            Kind::Publish => Self::Publish(Publish::read(frame.flags, body, whole, version)?),
            Kind::PubAck => Self::PubAck(acknowledge()?),
            Kind::PubRec => Self::PubRec(acknowledge()?),
            Kind::PubRel => Self::PubRel(acknowledge()?),
            Kind::PubComp => Self::PubComp(acknowledge()?),
            Kind::Subscribe => Self::Subscribe(Subscribe::read(body, version)?),
            Kind::Unsubscribe => Self::Unsubscribe(Unsubscribe::read(body, version)?),
            Kind::PingReq if body.is_empty() => Self::PingReq,
            Kind::Disconnect => Self::Disconnect(Disconnect::read(body, version)?),
            Kind::Auth => Self::Auth(Auth::read(body)?),
            Kind::PingReq | Kind::Connect => {
                return Err(Malformed::packet(
                    "MQTT 5.0 §3.12.1",
                    "a PINGREQ has something in it",
                ));
            }
        })
    }
}
