"""`proof` reads nothing, asks nothing, starts nothing: Python itself is asked to witness it.

Python raises an audit event (PEP 578) before a file is opened, a socket made, a program run, or
the system asked for something. While a whole package is verified, and again while a spoiled one
is refused, none of these may be raised. Clock and chance raise no event; the import contract in
pyproject.toml and ruff's banned names keep those out.
"""

from pathlib import Path

from tests.architecture.conftest import Run

WATCHED = Path(__file__).with_name("watched_verification.py")


def test_verifying_a_package_has_no_effect(alone: Run, package: Path) -> None:
    done = alone(WATCHED, package)
    assert done.returncode == 0, done.stderr
    outcomes, *effects = done.stdout.splitlines()
    assert outcomes == "passed failed, passed failed"
    assert effects == []


def test_the_witness_would_see_an_effect(alone: Run) -> None:
    """Without this, a hook that sees nothing would look like a kernel that does nothing."""
    script = "import sys\nseen = []\nsys.addaudithook(lambda event, _: seen.append(event))\n"
    script += "open(sys.executable).close()\nprint(seen)"
    done = alone("-c", script)
    assert "'open'" in done.stdout
