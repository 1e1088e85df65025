// SPDX-License-Identifier: Apache-2.0
//! How a node stands to other nodes.

/// What `<ha-policy>` says. So far only a node without a peer is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HaPolicy {
    /// No peer: active as soon as its log is recovered.
    #[default]
    PrimaryOnly,
}
