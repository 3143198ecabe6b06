"""What is sent to add-checkpoint: an old size, a consistency proof, and a signed checkpoint."""

import re
from dataclasses import dataclass

from guzheng.proof.errors import Malformed
from guzheng.proof.note import Note, from_base64
from guzheng.proof.tree import HASH_SIZE, MAX_SIZE

MAX_PROOF = 63  # lines: a tree holds fewer than 2**63 entries
MAX_OCTETS = 1 << 18  # the proof, and a checkpoint under a dozen keys of the largest kind
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_CODE = "witness.malformed"


@dataclass(frozen=True, slots=True)
class Submission:
    """As written: nothing is known yet of whether any of it is true."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    origin: str

    @classmethod
    def parse(cls, octets: bytes) -> "Submission":
        head, blank, rest = octets[: MAX_OCTETS + 1].partition(b"\n\n")
        if len(octets) > MAX_OCTETS or not blank or not head.isascii():
            raise Malformed(_CODE, f"lines, then a checkpoint; at most {MAX_OCTETS} octets")
        first, *lines = head.decode().split("\n")
        match = _OLD.fullmatch(first)
        if match is None or int(match[1]) > MAX_SIZE:
            raise Malformed(_CODE, "`old` and a size", repr(first[:40]))
        if len(lines) > MAX_PROOF:
            raise Malformed(_CODE, f"at most {MAX_PROOF} lines of proof", len(lines))
        proof = tuple(from_base64(line, _CODE) for line in lines)
        if any(len(one) != HASH_SIZE for one in proof):
            raise Malformed(_CODE, f"hashes of {HASH_SIZE} octets", "another length")
        note = Note.parse(rest)
        return cls(int(match[1]), proof, note, note.text.partition(b"\n")[0].decode())
