"""Strangers who send next to nothing, from many addresses, and for ever: others get through.

Real sockets, and the real pages that take files from whoever comes. No sleep decides: the slow
ones go on until everybody else was answered."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from guzheng.web.arriving import STRANGERS_AT_ONCE
from tests.faces.conftest import serving

WAIT_SECONDS = 120
SIZE = 1 << 20
OPENING = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
CLOSING = b"\r\n--b--\r\n"
BODY = OPENING + b"x" * (SIZE - len(OPENING) - len(CLOSING)) + CLOSING


def head(length: str) -> bytes:
    lines = ("POST /verify HTTP/1.1", "Host: here", length)
    form = "Content-Type: multipart/form-data; boundary=b"
    return "\r\n".join([*lines, form, "", ""]).encode()


COUNTED = head(f"Content-Length: {SIZE}") + BODY[:70_000]
CHUNKED = head("Transfer-Encoding: chunked") + b"%x\r\n" % SIZE + BODY[:70_000]


@contextlib.contextmanager
def trickling(lines: list[socket.socket]) -> Iterator[None]:
    """An octet of each now and again, as whoever wants to look alive does."""
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(0.5):
            for line in lines:
                with contextlib.suppress(OSError):
                    line.send(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def connected(address: tuple[str, int], source: str) -> socket.socket:
    return socket.create_connection(address, WAIT_SECONDS, source_address=(source, 0))


def status_of(line: socket.socket) -> int:
    return int(line.recv(12).split()[1])


@pytest.mark.parametrize("beginning", [COUNTED, CHUNKED], ids=["counted", "chunked"])
def test_slow_strangers_give_way_to_others(tmp_path: Path, beginning: bytes) -> None:
    """As many as there are places, and then a quarter more, of five addresses."""
    with (
        serving(create_app(Platform(Config(tmp_path / "data")))) as shown,
        contextlib.ExitStack() as stack,
    ):
        host, _, port = shown.address.removeprefix("http://").partition(":")
        address = (host, int(port))
        slow: list[socket.socket] = []
        for number in range(STRANGERS_AT_ONCE * 5 // 4):
            line = connected(address, f"127.0.0.{number % 5 + 2}")
            slow.append(stack.enter_context(line))
            line.sendall(beginning)
        with trickling(slow):
            assert shown.client.get("/").status_code == 200
            for _ in range(3):
                with connected(address, "127.0.0.99") as line:
                    line.sendall(head(f"Content-Length: {SIZE}") + BODY)
                    assert status_of(line) in {200, 422}


def test_one_stranger_does_not_keep_another_waiting_at_all(tmp_path: Path) -> None:
    """However many connections he has, places are left."""
    with (
        serving(create_app(Platform(Config(tmp_path / "data")))) as shown,
        contextlib.ExitStack() as stack,
    ):
        host, _, port = shown.address.removeprefix("http://").partition(":")
        address = (host, int(port))
        slow: list[socket.socket] = []
        for _ in range(STRANGERS_AT_ONCE * 2):
            slow.append(stack.enter_context(connected(address, "127.0.0.2")))
            slow[-1].sendall(COUNTED)
        with connected(address, "127.0.0.99") as line:
            line.sendall(head(f"Content-Length: {SIZE}") + BODY)
            assert status_of(line) in {200, 422}
        slow[0].setblocking(False)
        with pytest.raises(BlockingIOError):
            slow[0].recv(1)
