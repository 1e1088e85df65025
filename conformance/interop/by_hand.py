#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conversation that the README types by hand: line by line, as a terminal sends it.

CONNECT, SUBSCRIBE, SEND with a receipt, MESSAGE, ACK — with `\\n` as nc sends it and `\\r\\n` as telnet does,
with blank lines before a frame, and with `^@` on a line of its own. Then the README's own lines, as they stand there.
"""

import re
import sys
import time
from pathlib import Path

from broker import Broker, arguments, limit_time
from raw_stomp import RawStomp

README = Path(__file__).resolve().parents[2] / "README.md"
CONNECT = ["CONNECT", "accept-version:1.2", "host:localhost", "", "^@"]
SUBSCRIBE = ["SUBSCRIBE", "id:0", "destination:{queue}", "subscription-type:ANYCAST", "ack:client-individual", "receipt:subscribed", "", "^@"]
SEND = ["SEND", "destination:{queue}", "destination-type:ANYCAST", "persistent:true", "receipt:sent", "", "hello", "^@"]
ACK = ["ACK", "id:{ack}", "receipt:acked", "", "^@"]
DISCONNECT = ["DISCONNECT", "receipt:bye", "", "^@"]


def type_lines(client, lines, end_of_line, **words):
    """Each line in a write of its own; the NUL is followed by the line end that Enter adds."""
    for line in lines:
        client.send(line.format(**words).replace("^@", "\0") + end_of_line)
        time.sleep(0.002)  # a hand is slower than the network: every line arrives as a read of its own


def conversation(port, queue, end_of_line, blank_lines):
    with RawStomp(port) as client:
        client.send(end_of_line * blank_lines)
        type_lines(client, CONNECT, end_of_line)
        client.expect("CONNECTED", version="1.2")
        client.send(end_of_line * blank_lines)
        type_lines(client, SUBSCRIBE, end_of_line, queue=queue)
        client.expect("RECEIPT", receipt_id="subscribed")
        type_lines(client, SEND, end_of_line, queue=queue)
        # The message is on its way before or after its receipt: both orders are right.
        frames = {}
        for _ in range(2):
            frame = client.frame()
            assert frame is not None, "the broker closed the connection after SEND"
            frames[frame[0]] = frame
        assert set(frames) == {"RECEIPT", "MESSAGE"}, f"after SEND came {frames}"
        assert frames["RECEIPT"][1]["receipt-id"] == "sent", frames
        _, headers, body = frames["MESSAGE"]
        assert headers["subscription"] == "0" and headers["destination"] == queue, headers
        assert body.strip() == b"hello", body
        client.send(end_of_line * blank_lines)
        type_lines(client, ACK, end_of_line, ack=headers["ack"])
        client.expect("RECEIPT", receipt_id="acked")
        type_lines(client, DISCONNECT, end_of_line)
        client.expect("RECEIPT", receipt_id="bye")


def nothing_left(port, queue):
    """The acknowledged message is gone: a sentinel is what comes first."""
    with RawStomp(port) as client:
        client.connect()
        client.send(f"SEND\ndestination:{queue}\ndestination-type:ANYCAST\nreceipt:s\n\nsentinel\0")
        client.expect("RECEIPT", receipt_id="s")
        client.send(f"SUBSCRIBE\nid:1\ndestination:{queue}\nsubscription-type:ANYCAST\nack:auto\n\n\0")
        assert client.expect("MESSAGE")[2] == b"sentinel"


def readme_blocks():
    """The indented blocks of the README's typed conversation: what is typed first, and the ACK."""
    chapter = README.read_text(encoding="utf-8").split("typed by hand", 1)[1]
    blocks, block = [], []
    for line in chapter.splitlines():
        if line.startswith("    "):
            block.append(line[4:])
        elif not line and block:
            block.append("")
        elif block:
            blocks.append(block)
            block = []
        if len(blocks) == 2:
            return [(block if block[-1] else block[:-1]) for block in blocks]
    raise AssertionError("the README has no typed conversation of two blocks")


def as_in_the_readme(port, end_of_line):
    first, acknowledgement = readme_blocks()
    with RawStomp(port) as client:
        type_lines(client, first, end_of_line)
        client.expect("CONNECTED", version="1.2")
        frames = dict((frame[0], frame) for frame in (client.frame(), client.frame()) if frame)
        assert set(frames) == {"RECEIPT", "MESSAGE"}, f"after SEND came {frames}"
        assert frames["MESSAGE"][2].strip() == b"Hello", frames
        ack = frames["MESSAGE"][1]["ack"]
        type_lines(client, [re.sub(r"^id:\(.*\)$", lambda _: f"id:{ack}", line) for line in acknowledgement], end_of_line)
        client.expect("RECEIPT")


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with Broker(options.hind) as broker:
        port = broker.port("stomp")
        for name, end_of_line, blank_lines in [("nc", "\n", 0), ("telnet", "\r\n", 0), ("blank lines", "\n", 3), ("telnet blank lines", "\r\n", 2)]:
            queue = f"hand.{name.replace(' ', '-')}"
            conversation(port, queue, end_of_line, blank_lines)
            nothing_left(port, queue)
            print(f"ok  typed like {name}")
        for name, end_of_line in [("nc", "\n"), ("telnet", "\r\n")]:
            as_in_the_readme(port, end_of_line)
            print(f"ok  the README's lines, as {name} sends them")
        broker.assert_alive()


if __name__ == "__main__":
    sys.exit(main())
