#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hind's broker CPU per message over Artemis's: lowest run over lowest run, scenario by scenario.

    ratio.py FOLDER      with hind.jsonl and artemis.jsonl, as the load generator's suite writes them
"""

import json
import sys
from pathlib import Path

BARS = {"a2-win200": 0.2, "c-np100": 0.25}


def runs(path):
    """The complete runs of a file: scenario → its lines."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        if run.get("delivered") and run["delivered"] >= run["expected"] and not run.get("error"):
            found.setdefault(run["scenario"], []).append(run)
    return found


def lowest(lines, field):
    return min(line[field] for line in lines)


def main():
    folder = Path(sys.argv[1])
    ours = runs(folder / "hind.jsonl")
    artemis = folder / "artemis.jsonl"
    theirs = runs(artemis) if artemis.exists() else {}
    print("\n| scenario | Hind CPU µs/msg | Artemis CPU µs/msg | ratio | bar | Hind p50 ms | Artemis p50 ms |")
    print("|---|---|---|---|---|---|---|")
    for scenario in ("a1-sync", "a2-win200", "c-np100"):
        if scenario not in ours:
            print(f"| {scenario} | no complete run | | | | | |")
            continue
        cpu = lowest(ours[scenario], "broker_cpu_us_per_msg")
        median = lowest(ours[scenario], "p50_ms")
        bar = BARS.get(scenario, "")
        if scenario in theirs:
            peer = lowest(theirs[scenario], "broker_cpu_us_per_msg")
            print(f"| {scenario} | {cpu:.1f} | {peer:.1f} | {cpu / peer:.2f} | {bar} | {median:.2f} | {lowest(theirs[scenario], 'p50_ms'):.2f} |")
        else:
            print(f"| {scenario} | {cpu:.1f} | not measured | | {bar} | {median:.2f} | |")


if __name__ == "__main__":
    sys.exit(main())
