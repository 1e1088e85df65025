#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What MQTT promises survives kill -9: QoS 1 at least once, QoS 2 exactly once, both ways.

A round: paho-mqtt publishes QoS 1 and QoS 2 messages in turn, two of it subscribe with kept sessions, one at QoS 1 and one
at QoS 2. The broker is killed with SIGKILL at random moments while all of them are at it, and restarted; the clients
reconnect. In the end:

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

STALL_SECONDS = 30
SESSION_SECONDS = 3600


class Peer:
    """A client of a kept session. It reconnects when the broker is there again, and not by itself before: at a second attempt
    paho 2.2 no longer knows which PUBREL it owes, and publishes what it has published (`_messages_reconnect_reset_out`)."""

    def __init__(self, port, name, protocol, window):
        old = {} if protocol == MQTTv5 else {"clean_session": False}
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol, reconnect_on_failure=False, **old)
        self.client.username_pw_set(USER, PASSWORD)
        self.client.max_inflight_messages_set(window)
        self.presents = []
        self.lost = threading.Event()
        self.client.on_connect = self.connected
        self.client.on_disconnect = lambda *_: self.lost.set()
        new = {}
        if protocol == MQTTv5:
            new = {"clean_start": False, "properties": properties(PacketTypes.CONNECT, {"SessionExpiryInterval": SESSION_SECONDS})}
        self.client.connect("127.0.0.1", port, 60, **new)

    def connected(self, _client, _userdata, flags, reason, _properties):
        if not reason.is_failure:
            self.presents.append(flags.session_present)

    def again(self):
        """Connects again, once the loss has been noticed."""
        if not self.lost.wait(STALL_SECONDS):
            raise AssertionError("the broker's death was not noticed")
        self.client.loop_stop()
        self.lost.clear()
        self.client.reconnect()
        self.client.loop_start()

    def end(self):
        self.client.disconnect()
        self.client.loop_stop()


class Publisher(Peer):
    """Knows what has been acknowledged: paho's own answer fails for what was said while there was no connection."""

    def __init__(self, port, name, protocol, window):
        super().__init__(port, name, protocol, window)
        self.lock = threading.Lock()
        self.pending, self.early, self.acknowledged = {}, set(), 0
        self.client.on_publish = self.done
        self.client.loop_start()

    def publish(self, topic, number, size, qos):
        info = self.client.publish(topic, body_of(number, size), qos)
        with self.lock:
            if info.mid in self.early:
                self.early.remove(info.mid)
                self.acknowledged += 1
            else:
                self.pending[info.mid] = number

    def done(self, _client, _userdata, mid, _reason, _properties):
        with self.lock:
            if self.pending.pop(mid, None) is None:
                self.early.add(mid)
            else:
                self.acknowledged += 1


class Subscriber(Peer):
    def __init__(self, port, name, protocol, window, topic, qos):
        super().__init__(port, name, protocol, window)
        self.came, self.how, self.changed, self.subscribed = [], {}, [], threading.Event()
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
        self.how.setdefault(number, []).append(f"connection {len(self.presents)}, id {message.mid}{', DUP' if message.dup else ''}")
        self.came.append(number)


class Round:
    def __init__(self, broker, options, seed):
        self.broker, self.options = broker, options
        self.randomness = random.Random(seed)
        self.seed = seed
        self.restarts = []
        self.sent = 0

    def run(self):
        options, port = self.options, self.broker.port("mqtt")
        protocol = MQTTv5 if self.seed % 2 else MQTTv311
        topic = f"kill9/{self.seed}"
        once = Subscriber(port, f"once-{self.seed}", protocol, options.window, topic, 1)
        exactly = Subscriber(port, f"exactly-{self.seed}", protocol, options.window, topic, 2)
        publisher = Publisher(port, f"publisher-{self.seed}", protocol, options.window)
        sending = threading.Thread(target=self.send, args=(publisher, topic), daemon=True)
        sending.start()
        for _ in range(options.kills):
            low, high = len(exactly.came), options.messages * 9 // 10
            at = self.randomness.randrange(low, max(high, low + 1))
            self.wait(lambda at=at: len(exactly.came) >= at, lambda: len(exactly.came), f"{at} messages before a kill",
                      lambda: f"{len(self.restarts)} kills, {self.sent} sent, {publisher.acknowledged} acknowledged, {len(once.came)} and {len(exactly.came)} came")
            time.sleep(self.randomness.random() * 0.02)
            self.broker.kill9()
            self.restarts.append(self.broker.start())
            for peer in (once, exactly, publisher):
                peer.again()
        self.wait(lambda: not sending.is_alive(), lambda: self.sent, "the publisher to send all")
        self.wait(lambda: publisher.acknowledged == self.sent, lambda: publisher.acknowledged, "acknowledgements")
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
            while number - publisher.acknowledged >= self.options.window:
                time.sleep(0.001)
            publisher.publish(topic, number, self.options.size, 1 + number % 2)
            self.sent = number + 1

    def fence(self, publisher, subscribers):
        """A last message of each QoS: whatever was on its way before has come when it has."""
        for qos in (1, 2):
            number = self.options.messages + qos
            publisher.publish(f"kill9/{self.seed}", number, 32, qos)
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
        findings.extend(f"  {number}: {'; '.join(exactly.how[number])}" for number in sorted(repeated(twos))[:5])
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
