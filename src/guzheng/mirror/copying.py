"""One round: the newest checkpoint, what it adds, and the mirror's signature when all is kept.

Order of writes, each durable before the next: the pending checkpoint; bundles and tiles that
lead to its root; the mirror checkpoint, cosigned. Killed between any two, the next round does
the rest: a file that is there was proved under a pending checkpoint, and a pending checkpoint
is only ever replaced by one that continues it.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from guzheng.cosigner import Refused, files
from guzheng.cosigner.keys import Cosigner
from guzheng.mirror.fetching import Fetch, Unreachable
from guzheng.mirror.signedtree import SignedTree
from guzheng.proof import tiles, tree
from guzheng.proof.errors import Inconsistent, ProofError
from guzheng.proof.fork import fork_between
from guzheng.proof.note import Checkpoint, Note, VerifierKey
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile

CHECKPOINT, PENDING = "checkpoint", "pending"
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
            self._require_continued(pending, at, seen, note)
        if seen is None:
            if self._says_more(note):
                self._publish(note)
            return False
        files.put(self.directory / PENDING, note.encode())
        self._add(seen, kept.size if kept else 0)
        self._publish(note)
        return True

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

    def _require_continued(
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

    def _add(self, seen: SignedTree, done: int) -> None:
        for place, octets in self._wanted(seen, done):
            path = self.directory / str(place)
            if not path.exists():
                files.make_directory(path.parent)
                files.put(path, octets())
            if place.level == ENTRIES and place.index % _TOLD_EVERY == _TOLD_EVERY - 1:
                self._tell("mirror.copied", {"count": (place.index + 1) * WIDTH})

    def _wanted(
        self, seen: SignedTree, done: int
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

    def _publish(self, note: Note) -> None:
        """Every entry is on the disk: only now is that signed, and shown."""
        seconds = int(self._now().timestamp())
        held = self.read(CHECKPOINT)
        own = [one.key for one in self.cosigner.keys]
        before = Note.parse(held).find_signed(own).values() if held else ()
        if any(at and seconds < at.timestamp() for at in before):
            raise Refused("mirror.clock-back")
        # The log's lines and its witnesses' go with it; none that speaks in the mirror's name.
        others = [one for one in note.signatures if one.name != self.cosigner.name][:80]
        lines = (*others, *self.cosigner.cosign(note.text, seconds))
        files.put(self.directory / CHECKPOINT, Note(note.text, lines).encode())
        at = Checkpoint.parse(note.text)
        self._tell("mirror.kept", {"origin": at.origin, "size": at.size})

    # -- looking again -------------------------------------------------------------------------

    def check(self) -> int:
        """Every kept file once more, against the mirror checkpoint; the number of entries."""
        at = self.kept()
        if at is None:
            return 0

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
