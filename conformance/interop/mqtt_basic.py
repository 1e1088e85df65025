#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""paho-mqtt, unmodified, through delivery, subscriptions, retained messages and properties: MQTT 3.1, 3.1.1 and 5."""

import sys
import time

from broker import limit_time, wait_until
from mosquitto import mqtt_arguments, mqtt_broker
from mqtt_client import VERSIONS, Mqtt, Refused, user_properties
from raw_mqtt import DISCONNECT, PUBACK, PUBREC, SUBSCRIBE, RawMqtt, packet, text
from scenarios import Scenarios

scenario = Scenarios()

NO_SUBSCRIBERS, NO_SUBSCRIPTION = 0x10, 0x11
TOPIC_MAX = 65535


@scenario("each version and QoS: a message arrives with the lower QoS of publication and subscription, in order")
def delivery(broker):
    for version in VERSIONS:
        with Mqtt(broker.port("mqtt"), f"reader-{version}", version) as reader, Mqtt(broker.port("mqtt"), f"writer-{version}", version) as writer:
            for granted in range(3):
                assert reader.subscribe(f"basic/{version}/{granted}", granted) == granted
                for qos in range(3):
                    for number in range(5):
                        writer.publish(f"basic/{version}/{granted}", f"{qos}-{number}", qos)
                    came = [reader.message() for _ in range(5)]
                    assert [one.payload.decode() for one in came] == [f"{qos}-{number}" for number in range(5)], came
                    assert all(one.qos == min(qos, granted) and not one.retain and not one.dup for one in came), version


@scenario("payloads of every byte, of none and of 3 MiB arrive byte for byte", ours=True)
def payloads(broker):
    with Mqtt(broker.port("mqtt"), "bodies") as client:
        client.subscribe("basic/bodies", 2)
        for body in (bytes(range(256)) * 40, b"", b"\0", bytes(i * 31 % 251 for i in range(1024)) * 3072):
            for qos in range(3):
                client.publish("basic/bodies", body, qos)
                assert client.message(30).payload == body, (qos, len(body))


@scenario("a thousand messages of mixed QoS keep their order within each QoS")
def order(broker):
    with Mqtt(broker.port("mqtt"), "order-reader") as reader, Mqtt(broker.port("mqtt"), "order-writer") as writer:
        reader.subscribe("basic/order", 2)
        sent = [writer.client.publish("basic/order", str(number), number % 3) for number in range(1000)]
        for info in sent:
            info.wait_for_publish(20)
        numbers = [int(reader.message().payload) for _ in range(1000)]
        for qos in range(3):
            shares = [number for number in numbers if number % 3 == qos]
            assert shares == sorted(shares), qos
        assert sorted(numbers) == list(range(1000))


@scenario("wildcards match levels, # its parent too, and neither a topic that begins with $")
def wildcards(broker):
    cases = {"wild/+": ["wild/", "wild/a"], "wild/#": ["wild", "wild/", "wild/a", "wild/a/b"], "+/a": ["wild/a", "/a"],
             "+": ["wild"], "/+": ["/a"], "#": ["wild", "wild/", "wild/a", "wild/a/b", "/a"], "$wild/+": ["$wild/a"],
             "+/+/b": ["wild/a/b"], "wild/+/#": ["wild/", "wild/a", "wild/a/b"]}
    topics = ["wild", "wild/", "wild/a", "wild/a/b", "/a", "$wild/a"]
    for version in ("3.1.1", "5"):
        with Mqtt(broker.port("mqtt"), "wild-writer", version) as writer:
            for wild, wanted in cases.items():
                with Mqtt(broker.port("mqtt"), "wild-reader", version) as reader:
                    reader.subscribe(wild, 1)
                    for topic in topics:
                        writer.publish(topic, wild)
                    came = [reader.message().topic for _ in wanted]
                    assert came == wanted, (wild, came)
                    reader.assert_silent(0.05)


