"""After a start the ledger asks its witnesses before it signs, whatever backup it came from."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.ledger import rebuild_from_tiles
from guzheng.ledger.ledger import CHECKPOINT
from guzheng.refusals import Refused, Unavailable
from tests.stations.ledgers import append, leaf, require_all_well, require_no_fork
from tests.stations.test_ledger_gathering import Three, bound
from tests.witnesses import three

TABLE = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")
MEMORY = ("ledger.signed",)


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three() as those:
        yield those


def grown(place: Path, witnesses: Three, size: int) -> bytes:
    ledger, gathering = bound(place, witnesses)
    append(ledger, range(size))
    return gathering.cosign(size - 1)


def copied(place: Path, to: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (to / name).unlink(missing_ok=True)
        if (place / name).exists():
            shutil.copy2(place / name, to / name)


@pytest.fixture
def restored(tmp_path: Path, witnesses: Three) -> tuple[Path, bytes]:
    """Everything from yesterday; the witnesses are of today."""
    place, backup = tmp_path / "ledger", tmp_path / "backup"
    grown(place, witnesses, 300)
    shutil.copytree(place, backup)
    return backup, grown(place, witnesses, 520)


def test_what_a_witness_has_seen_cannot_be_taken_back(
    restored: tuple[Path, bytes], witnesses: Three
) -> None:
    place, newest = restored
    ledger, gathering = bound(place, witnesses)
    signed = ledger.signed()
    assert signed is not None and signed.size == 300
    for attempt in (
        lambda: ledger.append(b"another leaf", "ex_other"),  # its number is taken
        ledger.integrate,
        lambda: gathering.cosign(300),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.code == "ledger.witness-ahead"
    assert ledger.entries.size() == 300
    assert ledger.last_signed.read() == ledger.checkpoint()
    # The way back: a mirror or another copy has the tiles, and the tiles have it all.
    shutil.copytree(place.with_name("ledger") / "blobs", place / "blobs", dirs_exist_ok=True)
    ledger, gathering = bound(place, witnesses)
    with pytest.raises(Refused, match=r"ledger\.memory-behind"):
        ledger.append(leaf(520), "ex_520")
    assert rebuild_from_tiles(ledger) == 520
    index = ledger.append(leaf(520), "ex_520")
    note = gathering.cosign(index)
    require_no_fork(ledger, [newest, note])
    require_all_well(ledger)
    assert ledger.entries.leaves(0, 600) == [leaf(number) for number in range(521)]


def test_other_entries_in_the_place_of_those_that_were_seen(
    tmp_path: Path, witnesses: Three
) -> None:
    """Set back with everything, and grown again with others: a fork if it were signed."""
    place, backup = tmp_path / "ledger", tmp_path / "backup"
    grown(place, witnesses, 300)
    shutil.copytree(place, backup)
    grown(place, witnesses, 520)
    for one in witnesses:
        one.mood = "down"
    ledger, gathering = bound(backup, witnesses)
    append(ledger, range(1000, 1300))  # numbered while nobody could be asked, and not signed
    with pytest.raises(Unavailable) as silent:
        gathering.cosign(599)
    assert silent.value.code == "ledger.witnesses-silent"
    for one in witnesses:
        one.mood = "well"
    ledger, gathering = bound(backup, witnesses)
    with pytest.raises(Refused) as refused:
        gathering.cosign(599)
    assert refused.value.code == "ledger.witness-differs"
    signed = ledger.signed()
    assert signed is not None and signed.size == 300


def test_an_empty_place_with_the_same_key(tmp_path: Path, witnesses: Three) -> None:
    grown(tmp_path / "ledger", witnesses, 10)
    ledger, gathering = bound(tmp_path / "anew", witnesses)
    with pytest.raises(Refused) as refused:
        ledger.append(leaf(0), "ex_0")
    assert refused.value.code == "ledger.witness-ahead"
    assert ledger.read(CHECKPOINT) is None
    assert gathering.cosigned_over(0) is None


@pytest.mark.parametrize("names", [MEMORY, (*TABLE, *MEMORY)])
def test_what_is_published_is_never_taken_back(
    tmp_path: Path, witnesses: Three, names: tuple[str, ...]
) -> None:
    """Memory, and perhaps the table, from yesterday's backup: no witness need be asked."""
    place, backup = tmp_path / "ledger", tmp_path / "backup"
    grown(place, witnesses, 300)
    shutil.copytree(place, backup)
    newest = grown(place, witnesses, 520)
    copied(backup, place, names)
    for one in witnesses:
        one.mood = "down"
    ledger, gathering = bound(place, witnesses)
    for attempt in (lambda: append(ledger, [900]), ledger.integrate):
        with pytest.raises((Refused, Unavailable)) as refused:
            attempt()
        assert refused.value.code in ("ledger.memory-behind", "ledger.witnesses-silent")
    assert ledger.entries.size() == (300 if names != MEMORY else 520)
    for one in witnesses:
        one.mood = "well"
    assert rebuild_from_tiles(ledger) == 520
    index = ledger.append(leaf(520), "ex_520")
    require_no_fork(ledger, [newest, gathering.cosign(index)])
    require_all_well(ledger)


@pytest.mark.parametrize("mood", ["down", "busy", "garbled", "hides"])
def test_it_signs_while_the_silent_ones_are_no_quorum(
    restored: tuple[Path, bytes], witnesses: Three, mood: str
) -> None:
    """Two of three: one that answers has seen whatever counts; of two silent ones it is not
    known. A lie counts as silence: nobody can stop the ledger by it, or make it sign."""
    place, _ = restored
    witnesses[0].mood = witnesses[1].mood = mood
    ledger, _ = bound(place, witnesses)
    with pytest.raises(Refused, match=r"ledger\.witness-ahead"):  # the third has seen it
        ledger.integrate()
    witnesses[2].mood = mood
    ledger, _ = bound(place, witnesses)
    ledger.append(b"another leaf", "ex_other")
    with pytest.raises(Unavailable, match=r"ledger\.witnesses-silent"):
        ledger.integrate()


def test_one_of_three_may_be_silent(tmp_path: Path, witnesses: Three) -> None:
    grown(tmp_path, witnesses, 10)
    witnesses[1].mood = "deaf"
    ledger, gathering = bound(tmp_path, witnesses, seconds=3.0)
    append(ledger, range(11))
    gathering.cosign(10)
    witnesses[0].mood = "down"
    ledger, gathering = bound(tmp_path, witnesses, seconds=3.0)
    append(ledger, range(12))
    with pytest.raises(Unavailable, match=r"ledger\.witnesses-silent"):
        gathering.cosign(11)
    assert witnesses[2].size(ledger.origin) == 11


def test_set_back_while_it_runs(restored: tuple[Path, bytes], witnesses: Three) -> None:
    """All had forgotten at the start; then one remembers."""
    place, _ = restored
    kept = [dict(one.seen) for one in witnesses]
    for one in witnesses:
        one.seen.clear()  # no witness keeps its promise
    ledger, gathering = bound(place, witnesses)
    (*_, index) = append(ledger, range(900, 910))
    witnesses[0].seen.update(kept[0])
    with pytest.raises(Refused, match=r"ledger\.witness-ahead"):
        gathering.cosign(index)
    with pytest.raises(Refused, match=r"ledger\.witness-ahead"):
        ledger.integrate()
