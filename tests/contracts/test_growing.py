"""What grows in a store, and uploads that wait there: one copy, never another digest."""

import hashlib
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guzheng.app.waiting import Waiting, after, waiting_in
from guzheng.intake import Here
from guzheng.intake.uploads import Arriving, Part
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.blobs import AlreadyKept, Blobs, Growing, NotKept, UnsafeName, read
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.memory import MemoryBlobs

AT = instant.parse("2026-11-21T10:00:00.000Z")


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    return DirectoryBlobs(tmp_path / "blobs")


def test_it_grows_from_any_offset_it_has(blobs: DirectoryBlobs) -> None:
    assert isinstance(blobs, Growing)
    blobs.grow("uploads/a/octets", 0, [b"first", b" and "])
    blobs.grow("uploads/a/octets", 10, [b"second"])
    assert read(blobs, "uploads/a/octets") == b"first and second"
    blobs.grow("uploads/a/octets", 5, [b"!"])
    assert read(blobs, "uploads/a/octets") == b"first!", "nothing stays behind what was taken"
    with pytest.raises(NotKept):
        blobs.grow("uploads/a/octets", 7, [b"a gap"])
    assert read(blobs, "uploads/a/octets") == b"first!"


def test_what_broke_off_is_written_over(blobs: DirectoryBlobs) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    blobs.grow("uploads/a/octets", 0, [b"kept"])
    with pytest.raises(ConnectionError):
        blobs.grow("uploads/a/octets", 4, broken())
    blobs.grow("uploads/a/octets", 4, [b"."])
    assert read(blobs, "uploads/a/octets") == b"kept."