@scenario("characters that are wildcards or separators of addresses are plain in topics")
def escaping(broker):
    odd = ["odd/a.b", "odd/a*b", "odd/back\\slash", "odd//empty", "/odd/lead", "odd/trail/", "odd/ä/日本", "odd/ space ", "odd.*.x"]
    with Mqtt(broker.port("mqtt"), "odd") as client:
        for topic in odd:
            client.subscribe(topic, 1)
            client.publish(topic, "x")
            assert client.message().topic == topic
            client.unsubscribe(topic)
        client.subscribe("odd/+", 1)
        client.publish("odd/a.b", "x")
        assert client.message().topic == "odd/a.b"
        client.publish("odd.c", "no")
        client.assert_silent()


@scenario("the longest topic")
def long_topics(broker):
    long = "long/" + "x" * (TOPIC_MAX - 5)
    with Mqtt(broker.port("mqtt"), "long") as client:
        client.subscribe(long, 1)
        client.publish(long, "x")
        assert client.message().topic == long


@scenario("a thousand levels are subscribed to, with and without wildcards", ours=True)
def deep_topics(broker):
    deep = "/".join(["l"] * 1000)
    with Mqtt(broker.port("mqtt"), "deep") as client:
        for wild in (deep, "/".join(["+"] * 1000), "/".join(["l"] * 500 + ["#"])):
            assert client.subscribe(wild, 1) == 1
            client.publish(deep, "x")
            assert client.message().topic == deep
            client.unsubscribe(wild)


@scenario("nothing comes after UNSUBSCRIBE; one that is not there is answered 0x11")
def unsubscribing(broker):
    with Mqtt(broker.port("mqtt"), "unsubscriber") as client:
        client.subscribe("basic/un/+", 2)
        client.publish("basic/un/a", "1")
        assert client.payloads(1) == ["1"]
        assert client.unsubscribe("basic/un/+") == 0
        client.publish("basic/un/a", "2")
        client.assert_silent()
        assert client.unsubscribe("basic/un/+") == NO_SUBSCRIPTION


@scenario("overlapping subscriptions: each message once or once for each, with the identifiers of all that match")
def overlapping(broker):
    with Mqtt(broker.port("mqtt"), "overlap") as client:
        client.subscribe("over/#", 2, identifier=3)
        client.subscribe("over/+", 1, identifier=268_435_455)
        client.publish("over/a", "x", 2)
        copies = [client.message()]
        if len(copies[0].properties.SubscriptionIdentifier) == 1:
            copies.append(client.message())
        identifiers = sorted(sum((copy.properties.SubscriptionIdentifier for copy in copies), []))
        assert identifiers == [3, 268_435_455], identifiers
        assert max(copy.qos for copy in copies) == 2
        client.assert_silent()


@scenario("subscribing again replaces: QoS, options and identifier of the same filter")
def resubscribing(broker):
    with Mqtt(broker.port("mqtt"), "again") as client:
        client.subscribe("again/+", 0, identifier=1)
        client.subscribe("again/+", 2, identifier=2)
        client.publish("again/a", "x", 2)
        came = client.message()
        assert came.qos == 2 and came.properties.SubscriptionIdentifier == [2], came.properties
        client.assert_silent()
        client.subscribe("again/+", 1, noLocal=True)
        client.publish("again/a", "mine", 2)
        client.assert_silent()


@scenario("no local: one's own messages do not come back, others' do")
def no_local(broker):
    with Mqtt(broker.port("mqtt"), "local-one") as one, Mqtt(broker.port("mqtt"), "local-two") as two:
        one.subscribe("local", 1, noLocal=True)
        two.subscribe("local", 1)
        one.publish("local", "from one")
        two.publish("local", "from two")
        assert one.payloads(1) == ["from two"]
        assert two.payloads(2) == ["from one", "from two"]
        one.assert_silent()


