"""One real capture, opened: what it shows, and what every altered octet of it shows."""

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guzheng.transcript.layout import STYLES
from tests.hostile.capturing import EXHIBIT, ROOT, Captured, capture
from tests.transcript.recording import make_site, pack, spelled
from tests.transcript.site import PICTURE, serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("transcript-capture"),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium"),
]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Captured:
    folder = tmp_path_factory.mktemp("capture")
    site = make_site(folder, "p256")
    key = x509.load_der_x509_certificate(site.leaf).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = base64.b64encode(hashlib.sha256(spki).digest()).decode()
    with serving(site.chain, site.key) as address:
        found = capture(folder, address, trust_spki=[trusted])
    assert found.exit_status == 0, found.complained
    return found


def opened(folder: Path, *options: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "guzheng.transcript", str(folder), "--json", *options],
        capture_output=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == b""
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return done.returncode, value


def altered(captured: Captured, folder: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(captured.out, folder / "copy")
    return folder / "copy"


def faults(report: dict[str, object]) -> set[str]:
    findings = report["findings"]
    assert isinstance(findings, list)
    return {one["code"] for one in findings if one["outcome"] != "passed"}


def test_archive_and_wire_agree_and_what_is_not_whole_is_named(captured: Captured) -> None:
    status, report = opened(captured.out, "--list")
    assert (status, faults(report)) == (0, set())
    figure = report["completeness"]
    assert isinstance(figure, dict)
    assert [(one["url"].rpartition("/")[2], one["why"]) for one in figure["missing"]] == [
        ("moved.png", "body-only-on-wire")
    ]
    assert figure["requested"] == figure["seen_on_wire"] == figure["recorded"] + 1
    assert figure["unopened"] == 0
    written = captured.record.completeness
    assert written is not None
    assert written.requested == figure["requested"]
    assert [one.why for one in written.missing] == ["body-only-on-wire"]
    assert not {one for one in captured.record.notes if "wire" in one}
    exchanges = report["exchanges"]
    assert isinstance(exchanges, list)
    (socket,) = [one for one in exchanges if one["url"].endswith("/socket")]
    assert (socket["status"], socket["frames"]) == (101, {"sent": 1, "received": 1})


def test_started_ahead_it_begins_when_told_and_ends_with_its_starter(
    captured: Captured,
) -> None:
    command = [sys.executable, "-m", "guzheng.transcript", "--json", "--after-line"]
    for line, statuses in (("\n", (0, 2)), ("", (130,))):
        done = subprocess.run(
            [*command, str(captured.out)],
            input=line,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode in statuses, done.stderr
        assert bool(done.stdout) == bool(line)


def test_the_trace_leads_from_a_point_to_the_octets(captured: Captured) -> None:
    _, told = opened(captured.out, "--trace", "100,50")
    boxes = told["boxes"]
    assert isinstance(boxes, list)
    top = boxes[0]
    assert (top["name"], top["box"]) == ("IMG", [0, 0, 200, 100])
    hops = [one["url"].rpartition("/")[2] for one in top["resource"]["steps"]]
    assert hops == ["moved.png", "a.png"]
    place = top["resource"]["steps"][1]["archive"]
    with zipfile.ZipFile(captured.out / "items/page.wacz") as package:
        octets = package.read(place["file"])
    record = gzip.decompress(octets[place["offset"] :][: place["length"]])
    assert PICTURE in record
    assert place["digest"] == f"sha256:{hashlib.sha256(PICTURE).hexdigest()}"
    leaf = str(captured.record.tls[0].chain[0])
    for connection in top["connections"]:  # the two hops may have taken two
        assert connection["answers"] == ["127.0.0.1"]
        assert connection["chain"][:1] == ([] if "resumed_of" in connection else [leaf])
    _, under = opened(captured.out, "--trace", "10,120")
    assert under["boxes"][0]["resource"]["url"].endswith("/back.png")  # type: ignore[index]


def test_the_trace_enters_frames(captured: Captured) -> None:
    trace = json.loads((captured.out / "items/trace.json").read_bytes())
    (frame,) = [one for one in trace["nodes"] if one["name"] == "IFRAME"]
    left, top, _, _ = frame["box"]
    _, told = opened(captured.out, "--trace", f"{left + 3},{top + 3}")
    boxes = told["boxes"]
    assert isinstance(boxes, list)
    assert boxes[0]["resource"]["url"].endswith("/frame")
    assert boxes[0]["name"] != "IFRAME"


def test_the_styles_are_those_that_were_asked_for() -> None:
    from guzheng.capturer.snapshots import COMPUTED_STYLES

    assert STYLES == COMPUTED_STYLES


@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_tshark_reads_the_same_exchanges(captured: Captured, tmp_path: Path) -> None:
    packets, keys = tmp_path / "wire.pcap", tmp_path / "keys.log"
    openssl = ["openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-out", str(keys)]
    key = ["-pass", f"file:{captured.out / 'tls-keys.key'}"]
    sealed = ["-in", str(captured.out / "items/tls-keys.enc")]
    subprocess.run([*openssl, *key, *sealed], check=True, timeout=60)
    status, report = opened(captured.out, "--list", "--keys", str(keys), "--pcap", str(packets))
    assert status == 0
    connections = report["connections"]
    assert isinstance(connections, list)
    ports = {one["port"] for one in connections}
    command = ["tshark", "-n", "-r", str(packets), "-o", f"tls.keylog_file:{keys}"]
    command += [word for port in ports for word in ("-d", f"tcp.port=={port},tls")]
    said = subprocess.run(
        [*command, "-Y", "http", "-T", "fields", "-e", "http.request.method",
         "-e", "http.request.uri", "-e", "http.response.code"],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout.splitlines()  # fmt: skip
    asked, answered = Counter[tuple[str, str]](), Counter[str]()
    for line in said:
        method, uri, code = (*line.split("\t"), "", "")[:3]
        if method:
            asked[method, uri] += 1
        if code:
            answered[code] += 1
    exchanges = report["exchanges"]
    assert isinstance(exchanges, list)
    ours = Counter((one["method"], "/" + one["url"].split("/", 3)[3]) for one in exchanges)
    assert asked == ours
    assert answered == Counter(str(one["status"]) for one in exchanges if one["status"])


def test_without_the_key_nothing_is_claimed(captured: Captured, tmp_path: Path) -> None:
    copy = altered(captured, tmp_path)
    (copy / "tls-keys.key").unlink()
    status, report = opened(copy)
    assert status != 0
    assert "transcript.no-key" in faults(report)
    figure = report["completeness"]
    assert isinstance(figure, dict)
    assert figure["unopened"] > 0
    assert {one["why"] for one in figure["missing"]} == {"connection-not-opened"}
    findings = report["findings"]
    assert isinstance(findings, list)
    (compared,) = [one for one in findings if one["step"] == "archive.exchanges"]
    assert compared["outcome"] == "not-checked"
    assert compared["found"] == "0 compared"


def test_another_body_in_the_archive_is_contradicted(
    captured: Captured, tmp_path: Path
) -> None:
    copy = altered(captured, tmp_path)
    with zipfile.ZipFile(copy / "items/page.wacz") as package:
        members = {name: package.read(name) for name in package.namelist()}
    warc = gzip.decompress(members["archive/data.warc.gz"])
    forged = warc.replace(b"inside the frame", b"INSIDE THE FRAME")
    assert forged != warc
    parts = forged.split(b"WARC/1.1\r\n")[1:]
    rewritten = b""
    for part in parts:
        head, _, rest = part.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if b"-Digest:" not in line]
        whole = b"WARC/1.1\r\n" + b"\r\n".join(kept) + b"\r\n\r\n" + rest
        rewritten += gzip.compress(whole)
    pack(copy / "items/page.wacz", members | {"archive/data.warc.gz": rewritten})
    status, report = opened(copy)
    assert status == 1
    assert faults(report) >= {"transcript.exchange-differs", "transcript.item-altered"}
    figure = report["completeness"]
    assert isinstance(figure, dict)
    assert "body-differs" in {one["why"] for one in figure["missing"]}


def test_an_archive_that_cannot_be_read_contradicts_nothing(
    captured: Captured, tmp_path: Path
) -> None:
    copy = altered(captured, tmp_path)
    with zipfile.ZipFile(copy / "items/page.wacz") as package:
        members = {name: package.read(name) for name in package.namelist()}
    broken = members["archive/data.warc.gz"][:-40]
    pack(copy / "items/page.wacz", members | {"archive/data.warc.gz": broken})
    status, report = opened(copy)
    assert status == 1
    findings = report["findings"]
    assert isinstance(findings, list)
    outcomes = {one["step"]: one["outcome"] for one in findings}
    assert outcomes["archive.form"] == "failed"
    assert outcomes["archive.exchanges"] == outcomes["trace"] == "not-checked"
    assert "transcript.exchange-differs" not in faults(report)
    assert "completeness" not in report


def _within_the_largest_record(octets: bytearray) -> int:
    """RFC 8446 §5.1. Not of the last: the end of a connection may have cut that one."""
    at, largest = 0, (0, 0)
    while at + 5 <= len(octets):
        length = int.from_bytes(octets[at + 3 : at + 5], "big")
        if at + 5 + length < len(octets):
            largest = max(largest, (length, at + 5 + length // 2))
        at += 5 + length
    return largest[1]


def test_an_octet_of_the_wire_cannot_change_unseen(captured: Captured, tmp_path: Path) -> None:
    copy = altered(captured, tmp_path)
    path = copy / "items/transcript.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = max(
        (one for one in members if one.endswith(".received")), key=lambda n: len(members[n])
    )
    octets = bytearray(members[name])
    octets[_within_the_largest_record(octets)] ^= 1
    members[name] = bytes(octets)
    pack(path, members)
    _, report = opened(copy)
    assert "transcript.stream-altered" in faults(report)
    command = [sys.executable, "-m", "guzheng.transcript", str(copy), "--lang", "en"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "not wholly opened" in told.stdout
    assert "not encrypted" not in told.stdout  # every connection of this page is over TLS
    index = json.loads(members["index.json"])  # now with an index that fits
    for one in index["connections"]:
        if name.startswith(f"c{one['number']:05d}."):
            one["received"]["sha256"] = hashlib.sha256(octets).hexdigest()
    pack(path, members | {"index.json": spelled(index)})
    status, report = opened(copy)
    assert status == 1
    wanted = {"transcript.record-not-authentic", "transcript.index-differs"}
    assert faults(report) >= wanted | {"transcript.item-altered"}


def test_a_package_is_opened_as_it_lies(captured: Captured, tmp_path: Path) -> None:
    members = {
        f"exhibits/{EXHIBIT}/{one.relative_to(captured.out)}": one.read_bytes()
        for one in captured.out.rglob("*")
        if one.is_file() and one.name != "tls-keys.key"
    }
    members[f"exhibits/{EXHIBIT}/manifest.json"] = b"{}"
    pack(tmp_path / "package.zip", members)
    password = (captured.out / "tls-keys.key").read_text().strip()
    status, report = opened(tmp_path / "package.zip", "--key", password)
    assert (status, faults(report)) == (0, set())
    assert report["exhibit"] == EXHIBIT


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_person_is_told_as_well(captured: Captured, language: str) -> None:
    command = [sys.executable, "-m", "guzheng.transcript", str(captured.out)]
    done = subprocess.run(
        [*command, "--lang", language], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert {"zh": "通过", "en": "Passed"}[language] in done.stdout
    assert {"zh": "对称密钥", "en": "symmetric keys"}[language] in done.stdout
