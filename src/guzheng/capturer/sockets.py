"""Keeps the frames of WebSockets, in the order in which the browser told of them.

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
    """`take` every frame; `octets` is the item, or None when no socket was opened."""

    def __init__(self) -> None:
        self.is_cut = False
        self._lines: list[bytes] = []
        self._kept = 0
        self._clocks: dict[str, tuple[datetime, float]] = {}

    def opened(self, exchange: Exchange, values: Values) -> None:
        """The handshake tells both of the browser's clocks; frames have the monotonic one."""
        if not self._lines:
            self._lines.append(canonical.encode({"schema": SCHEMA}))
        self._clocks[exchange.request] = (exchange.began_at, number(values, "timestamp"))

    def take(self, exchange: Exchange, direction: str, values: Values) -> None:
        if len(self._lines) > SOCKET_FRAMES:
            self.is_cut = True
            return
        frame = inner(values, "response")
        opcode, payload = int(number(frame, "opcode")), text(frame, "payloadData")
        octets = _octets(payload, opcode)
        line: dict[str, object] = {
            "request": exchange.number,
            "observed_at": instant.encode(self._at(exchange, values)),
            "direction": direction,
            "opcode": opcode,
            "octets": len(octets),
            "sha256": sha256(octets).hexdigest(),
        }
        room = len(octets) <= SOCKET_PAYLOAD_OCTETS
        if room and self._kept + len(octets) <= SOCKETS_OCTETS:
            self._kept += len(octets)
            if opcode == _TEXT:
                line["text"] = cut(payload, SOCKET_PAYLOAD_OCTETS)
            else:
                line["base64"] = base64.b64encode(octets).decode()
        else:
            self.is_cut = True
        self._lines.append(canonical.encode(line))

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
