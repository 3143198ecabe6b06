"""A witness with a memory of its own, a key, and a clock that a test sets."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.cosigner.keys import open_cosigner
from guzheng.cosigner.serving import Answer
from guzheng.proof.note import Note, VerifierKey
from guzheng.witness.memory import FILE, Memory
from guzheng.witness.witness import Witness
from tests.witness.logs import Log, leaves

NAME = "witness.example/w1"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entropy(count: int) -> bytes:
    return hashlib.sha256(b"a seed for tests").digest()[:count]


@dataclass
class Place:
    """One data directory, which may be opened again, as after a restart."""

    directory: Path
    post_quantum: bool = False
    at: datetime = NOON
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def open(self) -> Witness:
        key = self.directory / "witness.key"
        memory = Memory(self.directory / FILE, may_be_made=not key.exists())
        cosigner = open_cosigner(key, NAME, post_quantum=self.post_quantum, entropy=entropy)
        return Witness(cosigner, memory, lambda: self.at, self._tell)

    def _tell(self, code: str, facts: dict[str, object]) -> None:
        self.told.append((code, facts))

    def later(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def log() -> Log:
    return Log(leaves(40))


@pytest.fixture
def witness(place: Place, log: Log) -> Iterator[Witness]:
    opened = place.open()
    opened.memory.add_log(log.key)
    yield opened
    opened.memory.close()


def cosigned(answer: Answer, note: Note, *vkeys: str) -> dict[VerifierKey, datetime | None]:
    """As a client does: what came back belongs under the checkpoint that was sent."""
    assert answer.status == 200, answer
    whole = Note.parse(note.encode() + answer.body)
    return whole.find_signed(VerifierKey.parse(one) for one in vkeys)
