"""The disk is full in the middle: a clear error, nothing half kept, and later it works."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.refusals import Unavailable
from guzheng.worker import work_until_idle
from tests.road.deaths import silent
from tests.road.test_fsck import places
from tests.world import small_disk

SIZE = 12 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", SIZE) as place:
        yield place


def fill(disk: Path, *, but: int = 0) -> Path:
    """Take all the room there is, but for so many octets."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    free = os.statvfs(disk)
    with ballast.open("rb+") as stream:
        size = ballast.stat().st_size
        stream.truncate(max(0, size - but + free.f_bavail * free.f_frsize))
    return ballast


def kept(disk: Path) -> set[str]:
    blobs = disk / "data/blobs"
    return {one.relative_to(blobs).as_posix() for one in blobs.rglob("*") if one.is_file()}


def test_a_file_that_is_too_large_for_the_disk(disk: Path) -> None:
    platform = Platform(Config(disk / "data"))
    before = kept(disk)
    with pytest.raises(Unavailable, match=r"store\.disk-full"):
        platform.deposit("large.bin", iter([bytes(1 << 20)] * 20))
    assert kept(disk) == before
    assert platform.index.names() == frozenset()
    exhibit = platform.deposit("small.bin", [b"words"])
    assert platform.walk(exhibit, silent) == "certified"
    assert places(platform) == []


@pytest.mark.parametrize("room", [0, 4096, 16_384, 65_536, 131_072, 200_000])
def test_every_step_on_a_full_disk(disk: Path, room: int) -> None:
    """However far it comes: what was acknowledged is finished once there is room."""
    platform = Platform(Config(disk / "data"))
    first = platform.deposit("first.txt", [b"first"])
    platform.walk(first, silent)
    ballast = fill(disk, but=room)
    acknowledged = []
    for number in range(4):
        with contextlib.suppress(Unavailable):
            exhibit = platform.deposit(f"{number}.txt", [b"words"])
            acknowledged.append(exhibit)
            platform.walk(exhibit, silent)
    with contextlib.suppress(Unavailable):
        Platform(Config(disk / "data")).fsck(lambda _exhibit: None)
    ballast.unlink()
    again = Platform(Config(disk / "data"))
    again.recover()
    for exhibit in again.index.unfinished():
        again.walk(exhibit, silent)
    assert set(again.road.exhibits()) >= {first, *acknowledged}
    for exhibit in again.road.exhibits():
        assert again.exhibit(exhibit).state == "certified"
    assert places(again) == []


def test_the_queue_on_a_full_disk(disk: Path) -> None:
    platform = Platform(Config(disk / "data", retry_seconds=1))
    exhibit = platform.deposit("a.txt", [b"words"])
    work_until_idle(platform)
    waiting = platform.deposit("b.txt", [b"words"])
    ballast = fill(disk)
    with contextlib.suppress(Unavailable):
        work_until_idle(platform)
    ballast.unlink()
    again = Platform(Config(disk / "data"))
    assert work_until_idle(again)[1] == ()
    assert {exhibit, waiting} <= set(again.road.exhibits())
    assert again.exhibit(waiting).state == "certified"
    assert places(again) == []


def test_a_package_on_a_full_disk(disk: Path, tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data"))
    exhibit = platform.deposit("a.bin", [os.urandom(1 << 20)])
    platform.walk(exhibit, silent)
    ballast = fill(disk, but=500_000)
    with pytest.raises(Unavailable, match=r"store\.disk-full"):
        platform.write_package([exhibit], disk / "x.zip")
    assert [one.name for one in disk.iterdir()] == ["ballast"]
    ballast.unlink()
    platform.write_package([exhibit], disk / "x.zip")
    assert [one.name for one in disk.iterdir()] == ["x.zip"]


def test_a_disk_with_no_room_for_a_beginning(disk: Path) -> None:
    ballast = fill(disk)
    with pytest.raises(Unavailable, match=r"store\.disk-full|fix\.keys-unwritable"):
        Platform(Config(disk / "data"))
    ballast.unlink()
    platform = Platform(Config(disk / "data"))
    assert platform.walk(platform.deposit("a.txt", [b"words"]), silent) == "certified"
