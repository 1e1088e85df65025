# SPDX-License-Identifier: Apache-2.0
"""stomp.py with its answers in queues: what a suite needs to write a scenario as a sequence of lines."""

import itertools
import queue

import stomp
from stomp.adapter.ws import WSStompConnection

VERSIONS = {"1.0": stomp.StompConnection10, "1.1": stomp.StompConnection11, "1.2": stomp.StompConnection12}


class Refused(Exception):
    """The broker answered with an ERROR frame."""


class Inbox(stomp.ConnectionListener):
    """Sorts what arrives; an ERROR wakes whoever waits."""

    def __init__(self):
        self.messages = queue.Queue()
        self.receipts = queue.Queue()
        self.errors = queue.Queue()
        self.heart_beats = 0
        self.disconnected = False

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)
        self.receipts.put(None)
        self.messages.put(None)

    def on_heartbeat(self):
        self.heart_beats += 1

    def on_heartbeat_timeout(self):
        self.errors.put("heart-beat timeout")

    def on_disconnected(self):
        self.disconnected = True


class Client:
    """One connection of stomp.py that waits for a receipt after each command."""

    def __init__(self, port, version="1.2", heart_beats=(0, 0), websocket=False, login="a", passcode="a", **headers):
        address = [("127.0.0.1", port)]
        options = {"reconnect_attempts_max": 1}
        if version != "1.0":
            options["heartbeats"] = heart_beats
        if websocket:
            self.connection = WSStompConnection(address, ws_path="/stomp", **options)
        else:
            self.connection = VERSIONS[version](address, auto_decode=False, **options)
        self.version = version
        self.inbox = Inbox()
        self.numbers = itertools.count(1)
        self.connection.set_listener("inbox", self.inbox)
        self.connection.connect(login, passcode, wait=True, headers=headers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """DISCONNECT, and wait for its receipt so that what the broker undoes for us is undone."""
        if self.connection.is_connected():
            try:
                self.connection.disconnect(receipt="bye")
            except stomp.exception.StompException:
                pass

    def drop(self):
        """Ends the connection without DISCONNECT."""
        self.connection.transport.disconnect_socket()

    def receipt(self):
        return f"r{next(self.numbers)}"

    def wait(self, receipt, seconds=10):
        """Waits for this receipt; an ERROR instead is raised."""
        while True:
            arrived = self.inbox.receipts.get(timeout=seconds)
            if arrived is None:
                raise Refused(describe(self.inbox.errors.get_nowait()))
            if arrived == receipt:
                return

    def send(self, destination, body, transaction=None, routing="ANYCAST", **headers):
        headers = {name.replace("__", "-"): value for name, value in headers.items()}
        receipt = self.receipt()
        headers |= {"destination-type": routing, "receipt": receipt}
        if transaction:
            headers["transaction"] = transaction
        self.connection.send(destination, body, headers=headers)
        self.wait(receipt)

    def subscribe(self, destination, identity="1", ack="client-individual", routing="ANYCAST", **headers):
        headers = {name.replace("__", "-"): value for name, value in headers.items()}
        receipt = self.receipt()
        headers |= {"subscription-type": routing, "receipt": receipt}
        self.connection.subscribe(destination, id=identity, ack=ack, headers=headers)
        self.wait(receipt)

    def unsubscribe(self, identity="1", **headers):
        headers = {name.replace("__", "-"): value for name, value in headers.items()}
        receipt = self.receipt()
        self.connection.unsubscribe(id=identity, headers=headers | {"receipt": receipt})
        self.wait(receipt)

    def message(self, seconds=10):
        """The next message; raises `queue.Empty` when none comes."""
        frame = self.inbox.messages.get(timeout=seconds)
        if frame is None:
            raise Refused(describe(self.inbox.errors.get_nowait()))
        return frame

    def bodies(self, count):
        return [text(self.message()) for _ in range(count)]

    def settle(self, frame, positive=True, transaction=None):
        """ACK or NACK as this version names a message, with a receipt."""
        receipt = self.receipt()
        if self.version == "1.2":
            headers = {"id": frame.headers["ack"]}
        else:
            headers = {"message-id": frame.headers["message-id"]}
            if self.version == "1.1":
                headers["subscription"] = frame.headers["subscription"]
        if transaction:
            headers["transaction"] = transaction
        self.connection.send_frame("ACK" if positive else "NACK", headers | {"receipt": receipt})
        self.wait(receipt)

    def begin(self, transaction):
        self.conclude("BEGIN", transaction)

    def commit(self, transaction):
        self.conclude("COMMIT", transaction)

    def abort(self, transaction):
        self.conclude("ABORT", transaction)

    def conclude(self, command, transaction):
        receipt = self.receipt()
        self.connection.send_frame(command, {"transaction": transaction, "receipt": receipt})
        self.wait(receipt)


def text(frame):
    return frame.body if isinstance(frame.body, str) else frame.body.decode()


def describe(error):
    return error if isinstance(error, str) else f"{error.headers} {error.body!r}"
