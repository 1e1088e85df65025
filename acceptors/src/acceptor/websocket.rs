// SPDX-License-Identifier: Apache-2.0
//! Protocols inside WebSocket frames, on the same ports (RFC 6455).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::connection::outbox::Outbox;
use crate::options::{AcceptorOptions, Protocol};

/// A WebSocket whose opening handshake is done.
///
/// *Invariants*: at most one frame of ours is being written; what comes in is bounded by the acceptor's
/// `webSocketMaxFramePayloadLength` per frame.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
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
/// The client is gone, is no WebSocket client, or wants a sub-protocol that is not spoken here (it has been told in HTTP
/// in both cases).
pub async fn accept(
    mut socket: TcpStream,
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
    let rewound = Rewound {
        read,
        socket: &mut socket,
    };
    if let Err(error) =
        tokio_tungstenite::accept_hdr_async_with_config(rewound, answer, Some(config)).await
    {
        refuse(socket, &error, options).await;
        return Err(io::Error::other(error));
    }
    let (protocol, _) = chosen.ok_or(io::ErrorKind::InvalidData)?;
    // Nothing the client has said is lost with the handshake's reader: a request with anything behind it is refused.
    let stream = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    let socket = WebSocket {
        stream,
        text: options.web_socket_text,
        flushing: false,
        closing: false,
    };
    Ok((socket, protocol))
}

/// Tells an HTTP client that it cannot be served, in its own language; a browser then shows words instead of a broken
/// connection. Best effort: the client may be gone.
async fn refuse(mut socket: TcpStream, error: &tungstenite::Error, options: &AcceptorOptions) {
    if let Some(answer) = refusal(error, options) {
        // A few hundred bytes on a new connection: they fit into its empty buffer.
        let _ = socket.try_write(answer.as_bytes());
        let _ = poll_fn(|cx| Pin::new(&mut socket).poll_shutdown(cx)).await;
    }
}

/// The answer to an opening handshake that failed: 426 to a client that asks for no WebSocket (RFC 9110 §15.5.22), or for
/// a version that is not ours (RFC 6455 §4.4), else 400; none if it is gone or has been answered.
fn refusal(error: &tungstenite::Error, options: &AcceptorOptions) -> Option<String> {
    use ProtocolError::{
        HandshakeIncomplete, MissingConnectionUpgradeHeader, MissingSecWebSocketVersionHeader,
        MissingUpgradeWebSocketHeader,
    };
    let upgrade = match error {
        tungstenite::Error::Protocol(HandshakeIncomplete)
        | tungstenite::Error::Io(_)
        | tungstenite::Error::Http(_) => return None,
        tungstenite::Error::Protocol(what) => matches!(
            what,
            MissingConnectionUpgradeHeader
                | MissingUpgradeWebSocketHeader
                | MissingSecWebSocketVersionHeader
        ),
        _ => false,
    };
    let spoken = options.protocols.iter().map(|it| it.protocol);
    let words: Vec<_> = spoken
        .filter(|it| !sub_protocols(*it).is_empty())
        .map(Protocol::word)
        .collect();
    let (status, headers, body) = if upgrade {
        let body = format!(
            "This port speaks {} over WebSocket, and no other HTTP.\n",
            words.join(", ")
        );
        let headers =
            "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        ("426 Upgrade Required", headers, body)
    } else {
        let body = format!("No WebSocket: {error}\n");
        ("400 Bad Request", "Connection: close\r\n", body)
    };
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

impl WebSocket {
    /// The socket under it.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

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
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
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
struct Rewound<'a> {
    read: Bytes,
    socket: &'a mut TcpStream,
}

impl AsyncRead for Rewound<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut *self.socket).poll_read(cx, buffer);
        }
        let again = self.read.len().min(buffer.remaining());
        buffer.put_slice(&self.read[..again]);
        self.read.advance(again);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket).poll_shutdown(cx)
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
