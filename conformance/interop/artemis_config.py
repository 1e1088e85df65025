#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A broker.xml that a real Artemis 2.44 `create` wrote starts unchanged, and a STOMP client is served.

What is not built yet and must not be ignored (`create --ping`) keeps the broker from starting, by line. The file binds Artemis's default ports; where one of them is taken, the ports alone are shifted, and a line says so.
"""

import re
import subprocess
import sys
from pathlib import Path

from broker import DEFAULT_PORTS, Broker, arguments, can_bind, limit_time
from client import Client, text

RECORDED = Path(__file__).resolve().parents[2] / "config" / "tests" / "data" / "created" / "default.xml"
ACCEPTORS = {"core": "artemis", "amqp": "amqp", "mqtt": "mqtt", "stomp": "stomp", "hornetq": "hornetq"}


def shifted(xml, offset):
    for port in DEFAULT_PORTS.values():
        xml = re.sub(rf"(tcp://[^:<]+):{port}\b", rf"\g<1>:{port + offset}", xml)
    return xml


def refuses_network_checks(program):
    """`create --ping` writes the checks; `run` ends with status 1 and names the lines they stand on."""
    broker = Broker(program, create_flags=["--ping", "10.0.0.1"])
    broker.start = lambda: None
    with broker:
        xml = (broker.instance / "etc" / "broker.xml").read_text(encoding="utf-8").splitlines()
        line = next(number for number, text in enumerate(xml, 1) if "<network-check-list>10.0.0.1<" in text)
        run = [str(broker.instance / "bin" / "artemis"), "run"]
        ended = subprocess.run(run, capture_output=True, text=True, timeout=30, check=False)
        said = ended.stdout + ended.stderr
        assert ended.returncode == 1, f"status {ended.returncode}: {said}"
        assert re.search(rf"broker\.xml:{line}\b.*network-check-list.*not built yet", said), f"line {line} is not named: {said}"
    print(f"ok  an isolation check that is not built yet keeps the broker from starting and is named (line {line})")


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--xml", type=Path, default=RECORDED)
    options = parser.parse_args()
    limit_time(options.seconds)
    refuses_network_checks(options.hind)
    recorded = options.xml.read_text(encoding="utf-8")
    taken = [port for port in DEFAULT_PORTS.values() if not can_bind(port)]
    broker = Broker(options.hind, offset=None if taken else 0)
    if taken:
        print(f"ports {taken} are taken: the file's ports are shifted by {broker.offset}, nothing else is changed")
    broker.create()
    target = broker.instance / "etc" / "broker.xml"
    target.write_text(shifted(recorded, broker.offset) if taken else recorded, encoding="utf-8")
    # The instance is made; what `with` still has to do is to start it and to clean up.
    broker.create = lambda: None
    with broker:
        log = broker.log_text()
        for name in ACCEPTORS:
            line = rf"AMQ221020.*:{broker.port(name)}\b"
            assert re.search(line, log), f"no line says that the acceptor on port {broker.port(name)} listens ({line})"
        with Client(broker.port("stomp")) as client:
            client.subscribe("artemis.config")
            client.send("artemis.config", "served", persistent="true")
            frame = client.message()
            assert text(frame) == "served"
            client.settle(frame)
        broker.assert_alive()
    print(f"ok  {options.xml.name} of Artemis starts {'with shifted ports' if taken else 'unchanged'} and serves STOMP")


if __name__ == "__main__":
    sys.exit(main())
