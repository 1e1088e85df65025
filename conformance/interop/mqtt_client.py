# SPDX-License-Identifier: Apache-2.0
"""paho-mqtt with its answers in queues: what a suite needs to write a scenario as a sequence of lines."""

import queue
import socket

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5, MQTTv31, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from broker import PASSWORD, USER

VERSIONS = {"3.1": MQTTv31, "3.1.1": MQTTv311, "5": MQTTv5}
WAIT = 10
SILENCE = 0.3  # seconds in which nothing may arrive; what does arrive comes within milliseconds


class Refused(Exception):
    """The broker did not let the client in; `reason` is its code."""

    def __init__(self, reason):
        super().__init__(str(reason))
        self.reason = reason.value


def properties(packet, values):
    """Properties of that packet type, by paho's names (`SessionExpiryInterval=…`)."""
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Will:
    """What CONNECT leaves behind; the rest are its properties by paho's names."""

    def __init__(self, topic, payload, qos=0, retain=False, **values):
        self.topic, self.payload, self.qos, self.retain, self.values = topic, payload, qos, retain, values


class Mqtt:
    """One connection of paho-mqtt that waits for the answer to each thing it asks.

    `session` is how long the session outlives the connection, in seconds; in 3.x any but 0 means CleanSession=0.
    Further keywords are properties of CONNECT by paho's names.
    """

    def __init__(self, port, client="", version="5", clean=True, session=0, will=None, keepalive=60, manual=False,
                 websocket=False, user=USER, password=PASSWORD, **values):
        self.version = version
        self.messages, self.acks, self.disconnects = queue.Queue(), queue.Queue(), queue.Queue()
        self.published, self.connects = {}, queue.Queue()
        old = {} if version == "5" else {"clean_session": clean and not session}
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client, protocol=VERSIONS[version], manual_ack=manual,
                             transport="websockets" if websocket else "tcp", reconnect_on_failure=False, **old)
        if websocket:
            self.client.ws_set_options(path="/mqtt")
        if user is not None:
            self.client.username_pw_set(user, password)
        if will:
            self.client.will_set(will.topic, will.payload, will.qos, will.retain,
                                 properties(PacketTypes.WILLMESSAGE, will.values) if version == "5" else None)
        self.client.on_connect = lambda _c, _u, flags, reason, given: self.connects.put((flags.session_present, reason, given))
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_subscribe = self.client.on_unsubscribe = lambda _c, _u, mid, reasons, given: self.acks.put((mid, reasons))
        self.client.on_publish = lambda _c, _u, mid, reason, given: self.published.__setitem__(mid, reason)
        self.client.on_disconnect = lambda _c, _u, flags, reason, given: self.disconnects.put((flags.is_disconnect_packet_from_server, reason))
        extra = {}
        if version == "5":
            if session:
                values["SessionExpiryInterval"] = session
            extra = {"clean_start": clean, "properties": properties(PacketTypes.CONNECT, values)}
        self.client.connect("127.0.0.1", port, keepalive, **extra)
        self.client.loop_start()
        self.present, reason, self.given = self.connects.get(timeout=WAIT)
        if reason.is_failure:
            self.client.loop_stop()
            raise Refused(reason)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self, reason=0, **values):
        """DISCONNECT, and wait until it is out."""
        if self.client.is_connected():
            extra = {}
            if self.version == "5":
                extra = {"reasoncode": ReasonCode(PacketTypes.DISCONNECT, identifier=reason),
                         "properties": properties(PacketTypes.DISCONNECT, values) if values else None}
            self.client.disconnect(**extra)
            self.gone()
        self.client.loop_stop()

    def drop(self):
        """Ends the connection without DISCONNECT."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.gone()
        self.client.loop_stop()

    def gone(self, seconds=WAIT):
        """Waits for the end of the connection: whether the broker said so with a DISCONNECT, and its reason."""
        said, reason = self.disconnects.get(timeout=seconds)
        return said, reason.value

    def publish(self, topic, payload=b"", qos=1, retain=False, **values):
        """Publishes and waits until the exchange is over; the answer is the reason code."""
        extra = {"properties": properties(PacketTypes.PUBLISH, values)} if values else {}
        info = self.client.publish(topic, payload, qos, retain, **extra)
        info.wait_for_publish(WAIT)
        assert info.is_published(), f"no acknowledgement of {payload[:40]!r} to {topic}"
        reason = self.published.get(info.mid)
        return reason.value if reason else 0

    def subscribe(self, topic, qos=1, identifier=None, **options):
        """Subscribes; the answer is the reason code. `options` by paho's names (`noLocal`, `retainAsPublished`, `retainHandling`)."""
        if self.version == "5":
            extra = {"options": SubscribeOptions(qos, **options)}
            if identifier:
                extra["properties"] = properties(PacketTypes.SUBSCRIBE, {"SubscriptionIdentifier": identifier})
            _, mid = self.client.subscribe(topic, **extra)
        else:
            _, mid = self.client.subscribe(topic, qos)
        return self.ack(mid)

    def unsubscribe(self, topic):
        _, mid = self.client.unsubscribe(topic)
        return self.ack(mid)

    def ack(self, mid):
        acknowledged, reasons = self.acks.get(timeout=WAIT)
        assert acknowledged == mid, (acknowledged, mid)
        return reasons[0].value if reasons else 0

    def message(self, seconds=WAIT):
        """The next message; raises `queue.Empty` when none comes."""
        return self.messages.get(timeout=seconds)

    def payloads(self, count):
        return [self.message().payload.decode() for _ in range(count)]

    def settle(self, message):
        """Acknowledges, where the client was made with `manual=True`."""
        self.client.ack(message.mid, message.qos)

    def assert_silent(self, seconds=SILENCE):
        try:
            message = self.messages.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"nothing should arrive, came {message.topic}: {message.payload[:80]!r}")


def user_properties(message):
    return getattr(message.properties, "UserProperty", [])
