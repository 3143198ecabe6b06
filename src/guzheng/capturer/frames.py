"""Frames: the documents within the page's document, of its own site and of others.

A frame of another site lives in a process of its own, and no answer about the page speaks of
what is in it: each is asked for its document, its text and, once per process, its layout. What
was made stands in frames.json with the place of each frame: docs/spec/capture.md §5.4. Like the
other snapshots none of it is the page itself: a frame that cannot be read, or would be too
much, is a note and its reason, never a failed capture. Nothing here changes a page.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer import world
from guzheng.capturer.artefacts import BYTE_ORDER_MARK
from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    Values,
    as_object,
    inner,
    listing,
    number,
    spell,
    text,
)
from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import (
    FRAMES,
    FRAMES_OCTETS,
    LAYOUT_NODES,
    SNAPSHOT_SECONDS,
    TEXT_OCTETS,
)
from guzheng.capturer.snapshots import LAYOUT, NODES, TEXT, has_closed_tree
from guzheng.proof import canonical

SCHEMA = "guzheng.frames/1"
NAME = "frames.json"
_URL = 8000
_AT_ONCE = 6  # frames that are asked at the same time
_DEEP = 64  # frames within frames; Chromium itself stops far sooner


@dataclass(slots=True)
class Frame:
    """One of them. `holder`: session of the process that has the element it lies in."""

    frame: str  # the browser's name for it
    parent: str
    url: str
    session: str
    has_own_process: bool
    holder: str = ""
    number: int = 0
    owner: int = 0  # that element, as the layout it stands in numbers its nodes
    nodes: int = 0
    why: str = ""
    made: list[str] = field(default_factory=list[str])  # kinds


@dataclass(slots=True)
class Frames:
    """`take` them once the page is at rest. `others`: each frame with its own process, and its
    session."""

    devtools: Devtools
    session: str
    main: str
    others: Mapping[str, str]
    folder: Path
    journal: Journal
    _kept: int = 0
    _until: float = 0.0  # of the event loop's clock
    _few: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def take(self) -> list[str]:
        """Names of what was made; none if the page has no frame."""
        found = await self._found()
        if not found:
            return []
        if len(found) > FRAMES:
            self.journal.limit("capture.frames-cut")
            del found[FRAMES:]
        await self._each(self._measure, found)
        self._require_few_nodes(found)
        await self._each(self._read, [one for one in found if not one.why])
        names = [_name(kind, one.number) for one in found for kind in one.made]
        self._write_list(found)
        if any(one.why for one in found):
            self.journal.note("capture.frames-missing")
        self.journal.step("frames.copied", f"{len(found)} frames, {len(names)} items")
        return [NAME, *names]

    async def _each(
        self, look: Callable[[Frame], Awaitable[None]], frames: Sequence[Frame]
    ) -> None:
        """All of them within one time: a page of frames that spin may not hold us."""
        self._until = asyncio.get_running_loop().time() + SNAPSHOT_SECONDS
        await asyncio.gather(*(self._within_time(look, one) for one in frames))

    async def _within_time(self, look: Callable[[Frame], Awaitable[None]], one: Frame) -> None:
        try:
            async with self._few, asyncio.timeout_at(self._until):
                await look(one)
        except (CommandRefused, TimeoutError) as error:
            one.why = cut(str(error) or f"no answer in {SNAPSHOT_SECONDS} s")[:200]

    # --- which there are ------------------------------------------------------------------

    async def _found(self) -> list[Frame]:
        """All frames but the main one, parents before children."""
        sessions = {self.main: self.session, **self.others}
        trees = await asyncio.gather(*map(self._tree, sessions.values()))
        children = defaultdict[str, list[Frame]](list)
        for tree, (name, session) in zip(trees, sessions.items(), strict=True):
            silent = [] if tree or name == self.main else await self._silent(name, session)
            for one in (*silent, *_frames_in(tree, session)):
                children[one.parent].append(one)
        found: list[Frame] = []
        holders = {self.main: self.session}
        waiting = deque([self.main])
        while waiting:
            parent = waiting.popleft()
            for one in children[parent]:
                if one.frame in holders:  # it has just moved to another process
                    continue
                one.holder = holders[parent]
                holders[one.frame] = one.session
                found.append(one)
                waiting.append(one.frame)
                one.number = len(found)
        return found

    async def _tree(self, session: str) -> Values:
        try:
            answer = await self._ask("Page.getFrameTree", {}, session)
        except (CommandRefused, TimeoutError):
            return {}  # gone, or it does not answer
        return inner(answer, "frameTree")

    async def _silent(self, name: str, session: str) -> list[Frame]:
        """A frame whose process says nothing, as the browser knows it; none if it is gone."""
        try:
            answer = await self._ask("Target.getTargetInfo", {"targetId": name}, "")
        except (CommandRefused, TimeoutError):
            return []
        told = inner(answer, "targetInfo")
        url = text(told, "url").partition("#")[0]
        parent = text(told, "parentFrameId") or self.main
        why = f"no answer in {SNAPSHOT_SECONDS} s"
        return [Frame(name, parent, url, session, has_own_process=True, why=why)]

    # --- what is in each ------------------------------------------------------------------

    async def _measure(self, one: Frame) -> None:
        """Who holds it, and how large it is."""
        with contextlib.suppress(CommandRefused):  # then no place on the picture is claimed
            await self._ask("DOM.enable", {}, one.holder)
            holder = await self._ask("DOM.getFrameOwner", {"frameId": one.frame}, one.holder)
            one.owner = int(number(holder, "backendNodeId"))
        if one.why:
            return
        counted = await self._evaluate(one, NODES, by_value=True)
        one.nodes = int(number(counted, "value"))

    def _require_few_nodes(self, found: Sequence[Frame]) -> None:
        left = LAYOUT_NODES
        for one in found:
            left -= one.nodes
            if left < 0 and not one.why:
                one.why = f"more than {LAYOUT_NODES} elements in all frames"
                self.journal.limit("capture.frames-cut")

    async def _read(self, one: Frame) -> None:
        self._keep(one, "dom", await self._document(one))
        said = await self._evaluate(one, TEXT % TEXT_OCTETS, by_value=True)
        self._keep(one, "text", text(said, "value").encode("utf-8", "replace") + b"\n")
        if one.has_own_process:
            answer = await self._ask(*LAYOUT, one.session)
            if has_closed_tree(answer):
                self.journal.note("capture.text-without-closed")
            if listing(answer, "documents"):
                self._keep(one, "layout", spell(answer))

    async def _document(self, one: Frame) -> bytes:
        handle = await self._evaluate(one, "document", by_value=False)
        answer = await self._ask(
            "DOM.getOuterHTML",
            {"objectId": text(handle, "objectId"), "includeShadowDOM": True},
            one.session,
        )
        return BYTE_ORDER_MARK + text(answer, "outerHTML").encode("utf-8", "replace")

    async def _evaluate(self, one: Frame, expression: str, *, by_value: bool) -> Values:
        context = await world.context_of(self.devtools, one.session, one.frame)
        answer = await self._ask(
            "Runtime.evaluate",
            {"expression": expression, "contextId": context, "returnByValue": by_value},
            one.session,
        )
        if "exceptionDetails" in answer:
            raise CommandRefused("the document is in no state to be asked")
        return inner(answer, "result")

    async def _ask(self, method: str, values: Values, session: str) -> Values:
        return await self.devtools.call(method, values, session, seconds=SNAPSHOT_SECONDS)

    # --- what stays -----------------------------------------------------------------------

    def _keep(self, one: Frame, kind: str, octets: bytes) -> None:
        self._kept += len(octets)
        if self._kept > FRAMES_OCTETS:
            self.journal.limit("capture.frames-cut")
            raise CommandRefused(f"more than {FRAMES_OCTETS} octets in all frames")
        (self.folder / _name(kind, one.number)).write_bytes(octets)
        one.made.append(kind)

    def _write_list(self, found: Sequence[Frame]) -> None:
        numbers = {one.frame: one.number for one in found}
        listed = [_value(one, numbers.get(one.parent, 0)) for one in found]
        value = {"schema": SCHEMA, "frames": listed}
        (self.folder / NAME).write_bytes(canonical.encode(value))


def _frames_in(tree: Values, session: str) -> Iterator[Frame]:
    """The first of a tree is the root of its process."""
    waiting = deque([(tree, 0)])
    while waiting:
        values, depth = waiting.popleft()
        frame = inner(values, "frame")
        name = text(frame, "id")
        if not name or depth > _DEEP:
            continue
        url = text(frame, "url").partition("#")[0]
        yield Frame(name, text(frame, "parentId"), url, session, has_own_process=not depth)
        waiting += [(as_object(one), depth + 1) for one in listing(values, "childFrames")]


def _name(kind: str, number_: int) -> str:
    ending = {"dom": "html", "text": "txt", "layout": "json"}[kind]
    return f"{kind}-{number_:03d}.{ending}"


def _value(one: Frame, parent: int) -> dict[str, object]:
    value: dict[str, object] = {
        "number": one.number,
        "frame": cut(one.frame)[:100],
        "parent": parent,
        "url": cut(one.url, _URL),
        "process": "own" if one.has_own_process else "of-parent",
    }
    if one.owner:
        value["owner"] = one.owner
    value |= {kind: _name(kind, one.number) for kind in one.made}
    if one.why:
        value["why"] = one.why
    return value
