"""Keeps hold of all that runs page code, and of what the page does besides showing itself.

Frames, workers and service workers are attached before they run (auto-attach, flattened), so no
request escapes. A paused target is spoken to without waiting, and let go last: waiting for an
answer of a paused service worker would stop its registration for ever. Pages that the page
opens are closed unseen, dialogs are dismissed, downloads are denied unless the order keeps
them; each is a step.

A service worker is attached twice, by the browser and by the page: only the page's session
holds back the fetch of its script, only the browser's lives on when the page goes elsewhere.
Commands of two sessions have no order among them: were a worker told to run by one and listened
to by the other, it might have fetched its script before anybody listened. So the page's session
does both while there is one, else the browser's.
"""

import asyncio

from guzheng.capturer.console import ENABLE as ENABLE_CONSOLE
from guzheng.capturer.devtools import (
    CommandRefused,
    Devtools,
    EventListener,
    Values,
    crashed,
    flag,
    inner,
    number,
    text,
)
from guzheng.capturer.downloads import Downloads
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import MAX_DIALOGS
from guzheng.capturer.recorder import DURABLE, ENABLE, Recorder

_AUTO_ATTACH: Values = {
    "autoAttach": True,
    "waitForDebuggerOnStart": True,
    "flatten": True,
}
_SERVICE_WORKER = "service_worker"
_KEEP_BODIES, _RUN = "Network.configureDurableMessages", "Runtime.runIfWaitingForDebugger"
_NETWORK = 1  # where Network.enable stands among what is asked of a target
_WITH_PAGE_DOMAIN = frozenset({"page", "iframe"})


