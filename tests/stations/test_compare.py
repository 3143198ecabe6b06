"""Comparisons: what differs is named, what was not compared is never equal; all is bounded."""

import dataclasses
import io
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from guzheng.compare import Side, compare, read_side
from guzheng.compare.frames import Frame
from guzheng.compare.pictures import compare_pictures
from guzheng.proof import canonical
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import sha256
from guzheng.proof.manifest import Item
from guzheng.store.memory import MemoryBlobs
from tests.capturer.test_record import RECORD

FIELDS: Mapping[str, object] = {
    "requested_url": "https://a/",
    "final_url": "https://a/",
    "observed_started_at": "2026-11-22T01:00:00.000Z",
    "observed_finished_at": "2026-11-22T01:00:09.000Z",
    "observed_title": "标题",
    "observed_status": 200,
    "redirects": [],
    "tls": [{"host": "a", "chain": ["sha256:" + "0" * 64]}],
    "connections": [{"host": "a", "kind": "page", "answers": ["192.0.2.2", "192.0.2.1"]}],
}
SIDE = Side(
    exhibit="ex_" + "0" * 26,
    manifest_digest=sha256(b"m"),
    vantage="here",
    record=CaptureRecord(FIELDS, ()),
    text=("一", "二", "三"),
    resources={"https://a/": "200 sha256:a", "https://a/x.js": "200 sha256:b"},
    picture=None,
)


def with_fields(**more: object) -> Side:
    return replace(SIDE, record=CaptureRecord({**FIELDS, **more}, ()))


def aspects(one: Side, other: Side) -> dict[str, dict[str, Any]]:
    report = compare(one, other)
    canonical.encode(report)  # it has the one spelling
    found = cast("list[dict[str, Any]]", report["aspects"])
    return {str(each["aspect"]): each for each in found}


