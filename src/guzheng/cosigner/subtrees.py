"""What is sent to sign-subtree, and how it is judged: c2sp.org/tlog-witness, for both programs.

Asked for is a signature over a part of a log's tree; a proof shows that the part lies in a
reference checkpoint, and that checkpoint must be one that this cosigner has cosigned or would
have to. So it signs of no other history than of the one that it knows. Nothing is remembered
of what is signed here and nothing needs to be: it follows from what was cosigned before, states
no time, and may be asked for again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guzheng.cosigner.keys import Cosigner
from guzheng.cosigner.serving import TEXT, Answer
from guzheng.cosigner.submission import MAX_OCTETS, MAX_PROOF
from guzheng.proof import tree
from guzheng.proof.errors import BadSignature, Malformed, ProofError
from guzheng.proof.note import (
    DASH,
    ML_DSA_44,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    from_base64,
)
from guzheng.proof.subtree import Subtree
from guzheng.proof.tree import HASH_SIZE

MAX_LINES = 8  # signatures over the subtree, and over the checkpoint, each
_NUMBER = "(0|[1-9][0-9]{0,18})"
_RANGE = re.compile(f"subtree {_NUMBER} {_NUMBER}", re.ASCII)
_CODE = "subtree.malformed"


@dataclass(frozen=True, slots=True)
class SubtreeRequest:
    """As written: nothing is known yet of whether any of it is true."""

    start: int
    end: int
    root: bytes
    lines: tuple[Signature, ...]  # over the subtree, by whomever
    proof: tuple[bytes, ...]
    note: Note  # the reference checkpoint; perhaps under no signature
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, octets: bytes) -> "SubtreeRequest":
        """Raises Malformed."""
        head, blank, rest = octets[: MAX_OCTETS + 1].partition(b"\n\n")
        if len(octets) > MAX_OCTETS or not blank:
            raise Malformed(_CODE, f"lines, then a checkpoint; at most {MAX_OCTETS} octets")
        try:
            first, *lines = head.decode().split("\n")
        except UnicodeDecodeError as error:
            raise Malformed(_CODE, "UTF-8", "other octets") from error
        match = _RANGE.fullmatch(first)
        if match is None or not lines:
            raise Malformed(_CODE, "`subtree`, a start, an end, and a hash", repr(first[:60]))
        over = tuple(Signature.parse(one) for one in lines[1:] if one.startswith(DASH))
        root, *proof = (_hash(one) for one in (lines[0], *lines[1 + len(over) :]))
        note = Note.parse(rest) if b"\n\n" in rest else Note(rest, ())
        if len(proof) > MAX_PROOF or max(len(over), len(note.signatures)) > MAX_LINES:
            found = f"{len(proof)}, {len(over)} and {len(note.signatures)}"
            raise Malformed(_CODE, f"{MAX_PROOF} hashes, {MAX_LINES} signatures each", found)
        checkpoint = Checkpoint.parse(note.text)
        start, end = int(match[1]), int(match[2])
        if not start < end <= checkpoint.size:
            raise Malformed(_CODE, f"entries of {checkpoint.size}", f"[{start}, {end})")
        return cls(start, end, root, over, tuple(proof), note, checkpoint)

    def require_proved(self) -> Subtree:
        """That it is a subtree, and of the checkpoint's tree; raises ProofError."""
        at = self.checkpoint
        tree.require_subtree(self.root, self.start, self.end, at.size, self.proof, at.root)
        return Subtree(at.origin, self.start, self.end, self.root)


def _hash(line: str) -> bytes:
    octets = from_base64(line, _CODE)
    if len(octets) != HASH_SIZE:
        raise Malformed(_CODE, f"hashes of {HASH_SIZE} octets", f"{len(octets)} octets")
    return octets


class View(Protocol):
    """What a program knows of the logs that it cosigns. It may be somewhat behind."""

    def keys_of(self, origin: str) -> tuple[VerifierKey, ...]: ...

    def stands(self, at: Checkpoint) -> bool:
        """Whether this is what was cosigned, or lies in it."""
        ...

    def newest(self, origin: str) -> bytes | None:
        """The checkpoint cosigned last, with its signatures."""
        ...


def judged(
    body: bytes, cosigner: Cosigner, view: View, refused: Callable[[int, str], Answer]
) -> Answer:
    """Every status that tlog-witness names, in its order; `refused` also tells the operator."""
    # (1) A key that can sign such a thing; without one there is no such path.
    if not cosigner.subtree_keys:
        return refused(404, "no key of ML-DSA-44")
    try:
        asked = SubtreeRequest.parse(body)
    except Malformed as error:
        return refused(400, error.code)
    # (2) A log that this program was told of.
    origin = asked.checkpoint.origin
    keys = view.keys_of(origin)
    if not keys:
        return refused(404, "unknown log")
    # (3) The part lies in the checkpoint.
    try:
        subtree = asked.require_proved()
    except ProofError as error:
        return refused(422, error.code)
    # (4) No false line in a name that is known here. All others are ignored.
    own = tuple(one.key for one in cosigner.keys)
    try:
        signers = asked.note.find_signed(own)
        _require_timeless(subtree, asked.lines, (*own, *keys))
    except ProofError as error:
        return refused(403, error.code)
    # (5) The checkpoint is one that was cosigned: by its signature, or by what is remembered.
    if not signers and not view.stands(asked.checkpoint):
        known = view.newest(origin)
        if known is None:
            return refused(404, "nothing cosigned yet")
        refused(409, f"size {asked.checkpoint.size}")
        return Answer(409, known, TEXT)
    return Answer(200, "".join(map(str, cosigner.cosign_subtree(subtree))).encode())


def _require_timeless(
    subtree: Subtree, lines: tuple[Signature, ...], keys: tuple[VerifierKey, ...]
) -> None:
    known = [one for one in keys if one.type == ML_DSA_44]
    if any(subtree.find_signed(lines, known).values()):
        raise BadSignature("note.bad-signature", "no time over a subtree", "a time")
