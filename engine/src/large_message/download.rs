// SPDX-License-Identifier: Apache-2.0
//! A body on its way out to one client: read in windows, as the client's connection has room for them.

use bytes::Bytes;

use crate::command::{DownloadCommand, DownloadOpen};
use crate::engine::{Engine, Turn};
use crate::event::Event;
use crate::id::{ConnectionId, ConsumerId, DeliveryId, DownloadId, LargeId};
use crate::message::LargeBody;
use crate::storage::large_message::Chunks;
use crate::storage::request::{LargeRequest, Request};

/// A body on its way out. It needs the body until its last window has been read, whatever becomes of the message.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// What is read.
    pub body: LargeBody,
    /// Whose delivery it is.
    pub consumer: ConsumerId,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// The next chunk to be asked for.
    next: u64,
}

/// A read that the disk has not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    body: LargeBody,
    chunk: u64,
    to: (ConnectionId, DownloadId),
    /// Not for the client: whether the end of the file is there, before anything of it goes out.
    probe: bool,
}

impl Engine {
    /// A client reads a body.
    pub(crate) fn download(
        &mut self,
        from: ConnectionId,
        id: DownloadId,
        command: DownloadCommand,
        turn: &mut Turn<'_>,
    ) {
        match command {
            DownloadCommand::Open(open) => self.open_download(from, id, &open, turn),
            DownloadCommand::Next => self.read_next(from, id, turn),
            DownloadCommand::Close => self.close_download(from, id),
        }
    }

    fn open_download(
        &mut self,
        from: ConnectionId,
        id: DownloadId,
        open: &DownloadOpen,
        turn: &mut Turn<'_>,
    ) {
        // Between delivery and download the message may have been taken away, and its body with it.
        let is_there = self.state.large_count(open.body.id) > 0;
        let Some(client) = self.clients.get_mut(&from) else {
            return;
        };
        if !is_there || open.body.size == 0 || client.downloads.contains_key(&id) {
            turn.events.push((from, Event::DownloadFailed(id)));
            return;
        }
        let download = Download {
            body: open.body,
            consumer: open.consumer,
            delivery: open.delivery,
            next: 0,
        };
        client.downloads.insert(id, download);
        self.state.large.acquire(open.body.id);
        let last = Chunks(open.body).count() - 1;
        self.read(open.body, last, (from, id), true, turn);
    }

    fn read_next(&mut self, from: ConnectionId, id: DownloadId, turn: &mut Turn<'_>) {
        let client = self.clients.get_mut(&from);
        let Some(download) = client.and_then(|client| client.downloads.get_mut(&id)) else {
            return;
        };
        if download.next < Chunks(download.body).count() {
            let (body, chunk) = (download.body, download.next);
            download.next += 1;
            self.read(body, chunk, (from, id), false, turn);
        }
    }

    fn read(
        &mut self,
        body: LargeBody,
        chunk: u64,
        to: (ConnectionId, DownloadId),
        probe: bool,
        turn: &mut Turn<'_>,
    ) {
        let span = Chunks(body).span(chunk);
        self.large.reads.push_back(Read {
            body,
            chunk,
            to,
            probe,
        });
        turn.storage.ask(Request::Large(LargeRequest::Read {
            body: body.id,
            offset: span.offset,
            length: span.length,
        }));
    }

    /// The disk has answered the oldest read.
    pub(super) fn read_back(
        &mut self,
        body: LargeId,
        offset: u64,
        read: Result<Bytes, String>,
        turn: &mut Turn<'_>,
    ) {
        let Some(of) = self.large.reads.pop_front() else {
            return;
        };
        let span = Chunks(of.body).span(of.chunk);
        assert_eq!((of.body.id, span.offset), (body, offset), "in order");
        let (from, id) = of.to;
        let client = self.clients.get(&from);
        if client.is_none_or(|client| !client.downloads.contains_key(&id)) {
            return;
        }
        let opened = read.and_then(|bytes| {
            let length = bytes.len();
            Chunks(of.body).open(of.chunk, bytes).ok_or_else(|| {
                let wanted = span.length;
                match length == wanted as usize {
                    true => format!("the checksum of the {wanted} bytes at {offset} is wrong"),
                    false => format!("{length} of the {wanted} bytes at {offset} are there"),
                }
            })
        });
        match opened {
            Err(why) => self.lose_body(body, &why, turn),
            Ok(_) if of.probe => {}
            Ok(window) => {
                turn.events.push((from, Event::Window(id, window)));
                if of.chunk + 1 == Chunks(of.body).count() {
                    self.close_download(from, id);
                }
            }
        }
    }

    /// Nothing more is read.
    pub(crate) fn close_download(&mut self, from: ConnectionId, id: DownloadId) {
        let client = self.clients.get_mut(&from);
        if let Some(download) = client.and_then(|client| client.downloads.remove(&id)) {
            self.state.large.release(download.body.id);
        }
    }

    /// The client is gone.
    pub(crate) fn close_downloads(&mut self, from: ConnectionId) {
        let Some(client) = self.clients.get_mut(&from) else {
            return;
        };
        for download in std::mem::take(&mut client.downloads).into_values() {
            self.state.large.release(download.body.id);
        }
    }
}