@scenario("a retained message comes to each new subscription with RETAIN, to an old one without; an empty one deletes it")
def retained(broker):
    for version in ("3.1.1", "5"):
        topic = f"retained/{version}"
        with Mqtt(broker.port("mqtt"), "retainer", version) as writer, Mqtt(broker.port("mqtt"), "ret-old", version) as old:
            old.subscribe(topic, 2)
            for qos in range(3):
                writer.publish(f"{topic}", f"r{qos}", qos, retain=True)
                live = old.message()
                assert live.payload == b"r%d" % qos and not live.retain
                for wild in (topic, "retained/+", "retained/#"):
                    with Mqtt(broker.port("mqtt"), "ret-new", version) as new:
                        new.subscribe(wild, 2)
                        kept = next(message for message in iter(new.message, None) if message.topic == topic)
                        assert kept.payload == b"r%d" % qos and kept.retain and kept.qos == qos, (wild, kept.qos)
            old.subscribe(topic, 2)
            again = old.message()
            assert again.retain and again.payload == b"r2", "subscribing again brings it again"
            writer.publish(topic, b"", 1, retain=True)
            assert old.message().payload == b"", "the deleting message reaches subscribers, too"
            with Mqtt(broker.port("mqtt"), "ret-new", version) as new:
                new.subscribe(topic, 2)
                new.assert_silent()


@scenario("# brings no retained message of a topic that begins with $")
def retained_dollar(broker):
    with Mqtt(broker.port("mqtt"), "ret-dollar") as client:
        client.publish("$ret/one", "hidden", 1, retain=True)
        client.publish("ret-dollar/one", "seen", 1, retain=True)
        client.subscribe("#", 1)
        topics = []
        while "ret-dollar/one" not in topics:
            topics.append(client.message().topic)
        client.unsubscribe("#")
        assert not any(topic.startswith("$ret") for topic in topics), topics
        client.subscribe("$ret/+", 1)
        assert client.message().payload == b"hidden"


@scenario("retain handling: always, only when the subscription is new, never")
def retain_handling(broker):
    with Mqtt(broker.port("mqtt"), "ret-handling") as client:
        client.publish("handling/a", "kept", 1, retain=True)
        for handling, first, second in ((0, True, True), (1, True, False), (2, False, False)):
            for expected in (first, second):
                client.subscribe("handling/+", 1, retainHandling=handling)
                if expected:
                    assert client.message().retain, handling
                client.assert_silent(0.2)
            client.unsubscribe("handling/+")


@scenario("retain as published: RETAIN as the publisher set it")
def retain_as_published(broker):
    with Mqtt(broker.port("mqtt"), "rap") as client:
        for asked in (True, False):
            client.subscribe("rap/+", 1, retainAsPublished=asked, retainHandling=2)
            for retain in (True, False):
                client.publish("rap/a", "x", 1, retain=retain)
                assert client.message().retain == (asked and retain)


@scenario("a thousand retained topics come to one wildcard subscription")
def many_retained(broker):
    with Mqtt(broker.port("mqtt"), "ret-many") as client:
        sent = [client.client.publish(f"many/{number}/x", str(number), 1, True) for number in range(1000)]
        for info in sent:
            info.wait_for_publish(20)
        client.subscribe("many/+/x", 1)
        came = {client.message().topic for _ in range(1000)}
        assert len(came) == 1000
        client.assert_silent()


@scenario("a message's properties arrive as they were sent: format, type, response, correlation, user's in order and repeated")
def message_properties(broker):
    with Mqtt(broker.port("mqtt"), "properties") as client:
        client.subscribe("properties", 2)
        users = [("a", "1"), ("b", "2"), ("a", "1"), ("a", "3"), ("", ""), ("ключ", "значение")]
        for qos in range(3):
            client.publish("properties", "x", qos, PayloadFormatIndicator=1, ContentType="text/plain", ResponseTopic="answers/here",
                           CorrelationData=bytes(range(256)), UserProperty=users)
            came = client.message()
            given = came.properties
            assert user_properties(came) == users, user_properties(came)
            assert (given.PayloadFormatIndicator, given.ContentType, given.ResponseTopic) == (1, "text/plain", "answers/here")
            assert given.CorrelationData == bytes(range(256))
            assert not hasattr(given, "MessageExpiryInterval")


@scenario("request and response: the answer goes to the response topic with the request's correlation data")
def request_response(broker):
    with Mqtt(broker.port("mqtt"), "asker") as asker, Mqtt(broker.port("mqtt"), "answerer") as answerer:
        answerer.subscribe("requests", 1)
        asker.subscribe("answers/asker", 1)
        asker.publish("requests", "question", ResponseTopic="answers/asker", CorrelationData=b"\0\x01")
        request = answerer.message()
        answerer.publish(request.properties.ResponseTopic, "answer", CorrelationData=request.properties.CorrelationData)
        answer = asker.message()
        assert answer.payload == b"answer" and answer.properties.CorrelationData == b"\0\x01"


