"""Receipts of checkpoints on systems of others: judged for what can be judged offline."""

import copy
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import anchors, canonical
from guzheng.proof.errors import ProofError, Undecided
from guzheng.proof.note import Checkpoint

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "ots"
AT = Checkpoint("ledger.example/1", 7, b"\7" * 32)
_ARGUMENTS = anchors.arguments_of(AT).hex()
RECEIPT: dict[str, Any] = {
    "schema": "guzheng.evm-anchor/1",
    "chain_id": 31337,
    "contract": "0x" + "c0" * 20,
    "transaction": {
        "hash": "0x" + "aa" * 32,
        "from": "0x" + "f0" * 20,
        "to": "0x" + "c0" * 20,
        "input": "0x7f00e393" + _ARGUMENTS,
    },
    "receipt": {
        "status": 1,
        "transaction_hash": "0x" + "aa" * 32,
        "block_hash": "0x" + "bb" * 32,
        "block_number": 12,
        "log": {
            "address": "0x" + "c0" * 20,
            "topics": [
                "0x" + anchors.TOPIC.hex(),
                "0x" + _ARGUMENTS[:64],
                "0x" + _ARGUMENTS[64:128],
            ],
            "data": "0x" + _ARGUMENTS[128:],
        },
    },
    "block": {
        "hash": "0x" + "bb" * 32,
        "number": 12,
        "timestamp": 1_795_000_000,
        "parent_hash": "0x" + "01" * 32,
        "state_root": "0x" + "02" * 32,
        "transactions_root": "0x" + "03" * 32,
        "receipts_root": "0x" + "04" * 32,
    },
}


def test_the_contracts_names_are_hashed_as_solidity_does() -> None:
    called = keccak(text="anchor(bytes32,uint64,bytes32,bytes32)")
    assert called[:4] == anchors.SELECTOR
    spoken = keccak(text="CheckpointAnchored(bytes32,uint64,bytes32,bytes32)")
    assert spoken == anchors.TOPIC


def test_a_receipt_that_speaks_of_this_checkpoint() -> None:
    said = anchors.require_evm(canonical.encode(RECEIPT), AT)
    assert (said.chain_id, said.block_number) == (31337, 12)
    assert str(said).startswith("chain 31337, contract 0xc0c0")


def leaves(value: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, (*path, name))
        else:
            yield (*path, name)


BOUND = [
    one for one in leaves(RECEIPT) if one[0] != "block" or one[1] in ("hash", "number")
]  # the roots are for asking a node


@pytest.mark.parametrize("path", BOUND, ids=".".join)
def test_every_field_that_binds(path: tuple[str, ...]) -> None:
    changed = copy.deepcopy(RECEIPT)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    value = inner[path[-1]]
    if path in {("chain_id",), ("transaction", "from")}:
        return  # stated, and to be asked of that network
    if isinstance(value, int):
        inner[path[-1]] = value + 1
    elif isinstance(value, list):
        inner[path[-1]] = value[:-1]
    else:
        inner[path[-1]] = value[:-1] + ("0" if value[-1] != "0" else "1")
    with pytest.raises(ProofError):
        anchors.require_evm(canonical.encode(changed), AT)


@pytest.mark.parametrize("path", list(leaves(RECEIPT)), ids=".".join)
def test_every_field_must_be_there_and_no_other(path: tuple[str, ...]) -> None:
    for less in (True, False):
        changed = copy.deepcopy(RECEIPT)
        inner = changed
        for name in path[:-1]:
            inner = inner[name]
        if less:
            del inner[path[-1]]
        else:
            inner["more"] = 1
        with pytest.raises(ProofError, match=r"paper\.malformed"):
            anchors.require_evm(canonical.encode(changed), AT)


@pytest.mark.parametrize(
    "other",
    [
        Checkpoint("ledger.example/2", 7, b"\7" * 32),
        Checkpoint("ledger.example/1", 8, b"\7" * 32),
        Checkpoint("ledger.example/1", 7, b"\x08" * 32),
        Checkpoint("ledger.example/1", 7, b"\7" * 32, ("another line",)),
    ],
)
def test_another_checkpoint(other: Checkpoint) -> None:
    with pytest.raises(ProofError, match=r"anchor\.evm-differs"):
        anchors.require_evm(canonical.encode(RECEIPT), other)


