"""How much of a picture differs: the share of pixels, within what both show.

Needs Pillow, which may not be there; then it was not compared, and the report says so. Bombs
are refused by their stated size, before a pixel is unpacked.
"""

import importlib.util
import io
from dataclasses import dataclass

PIXELS = 60_000_000
_BAND = 512  # rows at once: two whole long pages would not fit


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
    if one == other:
        return _identical(one)
    from PIL import Image, ImageChops

    try:
        with (
            Image.open(io.BytesIO(one), formats=["PNG"]) as first,
            Image.open(io.BytesIO(other), formats=["PNG"]) as second,
        ):
            sizes = (first.size, second.size)
            if max(width * height for width, height in sizes) > PIXELS:
                return "compare.picture-too-large"
            width, height = (min(pair) for pair in zip(*sizes, strict=True))
            left, right = first.convert("RGB"), second.convert("RGB")
        differing = 0
        for top in range(0, height, _BAND):
            box = (0, top, width, min(height, top + _BAND))
            bands = ImageChops.difference(left.crop(box), right.crop(box)).split()
            any_of = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
            differing += sum(any_of.histogram()[1:])
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for a broken picture
        return "compare.picture-unreadable"
    return Pictured(width * height, differing, sizes)


def _identical(octets: bytes) -> Pictured | str:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(octets), formats=["PNG"]) as picture:
            size = picture.size
    except (OSError, ValueError, SyntaxError):
        return "compare.picture-unreadable"
    return Pictured(size[0] * size[1], 0, (size, size))
