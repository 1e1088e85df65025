#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The limits that MQTT 5 lets both sides name: receive maximum, packet size, topic aliases, keep-alive. And who never acknowledges."""

import sys

from broker import acceptor_parameters, limit_time
from mosquitto import mqtt_arguments, mqtt_broker
from mqtt_client import Mqtt
from raw_mqtt import (MAXIMUM_PACKET_SIZE, PINGREQ, PINGRESP, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, RECEIVE_MAXIMUM, SERVER_KEEP_ALIVE,
                      TOPIC_ALIAS, TOPIC_ALIAS_MAXIMUM, RawMqtt, packet, variable)
from scenarios import Scenarios

scenario = Scenarios()

OURS = {"topicAliasMaximum": 10, "receiveMaximum": 20, "maximumPacketSize": 2_000_000, "serverKeepAlive": 60}
ALIAS_INVALID, TOO_MANY, TOO_LARGE, PROTOCOL_ERROR = 0x94, 0x93, 0x95, 0x82


def client(broker, name, **options):
    return Mqtt(broker.port("mqtt"), name, **options)


@scenario("CONNACK announces the broker's limits")
def announced(broker):
    with RawMqtt(broker.port("mqtt")) as raw:
        given = raw.connect("announced").properties
        assert given.get(TOPIC_ALIAS_MAXIMUM) == OURS["topicAliasMaximum"], given
        assert given.get(RECEIVE_MAXIMUM) == OURS["receiveMaximum"], given
        assert given.get(MAXIMUM_PACKET_SIZE) == OURS["maximumPacketSize"], given


@scenario("the broker's keep-alive is for those who ask for a longer one or none", ours=True)
def server_keep_alive(broker):
    for asked, given in ((120, 60), (0, 60), (30, 30), (60, 60)):
        with RawMqtt(broker.port("mqtt")) as raw:
            assert raw.connect("keep-alive", keepalive=asked).properties.get(SERVER_KEEP_ALIVE, asked) == given, asked
    with client(broker, "keep-alive", keepalive=120) as polite:
        assert polite.given.ServerKeepAlive == 60


@scenario("the client's receive maximum: no more are under way to it, QoS 0 goes on, and each acknowledgement lets one more through")
def receive_maximum(broker):
    with RawMqtt(broker.port("mqtt")) as raw, client(broker, "flow-w") as writer:
        raw.connect("flow", **{f"p{RECEIVE_MAXIMUM}": 2})
        raw.subscribe("flow/+", 2)
        for number in range(6):
            writer.publish("flow/a", str(number), 1 + number % 2)
        first, second = raw.expect(PUBLISH), raw.expect(PUBLISH)
        raw.assert_silent()
        writer.publish("flow/b", "qos 0", 0)
        assert raw.expect(PUBLISH).payload == b"qos 0"
        raw.answer(PUBACK, first.id)
        third = raw.expect(PUBLISH)
        raw.assert_silent(0.2)
        raw.answer(PUBREC, second.id)
        assert raw.expect(PUBREL).id == second.id
        raw.assert_silent(0.2)
        raw.answer(PUBCOMP, second.id)
        fourth = raw.expect(PUBLISH)
        assert [one.payload for one in (first, second, third, fourth)] == [b"0", b"1", b"2", b"3"]
        assert third.id != fourth.id


@scenario("a message that the client refuses with PUBREC is no longer under way", ours=True)
def receive_maximum_refused(broker):
    with RawMqtt(broker.port("mqtt")) as raw, client(broker, "flow-w") as writer:
        raw.connect("refusing", **{f"p{RECEIVE_MAXIMUM}": 1})
        raw.subscribe("refused", 2)
        for number in range(3):
            writer.publish("refused", str(number), 2)
        for number in range(3):
            came = raw.expect(PUBLISH)
            assert came.payload == b"%d" % number
            raw.assert_silent(0.1)
            raw.answer(PUBREC, came.id, 0x80)
        raw.assert_silent()


@scenario("paho with a receive maximum of 2 that acknowledges late gets all, two at a time")
def receive_maximum_paho(broker):
    with client(broker, "flow-paho", ReceiveMaximum=2, manual=True) as slow, client(broker, "flow-w") as writer:
        slow.subscribe("flow-paho", 1)
        for number in range(20):
            writer.publish("flow-paho", str(number))
        for number in range(0, 20, 2):
            pair = [slow.message(), slow.message()]
            assert [message.payload for message in pair] == [b"%d" % number, b"%d" % (number + 1)]
            slow.assert_silent(0.05)
            for message in pair:
                slow.settle(message)


@scenario("the broker's receive maximum: one more QoS 2 message under way is an error", ours=True)
def receive_maximum_exceeded(broker):
    with RawMqtt(broker.port("mqtt")) as raw:
        raw.connect("greedy")
        for identifier in range(1, OURS["receiveMaximum"] + 2):
            raw.publish("greedy", "x", 2, identifier=identifier)
        assert raw.closed() == TOO_MANY
    with RawMqtt(broker.port("mqtt")) as raw:
        raw.connect("frugal")
        for identifier in range(1, 200):
            raw.publish("frugal", "x", 2, identifier=identifier)
            raw.expect(PUBREC)
            raw.answer(PUBREL, identifier)
            raw.expect(PUBCOMP)
        raw.send(packet(PINGREQ))
        raw.expect(PINGRESP)


