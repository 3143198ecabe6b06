"""The paper that shows an entry in a ledger, offline: c2sp.org/tlog-proof@v1.

It holds the index of the entry, the inclusion path, and the checkpoint verbatim with every
signature on it. To believe it one still has to compute the entry, check the path against the
checkpoint's root (tree.require_included) and the signatures on the checkpoint (note).
"""

import re
from dataclasses import dataclass

from guzheng.proof.errors import Malformed, require
from guzheng.proof.fields import to_base64
from guzheng.proof.note import MAX_OCTETS, Checkpoint, Note, from_base64
from guzheng.proof.tree import HASH_SIZE, MAX_SIZE

HEADER = "c2sp.org/tlog-proof@v1"
CODE = "tlogproof.malformed"
MAX_PATH = 63  # a tree holds fewer than 2**63 entries
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as written, unchecked. `parse` and `encode` are inverse."""

    index: int
    path: tuple[bytes, ...]  # from the leaf's sibling up to the child of the root
    note: Note
    extra: bytes | None = None  # not signed by anybody; never relied on

    @classmethod
    def parse(cls, octets: bytes) -> "TlogProof":
        """Of C2SP tlog-proof; raises Malformed. Whether it leads to the root is not judged."""
        _require(len(octets) <= 2 * MAX_OCTETS, f"at most {2 * MAX_OCTETS} octets", len(octets))
        head, blank, tail = octets.partition(b"\n\n")
        _require(bool(blank) and head.isascii(), "ASCII, then the checkpoint", "other octets")
        first, *lines = head.decode().split("\n")
        _require(first == HEADER, HEADER, repr(first[:80]))
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_base64(lines.pop(0).removeprefix("extra "), CODE)
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if not match or int(match[1]) >= MAX_SIZE or len(lines) > MAX_PATH:
            raise Malformed(CODE, f"an index line and at most {MAX_PATH} hashes", "another")
        path = tuple(from_base64(line, CODE) for line in lines)
        sizes = {len(one) for one in path}
        _require(sizes <= {HASH_SIZE}, f"hashes of {HASH_SIZE} octets", sizes)
        note = Note.parse(tail)
        Checkpoint.parse(note.text)
        return cls(int(match[1]), path, note, extra)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says; whether it is signed, `note` tells."""
        return Checkpoint.parse(self.note.text)

    def encode(self) -> bytes:
        """The octets of a `.tlog-proof` (C2SP tlog-proof); `parse` gives it back."""
        extra = [] if self.extra is None else [f"extra {to_base64(self.extra)}"]
        path = [to_base64(one) for one in self.path]
        lines = [HEADER, *extra, f"index {self.index}", *path, "", ""]
        return "\n".join(lines).encode() + self.note.encode()


def _require(holds: bool, expected: str, found: object) -> None:  # noqa: FBT001
    require(holds, Malformed, CODE, expected, found)
