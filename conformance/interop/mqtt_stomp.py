#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MQTT and STOMP with each other, paho-mqtt and stomp.py: addresses, bodies, properties, expiry, queues."""

import sys
import time

from broker import Broker, limit_time
from client import Client, text
from mosquitto import mqtt_arguments
from mqtt_client import Mqtt, user_properties
from scenarios import Scenarios

scenario = Scenarios()


def header(frame, *names):
    """The first of these headers that is there."""
    return next((frame.headers[name] for name in names if name in frame.headers), None)


def raw(frame):
    return frame.body.encode() if isinstance(frame.body, str) else frame.body


@scenario("a message from MQTT reaches STOMP with its body, its durability by QoS, and its properties as headers")
def to_stomp(broker):
    with Client(broker.port("stomp")) as stomp, Mqtt(broker.port("mqtt"), "cross-w") as mqtt:
        stomp.subscribe("cross.out.*", routing="MULTICAST", ack="auto")
        for qos in range(3):
            mqtt.publish("cross/out/a", bytes(range(256)), qos, ContentType="text/odd", ResponseTopic="cross/answers",
                         CorrelationData=b"c-1", UserProperty=[("colour", "blue"), ("size", "xl")])
            frame = stomp.message()
            assert raw(frame) == bytes(range(256)), len(frame.body)
            headers = frame.headers
            assert headers["destination"] == "cross.out.a" and headers["content-length"] == "256", headers
            assert headers.get("persistent", "false") == ("true" if qos else "false"), (qos, headers)
            assert headers["priority"] == "0" and headers["mqtt.qos.level"] == str(qos), headers
            assert header(frame, "mqtt.ordered.user.property.0.colour", "colour") == "blue", headers
            assert header(frame, "mqtt.ordered.user.property.1.size", "size") == "xl", headers
            assert header(frame, "mqtt.content.type", "content-type") == "text/odd", headers
            assert header(frame, "mqtt.response.topic", "reply-to") in ("cross/answers", "cross.answers"), headers
            assert not any("[B@" in value for value in headers.values()), headers


@scenario("a message from STOMP reaches MQTT with its body; its headers are user properties, its correlation id is kept")
def to_mqtt(broker):
    with Client(broker.port("stomp")) as stomp, Mqtt(broker.port("mqtt"), "cross-r") as mqtt, Mqtt(broker.port("mqtt"), "cross-r3", "3.1.1") as old:
        mqtt.subscribe("cross/in/+", 2)
        old.subscribe("cross/in/+", 1)
        for body in ("héllo ✓", bytes(range(256))):
            stomp.send("cross.in.a", body, routing="MULTICAST", persistent="true", colour="blue", correlation__id="c-1")
            wanted = body if isinstance(body, bytes) else body.encode()
            came = mqtt.message()
            assert came.topic == "cross/in/a" and came.payload == wanted, came.payload
            assert came.qos == 2 and old.message().payload == wanted
            assert ("colour", "blue") in user_properties(came), user_properties(came)
            assert came.properties.CorrelationData == b"c-1", came.properties
        stomp.send("cross.in.b", "soon gone", routing="MULTICAST", expires=str(int(time.time() * 1000) + 60_000))
        assert 50 <= mqtt.message().properties.MessageExpiryInterval <= 60


@scenario("what goes out from MQTT comes back to MQTT unaltered though STOMP listens, too")
def beside(broker):
    users = [("a", "1"), ("b", "2"), ("a", "1")]
    with Client(broker.port("stomp")) as stomp, Mqtt(broker.port("mqtt"), "beside") as mqtt:
        stomp.subscribe("beside", routing="MULTICAST", ack="auto")
        mqtt.subscribe("beside", 2)
        mqtt.publish("beside", "x", 2, CorrelationData=bytes(range(256)), PayloadFormatIndicator=1, UserProperty=users)
        came = mqtt.message()
        assert user_properties(came) == users and came.properties.CorrelationData == bytes(range(256))
        assert text(stomp.message()) == "x"


@scenario("an MQTT subscription to what is a queue takes from the queue, once")
def from_queue(broker):
    with Client(broker.port("stomp")) as stomp:
        for number in range(10):
            stomp.send("cross.queue", str(number), persistent="true")
        with Mqtt(broker.port("mqtt"), "queue-reader") as mqtt:
            mqtt.subscribe("cross/queue", 1)
            assert mqtt.payloads(10) == [str(number) for number in range(10)]
        stomp.send("cross.queue", "last", persistent="true")
        stomp.subscribe("cross.queue", ack="auto")
        assert stomp.bodies(1) == ["last"]


@scenario("a kept MQTT session and a durable STOMP subscription both have all after the broker was killed")
def both_kept(broker):
    names = {"durable__subscription__name": "news"}
    with Mqtt(broker.port("mqtt"), "kept-m", session=600) as mqtt:
        mqtt.subscribe("kept/both", 1)
    with Client(broker.port("stomp"), **{"client-id": "kept-s"}) as stomp:
        stomp.subscribe("kept.both", routing="MULTICAST", ack="auto", **names)
    with Client(broker.port("stomp")) as stomp, Mqtt(broker.port("mqtt"), "kept-w") as mqtt:
        for number in range(0, 20, 2):
            stomp.send("kept.both", str(number), routing="MULTICAST", persistent="true")
            mqtt.publish("kept/both", str(number + 1), 1)
    broker.kill9()
    broker.start()
    wanted = [str(number) for number in range(20)]
    with Mqtt(broker.port("mqtt"), "kept-m", clean=False) as mqtt:
        assert mqtt.payloads(20) == wanted
    with Client(broker.port("stomp"), **{"client-id": "kept-s"}) as stomp:
        stomp.subscribe("kept.both", routing="MULTICAST", ack="auto", **names)
        assert [raw(stomp.message()).decode() for _ in range(20)] == wanted
        stomp.unsubscribe(**names)


@scenario("STOMP reads from a client's subscription queue by its name, and a shared one by its")
def queue_names(broker):
    with Mqtt(broker.port("mqtt"), "named", session=600) as mqtt:
        mqtt.subscribe("names/+/x", 1)
        mqtt.subscribe("$share/group/names/+/x", 1)
    with Mqtt(broker.port("mqtt"), "names-w") as mqtt:
        mqtt.publish("names/a/x", "hello")
    with Client(broker.port("stomp")) as stomp:
        for queue in ("named.names.*.x", "group.names.*.x"):
            stomp.subscribe(f"names.*.x::{queue}", identity=queue, ack="auto", routing="MULTICAST")
            assert raw(stomp.message()) == b"hello", queue


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with Broker(options.hind) as broker:
        return scenario.run(broker, options.only)


if __name__ == "__main__":
    sys.exit(main())
