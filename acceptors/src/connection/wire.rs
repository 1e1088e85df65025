// SPDX-License-Identifier: Apache-2.0
//! What carries a connection's bytes: a plain socket, or a WebSocket over one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use super::outbox::Outbox;
use crate::acceptor::websocket::WebSocket;

/// A transport.
#[derive(Debug)]
pub enum Wire {
    /// TCP, bytes as they are.
    Plain(TcpStream),
    /// Bytes in the frames of a WebSocket.
    WebSocket(Box<WebSocket>),
}

impl Wire {
    /// Appends what has arrived to `input`. `Ready(0)` at the end of the stream.
    ///
    /// # Errors
    /// The peer is gone, or breaks the transport's protocol.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => poll_read_buf(Pin::new(socket), cx, input),
            Self::WebSocket(socket) => socket.poll_read(cx, input),
        }
    }

    /// What has ended the connection, if the network has said so and nobody has heard it by reading or writing.
    pub fn error(&self) -> Option<io::Error> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::WebSocket(socket) => socket.socket(),
        };
        socket.take_error().unwrap_or_else(Some)
    }

    /// Writes as much of the outbox as the transport takes. `Ready` when nothing is left anywhere.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => outbox.poll_write(cx, socket),
            Self::WebSocket(socket) => socket.poll_write(cx, outbox),
        }
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::WebSocket(socket) => {
                ready!(socket.poll_close(cx))?;
                socket.poll_shutdown(cx)
            }
        }
    }
}
