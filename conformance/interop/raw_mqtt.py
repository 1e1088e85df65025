# SPDX-License-Identifier: Apache-2.0
"""MQTT by bytes: a socket and the few lines needed to write and read packets, for what a polite client never does."""

import socket
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = range(1, 10)
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(10, 16)

SESSION_EXPIRY, ASSIGNED_CLIENT_ID, SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM = 0x11, 0x12, 0x13, 0x21
TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS, MAXIMUM_PACKET_SIZE = 0x22, 0x23, 0x27
WIDTHS = {0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1,
          0x29: 1, 0x2A: 1}


def variable(value):
    out = bytearray()
    while True:
        out.append(value % 128 | (0x80 if value > 127 else 0))
        value //= 128
        if not value:
            return bytes(out)


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">H", len(data)) + data


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + variable(len(body)) + body


def written(values):
    """Properties of numbers and texts, by identifier."""
    out = b""
    for identifier, value in values.items():
        out += bytes([identifier])
        out += value.to_bytes(WIDTHS[identifier], "big") if identifier in WIDTHS else text(value)
    return variable(len(out)) + out


class Packet:
    """One that arrived: its kind, flags and body, and the fields of the few kinds that the suites look into."""

    def __init__(self, first, body, version):
        self.kind, self.flags, self.body, self.version = first >> 4, first & 15, body, version
        self.topic = self.payload = self.id = None
        self.reason, self.properties = 0, {}
        if self.kind == PUBLISH:
            self.read_publish()
        elif self.kind == CONNACK:
            self.present, self.reason = bool(body[0] & 1), body[1]
            self.read_properties(body[2:])
        elif self.kind == DISCONNECT:
            self.reason = body[0] if body else 0
        elif len(body) >= 2:
            self.id = int.from_bytes(body[:2], "big")
            if self.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP) and len(body) > 2:
                self.reason = body[2]
            elif self.kind in (SUBACK, UNSUBACK):
                self.reason = body[-1]

    qos = property(lambda self: self.flags >> 1 & 3)
    dup = property(lambda self: bool(self.flags & 8))
    retain = property(lambda self: bool(self.flags & 1))

    def read_publish(self):
        length = int.from_bytes(self.body[:2], "big")
        self.topic, rest = self.body[2:2 + length].decode(), self.body[2 + length:]
        if self.qos:
            self.id, rest = int.from_bytes(rest[:2], "big"), rest[2:]
        self.payload = self.read_properties(rest)

    def read_properties(self, data):
        """Takes properties off the front and returns the rest; a repeated one keeps its last value."""
        if self.version != 5 or not data:
            return data
        length, at = read_variable(data, 0)
        end = at + length
        while at < end:
            identifier = data[at]
            at += 1
            if identifier in WIDTHS:
                self.properties[identifier] = int.from_bytes(data[at:at + WIDTHS[identifier]], "big")
                at += WIDTHS[identifier]
            elif identifier == 0x0B:
                self.properties[identifier], at = read_variable(data, at)
            else:
                for _ in range(2 if identifier == 0x26 else 1):
                    length = int.from_bytes(data[at:at + 2], "big")
                    self.properties[identifier] = data[at + 2:at + 2 + length]
                    at += 2 + length
        return data[end:]

    def __repr__(self):
        return f"packet {self.kind} flags {self.flags} {self.body[:40]!r}"


def read_variable(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


class RawMqtt:
    """One connection; what arrives is kept until it is asked for."""

    def __init__(self, port, version=5, seconds=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.version, self.seconds, self.buffer = version, seconds, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def connect(self, client, clean=True, keepalive=60, will=None, **values):
        """CONNECT with these properties (`p17=60`: identifier 17); `will` is (topic, payload). The answer is the CONNACK."""
        flags = 0xC0 | (2 if clean else 0) | (4 if will else 0)
        body = text("MQIsdp" if self.version == 3 else "MQTT") + bytes([self.version, flags]) + struct.pack(">H", keepalive)
        body += self.properties(numbered(values)) + text(client)
        if will:
            body += self.properties({}) + text(will[0]) + text(will[1])
        self.send(packet(CONNECT, body + text("a") + text("a")))
        return self.expect(CONNACK)

    def properties(self, values):
        return written(values) if self.version == 5 else b""

    def subscribe(self, topic, options=1, identifier=1):
        self.send(packet(SUBSCRIBE, struct.pack(">H", identifier) + self.properties({}) + text(topic) + bytes([options]), 2))
        return self.expect(SUBACK).reason

    def publish(self, topic, payload, qos=1, identifier=1, dup=False, retain=False, **values):
        """Writes a PUBLISH; waits for nothing."""
        body = text(topic) + (struct.pack(">H", identifier) if qos else b"") + self.properties(numbered(values))
        self.send(packet(PUBLISH, body + (payload if isinstance(payload, bytes) else payload.encode()), dup << 3 | qos << 1 | retain))

    def answer(self, kind, identifier, reason=0):
        body = struct.pack(">H", identifier) + (bytes([reason]) if reason else b"")
        self.send(packet(kind, body, 2 if kind == PUBREL else 0))

    def packet(self, seconds=None):
        """The next packet; None when the peer closed; raises TimeoutError when none comes."""
        end = time.monotonic() + (self.seconds if seconds is None else seconds)
        while True:
            taken = self.take()
            if taken is not None:
                return taken
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self.buffer += data

    def take(self):
        for at in range(1, min(len(self.buffer), 5)):
            if self.buffer[at] < 128:
                length, start = read_variable(self.buffer, 1)
                if len(self.buffer) < start + length:
                    return None
                first, body, self.buffer = self.buffer[0], self.buffer[start:start + length], self.buffer[start + length:]
                return Packet(first, body, self.version)
        return None

    def expect(self, kind, seconds=None):
        """The next packet, which must be of this kind."""
        came = self.packet(seconds)
        assert came is not None, f"wanted a packet {kind}, the broker closed the connection"
        assert came.kind == kind, f"wanted a packet {kind}, got {came}"
        return came

    def assert_silent(self, seconds=0.3):
        try:
            came = self.packet(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"nothing should arrive, came {came}")

    def closed(self, seconds=None):
        """Whether the peer closes within the time; the answer is the reason of its DISCONNECT, True without one."""
        reason = True
        try:
            while (came := self.packet(seconds)) is not None:
                reason = came.reason if came.kind == DISCONNECT else reason
        except TimeoutError:
            return False
        return reason


def numbered(values):
    return {int(name[1:]): value for name, value in values.items()}
