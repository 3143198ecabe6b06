"""The ledger: entries in, signed checkpoints and proofs out, published as tiles.

    append      an entry gets its number, durably, in an SQL table     -> sequenced
    integrate   numbered entries become tiles, then a signed root      -> checkpointed
    prove       the paper of one entry against the newest checkpoint

Any number of processes may append. One at a time integrates; a second one waits and then
finds the work done. The checkpoint that was signed last is kept apart (lastsigned) and
nothing is signed that does not continue it.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol

from sqlalchemy import Engine

from guzheng.ledger.edge import Edge
from guzheng.ledger.lastsigned import LastSigned
from guzheng.ledger.records import Entries, Reconnected
from guzheng.ledger.signer import Signer
from guzheng.ledger.subtrees import Subtrees
from guzheng.ledger.tables import Tables
from guzheng.proof import tree
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.note import SM2, Checkpoint, Note, require_checkpoint
from guzheng.proof.tiles import WIDTH, Tile
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import NotKept
from guzheng.store.records import SQLITE

FOLDER = "ledger/"  # of the first shard
FIRST = "first"
_SHARD = re.compile(r"[0-9]{4}(-[0-9]{1,2})?", re.ASCII)
CHECKPOINT = "checkpoint"
MAX_LEAF = 1024  # digests only: what needs more does not belong where nothing can be forgotten
_NOTES = 8  # checkpoints whose signatures were checked a moment ago
BATCH = 256 * WIDTH  # entries in memory at a time: a digest each, so some 10 MiB


class TileStore(Protocol):
    """What the ledger needs of the blob store."""

    def put_all(self, files: Mapping[str, bytes]) -> None: ...

    def replace(self, name: str, octets: bytes) -> None: ...

    def open(self, name: str) -> BinaryIO: ...

    def names(self, prefix: str = "") -> Iterator[str]: ...

    def remove(self, name: str) -> None: ...


class Ledger:
    """One ledger, or a shard of one: its table, its tiles, its keys, its memory of signing."""

    def __init__(
        self,
        engine: Engine,
        blobs: TileStore,
        signer: Signer,
        last_signed: LastSigned,
        shard: str = FIRST,
    ) -> None:
        self.shard = require_shard(shard)
        self.folder = FOLDER if shard == FIRST else f"ledger-{shard}/"
        self.table = "ledger.sqlite" if shard == FIRST else f"ledger-{shard}.sqlite"
        self.entries = Entries(engine, _tables(engine, shard))
        self.blobs = blobs
        self.signer = signer
        self.last_signed = last_signed
        self._subtrees = Subtrees(self.tile)
        # The same octets are asked about for every proof, and have one answer.
        self._checked = functools.lru_cache(_NOTES)(self._require_ours)
        self._ask: Callable[[], None] | None = None
        self.frozen: Checkpoint | None = None

    @property
    def origin(self) -> str:
        return self.signer.key.name

    @property
    def vkey(self) -> str:
        return self.signer.vkey

    @property
    def is_witnessed(self) -> bool:
        return self._ask is not None

    def heed(self, ask: Callable[[], None]) -> None:
        """Bind this ledger to witnesses: from now on nothing is signed before `ask` returned.

        It raises what forbids to sign. And nothing is published but by `publish`: what is
        public has the cosignatures that were promised."""
        self._ask = ask

    # -- in --------------------------------------------------------------------------------

    def append(self, leaf: bytes, exhibit: str | None) -> int:
        """The number of the entry, durable on return; the same leaf has the same number."""
        return self.append_all([(leaf, exhibit)])[0]

    def append_all(self, leaves: Iterable[tuple[bytes, str | None]]) -> list[int]:
        """Many at once, for the price of one: all of them, or none. ShardClosed, when this
        shard has ended and one of them is new."""
        wanted = list(leaves)
        for length in {len(leaf) for leaf, _ in wanted}:
            if not 0 < length <= MAX_LEAF:
                raise Refused(
                    "ledger.leaf-length",
                    expected=f"between 1 and {MAX_LEAF} octets",
                    found=str(length),
                )
        while True:
            self.require_trusted()
            with contextlib.suppress(Reconnected):
                return self.entries.append(wanted)

    def require_trusted(self) -> None:
        """A table restored from an old backup, or a standby that lagged behind, would give out
        numbers that are taken. So it is looked at before the first entry, and again after every
        new connection: another server may answer now."""
        opened = self.entries.opened
        if self.entries.trusted != opened:
            published = self.published()  # first: what is signed is never older than it
            signed = self.signed()
            self._require_whole(published, signed, self.entries.size())
            if signed and self.last_signed.is_closed() and self.entries.closed() is None:
                self.entries.close(signed.size)  # the table was set back behind its end
            if self._ask is not None:
                with contextlib.suppress(Unavailable):  # it forbids to sign, not to number
                    self._ask()
            self.entries.trusted = opened

    def known(self, leaves: Sequence[bytes], below: int) -> dict[bytes, int]:
        """The numbers of those that a closed shard has; what lies beyond its end is nothing."""
        while True:
            self.require_trusted()
            found = self.entries.known(leaves)
            if self.entries.trusted == self.entries.opened:
                return {leaf: index for leaf, index in found.items() if index < below}

    # -- the end of a shard ----------------------------------------------------------------

    def close(self) -> int:
        """Give no number any more; gives how many there are. Durable, and twice is harmless."""
        while True:
            self.require_trusted()
            with contextlib.suppress(Reconnected):
                return self.entries.close()

    def finish(self) -> Checkpoint:
        """The last checkpoint of a shard whose table is closed: signed, if it was not yet, and
        from here on nothing is ever signed again, whatever a table says."""
        size = self.entries.closed()
        last = self.integrate()
        with self.last_signed.turn():
            signed = self.signed()
            if size is None or signed is None or not size == signed.size == last.size:
                raise _damaged(
                    "ledger.shard-differs",
                    f"a closed shard, all of whose {size} entries are signed",
                    f"{signed.size if signed else 0} entries signed",
                )
            self.last_signed.close()
            return signed

    def freeze(self, end: Checkpoint) -> None:
        """This shard is known to have ended with `end`: the next one says so.

        Its table is told, which may be one that was restored or made again since. A memory
        that says otherwise is the operator's to look at: `published` is compared with it."""
        self.frozen = end
        if self.entries.closed() != end.size:
            self.entries.close(end.size)

    def integrate(self) -> Checkpoint:
        """Bring every numbered entry under a signed checkpoint, and publish it.

        The order of the writes is the promise. Killed between any two, the next call does
        the rest and ends with the same tree; there is no other way of recovery."""
        if self._ask is not None:
            self._ask()
        with self.last_signed.turn():
            published, old_note = self.published(), self.last_signed.read()
            old = None if old_note is None else self.require_ours(old_note)
            end = self.entries.size()  # once: what is numbered later is for the next turn
            self._require_whole(published, old, end)
            if self.frozen is not None and old != self.frozen:
                raise _damaged(
                    "ledger.shard-differs",
                    f"the checkpoint this shard ended with: size {self.frozen.size}",
                    f"size {old.size if old else 0} beside the key",
                )
            if old is None or (self.frozen is None and end > old.size):
                # 1. Tiles and bundles. Nobody relies on them yet; names and bytes follow
                #    from the table alone, so making them again gives the same.
                edge = self._write_tiles(old, end)
                # 2. The signature. It is over a tree that was proved, from the tiles that
                #    will be served, to be the one signed before, extended: never smaller,
                #    never another, whatever the table said on the way.
                new = Checkpoint(self.origin, edge.size, edge.root())
                for other in filter(None, (old, self._intended())):
                    self._require_continues(other, new)
                # Said before it is done: of two who integrate at once with tables that
                # differ, one goes on, and the other must continue what that one signs.
                self.last_signed.intend(new.encode())
                note = self.signer.sign(new.encode())
                self.require_ours(note.encode())  # what a stranger will check
                # 3. The memory of having signed, before anybody sees the signature.
                self.last_signed.swap(old_note, note.encode())
                old, old_note = new, note.encode()
            # 4. The signature, public. Also when a run before this one died after 3.
            # With witnesses it waits for them: see publish.
            if old_note is not None and not self.is_witnessed:
                self._replace(old_note)
            return old

    def publish(self, note: bytes) -> bytes:
        """Serve a checkpoint of ours with its cosignatures; gives what is served now.

        Never an older one in the place of a newer one, and never fewer cosignatures."""
        with self.last_signed.turn():
            ours, published = self.require_ours(note), self._find(CHECKPOINT)
            served = None if published is None else self.require_ours(published)
            if published is not None and served is not None:
                if served.size > ours.size:
                    return published
                if served == ours:
                    note = _merged(published, note)
                elif served.size == ours.size:
                    raise Refused(
                        "ledger.fork",
                        expected=f"the root that is published: {served.root.hex()}",
                        found=f"{ours.root.hex()}, at the same size {ours.size}",
                        act="sign nothing, and keep both: this key signed elsewhere too",
                    )
            self._replace(note)
            return note

    def _replace(self, note: bytes) -> None:
        if self._find(CHECKPOINT) != note:
            self.blobs.replace(self.folder + CHECKPOINT, note)

    def _write_tiles(self, old: Checkpoint | None, end: int) -> Edge:
        edge = Edge.resume(self.tile, old.size) if old else Edge()
        while edge.size < end:
            start = edge.whole
            wanted = min(BATCH, end - start)
            leaves = self.entries.leaves(start, start + wanted)
            if old:
                # Fewer than a group are signed already: read with the first that are not.
                self._require_resumed(edge, leaves[: old.size - start], old)
                old = None
            made = list(edge.grow(leaves))
            if len(leaves) != wanted:
                raise _damaged("ledger.damaged-table", f"entries {start} to {end}", "a gap")
            if edge.size == end:
                made += edge.partial()
            self.blobs.put_all({self.folder + str(tile): octets for tile, octets in made})
        return edge

    def _require_resumed(self, edge: Edge, leaves: Sequence[bytes], old: Checkpoint) -> None:
        """That table and tiles still give the root that was signed before."""
        for _ in edge.grow(leaves):  # fewer than a group: nothing to write
            raise AssertionError("a group more than the tree has")
        if edge.size != old.size or edge.root() != old.root:
            raise _damaged(
                "ledger.damaged-root",
                f"{old.root.hex()} at size {old.size}",
                f"{edge.root().hex()}",
            )

    def _intended(self) -> Checkpoint | None:
        """What another integrator was about to sign, and perhaps did."""
        text = self.last_signed.intended()
        return None if text is None else Checkpoint.parse(text)

    def _require_continues(self, old: Checkpoint, new: Checkpoint) -> None:
        if new.size < old.size:
            raise _behind(old.size, new.size)
        try:
            proof = Subtrees(self.tile).consistency(old.size, new.size)
            tree.require_consistent(old.size, old.root, new.size, new.root, proof)
        except ProofError as error:
            raise _damaged(
                "ledger.damaged-root",
                f"a tree of {new.size} that continues {old.root.hex()} at size {old.size}",
                error.code,
            ) from error

    # -- out -------------------------------------------------------------------------------

    def signed(self) -> Checkpoint | None:
        """The newest checkpoint, or None before the first."""
        note = self.last_signed.read()
        return None if note is None else self.require_ours(note)

    def published(self) -> Checkpoint | None:
        """What everybody sees; with witnesses it may be older than what is signed."""
        note = self._find(CHECKPOINT)
        return None if note is None else self.require_ours(note)

    def checkpoint(self) -> bytes:
        """The newest checkpoint as signed."""
        note = self.last_signed.read()
        if note is None:
            raise Unavailable("ledger.no-checkpoint", expected="a signed checkpoint")
        return note

    def prove(self, index: int, leaf: bytes | None = None, note: bytes | None = None) -> bytes:
        """The `.tlog-proof` of an entry against the newest checkpoint; checked before use.

        From tiles alone: the table is not asked. Whoever has the leaf gives it, and gets no
        paper over another one. `note`: another checkpoint of ours, with its cosignatures."""
        note = note or self.checkpoint()
        newest = self.require_ours(note)
        if not 0 <= index < newest.size:
            raise Unavailable(
                "ledger.not-signed-yet",
                expected=f"an entry below {newest.size}, the newest checkpoint",
                found=str(index),
                act="integrate, then ask again",
            )
        try:
            entry_hash = self._subtrees.root(index, index + 1, newest.size)
            if leaf is not None:
                entry_hash = tree.leaf_hash(leaf)
            path = self._subtrees.inclusion(index, newest.size)
            tree.require_included(entry_hash, index, newest.size, path, newest.root)
        except ProofError as error:
            self._subtrees.forget()  # a tile that is mended must be read again
            raise _damaged(
                "ledger.damaged-entry", f"entry {index} under the root", error.code
            ) from error
        return TlogProof(index, path, self._checked(note)[0]).encode()

    def prove_consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """That the tree of `new` entries continues the one of `old`: what a witness asks for.

        From tiles alone, for any two sizes up to the newest signed one; whoever gets it
        checks it against roots of his own (tree.require_consistent)."""
        newest = self.signed()
        size = newest.size if newest else 0
        if not 0 <= old <= new <= size:
            raise Refused(
                "ledger.no-such-size",
                expected=f"two sizes in order, at most {size}, which is signed",
                found=f"{old} and {new}",
                act="ask for sizes that were signed, the smaller one first",
            )
        try:
            return self._subtrees.consistency(old, new)
        except ProofError as error:
            self._subtrees.forget()
            raise _damaged(
                "ledger.damaged-tile", f"the tiles of {new} entries", error.code
            ) from error

    def prove_subtree(self, start: int, end: int, size: int) -> tuple[bytes, ...]:
        """What leads from the entries [start, end), a node of this tree, to its root."""
        try:
            return self._subtrees.subtree(start, end, size)
        except ProofError as error:
            self._subtrees.forget()
            raise _damaged(
                "ledger.damaged-tile", f"the tiles of {size} entries", error.code
            ) from error

    def read(self, path: str) -> bytes | None:
        """What is served under a C2SP path (`checkpoint`, `tile/…`); None when there is none.

        Tiles that no published checkpoint needs are not given out: a cache would keep them
        for ever, and the run that made them may have died before it signed."""
        published = self._find(CHECKPOINT)
        if path == CHECKPOINT or published is None:
            return published
        try:
            tile = Tile.parse(path)
        except Malformed:
            return None
        if tile.end > self.require_ours(published).size:
            return None
        return self._find(path)

    def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile of ours; a partial one may have given way to the full one."""
        octets = self._find(str(tile))
        if octets is None and tile.width < WIDTH and tile.level >= 0:
            full = self._find(str(Tile(tile.level, tile.index)))
            octets = full[: tile.width * tree.HASH_SIZE] if full else None
        if octets is None:
            raise _damaged("ledger.damaged-tile", f"a tile {self.folder}{tile}", "none")
        return octets

    # -- what must hold --------------------------------------------------------------------

    def _find(self, path: str) -> bytes | None:
        try:
            with self.blobs.open(self.folder + path) as stream:
                return stream.read()
        except NotKept:
            return None

    def require_ours(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note, signed by this ledger's key and under its name."""
        return self._checked(note)[1]

    def _require_ours(self, octets: bytes) -> tuple[Note, Checkpoint]:
        try:
            note = Note.parse(octets)
            # Whoever knows another key of ours refuses the note when that signature is
            # damaged. SM2 is left to fsck: in plain arithmetic it takes 15 ms.
            note.find_signed(key for key in self.signer.keys if key.type != SM2)
            return note, require_checkpoint(note, self.signer.key)
        except ProofError as error:
            raise Refused(
                "ledger.not-ours",
                expected=f"a checkpoint signed by {self.vkey}",
                found=f"{error.code}: {error.found}",
                act="restore the key this ledger was made with, or run fsck",
            ) from error

    def _require_whole(
        self, published: Checkpoint | None, signed: Checkpoint | None, size: int
    ) -> None:
        if published and (signed is None or published.size > signed.size):
            raise Refused(
                "ledger.memory-lost" if signed is None else "ledger.memory-behind",
                expected="the checkpoint signed last, beside the key",
                found=f"size {signed.size if signed else 0}, and {published.size} is published",
                act="an old backup was restored; run rebuild, which reads what is published",
            )
        if signed and size < signed.size:
            raise _behind(signed.size, size)


