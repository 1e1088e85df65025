#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs mqtt.js's scenarios against a broker of our own; NODE_PATH says where the client is installed."""

import subprocess
import sys
from pathlib import Path

from broker import limit_time
from mosquitto import mqtt_arguments, mqtt_broker

FEATURES = Path(__file__).parent / "mqtt_js" / "features.js"


def main():
    options = mqtt_arguments(__doc__.splitlines()[0]).parse_args()
    limit_time(options.seconds)
    with mqtt_broker(options) as broker:
        command = ["node", str(FEATURES), str(broker.port("mqtt")), str(broker.port("core"))]
        status = subprocess.run(command, check=False, timeout=options.seconds - 10).returncode
        broker.assert_alive()
        if status:
            broker.print_log()
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
