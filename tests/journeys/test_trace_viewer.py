"""verify.html from a disc, a captured page in a package: from a click to the wire, offline.

One real capture over TLS is packed; what the page then says of each link is compared with what
the capture's own papers say, and a package whose trace says otherwise is not believed."""

import base64
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, Page, expect

from guzheng.app import Platform
from guzheng.config import load
from guzheng.proof import canonical
from guzheng.prove.verify_page import verify_page
from tests.faces.conftest import Face
from tests.frontend.building import built_library
from tests.journeys.conftest import DESKTOP, PHONE, aside, hands_of
from tests.journeys.test_every_page import _JUDGE, _OVER, AXE
from tests.transcript.recording import make_site
from tests.transcript.site import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("trace-viewer"),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium"),
]
PICTURE = (100, 50)  # of the page: an image that was moved, by a redirect, to another address


@dataclass(frozen=True)
class Packed:
    exhibit: str
    package: Path
    trace: dict[str, Any]

    @property
    def folder(self) -> str:
        return f"exhibits/{self.exhibit}/"


def packed_in(folder: Path) -> Packed:
    site = make_site(folder, "p256")
    key = x509.load_der_x509_certificate(site.leaf).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    environment = {
        "GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32",
        "GUZHENG_CAPTURES_WAITING": "0",
        "GUZHENG_CAPTURE_TRUST_SPKI": base64.b64encode(hashlib.sha256(spki).digest()).decode(),
    }
    with serving(site.chain, site.key) as address:
        platform = Platform(load(folder / "data", environment=environment))
        exhibit = platform.order_capture(address)
        assert platform.walk(exhibit, lambda _step, _detail: None) == "certified"
    package = folder / "package.zip"
    platform.write_package([exhibit], package)
    platform.interrupt()
    with zipfile.ZipFile(package) as archive:
        trace = json.loads(archive.read(f"exhibits/{exhibit}/items/trace.json"))
    return Packed(exhibit, package, trace)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    built_library()
    return aside(lambda: packed_in(tmp_path_factory.mktemp("traced")))


