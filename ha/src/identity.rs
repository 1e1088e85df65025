// SPDX-License-Identifier: Apache-2.0
//! Who a node is, and what it has promised: the content of `node.state`. (Replaced when the storage branch lands.)
use bytes::{BufMut, Bytes, BytesMut};
use hind_engine::storage::{Branch, Position};

/// What is durable about oneself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeState {
    /// One installation.
    pub broker_id: [u8; 16],
    /// What the two brokers of a pair share.
    pub node_id: String,
    /// Highest epoch entered.
    pub epoch: u64,
}

impl NodeState {
    /// A new installation.
    pub fn first(broker_id: [u8; 16], node_id: String) -> Self {
        Self {
            broker_id,
            node_id,
            epoch: 0,
        }
    }
    /// Takes an epoch above its own and `recovered`.
    pub fn enter_next_epoch(&mut self, recovered: u64, _first: Position) {
        self.epoch = self.epoch.max(recovered) + 1;
    }
    /// Its branch.
    pub fn branch(&self) -> Branch {
        let mut holder = [0; 8];
        holder.copy_from_slice(&self.broker_id[..8]);
        Branch {
            epoch: self.epoch,
            holder: u64::from_be_bytes(holder),
        }
    }
    /// To bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(&self.broker_id);
        out.put_u64(self.epoch);
        out.put_slice(self.node_id.as_bytes());
        out.freeze()
    }
    /// From bytes.
    ///
    /// # Errors
    /// Too short or not text.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < 24 {
            return Err("too short".into());
        }
        let mut broker_id = [0; 16];
        broker_id.copy_from_slice(&bytes[..16]);
        let mut epoch = [0; 8];
        epoch.copy_from_slice(&bytes[16..24]);
        let node_id = String::from_utf8(bytes[24..].to_vec()).map_err(|e| e.to_string())?;
        Ok(Self {
            broker_id,
            node_id,
            epoch: u64::from_be_bytes(epoch),
        })
    }
}
