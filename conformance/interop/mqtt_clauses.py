#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Statements of MQTT that neither a polite client nor the packet sequences reach, by bytes; a title carries its clause's id."""

import base64
import os
import socket
import struct
import sys
import time

from broker import limit_time
from mosquitto import mqtt_arguments, mqtt_broker
from mqtt_client import Mqtt
from raw_mqtt import (CONNACK, CONNECT, DISCONNECT, MAXIMUM_PACKET_SIZE, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL,
                      SESSION_EXPIRY, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, RawMqtt, packet, text)
from scenarios import Scenarios

scenario = Scenarios()

PROBLEM_INFORMATION, RESPONSE_INFORMATION, REQUEST_RESPONSE = 0x17, 0x1A, 0x19

BINARY, TEXT = 2, 1


def raw(broker, name, version=5, **options):
    one = RawMqtt(broker.port("mqtt"), version)
    one.connack = one.connect(name, **options)
    return one


def kept(broker, name, clean=False):
    return raw(broker, name, clean=clean, **{f"p{SESSION_EXPIRY}": 600})


def alive(one):
    one.send(packet(PINGREQ))
    one.expect(PINGRESP)


def subscribe_all(one, filters, identifier=1):
    """SUBSCRIBE with several filters; the reason codes."""
    body = struct.pack(">H", identifier) + one.properties({})
    one.send(packet(SUBSCRIBE, body + b"".join(text(name) + bytes([options]) for name, options in filters), 2))
    came = one.expect(SUBACK)
    assert came.id == identifier
    return list(came.body[3 if one.version == 5 else 2:])


def unsubscribe_all(one, filters, identifier=2):
    one.send(packet(UNSUBSCRIBE, struct.pack(">H", identifier) + one.properties({}) + b"".join(map(text, filters)), 2))
    came = one.expect(UNSUBACK)
    assert came.id == identifier
    return list(came.body[3 if one.version == 5 else 2:])


@scenario("[MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.10.4-6] several filters in one packet: a reason for each, in their order")
def several_filters(broker):
    for version in (4, 5):
        with raw(broker, "several", version) as one:
            assert subscribe_all(one, [("several/a", 2), ("several/b", 0), ("several/c", 1)]) == [2, 0, 1]
            gone = unsubscribe_all(one, ["several/a", "several/none", "several/c"])
            assert gone == ([0, 0x11, 0] if version == 5 else [])
            for topic in "acb":
                one.publish(f"several/{topic}", topic, 0)
            assert one.expect(PUBLISH).payload == b"b"
            one.assert_silent(0.1)


@scenario("[MQTT-3.8.4-4] replacing a subscription loses no message")
def replaced(broker):
    with raw(broker, "replaced") as one, Mqtt(broker.port("mqtt"), "replaced-w") as writer:
        one.subscribe("replaced", 1)
        sent = []
        for number in range(200):
            sent.append(writer.client.publish("replaced", str(number), 1))
            if number % 10 == 0:
                one.send(packet(SUBSCRIBE, struct.pack(">H", number + 1) + b"\0" + text("replaced") + b"\1", 2))
        numbers, acknowledged = [], 0
        while len(numbers) < 200 or acknowledged < 20:
            came = one.packet()
            if came.kind == SUBACK:
                acknowledged += 1
            else:
                assert came.kind == PUBLISH, came
                numbers.append(int(came.payload))
                one.answer(PUBACK, came.id)
        assert numbers == list(range(200)), numbers


@scenario("[MQTT-3.10.4-2] [MQTT-3.10.4-3] UNSUBSCRIBE ends what is to come, and what is under way is completed")
def unsubscribed_under_way(broker):
    for version in (4, 5):
        with raw(broker, "under-way", version) as one, Mqtt(broker.port("mqtt"), "under-way-w") as writer:
            one.subscribe("under-way", 2)
            writer.publish("under-way", "started", 2)
            started = one.expect(PUBLISH)
            unsubscribe_all(one, ["under-way"])
            writer.publish("under-way", "later", 2)
            one.answer(PUBREC, started.id)
            assert one.expect(PUBREL).id == started.id
            one.answer(PUBCOMP, started.id)
            one.assert_silent(0.2)


@scenario("[MQTT-4.3.2-5] after PUBACK the same packet id is a new message, whatever its DUP says")
def same_id_after_puback(broker):
    with raw(broker, "anew") as one, Mqtt(broker.port("mqtt"), "anew-r") as reader:
        reader.subscribe("anew", 1)
        for dup in (False, True):
            one.publish("anew", str(dup), 1, identifier=7, dup=dup)
            assert one.expect(PUBACK).id == 7
        assert reader.payloads(2) == ["False", "True"]


