"""Makes the items of a capture, in the order in which none spoils the next.

The view comes before anything is touched. Once the page is at rest its document, text, layout
and the page in one file come first, since painting a very long page may load more of it; then
the pictures, then the print, which lays the page out anew. The document and its pictures are
the page itself and must succeed; whatever else fails is a note. What was heard rather than
made (console, sockets) is written at the end, with what is derived.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from guzheng.capturer import artefacts, har
from guzheng.capturer.console import ConsoleLog
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.journal import Journal
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.snapshots import Snapshots
from guzheng.capturer.visit import Visit


@dataclass(slots=True)
class Making:
    """`view` once the page is there, `make` at rest, `write_down` when the browser is gone."""

    folder: Path
    journal: Journal
    recorder: Recorder
    console: ConsoleLog
    started_at: datetime
    names: list[str]  # of all items so far; shared with whoever makes others

    async def view(self, visit: Visit) -> None:
        session = visit.targets.main
        if await artefacts.take_view(visit.devtools, session, self.folder, "view.png"):
            self.names.append("view.png")
            self.journal.step("page.viewed")
        else:
            self.journal.note("capture.view-missing")

    async def make(self, visit: Visit) -> None:
        devtools, session = visit.devtools, visit.targets.main
        self.names.append(await artefacts.copy_document(devtools, session, self.folder))
        self.journal.step("page.copied")
        snapshots = Snapshots(devtools, session, visit.frame, self.folder, self.journal)
        document = (self.folder / "dom.html").stat().st_size
        self.names += await snapshots.take(self.recorder.octets_kept + document)
        self.journal.step("page.snapped")
        self.names += await artefacts.take_pictures(
            devtools, session, await visit.size(), self.folder, self.journal
        )
        self.journal.step("page.pictured")
        try:
            self.names.append(
                await artefacts.print_page(devtools, session, self.folder, self.started_at)
            )
            self.journal.step("page.printed")
        except CaptureFailed:
            self.journal.note("capture.print-missing")

    def write_down(self, *, url: str, title: str, software: str, browser: str) -> None:
        self._write("console.jsonl", self.console.octets)
        if self.console.is_cut:
            self.journal.limit("capture.console-cut")
        if (frames := self.recorder.sockets.octets) is not None:
            self._write("sockets.jsonl", frames)
        if self.recorder.sockets.is_cut:
            self.journal.limit("capture.sockets-cut")
        archive = har.encode(
            self.recorder.exchanges,
            url=url,
            title=title,
            at=self.started_at,
            software=software,
            browser=browser,
        )
        self._write("network.har", archive)

    def _write(self, name: str, octets: bytes) -> None:
        (self.folder / name).write_bytes(octets)
        self.names.append(name)
