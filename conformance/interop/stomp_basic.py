#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""stomp.py, unmodified, through everything it can say: versions, settling, transactions, durability, heart-beats."""

import queue
import sys
import time

from broker import Broker, arguments, limit_time, wait_until
from client import Client, Refused, VERSIONS, text
from scenarios import Scenarios

scenario = Scenarios()
SILENCE = 0.3  # seconds in which nothing may arrive; what does arrive comes within milliseconds


def assert_silent(client):
    try:
        frame = client.inbox.messages.get(timeout=SILENCE)
    except queue.Empty:
        return
    raise AssertionError(f"nothing should arrive, came {frame and (frame.headers, frame.body)}")


def drained(broker, destination):
    """All that a new consumer finds, in order, up to a sentinel sent last."""
    with Client(broker.port("stomp")) as client:
        client.send(destination, "sentinel")
        client.subscribe(destination, ack="auto")
        found = []
        while (body := text(client.message())) != "sentinel":
            found.append(body)
        return found


@scenario("each version: a message goes through a queue and is acknowledged")
def versions(broker):
    for version in VERSIONS:
        where = f"basic.v{version}"
        with Client(broker.port("stomp"), version) as client:
            client.subscribe(where)
            client.send(where, f"hello {version}")
            frame = client.message()
            assert text(frame) == f"hello {version}", frame.body
            assert frame.headers["destination"] == where, frame.headers
            client.settle(frame)
        assert drained(broker, where) == [], version


@scenario("headers of a message arrive as they were sent, escapes included")
def headers(broker):
    with Client(broker.port("stomp")) as client:
        client.subscribe("basic.headers")
        odd = {"colour": "blue:green", "multi": "a\nb\\c", "accent": "värde"}
        client.send("basic.headers", "x", persistent="true", priority="7", correlation__id="c-1", type="kind",
                    reply__to="basic.answers", **odd)
        frame = client.message()
        wanted = odd | {"persistent": "true", "priority": "7", "correlation-id": "c-1", "type": "kind", "reply-to": "basic.answers"}
        for name, value in wanted.items():
            assert frame.headers.get(name) == value, f"{name}: {frame.headers.get(name)!r}, wanted {value!r}"
        client.settle(frame)


@scenario("a body of all byte values, with NULs, arrives byte for byte")
def binary(broker):
    with Client(broker.port("stomp")) as client:
        client.subscribe("basic.binary")
        for body in (bytes(range(256)) * 40, b"\0", b"", b"\n\n\0\0"):
            client.send("basic.binary", body)
            frame = client.message()
            received = frame.body.encode() if isinstance(frame.body, str) else frame.body
            assert (received or b"") == body, (len(received), len(body))
            client.settle(frame)


@scenario("a body of 3 MiB goes through")
def large(broker):
    with Client(broker.port("stomp")) as client:
        client.subscribe("basic.large")
        body = bytes(i * 31 % 251 for i in range(1024)) * 3072
        client.send("basic.large", body, persistent="true")
        frame = client.message(30)
        assert frame.body == body, len(frame.body)
        client.settle(frame)


@scenario("client acks are cumulative, client-individual acks are not")
def acknowledging(broker):
    for mode, left in (("client", ["3"]), ("client-individual", ["0", "1", "3"])):
        where = f"basic.{mode}"
        with Client(broker.port("stomp")) as client:
            for number in range(4):
                client.send(where, str(number))
            client.subscribe(where, ack=mode)
            frames = [client.message() for _ in range(4)]
            client.settle(frames[2])
        assert drained(broker, where) == left, mode


