"""Checkpoints stated to systems of others, and their receipts handed to the exhibits.

After the road, never on it: an exhibit is finished without anchors. A round takes up the
published checkpoint when its interval has passed, goes on with what lacks a receipt, and copies
what there is into the exhibits whose entries lie below. Killed anywhere, the next round does
the rest; a mark says which exhibits were all served, so that they are not looked at again.
"""

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from guzheng import fix, road
from guzheng.app.parts import Parts
from guzheng.config import Config
from guzheng.ledger import Ledger
from guzheng.ledger.anchors import AnchorBook, Anchored, StampAnchor
from guzheng.ledger.anchors.book import Anchor, paper_of
from guzheng.proof import package
from guzheng.proof.digest import Digest
from guzheng.proof.note import Note
from guzheng.proof.policy import Trust
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Problem, Refused
from guzheng.road import Road
from guzheng.store.blobs import AlreadyKept, read
from guzheng.store.lease import leased

LEASE = "anchors"
_NONCE_OCTETS = 8


@dataclass(frozen=True, slots=True)
class AnchorView:
    """An anchored checkpoint, for showing: which receipts it has, and which are awaited."""

    size: int
    receipts: tuple[str, ...]
    awaited: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Anchoring:
    """The anchors that the settings name; none is the usual case, and costs nothing."""

    parts: Parts
    walk: Road
    book_of: Callable[[str], AnchorBook]  # of a shard, by its origin

    @property
    def book(self) -> AnchorBook:
        """That of the open shard."""
        return self.book_of(self.parts.ledger.origin)

    def _books(self) -> Iterator[tuple[Ledger, AnchorBook]]:
        for shard in self.parts.shards.row.begun:
            yield shard.ledger, self.book_of(shard.ledger.origin)

    def round(self, *, at_once: bool = False) -> tuple[Problem, ...]:
        """One round, unless another process is at it; what failed is told, not raised."""
        if not self.book.anchors:
            return ()
        with leased(self.parts.leases, LEASE, wait=at_once) as held:
            if not held:
                return ()
            problems: list[Problem] = []
            for ledger, book in self._books():
                published = ledger.read("checkpoint")
                if published is not None:  # the last one of a shard waits for no interval
                    book.begin(published, at_once=at_once or ledger.frozen is not None)
                problems += book.advance()
                self._hand_out(ledger, book)
            return tuple(problems)

    def views(self) -> tuple[AnchorView, ...]:
        """The newest, and those that something is awaited for; newest first."""
        wanted = {paper_of(one) for one in self.book.anchors}
        newest = self.book.newest()
        held = {
            one.size: one for one in (*self.book.unfinished(), *([newest] if newest else []))
        }
        return tuple(
            AnchorView(
                size,
                tuple(sorted(held[size].receipts)),
                tuple(sorted(wanted - held[size].receipts.keys())),
            )
            for size in sorted(held, reverse=True)
        )

    def _hand_out(self, ledger: Ledger, book: AnchorBook) -> None:
        """Each entry belongs to the smallest anchored checkpoint that has it."""
        for held in list(book.unfinished()):
            for paper in sorted(held.receipts):
                lacking = book.lacking(held, paper)
                left = [one for one in lacking if not self._given(ledger, held, paper, one)]
                if lacking:
                    book.given(held, paper, left)

    def _given(self, ledger: Ledger, held: Anchored, paper: str, index: int) -> bool:
        """Whether this exhibit needs nothing more; False while it is still on its road."""
        exhibit = ledger.entries.exhibit_of(index)
        if exhibit is None:
            return True  # an entry of others, or of the platform itself
        folder = road.folder_of(exhibit)
        names = self.walk.papers(exhibit)
        if road.REFUSED in names or not names:
            return True
        if package.CERTIFICATE_PDF not in names:
            return False
        if paper not in names:
            entry = TlogProof.parse(read(self.parts.blobs, folder + package.ENTRY))
            if entry.note.text != Note.parse(held.note).text:
                leaf = read(self.parts.blobs, folder + package.LEAF)
                proof = ledger.prove(index, leaf, held.note)
                self._put(folder + package.ANCHORED, proof)
            self._put(folder + paper, held.receipts[paper])
        return True

    def _put(self, name: str, octets: bytes) -> None:
        try:
            self.parts.blobs.put(name, [octets])
        except AlreadyKept:
            return  # of the same checkpoint, with other cosignatures


def open_anchoring(config: Config, parts: Parts, walk: Road, trust: Trust) -> Anchoring:
    """The anchors of the settings; Refused when one of them cannot be what it says."""
    anchors = tuple(_anchors(config, parts, trust))
    interval = timedelta(seconds=config.anchor_interval_seconds)
    return Anchoring(
        parts,
        walk,
        lambda origin: AnchorBook(parts.blobs, origin, anchors, interval, parts.now),
    )


@contextlib.contextmanager
def _depth_kept() -> Iterator[None]:
    """A library of Ethereum's raises Python's limit a hundredfold when it is imported: brackets
    in a request would then end the process, where they are refused otherwise."""
    before = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _anchors(config: Config, parts: Parts, trust: Trust) -> Iterator[Anchor]:
    for name, url in _named(config.anchor_authorities):
        authority = fix.HttpAuthority(url, timeout_seconds=config.timestamp_seconds)
        yield StampAnchor(name, functools.partial(_stamped, authority, parts, trust))
    try:
        if config.anchor_evm_url:
            # Imported when configured: the extra `anchors` is nobody's burden otherwise.
            with _depth_kept():
                from guzheng.ledger.anchors.evm import EvmAnchor, load_key

            yield EvmAnchor(
                "evm",
                config.anchor_evm_url,
                chain_id=config.anchor_evm_chain,
                contract_address=config.anchor_evm_contract,
                account=load_key(Path(config.anchor_evm_key)),
                timeout_seconds=config.timestamp_seconds,
            )
        for name, url in _named(config.anchor_calendars):
            from guzheng.ledger.anchors.ots import OtsAnchor

            yield OtsAnchor(
                name, url, timeout_seconds=config.timestamp_seconds, entropy=parts.entropy
            )
    except ImportError as error:
        raise Refused(
            "anchor.missing",
            expected="the packages of the extra `anchors`",
            found=str(error),
            act="install guzheng[anchors], or take the anchor out of the settings",
        ) from error


def _stamped(
    authority: fix.TimestampAuthority, parts: Parts, trust: Trust, digest: Digest
) -> bytes:
    nonce = int.from_bytes(parts.entropy(_NONCE_OCTETS), "big")
    return fix.stamp(authority, digest, nonce=nonce, roots=trust.roots or ())


def _named(settings: Sequence[str]) -> Iterator[tuple[str, str]]:
    for one in settings:
        name, _, url = one.partition(" ")
        if not package.is_optional(f"{package.ANCHORS}checkpoint.{name}.tsa"):
            raise Refused(
                "config.value-refused",
                expected="an anchor: `name address`, the name of a-z, 0-9 and '-'",
                found=repr(one[:200]),
                act="mend the setting",
            )
        yield name, url.strip()
