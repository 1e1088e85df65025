#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Paging disturbs nobody: sends to a quiet address while another one pages out and in, and how fast that is.

One message at a time is sent with a receipt to a quiet address: while nothing else happens, while an address that does
not page takes and gives messages of 1 KiB at a steady rate, and while one that pages does. The receipts' times are
compared. The rate leaves the machine room, because a machine that has none delays everything whatever the broker does.
Speeds are compared without the probe and without a rate.
"""

import os
import sys
import time

import flood
from broker import Broker, address_setting, arguments, changes, core_settings, limit_time

TAIL_RATIO_MAX = 2.0
SPEED_RATIO_MIN = 0.5


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=200_000, help="that page, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=10_000, help="messages a second beside the probe")
    parser.add_argument("--no-limits", action="store_true", help="print, do not judge: for a machine with other work")
    options = parser.parse_args()
    limit_time(options.seconds)
    small = address_setting("paging.#", max_size_bytes="1M", page_size_bytes="10M", address_full_policy="PAGE")
    with Broker(options.hind, configure=changes(small, core_settings(global_max_size="4G"))) as broker:
        port, count = broker.port("stomp"), options.messages
        probe(port, 500)
        times = {"quiet": [], "memory": [], "paging": []}
        speeds = {"memory": [], "paging": []}
        for number in range(options.rounds):
            times["quiet"] += probe(port, count // 20)
            for name, rates in speeds.items():
                times[name] += beside(port, f"{name}.slow.{number}", count, options.rate)
                rates.append(speed(port, f"{name}.fast.{number}", count))
        assert "paging on address 'paging.slow.0'" in broker.log_text(), "nothing was paged"
        say("quiet", times["quiet"])
        say(f"beside {options.rate}/s of 1 KiB in memory", times["memory"])
        say(f"beside {options.rate}/s of 1 KiB in pages", times["paging"])
        ratio = tail(times["paging"]) / tail(times["quiet"])
        best = {name: [max(column) for column in zip(*rows)] for name, rows in speeds.items()}
        for column, way in enumerate(["sent", "received"]):
            memory, pages = best["memory"][column], best["paging"][column]
            print(f"{way}: {memory:.0f}/s in memory, {pages:.0f}/s in pages: ratio {pages / memory:.2f} (at least {SPEED_RATIO_MIN})")
            assert options.no_limits or pages >= SPEED_RATIO_MIN * memory
        print(f"p99.9 beside paging over quiet: {ratio:.2f} (at most {TAIL_RATIO_MAX}), "
              f"over that beside memory: {tail(times['paging']) / tail(times['memory']):.2f}; on {os.cpu_count()} cores")
        assert options.no_limits or ratio <= TAIL_RATIO_MAX
        assert broker.stop() == 0
    print("ok  paging disturbs nobody")


def beside(port, queue, count, a_second):
    """The times of receipts while a queue is filled and drained at a steady rate."""
    stopping = flood.fork.Event()
    prober = flood.Task(probe, port, None, stopping)
    flood.fill(port, queue, count, block=a_second // 100, a_second=a_second)
    flood.drain(port, queue, count, a_second=a_second)
    stopping.set()
    return prober.result()[0]


def speed(port, queue, count):
    """Messages a second that a queue takes and gives when it is filled and drained as fast as it goes."""
    out = flood.fill(port, queue, count)
    back, _ = flood.drain(port, queue, count)
    return count / out, count / back


def probe(port, count, stopping=None):
    """Seconds that each of `count` sends took until its receipt came; or of as many as there is time for."""
    connection = flood.Connection(port)
    frame = flood.head_of("quiet") + b"receipt:r\n\n" + b"x" * 100 + b"\0"
    times = []
    while not stopping.is_set() if stopping else len(times) < count:
        began = time.perf_counter()
        connection.send(frame)
        connection.frames()
        times.append(time.perf_counter() - began)
    connection.close()
    return times


def tail(times):
    return sorted(times)[int(len(times) * 0.999)]


def say(what, times):
    times = sorted(times)
    p50, p99, p999 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99, 0.999))
    print(f"{what}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, p99.9 {p999:.2f} ms, longest {times[-1] * 1000:.1f} ms "
          f"({len(times)} sends)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