@scenario("what is not acknowledged comes back in its order, and marked when the connection broke")
def redelivery(broker):
    for where, broken in (("basic.closed", False), ("basic.broken", True)):
        with Client(broker.port("stomp")) as client:
            for number in range(5):
                client.send(where, str(number))
            client.subscribe(where)
            client.bodies(5)
            if broken:
                client.drop()
        with Client(broker.port("stomp")) as client:
            client.subscribe(where)
            frames = [client.message() for _ in range(5)]
            assert [text(frame) for frame in frames] == ["0", "1", "2", "3", "4"]
            if broken:
                assert all(frame.headers.get("redelivered") == "true" for frame in frames), frames[0].headers
            for frame in frames:
                client.settle(frame)


@scenario("a message refused ten times goes to the dead letter queue, saying where it came from")
def dead_letters(broker):
    with Client(broker.port("stomp")) as client:
        client.subscribe("basic.refused")
        client.send("basic.refused", "poison", persistent="true")
        attempts = 0
        while True:
            try:
                frame = client.message(5 if attempts == 0 else 1)
            except queue.Empty:
                break
            attempts += 1
            assert attempts <= 10, "more than max-delivery-attempts"
            client.settle(frame, positive=False)
        assert attempts == 10, attempts
        client.subscribe("DLQ", identity="dead")
        frame = client.message()
        assert text(frame) == "poison" and frame.headers["subscription"] == "dead", frame.headers
        assert frame.headers.get("_AMQ_ORIG_ADDRESS") == "basic.refused", frame.headers
        client.settle(frame)


@scenario("a transaction's sends and acks count at COMMIT, and not after ABORT")
def transactions(broker):
    with Client(broker.port("stomp")) as client, Client(broker.port("stomp")) as other:
        other.subscribe("basic.tx")
        client.begin("t1")
        client.send("basic.tx", "one", transaction="t1")
        client.send("basic.tx", "two", transaction="t1")
        assert_silent(other)
        client.commit("t1")
        assert other.bodies(2) == ["one", "two"]
        client.begin("t2")
        client.send("basic.tx", "never", transaction="t2")
        client.abort("t2")
        assert_silent(other)
    with Client(broker.port("stomp")) as client:
        client.subscribe("basic.tx")
        frames = [client.message() for _ in range(2)]
        client.begin("t3")
        client.settle(frames[0], transaction="t3")
        client.abort("t3")
        client.begin("t4")
        client.settle(frames[1], transaction="t4")
        client.commit("t4")
    assert drained(broker, "basic.tx") == ["one"]


@scenario("a topic reaches every subscriber, a queue one of them")
def routing(broker):
    with Client(broker.port("stomp")) as sender, Client(broker.port("stomp")) as first, Client(broker.port("stomp")) as second:
        for client in (first, second):
            client.subscribe("basic.topic", ack="auto", routing="MULTICAST")
        for number in range(20):
            sender.send("basic.topic", str(number), routing="MULTICAST")
        wanted = [str(number) for number in range(20)]
        assert first.bodies(20) == wanted and second.bodies(20) == wanted
        for client in (first, second):
            client.subscribe("basic.shared", identity="2", ack="auto")
        for number in range(20):
            sender.send("basic.shared", str(number))
        inboxes = [first.inbox.messages, second.inbox.messages]
        wait_until(lambda: sum(inbox.qsize() for inbox in inboxes) >= 20, what="20 messages")
        shares = [first.bodies(inboxes[0].qsize()), second.bodies(inboxes[1].qsize())]
        assert sorted(sum(shares, []), key=int) == wanted, shares


@scenario("a durable subscription keeps what is sent while its client is away")
def durable(broker):
    names = {"durable__subscription__name": "news"}
    with Client(broker.port("stomp"), **{"client-id": "reader"}) as client:
        client.subscribe("basic.durable", routing="MULTICAST", ack="auto", **names)
    with Client(broker.port("stomp")) as sender:
        for number in range(3):
            sender.send("basic.durable", str(number), routing="MULTICAST", persistent="true")
    with Client(broker.port("stomp"), **{"client-id": "reader"}) as client:
        client.subscribe("basic.durable", routing="MULTICAST", ack="auto", **names)
        assert client.bodies(3) == ["0", "1", "2"]
        client.unsubscribe(**names)
    with Client(broker.port("stomp")) as sender:
        sender.send("basic.durable", "late", routing="MULTICAST")
    with Client(broker.port("stomp"), **{"client-id": "reader"}) as client:
        client.subscribe("basic.durable", routing="MULTICAST", ack="auto", **names)
        assert_silent(client)
        client.unsubscribe(**names)


