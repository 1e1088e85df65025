#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A consumer whose selector matches only the last of many paged messages gets it soon, and holds up nobody."""

import sys
import time

import flood
from broker import Broker, address_setting, arguments, limit_time

SECONDS_MAX = 2.0  # for a million


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    limit_time(options.seconds)
    small = address_setting("paging.#", max_size_bytes="1M", page_size_bytes="10M", address_full_policy="PAGE")
    with Broker(options.hind, configure=small) as broker:
        port = broker.port("stomp")
        took = flood.fill(port, "paging.many", options.messages, last_headers="colour:red\n", more=b"size:small\n")
        print(f"{options.messages} messages of 1 KiB paged in {took:.1f} s ({options.messages / took:.0f}/s)")
        assert "AMQ222038" in broker.log_text(), "nothing was paged"
        found = [search(port) for _ in range(3)]
        print(f"found the last one after {', '.join(f'{seconds:.2f}' for seconds in found)} s; "
              f"resident at most {broker.memory_kib('VmHWM') / 1024:.0f} MiB")
        limit = SECONDS_MAX * max(1, options.messages / 1_000_000)
        assert min(found) <= limit, f"it took longer than {limit} s every time"
        took, first = flood.drain(port, "paging.many", options.messages)
        print(f"drained by a consumer without a selector in {took:.1f} s, the first message after {first * 1000:.0f} ms")
        assert broker.stop() == 0
    print("ok  a selective consumer far behind finds its message")


def search(port):
    """How long a consumer waits for the red one; it is given back unacknowledged."""
    connection = flood.Connection(port)
    began = time.monotonic()
    connection.subscribe("paging.many", selector="colour = 'red'")
    frames = connection.frames()
    took = time.monotonic() - began
    assert len(frames) == 1 and b"\ncolour:red\n" in frames[0], frames
    connection.send(b"UNSUBSCRIBE\nid:paging.many\nreceipt:r\n\n\0")
    assert flood.RECEIPT.search(connection.frames()[0])
    connection.close()
    return took


if __name__ == "__main__":
    sys.exit(main())
