"""A small picture of the page while it is captured, for whoever waits: `OUT/preview.jpg`.

It is for looking at and no item: it is not on the record, and nothing waits for it. Painting it
changes nothing of the page; where it fails or takes long, there is none.
"""

import base64
import binascii
from pathlib import Path

from guzheng.capturer.devtools import CommandRefused, Devtools, text
from guzheng.capturer.limits import VIEWPORT_HEIGHT, VIEWPORT_WIDTH

NAME = "preview.jpg"
_SECONDS = 3
_CLIP = {"x": 0, "y": 0, "width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT, "scale": 0.35}
_ASKED = {"format": "jpeg", "quality": 55, "optimizeForSpeed": True}


async def show(devtools: Devtools, session: str, out: Path, *, top: int = 0) -> None:
    """Put the picture in place of the one before, whole or not at all."""
    try:
        answer = await devtools.call(
            "Page.captureScreenshot",
            {**_ASKED, "clip": {**_CLIP, "y": top}},
            session,
            seconds=_SECONDS,
        )
        octets = base64.b64decode(text(answer, "data"))
        beside = out / f".{NAME}"
        beside.write_bytes(octets)
        beside.replace(out / NAME)
    except (CommandRefused, TimeoutError, binascii.Error, OSError):
        return
