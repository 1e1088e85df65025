// SPDX-License-Identifier: Apache-2.0
//! Protocols inside WebSocket frames, on the same ports (RFC 6455).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::connection::outbox::Outbox;
use crate::options::{AcceptorOptions, Protocol};

/// A WebSocket whose opening handshake is done.
///
/// *Invariants*: at most one frame of ours is being written; what comes in is bounded by the acceptor's
/// `webSocketMaxFramePayloadLength` per frame.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<Rewound>,
    text: bool,
    flushing: bool,
    closing: bool,
}

/// The sub-protocols of a protocol, in the client's words.
fn sub_protocols(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Stomp => &["v12.stomp", "v11.stomp", "v10.stomp"],
        Protocol::Mqtt => &["mqtt", "mqttv3.1"],
        Protocol::Amqp => &["amqp"],
        Protocol::Core | Protocol::OpenWire | Protocol::HornetQ => &[],
    }
}

/// Which protocol a client means by its sub-protocols: the first one the acceptor speaks. A client that names none
/// means STOMP, as the oldest clients do.
fn choose(offered: &[&str], options: &AcceptorOptions) -> Option<(Protocol, Option<&'static str>)> {
    let spoken = || options.protocols.iter().map(|served| served.protocol);
    if offered.is_empty() {
        return spoken()
            .find(|protocol| *protocol == Protocol::Stomp)
            .map(|protocol| (protocol, None));
    }
    offered.iter().find_map(|name| {
        spoken().find_map(|protocol| {
            let chosen = sub_protocols(protocol).iter().find(|word| *word == name)?;
            Some((protocol, Some(*chosen)))
        })
    })
}

/// Answers the opening handshake of which `read` has been read already.
///
/// # Errors
/// The client is gone, is no WebSocket client, or wants a sub-protocol that is not spoken here (it has been told).
pub async fn accept(
    socket: TcpStream,
    read: Bytes,
    options: &AcceptorOptions,
) -> io::Result<(WebSocket, Protocol)> {
    let mut chosen = None;
    #[allow(clippy::result_large_err, reason = "the library's signature")]
    let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let offered: Vec<&str> = request
            .headers()
            .get_all("Sec-WebSocket-Protocol")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .collect();
        chosen = choose(&offered, options);
        let Some((_, word)) = chosen else {
            let mut refusal = ErrorResponse::new(Some("no such sub-protocol here".to_owned()));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            return Err(refusal);
        };
        if let Some(word) = word {
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(word));
        }
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(0)
        .max_frame_size(Some(options.web_socket_frame_max))
        .max_message_size(Some(options.web_socket_frame_max));
    let rewound = Rewound { read, socket };
    let stream =
        tokio_tungstenite::accept_hdr_async_with_config(rewound, answer, Some(config)).await;
    let stream = stream.map_err(io::Error::other)?;
    let (protocol, _) = chosen.ok_or(io::ErrorKind::InvalidData)?;
    let socket = WebSocket {
        stream,
        text: options.web_socket_text,
        flushing: false,
        closing: false,
    };
    Ok((socket, protocol))
}

impl WebSocket {
    /// Appends the payload of the frames that have arrived; pings are answered on the way.
    ///
    /// # Errors
    /// The peer is gone or breaks the protocol.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        loop {
            let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                None => return Poll::Ready(Ok(0)),
                Some(message) => message.map_err(into_io)?,
            };
            let payload: Bytes = match message {
                Message::Binary(payload) => payload,
                Message::Text(text) => text.into(),
                Message::Close(_) => return Poll::Ready(Ok(0)),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if !payload.is_empty() {
                input.extend_from_slice(&payload);
                return Poll::Ready(Ok(payload.len()));
            }
        }
    }

    /// Sends the outbox as one frame: machines append whole protocol frames, and clients expect them whole.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.flushing {
                ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(into_io)?;
                self.flushing = false;
            }
            if outbox.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(into_io)?;
            let frame = self.frame(outbox.take_all());
            Pin::new(&mut self.stream)
                .start_send(frame)
                .map_err(into_io)?;
            self.flushing = true;
        }
    }

    fn frame(&self, payload: Bytes) -> Message {
        if self.text
            && let Ok(text) = payload.clone().try_into()
        {
            return Message::Text(text);
        }
        Message::Binary(payload)
    }

    /// Sends a close frame.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(into_io)?;
            let closed = Pin::new(&mut self.stream).start_send(Message::Close(None));
            closed.map_err(into_io)?;
            self.closing = true;
        }
        Pin::new(&mut self.stream).poll_flush(cx).map_err(into_io)
    }

    /// Ends the socket's writing side.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream.get_mut().socket).poll_shutdown(cx)
    }
}

fn into_io(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// A socket whose first bytes have been read already and are read again.
#[derive(Debug)]
struct Rewound {
    read: Bytes,
    socket: TcpStream,
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let again = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..again]);
        self.read.advance(again);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Served;

    fn spoken(protocols: &[Protocol]) -> AcceptorOptions {
        let served = protocols.iter().map(|protocol| Served {
            protocol: *protocol,
            machine: None,
        });
        AcceptorOptions::new("a", "localhost", 0, served.collect())
    }

    #[test]
    fn the_first_sub_protocol_that_is_spoken_here_is_chosen() {
        let both = spoken(&[Protocol::Stomp, Protocol::Mqtt]);
        let stomp = spoken(&[Protocol::Stomp]);
        let table: [(&[&str], &AcceptorOptions, _); 6] = [
            (
                &["v12.stomp", "v11.stomp"],
                &both,
                Some((Protocol::Stomp, Some("v12.stomp"))),
            ),
            (
                &["v10.stomp", "v12.stomp"],
                &both,
                Some((Protocol::Stomp, Some("v10.stomp"))),
            ),
            (
                &["soap", "mqtt"],
                &both,
                Some((Protocol::Mqtt, Some("mqtt"))),
            ),
            (&[], &both, Some((Protocol::Stomp, None))),
            (&["mqtt"], &stomp, None),
            (&[], &spoken(&[Protocol::Amqp]), None),
        ];
        for (offered, options, expected) in table {
            assert_eq!(choose(offered, options), expected, "{offered:?}");
        }
    }
}
