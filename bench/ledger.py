"""Leaves per second that become a signed tree on the disk, against what bounds it, in one run.

Prints one JSON object. Integrating is the whole of `Ledger.integrate`: reading the leaves from
the table, hashing, full and partial tiles, entry bundles, syncfs, names that are durable, the
signature, the memory of it, the checkpoint. Goal: 300,000 a second.

Two bounds are measured beside it. Hashing alone: one hash for each leaf and one for each node,
in memory, by the same hashlib; no Python program is faster. Files alone: the same number of
files with the same bytes, written, flushed by one syncfs, renamed to free names, directories
flushed; no program that keeps tiles as files is faster. Rounds alternate, so that what else the
machine does falls on all of them.

Nothing is deleted until the end: ext4 gives no inode out again for minutes after its file was
deleted, and steps over each such inode for every file that is made, so that a benchmark that
tidies up between rounds measures its own broom (five times slower, here).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guzheng.ledger import FileLastSigned, Ledger, Signer, fsck
from guzheng.ledger.edge import Edge
from guzheng.proof import tree
from guzheng.proof.note import VerifierKey, require_checkpoint
from guzheng.proof.tlogproof import TlogProof
from guzheng.store import durable
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.records import open_engine

GOAL = 300_000
SIGNER = Signer("bench.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--leaves", type=int, default=1 << 17)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--place", type=Path, help="a directory on the disk to measure")
    chosen = arguments.parse_args()
    batches = [4096, 65_536, chosen.leaves]
    with tempfile.TemporaryDirectory(dir=chosen.place) as room:
        rounds = []
        for number in range(chosen.rounds):
            place = Path(room) / str(number)
            place.mkdir()
            rounds.append(one_round(place, chosen.leaves, batches))
        others = small_figures(Path(room))
    hashing = max(one["hashing"] for one in rounds)
    files = max(one["files"] for one in rounds)
    integrated = {str(batch): max(one[str(batch)] for one in rounds) for batch in batches}
    best = max(integrated.values())
    found = {
        "bench": "ledger",
        "leaves": chosen.leaves,
        "hashing_alone_per_second": hashing,
        "files_alone_per_second": files,
        "integrated_per_second_by_batch": integrated,
        "ratio_by_batch": {name: round(one / hashing, 3) for name, one in integrated.items()},
        **others,
        "goal": GOAL,
        "met": best >= GOAL,
    }
    print(json.dumps(found, indent=2))
    return 0 if found["met"] else 1


def one_round(room: Path, count: int, batches: list[int]) -> dict[str, int]:
    leaves = [b"guzheng/leaf/v1\n" + sha256(b"%d" % number).digest() for number in range(count)]
    seconds = timed(lambda: tree.root_of([tree.leaf_hash(leaf) for leaf in leaves]))
    found = {"hashing": round(count / seconds)}
    found["files"] = round(count / files_alone(room / "files", leaves))
    for batch in batches:
        place = room / str(batch)
        ledger = open_ledger(place)
        seconds = 0.0
        for start in range(0, count, batch):
            part = leaves[start : start + batch]
            ledger.append_all([(leaf, f"ex_{start}") for leaf in part])
            seconds += timed(ledger.integrate)
        signed = ledger.signed()
        assert signed is not None
        assert signed.root == tree.root_of([tree.leaf_hash(leaf) for leaf in leaves])
        found[str(batch)] = round(count / seconds)
    return found


def files_alone(place: Path, leaves: list[bytes]) -> float:
    """Seconds for the files of the tree of these leaves, whose bytes are at hand already."""
    edge = Edge()
    made = [*edge.grow(leaves), *edge.partial()]
    files = [(str(number), octets) for number, (_, octets) in enumerate(made)]
    staging, names = place / "staging", place / "names"
    for folder in (staging, names):
        folder.mkdir(parents=True)
    old, new = (os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in (staging, names))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL

    def write() -> None:
        for name, octets in files:
            descriptor = os.open(name, flags, 0o440, dir_fd=old)
            os.write(descriptor, octets)
            os.close(descriptor)
        durable.sync_filesystem(old)
        for name, _ in files:
            durable.rename_to_free(old, name, new, name)
        os.fsync(new)

    seconds = timed(write)
    os.close(old)
    os.close(new)
    return seconds


def small_figures(room: Path) -> dict[str, int]:
    """What one exhibit pays: a number, a checkpoint, a paper; and what a stranger pays."""
    ledger = open_ledger(room / "small")
    one_by_one = timed(lambda: [ledger.append(b"%d" % number, "ex_1") for number in range(200)])
    ledger.append_all([(b"more %d" % number, "ex_1") for number in range(20_000)])
    ledger.integrate()
    signed_each = 0.0
    for number in range(50):
        ledger.append(b"each %d" % number, "ex_1")
        signed_each += timed(ledger.integrate)
    papers: list[bytes] = []
    proving = timed(
        lambda: papers.extend(ledger.prove(index) for index in range(0, 20_000, 100))
    )
    key = VerifierKey.parse(ledger.vkey)
    verifying = timed(lambda: verify(papers, key, ledger))
    looking = timed(lambda: [*fsck(ledger)])
    return {
        "appended_one_by_one_per_second": round(200 / one_by_one),
        "integrated_one_by_one_per_second": round(50 / signed_each),
        "proofs_made_per_second": round(len(papers) / proving),
        "proofs_verified_per_second": round(len(papers) / verifying),
        "leaves_fscked_per_second": round(20_250 / looking),
    }


def verify(papers: list[bytes], key: VerifierKey, ledger: Ledger) -> None:
    for paper in papers:
        proof = TlogProof.parse(paper)
        signed = require_checkpoint(proof.note, key)
        entry = ledger.entries.leaves(proof.index, proof.index + 1)[0]
        hashed = tree.leaf_hash(entry)
        tree.require_included(hashed, proof.index, signed.size, proof.path, signed.root)


def open_ledger(place: Path) -> Ledger:
    place.mkdir()
    return Ledger(
        open_engine(place / "ledger.sqlite"),
        DirectoryBlobs(place / "blobs"),
        SIGNER,
        FileLastSigned(place / "ledger.signed"),
    )


def timed(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
