"""The ledger: a number once and for all, one tree however it grew, papers to believe."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.ledger import FileLastSigned, Ledger, MemoryLastSigned, Signer
from guzheng.ledger.edge import Edge
from guzheng.ledger.ledger import FOLDER, MAX_LEAF
from guzheng.proof import tree
from guzheng.proof.note import Note, VerifierKey
from guzheng.proof.tiles import Tile
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Refused, Unavailable
from guzheng.store.memory import MemoryBlobs
from tests.stations.ledgers import (
    ORIGIN,
    SIGNER,
    append,
    leaf,
    open_ledger,
    require_all_well,
    require_no_fork,
    require_proves,
)


def root_of(count: int) -> bytes:
    return tree.root_of([tree.leaf_hash(leaf(number)) for number in range(count)])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(tmp_path)


# -- in ----------------------------------------------------------------------------------------


def test_numbers_are_given_in_order_and_once(ledger: Ledger) -> None:
    assert append(ledger, [0, 1]) == [0, 1]
    assert ledger.append(leaf(1), "ex_1") == 1  # "it failed" and "we did not hear" are alike
    assert append(ledger, [2, 1, 2, 3, 0]) == [2, 1, 2, 3, 0]
    assert ledger.entries.size() == 4
    assert ledger.entries.exhibit_of(3) == "ex_3"
    assert append(ledger, []) == []


def test_a_leaf_belongs_to_one_exhibit(ledger: Ledger) -> None:
    ledger.append(leaf(0), "ex_0")
    with pytest.raises(Refused) as refused:
        ledger.append_all([(leaf(1), "ex_1"), (leaf(0), "ex_other")])
    assert refused.value.code == "ledger.leaf-of-another"
    assert ledger.entries.size() == 1  # all of them, or none


@pytest.mark.parametrize("octets", [b"", bytes(MAX_LEAF + 1)])
def test_a_leaf_holds_digests_and_not_documents(ledger: Ledger, octets: bytes) -> None:
    with pytest.raises(Refused) as refused:
        ledger.append(octets, "ex_0")
    assert refused.value.code == "ledger.leaf-length"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET leaf = x'00' WHERE idx = 1",
        "DELETE FROM entry WHERE idx = 2",
        "INSERT INTO entry VALUES (7, x'00', 1)",
        "INSERT INTO entry VALUES (2, x'0000', 2)",
        "INSERT INTO entry VALUES (3, x'000000', 2)",
        "INSERT INTO entry VALUES (3, x'00', 0)",
        "INSERT OR REPLACE INTO entry VALUES (1, x'00', 1)",
        "INSERT OR REPLACE INTO entry SELECT 0, leaf, 1 FROM entry WHERE idx = 0",
        "INSERT OR IGNORE INTO entry VALUES (1, x'00', 1)",
        "REPLACE INTO entry_exhibit VALUES (1, 'ex_other')",
        "INSERT INTO entry_exhibit VALUES (3, 'ex_3')",
        "UPDATE entry_exhibit SET exhibit = 'ex_other'",
        "DELETE FROM entry_exhibit",
    ],
)
def test_the_tables_only_grow(ledger: Ledger, tmp_path: Path, statement: str) -> None:
    append(ledger, range(3))
    # As anybody with the file would, without the settings of our engine.
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        before = list(connection.execute("SELECT * FROM entry JOIN entry_exhibit USING (idx)"))
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        connection.rollback()
        after = list(connection.execute("SELECT * FROM entry JOIN entry_exhibit USING (idx)"))
    connection.close()
    assert before == after


# -- growing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 700])
def test_the_root_is_that_of_all_leaves(ledger: Ledger, size: int) -> None:
    append(ledger, range(size))
    checkpoint = ledger.integrate()
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, size)
    assert checkpoint.root == root_of(size)
    require_all_well(ledger)


def test_a_tree_with_three_levels_of_tiles(ledger: Ledger) -> None:
    size = 65_536 + 300
    notes = []
    for start, end in ((0, 65_535), (65_535, 65_536), (65_536, size)):
        append(ledger, range(start, end))
        assert ledger.integrate().root == root_of(end)
        notes.append(ledger.checkpoint())
    require_all_well(ledger)
    require_no_fork(ledger, notes)
    assert ledger.read("tile/1/000") is not None
    assert ledger.read("tile/2/000.p/1") == root_of(65_536)
    assert len(ledger.read("tile/0/256.p/44") or b"") == 0
    assert len(ledger.read("tile/0/257.p/44") or b"") == 44 * 32


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_however_it_grew_it_is_the_same_tree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    place = tmp_path_factory.mktemp("ledger")
    blobs, last_signed = MemoryBlobs(), MemoryLastSigned()
    ledger = open_ledger(place, blobs=blobs, last_signed=last_signed)
    size, notes = 0, []
    for step in steps:
        ledger = open_ledger(place, blobs=blobs, last_signed=last_signed)  # a restart each time
        append(ledger, range(size, size + step))
        size += step
        assert ledger.integrate().root == root_of(size)
        notes.append(ledger.checkpoint())
        for paper, number in ((ledger.prove(index), index) for index in range(0, size, 97)):
            require_proves(paper, leaf(number), VerifierKey.parse(ledger.vkey))
    require_all_well(ledger)
    require_no_fork(ledger, notes)


@given(st.integers(0, 1200), st.integers(0, 1200))
def test_a_resumed_edge_makes_what_a_fresh_one_makes(one: int, two: int) -> None:
    old, new = sorted((one, two))
    leaves = [leaf(number) for number in range(new)]
    made: dict[Tile, bytes] = {}
    fresh = Edge()
    made.update(fresh.grow(leaves[:old]))
    made.update(fresh.partial())
    resumed = Edge.resume(made.__getitem__, old)
    assert list(resumed.grow(leaves[resumed.whole : old])) == []
    assert resumed.root() == fresh.root()
    grown = dict(resumed.grow(leaves[resumed.whole :])) | dict(resumed.partial())
    whole = Edge()
    at_once = dict(whole.grow(leaves)) | dict(whole.partial())
    assert resumed.root() == whole.root()
    assert grown.items() <= at_once.items()
    assert {tile for tile in at_once if tile not in grown} <= set(made)


def test_integrating_with_nothing_new_signs_nothing(ledger: Ledger) -> None:
    append(ledger, range(3))
    first = ledger.integrate()
    note = ledger.checkpoint()
    assert ledger.integrate() == first
    assert ledger.checkpoint() == note


# -- out ---------------------------------------------------------------------------------------


def test_a_paper_is_asked_for_too_early(ledger: Ledger) -> None:
    with pytest.raises(Unavailable) as refused:
        ledger.prove(0)
    assert refused.value.code == "ledger.no-checkpoint"
    ledger.integrate()
    append(ledger, [0])
    for index in (0, 1, -1):
        with pytest.raises(Unavailable) as refused:
            ledger.prove(index)
        assert refused.value.code == "ledger.not-signed-yet"
    ledger.integrate()
    assert TlogProof.parse(ledger.prove(0)).index == 0


def test_what_is_served_and_what_is_not(ledger: Ledger) -> None:
    assert ledger.read("checkpoint") is None
    append(ledger, range(300))
    ledger.integrate()
    note = ledger.read("checkpoint")
    assert note is not None
    assert Note.parse(note).require_signed([SIGNER.key]) == (SIGNER.key,)
    assert ledger.read("tile/0/000") is not None
    assert ledger.read("tile/entries/001.p/44") is not None
    assert ledger.read("tile/1/000.p/1") is not None
    for path in (
        "",
        "/checkpoint",
        "checkpoint/",
        "tile/0/001",
        "tile/0/001.p/43",
        "tile/0/000.p/256",
        "tile/1/000",
        "tile/2/000",
        "../keys/ledger.key",
        "tile/../checkpoint",
        "tile/0/000\x00",
    ):
        assert ledger.read(path) is None, path


def test_a_tile_that_no_checkpoint_speaks_of_is_not_served(ledger: Ledger) -> None:
    append(ledger, range(3))
    ledger.integrate()
    ledger.blobs.put_all({f"{FOLDER}tile/0/000.p/9": bytes(9 * 32)})
    assert ledger.read("tile/0/000.p/9") is None


def test_a_partial_tile_may_have_given_way_to_the_full_one(ledger: Ledger) -> None:
    append(ledger, range(300))
    ledger.integrate()
    old = ledger.checkpoint()
    append(ledger, range(300, 600))
    ledger.integrate()
    for path in ("tile/0/001.p/44", "tile/entries/001.p/44"):
        ledger.blobs.remove(FOLDER + path)
    require_all_well(ledger)
    assert Note.parse(old).require_signed([SIGNER.key])
    assert ledger.tile(Tile(0, 1, 44)) == (ledger.read("tile/0/001") or b"")[: 44 * 32]


# -- what is refused ---------------------------------------------------------------------------


def test_a_table_from_an_old_backup_is_refused(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    append(ledger, range(5))
    ledger.integrate()
    append(ledger, range(5, 9))
    ledger.integrate()
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    restored = open_ledger(tmp_path)
    for act in (lambda: restored.append(leaf(99), "ex_99"), restored.integrate):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "ledger.table-behind"
    assert restored.entries.size() == 0


def test_a_table_that_tells_another_story_is_not_signed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    append(ledger, range(5))
    ledger.integrate()
    note = ledger.checkpoint()
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    other = open_ledger(tmp_path)
    other.entries.append([(leaf(number), f"ex_{number}") for number in (0, 1, 2, 9, 4, 5, 6)])
    with pytest.raises(Refused) as refused:
        other.integrate()
    assert refused.value.code == "ledger.damaged-root"
    assert other.checkpoint() == note == other.read("checkpoint")


def test_a_lost_memory_of_signing_is_not_made_up(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    append(ledger, range(5))
    ledger.integrate()
    (tmp_path / "ledger.signed").unlink()
    fresh = open_ledger(tmp_path)
    for act in (lambda: fresh.append(leaf(9), "ex_9"), fresh.integrate):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == "ledger.memory-lost"


def test_damage_below_an_entry_makes_no_paper(ledger: Ledger, tmp_path: Path) -> None:
    append(ledger, range(300))
    ledger.integrate()
    octets = bytearray(ledger.read("tile/0/000") or b"")
    octets[40] ^= 1
    sound = ledger.read("tile/0/000") or b""
    ledger.blobs.replace(f"{FOLDER}tile/0/000", bytes(octets))
    for index in (0, 1, 255):
        with pytest.raises(Refused) as refused:
            ledger.prove(index)
        assert refused.value.code == "ledger.damaged-entry"
    assert ledger.prove(290)  # its path has the root of that tile, which is sound
    ledger.blobs.replace(f"{FOLDER}tile/0/000", sound)
    assert ledger.prove(0)
    ledger.blobs.replace(f"{FOLDER}tile/0/000", bytes(octets))
    ledger = open_ledger(tmp_path)
    with pytest.raises(Refused) as refused:
        ledger.prove(0)
    ledger.blobs.remove(f"{FOLDER}tile/0/000")
    with pytest.raises(Refused) as refused:
        ledger.prove(0)
    assert refused.value.code == "ledger.damaged-tile"


def test_the_memory_is_swapped_only_by_who_read_it(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.integrate()
    note = ledger.checkpoint()
    with pytest.raises(Unavailable) as refused:
        ledger.last_signed.swap(None, b"another")
    assert refused.value.code == "ledger.signed-meanwhile"
    assert ledger.checkpoint() == note


def test_what_is_signed_while_a_program_starts_is_no_lost_memory(tmp_path: Path) -> None:
    """It reads what is published and what is signed, and another integrates in between."""
    other = open_ledger(tmp_path)
    append(other, range(3))
    other.integrate()

    class Interrupted(FileLastSigned):
        def read(self) -> bytes | None:
            note = super().read()
            append(other, range(other.entries.size() + 5))
            other.integrate()
            return note

    starting = open_ledger(tmp_path, last_signed=Interrupted(tmp_path / "ledger.signed"))
    assert append(starting, [1]) == [1]


def test_another_key_is_another_ledger(tmp_path: Path) -> None:
    append(open_ledger(tmp_path), range(3))
    open_ledger(tmp_path).integrate()
    stranger = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x08" * 32))
    with pytest.raises(Refused) as refused:
        open_ledger(tmp_path, signer=stranger).integrate()
    assert refused.value.code == "ledger.not-ours"


# -- many programs -----------------------------------------------------------------------------

MANY = """
import sys
from pathlib import Path
from tests.stations.ledgers import append, open_ledger
ledger = open_ledger(Path(sys.argv[1]))
for number in range(30):
    append(ledger, [number * 3 + int(sys.argv[2]), 1000 + number])
    if number % 4 == 0:
        ledger.integrate()
"""


def test_many_programs_append_and_integrate_at_once(tmp_path: Path) -> None:
    open_ledger(tmp_path)
    run = [sys.executable, "-c", MANY, str(tmp_path)]
    root = Path(__file__).parents[2]
    programs = [
        subprocess.Popen([*run, str(number)], cwd=root, stderr=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    said = [program.communicate(timeout=240)[1] for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0], said
    ledger = open_ledger(tmp_path)
    assert ledger.integrate().size == 120
    everything = {leaf(number) for number in (*range(90), *range(1000, 1030))}
    assert set(ledger.entries.leaves(0, 120)) == everything
    require_all_well(ledger)
