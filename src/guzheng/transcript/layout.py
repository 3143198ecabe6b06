"""layout.json: the browser's DOM snapshot, read as far as a trace needs it.

Its form is the answer of the DevTools command DOMSnapshot.captureSnapshot, with paint order and
rectangles. Frames with a process of their own have answers of their own, which frames.json puts
into place. It was made by a browser that had just shown a hostile page: every number is checked
before it is used, and what does not fit refuses the file, never the program.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast
from urllib.parse import urljoin

from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.transcript.frames import Framed
from guzheng.transcript.limits import NODES

# What was asked for (capturer/snapshots.py), by its place in each row of styles.
STYLES = (
    "display", "visibility", "opacity", "position", "z-index", "overflow",
    "color", "background-color", "background-image", "font-size",
)  # fmt: skip
_VISIBILITY, _BACKGROUND = STYLES.index("visibility"), STYLES.index("background-image")
_PICTURE = re.compile(r'url\("([^"]{1,8000})"\)')
_SOURCES = {
    "IFRAME": "src",
    "FRAME": "src",
    "EMBED": "src",
    "OBJECT": "data",
    "VIDEO": "poster",
}
_FARTHEST = 1 << 24  # pixels; no page is so long
_EVERYWHERE = (0, 0, _FARTHEST, _FARTHEST)
_SIZES = ("Width", "Height")
_DOCUMENTS = 2000
_DEEPEST = 64  # frames within frames
_LONGEST = 8000
Box = tuple[int, int, int, int]  # left, top, right, bottom
Depth = tuple[int, ...]  # paint orders: of the outermost frame's element, …, of the box
Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Node:
    """One box as it was painted, in pixels of the whole page; `url` is what it shows.

    `frame`: number of the frame whose process counts `node`; 0 is the page's own."""

    node: int
    name: str
    box: Box
    order: int
    url: str
    frame: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    url: str
    width: int
    height: int
    nodes: tuple[Node, ...]


def _nothing(name: str) -> bytes:
    _refuse("no frames", name)


def parse(
    octets: bytes, frames: Sequence[Framed] | None = None, read: Read = _nothing
) -> Layout:
    """`frames` as frames.json has them, `read` gives the layout of one; None where a capture
    has no such list, and orders are then what the browser said."""
    framed = {(one.within, one.owner): one for one in frames or ()}
    reading = _Reading([], [], [], [], framed, read, is_nested=frames is not None)
    url, width, height = reading.snapshot(octets, (0, 0), _EVERYWHERE)
    nodes = reading.nodes
    if frames is not None:
        places = {depth: at for at, depth in enumerate(sorted(set(reading.depths)))}
        nodes = [
            replace(one, order=places[depth])
            for one, depth in zip(nodes, reading.depths, strict=True)
        ]
    return Layout(url, width, height, tuple(nodes))


