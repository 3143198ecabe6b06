"""The ledger's keys and name, each key in one file: made at first start, never overwritten.

`ledger.key` (Ed25519) is the ledger: key and name are one thing, and a ledger that changed
either would be another ledger, to which proofs given out before would no longer lead. Beside
it lie further keys under the same name, `ledger.ml-dsa-44.key` and, where SM2 can be signed
with, `ledger.sm2.key`; a ledger of before gets them at its next start and keeps its name.

One line each, in the form of Go's sumdb/note: `PRIVATE+KEY+name+id+base64(type || secret)`. A
file is written whole or not at all, readable by its owner only, in a directory that is its
owner's only; nothing here is ever logged. A further key that has signed already is not made
anew when its file is gone: who was told its public half would believe the ledger no more.
"""

import base64
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from guzheng.ledger.signer import FurtherKey, Signer
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.note import (
    ED25519,
    ML_DSA_44,
    SM2,
    SM2_LABEL,
    Note,
    VerifierKey,
    from_base64,
)
from guzheng.refusals import Refused
from guzheng.store import durable

FILE, ML_DSA_FILE, SM2_FILE = "ledger.key", "ledger.ml-dsa-44.key", "ledger.sm2.key"
_HEAD = "PRIVATE+KEY+"
_SECRET_SIZE = 32  # a seed of Ed25519 or ML-DSA-44, a scalar of SM2


