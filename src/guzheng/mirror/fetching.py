"""What a log serves, over HTTP: bounded in size and time, decompressed within the bounds."""

import http.client
import io
import socket
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

SILENCE_SECONDS = 30
PATIENCE_SECONDS = 300  # for one answer, head and body, however it comes
LARGEST = 256 * (2 + 0xFFFF)  # octets of the largest bundle there can be
Fetch = Callable[[str], bytes | None]  # a path below the log's prefix; None: not there


class Unreachable(Exception):
    """Nothing usable came; it may be asked again."""


def over_http(prefix: str, tick: Callable[[], float]) -> Fetch:
    """`tick`: seconds that only grow; a log that drips is not waited for without end."""
    base = prefix.rstrip("/") + "/"

    def fetch(path: str) -> bytes | None:
        end = tick() + PATIENCE_SECONDS
        opener = _opener(lambda: end - tick())
        asked = urllib.request.Request(  # noqa: S310 - the operator chose the address
            base + path, headers={"Accept-Encoding": "gzip", "User-Agent": "guzheng-mirror"}
        )
        try:
            with opener.open(asked, timeout=SILENCE_SECONDS) as answer:
                octets = answer.read(LARGEST + 1)
                packed = answer.headers.get("Content-Encoding", "") == "gzip"
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    return None
                raise Unreachable(f"{path}: {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{path}: {error}") from error
        octets = _unpacked(octets, path) if packed else octets
        if len(octets) > LARGEST:
            raise Unreachable(f"{path}: more than {LARGEST} octets")
        return octets

    return fetch


def _opener(left: Callable[[], float]) -> urllib.request.OpenerDirector:
    """As `urlopen` opens, but that every octet that comes, of a head too, comes in time."""

    def bounded(kind: type[http.client.HTTPConnection]) -> Callable[..., Any]:
        def connection(host: str, **said: Any) -> http.client.HTTPConnection:
            made = kind(host, **said)
            made.response_class = partial(_Answer, left)  # type: ignore[assignment]
            return made

        return connection

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(bounded(http.client.HTTPConnection), req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(bounded(http.client.HTTPSConnection), req)

    return urllib.request.build_opener(Plain, Secure)


class _Answer(http.client.HTTPResponse):
    def __init__(self, left: Callable[[], float], sock: socket.socket, **said: Any) -> None:
        super().__init__(sock, **said)
        raw = sock.makefile("rb", buffering=0)
        self.fp.close()
        self.fp = io.BufferedReader(_InTime(left, sock, raw))


class _InTime(io.RawIOBase):
    """What a socket gives, none of it waited for beyond the end of the question."""

    def __init__(
        self, left: Callable[[], float], sock: socket.socket, raw: io.RawIOBase
    ) -> None:
        self._left, self._sock, self._raw = left, sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int | None:
        left = self._left()
        if left <= 0:
            raise TimeoutError(f"not whole after {PATIENCE_SECONDS} s")
        self._sock.settimeout(min(left, SILENCE_SECONDS))
        return self._raw.readinto(into)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _unpacked(octets: bytes, path: str) -> bytes:
    """tlog-tiles lets a log send gzip; a small answer may not grow without end."""
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        return unpacking.decompress(octets, LARGEST + 1)
    except zlib.error as error:
        raise Unreachable(f"{path}: {error}") from error
