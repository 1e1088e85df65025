#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A broker in a control group of 128 MiB takes far more than that, and is killed half-way.

Producers send at full speed to two queues: one with a slow consumer, one without any. Half-way the broker is ended with
SIGKILL and started again. Then everything is drained. The proof:

  memory        the kernel kills nothing, and what is resident stays below the limit
  no loss       every message with a receipt is delivered, its body unchanged
  order         the messages of a producer come in the order of sending
  no twice      nothing comes again once the receipt of its acknowledgement has arrived
"""

import sys
import threading
import time

import flood
from broker import Broker, arguments, limit_time
from control_group import ControlGroup, NoControlGroup

LIMIT = 128 << 20
SIZES = (100, 1024, 1024, 10_000)  # bytes of the bodies, in turn
BLOCK = 100
SLOW = 200  # messages a second


class Watch(threading.Thread):
    """Looks at the memory of the broker all the time."""

    def __init__(self, broker, group):
        super().__init__(daemon=True)
        self.broker, self.group = broker, group
        self.peak_rss = self.peak_charged = self.peak_owned = 0
        self.start()

    def run(self):
        while True:
            try:
                self.peak_rss = max(self.peak_rss, self.broker.memory_kib("VmHWM") << 10)
                charged, owned = self.group.usage()
            except (OSError, AttributeError):
                charged = owned = 0  # between two lives of the broker
            self.peak_charged, self.peak_owned = max(self.peak_charged, charged), max(self.peak_owned, owned)
            time.sleep(0.05)


class Run:
    def __init__(self, broker, options):
        self.broker, self.options = broker, options
        self.sent = [{"slow": flood.Sent(), "stopped": flood.Sent()} for _ in range(options.producers)]
        self.read = {queue: [flood.Read() for _ in self.sent] for queue in ("slow", "stopped")}
        self.bytes_sent = flood.fork.Value("Q", 0)
        self.began = time.monotonic()

    def of(self, queue):
        return [streams[queue] for streams in self.sent]

    def load(self, part, kill):
        """Producers and the slow consumer, until `part` of the bytes has been sent or `part` of the time is over."""
        stopping, port = flood.fork.Event(), self.broker.port("stomp")
        producers = [
            flood.Task(flood.produce, port, number, sent, SIZES, BLOCK, stopping, self.bytes_sent)
            for number, sent in enumerate(self.sent)
        ]
        consumer = flood.Task(
            flood.consume, port, "slow", self.of("slow"), self.read["slow"], SIZES, stopping, SLOW)
        until, enough = self.began + part * self.options.minutes * 60, part * self.options.gib * (1 << 30)
        while time.monotonic() < until and self.bytes_sent.value < enough:
            self.broker.assert_alive()
            assert all(task.process.is_alive() for task in producers), [task.result() for task in producers]
            time.sleep(0.05)
        if kill:
            self.broker.kill9()
        stopping.set()
        told = [task.result() for task in producers]
        self.sent = [arguments[0] for _, arguments in told]
        assert kill or all(value for value, _ in told), "a producer lost its connection"
        _, (_, self.read["slow"]) = consumer.result()

    def drain(self):
        began, port = time.monotonic(), self.broker.port("stomp")
        tasks = {
            queue: flood.Task(flood.consume, port, queue, self.of(queue), self.read[queue], SIZES, None)
            for queue in self.read
        }
        counts = {queue: task.result()[0] for queue, task in tasks.items()}
        return counts, time.monotonic() - began


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long the producers send at most")
    parser.add_argument("--gib", type=float, default=10, help="how much they send at most")
    parser.add_argument("--producers", type=int, default=2)
    options = parser.parse_args()
    limit_time(options.seconds + options.minutes * 60)
    try:
        with ControlGroup(LIMIT) as group:
            prove(options, group)
    except NoControlGroup as why:
        print(f"skipped: {why}")


def prove(options, group):
    with Broker(options.hind, in_child=group.enter) as broker:
        watch, run = Watch(broker, group), Run(broker, options)
        run.load(0.5, kill=True)
        loaded = time.monotonic() - run.began
        took = broker.start()
        run.began = time.monotonic() - loaded
        run.load(1, kill=False)
        seconds, gib = time.monotonic() - run.began, run.bytes_sent.value / (1 << 30)
        unknown = sum(high - low for sent in run.sent for stream in sent.values() for low, high in stream.unknown)
        total = sum(stream.next for sent in run.sent for stream in sent.values())
        print(f"{gib:.2f} GiB in {total} messages sent in {seconds:.0f} s ({gib * 1024 / seconds:.0f} MiB/s); "
              f"{unknown} of them had no receipt when the broker was killed; it was active again after {took:.2f} s")
        report(watch)
        counts, seconds = run.drain()
        print(f"drained {counts} in {seconds:.0f} s")
        report(watch)
        assert group.kills() == 0, f"the kernel killed {group.kills()} processes"
        assert watch.peak_rss < LIMIT, f"resident: {watch.peak_rss >> 20} MiB"
        assert broker.stop() == 0, "the broker did not end in order"
    print("ok  nothing receipted was lost, nothing came twice, all in order, below the limit")


def report(watch):
    print(f"peak: resident {watch.peak_rss / (1 << 20):.1f} MiB, charged to processes {watch.peak_owned / (1 << 20):.1f} MiB, "
          f"with the page cache {watch.peak_charged / (1 << 20):.1f} MiB of {LIMIT >> 20} MiB", flush=True)


if __name__ == "__main__":
    sys.exit(main())
