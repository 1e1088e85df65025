#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds paho.golang's scenarios and runs them against a broker of our own."""

import subprocess
import sys
from pathlib import Path

from broker import limit_time
from mosquitto import mqtt_arguments, mqtt_broker

FEATURES = Path(__file__).parent / "paho_go"


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options) as broker:
        program = broker.home / "paho_go"
        subprocess.run(["go", "build", "-mod=readonly", "-o", str(program), "."], cwd=FEATURES, check=True, timeout=options.seconds - 10)
        status = subprocess.run([str(program), str(broker.port("mqtt"))], check=False, timeout=options.seconds - 10).returncode
        broker.assert_alive()
        if status:
            broker.print_log()
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
