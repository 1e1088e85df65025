// SPDX-License-Identifier: Apache-2.0
//! CONNECT and CONNACK: who, with which limits, and what of its session is kept [MQTT 5.0 §3.1, §3.2].

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hind_engine::client_session::{SessionExpiry, Will};
use hind_engine::command::Attach;
use hind_engine::id::Ticket;
use hind_engine::security::user::Credentials;
use hind_engine::time::Now;

use crate::authentication::Authentication;
use crate::codec::{self, ConnAck, Connect, Property, PropertyBlock, Reason, Version};
use crate::convert::{self, Header};
use crate::options::Options;
use crate::topic::{self, Destination};

/// What a client says before it is let in.
#[derive(Debug)]
pub(crate) struct Hello {
    /// What it speaks.
    pub version: Version,
    /// Its name, given to it if it had none.
    pub client_id: Arc<str>,
    /// For the login modules.
    pub credentials: Credentials,
    /// The exchange by which it authenticates instead.
    pub authentication: Option<Authentication>,
    /// Seconds after which it will have been heard of.
    pub keep_alive: u16,
    /// What it asks of the connection.
    pub terms: Terms,
    is_assigned: bool,
    clean: bool,
    will: Option<Box<Will>>,
}

/// What a client asks of its connection and its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How long its session is kept, in seconds.
    pub session_expiry: u32,
    /// Publications that it takes at the same time.
    pub receive_maximum: u16,
    /// The largest packet that it takes, in bytes.
    pub packet_max: usize,
    /// The highest topic alias that it takes.
    pub topic_alias_maximum: u16,
}

/// Why a CONNECT that can be read is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotWelcome {
    /// What the client is told.
    pub reason: Reason,
    /// The clause it has broken, if it has.
    pub clause: Option<&'static str>,
    /// What is wrong.
    pub detail: &'static str,
}

impl Hello {
    /// Reads a CONNECT. `unused_id` makes a name for a client that has none.
    pub fn read(
        connect: &Connect<'_>,
        options: &Options,
        now: Now,
        unused_id: impl FnOnce() -> String,
    ) -> Result<Self, NotWelcome> {
        let is_assigned = connect.client_id.is_empty();
        if is_assigned && !may_be_nameless(connect) {
            return Err(NotWelcome {
                reason: Reason::ClientIdentifierNotValid,
                clause: Some("MQTT-3.1.3-8"),
                detail: "a client without an identifier asks for a session that is kept",
            });
        }
        let client_id = match is_assigned {
            true => Arc::from(unused_id()),
            false => Arc::from(connect.client_id),
        };
        let (terms, method) = terms(connect, options);
        let authentication = match method {
            None => None,
            Some(name) => Some(Authentication::begin(&options.methods, name).ok_or(
                NotWelcome {
                    reason: Reason::BadAuthenticationMethod,
                    clause: None,
                    detail: "the authentication method is not known here",
                },
            )?),
        };
        Ok(Self {
            version: connect.version,
            credentials: credentials(connect),
            authentication,
            keep_alive: connect.keep_alive,
            terms,
            is_assigned,
            clean: connect.clean_start,
            will: will(connect, &client_id, options, now)?,
            client_id,
        })
    }

    /// What the engine is asked for once the client is known.
    pub fn attach(&mut self, options: &Options, ticket: Ticket) -> Attach {
        Attach {
            client_id: Arc::clone(&self.client_id),
            clean: self.clean,
            expiry: SessionExpiry(self.terms.session_expiry),
            window: self.terms.receive_maximum,
            will: self.will.take(),
            take_over: options.allow_link_stealing,
            ticket,
        }
    }

