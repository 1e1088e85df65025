#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every acknowledged message survives kill -9.

A round: stomp.py sends persistent messages with pipelined receipts; the broker is killed with SIGKILL at a random
moment, restarted, and the rest is sent. Then a consumer acknowledges each message with a receipt; the broker is killed
once more while it does, restarted, and the queue is read to its end. Then:

  no loss       every message whose receipt arrived is consumed
  no twice      no message is delivered again once the receipt of its acknowledgement has arrived,
                and none twice by one start of the broker
  no invention  what is delivered was sent, with its body unchanged
  order         one start of the broker delivers in the order of sending

Prints the seed of each round; `--seed N --rounds 1` repeats its choices (the moments of a kill are real time).
"""

import hashlib
import logging
import random
import sys
import threading
import time

import stomp

from broker import Broker, arguments, limit_time

logging.disable(logging.ERROR)  # a link that breaks under stomp.py is what this is about

STALL_SECONDS = 30
WINDOW_BYTES = 1 << 20  # what a consumer may have unacknowledged: enough that a round takes seconds


def body_of(number, size):
    """A body that shows whose it is: the number, and bytes that depend on it."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return (f"{number} " + digest * (size // len(digest) + 1))[:size]


class Broken(Exception):
    """The connection ended under us."""


class Link(stomp.ConnectionListener):
    """One stomp.py connection; everything that arrives is noted under one condition."""

    def __init__(self, port):
        self.changed = threading.Condition()
        self.receipts = set()
        self.frames = []
        self.broken = False
        self.error = None
        self.connection = stomp.StompConnection12([("127.0.0.1", port)], reconnect_attempts_max=1, heartbeats=(0, 0))
        self.connection.set_listener("link", self)
        self.connection.connect("a", "a", wait=True)

    def on_receipt(self, frame):
        with self.changed:
            self.receipts.add(frame.headers["receipt-id"])
            self.changed.notify()

    def on_message(self, frame):
        with self.changed:
            self.frames.append(frame)
            self.changed.notify()

    def on_error(self, frame):
        with self.changed:
            self.error = f"ERROR frame: {frame.headers} {frame.body!r}"
            self.changed.notify()

    def on_disconnected(self):
        with self.changed:
            self.broken = True
            self.changed.notify()

    def command(self, name, headers, body=""):
        try:
            self.connection.send_frame(name, headers, body)
        except (stomp.exception.StompException, OSError) as failure:
            raise Broken(str(failure)) from failure

    def wait(self, condition, what):
        """Waits for `condition()`; nothing new for too long is a failure of the broker, a lost link raises Broken."""
        with self.changed:
            while not condition():
                if self.error:
                    raise AssertionError(self.error)
                if self.broken:
                    raise Broken(what)
                if not self.changed.wait(STALL_SECONDS):
                    raise AssertionError(f"nothing came for {STALL_SECONDS} s while waiting for {what}")

    def close(self):
        try:
            self.connection.transport.disconnect_socket()
        except (stomp.exception.StompException, OSError):
            pass


class Killer:
    """Ends the broker once `count()` reaches a random number, after a random part of 20 milliseconds."""

    def __init__(self, broker, randomness, low, high):
        self.broker = broker
        self.at = randomness.randrange(low, high)
        self.delay = randomness.random() * 0.02
        self.done = threading.Event()
        self.thread = None

    def watch(self, count):
        if self.thread is None and count >= self.at:
            self.thread = threading.Thread(target=self.strike, daemon=True)
            self.thread.start()

    def strike(self):
        time.sleep(self.delay)
        self.broker.kill9()
        self.done.set()

    def wait(self):
        assert self.thread is not None, "the kill never came"
        assert self.done.wait(30), "the broker did not die"