@dataclass(slots=True)
class _Reading:
    documents: list[Any]
    strings: list[Any]
    nodes: list[Node]
    depths: list[Depth]
    framed: dict[tuple[int, int], Framed]
    read: Read
    is_nested: bool  # what a frame shows is cut at its content, not at its border
    root: int = 0  # whose layout this is
    above: Depth = ()

    def snapshot(self, octets: bytes, at: tuple[int, int], within: Box) -> tuple[str, int, int]:
        """Adds the boxes of one process, and gives its document's address and size."""
        try:
            canonical.require_shallow(octets)
        except Malformed as error:
            raise Malformed(
                "transcript.trace-malformed", "a DOM snapshot", error.found
            ) from error
        try:
            snapshot: Any = _READER.decode(octets.decode("utf-8"))
            self.documents, self.strings = snapshot["documents"], snapshot["strings"]
            if not 0 < len(self.documents) <= _DOCUMENTS:
                _refuse(f"1 to {_DOCUMENTS} documents", str(len(self.documents)))
            first = self.documents[0]
            if self.root:  # the page's own picture is of all of it, a frame's is as scrolled
                scrolled = [_pixel(first.get(f"scrollOffset{one}", 0)) for one in "XY"]
                at = at[0] - scrolled[0], at[1] - scrolled[1]
            self.document(0, at, within, set(), self.above)
            width, height = (_pixel(first[f"content{one}"], up=True) for one in _SIZES)
            return self.text(first["documentURL"]), width, height
        except (
            KeyError,
            IndexError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            found = f"{type(error).__name__}: {str(error)[:80]}"
            raise Malformed("transcript.trace-malformed", "a DOM snapshot", found) from error

    def text(self, index: object) -> str:
        if not isinstance(index, int) or index < -1:
            _refuse("a place in the strings", repr(index)[:40])
        value = "" if index == -1 else self.strings[index]
        if not isinstance(value, str):
            _refuse("a text", repr(value)[:40])
        return value.encode("utf-8", "replace").decode("utf-8")[:_LONGEST]

    def document(
        self, number: int, at: tuple[int, int], within: Box, above: set[int], under: Depth
    ) -> None:
        """Adds its boxes, and those of the frames in it; none may lie within itself."""
        if not 0 <= number < len(self.documents) or number in above or len(under) > _DEEPEST:
            _refuse("each document once, none deeper than any page", str(number))
        one = self.documents[number]
        nodes, layout = one["nodes"], one["layout"]
        url, base = self.text(one["documentURL"]), self.text(one["baseURL"])
        sources = self._sparse(nodes["currentSourceURL"])
        frames = self._sparse(nodes["contentDocumentIndex"])
        for place, index in enumerate(layout["nodeIndex"]):
            if len(self.nodes) >= NODES:
                _refuse(f"at most {NODES} boxes", "more")
            styles = layout["styles"][place]
            whole = _box(layout["bounds"][place], at)
            box = _clipped(whole, within)
            if box is None or self._style(styles, _VISIBILITY) == "hidden":
                continue
            name = self.text(nodes["nodeName"][index]).upper()
            frame = frames.get(index)
            shown = self._shown(nodes, index, name, styles, base)
            if index in sources and self.text(sources[index]):
                shown = self.text(sources[index])
            elif frame is not None:
                shown = self.text(self.documents[frame]["documentURL"])
            node = _count(nodes["backendNodeId"][index])
            order = _count(layout["paintOrders"][place])
            mine = len(self.nodes)
            self.nodes.append(Node(node, name[:40], box, order, shown or url, self.root))
            self.depths.append((*under, order))
            if frame is not None:
                inner, seen = self._inner(layout, place, whole, self.documents[frame])
                seen = self._seen(seen, box)
                self.document(frame, inner, seen, above | {number}, (*under, order))
            elif (framed := self.framed.pop((self.root, node), None)) is not None:
                inner, seen = self._inner(layout, place, whole, {})
                held = self._frame(framed, inner, self._seen(seen, box), (*under, order))
                self.nodes[mine] = replace(self.nodes[mine], url=held)

    def _frame(self, framed: Framed, at: tuple[int, int], within: Box, above: Depth) -> str:
        """Adds what another process painted there; gives the address of its document."""
        reading = _Reading(
            [], [], self.nodes, self.depths, self.framed, self.read,
            is_nested=True, root=framed.number, above=above,
        )  # fmt: skip
        return reading.snapshot(self.read(framed.layout), at, within)[0]

    def _shown(
        self, nodes: Mapping[str, Any], index: int, name: str, styles: list[Any], base: str
    ) -> str:
        """What a box shows that is not of its own document."""
        if (wanted := _SOURCES.get(name)) is not None:
            attributes = [self.text(one) for one in nodes["attributes"][index]]
            found = dict(zip(attributes[::2], attributes[1::2], strict=False)).get(wanted)
            if found:
                return urljoin(base, found)
        picture = _PICTURE.search(self._style(styles, _BACKGROUND))
        return urljoin(base, picture[1]) if picture else ""

    def _style(self, styles: list[Any], place: int) -> str:
        return self.text(styles[place]) if len(styles) == len(STYLES) else ""

    def _inner(
        self, layout: Mapping[str, Any], place: int, box: Box, inside: Mapping[str, Any]
    ) -> tuple[tuple[int, int], Box]:
        """Where the document of a frame begins: inside its border, scrolled as it was; and
        what can be seen of it."""
        left, top, width, height = (layout["clientRects"][place] or [0, 0, 0, 0])[:4]
        left, top = _pixel(left), _pixel(top)
        scrolled = [_pixel(inside.get(one, 0)) for one in ("scrollOffsetX", "scrollOffsetY")]
        begins = box[0] + left, box[1] + top
        ends = begins[0] + _pixel(width, up=True), begins[1] + _pixel(height, up=True)
        return (begins[0] - scrolled[0], begins[1] - scrolled[1]), (*begins, *ends)

    def _seen(self, content: Box, box: Box) -> Box:
        """Of a frame's content, what its own element and all around it let through."""
        if not self.is_nested:
            return box
        return _clipped(content, box) or (*box[:2], *box[:2])

    def _sparse(self, table: Mapping[str, list[Any]]) -> dict[int, int]:
        pairs = zip(table["index"], table["value"], strict=True)
        return {_count(index): cast(int, value) for index, value in pairs}


def _box(bounds: list[Any], at: tuple[int, int]) -> Box:
    left, top, width, height = bounds
    right, bottom = _pixel(left + width, up=True), _pixel(top + height, up=True)
    return at[0] + _pixel(left), at[1] + _pixel(top), at[0] + right, at[1] + bottom


def _clipped(box: Box, within: Box) -> Box | None:
    left, top = max(box[0], within[0]), max(box[1], within[1])
    right, bottom = min(box[2], within[2]), min(box[3], within[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def _pixel(value: object, *, up: bool = False) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _FARTHEST:
        _refuse("a number of pixels", repr(value)[:40])
    return math.ceil(value) if up else math.floor(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        _refuse("a number", repr(value)[:40])
    return value


def _refuse(wanted: str, found: str) -> NoReturn:
    raise Malformed("transcript.trace-malformed", wanted, found)


def _no_constant(text: str) -> NoReturn:
    _refuse("numbers", text)


_READER = json.JSONDecoder(parse_constant=_no_constant)


def under(nodes: Sequence[Node], x: int, y: int) -> list[Node]:
    """The boxes under a point, the one painted last first."""
    found = [
        (one.order, number, one)
        for number, one in enumerate(nodes)
        if one.box[0] <= x < one.box[2] and one.box[1] <= y < one.box[3]
    ]
    return [one for _, _, one in sorted(found, key=lambda each: each[:2], reverse=True)]
