"""One mirror of others, pushed to over HTTP: c2sp.org/tlog-mirror.

To the gathering it is a witness of the policy that says more: it cosigns a checkpoint only once
it holds every entry of it. So after it has taken the checkpoint it is sent what it lacks, a
bounded number of entries at a time, each bundle with a proof, until it answers with its
signature. What it lacks it says itself, so nothing is remembered here that must not be lost. A
mirror that is far behind comes late, and is added late; nobody waits for it but a policy whose
quorum names it.
"""

import gzip
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Protocol

from guzheng.ledger.witnesses import HttpWitness
from guzheng.proof import tiles
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note, from_base64
from guzheng.proof.policy import Witness
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile
from guzheng.refusals import Refused

TOLD_TYPE = "text/x.tlog.mirror-info"
PACKAGES = 32  # in one request, as tlog-mirror wants it
UPLOAD_SECONDS = 60.0  # for an answer to so many: each bundle is on the mirror's disk by then
CONFLICT, TAKEN_IN_PART, OK = 409, 202, 200
_CONFLICTS = 8
_TOLD = re.compile(rb"(0|[1-9][0-9]{0,18})\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]*={0,2})\n")
_HEADERS = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}


class Source(Protocol):
    """Of the ledger, what goes to a mirror."""

    def tile(self, tile: Tile) -> bytes: ...

    def prove_subtree(self, start: int, end: int, size: int) -> tuple[bytes, ...]: ...


class HttpMirror(HttpWitness):
    """A mirror of the policy, behind its URL."""

    def __init__(
        self,
        witness: Witness,
        source: Source,
        *,
        timeout_seconds: float,
        monitoring: str | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        super().__init__(
            witness, timeout_seconds=timeout_seconds, monitoring=monitoring, now=now
        )
        self._source = source
        self._next: int | None = None  # as the mirror said last: a guess to begin with
        self._ticket = b""

    def _after(self, note: bytes, answer: bytes) -> Note:  # noqa: ARG002 - lines of a witness
        """It has the checkpoint: now the entries. A mirror signs nothing before."""
        at = Checkpoint.parse(Note.parse(note).text)
        start = at.size if self._next is None else min(self._next, at.size)
        ticket, conflicts = self._ticket, 0
        while conflicts < _CONFLICTS:
            status, told = self._sent(at, start, ticket)
            if status == OK:
                self._next, self._ticket = at.size, b""
                return self._cosigned(note, told)
            size, ready, ticket = self._told(status, told)
            if size != at.size:
                raise self._unsound(f"entries up to {at.size}", f"it goes on to {size}")
            on = ready > start if status == TAKEN_IN_PART else ready != start
            if not on or ready > at.size:
                raise self._unsound(f"an entry below {at.size} to go on from", f"{ready}")
            conflicts += status == CONFLICT
            start = self._next = ready
            self._ticket = ticket
        raise self._unsound("progress", f"HTTP {CONFLICT} {_CONFLICTS} times")

    def _sent(self, at: Checkpoint, start: int, ticket: bytes) -> tuple[int, bytes]:
        origin = at.origin.encode()
        head = [
            *(len(origin).to_bytes(2, "big"), origin),
            *(start.to_bytes(8, "big"), at.size.to_bytes(8, "big")),
            *(len(ticket).to_bytes(2, "big"), ticket),
        ]
        body = gzip.compress(b"".join([*head, *self._packages(at, start)]), 1, mtime=0)
        status, kind, answer = self._answer(
            "POST",
            f"{self.asked_at}/add-entries",
            body,
            headers=_HEADERS,
            seconds=max(UPLOAD_SECONDS, self._timeout_seconds),
        )
        if status == OK or (status in (CONFLICT, TAKEN_IN_PART) and kind == TOLD_TYPE):
            return status, answer
        raise self._declined(status, answer)

    def _packages(self, at: Checkpoint, start: int) -> Iterator[bytes]:
        first = start - start % WIDTH
        for begin in range(first, at.size, WIDTH)[:PACKAGES]:
            bundle = tiles.tile_at(ENTRIES, begin // WIDTH, at.size)
            entries = self._entries(bundle)[max(0, start - begin) :]
            proof = self._source.prove_subtree(begin, begin + bundle.width, at.size)
            yield tiles.bundle_of(entries) + bytes([len(proof)]) + b"".join(proof)

    def _entries(self, bundle: Tile) -> list[bytes]:
        try:
            return tiles.entries_in(bundle, self._source.tile(bundle))
        except Refused:
            if bundle.width == WIDTH:
                raise
        full = Tile(bundle.level, bundle.index)  # a narrow one may have given way to it
        return tiles.entries_in(full, self._source.tile(full))[: bundle.width]

    def _told(self, status: int, told: bytes) -> tuple[int, int, bytes]:
        found = _TOLD.fullmatch(told)
        if found is None:
            raise self._unsound("three lines of mirror-info", f"HTTP {status} {told[:40]!r}")
        try:
            ticket = from_base64(found[3].decode(), "ledger.witness-unsound")
        except ProofError as error:
            raise self._unsound("a ticket in base64", f"{found[3][:40]!r}") from error
        return int(found[1]), int(found[2]), ticket
