"""The base install is the verifier: `cryptography`, and nothing else, is enough for it."""

import json
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.architecture.conftest import ROOT, Run

PACKAGES = ROOT / "tests" / "vectors" / "package"

# What `cryptography` itself consists of, and what it needs.
ALLOWED = {"cryptography", "_openssl", "cffi", "_cffi_backend", "pycparser", "guzheng"}
IMPORT_ALL_OF_THEM = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
import guzheng.proof, guzheng.verifier
for package in (guzheng.proof, guzheng.verifier):
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
names = {name.partition(".")[0] for name in set(sys.modules) - before}
ours = sorted(name for name in sys.modules if name.startswith("guzheng."))
print(json.dumps({"foreign": sorted(names - set(sys.stdlib_module_names)), "ours": ours}))
"""


def test_it_imports_cryptography_and_nothing_else(alone: Run) -> None:
    done = alone("-c", IMPORT_ALL_OF_THEM)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["foreign"]) <= ALLOWED
    stations = {name.split(".")[1] for name in told["ours"]}
    assert stations == {"proof", "verifier", "words"}


def test_its_console_script_does_not_import_the_server(installed: Path) -> None:
    (metadata,) = installed.glob("guzheng-*.dist-info/entry_points.txt")
    scripts = ConfigParser()
    scripts.read(metadata)
    assert scripts["console_scripts"]["guzheng-verify"] == "guzheng.verifier.main:run"


def test_it_passes_a_whole_package(alone: Run, package: Path) -> None:
    done = alone("-m", "guzheng.verifier", package, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["outcome"] == "passed"


def test_it_fails_a_changed_package(alone: Run, package: Path, tmp_path: Path) -> None:
    (seal,) = package.glob("exhibits/*/seal.tsa")
    octets = seal.read_bytes()
    try:
        seal.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
        done = alone("-m", "guzheng.verifier", package, "--json")
    finally:
        seal.write_bytes(octets)
    assert done.returncode == 1, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "status"),
    [("good.zip", 0), ("hash-only.zip", 0), ("item-altered.zip", 1), ("deflated.zip", 2)],
)
def test_it_reads_zips_as_they_are(alone: Run, name: str, status: int) -> None:
    done = alone("-m", "guzheng.verifier", PACKAGES / name, "--json")
    assert done.returncode == status, done.stdout + done.stderr


def test_it_judges_a_file_and_its_token(alone: Run) -> None:
    tokens = PACKAGES.parent / "timestamp"
    asked = (tokens / "photograph.txt", tokens / "good-p256.tsa")
    done = alone("-m", "guzheng.verifier", *asked, "--roots", tokens / "roots.pem")
    assert done.returncode == 0, done.stdout + done.stderr


def test_usage_is_64(alone: Run) -> None:
    assert alone("-m", "guzheng.verifier").returncode == 64
