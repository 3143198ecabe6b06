"""A relay before a server, which keeps what passes: the ground truth of a transcript."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Taken:
    """One connection as the server's side saw it."""

    sent: bytearray = field(default_factory=bytearray)  # by the browser
    received: bytearray = field(default_factory=bytearray)


@dataclass
class Relay:
    port: int
    taken: list[Taken] = field(default_factory=list)


@contextlib.contextmanager
def relayed(port: int) -> Iterator[Relay]:
    """Listens on another port of 127.0.0.1, and passes on to `port`."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        relay = Relay(listener.getsockname()[1])
        thread = threading.Thread(target=_accept, args=(listener, relay, port), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, relay: Relay, port: int) -> None:
    while True:
        try:
            here, _ = listener.accept()
        except OSError:
            return
        taken = Taken()
        relay.taken.append(taken)
        threading.Thread(target=_carry, args=(here, port, taken), daemon=True).start()


def _carry(here: socket.socket, port: int, taken: Taken) -> None:
    with here, socket.create_connection(("127.0.0.1", port)) as there:
        back = threading.Thread(target=_pass, args=(there, here, taken.received), daemon=True)
        back.start()
        _pass(here, there, taken.sent)
        back.join()


def _pass(source: socket.socket, to: socket.socket, into: bytearray) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            into += octets
            to.sendall(octets)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def deaf(received: list[bytes]) -> Iterator[int]:
    """A UDP port that answers nothing and keeps what comes: nothing ever should."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    received.append(door.recv(65536))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            over.set()
            thread.join()
