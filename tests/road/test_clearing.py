"""What was given up is deleted by a rule: that, and nothing else, and it stays said.

One real capture, kept under two names by two orders: the same octets, one given up and one
confirmed.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.app import Platform, comparing, open_parts
from guzheng.app.wishes import Wanted
from guzheng.cases import Facts, Why, course
from guzheng.config import Config
from guzheng.keep.custody import DELETED
from guzheng.keep.deletion import TOMBSTONE, Tombstone
from guzheng.proof import canonical
from guzheng.proof.manifest import Manifest
from guzheng.refusals import Refused
from guzheng.road import folder_of
from guzheng.store.blobs import read
from guzheng.web import create_app
from tests.faces.conftest import serving as asked
from tests.hostile.capturing import ROOT, capture
from tests.hostile.site import Log, Traps, serving
from tests.road.deaths import finished_capture, silent

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("clearing")]
DAYS = 30
Opened = Callable[[timedelta], Platform]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """A data directory, the exhibit that was given up, and the one that was confirmed."""
    folder = tmp_path_factory.mktemp("clearing")
    with serving(lambda *given: Traps(*given, log=Log())) as address:
        captured = capture(folder, f"{address}/")
        assert captured.exit_status == 0, captured.complained
        data = folder / "data"
        platform = Platform(Config(data))
        exhibits = []
        for decide in (platform.ordering.give_up, platform.ordering.confirm):
            order = platform.ordering.order(Wanted(f"{address}/"))[0].commission
            done = data / "captures" / order.exhibit / "done"
            finished_capture(captured.out, done, order.exhibit)
            assert platform.walk(order.exhibit, silent) == "certified"
            platform.ordering.round()
            decide(order.commission)
            exhibits.append(order.exhibit)
        yield data, exhibits[0], exhibits[1]


@pytest.fixture
def data(made: tuple[Path, str, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "data"))


@pytest.fixture
def opened(data: Path) -> Opened:
    def after(passed: timedelta) -> Platform:
        config = Config(data, given_up_days=DAYS)
        now = datetime.now(UTC) + passed
        return Platform(config, open_parts(config, now=lambda: now))

    return after


def items_of(platform: Platform, exhibit: str) -> set[str]:
    return {one for one in platform.road.papers(exhibit) if one.startswith("items/")}


def faults(platform: Platform) -> list[str]:
    return [f"{one.place} {one.code}" for one in platform.fsck(lambda _exhibit: None)]


def told(platform: Platform, exhibit: str) -> int:
    return sum(one.act == DELETED for one in platform.keeping.of(exhibit))


def test_the_rule_deletes_what_was_given_up_and_no_other(
    opened: Opened, made: tuple[Path, str, str], data: Path
) -> None:
    _, given_up, confirmed = made
    early = opened(timedelta(days=DAYS - 1))
    early.clearing.round()
    before = {one: items_of(early, one) for one in (given_up, confirmed)}
    assert before[given_up] == before[confirmed] != set()
    assert early.clearing.tombstone(given_up) is None

    platform = opened(timedelta(days=DAYS))
    platform.clearing.round()
    assert items_of(platform, given_up) == set()
    assert items_of(platform, confirmed) == before[confirmed]
    for name in before[confirmed]:  # byte by byte: the same octets were two blobs
        platform.open_paper(confirmed, name).close()
    tombstone = platform.clearing.tombstone(given_up)
    assert tombstone is not None
    assert {f"items/{one.name}" for one in tombstone.items} == before[given_up]
    assert (tombstone.rule, tombstone.days) == ("given-up", DAYS)
    kept = {"manifest.json", "seal.tsa", "leaf", "entry.tlog-proof", "certificate.pdf"}
    assert kept < platform.road.papers(given_up)
    assert not (data / "keys" / "captures" / f"{given_up}.key").exists()
    assert (data / "derivatives" / f"{given_up}.jpg").exists() is False
    assert faults(platform) == []
    lines = (data / "audit.jsonl").read_text().splitlines()
    line = next(one for one in map(json.loads, lines) if one["event"] == "exhibit.deleted")
    assert (line["exhibit"], line["rule"], line["items"]) == (
        given_up, "given-up", len(tombstone.items),
    )  # fmt: skip

    with asked(create_app(platform, upload_limit=1 << 20)) as face:
        page = face.client.get(f"/exhibits/{given_up}", params={"lang": "en"}).text
        assert "The files were deleted" in page
        assert f"delete {DAYS} days after" in page
        assert "Files deleted by a rule" in page
        assert "items/" not in page
        assert "were deleted" not in face.client.get(f"/exhibits/{confirmed}?lang=en").text

    again = opened(timedelta(days=DAYS + 2))
    again.clearing.round()
    assert told(again, given_up) == 1
    assert again.clearing.tombstone(given_up) == tombstone
    again.rebuild()
    assert faults(again) == []
    assert [one.exhibit for one in again.ages().ages] == [confirmed]
    with pytest.raises(Refused) as refused:
        again.comparison(given_up, confirmed)
    assert refused.value.code == "compare.deleted"


def test_comparisons_are_found_from_either_side_without_looking_at_the_others(
    opened: Opened,
) -> None:
    blobs = opened(timedelta(0)).parts.blobs
    one, other, third = (f"ex_{'0' * 25}{number}" for number in (1, 2, 3))
    for left, right in ((one, other), (third, one), (third, other)):
        name = f"{comparing.FOLDER}{left}/{right}.3.json"
        for each in (name, comparing.other_side(name)):
            blobs.put(each, [b"{}"])
    comparing.forget(opened(timedelta(0)).parts, one)
    left_over = {f"{third}/{other}.3.json", f"{other}/of-{third}.3.json"}
    assert set(blobs.names(comparing.FOLDER)) == {comparing.FOLDER + each for each in left_over}
    comparing.forget(opened(timedelta(0)).parts, other)
    assert list(blobs.names(comparing.FOLDER)) == []


def test_a_comparison_is_looked_at_too(opened: Opened) -> None:
    parts = opened(timedelta(0)).parts
    one, other = (f"ex_{'0' * 25}{number}" for number in (7, 8))
    name = f"{comparing.FOLDER}{one}/{other}.2.json"
    sides = [{"exhibit": one}, {"exhibit": other}]
    for octets, codes in (
        (canonical.encode({"sides": sides}), []),
        (canonical.encode({"sides": sides[::-1]}), ["keep.damaged"]),
        (b"{", ["keep.damaged"]),
    ):
        for each, held in ((name, octets), (comparing.other_side(name), b"\n")):
            parts.blobs.put(each, [held])
        assert [fault.code for fault in comparing.faults(parts)] == codes
        comparing.forget(parts, one)
    parts.blobs.put(f"{comparing.FOLDER}notes.txt", [b"x"])
    assert [fault.code for fault in comparing.faults(parts)] == ["keep.extra"]
    parts.blobs.remove(f"{comparing.FOLDER}notes.txt")


def test_nothing_goes_without_a_rule_or_under_a_hold(
    opened: Opened, made: tuple[Path, str, str], data: Path
) -> None:
    given_up = made[1]
    far = datetime.now(UTC) + timedelta(days=4000)
    without = Platform(Config(data), open_parts(Config(data), now=lambda: far))
    without.clearing.round()
    assert [one.because for one in without.clearing.due()] == ["early"]
    platform = opened(timedelta(days=DAYS + 1))
    case = platform.cases.open(Facts(name="保全")).case
    platform.cases.link(case, [given_up])
    platform.cases.set(case, course.HOLD, Why("已立案"))
    assert platform.clearing.clear() == ()
    assert [one.because for one in platform.clearing.due()] == ["held"]
    assert items_of(platform, given_up)
    platform.cases.remove(case, course.HOLD)
    (tombstone,) = platform.clearing.clear()
    assert tombstone.exhibit == given_up


def test_a_forged_tombstone_excuses_nothing(
    opened: Opened, made: tuple[Path, str, str]
) -> None:
    _, given_up, confirmed = made
    platform = opened(timedelta(days=DAYS))
    (tombstone,) = platform.clearing.clear()
    manifest = Manifest.parse(read(platform.blobs, folder_of(confirmed) + "manifest.json"))
    forged = Tombstone(
        confirmed, "given-up", tombstone.since, DAYS, platform.now(), manifest.items
    )
    platform.blobs.put(folder_of(confirmed) + TOMBSTONE, [forged.encode()])
    lost = sorted(items_of(platform, confirmed))
    platform.blobs.remove(folder_of(confirmed) + lost[0])
    assert platform.clearing.tombstone(confirmed) is None
    assert f"{folder_of(confirmed)}{lost[0]} keep.missing" in faults(platform)
    assert f"{folder_of(confirmed)}{TOMBSTONE} keep.extra" in faults(platform)
    # Nor does a true one of which a word was altered.
    name = folder_of(given_up) + TOMBSTONE
    altered = read(platform.blobs, name).replace(b'"png"', b'"gif"').replace(b"image", b"omage")
    platform.blobs.remove(name)
    platform.blobs.put(name, [altered])
    assert platform.clearing.tombstone(given_up) is None
    assert any("keep.missing" in one for one in faults(platform))


@pytest.mark.parametrize("death", [0, 1, 4])
def test_whoever_dies_in_between_is_continued(
    opened: Opened, made: tuple[Path, str, str], data: Path, death: int
) -> None:
    given_up = made[1]
    at = datetime.now(UTC) + timedelta(days=DAYS)
    program = [
        sys.executable,
        "-m",
        "tests.road.clearing_death",
        str(data),
        str(at),
        str(death),
    ]
    ended = subprocess.run(program, cwd=ROOT, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    platform = opened(timedelta(days=DAYS))
    left = items_of(platform, given_up)
    assert left
    assert faults(platform) == []  # half gone, and every octet that is left is right
    case = platform.cases.open(Facts(name="保全")).case
    platform.cases.link(case, [given_up])
    platform.cases.set(case, course.HOLD, Why("已立案"))
    platform.clearing.clear()
    assert items_of(platform, given_up) == left, "a hold stops it where it is"
    platform.cases.remove(case, course.HOLD)
    platform.clearing.clear()
    assert items_of(platform, given_up) == set()
    assert told(platform, given_up) == (1 if not death else 2)
    assert faults(platform) == []
