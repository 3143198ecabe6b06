"""What passed, octet by octet: three files for each connection (docs/spec/transcript.md §2).

Octets are kept before they are handed on, so that nothing passes that is not kept. Digests are
made on the way. All files of a capture share one room on the disk; when it is full, nothing
more passes.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from guzheng.capturer.tunnel.connection import Connection, Flow

SENT, RECEIVED = ">", "<"


class Full(Exception):
    """No room is left for what would pass next. `because` says what ran out."""

    def __init__(self, because: str) -> None:
        self.because = because
        super().__init__(because)


class Room:
    """The octets that all connections may bring together, and the disk for them."""

    def __init__(self, octets: int, disk: int) -> None:
        self._octets_left, self._disk_left = octets, disk
        self.passed = 0

    def take(self, octets: int, line: int) -> None:
        self.passed += octets
        self._octets_left -= octets
        self._disk_left -= octets + line
        if self._octets_left < 0:
            raise Full("the limit of octets")
        if self._disk_left < 0:
            raise Full("the room on the disk")


class _File:
    def __init__(self, path: Path, buffering: int) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._stream = os.fdopen(descriptor, "wb", buffering)
        self._hasher = hashlib.sha256()
        self._octets = 0

    def write(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:  # an unbuffered write may take less
            left = left[self._stream.write(left) :]
        self._hasher.update(octets)
        self._octets += len(octets)

    def close(self) -> Flow:
        self._stream.close()
        return Flow(self._octets, self._hasher.hexdigest())


class Tape:
    """The files of one connection; `close` writes into it what they hold."""

    def __init__(
        self, folder: Path, connection: Connection, room: Room, elapsed: Callable[[], int]
    ) -> None:
        path = folder / connection.name
        self._connection = connection
        self._room = room
        self._elapsed = elapsed
        self._flows = {
            SENT: _File(path.with_suffix(".sent"), 0),
            RECEIVED: _File(path.with_suffix(".received"), 0),
        }
        self._times = _File(path.with_suffix(".times"), 8192)

    def take(self, direction: str, octets: bytes) -> None:
        """Raises Full: then nothing of `octets` was kept, and nothing of it may pass."""
        line = f"{self._elapsed()} {direction} {len(octets)}\n".encode("ascii")
        self._room.take(len(octets), len(line))
        self._flows[direction].write(octets)
        self._times.write(line)

    def close(self) -> None:
        self._connection.sent = self._flows[SENT].close()
        self._connection.received = self._flows[RECEIVED].close()
        self._connection.times = self._times.close()
