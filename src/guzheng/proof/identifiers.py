"""Numbers by which China names its residents and its enterprises: form and check character.

GB 11643-1999 (公民身份号码): 17 digits and a check character by ISO 7064 MOD 11-2.
GB 32100-2015 (统一社会信用代码): 18 characters of an alphabet without I, O, S, V, Z; the last
is a check by powers of three, modulo 31.

A number that passes is well spelled, and no more: whether it was ever issued, and to whom, only
the register knows. A slip of one character, or two neighbours exchanged, never passes.
"""

import unicodedata
from datetime import date

from guzheng.proof.errors import Malformed, require

LENGTH = 18  # characters, of both
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, table 1
RESIDENT_CHECKS = "0123456789X"
OLDEST_YEARS = 150
_DIGITS = frozenset("0123456789")
_USCC_WEIGHTS = tuple(pow(3, place, 31) for place in range(LENGTH - 1))
_RESIDENT_WEIGHTS = tuple(pow(2, place, 11) for place in range(LENGTH - 1, 0, -1))


def spelled(typed: str) -> str:
    """As the standards write it, of what a person typed: full-width and small letters, blanks
    and hyphens are how people copy such numbers."""
    plain = unicodedata.normalize("NFKC", typed).upper()
    return "".join(one for one in plain if not one.isspace() and one not in "-‐‑–—")


def uscc_check(first: str) -> str:
    """The last character, of the 17 before it."""
    pairs = zip(first, _USCC_WEIGHTS, strict=True)
    return USCC_ALPHABET[-sum(USCC_ALPHABET.index(one) * weight for one, weight in pairs) % 31]


def require_uscc(code: str) -> str:
    """The code of an enterprise in its one spelling, or Malformed."""
    require(
        len(code) == LENGTH
        and set(code) <= set(USCC_ALPHABET)
        and set(code[2:8]) <= _DIGITS,  # the district of who registered it: GB/T 2260
        Malformed,
        "identifier.uscc-malformed",
        "18 digits and capitals without I, O, S, V, Z",
        code[:40],
    )
    # The one expected is not told: who typed a false number is not helped to a fitting one.
    require(
        uscc_check(code[:-1]) == code[-1],
        Malformed,
        "identifier.uscc-check",
        "the check character that belongs to the 17 before it",
        code[-1],
    )
    return code


def resident_check(first: str) -> str:
    """The last character, of the 17 before it."""
    pairs = zip(first, _RESIDENT_WEIGHTS, strict=True)
    return RESIDENT_CHECKS[(1 - sum(int(one) * weight for one, weight in pairs)) % 11]


def require_resident(number: str, *, on: date) -> date:
    """The day of birth in a resident's number that is well spelled on that day, or Malformed.

    The 15 digits of cards before 1999 are refused: no such card is valid since 2013."""
    whole = len(number) == LENGTH
    require(
        whole and set(number[:-1]) <= _DIGITS and number[-1] in RESIDENT_CHECKS,
        Malformed,
        "identifier.resident-malformed",
        "17 digits and a check character, 0 to 9 or X",
        f"{len(number)} characters",  # never the number: what is refused is logged and shown
    )
    require(
        number[0] != "0" and resident_check(number[:-1]) == number[-1],
        Malformed,
        "identifier.resident-check",
        "the check character that belongs to the 17 before it",
        number[-1],
    )
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    try:
        born = date(year, month, day)
    except ValueError:
        born = date.max
    require(
        born <= on and on.year - born.year <= OLDEST_YEARS,
        Malformed,
        "identifier.resident-birth",
        f"a day of birth in the {OLDEST_YEARS} years before {on}",
        number[6:14],
    )
    return born