def picture(width: int, height: int, *, dots: int = 0) -> bytes:
    image = pytest.importorskip("PIL.Image").new("RGB", (width, height), "white")
    for number in range(dots):
        image.putpixel((number % width, number // width), (255, 255, 254))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_the_same_is_the_same_and_what_is_missing_is_unknown() -> None:
    found = compare(SIDE, SIDE)
    assert (found["differing"], found["unknown"]) == ([], ["picture"])
    report = compare(replace(SIDE, text=None, resources=None), SIDE)
    assert report["unknown"] == ["text", "resources", "picture"]


@pytest.mark.parametrize(
    ("aspect", "other"),
    [
        ("answers", with_fields(connections=[{"host": "a", "kind": "page", "answers": ["x"]}])),
        ("certificates", with_fields(tls=[])),
        ("status", with_fields(observed_status=404)),
        ("final-url", with_fields(final_url="https://b/")),
        ("redirects", with_fields(redirects=[{"url": "https://a/", "to": "https://b/"}])),
        ("title", with_fields(observed_title="另一个")),
        ("text", replace(SIDE, text=("一", "三"))),
        ("frames", replace(SIDE, frames=(Frame("https://b/", ("广告",)),))),
        ("resources", replace(SIDE, resources={"https://a/": "200 sha256:a"})),
    ],
)
def test_each_aspect_is_told_apart(aspect: str, other: Side) -> None:
    assert compare(SIDE, other)["differing"] == [aspect]


def test_answers_have_no_order() -> None:
    answers = ["192.0.2.1", "192.0.2.2"]
    other = with_fields(connections=[{"host": "a", "kind": "page", "answers": answers}])
    assert compare(SIDE, other)["differing"] == []


def test_lines_that_begin_as_the_heads_of_a_difference_do() -> None:
    found = aspects(replace(SIDE, text=("-- 甲", "x")), replace(SIDE, text=("++ 乙", "x")))[
        "text"
    ]
    assert (found["removed"], found["added"]) == (1, 1)
    assert "--- 甲" in found["difference"]


def test_resources_by_address() -> None:
    other = replace(SIDE, resources={"https://a/": "200 sha256:c", "https://a/y": "200 d"})
    found = aspects(SIDE, other)["resources"]
    assert found["counts"] == {"differs": 1, "one": 1, "other": 1}
    assert (found["one"], found["other"]) == (["https://a/x.js"], ["https://a/y"])


def test_frames_are_held_against_each_other_by_their_address() -> None:
    one = (
        Frame("https://b/ad?n=1", ("甲", "乙")),
        Frame("https://c/", ("同",)),
        Frame("https://c/", ("再",)),
        Frame("https://d/", ("只在此",)),
        Frame("https://e/", None, "no answer in 20 s"),
    )
    other = (
        Frame("https://c/", ("同",)),
        Frame("https://c/", ("再",)),
        Frame("https://e/", ("x",)),
        Frame("https://b/ad?n=2", ("甲", "丙")),
        Frame("https://f/", ()),
    )
    found = aspects(replace(SIDE, frames=one), replace(SIDE, frames=other))["frames"]
    assert (found["equal"], found["same"]) == ("no", 2)
    (differs,) = found["differs"]
    assert (differs["url"], differs["other"]) == ("https://b/ad?n=1", "https://b/ad?n=2")
    assert (differs["removed"], differs["added"]) == (1, 1)
    assert differs["difference"][-2:] == ["-乙", "+丙"]
    assert (found["one"], found["other"]) == (["https://d/"], ["https://f/"])
    assert found["unread"] == [{"url": "https://e/", "why": "no answer in 20 s"}]


def test_a_frame_without_text_is_never_equal() -> None:
    nothing = replace(SIDE, frames=(Frame("https://b/", None, "gone"),))
    found = aspects(nothing, nothing)["frames"]
    assert (found["equal"], found["why"]) == ("unknown", "compare.frame-text-missing")
    unlisted = aspects(replace(SIDE, frames=None), SIDE)["frames"]
    assert unlisted == {
        "aspect": "frames",
        "equal": "unknown",
        "why": "compare.frames-missing",
    }


def test_many_hostile_frames_end_soon() -> None:
    alternating = (("a", "b") * 1400, ("b", "a") * 1400)
    one, other = (
        tuple(Frame(f"https://{number}/", text) for number in range(100))
        for text in alternating
    )
    before = time.process_time()
    found = aspects(replace(SIDE, frames=one), replace(SIDE, frames=other))["frames"]
    assert time.process_time() - before < 20
    assert len(found["differs"]) == 100
    assert sum(len(each["difference"]) for each in found["differs"]) <= 400


def test_frames_are_read_from_the_list_and_the_texts_it_names() -> None:
    own = {"number": 1, "frame": "A", "parent": 0, "url": "https://b/", "process": "own"}
    gone = {**own, "number": 2, "url": "https://c/", "why": "no answer"}
    unkept = {**own, "number": 3, "url": "https://d/", "text": "text-003.txt"}
    listed = {
        "schema": "guzheng.frames/1",
        "frames": [{**own, "text": "text-001.txt"}, gone, unkept],
    }
    items = {
        "text.txt": "主\n".encode(),
        "frames.json": canonical.encode(listed),
        "text-001.txt": "框架  里\n\n的字\n".encode(),
    }
    side = read_again(items)
    assert side.text == ("主",)
    assert side.frames is not None
    assert [(one.url, one.text) for one in side.frames] == [
        ("https://b/", ("框架 里", "的字")),
        ("https://c/", None),
        ("https://d/", None),
    ]
    assert side.frames[1].why == "no answer"
    assert read_again({**items, "frames.json": b"[]"}).frames is None
    assert read_again({"text.txt": b"x"}).frames == ()


def read_again(items: Mapping[str, bytes]) -> Side:
    blobs, folder = MemoryBlobs(), "exhibits/one/"
    for name, octets in items.items():
        blobs.put(f"{folder}items/{name}", [octets])
    record = dataclasses.replace(
        RECORD,
        artefacts=tuple(
            Item(name, "original", "text/plain", len(octets), (sha256(octets),))
            for name, octets in items.items()
        ),
    )
    blobs.put(f"{folder}capture.json", [record.encode()])
    return read_side(blobs, folder, "ex_" + "0" * 26, sha256(b"m"), "here")


def test_long_hostile_texts_end_soon() -> None:
    one = tuple(f"{number} {'x' * 600}" for number in range(60_000))
    other = tuple(reversed(one))
    before = time.process_time()
    found = aspects(replace(SIDE, text=one), replace(SIDE, text=other))["text"]
    assert found["equal"] == "no"
    alternating = (("a", "b") * 1400, ("b", "a") * 1400)
    found = aspects(replace(SIDE, text=alternating[0]), replace(SIDE, text=alternating[1]))[
        "text"
    ]
    assert time.process_time() - before < 20
    assert max(map(len, found["difference"])) <= 500


def test_the_share_of_pixels() -> None:
    pair = [
        replace(SIDE, picture=("screenshot.png", picture(100, 700, dots=dots)))
        for dots in (0, 7)
    ]
    found = aspects(*pair)["picture"]
    assert (found["differing_pixels"], found["compared_pixels"]) == (7, 70_000)
    assert found["per_million"] == 100
    taller = replace(SIDE, picture=("screenshot.png", picture(100, 800)))
    found = aspects(pair[0], taller)["picture"]
    assert (found["equal"], found["differing_pixels"]) == ("no", 0)
    assert aspects(pair[0], pair[0])["picture"]["equal"] == "yes"


@pytest.mark.parametrize("octets", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_is_not_compared(octets: bytes) -> None:
    whole = picture(2, 2)
    assert compare_pictures(octets, whole) == "compare.picture-unreadable"
    assert compare_pictures(octets, octets) == "compare.picture-unreadable"
    assert compare_pictures(whole[:45], whole) == "compare.picture-unreadable"


def test_a_bomb_is_refused_by_its_size() -> None:
    head = bytearray(picture(2, 2))
    head[16:24] = (50_000).to_bytes(4, "big") * 2
    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    assert compare_pictures(bytes(head), picture(2, 2)) == "compare.picture-too-large"
