"""A ledger as many machines have it: entries in PostgreSQL, tiles and memory in S3."""

from pathlib import Path

from guzheng.ledger import Ledger
from guzheng.ledger.lastsigned import CellLastSigned
from guzheng.proof import tree
from guzheng.proof.note import Note, VerifierKey, require_checkpoint
from guzheng.store.lease import Place
from guzheng.store.records import drawer, open_database
from guzheng.store.s3 import Bucket, Cell, S3Blobs
from guzheng.store.server import ServerLeases
from tests.stations.ledger_deaths import SEEN, WatchedSigner
from tests.stations.ledgers import require_all_well, require_no_fork

CELL = "last-signed.checkpoint"


def ledger_on(url: str, bucket: Bucket, seen: Path, leases: Place | None = None) -> Ledger:
    """`seen`: where every signature is written down, even one that nobody was ever shown."""
    engine = open_database(url)
    last_signed = CellLastSigned(Cell(bucket, CELL), leases or ServerLeases(engine))
    signer = WatchedSigner(seen)
    return Ledger(drawer(engine, "ledger"), S3Blobs(bucket), signer, last_signed)


def signed_ever(seen: Path) -> list[bytes]:
    return (seen / SEEN).read_bytes().split(b"\x00")[:-1]


def require_one_history(ledger: Ledger, seen: Path) -> None:
    """Everything that was ever signed is the beginning of what is published now."""
    notes = signed_ever(seen)
    key = VerifierKey.parse(ledger.vkey)
    roots: dict[int, bytes] = {}
    for note in notes:
        checkpoint = require_checkpoint(Note.parse(note), key)
        assert roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root
    require_no_fork(ledger, notes)
    require_all_well(ledger)
    for old, new in zip(sorted(roots), sorted(roots)[1:], strict=False):
        proof = ledger.prove_consistency(old, new)
        tree.require_consistent(old, roots[old], new, roots[new], proof)
