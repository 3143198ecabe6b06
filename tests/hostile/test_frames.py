"""Frames of other sites: their document, text and layout, each in its place, and the way down.

The page lies at an address, the frame at a name, and a third document of the page's own site
lies within that frame: three processes, one in another.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from tests.hostile.capturing import ROOT, Captured, capture
from tests.hostile.site import PNG, Log, Traps, serving

pytestmark = pytest.mark.browser
ALLOWED = ("127.0.0.0/8", "::1/128")
_MAIN = """<!doctype html><meta charset=utf-8><title>外</title><body style="margin:0">
<p style="margin:0;height:40px">外面的文字</p>
<iframe id=other src="STRANGER/frame" style="position:absolute;left:50px;top:100px;
 width:400px;height:300px;border:10px solid red"></iframe>
<div id=cover style="position:absolute;left:60px;top:110px;width:100px;height:20px;
 background:#ff0"></div>
<iframe id=own src="/own" style="position:absolute;left:600px;top:100px;
 width:200px;height:100px;border:0"></iframe>
<div style="height:2500px"></div>"""
_FRAME = """<!doctype html><meta charset=utf-8><title>里</title><body style="margin:0">
<img src="/within.png" style="position:absolute;left:20px;top:60px;width:100px;height:50px">
<p style="margin:0;height:20px">框架里的文字</p>
<iframe src="HOME/third" style="position:absolute;left:200px;top:100px;width:150px;height:80px;
 border:0"></iframe>
<iframe srcdoc="<p>同进程" style="position:absolute;left:0;top:200px;width:90px;height:50px;
 border:0"></iframe>
