"""The package for a court: documents say what the record says, a changed octet is found, and
the same selection is the same octets."""

import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.app.packaging import Packaging
from guzheng.app.volumes import DOCUMENTS, WantedPackage
from guzheng.config import Config
from guzheng.intake import Upload
from guzheng.proof import package
from guzheng.proof.digest import sha256
from guzheng.proof.package import parse_listing
from guzheng.proof.report import Outcome
from guzheng.prove import Chosen, Selection
from guzheng.refusals import Refused

FILM = "XX商家_虚假宣传_20261121.mp4"
PRINTED = tuple(one for one in DOCUMENTS if one != "page")
PDFS = (package.CATALOGUE, package.LABELS, package.DISCLOSURE, package.CERTIFICATION)
HOSTILE = '<b>#eval("x")_$x$ \\ 𠮷'


def silent(_step: str, _detail: str) -> None:
    return


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    data = tmp_path_factory.mktemp("documents") / "data"
    return Platform(Config(data, operator="杭州某某科技有限公司", operator_filing="备2026"))


@pytest.fixture(scope="module")
def wanted(platform: Platform) -> WantedPackage:
    film = platform.road.deposit(
        [Upload(FILM, [b"film" * 9000])], largest=10**6, claimed_name="XX商家_虚假宣传_20261121"
    )
    platform.selfchecking.check()
    many = platform.road.deposit(
        [Upload(f"照片 {one}.jpg", [b"%d" % one]) for one in range(7)],
        largest=10**6,
        claimed_name=HOSTILE,
    )
    for one in (film.exhibit, many.exhibit):
        assert platform.walk(one, silent) == "certified"
    return WantedPackage(
        Selection(
            (
                Chosen(film.exhibit, "被告在店铺使用原告注册商标", legality="公开网页"),
                Chosen(many.exhibit, authenticity="a\u202eb"),
            ),
            title="XX主播_虚假宣传_20240815",
            case_number="（2026）浙0192民初1号",
            cause="侵害商标权纠纷",
            submitter="原告某公司",
        ),
        "zip",
        PRINTED,
    )


