"""One round: the newest checkpoint, what it adds, and the mirror's signature when all is kept.

Order of writes, each durable before the next: the pending checkpoint; bundles and tiles that
lead to its root; the mirror checkpoint, cosigned. Killed between any two, the next round does
the rest: a file that is there was proved under a pending checkpoint, and a pending checkpoint
is only ever replaced by one that continues it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from guzheng.cosigner import Refused, files
from guzheng.cosigner.keys import Cosigner
from guzheng.mirror.fetching import Fetch, Unreachable
from guzheng.mirror.grown import GrownTree
from guzheng.mirror.signedtree import SignedTree
from guzheng.proof import tiles, tree
from guzheng.proof.errors import Inconsistent, ProofError
from guzheng.proof.fork import fork_between
from guzheng.proof.note import Checkpoint, Note, Signature, VerifierKey
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile

CHECKPOINT, PENDING = "checkpoint", "pending"
PENDING_BEFORE = "pending-before"  # a directory: the last few, by size
_BEFORE = 8
_TOLD_EVERY = 1024  # bundles
Tell = Callable[[str, dict[str, object]], None]


class Copy:
    """The copy in one directory. One program at a time (the caller holds its lock)."""

    def __init__(
        self,
        directory: Path,
        keys: tuple[VerifierKey, ...],
        cosigner: Cosigner,
        now: Callable[[], datetime],
        tell: Tell,
    ) -> None:
        self.directory, self.keys, self.cosigner = directory, keys, cosigner
        self._now, self._tell = now, tell
        # Of what is pending, and what is signed: a log that pushes meets the round that pulls.
        self.turn = threading.RLock()
        self._full = 0  # bundles from the first on that are known to be here
        files.make_directory(directory)

    # -- what is kept --------------------------------------------------------------------------

    def read(self, path: str) -> bytes | None:
        try:
            return (self.directory / path).read_bytes()
        except FileNotFoundError:
            return None

    def kept(self, name: str = CHECKPOINT) -> Checkpoint | None:
        octets = self.read(name)
        return Checkpoint.parse(Note.parse(octets).text) if octets is not None else None

    # -- one round -----------------------------------------------------------------------------

    def follow(self, fetch: Fetch) -> bool:
        """Whether there was anything to add. Refused: the log contradicts itself."""
        offered = fetch(CHECKPOINT)
        if offered is None:
            raise Unreachable("checkpoint: not there")
        note, at = self._signed(offered)
        pending = self.kept(PENDING)
        kept = self.kept()
        if pending and at.size < pending.size:
            self._tell("mirror.behind", {"size": at.size, "kept": pending.size})
            return False
        seen = SignedTree(fetch, at) if kept is None or at.size > kept.size else None
        if pending:
            self.require_continued(pending, at, seen, note)
        if seen is None:
            if self._says_more(note):
                self.publish(note)
            return False
        with self.turn:
            if self.kept(PENDING) != pending:  # pushed meanwhile: the next round continues that
                return False
            self.put_pending(note)
        self.add(seen, kept.size if kept else 0)
        return self.publish(note) is not None

    def _signed(self, octets: bytes) -> tuple[Note, Checkpoint]:
        try:
            note = Note.parse(octets)
            note.require_signed(self.keys)
            at = Checkpoint.parse(note.text)
        except ProofError as error:
            raise Unreachable(f"checkpoint: {error}") from error
        if at.origin != self.keys[0].name:
            raise Unreachable(f"checkpoint: of {at.origin!r}")
        return note, at

    def require_continued(
        self, old: Checkpoint, new: Checkpoint, seen: SignedTree | None, note: Note
    ) -> None:
        """Both are signed by the log; if the new one does not continue the old, it forked."""
        proof: list[bytes] = []
        if seen is not None:
            proof = tiles.consistency_from(seen.tile, old.size, new.size)
        try:
            tree.require_consistent(old.size, old.root, new.size, new.root, proof)
        except Inconsistent as error:
            path = self.directory.parent / f"{old.size}-{new.size}.fork"
            before = Note.parse(self.read(PENDING) or b"")
            read = seen.tile if seen is not None else _no_tile
            files.put(path, fork_between(before, note, read).encode())
            raise Refused("mirror.forked", old=old.size, new=new.size, path=path) from error

    def add(self, seen: SignedTree | GrownTree, done: int) -> None:
        """What the tree has, durable, and lowest level first."""
        for place, octets in self._wanted(seen, done):
            path = self.directory / str(place)
            if not path.exists():
                files.make_directory(path.parent)
                files.put(path, octets())
            if place.level == ENTRIES and place.index % _TOLD_EVERY == _TOLD_EVERY - 1:
                self._tell("mirror.copied", {"count": (place.index + 1) * WIDTH})

    def _wanted(
        self, seen: SignedTree | GrownTree, done: int
    ) -> Iterator[tuple[Tile, Callable[[], bytes]]]:
        """What a tree has and the tree of `done` entries had not, lowest level first."""

        def bundle(index: int) -> Callable[[], bytes]:
            return lambda: seen.bundle(index)

        def tile(wanted: Tile) -> Callable[[], bytes]:
            return lambda: seen.tile(wanted)

        for index in range(done // WIDTH, seen.size // WIDTH):
            yield Tile(ENTRIES, index), bundle(index)
            yield Tile(0, index), tile(Tile(0, index))
        level, before, after = 1, done // WIDTH, seen.size // WIDTH
        while after:
            for index in range(before // WIDTH, after // WIDTH):
                yield Tile(level, index), tile(Tile(level, index))
            level, before, after = level + 1, before // WIDTH, after // WIDTH
        for partial in tiles.partial_tiles(seen.size):
            if partial.level == 0:
                yield Tile(ENTRIES, partial.index, partial.width), bundle(partial.index)
            yield partial, tile(partial)

    def _says_more(self, note: Note) -> bool:
        """The same tree, and witnesses who were late: nobody who has signed is left out."""
        held = Note.parse(self.read(CHECKPOINT) or b"")
        before, now = (
            {
                (one.name, one.key_id)
                for one in each.signatures
                if one.name != self.cosigner.name
            }
            for each in (held, note)
        )
        return before < now

    def publish(self, note: Note) -> tuple[Signature, ...] | None:
        """Every entry is on the disk: only now is that signed, and shown. None when a larger
        one is shown already: what was signed for is never taken back.
        """
        at = Checkpoint.parse(note.text)
        with self.turn:
            kept = self.kept()
            if kept and at.size < kept.size:
                return None
            lines = self._cosigned(note)
        self._tell("mirror.kept", {"origin": at.origin, "size": at.size})
        return lines

    def _cosigned(self, note: Note) -> tuple[Signature, ...]:
        seconds = int(self._now().timestamp())
        held = self.read(CHECKPOINT)
        own = [one.key for one in self.cosigner.keys]
        before = Note.parse(held).find_signed(own).values() if held else ()
        if any(at and seconds < at.timestamp() for at in before):
            raise Refused("mirror.clock-back")
        # The log's lines and its witnesses' go with it; none that speaks in the mirror's name.
        others = [one for one in note.signatures if one.name != self.cosigner.name][:80]
        lines = self.cosigner.cosign(note.text, seconds)
        files.put(self.directory / CHECKPOINT, Note(note.text, (*others, *lines)).encode())
        return lines

    # -- what of it may be signed apart (cosigner/subtrees.py) ---------------------------------

    def keys_of(self, origin: str) -> tuple[VerifierKey, ...]:
        return self.keys if origin == self.keys[0].name else ()

    def stands(self, at: Checkpoint) -> bool:
        """Whether the tree that is here, and was signed for, began as this one."""
        kept = self.kept()
        if kept is None or not 0 < at.size <= kept.size:
            return False
        if at.size == kept.size:
            return at.root == kept.root
        nodes = tiles.nodes_from(self._kept_tile, at.size, kept.size)
        return tree.roots_of(at.size, kept.size, nodes) == (at.root, kept.root)

    def newest(self, _origin: str) -> bytes | None:
        return self.read(CHECKPOINT)

    def _kept_tile(self, tile: Tile) -> bytes:
        octets = self.read(str(tile))
        if octets is None:
            raise Unreachable(f"{tile}: not here")
        return octets

    # -- what a log pushes ---------------------------------------------------------------------

    def pending(self) -> Checkpoint | None:
        return self.kept(PENDING)

    def put_pending(self, note: Note) -> None:
        """It continues the one before, which is remembered a while. Callers hold the turn."""
        before = self.read(PENDING)
        if before is not None:
            directory = self.directory / PENDING_BEFORE
            files.make_directory(directory)
            size = Checkpoint.parse(Note.parse(before).text).size
            files.put(directory / str(size), before)
            held = sorted(directory.glob("[0-9]*"), key=lambda one: int(one.name))
            for old in held[:-_BEFORE]:
                old.unlink()
        files.put(self.directory / PENDING, note.encode())

    def pending_of(self, size: int) -> Note | None:
        """The pending checkpoint of this size, or one of the last few before it."""
        for name in (PENDING, f"{PENDING_BEFORE}/{size}"):
            octets = self.read(name)
            if octets is not None:
                note = Note.parse(octets)
                if Checkpoint.parse(note.text).size == size:
                    return note
        return None

    def next_entry(self) -> int:
        """The first that is not here. A bundle is only ever kept when it was proved."""
        at = self.kept()
        index = max(self._full, at.size // WIDTH if at else 0)
        while (self.directory / str(Tile(ENTRIES, index))).exists():
            index += 1
        self._full = index
        return max(at.size if at else 0, index * WIDTH + max(self._widths(index), default=0))

    def _widths(self, index: int) -> list[int]:
        """Of the partial bundles that are here under this number."""
        directory = (self.directory / str(Tile(ENTRIES, index, 1))).parent
        try:
            return [int(one.name) for one in directory.iterdir() if one.name.isdecimal()]
        except FileNotFoundError:
            return []

    def entries(self, index: int, count: int) -> list[bytes]:
        """The first `count` of a bundle, from any that is here and wide enough."""
        if not count:
            return []
        widths = [WIDTH, *sorted(self._widths(index), reverse=True)]
        for place in (Tile(ENTRIES, index, width) for width in widths if width >= count):
            octets = self.read(str(place))
            if octets is not None:
                return tiles.entries_in(place, octets)[:count]
        raise Unreachable(f"{Tile(ENTRIES, index, count)}: not here")

    def keep_entries(self, first: int, end: int, entries: Sequence[bytes]) -> None:
        """The last of a bundle's entries up to `end`, which are proved; what is here stays."""
        index, width = first // WIDTH, end - first
        if (self.directory / str(Tile(ENTRIES, index))).exists() or any(
            one >= width for one in self._widths(index)
        ):
            return
        whole = [*self.entries(index, width - len(entries)), *entries]
        places = {Tile(ENTRIES, index, width): tiles.bundle_of(whole)}
        if width == WIDTH:
            places[Tile(0, index)] = b"".join(map(tree.leaf_hash, whole))
        for place, octets in reversed(places.items()):
            path = self.directory / str(place)
            files.make_directory(path.parent)
            files.put(path, octets)

    # -- looking again -------------------------------------------------------------------------

    def check(self) -> int:
        """Every kept file once more, against the mirror checkpoint, and that against the keys
        of log and mirror; the number of entries."""
        held = self.read(CHECKPOINT)
        if held is None:
            return 0
        try:
            note = Note.parse(held)
            for signers in (self.keys, [one.key for one in self.cosigner.keys]):
                note.require_signed(signers)
            at = Checkpoint.parse(note.text)
        except ProofError as error:
            raise Refused("mirror.damaged", place=error) from error

        def kept_file(path: str) -> bytes | None:
            return self.read(path) if path.startswith("tile/") else None

        try:
            seen = SignedTree(kept_file, at)
            for place, octets in self._wanted(seen, 0):
                if self.read(str(place)) != octets():
                    raise Refused("mirror.damaged", place=place)
        except (ProofError, Unreachable) as error:
            raise Refused("mirror.damaged", place=error) from error
        return at.size


def _no_tile(tile: Tile) -> bytes:
    raise Unreachable(f"{tile}: trees of one size need none")
