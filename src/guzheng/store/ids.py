"""Names of our things: a prefix, then 26 characters of Crockford base32, sorting by time.

The layout is that of a ULID: 48 bits of milliseconds since 1970, then 80 bits of chance, so
that two machines need not ask each other. An id says when it was made and nothing else; it
is no secret. Both the time and the chance are arguments.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from guzheng.refusals import Refused

LOCAL = "local"  # the one account that has no id: of the shell, and of the first operator
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
LENGTH = 26
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# 26 characters hold 130 bits and an id has 128, hence the first is at most 7.
_FORM = re.compile(rf"[a-z]{{1,8}}_[0-7][{ALPHABET}]{{{LENGTH - 1}}}")


def new(prefix: str, now: datetime, entropy: Callable[[int], bytes]) -> str:
    """For example `new("ex", now, os.urandom)` gives `ex_01JD…`."""
    milliseconds = (now - _EPOCH) // timedelta(milliseconds=1)
    if not 0 <= milliseconds < 1 << 48:
        raise ValueError(f"no id can hold the time {now.isoformat()}")
    number = milliseconds << 80 | int.from_bytes(entropy(10), "big")
    digits = [ALPHABET[number >> 5 * place & 31] for place in reversed(range(LENGTH))]
    return f"{prefix}_{''.join(digits)}"


def made_at(text: str) -> datetime:
    """The time that an id of ours says: to the millisecond, when it was made."""
    number = 0
    for letter in require_id(text, text.partition("_")[0]).partition("_")[2]:
        number = number << 5 | ALPHABET.index(letter)
    return _EPOCH + timedelta(milliseconds=number >> 80)


def is_id(text: str) -> bool:
    """Whether it has the form of one, with any prefix."""
    return _FORM.fullmatch(text) is not None


def require_id(text: str, prefix: str) -> str:
    """The text itself, if it is an id with this prefix; there is one spelling."""
    if not (_FORM.fullmatch(text) and text.startswith(f"{prefix}_")):
        raise Refused(
            "store.not-an-id",
            expected=f"{prefix}_ and {LENGTH} characters of Crockford base32",
            found=repr(text[:80]),
        )
    return text
