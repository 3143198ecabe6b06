"""A capturer that was started ahead: its browser is up, blank, and waits for one order.

It takes one line on standard input, `{"order": PATH, "out": PATH}`, makes that one capture and
ends; a browser is never used twice. The page, the cookies and the kernel's word on the browser
are looked at after the order, as ever: waiting leaves nothing out. Whoever changes his mind
closes the pipe. After `WAIT_SECONDS` it ends by itself, so that no browser grows old.
"""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from guzheng.capturer import control
from guzheng.capturer.act import Act
from guzheng.capturer.order import CaptureOrder

WAIT_SECONDS = 900
_LINE_OCTETS = 64 * 1024
NO_ORDER = 3  # the exit status of one that waited for nothing


@dataclass(frozen=True, slots=True)
class Called:
    """What the line named."""

    order: Path
    out: Path


async def await_call(descriptor: int) -> Called | None:
    """The line; None when nobody wants us any more."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[bytes] = loop.create_future()
    left = b""

    def readable() -> None:
        nonlocal left
        octets = os.read(descriptor, 4096)
        left += octets
        over = not octets or b"\n" in octets or len(left) > _LINE_OCTETS
        if over and not line.done():
            line.set_result(left if b"\n" in left else b"")

    loop.add_reader(descriptor, readable)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            said = json.loads(await line)
            return Called(Path(said["order"]), Path(said["out"]))
    except (TimeoutError, ValueError, LookupError, TypeError):
        return None
    finally:
        loop.remove_reader(descriptor)


def fits(waited: Act, order: CaptureOrder) -> bool:
    """Whether a browser started for the one may be used for the other."""
    browser, egress = waited.stage.browser, waited.stage.egress
    alive = browser is not None and not browser.devtools.closed.is_set()
    alive = alive and egress is not None and not egress.died
    return alive and _start_of(waited.order) == _start_of(order)


def _start_of(order: CaptureOrder) -> tuple[object, ...]:
    """What decides how a browser is started; all else may differ."""
    return (order.chromium, order.language, order.trust_spki, order.limits.memory_octets)


async def waited(
    preset: Act, make: Callable[[Called], Act | None], descriptor: int
) -> Act | None:
    """The act to perform, with the browser that waited if it fits. None: nothing is wanted."""
    began = preset.clock.monotonic()
    try:
        _, browser = await preset.stage.prepare()
        aside = await control.rehearse(browser.devtools)
        preset.stage.identify(browser)
        called = await await_call(descriptor)
        act = None if called is None else make(called)
        if act is not None and fits(preset, act.order):
            seconds = preset.clock.monotonic() - began
            said = f"{browser.product}, started {seconds:.0f} s before the order"
            act.stage.take_over(preset.stage, said)
            act.aside = aside
            return act
    except BaseException:
        await preset.stage.give_up()
        raise
    await preset.stage.give_up()
    return act
