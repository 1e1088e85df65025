#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad MQTT against a running broker: its memory stays flat, half-finished handshakes end, and another client is not disturbed.

Half-finished CONNECTs by the thousand, random bytes, mutated conversations of each version, a client that never
acknowledges while a megabyte a second is published to it, retained topics without number.
"""

import resource
import socket
import struct
import sys
import time

from abuse import SILENT, SILENT_KIB_MAX, SPARE_FILES, attack
from raw_mqtt import CONNECT, DISCONNECT, PINGREQ, PUBACK, PUBLISH, PUBREC, PUBREL, SUBSCRIBE, UNSUBSCRIBE, RawMqtt, packet, text, written

HANDSHAKE_SECONDS = 10  # the acceptor's default, and a little
CONVERSATIONS = 2000


def hello(version, client):
    name = "MQIsdp" if version == 3 else "MQTT"
    rest = written({0x11: 10, 0x21: 5}) if version == 5 else b""
    return packet(CONNECT, text(name) + bytes([version, 0xC2]) + struct.pack(">H", 60) + rest + text(client) + text("a") + text("a"))


def conversation(version, client):
    """A bit of everything that a client may say."""
    none = b"\0" if version == 5 else b""
    some = written({0x01: 1, 0x02: 60, 0x03: "text", 0x08: "answers", 0x09: b"c"}) if version == 5 else b""
    said = hello(version, client)
    said += packet(SUBSCRIBE, b"\0\1" + none + text("abuse/mutated/+") + b"\2" + text("$share/g/abuse/#") + b"\1", 2)
    said += packet(PUBLISH, text("abuse/mutated/a") + some + b"zero")
    said += packet(PUBLISH, text("abuse/mutated/a") + b"\0\2" + some + b"one", 2)
    said += packet(PUBLISH, text("abuse/mutated/b") + b"\0\3" + some + b"two", 5)
    said += packet(PUBREL, b"\0\3", 2) + packet(PUBACK, b"\0\1") + packet(PUBREC, b"\0\2") + packet(PINGREQ)
    said += packet(UNSUBSCRIBE, b"\0\4" + none + text("abuse/mutated/+"), 2)
    return said + packet(DISCONNECT)


def half_finished(broker, randomness):
    """10,000 CONNECTs that stop in the middle, all held at once; the broker closes them in its own time."""
    count = min(SILENT, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)
    if count < SILENT:
        print(f"skipped: {SILENT} connections need more open files than the system allows; tried with {count}")
    before = broker.memory_kib()
    held = []
    try:
        for number in range(count):
            # Loopback has 28,000 ports for one pair of addresses; several addresses leave no port in TIME_WAIT behind us.
            one = socket.create_connection(("127.0.0.1", broker.port("mqtt")), 10, (f"127.0.0.{2 + number % 8}", 0))
            held.append(one)
            whole = hello(4 + number % 2, f"half-{number}")
            one.sendall(whole[:1 + number % (len(whole) - 1)])
        per_connection = (broker.memory_kib() - before) / count
        assert per_connection <= SILENT_KIB_MAX, f"{per_connection:.1f} KiB resident per half CONNECT"
        end = time.monotonic() + 3 * HANDSHAKE_SECONDS
        for one in held:
            one.settimeout(max(0.01, end - time.monotonic()))
            try:
                while one.recv(100):
                    pass
            except ConnectionError:
                pass
        return f"{count} connections, {per_connection:.2f} KiB each, all closed by the broker"
    finally:
        for one in held:
            one.close()


def random_bytes(broker, randomness):
    """2,000 connections with random bytes, half of them after a good CONNECT."""
    for number in range(CONVERSATIONS):
        data = randomness.randbytes(randomness.choice([1, 7, 100, 2000, 20_000]))
        throw(broker, (hello(4 + number % 4 // 2, "random") if number % 2 else b"") + data, randomness)
    return f"{CONVERSATIONS} connections"


def mutations(broker, randomness):
    """Good conversations of each version with a few bytes changed, removed or doubled."""
    for number in range(3 * CONVERSATIONS):
        data = bytearray(conversation(3 + number % 3, f"mutated-{number % 50}"))
        for _ in range(randomness.randrange(1, 6)):
            at = randomness.randrange(len(data))
            change = randomness.randrange(3)
            if change == 0:
                data[at] = randomness.randrange(256)
            elif change == 1:
                del data[at:at + randomness.randrange(1, 20)]
            else:
                data[at:at] = data[at:at + randomness.randrange(1, 20)]
            data = data or bytearray(b"\0")
        throw(broker, bytes(data), randomness)
    return f"{3 * CONVERSATIONS} conversations"


def throw(broker, data, randomness):
    """Sends and goes away: at once, or after an answer or a little waiting."""
    with RawMqtt(broker.port("mqtt"), seconds=5) as client:
        try:
            client.send(data)
            if randomness.random() < 0.2:
                client.socket.settimeout(0.05)
                client.socket.recv(4096)
        except OSError:
            pass  # closed on us, or silent: both are fine


def endless(broker, randomness):
    """Packets that announce 256 MiB, before and after CONNECT, and never end."""
    megabyte = b"x" * (1 << 20)
    for first in (b"", hello(4, "endless"), hello(5, "endless")):
        for kind in (b"\x10", b"\x30", b"\x82"):
            with RawMqtt(broker.port("mqtt"), seconds=10) as client:
                try:
                    client.send(first + kind + b"\xff\xff\xff\x7f\0\4MQTT")
                    for _ in range(48):
                        client.socket.sendall(megabyte)
                except OSError:
                    pass  # closed on us
    return "9 packets of 256 MiB"


def never_acknowledging(broker, randomness):
    """32 MiB published at QoS 1 to a client that takes what its receive maximum allows and acknowledges nothing."""
    with RawMqtt(broker.port("mqtt"), seconds=20) as mute, RawMqtt(broker.port("mqtt"), seconds=20) as writer:
        mute.connect("abuse-mute", p33=10)
        mute.subscribe("abuse/mute", 1)
        writer.connect("abuse-writer")
        body = bytes(32 * 1024)
        for number in range(1024):
            writer.publish("abuse/mute", body, 1, identifier=number % 60_000 + 1)
            writer.expect(PUBACK)
        for _ in range(10):
            mute.expect(PUBLISH)
        mute.assert_silent(0.2)
    return "1024 messages of 32 KiB"


def retained_topics(broker, randomness):
    """20,000 retained topics and their deletion."""
    with RawMqtt(broker.port("mqtt"), seconds=20) as client:
        client.connect("abuse-retained")
        for payload in ("x", ""):
            for start in range(0, 20_000, 100):
                for number in range(start, start + 100):
                    client.publish(f"abuse/retained/{number}/{number % 7}", payload, 1, identifier=number + 1, retain=True)
                for _ in range(100):
                    client.expect(PUBACK)
        client.subscribe("abuse/retained/#", 0)
        client.assert_silent(0.3)
    return "20,000 topics"


# Each is an address, which stays until the next scan for unused ones, and a message while it is retained.
retained_topics.keeps_kib = 20_000 * 3


PHASES = [half_finished, random_bytes, mutations, endless, never_acknowledging, retained_topics]

if __name__ == "__main__":
    sys.exit(attack(__doc__.splitlines()[0], PHASES))
