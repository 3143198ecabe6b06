"""Pages that only want to be looked at, most of them written by others: nothing may be missing.

Ground truth is the server's own log; the readers of the package are not ours (warcio, py-wacz,
pywb).
"""

import hashlib
import html
import json
import os
import struct
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest

from guzheng.capturer.limits import PICTURE_AREA, TILE_AREA
from guzheng.proof.digest import Digest, sha256, sm3
from tests.hostile.capturing import Captured, Response, capture
from tests.hostile.certificates import make_site
from tests.hostile.conftest import HANDBOOK, PYTHON_DOC, Site
from tests.hostile.oracles import replaying, validate_wacz
from tests.hostile.site import PNG, Folder, Log, Traps, serving

pytestmark = pytest.mark.browser
ASYNCIO = "/library/asyncio.html"
HANDBOOK_PAGE = "/zh-CN/sect.graphical-desktops.html"


@dataclass(frozen=True)
class Taken:
    """A page that nobody here wrote, captured once for all who look at the capture."""

    site: Site
    captured: Captured


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Taken]:
    @cache
    def once(folder: Path, path: str) -> Taken:
        if not folder.is_dir():
            pytest.skip(f"no {folder} here: `make ready` installs python3-doc, debian-handbook")
        log = Log()
        with serving(partial(Folder, folder=folder, log=log)) as address:
            captured = _captured(tmp_path_factory.mktemp("page"), address + path)
        return Taken(Site(address, log), captured)

    return once


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """The first page of the traps, which sets none."""
    with serving(partial(Traps, log=Log())) as address:
        return _captured(tmp_path_factory.mktemp("plain"), address)


def _captured(folder: Path, url: str, **more: object) -> Captured:
    captured = capture(folder, url, **more)  # type: ignore[arg-type]
    assert captured.exit_status == 0, (captured.said, captured.complained)
    assert captured.complained == ""
    return captured


def _require_all_there(captured: Captured, site: Site) -> None:
    """Everything the server served is archived with that status, or named with its reason."""
    found = {(one.url.replace("ws:", "http:"), one.status) for one in captured.responses()}
    named = {
        one.url for one in captured.record.requests if one.outcome != "recorded" and one.why
    }
    missing = [
        (path, status)
        for _, path, status in site.log.seen
        if (site.address + path, status) not in found and site.address + path not in named
    ]
    assert missing == []


def _require_artefacts(captured: Captured) -> None:
    """The record names every file of items/, no other, by the digests they have."""
    items = captured.out / "items"
    artefacts = {one.name: one for one in captured.record.artefacts}
    assert {path.name for path in items.iterdir()} == set(artefacts)
    for name, item in artefacts.items():
        octets = (items / name).read_bytes()
        assert item.size == len(octets)
        assert item.digests == (sha256(octets), sm3(octets))
        assert item.role == (
            "derivative" if name in {"network.har", "trace.json"} else "original"
        )


@pytest.mark.parametrize(
    "path", [ASYNCIO, "/library/index.html", "/whatsnew/3.11.html"], ids=lambda p: Path(p).stem
)
def test_a_page_of_the_python_documentation(
    taken: Callable[[Path, str], Taken], path: str
) -> None:
    page = taken(PYTHON_DOC, path)
    site, captured = page.site, page.captured
    _require_all_there(captured, site)
    _require_artefacts(captured)
    record = captured.record
    assert record.final_url == site.address + path
    assert record.observed_status == 200
    assert "Python 3.11" in str(record.observed_title)
    # Whoever starts the program by hand has nobody behind it to ask an authority.
    assert record.notes == ("capture.moment-not-stamped", "capture.private-addresses-allowed")
    assert record.private_addresses_allowed == ("127.0.0.1/32",)
    served = {one.url: one.body for one in captured.responses()}
    assert served[site.address + path] == (PYTHON_DOC / path[1:]).read_bytes()
    assert (captured.out / "items/page.pdf").read_bytes().startswith(b"%PDF-")


def test_a_page_of_the_debian_handbook(taken: Callable[[Path, str], Taken]) -> None:
    page = taken(HANDBOOK, HANDBOOK_PAGE)
    _require_all_there(page.captured, page.site)
    _require_artefacts(page.captured)


