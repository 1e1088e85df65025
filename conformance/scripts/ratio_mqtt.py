#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hind's broker CPU over each peer's, lowest run over lowest run, scenario by scenario, with the bars of MQTT.

    ratio_mqtt.py FOLDER      with hind.jsonl, mosquitto.jsonl and artemis.jsonl, as the load generator writes them
"""

import sys
from pathlib import Path

from ratio import lowest, runs

# Scenario → the figure, and the highest ratio to each peer.
BARS = {
    "c-qos0-100": ("broker_cpu_us_per_msg", {"mosquitto": 0.6}),
    "d0-fan50-qos0": ("broker_cpu_us_per_msg", {"mosquitto": 0.25}),
    "d1-fan50-qos1": ("broker_cpu_us_per_msg", {"mosquitto": 0.3}),
    "a2-win200": ("broker_cpu_us_per_msg", {"artemis": 0.2}),
    "e-idle": ("broker_cpu_us_per_conn", {"mosquitto": 1.5}),
}
IDLE_KIB_MAX = 4
PEERS = ("mosquitto", "artemis")


def main():
    folder = Path(sys.argv[1])
    found = {name: runs(path) for name in ("hind", *PEERS) if (path := folder / f"{name}.jsonl").exists()}
    print("\n| scenario | Hind µs | " + " | ".join(f"{peer} µs | ratio | bar" for peer in PEERS) + " |")
    print("|---|---|" + "---|---|---|" * len(PEERS))
    for scenario, (field, bars) in BARS.items():
        ours = found.get("hind", {}).get(scenario)
        if not ours:
            print(f"| {scenario} | no complete run |" + " | | |" * len(PEERS))
            continue
        cells = [scenario, f"{lowest(ours, field):.2f}"]
        for peer in PEERS:
            theirs = found.get(peer, {}).get(scenario)
            if theirs and lowest(theirs, field):
                cells += [f"{lowest(theirs, field):.2f}", f"{lowest(ours, field) / lowest(theirs, field):.2f}", str(bars.get(peer, ""))]
            else:
                cells += ["not measured", "", str(bars.get(peer, ""))]
        print(f"| {' | '.join(cells)} |")
    for name, scenarios in found.items():
        if "e-idle" in scenarios:
            bar = f" (bar {IDLE_KIB_MAX})" if name == "hind" else ""
            print(f"{name}: {lowest(scenarios['e-idle'], 'rss_kb_per_conn'):.2f} KiB per idle connection{bar}")


if __name__ == "__main__":
    sys.exit(main())
