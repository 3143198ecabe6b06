"""DER written by hand: the few encodings a timestamp token is made of (X.690).

Only writing; `proof` reads, and shares no line with this module, so that a mistake made here is
not made again there. General ASN.1 libraries build a token some 500 times slower than these
functions (docs/performance.md), and the authority must not be slower than its own key.
Arguments are trusted: callers pass what they made or have already parsed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

BOOLEAN_TRUE = b"\x01\x01\xff"
NULL = b"\x05\x00"

_INTEGER = b"\x02"
_BIT_STRING = b"\x03"
_OCTET_STRING = b"\x04"
_OBJECT_IDENTIFIER = b"\x06"
_UTF8_STRING = b"\x0c"
_GENERALIZED_TIME = b"\x18"
_SEQUENCE = b"\x30"
_SET = b"\x31"


def _length(size: int) -> bytes:
    """The shortest form: X.690 §10.1."""
    if size < 0x80:
        return bytes((size,))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


_LENGTHS = tuple(map(_length, range(2048)))  # a token's, ready made
_SEQUENCES = tuple(_SEQUENCE + length for length in _LENGTHS)


def header(tag: bytes, size: int) -> bytes:
    """Tag and length alone, for content that is joined later."""
    return tag + _length(size)


def tlv(tag: bytes, content: bytes) -> bytes:
    """Tag, length, content."""
    size = len(content)
    return tag + (_LENGTHS[size] if size < 2048 else _length(size)) + content


def sequence(*parts: bytes) -> bytes:
    return sequence_of(b"".join(parts))


def sequence_of(content: bytes) -> bytes:
    """Around members that are joined already."""
    size = len(content)
    return (_SEQUENCES[size] if size < 2048 else header(_SEQUENCE, size)) + content


def set_of(parts: Iterable[bytes]) -> bytes:
    """Members in ascending order of their encodings: X.690 §11.6."""
    return tlv(_SET, b"".join(sorted(parts)))


def explicit(number: int, content: bytes) -> bytes:
    """`[number]`, constructed: around one value, or in place of a SEQUENCE's or SET's tag."""
    return tlv(bytes((0xA0 | number,)), content)


def implicit(number: int, content: bytes) -> bytes:
    """`[number]` in place of the tag of a primitive value, given its content octets."""
    return tlv(bytes((0x80 | number,)), content)


def octet_string(octets: bytes) -> bytes:
    return tlv(_OCTET_STRING, octets)


def bit_string(octets: bytes) -> bytes:
    """Whole octets: no unused bits."""
    return tlv(_BIT_STRING, b"\0" + octets)


def utf8_string(text: str) -> bytes:
    return tlv(_UTF8_STRING, text.encode("utf-8"))


def integer(number: int) -> bytes:
    return tlv(_INTEGER, integer_octets(number))


def integer_octets(number: int) -> bytes:
    """Two's complement without a needless first octet: X.690 §8.3.2."""
    bits = (number if number >= 0 else ~number).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)


def named_bits(*numbers: int) -> bytes:
    """A BIT STRING of named bits: no trailing zero bit (X.690 §11.2.2)."""
    size = max(numbers) + 1
    octets = bytearray((size + 7) // 8)
    for number in numbers:
        octets[number // 8] |= 0x80 >> number % 8
    return tlv(_BIT_STRING, bytes((-size % 8,)) + bytes(octets))


def object_identifier(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(_OBJECT_IDENTIFIER, b"".join(map(_base128, (40 * first + second, *rest))))


def generalized_time(at: datetime) -> bytes:
    """UTC to the millisecond, rounded down, a fraction's trailing zeros dropped (§11.7)."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    header, fraction = _FRACTIONS[at.microsecond // 1000]
    return header + _second(at.year, at.month, at.day, at.hour, at.minute, at.second) + fraction


@lru_cache(maxsize=4)
def _second(*parts: int) -> bytes:
    """The text of a whole second: thousands of tokens share it."""
    return b"%04d%02d%02d%02d%02d%02d" % parts


def _fraction(millis: int) -> tuple[bytes, bytes]:
    """Tag and length of a time with this fraction, and what follows its seconds."""
    text = (b".%03d" % millis).rstrip(b"0").rstrip(b".") + b"Z"
    return _GENERALIZED_TIME + _length(len(b"YYYYMMDDhhmmss" + text)), text


_FRACTIONS = tuple(map(_fraction, range(1000)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))
