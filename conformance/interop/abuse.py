#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input against a running broker: its memory stays flat and another client is not disturbed.

Connections that say nothing, connections that say one byte at a time, random bytes, broken and oversized frames.
Through all of it a witness sends and receives; every one of its messages must come back, and soon.
"""

import queue
import random
import resource
import socket
import sys
import threading
import time

from broker import Broker, arguments, limit_time, wait_until
from raw_stomp import RawStomp

SILENT = 10_000
SPARE_FILES = 500
SILENT_KIB_MAX = 8  # resident memory per connection that says nothing
GROWTH_KIB_MAX = 64 * 1024  # that may stay, and that may be there for a moment, over what was resident before
BODY_KIB_MAX = 100 * 1024  # a client that is let in may send one body of this size (and be refused beyond it)
WITNESS_SECONDS_MAX = 3.0  # on a shared machine; undisturbed it is milliseconds

CONNECT = b"CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\npasscode:a\n\n\0"


class Witness(threading.Thread):
    """A polite client: one message there and back at a time, each timed."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.client = RawStomp(port, seconds=30)
        self.client.connect()
        self.client.send("SUBSCRIBE\nid:0\ndestination:abuse.witness\nsubscription-type:ANYCAST\nack:auto\n\n\0")
        self.trips = 0
        self.slowest = 0.0
        self.failure = None
        self.ending = threading.Event()

    def run(self):
        try:
            while not self.ending.wait(0.01):
                began = time.monotonic()
                body = str(self.trips)
                self.client.send(f"SEND\ndestination:abuse.witness\ndestination-type:ANYCAST\n\n{body}\0")
                frame = self.client.expect("MESSAGE")
                assert frame[2].decode() == body, (frame, body)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.trips += 1
        except BaseException as failure:
            self.failure = failure

    def judge(self):
        """What it saw since it was last asked."""
        if self.failure:
            raise AssertionError(f"the witness was disturbed: {self.failure!r}")
        trips, slowest, self.trips, self.slowest = self.trips, self.slowest, 0, 0.0
        assert trips > 0, "the witness got nothing through"
        assert slowest <= WITNESS_SECONDS_MAX, f"the witness waited {slowest:.2f} s"
        return trips, slowest

    def end(self):
        self.ending.set()
        self.join(35)


def silent(broker, randomness):
    """10,000 connections that say nothing, all held at once; the broker closes them in its own time."""
    count = min(SILENT, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)
    if count < SILENT:
        print(f"skipped: {SILENT} connections need more open files than the system allows; tried with {count}")
    before = broker.memory_kib()
    held = []
    try:
        for number in range(count):
            # Loopback has 28,000 ports for one pair of addresses; several addresses leave no port in TIME_WAIT behind us.
            held.append(socket.create_connection(("127.0.0.1", broker.port("stomp")), 10, (f"127.0.0.{2 + number % 8}", 0)))
        per_connection = (broker.memory_kib() - before) / count
        assert per_connection <= SILENT_KIB_MAX, f"{per_connection:.1f} KiB resident per silent connection"
        return f"{count} connections, {per_connection:.2f} KiB each"
    finally:
        for connection in held:
            connection.close()


def slow(broker, randomness):
    """200 connections that each bring a frame one byte at a time, and never to its end."""
    endless = b"SEND\ndestination:abuse.slow\n" + b"header:" + b"x" * 10_000
    loris = [RawStomp(broker.port("stomp")) for _ in range(200)]
    closed = 0
    try:
        for step in range(50):
            for client in list(loris):
                try:
                    client.send(CONNECT if step == 0 and randomness.random() < 0.5 else endless[step:step + 1])
                except OSError:
                    loris.remove(client)
                    closed += 1
            time.sleep(0.1)  # the pace is the attack
        return f"200 connections for 5 s, {closed} closed by the broker"
    finally:
        for client in loris:
            client.close()


def random_bytes(broker, randomness):
    """2,000 connections with random bytes, half of them after a good CONNECT."""
    for number in range(2000):
        data = randomness.randbytes(randomness.choice([1, 7, 100, 2000, 20_000]))
        throw(broker, (CONNECT if number % 2 else b"") + data, randomness)
    return "2000 connections"


def mutations(broker, randomness):
    """2,000 good conversations with a few bytes changed, removed or doubled."""
    good = (CONNECT + b"SUBSCRIBE\nid:1\ndestination:abuse.mutated\nack:client\nselector:a = 'b'\n\n\0"
            b"BEGIN\ntransaction:t\n\n\0SEND\ndestination:abuse.mutated\ntransaction:t\ncontent-length:3\n\nabc\0"
            b"COMMIT\ntransaction:t\n\n\0ACK\nid:1\n\n\0UNSUBSCRIBE\nid:1\n\n\0DISCONNECT\nreceipt:r\n\n\0")
    for _ in range(2000):
        data = bytearray(good)
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
    return "2000 conversations"


def throw(broker, data, randomness):
    """Sends and goes away: at once, or after an answer or a little waiting."""
    with RawStomp(broker.port("stomp"), seconds=5) as client:
        try:
            client.send(data)
            if randomness.random() < 0.2:
                client.socket.settimeout(0.05)
                client.socket.recv(4096)
        except OSError:
            pass  # closed on us, or silent: both are fine


