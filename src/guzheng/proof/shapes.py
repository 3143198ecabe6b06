"""What two pieces of DER have in common, so that the second need not be read from the start.

The tokens of one authority are alike: of two thousand octets, some hundred and fifty differ. A
frame is a piece of DER that was read and judged whole, with slots: the contents of a few
primitive elements. A second piece of the same size that agrees with it octet for octet
everywhere outside the slots has every tag and every length in the same place, so a strict
reader would cut it into the same elements; all that is left to judge are the contents of the
slots, and their reader judges those by the same rules as ever. What differs anywhere else by
one bit does not fit, and is read in full.
"""

from typing import NamedTuple

from guzheng.proof import der


class Span(NamedTuple):
    """Where an element stands: from its tag, its content, to its end."""

    tag: int
    at: int
    content: int
    end: int

    def of(self, octets: bytes) -> bytes:
        """Its content, in the octets that it was found in."""
        return octets[self.content : self.end]

    def element(self, octets: bytes) -> der.Element:
        """The same, as `der` reads elements."""
        return der.Element(self.tag, self.of(octets), octets[self.at : self.end])


def whole(octets: bytes) -> Span:
    """These octets as the content of one element that nobody wrote."""
    return Span(der.SEQUENCE, 0, 0, len(octets))


def children(octets: bytes, of: Span) -> list[Span]:
    """The elements in the content of one that is constructed, or that encloses others."""
    reader, at = der.Reader(of.of(octets), "shape"), of.content
    found: list[Span] = []
    while reader.tag is not None:
        one = reader.take()
        end = at + len(one.encoded)
        found.append(Span(one.tag, at, end - len(one.content), end))
        at = end
    return found


class Frame:
    """All of these octets but the slots, which follow each other and do not overlap."""

    __slots__ = ("_pieces", "_size")

    def __init__(self, octets: bytes, slots: list[Span]) -> None:
        self._size = len(octets)
        starts = [0, *(slot.end for slot in slots)]
        ends = [*(slot.content for slot in slots), len(octets)]
        self._pieces = [
            (start, octets[start:end]) for start, end in zip(starts, ends, strict=True)
        ]

    def fits(self, octets: bytes) -> bool:
        """Whether these differ from the first in the slots alone."""
        if len(octets) != self._size:
            return False
        for start, piece in self._pieces:  # noqa: SIM110 - half the time of all(), per token
            if not octets.startswith(piece, start):
                return False
        return True
