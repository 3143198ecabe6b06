"""Keeps hold of all that runs page code, and of what the page does besides showing itself.

Frames, workers and service workers are attached before they run (auto-attach, flattened), so no
request escapes. A paused target is spoken to without waiting, and let go last: waiting for an
answer of a paused service worker would stop its registration for ever. Pages that the page
opens are closed unseen, dialogs are dismissed, downloads are denied unless the order keeps
them; each is a step.
"""

import asyncio

from guzheng.capturer.console import ENABLE as ENABLE_CONSOLE
from guzheng.capturer.devtools import Devtools, EventListener, Values, flag, inner, number, text
from guzheng.capturer.downloads import Downloads
from guzheng.capturer.journal import Journal
from guzheng.capturer.limits import MAX_DIALOGS
from guzheng.capturer.recorder import DURABLE, ENABLE, Recorder

_AUTO_ATTACH: Values = {
    "autoAttach": True,
    "waitForDebuggerOnStart": True,
    "flatten": True,
}
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
                self._attached(values)
            case "Target.detachedFromTarget":
                self._detached(text(values, "sessionId"))
            case "Page.loadEventFired" if session == self.main:
                self.loaded.set()
            case "Page.javascriptDialogOpening":
                self._dismiss(values, session)
            case "Inspector.targetCrashed" if session == self.main:
                self.crashed.set()
            case "Browser.downloadWillBegin":
                self.download = values
                self.downloads.add(text(values, "url"))
                self.attachments.began(values)
            case "Browser.downloadProgress":
                self.attachments.progressed(values)
            case _:
                for listener in self.listeners:
                    listener(method, values, session)

    def _attached(self, values: Values) -> None:
        devtools = self._devtools
        if devtools is None:
            return
        target = inner(values, "targetInfo")
        name, kind = text(target, "targetId"), text(target, "type")
        session = text(values, "sessionId")
        if name in self._sessions:  # attached once already; twice would double every event
            devtools.post("Runtime.runIfWaitingForDebugger", {}, session)
            devtools.post("Target.detachFromTarget", {"sessionId": session})
            return
        self._sessions[name] = session
        if kind == "iframe":
            self.frames[name] = session
        if kind == "page" and self.main:
            self._journal.step("popup.closed", text(target, "url"))
            self._journal.note("capture.popup-closed")
            devtools.post("Target.closeTarget", {"targetId": name})
            return
        ready = [
            devtools.post("Network.configureDurableMessages", DURABLE, session),
            devtools.post("Network.enable", ENABLE, session),
        ]
        if kind in _WITH_PAGE_DOMAIN:
            ready.append(devtools.post("Page.enable", {}, session))
        ready += [devtools.post(one, {}, session) for one in ENABLE_CONSOLE]
        ready.append(devtools.post("Target.setAutoAttach", _AUTO_ATTACH, session))
        if flag(values, "waitingForDebugger"):
            ready.append(devtools.post("Runtime.runIfWaitingForDebugger", {}, session))
        self._ready[session] = ready

    def _detached(self, session: str) -> None:
        """A frame that is back in its parent's process, or gone, may come again by its name."""
        for name, one in list(self._sessions.items()):
            if one == session and one != self.main:
                del self._sessions[name]
                self.frames.pop(name, None)
                self._ready.pop(session, None)

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


async def content_size(devtools: Devtools, session: str) -> tuple[int, int]:
    """Width and height of the whole page in CSS pixels."""
    metrics = await devtools.call("Page.getLayoutMetrics", {}, session)
    return (
        int(number(metrics, "cssContentSize", "width")),
        int(number(metrics, "cssContentSize", "height")),
    )
