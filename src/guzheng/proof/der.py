"""A strict reader of DER (ITU-T X.690 §8, §10), as small as timestamps need.

Every token is hostile until parsed. Lengths must be definite and minimal, tags below 31,
integers minimal, nothing may trail: so that no two byte strings read as one value. X.509
certificates themselves are read by `cryptography`; here they are only cut out.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from guzheng.proof import instant
from guzheng.proof.errors import Malformed, require

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
BOOLEAN, UTF8_STRING, GENERALIZED_TIME = 0x01, 0x0C, 0x18
SEQUENCE, SET = 0x30, 0x31
MAX_OID_OCTETS = 64

_TIME_FORM = re.compile(r"(\d{4})" + r"(\d\d)" * 5 + r"(?:\.(\d{1,9}))?Z", re.ASCII)


def context(number: int, *, constructed: bool = True) -> int:
    """The tag of a context-specific element: [n]."""
    return (0xA0 if constructed else 0x80) | number


class Element(NamedTuple):
    """One tag, its content, and the octets of both as they stood."""

    tag: int
    content: bytes
    encoded: bytes

    def require(self, tag: int, what: str) -> "Element":
        """Itself, if it has this tag. Raises Malformed, naming `what`."""
        if self.tag != tag:  # asked of every element: the words only when they are needed
            raise Malformed("der.tag", f"{what}: tag {tag:#04x}", f"{self.tag:#04x}")
        return self

    def reader(self, what: str) -> "Reader":
        """Of its content; `what` names it in refusals."""
        return Reader(self.content, what)

    def parts(self, what: str, *tags: int) -> "list[Element]":
        """Exactly the elements with these tags, in this order."""
        return Reader(self.content, what).exactly(*tags)


def parse(octets: bytes, tag: int, what: str) -> Element:
    """Exactly one element, and nothing after it."""
    reader = Reader(octets, what)
    element = reader.take(tag)
    reader.end()
    return element


class Reader:
    """Takes elements one after the other from the content of a constructed one."""

    __slots__ = ("_at", "_content", "_end", "_what")

    def __init__(self, content: bytes, what: str) -> None:
        self._content = content
        self._at, self._end = 0, len(content)
        self._what = what

    def _refusal(self, expected: str, found: str) -> Malformed:
        return Malformed("der.malformed", f"{self._what}: {expected}", found)

    @property
    def tag(self) -> int | None:
        """The tag that comes next, or None at the end."""
        return self._content[self._at] if self._at < self._end else None

    def take(self, tag: int | None = None) -> Element:
        """The next element, whole, in DER's one spelling (X.690 §10.1). Raises Malformed."""
        start, content = self._at, self._content
        if self._end - start < 2:
            raise self._refusal("an element", "the end")
        found, length = content[start], content[start + 1]
        if found & 0x1F == 0x1F:
            raise self._refusal("a tag below 31", hex(found))
        body = start + 2
        if length >= 0x80:
            length, body = self._long_length(length & 0x7F, body)
        end = body + length
        if end > self._end:
            raise self._refusal(f"{length} octets of content", f"{self._end - body}")
        self._at = end
        if tag is not None and found != tag:
            raise Malformed("der.tag", f"{self._what}: tag {tag:#04x}", f"{found:#04x}")
        return Element(found, content[body:end], content[start:end])

    def _long_length(self, width: int, body: int) -> tuple[int, int]:
        octets = self._content[body : body + width]
        length = int.from_bytes(octets, "big")
        # 0x80 alone is the indefinite form of BER; DER has one spelling for each length.
        if not 1 <= width <= 4 or len(octets) != width or octets[0] == 0 or length < 0x80:
            shown = self._content[self._at : body + 4].hex()
            raise self._refusal("a definite, minimal length", shown)
        return length, body + width

    def optional(self, tag: int) -> Element | None:
        """The next element if it has this tag; None, and nothing read, otherwise."""
        at = self._at
        return self.take(tag) if at < self._end and self._content[at] == tag else None

    def exactly(self, *tags: int) -> list[Element]:
        """The elements with these tags, in this order, and nothing after them."""
        elements = [self.take(tag) for tag in tags]
        self.end()
        return elements

    def all(self, tag: int) -> list[Element]:
        """Every element that is left; each must have the tag."""
        elements: list[Element] = []
        while self._at < self._end:
            elements.append(self.take(tag))
        return elements

    def end(self) -> None:
        """Raises Malformed if anything is left."""
        if self._at < self._end:
            raise self._refusal("nothing more", f"{self._end - self._at} octets")


def integer(element: Element) -> int:
    """Signed, of at most 64 octets, minimally spelled. Raises Malformed."""
    content = element.require(INTEGER, "INTEGER").content
    # X.690 §8.3.2: the first nine bits are neither all zero nor all one.
    odd = len(content) > 1 and content[0] in {0x00, 0xFF}  # may say no more than the next bit
    if not 0 < len(content) <= 64 or (odd and content[0] >> 7 == content[1] >> 7):
        raise Malformed("der.malformed", "a minimal INTEGER", content[:20])
    return int.from_bytes(content, "big", signed=True)


def boolean(element: Element) -> bool:
    """DER knows one octet for each value (X.690 §11.1). Raises Malformed."""
    content = element.require(BOOLEAN, "BOOLEAN").content
    known = content in {b"\x00", b"\xff"}
    require(known, Malformed, "der.malformed", "BOOLEAN of 00 or FF", content[:4])
    return content == b"\xff"


def oid(element: Element) -> str:
    """In dotted decimal. Raises Malformed where the arcs are cut or not minimal."""
    return _named(element.require(OID, "OBJECT IDENTIFIER").content)


@lru_cache(256)  # tokens say the same few names again and again
def _named(content: bytes) -> str:
    whole = 0 < len(content) <= MAX_OID_OCTETS and content[-1] < 0x80
    require(whole, Malformed, "der.malformed", "an OBJECT IDENTIFIER", content[:20])
    arcs: list[int] = []
    value, fresh = 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise Malformed("der.malformed", "minimal arcs", content)
        value = value << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def generalized_time(element: Element) -> datetime:
    """UTC, seconds always present, no trailing zeros in the fraction: X.690 §11.7.

    Within the years that papers can spell: instant.py.
    """
    content = element.require(GENERALIZED_TIME, "GeneralizedTime").content
    text = content.decode("ascii", "replace")
    form = _TIME_FORM.fullmatch(text)
    if form is None or (form[7] and form[7].endswith("0")):
        raise Malformed("der.malformed", "YYYYMMDDhhmmss[.f]Z", repr(text[:40]))
    year, month, day, hour, minute, second = map(int, form.groups()[:6])
    fraction = form[7]
    micros = int(fraction.ljust(9, "0")) // 1000 if fraction else 0
    try:
        whole = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
    except ValueError as error:
        raise Malformed("der.malformed", "a real date", text) from error
    return instant.require_year(whole)
