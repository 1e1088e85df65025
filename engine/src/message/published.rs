// SPDX-License-Identifier: Apache-2.0
//! What the fixed header of an MQTT PUBLISH says, kept beside the properties because most messages have nothing else to
//! say: other protocols see it as the properties that Artemis gives such messages.

use std::sync::Arc;

use super::properties::{self, Value};

/// How often a message may arrive: MQTT's Quality of Service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum Qos {
    /// 0: it may be lost.
    #[default]
    AtMostOnce = 0,
    /// 1: it may arrive twice.
    AtLeastOnce = 1,
    /// 2.
    ExactlyOnce = 2,
}

impl Qos {
    /// The QoS of MQTT's number, if it is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::AtMostOnce,
            1 => Self::AtLeastOnce,
            2 => Self::ExactlyOnce,
            _ => return None,
        })
    }
}

/// How a message was published over MQTT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// By whom.
    pub client_id: Arc<str>,
    /// With which QoS.
    pub qos: Qos,
    /// To be retained.
    pub retain: bool,
    /// It is a copy of a retained message, made for one new subscription.
    pub stored: bool,
}

impl Published {
    /// The properties that say it, with Artemis's names.
    pub fn properties(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        [
            (properties::MQTT_QOS, Value::Int(i32::from(self.qos as u8))),
            (properties::MQTT_RETAIN, Value::Boolean(self.retain)),
            (
                properties::CONNECTION_CLIENT_ID,
                Value::Text(&self.client_id),
            ),
        ]
        .into_iter()
    }

    /// The one of that name.
    pub fn property(&self, name: &str) -> Option<Value<'_>> {
        self.properties()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}
