"""One data directory with finished exhibits, made once and copied for each test."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.intake import Upload
from tests.road.deaths import come_in, silent

Opened = Callable[[], Platform]


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("walked") / "data"
    platform = Platform(Config(data))
    for kind in ("deposit", "hash-only"):
        platform.walk(come_in(platform, kind), silent)
    many = [Upload(f"{number}.txt", [b"%d" % number]) for number in range(3)]
    platform.walk(platform.road.deposit(many, largest=100).exhibit, silent)
    return data


@pytest.fixture
def data(walked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(walked, tmp_path / "data"))


@pytest.fixture
def opened(data: Path) -> Opened:
    return lambda: Platform(Config(data))
