"""A capture that failed: the attempt is sealed, certified and verified like an exhibit."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng import road
from guzheng.app import Platform
from guzheng.app.wishes import Wanted
from guzheng.config import load
from guzheng.proof import canonical, package
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.digest import sha256
from guzheng.proof.manifest import ATTEMPT, Extent, Manifest
from guzheng.proof.report import Outcome
from guzheng.proof.verify import verify_exhibit
from guzheng.store.blobs import read
from guzheng.verifier.main import main as verify
from guzheng.web import create_app
from tests.faces.conftest import serving
from tests.hostile.capturing import capture
from tests.ports import free_port
from tests.road.deaths import finished_capture, silent
from tests.road.test_fsck import places

pytestmark = [pytest.mark.browser, pytest.mark.oracle("pdftotext")]


class Attempted:
    """A server that accepts no connection, tried once; every test looks at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}/goods?id=7"
        self.platform = self.opened()
        self.exhibit = self.platform.order_capture(self.url)
        self.state = self.platform.walk(self.exhibit, silent)

    def opened(self, data: str = "data") -> Platform:
        allowed = {
            "GUZHENG_ALLOW_PRIVATE": "127.0.0.1/32",
            "GUZHENG_ACCOUNTS": "off",
            "GUZHENG_CAPTURES_WAITING": "0",
        }
        return Platform(load(self.folder / data, environment=allowed))

    def paper(self, name: str) -> bytes:
        return read(self.platform.blobs, f"exhibits/{self.exhibit}/{name}")


