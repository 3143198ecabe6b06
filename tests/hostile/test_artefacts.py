"""One capture of a page that does everything, and what each of its items must hold of it.

Ground truth is what the two servers logged; what is read back is read by other people's readers
where there are any (warcio, email, Pillow) and by a few lines of the format's own rules.
"""

import email
import email.policy
import hashlib
import io
import json
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from tests.ebml import elements
from tests.hostile.capturing import Captured, Response, capture
from tests.hostile.forensic import LONG_FRAME, POSTED, two_sites
from tests.hostile.oracles import PLAYED, player
from tests.hostile.site import Folder, Log, serving

pytestmark = pytest.mark.browser
ALLOWED = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True)
class Seen:
    """The capture, the two sites, and what they served."""

    captured: Captured
    address: str
    stranger: str
    served: set[tuple[str, str, int]]

    def lines(self, name: str) -> list[dict[str, object]]:
        text = (self.captured.out / "items" / name).read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def octets(self, name: str) -> bytes:
        return (self.captured.out / "items" / name).read_bytes()

    def response(self, path: str, status: int = 200) -> Response:
        found = (
            one
            for one in self.captured.responses()
            if one.url == self.address + path and one.status == status
        )
        return next(found)

    def steps(self, name: str) -> list[str]:
        return [one.detail for one in self.captured.record.steps if one.step == name]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("forensic")
    log, stranger_log = Log(), Log()
    with two_sites(log, stranger_log) as (address, stranger):
        captured = capture(
            folder,
            f"{address}/",
            allow=ALLOWED,
            options=["dismiss-banner", "video"],
        )
    assert captured.exit_status == 0, (captured.said, captured.complained)
    assert captured.complained == ""
    served = {(method, address + path, status) for method, path, status in log.seen}
    served |= {(method, stranger + path, code) for method, path, code in stranger_log.seen}
    yield Seen(captured, address, stranger, served)


def test_everything_that_was_served_is_recorded_whole(seen: Seen) -> None:
    """Frames of another site, all kinds of workers, preflights, redirects, 304, beacons."""
    record = seen.captured.record
    recorded = {
        (one.method, one.url.replace("ws:", "http:"), one.status)
        for one in record.requests
        if one.outcome in {"recorded", "websocket"}
    }
    # By the page, which closed it; by a player that had enough; of a preflight, by the browser.
    cut_off = {one.url for one in record.requests if one.outcome.startswith("recorded-")}
    preflight = f"{seen.stranger}/put"
    assert cut_off <= {f"{seen.address}/events", f"{seen.address}/film.webm", preflight}
    assert all(one.why for one in record.requests if one.outcome.startswith("recorded-"))
    assert {url for _, url, _ in seen.served - recorded} <= cut_off
    for path in ("/from-worker", "/from-shared-worker", "/from-service-worker", "/beacon"):
        assert any(url == seen.address + path for _, url, _ in seen.served), path
    (asked,) = [one for one in record.requests if one.method == "OPTIONS"]
    assert (asked.kind, asked.status) == ("preflight", 200)
    assert asked.outcome == "recorded-without-body"  # this one had a body, which is on the wire
    assert record.completeness is not None
    whys = {(one.method, one.url): one.why for one in record.completeness.missing}
    assert whys["OPTIONS", preflight] == "body-only-on-wire"
    assert "capture.wire-contradicts" not in record.notes
    assert ("PUT", preflight, 200) in recorded
    assert ("GET", f"{seen.stranger}/from-frame", 200) in recorded
    archived = {(one.url, one.status) for one in seen.captured.responses()}
    assert {(url, code) for _, url, code in seen.served if code != 101} <= archived


def test_heads_are_as_they_were_sent(seen: Seen) -> None:
    twice = seen.response("/twice")
    head = seen.octets("network.har")
    assert twice.body == b"twice"
    entries = json.loads(head)["log"]["entries"]
    headers = next(
        one["response"]["headers"]
        for one in entries
        if one["request"]["url"].endswith("/twice")
    )
    pairs = [(one["name"].lower(), one["value"]) for one in headers]
    assert [value for name, value in pairs if name == "set-cookie"] == [
        "a=1; Path=/",
        "b=2; Path=/",
    ]
    assert [value for name, value in pairs if name == "x-twice"] == ["one", "two"]


def test_an_answer_without_body_gets_none(seen: Seen) -> None:
    assert seen.response("/fresh").body == b"fresh"
    assert seen.response("/fresh", 304).body == b""
    assert seen.response("/moved", 301).headers["location"] == "/moved-on"
    posted = next(one for one in seen.captured.record.requests if one.url.endswith("/post"))
    assert seen.response("/post").body == b"yes"  # the server had all octets
    entry = next(
        one
        for one in json.loads(seen.octets("network.har"))["log"]["entries"]
        if one["_number"] == posted.number
    )
    assert entry["request"]["bodySize"] == len(POSTED)


def test_records_name_the_address_that_was_connected_to(seen: Seen) -> None:
    peers = {one.record["WARC-IP-Address"] for one in seen.captured.responses()}
    connected = {one.peer for one in seen.captured.record.connections if one.peer}
    assert peers <= connected


