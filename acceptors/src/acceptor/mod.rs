// SPDX-License-Identifier: Apache-2.0
//! The doors: binds, accepts, recognises the protocol, and starts a connection.

pub mod detect;
pub mod websocket;

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::wire::Wire;
use crate::connection::{Connection, End, Handshake};
use crate::host::lines::{self, Line};
use crate::host::{House, entropy};
use crate::options::{AcceptorOptions, Opening, Protocol};
use detect::Detected;

/// Lines a minute about what clients of one acceptor do wrong, per kind.
const LINES_PER_MINUTE: u32 = 10;

/// All acceptors of a broker, opened and closed together.
#[derive(Debug)]
pub struct Acceptors {
    all: Vec<Arc<Acceptor>>,
    open: Vec<Open>,
    closing: Closing,
}

/// What clients are told through when the doors close; made anew when they open.
#[derive(Clone, Debug, Default)]
struct Closing {
    /// Cancelled at once: clients that have not said yet what they speak.
    silent: CancellationToken,
    /// Cancelled when clients have had their time to leave.
    hurry: CancellationToken,
}

/// A socket that accepts clients.
#[derive(Debug)]
struct Open {
    name: String,
    address: SocketAddr,
    accepting: AbortHandle,
}

/// One acceptor of the configuration.
#[derive(Debug)]
struct Acceptor {
    options: AcceptorOptions,
    spoken: Vec<Protocol>,
    house: Arc<House>,
    connections: TaskTracker,
    connected: AtomicUsize,
}

impl Acceptors {
    /// Acceptors that are closed. Their connections are counted by `connections`.
    pub fn new(
        options: Vec<AcceptorOptions>,
        house: &Arc<House>,
        connections: &TaskTracker,
    ) -> Self {
        let acceptor = |options: AcceptorOptions| {
            Arc::new(Acceptor {
                spoken: options.protocols.iter().map(|it| it.protocol).collect(),
                options,
                house: Arc::clone(house),
                connections: connections.clone(),
                connected: AtomicUsize::new(0),
            })
        };
        Self {
            all: options.into_iter().map(acceptor).collect(),
            open: Vec::new(),
            closing: Closing::default(),
        }
    }

    /// Binds all of them, then starts to accept at all of them. Says what it has done.
    ///
    /// # Errors
    /// One cannot be bound: then none is open. The line says which and why.
    pub fn open(&mut self) -> Result<Vec<Line>, Line> {
        self.close();
        let mut lines = Vec::new();
        let mut bound = Vec::new();
        for acceptor in &self.all {
            let options = &acceptor.options;
            if let Some(why) = &options.closed_reason {
                lines.push(Line::server_warn(format!(
                    "acceptor {} stays closed: {why}",
                    options.name
                )));
                continue;
            }
            for host in &options.hosts {
                let listeners = bind(options, host).map_err(|error| {
                    lines::not_listening(&options.name, host, options.port, &error)
                })?;
                let port = listeners[0].1.port();
                lines.push(lines::listening(host, port, &acceptor.words()));
                bound.extend(listeners.into_iter().map(|it| (Arc::clone(acceptor), it)));
            }
        }
        self.closing = Closing::default();
        for (acceptor, (listener, address)) in bound {
            self.open.push(Open {
                name: acceptor.options.name.clone(),
                address,
                accepting: tokio::spawn(acceptor.accept(listener, self.closing.clone()))
                    .abort_handle(),
            });
        }
        Ok(lines)
    }

    /// Accepts nobody any more. Connections go on.
    pub fn close(&mut self) {
        for open in self.open.drain(..) {
            open.accepting.abort();
        }
        self.closing.silent.cancel();
    }

    /// Cuts off whoever is still connected after `grace`: a client that does not read does not hear that it is to go.
    pub fn hurry_after(&self, grace: Duration) {
        let hurry = self.closing.hurry.clone();
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            hurry.cancel();
        });
    }

    /// Where clients are accepted now: acceptor name and address.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let named = |open: &Open| (open.name.clone(), open.address);
        self.open.iter().map(named).collect()
    }
}

