"""Anchors: against a real EVM, a calendar on loopback, an authority; killed, refused, away."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from eth_account import Account
from opentimestamps.core.serialize import BytesDeserializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile

from guzheng.fix import stamp
from guzheng.ledger.anchors import AnchorBook, Progress, StampAnchor
from guzheng.ledger.anchors.book import Anchor
from guzheng.ledger.anchors.evm import EvmAnchor, load_key
from guzheng.ledger.anchors.ots import OtsAnchor
from guzheng.proof import anchors, timestamp
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.store.memory import MemoryBlobs
from tests import anchoring
from tests.anchoring import CHAIN, Calendar, Evm
from tests.stations.ledgers import ORIGIN, SIGNER
from tests.stations.timestamps import NOON, issuer

HOUR = timedelta(hours=1)


def checkpoint(size: int, root: bytes = b"", origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, root or sha256(str(size).encode()).digest())


def note(of: Checkpoint) -> bytes:
    return SIGNER.sign(of.encode()).encode()


@pytest.fixture(scope="module")
def node() -> Iterator[Evm]:
    with anchoring.evm() as running:
        yield running


@pytest.fixture
def calendar() -> Iterator[Calendar]:
    with anchoring.calendar() as running:
        yield running


def evm_anchor(node: Evm, **other: object) -> EvmAnchor:
    settings: dict[str, object] = {
        "chain_id": CHAIN,
        "contract_address": node.address,
        "account": node.account,
        "timeout_seconds": 30,
    }
    return EvmAnchor("evm", node.url, **(settings | other))  # type: ignore[arg-type]


def ots_anchor(calendar: Calendar) -> OtsAnchor:
    return OtsAnchor("ots", calendar.url, timeout_seconds=30, entropy=lambda size: b"\5" * size)


def receipt_of(anchor: Anchor, at: Checkpoint, pending: bytes | None = None) -> bytes:
    deadline = time.monotonic() + 60
    while (progress := anchor.advance(at, pending)).receipt is None:
        assert time.monotonic() < deadline, "no receipt"
        if progress.pending == pending:
            time.sleep(0.02)  # sent, and in no block yet: a busy machine's node takes its time
        pending = progress.pending
    return progress.receipt


# ---- EVM ---------------------------------------------------------------------------------


def test_a_checkpoint_on_an_evm(node: Evm) -> None:
    at = checkpoint(5, origin="one.example/1")
    octets = receipt_of(evm_anchor(node), at)
    said = anchors.require_evm(octets, at)
    assert (said.chain_id, said.contract.hex()) == (CHAIN, node.address[2:].lower())
    # What another node would be asked says the same.
    held = node.rpc("eth_getTransactionReceipt", f"0x{said.transaction.hex()}")
    assert int(held["blockNumber"], 16) == said.block_number
    assert held["blockHash"] == f"0x{said.block.hex()}"
    with pytest.raises(ProofError, match=r"anchor\.evm-differs"):
        anchors.require_evm(octets, checkpoint(6, origin="one.example/1"))


def test_the_contract_refuses_rollback_fork_and_strangers(node: Evm) -> None:
    origin = "two.example/1"
    anchor = evm_anchor(node)
    receipt_of(anchor, checkpoint(8, origin=origin))
    receipt_of(anchor, checkpoint(8, origin=origin))  # the same again is fine
    for bad, why in (
        (checkpoint(7, origin=origin), "RolledBack"),
        (checkpoint(8, b"\7" * 32, origin), "Forked"),
    ):
        with pytest.raises(Refused) as refused:
            anchor.advance(bad, None)
        assert refused.value.code == "anchor.evm-refused"
        assert refused.value.found.startswith(why)
    stranger = evm_anchor(node, account=Account.create())
    with pytest.raises(Refused, match="NotTheAnchorer"):
        stranger.advance(checkpoint(9, origin=origin), None)
    receipt_of(anchor, checkpoint(9, origin=origin))


def test_killed_between_signing_and_receipt(node: Evm) -> None:
    """What was signed is sent again, and stays one transaction."""
    anchor, at = evm_anchor(node), checkpoint(3, origin="three.example/1")
    pending = anchor.advance(at, None).pending
    first = receipt_of(anchor, at, pending)
    assert receipt_of(evm_anchor(node), at, pending) == first


@pytest.mark.parametrize("late", [1, 2])
def test_a_receipt_that_comes_between_two_questions(node: Evm, late: int) -> None:
    """The block came after the receipt was asked for and before the nonce was: no other took
    its turn, and nothing is signed and paid for a second time."""
    at = checkpoint(4, origin=f"between-{late}.example/1")
    pending = evm_anchor(node).advance(at, None).pending
    first = receipt_of(evm_anchor(node), at, pending)
    with anchoring.slow_to_tell(node, receipts=late) as url:
        slow = EvmAnchor(
            "evm",
            url,
            chain_id=CHAIN,
            contract_address=node.address,
            account=node.account,
            timeout_seconds=30,
        )
        if late == 2:  # it says for longer that there is none: then a turn is lost, as it says
            assert slow.advance(at, pending) == Progress()
        else:
            assert slow.advance(at, pending) == Progress(receipt=first)


def test_a_nonce_that_another_took(node: Evm) -> None:
    anchor = evm_anchor(node)
    late = anchor.advance(checkpoint(1, origin="four.example/1"), None).pending
    receipt_of(anchor, checkpoint(2, origin="five.example/1"))
    assert anchor.advance(checkpoint(1, origin="four.example/1"), late) == Progress()
    receipt_of(anchor, checkpoint(1, origin="four.example/1"), late)


def test_another_network_or_no_contract(node: Evm) -> None:
    for wrong in ({"chain_id": 1}, {"contract_address": "0x" + "11" * 20}):
        with pytest.raises(Refused) as refused:
            evm_anchor(node, **wrong).advance(checkpoint(1), None)
        assert refused.value.code == "anchor.evm-network"


def test_a_node_that_is_away_or_talks_nonsense(calendar: Calendar, node: Evm) -> None:
    for url in ("http://127.0.0.1:9", calendar.url):
        away = EvmAnchor(
            "evm",
            url,
            chain_id=CHAIN,
            contract_address=node.address,
            account=node.account,
            timeout_seconds=5,
        )
        with pytest.raises(Unavailable) as refused:
            away.advance(checkpoint(1), None)
        assert refused.value.code == "anchor.unavailable"


def test_a_key_file_is_nobody_elses(tmp_path: Path) -> None:
    account = Account.create()
    file = tmp_path / "evm.key"
    file.write_text(bytes(account.key).hex())
    file.chmod(0o600)
    assert load_key(file).address == account.address
    file.chmod(0o640)
    for bad in (file, tmp_path / "none"):
        with pytest.raises(Refused) as refused:
            load_key(bad)
        assert refused.value.code == "anchor.evm-key"
        assert bytes(account.key).hex() not in str(refused.value)


# ---- OpenTimestamps ----------------------------------------------------------------------


def test_a_promise_becomes_a_receipt(calendar: Calendar) -> None:
    anchor, at = ots_anchor(calendar), checkpoint(4)
    pending = anchor.advance(at, None).pending
    assert pending is not None
    assert anchor.advance(at, pending) == Progress(pending=pending)  # not yet
    with pytest.raises(ProofError, match=r"anchor\.ots-pending"):
        anchors.require_ots(pending, at.encode())
    calendar.height = 358_391
    receipt = anchor.advance(at, pending).receipt
    assert receipt is not None
    said = anchors.require_ots(receipt, at.encode())
    assert said.height == 358_391
    # The library of OpenTimestamps reads the same, and computes the same root.
    read = DetachedTimestampFile.deserialize(BytesDeserializationContext(receipt))
    roots = {
        message for message, one in read.timestamp.all_attestations() if hasattr(one, "height")
    }
    assert roots == {said.merkle_root}
    with pytest.raises(ProofError, match=r"anchor\.ots-differs"):
        anchors.require_ots(receipt, checkpoint(5).encode())


@pytest.mark.parametrize("mood", ["refuses", "garbles"])
def test_a_calendar_that_misbehaves(calendar: Calendar, mood: str) -> None:
    anchor = ots_anchor(calendar)
    pending = anchor.advance(checkpoint(4), None).pending
    calendar.mood, calendar.height = mood, 1
    for held in (None, pending):
        with pytest.raises(Unavailable) as refused:
            anchor.advance(checkpoint(4), held)
        assert refused.value.code == "anchor.unavailable"


# ---- RFC 3161 ----------------------------------------------------------------------------


def test_a_token_over_the_note_body() -> None:
    by = issuer()
    authority = by.authority()
    anchor = StampAnchor(
        "court", lambda digest: stamp(authority, digest, nonce=1, roots=(by.root,))
    )
    octets = receipt_of(anchor, checkpoint(4))
    token = timestamp.parse(octets)
    timestamp.require_imprint(token, sha256(checkpoint(4).encode()).digest())
    assert token.attested_at == NOON


# ---- the book ----------------------------------------------------------------------------


@dataclass
class Slow:
    """An anchor that needs so many steps, and says what it was given."""

    name: str = "slow"
    suffix: str = "ots"
    steps: int = 3
    problem: Problem | None = None
    seen: list[bytes | None] = field(default_factory=list)

    def advance(self, at: Checkpoint, pending: bytes | None, /) -> Progress:
        self.seen.append(pending)
        if self.problem is not None:
            raise self.problem
        done = int(pending or b"0") + 1
        if done >= self.steps:
            return Progress(receipt=b"receipt of %d" % at.size)
        return Progress(pending=b"%d" % done)


@dataclass
class Clock:
    at: datetime = datetime(2026, 11, 21, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def book(*kinds: Anchor, blobs: MemoryBlobs | None = None) -> tuple[AnchorBook, Clock]:
    clock = Clock()
    return AnchorBook(blobs or MemoryBlobs(), ORIGIN, kinds, HOUR, clock), clock


def test_one_checkpoint_each_interval() -> None:
    held, clock = book()
    held.begin(note(checkpoint(1)))
    held.begin(note(checkpoint(5)))
    assert [one.size for one in held.anchored()] == [1]
    clock.at += HOUR
    held.begin(note(checkpoint(9)))
    held.begin(note(checkpoint(9)))
    assert [one.size for one in held.anchored()] == [1, 9]
    held.begin(note(checkpoint(10)), at_once=True)
    assert [one.size for one in held.anchored()] == [1, 9, 10]


def test_receipts_only_once_there_are_some() -> None:
    slow = Slow(steps=20)
    held, _ = book(slow)
    held.begin(note(checkpoint(1)))
    assert held.advance() == ()
    assert [one.receipts for one in held.anchored()] == [{}]
    while not next(held.anchored()).receipts:
        held.advance()
    assert next(held.anchored()).receipts == {"anchors/checkpoint.slow.ots": b"receipt of 1"}
    asked = len(slow.seen)
    held.advance()
    assert len(slow.seen) == asked, "who has given a receipt is not asked again"
    assert slow.seen == [None, *(b"%d" % one for one in range(1, 20))]


def test_one_that_is_away_hinders_no_other() -> None:
    away = Slow(name="away", problem=Unavailable("anchor.unavailable"))
    held, _ = book(away, Slow())
    held.begin(note(checkpoint(1)))
    assert [one.code for one in held.advance()] == ["anchor.unavailable"]
    assert list(next(held.anchored()).receipts) == ["anchors/checkpoint.slow.ots"]
    away.problem = None
    assert held.advance() == ()
    assert len(next(held.anchored()).receipts) == 2


def test_an_earlier_checkpoint_is_never_stated_after_a_later_one() -> None:
    """A contract that never goes back would refuse it for ever."""
    slow = Slow(problem=Unavailable("anchor.unavailable"))
    held, _ = book(slow)
    held.begin(note(checkpoint(1)))
    held.begin(note(checkpoint(2)), at_once=True)
    assert len(held.advance()) == 1
    assert len(slow.seen) == 1, "the second is not asked about before the first has its receipt"
    slow.problem = None
    assert held.advance() == ()
    assert [len(one.receipts) for one in held.anchored()] == [1, 1]


def test_what_everybody_has_is_looked_at_no_more() -> None:
    held, _ = book(Slow())
    held.begin(note(checkpoint(3)))
    held.advance()
    (one,) = held.unfinished()
    assert (one.after, one.size) == (0, 3)
    paper = "anchors/checkpoint.slow.ots"
    assert list(held.lacking(one, paper)) == [0, 1, 2]
    held.given(one, paper, [1])
    assert (held.lacking(one, paper), len(list(held.unfinished()))) == ([1], 1)
    held.given(one, paper, [])
    assert list(held.unfinished()) == []
    held.begin(note(checkpoint(7)), at_once=True)
    (one,) = held.unfinished()
    assert (one.after, one.size) == (3, 7)
    assert [one.size for one in held.anchored()] == [3, 7]


def test_killed_after_any_write() -> None:
    """What is durable is enough to go on from, and nothing is begun twice."""
    for survives in range(12):
        blobs = Mortal(survives)
        held, _ = book(Slow(), blobs=blobs)
        try:
            held.begin(note(checkpoint(1)))
            held.advance()
        except KeyboardInterrupt:
            blobs.survives = 1000
        held.begin(note(checkpoint(1)))
        held.advance()
        receipts = [one.receipts for one in held.anchored()]
        assert receipts == [{"anchors/checkpoint.slow.ots": b"receipt of 1"}], survives


class Mortal(MemoryBlobs):
    def __init__(self, survives: int) -> None:
        super().__init__()
        self.survives = survives

    def put(self, name: str, chunks: object) -> None:
        self._live()
        super().put(name, chunks)  # type: ignore[arg-type]

    def replace(self, name: str, octets: bytes) -> None:
        self._live()
        super().replace(name, octets)

    def _live(self) -> None:
        self.survives -= 1
        if self.survives < 0:
            raise KeyboardInterrupt


def test_another_ledger_has_its_own_folder() -> None:
    held, _ = book()
    assert replace(held, origin="another.example/1").folder != held.folder
