"""What was done, step by step, and what a reader must know: steps, notes, limits.

Each step goes out at once as one line (the caller turns it into words) and stays for the
record with its offset from the start, on the monotonic clock, and the reason why it is done
(ISO/IEC 27037: every act on evidence must be justified).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from guzheng.capturer.clock import Clock
from guzheng.capturer.limits import MAX_TEXT
from guzheng.capturer.record import Step

REASONS = {
    "control.observed": "a page of known content shows whether this environment alters pages",
    "scope.judged": "a wall in front of a page must not pass for the page",
    "moment.stamped": "a time that an authority attests, of what was known at that moment",
    "egress.open": "the only way out, so that every address is checked and logged",
    "tunnel.ready": "it keeps the octets of every connection before it hands them on",
    "wire.kept": "what passed is fixed by its digests before anybody can read it",
    "browser.started": "a browser that nobody used before, in an empty profile",
    "browser.waited": "a browser that nobody used before, started ahead of the order",
    "environment.checked": "a page preset on this machine must be impossible",
    "page.opening": "the ordered URL, as ordered",
    "page.loaded": "the browser says that the page and what it names have arrived",
    "page.scrolling": "what loads only when it is seen must be seen",
    "page.scrolled": "the end of the page, or a limit that is named",
    "page.at-rest": "pictures are made of a page that no longer changes by loading",
    "dialog.dismissed": "a dialog stops the page; nobody is there to answer it",
    "popup.closed": "only the ordered page is evidence",
    "download.begun": "the order says that what the page hands down is kept",
    "download.denied": "only the ordered page is evidence; a file would fill the disk",
    "banner.recognised": "a notice that covers the page must be known as such",
    "banner.dismissed": "ordered: the page without the notice, with the least consent",
    "page.expanded": "media that load only when asked, or inside closed details, must load",
    "page.restored": "the page is pictured as its author left it",
    "film.begun": "ordered: what the page shows while it is visited",
    "film.ended": "pictures would move the page in the film",
    "page.viewed": "the page as it first shows itself, before anything is touched",
    "page.snapped": "layout, text and the page in one file, for comparison and for searching",
    "page.pictured": "the page as a person sees it, in full length",
    "page.printed": "the page for the file of a court",
    "page.copied": "the document after all scripts, for comparison with the archive",
    "frames.copied": "what the page shows of other documents, of other sites too",
    "browser.stopped": "nothing can be added to the archive after this",
    "archive.written": "requests and answers, for replay by independent tools",
    "wire.compared": "what the browser says and what the archive holds, against what passed",
    "capture.finished": "",
    "capture.failed": "",
}


@dataclass(slots=True)
class Journal:
    """`tell` gets every step at once; the rest is read when the record is written."""

    clock: Clock
    tell: Callable[[str, str], None]
    began: float
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    limits_hit: list[str] = field(default_factory=list)

    def step(self, code: str, detail: str = "") -> None:
        offset = self.offset(self.clock.monotonic())
        self.steps.append(Step(offset, code, cut(detail), REASONS[code]))
        self.tell(code, cut(detail))

    def note(self, code: str) -> None:
        """Something a reader of the certificate must know; each code once."""
        if code not in self.notes:
            self.notes.append(code)

    def limit(self, code: str) -> None:
        """A limit was reached: the record says so in both places."""
        if code not in self.limits_hit:
            self.limits_hit.append(code)
        self.note(code)

    def offset(self, monotonic: float) -> int:
        return max(0, int((monotonic - self.began) * 1000))


def cut(text: str, longest: int = MAX_TEXT) -> str:
    """Text from outside, made fit for a paper: no lone surrogates, not longer than allowed."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