/// Listens at every address of `host`; an address family the machine does not have is left out if another is there.
fn bind(options: &AcceptorOptions, host: &str) -> io::Result<Vec<(TcpListener, SocketAddr)>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut port = options.port;
    let mut bound: Vec<(TcpListener, SocketAddr)> = Vec::new();
    let mut missing = None;
    for mut address in (bare, port).to_socket_addrs()? {
        address.set_port(port);
        if bound.iter().any(|(_, known)| *known == address) {
            continue;
        }
        match listen(options, address) {
            Ok((listener, address)) => {
                port = address.port();
                bound.push((listener, address));
            }
            Err(error) if is_missing_family(&error) => missing = Some(error),
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ if bound.is_empty() => Err(io::Error::other("the name has no address")),
        _ => Ok(bound),
    }
}

fn is_missing_family(error: &io::Error) -> bool {
    use rustix::io::Errno;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

fn listen(options: &AcceptorOptions, address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `::` takes IPv4 clients too, as in Java, unless the acceptor has an IPv4 host of its own.
        let other = |host: &String| host.contains('.') || host == "localhost";
        socket.set_only_v6(options.hosts.iter().any(other))?;
    }
    // Accepted sockets inherit both.
    if let Some(size) = options.send_buffer {
        socket.set_send_buffer_size(size)?;
    }
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Acceptor {
    fn words(&self) -> String {
        let words: Vec<_> = self.spoken.iter().map(|it| it.word()).collect();
        words.join(",")
    }

    /// Accepts for ever.
    async fn accept(self: Arc<Self>, listener: TcpListener, closing: Closing) {
        /// Without free file descriptors, trying again at once would only burn the processor.
        const BREATH: Duration = Duration::from_millis(100);
        loop {
            match listener.accept().await {
                Ok((socket, peer)) => self.admit(socket, peer, &closing),
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => {
                    self.say("accept", 1, || {
                        Line::server_error(format!(
                            "acceptor {} cannot accept clients: {error}",
                            self.options.name
                        ))
                    });
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, closing: &Closing) {
        let place = Place::take(self);
        if let Some(limit) = self.options.connections_allowed
            && self.connected.load(Ordering::Relaxed) > limit
        {
            self.say("limit", LINES_PER_MINUTE, || {
                Line::server_warn(format!(
                    "AMQ222206: Connection limit of {limit} reached. Refusing connection from {peer}."
                ))
            });
            return;
        }
        // A socket that is gone already says so at the first read.
        let _ = socket.set_nodelay(self.options.tcp_no_delay);
        let (acceptor, closing) = (Arc::clone(self), closing.clone());
        self.connections.spawn(async move {
            let serving = acceptor.serve(socket, peer, closing.silent);
            closing.hurry.run_until_cancelled(serving).await;
            drop(place);
        });
    }

    /// Recognises the protocol within the time for the handshake, then lets the connection run to its end.
    async fn serve(&self, socket: TcpStream, peer: SocketAddr, silent: CancellationToken) {
        let handshake = self.options.handshake_timeout.map(|timeout| Handshake {
            until: self.house.clock.monotonic().after(timeout),
            timeout,
        });
        let until = handshake.map(|handshake| self.house.clock.at(handshake.until));
        let recognised = tokio::select! {
            biased;
            recognised = Box::pin(self.recognise(socket, peer)) => recognised,
            () = silent.cancelled() => None,
            () = sleep_until(until) => {
                let timeout = handshake.map_or(Duration::ZERO, |handshake| handshake.timeout);
                return self.ended(peer, &End::HandshakeTimeout(timeout));
            }
        };
        drop(silent);
        let Some((wire, protocol, read)) = recognised else {
            return;
        };
        let Some(connection) = self.connection(wire, protocol, read, peer, handshake) else {
            return;
        };
        let end = connection.serve().await;
        self.ended(peer, &end);
    }

    fn connection(
        &self,
        wire: Wire,
        protocol: Protocol,
        read: BytesMut,
        peer: SocketAddr,
        handshake: Option<Handshake>,
    ) -> Option<Connection> {
        let served = self.options.protocols.iter();
        let machine = served
            .filter(|served| served.protocol == protocol)
            .find_map(|served| served.machine.as_ref());
        let Some(machine) = machine else {
            self.say(protocol.word(), 1, || {
                Line::server_warn(format!(
                    "acceptor {}: closed the connection from {peer}, which speaks {}: that protocol is not built yet",
                    self.options.name,
                    protocol.word()
                ))
            });
            return None;
        };
        let id = self.house.connection_id();
        let opening = Opening {
            id,
            peer,
            seed: entropy::seed().unwrap_or(id.0),
            now: self.house.clock.now(),
        };
        let machine = machine(&opening);
        let house = Arc::clone(&self.house);
        Some(Connection::begin(house, id, wire, machine, read, handshake))
    }

    /// Reads until it is clear what is spoken. `None` when the connection is over.
    async fn recognise(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
    ) -> Option<(Wire, Protocol, BytesMut)> {
        let mut read = BytesMut::new();
        loop {
            socket.readable().await.ok()?;
            read.reserve(detect::BYTES_MAX * 2);
            let more = poll_fn(|cx| poll_read_buf(Pin::new(&mut socket), cx, &mut read)).await;
            if more.ok()? == 0 {
                return None;
            }
            match detect::detect(&read, &self.spoken) {
                Detected::Protocol(protocol) => {
                    return Some((Wire::Plain(socket), protocol, read));
                }
                Detected::Http => return self.web_socket(socket, read, peer).await,
                Detected::More => {}
                Detected::Unknown => {
                    self.not_spoken(&read, peer);
                    return None;
                }
            }
        }
    }

    async fn web_socket(
        &self,
        socket: TcpStream,
        read: BytesMut,
        peer: SocketAddr,
    ) -> Option<(Wire, Protocol, BytesMut)> {
        match websocket::accept(socket, read.freeze(), &self.options).await {
            Ok((socket, protocol)) => {
                Some((Wire::WebSocket(Box::new(socket)), protocol, BytesMut::new()))
            }
            Err(error) => {
                self.say("websocket", LINES_PER_MINUTE, || {
                    Line::server_warn(format!(
                        "acceptor {}: no WebSocket with {peer}: {error}",
                        self.options.name
                    ))
                });
                None
            }
        }
    }

    fn not_spoken(&self, read: &[u8], peer: SocketAddr) {
        let (kind, what) = match detect::guess(read) {
            Some(protocol) => (protocol.word(), protocol.word()),
            None => ("unknown", "no protocol known here"),
        };
        self.say(kind, 1, || {
            Line::server_warn(format!(
                "acceptor {}: closed the connection from {peer}, which speaks {what}; spoken here: {}",
                self.options.name,
                self.words()
            ))
        });
    }

    fn ended(&self, peer: SocketAddr, end: &End) {
        let name = &self.options.name;
        let failed = |why: &str| {
            Line::server_warn(format!(
                "AMQ222067: Connection failure has been detected: {why} (client {peer}, acceptor {name})"
            ))
        };
        match end {
            End::Gone(_) | End::Orderly => {}
            End::Refused(why) => self.say("refused", LINES_PER_MINUTE, || failed(why)),
            End::Violation(violation) => {
                self.say("violation", LINES_PER_MINUTE, || failed(&violation.to_string()));
            }
            End::HandshakeTimeout(timeout) => self.say("handshake", LINES_PER_MINUTE, || {
                Line::server_error(format!(
                    "AMQ224088: Timeout ({} seconds) on acceptor \"{name}\" during protocol handshake with {peer} has \
                     occurred.",
                    timeout.as_secs_f32()
                ))
            }),
            End::Panicked => self.say("panic", LINES_PER_MINUTE, || {
                Line::server_error(format!(
                    "acceptor {name}: a fault in the broker ended the connection of {peer}; other clients go on"
                ))
            }),
        }
    }

    /// Logs what a client can provoke, within the quota.
    fn say(&self, kind: &'static str, per_minute: u32, line: impl FnOnce() -> Line) {
        if let Some(left_out) = self
            .house
            .quota
            .admits(&self.options.name, kind, per_minute)
        {
            let mut line = line();
            if left_out > 0 {
                line.text += &format!(" ({left_out} more like it were not logged)");
            }
            line.say();
        }
    }
}

async fn sleep_until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Errors of accept(2) that concern one client only.
fn is_clients_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// One of the connections an acceptor counts.
#[derive(Debug)]
struct Place(Arc<Acceptor>);

impl Place {
    fn take(acceptor: &Arc<Acceptor>) -> Self {
        acceptor.connected.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(acceptor))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::Relaxed);
    }
}
