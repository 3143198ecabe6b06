"""The visit itself: go there, wait, scroll to the end, wait until the page is at rest.

Promises: the main document is there whole, or the capture fails with the reason that the egress
or the browser gave. What the page did not finish within its limits is a note, never silence.
The page's own scripts have no part in it: scrolling is done from an isolated world.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass

from guzheng.capturer import world
from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    Values,
    flag,
    inner,
    listing,
    number,
    text,
)
from guzheng.capturer.diagnosis import Diagnosis
from guzheng.capturer.egress import Egress
from guzheng.capturer.exchange import Exchange
from guzheng.capturer.failures import never_answered
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import (
    ANSWER_SECONDS,
    GROWTH_SECONDS,
    QUIET_PATIENCE_SECONDS,
    SCROLL_PAUSE_SECONDS,
    SCROLL_PIXELS,
    SCROLL_STEPS,
)
from guzheng.capturer.order import CaptureOrder
from guzheng.capturer.recorder import Recorder
from guzheng.capturer.targets import Targets, content_size

_EMPTY_ERROR_ANSWER = "net::ERR_HTTP_RESPONSE_CODE_FAILURE"
_TICK_SECONDS = 0.05
_NEWS_SECONDS = 2  # until the browser has told what it knows
_PAUSES = 6  # ticks
_STILL_SECONDS = 3  # without any news, a page that has its document loads nothing more
# A page that does not scroll may have a part that does, and is most of it; that is scrolled.
_SCROLL = """(() => {
  const page = document.scrollingElement || document.documentElement;
  if (!page) return [0, 0, 1, 0];
  const isPart = one => one.clientHeight > innerHeight / 2 && one.clientWidth > innerWidth / 2
    && one.scrollHeight > one.clientHeight + 50
    && /auto|scroll/.test(getComputedStyle(one).overflowY);
  let part = globalThis.scrolledByCapture;
  if (page.scrollHeight > innerHeight + 1 || (part && !part.isConnected)) part = null;
  else if (!part) part = [...document.querySelectorAll('body *')].slice(0, 5000).find(isPart);
  globalThis.scrolledByCapture = part;
  (part || window).scrollTo({top: %d, left: 0, behavior: 'instant'});
  return part ? [part.scrollTop, part.scrollHeight, part.clientHeight, 1]
    : [page.scrollTop, page.scrollHeight, innerHeight, 0];
})()"""


@dataclass(slots=True)
class Visit:
    """One page, visited once. `go`, then `scroll`; `ended_at` names where one arrived."""

    order: CaptureOrder
    devtools: Devtools
    targets: Targets
    recorder: Recorder
    egress: Egress
    journal: Journal
    deadline: float  # of the monotonic clock
    frame: str = ""

    async def go(self) -> None:
        """Raises CaptureFailed unless the main document arrived whole."""
        self.journal.step("page.opening", self.order.url)
        answer = await self._within_limits(
            self.devtools.call(
                "Page.navigate",
                {"url": self.order.url},
                self.targets.main,
                seconds=self.order.limits.page_seconds + 60,
            )
        )
        if answer is None:
            raise self._diagnosis.of_slow_document()
        self.frame = text(answer, "frameId")
        error = text(answer, "errorText")
        if error == _EMPTY_ERROR_ANSWER:
            self.journal.note("capture.error-without-content")
        elif error or flag(answer, "isDownload"):
            await self._await_download(error)
            raise self._diagnosis.of_error(error)
        await self._await_load()
        await self._await_quiet()
        await self.require_a_page()

    async def scroll(self) -> None:
        """To the end, one screen at a time, so that what loads lazily loads."""
        self.journal.step("page.scrolling")
        offset = screens = height = 0
        while True:
            screens += 1
            at, height, screen = await self._scroll_to(offset)
            await self._pause()
            if at + screen >= height - 1:
                grown = await self._await_growth(offset, height)
                if grown <= height:
                    break
                height = grown
            if self._spent or screens >= SCROLL_STEPS or offset >= SCROLL_PIXELS:
                self.journal.limit("capture.scroll-limit")
                break
            offset += max(100, int(screen * 0.9))
        self.journal.step("page.scrolled", f"{screens} screens, {height} pixels")
        await self._scroll_to(0)
        await self._await_quiet()

    async def settle(self, *, patience: float) -> None:
        """After something was done on the page: until it is quiet again, but not for long."""
        await self._await_quiet(patience=patience, tell=False)

    async def require_a_page(self) -> None:
        """The browser shows the site's document, not its own error page."""
        frame = await self._main_frame()
        if self.targets.crashed.is_set():
            raise self._diagnosis.of_crash()
        if text(frame, "unreachableUrl") and "capture.error-without-content" not in (
            self.journal.notes
        ):
            raise self._diagnosis.of_error("the page led there by itself")

    def must_end(self) -> bool:
        """Whether nothing more may be waited for."""
        return self._spent or self.egress.stopped or self.targets.crashed.is_set()

    async def title(self) -> tuple[str, str]:
        """Title and URL of the page, as the browser (not the page) keeps them."""
        history = await self.devtools.call("Page.getNavigationHistory", {}, self.targets.main)
        entries = listing(history, "entries")
        index = int(number(history, "currentIndex"))
        entry = entries[index] if index < len(entries) else {}
        values = entry if isinstance(entry, dict) else {}
        return text(values, "title"), text(values, "url")

    @property
    def documents(self) -> list[Exchange]:
        """What the main frame asked for and was shown, in order."""
        return self._diagnosis.shown

    @property
    def _diagnosis(self) -> Diagnosis:
        return Diagnosis(
            self.order.url, self.frame, self.recorder.exchanges, self.egress, self.targets
        )

    @property
    def _patience(self) -> float:
        """A page whose scripts are at work answers when they pause: it has the time that a
        page has, and no less than any answer."""
        return max(ANSWER_SECONDS, self.deadline - self.journal.clock.monotonic())

    @property
    def _spent(self) -> bool:
        return self.journal.clock.monotonic() >= self.deadline

    async def _within_limits(self, action: Coroutine[None, None, Values]) -> Values | None:
        """The answer, or None once a limit is reached."""
        task = asyncio.create_task(action)
        try:
            while not task.done():
                if self._spent or self.egress.octets_spent.is_set():
                    return None
                await asyncio.wait({task}, timeout=_TICK_SECONDS)
            return task.result()
        finally:
            task.cancel()  # whoever stops us must not leave it behind

    async def _await_download(self, error: str) -> None:
        """The news that it is one comes after the answer that nothing was shown."""
        if error in {"", "net::ERR_ABORTED"}:
            for _ in range(int(_NEWS_SECONDS / _TICK_SECONDS)):
                if self.targets.download:
                    return
                await asyncio.sleep(_TICK_SECONDS)

    async def _await_load(self) -> None:
        while not self.targets.loaded.is_set():
            if self.devtools.closed.is_set() or self.targets.crashed.is_set():
                raise self._diagnosis.of_crash()
            if self._limit_reached or self._spent or self._seems_loaded:
                break
            await asyncio.sleep(_TICK_SECONDS)
        else:
            self.journal.step("page.loaded")
            return
        if not await self._has_whole_document():
            raise self._diagnosis.of_slow_document()
        self.journal.note("capture.load-not-finished")
        await self._stop_loading()
        self._note_limits()

    @property
    def _limit_reached(self) -> bool:
        return self.egress.octets_spent.is_set() or self.recorder.requests_spent.is_set()

    @property
    def _seems_loaded(self) -> bool:
        """A denied download, for one, ends a load without the event that says so."""
        return self._is_whole and self.recorder.idle_seconds > _STILL_SECONDS

    @property
    def _is_whole(self) -> bool:
        """What ended because the egress cut it off did not end by itself."""
        return any(
            one.finished and not one.redirected_to and one.finished_at < self.egress.spent_at
            for one in self.documents[-1:]
        )

    async def _has_whole_document(self) -> bool:
        """The news of its end may stand behind that of a thousand requests."""
        for _ in range(int(_NEWS_SECONDS / _TICK_SECONDS)):
            if self._is_whole:
                break
            await asyncio.sleep(_TICK_SECONDS)
        return self._is_whole

    def _note_limits(self) -> bool:
        """True if nothing more may be loaded."""
        if self.egress.octets_spent.is_set():
            self.journal.limit("capture.byte-limit")
        if self.recorder.requests_spent.is_set():
            self.journal.limit("capture.request-limit")
            self.egress.cut()
            self.devtools.post(  # or the page asks on, and each refusal is a line of the record
                "Emulation.setScriptExecutionDisabled", {"value": True}, self.targets.main
            )
        return self.egress.stopped

    async def _stop_loading(self) -> None:
        try:
            await self.devtools.call("Page.stopLoading", {}, self.targets.main)
        except (CommandRefused, TimeoutError):
            return  # the page is busy; the egress still bounds it

    async def _await_quiet(
        self, *, patience: float = QUIET_PATIENCE_SECONDS, tell: bool = True
    ) -> None:
        until = min(self.journal.clock.monotonic() + patience, self.deadline)
        while not self.recorder.is_quiet:
            if self._note_limits() or self.journal.clock.monotonic() >= until:
                if tell:
                    self.journal.note("capture.never-quiet")
                return
            if self.devtools.closed.is_set() or self.targets.crashed.is_set():
                raise self._diagnosis.of_crash()
            await asyncio.sleep(_TICK_SECONDS)

    async def _await_growth(self, offset: int, height: int) -> int:
        """The page's height once it has grown, or once it is quiet and has not."""
        until = min(self.journal.clock.monotonic() + GROWTH_SECONDS, self.deadline)
        while True:
            is_over = self.recorder.is_quiet or self.journal.clock.monotonic() >= until
            _, grown, _ = await self._scroll_to(offset)
            if grown > height or is_over:
                return grown
            await asyncio.sleep(SCROLL_PAUSE_SECONDS)

    async def _pause(self) -> None:
        """Long enough to be drawn; a little longer while something is on its way."""
        await asyncio.sleep(SCROLL_PAUSE_SECONDS)
        for _ in range(_PAUSES):
            if not self.recorder.pending:
                return
            await asyncio.sleep(_TICK_SECONDS)

    async def _scroll_to(self, offset: int) -> tuple[int, int, int]:
        try:
            found = await world.ask(
                self.devtools,
                self.targets.main,
                self.frame,
                _SCROLL % offset,
                seconds=self._patience,
            )
        except CommandRefused:
            return 0, 0, 1  # the page has just gone elsewhere
        except TimeoutError as error:
            raise never_answered() from error
        told = found if isinstance(found, list) else []
        values = [int(one) if isinstance(one, (int, float)) else 0 for one in told]
        if len(values) != 4:
            return 0, 0, 1
        if values[3]:
            self.journal.note("capture.scrolls-within")
        return values[0], values[1], max(1, values[2])

    async def _main_frame(self) -> Values:
        tree = await self.devtools.call(
            "Page.getFrameTree", {}, self.targets.main, seconds=self._patience
        )
        return inner(tree, "frameTree", "frame")

    async def size(self) -> tuple[int, int]:
        return await content_size(self.devtools, self.targets.main)
