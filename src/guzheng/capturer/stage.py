"""What must stand before a page can be opened: the job's room, the way out, a virgin browser.

A stage may be set before anything is ordered (see waiting) and then taken over by the act that
is: nothing of it knows a page. What fails half way leaves the parts that were set, and whoever
set them strikes them again: nothing may stay of a stage that nobody uses.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from guzheng.capturer import browser as chromium
from guzheng.capturer import environment, packages
from guzheng.capturer.cgroup import Caps
from guzheng.capturer.chains import Chains
from guzheng.capturer.checksums import Checksums
from guzheng.capturer.confinement import Confinement, confine
from guzheng.capturer.devtools import EventListener
from guzheng.capturer.egress import Egress
from guzheng.capturer.environment import Start, Surroundings
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.flags import flags_of
from guzheng.capturer.grades import Grade
from guzheng.capturer.jobfolder import JobFolder, has_small_shared_memory
from guzheng.capturer.jobuser import uid_of_tunnel
from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import (
    LANGUAGE,
    PROCESSORS,
    TASKS,
    TIME_ZONE,
    VIEWPORT_HEIGHT,
    VIEWPORT_WIDTH,
)
from guzheng.capturer.order import CaptureOrder
from guzheng.capturer.packages import Installed, Program
from guzheng.capturer.record import Viewer
from guzheng.proof import canonical

KEY_LOG = "tls-keys.log"  # in the job's folder: the browser's
_WIRE = "wire"  # likewise: the tunnel's
_DEATHS = frozenset(
    f"capture.{one}" for one in ("browser-died", "page-moved", "page-not-drawn", "timed-out")
)

Identifying = asyncio.Task[tuple[Program, Installed]]


@dataclass(slots=True)
class Stage:
    """`prepare` once, or `take_over` one that is prepared; then `close` or `give_up`.

    `hear`: to whom the browser's events go. `fail` is called if the tunnel dies.
    """

    order: CaptureOrder
    surroundings: Surroundings
    started_at: datetime
    journal: Journal
    hear: EventListener
    fail: Callable[[], None]
    grade: Grade = field(default_factory=Grade)
    confinement: Confinement | None = None
    folder: JobFolder | None = None
    profile_at_start: list[str] = field(default_factory=list)
    egress: Egress | None = None
    browser: chromium.Browser | None = None
    identified: Identifying | None = None

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
        # Not yet `self.browser`: events arrive while it starts, and are heard already.
        browser = await chromium.start(launch, lambda *event: self.hear(*event))
        self.journal.step("browser.started", browser.product)
        self.browser = browser
        group, own_uid = browser.group, self.surroundings.own_uid
        self.confinement.watch(group, lambda: chromium.kill_group(group, uid, own_uid))
        return egress, browser

    def take_over(self, waited: "Stage", said: str) -> None:
        """The browser of a stage that had no order; `said` stands on the record."""
        self.confinement, self.folder = waited.confinement, waited.folder
        self.profile_at_start, self.grade = waited.profile_at_start, waited.grade
        self.egress, self.browser = waited.egress, waited.browser
        self.identified = waited.identified
        if self.egress is None or self.browser is None or self.folder is None:
            return
        mine = self._egress(self.egress.only_uid, self.folder)
        for name in ("allowed", "octets_allowed", "origin", "resolvers", "vantage", "fail"):
            setattr(self.egress, name, getattr(mine, name))
        waited.hear = self.hear  # to whom its browser's events go
        self.journal.step("browser.waited", said)
        self._begin(self.egress, self.order.url)

    def _begin(self, egress: Egress, url: str) -> None:
        egress.page_hosts = frozenset({(urlsplit(url).hostname or "").lower()})
        egress.begin()
        self.journal.step("egress.open")

    def identify(self, browser: chromium.Browser) -> Identifying:
        """Begun once, and beside all else: it reads 300 MB."""
        if self.identified is None:
            place = self.surroundings.temporary, self.surroundings.own_uid
            reading = asyncio.to_thread(_identify, browser.launch.binary, *place)
            self.identified = asyncio.create_task(reading)
        return self.identified

    async def viewer(self, running: chromium.Browser) -> Viewer:
        """What showed the page, once it is known; that it is the program it should be is
        judged here."""
        program, installed = await self.identify(running)
        self.grade.judge("grade.program-verified", installed.fault)
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

    async def report(
        self, start: Start, certificates: Chains, clocks: Mapping[str, object]
    ) -> bytes | None:
        """The environment report; none before the stage is set whole and the browser known."""
        if self.browser is None or self.egress is None:
            return None
        if self.identified is None or self.confinement is None:
            return None
        self.egress.judge(self.grade)
        launch = self.browser.launch
        value = await asyncio.to_thread(
            environment.report,
            self.surroundings,
            *await self.identified,
            start,
            self.confinement,
            self.grade,
            room=self._room(launch),
            browser={
                "product": self.browser.product,
                "sandbox": str(self.browser.sandbox),
                "own_user": launch.uid != launch.own_uid,
                "own_user_of_tunnel": self.egress.uid is not None,
                "strangers_at_egress": self.egress.strangers,
            },
            flags=launch.flags,
            connections=self.egress.connections,
            certificates=certificates,
            clocks=clocks,
        )
        return canonical.encode(value)

    def _room(self, launch: chromium.Launch) -> dict[str, object]:
        """What was made for this job alone, and is gone after it; no two have one."""
        room: dict[str, object] = {
            "exhibit": self.order.exhibit,
            "folder": launch.job_folder.name,
            "uid_of_browser": launch.uid,
        }
        if self.egress is not None and self.egress.uid is not None:
            room["uid_of_tunnel"] = self.egress.uid
        if self.egress is not None and self.egress.network:
            room["network_namespace"] = self.egress.network
        return room

    def cause_of(self, failure: CaptureFailed) -> CaptureFailed:
        """A death whose cause the kernel knows; anything else is what it is."""
        if failure.code not in _DEATHS or self.confinement is None:
            return failure
        return self.confinement.find_cause() or failure

    # ---- struck again ----------------------------------------------------------------

    async def stop(self) -> None:
        """The browser, and all that it started."""
        if self.browser is not None:
            await asyncio.to_thread(self.browser.stop)

    def kill(self) -> None:
        """Likewise, from another thread, when the event loop does not answer."""
        if self.browser is not None:
            launch = self.browser.launch
            chromium.kill_group(self.browser.group, launch.uid, launch.own_uid)
        if self.folder is not None:
            self.folder.remove()

    def close(self) -> None:
        """What is left on this machine; all that ran must be dead."""
        if self.folder is not None:
            self.folder.remove()
        if self.confinement is not None:
            self.confinement.close()

    async def give_up(self) -> None:
        """Nobody ordered anything: end what was prepared."""
        await self.stop()
        if self.egress is not None:
            with contextlib.suppress(CaptureFailed):
                await self.egress.close()
        self.close()

    # ---- its parts -------------------------------------------------------------------

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
            fail=self.fail,
        )

    def _launch(
        self, program: Path, folder: JobFolder, uid: int, port: int, version: int | None
    ) -> chromium.Launch:
        return chromium.Launch(
            binary=program,
            flags=flags_of(
                profile=folder.profile,
                key_log=folder.browser / KEY_LOG,
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


def _identify(path: Path, temporary: Path, own_uid: int) -> tuple[Program, Installed]:
    """What the browser is, and whether it is what its package brought."""
    checksums = Checksums(temporary / f"guzheng-checksums-{own_uid}.json", own_uid)
    program = packages.identify(path, checksums)
    installed = packages.compare(program, checksums=checksums)
    checksums.keep()
    return program, installed
