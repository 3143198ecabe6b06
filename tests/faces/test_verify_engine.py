"""The verification centre in a real Chromium: everything is judged where the file lies."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.prove.verify_page import verify_page
from guzheng.web.guard import ENGINE_POLICY
from guzheng.web.verification import ENGINE
from tests.faces.browser import Browser, Page
from tests.faces.conftest import Certified, Face
from tests.frontend.building import built_library

pytestmark = pytest.mark.browser

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
READY = "document.querySelector('[data-engine]')"
ANSWERED = "document.querySelector('[data-answered]')"
GOING = "document.querySelector('[data-going]:not([hidden]) progress[value]')"
OUTCOME = "document.querySelector('[data-verdict]').className"
# What the page has fetched, the clock in its header apart.
FETCHED = (
    "performance.getEntriesByType('resource').filter((one) => !one.name.includes('/api/time'))"
)
ASKED = f"{FETCHED}.length"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    built_library()


@pytest.fixture
def page(browser: Browser, face: Face) -> Iterator[Page]:
    opened = browser.page()
    opened.open(f"{face.address}/verify")
    if ENGINE not in opened.run("document.documentElement.outerHTML"):
        pytest.skip("the server of this run started before the engine was built")
    opened.wait_for(READY)
    yield opened
    assert opened.complaints == []
    opened.close()


def offline(page: Page) -> None:
    page.call(
        "Network.emulateNetworkConditions",
        offline=True,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )


def test_a_pair_is_judged_and_nothing_is_asked_for(page: Page, certified: Certified) -> None:
    page.wait_for(f"{FETCHED}.some((one) => one.name.includes('engine-worker'))")
    offline(page)  # from here on there is nobody to ask
    before = page.run(ASKED)
    page.choose("#engine-files", certified.original, certified.token)
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict passed"
    assert "验证通过：文件未被改动" in page.text("[data-verdict]")
    assert "已经存在，此后逐字节未变" in page.text("[data-verdict]")
    digest = hashlib.sha256(certified.original.read_bytes()).hexdigest()
    assert digest[:8] in page.text("[data-answer]")
    assert "openssl ts -verify" in page.text("[data-answer]")
    assert page.run("document.activeElement.matches('[data-verdict]')") is True
    assert page.run(ASKED) == before
    page.complaints[:] = [one for one in page.complaints if "/api/time" not in one]


def test_what_is_dropped_anywhere_is_taken(page: Page, certified: Certified) -> None:
    octets = list(certified.package.read_bytes())
    page.run(
        "{ const carried = new DataTransfer();"
        f"carried.items.add(new File([new Uint8Array({octets})], 'package.zip'));"
        "for (const kind of ['dragenter', 'drop']) document.body.dispatchEvent("
        "new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true })); }"
    )
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict passed"
    assert page.run("document.querySelector('.curtain').hidden") is True


def test_a_report_is_printed_with_everything_open(page: Page, certified: Certified) -> None:
    page.choose("#engine-files", certified.package)
    page.wait_for(ANSWERED)
    page.run("dispatchEvent(new Event('beforeprint'))")
    closed = (
        "[...document.querySelectorAll('[data-answer] details')].filter((one) => !one.open)"
    )
    assert page.run(f"{closed}.length") == 0
    assert "guzheng-verify package.zip --roots roots.pem" in page.text("[data-answer]")
    assert page.call("Page.printToPDF")["data"]


def test_a_wrong_pair_says_so(page: Page, certified: Certified, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("another file")
    page.choose("#engine-files", other, certified.token)
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict failed"
    assert "指纹不一致" in page.text("[data-verdict]")


def test_a_package_is_judged(page: Page, certified: Certified) -> None:
    page.choose("#engine-files", certified.package)
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict passed", page.text("[data-answer]")
    assert "不晚于" in page.text("[data-answer]")


def test_a_package_that_holds_roots_is_no_list_of_roots(page: Page) -> None:
    page.choose("#engine-files", VECTORS / "package" / "stranger.zip")
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict not-checked"


def test_a_certificate_is_judged(page: Page, certified: Certified) -> None:
    page.choose("#engine-files", certified.certificate)
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict passed", page.text("[data-answer]")
    told = page.text("[data-answer]")
    assert "原件不在其中" in told
    assert "证书签名有效" in told
    assert "证书与文书一致" not in told, "there were no papers"
    within = (
        "[...document.querySelectorAll('[data-answer] .digits')].every((one) =>"
        " one.getBoundingClientRect().right"
        " <= one.closest('.card').getBoundingClientRect().right)"
    )
    assert page.run(within), "fingerprints stand over the side of their card"


def test_a_file_alone_is_looked_up_when_asked(page: Page, certified: Certified) -> None:
    page.choose("#engine-files", certified.original)
    page.wait_for(ANSWERED)
    assert hashlib.sha256(certified.original.read_bytes()).hexdigest()[:8] in page.text(
        "[data-prints]"
    )
    assert page.text("[data-found]") == ""
    page.run("document.querySelector('[data-look-up]').click()")
    page.wait_for("document.querySelector('[data-found] .say')")


def test_a_token_of_another_authority_needs_its_root(page: Page) -> None:
    """Signature and path are judged apart: unknown is not forged."""
    folder = VECTORS / "timestamp"
    page.choose("#engine-files", folder / "photograph.txt", folder / "good-p256.tsa")
    page.wait_for(ANSWERED)
    assert page.run(OUTCOME) == "verdict not-checked"
    assert "时间戳签名有效" in page.text("[data-answer]")
    assert "取得它的根证书" in page.text("[data-answer]"), "and how to go on"
    page.choose("#engine-trust", folder / "roots.pem")
    page.wait_for("document.querySelectorAll('[data-given] li').length === 3")
    page.wait_for("document.querySelector('.verdict.passed')")  # asked again by itself


def test_what_is_missing_is_said_where_it_is_seen(page: Page) -> None:
    page.size(360, 560, phone=True)
    page.choose("#engine-files", VECTORS / "timestamp" / "good-p256.tsa")
    said = "document.querySelector('[data-going-said]')"
    page.wait_for(f"{said}.textContent.includes('还缺原件')")
    bottom = f"{said}.getBoundingClientRect().bottom"
    page.wait_for(f"0 < {bottom} && {bottom} <= innerHeight - 56")  # above the bar at the foot


def test_a_name_does_not_become_markup(
    page: Page, certified: Certified, tmp_path: Path
) -> None:
    evil = tmp_path / "<img src=x onerror=document.title='owned'>.txt"
    evil.write_bytes(certified.original.read_bytes())
    page.choose("#engine-files", evil, certified.token)
    page.wait_for(ANSWERED)
    assert page.run("document.querySelector('[data-answer] img')") is None
    assert "owned" not in page.run("document.title")


def test_the_worker_may_connect_to_nothing(page: Page, face: Face) -> None:
    address = page.run("document.querySelector('[data-engine-root]').dataset.worker")
    answer = face.client.get(str(address))
    assert answer.headers["Content-Security-Policy"] == ENGINE_POLICY
    assert "connect-src 'none'" in ENGINE_POLICY
    page_policy = face.client.get("/verify").headers["Content-Security-Policy"]
    assert "wasm-unsafe-eval" not in page_policy


@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits(page: Page, certified: Certified, width: int) -> None:
    page.size(width, 800, phone=width < 500)
    page.choose("#engine-files", certified.package)
    page.wait_for(ANSWERED)
    assert page.run("document.documentElement.scrollWidth") <= width


# ---- verify.html: one file, from a disc ------------------------------------------------------


@pytest.fixture
def single(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    octets = verify_page()
    assert octets is not None
    written = tmp_path / "verify.html"
    written.write_bytes(octets)
    opened = browser.page()
    offline(opened)
    opened.open(f"{written.as_uri()}?lang=zh")
    opened.wait_for(READY)
    yield opened
    assert opened.complaints == []
    opened.close()


def test_the_single_page_judges_a_package_without_a_network(
    single: Page, certified: Certified
) -> None:
    single.choose("#engine-files", certified.package)
    single.wait_for(ANSWERED)
    assert single.run(OUTCOME) == "verdict passed", single.text("[data-answer]")
    assert "取自证据包自身" in single.text("[data-answer]")
    assert single.run(ASKED) == 0


def test_the_printed_report_leaves_no_sheet_empty(
    single: Page, certified: Certified, tmp_path: Path
) -> None:
    """The checks of a package, longer than a sheet, begin under the verdict."""
    single.choose("#engine-files", certified.package)
    single.wait_for(ANSWERED)
    report = tmp_path / "report.pdf"
    printed = single.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)
    report.write_bytes(base64.b64decode(printed["data"]))
    told = subprocess.run(
        ["pdftotext", "-layout", report, "-"], check=True, capture_output=True, text=True
    ).stdout
    first = told.partition("\f")[0]
    assert "逐项结果" in first and "原件与清单一致" in first, first
    assert "离线核验一份证据包" not in told and "guzheng-verify" in told, told


def test_the_single_page_judges_a_folder(
    single: Page, certified: Certified, tmp_path: Path
) -> None:
    """As a disc is: the same members, unpacked."""
    folder = tmp_path / "disc"
    with zipfile.ZipFile(certified.package) as archive:
        archive.extractall(folder)
    single.choose("#engine-folder", folder)
    single.wait_for(ANSWERED)
    assert single.run(OUTCOME) == "verdict passed", single.text("[data-answer]")


def test_the_single_page_asks_for_roots(single: Page, certified: Certified) -> None:
    single.choose("#engine-files", certified.original, certified.token)
    single.wait_for(ANSWERED)
    assert single.run(OUTCOME) == "verdict not-checked"
    with zipfile.ZipFile(certified.package) as archive:
        roots = certified.original.parent / "roots.pem"
        roots.write_bytes(archive.read("trust/roots.pem"))
    single.choose("#engine-trust", roots)
    single.wait_for("document.querySelectorAll('[data-given] li').length === 3")
    single.run("document.querySelector('[data-check]').click()")
    single.wait_for("document.querySelector('.verdict.passed')")


def commands(page: Page) -> list[str]:
    return list(
        page.run(
            "[...document.querySelectorAll('.command code')].map((one) => one.textContent)"
        )
    )


def repeated(lines: list[str], folder: Path) -> list[int]:
    """Each line as it is printed, in a shell; where the command stands as in this run."""
    found = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return [
        subprocess.run(
            ["/bin/sh", "-c", line], cwd=folder, env=found, capture_output=True, check=False
        ).returncode
        for line in lines
    ]


@pytest.mark.parametrize(
    ("name", "token_name"),
    [("-original.txt", "-token.tst"), ("合同 $a`b'.txt", 'their "own".tst')],
)
def test_the_commands_repeat_it_as_printed(
    single: Page, tmp_path: Path, name: str, token_name: str
) -> None:
    """Whatever the files are called, and from the PEM of a Windows machine."""
    folder = VECTORS / "timestamp"
    body = base64.encodebytes((folder / "bare-token.tsa").read_bytes()).decode()
    pem = f"-----BEGIN PKCS7-----\n{body}-----END PKCS7-----\n".replace("\n", "\r\n")
    (tmp_path / name).write_bytes((folder / "photograph.txt").read_bytes())
    (tmp_path / token_name).write_bytes(pem.encode())
    (tmp_path / "roots.pem").write_bytes((folder / "roots.pem").read_bytes())
    single.choose("#engine-files", *(tmp_path / one for one in (name, token_name, "roots.pem")))
    single.wait_for(ANSWERED)
    assert single.run(OUTCOME) == "verdict passed", single.text("[data-answer]")
    lines = commands(single)
    assert len(lines) == 4
    assert repeated(lines, tmp_path) == [0, 0, 0, 0], lines


def test_the_commands_for_one_exhibits_folder(single: Page, tmp_path: Path) -> None:
    """It has no listing of its own, and whom to believe is not beside it: both are given."""
    with zipfile.ZipFile(VECTORS / "package" / "good.zip") as archive:
        archive.extractall(tmp_path)
    (folder,) = (tmp_path / "exhibits").iterdir()
    trust = [tmp_path / "trust" / one for one in ("roots.pem", "ledger.policy")]
    single.choose("#engine-trust", *trust)
    single.wait_for("document.querySelectorAll('[data-given] li').length === 2")
    single.choose("#engine-folder", folder)
    single.wait_for(ANSWERED)
    assert single.run(OUTCOME) == "verdict passed", single.text("[data-answer]")
    lines = commands(single)
    assert lines == ["guzheng-verify . --roots roots.pem --policy ledger.policy"]
    beside = [line.replace("roots.pem", str(trust[0])) for line in lines]
    beside = [line.replace("ledger.policy", str(trust[1])) for line in beside]
    assert repeated(beside, folder) == [0]


def test_of_two_originals_none_is_dropped_silently(single: Page, tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    single.choose("#engine-files", tmp_path / "one.txt", tmp_path / "two.txt")
    single.wait_for("!document.querySelector('[data-going]').hidden")
    assert "一次核验一份" in single.text("[data-going-said]")
    assert single.run(ANSWERED + " === null")


def test_a_file_called_a_token_is_judged_as_one(single: Page, tmp_path: Path) -> None:
    """Too long to be one: failed, as the command says, and not a second original."""
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "one.tsr").write_bytes(bytes(2_000_000))
    single.choose("#engine-files", tmp_path / "one.txt", tmp_path / "one.tsr")
    single.wait_for(ANSWERED)
    assert single.run(OUTCOME) == "verdict failed"
    assert "timestamp.too-large" in single.text("[data-answer]")


def test_what_goes_on_is_seen_on_a_phone_and_stopped_by_keyboard(
    single: Page, tmp_path: Path
) -> None:
    single.size(360, 740, phone=True)
    large = tmp_path / "recording.mkv"
    with large.open("wb") as stream:
        stream.truncate(2 << 30)
    single.choose("#engine-files", large)
    single.wait_for(GOING)
    seen = "document.querySelector('[data-going] button').getBoundingClientRect().bottom"
    assert single.run(seen) <= 740
    stop = "document.querySelector('[data-going] button')"
    single.run(f"{stop}.focus()")
    single.run(f"{stop}.click()")
    single.wait_for("document.querySelector('[data-going-said]').textContent === '已停止。'")
    assert single.run("document.activeElement.matches('[data-going-said]')") is True


def test_what_was_cleared_is_not_answered(single: Page, tmp_path: Path) -> None:
    large = tmp_path / "recording.mkv"
    with large.open("wb") as stream:
        stream.truncate(2 << 30)
    single.choose("#engine-files", large)
    single.wait_for(GOING)
    single.run("document.querySelector('[data-clear]').click()")
    single.wait_for("document.querySelector('[data-going-said]').textContent === '已停止。'")
    assert single.run(ANSWERED + " === null")
    assert single.run("document.querySelectorAll('[data-given] li').length") == 0


def test_the_single_page_cannot_reach_anybody(single: Page) -> None:
    policy = single.run("document.querySelector('meta[http-equiv]').content")
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    tried = single.run(
        "fetch('http://127.0.0.1:9/').then(() => 'reached', (error) => error.name)"
    )
    assert tried == "TypeError"
    assert any("Content Security Policy" in one for one in single.complaints), single.complaints
    single.complaints.clear()


def test_the_single_page_names_no_address() -> None:
    octets = verify_page()
    assert octets is not None
    text = octets.decode()
    found = {
        one for one in ("http://", "https://") if f'"{one}' in text or f"src={one}" in text
    }
    assert found <= {"http://"}, found  # the namespace of SVG
    assert json.dumps("src=") not in text
