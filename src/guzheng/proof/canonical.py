"""The one spelling of JSON that is hashed: RFC 8785, for the values our papers use.

Papers hold objects, arrays, strings, integers, booleans and null. Numbers with a fraction are
refused on both sides: their spelling is the one part of RFC 8785 that implementations get
wrong, and nothing in evidence needs them. `parse` accepts only what `encode` would write, so
two different byte strings can never stand for one paper.
"""

import json
from collections.abc import Sequence
from typing import NoReturn, cast

from guzheng.proof.errors import Malformed

MAX_DEPTH = 16  # our deepest paper has 6 levels; a bomb of brackets must not exhaust the stack
MAX_INTEGER = 2**53 - 1  # RFC 8785 §3.2.2.3 by way of I-JSON (RFC 7493 §2.2)


def encode(value: object) -> bytes:
    """The canonical form, UTF-8. Raises Malformed for values that have none."""
    return _spell(value, MAX_DEPTH).encode("utf-8", "strict")


def parse(octets: bytes) -> object:
    """The value of canonical JSON. Raises Malformed for any other spelling of it."""
    try:
        value: object = json.loads(
            octets.decode("utf-8", "strict"),
            object_pairs_hook=_unique,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
        again = encode(value)
    except (ValueError, RecursionError) as error:
        raise Malformed(
            "canonical.not-json", expected="JSON", found=str(error)[:120]
        ) from error
    if again != octets:
        at = next(
            (i for i, (a, b) in enumerate(zip(again, octets, strict=False)) if a != b),
            len(again),
        )
        raise Malformed(
            "canonical.other-spelling",
            expected="the canonical spelling of RFC 8785",
            found=f"a difference at octet {at}",
        )
    return value


def parse_object(octets: bytes) -> dict[str, object]:
    """`parse`, and the value must be an object."""
    value = parse(octets)
    if not isinstance(value, dict):
        raise Malformed(
            "canonical.not-object", expected="a JSON object", found=type(value).__name__
        )
    return cast("dict[str, object]", value)


def _spell(value: object, depth: int) -> str:
    if depth == 0:
        raise Malformed(
            "canonical.too-deep", expected=f"at most {MAX_DEPTH} levels", found="more"
        )
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            if abs(value) > MAX_INTEGER:
                raise Malformed(
                    "canonical.integer-range",
                    expected=f"|n| ≤ {MAX_INTEGER}",
                    found=str(value)[:40],
                )
            return str(value)
        case str():
            return _spell_text(value)
        case list() | tuple():
            return (
                "["
                + ",".join(_spell(one, depth - 1) for one in cast("Sequence[object]", value))
                + "]"
            )
        case dict():
            return "{" + ",".join(_members(cast("dict[object, object]", value), depth)) + "}"
        case _:
            raise Malformed(
                "canonical.no-spelling",
                expected="object, array, string, integer, boolean or null",
                found=type(value).__name__,
            )


def _members(value: dict[object, object], depth: int) -> list[str]:
    for key in value:
        if not isinstance(key, str):
            raise Malformed("canonical.no-spelling", expected="text keys", found=repr(key)[:40])
    keys = [key for key in value if isinstance(key, str)]
    # RFC 8785 §3.2.3: sorted by UTF-16 code units, which is not Python's order beyond U+FFFF.
    keys.sort(key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return [f"{_spell_text(key)}:{_spell(value[key], depth - 1)}" for key in keys]


def _spell_text(text: str) -> str:
    # Python escapes exactly the characters, and in exactly the way, of RFC 8785 §3.2.2.2.
    try:
        text.encode("utf-8", "strict")
    except UnicodeEncodeError as error:
        raise Malformed(
            "canonical.surrogate", expected="Unicode text", found=repr(text)[:40]
        ) from error
    return _quote(text)


_quote = json.JSONEncoder(ensure_ascii=False).encode


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("canonical.key-twice", expected="each key once", found="a key twice")
    return value


def _no_fraction(text: str) -> NoReturn:
    raise Malformed("canonical.fraction", expected="integers only", found=text[:40])