class Round:
    def __init__(self, broker, options, seed):
        self.broker = broker
        self.options = options
        self.randomness = random.Random(seed)
        self.queue = f"kill9.{seed}"
        self.sent = 0
        self.receipted = set()
        self.delivered = []  # one list of numbers per start of the broker
        self.acknowledged = set()  # acks whose receipt arrived
        self.restarts = []

    def produce(self, until, killer=None):
        """Sends up to message `until`, never more than a window ahead of the receipts."""
        link = Link(self.broker.port("stomp"))
        began = self.sent
        try:
            while self.sent < until:
                if self.sent - began - len(link.receipts) >= self.options.window:
                    low = self.sent - began - self.options.window // 2
                    link.wait(lambda low=low: len(link.receipts) >= low, "receipts")
                headers = {"destination": self.queue, "destination-type": "ANYCAST", "persistent": "true", "receipt": str(self.sent)}
                body = body_of(self.sent, self.options.size)
                self.sent += 1
                link.command("SEND", headers, body)
                if killer:
                    killer.watch(len(link.receipts))
            link.wait(lambda: len(link.receipts) >= until - began, "the last receipts")
        except Broken:
            if not killer:
                raise
        finally:
            link.close()
            self.receipted |= {int(receipt) for receipt in link.receipts.copy()}
        if killer:
            killer.wait()

    def consume(self, killer=None):
        """Acknowledges what comes, each with a receipt, until the last message of all has come."""
        link = Link(self.broker.port("stomp"))
        numbers = []
        self.delivered.append(numbers)
        try:
            headers = {"id": "0", "destination": self.queue, "subscription-type": "ANYCAST"}
            headers |= {"ack": "client-individual", "consumer-window-size": str(WINDOW_BYTES)}
            link.command("SUBSCRIBE", headers)
            while not numbers or numbers[-1] != self.sent - 1:
                link.wait(lambda: len(link.frames) > len(numbers), "messages")
                for frame in link.frames[len(numbers):]:
                    number = int(frame.body.split(" ", 1)[0])
                    assert frame.body == body_of(number, self.options.size), f"message {number} was changed"
                    numbers.append(number)
                    link.command("ACK", {"id": frame.headers["ack"], "receipt": str(number)})
                    if killer:
                        killer.watch(len(link.receipts))
                    low = len(numbers) - self.options.window
                    link.wait(lambda low=low: len(link.receipts) >= low, "receipts of acknowledgements")
            link.wait(lambda: len(link.receipts) >= len(numbers), "the receipts of the last acknowledgements")
        except Broken:
            if not killer:
                raise
        finally:
            link.close()
            self.acknowledged |= {int(receipt) for receipt in link.receipts.copy()}
        if killer:
            killer.wait()

    def restart(self):
        if self.options.keep:
            self.broker.snapshot()
        self.restarts.append(self.broker.start())

    def run(self):
        count = self.options.messages
        self.produce(count, Killer(self.broker, self.randomness, count // 10, count * 9 // 10))
        killed_at = self.sent
        self.restart()
        # At least the last message is sent to a broker that stays: it marks the end of the queue, here and below.
        self.produce(max(count, self.sent + 1))
        self.consume(Killer(self.broker, self.randomness, count // 10, count * 7 // 10))
        acknowledged_before = set(self.acknowledged)
        self.restart()
        self.produce(self.sent + 1)
        self.consume()
        return self.judge(killed_at, acknowledged_before)

    def judge(self, killed_at, acknowledged_before):
        first, second = self.delivered
        findings = []

        def check(name, wrong):
            if wrong:
                findings.append(f"{name}: {len(wrong)} messages, first {sorted(wrong)[:5]}")

        consumed = set(first) | set(second)
        check("lost (receipt arrived, never consumed)", self.receipted - consumed)
        check("consumed again after the receipt of its acknowledgement", acknowledged_before & set(second))
        check("never sent", {number for number in consumed if number >= self.sent})
        for name, numbers in (("before", first), ("after", second)):
            check(f"twice by one start of the broker ({name} the second kill)", repeated(numbers))
            out_of_order = {later for earlier, later in zip(numbers, numbers[1:]) if later < earlier}
            check(f"out of order ({name} the second kill)", out_of_order)
        again = len(set(first) & set(second))
        starts = ", ".join(f"{seconds:.2f}" for seconds in self.restarts)
        line = (f"{self.sent} sent, killed at {killed_at}, {len(self.receipted)} receipted, {len(consumed)} consumed, "
                f"{len(acknowledged_before)} acknowledged before the second kill, {again} delivered again, restarts {starts} s")
        return line, findings


def repeated(numbers):
    seen, twice = set(), set()
    for number in numbers:
        (twice if number in seen else seen).add(number)
    return twice


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.set_defaults(seconds=1800)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--messages", type=int, default=50_000, help="per round")
    parser.add_argument("--window", type=int, default=500, help="receipts awaited at once")
    parser.add_argument("--size", type=int, default=256, help="bytes of a body")
    parser.add_argument("--keep", action="store_true", help="end at the first failed round and leave its instance and data")
    parser.add_argument("--seed", type=int, help="of the first round; the next rounds count on from it")
    options = parser.parse_args()
    limit_time(options.seconds)
    first_seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    failures = passed = 0
    with Broker(options.hind) as broker:
        for seed in range(first_seed, first_seed + options.rounds):
            began = time.monotonic()
            print(f"seed {seed}: ", end="", flush=True)
            try:
                line, findings = Round(broker, options, seed).run()
            except BaseException:
                print("FAILED", flush=True)
                broker.keep = options.keep
                raise
            print(f"{'FAILED' if findings else 'ok'}  {line} ({time.monotonic() - began:.1f} s)", flush=True)
            for finding in findings:
                print(f"  {finding}")
            failures += bool(findings)
            passed += not findings
            if findings and options.keep:
                broker.keep = True
                break
        if failures:
            broker.print_log()
    print(f"{passed} rounds passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
