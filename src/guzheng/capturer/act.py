"""The act of capture: the order of all steps, and what is written when one of them fails.

Order: browser started and looked at → page visited → artefacts made → browser dead → archive
and record written. `items/` and `capture.json` are complete or `failure.json` says why not; the
browser, its profile and its connections are gone in either case.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer import browser as chromium
from guzheng.capturer import control, downloads, livepicture, sight, writing
from guzheng.capturer.chains import Chains
from guzheng.capturer.clock import Clock
from guzheng.capturer.completeness import TRACE, Comparing
from guzheng.capturer.console import ConsoleLog
from guzheng.capturer.devtools import CommandRefused
from guzheng.capturer.draft import Draft
from guzheng.capturer.egress import Egress
from guzheng.capturer.environment import Start, Surroundings
from guzheng.capturer.failures import (
    STOPPED,
    CaptureFailed,
    gone,
    never_answered,
    not_written,
    too_slow,
)
from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import ATTEMPT_OCTETS, VIEWPORT_HEIGHT, VIEWPORT_WIDTH
from guzheng.capturer.making import Making
from guzheng.capturer.moments import Desk, Moments
from guzheng.capturer.order import CaptureOrder, require_url
from guzheng.capturer.record import Failure
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.stage import KEY_LOG, Stage
from guzheng.capturer.targets import Targets
from guzheng.capturer.visit import Visit
from guzheng.capturer.wacz import PageEntry
from guzheng.capturer.warc import Entropy
from guzheng.capturer.wire import KEY, keep_wire
from guzheng.proof import canonical, instant
from guzheng.proof.capture import OUTSIDE
from guzheng.proof.manifest import Item

_LOOK_SECONDS = 10
_LONG_PIXELS = 10 * VIEWPORT_HEIGHT  # a page of which the scrolling takes more than a second
_ENVIRONMENT = "environment.json"


@dataclass(slots=True)
class Act:
    """One capture. `perform` once; `abandon` may be called from another thread instead."""

    order: CaptureOrder
    out: Path
    surroundings: Surroundings
    clock: Clock
    entropy: Entropy
    tell: Callable[[str, str], None]
    desk: Desk
    journal: Journal = field(init=False)
    recorder: Recorder = field(init=False)
    targets: Targets = field(init=False)
    moments: Moments = field(init=False)
    making: Making = field(init=False)
    stage: Stage = field(init=False)
    draft: Draft = field(init=False)
    digesting: writing.Digesting = field(init=False)
    names: list[str] = field(default_factory=list)
    aside: control.Aside | None = None
    start: Start | None = None
    comparing: Comparing | None = None
    seeing: asyncio.Task[None] | None = None
    readying: asyncio.Task[None] | None = None
    clearing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        started_at, software = self.clock.now(), self.surroundings.software
        self.journal = journal = Journal(self.clock, self.tell, self.clock.monotonic())
        until = self.clock.monotonic() + self.order.limits.wall_seconds + _LOOK_SECONDS
        self.moments = Moments(self.order.moments, self.desk, self.out, journal, until)
        self.recorder = Recorder(self.clock, self.order.limits.requests)
        keeps = downloads.OPTION in self.order.options
        attachments = downloads.Downloads(self.clock, journal, keeps)
        self.targets = Targets(self.recorder, journal, attachments)
        self.digesting = writing.Digesting(self.out / "items")
        self.making = Making(
            self.out / "items",
            journal,
            self.recorder,
            ConsoleLog(self.clock),
            started_at,
            self.names,
            self.order.options,
            software,
        )
        self.targets.listeners += self.making.listeners
        self.stage = Stage(
            self.order,
            self.surroundings,
            started_at,
            journal,
            self.targets.take,
            self._stop_seeing,
        )
        self.draft = Draft(
            self.order,
            software,
            started_at,
            self.clock.now,
            journal,
            self.recorder,
            self.moments,
            self.stage,
            Chains(journal),
        )

    async def perform(self) -> bool:
        """True if captured; either way the folder says everything."""
        items = self.out / "items"
        items.mkdir(parents=True, exist_ok=True)
        limit = asyncio.timeout(self.order.limits.wall_seconds)
        try:
            try:
                async with limit:
                    self.seeing = asyncio.create_task(self._see(items))
                    await self.seeing
            finally:
                await self._leave()
            await self._keep_wire()
            await self._write_down(items)
        except CaptureFailed as failure:
            await self._fail(self.stage.cause_of(failure))
            return False
        except TimeoutError:
            slow = self._too_slow() if limit.expired() else never_answered()
            await self._fail(self.stage.cause_of(slow))
            return False
        except asyncio.CancelledError:
            self.fail(STOPPED)
            return False
        except CommandRefused as error:
            await self._fail(self.stage.cause_of(gone(error)))
            return False
        except OSError as error:
            self.fail(not_written(error))
            return False
        finally:
            self.digesting.end()
            if self.readying is not None:
                self.readying.cancel()
            if self.comparing is not None:
                await self.comparing.end()
            if self.clearing is not None:
                await self.clearing
            self.stage.close()
        return True

    def _stop_seeing(self) -> None:
        """The tunnel is gone: nothing more can be seen of which all is kept."""
        if self.seeing is not None:
            self.seeing.cancel()

    # ---- while the browser runs ------------------------------------------------------

    async def _see(self, items: Path) -> None:
        url = require_url(self.order.url)
        opened = asyncio.create_task(self.moments.open(self.order, self.surroundings.software))
        looked = asyncio.create_task(self.moments.look_at_clock("before"))
        egress, browser = self.stage.egress, self.stage.browser
        if browser is None or egress is None:
            egress, browser = await self.stage.prepare(begin=url)
        self.making.console.attach(browser.devtools)
        await egress.ready()
        self.journal.step("tunnel.ready")
        self.draft.control = await control.observe(browser.devtools, self.journal, self.aside)
        self.start = await self._look_at_start(browser)
        visit = self._visit(browser, egress)
        await opened  # while the browser started: before anything of the page is asked for
        await looked
        await self.making.begin(visit)
        self.readying = asyncio.create_task(self._ready_comparing())
        await visit.go()
        await self.making.view(visit)
        if (await visit.size())[1] > _LONG_PIXELS:  # else there is one in a moment anyway
            await livepicture.show(browser.devtools, self.targets.main, self.out)
        # Not sooner: reading 300 MB beside the start and the load slows both down.
        self.stage.identify(browser)
        await visit.scroll()
        await self.making.expand(visit)
        await self.targets.attachments.finish(visit.must_end)
        await visit.require_a_page()
        self.journal.step("page.at-rest")
        _, self.draft.scope = await asyncio.gather(
            livepicture.show(browser.devtools, self.targets.main, self.out),
            sight.judged(visit, self.targets.main, self.journal),
        )
        await self._make_artefacts(visit)
        self.draft.viewer = await self.stage.viewer(browser)
        await self._write_environment(items, self.start)

    async def _ready_comparing(self) -> None:
        """Once the page has loaded: while it is only waited for there is time to start it. Of
        a page that never says so, it is started when it is wanted."""
        await self.targets.loaded.wait()
        if self.stage.folder is not None:
            self.comparing = Comparing(self.out, self.stage.folder.scratch)
            with contextlib.suppress(OSError):
                await self.comparing.start()

    async def _look_at_start(self, browser: chromium.Browser) -> Start:
        """The kernel's word on the browser, and a page of ours that is blank."""
        stage = self.stage
        if self.targets.attachments.is_kept and stage.folder is not None:
            self.targets.attachments.make_folder(stage.folder.browser, browser.launch.uid)
        await self.targets.open_page(browser.devtools, VIEWPORT_WIDTH, VIEWPORT_HEIGHT)
        cookies = await self.targets.spare_cookies(browser.devtools)
        cage = await chromium.observed_cage(browser.devtools)
        seen = await chromium.seen_by_pages(browser.devtools, self.targets.main)
        sandbox = cut(str(browser.sandbox))
        start = Start(stage.profile_at_start, cookies, sandbox, cage, seen)
        start.judge(stage.grade, self.surroundings.preload_variables)
        self.journal.step("environment.checked", f"sandbox {browser.sandbox}")
        return start

    def _visit(self, browser: chromium.Browser, egress: Egress) -> Visit:
        until = self.clock.monotonic() + self.order.limits.page_seconds
        self.draft.visit = visit = Visit(
            self.order,
            browser.devtools,
            self.targets,
            self.recorder,
            egress,
            self.journal,
            until,
        )
        return visit

    async def _make_artefacts(self, visit: Visit) -> None:
        draft = self.draft
        draft.title, draft.final_url = await visit.title()
        await self.making.make(visit)
        self.digesting.begin(self.names)
        _, url_now = await visit.title()
        if url_now != draft.final_url:
            self.journal.note("capture.page-moved")
        await self.recorder.finish(visit.egress.cut)
        await draft.chains.keep(visit.devtools, self.targets.main, self.recorder.exchanges)

    async def _write_environment(self, items: Path, start: Start) -> None:
        await self.moments.look_at_clock("after")
        clocks = self.moments.clocks
        report = await self.stage.report(start, self.draft.chains, clocks)
        if report is not None:
            (items / _ENVIRONMENT).write_bytes(report)
            self.names.append(_ENVIRONMENT)

    async def _leave(self) -> None:
        """Nothing of the browser stays, whatever happened."""
        browser, egress = self.stage.browser, self.stage.egress
        if browser is not None:
            await self.stage.stop()
            self.journal.step("browser.stopped")
            if self.stage.folder is not None:  # beside all that is written down meanwhile
                clearing = asyncio.to_thread(self.stage.folder.remove_profile)
                self.clearing = asyncio.create_task(clearing)
            await self.recorder.finish(lambda: None)
            if self.draft.viewer is None:
                self.draft.viewer = await self.stage.viewer(browser)
        if egress is not None:
            await egress.close()

    # ---- when it is dead -------------------------------------------------------------

    async def _keep_wire(self) -> None:
        """Only now is the key log opened: see wire."""
        folder, egress, browser = self.stage.folder, self.stage.egress, self.stage.browser
        if folder is None or egress is None or browser is None:
            return
        own_uid, uid = self.surroundings.own_uid, browser.launch.uid
        self.draft.wire = kept = await keep_wire(
            exhibit=self.order.exhibit,
            connections=egress.connections,
            folder=egress.folder,
            key_log=folder.browser / KEY_LOG,
            out=self.out,
            uids=(own_uid if egress.uid is None else egress.uid, uid),
            stamp=self.moments.stamp,
            entropy=self.entropy,
        )
        self.names += kept.names
        self.digesting.begin(kept.names)
        self.journal.step(
            "wire.kept", f"{kept.transcript.connections} connections, {kept.transcript.index}"
        )

    async def _write_down(self, items: Path) -> None:
        draft, folder, egress = self.draft, self.stage.folder, self.stage.egress
        if folder is None or draft.visit is None or draft.viewer is None:
            return
        if egress is not None:
            writing.name_peers(self.recorder.exchanges, egress)
        count = writing.write_archive(
            items / "page.wacz",
            folder.scratch,
            self.recorder.exchanges,
            page=PageEntry(
                cut(draft.final_url, 8000), instant.encode(draft.started_at), cut(draft.title)
            ),
            software=self.surroundings.software,
            browser=draft.viewer.user_agent,
            entropy=self.entropy,
        )
        self.names.insert(0, "page.wacz")
        self.digesting.begin(["page.wacz"])
        self.making.write_down(
            url=draft.final_url, title=draft.title, browser=draft.viewer.browser
        )
        self.journal.step(
            "archive.written", f"{count} of {len(self.recorder.exchanges)} requests"
        )
        self.names += self.targets.attachments.write(items)
        draft.add_notes()
        if self.readying is not None and self.targets.loaded.is_set():
            await self.readying
        if draft.wire is not None:
            comparing = self.comparing or Comparing(self.out, folder.scratch)
            draft.completeness = await comparing.compare(draft.record(), self.journal)
            self.names += [TRACE] if (items / TRACE).exists() else []
        listed = self.digesting.items(self.names)
        await self.moments.close(self.order.exhibit, listed)
        self.journal.step("capture.finished", draft.final_url)
        (self.out / "capture.json").write_bytes(draft.record(listed).encode())

    # ---- when it fails ---------------------------------------------------------------

    async def _fail(self, failure: CaptureFailed) -> None:
        """Of what came from outside, what the wire showed stays: it is what was tried."""
        listed: tuple[Item, ...] = ()
        if failure.code in OUTSIDE:
            try:
                listed = await self._keep_attempt()
            except (CaptureFailed, OSError):  # the failure stands with or without it
                self.journal.note("capture.transcript-missing")
        self.fail(failure, listed)

    async def _keep_attempt(self) -> tuple[Item, ...]:
        """Transcript, sealed keys and environment report, stamped as those of a capture."""
        if self.stage.egress is None or self.stage.browser is None:
            return ()
        one = self.stage.egress.connections
        if sum(each.sent.octets + each.received.octets for each in one) > ATTEMPT_OCTETS:
            self.journal.limit("capture.transcript-too-large")
            return ()
        if self.draft.wire is None:
            await self._keep_wire()
        names = list(self.draft.wire.names) if self.draft.wire else []
        if self.stage.identified is not None and self.start is not None:
            await self._write_environment(self.out / "items", self.start)
            names.append(_ENVIRONMENT)
        listed = self.digesting.items(sorted(names))
        await self.moments.close(self.order.exhibit, listed)
        return listed

    def fail(self, failure: CaptureFailed, listed: tuple[Item, ...] = ()) -> None:
        """Write what was tried. `items/` keeps what is listed and nothing else: half a capture
        is no evidence."""
        kept = {one.name for one in listed}
        for path in (self.out / "items").glob("*"):
            if path.name not in kept:
                path.unlink()
        if not listed:
            self.draft.wire = None
            (self.out / KEY).unlink(missing_ok=True)
        self.draft.note_origin()
        self.journal.step("capture.failed", failure.code)
        value = {name: cut(str(one)) for name, one in failure.value().items()}
        record = self.draft.record(listed, Failure(**value))
        (self.out / "capture.json").write_bytes(record.encode())
        (self.out / "failure.json").write_bytes(canonical.encode(value))

    def abandon(self) -> None:
        """The event loop does not answer: kill, write, and let the caller end the program."""
        self.stage.kill()
        self.fail(self.stage.cause_of(self._too_slow()))
        self.stage.close()

    def _too_slow(self) -> CaptureFailed:
        return too_slow(self.order.limits.wall_seconds)
