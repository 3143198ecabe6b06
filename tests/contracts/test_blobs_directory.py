"""Blobs in a directory, where it can go wrong: death at any step, a full disk, links."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.refusals import Unavailable
from guzheng.store.blobs import AlreadyKept, NotKept, UnsafeName, find, read
from guzheng.store.directory import STAGING, DirectoryBlobs

# The program that dies: it makes every call of the operating system that changes something
# count, and kills itself without a word at the given one, before or after it.
DYING = """
import os, signal, sys
from pathlib import Path
root, verb, step, moment = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
count, calls = 0, []
def dying(call):
    def counted(*args, **kwargs):
        global count
        count += 1
        calls.append(call.__name__)
        if count == step and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = call(*args, **kwargs)
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer
    return counted
from guzheng.store.directory import DirectoryBlobs
blobs = DirectoryBlobs(Path(root))
from guzheng.store import durable
for name in ("write", "fsync", "link", "unlink", "mkdir", "replace", "fchmod"):
    setattr(os, name, dying(getattr(os, name)))
def rename(*names, rename=durable._RENAME):
    return rename(*names)
if "without-rename" in sys.argv:
    durable._RENAME = None  # a file system that does not know it
else:
    durable._RENAME = dying(rename)
if verb == "put":
    blobs.put("a/b/c", [b"x" * 70_000, b"y" * 70_000])
elif verb == "put_all":
    blobs.put_all({f"a/{n % 2}/{n}": bytes([n]) * 5000 for n in range(5)})
else:
    blobs.replace("a/b/c", b"new")
