"""The keys of one cosigner in one file, made at first start and never overwritten.

One line a key: `PRIVATE+KEY+name+id+base64(type || seed)`, as Go's sumdb/note writes it. The
first is Ed25519 (type 0x04), a second may be ML-DSA-44 (0x06), both under one name. The file is
its owner's alone, mode 600, and nothing here ever shows what it holds, not even when damaged.
"""

import base64
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from guzheng.cosigner import Refused, files
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.note import (
    COSIGNATURE,
    ML_DSA_44,
    Checkpoint,
    Signature,
    VerifierKey,
    from_base64,
)
from guzheng.proof.subtree import Subtree

MAX_NAME = 255  # octets; ML-DSA-44 signs the name behind one octet of length
_HEAD = "PRIVATE+KEY+"
_SEED_SIZE = 32


@dataclass(frozen=True, slots=True)
class CosigningKey:
    key: VerifierKey
    sign: Callable[[bytes], bytes] = field(repr=False)

    def cosign(self, text: bytes, seconds: int) -> Signature:
        return self.key.signature_of(self.sign(self.key.message_of(text, seconds)), seconds)

    def cosign_subtree(self, subtree: Subtree) -> Signature:
        """Without a time: it does not say that this is the largest tree seen."""
        return self.key.signature_of(self.sign(subtree.message_of(self.key)))


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A name, and every key under it."""

    keys: tuple[CosigningKey, ...]

    @property
    def name(self) -> str:
        return self.keys[0].key.name

    @property
    def vkeys(self) -> tuple[str, ...]:
        return tuple(str(one.key) for one in self.keys)

    def cosign(self, text: bytes, seconds: int) -> tuple[Signature, ...]:
        """A line for each key. ML-DSA-44 does not cover extension lines, so it signs none."""
        plain = not Checkpoint.parse(text).extensions
        return tuple(
            one.cosign(text, seconds)
            for one in self.keys
            if plain or one.key.type == COSIGNATURE
        )

    @property
    def subtree_keys(self) -> tuple[CosigningKey, ...]:
        """Those that can sign a part of a tree."""
        return tuple(one for one in self.keys if one.key.type == ML_DSA_44)

    def cosign_subtree(self, subtree: Subtree) -> tuple[Signature, ...]:
        return tuple(one.cosign_subtree(subtree) for one in self.subtree_keys)


def open_cosigner(
    path: Path, name: str | None, *, post_quantum: bool, entropy: Callable[[int], bytes]
) -> Cosigner:
    """The keys in this file; makes them under this name where there is none."""
    if not path.exists():
        if name is None:
            raise Refused("cosigner.no-name")
        kinds = (COSIGNATURE, ML_DSA_44) if post_quantum else (COSIGNATURE,)
        lines = "".join(
            _line(_key(name, kind, seed := entropy(_SEED_SIZE)), seed) for kind in kinds
        )
        with contextlib.suppress(FileExistsError):  # another start was first: its keys
            files.create(path, lines.encode(), 0o600)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise Refused("cosigner.key-exposed", found=f"{mode:o}", path=path)
    cosigner = Cosigner(tuple(_parse(one, path) for one in _lines(path)))
    if name is not None and cosigner.name != name:
        raise Refused("cosigner.renamed", expected=cosigner.name, found=name)
    if post_quantum and len(cosigner.keys) == 1:
        raise Refused("cosigner.one-key", name=cosigner.name)
    return cosigner


def _key(name: str, kind: int, seed: bytes) -> CosigningKey:
    if len(name.encode("utf-8", "replace")) > MAX_NAME:
        raise Refused("cosigner.bad-name", found=repr(name[:80]))
    try:
        if kind == ML_DSA_44:
            lattice = MLDSA44PrivateKey.from_seed_bytes(seed)
            public = lattice.public_key().public_bytes_raw()
            return CosigningKey(VerifierKey(name, kind, public), lattice.sign)
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        return CosigningKey(VerifierKey(name, kind, public), private.sign)
    except ProofError as error:
        raise Refused("cosigner.bad-name", found=repr(name[:80])) from error
    except UnsupportedAlgorithm as error:
        raise Refused("cosigner.no-ml-dsa") from error


def _line(key: CosigningKey, seed: bytes) -> str:
    secret = base64.b64encode(bytes([key.key.type]) + seed).decode()
    return f"{_HEAD}{key.key.name}+{key.key.id.hex()}+{secret}\n"


def _lines(path: Path) -> list[str]:
    text = path.read_text("utf-8", "replace")
    if not text.endswith("\n"):
        raise Refused("cosigner.key-damaged", path=path)
    return text[:-1].split("\n")


def _parse(line: str, path: Path) -> CosigningKey:
    name, _, rest = line.removeprefix(_HEAD).partition("+")
    with contextlib.suppress(Malformed):
        octets = from_base64(rest.partition("+")[2], "cosigner.key-damaged")
        if len(octets) == 1 + _SEED_SIZE and octets[0] in (COSIGNATURE, ML_DSA_44):
            key = _key(name, octets[0], octets[1:])
            if _line(key, octets[1:]) == f"{line}\n":
                return key
    raise Refused("cosigner.key-damaged", path=path)
