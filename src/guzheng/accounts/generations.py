"""The keys of one kind of secret: one that seals, those before it that still open, and none for
ever.

A generation has a file of its own (`documents.key`, `documents-2.key`, …) and a row in the
database that says which key it is (`keyfiles`); the highest one with a row seals. So every
program of every machine turns to it at its next secret, and a machine that lacks its file
refuses rather than seals under another. A generation is retired, its file removed, when nothing
is sealed under it any more and the next one is a day old: no form takes so long to arrive.

Marks (whether a resident's number came before; which recovery code this is) stand in rows that
cannot be made anew, since what they mark is not kept. Their key, a one-way derivation of the
first generation, is kept apart when that one is turned away from, and so outlives it. It opens
nothing that is sealed.
"""

import contextlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

from sqlalchemy import Engine, select

from guzheng.accounts.keyfiles import KEY_OCTETS, MARK, key_for
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import durable
from guzheng.store.added import create_tables
from guzheng.store.records import reading, writing

RETIRED_AFTER: Final = timedelta(days=1)
MOST: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Family:
    """Whose keys these are: the names of their files and rows, and of what is derived."""

    name: str
    code: str  # of the refusal when one is lost, or another's
    marked: bytes  # for what the key of marks is derived

    @property
    def marks_file(self) -> str:
        return f"{self.name}-marks.key"

    def file(self, generation: int) -> str:
        return f"{self.name}.key" if generation == 1 else f"{self.name}-{generation}.key"

    def purpose(self, generation: int) -> str:
        return self.name if generation == 1 else f"{self.name} {generation}"


DOCUMENTS: Final = Family("documents", "accounts.documents-key", b"guzheng documents: marks")
ACCOUNTS: Final = Family("accounts", "accounts.key-differs", b"guzheng accounts: digests")


class Keys(Protocol):
    """What whoever seals asks of them."""

    def current(self) -> int: ...

    def key(self, generation: int) -> bytes: ...

    def marks(self) -> bytes: ...


class Generations:
    """The keys of a family in one folder, as the database knows them; may be shared by
    threads. Nothing is read or made before it is asked for."""

    def __init__(
        self,
        family: Family,
        folder: Path,
        engine: Engine,
        now: Callable[[], datetime],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.family = family
        self._folder, self._engine, self._now, self._entropy = folder, engine, now, entropy
        self._known: dict[int, bytes] = {}
        self._marks: bytes | None = None
        self._reading = Lock()
        self._has_table = False

    def current(self) -> int:
        """The generation that seals from now on."""
        return max(self._began(), default=1)

    def key(self, generation: int) -> bytes:
        """Raises Refused where its file is lost, is another's, or there was never such a key:
        a number that somebody sent makes none."""
        with self._reading:
            known = self._known.get(generation)
        if known is None and generation != 1 and generation not in self._began():
            raise Refused(
                self.family.code, expected="a key that was turned to", found=str(generation)
            )
        return known if known is not None else self._entered(generation)

    def marks(self) -> bytes:
        if self._marks is None:
            self.key(self.current())  # lost keys are told of before anything is made
            apart = (self._folder / self.family.marks_file).exists()
            if apart or not (self._folder / self.family.file(1)).exists():
                self._marks = self._apart()
            else:
                self._marks = self._first_marks()
        return self._marks

    def turn(self) -> int:
        """Another generation; gives its number. A file that lies there already is taken: it was
        prepared, or a program was killed before it was entered."""
        self.key(self.current())
        generation = self.current() + 1
        if generation > MOST:
            raise Refused(
                self.family.code, expected=f"at most {MOST} keys", found=str(generation)
            )
        self._keep_marks()
        with contextlib.suppress(FileExistsError):
            path = self._folder / self.family.file(generation)
            durable.create(path, self._entropy(KEY_OCTETS))
        self._entered(generation)  # durable before it is entered: key_for enters what it read
        return generation

    def retirable(self) -> tuple[int, ...]:
        """Those before the current one whose file is still there; none while that is young."""
        began, current = self._began(), self.current()
        if current == 1 or self._now() - began[current] < RETIRED_AFTER:
            return ()
        files = {one: self._folder / self.family.file(one) for one in range(1, current)}
        return tuple(one for one, path in files.items() if path.exists())

    def retire(self, generation: int) -> None:
        """Remove the file of a generation under which nothing lies any more."""
        if generation not in self.retirable():
            raise Refused(
                self.family.code, expected="a key that may be retired", found=str(generation)
            )
        self._keep_marks()  # on this machine, which may not be the one that turned
        (self._folder / self.family.file(generation)).unlink(missing_ok=True)
        durable.sync_directory(self._folder)
        with self._reading:
            self._known.pop(generation, None)

    def _entered(self, generation: int) -> bytes:
        key = self._read(self.family.purpose(generation), self.family.file(generation))
        with self._reading:
            self._known[generation] = key
        return key

    def _keep_marks(self) -> None:
        """Their key apart from the first generation's, durably, before that one goes."""
        path = self._folder / self.family.marks_file
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                durable.create(path, self._first_marks())
        self._apart()

    def _first_marks(self) -> bytes:
        return hmac.digest(self.key(1), self.family.marked, "sha256")

    def _apart(self) -> bytes:
        return self._read(f"{self.family.name} marks", self.family.marks_file)

    def _began(self) -> dict[int, datetime]:
        self._make_table()
        wanted = select(MARK).where(
            MARK.c.purpose.startswith(self.family.name, autoescape=True)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return {
            int(row.purpose.removeprefix(self.family.name) or 1): instant.parse(row.observed_at)
            for row in rows
            if row.purpose != f"{self.family.name} marks"
        }

    def _make_table(self) -> None:
        if not self._has_table:
            with writing(self._engine) as connection:
                create_tables(connection, (MARK,))
            self._has_table = True

    def _read(self, purpose: str, file: str) -> bytes:
        return key_for(
            purpose,
            self._folder / file,
            self._engine,
            code=self.family.code,
            now=self._now(),
            entropy=self._entropy,
        )