print(*calls)
"""
WHOLE = b"x" * 70_000 + b"y" * 70_000


def die(
    root: Path, verb: str, step: int, moment: str, *more: str
) -> subprocess.CompletedProcess[bytes]:
    arguments = [sys.executable, "-c", DYING, str(root), verb, str(step), moment, *more]
    return subprocess.run(arguments, capture_output=True, check=False, timeout=60)


def staged(root: Path) -> list[Path]:
    return [path for path in (root / STAGING).rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("put", ()),
        ("put_all", ()),
        ("replace", ()),
        ("put", ("without-rename",)),
        ("put_all", ("without-rename",)),
    ],
)
def test_death_at_any_step_leaves_all_or_nothing_and_no_debris(
    tmp_path: Path, verb: str, more: tuple[str, ...]
) -> None:
    steps = 0
    while True:
        steps += 1
        root = tmp_path / str(steps)
        if verb == "replace":
            DirectoryBlobs(root).replace("a/b/c", b"old")
        died = die(root, verb, steps, "before" if steps % 2 else "after", *more)
        if died.returncode == 0:
            break
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
        blobs = DirectoryBlobs(root)  # the next program to start
        assert staged(root) == []
        kept = {name: read(blobs, name) for name in blobs.names()}
        if verb == "put":
            assert kept in ({}, {"a/b/c": WHOLE})
            blobs.put("a/b/c", [WHOLE])  # "it failed" and "it was kept" go the same way
        elif verb == "put_all":
            files = {f"a/{n % 2}/{n}": bytes([n]) * 5000 for n in range(5)}
            assert kept.items() <= files.items()
            blobs.put_all(files)
            assert {name: read(blobs, name) for name in blobs.names()} == files
        else:
            assert kept in ({"a/b/c": b"old"}, {"a/b/c": b"new"})
        shutil.rmtree(root)
    assert steps > 5, died.stdout


@pytest.mark.parametrize(
    ("verb", "order"),
    [
        # bytes; then the directories with their names; then the name; then that too
        ("put", "write write fsync mkdir fsync mkdir fsync rename fsync unlink"),
        ("replace", "write fsync mkdir fsync mkdir fsync replace fsync unlink"),
    ],
)
def test_the_order_in_which_things_become_durable(
    tmp_path: Path, verb: str, order: str
) -> None:
    assert die(tmp_path, verb, 10**6, "before").stdout.decode().split() == order.split()


def test_many_at_once_wait_for_all_bytes_before_the_first_name(tmp_path: Path) -> None:
    calls = die(tmp_path, "put_all", 10**6, "before").stdout.decode().split()
    assert calls[:10] == ["write"] * 5 + ["fsync"] * 5
    assert calls.count("rename") == 5
    assert calls[-2:] == ["fsync"] * 2


def test_a_file_system_without_that_rename_keeps_the_promises(tmp_path: Path) -> None:
    done = die(tmp_path, "put_all", 10**6, "before", "without-rename")
    assert done.stdout.decode().split().count("link") == 5
    blobs = DirectoryBlobs(tmp_path)
    assert len(list(blobs.names())) == 5
    assert staged(tmp_path) == []


def test_a_living_program_keeps_its_staging(tmp_path: Path) -> None:
    first = DirectoryBlobs(tmp_path)

    def slow() -> Iterator[bytes]:
        yield b"one"
        DirectoryBlobs(tmp_path)  # another program starts in the middle
        assert len(staged(tmp_path)) == 1
        yield b"two"

    first.put("a", slow())
    assert read(first, "a") == b"onetwo"
    assert staged(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    mount = shutil.which("mount")
    place = tmp_path / "small"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", "size=4m,nr_inodes=64", "tmpfs", str(place)]
    if mount is None or subprocess.run([mount, *options], check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    blobs = DirectoryBlobs(small_disk / "blobs")
    blobs.put("kept", [b"k" * 1000])
    with pytest.raises(Unavailable) as refused:
        blobs.put("big", (b"x" * 65_536 for _ in range(100)))
    assert refused.value.code == "store.disk-full"
    with pytest.raises(Unavailable):
        blobs.put_all({f"many/{number}": b"y" * 1_000_000 for number in range(6)})
    with pytest.raises(Unavailable):
        blobs.put_all({f"inodes/{number}": b"" for number in range(100)})
    with pytest.raises(Unavailable):
        blobs.replace("kept", b"z" * 6_000_000)
    assert list(blobs.names()) == ["kept"]
    assert staged(small_disk / "blobs") == []
    assert read(blobs, "kept") == b"k" * 1000
    blobs.put("after", [b"there is room again" * 100])


def test_no_link_leads_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = tmp_path / "blobs"
    blobs = DirectoryBlobs(root)
    blobs.put("a/real", [b"1"])
    (root / "a" / "file").symlink_to(outside / "secret")
    (root / "a" / "folder").symlink_to(outside)
    (root / "a" / "dangling").symlink_to(outside / "later")
    os.mkfifo(root / "a" / "pipe")

    for name in ("a/file", "a/folder/secret", "a/folder", "a/pipe", "a/dangling"):
        with pytest.raises(NotKept):
            blobs.open(name)
    for name in ("a/file", "a/dangling", "a/pipe"):
        with pytest.raises((AlreadyKept, NotKept)):
            blobs.put(name, [b"secret"])
    with pytest.raises(UnsafeName):
        blobs.put("a/folder/new", [b""])
    with pytest.raises(UnsafeName):
        blobs.replace("a/folder/new", b"")
    blobs.remove("a/folder/secret")  # nothing of ours is there
    blobs.remove("a/file")  # the link itself
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    # Who looks for extra files sees them all, and is not led outside.
    assert list(blobs.names()) == ["a/dangling", "a/folder", "a/pipe", "a/real"]


def test_extra_files_of_any_name_are_seen(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "new\nline").touch()
    (tmp_path / ".DS_Store").touch()
    assert list(blobs.names()) == [".DS_Store", "x/new\nline"]
    assert list(blobs.names(".DS")) == [".DS_Store"]


def test_what_is_kept_can_be_read_by_its_owner_and_group_and_written_by_nobody(
    tmp_path: Path,
) -> None:
    blobs = DirectoryBlobs(tmp_path / "blobs")
    blobs.put("a/b", [b""])
    assert (tmp_path / "blobs/a/b").stat().st_mode & 0o777 & ~0o440 == 0
    assert (tmp_path / "blobs/a").stat().st_mode & 0o027 == 0
    assert (tmp_path / "blobs" / STAGING).stat().st_mode & 0o077 == 0


def test_a_directory_in_the_place_of_a_blob_is_not_a_blob(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    blobs.put("a/b/c", [b"1"])
    with pytest.raises(NotKept):
        blobs.open("a/b")
    with pytest.raises((AlreadyKept, NotKept)):
        blobs.put("a/b", [b"1"])
    with pytest.raises(UnsafeName):
        blobs.put("a/b/c/d", [b"1"])
    assert find(blobs, "a/b/c") == b"1"
