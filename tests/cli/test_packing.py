"""`guzheng package --into`: volumes for a medium with their documents, or words and nothing."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.cases import Facts, Party, course
from guzheng.config import Config
from guzheng.proof import package
from guzheng.prove.disc import digests_in
from tests.cli.conftest import Command


@pytest.fixture
def exhibit(cli: Command, tmp_path: Path) -> str:
    file = tmp_path / "合同.txt"
    file.write_bytes(b"words")
    ran = cli("deposit", file, "--json", "--name", "XX商家_虚假宣传_20261121")
    assert ran.status == 0, ran.err
    return ran.exhibit


def test_a_disc_with_its_documents(cli: Command, exhibit: str, tmp_path: Path) -> None:
    out = tmp_path / "discs"
    asked = ("package", exhibit, "--into", out, "--iso", "--catalogue", "--label", "--json")
    ran = cli(*asked, "--purpose", "证明合同成立")
    assert ran.status == 0, ran.err
    (made,) = ran.lines
    assert [one.name for one in out.iterdir()] == [made["name"]]
    assert made["unsure"] == 0
    names = digests_in(out / str(made["name"]))
    assert {package.CATALOGUE, package.LABELS, package.LISTING} <= names.keys()
    assert not {package.DISCLOSURE, package.CERTIFICATION} & names.keys()
    assert f"exhibits/{exhibit}/items/合同.txt" in names


@pytest.mark.oracle("pdftotext")
@pytest.mark.parametrize(
    ("language", "party"), [("zh", "目标主体：甲公司"), ("en", "Target party: 甲公司")]
)
def test_a_case_is_told_in_the_language_of_its_documents(
    cli: Command, data: Path, exhibit: str, tmp_path: Path, language: str, party: str
) -> None:
    cases = Platform(Config(data)).cases
    case = cases.open(Facts(name="某案")).case
    cases.link(case, [exhibit])
    cases.set(case, course.PARTY, Party(role="target", name="甲公司"))
    out = tmp_path / "zips"
    ran = cli("package", "--case", case, "--into", out, "--catalogue", "--lang", language)
    assert ran.status == 0, ran.err
    (file,) = out.iterdir()
    with zipfile.ZipFile(file) as archive:
        listed = archive.extract(package.CATALOGUE, tmp_path)
    done = subprocess.run(
        ["pdftotext", "-layout", listed, "-"], check=True, capture_output=True
    )
    assert party in done.stdout.decode()


def test_a_zip_with_all_of_them(cli: Command, exhibit: str, tmp_path: Path) -> None:
    documents = ("--catalogue", "--label", "--disclosure", "--certification")
    ran = cli("package", exhibit, "--into", tmp_path / "zips", *documents, "--lang", "en")
    assert ran.status == 0, ran.err
    (file,) = (tmp_path / "zips").iterdir()
    assert ran.out.split() == [ran.out.split()[0], file.name], "as sha256sum writes it"
    with zipfile.ZipFile(file) as archive:
        assert set(package.DOCUMENTS) - {package.PAGE} <= set(archive.namelist())


def test_what_cannot_be_leaves_nothing(cli: Command, exhibit: str, tmp_path: Path) -> None:
    place = tmp_path / "x"
    for asked, code in (
        (("--profile", "floppy"), "package.profile-not-found"),
        (("--title", "长" * 121), "package.selection-refused"),
    ):
        ran = cli("package", exhibit, "--into", place, *asked)
        assert (ran.status, f"[{code}]" in ran.err) == (1, True), ran.err
        assert not place.exists()
    place.mkdir()
    assert "[package.no-folder]" in cli("package", exhibit, "--into", place).err


def test_what_contradicts_itself_is_a_usage_error(
    cli: Command, exhibit: str, tmp_path: Path
) -> None:
    for asked in (
        (exhibit,),
        (exhibit, "--out", tmp_path / "x.zip", "--into", tmp_path / "x"),
        (exhibit, "--out", tmp_path / "x.zip", "--iso"),
        ("--into", tmp_path / "x"),
        (exhibit, "--case", "ca_" + "0" * 26, "--into", tmp_path / "x"),
    ):
        assert cli("package", *asked).status == 2, asked
