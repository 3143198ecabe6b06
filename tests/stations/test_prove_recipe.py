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
    typed = re.findall(r"^ {4,}((?:sha256sum|openssl) (?:.*\\\n)*.*)", recipe, re.MULTILINE)
    assert len(typed) >= 3 + len(NAMES) + 1 + 2
    for command in typed:
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
    assert not (folder / "hacked").exists()
    assert "two exhibits.zip" in recipe


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
