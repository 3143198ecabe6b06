"""fsck finds every byte that is wrong, missing or extra, and names it; rebuild brings back."""

import sqlite3
from pathlib import Path

import pytest

from guzheng.ledger import Ledger, MemoryLastSigned, fsck, rebuild_from_tiles
from guzheng.ledger.fsck import MEMORY
from guzheng.ledger.ledger import FOLDER
from guzheng.proof import tiles, tree
from guzheng.proof.note import Checkpoint
from guzheng.proof.tiles import Tile
from guzheng.refusals import Refused
from guzheng.store.blobs import read
from guzheng.store.memory import MemoryBlobs
from tests.stations.ledgers import (
    ORIGIN,
    SIGNER,
    append,
    leaf,
    open_ledger,
    require_all_well,
    require_no_fork,
)

TABLE = "ledger.sqlite"


class Kept:
    """A ledger whose every part a test can reach and damage."""

    def __init__(self, place: Path, *sizes: int) -> None:
        self.place = place
        self.blobs = MemoryBlobs()
        self.last_signed = MemoryLastSigned()
        self.notes: list[bytes] = []
        for start, end in zip((0, *sizes), sizes, strict=False):
            append(self.ledger(), range(start, end))
            self.ledger().integrate()
            self.notes.append(self.ledger().checkpoint())

    def ledger(self) -> Ledger:
        return open_ledger(self.place, blobs=self.blobs, last_signed=self.last_signed)

    def found(self) -> list[tuple[str, str]]:
        return [(damage.name, damage.code) for damage in fsck(self.ledger())]

    def edit_table(self, statement: str, *parameters: object) -> None:
        """As somebody who owns the file and knows what he is doing."""
        connection = sqlite3.connect(self.place / "ledger.sqlite")
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (guard,) in connection.execute(query).fetchall():
            connection.execute(f"DROP TRIGGER {guard}")
        connection.execute(statement, parameters)
        connection.commit()
        connection.close()

    def edit_row(self, index: int, octets: bytes) -> None:
        self.edit_table("UPDATE entry SET leaf = ? WHERE idx = ?", octets, index)

    def lose_table(self) -> None:
        for path in self.place.glob("ledger.sqlite*"):
            path.unlink()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path, 10, 300, 700)


def test_a_sound_ledger_has_no_findings(kept: Kept, tmp_path: Path) -> None:
    assert kept.found() == []
    assert list(fsck(open_ledger(tmp_path / "empty"))) == []


