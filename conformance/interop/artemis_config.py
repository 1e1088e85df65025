#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A broker.xml that a real Artemis 2.44 `create` wrote starts unchanged, and a STOMP client is served.

The file binds Artemis's default ports; where one of them is taken, the ports alone are shifted, and a line says so.
"""

import re
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


def main():
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--xml", type=Path, default=RECORDED)
    options = parser.parse_args()
    limit_time(options.seconds)
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
