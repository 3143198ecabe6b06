"""`make test` runs what belongs together on one worker, and finds again what failed."""

import pytest

from tools.tests import without_group


@pytest.mark.xdist_group("kept-together")
@pytest.mark.parametrize("number", range(3))
def test_xdist_is_told_the_group(request: pytest.FixtureRequest, number: int) -> None:
    """By the name: else each worker starts the engine or browser, and nobody is told."""
    grouping = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith(f"[{number}]@kept-together") == grouping


@pytest.fixture(scope="module")
def made_once() -> object:
    return object()


def test_so_is_a_file_with_a_fixture_for_the_whole_file(
    request: pytest.FixtureRequest, made_once: object
) -> None:
    grouping = getattr(request.config.option, "loadgroup", False)
    assert request.node.nodeid.endswith("@tests/architecture/test_running.py") == grouping


@pytest.mark.parametrize(
    ("name", "alone"),
    [
        ("tests/a.py::test_b[1]@engines", "tests/a.py::test_b[1]"),
        ("tests/a.py::test_b@tests/a.py", "tests/a.py::test_b"),
        ("tests/a.py::test_b[c@d]", "tests/a.py::test_b[c@d]"),
        ("tests/a.py::test_b[c@d]@engines", "tests/a.py::test_b[c@d]"),
    ],
)
def test_what_failed_is_asked_for_again_by_its_own_name(name: str, alone: str) -> None:
    assert without_group(name) == alone
