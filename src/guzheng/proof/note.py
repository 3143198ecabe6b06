"""Signed notes and checkpoints: c2sp.org/signed-note, tlog-checkpoint and tlog-cosignature.

A note is text and the signatures of named keys. A signature counts only for the key that has
both its name and its id; every other one is ignored, as the specification demands, so that
signatures of kinds we do not know may be added. But a signature in the name of a key we know
that does not fit the text refuses the whole note, whatever else has signed it.

Checked here: Ed25519 (0x01), the two cosignatures, which also state a time (0x04 Ed25519,
0x06 ML-DSA-44), and SM2 with SM3, whose private type 0xff is followed by a label of our own.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from guzheng.proof import sm2
from guzheng.proof.errors import (
    BadSignature,
    Inconsistent,
    Malformed,
    ProofError,
    Undecided,
    UnknownKey,
    require,
)
from guzheng.proof.fields import to_base64
from guzheng.proof.tree import EMPTY_ROOT, HASH_SIZE, MAX_SIZE

ED25519, COSIGNATURE, ML_DSA_44, SM2 = 0x01, 0x04, 0x06, 0xFF
TIMED = (COSIGNATURE, ML_DSA_44)
SM2_LABEL = b"guzheng/sm2-with-sm3/v1"  # stands before the 65 octets of the point

MAX_OCTETS = 1 << 20  # post-quantum signatures have some 5 kB each
MAX_SIGNATURES = 100  # the specification asks for 16 at least; the Go reference stops at 100
KEY_ID_SIZE = 4
LAST_SECOND = 253_402_300_799  # the year 9999: no cosigner has seen a later one
DASH = "\u2014 "  # what a signature line begins with
_KEY_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


# -- keys --------------------------------------------------------------------------------------


def _check_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(public).verify(signature, message)


def _check_ml_dsa_44(public: bytes, message: bytes, signature: bytes) -> None:
    MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)


def _check_sm2(public: bytes, message: bytes, signature: bytes) -> None:
    sm2.require_signature(public.removeprefix(SM2_LABEL), message, signature)


# For each type: the size of a key, and how a signature is checked over a message; that raises
# InvalidSignature, ValueError or ProofError.
_Check = Callable[[bytes, bytes, bytes], None]
_TYPES: Mapping[int, tuple[int, _Check]] = MappingProxyType(
    {
        ED25519: (32, _check_ed25519),
        COSIGNATURE: (32, _check_ed25519),
        ML_DSA_44: (1312, _check_ml_dsa_44),
        SM2: (len(SM2_LABEL) + 65, _check_sm2),
    }
)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signatures count, written `name+id+base64(type || public key)`."""

    name: str
    type: int
    public: bytes

    def __post_init__(self) -> None:
        _require_key_name(self.name)
        labelled = self.type != SM2 or self.public.startswith(SM2_LABEL)
        require(
            self.type in _TYPES and len(self.public) == _TYPES[self.type][0] and labelled,
            Malformed,
            "note.key-type",
            "a key for Ed25519 (type 1 or 4), ML-DSA-44 (6) or SM2 (255 and its label)",
            f"type {self.type} and {len(self.public)} octets",
        )

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Of a vkey (C2SP signed-note); its key id must be right. Raises Malformed."""
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        octets = from_base64(encoded, "note.key")
        key = cls(name, octets[0] if octets else 0, octets[1:])
        require(str(key) == text, Malformed, "note.key", key, repr(text[:200]))
        return key

    @property
    def id(self) -> bytes:
        """Four octets of SHA-256 over name, type and key: what a signature names it by."""
        named = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return sha256(named).digest()[:KEY_ID_SIZE]

    def __str__(self) -> str:
        encoded = to_base64(bytes([self.type]) + self.public)
        return f"{self.name}+{self.id.hex()}+{encoded}"

    def message_of(self, text: bytes, seconds: int = 0) -> bytes:
        """What this key signs when it signs a text; cosigners also sign the time."""
        if self.type == COSIGNATURE:
            return b"cosignature/v1\ntime %d\n" % seconds + text
        if self.type == ML_DSA_44:
            at = Checkpoint.parse(text)  # its extension lines would not be signed
            require(
                not at.extensions, Malformed, "checkpoint.extensions", "none", at.extensions
            )
            return self.message_of_subtree(at.origin, 0, at.size, at.root, seconds)
        return text

    def message_of_subtree(
        self, origin: str, start: int, end: int, root: bytes, seconds: int = 0
    ) -> bytes:
        """What ML-DSA-44 signs of the leaves [start, end) of a log: `cosigned_message`."""
        stamp, first, last = (one.to_bytes(8, "big") for one in (seconds, start, end))
        named, of = _counted(self.name), _counted(origin)
        return b"subtree/v1\n\0" + named + stamp + of + first + last + root

    def signature_of(self, octets: bytes, seconds: int = 0) -> "Signature":
        """The line for what was signed over `message_of` the same time."""
        stamp = seconds.to_bytes(8, "big") if self.type in TIMED else b""
        return Signature(self.name, self.id, stamp + octets)

    def require_signed(self, text: bytes, signature: bytes) -> datetime | None:
        """The time that the signature states; None where it states none."""
        seconds, octets = self.time_in(signature)
        return self.require_message_signed(self.message_of(text, seconds), seconds, octets)

    def time_in(self, signature: bytes) -> tuple[int, bytes]:
        """The seconds that a cosignature begins with, and the rest of it."""
        if self.type not in TIMED:
            return 0, signature
        return int.from_bytes(signature[:8], "big"), signature[8:]

    def require_message_signed(
        self, message: bytes, seconds: int, signature: bytes
    ) -> datetime | None:
        """As `require_signed`, of a message that already has the time in it."""
        fits = seconds <= LAST_SECOND
        try:
            _TYPES[self.type][1](self.public, message, signature)
        except (InvalidSignature, ValueError, ProofError):
            fits = False
        except UnsupportedAlgorithm as error:
            raise Undecided(
                "note.unsupported", "a cryptography that knows this kind of key", self.name
            ) from error
        expected = f"a signature of {self.name} over this text"
        require(fits, BadSignature, "note.bad-signature", expected, "one that does not fit")
        return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _counted(text: str) -> bytes:
    """`opaque <1..255>` of RFC 8446 §3."""
    octets = text.encode()
    require(
        0 < len(octets) < 256,
        Malformed,
        "checkpoint.malformed",
        "names of 1 to 255 octets under ML-DSA-44",
        len(octets),
    )
    return bytes([len(octets)]) + octets


# -- notes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line; nothing is known yet of whether it is true."""

    name: str
    key_id: bytes
    octets: bytes

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Of a signature line without its newline; raises Malformed."""
        name, space, encoded = line.removeprefix(DASH).partition(" ")
        if not line.startswith(DASH) or not space:
            found = repr(line[:80])
            raise _malformed("an em dash, a name and base64 in a signature line", found)
        _require_key_name(name)
        octets = from_base64(encoded, "note.malformed")
        if len(octets) <= KEY_ID_SIZE:
            raise _malformed("a key id and a signature", f"{len(octets)} octets")
        return cls(name, octets[:KEY_ID_SIZE], octets[KEY_ID_SIZE:])

    def __str__(self) -> str:
        return f"{DASH}{self.name} {to_base64(self.key_id + self.octets)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """Text, with its last newline, and signatures. `parse` and `encode` are inverse."""

    text: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, octets: bytes) -> "Note":
        """Of a signed note (C2SP signed-note); raises Malformed. No signature is judged."""
        if len(octets) > MAX_OCTETS:
            raise _malformed(f"at most {MAX_OCTETS} octets", str(len(octets)))
        if octets.translate(None, bytes(range(0x0A)) + bytes(range(0x0B, 0x20))) != octets:
            raise _malformed("no control character but newline", "one")
        # The last empty line parts text and signatures: no signature line can be empty.
        head, blank, tail = octets.rpartition(b"\n\n")
        if not blank or not tail.endswith(b"\n"):
            raise _malformed("text, an empty line, signature lines", "something else")
        try:
            head.decode()
            lines = tail[:-1].decode().split("\n")
        except UnicodeDecodeError as error:
            raise _malformed("UTF-8", "other octets") from error
        if len(lines) > MAX_SIGNATURES:
            raise _malformed(f"at most {MAX_SIGNATURES} signatures", str(len(lines)))
        return cls(head + b"\n", tuple(map(Signature.parse, lines)))

    def encode(self) -> bytes:
        """The octets of a note (C2SP signed-note); `parse` gives it back."""
        return self.text + b"\n" + "".join(map(str, self.signatures)).encode()

    def find_signed(self, keys: Iterable[VerifierKey]) -> dict[VerifierKey, datetime | None]:
        """Who, of the keys given, signed this text, and the time that each stated."""
        known = {(key.name, key.id): key for key in keys}
        signers: dict[VerifierKey, datetime | None] = {}
        for signature in self.signatures:
            # Both name and id; anything else is not for us to judge.
            key = known.get((signature.name, signature.key_id))
            if key is not None:
                attested_at = key.require_signed(self.text, signature.octets)
                signers.setdefault(key, attested_at)  # signing twice counts once
        return signers

    def require_signed(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The keys, of those given, that signed this text: at least one."""
        known = tuple(keys)
        signers = tuple(self.find_signed(known))
        expected = " or ".join(key.name for key in known) or "no key at all"
        found = ", ".join(one.name for one in self.signatures)
        require(bool(signers), UnknownKey, "note.unknown-key", expected, found)
        return signers