def test_a_stream_that_the_page_closes_is_kept(seen: Seen) -> None:
    """Its messages always; its octets unless the page was quicker than any command."""
    events = [one for one in seen.lines("sockets.jsonl") if one.get("event") == "message"]
    assert [one["text"] for one in events] == ["one", "two", "three"]
    stream = next(one for one in seen.captured.record.requests if one.url.endswith("/events"))
    if stream.outcome != "recorded-without-body":
        assert seen.response("/events").body.startswith(b": begin\n\ndata: one\n\n")


def test_frames_of_sockets_are_kept_and_long_ones_by_digest(seen: Seen) -> None:
    schema, *lines = seen.lines("sockets.jsonl")
    assert schema == {"schema": "guzheng.sockets/1"}
    frames = [one for one in lines if "opcode" in one]
    assert [(one["direction"], one["opcode"], one["octets"]) for one in frames] == [
        ("sent", 1, 3),
        ("sent", 2, 3),
        ("received", 1, 3),
        ("received", 2, 3),
        ("received", 1, 300_000),
    ]
    assert [one.get("text") or one.get("base64") for one in frames] == [
        "问",
        "AQL/",
        "答",
        "AAH+",
        None,
    ]
    assert frames[-1]["sha256"] == hashlib.sha256(LONG_FRAME.encode()).hexdigest()
    assert "capture.sockets-cut" in seen.captured.record.notes
    socket = next(one for one in seen.captured.record.requests if one.kind == "websocket")
    assert {one["request"] for one in frames} == {socket.number}
    assert socket.why == "2 frames sent, 3 received"


def test_the_console_holds_what_was_said_and_what_failed(seen: Seen) -> None:
    schema, *lines = seen.lines("console.jsonl")
    assert schema == {"schema": "guzheng.console/1"}
    said = {(one["kind"], one["level"], str(one["text"]).partition("\n")[0]) for one in lines}
    assert ("console", "log", "said 7 Object") in said
    assert ("console", "error", "错误") in said
    assert ("exception", "error", "Error: boom") in said
    assert ("console", "log", "from the frame") in said
    assert any(one["kind"] == "log.network" and one["level"] == "error" for one in lines)


def test_lazy_media_were_loaded_and_the_page_put_back(seen: Seen) -> None:
    paths = {url for _, url, _ in seen.served}
    for name in ("details", "aside", "deep", "one"):
        assert f"{seen.address}/img/{name}.png" in paths
    assert f"{seen.address}/img/two.png" not in paths  # another screen's candidate
    (told,) = seen.steps("page.expanded")
    assert "1 details" in told
    assert "1 media" in told
    document = seen.octets("dom.html").decode("utf-8-sig")
    assert 'loading="lazy"' in document
    assert "<details><summary>" in document
    assert 'preload="none"' in document


def test_the_notice_is_shown_before_and_closed_as_ordered(seen: Seen) -> None:
    record = seen.captured.record
    assert record.options == ("dismiss-banner", "video")
    assert {"capture.banner-shown", "capture.banner-dismissed"} <= set(record.notes)
    (said,) = seen.steps("banner.recognised")
    assert said.startswith("words: 我们使用 Cookie")
    assert seen.steps("banner.dismissed") == ["拒绝"]  # not «accept», and not the link
    assert record.observed_title == "closed"
    before, after = seen.octets("banner-before.png"), seen.octets("banner-after.png")
    assert before != after
    assert {Image.open(io.BytesIO(one)).size for one in (before, after)} == {(1366, 900)}
    assert Image.open(io.BytesIO(seen.octets("view.png"))).size == (1366, 900)
    assert "隐私政策" not in seen.octets("text.txt").decode()


def test_text_of_shadow_trees_is_kept_or_said_to_lie_elsewhere(seen: Seen) -> None:
    """Whole pages are made of them, and `innerText` passes over them all."""
    text = seen.octets("text.txt").decode()
    for one in ("取证", "树中", "树里的文字", "更深的文字", "槽内的文字"):
        assert text.count(one) == 1, one
    for one in ("看不见的文字", "color:red", "封闭的文字"):
        assert one not in text
    assert "capture.text-without-closed" in seen.captured.record.notes
    assert "封闭的文字" in seen.octets("dom.html").decode()
    assert "封闭的文字" in json.loads(seen.octets("layout.json"))["strings"]


def test_structure_text_and_the_page_in_one_file(seen: Seen) -> None:
    assert "第 16 段" in seen.octets("text.txt").decode()
    layout = json.loads(seen.octets("layout.json"))
    document = layout["documents"][0]
    assert layout["strings"][document["documentURL"]] == f"{seen.address}/"
    assert len(document["layout"]["bounds"]) == len(document["layout"]["paintOrders"]) > 10
    message = email.message_from_bytes(seen.octets("page.mhtml"), policy=email.policy.default)
    places = {str(part["Content-Location"]) for part in message.walk()}
    assert f"{seen.address}/" in places
    assert f"{seen.address}/img/deep.png" in places


