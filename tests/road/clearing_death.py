"""A program that deletes what was given up, and dies without a word at an effect.

`clearing_death.py DATA AT DEATH`: before removal number DEATH, or, if that is 0, when the
tombstone is half written."""

import dataclasses
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from guzheng.app import Platform, open_parts
from guzheng.config import Config
from guzheng.store.directory import DirectoryBlobs


class Mortal(DirectoryBlobs):
    death = 0
    removed = 0

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        super().put(name, self._half(chunks) if not self.death else chunks)

    @staticmethod
    def _half(chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            os.kill(os.getpid(), signal.SIGKILL)

    def remove(self, name: str) -> None:
        self.removed += 1
        if self.removed == self.death:
            os.kill(os.getpid(), signal.SIGKILL)
        super().remove(name)


def main(data: Path, at: datetime, death: int) -> None:
    config = Config(data, given_up_days=30)
    parts = open_parts(config, now=lambda: at)
    blobs = Mortal(data / "blobs")
    blobs.death = death
    Platform(config, dataclasses.replace(parts, blobs=blobs)).clearing.clear()


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), int(sys.argv[3]))