@scenario("[MQTT-3.3.1-3] DUP goes no further than the packet that has it")
def dup_is_not_passed_on(broker):
    with raw(broker, "dup") as one, raw(broker, "dup-r") as reader:
        reader.subscribe("dup", 2)
        for qos in (1, 2):
            one.publish("dup", "x", qos, identifier=7, dup=True)
            if qos == 2:
                one.expect(PUBREC)
                one.answer(PUBREL, 7)
            one.packet()
            assert not reader.expect(PUBLISH).dup


@scenario("[MQTT-4.3.3-10] QoS 2 again before PUBREL: PUBREC again, one message", ours=True)
def again_before_release(broker):
    for version in (4, 5):
        with raw(broker, "again", version) as one, Mqtt(broker.port("mqtt"), "again-r") as reader:
            reader.subscribe("again", 2)
            for dup in (False, True, True):
                one.publish("again", "x", 2, identifier=9, dup=dup)
                came = one.expect(PUBREC)
                assert came.id == 9 and came.reason in (0, 0x10), came
            for _ in range(2):  # a PUBREL that comes again is answered again
                one.answer(PUBREL, 9)
                assert one.expect(PUBCOMP).id == 9
            assert reader.payloads(1) == ["x"]
            reader.assert_silent(0.2)


@scenario("[MQTT-4.4.0-1] nothing is sent again on a connection that lives")
def no_retry(broker):
    with raw(broker, "patient") as one, Mqtt(broker.port("mqtt"), "patient-w") as writer:
        one.subscribe("patient", 2)
        writer.publish("patient", "x", 2)
        one.expect(PUBLISH)
        one.assert_silent(3)


@scenario("[MQTT-4.4.0-2] [MQTT-3.3.4-9] what was refused by its receiver is not sent again")
def refused_is_over(broker):
    kept(broker, "refusing", clean=True).close()
    with kept(broker, "refusing") as one, Mqtt(broker.port("mqtt"), "refusing-w") as writer:
        one.subscribe("refusing", 2)
        for qos, answer in ((1, PUBACK), (2, PUBREC)):
            writer.publish("refusing", "x", qos)
            one.answer(answer, one.expect(PUBLISH).id, 0x80)
        alive(one)
    with kept(broker, "refusing") as one:
        assert one.connack.present
        one.assert_silent(0.3)


@scenario("[MQTT-4.3.3-9] after a PUBREC that refuses, the packet id is a new message", ours=True)
def refused_then_new(broker):
    with raw(broker, "denied") as one, Mqtt(broker.port("mqtt"), "denied-r") as reader:
        reader.subscribe("denied", 2)
        one.publish("$sys/mqtt/sessions", "x", 2, identifier=3)
        assert one.expect(PUBREC).reason >= 0x80
        one.publish("denied", "new", 2, identifier=3)
        assert one.expect(PUBREC).reason < 0x80
        one.answer(PUBREL, 3)
        assert one.expect(PUBCOMP).reason == 0
        assert reader.payloads(1) == ["new"]


@scenario("[MQTT-4.3.3-7] [MQTT-4.3.3-13] an exchange goes on though its message would have expired, in both directions", ours=True)
def expiry_under_way(broker):
    with raw(broker, "late") as one, raw(broker, "late-w") as writer:
        one.subscribe("late", 2)
        writer.publish("late", "x", 2, identifier=5, p2=1)
        assert writer.expect(PUBREC).id == 5
        came = one.expect(PUBLISH)
        time.sleep(2)  # the thing under test is time itself
        one.answer(PUBREC, came.id)
        released = one.expect(PUBREL)
        assert (released.id, released.reason) == (came.id, 0)
        one.answer(PUBCOMP, came.id)
        writer.answer(PUBREL, 5)
        done = writer.expect(PUBCOMP)
        assert (done.id, done.reason) == (5, 0)
        one.assert_silent(0.1)


@scenario("[MQTT-4.8.2-6] what one member of a shared subscription refuses goes to no other", ours=True)
def refused_by_a_member(broker):
    with raw(broker, "member") as one, Mqtt(broker.port("mqtt"), "member-w") as writer:
        subscribe_all(one, [("$share/refuse/shared-refuse", 1)])
        writer.publish("shared-refuse", "x", 1)
        came = one.expect(PUBLISH)
        with Mqtt(broker.port("mqtt"), "member-2") as other:
            other.subscribe("$share/refuse/shared-refuse", 1)
            one.answer(PUBACK, came.id, 0x80)
            alive(one)
            one.close()
            other.assert_silent()


