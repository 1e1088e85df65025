#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A body of two gigabytes goes in and out with a window of memory, and nothing of an unfinished one stays behind.

  whole         what a consumer reads has the SHA-256 of what was sent: with and without content-length, from a topic by
                two consumers at once, by one that takes it slowly, and after kill -9 in the middle of a delivery
  memory        the broker's resident memory stays below --rss-mib at its highest, in every step
  nothing left  large-messages/ is empty after the last acknowledgement, after a producer left in the middle, and after
                kill -9 in the middle of a SEND and a restart

Sockets only; bodies are made as they are sent and hashed as they are read.
"""

import hashlib
import random
import socket
import sys
import threading
import time

from broker import Broker, arguments, limit_time, wait_until

BLOCK = 1 << 20
DESTINATION = "large"


def blocks(size, seed):
    """The body of that seed, in blocks: no two alike, and no NUL in it."""
    source = random.Random(seed).randbytes(BLOCK).replace(b"\0", b"\1")
    number = 0
    while size > 0:
        block = (b"%016d" % number + source)[:min(size, BLOCK)]
        yield block
        size -= len(block)
        number += 1


def digest_of(size, seed):
    digest = hashlib.sha256()
    for block in blocks(size, seed):
        digest.update(block)
    return digest.hexdigest()


class Link:
    """One STOMP connection that never holds a body."""

    def __init__(self, port, seconds=60, beats=None):
        """`beats`: promises the broker a heart-beat so often, in milliseconds."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.buffer = b""
        self.write("CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\npasscode:a\n"
                   + (f"heart-beat:{beats},0\n\n\0" if beats else "\n\0"))
        self.expect("CONNECTED")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, text):
        self.socket.sendall(text.encode())

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the broker closed the connection")
        self.buffer += data

    def head(self):
        """Command and headers of the next frame."""
        while True:
            self.buffer = self.buffer.lstrip(b"\r\n")
            head, blank, rest = self.buffer.partition(b"\n\n")
            if blank:
                self.buffer = rest
                lines = head.decode().split("\n")
                return lines[0], dict(line.partition(":")[::2] for line in lines[1:])
            self.more()

    def expect(self, command, **wanted):
        name, headers = self.head()
        if name != command or any(headers.get(key.replace("_", "-")) != value for key, value in wanted.items()):
            raise AssertionError(f"wanted {command} {wanted}, got {name} {headers}")
        while b"\0" not in self.buffer:
            self.more()
        self.buffer = self.buffer.partition(b"\0")[2]

    def send(self, destination, size, seed, sized=True, most=None, routing="ANYCAST"):
        """SEND with receipt `sent`; with `most` only so many bytes of the body, and no end."""
        length = f"content-length:{size}\n" if sized else ""
        self.write(f"SEND\ndestination:{destination}\ndestination-type:{routing}\npersistent:true\nreceipt:sent\n{length}\n")
        left = size if most is None else most
        for block in blocks(size, seed):
            self.socket.sendall(block[:left])
            left -= len(block)
            if left <= 0:
                break
        if most is None:
            self.write("\0")

    def subscribe(self, destination, routing="ANYCAST"):
        self.write(f"SUBSCRIBE\nid:1\ndestination:{destination}\nsubscription-type:{routing}\nack:client-individual\nreceipt:subscribed\n\n\0")
        self.expect("RECEIPT", receipt_id="subscribed")

    def message(self, most=None):
        """The headers of the next MESSAGE and the digest of its body; with `most`, of no more of it than that."""
        command, headers = self.head()
        if command != "MESSAGE":
            raise AssertionError(f"wanted MESSAGE, got {command} {headers}: {self.buffer[:500]!r}")
        left = int(headers["content-length"]) if most is None else most
        digest = hashlib.sha256()
        while left > 0:
            if not self.buffer:
                self.more()
            part = self.buffer[:left]
            digest.update(part)
            left -= len(part)
            self.buffer = self.buffer[len(part):]
        if most is None:
            while not self.buffer:
                self.more()
            assert self.buffer[:1] == b"\0", "the frame ends with NUL"
            self.buffer = self.buffer[1:]
        return headers, digest.hexdigest()

    def acknowledge(self, headers):
        self.write(f"ACK\nid:{headers['ack']}\nreceipt:acked\n\n\0")
        self.expect("RECEIPT", receipt_id="acked")


