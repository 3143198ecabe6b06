"""Heads of chains: what the ledger holds of the journal, so that no tail can be cut off.

A head says how many lines a chain had and how the last one hashes. It is written to
`heads.jsonl` first and durably, then its leaf goes into the ledger; the leaf tells nobody how
many tokens were issued. A head that never reached the ledger does no harm.

Which ledger, and when, is for the caller: this module reads chains and writes the one file.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from guzheng.fix.journal import chain
from guzheng.proof import canonical, instant
from guzheng.proof.errors import ProofError
from guzheng.store import durable

HEADS = "heads.jsonl"
LABEL = b"guzheng/journal\n"  # the first 16 octets of a head's leaf; 32 of SHA-256 follow


class Head(NamedTuple):
    """`lines` lines of the chain `chain`, the last of which hashes to `digest`."""

    chain: str
    lines: int
    digest: str
    observed_at: datetime

    def encode(self) -> bytes:
        """The line in `heads.jsonl`, without its newline; what the leaf commits to."""
        return canonical.encode(
            {
                "chain": self.chain,
                "digest": self.digest,
                "lines": self.lines,
                "observed_at": instant.encode(self.observed_at),
            }
        )


def leaf_of(head: Head) -> bytes:
    """What the ledger holds of a head: 48 octets, as an exhibit's leaf."""
    return LABEL + sha256(head.encode()).digest()


def heads_of(folder: Path, at: datetime) -> Iterator[Head]:
    """The head of each chain, whoever writes on it; durable before it is told."""
    for name in chain.chains_in(folder):
        for file in reversed(chain.files_of(folder, name)):
            with file.open("rb") as stream:
                os.fsync(stream.fileno())  # a head in the ledger must not outlive its lines
            line = chain.last_line(file)
            last = chain.parse(line) if line is not None else None
            if last is not None:
                yield Head(name, last.number + 1, last.digest.decode("ascii"), at)
            if line is not None:
                break


def record_heads(folder: Path, at: datetime) -> list[Head]:
    """Write down the heads that moved since they were written last; gives the newest of each
    chain, moved or not: their leaves are appended again, should that have failed before."""
    if not folder.is_dir():
        return []
    with _alone_in(folder):
        known = {one.chain: one for one in read_heads(folder)}
        moved = [
            one
            for one in heads_of(folder, at)
            if one.chain not in known or known[one.chain].digest != one.digest
        ]
        if moved:
            _append(folder / HEADS, b"".join(one.encode() + b"\n" for one in moved))
    return list((known | {one.chain: one for one in moved}).values())


def read_heads(folder: Path) -> list[Head]:
    """All heads that were written down; a torn last line, and what is none, left out."""
    place = folder / HEADS
    if not place.exists():
        return []
    return [head for line in chain.lines_of(place) if (head := _parsed(line)) is not None]


def _parsed(line: bytes) -> Head | None:
    try:
        members = canonical.parse_object(line)
        match members:
            case {
                "chain": str(name),
                "digest": str(digest),
                "lines": int(lines),
                "observed_at": str(at),
            } if len(members) == 4:
                return Head(name, lines, digest, instant.parse(at))
    except ProofError:
        return None
    return None


def _append(place: Path, octets: bytes) -> None:
    with durable.reported(str(place)):
        file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            torn = chain.torn_end(place)
            if torn is not None:
                os.ftruncate(file, os.fstat(file).st_size - torn.octets)
            durable.write_all(file, octets)
            os.fsync(file)
        finally:
            os.close(file)
        durable.sync_directory(place.parent)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
