"""How much of a picture differs: the share of pixels, within what both show.

Needs Pillow, which may not be there; then it was not compared, and the report says so. Bombs
are refused by their stated size, before a pixel is unpacked; unpacked they are by a program of
its own that reaches nothing (`painter`).
"""

import importlib.util
from dataclasses import dataclass

from guzheng.painting import SHARED, CannotDraw, NotDrawn

PIXELS = 60_000_000
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Pictured:
    """`differing` of `compared` pixels; what only one of them shows is not compared."""

    compared: int
    differing: int
    sizes: tuple[tuple[int, int], tuple[int, int]]


def compare_pictures(one: bytes, other: bytes) -> Pictured | str:
    """Or the code of why not."""
    if importlib.util.find_spec("PIL") is None:
        return "compare.no-pillow"
    first, second = _size_of(one), _size_of(other)
    if first is None or second is None:
        return "compare.picture-unreadable"
    if max(width * height for width, height in (first, second)) > PIXELS:
        return "compare.picture-too-large"
    if one == other:
        return Pictured(first[0] * first[1], 0, (first, first))
    width, height = (min(pair) for pair in zip(first, second, strict=True))
    try:
        differing = SHARED.differing(one, other, ("PNG",), PIXELS)
    except (NotDrawn, CannotDraw):
        return "compare.picture-unreadable"
    return Pictured(width * height, differing, (first, second))


def _size_of(octets: bytes) -> tuple[int, int] | None:
    """Of a PNG, by its head alone (ISO/IEC 15948 §11.2.2)."""
    if not octets.startswith(_SIGNATURE) or octets[12:16] != b"IHDR" or len(octets) < 24:
        return None
    width, height = (int.from_bytes(octets[at : at + 4], "big") for at in (16, 20))
    return (width, height) if width and height else None