class Suite:
    def __init__(self, broker, size, rss_mib):
        self.broker = broker
        self.size = size
        self.rss_mib = rss_mib
        self.port = broker.port("stomp")
        self.failures = []

    def files(self):
        folder = self.broker.instance / "data" / "large-messages"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def nothing_left(self):
        # A large file is given back to the file system bit by bit, 128 MiB a second.
        wait_until(lambda: not self.files(), 120, "an empty large-messages folder")

    def step(self, what, act):
        self.broker.reset_peak()
        began = time.monotonic()
        moved = act()
        seconds = time.monotonic() - began
        peak = self.broker.memory_kib("VmHWM") / 1024
        rate = f", {moved / seconds / 1e6:.0f} MB/s" if moved else ""
        verdict = "ok" if peak <= self.rss_mib else "TOO MUCH MEMORY"
        print(f"{what}: {seconds:.1f} s{rate}, at most {peak:.0f} MiB resident: {verdict}", flush=True)
        if peak > self.rss_mib:
            self.failures.append(what)

    def send(self, size, seed, **how):
        with Link(self.port) as link:
            link.send(DESTINATION, size, seed, **how)
            link.expect("RECEIPT", receipt_id="sent")
        return size

    def receive(self, size, seed):
        with Link(self.port) as link:
            link.subscribe(DESTINATION)
            headers, digest = link.message()
            assert int(headers["content-length"]) == size and digest == digest_of(size, seed), "another body came out"
            link.acknowledge(headers)
        return size

    def topic(self, size, seed):
        """Two consumers of a topic read one file at the same time."""
        expected = digest_of(size, seed)
        failures = []

        def consume(link):
            try:
                headers, digest = link.message()
                assert digest == expected, "another body came out"
                link.acknowledge(headers)
            except Exception as error:  # noqa: BLE001: said by the main thread
                failures.append(error)

        with Link(self.port) as first, Link(self.port) as second, Link(self.port) as producer:
            links = [first, second]
            for link in links:
                link.subscribe("topic", "MULTICAST")
            producer.send("topic", size, seed, routing="MULTICAST")
            producer.expect("RECEIPT", receipt_id="sent")
            assert len(self.files()) == 1, f"one file for both: {self.files()}"
            threads = [threading.Thread(target=consume, args=[link]) for link in links]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not failures, failures
        return 2 * size

    def slowly(self, size):
        """A consumer that takes longer than the broker waits for a silent client, and beats all the while."""
        beats = 500
        expected = digest_of(size, 4)
        self.send(size, 4)
        with Link(self.port, beats=beats) as link:
            link.subscribe(DESTINATION)
            command, headers = link.head()
            assert command == "MESSAGE", command
            digest = hashlib.sha256(link.buffer)
            left = size - len(link.buffer)
            seconds = 6
            began = last = time.monotonic()
            while left > 0:
                part = link.socket.recv(min(left, 1 << 16))
                assert part, f"given up after {time.monotonic() - began:.1f} s"
                digest.update(part)
                left -= len(part)
                if time.monotonic() - last > beats / 2000:
                    last = time.monotonic()
                    link.write("\n")
                ahead = (size - left) / size * seconds - (time.monotonic() - began)
                time.sleep(max(0, ahead))
            assert digest.hexdigest() == expected, "another body came out"
            link.buffer = b""
            while b"\0" not in link.buffer:
                link.more()
            link.buffer = b""
            link.acknowledge(headers)
        return size

    def abandoned(self, size):
        with Link(self.port) as link:
            link.send(DESTINATION, 10 * size, 5, most=size)
            wait_until(self.files, what="a file")
        self.nothing_left()
        return size

    def killed_while_sending(self, size):
        with Link(self.port) as link:
            link.send(DESTINATION, 2 * size, 6, most=size)
            wait_until(self.files, what="a file")
            self.broker.kill9()
        assert self.files(), "what the dead process left"
        self.broker.start()
        self.nothing_left()
        return 0

    def killed_while_receiving(self, size):
        self.send(size, 7)
        with Link(self.port) as link:
            link.subscribe(DESTINATION)
            link.message(most=size // 2)
            self.broker.kill9()
        self.broker.start()
        self.receive(size, 7)
        self.nothing_left()
        return 0

    def run(self):
        size, part = self.size, max(self.size // 8, BLOCK)
        self.step("in", lambda: self.send(size, 1))
        self.step("out", lambda: self.receive(size, 1))
        self.nothing_left()
        self.step("in, of unknown length", lambda: self.send(part, 2, sized=False))
        self.step("out again", lambda: self.receive(part, 2))
        self.nothing_left()
        self.step("a topic, two consumers", lambda: self.topic(part, 3))
        self.nothing_left()
        self.step("taken slowly", lambda: self.slowly(max(part, 32 * BLOCK)))
        self.nothing_left()
        self.step("left by its producer", lambda: self.abandoned(part))
        self.step("killed while it came in", lambda: self.killed_while_sending(part))
        self.step("killed while it went out", lambda: self.killed_while_receiving(part))
        self.broker.assert_alive()


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=2 << 30, help="bytes of the largest body (default: %(default)s)")
    parser.add_argument("--rss-mib", type=int, default=100, help="resident memory allowed, in MiB (default: %(default)s)")
    options = parser.parse_args()
    limit_time(options.seconds)
    with Broker(options.hind) as broker:
        suite = Suite(broker, options.size, options.rss_mib)
        suite.run()
    if suite.failures:
        print(f"FAILED: too much memory: {', '.join(suite.failures)}")
        return 1
    print("all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
