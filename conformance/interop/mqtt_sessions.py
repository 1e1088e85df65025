#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What outlives an MQTT connection, and the broker: sessions, messages under way, packet ids, retained messages, wills.

paho-mqtt where a polite client can ask for it, bytes where the scenario breaks off in the middle of an exchange.
"""

import sys
import time

from broker import limit_time
from mosquitto import mqtt_arguments, mqtt_broker
from mqtt_client import Mqtt, Will, user_properties
from raw_mqtt import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, SESSION_EXPIRY, RawMqtt
from scenarios import Scenarios

scenario = Scenarios()

KEPT = 600  # seconds of a session that is to be there still
WITH_WILL, PROTOCOL_ERROR, TAKEN_OVER = 0x04, 0x82, 0x8E


def client(broker, name, **options):
    return Mqtt(broker.port("mqtt"), name, **options)


def interruptions(broker):
    """Ways in which both sides lose each other: the connection only, a clean stop, and SIGKILL."""
    def restart(end):
        end()
        broker.start()
    yield "connection", lambda: None
    if broker.keeps_all:
        yield "stop", lambda: restart(broker.stop)
        yield "kill", lambda: restart(broker.kill9)


def raw(broker, name, version, clean=False):
    """A connection by bytes whose session is kept; the answer to CONNECT is `.connack`."""
    one = RawMqtt(broker.port("mqtt"), version)
    one.connack = one.connect(name, clean=clean, **({f"p{SESSION_EXPIRY}": KEPT} if version == 5 else {}))
    return one


@scenario("a kept session: session present, its subscriptions, and what came meanwhile at QoS 1 and 2, each version")
def offline(broker):
    for version in ("3.1.1", "5"):
        for how, interrupt in interruptions(broker):
            name, topic = f"offline-{version}-{how}", f"offline/{version}/{how}"
            with client(broker, name, version=version, clean=True, session=KEPT) as one:
                assert not one.present
                one.subscribe(f"{topic}/+", 2)
            with client(broker, "offline-w") as writer:
                for number in range(20):
                    writer.publish(f"{topic}/a", str(number), 1 + number % 2)
            interrupt()
            with client(broker, name, version=version, clean=False, session=KEPT) as one:
                assert one.present, (version, how)
                came = [one.message() for _ in range(20)]
                for qos in (1, 2):
                    share = [int(message.payload) for message in came if message.qos == qos]
                    assert share == list(range(qos - 1, 20, 2)), (version, how, share)
                one.publish(f"{topic}/live", "live", 1)
                assert one.payloads(1) == ["live"]
                one.assert_silent(0.1)
            with client(broker, name, version=version, clean=True) as one:
                assert not one.present
                one.assert_silent(0.1)


@scenario("a clean start forgets: no session present, no subscription, no message")
def clean_start(broker):
    for version in ("3.1.1", "5"):
        with client(broker, "forget", version=version, session=KEPT) as one:
            one.subscribe("forget", 1)
        with client(broker, "forget-w") as writer:
            writer.publish("forget", "old")
        with client(broker, "forget", version=version, clean=True) as one:
            assert not one.present
            with client(broker, "forget-w") as writer:
                writer.publish("forget", "new")
            one.assert_silent()
        with client(broker, "forget", version=version, clean=False) as one:
            assert not one.present, version


@scenario("session expiry: none ends with the connection, a time ends later, DISCONNECT changes it")
def expiry(broker):
    def present_after(seconds, at_connect, at_disconnect=None):
        with client(broker, "expiring", clean=True, session=at_connect) as one:
            one.subscribe("expiring", 1)
            one.close(**({} if at_disconnect is None else {"SessionExpiryInterval": at_disconnect}))
        time.sleep(seconds)  # the thing under test is time itself
        with client(broker, "expiring", clean=False) as one:
            return one.present
    assert not present_after(0, 0)
    assert present_after(0, 5)
    assert not present_after(2.2, 1)
    assert not present_after(0, 5, at_disconnect=0)
    assert present_after(1.5, 1, at_disconnect=60)


@scenario("DISCONNECT may not give a time to a session that had none", ours=True)
def expiry_from_nothing(broker):
    with RawMqtt(broker.port("mqtt")) as one:
        one.connect("no-time")
        one.send(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x05")
        assert one.closed() in (PROTOCOL_ERROR, True)
    with client(broker, "no-time", clean=False) as one:
        assert not one.present


@scenario("a session's time runs on while the broker is down", ours=True)
def expiry_across_restart(broker):
    for name, seconds in (("brief", 1), ("patient", 60)):
        with client(broker, name, session=seconds) as one:
            one.subscribe("brief", 1)
    broker.kill9()
    time.sleep(1.2)  # the thing under test is time itself
    broker.start()
    for name, present in (("brief", False), ("patient", True)):
        with client(broker, name, clean=False) as one:
            assert one.present == present, name


@scenario("QoS 1 under way to the client: the same packet ids again, with DUP; not what was acknowledged")
def outbound_once(broker):
    for version in (4, 5):
        for how, interrupt in interruptions(broker):
            name = f"out1-{version}-{how}"
            with raw(broker, name, version, clean=True) as one, client(broker, "out1-w") as writer:
                one.close()
                one = raw(broker, name, version)
                one.subscribe(name, 1)
                for number in range(3):
                    writer.publish(name, str(number))
                came = [one.expect(PUBLISH) for _ in range(3)]
                assert not any(message.dup for message in came)
                one.answer(PUBACK, came[1].id)
                writer.publish(name, "3")
                came.append(one.expect(PUBLISH))
                one.close()
            interrupt()
            with raw(broker, name, version) as one:
                assert one.connack.present
                again = [one.expect(PUBLISH) for _ in range(3)]
                assert [(message.id, message.payload) for message in again] == [(came[at].id, came[at].payload) for at in (0, 2, 3)], (version, how, again)
                assert all(message.dup for message in again), (version, how)
                for message in again:
                    one.answer(PUBACK, message.id)
                one.assert_silent(0.1)
            with raw(broker, name, version) as one:
                one.assert_silent(0.1)


@scenario("QoS 2 under way to the client: PUBLISH again with DUP before PUBREC, PUBREL after it, nothing after PUBCOMP")
def outbound_exactly(broker):
    for version in (4, 5):
        for how, interrupt in interruptions(broker):
            name = f"out2-{version}-{how}"
            raw(broker, name, version, clean=True).close()
            with raw(broker, name, version) as one, client(broker, "out2-w") as writer:
                one.subscribe(name, 2)
                for number in range(4):
                    writer.publish(name, str(number), 2)
                came = [one.expect(PUBLISH) for _ in range(4)]
                for at in (0, 1):
                    one.answer(PUBREC, came[at].id)
                    assert one.expect(PUBREL).id == came[at].id
                one.answer(PUBCOMP, came[0].id)
                # An exchange of our own shows that the broker has read so far.
                one.publish(f"{name}/other", "x", 1, identifier=77)
                one.expect(PUBACK)
            interrupt()
            with raw(broker, name, version) as one:
                assert one.connack.present
                again = [one.packet() for _ in range(3)]
                assert [(packet.kind, packet.id) for packet in again] == [(PUBREL, came[1].id), (PUBLISH, came[2].id), (PUBLISH, came[3].id)], (version, how, again)
                assert all(message.dup and message.payload == came[at].payload for message, at in ((again[1], 2), (again[2], 3)))
                one.answer(PUBCOMP, came[1].id)
                for message in again[1:]:
                    one.answer(PUBREC, message.id)
                    assert one.expect(PUBREL).id == message.id
                    one.answer(PUBCOMP, message.id)
                one.assert_silent(0.1)


@scenario("QoS 2 under way from the client: the same packet id again is the same message, delivered once")
def inbound_exactly(broker):
    for version in (4, 5):
        for how, interrupt in interruptions(broker):
            name = f"in2-{version}-{how}"
            with client(broker, f"{name}-r", session=KEPT) as reader:
                reader.subscribe(name, 2)
            raw(broker, name, version, clean=True).close()
            with raw(broker, name, version) as one:
                for identifier in (5, 6):
                    one.publish(name, str(identifier), 2, identifier=identifier)
                    assert one.expect(PUBREC).id == identifier
            interrupt()
            with raw(broker, name, version) as one:
                assert one.connack.present
                one.publish(name, "5", 2, identifier=5, dup=True)
                assert one.expect(PUBREC).id == 5
                for identifier in (5, 6):  # 6 is taken for granted: its PUBREC had come
                    one.answer(PUBREL, identifier)
                    done = one.expect(PUBCOMP)
                    assert (done.id, done.reason) == (identifier, 0)
                one.publish(name, "new", 2, identifier=5)
                assert one.expect(PUBREC).id == 5
                one.answer(PUBREL, 5)
                one.expect(PUBCOMP)
            with client(broker, f"{name}-r", clean=False) as reader:
                came = [reader.message().payload for _ in range(3)]
                assert sorted(came) == [b"5", b"6", b"new"], (version, how, came)
                reader.assert_silent(0.1)


@scenario("retained messages outlive the broker, a deleted one stays deleted")
def retained(broker):
    for how, interrupt in interruptions(broker):
        with client(broker, "ret-w") as writer:
            for qos in range(3):
                writer.publish(f"ret/{how}/{qos}", f"kept {qos}", qos, retain=True, ContentType="text", UserProperty=[("a", "b")])
            writer.publish(f"ret/{how}/1", "newer", 1, retain=True)
            writer.publish(f"ret/{how}/deleted", "x", 1, retain=True)
            writer.publish(f"ret/{how}/deleted", b"", 1, retain=True)
        interrupt()
        with client(broker, "ret-r") as reader:
            reader.subscribe(f"ret/{how}/+", 2)
            wanted = {f"ret/{how}/1": (b"newer", 1), f"ret/{how}/2": (b"kept 2", 2)}
            came = {}
            while len(came) < len(wanted):
                message = reader.message()
                assert message.retain
                if not message.topic.endswith("/0"):  # what was not to be kept may be
                    came[message.topic] = (message.payload, message.qos)
                if message.topic.endswith("2"):
                    assert user_properties(message) == [("a", "b")] and message.properties.ContentType == "text"
            assert came == wanted, (how, came)
            reader.assert_silent(0.1)
        with client(broker, "ret-w") as writer:
            for qos in range(3):
                writer.publish(f"ret/{how}/{qos}", b"", 1, retain=True)


@scenario("the same client id elsewhere: the old connection is told 0x8E and closed, the session goes on with the new one")
def link_stealing(broker):
    for version in (4, 5):
        name = f"steal-{version}"
        raw(broker, name, version, clean=True).close()
        with raw(broker, name, version) as old, client(broker, "steal-w") as writer:
            old.subscribe(name, 1)
            writer.publish(name, "under way")
            first = old.expect(PUBLISH)
            with raw(broker, name, version) as new:
                assert old.closed() == (TAKEN_OVER if version == 5 else True)
                assert new.connack.present
                again = new.expect(PUBLISH)
                assert (again.id, again.dup, again.payload) == (first.id, True, b"under way")
                new.answer(PUBACK, again.id)
                writer.publish(name, "after")
                assert new.expect(PUBLISH).payload == b"after"


@scenario("a stolen client id in another version or over WebSocket is the same client")
def link_stealing_across(broker):
    with client(broker, "across", version="3.1.1", session=KEPT) as old:
        old.subscribe("across", 1)
        with Mqtt(broker.port("core"), "across", clean=False, websocket=True, session=KEPT) as new:
            old.gone()
            assert new.present
            new.publish("across", "x")
            assert new.payloads(1) == ["x"]


def will_of(broker, name, end, will=None, seconds=3, **options):
    """What a witness gets after `end(client)`: the message and the seconds until it, or None."""
    with client(broker, f"{name}-w") as witness:
        witness.subscribe("wills/#", 2, retainHandling=2)
        one = client(broker, name, will=will or Will(f"wills/{name}", "gone", 1), **options)
        began = time.monotonic()
        after = end(one)
        try:
            message = witness.message(seconds)
        except Exception:
            message = None
        elapsed = time.monotonic() - began
        if after:
            after.close()
        witness.assert_silent(0.1)
        return message, elapsed


@scenario("a will is sent when the connection breaks, with QoS, retain and all its properties")
def wills(broker):
    users = [("why", "gone"), ("why", "again")]
    for version in ("3.1", "3.1.1", "5"):
        for qos in range(3):
            values = {} if version != "5" else {"PayloadFormatIndicator": 1, "ContentType": "text", "ResponseTopic": "answers", "CorrelationData": b"\0c",
                                                "UserProperty": users, "MessageExpiryInterval": 100}
            will = Will(f"wills/{version}", f"gone {qos}", qos, retain=qos == 1, **values)
            message, _ = will_of(broker, "mortal", Mqtt.drop, will, version=version)
            assert message is not None and message.payload == b"gone %d" % qos and message.qos == qos and not message.retain
            if version == "5":
                given = message.properties
                assert (given.PayloadFormatIndicator, given.ContentType, given.ResponseTopic, given.CorrelationData) == (1, "text", "answers", b"\0c")
                assert user_properties(message) == users and given.MessageExpiryInterval in (99, 100)
        with client(broker, "heir") as heir:
            heir.subscribe(f"wills/{version}", 1)
            kept = heir.message()
            assert kept.retain and kept.payload == b"gone 1"
            heir.publish(f"wills/{version}", b"", 1, retain=True)


@scenario("no will after DISCONNECT, but after DISCONNECT with will and after a protocol error")
def wills_and_goodbyes(broker):
    for version in ("3.1.1", "5"):
        assert will_of(broker, "polite", Mqtt.close, version=version, seconds=0.3)[0] is None
    assert will_of(broker, "asking", lambda one: one.close(reason=WITH_WILL))[0].payload == b"gone"
    with client(broker, "bad-w") as witness:
        witness.subscribe("bad-will", 1)
        with RawMqtt(broker.port("mqtt"), 4) as bad:
            bad.connect("bad", will=("bad-will", "x"))
            bad.send(b"\x00\x00")
            bad.closed()
        assert witness.payloads(1) == ["x"]


@scenario("a client that is silent for one and a half times its keep-alive is closed, and its will is sent")
def keep_alive(broker):
    with client(broker, "silent-w") as witness:
        witness.subscribe("silent-will", 1)
        with RawMqtt(broker.port("mqtt"), 4) as mute:
            mute.connect("silent", keepalive=1, will=("silent-will", "x"))
            began = time.monotonic()
            assert mute.closed(10)
            assert 1 <= time.monotonic() - began <= 8, time.monotonic() - began
        assert witness.payloads(1) == ["x"]
    with client(broker, "pinging", keepalive=1) as polite:
        time.sleep(3)  # the thing under test is time itself
        assert polite.client.is_connected()


@scenario("will delay: not before it has passed, not when the client comes back, at the session's end at the latest")
def will_delay(broker):
    late = Will("wills/late", "late", 1, WillDelayInterval=2)
    message, seconds = will_of(broker, "late", Mqtt.drop, late, session=KEPT, seconds=5)
    assert message is not None and 1 <= seconds <= 4, seconds
    message, seconds = will_of(broker, "later", Mqtt.drop, Will("wills/later", "x", 1, WillDelayInterval=60), session=2, seconds=5)
    assert message is not None and 1 <= seconds <= 4, f"the session ends before the delay: {seconds}"
    message, seconds = will_of(broker, "latest", Mqtt.drop, Will("wills/latest", "x", 1, WillDelayInterval=60), seconds=5)
    assert message is not None and seconds <= 2, f"without a session there is no delay: {seconds}"

    def come_back(one):
        one.drop()
        return client(broker, "back", clean=False, session=KEPT)
    message, _ = will_of(broker, "back", come_back, Will("wills/back", "x", 1, WillDelayInterval=1), session=KEPT, seconds=2)
    assert message is None, "the client came back in time"

    def start_anew(one):
        one.drop()
        return client(broker, "anew", clean=True)
    message, seconds = will_of(broker, "anew", start_anew, Will("wills/anew", "x", 1, WillDelayInterval=60), session=KEPT)
    assert message is not None and seconds <= 2, "a clean start ends the session, and so the delay"


@scenario("a will when the client id is taken over: sent, unless it has a delay and the session goes on", ours=True)
def will_at_take_over(broker):
    def steal(clean):
        def end(one):
            thief = client(broker, "robbed", clean=clean, session=KEPT, version=one.version)
            one.gone()
            return thief
        return end
    for version, clean, values, sent in (("3.1.1", True, {}, True), ("3.1.1", False, {}, True), ("5", True, {}, True), ("5", False, {}, True),
                                         ("5", False, {"WillDelayInterval": 60}, False), ("5", True, {"WillDelayInterval": 60}, True)):
        will = Will("wills/robbed", "x", 1, **values)
        message, _ = will_of(broker, "robbed", steal(clean), will, version=version, session=KEPT, seconds=2 if sent else 0.4)
        assert (message is not None) == sent, (version, clean, values)


@scenario("the will of a kept session is sent when the broker died and the client does not come back", ours=True)
def will_across_restart(broker):
    for how, interrupt in interruptions(broker):
        if how == "connection":
            continue
        with client(broker, "widow", session=KEPT) as widow:
            widow.subscribe("wills/+", 1)
        dying = client(broker, "dying", session=KEPT, will=Will("wills/dying", how, 1, WillDelayInterval=1, UserProperty=[("a", "b")]))
        resting = client(broker, "resting", session=KEPT, will=Will("wills/resting", how, 1))
        resting.close()
        interrupt()
        dying.gone()
        dying.client.loop_stop()
        with client(broker, "widow", clean=False, session=KEPT) as widow:
            message = widow.message()
            assert (message.topic, message.payload.decode()) == ("wills/dying", how) and user_properties(message) == [("a", "b")]
            widow.assert_silent(0.5)
        for name in ("widow", "dying", "resting"):
            client(broker, name, clean=True).close()


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options) as broker:
        return scenario.run(broker, options.only, another=bool(options.mosquitto))


if __name__ == "__main__":
    sys.exit(main())
