"""What is installed is pinned, hashed, and names no machine of anybody's."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = [path for path in SETS if path.name != "without.txt"]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)[^\\]*\\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(path: Path) -> dict[str, str]:
    found = (PIN.match(line) for line in path.read_text().splitlines())
    return {pin[1].lower().replace("_", "-"): pin[2] for pin in found if pin}


def named_in(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {name[0].lower().replace("_", "-") for name in names if name}


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.name)
def test_every_line_is_a_pin_or_a_hash(path: Path) -> None:
    """No host, no index, no path, no option: such a line would be neither."""
    for line in path.read_text().splitlines():
        assert PIN.match(line) or HASH.match(line), line


def test_a_larger_set_has_the_very_pins_of_the_smaller() -> None:
    verifier, server, tests = (
        pins(ROOT / "requirements" / f"{name}.txt") for name in ("verifier", "server", "test")
    )
    assert verifier.items() <= server.items() <= tests.items()


def test_what_the_project_asks_for_is_locked() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = asked["project"], asked["dependency-groups"]
    base = named_in(project["dependencies"])
    server = base | named_in(project["optional-dependencies"]["server"])
    assert base <= pins(ROOT / "requirements" / "verifier.txt").keys()
    assert server <= pins(ROOT / "requirements" / "server.txt").keys()
    assert named_in(groups["dev"]) <= pins(ROOT / "requirements" / "test.txt").keys()
    assert named_in(groups["oracles"]) <= pins(ROOT / "requirements" / "oracles.txt").keys()


def test_the_base_install_is_cryptography_and_what_it_needs() -> None:
    found = pins(ROOT / "requirements" / "verifier.txt").keys()
    assert found <= {"cryptography", "cffi", "pycparser", "typing-extensions"}
