"""The page as a structure: its layout, its text, and all of it in one file.

Further originals beside the archive and the pictures. None of them is the page itself: one that
cannot be made, or would be too large, is a note, never a failed capture. Nothing here changes
the page: text is read from an isolated world, the rest is told by the browser.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from guzheng.capturer import world
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
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import (
    LAYOUT_NODES,
    MHTML_OCTETS,
    SNAPSHOT_SECONDS,
    TEXT_OCTETS,
)

# What decides whether a person sees a node; the rest stands in the style sheets of the archive.
COMPUTED_STYLES = (
    "display", "visibility", "opacity", "position", "z-index", "overflow",
    "color", "background-color", "background-image", "font-size",
)  # fmt: skip
NODES = """(() => {
  const roots = [document];
  let count = 0;
  for (let at = 0; at < roots.length; at++) for (const one of roots[at].querySelectorAll('*')) {
    count++;
    if (one.shadowRoot) roots.push(one.shadowRoot);
  }
  return count;
})()"""
_NODES_OF_AN_ELEMENT = 3  # texts too, and what scripts hold on to
# `innerText` passes over shadow trees, in which whole pages live: what is in the open ones
# follows it, tree by tree.
TEXT = """((limit) => {
  const root = document.body || document.documentElement;
  if (!root) return '';
  const parts = [root.innerText || ''], trees = [];
  const is = (one, how) => getComputedStyle(one).display === how;
  const isThere = one => one.checkVisibility() || is(one, 'contents');
  const look = from => from.querySelectorAll('*').forEach(one => {
    if (one.shadowRoot && isThere(one)) trees.push(one.shadowRoot);
  });
  look(root.parentNode || root);
  for (let at = 0; at < trees.length; at++) {
    for (const one of trees[at].childNodes) {
      if (one.nodeType === 3) parts.push(one.data.trim());
      else if (one.nodeType === 1 && isThere(one)) parts.push(one.innerText || '');
    }
    look(trees[at]);
  }
  return parts.filter(Boolean).join('\\n').slice(0, limit);
})(%d)"""
LAYOUT: tuple[str, Values] = (
    "DOMSnapshot.captureSnapshot",
    {"computedStyles": COMPUTED_STYLES, "includePaintOrder": True, "includeDOMRects": True},
)


@dataclass(frozen=True, slots=True)
class Snapshots:
    """`take` all of them once the page is at rest."""

    devtools: Devtools
    session: str
    frame: str
    folder: Path
    journal: Journal

    async def take(self, octets_of_page: int) -> list[str]:
        """Names of what was made. `octets_of_page`: bodies and document together."""
        nodes = await self._count_nodes()
        is_small = nodes <= LAYOUT_NODES
        wanted: list[tuple[bool, str, Callable[[], Awaitable[bytes]]]] = [
            (is_small, "text.txt", self._read_text),
            (is_small, "layout.json", self._read_layout),
            (octets_of_page <= MHTML_OCTETS, "page.mhtml", self._read_mhtml),
        ]
        names = []
        for fits, name, read in wanted:
            if not fits:
                self.journal.limit(f"capture.{_kind(name)}-too-large")
            elif await self._make(name, read):
                names.append(name)
        return names

    async def _make(self, name: str, read: Callable[[], Awaitable[bytes]]) -> bool:
        try:
            octets = await read()
        except (CommandRefused, TimeoutError):
            octets = b""
        if not octets:
            self.journal.note(f"capture.{_kind(name)}-missing")
            return False
        (self.folder / name).write_bytes(octets)
        return True

    async def _count_nodes(self) -> int:
        """By what the document shows, and by what the browser holds: a script can hide a tree
        from every other script, and the layout would have all of it."""
        try:
            count = await world.ask(self.devtools, self.session, self.frame, NODES)
            held = await self._ask("Memory.getDOMCounters", {})
        except (CommandRefused, TimeoutError):
            return 0
        seen = count if isinstance(count, int) else 0
        return max(seen, int(number(held, "nodes")) // _NODES_OF_AN_ELEMENT)

    async def _read_text(self) -> bytes:
        """What a person could select and copy, in the order of the document, UTF-8."""
        found = await world.ask(
            self.devtools,
            self.session,
            self.frame,
            TEXT % TEXT_OCTETS,
            seconds=SNAPSHOT_SECONDS,
        )
        if not isinstance(found, str):
            return b""
        return found.encode("utf-8", "replace") + b"\n"

    async def _read_layout(self) -> bytes:
        answer = await self._ask(*LAYOUT)
        if has_closed_tree(answer):
            self.journal.note("capture.text-without-closed")
        return spell(answer) if listing(answer, "documents") else b""

    async def _read_mhtml(self) -> bytes:
        """RFC 2557; the browser puts together what it has loaded, in seven-bit lines."""
        answer = await self._ask("Page.captureSnapshot", {"format": "mhtml"})
        return text(answer, "data").encode("utf-8", "replace")

    async def _ask(self, method: str, values: Values) -> Values:
        return await self.devtools.call(method, values, self.session, seconds=SNAPSHOT_SECONDS)


def has_closed_tree(layout: Values) -> bool:
    """A shadow tree that no script can enter, ours included: its text is not in text.txt."""
    words = listing(layout, "strings")
    closed = words.index("closed") if "closed" in words else -1
    return closed >= 0 and any(
        closed in listing(inner(as_object(one), "nodes", "shadowRootType"), "value")
        for one in listing(layout, "documents")
    )


def _kind(name: str) -> str:
    return "mhtml" if name.endswith(".mhtml") else name.partition(".")[0]
