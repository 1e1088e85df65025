// SPDX-License-Identifier: Apache-2.0
//! Enhanced authentication: an exchange of AUTH packets by a method both sides know [MQTT 5.0 §4.12].

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hind_engine::security::user::Identity;

/// A way to authenticate.
pub trait Method: Send + Sync + fmt::Debug {
    /// What clients call it, for example `SCRAM-SHA-256`.
    fn name(&self) -> &str;

    /// Begins an exchange with one client.
    fn begin(&self) -> Box<dyn Exchange>;
}

/// One client's authentication.
pub trait Exchange: Send + fmt::Debug {
    /// The client has said this.
    fn step(&mut self, data: Option<&[u8]>) -> Step;
}

/// What follows on what the client has said.
#[derive(Clone, PartialEq, Debug)]
pub enum Step {
    /// The client is to say more.
    Continue(Bytes),
    /// The client is who it says it is.
    Accept {
        /// Who.
        identity: Identity,
        /// The last word.
        data: Option<Bytes>,
    },
    /// It is not.
    Refuse,
}

/// An exchange that is going on, or could go on again.
#[derive(Debug)]
pub(crate) struct Authentication {
    /// The method, which stays the same for the life of the connection [MQTT-4.12.1-1].
    pub method: Arc<dyn Method>,
    /// What the exchange has come to; `None` between exchanges.
    pub exchange: Option<Box<dyn Exchange>>,
}

impl Authentication {
    /// Begins, if a method of that name is known.
    pub fn begin(methods: &[Arc<dyn Method>], name: &str) -> Option<Self> {
        let method = methods.iter().find(|method| method.name() == name)?;
        Some(Self {
            method: Arc::clone(method),
            exchange: Some(method.begin()),
        })
    }

    /// The client's next word; `None` if no exchange is going on.
    pub fn step(&mut self, data: Option<&[u8]>) -> Option<Step> {
        let step = self.exchange.as_mut()?.step(data);
        if !matches!(step, Step::Continue(_)) {
            self.exchange = None;
        }
        Some(step)
    }
}
