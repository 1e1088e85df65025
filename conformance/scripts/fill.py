#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fills a queue with persistent messages of 1 KiB over STOMP, with a receipt for every thousandth and the last.

    fill.py PORT COUNT [QUEUE]
"""

import socket
import sys

BODY = b"x" * 1024
BLOCK = 1000
BLOCKS_AHEAD = 4


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    queue = (sys.argv[3] if len(sys.argv) > 3 else "recovery").encode()
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    answers = connection.makefile("rb")
    connection.sendall(b"CONNECT\naccept-version:1.2\nhost:localhost\nlogin:a\npasscode:a\n\n\0")
    expect(answers, b"CONNECTED")
    head = b"SEND\ndestination:" + queue + b"\ndestination-type:ANYCAST\npersistent:true\ncontent-length:1024\n"
    plain = head + b"\n" + BODY + b"\0"
    marked = head + b"receipt:block\n\n" + BODY + b"\0"
    waiting = sent = 0
    while sent < count:
        block = min(BLOCK, count - sent)
        connection.sendall(plain * (block - 1) + marked)
        sent, waiting = sent + block, waiting + 1
        while waiting > (BLOCKS_AHEAD if sent < count else 0):
            expect(answers, b"RECEIPT")
            waiting -= 1
    connection.close()
    return 0


def expect(answers, command):
    """Reads one frame without a body."""
    line = b""
    while not line.strip(b"\r\n\0"):
        line = answers.readline()
        if not line:
            raise SystemExit("the broker closed the connection")
    if line.strip(b"\r\n\0") != command:
        raise SystemExit(f"wanted {command}, got {line + answers.readline() + answers.readline()}")
    while answers.readline().strip(b"\r\n"):
        pass
    if answers.read(1) != b"\0":
        raise SystemExit("a frame with a body where none belongs")


if __name__ == "__main__":
    sys.exit(main())
