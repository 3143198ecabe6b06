"""Cosignatures of witnesses: a quorum, whoever of them is late, away, lying or ahead."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.ledger import Gathering, HttpWitness, Ledger, Sizes
from guzheng.ledger.ledger import CHECKPOINT
from guzheng.proof.note import Checkpoint, Note, VerifierKey
from guzheng.proof.policy import LedgerPolicy, parse_ledger_policy, require_quorum
from guzheng.refusals import Refused, Unavailable
from tests.stations.ledgers import append, leaf, open_ledger, require_all_well, require_proves
from tests.witnesses import Witness, policy_of, three
from tests.world import now

SECONDS = 30.0  # only who is deaf is waited for so long, and no quorum waits for him
Three = tuple[Witness, Witness, Witness]


@pytest.fixture
def witnesses() -> Iterator[Three]:
    with three(ml_dsa=True) as those:
        yield those


def policy_for(ledger: Ledger, witnesses: Three, quorum: int) -> LedgerPolicy:
    logs = [str(one) for one in ledger.signer.keys]
    return parse_ledger_policy(policy_of(witnesses, quorum, logs))


def bound(
    place: Path, witnesses: Three, *, quorum: int = 2, seconds: float = SECONDS
) -> tuple[Ledger, Gathering]:
    """The ledger kept there, as a program that starts now opens it."""
    ledger = open_ledger(place)
    demanded = policy_for(ledger, witnesses, quorum)
    asked = [HttpWitness(one, timeout_seconds=seconds, now=now) for one in demanded.witnesses]
    sizes = Sizes(place / "sizes.json")
    return ledger, Gathering(ledger, demanded, asked, sizes, seconds=seconds)


def names(gathering: Gathering, note: bytes) -> set[str]:
    return {one.witness.name for one in require_quorum(gathering.policy, Note.parse(note))}


def test_all_are_asked_and_what_is_published_has_them_all(
    tmp_path: Path, witnesses: Three
) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    for size in (1, 2, 300, 700):
        (*_, index) = append(ledger, range(size))
        note = gathering.cosign(index)
        assert names(gathering, note) == {"court", "notary", "school"}
        assert ledger.read(CHECKPOINT) == note
        assert gathering.cosign(index) == note  # and nobody is asked again
        key = VerifierKey.parse(ledger.vkey)
        require_proves(ledger.prove(index, leaf(size - 1), note), leaf(size - 1), key)
    assert [one.asked for one in witnesses] == [4, 4, 4]
    assert len(Note.parse(ledger.checkpoint()).signatures) == 1  # the memory is the log's own
    require_all_well(ledger)


def together(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


MOODS = (
    ("slow", ""),
    ("deaf", "no answer"),
    ("down", "disconnected"),
    ("busy", "503"),
    ("garbled", "note.malformed"),
    ("forges", "note.bad-signature"),
    ("equivocates", "note.bad-signature"),
    ("silent-200", "cosignature"),
    ("boasts", "size"),
    ("endless", "more"),
    ("tomorrow", "T"),
)


@pytest.mark.parametrize(("mood", "_found"), MOODS)
def test_one_that_misbehaves_keeps_nobody_up(
    tmp_path: Path, witnesses: Three, mood: str, _found: str
) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(5))
    gathering.cosign(4)
    witnesses[1].mood, witnesses[1].delay_seconds = mood, 1.5
    append(ledger, range(10))
    assert names(gathering, gathering.cosign(9)) == {"court", "school"}
    append(ledger, range(15))
    assert names(gathering, gathering.cosign(14)) >= {"court", "school"}
    witnesses[1].mood = "well"
    witnesses[1].released.set()


@pytest.mark.parametrize(("mood", "found"), MOODS[2:])
def test_below_the_quorum_nothing_is_published(
    tmp_path: Path, witnesses: Three, mood: str, found: str
) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(5))
    before = gathering.cosign(4)
    for one in witnesses[1:]:
        one.mood = mood
    append(ledger, range(9))
    with pytest.raises(Unavailable) as awaited:
        gathering.cosign(8)
    assert awaited.value.code == "ledger.no-quorum"
    assert "notary" in awaited.value.found
    assert "school" in awaited.value.found
    assert "court" not in awaited.value.found
    assert found in awaited.value.found
    assert ledger.read(CHECKPOINT) == before
    assert gathering.cosigned_over(8) is None
    signed = ledger.signed()
    assert signed is not None and signed.size == 9  # checkpointed, and no more
    assert gathering.awaited(8) == ("notary", "school")
    require_all_well(ledger)
    for one in witnesses[1:]:
        one.mood = "well"
    assert names(gathering, gathering.cosign(8)) == {"court", "notary", "school"}
    assert gathering.awaited(8) == ()


def test_a_wrong_hint_costs_a_round_trip_and_nothing_else(
    tmp_path: Path, witnesses: Three
) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(40))
    gathering.cosign(39)
    for hint in (b'{"court":3,"notary":99999,"school":"x"}', b"not JSON", b""):
        (tmp_path / "sizes.json").write_bytes(hint)
        ledger, gathering = bound(tmp_path, witnesses)
        size = ledger.entries.size() + 7
        append(ledger, range(size))
        assert len(names(gathering, gathering.cosign(size - 1))) == 3
        assert gathering.known_sizes() == dict.fromkeys(("court", "notary", "school"), size)


def test_many_who_wait_share_one_gathering(tmp_path: Path, witnesses: Three) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(1))
    gathering.cosign(0)
    for one in witnesses:
        one.mood, one.delay_seconds = "slow", 0.3
    before = witnesses[0].asked
    notes: list[bytes] = []

    def walk(number: int) -> None:
        index = ledger.append(leaf(number), f"ex_{number}")
        notes.append(gathering.cosign(index))

    threads = [threading.Thread(target=walk, args=(number,)) for number in range(1, 25)]
    together(threads)
    assert len(notes) == 24
    assert witnesses[0].asked - before <= 4
    assert all(require_quorum(gathering.policy, Note.parse(note)) for note in notes)


def test_many_who_wait_share_its_failure_too(tmp_path: Path, witnesses: Three) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(1))
    gathering.cosign(0)
    for one in witnesses[:2]:
        one.mood = "busy"
    codes: list[str] = []

    def walk(number: int) -> None:
        try:
            gathering.cosign(ledger.append(leaf(number), f"ex_{number}"))
        except Unavailable as awaited:
            codes.append(awaited.code)

    threads = [threading.Thread(target=walk, args=(number,)) for number in range(1, 13)]
    together(threads)
    assert codes == ["ledger.no-quorum"] * 12
    assert witnesses[0].asked <= 8


def test_what_comes_late_is_added_to_what_is_published(
    tmp_path: Path, witnesses: Three
) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(1))
    gathering.cosign(0)
    witnesses[2].mood, witnesses[2].delay_seconds = "slow", 30
    append(ledger, range(2))
    assert names(gathering, gathering.cosign(1)) == {"court", "notary"}
    witnesses[2].released.set()
    deadline = threading.Event()
    for _ in range(600):
        if len(names(gathering, ledger.read(CHECKPOINT) or b"")) == 3:
            break
        deadline.wait(0.05)
    assert len(names(gathering, ledger.read(CHECKPOINT) or b"")) == 3


def test_what_is_public_never_goes_back(tmp_path: Path, witnesses: Three) -> None:
    """Neither to an older checkpoint, nor to fewer cosignatures, nor to another tree."""
    ledger, gathering = bound(tmp_path, witnesses)
    append(ledger, range(5))
    older = gathering.cosign(4)
    append(ledger, range(9))
    newest = gathering.cosign(8)
    bare = ledger.checkpoint()
    assert ledger.publish(older) == newest
    assert ledger.publish(bare) == newest
    assert len(names(gathering, ledger.read(CHECKPOINT) or b"")) == 3
    fork = Checkpoint(ledger.origin, 9, bytes(32)).encode()
    with pytest.raises(Refused, match=r"ledger\.fork"):
        ledger.publish(ledger.signer.sign(fork).encode())
    with pytest.raises(Refused, match=r"ledger\.not-ours"):
        ledger.publish(Note(fork, Note.parse(bare).signatures).encode())
    assert ledger.read(CHECKPOINT) == newest


def test_what_nobody_waits_for_is_published_too(tmp_path: Path, witnesses: Three) -> None:
    ledger, gathering = bound(tmp_path, witnesses)
    gathering.catch_up()
    assert ledger.read(CHECKPOINT) is None
    append(ledger, range(300))
    gathering.catch_up()
    assert gathering.cosigned_over(299) is not None
    asked = witnesses[0].asked
    gathering.catch_up()
    assert witnesses[0].asked == asked


def test_two_programs_gather_at_once(tmp_path: Path, witnesses: Three) -> None:
    """One is overtaken by the other's larger checkpoint, and takes it or a later one."""
    one, other = bound(tmp_path, witnesses), bound(tmp_path, witnesses)
    proved: list[bytes] = []

    def walk(ledger: Ledger, gathering: Gathering, first: int) -> None:
        for number in range(first, first + 12):
            index = ledger.append(leaf(number), f"ex_{number}")
            for _ in range(50):
                with contextlib.suppress(Unavailable):  # busy with the other: a job asks again
                    proved.append(ledger.prove(index, leaf(number), gathering.cosign(index)))
                    break

    threads = [
        threading.Thread(target=walk, args=(*one, 0)),
        threading.Thread(target=walk, args=(*other, 100)),
    ]
    together(threads)
    assert len(proved) == 24
    require_all_well(one[0])
    assert one[0].entries.size() == 24


def test_a_policy_without_urls_or_with_bad_ones_is_refused(
    tmp_path: Path, witnesses: Three
) -> None:
    for url in ("", "ftp://court.example", "http://"):
        witnesses[0].url = url
        with pytest.raises(Refused) as refused:
            bound(tmp_path, witnesses)
        assert refused.value.code == "ledger.witness-url"
