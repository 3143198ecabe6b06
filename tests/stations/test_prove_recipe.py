"""VERIFY.md does what it says: each of its commands is run in the unpacked package."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.intake import Upload, by_digest
from guzheng.proof.digest import sha256, sm3
from guzheng.refusals import Refused
from tests.stations.sm2_cases import NO_SM2

NAMES = ("照片 (1).jpg", "it's.txt", "$(touch hacked).txt", "-n", "a&b;c.txt")


def silent(_step: str, _detail: str) -> None:
    return


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return Platform(Config(tmp_path_factory.mktemp("prove") / "data"))


@pytest.fixture(scope="module")
def exhibits(platform: Platform) -> list[str]:
    uploads = [Upload(name, [name.encode()]) for name in NAMES]
    kept = platform.road.deposit(uploads, largest=1000).exhibit
    item = by_digest("secret.pdf", 5, (sha256(b"words"), sm3(b"words")), "application/pdf")
    digest = platform.road.deposit_digests((item,)).exhibit
    for one in (kept, digest):
        assert platform.walk(one, silent) == "certified"
    return [kept, digest]


@pytest.mark.oracle("openssl")
def test_every_command_of_the_recipe(
    platform: Platform, exhibits: list[str], tmp_path: Path
) -> None:
    platform.write_package(exhibits, tmp_path / "two exhibits.zip")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(tmp_path / "two exhibits.zip") as package:
        package.extractall(folder)
    recipe = (folder / "VERIFY.md").read_text("utf-8")
    form = r"^ {7}((?:sha256sum|openssl|T=.*) (?:.*\\\n)*.*)"
    typed = re.findall(form, recipe, re.MULTILINE)
    assert len(typed) >= 3 + len(NAMES) + 1 + 2
    assert sum(one.startswith("T=") for one in typed) == (0 if NO_SM2 else 2)
    for command in typed:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
    assert not (folder / "hacked").exists()
    assert "two exhibits.zip" in recipe


def test_who_opens_it_learns_what_there_is_before_any_command(
    platform: Platform, exhibits: list[str], tmp_path: Path
) -> None:
    platform.write_package(exhibits, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as package:
        recipe = package.read("VERIFY.md").decode()
        members = set(package.namelist())
    first = recipe[: recipe.index("guzheng-verify")]
    assert "2 份证据" in first
    certificates = re.findall(r"`(exhibits/.*/certificate\.pdf)`", first)
    assert len(certificates) == len(exhibits)
    assert set(certificates) <= members
    assert "secret.pdf" in first, "what the exhibit is called"
    assert first.index("certificate.pdf") < first.index("verify.html")


@pytest.mark.oracle("openssl")
@pytest.mark.skipif(bool(NO_SM2), reason=NO_SM2)
@pytest.mark.parametrize("altered", ["manifest.json", "seal.sm2.tsa", "../../trust/roots.pem"])
def test_the_recipe_for_sm2_fails_where_it_must(
    platform: Platform, exhibits: list[str], tmp_path: Path, altered: str
) -> None:
    platform.write_package(exhibits[1:], tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as package:
        package.extractall(tmp_path)
    recipe = (tmp_path / "VERIFY.md").read_text("utf-8")
    found = re.search(r"^ {7}(T=.*\\\n(?:.*\\\n)*.*)", recipe, re.MULTILINE)
    assert found is not None
    member = tmp_path / "exhibits" / exhibits[1] / altered
    octets = bytearray(member.read_bytes())
    octets[-3] ^= 1
    member.write_bytes(b"" if altered.endswith("pem") else bytes(octets))
    done = subprocess.run(
        ["bash", "-c", found[1]], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0


def test_the_same_package_twice_is_the_same_file(
    platform: Platform, exhibits: list[str], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        platform.write_package(exhibits, tmp_path / folder / "x.zip")
    assert (tmp_path / "a/x.zip").read_bytes() == (tmp_path / "b/x.zip").read_bytes()


def test_a_damaged_original_is_not_packed(
    platform: Platform, exhibits: list[str], tmp_path: Path
) -> None:
    item = platform.folder(exhibits[0]) / "items" / NAMES[0]
    sound = item.read_bytes()
    item.chmod(0o600)
    for octets in (sound[:-1] + b"X", sound[:-1], sound + b"X"):
        item.write_bytes(octets)
        with pytest.raises(Refused, match=r"package\.item-damaged"):
            platform.write_package(exhibits[:1], tmp_path / "x.zip")
        assert list(tmp_path.iterdir()) == []
    item.write_bytes(sound)
    platform.write_package(exhibits[:1], tmp_path / "x.zip")


def test_a_temporary_package_is_the_callers_to_remove(
    platform: Platform, exhibits: list[str]
) -> None:
    out = platform.package(exhibits)
    assert out.name == "guzheng-exhibits.zip"
    out.unlink()
    out.parent.rmdir()
    with pytest.raises(Refused):
        platform.package(["ex_" + "0" * 26])
    assert list((platform.config.data / "staging").iterdir()) == []
