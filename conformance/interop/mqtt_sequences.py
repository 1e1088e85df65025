#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the raw MQTT packet sequences of a folder against a broker that has the limits they assume."""

import subprocess
import sys
from pathlib import Path

from broker import acceptor_parameters, limit_time
from mosquitto import mqtt_arguments, mqtt_broker

ASSUMED = acceptor_parameters("mqtt", topicAliasMaximum=10, receiveMaximum=20, maximumPacketSize=2_000_000)
ALL = 1826


def main():
    parser = mqtt_arguments(__doc__.splitlines()[0])
    parser.add_argument("--sequences", type=Path, required=True, help="the folder")
    parser.add_argument("--runner", default="target/release/mqtt-sequences", help="the program that plays them (default: %(default)s)")
    parser.add_argument("--patience", default="2000", help="milliseconds that an answer may take (default: %(default)s)")
    options = parser.parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options, ASSUMED) as broker:
        command = [options.runner, f"127.0.0.1:{broker.port('mqtt')}", str(options.sequences), "--patience", options.patience]
        command += ["--only", options.only] if options.only else ["--expect", str(ALL)]
        status = subprocess.run(command, check=False, timeout=options.seconds - 10).returncode
        broker.assert_alive()
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