def test_it_settles_once_without_a_copy(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    blobs.grow("uploads/a/octets", 0, [b"film"])
    for _ in range(2):
        blobs.settle("uploads/a/octets", "exhibits/e/items/film.mp4")
    place = tmp_path / "blobs" / "exhibits" / "e" / "items" / "film.mp4"
    grown = tmp_path / "blobs" / "uploads" / "a" / "octets"
    assert place.samefile(grown)
    assert stat.S_IMODE(place.stat().st_mode) == 0o440
    blobs.remove("uploads/a/octets")
    assert read(blobs, "exhibits/e/items/film.mp4") == b"film"
    blobs.grow("uploads/b/octets", 0, [b"film"])
    blobs.settle("uploads/b/octets", "exhibits/e/items/film.mp4")  # the same octets are fine
    blobs.grow("uploads/c/octets", 0, [b"other"])
    with pytest.raises(AlreadyKept):
        blobs.settle("uploads/c/octets", "exhibits/e/items/film.mp4")
    assert read(blobs, "exhibits/e/items/film.mp4") == b"film"


def test_a_file_system_without_links_copies(
    blobs: DirectoryBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_given: object, **_named: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("guzheng.store.directory.os.link", refused)
    blobs.grow("uploads/a/octets", 0, [b"film"])
    for _ in range(2):
        blobs.settle("uploads/a/octets", "exhibits/e/items/film.mp4")
    blobs.remove("uploads/a/octets")
    assert read(blobs, "exhibits/e/items/film.mp4") == b"film"


def test_no_link_and_no_unsafe_name_grows(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    blobs.grow("uploads/a/octets", 0, [b"x"])
    (tmp_path / "blobs" / "uploads" / "a" / "link").symlink_to(outside)
    with pytest.raises(OSError, match="symbolic"):
        blobs.grow("uploads/a/link", 0, [b"y"])
    assert outside.read_bytes() == b"not ours"
    with pytest.raises(UnsafeName):
        blobs.grow("../outside", 0, [b"y"])
    with pytest.raises(UnsafeName):
        blobs.settle("uploads/a/octets", "../outside")


# ---- uploads that wait -------------------------------------------------------------------


def upload(parts: tuple[Part, ...], *, sha256: str = "") -> Arriving:
    size = parts[-1].begins + parts[-1].size
    return Arriving("up_1", "film.mp4", size, AT, AT, sha256=sha256, parts=parts)


@pytest.fixture(params=["directory", "memory"])
def open_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Waiting]:
    """Opens the same place anew, as another process does."""
    numbers = iter(range(1000))
    kept: Blobs = (
        DirectoryBlobs(tmp_path / "blobs") if request.param == "directory" else MemoryBlobs()
    )
    return lambda: waiting_in(kept, lambda size: next(numbers).to_bytes(size, "big"))


def whole_of(waiting: Waiting, one: Arriving) -> str:
    here: Here | None = waiting.here(one)
    if here is not None:
        return here.sha256.hex
    return hashlib.sha256(b"".join(waiting.octets(one))).hexdigest()


@pytest.mark.parametrize("hands", ["aaaa", "abab", "abba", "aabb"])
@pytest.mark.parametrize("alone", ["yyyy", "nnnn", "ynyn", "nyny", "nnyy"])
def test_whoever_takes_it_up_the_digest_is_of_what_is_there(
    open_place: Callable[[], Waiting], hands: str, alone: str
) -> None:
    places = {"a": open_place(), "b": open_place()}
    octets = b"".join(bytes([number]) * 100_000 for number in range(4))
    parts: tuple[Part, ...] = ()
    for number, (hand, one) in enumerate(zip(hands, alone, strict=True)):
        chunks = [bytes([number]) * 100_000]
        part = places[hand].take("up_1", parts, chunks, alone=one == "y")
        parts = after(parts, part)
        assert sum(one.size for one in parts) == (number + 1) * 100_000
        for one_part in parts:
            said = octets[one_part.begins : one_part.begins + one_part.size]
            assert one_part.sha256 == hashlib.sha256(said).hexdigest()
    one_upload = upload(parts, sha256=hashlib.sha256(octets).hexdigest())
    assert b"".join(places["a"].octets(one_upload)) == octets
    assert whole_of(places["a"], one_upload) == one_upload.sha256
    with pytest.raises(Refused, match=r"upload\.digest-differs"):
        whole_of(places["b"], upload(parts, sha256="0" * 64))


def test_in_one_hand_it_is_one_part_however_often_it_is_counted(
    blobs: DirectoryBlobs,
) -> None:
    """So its octets are hashed once; those under a checksum of their own are twice."""
    waiting = waiting_in(blobs, lambda size: b"0" * size)
    parts: tuple[Part, ...] = ()
    for number in range(3):
        parts = after(parts, waiting.take("up_1", parts, [b"%d" % number], alone=False))
        assert [(one.begins, one.size) for one in parts] == [(0, number + 1)]
    parts = after(parts, waiting.take("up_1", parts, [b"alone"], alone=True))
    assert [(one.begins, one.size) for one in parts] == [(0, 3), (3, 5)]
    parts = after(parts, waiting.take("up_1", parts, [b"!"], alone=False))
    assert [(one.begins, one.size) for one in parts] == [(0, 9)]
    assert parts[0].sha256 == hashlib.sha256(b"012alone!").hexdigest()


@pytest.mark.parametrize("alone", [True, False])
def test_what_was_taken_but_not_counted_is_no_part_of_the_digest(
    open_place: Callable[[], Waiting], alone: bool
) -> None:
    """One hand took octets, its row failed; another hand took others of the same length."""
    one, other = open_place(), open_place()
    one.take("up_1", (), [b"1" * 1000], alone=alone)
    parts: tuple[Part, ...] = (other.take("up_1", (), [b"2" * 1000], alone=alone),)
    parts = after(parts, one.take("up_1", parts, [b"3" * 1000], alone=alone))
    right = hashlib.sha256(b"2" * 1000 + b"3" * 1000).hexdigest()
    assert whole_of(one, upload(parts)) == right
    dropped = one.take("up_1", parts, [b"4"], alone=True)
    one.drop(dropped)
    parts = after(parts, one.take("up_1", parts, [b"5"], alone=alone))
    right = hashlib.sha256(b"2" * 1000 + b"3" * 1000 + b"5").hexdigest()
    assert whole_of(one, upload(parts)) == right
