# SPDX-License-Identifier: Apache-2.0
"""Eclipse Mosquitto in the place of our broker: what the MQTT suites are themselves tried against."""

import subprocess
import time

from broker import Broker, BrokerFailure, arguments

CONFIGURATION = """
user root
listener {mqtt} 127.0.0.1
protocol mqtt
listener {core} 127.0.0.1
protocol websockets
allow_anonymous true
persistence true
persistence_location {home}/
max_topic_alias 10
max_inflight_messages 20
max_packet_size 2000000
max_queued_messages 100000
"""


class Mosquitto(Broker):
    """One instance; its WebSocket listener has the port that our broker shares among its protocols."""

    keeps_all = False

    def create(self):
        configuration = CONFIGURATION.format(mqtt=self.port("mqtt"), core=self.port("core"), home=self.home)
        (self.home / "mosquitto.conf").write_text(configuration, encoding="ascii")

    def start(self):
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, "-c", str(self.home / "mosquitto.conf")], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=self.before_program)
        while not self.accepts("mqtt"):
            if self.process.poll() is not None or time.monotonic() - began > self.start_seconds:
                raise BrokerFailure(f"Mosquitto does not start: {self.log_text()}")
            time.sleep(0.005)
        return time.monotonic() - began


def mqtt_arguments(description):
    """The arguments every MQTT suite has."""
    parser = arguments(description)
    parser.add_argument("--mosquitto", help="tries the suite itself against this Mosquitto")
    parser.add_argument("--only", default="", help="what has this in its name or title")
    return parser


def mqtt_broker(options, configure=None):
    """The broker that the arguments ask for."""
    return Mosquitto(options.mosquitto) if options.mosquitto else Broker(options.hind, configure=configure)
