"""Shards: a ledger turns to the next one, and nothing that was promised of it is lost."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guzheng.ledger import Numbered, fsck, rebuild_from_tiles, turning
from guzheng.ledger.ledger import CHECKPOINT, FIRST
from guzheng.ledger.row import begin_with_year
from guzheng.proof import shard as shard_proof
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Refused, Unavailable
from guzheng.store.directory import DirectoryBlobs
from tests.stations.ledgers import leaf, require_proves
from tests.stations.shards import enter, require_whole, shards_at
from tests.witnesses import Witness, three

ROOT = Path(__file__).parents[2]
Three = tuple[Witness, Witness, Witness]


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three(ml_dsa=True) as those:
        yield those


def turned(place: Path) -> None:
    shards = shards_at(place)
    enter(shards, range(5))
    turning.turn(shards.row, 2027)


def test_the_next_shard_begins_with_the_last_checkpoint(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    before = enter(shards, range(300))
    assert before[299] == Numbered(FIRST, 299)
    opened = turning.turn(shards.row, 2027)
    assert opened.ledger.origin == "ledger.example/1/2027"
    assert opened.ledger.entries.leaves(0, 9) == [
        shard_proof.leaf_of(shards.shard(FIRST).end or Checkpoint("", 0, b""))
    ]
    named = enter(shards, range(290, 310))
    assert {number: named[number] for number in range(290, 300)} == {
        number: before[number] for number in range(290, 300)
    }, "the same leaf has the same name for ever"
    assert named[300] == Numbered("2027", 1)
    shards.integrate()
    for entry, number in ((before[7], 7), (named[305], 305)):
        key = shards.shard(entry.shard).ledger.signer.key
        require_proves(shards.prove(entry, leaf(number)), leaf(number), key)
        assert shards.exhibit_of(entry) == f"ex_{number}"
        assert shards.index_of(leaf(number)) == entry
    require_whole(shards, tmp_path, range(310))
    require_whole(shards_at(tmp_path), tmp_path, range(310))  # and so finds whoever starts


def test_a_closed_shard_signs_and_numbers_nothing(tmp_path: Path) -> None:
    turned(tmp_path)
    first = shards_at(tmp_path).shard(FIRST).ledger
    with pytest.raises(Refused) as refused:
        first.append(leaf(99), None)
    assert refused.value.code == "ledger.shard-closed"
    assert first.append(leaf(3), "ex_3") == 3  # what it has, it has
    with pytest.raises(Refused) as refused, first.last_signed.turn():
        first.last_signed.intend(b"another\n")
    assert refused.value.code == "ledger.shard-closed"
    with pytest.raises(Refused), first.last_signed.turn():
        first.last_signed.swap(first.last_signed.read(), b"another\n")
    assert first.integrate().size == 5


def test_a_second_turn_of_nothing_is_refused(tmp_path: Path) -> None:
    turned(tmp_path)
    row = shards_at(tmp_path).row
    with pytest.raises(Refused) as refused:
        turning.turn(row, 2027)
    assert refused.value.code == "ledger.shard-unused"


def test_a_key_that_must_go_within_a_year(tmp_path: Path) -> None:
    turned(tmp_path)
    shards = shards_at(tmp_path)
    for expected in ("2027-2", "2027-3", "2028"):
        enter(shards, [hash(expected) % 10**6])
        assert turning.turn(shards.row, int(expected[:4])).name == expected
    assert [one.name for one in shards_at(tmp_path).row.begun] == [
        FIRST,
        "2027",
        "2027-2",
        "2027-3",
        "2028",
    ]


def test_a_program_that_ran_on_over_new_year(tmp_path: Path) -> None:
    """It learns at its next append that its shard has ended."""
    slept = shards_at(tmp_path)
    enter(slept, range(5))
    turning.turn(shards_at(tmp_path).row, 2027)
    assert slept.row.open.name == FIRST
    assert slept.gathering.cosign_newest()  # its shard is signed to the end, and published
    assert enter(slept, [4, 5]) == {4: Numbered(FIRST, 4), 5: Numbered("2027", 1)}
    slept.integrate()
    require_whole(slept, tmp_path, range(6))


def test_many_append_while_it_turns(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    enter(shards, [0])
    named: dict[int, Numbered] = {}

    def work(first: int) -> None:
        own = shards_at(tmp_path)
        for number in range(first, first + 20):
            named.update(enter(own, [number]))

    threads = [threading.Thread(target=work, args=(100 * one,)) for one in (1, 2, 3)]
    for thread in threads:
        thread.start()
    turning.turn(shards.row, 2027)
    for thread in threads:
        thread.join()
    assert len(named) == 60
    again = shards_at(tmp_path)
    assert enter(again, sorted(named)) == named
    again.integrate()
    require_whole(again, tmp_path, [0, *named])


# -- by the calendar ---------------------------------------------------------------------------


def test_by_the_calendar(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    enter(shards, range(3))
    turning.keep(shards.row, datetime(2031, 1, 1, tzinfo=UTC))
    assert shards.row.open.name == FIRST, "a ledger of before turns only by hand"
    begin_with_year(shards.row.papers, 2026)
    turning.keep(shards.row, datetime(2026, 11, 30, tzinfo=UTC))
    assert shards.row.find("2027") is None
    turning.keep(shards.row, datetime(2026, 12, 10, tzinfo=UTC))
    prepared = shards.row.prepared
    assert prepared is not None
    note = prepared.ledger.read(CHECKPOINT)
    assert note is not None
    assert Checkpoint.parse(Note.parse(note).text).size == 0
    turning.keep(shards.row, datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert shards.row.open.name == FIRST
    turning.keep(shards.row, datetime(2027, 1, 1, tzinfo=UTC))
    assert shards.row.open.name == "2027"
    assert shards.row.open.ledger.vkey == prepared.ledger.vkey
    turning.keep(shards.row, datetime(2028, 6, 1, tzinfo=UTC))
    assert shards.row.open.name == "2027", "a shard that nobody used goes on"
    enter(shards, [3])
    turning.keep(shards.row, datetime(2028, 6, 2, tzinfo=UTC))
    assert shards.row.open.name == "2028"
    require_whole(shards, tmp_path, range(4))


# -- witnesses ---------------------------------------------------------------------------------


def test_nothing_is_closed_before_the_witnesses_know_the_next(
    tmp_path: Path, witnesses: Three
) -> None:
    shards = shards_at(tmp_path, witnesses=witnesses)
    enter(shards, range(3))
    shards.gathering.catch_up()
    for one in witnesses[1:]:
        one.knows = {"ledger.example/1"}
    with pytest.raises(Unavailable) as unavailable:
        turning.turn(shards.row, 2027)
    assert unavailable.value.code == "ledger.no-quorum"
    assert not turning.is_begun(shards.row)
    assert enter(shards, [3]) == {3: Numbered(FIRST, 3)}, "the old one goes on"
    for one in witnesses[1:]:
        one.knows = None  # their operators have added the key
    turning.turn(shards.row, 2027)
    entry = enter(shards, [4])[4]
    assert entry == Numbered("2027", 1)
    shards.cosign(entry)
    require_whole(shards, tmp_path, range(5))


def test_witnesses_that_fall_silent_in_the_middle(tmp_path: Path, witnesses: Three) -> None:
    """Closed and not yet begun: whoever enters is told to come again, and then goes on."""
    shards = shards_at(tmp_path, witnesses=witnesses)
    enter(shards, range(3))
    turning.prepare(shards.row, 2027)
    shards.open.close()
    for one in witnesses:
        one.mood = "busy"
    with pytest.raises(Unavailable):
        enter(shards, [3])
    for one in witnesses:
        one.mood = "well"
    assert enter(shards, [3]) == {3: Numbered("2027", 1)}
    shards.gathering.catch_up()
    require_whole(shards, tmp_path, range(4))


# -- what was lost or set back -----------------------------------------------------------------


def test_tables_are_made_again_shard_by_shard(tmp_path: Path) -> None:
    turned(tmp_path)
    shards = shards_at(tmp_path)
    named = enter(shards, range(3, 8))
    shards.integrate()
    for one in ("first", "2027"):
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"{one}.sqlite{suffix}").unlink(missing_ok=True)
    again = shards_at(tmp_path)
    assert {one.code for one in fsck(again.shard(FIRST).ledger)} == {"ledger.missing"}
    for shard in again.row.begun:
        rebuild_from_tiles(shard.ledger)
    assert enter(again, range(3, 8)) == named
    assert again.exhibit_of(named[3]) == "ex_3"
    require_whole(again, tmp_path, range(8))


def test_a_table_from_before_the_turn_gives_no_numbers(tmp_path: Path) -> None:
    """An old backup of the closed shard's table, which does not know that it is closed."""
    shards = shards_at(tmp_path)
    enter(shards, range(5))
    shards.integrate()
    backup = {one: one.read_bytes() for one in tmp_path.glob("first.sqlite*")}
    turning.turn(shards.row, 2027)
    for file, octets in backup.items():
        file.write_bytes(octets)
    again = shards_at(tmp_path)
    assert again.shard(FIRST).ledger.entries.closed() == 5
    assert enter(again, [4, 5]) == {4: Numbered(FIRST, 4), 5: Numbered("2027", 1)}
    again.integrate()
    require_whole(again, tmp_path, range(6))


