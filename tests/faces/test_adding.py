"""Commitments of others: who may add them, what comes back; none is lost or doubled."""

import asyncio
import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.ledger import Adding, Numbered
from guzheng.proof import canonical, tree
from guzheng.proof.manifest import LEAF_LABEL
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Unavailable
from guzheng.web import create_app
from guzheng.web.crowd import Added, Crowd
from tests.faces.conftest import Face, serving

KEY = "a key that the operator gave out"
MAY = {"Authorization": f"Bearer {KEY}"}
OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True)
class Open:
    face: Face
    platform: Platform


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    platform = Platform(Config(tmp_path_factory.mktemp("adding"), ledger_keys=(digest,)))
    with serving(create_app(platform)) as face:
        yield Open(face, platform)


def commitment(number: int) -> bytes:
    return hashlib.sha256(b"somebody else's %d" % number).digest()


def test_ten_thousand_at_once(opened: Open) -> None:
    wanted = [commitment(one) for one in range(10_000)]
    answer = opened.face.client.post(
        "/api/ledger/entries", content=b"".join(wanted), headers=MAY | OCTETS
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "checkpointed"
    indexes = answer.json()["indexes"]
    assert len(set(indexes)) == 10_000
    for at in (0, 4711, 9_999):
        got = opened.face.client.get(f"/api/ledger/entries/{indexes[at]}/proof")
        proof = TlogProof.parse(got.content)
        leaf, head = tree.leaf_hash(LEAF_LABEL + wanted[at]), proof.checkpoint
        tree.require_included(leaf, indexes[at], head.size, proof.path, head.root)
    again = opened.face.client.post(
        "/api/ledger/entries", content=b"".join(wanted), headers=MAY | OCTETS
    )
    assert again.json()["indexes"] == indexes


def test_json_is_as_good(opened: Open) -> None:
    answer = opened.face.client.post(
        "/api/ledger/entries?wait=sequenced",
        json={"commitments": [commitment(-1).hex(), commitment(-1).hex()]},
        headers=MAY,
    )
    assert answer.status_code == 201
    first, second = answer.json()["indexes"]
    assert first == second
    assert answer.json()["state"] == "sequenced"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": f"Basic {KEY}"}]
)
def test_who_has_no_key_adds_nothing(opened: Open, headers: dict[str, str]) -> None:
    before = opened.platform.ledger.entries.size()
    answer = opened.face.client.post(
        "/api/ledger/entries", content=commitment(-2), headers=headers | OCTETS
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "ledger.may-not-add"
    assert opened.platform.ledger.entries.size() == before


def test_without_a_setting_nobody_may(face: Face) -> None:
    answer = face.client.post(
        "/api/ledger/entries", content=commitment(-3), headers=MAY | OCTETS
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"x" * 31, 422),
        (b"x" * 33, 422),
        (b"x" * 32 * 10_001, 422),
        (b"x" * 2**21, 413),
    ],
)
def test_a_body_of_another_size(opened: Open, body: bytes, status: int) -> None:
    before = opened.platform.ledger.entries.size()
    answer = opened.face.client.post("/api/ledger/entries", content=body, headers=MAY | OCTETS)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert opened.platform.ledger.entries.size() == before


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"commitments": "x"}', b'{"commitments": [1]}', b"\xff", b"[" * 9999],
)
def test_a_body_that_is_no_list(opened: Open, body: bytes) -> None:
    answer = opened.face.client.post(
        "/api/ledger/entries", content=body, headers=MAY | {"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "web.malformed-json"


def test_which_of_many_is_no_commitment_is_said(opened: Open) -> None:
    good = "00" * 32
    answer = opened.face.client.post(
        "/api/ledger/entries", json={"commitments": [good, good, "zz"]}, headers=MAY
    )
    assert answer.json()["found"] == "commitments[2]: 'zz'"


@pytest.mark.parametrize("index", ["-1", "99999999", "9" * 30, "x", "1.5"])
def test_no_proof_of_what_is_not_there(opened: Open, index: str) -> None:
    answer = opened.face.client.get(f"/api/ledger/entries/{index}/proof")
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_crowd_shares_its_checkpoints(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data"))
    adding = Adding(platform.ledger)
    crowd: dict[int, int] = {}

    def one(number: int) -> None:
        entry = platform.add_commitments([commitment(number)])[0]
        assert adding.wait(entry.number, 60)
        crowd[number] = entry.number

    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(crowd.values()) == list(range(40))
    signed = platform.ledger.signed()
    assert signed is not None
    assert signed.size == 40


def test_who_waits_is_told_what_keeps_it(tmp_path: Path) -> None:
    platform = Platform(Config(tmp_path / "data"))
    adding = Adding(platform.ledger)
    assert adding.wait(platform.add_commitments([commitment(1)])[0].number, 60)
    index = platform.add_commitments([commitment(2)])[0].number
    memory = tmp_path / "data/keys/last-signed.checkpoint"
    kept = memory.read_bytes()
    memory.write_bytes(b"not a checkpoint")
    with pytest.raises(Exception, match="ledger") as told:
        adding.wait(index, 60)
    assert not isinstance(told.value, Unavailable) or told.value.act
    memory.write_bytes(kept)
    assert adding.wait(index, 60)  # mended: the same entries go on


@pytest.mark.parametrize("shards", [["first"], ["first"] * 3, ["2027"], ["first", "2027"]])
def test_an_answer_is_canonical_however_it_was_written(shards: list[str]) -> None:
    added = Added([Numbered(one, at) for at, one in enumerate(shards)], "checkpointed")
    assert added.encoded() == canonical.encode(added.value())


class Stumbling:
    """A ledger's door that has one fault of its own in the stage that is named."""

    def __init__(self, where: str) -> None:
        self._where = where

    def _step(self, name: str) -> None:
        if self._where == name:
            self._where = ""
            raise RuntimeError(f"a fault at {name}")

    def add_commitments(self, commitments: Sequence[bytes], /) -> list[Numbered]:
        self._step("sequence")
        return [Numbered("here", at) for at, _ in enumerate(commitments)]

    def wait_for_checkpoint(self, entry: Numbered, seconds: float, /) -> bool:
        self._step("checkpoint")
        return True

    def wait_for_quorum(self, entry: Numbered, /) -> None:
        self._step("cosign")


@pytest.mark.parametrize("where", ["sequence", "checkpoint", "cosign"])
def test_a_fault_is_told_to_who_waits_and_the_next_is_served(where: str) -> None:
    crowd = Crowd(Stumbling(where))

    async def ask() -> Added:
        return await asyncio.wait_for(crowd.add([commitment(1)], "cosigned"), 20)

    with pytest.raises(RuntimeError, match=where):
        asyncio.run(ask())
    assert asyncio.run(ask()).state == "cosigned"
