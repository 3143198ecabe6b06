"""The ledger's key and name in one file, `ledger.key`: made at first start, never overwritten.

One line in the form that Go's sumdb/note uses: `PRIVATE+KEY+name+id+base64(type || seed)`.
Key and name are one thing: a ledger that changed either would be another ledger, and proofs
given out before would no longer lead to it. The file is written whole or not at all, readable
by its owner only, in a directory that is its owner's only; nothing here is ever logged.
"""

import base64
import contextlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guzheng.ledger.signer import Signer
from guzheng.proof.errors import Malformed
from guzheng.proof.note import ED25519, from_base64
from guzheng.refusals import Refused
from guzheng.store import durable

FILE = "ledger.key"
_HEAD = "PRIVATE+KEY+"
_SEED_SIZE = 32


def open_signer(directory: Path, origin: str | None, entropy: Callable[[int], bytes]) -> Signer:
    """The signer kept in this directory; makes one if there is none.

    Without an origin a new ledger is named `guzheng.local/` and eight digits of its key. With
    one, a ledger that is kept under another name is refused, not renamed."""
    path = directory / FILE
    if not path.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was first: its key
            durable.create(path, _encode(*_new(origin, entropy)), mode=0o600)
    if path.stat().st_mode & 0o077:
        raise Refused(
            "ledger.key-exposed",
            expected="a key that only its owner can read",
            found=f"mode {path.stat().st_mode & 0o777:o} on {path.name}",
            act="the operator examines who read it, and sets the mode to 600",
        )
    signer = _parse(path.read_text("utf-8"))
    if origin is not None and signer.key.name != origin:
        raise Refused(
            "ledger.origin-changed",
            expected=f"the origin this ledger was made with: {signer.key.name}",
            found=origin,
            act="set the origin back; a new name needs a new ledger",
        )
    return signer


def _new(origin: str | None, entropy: Callable[[int], bytes]) -> tuple[str, bytes]:
    seed = entropy(_SEED_SIZE)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return origin or f"guzheng.local/{sha256(public).hexdigest()[:8]}", seed


def _encode(name: str, seed: bytes) -> bytes:
    try:
        signer = Signer(name, Ed25519PrivateKey.from_private_bytes(seed))
    except Malformed as error:
        raise Refused(
            "ledger.bad-origin",
            expected="a name without spaces, '+' and control characters",
            found=repr(name[:80]),
            act="set another origin, such as a host name and a path",
        ) from error
    secret = base64.b64encode(bytes([ED25519]) + seed).decode()
    return f"{_HEAD}{name}+{signer.key.id.hex()}+{secret}\n".encode()


def _parse(text: str) -> Signer:
    """Says nothing of what it found: the text is a secret, even when it is damaged."""
    name, _, rest = text.removeprefix(_HEAD).removesuffix("\n").partition("+")
    key_id, _, encoded = rest.partition("+")
    with contextlib.suppress(Malformed):
        octets = from_base64(encoded, "ledger.key-damaged")
        if text.startswith(_HEAD) and len(octets) == 1 + _SEED_SIZE and octets[0] == ED25519:
            signer = Signer(name, Ed25519PrivateKey.from_private_bytes(octets[1:]))
            if signer.key.id.hex() == key_id:
                return signer
    raise Refused(
        "ledger.key-damaged",
        expected=f"{FILE}: a signing key in the form of a signed note's",
        act="restore it from a backup; without it this ledger cannot go on",
    )
