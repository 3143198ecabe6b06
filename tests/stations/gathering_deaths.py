"""A program that kills itself at every step between a leaf and its proof, with witnesses.

Run by test_ledger_gathering_crash as a program, as ledger_deaths is: one child for each
moment dies, another takes over what was left and does what a job does. The witnesses live in
this process and are never killed: what they have seen is what nobody can take back.
"""

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from guzheng.ledger import FileLastSigned, Gathering, HttpWitness, Ledger, Sizes
from guzheng.ledger.ledger import CHECKPOINT
from guzheng.proof.note import Note, require_checkpoint
from guzheng.proof.policy import Witness as Known
from guzheng.proof.policy import parse_ledger_policy, require_quorum
from guzheng.proof.tlogproof import TlogProof
from guzheng.store.blobs import find
from guzheng.store.directory import DirectoryBlobs
from tests.stations.ledger_deaths import (
    SEEN,
    Death,
    DyingBlobs,
    DyingLastSigned,
    WatchedSigner,
    in_a_child,
)
from tests.stations.ledgers import (
    leaf,
    open_ledger,
    require_all_well,
    require_no_fork,
    require_proves,
)
from tests.witnesses import Witness, policy_of, three

FIRST, LEAVES = 3, 6  # so many are proved before anything dies, and so many in the end


class DyingWitness(HttpWitness):
    """The first one asked: dies before it is asked, and when it has answered."""

    def __init__(self, witness: Known, at: Death) -> None:
        super().__init__(witness, timeout_seconds=20)
        self._at = at

    def add_checkpoint(self, old: int, proof: Sequence[bytes], note: bytes) -> Note:
        self._at("before asking")
        cosigned = super().add_checkpoint(old, proof, note)
        self._at("after asking")
        return cosigned


def bound(place: Path, witnesses: Sequence[Witness], at: Death) -> tuple[Ledger, Gathering]:
    ledger = open_ledger(
        place,
        blobs=DyingBlobs(DirectoryBlobs(place / "blobs"), at),
        last_signed=DyingLastSigned(FileLastSigned(place / "ledger.signed"), at),
        signer=WatchedSigner(place),
    )
    demanded = parse_ledger_policy(policy_of(witnesses, 2, [ledger.vkey]))
    asked: list[HttpWitness] = [DyingWitness(demanded.witnesses[0], at)]
    asked += [HttpWitness(one, timeout_seconds=20) for one in demanded.witnesses[1:]]
    sizes = Sizes(place / "sizes.json")
    return ledger, Gathering(ledger, demanded, asked, sizes, seconds=20)


def walk(
    place: Path, witnesses: Sequence[Witness], at: Death, numbers: range
) -> tuple[Ledger, Gathering]:
    """What the road does between a leaf and its paper."""
    ledger, gathering = bound(place, witnesses, at)
    papers = DirectoryBlobs(place / "papers")
    for number in numbers:
        if find(papers, f"{number}.tlog-proof") is None:
            index = ledger.append(leaf(number), f"ex_{number}")
            proof = ledger.prove(index, leaf(number), gathering.cosign(index))
            at("before the proof")
            papers.put(f"{number}.tlog-proof", [proof])
            at("after the proof")
    return ledger, gathering


def nothing(_name: str) -> None:
    return


def die_at(place: Path, witnesses: Sequence[Witness], moment: int) -> None:
    count = 0
    walk(place, witnesses, nothing, range(FIRST))

    def at(_name: str) -> None:
        nonlocal count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    walk(place, witnesses, at, range(FIRST, FIRST + 1))


def look(place: Path, witnesses: Sequence[Witness]) -> None:
    published = find(DirectoryBlobs(place / "blobs"), "ledger/checkpoint")
    ledger, gathering = walk(place, witnesses, nothing, range(LEAVES))
    demanded = gathering.policy
    assert ledger.entries.leaves(0, 99) == [leaf(number) for number in range(LEAVES)]
    papers = DirectoryBlobs(place / "papers")
    for number in range(LEAVES):
        proof = find(papers, f"{number}.tlog-proof")
        assert proof is not None
        require_proves(proof, leaf(number), ledger.signer.key)
        require_quorum(demanded, TlogProof.parse(proof).note)
    if published is not None:  # what was public when it died had the quorum too
        require_quorum(demanded, Note.parse(published))
        require_checkpoint(Note.parse(published), ledger.signer.key)
    require_quorum(demanded, Note.parse(ledger.read(CHECKPOINT) or b""))
    notes = (place / SEEN).read_bytes().split(b"\x00")[:-1]
    seen = [one.seen[ledger.origin] for one in witnesses]
    require_no_fork(ledger, [*notes, *seen])
    require_all_well(ledger)


def main(root: Path) -> None:
    moment, died = 0, True
    while died:
        moment += 1
        place = root / str(moment)
        place.mkdir(parents=True)
        with three() as witnesses:
            status = in_a_child(partial(die_at, place, witnesses, moment))
            died = status == signal.SIGKILL
            assert died or status == 0, status
            assert in_a_child(partial(look, place, witnesses)) == 0, f"moment {moment}"
        print(moment, "died" if died else "lived", flush=True)  # noqa: T201  # a program


if __name__ == "__main__":
    main(Path(sys.argv[1]))
