"""The head of an HTTP/1.1 request, judged by h11 once for each spelling of it.

For `guzheng tsa` and `guzheng ledger front`, where a client that asks a thousand times sends
the same head a thousand times: the verdict on the very octets is remembered, and nothing passes
that h11 would refuse.
It is stricter than h11 in what two readers may see differently (RFC 9112 §2.2, §5.2, §6.1): a
line ends with CR LF and with nothing else, no field is folded, and a length beside a transfer
coding is refused.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import h11

HEAD_LIMIT: Final = 8 * 1024
END: Final = b"\r\n\r\n"
_REMEMBERED: Final = 512
_VERSIONS: Final = (b"1.0", b"1.1")
_FOLDED: Final = re.compile(rb"\n[ \t]")


class Malformed(Exception):
    """No request of HTTP/1.1, or one that another reader could read otherwise."""


class Head(NamedTuple):
    """`length` is None for a body in chunks. Repeated fields are one list (RFC 9110 §5.3)."""

    method: str
    path: str
    query: str
    media_type: str | None
    length: int | None
    forwarded: str | None
    authorization: str
    language: str
    keeps: bool
    waits: bool  # for 100 Continue, before it sends the body


@lru_cache(maxsize=_REMEMBERED)
def judged(octets: bytes) -> Head:
    """What a head says, up to and with the empty line; or `Malformed`."""
    if octets.count(b"\n") != octets.count(b"\r\n") or _FOLDED.search(octets):
        raise Malformed
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
    try:
        connection.receive_data(octets)
        request = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Malformed from error
    if not isinstance(request, h11.Request) or connection.trailing_data[0]:
        raise Malformed
    if request.http_version not in _VERSIONS:
        raise Malformed
    fields: dict[bytes, str] = {}
    for name, value in request.headers:
        text = value.decode("latin-1")
        fields[name] = f"{fields[name]}, {text}" if name in fields else text
    path, query = _parts_of(request.target)
    chunked = b"transfer-encoding" in fields
    if chunked and (b"content-length" in fields or request.http_version != b"1.1"):
        raise Malformed
    return Head(
        method=request.method.decode("ascii"),
        path=path,
        query=query,
        media_type=fields.get(b"content-type"),
        length=None if chunked else int(fields.get(b"content-length", "0")),
        forwarded=fields.get(b"x-forwarded-for"),
        authorization=fields.get(b"authorization", ""),
        language=fields.get(b"accept-language", ""),
        keeps=request.http_version == b"1.1"
        and "close" not in _listed(fields.get(b"connection", "")),
        waits=connection.they_are_waiting_for_100_continue,
    )


class Chunks:
    """A body in chunks, as h11 reads it. Begun anew for each: few clients send one."""

    def __init__(self, head: bytes) -> None:
        self._connection = h11.Connection(h11.SERVER)
        self._connection.receive_data(head)
        self._connection.next_event()
        self._parts: list[bytes] = []
        self._size = 0
        self.rest = b""  # what came after it

    def complete(self, octets: bytes, limit: int) -> bool:
        """Whether all of it is here, or more of it than `limit`; or `Malformed`."""
        if octets:  # none would tell h11 that the other side ended
            self._connection.receive_data(octets)
        while self._size <= limit:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise Malformed from error
            if isinstance(event, h11.EndOfMessage):
                self.rest = self._connection.trailing_data[0]
                return True
            if not isinstance(event, h11.Data):
                return False
            self._parts.append(bytes(event.data))
            self._size += len(event.data)
        return True

    @property
    def body(self) -> bytes:
        return b"".join(self._parts)


def _parts_of(target: bytes) -> tuple[str, str]:
    """Path and query."""
    path, _, query = target.decode("ascii").partition("?")
    if path.startswith(("http://", "https://")):  # absolute-form: RFC 9112 §3.2.2
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path, query


def _listed(value: str) -> set[str]:
    return {one.strip().lower() for one in value.split(",")}
