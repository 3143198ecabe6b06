"""HTTP/2 read from both directions: frames (RFC 9113 §4), headers by HPACK (RFC 7541).

Each direction is read to its end by itself: what HPACK remembers depends on one direction
alone, and streams bear numbers, so that no order between the directions is needed. Windows and
priorities are passed over; they move octets in time and not in meaning.
"""

from dataclasses import dataclass, field

import hpack

from guzheng.proof.errors import Malformed
from guzheng.transcript.exchanges import Exchange, Headers, url_of
from guzheng.transcript.http1 import Side
from guzheng.transcript.limits import HEAD_OCTETS, HEADER_TABLE_OCTETS, STREAMS
from guzheng.transcript.websocket import frames_of

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PUSH, _CONTINUATION = 0, 1, 3, 4, 5, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_TABLE_SIZE = 1
_LARGEST = 1 << 24


@dataclass(slots=True)
class Half:
    """One direction of one stream."""

    place: int = 0
    heads: list[Headers] = field(default_factory=list[Headers])
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False
    reset: int | None = None


@dataclass(slots=True)
class _Reading:
    """One direction being read."""

    name: str
    side: Side
    halves: dict[int, Half] = field(default_factory=dict[int, Half])
    tables: list[int] = field(default_factory=list[int])  # what it lets the other one remember
    decoder: hpack.Decoder = field(default_factory=lambda: hpack.Decoder(HEAD_OCTETS))
    _block: bytearray = field(default_factory=bytearray)
    _of: int = 0  # the stream whose headers are not yet whole
    _ends: bool = False
    _pushed: bool = False

    def read(self) -> None:
        while self.side.left >= 9:
            place = self.side.place()
            head = self.side.take(9)
            size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            stream = int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
            content = self.side.take(size)
            if len(content) < size:
                return  # cut off within a frame
            if self._of and (kind != _CONTINUATION or stream != self._of):
                self._refuse("CONTINUATION", f"type {kind}")
            self._frame(kind, flags, stream, content, place)

    def _frame(self, kind: int, flags: int, stream: int, content: bytes, place: int) -> None:
        match kind:
            case 0:
                half = self._half(stream, place)
                half.body += self._unpadded(content, flags)
                half.ended |= bool(flags & _END_STREAM)
            case 1:
                block = self._unpadded(content, flags)
                self._begin(stream, block[5:] if flags & _PRIORITY else block, flags, place)
            case 3:
                self._half(stream, place).reset = int.from_bytes(content[:4], "big")
            case 4 if not flags & _ACK:
                self.settings(content)
            case 5:
                block = self._unpadded(content, flags)
                self._pushed = True  # its headers are read, since HPACK remembers them
                self._begin(stream, block[4:], flags & ~_END_STREAM, place)
            case 9:
                self._block += content
                if len(self._block) > HEAD_OCTETS:
                    self._refuse(f"headers of at most {HEAD_OCTETS} octets", "more")
                if flags & _END_HEADERS:
                    self._whole()
            case _:
                pass  # RFC 9113 §4.1: others have no bearing, and unknown ones are ignored

    def _half(self, stream: int, place: int) -> Half:
        if stream not in self.halves:
            if len(self.halves) >= STREAMS or stream == 0:
                self._refuse(f"at most {STREAMS} streams, none with number 0", str(stream))
            self.halves[stream] = Half(place)
        return self.halves[stream]

    def _unpadded(self, content: bytes, flags: int) -> bytes:
        if not flags & _PADDED:
            return content
        if not content or content[0] >= len(content):
            self._refuse("padding within the frame", f"{len(content)} octets")
        return content[1 : len(content) - content[0]]

    def _begin(self, stream: int, block: bytes, flags: int, place: int) -> None:
        self._half(stream, place)
        self._block, self._of = bytearray(block), stream
        self._ends = bool(flags & _END_STREAM)
        if flags & _END_HEADERS:
            self._whole()

    def _whole(self) -> None:
        try:
            decoded = self.decoder.decode(bytes(self._block), raw=True)
        except hpack.HPACKError as error:
            raise Malformed(
                "transcript.http-malformed", f"{self.name}: HPACK", str(error)[:80]
            ) from error
        headers = [(_text(name), _text(value)) for name, value in decoded]
        half = self.halves[self._of]
        if not self._pushed:
            half.heads.append(headers)
            half.ended |= self._ends
        self._block, self._of, self._pushed = bytearray(), 0, False

    def settings(self, content: bytes) -> None:
        for at in range(0, len(content) - 5, 6):
            if int.from_bytes(content[at : at + 2], "big") == _TABLE_SIZE:
                size = int.from_bytes(content[at + 2 : at + 6], "big")
                self.tables.append(min(size, HEADER_TABLE_OCTETS))

    def _refuse(self, wanted: str, found: str) -> None:
        raise Malformed("transcript.http-malformed", f"{self.name}: {wanted}", found)


