"""Challenges of passkeys: known again by their own mark, so that asking for one writes nothing.

A challenge is chance, the second it was made in, and a keyed mark over both and over what it is
for. Only one that was answered rightly is written down, so that it is answered once.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives import constant_time

from guzheng.accounts.letters import CHALLENGE, LASTS, Letters, dead
from guzheng.accounts.onetime import from_websafe, websafe
from guzheng.accounts.sealing import Sealing

_CHANCE: Final = 16
_SECOND: Final = 5
_MARK: Final = 16
TO_SIGN: Final = "sign"


def to_make(person: str) -> str:
    return f"make {person}"


def new(
    sealing: Sealing, purpose: str, now: datetime, entropy: Callable[[int], bytes]
) -> bytes:
    told = entropy(_CHANCE) + int(now.timestamp()).to_bytes(_SECOND, "big")
    return told + _mark(sealing, purpose, told)


def require(sealing: Sealing, purpose: str, challenge: str, now: datetime) -> None:
    """Refused unless we made it, for this, and a moment ago."""
    try:
        octets = from_websafe(challenge)
    except ValueError as error:
        raise dead() from error
    told, mark = octets[:-_MARK], octets[-_MARK:]
    right = constant_time.bytes_eq(mark, _mark(sealing, purpose, told))
    if len(told) != _CHANCE + _SECOND or websafe(octets) != challenge or not right:
        raise dead()
    made_at = datetime.fromtimestamp(int.from_bytes(told[_CHANCE:], "big"), UTC)
    if not timedelta(seconds=-1) < now - made_at < LASTS[CHALLENGE]:
        raise dead()


def spend(letters: Letters, challenge: str, now: datetime) -> None:
    """Refused for one that was answered before; of two at once, one is."""
    letters.spend(CHALLENGE, challenge, now)


def _mark(sealing: Sealing, purpose: str, told: bytes) -> bytes:
    return bytes.fromhex(sealing.mark(f"challenge {purpose}", told.hex()))[:_MARK]
