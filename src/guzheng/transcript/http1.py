"""HTTP/1.1 read from both directions at once, as RFC 9112 delimits it.

Answers follow requests in order. What could be read in two ways (two lengths that differ, a
length that is no number) is refused, since a browser refuses it too; what was cut off is kept
as far as it came, and said to be in part.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass

from guzheng.proof.errors import Malformed
from guzheng.transcript.exchanges import Exchange, Headers, url_of, values_of
from guzheng.transcript.limits import EXCHANGES, HEAD_OCTETS, HEADERS
from guzheng.transcript.websocket import frames_of

_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) (\S+) HTTP/1\.[01]")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Side:
    """The octets of one direction, read from the front. `ended_well`: nobody cut it off."""

    octets: bytes
    marks: list[tuple[int, int]]
    ended_well: bool
    at: int = 0

    @property
    def left(self) -> int:
        return len(self.octets) - self.at

    def place(self) -> int:
        """Where in the stream of the connection the next octet came."""
        found = bisect_right(self.marks, (self.at, 1 << 62))
        return self.marks[found - 1][1] if found else self.at

    def take(self, size: int) -> bytes:
        part = self.octets[self.at : self.at + size]
        self.at += len(part)
        return part

    def line(self) -> bytes | None:
        """Without its end; None if the end never came."""
        end = self.octets.find(b"\n", self.at, self.at + HEAD_OCTETS)
        if end < 0:
            if self.left >= HEAD_OCTETS:
                wanted = f"a line of at most {HEAD_OCTETS} octets"
                raise Malformed("transcript.http-malformed", wanted, "a longer one")
            return None
        line = self.octets[self.at : end]
        self.at = end + 1
        return line.removesuffix(b"\r")


def exchanges_of(
    connection: int, scheme: str, sent: Side, received: Side, found: list[Exchange]
) -> None:
    """Appends to `found` as they are read, so that what came before a fault is kept."""
    count = 0
    while sent.left:
        count += 1
        place = sent.place()
        line = sent.line()
        if line is None:
            return  # a request that was never sent whole
        if not line and count <= 2:
            count -= 1
            continue  # RFC 9112 §2.2: an empty line before a request is passed over
        form = _REQUEST.fullmatch(line)
        if form is None:
            raise Malformed("transcript.http-malformed", "a request", repr(line[:80]))
        headers = _headers(sent)
        if headers is None:
            return
        method, target = form[1].decode(), form[2].decode("latin-1")
        host = (values_of(headers, "host") or [""])[0]
        url = url_of(scheme, host, target)
        one = Exchange(connection, count, place, "http/1.1", method, url, headers)
        if len(found) >= EXCHANGES:
            raise Malformed("transcript.http-malformed", f"at most {EXCHANGES}", "more")
        found.append(one)
        _request_body(one, sent)
        if not _answer(one, received) or one.frames is not None:
            if one.frames is not None:
                one.frames = frames_of(sent.take(sent.left), received.take(received.left))
            return


def _request_body(one: Exchange, sent: Side) -> None:
    headers = one.request_headers
    if _is_chunked(headers):
        _chunks(sent, one.request_body)
    elif (size := _length(headers)) is not None:
        one.request_body += sent.take(size)


def _answer(one: Exchange, received: Side) -> bool:
    """Whether another exchange may follow on this connection."""
    while True:
        line = received.line()
        headers = None if line is None else _headers(received)
        if line is None or headers is None:
            one.why = "no answer" if line is None else "cut off within the head"
            return False
        form = _STATUS.fullmatch(line)
        if form is None:
            raise Malformed("transcript.http-malformed", "a status line", repr(line[:80]))
        status = int(form[1])
        if 100 <= status < 200 and status != 101:
            one.informed.append(status)
            if len(one.informed) > HEADERS:
                raise Malformed("transcript.http-malformed", "an answer", "only 1xx")
            continue
        one.status, one.response_headers = status, headers
        break
    if status == 101:
        from_upgrade = values_of(headers, "upgrade")
        one.whole = True
        if [name.lower() for name in from_upgrade] == ["websocket"]:
            one.frames = frames_of(b"", b"")
            return True
        return False
    return _body(one, received)


def _body(one: Exchange, received: Side) -> bool:
    headers = one.response_headers
    if one.method == "HEAD" or one.status in _BODILESS:
        one.whole = True
        return True
    if _is_chunked(headers):
        one.whole = _chunks(received, one.body)
    elif values_of(headers, "transfer-encoding"):
        wanted, names = "chunked", values_of(headers, "transfer-encoding")
        raise Malformed("transcript.http-malformed", wanted, repr(names)[:80])
    elif (size := _length(headers)) is not None:
        one.body += received.take(size)
        one.whole = len(one.body) == size
    else:  # RFC 9112 §6.3, item 8: until the connection is closed, and well closed
        one.body += received.take(received.left)
        one.whole = received.ended_well
        one.why = "" if one.whole else "cut off: the body had no announced end"
        return False
    one.why = "" if one.whole else "cut off within the body"
    return one.whole


def _headers(side: Side) -> Headers | None:
    headers: Headers = []
    size = 0
    while (line := side.line()) is not None:
        if not line:
            return headers
        size += len(line)
        if len(headers) >= HEADERS or size > HEAD_OCTETS:
            wanted = f"at most {HEADERS} headers of {HEAD_OCTETS} octets"
            raise Malformed("transcript.http-malformed", wanted, "more")
        text = line.decode("latin-1")
        if text[0] in " \t" and headers:  # RFC 9112 §5.2: folded, as old servers still do
            name, value = headers[-1]
            headers[-1] = (name, " ".join((value, text.strip(" \t"))))
            continue
        name, colon, value = text.partition(":")
        name = name.rstrip(" \t")
        if colon and _NAME.fullmatch(name):  # a browser passes over a line that is no header
            headers.append((name, value.strip(" \t")))
    return None


def _is_chunked(headers: Headers) -> bool:
    codings = ",".join(values_of(headers, "transfer-encoding")).lower().split(",")
    return [one.strip() for one in codings] == ["chunked"]


def _length(headers: Headers) -> int | None:
    values = {
        one.strip() for each in values_of(headers, "content-length") for one in each.split(",")
    }
    if not values:
        return None
    value = values.pop()
    if values or not value.isascii() or not value.isdecimal() or len(value) > 18:
        raise Malformed("transcript.http-malformed", "one length", repr(value)[:40])
    return int(value)


def _chunks(side: Side, into: bytearray) -> bool:
    """RFC 9112 §7.1; true if the last chunk and the end of the trailers came."""
    while (line := side.line()) is not None:
        digits = line.partition(b";")[0].strip(b" \t")
        if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", digits):
            raise Malformed("transcript.http-malformed", "a size of a chunk", repr(line[:40]))
        size = int(digits, 16)
        if size == 0:
            return _headers(side) is not None
        part = side.take(size)
        into += part
        if len(part) < size:
            return False
        if (end := side.line()) is None:
            return False
        if end:
            raise Malformed("transcript.http-malformed", "the end of a chunk", repr(end[:40]))
    return False