def test_a_receipt_has_one_spelling() -> None:
    with pytest.raises(ProofError):
        anchors.require_evm(json.dumps(RECEIPT).encode(), AT)
    shouting = copy.deepcopy(RECEIPT)
    shouting["contract"] = shouting["contract"].upper().replace("X", "x")
    with pytest.raises(ProofError, match=r"anchor\.malformed"):
        anchors.require_evm(canonical.encode(shouting), AT)


# ---- OpenTimestamps ----------------------------------------------------------------------


def test_the_best_known_proof_leads_to_the_block_that_has_it() -> None:
    octets = (VECTORS / "hello-world.txt.ots").read_bytes()
    header = bytes.fromhex((VECTORS / "block-358391.hex").read_text())
    before = octets.index(b"\x03\xf1") + 1
    ripemd_160 = "1df8859e60bc679503d16dcb870e6ce91a57e9df"
    reader = anchors._Ots(octets[before:])
    reader.timestamp(bytes.fromhex(ripemd_160), 0)
    (found,) = reader.blocks
    assert found.height == 358_391
    assert found.merkle_root == header[36:68]
    assert str(found).endswith(header[36:68][::-1].hex())


def test_an_operation_that_proves_little_is_left_undecided() -> None:
    octets = (VECTORS / "hello-world.txt.ots").read_bytes()
    with pytest.raises(Undecided, match=r"anchor\.ots-operation"):
        anchors.require_ots(octets, (VECTORS / "hello-world.txt").read_bytes())


def proof(steps: bytes, body: bytes = b"body") -> bytes:
    return anchors.OTS_MAGIC + b"\x01\x08" + sha256(body).digest() + steps


BLOCK = b"\x00" + anchors.BITCOIN + b"\x03\xf7\xef\x15"
PENDING = b"\x00" + anchors.PENDING + b"\x03\x02hi"
PATH = b"\xf0\x02ab\x08"


def test_a_fork_leads_to_a_block_and_to_a_promise() -> None:
    steps = b"\xff" + PENDING + b"\xf1\x01z\x08\x08" + BLOCK
    found = anchors.require_ots(proof(steps), b"body")
    twice = sha256(sha256(b"z" + sha256(b"body").digest()).digest()).digest()
    assert (found.height, found.merkle_root) == (358_391, twice)


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (PATH + PENDING, "anchor.ots-pending"),
        (PATH + BLOCK + b"\0", "anchor.malformed"),
        (PATH + BLOCK[:-1], "anchor.malformed"),
        (b"\xf0\x02ab" + BLOCK, "anchor.malformed"),  # no root has 34 octets
        (b"\xf0\x82\x00ab\x08" + BLOCK, "anchor.malformed"),  # a number in two ways
        (b"\x08" * 300 + BLOCK, "anchor.malformed"),
        (b"\xf0\xff\x1f" + bytes(4095) + b"\x08" + BLOCK, "anchor.malformed"),
        (b"\x67" + BLOCK, "anchor.ots-operation"),
        (b"", "anchor.malformed"),
        (b"\xff", "anchor.malformed"),
    ],
)
def test_proofs_that_are_none(steps: bytes, code: str) -> None:
    with pytest.raises(ProofError) as refused:
        anchors.require_ots(proof(steps), b"body")
    assert refused.value.code == code


def test_every_octet_of_a_proof_counts() -> None:
    good = proof(PATH + BLOCK)
    said = anchors.require_ots(good, b"body")
    for at in range(len(good)):
        changed = bytearray(good)
        changed[at] ^= 0x01
        try:
            found = anchors.require_ots(bytes(changed), b"body")
        except ProofError:
            continue
        assert found != said, f"octet {at} is said by nobody"


@given(st.binary(max_size=120))
def test_any_octets_are_refused_or_read(octets: bytes) -> None:
    read: Callable[[bytes], object]
    for read in (
        lambda given: anchors.require_ots(given, b"body"),
        lambda given: anchors.require_ots(proof(given), b"body"),
        lambda given: anchors.require_evm(given, AT),
    ):
        try:
            read(octets)
        except ProofError:
            continue
