"""A full disk under one part of the ledger alone: its table, its tiles, its memory of signing.

Each lies on a file system of its own in larger installations, so each may be full while the
others are not. What was acknowledged keeps its number, nothing that was ever signed or shown is
taken back, and when there is room again the ledger goes on by itself.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guzheng.ledger import FileLastSigned, Ledger
from guzheng.refusals import Unavailable
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.records import open_engine
from tests.stations.ledgers import SIGNER, append, leaf, require_all_well, require_no_fork
from tests.world import small_disk

SIZE = 2 << 20
BATCH = 70  # so that some integrations begin a tile, and some complete one
Opened = Callable[[], Ledger]


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Opened, Path]]:
    """How the ledger is opened, with the named part of it on the small disk."""
    with small_disk(tmp_path / "disk", SIZE) as disk:
        (tmp_path / "room").mkdir()

        def place(part: str) -> Path:
            return disk if part == request.param else tmp_path / "room"

        def opening() -> Ledger:
            return Ledger(
                open_engine(place("table") / "ledger.sqlite"),
                DirectoryBlobs(place("tiles") / "blobs"),
                SIGNER,
                FileLastSigned(place("memory") / "ledger.signed"),
            )

        yield opening, disk


def fill(disk: Path, *, but: int) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    with ballast.open("rb+") as stream:
        stream.truncate(max(0, ballast.stat().st_size - but))
    return ballast


@pytest.mark.parametrize(
    ("opened", "room"),
    [
        *((part, room) for part in ("table", "tiles") for room in (0, 4096, 16_384, 40_960)),
        ("memory", 0),  # which takes no more room than one checkpoint
    ],
    indirect=["opened"],
)
def test_nothing_acknowledged_is_lost_and_nothing_forks(
    opened: tuple[Opened, Path], room: int
) -> None:
    opening, disk = opened
    ledger = opening()
    acknowledged = dict(zip(append(ledger, range(200)), range(200), strict=True))
    ledger.integrate()
    shown = [ledger.read("checkpoint")]
    ballast = fill(disk, but=room)
    refused = 0
    for first in range(200, 900, BATCH):
        numbers = range(first, first + BATCH)
        try:
            acknowledged |= zip(append(ledger, numbers), numbers, strict=True)
            ledger.integrate()
        except Unavailable:
            refused += 1
        shown += [ledger.read("checkpoint"), ledger.last_signed.read()]
    assert refused, "the disk was not full"
    with contextlib.suppress(Unavailable):  # a start on a full disk may fail, and harm nothing
        opening().integrate()
    ballast.unlink()
    assert os.statvfs(disk).f_bavail > 0
    again = opening()
    again.integrate()
    for index, number in acknowledged.items():
        assert again.entries.leaves(index, index + 1) == [leaf(number)]
    require_all_well(again)
    require_no_fork(again, {note for note in shown if note})
    # The program that saw it full goes on too, without a new start.
    append(ledger, range(2000, 2010))
    ledger.integrate()
    require_all_well(ledger)
