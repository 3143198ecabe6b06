"""A real Chromium for the tests of pages, spoken to over its debugging pipe, call by call.

Every console error, exception and content-policy violation is kept, so that a test can require
that there was none."""

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WAIT_SECONDS = 60.0
# Pages of Chromium's own, which every new window loads: half of what a new window costs. The
# rest is what Playwright turns off, for of two such flags the last one alone counts.
FEATURES_OFF = "--disable-features=" + ",".join(
    (
        *("WebUIOmniboxAimPopup", "WebUIOmniboxPopup"),
        *(
            "AimEnabled",
            "AvoidUnnecessaryBeforeUnloadCheckSync",
            "DestroyProfileOnBrowserClose",
        ),
        *("HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "LensOverlay", "MediaRouter"),
        *("NetworkTimeServiceQuerying", "OptimizationHints", "PaintHolding"),
        *("PreconnectToSearch", "ThirdPartyStoragePartitioning"),
    )
)


class Page:
    """One tab."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []
        self.loaded = False

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, parameters, self._session)

    def open(self, address: str) -> None:
        answer = self.call("Page.navigate", url=address)
        assert "errorText" not in answer, (address, answer)
        self.wait_for("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = WAIT_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.run(f"Boolean({condition})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never came true: {condition}; {self.complaints}")

    def text(self, selector: str) -> str:
        found = self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return str(found).strip()

    def choose(self, selector: str, *files: Path) -> None:
        """Put files into a file field, as a person does with the file dialogue."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(one) for one in files])

    def html_with(self, part: str, seconds: float = WAIT_SECONDS) -> str:
        """The page's text once it holds `part` and has loaded; works without scripts."""
        deadline = time.monotonic() + seconds
        html = ""
        while time.monotonic() < deadline:
            try:
                root = self.call("DOM.getDocument")["root"]["nodeId"]
                html = self.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
            except AssertionError as error:
                if "Could not find node" not in str(error):
                    raise
                html = ""  # the page gave way to the next between the two calls
            if part in html and "</html>" in html and self.loaded:
                return html
            time.sleep(0.05)
        raise AssertionError(f"never came: {part}; {self.complaints}; {html[-2000:]}")

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def picture(self, path: Path, *, whole: bool = True) -> None:
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self._browser.forget(self._session)
        self.call("Page.close")


class Browser:
    """One Chromium with a fresh profile."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._out = to_browser
        self._in = from_browser
        self._buffer = b""
        self._number = 0
        self._pages: dict[str, Page] = {}

    def call(
        self, method: str, parameters: dict[str, Any], session: str = ""
    ) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def page(self, *, scripts: bool = True, before: str = "", language: str = "zh-CN") -> Page:
        """A new tab; `before` runs in it before any script of the page."""
        context = self.call("Target.createBrowserContext", {})["browserContextId"]
        made = self.call(
            "Target.createTarget", {"url": "about:blank", "browserContextId": context}
        )
        attached = self.call(
            "Target.attachToTarget", {"targetId": made["targetId"], "flatten": True}
        )
        page = Page(self, attached["sessionId"])
        self._pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Log", "DOM", "Network"):
            page.call(f"{domain}.enable")
        page.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        if not scripts:
            page.call("Emulation.setScriptExecutionDisabled", value=True)
        if before:
            page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        return page

    def forget(self, session: str) -> None:
        self._pages.pop(session, None)

    def close_pages(self) -> None:
        """Every tab that a test left open: what moves in one is drawn as long as it is open."""
        for page in list(self._pages.values()):
            page.close()

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 20)
            if not part:
                raise AssertionError("the browser ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        page = self._pages.get(event.get("sessionId", ""))
        if page is None:
            return
        match event.get("method"):
            case "Runtime.exceptionThrown":
                page.complaints.append(str(event["params"]["exceptionDetails"]))
            case "Log.entryAdded" if event["params"]["entry"]["level"] == "error":
                entry = event["params"]["entry"]
                page.complaints.append(f"{entry['text']} {entry.get('url', '')}")
            case "Page.frameStartedLoading":
                page.loaded = False
            case "Page.loadEventFired":
                page.loaded = True
            case "Page.javascriptDialogOpening":
                page.complaints.append(str(event["params"]))
            case _:
                pass


@contextmanager
def chromium() -> Iterator[Browser]:
    read_theirs, write_ours = os.pipe()
    read_ours, write_theirs = os.pipe()
    with tempfile.TemporaryDirectory() as profile:
        command = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            FEATURES_OFF,
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        # Chromium reads its pipe at 3 and writes at 4; the shell puts ours there.
        script = f'exec "$@" 3<&{read_theirs} 4>&{write_theirs}'
        started = subprocess.Popen(
            ["/bin/bash", "-c", script, "chromium", *command],
            pass_fds=(read_theirs, write_theirs),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_theirs)
        os.close(write_theirs)
        browser = Browser(write_ours, read_ours)
        try:
            yield browser
        finally:
            browser.call("Browser.close", {})
            started.wait(timeout=WAIT_SECONDS)
            os.close(write_ours)
            os.close(read_ours)