@pytest.fixture(scope="module")
def attempted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempted]:
    folder = tmp_path_factory.mktemp("attempts")
    yield Attempted(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_it_is_refused_and_certified_as_what_it_is(attempted: Attempted) -> None:
    assert attempted.state == "refused"
    view = attempted.platform.exhibit(attempted.exhibit)
    assert (view.missing, view.kind) == ((), "web")
    assert view.refusal is not None
    assert view.refusal["code"] == "capture.connection-refused"
    manifest = Manifest.parse(attempted.paper("manifest.json"))
    assert manifest.kind == ATTEMPT
    names = [one.name for one in manifest.items]
    assert names == ["environment.json", "transcript.zip"]
    record = CaptureRecord.parse(attempted.paper("capture.json"))
    assert record.failed
    assert [one.name for one in record.artefacts] == names
    assert manifest.capture == Extent.of(attempted.paper("capture.json"))
    assert "moments/opening.tsa" in attempted.platform.road.papers(attempted.exhibit)
    assert attempted.platform.index.unfinished() == ()
    assert places(attempted.platform) == []


def test_a_finished_attempt_is_kept_by_whoever_comes_next(
    attempted: Attempted, tmp_path: Path
) -> None:
    """Killed when the run had ended and nothing was kept: the same run is kept, not another."""
    failed = capture(tmp_path, f"http://127.0.0.1:{free_port()}/")
    assert failed.exit_status == 1
    platform = attempted.opened(f"after-{tmp_path.name}")
    exhibit = platform.order_capture("http://127.0.0.1:9/")
    folder = f"exhibits/{exhibit}/"
    done = platform.config.data / "captures" / exhibit / "done"
    finished_capture(failed.out, done, exhibit)
    octets = (done / "items/transcript.zip").read_bytes()
    platform.blobs.put(f"{folder}items/transcript.zip", [octets])  # and killed again
    assert platform.walk(exhibit, silent) == "refused"
    assert read(platform.blobs, f"{folder}items/transcript.zip") == octets
    papers = platform.road.papers(exhibit)
    assert {"certificate.pdf", "items/environment.json", "tokens/transcript.zip.tsa"} <= papers
    assert not (platform.config.data / "captures" / exhibit).exists()
    assert places(platform) == []


def test_what_failed_is_not_charged(attempted: Attempted, tmp_path: Path) -> None:
    ordering = attempted.platform.ordering
    (view,) = ordering.page(10)
    quota = ordering.quota()
    assert (view.state, quota.held, quota.spent) == ("failed", 0, 0)
    assert view.reason is not None
    assert view.reason.code == "capture.connection-refused"
    # Killed when the record was kept and the refusal was not: nobody may confirm it.
    other = Platform(load(tmp_path / "data", environment={}))
    exhibit = other.ordering.order(Wanted(attempted.url))[0].commission.exhibit
    other.blobs.put(f"exhibits/{exhibit}/capture.json", [attempted.paper("capture.json")])
    other.ordering.round()
    assert [one.state for one in other.ordering.page(10)] == ["ordered"]


def test_the_certificate_says_what_was_tried_and_what_came_of_it(attempted: Attempted) -> None:
    facts = json.loads(attempted.paper("certificate.json"))
    assert facts["kind"] == ATTEMPT
    tried = facts["capture"]["attempted"]
    assert [(one["outcome"], one["answers"]) for one in tried][:1] == [
        ("not-connected", ["127.0.0.1"])
    ]
    assert tried[0]["because"] == "127.0.0.1: Connection refused"  # no programmer's words
    printed = attempted.folder / "certificate.pdf"
    printed.write_bytes(attempted.paper("certificate.pdf"))
    text = subprocess.run(
        ["pdftotext", printed, "-"], capture_output=True, text=True, check=True
    ).stdout
    text = "".join(text.split())
    for said in (
        "取证失败证明",
        "CERTIFICATEOFAFAILEDCAPTURE",
        "网站拒绝连接",
        "goods?id=7",
    ):
        assert said in text
    assert "对其他访问者不存在或不能打开" in text
    assert "固证时间戳证书" not in text


def test_its_package_is_verified_by_the_program(attempted: Attempted) -> None:
    out, roots = attempted.folder / "p.zip", attempted.folder / "roots.pem"
    attempted.platform.write_package([attempted.exhibit], out)
    roots.write_bytes(attempted.platform.roots_pem())
    assert verify([str(out), "--roots", str(roots)]) == 0


def test_its_page_shows_both(attempted: Attempted) -> None:
    with serving(create_app(attempted.platform, upload_limit=1024)) as face:
        page = face.client.get(f"/exhibits/{attempted.exhibit}", headers=_ENGLISH).text
    for said in ("Certificate of the failed capture", "capture.connection-refused"):
        assert said in page
    assert "certificate.pdf" in page
    assert "data-unfinished" not in page


def test_a_failed_capture_cannot_stand_as_one_that_was_made(attempted: Attempted) -> None:
    value = canonical.parse_object(attempted.paper("capture.json"))
    del value["failure"]
    viewer = {"viewer": _VIEWER} if "viewer" not in value else {}
    other = canonical.encode({**value, **viewer, "outcome": "captured"})
    manifest = canonical.parse_object(attempted.paper("manifest.json"))
    manifest["capture"] = Extent.of(other).value()
    papers = {"manifest.json": canonical.encode(manifest), "capture.json": other}
    observed = {name: package.Observed(len(one), sha256(one)) for name, one in papers.items()}
    report = verify_exhibit(papers, observed, attempted.platform.trust)
    (found,) = [one for one in report.findings if one.step == "capture.digest"]
    assert (found.outcome, found.code) == (Outcome.FAILED, "capture.kind-differs")


def test_killed_between_attempt_and_refusal(attempted: Attempted) -> None:
    """The attempt is kept first: the refusal is made again from it."""
    shutil.copytree(attempted.folder / "data", attempted.folder / "again")
    platform = attempted.opened("again")
    place = f"exhibits/{attempted.exhibit}/"
    kept = {"order.json", "capture.json", "moments/opening.tsa", "moments/before.note"}
    papers = platform.road.papers(attempted.exhibit)
    kept |= {one for one in papers if one.startswith(("items/", "moments/"))}
    for name in papers - kept:
        platform.blobs.remove(place + name)
    platform.rebuild()
    assert platform.walk(attempted.exhibit, silent) == "refused"
    again = json.loads(read(platform.blobs, place + road.REFUSED))
    first = json.loads(attempted.paper(road.REFUSED))
    assert {**again, "observed_at": ""} == {**first, "observed_at": ""}


_ENGLISH = {"Accept-Language": "en"}
_VIEWER = {
    "browser": "", "binary": "", "binary_size": 0, "binary_digest": str(sha256(b"")),
    "flags": [], "user_agent": "", "sandbox": "", "viewport_width": 0, "viewport_height": 0,
    "language": "", "time_zone": "",
}  # fmt: skip
