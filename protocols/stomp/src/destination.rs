// SPDX-License-Identifier: Apache-2.0
//! Destinations: an address, the prefix that was before it, and what routing that asks for.

use std::sync::Arc;

use hind_engine::address::routing_type::RoutingType;

use crate::fault::Fault;
use crate::options::Options;

/// What a `destination` header means on one acceptor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Destination {
    /// The address or FQQN, without prefix.
    pub address: Arc<str>,
    /// The acceptor's prefix that was cut off; shown again to whoever receives the message.
    pub prefix: Option<Arc<str>>,
    /// What the prefix asks for.
    pub routing: Option<RoutingType>,
}

impl Destination {
    /// Cuts the longest matching prefix of the acceptor off.
    pub fn resolve(text: &str, options: &Options) -> Self {
        let anycast = options
            .anycast_prefixes
            .iter()
            .map(|prefix| (prefix, RoutingType::Anycast));
        let multicast = options
            .multicast_prefixes
            .iter()
            .map(|prefix| (prefix, RoutingType::Multicast));
        let found = anycast
            .chain(multicast)
            .filter(|(prefix, _)| text.starts_with(&***prefix))
            .max_by_key(|(prefix, _)| prefix.len());
        match found {
            Some((prefix, routing)) => Self {
                address: Arc::from(&text[prefix.len()..]),
                prefix: Some(Arc::clone(prefix)),
                routing: Some(routing),
            },
            None => Self {
                address: Arc::from(text),
                prefix: None,
                routing: None,
            },
        }
    }
}

/// The value of a `destination-type` or `subscription-type` header.
pub(crate) fn routing_type(header: &'static str, value: &str) -> Result<RoutingType, Fault> {
    if value.eq_ignore_ascii_case("ANYCAST") {
        Ok(RoutingType::Anycast)
    } else if value.eq_ignore_ascii_case("MULTICAST") {
        Ok(RoutingType::Multicast)
    } else {
        Err(Fault::header_value(
            "Artemis manual §STOMP",
            header,
            value,
            "ANYCAST or MULTICAST",
        ))
    }
}

/// The last destination a client sent to: nearly always the next one too.
#[derive(Debug, Default)]
pub(crate) struct LastDestination(Option<(Box<str>, Destination)>);

impl LastDestination {
    /// The destination of that text.
    pub fn get(&mut self, text: &str, options: &Options) -> &Destination {
        let hit = matches!(&self.0, Some((last, _)) if **last == *text);
        if !hit {
            self.0 = None;
        }
        let (_, destination) = self
            .0
            .get_or_insert_with(|| (Box::from(text), Destination::resolve(text, options)));
        destination
    }
}
