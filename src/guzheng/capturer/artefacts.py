"""The page as a person sees it: a view, pictures of all of it, a print, the final document.

All are originals: each is made once, at the visit, and cannot be derived from another. They
corroborate one another and the archive. What can be derived is named in DERIVATIVES.
"""

import asyncio
import base64
import binascii
from datetime import datetime
from pathlib import Path

from guzheng.capturer.devtools import CommandRefused, Devtools, Values, inner, number, text
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import (
    ARTEFACT_SECONDS,
    PICTURE_AREA,
    SCROLL_PIXELS,
    STRIP_AREA,
    TILE_AREA,
    TILE_PIXELS,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from guzheng.capturer.pixels import Undecodable
from guzheng.capturer.stitching import Stitched
from guzheng.proof import instant

# ISO 216 A4 in inches, which is what the browser counts paper in.
_A4_WIDTH, _A4_HEIGHT = 8.27, 11.69
_MARGIN = (
    "<div style='width:100%%;margin:0 10mm;font-size:7px;display:flex;gap:10mm;"
    "justify-content:space-between'>%s</div>"
)
_MEDIA_TYPES = {
    ".wacz": "application/wacz",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".har": "application/json",
    ".mhtml": "multipart/related",
    ".mkv": "video/matroska",
    ".bin": "application/octet-stream",
    ".txt": "text/plain; charset=utf-8",
    ".zip": "application/zip",
    ".enc": "application/octet-stream",
}
# Made from other items; whoever has those can make it again.
DERIVATIVES = frozenset({"network.har", "trace.json"})
_PNG = {"format": "png", "optimizeForSpeed": True}  # the same pixels, less tightly packed
# Without it a reader would take the page's own <meta charset> for the file's (WHATWG, HTML
# §13.2.3).
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def media_type_of(name: str) -> str:
    return _MEDIA_TYPES[Path(name).suffix]


def role_of(name: str) -> str:
    return "derivative" if name in DERIVATIVES else "original"


async def take_view(devtools: Devtools, session: str, folder: Path, name: str) -> bool:
    """What a person has before him at this moment. False if it could not be painted."""
    try:
        answer = await _ask(devtools, "Page.captureScreenshot", _PNG, session)
        (folder / name).write_bytes(_octets(answer, "a picture"))
    except CaptureFailed:
        return False
    return True


async def take_pictures(
    devtools: Devtools, session: str, size: tuple[int, int], folder: Path, journal: Journal
) -> list[str]:
    """Names of the pictures: one, or tiles from top to bottom when the page is very large."""
    width = min(max(size[0], VIEWPORT_WIDTH), TILE_PIXELS)
    height = min(max(size[1], VIEWPORT_HEIGHT), SCROLL_PIXELS, PICTURE_AREA // width)
    at_once = min(TILE_PIXELS, TILE_AREA // width)
    if size[1] > height or size[0] > width:
        journal.limit("capture.picture-cut")
    tops = range(0, height, at_once)
    names, joining = [], Joining()
    try:
        for number_, top in enumerate(tops):
            name = "screenshot.png" if len(tops) == 1 else f"screenshot-{number_:03d}.png"
            box = (top, width, min(at_once, height - top))
            octets = await _paint(devtools, session, box, folder / name, joining)
            if octets:  # as the browser gave it
                (folder / name).write_bytes(octets)
            names.append(name)
        await joining.done()
    except Undecodable as error:
        raise _not_drawn("pictures that can be joined", str(error)) from error
    finally:
        await joining.close()
    return names


class Joining:
    """The strip that is being joined while the browser paints the next, of the same picture or
    of the one below it: one at a time, so that no more than two are held."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._open: list[Stitched] = []

    def begin(self, path: Path, height: int) -> Stitched:
        picture = Stitched(path, height)
        self._open.append(picture)
        return picture

    async def add(self, picture: Stitched, strip: bytes, *, is_last: bool) -> None:
        """Raises Undecodable for the strip before."""
        await self.done()

        def join() -> None:
            picture.add(strip)
            if is_last:
                picture.end()

        self._task = asyncio.create_task(asyncio.to_thread(join))

    async def done(self) -> None:
        if self._task is not None:
            await self._task
        self._task = None

    async def close(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})
        for picture in self._open:
            picture.close()


async def _paint(
    devtools: Devtools, session: str, box: tuple[int, int, int], path: Path, joining: Joining
) -> bytes:
    """One picture; of a large one nothing, since its strips are joined at `path` by then or
    soon, each while the next is painted."""
    top, width, height = box
    at_once = max(1, STRIP_AREA // width)
    if height <= at_once:
        return await _strip(devtools, session, box)
    picture = joining.begin(path, height)
    for begin in range(0, height, at_once):
        part = (top + begin, width, min(at_once, height - begin))
        strip = await _strip(devtools, session, part)
        await joining.add(picture, strip, is_last=begin + at_once >= height)
        del strip
    return b""


async def _strip(devtools: Devtools, session: str, box: tuple[int, int, int]) -> bytes:
    top, width, height = box
    clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
    wanted = {**_PNG, "captureBeyondViewport": True, "clip": clip}
    answer = await _ask(devtools, "Page.captureScreenshot", wanted, session)
    return _octets(answer, "a picture")


async def print_page(
    devtools: Devtools, session: str, folder: Path, opened_at: datetime
) -> str:
    """A4; the margins name the title, the time, the URL and the page number.

    The browser fills in title, URL and numbers; its own date would be local and without zone.
    """
    answer = await _ask(
        devtools,
        "Page.printToPDF",
        {
            "printBackground": True,
            "displayHeaderFooter": True,
            "headerTemplate": _MARGIN
            % f"<span class=title></span><span>{instant.encode(opened_at)}</span>",
            "footerTemplate": _MARGIN
            % "<span class=url></span><span><span class=pageNumber></span>/"
            "<span class=totalPages></span></span>",
            "paperWidth": _A4_WIDTH,
            "paperHeight": _A4_HEIGHT,
            "generateTaggedPDF": True,
        },
        session,
    )
    (folder / "page.pdf").write_bytes(_octets(answer, "a print"))
    return "page.pdf"


async def copy_document(devtools: Devtools, session: str, folder: Path) -> str:
    """The document as it stands after all scripts, spelled by the browser, in UTF-8."""
    root = await _ask(devtools, "DOM.getDocument", {"depth": 0}, session)
    answer = await _ask(
        devtools,
        "DOM.getOuterHTML",
        {"nodeId": int(number(inner(root, "root"), "nodeId")), "includeShadowDOM": True},
        session,
    )
    document = text(answer, "outerHTML").encode("utf-8", "replace")
    (folder / "dom.html").write_bytes(BYTE_ORDER_MARK + document)
    return "dom.html"


async def _ask(devtools: Devtools, method: str, values: Values, session: str) -> Values:
    try:
        return await devtools.call(method, values, session, seconds=ARTEFACT_SECONDS)
    except (CommandRefused, TimeoutError) as error:
        found = str(error)[:200] or f"none in {ARTEFACT_SECONDS} s"
        raise _not_drawn(f"an answer to {method}", found) from error


def _octets(answer: Values, what: str) -> bytes:
    try:
        octets = base64.b64decode(text(answer, "data"), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if not octets:
        raise _not_drawn(what, "nothing")
    return octets


def _not_drawn(expected: str, found: str) -> CaptureFailed:
    return CaptureFailed(
        "capture.page-not-drawn", expected=expected, found=found, act="nobody; try again"
    )
