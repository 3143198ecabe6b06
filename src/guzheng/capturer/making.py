"""Makes the items of a capture, in the order in which none spoils the next.

The view comes before anything is touched. Once the page is at rest its document, text, layout
and the page in one file come first, since painting a very long page may load more of it; then
the pictures, then the print, which lays the page out anew. The document and its pictures are
the page itself and must succeed; whatever else fails is a note. What was heard rather than
made (console, sockets) is written at the end, with what is derived.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from guzheng.capturer import artefacts, banners, behaviours, har
from guzheng.capturer.console import ConsoleLog
from guzheng.capturer.devtools import EventListener
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.film import NAME as FILM_NAME
from guzheng.capturer.film import Film
from guzheng.capturer.frames import Frames
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import SETTLE_SECONDS
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
    options: tuple[str, ...]
    software: str
    film: Film = field(init=False)
    banner_seen: bool = False

    def __post_init__(self) -> None:
        self.film = Film(self.folder / FILM_NAME, self.software)

    @property
    def listeners(self) -> list[EventListener]:
        return [self.console.take, self.film.take]

    async def begin(self, visit: Visit) -> None:
        if "video" in self.options:
            if await self.film.begin(visit.devtools, visit.targets.main):
                self.journal.step("film.begun")
            else:
                self.journal.note("capture.film-missing")

    async def view(self, visit: Visit) -> None:
        if await self._picture(visit, "view.png"):
            self.journal.step("page.viewed")
        else:
            self.journal.note("capture.view-missing")
        await self._meet_banner(visit)

    async def expand(self, visit: Visit) -> None:
        """What scrolling alone does not load; then as the page had it. Late notices are met."""
        place = visit.devtools, visit.targets.main, visit.frame
        if await behaviours.expand(*place, self.journal):
            await visit.settle(patience=SETTLE_SECONDS)
            await behaviours.restore(*place, self.journal)
        await self._meet_banner(visit)

    async def _meet_banner(self, visit: Visit) -> None:
        if self.banner_seen:
            return
        place = visit.devtools, visit.targets.main, visit.frame
        banner = await banners.find(*place)
        if banner is None:
            return
        self.banner_seen = True
        self.journal.step("banner.recognised", f"{banner.rule}: {banner.said}")
        self.journal.note("capture.banner-shown")
        await self._picture(visit, "banner-before.png")
        if "dismiss-banner" not in self.options:
            return
        pressed = banner.can_be_dismissed and await banners.press(*place[:2], banner)
        if pressed:
            self.journal.step("banner.dismissed", banner.button)
            await visit.settle(patience=SETTLE_SECONDS)
        if pressed and await banners.find(*place) is None:
            self.journal.note("capture.banner-dismissed")
        else:
            self.journal.note("capture.banner-not-dismissed")
        await self._picture(visit, "banner-after.png")

    async def _picture(self, visit: Visit, name: str) -> bool:
        session = visit.targets.main
        if not await artefacts.take_view(visit.devtools, session, self.folder, name):
            return False
        self.names.append(name)
        return True

    def _end_film(self, visit: Visit) -> None:
        if "video" not in self.options:
            return
        if self.film.end(visit.targets.main):
            self.names.append(FILM_NAME)
            self.journal.step("film.ended", f"{self.film.frames} frames")
        else:
            self.journal.note("capture.film-missing")
        if self.film.is_cut:
            self.journal.limit("capture.film-cut")

    async def make(self, visit: Visit) -> None:
        devtools, session = visit.devtools, visit.targets.main
        self._end_film(visit)
        self.names.append(await artefacts.copy_document(devtools, session, self.folder))
        self.journal.step("page.copied")
        snapshots = Snapshots(devtools, session, visit.frame, self.folder, self.journal)
        document = (self.folder / "dom.html").stat().st_size
        self.names += await snapshots.take(self.recorder.octets_kept + document)
        self.journal.step("page.snapped")
        others = dict(visit.targets.frames)
        frames = Frames(devtools, session, visit.frame, others, self.folder, self.journal)
        self.names += await frames.take()
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

    def write_down(self, *, url: str, title: str, browser: str) -> None:
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
            software=self.software,
            browser=browser,
        )
        self._write("network.har", archive)

    def _write(self, name: str, octets: bytes) -> None:
        (self.folder / name).write_bytes(octets)
        self.names.append(name)
