"""What a log serves, over HTTP: bounded in size and time, decompressed within the bounds."""

import http.client
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable

SILENCE_SECONDS = 30
PATIENCE_SECONDS = 300  # for one answer, however it comes
_BLOCK = 1 << 16
LARGEST = 256 * (2 + 0xFFFF)  # octets of the largest bundle there can be
Fetch = Callable[[str], bytes | None]  # a path below the log's prefix; None: not there


class Unreachable(Exception):
    """Nothing usable came; it may be asked again."""


def over_http(prefix: str, tick: Callable[[], float]) -> Fetch:
    """`tick`: seconds that only grow; a log that drips is not waited for without end."""
    base = prefix.rstrip("/") + "/"

    def fetch(path: str) -> bytes | None:
        asked = urllib.request.Request(  # noqa: S310 - the operator chose the address
            base + path, headers={"Accept-Encoding": "gzip", "User-Agent": "guzheng-mirror"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=SILENCE_SECONDS) as answer:  # noqa: S310
                octets = _read(answer, tick, path)
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


def _read(answer: http.client.HTTPResponse, tick: Callable[[], float], path: str) -> bytes:
    octets, end = bytearray(), tick() + PATIENCE_SECONDS
    while len(octets) <= LARGEST and (block := answer.read1(_BLOCK)):
        octets += block
        if tick() > end:
            raise Unreachable(f"{path}: not whole after {PATIENCE_SECONDS} s")
    return bytes(octets)


def _unpacked(octets: bytes, path: str) -> bytes:
    """tlog-tiles lets a log send gzip; a small answer may not grow without end."""
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        return unpacking.decompress(octets, LARGEST + 1)
    except zlib.error as error:
        raise Unreachable(f"{path}: {error}") from error