@scenario("[MQTT-4.8.2-4] [MQTT-4.8.2-5] QoS 2 under way to a member is completed with that member, and goes to no other", ours=True)
def shared_exactly(broker):
    kept(broker, "owner", clean=True).close()
    with kept(broker, "owner") as one, Mqtt(broker.port("mqtt"), "owner-w") as writer:
        subscribe_all(one, [("$share/owners/shared-owner", 2)])
        writer.publish("shared-owner", "x", 2)
        came = one.expect(PUBLISH)
        one.answer(PUBREC, came.id)
        one.expect(PUBREL)
    with Mqtt(broker.port("mqtt"), "owner-2") as other:
        other.subscribe("$share/owners/shared-owner", 2)
        other.assert_silent()
        with kept(broker, "owner") as one:
            assert one.connack.present
            assert one.expect(PUBREL).id == came.id
            one.answer(PUBCOMP, came.id)
            one.assert_silent(0.1)
        other.assert_silent(0.1)


@scenario("[MQTT-4.8.2-5] QoS 2 under way to a member whose session ends goes to no other", ours=True)
def shared_session_ends(broker):
    with raw(broker, "leaver") as one, Mqtt(broker.port("mqtt"), "leaver-w") as writer:
        subscribe_all(one, [("$share/leavers/shared-leaver", 2)])
        writer.publish("shared-leaver", "x", 2)
        one.expect(PUBLISH)
        with Mqtt(broker.port("mqtt"), "leaver-2") as other:
            other.subscribe("$share/leavers/shared-leaver", 2)
            one.close()
            other.assert_silent()


@scenario("[MQTT-3.1.2-29] who asks for no problem information gets reason strings and user properties on CONNACK and DISCONNECT only", ours=True)
def problem_information(broker):
    with raw(broker, "no-problem", **{f"p{PROBLEM_INFORMATION}": 0}) as one:
        one.publish("$sys/mqtt/sessions", "x", 1)
        came = one.expect(PUBACK)
        assert came.reason >= 0x80 and len(came.body) <= 4, came
        one.send(packet(SUBSCRIBE, b"\0\1\0" + text("$share/g") + b"\1", 2))
        came = one.packet()
        assert came is None or came.kind == DISCONNECT or came.body[2] == 0, came


@scenario("[MQTT-3.1.2-28] no response information for who does not ask for it")
def response_information(broker):
    for asked in ({}, {f"p{REQUEST_RESPONSE}": 0}):
        with raw(broker, "no-response", **asked) as one:
            assert RESPONSE_INFORMATION not in one.connack.properties


@scenario("[MQTT-3.2.2-19] [MQTT-3.14.2-3] [MQTT-3.1.2-24] no packet is larger than the client takes", ours=True)
def small_packets(broker):
    with raw(broker, "tiny", **{f"p{MAXIMUM_PACKET_SIZE}": 20}) as one, Mqtt(broker.port("mqtt"), "tiny-w") as writer:
        subscribe_all(one, [("t", 1)])
        one.publish("$sys/mqtt/sessions", "x", 1)
        assert len(one.expect(PUBACK).body) <= 18
        writer.publish("t", "y" * 30)
        writer.publish("t", "z")
        assert one.expect(PUBLISH).payload == b"z"
        one.send(b"\0\0")
        came = one.packet()
        assert came is None or (came.kind == DISCONNECT and len(came.body) <= 18)


@scenario("[MQTT-3.1.4-6] [MQTT-3.2.2-7] after a refused CONNECT the connection is closed and nothing more is processed")
def refused_connect(broker):
    with Mqtt(broker.port("mqtt"), "refused-r") as reader:
        reader.subscribe("refused-connect", 1)
        with RawMqtt(broker.port("mqtt"), 4) as one:
            nameless = packet(CONNECT, text("MQTT") + b"\x04\0\0\x3c" + text(""))
            one.send(nameless + packet(PUBLISH, text("refused-connect") + b"x"))
            came = one.expect(CONNACK)
            assert came.reason == 2 and not came.present
            assert one.closed() is True
        reader.assert_silent()


@scenario("[MQTT-3.1.4-5] packets that follow CONNECT at once, before its CONNACK, are carried out after it")
def pipelined_connect(broker):
    with RawMqtt(broker.port("mqtt"), 4) as one:
        connect = packet(CONNECT, text("MQTT") + b"\x04\xc2\0\x3c" + text("pipelined") + text("a") + text("a"))
        one.send(connect + packet(SUBSCRIBE, b"\0\1" + text("pipelined") + b"\0", 2) + packet(PUBLISH, text("pipelined") + b"x") + packet(PINGREQ))
        one.expect(CONNACK)
        assert {one.packet().kind for _ in range(3)} == {SUBACK, PUBLISH, PINGRESP}


