"""What must be read again and yet not lie in the database in clear: sealed under a key beside
it.

AES-256-GCM under a key of its own, in `keys/accounts.key` (0600), made at first use and never
anew once something was sealed with it. The place where a secret belongs is bound to it, so that
a row cannot be moved to another person. What need not be read again (tokens, codes) is kept as
a keyed digest: a stolen database says nothing about it without the key.
"""

import hmac
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine

from guzheng.accounts.keyfiles import key_for
from guzheng.refusals import Refused

FILE: Final = "accounts.key"
_NONCE_OCTETS: Final = 12


class Sealing:
    """One key, read or made when it is first needed; each purpose has a key derived from it."""

    def __init__(self, load: Callable[[], bytes], entropy: Callable[[int], bytes]) -> None:
        self._load, self._entropy = load, entropy

    @cached_property
    def _keys(self) -> tuple[AESGCM, bytes]:
        key = self._load()
        sealing = hmac.digest(key, b"guzheng accounts: sealed", "sha256")
        return AESGCM(sealing), hmac.digest(key, b"guzheng accounts: digests", "sha256")

    def sealed(self, secret: bytes, place: str) -> str:
        nonce = self._entropy(_NONCE_OCTETS)
        return (nonce + self._keys[0].encrypt(nonce, secret, place.encode())).hex()

    def opened(self, sealed: str, place: str) -> bytes:
        octets = bytes.fromhex(sealed)
        try:
            return self._keys[0].decrypt(
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
        return hmac.digest(self._keys[1], f"{purpose}\0{text}".encode(), "sha256").hex()


def open_sealing(
    keys: Path, engine: Engine, now: Callable[[], datetime], entropy: Callable[[int], bytes]
) -> Sealing:
    """Under the key in this folder, which is read or made when it is first needed."""

    def load() -> bytes:
        return key_for(
            "accounts",
            keys / FILE,
            engine,
            code="accounts.key-differs",
            now=now(),
            entropy=entropy,
        )

    return Sealing(load, entropy)