@scenario("message expiry counts down while a message waits, and what has expired does not come")
def expiry(broker):
    with Mqtt(broker.port("mqtt"), "expiry", session=60) as client:
        client.subscribe("expiry/#", 1)
    with Mqtt(broker.port("mqtt"), "expiry-writer") as writer:
        writer.publish("expiry/short", "gone", MessageExpiryInterval=1)
        writer.publish("expiry/long", "there", MessageExpiryInterval=100)
        writer.publish("expiry/retained", "gone, too", retain=True, MessageExpiryInterval=1)
        writer.publish("expiry/kept", "kept", retain=True, MessageExpiryInterval=100)
    time.sleep(2.1)  # the thing under test is time itself
    with Mqtt(broker.port("mqtt"), "expiry", clean=False) as client:
        came = [client.message(), client.message()]
        assert [one.payload for one in came] == [b"there", b"kept"], came
        assert all(90 <= one.properties.MessageExpiryInterval <= 98 for one in came), came[0].properties
        client.assert_silent()
    with Mqtt(broker.port("mqtt"), "expiry-new") as client:
        client.subscribe("expiry/#", 1)
        one = client.message()
        assert one.retain and one.payload == b"kept" and 90 <= one.properties.MessageExpiryInterval <= 98
        client.assert_silent()


@scenario("a shared subscription: each message to one member, none lost, and QoS kept; members come and go")
def shared(broker):
    with Mqtt(broker.port("mqtt"), "share-1") as one, Mqtt(broker.port("mqtt"), "share-2") as two, Mqtt(broker.port("mqtt"), "share-w") as writer:
        for member in (one, two):
            assert member.subscribe("$share/group/shared/+", 2) == 2
        other = Mqtt(broker.port("mqtt"), "share-3")
        other.subscribe("$share/other/shared/+", 1)
        for number in range(100):
            writer.publish("shared/a", str(number), number % 3)
        wait_until(lambda: one.messages.qsize() + two.messages.qsize() == 100 and other.messages.qsize() == 100, what="100 messages each")
        shares = [member.payloads(member.messages.qsize()) for member in (one, two)]
        assert sorted(map(int, sum(shares, []))) == list(range(100)) and all(shares), [len(share) for share in shares]
        other.close()
        two.unsubscribe("$share/group/shared/+")
        for number in range(10):
            writer.publish("shared/a", str(number))
        assert one.payloads(10) == [str(number) for number in range(10)]
        two.assert_silent()


@scenario("a shared subscription gets no retained messages; with no-local it is a protocol error")
def shared_exceptions(broker):
    with Mqtt(broker.port("mqtt"), "share-r") as client:
        client.publish("share-ret/a", "kept", 1, retain=True)
        client.subscribe("$share/ret/share-ret/+", 1)
        client.assert_silent()
    with RawMqtt(broker.port("mqtt")) as raw:
        raw.connect("share-local")
        raw.send(subscription("$share/g/t", 1 | 4))
        assert raw.closed() == 0x82


@scenario("a shared subscription without name or filter, or with a wildcard in its name, is refused", ours=True)
def shared_malformed(broker):
    for bad in ("$share//x", "$share/g+/x", "$share/g#/x", "$share/g", "$share/g/"):
        with RawMqtt(broker.port("mqtt")) as raw:
            raw.connect("share-bad")
            raw.send(subscription(bad, 1))
            came = raw.packet()
            assert came is None or came.kind == DISCONNECT or came.reason >= 0x80, (bad, came)


def subscription(topic, options):
    """A SUBSCRIBE of version 5 with packet id 1."""
    return packet(SUBSCRIBE, b"\0\x01\0" + text(topic) + bytes([options]), 2)


@scenario("what a leaving member of a shared subscription has not acknowledged goes to another", ours=True)
def shared_redelivery(broker):
    with Mqtt(broker.port("mqtt"), "hand-1", manual=True) as one, Mqtt(broker.port("mqtt"), "hand-2") as two, Mqtt(broker.port("mqtt"), "hand-w") as writer:
        one.subscribe("$share/hand/over", 1)
        for number in range(5):
            writer.publish("over", str(number))
        assert one.payloads(5) == ["0", "1", "2", "3", "4"]
        two.subscribe("$share/hand/over", 1)
        one.drop()
        assert sorted(two.payloads(5)) == ["0", "1", "2", "3", "4"]


