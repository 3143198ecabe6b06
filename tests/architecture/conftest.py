"""An expert's machine: the base install of the wheel, with `cryptography`, and nothing else."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-verifier" / "bin" / "python"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel, built from this tree, is unpacked as an installer would."""
    if not PYTHON.exists():
        pytest.skip("no .venv-verifier here: `make ready` makes it")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as members:
        members.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="session")
def alone(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run Python there: `alone("-m", "guzheng.verifier", …)`; the wheel is found first."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON, "-P", "-B", "-W", "error", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=elsewhere,
            env={"PATH": os.defpath, "PYTHONPATH": str(installed), "LANG": "C.UTF-8"},
        )

    return run


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A court package, unpacked: one deposit, walked down the whole road by the program."""
    folder = tmp_path_factory.mktemp("road")
    (folder / "photograph.txt").write_bytes(b"what the photograph shows\n" * 1000)

    def guzheng(*command: object) -> None:
        program = str(Path(sys.prefix) / "bin" / "guzheng")
        subprocess.run([program, *map(str, command)], check=True, capture_output=True)

    data = folder / "data"
    guzheng("deposit", folder / "photograph.txt", "--data", data)
    (exhibit,) = (data / "blobs" / "exhibits").iterdir()
    guzheng("package", exhibit.name, "--data", data, "--out", folder / "package.zip")
    with zipfile.ZipFile(folder / "package.zip") as members:
        members.extractall(folder / "package")
    return folder / "package"