@scenario("a packet larger than the broker takes ends the connection with 0x95")
def packet_too_large(broker):
    with RawMqtt(broker.port("mqtt")) as raw:
        raw.connect("large")
        raw.publish("large", b"x" * 1_999_000, 1)
        raw.expect(PUBACK)
        raw.send(header(2_100_000))
        assert raw.closed() == TOO_LARGE


def header(length):
    """The first bytes of a PUBLISH of that length: the broker need not wait for the rest."""
    return bytes([PUBLISH << 4]) + variable(length) + b"\0\1x"


@scenario("a message larger than the client takes does not come; the next one does, and nothing of it stays")
def message_too_large(broker):
    with client(broker, "small", MaximumPacketSize=200, session=60) as small, client(broker, "small-w") as writer:
        small.subscribe("small/#", 2)
        for qos in range(3):
            writer.publish("small/a", b"x" * 400, qos)
            writer.publish("small/a", "y" * 50, qos)
            assert small.payloads(1) == ["y" * 50]
        small.assert_silent(0.1)
    with client(broker, "small", clean=False) as again:
        assert again.present
        again.assert_silent()


@scenario("topic aliases from the client: set, used, changed; unknown, 0 or beyond the maximum is an error")
def aliases_in(broker):
    with client(broker, "alias") as one:
        one.subscribe("alias/+", 2)
        for qos in range(3):
            one.publish("alias/a", "sets", qos, TopicAlias=1)
            one.publish("", "uses", qos, TopicAlias=1)
            one.publish("alias/b", "changes", qos, TopicAlias=1)
            one.publish("", "uses", qos, TopicAlias=1)
            assert [one.message().topic for _ in range(4)] == ["alias/a", "alias/a", "alias/b", "alias/b"]
    for topic, alias in (("", 1), ("a", 0), ("a", OURS["topicAliasMaximum"] + 1)):
        with RawMqtt(broker.port("mqtt")) as raw:
            raw.connect("alias-bad")
            raw.publish(topic, "x", 1, **{f"p{TOPIC_ALIAS}": alias})
            reason = raw.closed()
            assert reason in (ALIAS_INVALID, PROTOCOL_ERROR), (topic, alias, reason)


@scenario("topic aliases to the client: as many as it allows, each set before it is used; none without its leave", ours=True)
def aliases_out(broker):
    for maximum in (0, 2):
        with RawMqtt(broker.port("mqtt")) as raw, client(broker, "alias-w") as writer:
            raw.connect("alias-out", **({f"p{TOPIC_ALIAS_MAXIMUM}": maximum} if maximum else {}))
            raw.subscribe("out/+", 0)
            known, used = {}, 0
            for number in range(12):
                topic = f"out/{number % 3}"
                writer.publish(topic, str(number))
                came = raw.expect(PUBLISH)
                alias = came.properties.get(TOPIC_ALIAS)
                if alias is not None:
                    assert 1 <= alias <= maximum
                    used += not came.topic
                    known[alias] = came.topic or known[alias]
                assert (came.topic or known[alias]) == topic and came.payload == b"%d" % number
            assert used >= (6 if maximum else 0) and len(known) == maximum, (maximum, used)


@scenario("a client that never acknowledges: what it was sent stays bounded, others go on, and it gets all in the end")
def never_acknowledging(broker):
    count = 5000
    with RawMqtt(broker.port("mqtt"), 4) as raw, client(broker, "mute-w") as writer, client(broker, "brisk") as brisk:
        raw.connect("mute", clean=True)
        raw.subscribe("mute", 1)
        brisk.subscribe("mute", 1)
        sent = [writer.client.publish("mute", str(number), 1) for number in range(count)]
        for info in sent:
            info.wait_for_publish(30)
        assert brisk.payloads(count) == [str(number) for number in range(count)]
        numbers = []
        while len(numbers) < count:
            came = raw.expect(PUBLISH)
            numbers.append(int(came.payload))
            raw.answer(PUBACK, came.id)
        assert numbers == list(range(count))
        raw.assert_silent()


@scenario("a second CONNECT, or a first packet that is none, ends the connection")
def out_of_place(broker):
    with RawMqtt(broker.port("mqtt")) as raw:
        raw.connect("twice")
        raw.send(b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02ab")
        assert raw.closed() in (PROTOCOL_ERROR, True)
    for first in (b"\xc0\x00", b"\x30\x03\x00\x01a", b"\xe0\x00"):
        with RawMqtt(broker.port("mqtt")) as raw:
            raw.send(first)
            assert raw.closed(5)


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options, acceptor_parameters("mqtt", **OURS)) as broker:
        return scenario.run(broker, options.only, another=bool(options.mosquitto))


if __name__ == "__main__":
    sys.exit(main())
