"""The second step of a sign-in: codes of an authenticator (TOTP), and recovery codes.

TOTP is RFC 6238 with SHA-1, six digits and thirty seconds, which every authenticator knows; a
code of the step before or after is taken too, for a clock that is wrong, and each only once.
Recovery codes are ten, of 80 bits each, shown once and kept as keyed digests; each is good for
one sign-in.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from guzheng.store.ids import ALPHABET

SECRET_OCTETS: Final = 20
STEP_SECONDS: Final = 30
DIGITS: Final = 6
_AROUND: Final = (-1, 0, 1)
CODES: Final = 10
_CODE_OCTETS: Final = 10
_CODE_GROUP: Final = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person puts into the authenticator: as a picture to scan, or typed."""

    address: str  # otpauth://
    typed: str  # base32, in groups


def shown(secret: bytes, person: str, issuer: str) -> Shown:
    text = base64.b32encode(secret).decode()
    label = quote(f"{issuer}:{person}", safe="")
    query = urlencode(
        {
            "secret": text,
            "issuer": issuer,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": STEP_SECONDS,
        },
        quote_via=quote,
    )
    return Shown(f"otpauth://totp/{label}?{query}", _grouped(text))


def find_step(secret: bytes, typed: str, now: datetime, last_step: int) -> int | None:
    """The step whose code this is; None if it is none, or one that was used."""
    code = "".join(typed.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdecimal()):
        return None
    hotp = HOTP(secret, DIGITS, SHA1())  # noqa: S303 - HMAC-SHA-1, as RFC 6238 has it
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in (current + one for one in _AROUND):
        right = constant_time.bytes_eq(hotp.generate(step), code.encode())
        if right and step > last_step:
            found = step
    return found


def new_codes(entropy: Callable[[int], bytes]) -> tuple[str, ...]:
    """Ten codes such as `7K2M-W9QD-4T8X-ZB3F`."""
    return tuple(_code(entropy(_CODE_OCTETS)) for _ in range(CODES))


def _code(octets: bytes) -> str:
    number = int.from_bytes(octets, "big")
    digits = len(octets) * 8 // 5
    text = "".join(ALPHABET[number >> 5 * place & 31] for place in range(digits))
    return _grouped(text).replace(" ", "-")


def code_of(typed: str) -> str:
    """As it was written down: case and dashes do not matter, nor O for 0, or I and L for 1."""
    text = "".join(one for one in typed.upper() if one.isalnum())
    return text.translate(str.maketrans("OIL", "011"))


def is_recovery(typed: str) -> bool:
    return len(code_of(typed)) == _CODE_OCTETS * 8 // 5


def _grouped(text: str) -> str:
    return " ".join(text[at : at + _CODE_GROUP] for at in range(0, len(text), _CODE_GROUP))


def websafe(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def from_websafe(text: str) -> bytes:
    """Raises ValueError for what is none."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