def _require_key_name(name: str) -> None:
    if not _KEY_NAME.fullmatch(name):
        raise _malformed("a key name without spaces and '+'", repr(name[:80]))


def from_base64(text: str, code: str) -> bytes:
    """The octets of standard base64 in its one spelling; refusals bear the caller's code."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(code, expected="base64", found=repr(text[:80])) from error
    same = to_base64(octets) == text  # no stray bits after the last octet
    require(same, Malformed, code, "base64 in its one spelling", repr(text[:80]))
    return octets


def _malformed(expected: str, found: str) -> Malformed:
    return Malformed("note.malformed", expected=expected, found=found)


# -- checkpoints -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log signs: so many entries, with this root. `parse` and `encode` are inverse."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(line and not re.search(r"[\x00-\x1f]", line) for line in lines):
            raise _not_a_checkpoint("lines that are not empty", "an empty or broken line")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_SIZE:
            raise _not_a_checkpoint("a size and a root of 32 octets", f"size {self.size}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise _not_a_checkpoint("the root of the empty tree", self.root.hex())

    @classmethod
    def parse(cls, text: bytes) -> "Checkpoint":
        """Of a note's text (C2SP tlog-checkpoint): origin, size, root. Raises Malformed."""
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError as error:
            raise _not_a_checkpoint("UTF-8", "other octets") from error
        if len(lines) < 4 or lines.pop():
            raise _not_a_checkpoint("origin, size and root, each with its newline", "less")
        origin, size, root, *extensions = lines
        if not _NUMBER.fullmatch(size):
            raise _not_a_checkpoint("a decimal size without leading zeros", repr(size[:40]))
        return cls(
            origin, int(size), from_base64(root, "checkpoint.malformed"), tuple(extensions)
        )

    def encode(self) -> bytes:
        """The text that is signed (C2SP tlog-checkpoint), with its last newline."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()


def require_checkpoint(note: Note, log: VerifierKey) -> Checkpoint:
    """The checkpoint in this note, signed by the log whose name its first line bears."""
    note.require_signed([log])
    checkpoint = Checkpoint.parse(note.text)
    origin = checkpoint.origin
    require(origin == log.name, Inconsistent, "checkpoint.origin", log.name, repr(origin[:200]))
    return checkpoint


def _not_a_checkpoint(expected: str, found: str) -> Malformed:
    return Malformed("checkpoint.malformed", expected=expected, found=found)
