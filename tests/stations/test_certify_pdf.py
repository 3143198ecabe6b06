"""The certificate as a file: PDF/A-3a, papers inside, every fact readable, nothing outside."""

import io
import multiprocessing
import re
import shutil
import subprocess
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pikepdf
import pytest

from guzheng.certify import certify
from guzheng.certify.document import Circumstances, code_of, document_of
from guzheng.certify.fonts import DEBIAN, find_face, packaged_face
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed
from tests.stations.certify_cases import (
    CAPTURE,
    NUMBER,
    SIGNED_AT,
    URL,
    Facts,
    certificate,
    facts,
    item,
    papers,
    press,
    signer,
)

KINDS = ("deposit", "hash-only", "web")
_PAGE_WIDTH, _PAGE_HEIGHT = 595.28, 841.89  # A4 in points
_FRAME = 10.6 * 72 / 25.4  # the inner rule of the frame
HOSTILE = (
    '#let x = read("/etc/passwd"); #{x} _it_ *b* [c] $d$ // \\ `raw` <a> @b ~ -- ---\n'
    "\u202egpj.exe \u200b\ufeff 😀 العربية ‹U+202E› \x00\x1b[31m ｅ̈ "
)


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def _run(program: str, *arguments: str | Path, octets: bytes = b"") -> str:
    done = subprocess.run(
        [_found(program), *map(str, arguments)], input=octets, capture_output=True, check=True
    )
    return done.stdout.decode()


def _text(pdf: bytes) -> str:
    return _run("pdftotext", "-", "-", octets=pdf)


