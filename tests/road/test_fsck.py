"""fsck names what was changed, lost or added, and nothing else."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.refusals import Refused
from tests.road.conftest import Opened

KINDS = {
    "order": "exhibits/*/order.json",
    "original": "exhibits/*/items/*",
    "token": "exhibits/*/tokens/*",
    "manifest": "exhibits/*/manifest.json",
    "seal": "exhibits/*/seal.tsa",
    "leaf": "exhibits/*/leaf",
    "entry": "exhibits/*/entry.tlog-proof",
    "facts": "exhibits/*/certificate.json",
    "certificate": "exhibits/*/certificate.pdf",
    "bundle": "ledger/tile/entries/000.p/3",
    "tile": "ledger/tile/0/000.p/3",
    "older tile": "ledger/tile/0/000.p/1",
    "checkpoint": "ledger/checkpoint",
}


def places(platform: Platform) -> list[str]:
    return sorted({fault.place for fault in platform.fsck(lambda _exhibit: None)})


def flip(file: Path, at: float) -> None:
    octets = bytearray(file.read_bytes())
    octets[min(int(len(octets) * at), len(octets) - 1)] ^= 0x01
    rewrite(file, bytes(octets))


def cut(file: Path, _at: float) -> None:
    rewrite(file, file.read_bytes()[:-1])


def lengthen(file: Path, _at: float) -> None:
    rewrite(file, file.read_bytes() + b"\n")


def empty(file: Path, _at: float) -> None:
    rewrite(file, b"")


def lose(file: Path, _at: float) -> None:
    file.unlink()


def rewrite(file: Path, octets: bytes) -> None:
    """In its place, as a disk does, whatever the mode says."""
    file.chmod(0o600)
    file.write_bytes(octets)


@pytest.mark.parametrize("damage", [flip, cut, lengthen, empty, lose])
@pytest.mark.parametrize("kind", KINDS)
def test_one_damaged_file_is_the_one_that_is_named(
    data: Path, opened: Opened, kind: str, damage: Callable[[Path, float], None]
) -> None:
    blobs = data / "blobs"
    file = sorted(blobs.glob(KINDS[kind]))[0]
    name = file.relative_to(blobs).as_posix()
    damage(file, 0.5)
    if damage is lose and kind == "order":
        # Nobody ever ordered what lies there now; each file of it is one too many.
        assert set(places(opened())) == {
            one.relative_to(blobs).as_posix() for one in file.parent.rglob("*") if one.is_file()
        }
    elif damage is lose and kind == "older tile":
        assert places(opened()) == []  # a wider one has taken its place: C2SP lets it go
    else:
        assert places(opened()) == [name]


@pytest.mark.parametrize("often", [10, pytest.param(400, marks=pytest.mark.soak)])
@pytest.mark.parametrize(
    "kind", ["order", "token", "manifest", "seal", "leaf", "entry", "facts"]
)
def test_every_byte_of_a_small_paper_counts(
    data: Path, opened: Opened, kind: str, often: int
) -> None:
    blobs = data / "blobs"
    file = sorted(blobs.glob(KINDS[kind]))[0]
    sound, platform = file.read_bytes(), opened()
    for at in range(0, len(sound), max(1, len(sound) // often)):
        rewrite(file, bytes([*sound[:at], sound[at] ^ 0x80, *sound[at + 1 :]]))
        assert places(platform) == [file.relative_to(blobs).as_posix()], at
    rewrite(file, sound)
    assert places(platform) == []


@pytest.mark.parametrize(
    "name",
    [
        "exhibits/{exhibit}/items/second.txt",
        "exhibits/{exhibit}/notes.txt",
        "exhibits/{exhibit}/.hidden",
        "exhibits/{exhibit}/items/turned\u202egpj.exe",
        "exhibits/{exhibit}/tokens/x.tsa",
        "exhibits/stray",
        "exhibits/stranger/file",
        "exhibits/ex_00000000000000000000000000/items/a.txt",
        "ledger/tile/9/000",
        "ledger/notes",
        "stray",
        "other/stray",
    ],
)
def test_one_file_too_many(data: Path, opened: Opened, name: str) -> None:
    exhibit = next(opened().road.exhibits())
    file = data / "blobs" / name.format(exhibit=exhibit)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    assert places(opened()) == [name.format(exhibit=exhibit)]


def test_a_link_instead_of_a_file(data: Path, opened: Opened) -> None:
    file = sorted((data / "blobs").glob(KINDS["seal"]))[0]
    shutil.move(file, data / "elsewhere")
    file.symlink_to(data / "elsewhere")
    assert places(opened()) == [file.relative_to(data / "blobs").as_posix()]


def test_an_exhibit_that_is_gone(data: Path, opened: Opened) -> None:
    exhibit = next(opened().road.exhibits())
    shutil.rmtree(data / "blobs/exhibits" / exhibit)
    assert places(opened()) == [f"exhibits/{exhibit}/"]
    view = {one.exhibit: one.state for one in opened().exhibits(10)}
    assert view[exhibit] == "damaged"
    assert sorted(view.values()) == ["certified", "certified", "damaged"]


def test_damage_on_the_way(data: Path, opened: Opened) -> None:
    """An exhibit that is not finished: what is there must be right, what is not may come."""
    platform = opened()
    exhibit = platform.deposit("a.txt", [b"words"])
    assert places(platform) == []
    for paper in ("order.json", "items/a.txt"):
        file = data / "blobs/exhibits" / exhibit / paper
        sound = file.read_bytes()
        rewrite(file, sound.replace(b"a", b"b") if paper == "order.json" else b"WORDS")
        assert places(opened()) == [f"exhibits/{exhibit}/{paper}"]
        rewrite(file, sound)
    for _ in range(3):
        platform.road.advance(exhibit, lambda _step, _detail: None)
        assert places(platform) == []


def altered(file: Path, question: str) -> None:
    with sqlite3.connect(file) as connection:
        for (trigger,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(question)
    connection.close()


@pytest.mark.parametrize(
    "question",
    [
        "UPDATE exhibit SET claimed_name = 'another' WHERE rowid = 1",
        "UPDATE exhibit SET observed_at = 'never' WHERE rowid = 1",
        "UPDATE exhibit SET listing = replace(listing, 'a', 'b') WHERE rowid = 1",
        "UPDATE exhibit SET sha256 = '' WHERE rowid = 1",
        "INSERT INTO unfinished VALUES ('ex_nobody')",
    ],
)
def test_a_line_of_the_index(data: Path, opened: Opened, question: str) -> None:
    altered(data / "index.sqlite", question)
    assert places(opened()) == ["index.sqlite"]
    assert len(opened().exhibits(10)) == 3
    opened().rebuild()
    assert places(opened()) == []


def test_a_line_of_the_index_that_is_gone(data: Path, opened: Opened) -> None:
    exhibit = next(opened().road.exhibits())
    opened().index.forget(exhibit)
    assert places(opened()) == [f"exhibits/{exhibit}/"]


def test_an_entry_of_the_ledger(data: Path, opened: Opened) -> None:
    altered(data / "ledger.sqlite", "UPDATE entry SET leaf = x'00' WHERE idx = 1")
    assert places(opened()) == ["ledger.sqlite entries 0-2"]


@pytest.mark.parametrize("name", ["index.sqlite", "ledger.sqlite"])
def test_a_table_that_is_no_table(data: Path, opened: Opened, name: str) -> None:
    rewrite(data / name, b"nothing" * 1000)
    for suffix in ("-wal", "-shm"):  # a log that was not folded in yet would mend the file
        (data / (name + suffix)).unlink(missing_ok=True)
    with pytest.raises(Refused, match=rf"store\.table-damaged.*{name}"):
        opened()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("authority/tsa.key", r"fix\.keys-damaged"),
        ("authority/root.pem", r"fix\.keys-damaged"),
        ("authority/signer.pem", r"fix\.keys-damaged"),
        ("ledger.key", r"ledger\.key-damaged"),
        ("last-signed.checkpoint", r"ledger\.not-ours"),
    ],
)
def test_damaged_keys(data: Path, opened: Opened, name: str, code: str) -> None:
    flip(data / "keys" / name, 0.6)
    with pytest.raises(Refused, match=code):
        opened().ledger.signed()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("authority", r"fix\.keys-missing"),
        ("authority/tsa.key", r"fix\.keys-missing"),
        ("ledger.key", r"ledger\.key-missing"),
    ],
)
def test_lost_keys_are_never_made_anew(
    data: Path, opened: Opened, name: str, code: str
) -> None:
    shutil.move(data / "keys" / name, data / "taken")
    with pytest.raises(Refused, match=code):
        opened()
    shutil.move(data / "taken", data / "keys" / name)
    assert places(opened()) == []


def test_lost_memory_of_signing(data: Path, opened: Opened) -> None:
    (data / "keys/last-signed.checkpoint").unlink()
    platform = opened()
    exhibit = platform.deposit("a.txt", [b"words"])
    with pytest.raises(Refused, match=r"ledger\.memory-lost"):
        platform.walk(exhibit, lambda _step, _detail: None)
    platform.rebuild()
    assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    assert places(platform) == []


def test_other_data_is_not_touched(data: Path) -> None:
    before = {one: one.read_bytes() for one in (data / "blobs").rglob("*") if one.is_file()}
    Platform(Config(data)).fsck(lambda _exhibit: None)
    assert before == {one: one.read_bytes() for one in before}
