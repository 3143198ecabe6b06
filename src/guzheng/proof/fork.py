"""That a log forked, as a file: two checkpoints it signed that cannot both be true.

Of one size they have two roots. Of two sizes there are nodes of the larger tree, which make
its signed root, and from which follows what its beginning was: not the smaller tree. Whoever
has the log's key can check it, knowing neither entries nor tiles. docs/spec/fork.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from guzheng.proof import tiles, tree
from guzheng.proof.errors import Malformed, Refuted, require
from guzheng.proof.fields import to_base64
from guzheng.proof.note import Checkpoint, Note, VerifierKey, from_base64
from guzheng.proof.tiles import Reader
from guzheng.proof.tlogproof import MAX_PATH

HEADER = "guzheng/fork/v1"
MAX_OCTETS = 1 << 20
_CODE = "fork.malformed"
_FIRST = re.compile(r"first (0|[1-9][0-9]{0,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fork:
    """As written, unchecked: the smaller tree first. `parse` and `encode` are inverse."""

    first: Note
    second: Note
    nodes: tuple[bytes, ...] = ()  # of the larger tree; none where the sizes are equal

    @classmethod
    def parse(cls, octets: bytes) -> "Fork":
        """Of the file that docs/spec/fork.md describes; raises Malformed. Nothing is judged."""
        _require(len(octets) <= MAX_OCTETS, f"at most {MAX_OCTETS} octets", len(octets))
        head, _, tail = octets.partition(b"\n\n")
        _require(head.isascii(), "ASCII before the checkpoints", "other octets")
        header, *lines = head.decode().split("\n")
        match = _FIRST.fullmatch(lines[0]) if lines else None
        if header != HEADER or match is None or len(lines) > MAX_PATH + 2:
            raise Malformed(_CODE, f"{HEADER}, the size of the first note, nodes", header[:80])
        nodes = tuple(from_base64(line, _CODE) for line in lines[1:])
        sizes = {len(one) for one in nodes}
        _require(sizes <= {tree.HASH_SIZE}, f"nodes of {tree.HASH_SIZE} octets", sizes)
        cut = int(match[1])
        return cls(Note.parse(tail[:cut]), Note.parse(tail[cut:]), nodes)

    def encode(self) -> bytes:
        """The octets of a proof: docs/spec/fork.md; `parse` gives it back."""
        first = self.first.encode()
        lines = [HEADER, f"first {len(first)}", *map(to_base64, self.nodes), "", ""]
        return "\n".join(lines).encode() + first + self.second.encode()

    def require_proved(self, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, Checkpoint]:
        """Both checkpoints, signed by the log and in contradiction."""
        known = tuple(keys)
        for one in (self.first, self.second):
            one.require_signed(known)
        old, new = Checkpoint.parse(self.first.text), Checkpoint.parse(self.second.text)
        signed = {key.name for key in self.first.find_signed(known)}
        signed &= {key.name for key in self.second.find_signed(known)}
        expected = f"two checkpoints of one log among {sorted(signed)}"
        found = f"{old.origin!r} and {new.origin!r}"
        require(
            old.origin == new.origin and old.origin in signed,
            Refuted,
            "fork.another-log",
            expected,
            found,
        )
        _require(0 < old.size <= new.size, "the smaller tree first, with entries", old.size)
        if old.size == new.size:
            _require(not self.nodes, "no nodes between trees of one size", len(self.nodes))
            contradict = old.root != new.root
        else:
            wanted = len(tree.node_ranges(old.size, new.size))
            _require(len(self.nodes) == wanted, f"{wanted} nodes", len(self.nodes))
            began, whole = tree.roots_of(old.size, new.size, self.nodes)
            contradict = whole == new.root and began != old.root
        expected, found = "one history contradicting the other", "nothing that does"
        require(contradict, Refuted, "fork.no-contradiction", expected, found)
        return old, new


def fork_between(one: Note, other: Note, read: Reader) -> Fork:
    """The file to write, unchecked. `read` gives tiles of the larger of the two trees."""

    def size(note: Note) -> int:
        return Checkpoint.parse(note.text).size

    first, second = sorted((one, other), key=size)
    old, new = size(first), size(second)
    nodes = tiles.nodes_from(read, old, new) if 0 < old < new else []
    return Fork(first, second, tuple(nodes))


def _require(holds: bool, expected: str, found: object) -> None:  # noqa: FBT001
    require(holds, Malformed, _CODE, expected, found)
