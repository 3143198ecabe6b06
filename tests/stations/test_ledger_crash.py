"""Killed at any write, or told "it failed" when it did not: the ledger goes on as one tree."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import pytest

from guzheng.ledger import FileLastSigned, LastSigned, Ledger, fsck
from guzheng.refusals import Unavailable
from guzheng.store.directory import DirectoryBlobs
from tests.stations.ledgers import (
    append,
    leaf,
    open_ledger,
    require_all_well,
    require_no_fork,
)


def test_killed_at_every_write_it_ends_with_the_same_tree(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "tests.stations.ledger_deaths", str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        run, cwd=root, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")[:-1]
    # Three moments of tiles, two of intending, of memory and of publishing, in each of two.
    assert [line.split()[1] for line in lines] == ["died"] * 18 + ["lived"]


class Unlucky:
    """Does what it is asked, and then at the given call says that it failed."""

    def __init__(self, at: int) -> None:
        self._left = at

    def count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Unavailable("store.disk-full", expected="room", found="none, it says")


class UnluckyBlobs:
    def __init__(self, real: DirectoryBlobs, luck: Unlucky) -> None:
        self._real = real
        self._luck = luck

    def put_all(self, files: Mapping[str, bytes]) -> None:
        self._real.put_all(files)
        self._luck.count()

    def replace(self, name: str, octets: bytes) -> None:
        self._real.replace(name, octets)
        self._luck.count()

    def open(self, name: str) -> BinaryIO:
        return self._real.open(name)

    def names(self, prefix: str = "") -> Iterator[str]:
        return self._real.names(prefix)

    def remove(self, name: str) -> None:
        self._real.remove(name)


class UnluckyLastSigned:
    def __init__(self, real: LastSigned, luck: Unlucky) -> None:
        self._real = real
        self._luck = luck

    def turn(self) -> AbstractContextManager[None]:
        return self._real.turn()

    def read(self) -> bytes | None:
        return self._real.read()

    def intended(self) -> bytes | None:
        return self._real.intended()

    def intend(self, text: bytes) -> None:
        self._real.intend(text)

    def swap(self, old: bytes | None, new: bytes) -> None:
        self._real.swap(old, new)
        self._luck.count()

    def close(self) -> None:
        self._real.close()

    def is_closed(self) -> bool:
        return self._real.is_closed()


def unlucky(place: Path, at: int) -> Ledger:
    luck = Unlucky(at)
    place.mkdir(parents=True)
    return open_ledger(
        place,
        blobs=UnluckyBlobs(DirectoryBlobs(place / "blobs"), luck),
        last_signed=UnluckyLastSigned(FileLastSigned(place / "ledger.signed"), luck),
    )


@pytest.mark.parametrize("at", [1, 2, 3])
def test_it_failed_but_was_kept(tmp_path: Path, at: int) -> None:
    ledger = unlucky(tmp_path / "ledger", at)
    append(ledger, range(300))
    with pytest.raises(Unavailable):
        ledger.integrate()
    append(ledger, range(280, 400))  # more came, and some came again, before the next try
    assert ledger.integrate().size == 400
    require_all_well(ledger)
    require_no_fork(ledger, [ledger.checkpoint()])
    assert ledger.entries.leaves(0, 500) == [leaf(number) for number in range(400)]


def test_what_a_dead_run_left_is_no_damage(tmp_path: Path) -> None:
    """Tiles beyond the signed size that agree with the table will be made again like this."""
    ledger = unlucky(tmp_path / "ledger", 4)  # tiles, memory, checkpoint, tiles
    append(ledger, range(10))
    ledger.integrate()
    append(ledger, range(10, 300))
    with pytest.raises(Unavailable):
        ledger.integrate()
    assert ledger.read("tile/0/000") is None  # not served: no checkpoint speaks of it
    assert list(fsck(ledger)) == []
    ledger.integrate()
    require_all_well(ledger)
