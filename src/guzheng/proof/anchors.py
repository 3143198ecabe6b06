"""Receipts of a checkpoint on systems of others: what they say, as far as they can be judged.

Three kinds, over the note body of one checkpoint (docs/spec/anchors.md). An RFC 3161 token is
judged fully, by timestamp.py. A receipt of an EVM contract and an OpenTimestamps proof are
judged for speaking of exactly this checkpoint; that the network they name holds them can only
be asked of a node of that network, and nothing here claims it. What they say is given back.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from guzheng.proof import canonical
from guzheng.proof.errors import DigestMismatch, Malformed, Refuted, Undecided, require
from guzheng.proof.fields import Fields
from guzheng.proof.note import Checkpoint

# ---- EVM: the contract CheckpointAnchor --------------------------------------------------

EVM_SCHEMA = "guzheng.evm-anchor/1"
# Keccak-256 of anchor(bytes32,uint64,bytes32,bytes32), its first four octets; and of
# CheckpointAnchored(bytes32,uint64,bytes32,bytes32): Solidity ABI, selectors and events.
SELECTOR = bytes.fromhex("7f00e393")
TOPIC = bytes.fromhex("8a52f76f27660c467788fef5636f6aae8d50a3f8ef9981e6f3f1ad6e4a0c342c")
_HEXADECIMAL = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class EvmReceipt:
    """What a node said of one transaction: ask another node whether it says the same."""

    chain_id: int
    contract: bytes
    transaction: bytes
    block_number: int
    block: bytes

    def __str__(self) -> str:
        where = f"chain {self.chain_id}, contract 0x{self.contract.hex()}"
        block = f"block {self.block_number} (0x{self.block.hex()})"
        return f"{where}, transaction 0x{self.transaction.hex()}, {block}"


def arguments_of(checkpoint: Checkpoint) -> bytes:
    """What the contract is called with: origin's hash, size, root, the note body's hash."""
    origin, body = sha256(checkpoint.origin.encode()), sha256(checkpoint.encode())
    size = checkpoint.size.to_bytes(32, "big")
    return origin.digest() + size + checkpoint.root + body.digest()


def require_evm(octets: bytes, checkpoint: Checkpoint) -> EvmReceipt:
    """The receipt is in its form, agrees with itself, and speaks of this checkpoint."""
    fields = Fields(canonical.parse_object(octets), "anchor")
    fields.one_of("schema", (EVM_SCHEMA,))
    chain_id, contract = fields.count("chain_id"), _octets(fields, "contract", 20)
    sent = Fields(fields.take("transaction"), "anchor.transaction")
    transaction, wanted = _octets(sent, "hash", 32), arguments_of(checkpoint)
    _octets(sent, "from", 20)
    _require_same(_octets(sent, "to", 20), contract, "the contract called")
    _require_same(_octets(sent, "input"), SELECTOR + wanted, "what the contract was told")
    sent.end()
    got = Fields(fields.take("receipt"), "anchor.receipt")
    require(got.count("status") == 1, Refuted, "anchor.evm-reverted", "status 1", "another")
    _require_same(_octets(got, "transaction_hash", 32), transaction, "its transaction")
    block, number = _octets(got, "block_hash", 32), got.count("block_number")
    event = Fields(got.take("log"), "anchor.receipt.log")
    _require_same(_octets(event, "address", 20), contract, "the contract that spoke")
    topics = b"".join(_bare(one) for one in event.texts("topics", most=4))
    _require_same(topics, TOPIC + wanted[:64], "the event's topics")
    _require_same(_octets(event, "data"), wanted[64:], "the event's data")
    event.end()
    got.end()
    header = Fields(fields.take("block"), "anchor.block")
    _require_same(_octets(header, "hash", 32), block, "its block")
    require(header.count("number") == number, Refuted, "anchor.evm-differs", number, "another")
    for root in ("parent_hash", "state_root", "transactions_root", "receipts_root"):
        _octets(header, root, 32)
    header.count("timestamp")
    header.end()
    fields.end()
    return EvmReceipt(chain_id, contract, transaction, number, block)


def _octets(fields: Fields, name: str, size: int | None = None) -> bytes:
    found = _bare(fields.text(name))
    fits = size in (None, len(found))
    require(fits, Malformed, "anchor.malformed", f"{name} of {size} octets", len(found))
    return found


def _bare(text: str) -> bytes:
    fits = _HEXADECIMAL.fullmatch(text) is not None
    require(fits, Malformed, "anchor.malformed", "0x and lower-case hexadecimal", text[:80])
    return bytes.fromhex(text[2:])


def _require_same(found: bytes, wanted: bytes, what: str) -> None:
    shown = f"{what}: {wanted.hex()}"
    require(found == wanted, DigestMismatch, "anchor.evm-differs", shown, found.hex())


# ---- OpenTimestamps: a detached proof ----------------------------------------------------

OTS_MAGIC = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94"
BITCOIN, PENDING = bytes.fromhex("0588960d73d71901"), bytes.fromhex("83dfe30d2ef90c8e")
_SHA256, _APPEND, _PREPEND, _ATTESTATION, _FORK = 0x08, 0xF0, 0xF1, 0x00, 0xFF
_MAX_OCTETS, _MAX_DEPTH, _MAX_MESSAGE = 64 * 1024, 256, 4096


@dataclass(frozen=True, slots=True)
class OtsReceipt:
    """A block of Bitcoin by its height, and the Merkle root it must have if this is true."""

    height: int
    merkle_root: bytes  # in the order in which the header holds it

    def __str__(self) -> str:  # nodes and explorers show it the other way round
        return f"Bitcoin block {self.height}, Merkle root {self.merkle_root[::-1].hex()}"


def require_ots(octets: bytes, body: bytes) -> OtsReceipt:
    """The proof begins with these octets and leads to a block; the first, if to several."""
    _require_form(len(octets) <= _MAX_OCTETS, f"at most {_MAX_OCTETS} octets", len(octets))
    reader = _Ots(octets)
    _require_form(reader.take(len(OTS_MAGIC)) == OTS_MAGIC, "a proof's magic", "another")
    _require_form(reader.take(2) == bytes([1, _SHA256]), "version 1, SHA-256", "others")
    wanted = sha256(body).digest()
    begins = reader.take(len(wanted))
    require(begins == wanted, DigestMismatch, "anchor.ots-differs", wanted, begins)
    reader.timestamp(begins, 0)
    _require_form(reader.at == len(octets), "nothing more", len(octets) - reader.at)
    found = sorted(reader.blocks, key=lambda one: one.height)
    require(bool(found), Undecided, "anchor.ots-pending", "a block of Bitcoin", "a promise")
    return found[0]


class _Ots:
    """Follows the operations of a proof; what is attested of a message is collected."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.at = 0
        self.blocks: list[OtsReceipt] = []

    def take(self, size: int) -> bytes:
        taken = self._octets[self.at : self.at + size]
        _require_form(len(taken) == size, f"{size} octets", len(taken))
        self.at += size
        return taken

    def _number(self) -> int:
        """LEB128, at most 63 bits, in its shortest form."""
        value = 0
        for shift in range(0, 63, 7):
            octet = self.take(1)[0]
            value |= (octet & 0x7F) << shift
            if octet < 0x80:
                _require_form(octet > 0 or shift == 0, "the shortest number", "a longer one")
                return value
        raise Malformed("anchor.malformed", "a number of at most 63 bits", "more")

    def timestamp(self, message: bytes, depth: int) -> None:
        """Steps from a message on; every one but the last stands behind a fork."""
        _require_form(depth < _MAX_DEPTH, f"at most {_MAX_DEPTH} steps", "more")
        while (tag := self.take(1)[0]) == _FORK:
            self._step(self.take(1)[0], message, depth)
        self._step(tag, message, depth)

    def _step(self, tag: int, message: bytes, depth: int) -> None:
        if tag == _ATTESTATION:
            self._attested(message)
            return
        # What calendars write. The format has SHA-1 and RIPEMD-160 as well: they prove little.
        known = tag in (_SHA256, _APPEND, _PREPEND)
        require(known, Undecided, "anchor.ots-operation", "append, prepend, sha256", hex(tag))
        if tag == _SHA256:
            message = sha256(message).digest()
        else:
            more = self.take(self._number())
            message = message + more if tag == _APPEND else more + message
        _require_form(len(message) <= _MAX_MESSAGE, f"{_MAX_MESSAGE} octets", len(message))
        self.timestamp(message, depth + 1)

    def _attested(self, message: bytes) -> None:
        kind, size = self.take(8), self._number()
        end = self.at + size
        if kind != BITCOIN:  # a promise of a calendar, or a system not known here
            self.take(size)
            return
        height = self._number()
        _require_form(self.at == end and len(message) == 32, "a height, of a root", "others")
        self.blocks.append(OtsReceipt(height, message))


def _require_form(holds: bool, expected: object, found: object) -> None:  # noqa: FBT001
    require(holds, Malformed, "anchor.malformed", expected, found)
