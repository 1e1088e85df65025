// SPDX-License-Identifier: Apache-2.0
//! CONNECT: the first packet of a client [MQTT 5.0 §3.1].

use super::cursor::Cursor;
use super::property::{Carrier, PropertyBlock};
use super::{Malformed, Qos, Reason, Version, text};

/// A client introduces itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    /// What it speaks.
    pub version: Version,
    /// Nothing of an earlier session is to be kept.
    pub clean_start: bool,
    /// Seconds after which it will have been heard of; 0 for no promise.
    pub keep_alive: u16,
    /// Its name; may be empty.
    pub client_id: &'a str,
    /// To be published if it is lost.
    pub will: Option<Will<'a>>,
    /// For the login.
    pub user: Option<&'a str>,
    /// For the login.
    pub password: Option<&'a [u8]>,
    /// Anything else.
    pub properties: PropertyBlock<'a>,
}

/// A message to be published if the client is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Will<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Its QoS.
    pub qos: Qos,
    /// It is to be kept for who subscribes later.
    pub retain: bool,
    /// Those of the message, and how long it waits.
    pub properties: PropertyBlock<'a>,
    /// What it says.
    pub payload: &'a [u8],
}

/// How a refused CONNECT is answered before the connection is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not at all.
    Nothing,
    /// By a CONNACK of MQTT 3.1 and 3.1.1 with this return code.
    ReturnCode(u8),
    /// By a CONNACK of MQTT 5.0 with this reason.
    Reason(Reason),
}

/// A CONNECT that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RefusedConnect {
    /// What is wrong with it.
    pub malformed: Malformed,
    /// What the client is told.
    pub answer: Answer,
}

/// The connect flags [§3.1.2.3].
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
    const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    const fn clean_start(self) -> bool {
        self.has(0x02)
    }

    const fn will(self) -> bool {
        self.has(0x04)
    }

    const fn will_retain(self) -> bool {
        self.has(0x20)
    }

    const fn password(self) -> bool {
        self.has(0x40)
    }

    const fn user(self) -> bool {
        self.has(0x80)
    }

    fn check(self, version: Version) -> Result<(), Malformed> {
        if self.has(0x01) && version > Version::V3_1 {
            let what = "the reserved connect flag is set";
            return Err(Malformed::packet("MQTT-3.1.2-3", what));
        }
        if !self.will() && self.0 & 0x38 != 0 && version > Version::V3_1 {
            let what = "connect flags speak of a will that is not there";
            return Err(Malformed::packet("MQTT-3.1.2-11", what));
        }
        if self.password() && !self.user() && version < Version::V5 {
            let what = "a password without a user name";
            return Err(Malformed::packet("MQTT-3.1.2-22", what));
        }
        Ok(())
    }

    fn will_qos(self) -> Result<Qos, Malformed> {
        // A client that gets this wrong may be none at all.
        Qos::from_number(self.0 >> 3 & 0b11)
            .ok_or(Malformed::packet("MQTT-3.1.2-12", "the QoS of a will is 3").silently())
    }
}

impl<'a> Connect<'a> {
    /// Reads a CONNECT; `flags` are those of its fixed header, `body` is what follows.
    ///
    /// # Errors
    /// It is malformed or of a version that is not spoken here.
    pub fn read(flags: u8, body: &'a [u8]) -> Result<Self, RefusedConnect> {
        let mut cursor = Cursor::new(body);
        let version = version(&mut cursor)?;
        if flags != 0 && version > Version::V3_1 {
            let what = "the flags of a CONNECT's fixed header are not 0";
            return Err(Malformed::packet("MQTT-2.1.3-1", what).silently().into());
        }
        Self::rest(version, cursor).map_err(|malformed| RefusedConnect {
            malformed,
            answer: if version < Version::V5 || malformed.is_silent {
                Answer::Nothing
            } else {
                Answer::Reason(malformed.reason)
            },
        })
    }

    fn rest(version: Version, mut cursor: Cursor<'a>) -> Result<Self, Malformed> {
        let flags = Flags(cursor.byte()?);
        flags.check(version)?;
        let keep_alive = cursor.two_bytes()?;
        let has_properties = version == Version::V5;
        let properties = match has_properties {
            true => PropertyBlock::read(&mut cursor, Carrier::Connect)?,
            false => PropertyBlock::default(),
        };
        let client_id = text::name(cursor.binary()?).map_err(|malformed| Malformed {
            reason: Reason::ClientIdentifierNotValid,
            clause: "MQTT-3.1.3-4",
            ..malformed
        })?;
        let will = match flags.will() {
            true => Some(Will::read(flags, has_properties, &mut cursor)?),
            false => None,
        };
        // Credentials that cannot be read get no more of an answer than wrong ones would get of an explanation.
        let user = flags
            .user()
            .then(|| cursor.name().map_err(Malformed::silently));
        let user = user.transpose()?;
        let password = flags
            .password()
            .then(|| cursor.binary().map_err(Malformed::silently));
        let password = password.transpose()?;
        cursor.end()?;
        Ok(Self {
            version,
            clean_start: flags.clean_start(),
            keep_alive,
            client_id,
            will,
            user,
            password,
            properties,
        })
    }
}

impl<'a> Will<'a> {
    fn read(
        flags: Flags,
        has_properties: bool,
        cursor: &mut Cursor<'a>,
    ) -> Result<Self, Malformed> {
        let qos = flags.will_qos()?;
        let properties = match has_properties {
            true => PropertyBlock::read(cursor, Carrier::Will)?,
            false => PropertyBlock::default(),
        };
        let topic = text::topic(cursor.name()?)?;
        if topic == "$CONTROL" || topic.starts_with("$CONTROL/") {
            let what = "a will must not speak to the broker itself";
            return Err(Malformed::packet("MQTT 5.0 §4.7.2", what));
        }
        Ok(Self {
            topic,
            qos,
            retain: flags.will_retain(),
            properties,
            payload: cursor.binary()?,
        })
    }
}

/// Protocol name and level [MQTT-3.1.2-1, MQTT-3.1.2-2].
fn version(cursor: &mut Cursor<'_>) -> Result<Version, RefusedConnect> {
    let name = cursor.binary().map_err(Malformed::silently)?;
    let is_old = match name {
        b"MQTT" => false,
        b"MQIsdp" => true,
        _ => {
            let what = "the protocol is not MQTT";
            return Err(Malformed::protocol("MQTT-3.1.2-1", what).silently().into());
        }
    };
    let level = cursor.byte().map_err(Malformed::silently)?;
    let return_code = match (is_old, level) {
        (true, 3) => return Ok(Version::V3_1),
        (false, 4) => return Ok(Version::V3_1_1),
        (false, 5) => return Ok(Version::V5),
        // The name is that of another version; or a bridge of Mosquitto asks whether this is Mosquitto, too.
        (true, 4) | (false, 3) => true,
        (_, level) => level & 0x80 != 0,
    };
    Err(RefusedConnect {
        malformed: Malformed::because(
            Reason::UnsupportedProtocolVersion,
            "MQTT-3.1.2-2",
            "the version of the protocol is not spoken here",
        ),
        answer: match return_code {
            true => Answer::ReturnCode(1),
            false => Answer::Reason(Reason::UnsupportedProtocolVersion),
        },
    })
}

impl From<Malformed> for RefusedConnect {
    /// Without an answer.
    fn from(malformed: Malformed) -> Self {
        Self {
            malformed,
            answer: Answer::Nothing,
        }
    }
}
