"""The keys of documents: one that seals, those before it that still open, and none for ever.

A generation has a file of its own (`documents.key`, `documents-2.key`, …) and a row in the
database that says which key it is (`keyfiles`); the highest one with a row seals. So every
program of every machine turns to it at its next document, and a machine that lacks its file
refuses rather than seals under another. A generation is retired, its file removed, when no
document is sealed under it any more and the next one is a day old: no form takes so long to
arrive.

Marks (whether a resident's number came before) stand in rows that never change; their key, a
one-way derivation of the first generation, is kept apart when that one is turned away from, and
so outlives it. It opens no document.
"""

import contextlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import Engine, select

from guzheng.accounts.keyfiles import KEY_OCTETS, MARK, key_for
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import durable
from guzheng.store.records import reading

FILE: Final = "documents.key"
MARKS_FILE: Final = "documents-marks.key"
RETIRED_AFTER: Final = timedelta(days=1)
MOST: Final = 0xFFFF
_PURPOSE, _MARKS = "documents", "documents marks"
_CODE: Final = "accounts.documents-key"


class DocumentKeys:
    """The keys in one folder, as the database knows them; may be shared by threads."""

    def __init__(
        self,
        folder: Path,
        engine: Engine,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._folder, self._engine, self._now, self._entropy = folder, engine, now, entropy
        self._known: dict[int, bytes] = {}
        self._reading = Lock()

    def current(self) -> int:
        """The generation that seals from now on."""
        return max(self._began(), default=1)

    def key(self, generation: int) -> bytes:
        """Raises Refused where its file is lost, or is another's."""
        with self._reading:
            if generation not in self._known:
                self._known[generation] = self._read(
                    purpose_of(generation), file_of(generation)
                )
            return self._known[generation]

    def marks(self) -> bytes:
        if (self._folder / MARKS_FILE).exists() or not (self._folder / FILE).exists():
            return self._read(_MARKS, MARKS_FILE)
        return self._first_marks()

    def turn(self) -> int:
        """Another generation; gives its number. A file that lies there already is taken: it was
        prepared, or a program was killed before it was entered."""
        generation = self.current() + 1
        if generation > MOST:
            raise Refused(_CODE, expected=f"at most {MOST} keys", found=str(generation))
        if not (self._folder / MARKS_FILE).exists():
            marks = self._first_marks()
            with contextlib.suppress(FileExistsError):
                durable.create(self._folder / MARKS_FILE, marks)
        self._read(_MARKS, MARKS_FILE)
        with contextlib.suppress(FileExistsError):
            durable.create(self._folder / file_of(generation), self._entropy(KEY_OCTETS))
        self.key(generation)  # durable before it is entered: key_for enters what it read
        return generation

    def retirable(self) -> tuple[int, ...]:
        """Those before the current one whose file is still there; none while that is young."""
        began, current = self._began(), self.current()
        if current == 1 or self._now() - began[current] < RETIRED_AFTER:
            return ()
        return tuple(one for one in range(1, current) if (self._folder / file_of(one)).exists())

    def retire(self, generation: int) -> None:
        """Remove the file of a generation under which nothing lies any more."""
        if generation not in self.retirable():
            raise Refused(_CODE, expected="a key that may be retired", found=str(generation))
        (self._folder / file_of(generation)).unlink()
        durable.sync_directory(self._folder)
        with self._reading:
            self._known.pop(generation, None)

    def _first_marks(self) -> bytes:
        return hmac.digest(self.key(1), b"guzheng documents: marks", "sha256")

    def _began(self) -> dict[int, datetime]:
        wanted = select(MARK).where(MARK.c.purpose.startswith(_PURPOSE, autoescape=True))
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return {
            int(row.purpose.removeprefix(_PURPOSE) or 1): instant.parse(row.observed_at)
            for row in rows
            if row.purpose != _MARKS
        }

    def _read(self, purpose: str, file: str) -> bytes:
        return key_for(
            purpose,
            self._folder / file,
            self._engine,
            code=_CODE,
            now=self._now(),
            entropy=self._entropy,
        )


def file_of(generation: int) -> str:
    return FILE if generation == 1 else f"documents-{generation}.key"


def purpose_of(generation: int) -> str:
    return _PURPOSE if generation == 1 else f"{_PURPOSE} {generation}"
