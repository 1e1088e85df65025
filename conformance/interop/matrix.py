#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a matrix of clients (`matrix.py HOST PORT …` in a folder of its own) against a broker made for it.

The folder is copied first: its agents want a virtual environment beside them, and ours is that environment.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from broker import PASSWORD, USER, Broker, arguments, limit_time


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--matrix", type=Path, required=True, help="the folder that holds matrix.py and its agents")
    parser.add_argument("--only", default="stomp", help="which clients (default: %(default)s)")
    parser.add_argument("--base", default="baseline-artemis-2.44.0.json", help="the cells to be as good as")
    options = parser.parse_args()
    limit_time(options.seconds)
    with Broker(options.hind) as broker:
        copy = broker.home / "matrix"
        shutil.copytree(options.matrix, copy, ignore=shutil.ignore_patterns("venv", "node_modules", "target"))
        os.symlink(sys.prefix, copy / "venv")
        command = [sys.executable, str(copy / "matrix.py"), "127.0.0.1", str(broker.port("core"))]
        for name in ("stomp", "amqp", "mqtt", "openwire", "core"):
            port = broker.port("core" if name == "openwire" else name)
            command += [f"--{name}-port", str(port)]
        command += ["--user", USER, "--password", PASSWORD, "--only", options.only, "--base", str(copy / options.base)]
        status = subprocess.run(command, timeout=options.seconds - 10, check=False).returncode
        broker.assert_alive()
        if status:
            broker.print_log()
    return status


if __name__ == "__main__":
    sys.exit(main())
