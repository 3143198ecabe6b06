"""Real servers for recorded conversations: Python's ssl, and `openssl s_server`."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

from tests.ports import free_port
from tests.transcript.recording import Site

PAGE = b"<!doctype html><title>t</title>" + b"body " * 9000


def answer(path: str) -> bytes:
    """One answer of HTTP/1.1 for each way of ending a body."""
    match path:
        case "/chunked":
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (b"one", b"two" * 900))
            return (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
            )
        case "/empty":
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        case "/same":
            return b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"
        case "/hint":
            hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            return hint + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        case "/close":
            return b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nuntil the end"
        case _:
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(PAGE), PAGE)


def serve(stream: socket.socket) -> None:
    """Requests one after another; a `/close` ends the connection."""
    reader = stream.makefile("rb")
    while line := reader.readline():
        path = line.split()[1].decode()
        length = 0
        while (header := reader.readline()) not in (b"\r\n", b""):
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        reader.read(length)
        octets = answer(path)
        if line.startswith(b"HEAD"):
            octets = octets.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        stream.sendall(octets)
        if path == "/close":
            return


@contextlib.contextmanager
def listening(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def one(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            handle(client)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@contextlib.contextmanager
def tls_server(
    site: Site, prepare: Callable[[ssl.SSLContext], None] = lambda _: None
) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.chain, site.key)
    prepare(context)

    def handle(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as stream:
            serve(stream)
            with contextlib.suppress(OSError):
                stream.unwrap()

    with listening(handle) as port:
        yield port


@contextlib.contextmanager
def s_server(site: Site, *options: str) -> Iterator[int]:
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(site.chain)]
    server = subprocess.Popen(
        [*command, "-key", str(site.key), "-www", "-quiet", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            if time.monotonic() > deadline:
                raise AssertionError("openssl s_server does not listen")
            time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait(10)
