"""What all tests share: how long hypothesis looks, which tests this machine cannot run, and
which run one after the other on one worker."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import engines

ROOT = Path(__file__).resolve().parent.parent
SOAK_EXAMPLES = 20_000

# A deadline would measure the machine's load, not our code. `make test` judges the same commit
# by the same examples every time; `make soak` is the one that looks for new ones.
settings.register_profile("usual", deadline=None, derandomize=True)
settings.register_profile(
    "soak",
    deadline=None,
    max_examples=SOAK_EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("usual")


def _missing_for(item: pytest.Item) -> str:
    """Why this machine cannot run a test; empty when it can."""
    if item.get_closest_marker("browser") and not shutil.which("chromium"):
        return "no chromium here: as root, `make ready` installs it"
    oracle = item.get_closest_marker("oracle")
    for program in oracle.args if oracle else ():
        found = shutil.which(program, path=str(ROOT / ".venv-oracles" / "bin"))
        if not (found or shutil.which(program)):
            return f"no {program} here: as root, `make ready` installs it"
    return ""


def _is_grouped(item: pytest.Item) -> bool:
    """Whether it must run on the worker that runs others, too.

    A file with a fixture that is made once for the whole file (a server, a capture, a chain)
    stays together: apart, each worker would make that again."""
    if item.get_closest_marker("xdist_group"):
        return True
    if not isinstance(item, pytest.Function):
        return False
    found = [one[-1] for one in item._fixtureinfo.name2fixturedefs.values() if one]
    if not any(one.scope == "module" for one in found):
        return False
    item.add_marker(pytest.mark.xdist_group(item.path.relative_to(ROOT).as_posix()))
    return True


# First: xdist reads the groups in a hook of the same name.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if reason := _missing_for(item):
            item.add_marker(pytest.mark.skip(reason=reason))
    # The large pieces before the small ones: at the end no worker waits long for another.
    items.sort(key=lambda item: not _is_grouped(item))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.S3]:
    with engines.s3_at(tmp_path_factory.mktemp("engines") / "s3") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[engines.Postgres]:
    with engines.postgres_running() as running:
        yield running
