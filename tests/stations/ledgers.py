"""Ledgers for tests: small, real, and in any place; what a stranger would check of them."""

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guzheng.ledger import FileLastSigned, LastSigned, Ledger, Signer, TileStore, fsck
from guzheng.ledger.ledger import FOLDER
from guzheng.proof import tiles, tree
from guzheng.proof.note import Checkpoint, Note, VerifierKey, require_checkpoint
from guzheng.proof.tiles import Tile
from guzheng.proof.tlogproof import TlogProof
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.records import open_engine

ORIGIN = "ledger.example/1"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))


def open_ledger(
    place: Path,
    *,
    blobs: TileStore | None = None,
    last_signed: LastSigned | None = None,
    signer: Signer = SIGNER,
) -> Ledger:
    """The ledger kept in this directory, made when it is not there."""
    place.mkdir(parents=True, exist_ok=True)
    return Ledger(
        open_engine(place / "ledger.sqlite"),
        blobs or DirectoryBlobs(place / "blobs"),
        signer,
        last_signed or FileLastSigned(place / "ledger.signed"),
    )


def leaf(number: int) -> bytes:
    return b"guzheng/leaf/v1\n" + number.to_bytes(32, "big")


def append(ledger: Ledger, numbers: Iterable[int]) -> list[int]:
    return ledger.append_all([(leaf(number), f"ex_{number}") for number in numbers])


def require_all_well(ledger: Ledger) -> None:
    """fsck finds nothing, and a stranger with the public key believes every entry."""
    found = list(fsck(ledger))
    assert not found, found
    key = VerifierKey.parse(ledger.vkey)
    newest = require_checkpoint(Note.parse(ledger.read("checkpoint") or b""), key)
    for index in {0, newest.size // 2, newest.size - 1} - {-1} if newest.size else set[int]():
        entry = ledger.entries.leaves(index, index + 1)[0]
        require_proves(ledger.prove(index), entry, key)


def require_proves(paper: bytes, entry: bytes, key: VerifierKey) -> Checkpoint:
    """What a verifier does with a `.tlog-proof`, and nothing more."""
    proof = TlogProof.parse(paper)
    checkpoint = require_checkpoint(proof.note, key)
    entry_hash = tree.leaf_hash(entry)
    tree.require_included(entry_hash, proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint


def require_no_fork(ledger: Ledger, notes: Iterable[bytes]) -> None:
    """Every checkpoint that was ever signed is the beginning of the newest one."""

    def served(tile: Tile) -> bytes:
        found = ledger.read(str(tile))
        assert found is not None, f"{FOLDER}{tile} is not served"
        return found

    key = VerifierKey.parse(ledger.vkey)
    newest = require_checkpoint(Note.parse(ledger.read("checkpoint") or b""), key)
    assert tiles.root_from(served, newest.size) == newest.root
    for note in notes:
        old = require_checkpoint(Note.parse(note), key)
        proof = tiles.consistency_from(served, old.size, newest.size)
        tree.require_consistent(old.size, old.root, newest.size, newest.root, proof)
