"""A program that kills itself at every write of an integration, and looks what is left.

Run by test_ledger_crash as a program: it forks once for every moment, so that the imports are
paid for once. For each moment one child grows the ledger and dies; another opens what was
left, integrates again as any restart does, and checks. Prints one line for each moment.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from guzheng.ledger import FileLastSigned, LastSigned, Ledger, Signer, TileStore
from guzheng.proof.note import Note
from guzheng.store.blobs import find
from guzheng.store.directory import DirectoryBlobs
from tests.stations.ledgers import (
    SIGNER,
    append,
    leaf,
    open_ledger,
    require_all_well,
    require_no_fork,
    require_proves,
)

Death = Callable[[str], None]
SEEN = "seen.notes"


class DyingBlobs:
    """Dies before, in the middle of, or after each write."""

    def __init__(self, real: TileStore, at: Death) -> None:
        self._real = real
        self._at = at

    def put_all(self, files: Mapping[str, bytes]) -> None:
        self._at("before tiles")
        names = sorted(files)
        self._real.put_all({name: files[name] for name in names[::2]})
        self._at("half of the tiles")
        self._real.put_all(files)
        self._at("after tiles")

    def replace(self, name: str, octets: bytes) -> None:
        self._at("before publishing")
        self._real.replace(name, octets)
        self._at("after publishing")

    def open(self, name: str) -> BinaryIO:
        return self._real.open(name)

    def names(self, prefix: str = "") -> Iterator[str]:
        return self._real.names(prefix)

    def remove(self, name: str) -> None:
        self._real.remove(name)


class DyingLastSigned:
    """Dies before and after the memory of having signed."""

    def __init__(self, real: LastSigned, at: Death) -> None:
        self._real = real
        self._at = at

    def turn(self) -> AbstractContextManager[None]:
        return self._real.turn()

    def read(self) -> bytes | None:
        return self._real.read()

    def intended(self) -> bytes | None:
        return self._real.intended()

    def intend(self, text: bytes) -> None:
        self._at("before intending")
        self._real.intend(text)
        self._at("after intending")

    def swap(self, old: bytes | None, new: bytes) -> None:
        self._at("before remembering")
        self._real.swap(old, new)
        self._at("after remembering")

    def close(self) -> None:
        self._at("before ending")
        self._real.close()
        self._at("after ending")

    def is_closed(self) -> bool:
        return self._real.is_closed()


class WatchedSigner(Signer):
    """Somebody who writes down every signature, even those that were never published."""

    def __init__(self, place: Path) -> None:
        super().__init__(SIGNER.key.name, SIGNER._private)
        self._place = place

    def sign(self, text: bytes) -> Note:
        note = super().sign(text)
        with (self._place / SEEN).open("ab") as seen:
            seen.write(note.encode() + b"\x00")
        return note


def grow(ledger: Ledger) -> None:
    append(ledger, range(600))
    ledger.integrate()
    append(ledger, range(600, 1100))
    ledger.integrate()


def die_at(place: Path, moment: int) -> None:
    count = 0

    def at(_name: str) -> None:
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    grow(
        open_ledger(
            place,
            blobs=DyingBlobs(DirectoryBlobs(place / "blobs"), at),
            last_signed=DyingLastSigned(FileLastSigned(place / "ledger.signed"), at),
            signer=WatchedSigner(place),
        )
    )


def look(place: Path) -> None:
    """What was left is the beginning of the same tree, and goes on to the same end."""
    ledger = open_ledger(place, signer=WatchedSigner(place))
    published = find(DirectoryBlobs(place / "blobs"), "ledger/checkpoint")
    grow(ledger)
    assert ledger.entries.leaves(0, 2000) == [leaf(number) for number in range(1100)]
    newest = ledger.integrate()
    assert newest.size == 1100
    notes = (place / SEEN).read_bytes().split(b"\x00")[:-1]
    require_no_fork(ledger, [*notes, *([published] if published else [])])
    require_all_well(ledger)
    for index in (0, 599, 600, 1099):
        require_proves(ledger.prove(index), leaf(index), ledger.signer.key)


def in_a_child(act: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:  # noqa: BLE001 - it must not go on as the one who forked it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(root: Path) -> None:
    moment = 0
    died = True
    while died:
        moment += 1
        place = root / str(moment)
        place.mkdir(parents=True)
        status = in_a_child(partial(die_at, place, moment))
        died = status == signal.SIGKILL
        assert died or status == 0, status
        assert in_a_child(partial(look, place)) == 0, f"moment {moment}"
        print(moment, "died" if died else "lived", flush=True)  # noqa: T201  # a program


if __name__ == "__main__":
    main(Path(sys.argv[1]))