@pytest.mark.oracle("wacz")
def test_py_wacz_finds_the_package_valid(taken: Callable[[Path, str], Taken]) -> None:
    captured = taken(PYTHON_DOC, ASYNCIO).captured
    verdict = validate_wacz(captured.out / "items/page.wacz")
    assert "Validation succeeded" in verdict, verdict
    with zipfile.ZipFile(captured.out / "items/page.wacz") as package:
        assert package.testzip() is None
        assert all(one.compress_type == zipfile.ZIP_STORED for one in package.infolist())
        assert {one.date_time for one in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.oracle("wb-manager")
def test_pywb_replays_it_with_all_images(
    taken: Callable[[Path, str], Taken], tmp_path: Path
) -> None:
    replayable = taken(HANDBOOK, HANDBOOK_PAGE)
    handbook, captured = replayable.site, replayable.captured
    images = [one.url for one in captured.record.requests if one.kind == "image"]
    title = str(captured.record.observed_title)
    (tmp_path / "pywb").mkdir()
    with replaying(captured.out / "items/page.wacz", tmp_path / "pywb") as collection:
        page = _fetched(f"{collection}/mp_/{handbook.address}{HANDBOOK_PAGE}").decode()
        # id_ asks for the octets as archived
        replayed = {url: _fetched(f"{collection}/id_/{url}") for url in images}
    assert f">{title}</title>" in html.unescape(page)
    assert len(images) > 5
    for url, octets in replayed.items():
        path = url.removeprefix(handbook.address).lstrip("/")
        assert octets == (HANDBOOK / path).read_bytes()


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        octets: bytes = answer.read()
    return octets


def test_a_busy_page_whole(traps: Site, tmp_path: Path) -> None:
    """Workers, frames, POST, HEAD, beacons, events, sockets: all archived or named."""
    captured = _captured(tmp_path, f"{traps.address}/rich")
    _require_all_there(captured, traps)
    record = captured.record
    # The first of each: a stream that was cut is asked for again.
    outcomes = {one.url.removeprefix(traps.address): one for one in reversed(record.requests)}
    assert outcomes["/api/from-worker"].outcome == "recorded"
    assert outcomes["/api/from-service-worker"].outcome == "recorded"
    assert outcomes["/api/head"].outcome == "recorded"
    assert outcomes["/missing.json"].status == 404
    assert outcomes["/events"].outcome == "recorded-in-part"
    socket = next(one for one in record.requests if one.kind == "websocket")
    assert socket.why == "0 frames sent, 1 received"
    posted = [one for one in record.requests if one.method == "POST"]
    assert {one.url.removeprefix(traps.address) for one in posted} == {
        "/api/json",
        "/api/beacon",
    }
    responses = {one.url.removeprefix(traps.address): one for one in captured.responses()}
    assert b"tick 0" in responses["/events"].body
    assert responses["/events"].record["WARC-Truncated"]


def test_redirects_stand_on_the_record(traps: Site, tmp_path: Path) -> None:
    captured = _captured(tmp_path, f"{traps.address}/moved")
    record = captured.record
    assert [(one.means, one.status) for one in record.redirects] == [
        ("http", 301),
        ("http", 302),
    ]
    assert record.requested_url == f"{traps.address}/moved"
    assert record.final_url == f"{traps.address}/arrived"
    _require_all_there(captured, traps)


def test_a_page_that_moves_on_by_itself(traps: Site, tmp_path: Path) -> None:
    captured = _captured(tmp_path, f"{traps.address}/script-moves")
    record = captured.record
    assert [one.means for one in record.redirects] == ["page"]
    assert record.final_url == f"{traps.address}/arrived"
    assert record.observed_title == "arrived"
    _require_all_there(captured, traps)


def _main(captured: Captured) -> Response:
    return next(one for one in captured.responses() if one.url == captured.record.final_url)


def test_octets_are_kept_whatever_their_charset(traps: Site, tmp_path: Path) -> None:
    captured = _captured(tmp_path, f"{traps.address}/gbk")
    assert "证据".encode("gbk") in _main(captured).body
    assert captured.record.observed_title == "证据"
    assert "固证" in (captured.out / "items/dom.html").read_text("utf-8-sig")


def test_a_content_coding_is_undone_and_its_header_renamed(traps: Site, tmp_path: Path) -> None:
    response = _main(_captured(tmp_path, f"{traps.address}/gzip"))
    assert response.body.startswith(b"<!doctype html><title>packed")
    assert "content-encoding" not in response.headers
    assert response.headers["x-orig-content-encoding"] == "gzip"
    assert response.headers["content-length"] == str(len(response.body))
    assert response.record["WARC-IP-Address"] == "127.0.0.1"


def _png_size(path: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def test_a_long_page_comes_in_tiles(traps: Site, tmp_path: Path) -> None:
    captured = _captured(tmp_path, f"{traps.address}/long")
    items = captured.out / "items"
    tiles = sorted(items.glob("screenshot*.png"))
    assert [one.name for one in tiles] == ["screenshot-000.png", "screenshot-001.png"]
    heights = [_png_size(one)[1] for one in tiles]
    assert heights[0] == 16_000
    assert sum(heights) >= 20_000
    _require_artefacts(captured)


def test_a_vast_page_comes_in_tiles_that_memory_holds(traps: Site, tmp_path: Path) -> None:
    captured = _captured(tmp_path, f"{traps.address}/vast")
    tiles = sorted((captured.out / "items").glob("screenshot-*.png"))
    sizes = [_png_size(one) for one in tiles]
    assert {width for width, _ in sizes} == {12_000}
    assert len(sizes) > 2
    assert all(width * height <= TILE_AREA for width, height in sizes)
    assert sum(width * height for width, height in sizes) > PICTURE_AREA - TILE_AREA
    assert "capture.picture-cut" in captured.record.limits_hit


def test_what_loads_lazily_is_loaded(traps: Site, tmp_path: Path) -> None:
    captured = _captured(tmp_path, f"{traps.address}/lazy")
    urls = {one.url.removeprefix(traps.address) for one in captured.responses()}
    assert {f"/item/lazy-{number}.png" for number in range(6)} <= urls
    assert {one.body for one in captured.responses() if "/item/" in one.url} == {PNG}


def test_tls_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with serving(partial(Traps, log=Log()), tls=make_site(tmp_path).context) as address:
        captured = capture(tmp_path, address)
    assert captured.exit_status == 1
    assert captured.failure["code"] == "capture.tls-refused"
    assert "ERR_CERT_AUTHORITY_INVALID" in str(captured.failure["found"])


def test_tls_with_a_key_that_the_order_names(tmp_path: Path) -> None:
    if not PYTHON_DOC.is_dir():
        pytest.skip("no python3-doc here: apt-get install python3-doc")
    site, log = make_site(tmp_path), Log()
    handler = partial(Folder, folder=PYTHON_DOC, log=log)
    with serving(handler, tls=site.context) as address:
        captured = _captured(tmp_path, address + ASYNCIO, trust_spki=[site.spki])
        _require_all_there(captured, Site(address, log))
    record = captured.record
    assert "capture.tls-key-trusted" in record.notes
    assert record.trusted_spki == (site.spki,)
    (tls,) = record.tls
    assert tls.protocol == "TLS 1.3"
    assert tls.issuer == "Trap Root"
    assert tls.chain[0] == Digest("sha256", hashlib.sha256(site.leaf_der).digest())
    logged = captured.environment["certificate_transparency"]
    assert isinstance(logged, dict)
    assert logged[tls.host]["timestamps"] == []  # nobody logged it


def test_the_environment_report_says_what_was_and_was_not_looked_at(plain: Captured) -> None:
    captured = plain
    environment = captured.environment
    profile, browser = environment["profile"], environment["browser"]
    assert isinstance(profile, dict)
    assert isinstance(browser, dict)
    assert profile["entries_at_start"] == []
    assert profile["cookies_at_start"] == 0
    assert "network-owner" in json.dumps(environment["not_checked"])
    room = environment["room"]
    assert isinstance(room, dict)
    assert room["exhibit"] == captured.record.exhibit
    assert room["uid_of_browser"] != os.getuid() or "grade.own-user" in captured.record.missing
    if "grade.network-namespace" not in captured.record.missing:
        assert str(room["network_namespace"]).startswith("net:[")
    cage = browser["sandboxed_processes"]
    if captured.sandbox == "namespace":
        assert cage["renderers"] == cage["seccomp_filtered"] == cage["own_namespace"] > 0
    viewer = captured.record.viewer
    assert viewer is not None
    assert browser["sha256"] == viewer.binary_digest.hex
    assert "--no-sandbox" not in viewer.flags


def test_progress_is_one_json_object_per_line(plain: Captured) -> None:
    assert [one["step"] for one in plain.said] == [one.step for one in plain.record.steps]
    assert plain.said[-1]["step"] == "capture.finished"
    assert json.loads((plain.out / "capture.json").read_bytes())["outcome"] == "captured"
