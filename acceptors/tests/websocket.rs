// SPDX-License-Identifier: Apache-2.0
//! The toy protocol inside WebSocket frames, on the same port as without.

mod toy;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hind_acceptors::options::{AcceptorOptions, Protocol};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use toy::{Client, Seen, address, options, start};

fn broker(
    change: impl FnOnce(&mut AcceptorOptions),
) -> (Arc<Seen>, hind_acceptors::broker::BrokerHandle) {
    let seen = Arc::new(Seen::default());
    let mut options = options(&seen);
    change(&mut options.acceptors[0]);
    let broker = start(&seen, options);
    (seen, broker)
}

/// Opens a WebSocket and returns it with the sub-protocol the broker chose.
fn open(address: SocketAddr, offered: &str) -> Option<(WebSocket<TcpStream>, Option<String>)> {
    let mut request = format!("ws://{address}/stomp")
        .into_client_request()
        .expect("a request");
    if !offered.is_empty() {
        let offered = offered.parse().expect("a header");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", offered);
    }
    let socket = TcpStream::connect(address).expect("connects");
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    let (socket, response) = tungstenite::client(request, socket).ok()?;
    let chosen = response.headers().get("Sec-WebSocket-Protocol");
    let chosen = chosen.map(|it| it.to_str().expect("text").to_owned());
    Some((socket, chosen))
}

#[test]
fn frames_of_either_kind_come_in_and_binary_ones_go_out() {
    let (_, broker) = broker(|_| {});
    let (mut socket, chosen) = open(address(&broker), "v11.stomp, v12.stomp").expect("opens");
    assert_eq!(chosen.as_deref(), Some("v11.stomp"));
    socket.send(Message::text("login ann\n")).expect("sends");
    assert_eq!(
        socket.read().expect("answers"),
        Message::binary(&b"hello ann\n"[..])
    );
    for half in ["now", " x\n"] {
        socket.send(Message::binary(half)).expect("sends");
    }
    assert_eq!(
        socket.read().expect("answers"),
        Message::binary(&b"ok 2\n"[..])
    );
    socket
        .send(Message::Ping("are you there".into()))
        .expect("sends");
    assert_eq!(
        socket.read().expect("answers"),
        Message::Pong("are you there".into())
    );
    socket.send(Message::text("bye\n")).expect("sends");
    assert_eq!(
        socket.read().expect("answers"),
        Message::binary(&b"bye\n"[..])
    );
    assert!(matches!(socket.read(), Ok(Message::Close(_))));
}

#[test]
fn text_goes_out_where_the_acceptor_says_so() {
    let (_, broker) = broker(|acceptor| acceptor.web_socket_text = true);
    let (mut socket, chosen) = open(address(&broker), "").expect("opens");
    assert_eq!(chosen, None);
    socket.send(Message::text("login ann\n")).expect("sends");
    assert_eq!(
        socket.read().expect("answers"),
        Message::text("hello ann\n")
    );
}

#[test]
fn mqtt_6_0_0_1_mqtt_is_spoken_in_binary_frames_only() {
    let as_mqtt = |acceptor: &mut AcceptorOptions| {
        acceptor.web_socket_text = true;
        acceptor.protocols[0].protocol = Protocol::Mqtt;
    };
    let (_, broker) = broker(as_mqtt);
    for offered in ["mqtt", "mqttv3.1"] {
        let (mut socket, chosen) = open(address(&broker), offered).expect("opens");
        assert_eq!(chosen.as_deref(), Some(offered));
        let hello = Message::binary(&b"login ann\n"[..]);
        socket.send(hello).expect("sends");
        let answer = socket.read().expect("answers");
        assert_eq!(answer, Message::binary(&b"hello ann\n"[..]));
        socket.send(Message::text("now x\n")).expect("sends");
        let closed = matches!(socket.read(), Ok(Message::Close(_)) | Err(_));
        assert!(closed, "a text frame closes");
    }
}

#[test]
fn a_sub_protocol_that_is_not_spoken_is_refused() {
    let (seen, broker) = broker(|_| {});
    assert!(open(address(&broker), "mqtt").is_none());
    assert!(open(address(&broker), "soap, v12.stomp").is_some());
    Seen::await_at_least(&seen.connected, 1);
    assert_eq!(seen.connected.load(Ordering::SeqCst), 1);
}

#[test]
fn a_frame_longer_than_allowed_ends_the_connection() {
    let (seen, broker) = broker(|acceptor| acceptor.web_socket_frame_max = 1_000);
    let (mut socket, _) = open(address(&broker), "v12.stomp").expect("opens");
    socket.send(Message::text("login ann\n")).expect("sends");
    socket.read().expect("answers");
    let long = format!("now {}\n", "x".repeat(2_000));
    socket.send(Message::text(long)).expect("sends");
    Seen::await_at_least(&seen.disconnected, 1);
    assert_eq!(seen.sends.load(Ordering::SeqCst), 0);
}

/// Sends an HTTP request and reads what comes until the end of the connection.
fn http(address: SocketAddr, request: &str) -> String {
    let mut browser = Client::connect(address);
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{request}\r\n");
    let written = browser.socket.write_all(request.as_bytes());
    written.expect("writes");
    let mut answer = String::new();
    let read = browser.socket.read_to_string(&mut answer);
    read.expect("reads to the end");
    answer
}

#[test]
fn http_without_websocket_is_answered_in_http_and_plain_clients_go_on() {
    let (_, broker) = broker(|_| {});
    let address = address(&broker);
    for request in [
        "Accept: text/html\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n",
    ] {
        let answer = http(address, request);
        assert!(
            answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
            "{request}: {answer}"
        );
        assert!(answer.contains("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert!(body.contains("over WebSocket"), "{body}");
    }
    for request in [
        "no colon\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    ] {
        let answer = http(address, request);
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"),
            "{request}: {answer}"
        );
    }
    drop(Client::login(address));
}

#[test]
fn a_slow_websocket_gets_everything_in_the_end() {
    let (_, broker) = broker(|_| {});
    let (mut socket, _) = open(address(&broker), "v12.stomp").expect("opens");
    socket.send(Message::text("login ann\n")).expect("sends");
    socket.read().expect("answers");
    socket
        .send(Message::text("flood 300 100000\n"))
        .expect("sends");
    let mut left = 300 * 100_001;
    while left > 0 {
        left -= socket.read().expect("answers").len();
    }
}