def _close(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _printed(given: Facts, fonts: str = "found") -> bytes:
    used = press(fonts)
    attached = papers(given)
    circumstances = Circumstances(used.face.drawn, "CN=某某", tuple(attached), URL)
    document = document_of(given, circumstances)
    return used.print(document, code_of(given, circumstances), attached, dated_at=SIGNED_AT)


def _pdfa_faults(octets: bytes) -> list[str]:
    """The rules of ISO 19005-3 that can be checked without its whole apparatus."""
    faults: list[str] = []
    with pikepdf.open(io.BytesIO(octets)) as pdf:
        root = pdf.Root
        with pdf.open_metadata() as metadata:
            if (metadata.get("pdfaid:part"), metadata.get("pdfaid:conformance")) != ("3", "A"):
                faults.append("pdfaid")
        intents = list(root.OutputIntents) if "/OutputIntents" in root else []
        if not any(one.S == "/GTS_PDFA1" and "/DestOutputProfile" in one for one in intents):
            faults.append("no output intent with a profile")
        if len(pdf.trailer.get("/ID", [])) != 2:
            faults.append("no ID")
        if pdf.is_encrypted:
            faults.append("encrypted")
        marked = "/MarkInfo" in root and bool(root.MarkInfo.Marked)
        if not marked or "/StructTreeRoot" not in root:
            faults.append("not tagged")
        if "/Lang" not in root:
            faults.append("no language")
        for each in pdf.objects:
            if isinstance(each, pikepdf.Dictionary | pikepdf.Stream):
                faults += _object_faults(each)
        for page in pdf.pages:
            for annotation in page.obj.get("/Annots", []):
                if not int(annotation.get("/F", 0)) & 4 or int(annotation.get("/F", 0)) & 0x23:
                    faults.append("annotation flags")
    return faults


def _object_faults(each: pikepdf.Object) -> list[str]:
    faults = [f"{name} is forbidden" for name in ("/JS", "/AA", "/Launch") if name in each]
    if each.get("/S") in ("/JavaScript", "/Launch", "/Movie", "/Sound"):
        faults.append("a forbidden action")
    filters = each.get("/Filter") if isinstance(each, pikepdf.Stream) else None
    if filters is not None and "LZW" in str(filters):
        faults.append("LZW")
    if each.get("/Subtype") == "/Type0" and "/ToUnicode" not in each:
        faults.append("no ToUnicode")
    if each.get("/Type") == "/FontDescriptor" and not (
        set(each.keys()) & {"/FontFile", "/FontFile2", "/FontFile3"}
    ):
        faults.append("a font that is not embedded")
    if each.get("/Type") == "/Filespec":
        if each.get("/AFRelationship") not in ("/Data", "/Source", "/Supplement"):
            faults.append("an attachment without relationship")
        if "/Subtype" not in each.EF.F or "/UF" not in each:
            faults.append("an attachment without type or name")
    return faults


@pytest.mark.parametrize("kind", KINDS)
def test_before_and_after_signing_it_keeps_the_rules_of_pdfa(kind: str) -> None:
    assert _pdfa_faults(_printed(facts(kind))) == []
    assert _pdfa_faults(certificate(kind)) == []


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
def test_qpdf_finds_nothing_wrong(kind: str, tmp_path: Path) -> None:
    (tmp_path / "certificate.pdf").write_bytes(certificate(kind))
    found = _run("qpdf", "--check", tmp_path / "certificate.pdf")
    assert "No syntax or stream encoding errors found" in found


@pytest.mark.parametrize("kind", KINDS)
def test_the_papers_are_attached_byte_for_byte(kind: str) -> None:
    given = facts(kind)
    with pikepdf.open(io.BytesIO(certificate(kind))) as pdf:
        names = [str(one.UF) for one in pdf.Root.AF]
        files = {spec.filename: spec.get_file() for spec in pdf.attachments.values()}
        attached = {name: file.read_bytes() for name, file in files.items()}
        types = {name: file.mime_type for name, file in files.items()}
    assert attached == papers(given)
    assert sorted(names) == sorted(attached)
    assert types["seal.tsa"] == "application/timestamp-reply"
    assert types["manifest.json"] == "application/json"


def test_an_attachment_cannot_leave_its_folder() -> None:
    for name in ("../x", "/etc/passwd", "a/../../b", "x\x00y", "C:\\x"):
        with pytest.raises(Malformed):
            certify(facts(), {name: b""}, signer(), signed_at=SIGNED_AT)


@pytest.mark.oracle
def test_what_matters_can_be_read_by_a_machine() -> None:
    given = facts()
    text = _close(_text(certificate()))
    assert _close("2026-11-21 18:44:12.038 (UTC+08:00)") in text
    for sentence in (
        NUMBER,
        str(given["exhibit"]),
        "法律提示：本证书及说明仅供参考，必要时请咨询专业律师。",
        "证明什么",
        "不证明什么",
        "文件所载内容真实、合法，或与案件有关。",
        "openssl ts -verify -data manifest.json -in seal.tsa -CAfile roots.pem",
        "guzheng-verify PACKAGE",
        f"{URL}/verify#{NUMBER}",
    ):
        assert _close(sentence) in text, sentence
    digests = given["manifest_digests"]
    items = given["items"]
    assert isinstance(digests, list)
    assert isinstance(items, list)
    for digest in (*digests, *items[0]["digests"]):
        assert Digest.parse(digest).hex in text
    assert not re.search("区块链|司法链|blockchain", text, re.IGNORECASE)


@pytest.mark.oracle
def test_sixty_files_are_all_listed_under_a_repeated_head() -> None:
    text = _text(_printed(facts(items=[item(f"图片_{n:03d}.jpg") for n in range(60)])))
    assert all(f"图片_{n:03d}.jpg" in text for n in range(60))
    assert text.count("序号") == text.count("\f") - 1  # on every page but the first


@pytest.mark.oracle
@pytest.mark.parametrize("fonts", ["found", "packaged"])
@pytest.mark.parametrize(
    "given",
    [
        facts(claimed_name=HOSTILE, claimed_applicant=HOSTILE, claimed_purpose="x" * 1000),
        facts(items=[item("长" * 78 + ".mp4"), item("a_#[$`]@" * 29 + ".bin")]),
        facts(items=[item("W" * 240)] + [item(f"é{n}" * 60) for n in range(4)]),
        facts(
            "web",
            capture=CAPTURE
            | {
                "requested_url": "https://example.cn/" + "a%20b&" * 330,
                "final_url": "https://example.cn/" + "W" * 1981,
                "observed_title": HOSTILE * 20,
                "notes": ["x" * 200],
            },
        ),
    ],
    ids=["markup", "names", "wide", "addresses"],
)
def test_hostile_text_is_shown_as_it_stands_and_stays_on_the_page(
    given: Facts, fonts: str
) -> None:
    pdf = _printed(given, fonts)
    assert _pdfa_faults(pdf) == []
    boxes = re.findall(
        r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)"',
        _run("pdftotext", "-bbox", "-", "-", octets=pdf),
    )
    assert boxes
    for x_min, y_min, x_max, y_max in (map(float, box) for box in boxes):
        assert x_min > _FRAME
        assert y_min > _FRAME
        assert x_max < _PAGE_WIDTH - _FRAME
        assert y_max < _PAGE_HEIGHT - _FRAME
    if given["claimed_name"] == HOSTILE:
        text = _close(_text(pdf))
        assert _close('#let x = read("/etc/passwd"); #{x} _it_ *b* [c] $d$ // \\ `raw`') in text
        assert "‹U+202E›gpj.exe" in text
        assert "‹U+1F600›" in text
        assert "‹U+2039›U+202E" in text  # a name that plays at being written out
        assert _close("原文见附件 certificate.json") in text