def require_shard(name: str) -> str:
    """The name of a shard: `first`, or the year it begins with, `2027` or `2027-2`."""
    if name != FIRST and not _SHARD.fullmatch(name):
        raise Refused(
            "ledger.not-found", expected=f"{FIRST}, or a year such as 2027", found=name[:40]
        )
    return name


def _tables(engine: Engine, shard: str) -> Tables:
    """On SQLite a shard has a file of its own, on a server its tables have its name."""
    on_server = engine.dialect.name != SQLITE and shard != FIRST
    return Tables(f"_{shard.replace('-', '_')}" if on_server else "")


def _merged(held: bytes, new: bytes) -> bytes:
    """Two notes over one text: every signature once, those that are held first."""
    one, other = Note.parse(held), Note.parse(new)
    by = {(each.name, each.key_id): each for each in (*other.signatures, *one.signatures)}
    first = [(each.name, each.key_id) for each in (*one.signatures, *other.signatures)]
    return Note(one.text, tuple(by[each] for each in dict.fromkeys(first))).encode()


def _behind(signed: int, found: int) -> Refused:
    return Refused(
        "ledger.table-behind",
        expected=f"the {signed} entries that were signed",
        found=str(found),
        act="an old backup was restored; run rebuild, which reads the tiles",
    )


def _damaged(code: str, expected: str, found: str) -> Refused:
    return Refused(
        code,
        expected=expected,
        found=found,
        act="run fsck, which names every damaged file; nothing was signed",
    )
