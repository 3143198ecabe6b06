"""What must be read again and yet not lie in the database in clear: sealed under a key beside
it.

AES-256-GCM under a key of its own, `keys/accounts.key` (0600), made at first use. The place
where a secret belongs is bound to it, so that a row cannot be moved to another person. What
need not be read again (recovery codes; whom is tried) is kept as a keyed digest: a stolen
database says nothing about it without the key.

Another key is turned to as with documents (`generations`): it seals and signs challenges from
then on, its number stands before what it sealed, and `resealed` brings over what lies under
those before. Digests keep the key they were made by: what they are of is not kept, and a
recovery code of 80 bits is not found without it either.
"""

import hmac
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine

from guzheng.accounts.generations import ACCOUNTS, MOST, Generations, Keys
from guzheng.refusals import Refused

_NONCE_OCTETS: Final = 12


class Sealing:
    """Seals under the key of now, opens under each; may be shared by threads."""

    def __init__(self, keys: Keys, entropy: Callable[[int], bytes]) -> None:
        self._keys, self._entropy = keys, entropy

    def sealed(self, secret: bytes, place: str) -> str:
        generation, nonce = self._keys.current(), self._entropy(_NONCE_OCTETS)
        bound = _bound(generation, place)
        octets = nonce + self._aead(generation).encrypt(nonce, secret, bound)
        return octets.hex() if generation == 1 else f"{generation}.{octets.hex()}"

    def opened(self, sealed: str, place: str) -> bytes:
        generation = generation_of(sealed)
        try:
            octets = bytes.fromhex(sealed.rpartition(".")[2])
            nonce, rest = octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:]
            return self._aead(generation).decrypt(nonce, rest, _bound(generation, place))
        except (InvalidTag, ValueError) as error:
            file = ACCOUNTS.file(generation)
            raise Refused(
                "accounts.key-differs",
                expected=f"the key that it was sealed with: keys/{file}",
                found="another",
                act=f"the operator restores keys/{file} from its copy",
            ) from error

    def resealed(self, sealed: str, place: str) -> str | None:
        """Under the key that seals now; None where it lies under it already."""
        if generation_of(sealed) == self._keys.current():
            return None
        return self.sealed(self.opened(sealed, place), place)

    def mark(self, purpose: str, text: str) -> str:
        """Shows for some minutes that we said this: by the key of now."""
        return _digest(_marking(self._keys.key(self._keys.current())), purpose, text)

    def digest(self, purpose: str, text: str) -> str:
        """The same for the same text, for ever; tells nothing without the key."""
        return _digest(self._keys.marks(), purpose, text)

    def _aead(self, generation: int) -> AESGCM:
        key = self._keys.key(generation)
        return AESGCM(hmac.digest(key, b"guzheng accounts: sealed", "sha256"))


def generation_of(sealed: str) -> int:
    """By which key it is sealed; what nobody sealed counts as the first's, which opens it
    not."""
    number = sealed.rpartition(".")[0]
    known = number.isascii() and number.isdecimal() and len(number) <= len(str(MOST))
    return int(number) if known and str(int(number)) == number and int(number) > 1 else 1


def _bound(generation: int, place: str) -> bytes:
    return place.encode() if generation == 1 else f"{generation} {place}".encode()


def _marking(key: bytes) -> bytes:
    return hmac.digest(key, b"guzheng accounts: marks", "sha256")


def _digest(key: bytes, purpose: str, text: str) -> str:
    return hmac.digest(key, f"{purpose}\0{text}".encode(), "sha256").hex()


def keys_of_accounts(
    keys: Path, engine: Engine, now: Callable[[], datetime], entropy: Callable[[int], bytes]
) -> Generations:
    return Generations(ACCOUNTS, keys, engine, now, entropy)


def open_sealing(
    keys: Path, engine: Engine, now: Callable[[], datetime], entropy: Callable[[int], bytes]
) -> Sealing:
    """Under the keys in this folder, which are read or made when they are first needed."""
    return Sealing(keys_of_accounts(keys, engine, now, entropy), entropy)