@scenario("publishing where nobody listens is acknowledged, in version 5 with or without saying so")
def nobody(broker):
    with Mqtt(broker.port("mqtt"), "lonely") as client:
        for qos in (1, 2):
            assert client.publish("nobody/here", "x", qos) in (0, NO_SUBSCRIBERS)
    with Mqtt(broker.port("mqtt"), "lonely", "3.1.1") as client:
        assert client.publish("nobody/here", "x", 1) == 0
    with RawMqtt(broker.port("mqtt"), 5) as raw:
        raw.connect("lonely-raw")
        raw.publish("nobody/here", "x", 1, identifier=9)
        assert raw.expect(PUBACK).reason in (0, NO_SUBSCRIBERS)
        raw.publish("nobody/here", "x", 2, identifier=10)
        assert raw.expect(PUBREC).reason in (0, NO_SUBSCRIBERS)


@scenario("an empty client id is given one; in 3.1.1 only for a clean session")
def client_ids(broker):
    with Mqtt(broker.port("mqtt"), "") as one, Mqtt(broker.port("mqtt"), "") as two:
        assert one.given.AssignedClientIdentifier and one.given.AssignedClientIdentifier != two.given.AssignedClientIdentifier
    with Mqtt(broker.port("mqtt"), "", "3.1.1") as client:
        client.subscribe("x", 1)
    with RawMqtt(broker.port("mqtt"), 4) as raw:
        assert raw.connect("", clean=False).reason == 2
        assert raw.closed() is True


@scenario("names the broker keeps for itself: nobody sends or subscribes there", ours=True)
def reserved(broker):
    names = ("$sys/mqtt/sessions", "$sys/mqtt/retain/x")
    with Mqtt(broker.port("mqtt"), "reserved") as client:
        for name in names:
            assert client.subscribe(name, 1) >= 0x80, name
            assert client.publish(name, "x", 1) >= 0x80, name
            assert client.publish(name, "x", 2) >= 0x80, name
        client.subscribe("$sys/#", 1)
        client.publish("reserved", "x", 1, retain=True)
        client.assert_silent()


@scenario("a wrong password is refused in each version", ours=True)
def passwords(broker):
    for version, wanted in (("3.1", {4, 5}), ("3.1.1", {4, 5}), ("5", {0x86, 0x87})):
        try:
            with Mqtt(broker.port("mqtt"), "liar", version, password="wrong"):
                raise AssertionError(f"{version}: let in with a wrong password")
        except Refused as refusal:
            code = refusal.reason if version == "5" else {0x86: 4, 0x87: 5}.get(refusal.reason, refusal.reason)
            assert code in wanted, (version, refusal)


@scenario("an authentication method that the broker has not is refused")
def authentication(broker):
    try:
        with Mqtt(broker.port("mqtt"), "auth", AuthenticationMethod="GUESSING", AuthenticationData=b"42"):
            raise AssertionError("let in")
    except Refused as refusal:
        assert refusal.reason == 0x8C, refusal


@scenario("MQTT over WebSocket, each version")
def websocket(broker):
    for version in ("3.1.1", "5"):
        with Mqtt(broker.port("core"), "web", version, websocket=True) as client:
            client.subscribe("basic/web", 2)
            for qos in range(3):
                for body in (b"through the web", bytes(range(256)) * 300):
                    client.publish("basic/web", body, qos)
                    assert client.message().payload == body


@scenario("the port that all protocols share takes MQTT, plain", ours=True)
def shared_port(broker):
    for version in VERSIONS:
        with Mqtt(broker.port("core"), "shared-port", version) as client:
            client.subscribe("basic/shared-port", 1)
            client.publish("basic/shared-port", "hello")
            assert client.payloads(1) == ["hello"]


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options) as broker:
        return scenario.run(broker, options.only, another=bool(options.mosquitto))


if __name__ == "__main__":
    sys.exit(main())