@scenario("[MQTT-3.3.1-8] a message without RETAIN leaves the retained one alone; [MQTT-3.3.1-7] an empty one is not kept")
def not_retained(broker):
    with Mqtt(broker.port("mqtt"), "left-alone") as client:
        client.publish("left/alone", "kept", 1, retain=True)
        client.publish("left/alone", "live", 1)
        client.publish("left/alone", b"", 1)
        client.subscribe("left/alone", 1)
        kept_one = client.message()
        assert kept_one.payload == b"kept" and kept_one.retain
        client.publish("left/alone", b"", 1, retain=True)
        client.message()
        client.subscribe("left/alone", 1)
        client.assert_silent()


@scenario("[MQTT-3.1.2-7 of 3.1.1] retained messages outlive the session that published them")
def retained_outlives(broker):
    with Mqtt(broker.port("mqtt"), "testator", "3.1.1", clean=True) as client:
        client.publish("outlives", "kept", 1, retain=True)
    with Mqtt(broker.port("mqtt"), "testator", "3.1.1", clean=True) as client:
        client.subscribe("outlives", 1)
        assert client.message().retain
        client.publish("outlives", b"", 1, retain=True)


@scenario("[MQTT-1.5.4-3] U+FEFF stays where it stands, and nothing else is normalised: [MQTT-4.7.3-4]")
def no_normalization(broker):
    with Mqtt(broker.port("mqtt"), "norm") as client:
        topics = ["norm/\ufeffx", "norm/x", "norm/\u00e9", "norm/e\u0301", "norm/X"]
        for topic in topics:
            client.subscribe(topic, 1)
        for topic in topics:
            client.publish(topic, "x")
            assert client.message().topic == topic
        client.assert_silent(0.1)


class WebSocket:
    """As much of RFC 6455 as a client needs to be impolite."""

    def __init__(self, port, protocols="mqtt"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        offer = f"Sec-WebSocket-Protocol: {protocols}\r\n" if protocols else ""
        self.socket.sendall(f"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n".encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            data = self.socket.recv(4096)
            if not data:
                break
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = head.decode()

    def send(self, data, opcode=BINARY):
        length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self.socket.sendall(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + data)

    def frame(self):
        """Opcode and payload of the next frame; None at the end."""
        while True:
            if len(self.buffer) >= 2:
                length, start = self.buffer[1] & 127, 2
                if length == 126:
                    length, start = int.from_bytes(self.buffer[2:4], "big"), 4
                if len(self.buffer) >= start + length:
                    frame = self.buffer[0] & 15, self.buffer[start:start + length]
                    self.buffer = self.buffer[start + length:]
                    return frame
            try:
                data = self.socket.recv(4096)
            except ConnectionError:
                return None
            if not data:
                return None
            self.buffer += data

    def close(self):
        self.socket.close()


HELLO = packet(CONNECT, text("MQTT") + b"\x04\xc2\0\x3c" + text("web") + text("a") + text("a"))


@scenario("[MQTT-6.0.0-2] packets need not be aligned with WebSocket frames; [MQTT-6.0.0-1] answers are binary")
def web_alignment(broker):
    web = WebSocket(broker.port("core"))
    for byte in HELLO:
        web.send(bytes([byte]))
    assert web.frame() == (BINARY, b"\x20\x02\0\0")
    web.send(packet(PINGREQ) + packet(PINGREQ) + packet(PINGREQ)[:1])
    web.send(packet(PINGREQ)[1:])
    came = b""
    while len(came) < 6:
        opcode, payload = web.frame()
        assert opcode == BINARY
        came += payload
    assert came == packet(PINGRESP) * 3
    web.close()


@scenario("[MQTT-6.0.0-1] a text frame ends the connection", ours=True)
def web_text(broker):
    web = WebSocket(broker.port("core"))
    web.send(HELLO)
    web.frame()
    web.send(packet(PINGREQ), TEXT)
    while (frame := web.frame()) is not None:
        assert frame[0] == 8, frame
    web.close()


@scenario("[MQTT-6.0.0-4] the sub-protocol chosen is mqtt", ours=True)
def web_protocol(broker):
    for offered in ("mqtt", "other, mqtt"):
        web = WebSocket(broker.port("core"), offered)
        assert " 101 " in web.head.splitlines()[0]
        assert "sec-websocket-protocol: mqtt" in web.head.lower().splitlines(), web.head
        web.close()


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options) as broker:
        return scenario.run(broker, options.only, another=bool(options.mosquitto))


if __name__ == "__main__":
    sys.exit(main())