def test_every_changed_blob_is_named(kept: Kept) -> None:
    for name in list(kept.blobs.names()):
        octets = read(kept.blobs, name)
        for at in {0, len(octets) // 2, len(octets) - 1}:
            changed = bytearray(octets)
            changed[at] ^= 0x10
            kept.blobs.replace(name, bytes(changed))
            assert [found for found, _ in kept.found()] == [name], f"octet {at} of {name}"
        for length in (0, len(octets) - 1):
            kept.blobs.replace(name, octets[:length])
            assert [found for found, _ in kept.found()] == [name]
        kept.blobs.replace(name, octets + b"\x00")
        assert [found for found, _ in kept.found()] == [name]
        kept.blobs.replace(name, octets)
    assert kept.found() == []


def test_every_missing_blob_is_named(kept: Kept) -> None:
    for name in list(kept.blobs.names()):
        octets = read(kept.blobs, name)
        kept.blobs.remove(name)
        needed = True
        if name != f"{FOLDER}checkpoint":
            tile = Tile.parse(name.removeprefix(FOLDER))
            needed = tile == tiles.tile_at(tile.level, tile.index, 700)
        assert kept.found() == ([(name, "ledger.missing")] if needed else [])
        kept.blobs.put(name, [octets])


@pytest.mark.parametrize(
    "name",
    [
        "ledger/tile/0/002.p/189",  # wider than the table
        "ledger/tile/0/003",
        "ledger/tile/entries/003.p/1",
        "ledger/tile/1/000",
        "ledger/tile/2/000.p/1",
        "ledger/tile/0/0000",
        "ledger/tile/0/000.bak",
        "ledger/checkpoint.old",
        "ledger/x",
    ],
)
def test_every_extra_blob_is_named(kept: Kept, name: str) -> None:
    kept.blobs.put(name, [b"extra"])
    assert kept.found() == [(name, "ledger.extra")]


def test_every_changed_row_is_named(kept: Kept) -> None:
    for index in (0, 255, 256, 699):
        group = index // 256
        last = min(group * 256 + 255, 699)
        kept.edit_row(index, b"another")
        name = f"{TABLE} entries {group * 256}-{last}"
        assert kept.found() == [(name, "ledger.differs")]
        kept.edit_row(index, leaf(index))
    assert kept.found() == []


def test_missing_rows_are_named(kept: Kept) -> None:
    kept.edit_table("DELETE FROM entry WHERE idx >= 698")
    assert kept.found() == [
        (TABLE, "ledger.missing"),
        (f"{TABLE} entries 512-699", "ledger.missing"),
    ]


def test_a_row_in_the_middle_that_is_gone_is_named(kept: Kept) -> None:
    kept.edit_table("DELETE FROM entry WHERE idx = 300")
    assert kept.found() == [(f"{TABLE} entries 256-511", "ledger.missing")]


def test_a_rewritten_history_is_found_however_well_it_agrees(kept: Kept) -> None:
    """Table, bundles and tiles all forged alike: the signed root does not lie."""
    forged = [leaf(number) if number != 5 else b"forged" for number in range(700)]
    kept.edit_row(5, b"forged")
    hashes = [tree.leaf_hash(entry) for entry in forged]
    for width in (256, 10):
        bundle = tiles.bundle_of(forged[:width])
        kept.blobs.replace(FOLDER + str(Tile(tiles.ENTRIES, 0, width)), bundle)
        kept.blobs.replace(FOLDER + str(Tile(0, 0, width)), b"".join(hashes[:width]))
    roots = tree.root_of(hashes[:256]) + tree.root_of(hashes[256:512])
    kept.blobs.replace(f"{FOLDER}tile/1/000.p/2", roots)
    kept.blobs.replace(f"{FOLDER}tile/1/000.p/1", roots[:32])
    assert kept.found() == [(f"{FOLDER}checkpoint", "ledger.damaged-root")]


def test_a_fork_is_named(kept: Kept) -> None:
    fork = SIGNER.sign(Checkpoint(ORIGIN, 700, bytes(32)).encode()).encode()
    kept.last_signed.swap(kept.last_signed.read(), fork)
    assert kept.found()[0] == (f"{FOLDER}checkpoint", "ledger.fork")


def test_copies_of_the_checkpoint_that_lag_are_named(kept: Kept) -> None:
    newest = kept.notes[-1]
    kept.blobs.replace(f"{FOLDER}checkpoint", kept.notes[-2])
    assert kept.found() == [(f"{FOLDER}checkpoint", "ledger.stale")]
    kept.ledger().integrate()  # publishes what was signed
    assert kept.found() == []
    kept.last_signed.swap(newest, kept.notes[-2])
    assert kept.found() == [(MEMORY, "ledger.stale")]
    kept.last_signed.swap(kept.notes[-2], b"garbage")
    assert kept.found() == [(MEMORY, "ledger.differs")]


# -- rebuild -----------------------------------------------------------------------------------


def test_the_table_comes_back_from_the_bundles(kept: Kept) -> None:
    kept.lose_table()
    ledger = kept.ledger()
    assert rebuild_from_tiles(ledger) == 700
    assert ledger.entries.leaves(0, 1000) == [leaf(number) for number in range(700)]
    assert ledger.entries.exhibit_of(3) is None
    assert ledger.append(leaf(3), "ex_3") == 3  # the index of exhibits is made again like this
    assert ledger.entries.exhibit_of(3) == "ex_3"
    assert append(ledger, [700]) == [700]
    assert ledger.integrate().size == 701
    require_all_well(ledger)
    require_no_fork(ledger, kept.notes)


def test_rebuilding_what_is_whole_changes_nothing(kept: Kept, tmp_path: Path) -> None:
    append(kept.ledger(), range(700, 720))
    assert rebuild_from_tiles(kept.ledger()) == 720
    assert kept.ledger().entries.leaves(718, 1000) == [leaf(718), leaf(719)]
    assert kept.found() == []
    assert rebuild_from_tiles(open_ledger(tmp_path / "empty")) == 0


def test_tiles_of_a_tree_that_was_not_signed_are_cleared_away(kept: Kept) -> None:
    """Of a server that lived beside this one, and had fewer entries."""
    folder, strange = f"{FOLDER}tile/", [leaf(number) for number in range(9000, 9077)]
    hashes = b"".join(map(tree.leaf_hash, strange))
    names = [f"{folder}0/002.p/77", f"{folder}entries/002.p/77"]
    for name, octets in zip(names, (hashes, tiles.bundle_of(strange)), strict=True):
        kept.blobs.put(name, [octets])
    assert sorted(kept.found()) == [(name, "ledger.differs") for name in names]
    assert rebuild_from_tiles(kept.ledger()) == 700
    assert kept.found() == []
    assert not set(names) & set(kept.blobs.names(folder))


def test_the_memory_comes_back_from_the_published_checkpoint(kept: Kept) -> None:
    kept.lose_table()
    kept.last_signed = MemoryLastSigned()
    assert rebuild_from_tiles(kept.ledger()) == 700
    assert kept.last_signed.read() == kept.notes[-1]
    append(kept.ledger(), [700])
    kept.ledger().integrate()
    require_all_well(kept.ledger())


def test_entries_bundled_but_not_signed_keep_their_numbers(kept: Kept) -> None:
    ledger = kept.ledger()
    append(ledger, range(700, 800))
    edge = ledger._write_tiles(ledger.signed(), ledger.entries.size())  # and here the run dies
    assert edge.size == 800
    kept.blobs.remove(f"{FOLDER}tile/entries/002")  # what was not written yet
    kept.lose_table()
    ledger = kept.ledger()
    assert rebuild_from_tiles(ledger) == 700
    # Nobody has seen these numbers under a signature; other entries may have them now.
    assert append(ledger, range(900, 1000)) == list(range(700, 800))
    ledger.integrate()
    require_all_well(ledger)
    require_no_fork(ledger, kept.notes)


def test_entries_bundled_whole_come_back_beyond_the_signed_size(kept: Kept) -> None:
    ledger = kept.ledger()
    append(ledger, range(700, 800))
    ledger._write_tiles(ledger.signed(), ledger.entries.size())
    kept.lose_table()
    ledger = kept.ledger()
    assert rebuild_from_tiles(ledger) == 800
    assert append(ledger, [799]) == [799]
    ledger.integrate()
    require_all_well(ledger)


def test_damaged_bundles_are_not_believed(kept: Kept) -> None:
    kept.lose_table()
    name = f"{FOLDER}tile/entries/001"
    octets = bytearray(read(kept.blobs, name))
    octets[100] ^= 1
    kept.blobs.replace(name, bytes(octets))
    with pytest.raises(Refused) as refused:
        rebuild_from_tiles(kept.ledger())
    assert refused.value.code == "ledger.damaged-bundles"
    assert kept.ledger().entries.size() == 0


def test_a_table_that_differs_is_left_for_a_person(kept: Kept) -> None:
    kept.edit_row(256, b"another")
    with pytest.raises(Refused) as refused:
        rebuild_from_tiles(kept.ledger())
    assert refused.value.code == "ledger.table-differs"
