#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A broker with millions of paged messages opens as fast as an empty one: it reads what it knows of pages, not pages."""

import sys
import time

import flood
from broker import ACTIVE, Broker, address_setting, arguments, limit_time, wait_until

SECONDS_MAX = 1.0
BODY = b"x" * 100


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000_000)
    options = parser.parse_args()
    limit_time(options.seconds)
    small = address_setting("paging.#", max_size_bytes="1M", page_size_bytes="10M", address_full_policy="PAGE")
    with Broker(options.hind, configure=small) as broker:
        took = flood.fill(broker.port("stomp"), "paging.many", options.messages, body=BODY)
        print(f"{options.messages} messages of {len(BODY)} B paged in {took:.1f} s ({options.messages / took:.0f}/s), "
              f"resident at most {broker.memory_kib('VmHWM') / 1024:.0f} MiB")
        opened = []
        for how in ("killed", "stopped"):
            broker.kill9() if how == "killed" else broker.stop()
            active, first = reopen(broker)
            print(f"{how}: active after {active * 1000:.0f} ms, first message after {first * 1000:.0f} ms, "
                  f"resident {broker.memory_kib() / 1024:.0f} MiB")
            opened.append(active)
        assert max(opened) <= SECONDS_MAX, f"opening took longer than {SECONDS_MAX} s"
        took, _ = flood.drain(broker.port("stomp"), "paging.many", options.messages)
        print(f"drained in {took:.1f} s ({options.messages / took:.0f}/s)")
        wait_until(lambda: not list((broker.instance / "data" / "paging").glob("*.hpg")), 30, "deletion of all pages")
        assert broker.stop() == 0
    print("ok  a broker with paged messages opens at once")


def reopen(broker):
    """Seconds from the start of the process until it says that it is active, and until the first message comes."""
    written = broker.log.stat().st_size
    began = time.monotonic()
    active = broker.start()
    assert ACTIVE in broker.log_text(written)
    connection = flood.Connection(broker.port("stomp"))
    connection.subscribe("paging.many", window=1)
    connection.frames()
    first = time.monotonic() - began
    connection.close()
    return active, first


if __name__ == "__main__":
    sys.exit(main())