def test_a_table_set_back_in_the_middle_of_the_turn(tmp_path: Path) -> None:
    """Its memory knows that it signed its last, and what it numbered since is nothing."""
    shards = shards_at(tmp_path)
    enter(shards, range(5))
    shards.integrate()
    backup = {one: one.read_bytes() for one in tmp_path.glob("first.sqlite*")}
    turning.prepare(shards.row, 2027)
    shards.open.close()
    shards.open.finish()
    for file, octets in backup.items():
        file.write_bytes(octets)
    again = shards_at(tmp_path)
    assert enter(again, [4, 5]) == {4: Numbered(FIRST, 4), 5: Numbered("2027", 1)}
    again.integrate()
    require_whole(again, tmp_path, range(6))


def test_a_memory_from_before_the_turn_signs_nothing(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    enter(shards, range(2))
    shards.integrate()
    memory = tmp_path / "keys/first/last.signed"
    older = memory.read_bytes()
    enter(shards, range(5))
    turning.turn(shards.row, 2027)
    memory.write_bytes(older)
    (tmp_path / "keys/first/last.signed.closed").unlink()
    first = shards_at(tmp_path).shard(FIRST).ledger
    with pytest.raises(Refused) as refused:
        first.integrate()
    assert refused.value.code in {"ledger.memory-behind", "ledger.shard-differs"}
    rebuild_from_tiles(first)
    require_whole(shards_at(tmp_path), tmp_path, range(5))


def test_keys_of_another_machine_are_not_signed_with(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    enter(shards, range(2))
    turning.prepare(shards.row, 2027)
    keys = tmp_path / "keys/2027"
    for file in keys.iterdir():
        file.unlink()  # as on a machine that had none, and then made its own
    other = shards_at(tmp_path)
    assert other.row.prepared is None
    assert other.row.waiting() == "2027"
    with pytest.raises(Refused) as refused:
        turning.turn(other.row, 2027)
    assert refused.value.code == "ledger.shard-key-of-another"
    assert not turning.is_begun(other.row)
    assert enter(other, [2]) == {2: Numbered(FIRST, 2)}


# -- what a stranger checks --------------------------------------------------------------------


def test_a_row_that_is_broken_is_seen(tmp_path: Path) -> None:
    turned(tmp_path)
    row = shards_at(tmp_path).row
    first, after = (one.ledger for one in row.begun)
    last, begins = Note.parse(first.checkpoint()), TlogProof.parse(after.prove(0))
    keys = (first.signer.key, after.signer.key)
    assert shard_proof.require_chained(last, keys[0], begins, keys[1]).size == 5
    shorter = first.signer.sign(Checkpoint(first.origin, 4, bytes(32)).encode())
    second = TlogProof(1, begins.path, begins.note)
    for note, proof, code in (
        (shorter, begins, "tree.not-included"),
        (last, second, "shard.not-first"),
    ):
        with pytest.raises(ProofError) as refused:
            shard_proof.require_chained(note, keys[0], proof, keys[1])
        assert refused.value.code == code
    with pytest.raises(ProofError):
        shard_proof.require_chained(last, keys[1], begins, keys[1])
    with pytest.raises(ProofError):
        shard_proof.require_chained(last, keys[0], begins, keys[0])


def test_what_is_no_paper_of_a_shard_is_named(tmp_path: Path) -> None:
    turned(tmp_path)
    shards = shards_at(tmp_path)
    DirectoryBlobs(tmp_path / "blobs").put("shards/2027/other", [b"x"])
    assert list(shards.row.extra()) == ["shards/2027/other"]


# -- kill -9 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["alone", "witnessed"])
def test_killed_at_every_step_of_the_turn(tmp_path: Path, how: str) -> None:
    run = [sys.executable, "-m", "tests.stations.shard_deaths", str(tmp_path), how]
    done = subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    died = done.stdout.split("\n")
    if how == "witnessed":
        assert len(died) > 10
        return
    for effect in (  # each of the five steps was among them
        "keys of 2027",
        "after blobs.put",
        "after memory 2027.swap",
        "before entries first.close",
        "after entries first.close",
        "after memory first.swap",
        "before memory first.close",
        "after memory first.close",
        "before entries 2027.append",
        "after entries 2027.append",
        "after blobs.replace",
    ):
        assert effect in died, effect