@scenario("a selector lets through what it matches")
def selectors(broker):
    with Client(broker.port("stomp")) as client:
        client.subscribe("basic.selected", ack="auto", selector="colour = 'red' AND size LIKE 'x_'")
        for number, (colour, size) in enumerate([("red", "xl"), ("blue", "xl"), ("red", "s"), ("red", "xs")]):
            client.send("basic.selected", str(number), colour=colour, size=size)
        assert client.bodies(2) == ["0", "3"]
        assert_silent(client)


@scenario("a selector that is no selector is refused with an ERROR")
def bad_selector(broker):
    client = Client(broker.port("stomp"))
    try:
        client.subscribe("basic.selected", selector="colour = = 'red'")
    except Refused:
        return
    finally:
        client.drop()
    raise AssertionError("the subscription was accepted")


@scenario("a message scheduled for later comes later, an expired one not at all")
def scheduled(broker):
    with Client(broker.port("stomp")) as client:
        client.send("basic.timed", "gone", expires=str(int(time.time() * 1000) + 100))
        began = time.monotonic()
        client.send("basic.timed", "later", AMQ_SCHEDULED_DELAY="700")
        time.sleep(0.2)  # past the first message's expiry: the thing under test is time itself
        client.subscribe("basic.timed", ack="auto")
        assert client.bodies(1) == ["later"]
        assert time.monotonic() - began >= 0.69, time.monotonic() - began


@scenario("heart-beats in both directions keep an idle connection; their absence ends it")
def heart_beats(broker):
    for version in ("1.1", "1.2"):
        with Client(broker.port("stomp"), version, heart_beats=(500, 500)) as client:
            wait_until(lambda client=client: client.inbox.heart_beats >= 3, seconds=10, what="three heart-beats")
            assert client.inbox.errors.empty() and client.connection.is_connected()
            client.send("basic.alive", "still here")
    from raw_stomp import RawStomp
    with RawStomp(broker.port("stomp"), seconds=15) as mute:
        mute.send("CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\npasscode:a\nheart-beat:500,0\n\n\0")
        mute.expect("CONNECTED")
        assert mute.closed(15), "a client that promised heart-beats and sends none is let live"


@scenario("STOMP over WebSocket on the same port")
def websocket(broker):
    with Client(broker.port("stomp"), websocket=True) as client:
        client.subscribe("basic.websocket")
        client.send("basic.websocket", "through the web")
        frame = client.message()
        assert text(frame) == "through the web"
        client.settle(frame)
    assert drained(broker, "basic.websocket") == []


@scenario("every protocol's port that STOMP shares (61616) takes it too")
def shared_port(broker):
    with Client(broker.port("core")) as client:
        client.subscribe("basic.shared-port")
        client.send("basic.shared-port", "hello")
        frame = client.message()
        client.settle(frame)


@scenario("persistent messages, and only those, are there after a clean stop")
def restart(broker):
    with Client(broker.port("stomp")) as client:
        client.send("basic.kept", "persistent", persistent="true")
        client.send("basic.kept", "transient", persistent="false")
    status = broker.stop()
    assert status in (0, 143), status  # a JVM that obeys SIGTERM answers 128 + 15
    broker.start()
    assert drained(broker, "basic.kept") == ["persistent"]


def main():
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", help="scenarios whose function or title contains this")
    options = parser.parse_args()
    limit_time(options.seconds)
    with Broker(options.hind) as broker:
        return scenario.run(broker, options.only)


if __name__ == "__main__":
    sys.exit(main())
