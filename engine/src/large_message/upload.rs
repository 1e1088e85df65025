// SPDX-License-Identifier: Apache-2.0
//! A body on its way in: from its first bytes until a message is sent with it.

use crate::address::settings::DiskFullPolicy;
use crate::command::{Send, UploadCommand};
use crate::engine::{Engine, Turn};
use crate::event::{Event, Refusal};
use crate::id::{AddressId, ConnectionId, LargeId, SessionId, Ticket, UploadId};
use crate::message::{Body, Kind, Message};
use crate::storage::large_message::{Chunk, Writer};
use crate::storage::request::{LargeRequest, Request};

/// A body on its way in. Belongs to its connection and goes with it.
#[derive(Debug)]
pub struct Upload {
    session: SessionId,
    writer: Writer,
    /// Bytes of the file that the disk has not answered for.
    unwritten: u64,
    /// Where the message is to go.
    address: AddressId,
    /// The disk has become full, and the address drops what is sent to it then: nothing is kept.
    dropped: bool,
    stage: Stage,
}

/// What an upload waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// More of the body, or its end.
    Growing,
    /// The disk to say that it is all written, and synced if that is asked for.
    Ending { sync: bool, ticket: Ticket },
    /// To be sent.
    Ended,
}

impl Engine {
    /// A client uploads a body.
    pub(crate) fn upload(
        &mut self,
        from: ConnectionId,
        id: UploadId,
        command: UploadCommand,
        turn: &mut Turn<'_>,
    ) {
        match command {
            UploadCommand::Begin(begin) => {
                let ticket = begin.ticket;
                let probe = Send {
                    message: Message::new(begin.address, Kind::Bytes, Body::default()),
                    routing: begin.routing,
                    transaction: None,
                    retain: false,
                    packet: None,
                    upload: None,
                    ticket: None,
                };
                let end = self.begin_upload(from, id, begin.session, &probe, turn);
                if let Err(refusal) = end {
                    self.answer(from, ticket, Err(refusal), turn);
                }
            }
            UploadCommand::Append(bytes) => {
                if self.disk_full.is_some() {
                    self.append_on_full_disk(from, id, turn);
                }
                self.append(from, id, &bytes, turn);
            }
            UploadCommand::End { durable, ticket } => {
                self.end_upload(from, id, durable, ticket, turn)
            }
            UploadCommand::Abort => self.abort_upload(from, id, turn),
        }
    }

    fn begin_upload(
        &mut self,
        from: ConnectionId,
        id: UploadId,
        session: SessionId,
        probe: &Send,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        // Checked before the body has come: nobody is to send two gigabytes in order to hear no.
        let address = self.target(from, session, probe, turn)?.address;
        if let Some(refusal) = self.refuses_at_once(address) {
            return Err(refusal);
        }
        let limit = self.settings.limits.uploads;
        let client = self.clients.get(&from).ok_or(Refusal::Unknown("client"))?;
        if client.uploads.contains_key(&id) {
            return Err(Refusal::Unknown("free upload id"));
        }
        if client.uploads.len() >= limit {
            return Err(Refusal::LimitReached("uploads of one connection"));
        }
        let body = LargeId(self.new_id(turn));
        let upload = Upload {
            session,
            writer: Writer::new(body),
            unwritten: 0,
            address,
            dropped: false,
            stage: Stage::Growing,
        };
        if let Some(client) = self.clients.get_mut(&from) {
            client.uploads.insert(id, upload);
            self.large.uploading.insert(body, (from, id));
        }
        Ok(())
    }

    fn upload_mut(&mut self, from: ConnectionId, id: UploadId) -> Option<&mut Upload> {
        self.clients.get_mut(&from)?.uploads.get_mut(&id)
    }

    fn append(&mut self, from: ConnectionId, id: UploadId, bytes: &[u8], turn: &mut Turn<'_>) {
        let upload = self.upload_mut(from, id);
        let Some(upload) = upload.filter(|upload| upload.stage == Stage::Growing) else {
            return;
        };
        if upload.dropped {
            let dropped = Event::Uploaded(id, bytes.len() as u64);
            turn.events.push((from, dropped));
            return;
        }
        let before = upload.writer.held();
        let chunks = upload.writer.push(bytes);
        let held = upload.writer.held();
        self.large.collecting = self.large.collecting + held - before;
        for chunk in chunks {
            self.append_chunk(from, id, chunk, turn);
        }
    }

    /// The disk is full: an address that has its senders wait has told them so, and what is on its way is taken; one that
    /// refuses or drops does so in the middle.
    fn append_on_full_disk(&mut self, from: ConnectionId, id: UploadId, turn: &mut Turn<'_>) {
        let Some(upload) = self.upload_mut(from, id) else {
            return;
        };
        let (address, body) = (upload.address, upload.writer.body().id);
        match self.policy_on_full_disk(address) {
            DiskFullPolicy::Block => {}
            DiskFullPolicy::Fail => {
                self.abort_upload(from, id, turn);
                let refusal = self.refuses_at_once(address);
                let refusal = refusal.unwrap_or(Refusal::Unknown("address"));
                self.answer(from, None, Err(refusal), turn);
            }
            DiskFullPolicy::Drop => {
                let upload = self.upload_mut(from, id);
                if upload.is_some_and(|upload| !std::mem::replace(&mut upload.dropped, true)) {
                    turn.storage.ask(Request::Large(LargeRequest::Delete(body)));
                    self.note_dropped(address, None, turn);
                }
            }
        }
    }

