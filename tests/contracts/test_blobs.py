"""What every place for blobs must do: one body, run on memory, on a directory and on S3."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.store.blobs import AlreadyKept, NotKept, UnsafeName, find, read, segments_of
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.memory import MemoryBlobs
from guzheng.store.s3 import S3Blobs
from tests import engines

AnyBlobs = MemoryBlobs | DirectoryBlobs | S3Blobs


@pytest.fixture(params=["memory", "directory", pytest.param("s3", marks=engines.together)])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AnyBlobs:
    match request.param:
        case "memory":
            return MemoryBlobs()
        case "directory":
            return DirectoryBlobs(tmp_path / "blobs")
        case _:
            s3: engines.S3 = request.getfixturevalue("s3")
            return S3Blobs(s3.bucket(engines.fresh("contract")))


def test_what_was_put_is_there(blobs: AnyBlobs) -> None:
    blobs.put("exhibits/ex_1/items/证据 一.pdf", [b"one", b"", b"two"])
    assert read(blobs, "exhibits/ex_1/items/证据 一.pdf") == b"onetwo"
    blobs.put("empty", [])
    assert read(blobs, "empty") == b""


def test_a_name_never_changes_its_bytes(blobs: AnyBlobs) -> None:
    blobs.put("a", [b"1"])
    blobs.put("a", [b"1"])  # again is fine
    for other in ([b"2"], [b"1", b"2"], [b""]):
        with pytest.raises(AlreadyKept) as refused:
            blobs.put("a", other)
        assert refused.value.code == "store.already-kept"
    assert read(blobs, "a") == b"1"


def test_nothing_is_kept_of_a_stream_that_breaks(blobs: AnyBlobs) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("the sender went away")

    with pytest.raises(ConnectionError):
        blobs.put("a/b", broken())
    assert list(blobs.names()) == []
    blobs.put("a/b", [b"whole"])
    assert read(blobs, "a/b") == b"whole"


def test_many_at_once_are_each_as_put(blobs: AnyBlobs) -> None:
    files = {f"tiles/{number // 7}/{number}": bytes([number]) * number for number in range(50)}
    blobs.put_all(files)
    blobs.put_all(files)
    blobs.put_all({})
    assert {name: read(blobs, name) for name in blobs.names("tiles/")} == files
    with pytest.raises(AlreadyKept):
        blobs.put_all({"fresh": b"1", "tiles/1/7": b"other"})
    assert read(blobs, "tiles/1/7") == files["tiles/1/7"]


def test_replace_is_the_exception(blobs: AnyBlobs) -> None:
    blobs.replace("ledger/checkpoint", b"1")
    blobs.replace("ledger/checkpoint", b"2")
    assert read(blobs, "ledger/checkpoint") == b"2"
    assert list(blobs.names()) == ["ledger/checkpoint"]


def test_what_is_not_there(blobs: AnyBlobs) -> None:
    blobs.put("a/b", [b""])
    for name in ("b", "a", "a/b/c", "a/c", "x/y/z"):
        with pytest.raises(NotKept):
            blobs.open(name)
        assert find(blobs, name) is None
        blobs.remove(name)  # fine
    assert list(blobs.names()) == ["a/b"]


def test_what_is_removed_is_gone_and_its_name_free(blobs: AnyBlobs) -> None:
    blobs.put("a/b", [b"1"])
    blobs.remove("a/b")
    assert find(blobs, "a/b") is None
    assert list(blobs.names()) == []
    blobs.put("a/b", [b"2"])
    assert read(blobs, "a/b") == b"2"


def test_names_come_in_order_by_their_beginning(blobs: AnyBlobs) -> None:
    names = ["a", "a b/c", "b/a", "b/a.p/1", "b/b/c", "b/b/d", "ba", "证/据"]
    for name in reversed(names):
        blobs.put(name, [name.encode()])
    assert list(blobs.names()) == sorted(names, key=lambda name: name.split("/"))
    for prefix in (
        "",
        "a",
        "b",
        "b/",
        "b/a",
        "b/a.p/",
        "b/b/d",
        "b/b/d/",
        "c",
        "证/",
        "../",
        "b//",
    ):
        expected = {name for name in names if name.startswith(prefix)}
        assert set(blobs.names(prefix)) == expected, prefix


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        ".hidden",
        ".staging/x",
        "a\\b",
        "a\x00b",
        "a\nb",
        "a\x7f",
        "\ud800",
        "a" * 256,
        "证" * 86,
        "/".join(["a"] * 600),
    ],
)
def test_an_unsafe_name_is_refused_by_every_verb(blobs: AnyBlobs, name: str) -> None:
    with pytest.raises(UnsafeName):
        blobs.put(name, [b""])
    with pytest.raises(UnsafeName):
        blobs.put_all({name: b""})
    with pytest.raises(UnsafeName):
        blobs.replace(name, b"")
    with pytest.raises(UnsafeName):
        blobs.open(name)
    with pytest.raises(UnsafeName):
        blobs.remove(name)
    assert list(blobs.names()) == []


@given(st.text(max_size=60) | st.text(alphabet="a./\\\x00", max_size=20))
def test_a_name_that_is_safe_stays_below_its_root(name: str) -> None:
    try:
        segments = segments_of(name)
    except UnsafeName:
        return
    assert "/".join(segments) == name
    root = Path("/srv/blobs")
    assert root in root.joinpath(*segments).parents
    assert ".." not in segments


def test_of_many_writers_one_wins_and_the_others_know(blobs: AnyBlobs) -> None:
    outcomes: list[bytes] = []
    barrier = threading.Barrier(8)

    def write(octets: bytes) -> None:
        barrier.wait()
        try:
            blobs.put("deep/er/name", [octets] * 1000)
        except AlreadyKept:
            return
        outcomes.append(octets)

    threads = [threading.Thread(target=write, args=(bytes([one]),)) for one in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read(blobs, "deep/er/name")] == [one * 1000 for one in outcomes]
