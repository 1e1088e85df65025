#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Paging disturbs nobody: sends to a quiet address while another one pages out and in, and how fast that is.

One message at a time is sent with a receipt to a quiet address: while nothing else happens, while an address that does
not page takes and gives messages of 1 KiB at full speed, and while one that pages does. The receipts' times are compared
between the first and the last, the speeds between the last two.
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
    parser.add_argument("--messages", type=int, default=300_000, help="that page, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-limits", action="store_true", help="print, do not judge: for a machine with other work")
    options = parser.parse_args()
    limit_time(options.seconds)
    small = address_setting("paging.#", max_size_bytes="1M", page_size_bytes="10M", address_full_policy="PAGE")
    with Broker(options.hind, configure=changes(small, core_settings(global_max_size="4G"))) as broker:
        port, count = broker.port("stomp"), options.messages
        probe(port, 500)
        quiet, busy, paging = [], [], []
        speeds = {"memory": [], "paging": []}
        for number in range(options.rounds):
            quiet += probe(port, options.messages // 60)
            for name, times in (("memory", busy), ("paging", paging)):
                measured, out, back = measure(port, f"{name}.{number}", count)
                times += measured
                speeds[name].append((count / out, count / back))
        assert "paging on address 'paging.0'" in broker.log_text(), "nothing was paged"
        say("quiet", quiet)
        say("beside 1 KiB at full speed in memory", busy)
        say("beside 1 KiB at full speed in pages", paging)
        ratio = tail(paging) / tail(quiet)
        best = {name: [max(column) for column in zip(*rows)] for name, rows in speeds.items()}
        for column, way in enumerate(["sent", "received"]):
            memory, pages = best["memory"][column], best["paging"][column]
            print(f"{way}: {memory:.0f}/s in memory, {pages:.0f}/s in pages: ratio {pages / memory:.2f} (at least {SPEED_RATIO_MIN})")
            assert options.no_limits or pages >= SPEED_RATIO_MIN * memory
        print(f"p99.9 beside paging over quiet: {ratio:.2f} (at most {TAIL_RATIO_MAX}), "
              f"over that beside memory: {tail(paging) / tail(busy):.2f}; on {os.cpu_count()} cores")
        assert options.no_limits or ratio <= TAIL_RATIO_MAX
        assert broker.stop() == 0
    print("ok  paging disturbs nobody")


def measure(port, queue, count):
    """Fills and drains a queue; the times of receipts meanwhile, and how long both took."""
    stopping = flood.fork.Event()
    prober = flood.Task(probe, port, None, stopping)
    out = flood.fill(port, queue, count)
    back, _ = flood.drain(port, queue, count)
    stopping.set()
    return prober.result()[0], out, back


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