Opened = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, packed: Packed, tmp_path: Path) -> Iterator[Opened]:
    """The page on file://, without a network, with a package in it; nothing may complain."""
    octets = verify_page()
    assert octets is not None
    written = tmp_path / "verify.html"
    written.write_bytes(octets)
    contexts, complaints = [], []

    def open_(given: Path, language: str = "zh", viewport: dict[str, int] = DESKTOP) -> Page:
        context = chromium.new_context(
            viewport={"width": viewport["width"], "height": viewport["height"]}, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on(
            "console",
            lambda one: complaints.append(one.text) if one.type == "error" else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda one: complaints.append(one.url) if one.url.startswith("http") else None,
        )
        page.goto(f"{written.as_uri()}?lang={language}")
        if given.is_dir():
            page.get_by_text("文件夹，或您自己信任的根证书").click()
            page.set_input_files("#engine-folder", str(given))
        else:
            page.set_input_files("#engine-files", str(given))
        page.wait_for_selector("[data-verdict]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def shown(page: Page) -> Page:
    page.click("[data-open-trace]")
    page.wait_for_selector("[data-plate] img")
    # Not wait_for_function: the page's policy refuses what it asks a second time.
    page.evaluate(
        "Promise.all([...document.querySelectorAll('[data-plate] img')]"
        ".map((one) => one.decode()))"
    )
    return page


def click_at(page: Page, packed: Packed, x: int, y: int) -> None:
    """At pixels of the whole page, wherever the picture is now."""
    scale = page.evaluate(
        "document.querySelector('[data-plate]').clientWidth"
        " / document.querySelector('[data-plate] img').naturalWidth"
    )
    page.click("[data-plate]", position={"x": x * scale, "y": y * scale})


def links(page: Page) -> str:
    page.wait_for_selector("[data-links]")
    return page.inner_text("[data-chain]")


def test_a_click_leads_to_the_wire_and_says_what_was_checked(
    opened: Opened, packed: Packed
) -> None:
    page = shown(opened(packed.package))
    click_at(page, packed, *PICTURE)
    told = links(page)
    for name in ("IMG", "/moved.png", "/a.png", "archive/data.warc.gz", "127.0.0.1"):
        assert name in told
    (connection, *_) = packed.trace["connections"]
    assert connection["chain"][0] in told
    assert connection["protocol"] in told
    assert page.locator("[data-links] .failed").count() == 0
    assert "存档记录已在本机解开，内容重算的指纹一致" in told
    assert "索引的指纹与取证记录所载一致" in told
    basis = page.inner_text("[data-trace] .checks")
    assert "平台自己的观察" in basis
    assert "没有在这里打开" in basis
    assert f"--exhibit {packed.exhibit}" in basis


def test_keyboard_and_list_are_equal_ways(opened: Opened, packed: Packed) -> None:
    page = shown(opened(packed.package, "en"))
    page.focus("[data-plate]")
    for key in ("ArrowRight",) * 5 + ("ArrowDown",) * 2 + ("Shift+ArrowDown",) * 5 + ("Enter",):
        page.keyboard.press(key)
    expect(page.locator("[data-chain] h3")).to_contain_text("100, 50")
    by_keys = links(page).partition("\n")[2]
    page.click("[data-resources] summary")
    page.click("[data-resources] button:has-text('moved.png')")
    expect(page.locator("[data-chain] h3")).not_to_contain_text("100, 50")
    for line in ("IMG", "moved.png", "Observed by the platform", "the transcript's index"):
        assert line in by_keys
        assert line in links(page)


def test_a_folder_and_what_lies_below_the_box(
    opened: Opened, packed: Packed, tmp_path: Path
) -> None:
    with zipfile.ZipFile(packed.package) as archive:
        archive.extractall(tmp_path / "disc")
    page = shown(opened(tmp_path / "disc"))
    click_at(page, packed, *PICTURE)
    links(page)
    page.click("[data-chain] .under button:has-text('BODY')")
    expect(page.locator("[data-links] li").first).to_contain_text("BODY")


def test_the_sites_page_leads_there_too(face: Face, chromium: Browser, packed: Packed) -> None:
    """The same engine under the site's own content policy, the network taken away."""
    with hands_of(chromium, face.address, None) as hands:
        page = hands.go("/verify?lang=zh")
        page.wait_for_selector("[data-engine]")
        page.wait_for_load_state("networkidle")
        page.context.set_offline(True)
        page.set_input_files("#engine-files", str(packed.package))
        page.wait_for_selector("[data-verdict]")
        assert packed.package.name in page.inner_text("[data-answer]")
        click_at(shown(page), packed, *PICTURE)
        assert "/moved.png" in links(page)
        assert [one for one in hands.complaints if "/api/time" not in one] == []


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: `make ready` installs it")
@pytest.mark.parametrize(
    ("viewport", "language"),
    [pytest.param(PHONE, "zh", id="phone"), pytest.param(DESKTOP, "en", id="desktop")],
)
def test_everybody_can_use_it(
    opened: Opened, packed: Packed, viewport: dict[str, int], language: str
) -> None:
    page = shown(opened(packed.package, language, viewport))
    click_at(page, packed, *PICTURE)
    links(page)
    page.click("[data-resources] summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.evaluate(_OVER) == []
    session = page.context.new_cdp_session(page)
    answer = session.send(
        "Runtime.evaluate",
        {
            "expression": f"{AXE.read_text('utf-8')};({_JUDGE})()",
            "awaitPromise": True,
            "returnByValue": True,
        },
    )
    assert answer["result"]["value"] == []


def altered(packed: Packed, out: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The package with one item changed, and every digest above it made to fit again."""
    with zipfile.ZipFile(packed.package) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    place = packed.folder + name
    members[place] = change(members[place])
    manifest = json.loads(members[f"{packed.folder}manifest.json"])
    for item in manifest["items"]:
        if f"items/{item['name']}" == name:
            octets = members[place]
            item["size"] = len(octets)
            item["digests"] = [
                f"sha256:{hashlib.sha256(octets).hexdigest()}",
                f"sm3:{hashlib.new('sm3', octets).hexdigest()}",
            ]
    members[f"{packed.folder}manifest.json"] = canonical.encode(manifest)
    lines = [
        f"{hashlib.sha256(octets).hexdigest()}  {one}\n"
        for one, octets in sorted(members.items())
        if one != "SHA256SUMS"
    ]
    members["SHA256SUMS"] = "".join(lines).encode()
    return written_to(out, members)


def written_to(out: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(out, "w") as archive:
        for one, octets in members.items():
            plain = zipfile.ZipInfo(one)
            plain.external_attr = 0o100644 << 16  # else it is no plain file, and refused
            archive.writestr(plain, octets)
    return out


def redirected(octets: bytes) -> bytes:
    """A trace that leads to another place of the archive, another peer, another request."""
    trace = json.loads(octets)
    for resource in trace["resources"]:
        for step in resource["steps"]:
            if "archive" in step:
                step["archive"]["digest"] = "sha256:" + "0" * 64
            step["request"] = step.get("request", 0) + 1
    for connection in trace["connections"]:
        connection["peer"] = "192.0.2.1"
        connection["chain"] = ["sha256:" + "1" * 64 for _ in connection["chain"]]
    return canonical.encode(trace)


def test_a_trace_that_says_otherwise_is_not_believed(
    opened: Opened, packed: Packed, tmp_path: Path
) -> None:
    """Whoever can seal anew can write any trace: the other papers still contradict it."""
    given = altered(packed, tmp_path / "lie.zip", "items/trace.json", redirected)
    page = shown(opened(given))
    assert "时间戳的证明不能由此确定" in page.inner_text("[data-trace] .checks")
    click_at(page, packed, *PICTURE)
    links(page)
    failed = page.locator("[data-links] .failed").all_inner_texts()
    assert {one.partition("\n")[0].split()[0] for one in failed} == {
        "请求",
        "存档记录",
        "连接",
        "网站证书（SHA-256）",
    }


def test_an_altered_picture_is_not_shown(
    opened: Opened, packed: Packed, tmp_path: Path
) -> None:
    """Altered without a new manifest: nothing of it is drawn."""
    with zipfile.ZipFile(packed.package) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    picture = members[f"{packed.folder}items/screenshot.png"]
    members[f"{packed.folder}items/screenshot.png"] = picture[:-1] + bytes([picture[-1] ^ 1])
    page = opened(written_to(tmp_path / "altered.zip", members))
    page.click("[data-open-trace]")
    expect(page.locator("[data-trace] .warned")).to_contain_text("没有显示")
    assert page.locator("[data-plate]").count() == 0


@pytest.mark.parametrize("octets", [b"", b"{}", b"[" * 40, b'{"schema":"guzheng.trace/1"}'])
def test_a_malformed_trace_is_refused_with_words(
    opened: Opened, packed: Packed, tmp_path: Path, octets: bytes
) -> None:
    given = altered(packed, tmp_path / "odd.zip", "items/trace.json", lambda _: octets)
    page = opened(given)
    page.click("[data-open-trace]")
    expect(page.locator("[data-trace] .warned")).to_contain_text("没有显示")
    assert page.locator("[data-plate]").count() == 0


def test_what_a_browser_gets_stays_light() -> None:
    octets = verify_page()
    assert octets is not None
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("verify.html", octets)
    assert len(octets) <= 340_000
    assert len(held.getvalue()) <= 115_000
