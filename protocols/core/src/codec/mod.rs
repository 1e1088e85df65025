// SPDX-License-Identifier: Apache-2.0
//! Bytes ↔ packets of all versions. Knows neither the engine nor the state of a connection.
//!
//! ```text
//! bytes ─▶ frame (length, type, channel) ─▶ packet (the table) ─▶ packet/… (one file per noun)
//!                                              │                     └─ field ─ cursor · text · transport · xid
//!                                              └─ Send, Receive ─▶ message ─▶ head ─▶ properties
//!                                                                     └─ body (text, map, stream …)
//! ```
//! A packet is declared as its fields in the order of the wire; the type of a field says how it is written. Bodies of
//! messages are slices of what was read, heads are kept as they came, and properties are read when somebody asks. No
//! length is believed before it was compared with what is left of its frame.

mod body;
mod cursor;
mod dialect;
mod field;
mod frame;
mod head;
pub mod hornetq;
mod kind;
mod malformed;
mod message;
pub mod packet;
mod properties;
mod text;
mod transport;
mod uuid;
mod version;
mod xid;

pub use body::{
    Body, Element, Stream, StreamBuilder, kind as message_kind, object_body, text_body,
};
pub use dialect::Dialect;
pub use field::{Form, Since, Splice, Trailing};
pub use frame::{Frame, channel};
pub use head::{Head, HeadBuilder};
pub use kind::Kind;
pub use malformed::Malformed;
pub use message::Message;
pub use packet::Packet;
pub use properties::{Properties, PropertiesBuilder, Value};
pub use text::{SimpleString, Utf16};
pub use transport::{NETTY_CONNECTOR_FACTORY, NamedParameter, Parameter, TransportConfiguration};
pub use uuid::Uuid;
pub use version::{Layout, Version};
pub use xid::Xid;
