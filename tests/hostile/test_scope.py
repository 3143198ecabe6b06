"""Walls in front of pages are called what they are, and pages are not called walls."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from guzheng.capturer import browser as chromium
from guzheng.capturer import scope, sight
from guzheng.capturer.devtools import Values, text
from guzheng.capturer.jobfolder import JobFolder
from guzheng.capturer.jobuser import uid_for_job
from guzheng.capturer.scope import Sight
from guzheng.words import LANGUAGES, Language, find_words
from tests.hostile.capturing import capture
from tests.hostile.site import serving
from tests.hostile.walls import PLAIN, WALLS, Wall

ALL = {**WALLS, **PLAIN}


class Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = ALL.get(self.path.split("/")[1], Wall("", "framed"))
        self.send_response(found.status)
        for name, value in found.headers.items():
            if name != "server":
                self.send_header(name, value)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(found.page)))
        self.end_headers()
        self.wfile.write(found.page)

    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


async def looked_at(address: str, temporary: Path) -> dict[str, Sight | None]:
    """Every page in one browser; each in the same tab, after the one before."""
    uid = uid_for_job(own_uid=os.getuid(), seed=os.getpid())
    folder = JobFolder(temporary, uid)
    flags = (
        "--headless",
        "--remote-debugging-pipe",
        "--no-startup-window",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder.profile}",
    )
    home = {"HOME": str(folder.browser), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    program = chromium.find_chromium("")
    launch = chromium.Launch(program, flags, folder.path, uid, os.getuid(), home)
    loaded = asyncio.Event()

    def listen(method: str, values: Values, session: str) -> None:
        del values, session
        if method == "Page.loadEventFired":
            loaded.set()

    running = await chromium.start(launch, listen)
    try:
        devtools = running.devtools
        made = await devtools.call("Target.createTarget", {"url": "about:blank"})
        wanted = {"targetId": text(made, "targetId"), "flatten": True}
        session = text(await devtools.call("Target.attachToTarget", wanted), "sessionId")
        await devtools.call("Page.enable", {}, session)
        found = {}
        for name, wall in ALL.items():
            loaded.clear()
            url = f"{address}/{name}{wall.path}"
            went = await devtools.call("Page.navigate", {"url": url}, session)
            async with asyncio.timeout(30):
                await loaded.wait()
            found[name] = await sight.look(
                devtools,
                session,
                text(went, "frameId"),
                asked=f"{address}/goods/7",
                status=wall.status,
                headers=wall.headers.items(),
            )
        return found
    finally:
        await asyncio.to_thread(running.stop)
        folder.remove()


@pytest.fixture(scope="module")
def sights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sight | None]]:
    with serving(Door) as address:
        yield asyncio.run(looked_at(address, tmp_path_factory.mktemp("walls")))


@pytest.mark.browser
@pytest.mark.parametrize("name", ALL)
def test_it_is_called_what_it_is(sights: dict[str, Sight | None], name: str) -> None:
    found = sights[name]
    assert found is not None
    judged = scope.judge(found)
    wanted = [ALL[name].code] if ALL[name].code else []
    assert [one.code for one in judged] == wanted, (judged, found)
    for judgement in judged:
        assert judgement.because
        assert all(one.evidence in scope.KINDS and one.found for one in judgement.because)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_and_every_sign_has_words(language: Language) -> None:
    for code in (rule.code for rule in scope.rules()):
        assert find_words(code, language), code
    for kind in scope.KINDS:
        assert find_words(f"scope.because.{kind}", language), kind


def test_who_asked_for_the_login_page_was_not_led_there() -> None:
    there = "https://login.example/member/login"
    (rule,) = (one for one in scope.rules() if one.code == "scope.login-wall")
    (led,) = (one for one in rule.signs if one.kind == "led-to")
    assert led.find(Sight("https://shop.example/goods/7", there)) is not None
    assert led.find(Sight(there, there)) is None


def test_long_texts_are_judged_quickly() -> None:
    """No pattern runs away on a page that is made to let it."""
    for piece in (
        "请 ",
        "cookie ",
        "you don't have permission to access ",
        "登录" * 3,
        "所在 ",
    ):
        text_ = (piece * 20_000)[:20_000]
        seen = Sight(
            "http://a/", "http://a/", text=text_[:2500], headings=text_[:2000],
            overlay=text_[:3000], covered=100, title=text_[:2000],
        )  # fmt: skip
        began = os.times().user
        scope.judge(seen)
        assert os.times().user - began < 5


@pytest.mark.browser
def test_a_capture_says_what_it_got_and_that_its_browser_alters_nothing(
    tmp_path: Path,
) -> None:
    with serving(Door) as address:
        captured = capture(tmp_path, f"{address}/login-over-the-page/goods/7")
    assert captured.exit_status == 0
    record = captured.record
    assert [one.code for one in record.scope] == ["scope.login-wall"]
    assert "scope.judged" in [one.step for one in record.steps]
    assert record.control is not None
    assert (record.control.equal, record.control.observed) == ("yes", record.control.expected)
    assert record.control.expected.picture is not None
    # Nothing of the control page is among what is recorded of the page.
    assert "control.guzheng.invalid" not in str((record.requests, record.connections))
    notes = record.notes
    assert [one for one in notes if one.startswith("capture.control")] == []
    assert "capture.moment-not-stamped" in notes  # nobody was there to be asked


@pytest.mark.browser
def test_a_browser_that_draws_otherwise_is_found_out(tmp_path: Path) -> None:
    """Stands for whatever alters pages on the way to the picture."""
    place = Path(tempfile.mkdtemp())  # where the browser's own user may start it
    place.chmod(0o755)
    program, real = place / "chromium", chromium.find_chromium("")
    program.write_text(
        f'#!/bin/sh\nexec {real} "$@" --force-color-profile=color-spin-gamma24\n'
    )
    program.chmod(0o755)
    with serving(Door) as address:
        captured = capture(tmp_path, f"{address}/short/x", chromium=str(program))
    shutil.rmtree(place)
    assert captured.exit_status == 0, captured.failure
    record = captured.record
    assert record.control is not None
    found, wanted = record.control.observed, record.control.expected
    assert (record.control.equal, found.body) == ("no", wanted.body)
    assert found.picture != wanted.picture
    assert "capture.control-differs" in record.notes
