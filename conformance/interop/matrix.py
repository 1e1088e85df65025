#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a matrix of clients (`matrix.py HOST PORT …` in a folder of its own) against a broker made for it.

The folder is copied first: its agents want a virtual environment beside them, and ours is that environment.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from broker import PASSWORD, USER, Broker, arguments, limit_time


def with_more_allowed(base):
    """Changes the cells of a base: where all properties are lost there, they may arrive as texts here."""
    cells = json.loads(base.read_text(encoding="utf-8"))
    more = {name: cell.replace("props:none", "props:none; props as str") for name, cell in cells.items()}
    base.chmod(0o644)
    base.write_text(json.dumps(more), encoding="utf-8")


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
        with_more_allowed(copy / options.base)
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
