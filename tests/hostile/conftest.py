"""The server of traps, for every test of this folder, and where pages lie nobody here wrote."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.site import Log, Traps, serving

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
