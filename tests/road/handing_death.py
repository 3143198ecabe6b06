"""A program that makes a court package, and dies at one effect on the store: `DATA PACKAGE AT`.

AT is a number and a moment (`3-within`): of the puts and removals under packages/, which one,
and whether before it, when half of it is written, or after it.
"""

import dataclasses
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from guzheng.app import Platform, open_parts
from guzheng.app.handing import FOLDER
from guzheng.config import Config
from guzheng.store.directory import DirectoryBlobs


class Mortal(DirectoryBlobs):
    met = 0
    at: tuple[int, str] = (0, "")

    def _meet(self, moment: str) -> None:
        if self.at == (self.met, moment):
            os.kill(os.getpid(), signal.SIGKILL)

    def _halved(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            self._meet("within")
            yield chunk[len(chunk) // 2 :]

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        if not name.startswith(FOLDER):
            super().put(name, chunks)
            return
        self.met += 1
        self._meet("before")
        super().put(name, self._halved(chunks))
        self._meet("after")

    def remove(self, name: str) -> None:
        self.met += name.startswith(FOLDER)
        if name.startswith(FOLDER):
            self._meet("before")
        super().remove(name)
        if name.startswith(FOLDER):
            self._meet("after")


def main(data: Path, at: tuple[int, str]) -> None:
    config = Config(data=data)
    blobs = Mortal(data / "blobs")
    blobs.at = at
    platform = Platform(config, dataclasses.replace(open_parts(config), blobs=blobs))
    platform.exports.finish()
    sys.stdout.write(f"{blobs.met}\n")


if __name__ == "__main__":
    number, moment = sys.argv[2].split("-")
    main(Path(sys.argv[1]), (int(number), moment))
