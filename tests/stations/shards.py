"""Rows of shards for tests: small, real, in any place; and what must hold of all of them."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast

from sqlalchemy import Engine

from guzheng.ledger import (
    FileLastSigned,
    Gathering,
    HttpWitness,
    LastSigned,
    Ledger,
    Numbered,
    Row,
    Shards,
    Signer,
    Sizes,
    open_signer,
)
from guzheng.ledger.chained import chain_findings
from guzheng.ledger.lastsigned import CellLastSigned
from guzheng.ledger.ledger import FIRST
from guzheng.ledger.records import Entries
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.policy import parse_ledger_policy
from guzheng.proof.report import Outcome
from guzheng.store.blobs import Blobs
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.lease import Place
from guzheng.store.records import drawer, open_database, open_engine
from guzheng.store.s3 import Bucket, Cell, S3Blobs
from guzheng.store.server import ServerLeases
from tests.stations.ledger_deaths import SEEN
from tests.stations.ledgers import leaf, require_all_well, require_no_fork
from tests.witnesses import Witness, policy_of

Death = Callable[[str], None]
Memory = Callable[[str], LastSigned]


def nothing(_name: str) -> None:
    return


class Dying:
    """A port as it is; before and after each of its effects somebody may die."""

    def __init__(self, real: object, name: str, verbs: Sequence[str], at: Death) -> None:
        self._real, self._name, self._verbs, self._at = real, name, verbs, at

    def __getattr__(self, verb: str) -> object:
        real = getattr(self._real, verb)
        if verb not in self._verbs:
            return real

        def effect(*given: object, **named: object) -> object:
            self._at(f"before {self._name}.{verb}")
            result = real(*given, **named)
            self._at(f"after {self._name}.{verb}")
            return result

        return effect


class Watched(Signer):
    """Every signature is written down, even one that nobody was ever shown."""

    def __init__(self, real: Signer, place: Path) -> None:
        super().__init__(real.key.name, real._private, real.further)
        self._place = place

    def sign(self, text: bytes) -> Note:
        note = super().sign(text)
        with (self._place / SEEN).open("ab") as seen:
            seen.write(note.encode() + b"\x00")
        return note


def signed_ever(place: Path, origin: str) -> list[bytes]:
    notes = (place / SEEN).read_bytes().split(b"\x00")[:-1]
    return [one for one in notes if Checkpoint.parse(Note.parse(one).text).origin == origin]


def shards_at(
    place: Path,
    *,
    at: Death = nothing,
    witnesses: Sequence[Witness] = (),
    quorum: int = 2,
    blobs: Blobs | None = None,
    engine: Callable[[str], Engine] | None = None,
    memory: Memory | None = None,
    leases: Place | None = None,
) -> Shards:
    """What is kept in this place, as a program that starts now opens it."""
    place.mkdir(parents=True, exist_ok=True)
    kept = Dying(
        blobs or DirectoryBlobs(place / "blobs"), "blobs", ("put", "put_all", "replace"), at
    )

    def opened(shard: str, origin: str | None, *, make: bool) -> Ledger:
        folder = place / "keys" / shard
        assert make or folder.exists(), f"the keys of {shard} are not there"
        signer = open_signer(folder, origin, os.urandom)
        at(f"keys of {shard}")
        real = memory(shard) if memory else FileLastSigned(folder / "last.signed")
        ledger = Ledger(
            engine(shard) if engine else open_engine(place / f"{shard}.sqlite"),
            cast(Blobs, kept),  # type: ignore[arg-type]  # a store of tiles, too
            Watched(signer, place),
            cast(LastSigned, Dying(real, f"memory {shard}", ("intend", "swap", "close"), at)),
            shard,
        )
        dying = Dying(ledger.entries, f"entries {shard}", ("append", "close"), at)
        ledger.entries = cast(Entries, dying)
        return ledger

    first = opened(FIRST, "ledger.example/1", make=True)
    row = Row(first, cast(Blobs, kept), opened, leases or place / "leases")
    if witnesses:
        row.bind(lambda ledger: gathering_of(place, ledger, witnesses, quorum))
    return Shards(row)


def scaled_shards(place: Path, url: str, bucket: Bucket, at: Death = nothing) -> Shards:
    """As many machines have it: entries in PostgreSQL, tiles and memory in S3."""
    database = open_database(url)
    leases = ServerLeases(database)
    return shards_at(
        place,
        at=at,
        blobs=S3Blobs(bucket),
        engine=lambda shard: drawer(database, f"ledger-{shard}"),
        memory=lambda shard: CellLastSigned(Cell(bucket, f"last-{shard}"), leases),
        leases=leases,
    )


def gathering_of(
    place: Path, ledger: Ledger, witnesses: Sequence[Witness], quorum: int
) -> Gathering:
    demanded = parse_ledger_policy(policy_of(witnesses, quorum, [ledger.vkey]))
    asked = [HttpWitness(one, timeout_seconds=20) for one in demanded.witnesses]
    sizes = Sizes(place / f"sizes-{ledger.shard}.json")
    return Gathering(ledger, demanded, asked, sizes, seconds=20)


def enter(shards: Shards, numbers: Iterable[int]) -> dict[int, Numbered]:
    wanted = list(numbers)
    named = shards.append_all([(leaf(number), f"ex_{number}") for number in wanted])
    return dict(zip(wanted, named, strict=True))


def require_whole(shards: Shards, place: Path, numbers: Iterable[int]) -> None:
    """Every leaf is in one shard, once; each shard is one tree; and each begins where the one
    before ended, after which that one signed nothing."""
    row = shards.row
    found: list[bytes] = []
    for shard in row.begun:
        end = shard.end.size if shard.end else shard.ledger.entries.size()
        found += shard.ledger.entries.leaves(0 if shard.name == FIRST else 1, end)
        notes = signed_ever(place, shard.ledger.origin)
        require_no_fork(shard.ledger, notes)
        require_all_well(shard.ledger)
        if shard.end is not None:
            sizes = [Checkpoint.parse(Note.parse(one).text).size for one in notes]
            assert max(sizes) == shard.end.size
    wanted = sorted(leaf(number) for number in numbers)
    assert sorted(found) == wanted
    findings = list(chain_findings(row))
    assert len(findings) == len(row.begun) - 1
    assert all(one.outcome is Outcome.PASSED for one in findings), findings
    assert list(row.extra()) == []