@pytest.fixture(scope="module")
def made(
    platform: Platform, wanted: WantedPackage, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (one,) = platform.packaging.write(wanted, folder)
    assert (one.passed > 20, one.unsure) == (True, 0)
    return folder / one.name


@pytest.fixture(scope="module")
def unpacked(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(made) as archive:
        archive.extractall(folder)
    return folder


def words_of(file: Path) -> str:
    done = subprocess.run(
        ["pdftotext", "-raw", str(file), "-"], check=True, capture_output=True
    )
    return "".join(done.stdout.decode().split())


def described(file: Path) -> str:
    done = subprocess.run(["pdfinfo", str(file)], check=True, capture_output=True)
    return done.stdout.decode()


def test_the_same_selection_is_the_same_octets(
    platform: Platform, wanted: WantedPackage, made: Path, tmp_path: Path
) -> None:
    (again,) = platform.packaging.write(wanted, tmp_path)
    assert (tmp_path / again.name).read_bytes() == made.read_bytes()
    assert WantedPackage.parse(wanted.encode()) == wanted


@pytest.mark.oracle("pdftotext")
def test_the_parties_have_the_whole_line_of_the_list(
    platform: Platform, wanted: WantedPackage, tmp_path: Path
) -> None:
    """However many they are: a third of it was theirs."""
    said = "；".join(f"代工厂：某某市第 {one} 五金制品有限公司" for one in range(1, 4))
    (one,) = platform.packaging.write(
        replace(wanted, selection=replace(wanted.selection, parties=said)), tmp_path
    )
    with zipfile.ZipFile(tmp_path / one.name) as archive:
        listed = Path(archive.extract(package.CATALOGUE, tmp_path))
    done = subprocess.run(
        ["pdftotext", "-layout", str(listed), "-"], check=True, capture_output=True
    )
    lines = [line for line in done.stdout.decode().splitlines() if "五金制品" in line]
    assert [line.count("五金制品") for line in lines] == [3]


@pytest.mark.oracle("pdftotext")
def test_a_rehearsal_lies_beside_the_package_and_never_in_it(
    platform: Platform, wanted: WantedPackage, made: Path, tmp_path: Path
) -> None:
    asked = replace(wanted, documents=(*wanted.documents, "rehearsal"))
    assert "rehearsal" not in WantedPackage(wanted.selection).documents, "not unless asked for"
    packed, paper = platform.packaging.write(asked, tmp_path)
    assert (tmp_path / packed.name).read_bytes() == made.read_bytes(), "the same without it"
    assert not paper.is_volume
    said = words_of(tmp_path / paper.name)
    for one in (
        "请勿随证据交给法院或对方",
        "R-1",
        "R-22",
        "未回答",
        "XX商家_虚假宣传_20261121",
    ):
        assert one in said, one
    (tmp_path / "en").mkdir()
    english = platform.packaging.write(replace(asked, language="en"), tmp_path / "en")[-1]
    assert "forourownsideonly" in words_of(tmp_path / "en" / english.name)


@pytest.mark.oracle("pdftotext")
def test_the_list_of_evidence(
    unpacked: Path, platform: Platform, wanted: WantedPackage
) -> None:
    said = words_of(unpacked / package.CATALOGUE)
    first = platform.exhibit(wanted.selection.entries[0].exhibit)
    assert first.facts is not None
    for one in (
        "证据目录",
        "（2026）浙0192民初1号",
        "侵害商标权纠纷",
        "原告某公司",
        "被告在店铺使用原告注册商标",
        "合法性：公开网页",
        "（提交人未说明）",
        "真实性：自",
        "照片0.jpg",
        "等共7个文件",
        "页码",
        "提交人（签章）",
        "第1页/共1页",
        "‹U+202E›",
        "#eval",
    ):
        assert one in said, one
    own, two = (
        int(re.findall(r"Pages:\s+(\d+)", described(folder / package.CERTIFICATE_PDF))[0])
        for folder in (
            unpacked / package.EXHIBITS / one.exhibit for one in wanted.selection.entries
        )
    )
    assert f"1–{own}证书原件为文件" in said, "pages go through the certificates"
    assert f"{own + 1}–{own + two}证书原件为文件" in said
    for column in (str(first.facts["number"]), FILM, sha256(b"film" * 9000).hex[:16]):
        assert "".join(column.split())[:12] in said, column


@pytest.mark.oracle("pdftotext")
def test_the_labels_show_name_and_time_apart(unpacked: Path) -> None:
    said = words_of(unpacked / package.LABELS)
    listing = parse_listing((unpacked / package.LISTING).read_bytes())
    digest = package.evidence_digest(listing).hex
    assert "证据名称" in said
    assert "XX主播_虚假宣传_20240815" in said
    assert "取证时间（UTC+08:00）" in said
    assert digest[:16] in said
    by_hand = subprocess.run(
        ["bash", "-c", "grep '  exhibits/' SHA256SUMS | sha256sum"],
        cwd=unpacked,
        check=True,
        capture_output=True,
    )
    assert by_hand.stdout.decode().split()[0] == digest


@pytest.mark.oracle("pdftotext")
def test_the_disclosure_says_what_is_recorded_and_what_is_not(unpacked: Path) -> None:
    said = words_of(unpacked / package.DISCLOSURE)
    for one in (
        "平台披露表",
        "杭州某某科技有限公司",
        "备2026",
        "不是中立第三方的陈述",  # whoever runs it for himself is affiliated, and that is said
        "提交人未作陈述",
        "没有见证人联署",
        "没有该时刻的时钟记录",
        "ECDSA,SHA-256",
        "证据收到之前还没有自检；其后第一次：第1号",
        "证据收到之前最近一次：第1号",
        "通过：算法已知答案(OpenSSL",
        "未通过：时钟经过核验(—)",
        "没有第三方审计报告",
    ):
        assert one in said, one


@pytest.mark.oracle("pdftotext")
def test_the_certification_is_for_a_person_to_sign(unpacked: Path) -> None:
    said = words_of(unpacked / package.CERTIFICATION)
    for one in ("902(13)", "§1746", "underpenaltyofperjury", "Signature:", "____"):
        assert one in said, one
    assert sha256(b"film" * 9000).hex[:8] in said
    assert "itisnotanindependentone" in said


@pytest.mark.oracle("qpdf")
@pytest.mark.parametrize("name", PDFS)
def test_each_is_a_sound_pdf_that_says_it_is_pdfa(unpacked: Path, name: str) -> None:
    subprocess.run(["qpdf", "--check", str(unpacked / name)], check=True, capture_output=True)
    octets = (unpacked / name).read_bytes()
    assert re.search(rb"pdfaid:part>3<", octets)
    assert re.search(rb"pdfaid:conformance>A<", octets)


@pytest.mark.oracle("pdftotext")
def test_in_english_too(platform: Platform, wanted: WantedPackage, tmp_path: Path) -> None:
    english = replace(wanted, documents=("catalogue", "labels", "disclosure"), language="en")
    (one,) = platform.packaging.write(english, tmp_path)
    with zipfile.ZipFile(tmp_path / one.name) as archive:
        archive.extractall(tmp_path)
    assert "ListofEvidence" in words_of(tmp_path / package.CATALOGUE)
    assert "PlatformDisclosureSheet" in words_of(tmp_path / package.DISCLOSURE)
    assert package.CERTIFICATION not in one.value()


@pytest.mark.parametrize("name", PDFS)
def test_a_changed_octet_of_a_document_is_found(
    platform: Platform, unpacked: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "altered"
    shutil.copytree(unpacked, folder)
    octets = bytearray((folder / name).read_bytes())
    octets[len(octets) // 2] ^= 1
    (folder / name).write_bytes(octets)
    found = platform.verify_package(folder).of(Outcome.FAILED)
    assert [one.code for one in found] == ["package.member-altered"]
    assert name in found[0].found


def test_documents_may_be_left_out_but_nothing_else_put_in(
    platform: Platform, unpacked: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "altered"
    shutil.copytree(unpacked, folder)

    def relist() -> None:
        files = [one for one in folder.rglob("*") if one.is_file()]
        digests = {
            one.relative_to(folder).as_posix(): sha256(one.read_bytes())
            for one in files
            if one.name != package.LISTING
        }
        (folder / package.LISTING).write_bytes(package.encode_listing(digests))

    for name in PDFS:
        (folder / name).unlink()
    relist()
    assert platform.verify_package(folder).outcome is Outcome.PASSED
    (folder / "证据目录2.pdf").write_bytes(b"%PDF")
    relist()
    found = platform.verify_package(folder).of(Outcome.FAILED)
    assert [one.code for one in found] == ["package.member-extra"]


def test_several_volumes_are_each_whole(
    platform: Platform, wanted: WantedPackage, tmp_path: Path
) -> None:
    profiles = tmp_path / "courts.toml"
    onto = replace(wanted, profile="small", documents=("catalogue",))

    def of(capacity: int) -> Packaging:
        profiles.write_text(
            f'[small]\nzh="小"\nen="small"\ncontainer="zip"\ncapacity={capacity}\n'
            'file_limit=0\ntypes=[]\nsource_zh="测试"\nsource_en="a test"\n'
        )
        config = replace(platform.config, court_profiles=str(profiles))
        return replace(platform.packaging, config=config)

    assert not of(10_000_000).check(onto).violations, "what courts take online is often so much"
    excesses = of(1).check(onto).blocking
    assert {one.code for one in excesses} == {"package.exhibit-too-large"}
    assert {one.expected for one in excesses} == {"1"}
    small = of(max(int(one.found.replace(",", "")) for one in excesses))
    checked = small.check(onto)
    assert [one.code for one in checked.violations] == ["package.several-volumes"]
    made = small.write(onto, tmp_path)
    assert [one.volume for one in made] == ["A", "B"]
    assert [one.exhibits for one in made] == list(checked.volumes)
    for one in made:
        assert platform.verify_package(tmp_path / one.name).outcome is Outcome.PASSED


@pytest.mark.parametrize("burner", [None, shutil.which("xorriso")])
def test_a_disc_holds_the_same(
    platform: Platform,
    wanted: WantedPackage,
    unpacked: Path,
    tmp_path: Path,
    burner: str | None,
) -> None:
    from guzheng.prove.disc import digests_in

    packing = replace(platform.packaging, xorriso=burner)
    onto = replace(wanted, profile="dvd")
    images = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        (one,) = packing.write(onto, tmp_path / str(number))
        images.append(tmp_path / str(number) / one.name)
        assert list(images[-1].parent.iterdir()) == [images[-1]]
        assert one.by.startswith("xorriso" if burner else "pycdlib")
    assert images[0].read_bytes() == images[1].read_bytes()
    found = digests_in(images[0])
    zipped = parse_listing((unpacked / package.LISTING).read_bytes())
    assert found.keys() == {*zipped, package.LISTING}
    same = {name for name in zipped if name.startswith((package.EXHIBITS, "trust/"))}
    assert {name: found[name] for name in same} == {name: zipped[name] for name in same}


@pytest.fixture
def damaged(platform: Platform, wanted: WantedPackage) -> Iterator[str]:
    """An exhibit whose seal is another's, as a wrong restore would leave it."""
    one, other = (one.exhibit for one in wanted.selection.entries)
    folder = platform.config.data / "blobs" / "exhibits"
    place = folder / one / package.SEAL
    before = place.read_bytes()
    place.chmod(0o600)
    place.write_bytes((folder / other / package.SEAL).read_bytes())
    yield one
    place.write_bytes(before)


def test_what_does_not_verify_is_not_packed(
    platform: Platform, wanted: WantedPackage, damaged: str, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match=r"package\.not-sound"):
        platform.packaging.write(wanted, tmp_path)
    assert not list(tmp_path.iterdir())
    package_name = platform.exports.order(wanted)
    platform.exports.finish()
    view = platform.exports.view(package_name)
    assert view.state == "failed"
    assert view.problem is not None
    assert view.problem.code == "package.not-sound"
    last = platform.exports.last_verified([damaged])
    assert last[damaged].outcome == "failed"


def test_an_order_survives_and_is_made_once(platform: Platform, wanted: WantedPackage) -> None:
    """A program that was killed in the middle left a part; the next one begins again."""
    exports = platform.exports
    token = exports.new_token()
    name = exports.order(wanted, token=token)
    assert exports.order(wanted, token=token) == name
    exports.finish()
    view = exports.view(name)
    assert view.state == "made"
    (one,) = view.made
    with exports.open(name, one.name) as stream:
        assert sha256(stream.read()).hex == one.sha256
    with pytest.raises(Refused, match=r"package\.not-found"):
        exports.open(name, "../../keys/tsa.key")