<div style="height:1000px"></div><script>scrollTo(0, 30)</script>"""
_THIRD = """<!doctype html><meta charset=utf-8><body style="margin:0"><template></template>
<div style="width:150px;height:80px;background:url(/third.png)">第三层</div>"""


class Framed(Traps):
    def __init__(self, *arguments: object, log: Log, stranger: str, home: list[str]) -> None:
        self.stranger, self.home = stranger, home
        super().__init__(*arguments, log=log)

    def answer(self) -> None:
        html = {"content-type": "text/html; charset=utf-8"}
        match self.path:
            case "/":
                self.send(200, html, _MAIN.replace("STRANGER", self.stranger).encode())
            case "/frame":
                self.send(200, html, _FRAME.replace("HOME", self.home[0]).encode())
            case "/third":
                self.send(200, html, _THIRD.encode())
            case "/beside-one-that-spins":
                page = f"<!doctype html><p>here<iframe src='{self.stranger}/spins'></iframe>"
                self.send(200, html, page.encode())
            case "/spins":
                script = "setTimeout(() => { while (true) {} }, 300)"
                self.send(200, html, f"<p>there<script>{script}</script>".encode())
            case "/own":
                self.send(200, html, "<meta charset=utf-8><p>本站的框架".encode())
            case _:
                self.send(200, {"content-type": "image/png"}, PNG)


@dataclass(frozen=True)
class Seen:
    captured: Captured
    home: str
    stranger: str

    def octets(self, name: str) -> bytes:
        return (self.captured.out / "items" / name).read_bytes()

    @property
    def frames(self) -> dict[str, dict[str, object]]:
        listed = json.loads(self.octets("frames.json"))["frames"]
        return {one["url"]: one for one in listed}

    def under(self, x: int, y: int) -> list[dict[str, object]]:
        done = subprocess.run(
            [sys.executable, "-m", "guzheng.transcript", str(self.captured.out), "--json",
             "--trace", f"{x},{y}"],
            capture_output=True, cwd=ROOT, timeout=120, check=False,
        )  # fmt: skip
        assert done.stderr == b""
        boxes = json.loads(done.stdout)["boxes"]
        assert isinstance(boxes, list)
        return boxes


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("frames")
    home: list[str] = []
    with serving(partial(Framed, log=Log(), stranger="", home=home)) as other:
        stranger = other.replace("127.0.0.1", "localhost")
        with serving(partial(Framed, log=Log(), stranger=stranger, home=home)) as address:
            home.append(address)
            captured = capture(folder, f"{address}/", allow=ALLOWED)
            assert captured.exit_status == 0, (captured.said, captured.complained)
            yield Seen(captured, address, stranger)


def names_of(frame: dict[str, object]) -> list[object]:
    return [frame.get(kind) for kind in ("dom", "text", "layout")]


def test_each_frame_stands_in_its_place_with_its_files(seen: Seen) -> None:
    frames = seen.frames
    other, third = frames[f"{seen.stranger}/frame"], frames[f"{seen.home}/third"]
    own, made = frames[f"{seen.home}/own"], frames["about:srcdoc"]
    assert (own["parent"], own["process"], own["number"]) == (0, "of-parent", 1)
    assert (other["parent"], other["process"], other["number"]) == (0, "own", 2)
    assert (third["parent"], third["process"]) == (other["number"], "own")
    assert (made["parent"], made["process"]) == (other["number"], "of-parent")
    assert names_of(own) == ["dom-001.html", "text-001.txt", None]
    assert names_of(other) == ["dom-002.html", "text-002.txt", "layout-002.json"]
    listed = {one.name for one in seen.captured.record.artefacts}
    assert {name for one in frames.values() for name in names_of(one) if name} < listed
    assert "frames.json" in listed
    assert not {one for one in seen.captured.record.notes if "frames" in one}


@pytest.mark.soak
def test_a_frame_that_never_pauses_is_named_with_its_reason(tmp_path: Path) -> None:
    """Whatever waits for it waits for as long as it may: a minute and a half in all."""
    home: list[str] = []
    with serving(partial(Framed, log=Log(), stranger="", home=home)) as other:
        stranger = other.replace("127.0.0.1", "localhost")
        with serving(partial(Framed, log=Log(), stranger=stranger, home=home)) as address:
            captured = capture(tmp_path, f"{address}/beside-one-that-spins", allow=ALLOWED)
    assert captured.exit_status == 0, captured.failure
    (frame,) = Seen(captured, address, stranger).frames.values()
    assert (frame["url"], frame["parent"], frame["process"]) == (f"{stranger}/spins", 0, "own")
    assert frame["why"]
    assert frame["owner"]
    assert not any(names_of(frame))
    assert "capture.frames-missing" in captured.record.notes


def test_what_they_say_is_what_the_sites_gave(seen: Seen) -> None:
    assert seen.octets("text-002.txt").decode().strip() == "框架里的文字"
    document = seen.octets("dom-002.html").decode("utf-8-sig")
    assert document.startswith('<!DOCTYPE html><html><head><meta charset="utf-8">')
    assert 'src="/within.png"' in document
    third = str(seen.frames[f"{seen.home}/third"]["text"])
    assert "第三层" in seen.octets(third).decode()
    assert "同进程" in seen.octets(str(seen.frames["about:srcdoc"]["text"])).decode()
    assert "框架里的文字" not in seen.octets("text.txt").decode()


@pytest.mark.parametrize(
    ("point", "name", "path"),
    [
        ((110, 150), "IMG", "/within.png"),  # within the frame, less by its scrolling
        ((320, 250), "DIV", "/third.png"),  # two processes down
        ((75, 305), "#TEXT", "about:srcdoc"),
        ((75, 115), "DIV", "/"),  # what covers the frame is on top of it
        ((55, 105), "IFRAME", "/frame"),  # its border
        ((620, 120), "#TEXT", "/own"),
        ((20, 10), "#TEXT", "/"),
    ],
)
def test_a_click_leads_down_to_the_wire(
    seen: Seen, point: tuple[int, int], name: str, path: str
) -> None:
    top = seen.under(*point)[0]
    resource = top["resource"]
    assert isinstance(resource, dict)
    assert top["name"] == name
    if path == "about:srcdoc":
        assert (resource["url"], resource["steps"]) == (path, [])
        return
    site = seen.stranger if path in {"/within.png", "/frame"} else seen.home
    assert resource["url"] == site + path
    (step,) = resource["steps"]
    assert step["archive"]["status"] == 200
    (connection,) = cast("list[dict[str, str]]", top["connections"])
    assert connection["host"] == site.partition("//")[2].partition(":")[0]


def test_a_box_tells_which_process_counts_it(seen: Seen) -> None:
    number = seen.frames[f"{seen.stranger}/frame"]["number"]
    boxes = seen.under(110, 150)
    frames = [(one["name"], one.get("frame")) for one in boxes]
    assert frames[0] == ("IMG", number)
    assert ("IFRAME", None) in frames


def test_the_trace_is_made_again_and_an_altered_frame_is_seen(
    seen: Seen, tmp_path: Path
) -> None:
    def opened(folder: Path) -> set[tuple[str, str]]:
        done = subprocess.run(
            [sys.executable, "-m", "guzheng.transcript", str(folder), "--json"],
            capture_output=True, cwd=ROOT, timeout=120, check=False,
        )  # fmt: skip
        findings = json.loads(done.stdout)["findings"]
        return {(one["step"], one["code"]) for one in findings}

    assert ("trace", "ok") in opened(seen.captured.out)
    copy = tmp_path / "copy"
    shutil.copytree(seen.captured.out, copy)
    path = copy / "items/layout-002.json"
    path.write_bytes(path.read_bytes().replace(b"[20,60,100,50]", b"[20,61,100,50]"))
    assert {("transcript.items", "transcript.item-altered"),
            ("trace", "transcript.trace-differs")} <= opened(copy)  # fmt: skip
    (copy / "items/frames.json").write_bytes(b'{"frames":[],"schema":"guzheng.frames/2"}')
    assert ("trace", "ok") not in opened(copy)
