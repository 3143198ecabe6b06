"""A browser that was started ahead serves one order, as if it had been started for it."""

import time
from pathlib import Path

import pytest

from guzheng.capturer import cgroup, leftovers
from guzheng.intake import Warm
from guzheng.proof import canonical
from tests.capturer.reading import read
from tests.hostile.capturing import order_of, programs_naming
from tests.hostile.conftest import Site

pytestmark = pytest.mark.browser
PRESET = order_of("http://waiting.invalid/", ())


def _left_of(process: int) -> list[str]:
    """Folders and groups that bear its token."""
    token = leftovers.short(process)
    places = [Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
    found = [one.name for place in places for one in place.glob(f"*-{token}-*")]
    return [
        one
        for one in (*found, *cgroup.names(leftovers.PREFIX))
        if one.startswith(leftovers.PREFIX) and f"-{token}-" in one
    ]


@pytest.mark.parametrize("language", ["", "de"])
def test_it_serves_one_order_if_it_fits(traps: Site, tmp_path: Path, language: str) -> None:
    """One that was started for another language is destroyed unused."""
    more = {"lang": language} if language else {}
    (tmp_path / "order.json").write_bytes(order_of(traps.address, **more))
    warm = Warm(tmp_path / "waiting", 1)
    warm.fill(PRESET)
    assert warm.take(b"another preset", tmp_path / "order.json", tmp_path / "out") is None
    process = warm.take(PRESET, tmp_path / "order.json", tmp_path / "out")
    assert process is not None
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    record = read((tmp_path / "out/capture.json").read_bytes())
    steps = [one.step for one in record.steps]
    assert ("browser.waited" in steps, "browser.started" in steps) == (
        not language,
        bool(language),
    )
    assert "control.observed" in steps
    assert "environment.checked" in steps
    assert record.viewer is not None
    assert record.viewer.language == (language or "zh-CN")
    assert record.requested_url == traps.address
    assert record.elapsed_milliseconds < 60_000
    environment = canonical.parse_object((tmp_path / "out/items/environment.json").read_bytes())
    profile = environment["profile"]
    assert isinstance(profile, dict)
    assert (profile["entries_at_start"], profile["cookies_at_start"]) == ([], 0)
    assert _left_of(process.pid) == []
    assert warm.take(PRESET, tmp_path / "order.json", tmp_path / "out") is None


def test_one_that_is_not_wanted_leaves_nothing(tmp_path: Path) -> None:
    warm = Warm(tmp_path / "waiting", 1)
    warm.ready()  # the end of an exhibit for which no browser was used
    warm.want(PRESET)
    assert not programs_naming(f"--wait\0{tmp_path}")  # its page has still to be sealed
    warm.ready()
    warm.ready()
    warm.fill(PRESET)
    deadline = time.monotonic() + 30
    while not (found := programs_naming(f"--wait\0{tmp_path}")):  # /proc is blank in an exec
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (process,) = found
    warm.close()
    assert not programs_naming(f"--wait\0{tmp_path}")
    assert _left_of(process) == []
    warm.fill(PRESET)  # as the end of a capture does that ran while its program was stopped
    assert not programs_naming(f"--wait\0{tmp_path}")
