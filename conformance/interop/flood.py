# SPDX-License-Identifier: Apache-2.0
"""Many numbered messages over STOMP as fast as Python can: sent in blocks with a receipt each, read back and checked.

A stream is what one producer sends to one queue; its messages count up from 0. A receipt speaks for every message of
its connection before it.
"""

import multiprocessing
import re
import socket
import time

FILLER = bytes(range(32, 127)) * 1200
RECEIPT = re.compile(rb"\nreceipt-id:([^\n]+)\n")
ACK = re.compile(rb"\nack:([^\n]+)\n")
READ = 1 << 18
STALL_SECONDS = 60
fork = multiprocessing.get_context("fork")


class Broken(Exception):
    """The connection ended under us."""


class Connection:
    """A logged-in connection whose frames have no NUL in their bodies."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=STALL_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.send(b"CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\npasscode:a\n\n\0")
        first = self.frames()
        assert first[0].lstrip().startswith(b"CONNECTED\n"), first

    def send(self, data):
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise AssertionError(f"the broker took nothing for {STALL_SECONDS} s") from None
        except OSError as failure:
            raise Broken(str(failure)) from failure

    def frames(self, seconds=STALL_SECONDS):
        """The next frames, at least one; an ERROR is a failure."""
        frames = []
        self.socket.settimeout(seconds)
        while not frames:
            try:
                data = self.socket.recv(READ)
            except TimeoutError:
                raise
            except OSError as failure:
                raise Broken(str(failure)) from failure
            if not data:
                raise Broken("the broker closed the connection")
            *frames, self.rest = (self.rest + data).split(b"\0")
        self.socket.settimeout(STALL_SECONDS)
        for frame in frames:
            if frame.lstrip(b"\n").startswith(b"ERROR\n"):
                raise AssertionError(frame.decode("utf-8", "replace"))
        return frames

    def subscribe(self, queue, ack="client", window=1 << 20, **headers):
        more = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self.send(
            f"SUBSCRIBE\nid:{queue}\ndestination:{queue}\nsubscription-type:ANYCAST\nack:{ack}\n"
            f"consumer-window-size:{window}\n{more}\n\0".encode())

    def close(self):
        self.socket.close()


def head_of(queue):
    return f"SEND\ndestination:{queue}\ndestination-type:ANYCAST\npersistent:true\n".encode()


class Blocks:
    """Blocks of messages, not more than a few without their receipt."""

    def __init__(self, connection, ahead=8):
        self.connection = connection
        self.ahead = ahead
        self.waiting = []

    def send(self, data, mark):
        """Sends a block whose last message wants a receipt; returns the marks of the blocks whose receipts came."""
        self.connection.send(data)
        self.waiting.append(mark)
        return self.receipts(self.ahead - 1)

    def receipts(self, left=0):
        """Waits until no more than `left` blocks are without receipt."""
        done = []
        while len(self.waiting) > left:
            for frame in self.connection.frames():
                if RECEIPT.search(frame):
                    done.append(self.waiting.pop(0))
        return done


class Pace:
    """So many a second and no more; as fast as it goes without a rate."""

    def __init__(self, a_second):
        self.a_second = a_second
        self.began = time.monotonic()
        self.count = 0

    def wait_for(self, count):
        """Until it is time for so many more."""
        if self.a_second:
            time.sleep(max(0, self.began + self.count / self.a_second - time.monotonic()))
        self.count += count


def fill(port, queue, count, body=b"x" * 1024, block=1000, last_headers="", more=b"", a_second=None):
    """Sends `count` equal messages; the last may have headers of its own. The seconds that took."""
    connection = Connection(port)
    head = head_of(queue) + more
    plain = head + b"\n" + body + b"\0"
    marked = head + b"receipt:block\n\n" + body + b"\0"
    last = head + b"receipt:block\n" + last_headers.encode() + b"\n" + body + b"\0"
    whole = plain * (block - 1) + marked
    blocks = Blocks(connection)
    pace = Pace(a_second)
    began = time.monotonic()
    left = count
    while left > block:
        pace.wait_for(block)
        blocks.send(whole, None)
        left -= block
    blocks.send(plain * (left - 1) + last, None)
    blocks.receipts()
    connection.close()
    return time.monotonic() - began


def drain(port, queue, count, seconds=STALL_SECONDS, a_second=None):
    """Reads and acknowledges `count` messages. The seconds that took, and those until the first message."""
    connection = Connection(port)
    began = time.monotonic()
    connection.subscribe(queue, window=1 << 17 if a_second else 1 << 20)
    pace = Pace(a_second)
    got = acknowledged = 0
    first = None
    while got < count:
        frames = connection.frames(seconds)
        messages = [frame for frame in frames if frame.lstrip(b"\n").startswith(b"MESSAGE")]
        if messages:
            first = first or time.monotonic() - began
            got += len(messages)
            acknowledged += 1
            pace.wait_for(len(messages))
            receipt = b"receipt:last\n" if got >= count else b""
            connection.send(b"ACK\nid:" + ACK.search(messages[-1]).group(1) + b"\n" + receipt + b"\n\0")
    while not any(RECEIPT.search(frame) for frame in connection.frames(seconds)):
        pass
    connection.close()
    return time.monotonic() - began, first


class Sent:
    """What one producer has sent to one queue: numbers that are safe, and numbers nobody knows about."""

    def __init__(self):
        self.next = 0
        self.safe = 0
        self.unknown = []

    def broken(self):
        """The broker was killed: what had no receipt may be there or not."""
        if self.safe < self.next:
            self.unknown.append((self.safe, self.next))
        self.safe = self.next

    def may_miss(self, low, high):
        """Whether none of the numbers from `low` to below `high` is known to be safe."""
        for begin, end in self.unknown:
            if begin <= low < end:
                low = end
        return low >= high


def body_of(producer, number, sizes):
    head = b"%d %d " % (producer, number)
    return head + FILLER[:sizes[number % len(sizes)] - len(head)]


def produce(port, producer, sent, sizes, block, stopping, bytes_sent):
    """Sends blocks to the queues in turn until told to stop or the broker is gone. Whether it was told to."""
    try:
        connection = Connection(port)
        blocks = Blocks(connection)
        while not stopping.is_set():
            for queue, stream in sent.items():
                head = head_of(queue)
                numbers = range(stream.next, stream.next + block)
                bodies = [body_of(producer, number, sizes) for number in numbers]
                data = b"".join([b"%b\n%b\0" % (head, body) for body in bodies[:-1]])
                data += b"%breceipt:r\n\n%b\0" % (head, bodies[-1])
                stream.next += block
                for done, until in blocks.send(data, (stream, stream.next)):
                    done.safe = until
                with bytes_sent.get_lock():
                    bytes_sent.value += len(data)
        for done, until in blocks.receipts():
            done.safe = until
        connection.close()
        return True
    except Broken:
        for stream in sent.values():
            stream.broken()
        return False


class Read:
    """What has come out of one stream.

    Everything before `acknowledged` must not come again; what came later may, once the connection is lost.
    """

    def __init__(self):
        self.next = 0
        self.acknowledged = 0
        self.again = True

    def begin(self):
        """A new subscription: what was not acknowledged for certain may come again."""
        self.again = True

    def came(self, number, sent):
        if self.again and self.acknowledged <= number <= self.next:
            # What lies before it was acknowledged, if not for certain.
            self.next = number
        self.again = False
        assert number >= self.next, f"message {number} came twice, or out of order: {self.next} was next"
        if number > self.next:
            assert sent.may_miss(self.next, number), f"messages {self.next} to {number - 1} are lost"
        self.next = number + 1


def consume(port, queue, sent, read, sizes, stopping, a_second=None):
    """Reads a queue, checks every message, acknowledges with receipts. Ends when told to, when the broker is gone, or
    (without `stopping`) when every stream is at its end."""
    for stream in read:
        stream.begin()
    connection = None
    count = 0
    try:
        connection = Connection(port)
        began = time.monotonic()
        connection.subscribe(queue, window=1 << 16 if a_second else 1 << 20)
        waiting = []
        while not (stopping and stopping.is_set()) and not (
                stopping is None and all(stream.next == of.next for stream, of in zip(read, sent))):
            last = None
            try:
                frames = connection.frames(1 if stopping else STALL_SECONDS)
            except TimeoutError:
                assert stopping, f"nothing came for {STALL_SECONDS} s: {[(r.next, s.next) for r, s in zip(read, sent)]}"
                continue
            for frame in frames:
                head, _, body = frame.partition(b"\n\n")
                if b"MESSAGE\n" in head:
                    producer, number, _ = body.split(b" ", 2)
                    producer, number = int(producer), int(number)
                    assert body == body_of(producer, number, sizes), f"{queue}: {producer} {number} was changed"
                    read[producer].came(number, sent[producer])
                    last = head
                    count += 1
                elif RECEIPT.search(frame):
                    for stream, until in zip(read, waiting.pop(0)):
                        stream.acknowledged = until
            if last:
                connection.send(b"ACK\nid:" + ACK.search(last).group(1) + b"\nreceipt:a\n\n\0")
                waiting.append([stream.next for stream in read])
            if a_second:
                time.sleep(max(0, began + count / a_second - time.monotonic()))
        while waiting:
            for frame in connection.frames():
                if RECEIPT.search(frame):
                    for stream, until in zip(read, waiting.pop(0)):
                        stream.acknowledged = until
        connection.close()
    except Broken:
        assert stopping, "the broker closed the connection"
    return count


class Task:
    """A function in a process of its own; `result` is what it returned and what became of its arguments."""

    def __init__(self, function, *arguments):
        self.here, there = fork.Pipe(duplex=False)
        self.process = fork.Process(target=self.run, args=(there, function, arguments), daemon=True)
        self.process.start()
        there.close()

    @staticmethod
    def run(there, function, arguments):
        try:
            there.send((function(*arguments), [one for one in arguments if isinstance(one, (dict, list))], None))
        except BaseException as failure:
            there.send((None, [], f"{type(failure).__name__}: {failure}"))

    def result(self):
        value, arguments, failure = self.here.recv()
        self.process.join()
        assert failure is None, failure
        return value, arguments
