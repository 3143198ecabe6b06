"""`guzheng package --into`: volumes for a medium with their documents, or words and nothing."""

import zipfile
from pathlib import Path

import pytest

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
