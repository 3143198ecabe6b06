"""A part of a log's tree that a cosigner vouches for: `subtree/v1` of C2SP tlog-cosignature.

What the cosignature says: the leaves [start, end) have this root in every history of the log
that this cosigner has seen. It says nothing of when. Only keys of ML-DSA-44 sign such a thing,
and a subtree that does not begin at the first leaf has no checkpoint that could bear the line,
so it is judged here, apart from notes. A line without a time over [0, end) is no more than
that either: it is no word that the log was seen at that size, and no policy counts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from guzheng.proof import tree
from guzheng.proof.errors import BadSignature, Malformed, require
from guzheng.proof.note import ML_DSA_44, Signature, VerifierKey

_CODE = "subtree.malformed"


@dataclass(frozen=True, slots=True)
class Subtree:
    """The leaves [start, end) of the log with this origin, and their root."""

    origin: str
    start: int
    end: int
    root: bytes

    def __post_init__(self) -> None:
        holds = tree.is_subtree(self.start, self.end) and self.end <= tree.MAX_SIZE
        holds = holds and len(self.root) == tree.HASH_SIZE
        found = f"[{self.start}, {self.end})"
        require(holds, Malformed, _CODE, "a subtree, and a root of 32 octets", found)

    def message_of(self, key: VerifierKey, seconds: int = 0) -> bytes:
        """What this key signs; a time goes only with a tree that begins at the first leaf."""
        may_sign = key.type == ML_DSA_44
        require(may_sign, Malformed, _CODE, "a key of ML-DSA-44", f"type {key.type}")
        return key.message_of_subtree(self.origin, self.start, self.end, self.root, seconds)

    def find_signed(
        self, lines: Iterable[Signature], keys: Iterable[VerifierKey]
    ) -> dict[VerifierKey, datetime | None]:
        """Who, of the keys given, signed this subtree, and the time that each stated, if any.

        As with notes: lines of other keys are ignored, and a false one of a known key refuses.
        """
        known = {(key.name, key.id): key for key in keys if key.type == ML_DSA_44}
        signers: dict[VerifierKey, datetime | None] = {}
        for line in lines:
            key = known.get((line.name, line.key_id))
            if key is not None:
                signers.setdefault(key, self.require_signed(key, line))
        return signers

    def require_signed(self, key: VerifierKey, line: Signature) -> datetime | None:
        """The time that this line of this key states; None where it states none."""
        seconds, octets = key.time_in(line.octets)
        timeless = self.start == 0 or seconds == 0
        wanted = "no time with a subtree that begins later"
        require(timeless, BadSignature, "note.bad-signature", wanted, seconds)
        return key.require_message_signed(self.message_of(key, seconds), seconds, octets)
