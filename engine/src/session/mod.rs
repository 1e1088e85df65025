// SPDX-License-Identifier: Apache-2.0
//! What the engine knows of a client: its sessions, and where its consumers and transactions are.

pub(crate) mod blocks;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address::name::split_fqqn;
use crate::event::Refusal;
use crate::id::{
    AddressId, ClientSessionId, ConsumerId, DownloadId, QueueId, SessionId, TransactionId, UploadId,
};
use crate::large_message::{Download, Upload};
use crate::security::permissions::Permission;
use crate::security::user::Identity;
use crate::settings::Settings;
use crate::storage::Position;
use crate::transaction::Transaction;

/// One connection.
#[derive(Debug, Default)]
pub struct Client {
    /// Its sessions.
    pub sessions: BTreeMap<SessionId, Session>,
    /// Which queue each of its consumers is on.
    pub consumers: BTreeMap<ConsumerId, QueueId>,
    /// Bodies on their way in.
    pub uploads: BTreeMap<UploadId, Upload>,
    /// Bodies on their way out.
    pub downloads: BTreeMap<DownloadId, Download>,
    /// The client session it has taken up.
    pub client_session: Option<ClientSessionId>,
    /// Its open transactions.
    pub transactions: BTreeMap<TransactionId, Transaction>,
    /// The last position it caused: whatever it is told next waits for that.
    pub last: Position,
    /// The address it last sent to, so that the next send need not look it up.
    pub last_address: Option<(Arc<str>, AddressId)>,
}

/// One session: a user, and what has been granted to it.
#[derive(Debug)]
pub struct Session {
    /// Who it is.
    pub identity: Identity,
    /// The client id, if there is one.
    pub client_id: Option<Arc<str>>,
    granted: Option<(Permission, Arc<str>)>,
}

impl Session {
    /// A session of that user.
    pub fn new(identity: Identity, client_id: Option<Arc<str>>) -> Self {
        Self {
            identity,
            client_id,
            granted: None,
        }
    }

    /// Lets pass what the security settings grant (manual, chapter Authentication & Authorization): those written for
    /// this very FQQN, else the most specific match of the address, and nothing else.
    ///
    /// # Errors
    /// No role of the user has the permission there.
    pub fn check(
        &mut self,
        settings: &Settings,
        permission: Permission,
        name: &Arc<str>,
    ) -> Result<(), Refusal> {
        if !settings.security_enabled {
            return Ok(());
        }
        if self
            .granted
            .as_ref()
            .is_some_and(|(p, n)| *p == permission && n == name)
        {
            return Ok(());
        }
        let (address, queue) = split_fqqn(name);
        let of_queue = queue.and_then(|_| settings.security.exact(name));
        let permissions = of_queue.or_else(|| settings.security.most_specific(address));
        if permissions
            .is_some_and(|permissions| permissions.allows(permission, &self.identity.roles))
        {
            self.granted = Some((permission, name.clone()));
            return Ok(());
        }
        Err(Refusal::NotAuthorized {
            user: self.identity.user.clone(),
            permission,
            address: address.into(),
            queue: queue.map(Into::into),
        })
    }
}
