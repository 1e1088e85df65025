// SPDX-License-Identifier: Apache-2.0
//! How a client dials a broker: a connector of broker.xml on the wire.

use bytes::BufMut;

use super::Malformed;
use super::field::{Field, Reader, Writer, body};

/// What a connector over TCP names as its factory.
pub const NETTY_CONNECTOR_FACTORY: &str =
    "org.apache.activemq.artemis.core.remoting.impl.netty.NettyConnectorFactory";

const BOOLEAN: i8 = 0;
const INT: i8 = 1;
const LONG: i8 = 2;
const TEXT: i8 = 3;

/// The value of one parameter. Artemis sends numbers as text too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    /// A truth value.
    Boolean(bool),
    /// 32 bits, signed.
    Int(i32),
    /// 64 bits, signed.
    Long(i64),
    /// Text.
    Text(String),
}

impl Field for Parameter {
    const LEAST: usize = 2;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match from.read::<i8>()? {
            BOOLEAN => Self::Boolean(from.read()?),
            INT => Self::Int(from.read()?),
            LONG => Self::Long(from.read()?),
            TEXT => Self::Text(from.read()?),
            tag => return Err(Malformed::Tag(tag.cast_unsigned())),
        })
    }

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Boolean(value) => {
                to.out.put_i8(BOOLEAN);
                value.write(to);
            }
            Self::Int(value) => {
                to.out.put_i8(INT);
                value.write(to);
            }
            Self::Long(value) => {
                to.out.put_i8(LONG);
                value.write(to);
            }
            Self::Text(value) => {
                to.out.put_i8(TEXT);
                value.write(to);
            }
        }
    }
}

body! {
    /// One parameter of a connector. A key with the prefix `$.EP.` is one of the extra ones.
    NamedParameter {
        /// Its key, such as `host`.
        key: String,
        /// Its value.
        value: Parameter,
    }

    /// A connector.
    TransportConfiguration {
        /// Its name in broker.xml.
        name: String,
        /// The Java class that makes it.
        factory: String,
        /// Where it leads, and how.
        parameters: Vec<NamedParameter>,
    }
}

impl TransportConfiguration {
    /// A connector over TCP.
    pub fn tcp(name: &str, host: &str, port: u16) -> Self {
        let parameter = |key: &str, value: String| NamedParameter {
            key: key.to_owned(),
            value: Parameter::Text(value),
        };
        Self {
            name: name.to_owned(),
            factory: NETTY_CONNECTOR_FACTORY.to_owned(),
            parameters: vec![
                parameter("host", host.to_owned()),
                parameter("port", port.to_string()),
            ],
        }
    }

    /// The value of a parameter.
    pub fn parameter(&self, key: &str) -> Option<&Parameter> {
        let found = self.parameters.iter().find(|named| named.key == key);
        found.map(|named| &named.value)
    }

    /// The port, whether written as text or as a number.
    pub fn port(&self) -> Option<u16> {
        match self.parameter("port")? {
            Parameter::Text(text) => text.parse().ok(),
            Parameter::Int(number) => u16::try_from(*number).ok(),
            Parameter::Long(number) => u16::try_from(*number).ok(),
            Parameter::Boolean(_) => None,
        }
    }
}
