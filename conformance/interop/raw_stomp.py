# SPDX-License-Identifier: Apache-2.0
"""STOMP by bytes: a socket and the few lines needed to read frames from it, for what a polite client never sends."""

import socket
import time


class RawStomp:
    """One connection; what arrives is kept until it is asked for."""

    def __init__(self, port, seconds=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.seconds = seconds
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def frame(self, seconds=None):
        """The next frame as (command, headers, body), heart-beats left out; None when the peer closed."""
        end = time.monotonic() + (seconds or self.seconds)
        while True:
            parsed = self.parse()
            if parsed is not None:
                return parsed
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self.buffer += data

    def parse(self):
        self.buffer = self.buffer.lstrip(b"\r\n")
        head, blank, rest = self.buffer.partition(b"\n\n")
        if not blank:
            return None
        lines = head.decode("utf-8", "replace").split("\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name, value)
        length = int(headers["content-length"]) if "content-length" in headers else rest.find(b"\0")
        if length < 0 or len(rest) < length + 1:
            return None
        self.buffer = rest[length + 1:]
        return lines[0], headers, rest[:length]

    def expect(self, command, **wanted):
        """The next frame, which must be `command` with these headers (`-` in a name is written `_`)."""
        frame = self.frame()
        assert frame is not None, f"wanted {command}, the broker closed the connection"
        assert frame[0] == command, f"wanted {command}, got {frame}"
        for name, value in wanted.items():
            name = name.replace("_", "-")
            assert frame[1].get(name) == value, f"{command}: wanted {name}:{value}, got {frame[1]}"
        return frame

    def closed(self, seconds=None):
        """Whether the peer closes within the time, whatever it sends before that."""
        try:
            while self.frame(seconds) is not None:
                pass
        except TimeoutError:
            return False
        return True

    def connect(self, version="1.2"):
        self.send(f"CONNECT\naccept-version:{version}\nhost:localhost\nlogin:a\npasscode:a\n\n\0")
        return self.expect("CONNECTED", version=version)
