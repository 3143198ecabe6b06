"""The one spelling of JSON that is hashed: RFC 8785, for the values our papers use.

Papers hold objects, arrays, strings, integers, booleans and null. Numbers with a fraction are
refused on both sides: their spelling is the one part of RFC 8785 that implementations get
wrong, and nothing in evidence needs them. `parse` accepts only what `encode` would write, so
two different byte strings can never stand for one paper.
"""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, cast

from guzheng.proof.errors import Malformed, require

MAX_DEPTH = 16  # our deepest paper has 6 levels; a bomb of brackets must not exhaust the stack
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)  # or a text, passed over
MAX_INTEGER = 2**53 - 1  # RFC 8785 §3.2.2.3 by way of I-JSON (RFC 7493 §2.2)


def encode(value: object) -> bytes:
    """The canonical form, UTF-8. Raises Malformed for values that have none."""
    return _spell(value, MAX_DEPTH).encode("utf-8", "strict")


def parse(octets: bytes) -> object:
    """The value of canonical JSON. Raises Malformed for any other spelling of it."""
    require_shallow(octets)
    try:
        text = octets.decode("utf-8", "strict")
        value: object = _READER.decode(text)
        again = encode(value)
    except (ValueError, RecursionError) as error:
        raise Malformed("canonical.not-json", "JSON", str(error)[:120]) from error
    if again != octets:
        pairs = enumerate(zip(again, octets, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), len(again))
        wanted = "the canonical spelling of RFC 8785"
        raise Malformed("canonical.other-spelling", wanted, f"a difference at octet {at}")
    return value


def require_shallow(octets: bytes) -> None:
    """Before the library descends: how deep it dares to is a setting that others may change."""
    depth = 0
    for found in _BRACKETS.finditer(octets):
        if found[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed("canonical.too-deep", f"at most {MAX_DEPTH} levels", "more")
        elif found[0] in b"]}":
            depth -= 1


def parse_any(
    octets: bytes, pairs: Callable[[list[tuple[str, Any]]], object] | None = None
) -> object:
    """The value of JSON in whatever spelling, for what nobody hashes; UTF-8 as RFC 8259 §8.1
    wants it, so that what counted the brackets and what reads them see the same text. `pairs`
    makes each object. Raises Malformed."""
    require_shallow(octets)
    try:
        return json.loads(octets.decode("utf-8"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise Malformed("canonical.not-json", "JSON", str(error)[:120]) from error


def parse_object(octets: bytes) -> dict[str, object]:
    """`parse`, and the value must be an object."""
    value = parse(octets)
    if not isinstance(value, dict):
        raise Malformed("canonical.not-object", "a JSON object", type(value).__name__)
    return cast("dict[str, object]", value)


def _spell(value: object, depth: int) -> str:
    if depth == 0:
        raise Malformed("canonical.too-deep", f"at most {MAX_DEPTH} levels", "more")
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            if abs(value) > MAX_INTEGER:
                wanted = f"|n| ≤ {MAX_INTEGER}"
                raise Malformed("canonical.integer-range", wanted, str(value)[:40])
            return str(value)
        case str():
            return _spell_text(value)
        case list() | tuple():
            listed = cast("Sequence[object]", value)
            return "[" + ",".join([_spell(one, depth - 1) for one in listed]) + "]"
        case dict():
            return "{" + ",".join(_members(cast("dict[object, object]", value), depth)) + "}"
        case _:
            wanted = "object, array, string, integer, boolean or null"
            raise Malformed("canonical.no-spelling", wanted, type(value).__name__)


def _members(value: dict[object, object], depth: int) -> list[str]:
    keys = [key for key in value if isinstance(key, str)]
    require(len(keys) == len(value), Malformed, "canonical.no-spelling", "text keys", "others")
    # RFC 8785 §3.2.3: sorted by UTF-16 code units, which is not Python's order beyond U+FFFF.
    keys.sort(key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return [f"{_spell_text(key)}:{_spell(value[key], depth - 1)}" for key in keys]


def _spell_text(text: str) -> str:
    # Python escapes exactly the characters, and in exactly the way, of RFC 8785 §3.2.2.2.
    try:
        text.encode("utf-8", "strict")
    except UnicodeEncodeError as error:
        found = repr(text)[:40]
        raise Malformed("canonical.surrogate", "Unicode text", found) from error
    return _quote(text)


_quote = json.JSONEncoder(ensure_ascii=False).encode


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    once = len(value) == len(pairs)
    require(once, Malformed, "canonical.key-twice", "each key once", "a key twice")
    return value


def _no_fraction(text: str) -> NoReturn:
    raise Malformed("canonical.fraction", "integers only", text[:40])


_READER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_no_fraction, parse_constant=_no_fraction
)
