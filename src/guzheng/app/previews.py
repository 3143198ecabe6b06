"""Small pictures for looking at: derivatives of originals, made at most once, and no evidence.

They lie in a folder of their own, outside everything that is kept as evidence, and may be
thrown away at any time. Pictures come from strangers: only PNG, JPEG and WebP are opened, by
their octets, by a program of its own that reaches nothing (`painter`); nothing above a size in
octets or, by its own head, in pixels is unpacked; one is made at a time. What cannot be made
leaves an empty file, so that it is not tried again."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from guzheng.painting import SHARED, CannotDraw, NotDrawn, Wanted
from guzheng.refusals import Refused

OCTETS: Final = 32 * 1024 * 1024
PIXELS: Final = 40_000_000
SIZE: Final = (320, 240)
FORMATS: Final = ("PNG", "JPEG", "WEBP")
WANTED: Final = Wanted(FORMATS, PIXELS, *SIZE, quality=75, head=True)


class Previews:
    """A folder of derivatives, by the name of the exhibit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._making = threading.Lock()

    def forget(self, exhibit: str) -> None:
        """Its original is gone: fine if there is none."""
        (self._folder / f"{exhibit}.jpg").unlink(missing_ok=True)

    def open(self, exhibit: str, original: Callable[[], BinaryIO]) -> BinaryIO:
        """The derivative, made of `original` if there is none; Refused where none can be."""
        file = self._folder / f"{exhibit}.jpg"
        if not file.exists():
            with self._making:
                if not file.exists():
                    self._folder.mkdir(mode=0o700, exist_ok=True)
                    _make(file, original)
        if not file.stat().st_size:
            raise _none()
        return file.open("rb")


def _make(file: Path, original: Callable[[], BinaryIO]) -> None:
    made = file.with_suffix(".partial")
    with original() as stream, made.open("wb") as out:
        if stream.seek(0, os.SEEK_END) <= OCTETS:
            stream.seek(0)
            if not _shrunk(stream, out):
                out.truncate(0)
    made.replace(file)


def _shrunk(stream: BinaryIO, out: BinaryIO) -> bool:
    try:
        out.write(SHARED.draw(stream.read(), WANTED))
    except NotDrawn:
        return False
    except CannotDraw as error:  # nothing is wrong with it: it is tried again another time
        raise _none() from error
    return True


def _none() -> Refused:
    return Refused("web.no-preview", expected=", ".join(FORMATS), found="no such picture")