def exchanges_of(connection: int, sent: Side, received: Side, found: list[Exchange]) -> None:
    """Appends to `found` as far as both directions could be read."""
    preface = sent.take(len(PREFACE))
    if preface != PREFACE:
        if PREFACE.startswith(preface):
            return
        raise Malformed("transcript.http-malformed", "the preface of HTTP/2", repr(preface))
    asked, answered = _Reading("client", sent), _Reading("server", received)
    # What a side may remember was allowed by the other; the client's word comes first.
    faults: list[Malformed] = []
    for one, other in ((asked, answered), (answered, asked)):
        one.decoder.max_allowed_table_size = max([4096, *other.tables, *_allowed(other)])
        try:
            one.read()
        except Malformed as fault:
            faults.append(fault)
    for number, half in sorted(asked.halves.items()):
        if half.heads and number % 2:
            try:
                found.append(_exchange(connection, number, half, answered.halves.get(number)))
            except Malformed as fault:
                faults.append(fault)
    if faults:
        raise faults[0]


def _allowed(reading: _Reading) -> list[int]:
    """What a side that was not yet read will allow: its first frame is SETTINGS."""
    octets = reading.side.octets[reading.side.at : reading.side.at + 9]
    if len(octets) < 9 or octets[3] != _SETTINGS:
        return []
    size = int.from_bytes(octets[:3], "big")
    scout = _Reading(reading.name, Side(reading.side.octets, [], ended_well=True))
    scout.side.at = reading.side.at + 9
    scout.settings(scout.side.take(min(size, HEAD_OCTETS)))
    return scout.tables


def _exchange(connection: int, number: int, asked: Half, answer: Half | None) -> Exchange:
    pseudo = {name: value for name, value in asked.heads[0] if name[:1] == ":"}
    scheme = pseudo.get(":scheme", "https")
    authority = pseudo.get(":authority", "")
    if not authority:
        authority = next((value for name, value in asked.heads[0] if name == "host"), "")
    method = pseudo.get(":method", "")
    url = url_of(scheme, authority, pseudo.get(":path", ""))
    one = Exchange(connection, number, asked.place, "h2", method, url, asked.heads[0])
    one.request_body = asked.body
    if answer is None or not answer.heads:
        one.why = _why(asked, answer) or "no answer"
        return one
    for head in answer.heads:
        if one.status:
            break  # trailers
        status = _status(head)
        if 100 <= status < 200:
            one.informed.append(status)
        else:
            one.status, one.response_headers = status, head
    one.body, one.whole = answer.body, answer.ended and answer.reset in (None, 0)
    one.why = "" if one.whole else _why(asked, answer) or "cut off"
    if pseudo.get(":protocol") == "websocket" and one.status == 200:  # RFC 8441
        one.frames = frames_of(bytes(asked.body), bytes(answer.body))
        one.method, one.whole = "GET", True
    return one


def _why(asked: Half, answer: Half | None) -> str:
    if asked.reset is not None:
        return f"the browser ended the stream (code {asked.reset})"
    if answer is not None and answer.reset is not None:
        return f"the server ended the stream (code {answer.reset})"
    return ""


def _status(head: Headers) -> int:
    value = next((value for name, value in head if name == ":status"), "")
    if not (value.isascii() and value.isdecimal() and len(value) == 3):
        raise Malformed("transcript.http-malformed", "a status", repr(value)[:40])
    return int(value)


def _text(octets: bytes | str) -> str:
    return octets if isinstance(octets, str) else octets.decode("latin-1")
