"""What all tests share: how long hypothesis looks, which tests this machine cannot run, and
which run one after the other on one worker."""

import gc
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
gc.disable()  # until all is collected: what is loaded stays, and is looked through for nothing


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


def _group_of(item: pytest.Item) -> str:
    """Which tests it must share a worker with; empty where none.

    A file with a fixture that is made once for the whole file (a server, a capture, a chain)
    stays together: apart, each worker would make that again."""
    if marks := {str(one.args[0]) for one in item.iter_markers("xdist_group")}:
        return "_".join(sorted(marks))
    if isinstance(item, pytest.Function):
        found = [one[-1] for one in item._fixtureinfo.name2fixturedefs.values() if one]
        if any(one.scope == "module" for one in found):
            return item.path.relative_to(ROOT).as_posix()
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if reason := _missing_for(item):
            item.add_marker(pytest.mark.skip(reason=reason))
        # What xdist does for --dist loadgroup; but xdist 3.8 writes the group where pytest 9.2
        # reads it no more, and so keeps nothing together and says nothing (pytest-xdist #1386).
        if (group := _group_of(item)) and getattr(item.config.option, "loadgroup", False):
            item._id = type(item.id).parse(f"{item.nodeid}@{group}")


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engines.S3]:
    with engines.s3_at(tmp_path_factory.mktemp("engines") / "s3") as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[engines.Postgres]:
    with engines.postgres_running() as running:
        yield running
