# SPDX-License-Identifier: Apache-2.0
"""A broker of our own for a suite: an instance made by `create` in a temporary folder, started, killed, restarted.

Works with any program whose command line is Artemis's: `PROGRAM create DIR …`, then `DIR/bin/artemis run`.
"""

import argparse
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

USER = PASSWORD = "a"
DEFAULT_PORTS = {"core": 61616, "amqp": 5672, "mqtt": 1883, "stomp": 61613, "hornetq": 5445}
WEB_PORT = 8161
ACTIVE = "AMQ221007"
DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


class BrokerFailure(Exception):
    """The broker did not start, or ended when it should not have."""


def free_offset():
    """A port offset at which every default port can be bound."""
    for _ in range(200):
        offset = random.SystemRandom().randrange(1, 3900)
        if all(can_bind(port + offset) for port in [*DEFAULT_PORTS.values(), WEB_PORT]):
            return offset
    raise BrokerFailure("no port offset is free")


def can_bind(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def die_with_parent():
    """Runs in the child before exec: the kernel ends it when this process ends, however that happens."""
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)


class Broker:
    """One instance; `with Broker(program) as broker` creates, starts and in the end removes it."""

    keeps_all = True  # whether what was acknowledged is there after any end of the process

    def __init__(self, program, create_flags=(), start_seconds=60, offset=None, configure=None, in_child=None):
        """`configure` is given the text of broker.xml and returns it changed; `in_child` runs before the program does."""
        self.program = str(Path(program).resolve())
        self.create_flags = list(create_flags)
        self.start_seconds = start_seconds
        self.configure = configure
        self.in_child = in_child
        self.home = Path(tempfile.mkdtemp(prefix="hind-interop."))
        self.instance = self.home / "instance"
        self.log = self.home / "broker.log"
        self.offset = free_offset() if offset is None else offset
        self.process = None
        self.keep = False

    def port(self, name):
        return DEFAULT_PORTS[name] + self.offset

    def __enter__(self):
        try:
            self.create()
            self.start()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, _error, _trace):
        self.end()
        if kind is not None and kind is not SystemExit:
            self.print_log()
        if self.keep:
            print(f"the instance is kept in {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)

    def snapshot(self):
        """The data folder as it lies on the disk now, copied: what a failed round leaves to look at."""
        copy = self.home / "data-before"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.instance / "data", copy)

    def create(self):
        command = [self.program, "create", str(self.instance), "--silent", "--user", USER, "--password", PASSWORD]
        command += ["--allow-anonymous", "--host", "127.0.0.1", "--port-offset", str(self.offset)]
        made = subprocess.run(command + self.create_flags, capture_output=True, text=True, timeout=60, check=False)
        if made.returncode != 0:
            raise BrokerFailure(f"create ended with {made.returncode}: {made.stdout}{made.stderr}")
        if self.configure:
            xml = self.instance / "etc" / "broker.xml"
            xml.write_text(self.configure(xml.read_text(encoding="utf-8")), encoding="utf-8")

    def before_program(self):
        die_with_parent()
        if self.in_child:
            self.in_child()

    def start(self):
        """Starts the instance and returns when it says that it is active; the answer is the seconds that took."""
        began = time.monotonic()
        written = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.instance / "bin" / "artemis"), "run"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.home,
                start_new_session=True, preexec_fn=self.before_program)
        while time.monotonic() - began < self.start_seconds:
            if self.process.poll() is not None:
                raise BrokerFailure(f"the broker ended with status {self.process.returncode} while it started")
            if ACTIVE in self.log_text(written) and self.accepts():
                return time.monotonic() - began
            time.sleep(0.005)
        raise BrokerFailure(f"the broker was not active after {self.start_seconds} s")

    def accepts(self, name="stomp"):
        try:
            socket.create_connection(("127.0.0.1", self.port(name)), timeout=1).close()
        except OSError:
            return False
        return True

    def log_text(self, start=0):
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read().decode("utf-8", "replace")

    def kill9(self):
        """SIGKILL, to the whole group: nothing of the broker gets to say goodbye."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self, seconds=30):
        """SIGTERM; the answer is the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.kill9()

    def assert_alive(self):
        if self.process.poll() is not None:
            raise BrokerFailure(f"the broker ended with status {self.process.returncode}")

    def memory_kib(self, field="VmRSS"):
        """Resident memory now (`VmRSS`) or at its highest (`VmHWM`) of the broker and its children, in KiB."""
        total = 0
        for process in [self.process.pid, *children(self.process.pid)]:
            status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
            total += int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE).group(1))
        return total

    def reset_peak(self):
        """Makes `VmHWM` start again from what is resident now; the answer says whether the kernel allowed it."""
        try:
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return False
        return True

    def print_log(self, lines=80):
        print(f"--- last lines of the broker ({self.log}):")
        if self.log.exists():
            print("\n".join(self.log_text().splitlines()[-lines:]))
        print("---", flush=True)


def children(pid):
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in listed.split()]


def address_setting(match, **values):
    """A change of broker.xml: what applies to addresses that match; `_` in a name is written `-`."""
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in dashed(values))
    setting = f'<address-setting match="{match}">{inside}</address-setting>'
    return lambda xml: xml.replace("<address-settings>", f"<address-settings>\n{setting}", 1)


def core_settings(**values):
    """A change of broker.xml: settings of the broker itself; `_` in a name is written `-`."""
    def change(xml):
        for name, value in dashed(values):
            xml = re.sub(rf"<{name}>[^<]*</{name}>", "", xml)
            xml = xml.replace("<acceptors>", f"<{name}>{value}</{name}>\n<acceptors>", 1)
        return xml
    return change


def acceptor_parameters(name, **values):
    """A change of broker.xml: parameters at the end of an acceptor's URL."""
    more = "".join(f";{parameter}={value}" for parameter, value in values.items())
    return lambda xml: re.sub(rf'(<acceptor name="{name}">[^<]*)', rf"\g<1>{more}", xml)


def changes(*all_changes):
    """Several changes of broker.xml, one after the other."""
    def change(xml):
        for one in all_changes:
            xml = one(xml)
        return xml
    return change


def dashed(values):
    return [(name.replace("_", "-"), value) for name, value in values.items()]


def arguments(description):
    """The arguments every suite has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--hind", default="target/release/hind", help="the program under test (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=600, help="ends the suite as failed after this time")
    return parser


def limit_time(seconds):
    """Ends this process as failed after `seconds`; the broker ends with it."""
    def give_up():
        import faulthandler
        print(f"FAILED: not done after {seconds} s; where the threads stand:", flush=True)
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)
    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    # Ended from outside, the suite leaves through its `with` blocks.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def wait_until(condition, seconds=10, what="the condition"):
    """Waits for `condition()` to be true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.005)
