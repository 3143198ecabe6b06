"""Pages that attack the browser: each ends within its limits, with a true record, and harms
neither this machine nor the next job."""

import json
import re
import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from guzheng.capturer import cgroup, leftovers
from tests.hostile.bombs import Bombs
from tests.hostile.capturing import Captured, capture, programs_naming
from tests.hostile.conftest import Site
from tests.hostile.site import PNG, Log, serving

pytestmark = pytest.mark.browser


@pytest.fixture
def bombs() -> Iterator[Site]:
    log = Log()
    with serving(partial(Bombs, log=log)) as address:
        yield Site(address, log)


def _require_nothing_left(captured: Captured) -> None:
    """No folder, no program, no control group of that job."""
    record = captured.record
    assert record.viewer is not None
    flag = next(one for one in record.viewer.flags if one.startswith("--user-data-dir="))
    folder = Path(flag.partition("=")[2]).parents[1]
    assert folder.name.startswith(leftovers.PREFIX)
    assert not folder.exists()
    assert programs_naming(str(folder)) == []
    assert folder.name.rpartition("-")[0] not in cgroup.names(leftovers.PREFIX)


def test_a_page_that_attacks_in_every_way_at_once_is_captured(
    bombs: Site, tmp_path: Path
) -> None:
    """print(), 40,000 pixels, bombs in gzip and data:, file: URLs, a download with the name of
    somebody else's file, and a look for automation."""
    captured = capture(tmp_path, f"{bombs.address}/everything")
    assert captured.exit_status == 0, captured.failure
    assert captured.complained == ""
    record, items = captured.record, captured.out / "items"
    tiles = sorted(items.glob("screenshot-*.png"))
    heights = [struct.unpack(">I", one.read_bytes()[20:24])[0] for one in tiles]
    assert heights[:2] == [16_000, 16_000]
    assert 40_000 <= sum(heights) < 64_000
    assert {one.name for one in record.artefacts} == {one.name for one in items.iterdir()}
    # What is on this machine's disk is in nothing that was kept.
    accounts = Path("/etc/passwd").read_bytes().splitlines()[0]
    with zipfile.ZipFile(items / "page.wacz") as package:
        kept = b"".join(package.read(name) for name in package.namelist())
    assert accounts not in kept + b"".join(one.body for one in captured.responses())
    document = (items / "dom.html").read_text("utf-8-sig")
    assert accounts.decode() not in document
    assert "file:///etc/passwd" in (items / "console.jsonl").read_text("utf-8")  # that it tried
    # The bomb went over the wire as it was, and is named for what it is.
    (bomb,) = [one for one in record.requests if one.url.endswith("/bomb")]
    assert bomb.outcome != "recorded"
    assert bomb.why
    assert "capture.download-denied" in record.notes
    (denied,) = [one.detail for one in record.steps if one.step == "download.denied"]
    assert denied.endswith("/named")
    # It was told the truth: this is an automated browser; only its name is a window's.
    seen = json.loads(re.findall(r'<pre id="seen">(.*?)</pre>', document)[0])
    assert seen["webdriver"] is True
    browser = captured.environment["browser"]
    assert isinstance(browser, dict)
    assert browser["seen_by_pages"]["webdriver"] is True
    assert seen["agent"] == browser["seen_by_pages"]["user_agent"] == record.viewer.user_agent  # type: ignore[union-attr]
    _require_nothing_left(captured)


def test_streams_without_end_are_kept_as_far_as_they_came(bombs: Site, tmp_path: Path) -> None:
    """A camera, a frame, a script, a body and events, none of which ever ends."""
    limits = {"page_seconds": 20, "wall_seconds": 90}
    captured = capture(tmp_path, f"{bombs.address}/drips", limits=limits)
    assert captured.exit_status == 0, captured.failure
    record = captured.record
    assert "capture.load-not-finished" in record.notes
    ends = ("/replaced", "/drip", "/drip?script", "/drip?fetched", "/events")
    asked = {one.url.removeprefix(bombs.address): one for one in record.requests}
    for path in ends:
        one = asked[path]
        assert one.outcome in {"recorded-in-part", "recorded-without-body"}, one
        assert one.why
    kept = {one.url.removeprefix(bombs.address): one.body for one in captured.responses()}
    first = {"/replaced": b"--next\r\ncontent-type: image/png\r\n\r\n" + PNG}
    for path, beginning in (first | {"/events": b"data: tick 0\n\n"}).items():
        if asked[path].outcome == "recorded-in-part":
            assert kept[path].startswith(beginning)
        else:  # a busy machine asked late
            assert re.search(r"the first \d+ of \d+ octets came before", asked[path].why)
            assert kept[path] == b""
    assert "capture.wire-contradicts" not in record.notes
    assert record.completeness is not None
    named = {one.url.removeprefix(bombs.address) for one in record.completeness.missing}
    assert set(ends) <= named
    _require_nothing_left(captured)


def test_a_body_without_bound_within_a_page_is_cut_and_said_so(
    bombs: Site, tmp_path: Path
) -> None:
    limits = {"page_seconds": 30, "wall_seconds": 90, "bytes": 8_000_000}
    captured = capture(tmp_path, f"{bombs.address}/pours", limits=limits)
    assert captured.exit_status == 0, captured.failure
    record = captured.record
    assert "capture.byte-limit" in record.limits_hit
    (one,) = [one for one in record.requests if one.url.endswith("/endless")]
    assert one.outcome != "recorded"
    assert one.why
    assert "capture.wire-contradicts" not in record.notes
    assert "there" in (captured.out / "items/dom.html").read_text("utf-8")
    _require_nothing_left(captured)


def test_workers_that_never_pause_do_not_hold_us(bombs: Site, tmp_path: Path) -> None:
    captured = capture(tmp_path, f"{bombs.address}/spins-aside")
    assert captured.exit_status == 0, captured.failure
    assert captured.record.observed_title == "spins aside"
    _require_nothing_left(captured)


def test_a_page_that_eats_memory_ends_in_its_own_group(bombs: Site, tmp_path: Path) -> None:
    captured = capture(
        tmp_path,
        f"{bombs.address}/eats",
        limits={"memory_octets": 600 << 20, "page_seconds": 60},
    )
    assert captured.exit_status == 1
    if "grade.cgroup" in captured.record.missing:
        pytest.skip("no control group here")
    assert captured.failure["code"] == "capture.out-of-memory"
    assert str(600 << 20) in str(captured.failure["expected"])
    assert captured.record.limits.memory_octets == 600 << 20
    kept = {one.name for one in (captured.out / "items").iterdir()}
    assert kept == {"environment.json", "transcript.zip"}
    _require_nothing_left(captured)


@pytest.mark.soak
def test_a_hundred_thousand_requests_are_cut_and_said_so(bombs: Site, tmp_path: Path) -> None:
    captured = capture(
        tmp_path,
        f"{bombs.address}/many-more",
        limits={"requests": 300, "wall_seconds": 90, "page_seconds": 40},
    )
    record = captured.record
    assert "capture.request-limit" in record.limits_hit, captured.said
    assert len(bombs.log.seen) < 20_000
    _require_nothing_left(captured)
