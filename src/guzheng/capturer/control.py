"""Looks at the control page and measures it three ways, just before the page is visited.

What is compared: the octets as the browser got them, the document after its script, and the
pixels. If they are those of tunnel/control.py, then on this machine, in this session, nothing
between tunnel and picture altered a page: no extension, no proxy, no injected style. It says
nothing of what lies beyond the tunnel; there TLS and the transcript speak.
"""

import asyncio
import base64
import binascii
from dataclasses import dataclass

from guzheng.capturer.devtools import CommandRefused, Devtools, flag, inner, number, text
from guzheng.capturer.journal import Journal
from guzheng.capturer.pixels import Undecodable, pixels_of
from guzheng.capturer.record import Control, Measures
from guzheng.capturer.tunnel import control
from guzheng.proof.digest import Digest, sha256

_PAINT = "Page.captureScreenshot"
_SECONDS = 15
_TICK_SECONDS = 0.02
EXPECTED = Measures(*(Digest("sha256", one) for one in control.expected()))


@dataclass(frozen=True, slots=True)
class Aside:
    """A page that is not the one that was ordered, and how to speak to it."""

    target: str
    session: str


async def observe(devtools: Devtools, journal: Journal, aside: Aside | None = None) -> Control:
    """Before the first page is made: nothing of it is among what is recorded. `aside`: the
    blank page to show it in, if one was prepared."""
    observed = Measures()
    try:
        async with asyncio.timeout(_SECONDS):
            observed = await _measured(devtools, aside or await _open(devtools))
    except (CommandRefused, TimeoutError, Undecodable, binascii.Error):
        journal.note("capture.control-missing")
    equal = observed == EXPECTED
    if not equal and observed != Measures():
        journal.note("capture.control-differs")
    journal.step("control.observed", "equal" if equal else "not equal")
    return Control(control.URL, EXPECTED, observed, "yes" if equal else "no")


async def rehearse(devtools: Devtools) -> Aside:
    """The page in which it will be shown, blank, painted once: what a browser loads when it
    first shows anything is then there before somebody waits for it."""
    aside = await _open(devtools)
    await devtools.call(_PAINT, {"format": "png"}, aside.session)
    return aside


async def _open(devtools: Devtools) -> Aside:
    made = await devtools.call("Target.createTarget", {"url": "about:blank"})
    target = {"targetId": text(made, "targetId"), "flatten": True}
    attached = await devtools.call("Target.attachToTarget", target)
    session = text(attached, "sessionId")
    await devtools.call("Page.enable", {}, session)
    return Aside(text(made, "targetId"), session)


async def _measured(devtools: Devtools, aside: Aside) -> Measures:
    session = aside.session
    try:
        went = await devtools.call("Page.navigate", {"url": control.URL}, session)
        await _arrival(devtools, session)
        frame = {"frameId": text(went, "frameId"), "url": control.URL}
        body = await devtools.call("Page.getResourceContent", frame, session)
        root = await devtools.call("DOM.getDocument", {"depth": 0}, session)
        node = {"nodeId": int(number(inner(root, "root"), "nodeId"))}
        document = await devtools.call("DOM.getOuterHTML", node, session)
        clip = {"x": 0, "y": 0, "width": control.SIDE, "height": control.SIDE, "scale": 1}
        wanted = {"format": "png", "clip": clip}
        picture = await devtools.call(_PAINT, wanted, session)
    finally:
        await devtools.call("Target.closeTarget", {"targetId": aside.target})
    content = text(body, "content")
    octets = base64.b64decode(content) if flag(body, "base64Encoded") else content.encode()
    return Measures(
        sha256(octets),
        sha256(text(document, "outerHTML").encode()),
        sha256(pixels_of(base64.b64decode(text(picture, "data")))),
    )


async def _arrival(devtools: Devtools, session: str) -> None:
    """Until the document is whole; whoever calls sets the limit."""
    asked = {"expression": "document.readyState + document.URL", "returnByValue": True}
    while True:
        answer = await devtools.call("Runtime.evaluate", asked, session)
        if text(answer, "result", "value") == f"complete{control.URL}":
            return
        await asyncio.sleep(_TICK_SECONDS)
