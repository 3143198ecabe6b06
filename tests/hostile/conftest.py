"""The server of traps, and pages nobody here wrote, for every test of this folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.site import Folder, Log, Traps, serving

PYTHON_DOC = Path("/usr/share/doc/python3.11/html")
HANDBOOK = Path("/usr/share/doc/debian-handbook/html")


@dataclass(frozen=True)
class Site:
    """A running server: where, and what it saw."""

    address: str
    log: Log


@pytest.fixture
def traps() -> Iterator[Site]:
    log = Log()
    with serving(partial(Traps, log=log)) as address:
        yield Site(address, log)


@pytest.fixture
def python_doc() -> Iterator[Site]:
    yield from _folder(PYTHON_DOC, "python3-doc")


@pytest.fixture
def handbook() -> Iterator[Site]:
    yield from _folder(HANDBOOK, "debian-handbook")


def _folder(folder: Path, package: str) -> Iterator[Site]:
    if not folder.is_dir():
        pytest.skip(f"no {package} here: apt-get install {package}")
    log = Log()
    with serving(partial(Folder, folder=folder, log=log)) as address:
        yield Site(address, log)