    /// Writes the CONNACK that lets it in. `false`: it is larger than the client takes.
    pub fn welcome(
        &self,
        options: &Options,
        session_present: bool,
        server_keep_alive: Option<u16>,
        last_word: Option<&Bytes>,
        out: &mut BytesMut,
    ) -> bool {
        let above_zero = |number: u16| (number > 0).then_some(number);
        let connack = ConnAck {
            session_present,
            receive_maximum: options
                .receive_maximum
                .filter(|maximum| *maximum < u16::MAX),
            maximum_packet_size: options.maximum_packet_size,
            assigned_client_id: self.is_assigned.then_some(&*self.client_id),
            topic_alias_maximum: above_zero(options.topic_alias_maximum),
            server_keep_alive,
            authentication_method: self.authentication.as_ref().map(|it| it.method.name()),
            authentication_data: last_word.map(|data| &data[..]),
            ..ConnAck::default()
        };
        connack.write(self.version, Reason::Success, self.terms.packet_max, out)
    }

    /// Writes the CONNACK that keeps it out.
    pub fn reject(&self, reason: Reason, text: Option<&str>, out: &mut BytesMut) {
        let connack = ConnAck {
            reason_string: text,
            ..ConnAck::default()
        };
        connack.write(self.version, reason, self.terms.packet_max, out);
    }

    /// Writes the AUTH that asks it for more.
    pub fn ask_more(&self, data: &[u8], out: &mut BytesMut) {
        if let Some(authentication) = &self.authentication {
            let reason = Reason::ContinueAuthentication;
            codec::auth(reason, authentication.method.name(), Some(data), out);
        }
    }
}

/// MQTT 5.0 gives every client a name; 3.1.1 those whose session is not kept; 3.1 none.
fn may_be_nameless(connect: &Connect<'_>) -> bool {
    match connect.version {
        Version::V3_1 => false,
        Version::V3_1_1 => connect.clean_start,
        Version::V5 => true,
    }
}

fn terms<'a>(connect: &Connect<'a>, options: &Options) -> (Terms, Option<&'a str>) {
    let mut method = None;
    let mut terms = Terms {
        session_expiry: match (connect.version, connect.clean_start) {
            (Version::V5, _) | (_, true) => 0,
            (_, false) => options.default_session_expiry_s,
        },
        receive_maximum: options.default_in_flight_maximum,
        packet_max: Options::PACKET_MAX as usize,
        topic_alias_maximum: 0,
    };
    for property in connect.properties.iter() {
        match property {
            Property::SessionExpiryInterval(seconds) => terms.session_expiry = seconds,
            Property::ReceiveMaximum(maximum) => terms.receive_maximum = maximum,
            Property::MaximumPacketSize(bytes) => terms.packet_max = bytes as usize,
            Property::TopicAliasMaximum(maximum) => terms.topic_alias_maximum = maximum,
            Property::AuthenticationMethod(name) => method = Some(name),
            _ => {}
        }
    }
    (terms, method)
}

/// A password that is no text is nobody's.
fn credentials(connect: &Connect<'_>) -> Credentials {
    Credentials {
        user: connect.user.map(str::to_owned),
        password: connect
            .password
            .map(|password| String::from_utf8_lossy(password).into_owned()),
    }
}

fn will(
    connect: &Connect<'_>,
    client_id: &Arc<str>,
    options: &Options,
    now: Now,
) -> Result<Option<Box<Will>>, NotWelcome> {
    let Some(will) = &connect.will else {
        return Ok(None);
    };
    if topic::is_reserved(will.topic) {
        return Err(NotWelcome {
            reason: Reason::TopicNameInvalid,
            clause: None,
            detail: "a will is for a topic that belongs to the server",
        });
    }
    let destination = Destination::of(will.topic, options);
    let header = Header {
        address: &destination.address,
        client_id,
        qos: will.qos,
        retain: will.retain,
    };
    let payload = Bytes::copy_from_slice(will.payload);
    Ok(Some(Box::new(Will {
        message: convert::message(header, will.properties, payload, now),
        routing: destination.routing,
        retain: will.retain,
        delay_s: delay(will.properties),
    })))
}

fn delay(properties: PropertyBlock<'_>) -> u32 {
    let delays = properties.iter().filter_map(|property| match property {
        Property::WillDelayInterval(seconds) => Some(seconds),
        _ => None,
    });
    delays.last().unwrap_or(0)
}
