"""The act as a film: what the page showed while it was visited, frame by frame.

Only if the order asks for it. The browser gives a picture whenever the page has changed, with
its time; each goes into items/act.mkv as it is. A frame is acknowledged once it is written: a
slow disk slows the film, never the page. A film that grows too large ends, and the record says
so. It shows the page, not a browser's window: address and clock are on the record.
"""

import base64
import binascii
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    Values,
    inner,
    number,
    text,
)
from guzheng.capturer.limits import FILM_FRAMES, FILM_OCTETS, VIEWPORT_HEIGHT, VIEWPORT_WIDTH
from guzheng.capturer.matroska import MatroskaWriter

NAME = "act.mkv"
_SHOW: Values = {
    "format": "jpeg",
    "quality": 60,
    "everyNthFrame": 3,  # 11 frames a second were measured on a page in motion
    "maxWidth": VIEWPORT_WIDTH,
    "maxHeight": VIEWPORT_HEIGHT,
}


class Film:
    """`begin` before the page is opened, `take` every event, `end` before pictures are made."""

    def __init__(self, path: Path, software: str) -> None:
        self.frames = 0
        self.is_cut = False
        self._path = path
        self._software = software
        self._octets = 0
        self._began = 0.0
        self._devtools: Devtools | None = None
        self._stream: BinaryIO | None = None
        self._writer: MatroskaWriter | None = None

    async def begin(self, devtools: Devtools, session: str) -> bool:
        self._devtools = devtools
        try:
            await devtools.call("Page.startScreencast", _SHOW, session)
        except (CommandRefused, TimeoutError):
            self._devtools = None
            return False
        return True

    def take(self, method: str, values: Values, session: str) -> None:
        if method != "Page.screencastFrame" or self._devtools is None:
            return
        if self.frames >= FILM_FRAMES or self._octets >= FILM_OCTETS:
            self.is_cut = True  # a frame that nobody acknowledges is the last
            return
        try:
            self._add(number(values, "metadata", "timestamp"), values)
        except (binascii.Error, ValueError, OverflowError, OSError):
            self.is_cut = True
            return
        number_ = int(number(values, "sessionId"))
        self._devtools.post("Page.screencastFrameAck", {"sessionId": number_}, session)

    def _add(self, seconds: float, values: Values) -> None:
        jpeg = base64.b64decode(text(values, "data"), validate=True)
        if self._writer is None:
            self._began = seconds
            self._stream = self._path.open("wb")
            self._writer = MatroskaWriter(
                self._stream,
                width=int(number(inner(values, "metadata"), "deviceWidth")) or VIEWPORT_WIDTH,
                height=int(number(inner(values, "metadata"), "deviceHeight"))
                or VIEWPORT_HEIGHT,
                began_at=datetime.fromtimestamp(seconds, UTC),
                software=self._software,
            )
        self._writer.add(int((seconds - self._began) * 1000), jpeg)
        self.frames += 1
        self._octets += len(jpeg)

    def end(self, session: str) -> bool:
        """True if there is a film."""
        devtools, self._devtools = self._devtools, None
        if devtools is not None:
            devtools.post("Page.stopScreencast", {}, session)
        if self._writer is None or self._stream is None:
            return False
        self._writer.close()
        self._stream.close()
        return True
