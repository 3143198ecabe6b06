"""Of two sessions of one service worker: which is listened to, and which may tell it to run."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from guzheng.capturer.clock import Clock
from guzheng.capturer.devtools import Devtools
from guzheng.capturer.downloads import Downloads
from guzheng.capturer.journal import Journal
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.targets import Targets

CLOCK = Clock(now=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC), monotonic=lambda: 1.0)
RUN, NETWORK = "Runtime.runIfWaitingForDebugger", "Network.enable"
MAIN, OF_BROWSER, OF_PAGE = "main", "of-browser", "of-page"
WORKER = {"targetId": "W", "type": "service_worker", "url": "https://a/w.js"}


@dataclass
class FakeBrowser:
    """The outside party at the other end of the pipes; it answers all but what a worker that
    does not run yet cannot."""

    targets: Targets
    read: int
    write: int
    asked: list[tuple[str, str]] = field(default_factory=list)  # session, method
    held: dict[tuple[str, str], int] = field(default_factory=dict)
    rest: bytes = b""

    def say(self, message: object) -> None:
        os.write(self.write, json.dumps(message).encode() + b"\0")

    def attach(self, session: str, target: object, *, within: str, waits: bool = True) -> None:
        values = {"sessionId": session, "targetInfo": target, "waitingForDebugger": waits}
        self.say({"method": "Target.attachedToTarget", "params": values, "sessionId": within})

    def request(self, session: str, number: str) -> None:
        values = {"requestId": number, "request": {"url": f"https://a/{number}"}}
        self.say(
            {"method": "Network.requestWillBeSent", "params": values, "sessionId": session}
        )

    def take(self) -> None:
        try:
            self.rest += os.read(self.read, 1 << 20)
        except BlockingIOError:
            return
        *whole, self.rest = self.rest.split(b"\0")
        for message in map(json.loads, whole):
            session, method = message.get("sessionId", ""), message["method"]
            self.asked.append((session, method))
            if session in {OF_BROWSER, OF_PAGE}:
                self.held[session, method] = message["id"]
                continue
            if method == "Target.createTarget":
                self.attach(MAIN, {"targetId": "M", "type": "page"}, within="", waits=False)
            self.say({"id": message["id"], "result": {"targetId": "M"}})

    async def settle(self) -> None:
        for _ in range(20):
            self.take()
            await asyncio.sleep(0.005)

    def runs(self) -> list[str]:
        return [session for session, method in self.asked if method == RUN]

    def recorded(self) -> list[str]:
        return [one.request for one in self.recorder.exchanges]

    @property
    def recorder(self) -> Recorder:
        return self.targets._recorder


@asynccontextmanager
async def opened() -> AsyncIterator[FakeBrowser]:
    """A page that is there, before anything else is."""
    ours, theirs = os.pipe(), os.pipe()
    os.set_blocking(ours[0], False)
    journal = Journal(CLOCK, lambda *_: None, 1.0)
    targets = Targets(Recorder(CLOCK, 100), journal, Downloads(CLOCK, journal, is_kept=False))
    devtools = Devtools(targets.take)
    await devtools.open(theirs[0], ours[1])
    browser = FakeBrowser(targets, ours[0], theirs[1])
    opening = asyncio.create_task(targets.open_page(devtools, 100, 100))
    while not opening.done():
        await browser.settle()
    await opening
    try:
        yield browser
    finally:
        devtools.close()
        os.close(ours[0])
        os.close(theirs[1])


def test_the_page_s_session_is_listened_to_and_tells_the_worker_to_run() -> None:
    async def scene() -> None:
        async with opened() as browser:
            browser.attach(OF_BROWSER, WORKER, within="")
            browser.attach(OF_PAGE, WORKER, within=MAIN)
            await browser.settle()
            assert browser.runs() == [OF_PAGE]
            of_page = [method for session, method in browser.asked if session == OF_PAGE]
            assert of_page.index(NETWORK) < of_page.index(RUN)
            # The other is answered once the worker is there: it may not tell it to run.
            browser.say({"id": browser.held[OF_BROWSER, NETWORK], "result": {}})
            for session in (OF_BROWSER, OF_PAGE):
                browser.request(session, "1")
            await browser.settle()
            assert browser.runs() == [OF_PAGE]
            assert browser.recorded() == ["1"]
            # The page goes elsewhere, the worker stays.
            browser.say(
                {"method": "Target.detachedFromTarget", "params": {"sessionId": OF_PAGE}}
            )
            browser.request(OF_BROWSER, "2")
            await browser.settle()
            assert browser.recorded() == ["1", "2"]
            assert browser.asked[-1] == (OF_BROWSER, "Network.configureDurableMessages")

    asyncio.run(scene())


def test_a_worker_of_no_page_runs_once_it_is_listened_to() -> None:
    async def scene() -> None:
        async with opened() as browser:
            browser.attach(OF_BROWSER, WORKER, within="")
            await browser.settle()
            assert browser.runs() == []
            browser.say({"id": browser.held[OF_BROWSER, NETWORK], "result": {}})
            await browser.settle()
            assert browser.runs() == [OF_BROWSER]
            # A page that comes to it later does not double what is told.
            browser.attach(OF_PAGE, WORKER, within=MAIN, waits=False)
            browser.request(OF_BROWSER, "1")
            await browser.settle()
            assert (OF_PAGE, NETWORK) not in browser.asked
            assert browser.recorded() == ["1"]

    asyncio.run(scene())