def test_threads_may_share_one_press_and_one_signer() -> None:
    def made(number: int) -> bytes:
        given = facts(claimed_name=f"证据 {number}")
        return certify(given, papers(given), signer(), signed_at=SIGNED_AT)

    with ThreadPoolExecutor(4) as threads:
        for number, pdf in enumerate(threads.map(made, range(8))):
            with pikepdf.open(io.BytesIO(pdf)) as opened:
                twin = next(
                    spec
                    for spec in opened.attachments.values()
                    if spec.filename == "certificate.json"
                )
                assert f"证据 {number}".encode() in twin.get_file().read_bytes()


def test_the_same_facts_print_the_same_bytes() -> None:
    assert _printed(facts("web")) == _printed(facts("web"))
    assert _printed(facts()) != _printed(facts(claimed_name="另一"))


def test_what_was_printed_before_changes_no_byte() -> None:
    """typst remembers what it laid out; whoever prints the first one gets the same."""
    before = [facts("web"), facts(number="GZ-20261121-0000000000"), facts("hash-only")]
    for other in before:
        assert _printed(other) != _printed(facts())
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        assert fresh.submit(_printed, facts()).result() == _printed(facts())


def test_both_sets_of_fonts_are_really_used() -> None:
    if not (DEBIAN / "NotoSansCJK-Bold.ttc").is_file():
        pytest.skip("fonts-noto-cjk is not installed")
    for used, family in ((find_face(), b"NotoSansCJKsc"), (packaged_face(), b"NotoSansSC")):
        with pikepdf.open(
            io.BytesIO(_printed(facts(), "found" if used.bold else "packaged"))
        ) as pdf:
            names = {
                str(each.FontName)
                for each in pdf.objects
                if isinstance(each, pikepdf.Dictionary) and "/FontName" in each
            }
        assert any(family.decode() in name for name in names), names


def test_without_debians_fonts_the_packaged_ones_serve(tmp_path: Path) -> None:
    assert find_face(tmp_path).sans == packaged_face().sans


def test_the_pdf_is_dated_by_the_argument_and_by_nothing_else() -> None:
    with pikepdf.open(io.BytesIO(certificate())) as pdf, pdf.open_metadata() as metadata:
        assert metadata["xmp:CreateDate"].startswith("2026-11-21T10:44:13")
        assert str(metadata["xmp:ModifyDate"]).startswith("2026-11-21T10:44:13")
        assert pdf.Root.AcroForm.Fields[0].V.M == "D:20261121104413Z"
