"""Keeps the frames of WebSockets and the messages of event streams, in the order of the news.

A frame is kept whole while there is room; a longer one, or one past the room, by its digest and
size; one past the count is counted only, and the record says so. What is written is
items/sockets.jsonl: docs/spec/capture.md §5.2.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from guzheng.capturer.devtools import Values, inner, number, text
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.journal import cut
from guzheng.capturer.limits import SOCKET_FRAMES, SOCKET_PAYLOAD_OCTETS, SOCKETS_OCTETS
from guzheng.proof import canonical, instant

SCHEMA = "guzheng.sockets/1"
_TEXT = 1  # RFC 6455 §5.2: the browser gives text as it is, all other opcodes in base64


class SocketLog:
    """`take` every frame; `octets` is the item, or None when there was neither."""

    def __init__(self) -> None:
        self.is_cut = False
        self._lines: list[bytes] = []
        self._kept = 0
        self._clocks: dict[str, tuple[datetime, float]] = {}

    def opened(self, exchange: Exchange, values: Values) -> None:
        """The handshake tells both of the browser's clocks; frames have the monotonic one."""
        self._begin()
        self._clocks[exchange.request] = (exchange.began_at, number(values, "timestamp"))

    def _begin(self) -> None:
        if not self._lines:
            self._lines.append(canonical.encode({"schema": SCHEMA}))

    def take(self, exchange: Exchange, direction: str, values: Values) -> None:
        frame = inner(values, "response")
        opcode, payload = int(number(frame, "opcode")), text(frame, "payloadData")
        octets = _octets(payload, opcode)
        kept: dict[str, object] = {"opcode": opcode}
        if self._has_room(octets):
            if opcode == _TEXT:
                kept["text"] = cut(payload, SOCKET_PAYLOAD_OCTETS)
            else:
                kept["base64"] = base64.b64encode(octets).decode()
        self._add(exchange, direction, octets, self._at(exchange, values), kept)

    def take_event(self, exchange: Exchange, values: Values) -> None:
        """A message of an event stream, as the browser took it apart."""
        data = text(values, "data")
        octets = data.encode("utf-8", "replace")
        kept: dict[str, object] = {"event": cut(text(values, "eventName"))}
        if name := text(values, "eventId"):
            kept["id"] = cut(name)
        if self._has_room(octets):
            kept["text"] = cut(data, SOCKET_PAYLOAD_OCTETS)
        self._clocks.setdefault(exchange.request, (exchange.began_at, exchange.asked))
        self._begin()
        self._add(exchange, "received", octets, self._at(exchange, values), kept)

    def _add(
        self,
        exchange: Exchange,
        direction: str,
        octets: bytes,
        at: datetime,
        kept: dict[str, object],
    ) -> None:
        if len(self._lines) > SOCKET_FRAMES:
            self.is_cut = True
            return
        line = {
            "request": exchange.number,
            "observed_at": instant.encode(at),
            "direction": direction,
            "octets": len(octets),
            "sha256": sha256(octets).hexdigest(),
            **kept,
        }
        self._lines.append(canonical.encode(line))

    def _has_room(self, octets: bytes) -> bool:
        fits = len(octets) <= SOCKET_PAYLOAD_OCTETS
        fits = fits and self._kept + len(octets) <= SOCKETS_OCTETS
        self.is_cut |= not fits
        self._kept += len(octets) if fits else 0
        return fits

    def _at(self, exchange: Exchange, values: Values) -> datetime:
        began_at, began = self._clocks.get(exchange.request, (exchange.began_at, 0.0))
        passed = number(values, "timestamp") - began if began else 0.0
        try:
            return began_at.astimezone(UTC) + timedelta(seconds=max(0.0, passed))
        except OverflowError:
            return began_at

    @property
    def octets(self) -> bytes | None:
        return b"\n".join(self._lines) + b"\n" if self._lines else None


def _octets(payload: str, opcode: int) -> bytes:
    if opcode == _TEXT:
        return payload.encode("utf-8", "replace")
    try:
        return base64.b64decode(payload)
    except (binascii.Error, ValueError):
        return payload.encode("utf-8", "replace")