class Targets:
    """`take` every event. `main` is the session of the page that was ordered."""

    def __init__(self, recorder: Recorder, journal: Journal, attachments: Downloads) -> None:
        self.main = ""
        self.loaded = asyncio.Event()
        self.crashed = asyncio.Event()
        self.attachments = attachments
        self.download: Values = {}  # the last one
        self.downloads: set[str] = set()
        self.listeners: list[EventListener] = [recorder.take]
        self._recorder = recorder
        self._journal = journal
        self._devtools: Devtools | None = None
        self.frames: dict[str, str] = {}  # those with a process of their own, to their session
        self._sessions: dict[str, str] = {}
        self._ready: dict[str, list[asyncio.Future[Values]]] = {}
        self._unheard: dict[str, str] = {}  # the browser's session of a worker, by the page's
        self._dialogs = 0

    async def open_page(self, devtools: Devtools, width: int, height: int) -> None:
        """Make the one page of this capture, blank, and be sure it is being recorded."""
        self._devtools = devtools
        self._recorder.attach(devtools)
        await devtools.call("Target.setAutoAttach", _AUTO_ATTACH)
        self.attachments.attach(devtools)
        await devtools.call("Browser.setDownloadBehavior", self.attachments.behaviour())
        # A window of its own: the control page's may not have gone yet, and a size is refused
        # to what would become a tab of it.
        size = {"width": width, "height": height, "newWindow": True}
        made = await devtools.call("Target.createTarget", {"url": "about:blank", **size})
        self.main = self._sessions[text(made, "targetId")]
        async with asyncio.timeout(20):
            await asyncio.gather(*self._ready.pop(self.main))
        # The window's size includes what the browser draws around a page; this does not.
        await devtools.call(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
            self.main,
        )
        self.loaded.clear()

    def take(self, method: str, values: Values, session: str) -> None:
        match method:
            case "Target.attachedToTarget":
                self._attached(values, session)
            case "Target.detachedFromTarget":
                self._detached(text(values, "sessionId"))
            case "Page.loadEventFired" if session == self.main:
                self.loaded.set()
            case "Page.javascriptDialogOpening":
                self._dismiss(values, session)
            case "Inspector.targetCrashed":
                self._crashed(session)
            case "Browser.downloadWillBegin":
                self.download = values
                self.downloads.add(text(values, "url"))
                self.attachments.began(values)
            case "Browser.downloadProgress":
                self.attachments.progressed(values)
            case _ if self._is_unheard(session):
                return  # the other session of that worker tells the same
            case _:
                for listener in self.listeners:
                    listener(method, values, session)

    def _attached(self, values: Values, within: str) -> None:
        devtools = self._devtools
        if devtools is None:
            return
        target = inner(values, "targetInfo")
        name, kind = text(target, "targetId"), text(target, "type")
        session = text(values, "sessionId")
        waits = flag(values, "waitingForDebugger")
        if name in self._sessions:
            if waits and within and kind == _SERVICE_WORKER:
                self._listen_to_second(devtools, name, session)
            else:  # enabled twice it would double every event; let go it would lose bodies
                devtools.post(_RUN, {}, session)
            return
        self._sessions[name] = session
        if kind == "iframe":
            self.frames[name] = session
        if kind == "page" and self.main:
            self._journal.step("popup.closed", text(target, "url"))
            self._journal.note("capture.popup-closed")
            devtools.post("Target.closeTarget", {"targetId": name})
            return
        ready = self._ready[session] = _enabled(devtools, kind, session)
        if waits and kind == _SERVICE_WORKER and not within:
            # Answered once it has been fetched. Another session may be telling it by then.
            ready[_NETWORK].add_done_callback(
                lambda _: None if self._is_unheard(session) else _run(devtools, session)
            )
        elif waits:
            ready.append(devtools.post(_RUN, {}, session))

    def _listen_to_second(self, devtools: Devtools, name: str, session: str) -> None:
        """The page's session of a service worker whose script has not been asked for yet."""
        self._unheard[session] = self._sessions[name]
        self._sessions[name] = session
        self._ready[session] = _enabled(devtools, _SERVICE_WORKER, session)
        _run(devtools, session)

    def _is_unheard(self, session: str) -> bool:
        return session in self._unheard.values()

    def _crashed(self, session: str) -> None:
        """The page is no more; or a frame or worker, and the page goes on without it."""
        error: Exception = CommandRefused("its process ended")
        if session == self.main:
            self.crashed.set()
            error = crashed("the process of the page ended")
        if self._devtools is not None:
            self._devtools.give_up(session, error)

    def _detached(self, session: str) -> None:
        """A frame that is back in its parent's process, or gone, may come again by its name."""
        self._ready.pop(session, None)
        unheard = self._unheard.pop(session, None)
        for name, one in list(self._sessions.items()):
            if one != session or one == self.main:
                continue
            if unheard is not None and self._devtools is not None:
                # The page went elsewhere and the worker lives on. What the page's session
                # kept of its bodies went with it: ask for it again.
                self._sessions[name] = unheard
                self._devtools.post(_KEEP_BODIES, DURABLE, unheard)
            else:
                del self._sessions[name]
                self.frames.pop(name, None)

    def _dismiss(self, values: Values, session: str) -> None:
        self._dialogs += 1
        kind = text(values, "type")
        if self._dialogs <= MAX_DIALOGS:
            self._journal.step("dialog.dismissed", f"{kind}: {text(values, 'message')}")
            self._journal.note("capture.dialog-dismissed")
        if self._devtools is not None:
            leave = kind == "beforeunload"  # the page may not keep us
            self._devtools.post("Page.handleJavaScriptDialog", {"accept": leave}, session)

    async def spare_cookies(self, devtools: Devtools) -> int:
        """How many cookies the fresh profile holds: none, or it is not fresh."""
        answer = await devtools.call("Storage.getCookies")
        cookies = answer.get("cookies")
        return len(cookies) if isinstance(cookies, list) else 0


def _enabled(devtools: Devtools, kind: str, session: str) -> list[asyncio.Future[Values]]:
    """Everything that is asked of a target before it may run."""
    ready = [
        devtools.post(_KEEP_BODIES, DURABLE, session),
        devtools.post("Network.enable", ENABLE, session),
    ]
    if kind in _WITH_PAGE_DOMAIN:
        ready.append(devtools.post("Page.enable", {}, session))
    ready += [devtools.post(one, {}, session) for one in ENABLE_CONSOLE]
    ready.append(devtools.post("Target.setAutoAttach", _AUTO_ATTACH, session))
    return ready


def _run(devtools: Devtools, session: str) -> None:
    devtools.post(_RUN, {}, session)


async def content_size(devtools: Devtools, session: str) -> tuple[int, int]:
    """Width and height of the whole page in CSS pixels."""
    metrics = await devtools.call("Page.getLayoutMetrics", {}, session)
    return (
        int(number(metrics, "cssContentSize", "width")),
        int(number(metrics, "cssContentSize", "height")),
    )