def test_the_har_has_every_request_and_is_a_derivative(seen: Seen) -> None:
    record = seen.captured.record
    log = json.loads(seen.octets("network.har"))["log"]
    assert log["version"] == "1.2"
    assert [one["_number"] for one in log["entries"]] == [one.number for one in record.requests]
    for entry in log["entries"]:
        assert entry["time"] == sum(entry["timings"].values())
        assert {"method", "url", "httpVersion", "headers", "queryString"} <= set(
            entry["request"]
        )
        assert {"status", "content", "redirectURL"} <= set(entry["response"])
    roles = {one.name: one.role for one in record.artefacts}
    assert [name for name, role in roles.items() if role == "derivative"] == [
        "network.har",
        "trace.json",
    ]
    types = {one.name: one.media_type for one in record.artefacts}
    assert types["page.mhtml"] == "multipart/related"
    assert types["act.mkv"] == "video/matroska"


def test_the_film_holds_the_browsers_own_pictures(seen: Seen) -> None:
    """Read by the rules of EBML (RFC 8794) alone."""
    octets = seen.octets("act.mkv")
    file = elements(octets)
    (header,) = file[0x1A45DFA3]
    assert elements(header)[0x4282] == [b"matroska"]
    segment = elements(file[0x18538067][0])
    track = elements(elements(segment[0x1654AE6B][0])[0xAE][0])
    assert track[0x86] == [b"V_MJPEG"]
    (told,) = seen.steps("film.ended")
    frames, times = [], []
    for cluster in segment[0x1F43B675]:
        parts = elements(cluster)
        began = int.from_bytes(parts[0xE7][0], "big")
        for block in parts[0xA3]:
            times.append(began + struct.unpack(">h", block[1:3])[0])
            frames.append(block[4:])
    assert f"{len(frames)} frames" == told
    assert len(frames) > 3
    assert times == sorted(times)
    assert times[0] == 0
    for frame in frames:
        assert Image.open(io.BytesIO(frame)).size == (1366, 900)
    (length,) = struct.unpack(">d", elements(segment[0x1549A966][0])[0x4489][0])
    assert length == times[-1]


def test_replayweb_page_plays_it_in_a_real_browser(seen: Seen, tmp_path: Path) -> None:
    """The player's service worker answers from the archive; our own capture is the witness."""
    folder = tmp_path / "site"
    (folder / "replay").mkdir(parents=True)
    shutil.copy(player() / "ui.js", folder)
    shutil.copy(player() / "sw.js", folder / "replay")
    (folder / "page.wacz").write_bytes(seen.octets("page.wacz"))
    (folder / "index.html").write_text(PLAYED % f"{seen.address}/", "utf-8")
    with serving(partial(Folder, folder=folder, log=Log())) as address:
        played = capture(tmp_path, f"{address}/index.html")
    assert played.exit_status == 0, played.said
    strings = json.loads((played.out / "items/layout.json").read_bytes())["strings"]
    assert "第 16 段" in strings  # its scripts ran to the end
    answers = {
        one.url.partition("_/")[2]: one.status
        for one in played.record.requests
        if one.outcome == "from-service-worker" and "_/http" in one.url
    }
    for path in ("/img/one.png", "/img/deep.png", "/post", "/arrived", "/fresh"):
        assert answers.get(seen.address + path) == 200, path
    for path in ("/frame", "/img/within.png", "/put"):
        assert answers.get(seen.stranger + path) == 200, path


def test_nothing_is_pressed_unless_ordered(tmp_path: Path) -> None:
    with two_sites(Log(), Log()) as (address, _):
        captured = capture(tmp_path, f"{address}/", allow=ALLOWED)
    assert captured.exit_status == 0, captured.said
    record = captured.record
    assert record.options is None
    assert "capture.banner-shown" in record.notes
    assert "capture.banner-dismissed" not in record.notes
    assert record.observed_title == "取证页"
    names = {one.name for one in record.artefacts}
    assert "banner-before.png" in names
    assert not names & {"banner-after.png", "act.mkv"}
    assert "隐私政策" in (captured.out / "items/text.txt").read_text("utf-8")


def test_a_flood_ends_within_its_limits_and_is_named(tmp_path: Path) -> None:
    """Too many elements, lines, frames: what is not kept is a note, the page is captured."""
    with two_sites(Log(), Log()) as (address, _):
        captured = capture(tmp_path, f"{address}/flood", allow=ALLOWED)
    assert captured.exit_status == 0, captured.said
    record = captured.record
    named = {
        "capture.console-cut",
        "capture.layout-too-large",
        "capture.sockets-cut",
        "capture.text-too-large",
    }
    assert named <= set(record.notes)
    assert named <= set(record.limits_hit)
    names = {one.name for one in record.artefacts}
    assert not {"layout.json", "text.txt"} & names
    assert {"page.wacz", "dom.html", "screenshot.png", "page.mhtml"} <= names
    items = captured.out / "items"
    assert (items / "console.jsonl").stat().st_size < 2_000_000
    assert (items / "sockets.jsonl").stat().st_size < 8_000_000
    (socket,) = (one for one in record.requests if one.kind == "websocket")
    assert socket.why == "0 frames sent, 21000 received"