def refused(broker, data, allowed_seconds=20):
    """Sends `data` after a good CONNECT, without end if it is a generator, and wants an ERROR or a closed socket."""
    with RawStomp(broker.port("stomp"), seconds=allowed_seconds) as client:
        client.connect()
        answers = queue.Queue()

        def listen():
            try:
                while (frame := client.frame(allowed_seconds)) is not None:
                    answers.put(frame[0])
                    if frame[0] == "ERROR":
                        return
                answers.put("closed")
            except OSError as failure:
                answers.put(f"{failure!r}")

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        end = time.monotonic() + allowed_seconds
        try:
            for piece in data:
                if not listener.is_alive() or time.monotonic() > end:
                    break
                client.socket.sendall(piece)
        except OSError:
            pass  # the broker has closed: the listener saw why
        listener.join(max(0.0, end - time.monotonic()))
        seen = list(answers.queue)
        assert "ERROR" in seen or "closed" in seen, f"neither ERROR nor a closed socket, but {seen}"
        return "ERROR" if "ERROR" in seen else "closed"


def oversized(broker, randomness):
    """What no broker should gather in memory: each is refused with an ERROR or a closed socket."""
    megabyte = b"x" * (1 << 20)
    depth = 100_000
    send = b"SEND\ndestination:abuse.big\n"

    def subscribe(selector):
        return [b"SUBSCRIBE\nid:1\ndestination:abuse.selector\nselector:" + selector + b"\n\n\0"]

    def headers():
        yield send
        for block in range(1000):
            yield b"".join(b"h%d:x\n" % (block * 1000 + number) for number in range(1000))

    def endless(start, piece, count):
        yield start
        for _ in range(count):
            yield piece

    cases = [
        ("a million headers", headers()),
        ("a header of 64 MiB", endless(send + b"long:", megabyte, 64)),
        ("a command of 64 MiB", endless(b"SEND", megabyte, 64)),
        ("a content-length that is no number", [send + b"content-length:many\n\nx\0"]),
        ("a negative content-length", [send + b"content-length:-5\n\nx\0"]),
        ("a content-length shorter than the body", [send + b"content-length:2\n\nabcdef\0"]),
        ("a content-length beyond 64 bits", [send + b"content-length:99999999999999999999999\n\nx\0"]),
        ("a header without a colon", [send + b"nothing\n\nx\0"]),
        ("a header that is not UTF-8", [send + b"bad:\xff\xfe\xc3\x28\n\nx\0"]),
        ("an undefined escape", [send + b"bad:a\\tb\n\nx\0"]),
        ("an unknown command", [b"EXPLODE\n\n\0"]),
        ("a lower-case command", [b"send\ndestination:a\n\nx\0"]),
        ("NULs instead of a frame's end", [b"SEND\0\0\0\n\n\0"]),
        (f"a selector of {depth} brackets", subscribe(b"(" * depth + b"a = 1" + b")" * depth)),
        (f"a selector of {depth} NOTs", subscribe(b"NOT " * depth + b"TRUE")),
        (f"a selector of {depth} minus signs", subscribe(b"- " * depth + b"1 = 1")),
        (f"a selector of {depth} ORs in brackets", subscribe(b"(a = 1 OR " * depth + b"TRUE" + b")" * depth)),
        ("a second CONNECT", [CONNECT]),
    ]
    failures = []
    for name, data in cases:
        try:
            print(f"        {refused(broker, data):6}  {name}", flush=True)
        except (AssertionError, OSError) as failure:
            failures.append(f"{name}: {failure}")
            if len(failures) > 3:
                break
    assert not failures, "; ".join(failures)
    return f"{len(cases)} cases"


def abandoned(broker, randomness):
    """Bodies that are announced, or just begun, and left in the middle: they stream to the disk, and nothing stays."""
    megabyte = b"x" * (1 << 20)
    folder = broker.instance / "data" / "large-messages"
    for head in (b"content-length:1073741824\n\n", b"\n"):
        with RawStomp(broker.port("stomp"), seconds=20) as client:
            client.connect()
            client.socket.sendall(b"SEND\ndestination:abuse.big\n" + head)
            for _ in range(192):
                client.socket.sendall(megabyte)
    wait_until(lambda: not folder.exists() or not any(folder.iterdir()), seconds=60, what="an empty large-messages folder")
    return "2 bodies of 192 MiB"


PHASES = [silent, slow, random_bytes, mutations, oversized, abandoned]


def attack(description, phases):
    """Runs the phases against one broker, beside a witness, and watches its memory; the answer is the exit status."""
    parser = arguments(description)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", help="phases whose name contains this")
    options = parser.parse_args()
    limit_time(options.seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"seed {seed}")
    failed = []
    with Broker(options.hind) as broker:
        witness = Witness(broker.port("stomp"))
        witness.start()
        time.sleep(0.5)  # a little of everyday first, so that its memory is not counted as growth
        before = broker.memory_kib()
        for phase in phases:
            if options.only not in phase.__name__:
                continue
            began = time.monotonic()
            exact = broker.reset_peak()
            try:
                outcome = phase(broker, random.Random(f"{seed} {phase.__name__}"))
                broker.assert_alive()
                trips, slowest = witness.judge()
                peak = broker.memory_kib("VmHWM" if exact else "VmRSS")
                line = (f"{phase.__name__}: {outcome}; witness {trips} trips, slowest {slowest * 1000:.0f} ms; "
                        f"resident {before >> 10} MiB before, {peak >> 10} MiB at most ({time.monotonic() - began:.1f} s)")
                kept = GROWTH_KIB_MAX + getattr(phase, "keeps_kib", 0)
                allowed = kept + (BODY_KIB_MAX if phase is oversized else 0)
                assert peak - before <= allowed, f"memory is not flat: {line}"
                assert broker.memory_kib() - before <= kept, f"memory is not given back: {line}"
                print(f"ok      {line}", flush=True)
            except (AssertionError, OSError) as failure:
                failed.append(phase.__name__)
                print(f"FAILED  {phase.__name__}: {failure}", flush=True)
        witness.end()
        if failed:
            broker.print_log()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(attack(__doc__.splitlines()[0], PHASES))
