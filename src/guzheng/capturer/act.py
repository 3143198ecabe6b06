"""The act of capture: the order of all steps, and what is written when one of them fails.

Order: browser started and looked at → page visited → artefacts made → browser dead → archive
and record written. `items/` and `capture.json` are complete or `failure.json` says why not; the
browser, its profile and its connections are gone in either case.
"""

import asyncio
import base64
import binascii
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from guzheng.capturer import browser as chromium
from guzheng.capturer import (
    control,
    downloads,
    environment,
    livepicture,
    machine,
    packages,
    sight,
    writing,
)
from guzheng.capturer.cgroup import Caps
from guzheng.capturer.clock import Clock
from guzheng.capturer.completeness import TRACE, Comparing
from guzheng.capturer.confinement import Confinement, confine
from guzheng.capturer.console import ConsoleLog
from guzheng.capturer.devtools import CommandRefused, Values, listing
from guzheng.capturer.egress import Egress
from guzheng.capturer.environment import Start, Surroundings
from guzheng.capturer.exchange import ARCHIVED, FROM_CACHE, FROM_WORKER, WEBSOCKET
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.flags import flags_of
from guzheng.capturer.grades import Grade
from guzheng.capturer.jobfolder import JobFolder, has_small_shared_memory
from guzheng.capturer.jobuser import uid_of_tunnel
from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import (
    ATTEMPT_OCTETS,
    LANGUAGE,
    PROCESSORS,
    TASKS,
    TIME_ZONE,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from guzheng.capturer.making import Making
from guzheng.capturer.moments import Desk, Moments
from guzheng.capturer.order import CaptureOrder, require_url, without_password
from guzheng.capturer.packages import Installed, Program
from guzheng.capturer.record import (
    Bounds,
    CaptureRecord,
    Completeness,
    Control,
    Failure,
    Judgement,
    Viewer,
)
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.targets import Targets
from guzheng.capturer.visit import Visit
from guzheng.capturer.wacz import PageEntry
from guzheng.capturer.warc import Entropy
from guzheng.capturer.wire import KEY, Wire, keep_wire
from guzheng.proof import canonical, instant
from guzheng.proof.capture import MAX_ENTRIES, OUTSIDE
from guzheng.proof.manifest import Item

_HARMLESS = ARCHIVED | {FROM_CACHE, FROM_WORKER, WEBSOCKET}
_DEATHS = frozenset(
    f"capture.{one}" for one in ("browser-died", "page-moved", "page-not-drawn", "timed-out")
)
_LOOK_SECONDS = 10
_LONG_PIXELS = 10 * VIEWPORT_HEIGHT  # a page of which the scrolling takes more than a second
_WIRE, _KEY_LOG = "wire", "tls-keys.log"  # in the job's folder: the tunnel's, the browser's


Identifying = asyncio.Task[tuple[Program, Installed]]


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
    scope: tuple[Judgement, ...] = ()
    control: Control | None = None
    started_at: datetime = field(init=False)
    making: Making = field(init=False)
    egress: Egress | None = None
    confinement: Confinement | None = None
    start: Start | None = None
    grade: Grade = field(default_factory=Grade)
    folder: JobFolder | None = None
    identified: Identifying | None = None
    profile_at_start: list[str] = field(default_factory=list)
    browser: chromium.Browser | None = None
    viewer: Viewer | None = None
    visit: Visit | None = None
    title: str = ""
    final_url: str = ""
    chains: dict[str, list[bytes]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    wire: Wire | None = None
    completeness: Completeness | None = None
    comparing: Comparing | None = None
    seeing: asyncio.Task[None] | None = None
    digesting: writing.Digesting = field(init=False)

    def __post_init__(self) -> None:
        self.started_at = self.clock.now()
        self.journal = Journal(self.clock, self.tell, self.clock.monotonic())
        until = self.clock.monotonic() + self.order.limits.wall_seconds + _LOOK_SECONDS
        self.moments = Moments(self.order.moments, self.desk, self.out, self.journal, until)
        self.recorder = Recorder(self.clock, self.order.limits.requests)
        keeps = downloads.OPTION in self.order.options
        attachments = downloads.Downloads(self.clock, self.journal, keeps)
        self.targets = Targets(self.recorder, self.journal, attachments)
        self.digesting = writing.Digesting(self.out / "items")
        self.making = Making(
            self.out / "items",
            self.journal,
            self.recorder,
            ConsoleLog(self.clock),
            self.started_at,
            self.names,
            self.order.options,
            self.surroundings.software,
        )
        self.targets.listeners += self.making.listeners

    async def perform(self) -> bool:
        """True if captured; either way the folder says everything."""
        items = self.out / "items"
        items.mkdir(parents=True, exist_ok=True)
        try:
            try:
                async with asyncio.timeout(self.order.limits.wall_seconds):
                    self.seeing = asyncio.create_task(self._see(items))
                    await self.seeing
            finally:
                await self._leave()
            await self._keep_wire()
            await self._write_down(items)
        except CaptureFailed as failure:
            await self._fail(self._truly(failure))
            return False
        except TimeoutError:
            await self._fail(self._truly(_too_slow(self.order.limits)))
            return False
        except asyncio.CancelledError:
            self.fail(_STOPPED)
            return False
        except CommandRefused as error:
            await self._fail(self._truly(_gone(error)))
            return False
        except OSError as error:
            self.fail(not_written(error))
            return False
        finally:
            self.digesting.end()
            if self.comparing is not None:
                await self.comparing.end()
            if self.folder is not None:
                self.folder.remove()
            if self.confinement is not None:
                self.confinement.close()
        return True

    async def _see(self, items: Path) -> None:
        url = require_url(self.order.url)
        opened = asyncio.create_task(self.moments.open(self.order, self.surroundings.software))
        if self.browser is None or self.egress is None:
            self.egress, self.browser = await self.prepare(begin=url)
        self.making.console.attach(self.browser.devtools)
        await self.egress.ready()
        self.journal.step("tunnel.ready")
        self.control = await control.observe(self.browser.devtools, self.journal)
        if self.targets.attachments.is_kept and self.folder is not None:
            uid = self.browser.launch.uid
            self.targets.attachments.make_folder(self.folder.browser, uid)
        await self.targets.open_page(self.browser.devtools, VIEWPORT_WIDTH, VIEWPORT_HEIGHT)
        cookies = await self.targets.spare_cookies(self.browser.devtools)
        cage = await chromium.observed_cage(self.browser.devtools)
        seen = await chromium.seen_by_pages(self.browser.devtools, self.targets.main)
        sandbox = cut(str(self.browser.sandbox))
        self.start = Start(self.profile_at_start, cookies, sandbox, cage, seen)
        self.start.judge(self.grade, self.surroundings.preload_variables)
        self.journal.step("environment.checked", f"sandbox {self.browser.sandbox}")
        self.visit = Visit(
            self.order,
            self.browser.devtools,
            self.targets,
            self.recorder,
            self.egress,
            self.journal,
            self.clock.monotonic() + self.order.limits.page_seconds,
        )
        await opened  # while the browser started: before anything of the page is asked for
        await self.making.begin(self.visit)
        await self.visit.go()
        await self.making.view(self.visit)
        if (await self.visit.size())[1] > _LONG_PIXELS:  # else there is one in a moment anyway
            await livepicture.show(self.browser.devtools, self.targets.main, self.out)
        # Not sooner: reading 300 MB beside the start and the load slows both down.
        self.identified = self.identified or self.identify(self.browser)
        await self.visit.scroll()
        await self.making.expand(self.visit)
        await self.targets.attachments.finish(self.visit.must_end)
        await self.visit.require_a_page()
        self.journal.step("page.at-rest")
        if self.folder is not None:
            self.comparing = Comparing(self.out, self.folder.scratch)
            await self.comparing.start()
        await livepicture.show(self.browser.devtools, self.targets.main, self.out)
        self.scope = await sight.judged(self.visit, self.targets.main, self.journal)
        await self._make_artefacts(self.visit)
        program, installed = await self.identified
        self.grade.judge("grade.program-verified", installed.fault)
        self.viewer = self._viewer(self.browser, program)
        self.egress.judge(self.grade)
        await self._write_environment(items, program, installed)

    async def prepare(self, *, begin: str = "") -> tuple[Egress, chromium.Browser]:
        """A virgin browser behind a way out; that opens once it is told for what."""
        program_path = chromium.find_chromium(self.order.chromium)
        self.confinement = self._confine()
        uid = self.confinement.uid
        self.folder = folder = JobFolder(self.surroundings.temporary, uid)
        self.profile_at_start = sorted(entry.name for entry in folder.profile.iterdir())
        self.egress = egress = self._egress(uid, folder)
        version = await chromium.major_version_of(program_path)
        launch = self._launch(program_path, folder, uid, await egress.open(), version)
        if begin:
            self._begin(egress, begin)
        # Not yet `self.browser`: events arrive while it starts, and go to the targets.
        browser = await chromium.start(launch, lambda *event: self.targets.take(*event))
        self.journal.step("browser.started", browser.product)
        return egress, browser

    @staticmethod
    def identify(browser: chromium.Browser) -> Identifying:
        """Beside all else: it reads 300 MB."""
        return asyncio.create_task(asyncio.to_thread(_identify, browser.launch.binary))

    def _begin(self, egress: Egress, url: str) -> None:
        egress.page_hosts = frozenset({(urlsplit(url).hostname or "").lower()})
        egress.begin()
        self.journal.step("egress.open")

    def adopt(self, waited: "Act", said: str) -> None:
        """Take over the browser of an act that had no order; `said` stands on the record."""
        self.confinement, self.folder = waited.confinement, waited.folder
        self.profile_at_start, self.grade = waited.profile_at_start, waited.grade
        self.egress, self.browser = waited.egress, waited.browser
        self.identified = waited.identified
        if self.egress is None or self.browser is None or self.folder is None:
            return
        mine = self._egress(self.egress.only_uid, self.folder)
        for name in ("allowed", "octets_allowed", "origin", "resolvers", "vantage", "fail"):
            setattr(self.egress, name, getattr(mine, name))
        waited.targets = self.targets  # to whom its browser's events go
        self.journal.step("browser.waited", said)
        self._begin(self.egress, self.order.url)

    async def give_up(self) -> None:
        """Nobody ordered anything: end what was prepared."""
        if self.browser is not None:
            await asyncio.to_thread(self.browser.stop)
        if self.egress is not None:
            with contextlib.suppress(CaptureFailed):
                await self.egress.close()
        if self.folder is not None:
            self.folder.remove()
        if self.confinement is not None:
            self.confinement.close()

    def _confine(self) -> Confinement:
        return confine(
            Caps(self.order.limits.memory_octets, TASKS, PROCESSORS),
            self.grade,
            own_uid=self.surroundings.own_uid,
            process=self.surroundings.process,
            temporary=self.surroundings.temporary,
            now=self.started_at.timestamp(),
        )

    def _egress(self, uid: int, folder: JobFolder) -> Egress:
        return Egress(
            allowed=self.order.allow_private,
            octets_allowed=self.order.limits.bytes,
            only_uid=uid,
            page_hosts=frozenset(),
            folder=folder.path / _WIRE,
            origin=self.journal.began,
            uid=uid_of_tunnel(uid, own_uid=self.surroundings.own_uid),
            resolvers=self.order.resolvers,
            vantage=self.order.vantage,
            fail=self._stop_seeing,
        )

    def _stop_seeing(self) -> None:
        """The tunnel is gone: nothing more can be seen of which all is kept."""
        if self.seeing is not None:
            self.seeing.cancel()

    def _launch(
        self, program: Path, folder: JobFolder, uid: int, port: int, version: int | None
    ) -> chromium.Launch:
        return chromium.Launch(
            binary=program,
            flags=flags_of(
                profile=folder.profile,
                key_log=folder.browser / _KEY_LOG,
                proxy_port=port,
                language=self.order.language,
                trust_spki=self.order.trust_spki,
                small_shm=has_small_shared_memory(),
                major_version=version,
            ),
            job_folder=folder.path,
            uid=uid,
            own_uid=self.surroundings.own_uid,
            prefix=self.egress.prefix if self.egress else (),
            environment={
                "HOME": str(folder.browser),
                "TMPDIR": str(folder.browser),
                "PATH": self.surroundings.path,
                "LANG": "C.UTF-8",
                "LANGUAGE": self.order.language.replace("-", "_"),
                "TZ": TIME_ZONE,
                "DBUS_SESSION_BUS_ADDRESS": "disabled:",
                "DBUS_SYSTEM_BUS_ADDRESS": "disabled:",
            },
        )

    async def _make_artefacts(self, visit: Visit) -> None:
        self.title, self.final_url = await visit.title()
        await self.making.make(visit)
        self.digesting.begin(self.names)
        _, url_now = await visit.title()
        if url_now != self.final_url:
            self.journal.note("capture.page-moved")
        await self.recorder.finish(visit.egress.cut)
        for exchange in self.recorder.exchanges:
            await self._keep_chain(exchange.url, exchange.security)

    async def _keep_chain(self, url: str, security: Values) -> None:
        host = urlsplit(url).netloc
        if not security or host in self.chains or self.browser is None:
            return
        self.chains[host] = []
        try:
            answer = await self.browser.devtools.call(
                "Network.getCertificate",
                {"origin": f"https://{host}"},
                self.targets.main,
                seconds=_LOOK_SECONDS,
            )
            self.chains[host] = [
                base64.b64decode(one)
                for one in listing(answer, "tableNames")
                if isinstance(one, str)
            ]
        except (CommandRefused, TimeoutError, binascii.Error):
            self.journal.note("capture.certificate-chain-missing")

    def _viewer(self, running: chromium.Browser, program: Program) -> Viewer:
        return Viewer(
            browser=running.product,
            binary=program.path,
            binary_size=program.size,
            binary_digest=program.digest,
            flags=running.launch.flags,
            user_agent=running.user_agent,
            sandbox=cut(str(running.sandbox)),
            viewport_width=VIEWPORT_WIDTH,
            viewport_height=VIEWPORT_HEIGHT,
            language=self.order.language or LANGUAGE,
            time_zone=TIME_ZONE,
        )

    async def _write_environment(
        self, items: Path, program: Program, installed: Installed
    ) -> None:
        if self.browser is None or self.egress is None:
            return
        if self.start is None or self.confinement is None:
            return
        launch = self.browser.launch
        value = await asyncio.to_thread(
            environment.report,
            self.surroundings,
            program,
            installed,
            self.start,
            self.confinement,
            self.grade,
            browser={
                "product": self.browser.product,
                "sandbox": str(self.browser.sandbox),
                "own_user": launch.uid != launch.own_uid,
                "own_user_of_tunnel": self.egress.uid is not None,
                "strangers_at_egress": self.egress.strangers,
            },
            flags=launch.flags,
            connections=self.egress.connections,
            certificates={
                host: [base64.b64encode(der).decode() for der in chain]
                for host, chain in self.chains.items()
            },
        )
        (items / "environment.json").write_bytes(canonical.encode(value))
        self.names.append("environment.json")

    async def _leave(self) -> None:
        """Nothing of the browser stays, whatever happened."""
        if self.browser is not None:
            await asyncio.to_thread(self.browser.stop)
            self.journal.step("browser.stopped")
            await self.recorder.finish(lambda: None)
            if self.viewer is None:
                self.identified = self.identified or self.identify(self.browser)
                program, installed = await self.identified
                self.grade.judge("grade.program-verified", installed.fault)
                self.viewer = self._viewer(self.browser, program)
        if self.egress is not None:
            await self.egress.close()

    async def _keep_wire(self) -> None:
        """Only now is the key log opened: see wire."""
        if self.folder is None or self.egress is None or self.browser is None:
            return
        own_uid, uid = self.surroundings.own_uid, self.browser.launch.uid
        self.wire = kept = await keep_wire(
            exhibit=self.order.exhibit,
            connections=self.egress.connections,
            folder=self.egress.folder,
            key_log=self.folder.browser / _KEY_LOG,
            out=self.out,
            uids=(own_uid if self.egress.uid is None else self.egress.uid, uid),
            stamp=self.moments.stamp,
            entropy=self.entropy,
        )
        self.names += kept.names
        self.digesting.begin(kept.names)
        self.journal.step(
            "wire.kept", f"{kept.transcript.connections} connections, {kept.transcript.index}"
        )

    async def _write_down(self, items: Path) -> None:
        if self.folder is None or self.visit is None or self.viewer is None:
            return
        if self.egress is not None:
            writing.name_peers(self.recorder.exchanges, self.egress)
        count = writing.write_archive(
            items / "page.wacz",
            self.folder.scratch,
            self.recorder.exchanges,
            page=PageEntry(
                cut(self.final_url, 8000), instant.encode(self.started_at), cut(self.title)
            ),
            software=self.surroundings.software,
            browser=self.viewer.user_agent,
            entropy=self.entropy,
        )
        self.names.insert(0, "page.wacz")
        self.digesting.begin(["page.wacz"])
        self.making.write_down(
            url=self.final_url,
            title=self.title,
            browser=self.viewer.browser,
        )
        self.journal.step(
            "archive.written", f"{count} of {len(self.recorder.exchanges)} requests"
        )
        self.names += self.targets.attachments.write(items)
        self._add_notes()
        if self.wire is not None:
            comparing = self.comparing or Comparing(self.out, self.folder.scratch)
            self.completeness = await comparing.compare(self._record(None, ()), self.journal)
            self.names += [TRACE] if (items / TRACE).exists() else []
        listed = self.digesting.items(self.names)
        await self.moments.close(self.order.exhibit, listed)
        self.journal.step("capture.finished", self.final_url)
        record = self._record(None, listed)
        (self.out / "capture.json").write_bytes(record.encode())

    def _add_notes(self) -> None:
        journal, status = self.journal, self._status()
        if status is not None and status >= 400:
            journal.note("capture.http-error-status")
        if self.order.trust_spki:
            journal.note("capture.tls-key-trusted")
        if self.order.allow_private:
            journal.note("capture.private-addresses-allowed")
        if self.browser is not None and self.browser.sandbox.kind == "off":
            journal.note("capture.sandbox-off")
        if any(one.outcome not in _HARMLESS for one in self.recorder.exchanges):
            journal.note("capture.requests-missing")
        connections = self.egress.connections if self.egress else []
        if self.egress is not None and self.egress.turned_away:
            journal.limit("capture.connection-limit")
        if any(one.agreement == "different" for one in connections):
            journal.note("capture.resolvers-differ")
        if self.confinement is not None and self.confinement.find_cause() is not None:
            journal.note("capture.out-of-memory")  # a frame or a worker: the page went on
        if machine.preset_names(one.host for one in connections):
            journal.note("capture.name-preset")
        if any(one.outcome == "refused-address" for one in connections):
            journal.note("capture.address-refused-within")

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
        if self.egress is None or self.browser is None:
            return ()
        one = self.egress.connections
        if sum(each.sent.octets + each.received.octets for each in one) > ATTEMPT_OCTETS:
            self.journal.limit("capture.transcript-too-large")
            return ()
        if self.wire is None:
            await self._keep_wire()
        names = list(self.wire.names) if self.wire else []
        if self.identified is not None and self.start is not None:
            self.egress.judge(self.grade)
            await self._write_environment(self.out / "items", *await self.identified)
            names.append("environment.json")
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
            self.wire = None
            (self.out / KEY).unlink(missing_ok=True)
        self.journal.step("capture.failed", failure.code)
        value = {name: cut(str(one)) for name, one in failure.value().items()}
        record = self._record(Failure(**value), listed)
        (self.out / "capture.json").write_bytes(record.encode())
        (self.out / "failure.json").write_bytes(canonical.encode(value))

    def _truly(self, failure: CaptureFailed) -> CaptureFailed:
        """A death whose cause the kernel knows."""
        if failure.code not in _DEATHS or self.confinement is None:
            return failure
        return self.confinement.find_cause() or failure

    def abandon(self) -> None:
        """The event loop does not answer: kill, write, and let the caller end the program."""
        if self.browser is not None:
            chromium.kill_group(
                self.browser.group, self.browser.launch.uid, self.browser.launch.own_uid
            )
        if self.folder is not None:
            self.folder.remove()
        self.fail(self._truly(_too_slow(self.order.limits)))
        if self.confinement is not None:
            self.confinement.close()

    def _status(self) -> int | None:
        documents = self.visit.documents if self.visit else []
        return documents[-1].status or None if documents else None

    def _record(self, failure: Failure | None, items: tuple[Item, ...]) -> CaptureRecord:
        exchanges = self.recorder.exchanges
        if len(exchanges) > MAX_ENTRIES:
            self.journal.note("capture.requests-unlisted")
            exchanges = exchanges[:MAX_ENTRIES]
        documents = self.visit.documents if self.visit else []
        final_url = self.final_url or (documents[-1].url if documents else "")
        return CaptureRecord(
            exhibit=self.order.exhibit,
            outcome="failed" if failure else "captured",
            requested_url=cut(without_password(self.order.url), 8000),
            observed_started_at=self.started_at,
            observed_finished_at=self.clock.now(),
            elapsed_milliseconds=self.journal.offset(self.clock.monotonic()),
            software=self.surroundings.software,
            private_addresses_allowed=tuple(str(one) for one in self.order.allow_private),
            trusted_spki=self.order.trust_spki,
            limits=self.order.limits,
            options=self.order.options or None,
            limits_hit=tuple(self.journal.limits_hit),
            notes=tuple(self.journal.notes),
            steps=tuple(self.journal.steps),
            redirects=writing.redirects_of(documents),
            connections=(writing.connections_of(self.egress, exchanges) if self.egress else ()),
            tls=writing.tls_of(exchanges, self.chains),
            requests=writing.requests_of(exchanges),
            artefacts=items,
            final_url=cut(final_url, 8000) or None,
            observed_title=cut(self.title) or None,
            observed_status=self._status(),
            viewer=self.viewer,
            failure=failure,
            transcript=self.wire.transcript if self.wire else None,
            tls_keys=self.wire.keys if self.wire else None,
            completeness=self.completeness,
            vantage=self.order.vantage,
            grade=self.grade.word if self.viewer else None,
            missing=self.grade.missing if self.viewer else (),
            opening=self.moments.opening,
            moments=tuple(self.moments.made),
            scope=self.scope,
            control=self.control,
        )


def _identify(path: Path) -> tuple[Program, Installed]:
    """What the browser is, and whether it is what its package brought."""
    program = packages.identify(path)
    return program, packages.compare(program)


_STOPPED = CaptureFailed(
    "capture.stopped",
    expected="a capture that runs to its end",
    found="the program was told to stop",
    act="nobody; try again",
)


def _gone(error: CommandRefused) -> CaptureFailed:
    return CaptureFailed(
        "capture.page-moved",
        expected="a page that stays until it is recorded",
        found=f"it went away by itself: {error}",
        act="nobody; try again",
    )


def not_written(error: OSError) -> CaptureFailed:
    """Disk full, no permission."""
    return CaptureFailed(
        "capture.not-written",
        expected="room and permission for the folder of the capture",
        found=f"{error.strerror or type(error).__name__}: {error.filename or ''}",
        act="the operator",
    )


def _too_slow(limits: Bounds) -> CaptureFailed:
    return CaptureFailed(
        "capture.timed-out",
        expected=f"a capture within {limits.wall_seconds} s",
        found="more",
        act="nobody; try again, or raise the limit",
    )