class Sm2Signing(Protocol):
    """What signs with SM2 on this machine; the ledger brings the secret."""

    def public(self, secret: bytes) -> bytes:
        """The point `04 || x || y` of a scalar of 32 octets; ValueError if it is none."""
        ...

    def sign(self, secret: bytes, message: bytes) -> bytes:
        """DER of SEQUENCE { r, s } over SM3(Z || message), under the usual identity."""
        ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of key, where it is kept, and how its signatures are told from the others."""

    file: str
    type: int
    make: Callable[[str, bytes], FurtherKey]  # from name and secret
    sizes: range  # of a signature in a note


def _kinds(sm2: Sm2Signing | None) -> Iterator[_Kind]:
    yield _Kind(ML_DSA_FILE, ML_DSA_44, _ml_dsa_44, range(2428, 2429))
    if sm2 is not None:
        yield _Kind(SM2_FILE, SM2, lambda name, secret: _sm2(name, secret, sm2), range(65, 73))


def open_signer(
    directory: Path,
    origin: str | None,
    entropy: Callable[[int], bytes],
    *,
    sm2: Sm2Signing | None = None,
    signed: bytes | None = None,
) -> Signer:
    """The signer kept in this directory; makes what keys are missing.

    Without an origin a new ledger is named `guzheng.local/` and eight digits of its key. With
    one, a ledger that is kept under another name is refused, not renamed. `signed`: the note
    that was signed last, which shows whether a key that is missing was there before."""
    path = directory / FILE
    if not path.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(path, _encode(_ed25519, *_new(origin, entropy)))
    name, secret = _read(path, _ed25519)
    if origin is not None and name != origin:
        raise Refused(
            "ledger.origin-changed",
            expected=f"the origin this ledger was made with: {name}",
            found=origin,
            act="set the origin back; a new name needs a new ledger",
        )
    further = []
    for kind in _kinds(sm2):
        with contextlib.suppress(UnsupportedAlgorithm):  # this machine has none of that kind
            further.append(_further(directory, kind, name, entropy, signed))
    return Signer(name, Ed25519PrivateKey.from_private_bytes(secret), further)


def _further(
    directory: Path,
    kind: _Kind,
    name: str,
    entropy: Callable[[int], bytes],
    signed: bytes | None,
) -> FurtherKey:
    path = directory / kind.file
    if not path.exists():
        if _bears(signed, name, kind.sizes):
            raise Refused(
                "ledger.key-missing",
                expected=f"{kind.file}, with which this ledger has signed",
                found="none",
                act=f"restore {path} from its copy; it is never made anew",
            )
        _create(path, _encode(kind.make, name, _secret(kind, name, entropy)))
    found, secret = _read(path, kind.make)
    if found != name:
        raise Refused(
            "ledger.origin-changed",
            expected=f"a key under the name of this ledger: {name}",
            found=f"{kind.file}: {found}",
            act="restore all keys of one ledger together",
        )
    return kind.make(name, secret)


def _bears(signed: bytes | None, name: str, sizes: range) -> bool:
    if signed is None:
        return False
    with contextlib.suppress(ProofError):  # damage is said by whoever relies on the note
        signatures = Note.parse(signed).signatures
        return any(one.name == name and len(one.octets) in sizes for one in signatures)
    return False


# -- kinds of keys -----------------------------------------------------------------------------


def _ed25519(name: str, secret: bytes) -> FurtherKey:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    public = private.public_key().public_bytes_raw()
    return FurtherKey(VerifierKey(name, ED25519, public), private.sign)


def _ml_dsa_44(name: str, secret: bytes) -> FurtherKey:
    private = MLDSA44PrivateKey.from_seed_bytes(secret)
    public = private.public_key().public_bytes_raw()
    return FurtherKey(VerifierKey(name, ML_DSA_44, public), private.sign)


def _sm2(name: str, secret: bytes, sm2: Sm2Signing) -> FurtherKey:
    key = VerifierKey(name, SM2, SM2_LABEL + sm2.public(secret))
    return FurtherKey(key, lambda message: sm2.sign(secret, message))


# -- files -------------------------------------------------------------------------------------


def _new(origin: str | None, entropy: Callable[[int], bytes]) -> tuple[str, bytes]:
    seed = entropy(_SECRET_SIZE)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return origin or f"guzheng.local/{sha256(public).hexdigest()[:8]}", seed


def _secret(kind: _Kind, name: str, entropy: Callable[[int], bytes]) -> bytes:
    while True:
        secret = entropy(_SECRET_SIZE)
        with contextlib.suppress(ValueError):  # no scalar of SM2: one in 2**32 draws
            kind.make(name, secret)
            return secret


def _create(path: Path, octets: bytes) -> None:
    with contextlib.suppress(FileExistsError):  # another process was first: its key
        durable.create(path, octets, mode=0o600)


def _encode(make: Callable[[str, bytes], FurtherKey], name: str, secret: bytes) -> bytes:
    try:
        return _line(make(name, secret).key, secret)
    except Malformed as error:
        raise Refused(
            "ledger.bad-origin",
            expected="a name without spaces, '+' and control characters",
            found=repr(name[:80]),
            act="set another origin, such as a host name and a path",
        ) from error


def _line(key: VerifierKey, secret: bytes) -> bytes:
    hidden = base64.b64encode(bytes([key.type]) + secret).decode()
    return f"{_HEAD}{key.name}+{key.id.hex()}+{hidden}\n".encode()


def _read(path: Path, make: Callable[[str, bytes], FurtherKey]) -> tuple[str, bytes]:
    """Name and secret. Says nothing of what it found: it is a secret, even when damaged."""
    if path.stat().st_mode & 0o077:
        raise Refused(
            "ledger.key-exposed",
            expected="a key that only its owner can read",
            found=f"mode {path.stat().st_mode & 0o777:o} on {path.name}",
            act="the operator examines who read it, and sets the mode to 600",
        )
    octets = path.read_bytes()
    with contextlib.suppress(Malformed, ValueError):
        name, _, rest = octets.decode().removeprefix(_HEAD).partition("+")
        encoded = rest.removesuffix("\n").partition("+")[2]
        secret = from_base64(encoded, "ledger.key-damaged")[1:]
        if len(secret) == _SECRET_SIZE and _line(make(name, secret).key, secret) == octets:
            return name, secret
    raise Refused(
        "ledger.key-damaged",
        expected=f"{path.name}: a signing key in the form of a signed note's",
        act="restore it from a backup; without it this ledger cannot go on",
    )
