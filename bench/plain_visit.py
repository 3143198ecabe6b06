"""The floor that captures are measured against: the same browser looks at the same page, and
nothing is recorded. `python -m bench.plain_visit URL SPKI` prints milliseconds as JSON.

The driver is the capturer's own (start, load, scroll to the end, wait for quiet), without
tunnel, bodies, key log, namespaces and artefacts.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from guzheng.capturer import browser as chromium
from guzheng.capturer.bounds import USUAL
from guzheng.capturer.clock import Clock
from guzheng.capturer.downloads import Downloads
from guzheng.capturer.egress import Egress
from guzheng.capturer.flags import flags_of
from guzheng.capturer.jobfolder import JobFolder
from guzheng.capturer.jobuser import uid_for_job
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import LANGUAGE, VIEWPORT_HEIGHT, VIEWPORT_WIDTH
from guzheng.capturer.order import CaptureOrder
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.targets import Targets
from guzheng.capturer.visit import Visit

_OURS = ("--proxy-", "--host-resolver-rules", "--ssl-key-log-file")


class Watcher(Recorder):
    """Counts what is under way, to know when a page is quiet; fetches nothing."""

    def _begin(self, fetch: Coroutine[None, None, None]) -> None:
        fetch.close()


@asynccontextmanager
async def looking(url: str, spki: str) -> AsyncIterator[Visit]:
    """A browser of its own on a blank page; `go` and `scroll` are the caller's."""
    clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
    journal = Journal(clock, lambda _step, _detail: None, time.monotonic())
    watcher = Watcher(clock, USUAL.requests)
    targets = Targets(watcher, journal, Downloads(clock, journal, is_kept=False))
    uid = uid_for_job(own_uid=os.getuid(), seed=os.getpid())
    folder = JobFolder(Path(tempfile.gettempdir()), uid)
    program = chromium.find_chromium("")
    flags = flags_of(
        profile=folder.profile,
        key_log=folder.profile / "none",
        proxy_port=1,
        language=LANGUAGE,
        trust_spki=(spki,),
        small_shm=False,
        major_version=await chromium.major_version_of(program),
    )
    launch = chromium.Launch(
        binary=program,
        flags=tuple(flag for flag in flags if not flag.startswith(_OURS)),
        job_folder=folder.path,
        uid=uid,
        own_uid=os.getuid(),
        environment={"HOME": str(folder.browser), "PATH": os.environ["PATH"]},
    )
    browser = await chromium.start(launch, targets.take)
    try:
        await targets.open_page(browser.devtools, VIEWPORT_WIDTH, VIEWPORT_HEIGHT)
        nothing = SimpleNamespace(
            octets_spent=asyncio.Event(),
            spent_at=float("inf"),
            stopped=False,
            connections=[],
            cut=lambda: None,
        )
        yield Visit(
            CaptureOrder(f"ex_{'0' * 26}", url),
            browser.devtools,
            targets,
            watcher,
            cast(Egress, nothing),
            journal,
            time.monotonic() + USUAL.page_seconds,
        )
    finally:
        await asyncio.to_thread(browser.stop)
        folder.remove()


async def visit(url: str, spki: str) -> dict[str, int]:
    began = time.monotonic()
    async with looking(url, spki) as page:
        opened = time.monotonic()
        await page.go()
        await page.scroll()
        settled = time.monotonic() - opened
        requests = len(page.recorder.exchanges)
    return {
        "settled": round(settled * 1000),
        "wall": round((time.monotonic() - began) * 1000),
        "requests": requests,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(visit(sys.argv[1], sys.argv[2]))) + "\n")
