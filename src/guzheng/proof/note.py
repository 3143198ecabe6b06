"""Signed notes and checkpoints: c2sp.org/signed-note and c2sp.org/tlog-checkpoint.

A note is text and the signatures of named keys. A signature counts only for the key that has
both its name and its id; every other one is ignored, as the specification demands, so that
signatures of kinds we do not know may be added. But a signature in the name of a key we know
that does not fit the text refuses the whole note, whatever else has signed it.

Checked here: Ed25519 (type 0x01). Cosignatures of witnesses (0x04, 0x06) and SM2 (0xff) get
their place in `_CHECKS` and nowhere else.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guzheng.proof.errors import BadSignature, Inconsistent, Malformed, UnknownKey
from guzheng.proof.tree import EMPTY_ROOT, HASH_SIZE, MAX_SIZE

ED25519 = 0x01

MAX_OCTETS = 1 << 20  # post-quantum signatures have some 5 kB each
MAX_SIGNATURES = 100  # the specification asks for 16 at least; the Go reference stops at 100
KEY_ID_SIZE = 4
_DASH = "\u2014 "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


# -- keys --------------------------------------------------------------------------------------


def _check_ed25519(public: bytes, text: bytes, signature: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(public).verify(signature, text)


# How a signature of each type is checked over the text; raises InvalidSignature or ValueError.
_CHECKS: Mapping[int, Callable[[bytes, bytes, bytes], None]] = MappingProxyType(
    {ED25519: _check_ed25519}
)
_PUBLIC_SIZES = {ED25519: 32}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signatures count, written `name+id+base64(type || public key)`."""

    name: str
    type: int
    public: bytes

    def __post_init__(self) -> None:
        _require_key_name(self.name)
        if self.type not in _CHECKS or len(self.public) != _PUBLIC_SIZES[self.type]:
            raise Malformed(
                "note.key-type",
                expected="an Ed25519 key: type 1 and 32 octets",
                found=f"type {self.type} and {len(self.public)} octets",
            )

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        octets = from_base64(encoded, "note.key")
        key = cls(name, octets[0] if octets else 0, octets[1:])
        if str(key) != text:
            raise Malformed("note.key", expected=str(key), found=repr(text[:200]))
        return key

    @property
    def id(self) -> bytes:
        named = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return sha256(named).digest()[:KEY_ID_SIZE]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    def require_signed(self, text: bytes, signature: bytes) -> None:
        try:
            _CHECKS[self.type](self.public, text, signature)
        except (InvalidSignature, ValueError) as error:
            raise BadSignature(
                "note.bad-signature",
                expected=f"a signature of {self.name} over this text",
                found="one that does not fit",
            ) from error


# -- notes -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line; nothing is known yet of whether it is true."""

    name: str
    key_id: bytes
    octets: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.octets).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """Text, with its last newline, and signatures. `parse` and `encode` are inverse."""

    text: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, octets: bytes) -> "Note":
        if len(octets) > MAX_OCTETS:
            raise _malformed(f"at most {MAX_OCTETS} octets", str(len(octets)))
        if any(octet < 0x20 and octet != 0x0A for octet in octets):
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
        return cls(head + b"\n", tuple(_signature(line) for line in lines))

    def encode(self) -> bytes:
        return self.text + b"\n" + "".join(map(str, self.signatures)).encode()

    def require_signed(self, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
        """The keys, of those given, that signed this text: at least one."""
        known = {(key.name, key.id): key for key in keys}
        signers: dict[tuple[str, bytes], VerifierKey] = {}
        for signature in self.signatures:
            named = (signature.name, signature.key_id)
            if named in known:  # both name and id; anything else is not for us to judge
                known[named].require_signed(self.text, signature.octets)
                signers[named] = known[named]  # signing twice counts once
        if not signers:
            raise UnknownKey(
                "note.unknown-key",
                expected=" or ".join(key.name for key in known.values()) or "no key at all",
                found=", ".join(one.name for one in self.signatures),
            )
        return tuple(signers.values())


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise _malformed("an em dash, a name and base64 in a signature line", repr(line[:80]))
    _require_key_name(name)
    octets = from_base64(encoded, "note.malformed")
    if len(octets) <= KEY_ID_SIZE:
        raise _malformed("a key id and a signature", f"{len(octets)} octets")
    return Signature(name, octets[:KEY_ID_SIZE], octets[KEY_ID_SIZE:])


def _require_key_name(name: str) -> None:
    if not name or "+" in name or any(letter.isspace() or letter < " " for letter in name):
        raise _malformed("a key name without spaces and '+'", repr(name[:80]))


def from_base64(text: str, code: str) -> bytes:
    """The octets of standard base64 in its one spelling; refusals bear the caller's code."""
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(code, expected="base64", found=repr(text[:80])) from error
    if base64.b64encode(octets).decode() != text:  # stray bits after the last octet
        raise Malformed(code, expected="base64 in its one spelling", found=repr(text[:80]))
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
        root = base64.b64encode(self.root).decode()
        lines = (self.origin, str(self.size), root, *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()


def require_checkpoint(note: Note, log: VerifierKey) -> Checkpoint:
    """The checkpoint in this note, signed by the log whose name its first line bears."""
    note.require_signed([log])
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log.name:
        raise Inconsistent(
            "checkpoint.origin", expected=log.name, found=repr(checkpoint.origin[:200])
        )
    return checkpoint


def _not_a_checkpoint(expected: str, found: str) -> Malformed:
    return Malformed("checkpoint.malformed", expected=expected, found=found)
