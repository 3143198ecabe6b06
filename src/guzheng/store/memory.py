"""Blobs in memory, for tests and for dry runs: the same rules, nothing durable."""

import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

from guzheng.store.blobs import AlreadyKept, NotKept, segments_of


class MemoryBlobs:
    """See Blobs for the promises."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        segments_of(name)
        octets = b"".join(chunks)
        with self._lock:
            if self._kept.setdefault(name, octets) != octets:
                raise AlreadyKept(name)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        for name, octets in files.items():
            self.put(name, [octets])

    def replace(self, name: str, octets: bytes) -> None:
        segments_of(name)
        with self._lock:
            self._kept[name] = octets

    def open(self, name: str) -> BinaryIO:
        segments_of(name)
        with self._lock:
            if name not in self._kept:
                raise NotKept(name)
            return io.BytesIO(self._kept[name])

    def names(self, prefix: str = "") -> Iterator[str]:
        with self._lock:
            names = [name for name in self._kept if name.startswith(prefix)]
        yield from sorted(names, key=lambda name: name.split("/"))

    def remove(self, name: str) -> None:
        segments_of(name)
        with self._lock:
            self._kept.pop(name, None)
