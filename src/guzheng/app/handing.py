"""Packages that are made, kept where every machine sees them until they expire.

They lie in the blob store (files or S3), so that any of many processes gives out what one of
them made: `packages/pk_…/` by order, `packages/shared/<day>/<digest>.zip` by content. They are
no evidence: each can be made again from the papers, octet by octet. What a killed program left
half kept is cleared before the next one keeps it, and what is over is removed before the record
says so; either may happen twice.
"""

import contextlib
from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from guzheng.store.blobs import Blobs, NotKept
from guzheng.store.durable import reported
from guzheng.store.ids import require_id

FOLDER: Final = "packages/"
SHARED: Final = FOLDER + "shared/"
KEPT: Final = timedelta(days=7)
PREFIX: Final = "pk"
_BLOCK = 4 << 20


class Handing:
    """Every package of an installation that can be fetched; may be used by threads at once."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    # ---- by order --------------------------------------------------------------------

    def keep(self, package: str, files: Collection[Path]) -> None:
        """Durable when this returns. Whatever lay there before is of a program that ended."""
        self.remove(package)
        for one in files:
            self._put(_place(package) + one.name, one)

    def open(self, package: str, name: str) -> BinaryIO | None:
        return self._find(_place(package) + name)

    def remove(self, package: str) -> None:
        self._clear(_place(package))

    def remove_others(self, living: Collection[str]) -> None:
        """What belongs to no order that lives: of one that failed half kept, say."""
        for name in list(self._blobs.names(FOLDER)):
            package = name.removeprefix(FOLDER).partition("/")[0]
            if not name.startswith(SHARED) and package not in living:
                self._blobs.remove(name)

    # ---- by content ------------------------------------------------------------------

    def find_shared(self, digest: str, now: datetime) -> BinaryIO | None:
        """One of today or of the days before it, as long as it may be begun to be fetched."""
        for day in _days_until(now.date()):
            if (found := self._find(_shared(digest, day))) is not None:
                return found
        return None

    def share(self, digest: str, made: Path, now: datetime) -> BinaryIO:
        name = _shared(digest, now.date())
        self._put(name, made)
        return self._blobs.open(name)

    def remove_shared_before(self, now: datetime) -> None:
        """A day later than they are found: who began to fetch one comes to its end."""
        oldest = (now - KEPT - timedelta(days=1)).date().isoformat()
        for name in list(self._blobs.names(SHARED)):
            if name.removeprefix(SHARED).partition("/")[0] < oldest:
                self._blobs.remove(name)

    # ---- blobs -----------------------------------------------------------------------

    def _put(self, name: str, file: Path) -> None:
        with reported(str(file)), file.open("rb") as stream:
            self._blobs.put(name, iter(lambda: stream.read(_BLOCK), b""))

    def _find(self, name: str) -> BinaryIO | None:
        with contextlib.suppress(NotKept):
            return self._blobs.open(name)
        return None

    def _clear(self, prefix: str) -> None:
        for name in list(self._blobs.names(prefix)):
            self._blobs.remove(name)


def _place(package: str) -> str:
    return f"{FOLDER}{require_id(package, PREFIX)}/"


def _shared(digest: str, day: date) -> str:
    return f"{SHARED}{day.isoformat()}/{digest}.zip"


def _days_until(today: date) -> Iterator[date]:
    for ago in range(KEPT.days + 1):
        yield today - timedelta(days=ago)
