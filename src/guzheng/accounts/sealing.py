"""What must be read again and yet not lie in the database in clear: sealed under a key beside
it.

AES-256-GCM under a key of its own, in `keys/accounts.key` (0600), made at first use and never
anew once something was sealed with it. The place where a secret belongs is bound to it, so that
a row cannot be moved to another person. What need not be read again (tokens, codes) is kept as
a keyed digest: a stolen database says nothing about it without the key.
"""

import contextlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guzheng.refusals import Refused
from guzheng.store import durable

FILE: Final = "accounts.key"
_KEY_OCTETS: Final = 32
_NONCE_OCTETS: Final = 12


class Sealing:
    """One key, for sealing and for digests; each purpose has a key derived for it."""

    def __init__(self, key: bytes, entropy: Callable[[int], bytes]) -> None:
        self._aead = AESGCM(hmac.digest(key, b"guzheng accounts: sealed", "sha256"))
        self._digests = hmac.digest(key, b"guzheng accounts: digests", "sha256")
        self._entropy = entropy

    def sealed(self, secret: bytes, place: str) -> str:
        nonce = self._entropy(_NONCE_OCTETS)
        return (nonce + self._aead.encrypt(nonce, secret, place.encode())).hex()

    def opened(self, sealed: str, place: str) -> bytes:
        octets = bytes.fromhex(sealed)
        try:
            return self._aead.decrypt(
                octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], place.encode()
            )
        except InvalidTag as error:
            raise Refused(
                "accounts.key-differs",
                expected=f"the key that it was sealed with: keys/{FILE}",
                found="another",
                act=f"the operator restores keys/{FILE} from its copy",
            ) from error

    def digest(self, purpose: str, text: str) -> str:
        """The same for the same text; tells nothing without the key."""
        return hmac.digest(self._digests, f"{purpose}\0{text}".encode(), "sha256").hex()


def load_or_make(folder: Path, entropy: Callable[[int], bytes]) -> Sealing:
    """The key in this folder."""
    path = folder / FILE
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # another process that starts was first
            durable.create(path, entropy(_KEY_OCTETS))
    key = path.read_bytes()
    if len(key) != _KEY_OCTETS:
        raise Refused(
            "accounts.key-damaged",
            expected=f"{_KEY_OCTETS} octets",
            found=f"{len(key)}: {FILE}",
            act=f"the operator restores {path} from its copy",
        )
    return Sealing(key, entropy)