    fn append_chunk(
        &mut self,
        from: ConnectionId,
        id: UploadId,
        chunk: Chunk,
        turn: &mut Turn<'_>,
    ) {
        let length = chunk.bytes.len() as u64;
        let Some(upload) = self.upload_mut(from, id) else {
            return;
        };
        upload.unwritten += length;
        let body = upload.writer.body().id;
        self.large.unwritten += length;
        turn.storage.ask(Request::Large(LargeRequest::Append {
            body,
            offset: chunk.offset,
            bytes: chunk.bytes,
        }));
    }

    fn end_upload(
        &mut self,
        from: ConnectionId,
        id: UploadId,
        durable: bool,
        ticket: Ticket,
        turn: &mut Turn<'_>,
    ) {
        let sync = durable && self.settings.sync_large_messages;
        let upload = self.upload_mut(from, id);
        let Some(upload) = upload.filter(|upload| upload.stage == Stage::Growing) else {
            self.answer(from, Some(ticket), Err(Refusal::Unknown("upload")), turn);
            return;
        };
        upload.stage = Stage::Ending { sync, ticket };
        if upload.dropped {
            self.end_if_written(from, id, turn);
            return;
        }
        let held = upload.writer.held();
        let rest = upload.writer.finish();
        let body = upload.writer.body();
        self.large.collecting -= held;
        if let Some(chunk) = rest {
            self.append_chunk(from, id, chunk, turn);
        }
        if sync && body.size > 0 {
            let seal = LargeRequest::Seal(body.id);
            turn.storage.ask(Request::Large(seal));
        } else {
            self.end_if_written(from, id, turn);
        }
    }

    /// The disk has written a chunk: the client may send more, or has sent all.
    pub(super) fn appended(&mut self, body: LargeId, length: u64, turn: &mut Turn<'_>) {
        self.large.unwritten = self.large.unwritten.saturating_sub(length);
        let Some((from, id)) = self.large.uploading.get(&body).copied() else {
            return;
        };
        let Some(upload) = self.upload_mut(from, id) else {
            return;
        };
        upload.unwritten = upload.unwritten.saturating_sub(length);
        let written = Event::Uploaded(id, Chunk::held(length));
        turn.events.push((from, written));
        if !matches!(upload.stage, Stage::Ending { sync: true, .. }) {
            self.end_if_written(from, id, turn);
        }
    }

    fn end_if_written(&mut self, from: ConnectionId, id: UploadId, turn: &mut Turn<'_>) {
        let Some(upload) = self.upload_mut(from, id) else {
            return;
        };
        if let (Stage::Ending { ticket, .. }, 0) = (upload.stage, upload.unwritten) {
            upload.stage = Stage::Ended;
            self.answer(from, Some(ticket), Ok(()), turn);
        }
    }

    /// The disk keeps the body for good.
    pub(super) fn sealed(&mut self, body: LargeId, turn: &mut Turn<'_>) {
        if let Some((from, id)) = self.large.uploading.get(&body).copied() {
            self.end_if_written(from, id, turn);
        }
    }

    /// A message is sent with the body: the upload has done its service. `None`: the body was dropped.
    pub(crate) fn take_upload(
        &mut self,
        from: ConnectionId,
        id: UploadId,
    ) -> Result<Option<Body>, Refusal> {
        let client = self
            .clients
            .get_mut(&from)
            .ok_or(Refusal::Unknown("client"))?;
        let ended = client.uploads.get(&id).map(|upload| upload.stage) == Some(Stage::Ended);
        let upload = ended.then(|| client.uploads.remove(&id)).flatten();
        let upload = upload.ok_or(Refusal::Unknown("upload"))?;
        let body = upload.writer.body();
        self.large.collecting -= upload.writer.held();
        self.large.uploading.remove(&body.id);
        if upload.dropped {
            return Ok(None);
        }
        if body.size == 0 {
            return Ok(Some(Body::default()));
        }
        // Should nobody take the message, nobody needs the file.
        self.state.large.offered(body.id);
        Ok(Some(Body::Large(body)))
    }

    /// The send is not carried out: nor is its upload kept.
    pub(crate) fn abort_upload_of(&mut self, from: ConnectionId, send: &Send, turn: &mut Turn<'_>) {
        if let Some(id) = send.upload {
            self.abort_upload(from, id, turn);
        }
    }

    /// The upload is given up: nothing of it is kept.
    pub(crate) fn abort_upload(&mut self, from: ConnectionId, id: UploadId, turn: &mut Turn<'_>) {
        let client = self.clients.get_mut(&from);
        if let Some(upload) = client.and_then(|client| client.uploads.remove(&id)) {
            let body = upload.writer.body().id;
            self.large.collecting -= upload.writer.held();
            self.large.uploading.remove(&body);
            turn.storage.ask(Request::Large(LargeRequest::Delete(body)));
        }
    }

    /// Gives up all uploads of a client, or those of one of its sessions.
    pub(crate) fn abort_uploads(
        &mut self,
        from: ConnectionId,
        session: Option<SessionId>,
        turn: &mut Turn<'_>,
    ) {
        let Some(client) = self.clients.get(&from) else {
            return;
        };
        let of_session = |upload: &Upload| session.is_none_or(|session| upload.session == session);
        let uploads: Vec<UploadId> = client
            .uploads
            .iter()
            .filter(|(_, upload)| of_session(upload))
            .map(|(id, _)| *id)
            .collect();
        for id in uploads {
            self.abort_upload(from, id, turn);
        }
    }
}
