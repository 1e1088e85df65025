#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What MQTT promises survives kill -9: QoS 1 at least once, QoS 2 exactly once, both ways.

A round: paho-mqtt publishes QoS 1 and QoS 2 messages in turn, two of it subscribe with kept sessions, one at QoS 1 and one
at QoS 2. The broker is killed with SIGKILL at random moments while all of them are at it, and restarted; the clients
reconnect by themselves. In the end:

  no loss       every message has been acknowledged and has reached both subscribers
  exactly once  none that was published with QoS 2 has reached the subscriber of QoS 2 twice
  no invention  what came was sent, with its body unchanged
  order         per QoS, what came for the first time came in the order of sending

Prints the seed of each round; `--seed N --rounds 1` repeats its choices (the moments of a kill are real time).
"""

import logging
import random
import sys
import threading
import time

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes

from broker import PASSWORD, USER, limit_time
from kill9 import body_of, repeated
from mosquitto import mqtt_arguments, mqtt_broker
from mqtt_client import properties

logging.disable(logging.ERROR)  # a link that breaks under the clients is what this is about

STALL_SECONDS = 60
SESSION_SECONDS = 3600
RECONNECT_SECONDS = 0.05


class Peer:
    """A client of a kept session that reconnects by itself."""

    def __init__(self, port, name, protocol, window):
        old = {} if protocol == MQTTv5 else {"clean_session": False}
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol, **old)
        self.client.username_pw_set(USER, PASSWORD)
        self.client.max_inflight_messages_set(window)
        self.client.reconnect_delay_set(RECONNECT_SECONDS, RECONNECT_SECONDS)
        self.presents = []
        self.client.on_connect = self.connected
        new = {}
        if protocol == MQTTv5:
            new = {"clean_start": False, "properties": properties(PacketTypes.CONNECT, {"SessionExpiryInterval": SESSION_SECONDS})}
        self.client.connect("127.0.0.1", port, 60, **new)

    def connected(self, _client, _userdata, flags, reason, _properties):
        if not reason.is_failure:
            self.presents.append(flags.session_present)

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


class Subscriber(Peer):
    def __init__(self, port, name, protocol, window, topic, qos):
        super().__init__(port, name, protocol, window)
        self.came, self.changed, self.subscribed = [], [], threading.Event()
        self.client.on_message = self.message
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.loop_start()
        self.client.subscribe(topic, qos)
        if not self.subscribed.wait(STALL_SECONDS):
            raise AssertionError("no SUBACK")

    def message(self, _client, _userdata, message):
        number = int(message.payload.split(b" ", 1)[0])
        if message.payload.decode() != body_of(number, len(message.payload)):
            self.changed.append(number)
        self.came.append(number)


class Round:
    def __init__(self, broker, options, seed):
        self.broker, self.options = broker, options
        self.randomness = random.Random(seed)
        self.seed = seed
        self.restarts = []
        self.sent = []

    def run(self):
        options, port = self.options, self.broker.port("mqtt")
        protocol = MQTTv5 if self.seed % 2 else MQTTv311
        topic = f"kill9/{self.seed}"
        once = Subscriber(port, f"once-{self.seed}", protocol, options.window, topic, 1)
        exactly = Subscriber(port, f"exactly-{self.seed}", protocol, options.window, topic, 2)
        publisher = Peer(port, f"publisher-{self.seed}", protocol, options.window)
        publisher.client.loop_start()
        sending = threading.Thread(target=self.send, args=(publisher, topic), daemon=True)
        sending.start()
        for _ in range(options.kills):
            low, high = len(exactly.came), options.messages * 9 // 10
            at = self.randomness.randrange(low, max(high, low + 1))
            self.wait(lambda at=at: len(exactly.came) >= at, lambda: len(exactly.came), "messages before a kill")
            time.sleep(self.randomness.random() * 0.02)
            self.broker.kill9()
            self.restarts.append(self.broker.start())
        self.wait(lambda: not sending.is_alive(), lambda: len(self.sent), "the publisher to send all")
        self.wait(lambda: all(info.is_published() for info in self.sent), lambda: sum(info.is_published() for info in self.sent), "acknowledgements")
        for subscriber in (once, exactly):
            wanted = options.messages
            self.wait(lambda subscriber=subscriber: len(set(subscriber.came)) >= wanted, lambda subscriber=subscriber: len(subscriber.came),
                      "messages", lambda subscriber=subscriber: f"lost: {sorted(set(range(wanted)) - set(subscriber.came))[:8]}")
        self.fence(publisher, (once, exactly))
        for peer in (publisher, once, exactly):
            peer.end()
        return self.judge(once, exactly, publisher)

    def send(self, publisher, topic):
        """Publishes all, never more than a window ahead of the acknowledgements."""
        for number in range(self.options.messages):
            behind = number - self.options.window
            while behind >= 0 and not self.sent[behind].is_published():
                time.sleep(0.001)
            self.sent.append(publisher.client.publish(topic, body_of(number, self.options.size), 1 + number % 2))

    def fence(self, publisher, subscribers):
        """A last message of each QoS: whatever was on its way before has come when it has."""
        for qos in (1, 2):
            number = self.options.messages + qos
            publisher.client.publish(f"kill9/{self.seed}", body_of(number, 32), qos)
            for subscriber in subscribers:
                self.wait(lambda subscriber=subscriber, number=number: number in subscriber.came, lambda subscriber=subscriber: len(subscriber.came), "the last message")

    def wait(self, condition, progress, what, said=lambda: ""):
        """Waits as long as there is progress."""
        last, since = progress(), time.monotonic()
        while not condition():
            time.sleep(0.005)
            if progress() != last:
                last, since = progress(), time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise AssertionError(f"nothing came for {STALL_SECONDS} s while waiting for {what}; {said()}")

    def judge(self, once, exactly, publisher):
        findings = []

        def check(name, wrong):
            if wrong:
                findings.append(f"{name}: {len(wrong)} messages, first {sorted(wrong)[:5]}")

        messages = self.options.messages
        twos = [number for number in exactly.came if number % 2 and number < messages]
        check("QoS 2 twice", repeated(twos))
        for subscriber in (once, exactly):
            check("changed", set(subscriber.changed))
            check("never sent", {number for number in subscriber.came if number > messages + 2})
            for qos in (1, 2):
                firsts = list(dict.fromkeys(number for number in subscriber.came if number % 2 == qos - 1 and number < messages))
                check(f"out of order at QoS {qos}", {later for earlier, later in zip(firsts, firsts[1:]) if later < earlier})
            if not all(subscriber.presents[1:]) or len(subscriber.presents) <= self.options.kills:
                findings.append(f"a session was not there after a restart: {subscriber.presents}")
        if not all(publisher.presents[1:]):
            findings.append(f"the publisher's session was not there after a restart: {publisher.presents}")
        again = len(once.came) - len(set(once.came)), len(exactly.came) - len(set(exactly.came))
        starts = ", ".join(f"{seconds:.2f}" for seconds in self.restarts)
        version = "5" if self.seed % 2 else "3.1.1"
        return f"MQTT {version}: {messages} sent, {len(self.restarts)} kills, QoS 1 again {again[0]} and {again[1]}, restarts {starts} s", findings


def main():
    parser = mqtt_arguments(__doc__.splitlines()[0])
    parser.set_defaults(seconds=1800)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=2, help="per round")
    parser.add_argument("--messages", type=int, default=6000, help="per round")
    parser.add_argument("--window", type=int, default=100, help="messages under way at once")
    parser.add_argument("--size", type=int, default=256, help="bytes of a body")
    parser.add_argument("--seed", type=int, help="of the first round; the next rounds count on from it")
    options = parser.parse_args()
    limit_time(options.seconds)
    first_seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    failures = passed = 0
    with mqtt_broker(options) as broker:
        for seed in range(first_seed, first_seed + options.rounds):
            began = time.monotonic()
            print(f"seed {seed}: ", end="", flush=True)
            try:
                line, findings = Round(broker, options, seed).run()
            except BaseException:
                print("FAILED", flush=True)
                raise
            print(f"{'FAILED' if findings else 'ok'}  {line} ({time.monotonic() - began:.1f} s)", flush=True)
            for finding in findings:
                print(f"  {finding}")
            failures += bool(findings)
            passed += not findings
        if failures:
            broker.print_log()
    print(f"{passed} rounds passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
