"""Pictures as people hand them in, made by Pillow."""

import io

from PIL import Image


def picture(
    kind: str, size: tuple[int, int] = (40, 20), exif: Image.Exif | None = None
) -> bytes:
    octets = io.BytesIO()
    more = {"exif": exif} if exif else {}
    Image.new("RGB", size, "white").save(octets, kind, **more)
    return octets.getvalue()
