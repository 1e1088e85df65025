#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input against a broker that pages: memory stays bounded, the rest is delivered, and another client is not disturbed.

A consumer that never acknowledges, thousands of queues with one unread message each, and page files that were cut short
or changed while the broker was down. Through all of it a witness sends and receives.
"""

import sys

import flood
from abuse import Witness
from broker import Broker, address_setting, arguments, changes, core_settings, limit_time

GLOBAL_MAX_MIB = 8
GROWTH_KIB_MAX = 48 * 1024  # over what was resident at first: the messages in memory, and buffers
QUEUES = 10_000
MESSAGES = 60_000
SIZES = (1024,)


def send(port, queue, count):
    """Sends numbered messages and waits for their receipts; what has been sent."""
    sent = flood.Sent()
    connection = flood.Connection(port)
    blocks = flood.Blocks(connection)
    for begin in range(0, count, 100):
        bodies = [flood.body_of(0, number, SIZES) for number in range(begin, begin + 100)]
        head = flood.head_of(queue)
        data = b"".join(b"%b\n%b\0" % (head, body) for body in bodies[:-1]) + b"%breceipt:r\n\n%b\0" % (head, bodies[-1])
        blocks.send(data, None)
    blocks.receipts()
    connection.close()
    sent.next = sent.safe = count
    return sent


def never_acknowledges(broker, witness):
    """A consumer takes what its window allows and says nothing; when it leaves, all of it goes to another one, in order."""
    port, before = broker.port("stomp"), broker.memory_kib()
    silent = flood.Connection(port)
    silent.subscribe("abuse.silent", ack="client-individual", window=1 << 40)
    sent = send(port, "abuse.silent", MESSAGES)
    got = 0
    try:
        while True:
            got += len(silent.frames(3))
    except TimeoutError:
        pass
    growth = broker.memory_kib("VmHWM") - before
    trips, slowest = witness.judge()
    print(f"ok  a consumer that acknowledges none of {MESSAGES} messages was given {got}: memory grew by {growth / 1024:.0f} MiB, "
          f"{trips} trips of the witness meanwhile, the slowest {slowest * 1000:.0f} ms")
    assert growth < GROWTH_KIB_MAX + got * 2, f"{growth} KiB"
    silent.close()
    read = [flood.Read()]
    count = flood.consume(port, "abuse.silent", [sent], read, SIZES, None)
    assert count == MESSAGES, count
    print(f"ok  and when it is gone another one gets all {count}, in order")
    witness.judge()


def many_queues(broker, witness):
    """One unread message on each of many queues; killed in between; every one is there."""
    port = broker.port("stomp")
    broker.reset_peak()
    before = broker.memory_kib()
    connection = flood.Connection(port)
    blocks = flood.Blocks(connection)
    for begin in range(0, QUEUES, 100):
        heads = [flood.head_of(f"abuse.one.{number}") for number in range(begin, begin + 100)]
        bodies = [flood.body_of(0, number, SIZES) for number in range(begin, begin + 100)]
        frames = [b"%b\n%b\0" % pair for pair in zip(heads[:-1], bodies)]
        blocks.send(b"".join(frames) + b"%breceipt:r\n\n%b\0" % (heads[-1], bodies[-1]), None)
    blocks.receipts()
    connection.close()
    growth = broker.memory_kib("VmHWM") - before
    trips, slowest = witness.judge()
    print(f"ok  {QUEUES} queues with one unread message each: memory grew by {growth / 1024:.0f} MiB, "
          f"{trips} trips of the witness, the slowest {slowest * 1000:.0f} ms")
    assert growth < GROWTH_KIB_MAX + QUEUES * 8, f"{growth} KiB"
    return growth


def read_many_queues(broker):
    connection = flood.Connection(broker.port("stomp"))
    expected = {flood.body_of(0, number, SIZES) for number in range(QUEUES)}
    for begin in range(0, QUEUES, 100):
        for number in range(begin, begin + 100):
            connection.subscribe(f"abuse.one.{number}", ack="auto")
        seen = 0
        while seen < 100:
            for frame in connection.frames():
                _, blank, body = frame.partition(b"\n\n")
                assert blank and body in expected, frame
                expected.remove(body)
                seen += 1
        for number in range(begin, begin + 100):
            connection.send(f"UNSUBSCRIBE\nid:abuse.one.{number}\n\n\0".encode())
    connection.close()
    assert not expected
    print(f"ok  after kill -9 every one of them is delivered")


def damaged_pages(broker):
    """Page files that were changed while the broker was down."""
    send(broker.port("stomp"), "abuse.damaged", MESSAGES)
    assert broker.stop() == 0
    pages = sorted((broker.instance / "data" / "paging").glob("*.hpg"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))
    pages = [page for page in pages if b"abuse.damaged" in page.read_bytes()[:4096]]
    assert len(pages) >= 4, pages
    cut, flipped = pages[1], pages[2]
    content = bytearray(flipped.read_bytes())
    for place in (len(content) // 3, len(content) // 2):
        content[place] ^= 0x10
    flipped.write_bytes(content)
    with cut.open("r+b") as file:
        size = cut.stat().st_size
        file.truncate(size // 2)
    written = broker.log.stat().st_size
    broker.start()
    witness = Witness(broker.port("stomp"))
    witness.start()
    connection = flood.Connection(broker.port("stomp"))
    connection.subscribe("abuse.damaged")
    numbers = []
    while not numbers or numbers[-1] != MESSAGES - 1:
        frames = [frame for frame in connection.frames(20) if b"MESSAGE\n" in frame[:10]]
        for frame in frames:
            body = frame.partition(b"\n\n")[2]
            numbers.append(int(body.split(b" ", 2)[1]))
            assert body == flood.body_of(0, numbers[-1], SIZES), "a changed message was delivered"
        if frames:
            connection.send(b"ACK\nid:" + flood.ACK.search(frames[-1]).group(1) + b"\n\n\0")
    connection.close()
    assert numbers == sorted(set(numbers)), "out of order, or twice"
    lost = MESSAGES - len(numbers)
    log = broker.log_text(written)
    assert "AMQ222033" in log and "AMQ222030" in log, "the damage is not named"
    for page in (cut, flipped):
        assert list(page.parent.glob(f"{page.name}.damaged")), f"{page.name} was not kept"
    trips, slowest = witness.judge()
    witness.end()
    per_page = size // 1100
    assert 0 < lost <= per_page // 2 + 60, f"{lost} messages of about {per_page // 2} were lost"
    assert trips and witness.failure is None
    print(f"ok  a page cut in half and one with two flipped bits cost {lost} of {MESSAGES} messages; both files are kept, "
          f"the log names them, and the slowest trip of the witness took {slowest * 1000:.0f} ms")


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    small = changes(core_settings(global_max_size=f"{GLOBAL_MAX_MIB}M"), address_setting(
        "abuse.#", page_size_bytes="1M", address_full_policy="PAGE"), address_setting(
        "abuse.damaged", page_size_bytes="1M", max_size_bytes="1M", address_full_policy="PAGE"))
    with Broker(options.hind, configure=small) as broker:
        witness = Witness(broker.port("stomp"))
        witness.start()
        never_acknowledges(broker, witness)
        many_queues(broker, witness)
        witness.end()
        broker.kill9()
        broker.start()
        read_many_queues(broker)
        damaged_pages(broker)
        assert broker.stop() == 0
    print("ok  nobody else noticed")


if __name__ == "__main__":
    sys.exit(main())
