"""Finished packages: found by every machine, ended in time, whole after any death."""

import dataclasses
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from guzheng.app import Parts, Platform, open_parts
from guzheng.app.exports import Exports
from guzheng.app.handing import FOLDER, KEPT, SHARED
from guzheng.app.sharing import WantedShare
from guzheng.app.volumes import WantedPackage
from guzheng.config import Config
from guzheng.prove import Chosen, Selection
from guzheng.refusals import Refused
from guzheng.sharing import Visitor, rules
from guzheng.store.ids import new
from tests.road.deaths import silent

ROOT = Path(__file__).resolve().parents[2]
VISITOR = Visitor("192.0.2.0/24", "a browser")


class Clock:
    """A time that the test sets forward."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@dataclasses.dataclass(frozen=True)
class Installed:
    platform: Platform
    parts: Parts
    clock: Clock
    exhibit: str


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    config = Config(data=tmp_path / "data")
    parts = open_parts(config)
    clock = Clock(parts.now())
    parts = dataclasses.replace(parts, now=clock)
    platform = Platform(config, parts)
    exhibit = platform.deposit("a.txt", [b"evidence\n" * 999], claimed_name="一份")
    assert platform.walk(exhibit, silent) == "certified"
    return Installed(platform, parts, clock, exhibit)


def wanted(*exhibits: str) -> WantedPackage:
    return WantedPackage(Selection(tuple(map(Chosen, exhibits))), documents=())


def ordered(one: Installed) -> str:
    package = one.platform.exports.order(wanted(one.exhibit))
    one.platform.exports.finish()
    return package


def names(one: Installed) -> list[str]:
    return list(one.parts.blobs.names(FOLDER))


def test_another_machine_gives_out_what_this_one_made(
    installed: Installed, tmp_path: Path
) -> None:
    """The same store and database, and a data directory of its own."""
    package = ordered(installed)
    (made,) = installed.platform.exports.view(package).made
    elsewhere = dataclasses.replace(installed.parts, data=tmp_path / "elsewhere")
    other = Exports(installed.platform.packaging, elsewhere, 30)
    with (
        other.open(package, made.name) as there,
        installed.platform.exports.open(package, made.name) as here,
    ):
        assert there.read() == here.read() != b""
    assert not (installed.parts.data / "packages" / package).exists()
    assert installed.platform.fsck(lambda *_: None) == []


def test_what_is_over_is_gone_and_says_so(installed: Installed) -> None:
    package = ordered(installed)
    (made,) = installed.platform.exports.view(package).made
    installed.clock.at += KEPT + timedelta(minutes=1)
    installed.platform.exports.finish()
    assert names(installed) == []
    with pytest.raises(Refused) as refused:
        installed.platform.exports.open(package, made.name)
    assert refused.value.code == "package.removed"


def effects_of(data: Path, at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "tests/road/handing_death.py"), str(data), at],
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.parametrize("at", ["1-before", "1-within", "1-after"])
def test_a_death_while_it_is_kept_costs_one_more_making(
    installed: Installed, at: str, tmp_path: Path
) -> None:
    rows = installed.platform.exports._rows
    name = new("pk", installed.clock(), installed.parts.entropy)
    rows.add(
        dataclasses.replace(
            rows.require(ordered(installed)),
            package=name,
            wanted=wanted(installed.exhibit).encode(),
        )
    )
    copy = tmp_path / "copy"
    shutil.copytree(installed.parts.data, copy)
    assert effects_of(copy, at).returncode == -9
    config = Config(data=copy)
    platform = Platform(config)
    platform.exports.finish()
    view = platform.exports.view(name)
    assert view.state == "made"
    with platform.exports.open(name, view.made[0].name) as stream:
        octets = stream.read()
    assert len(octets) == view.made[0].size
    assert not [one for one in platform.fsck(lambda *_: None) if one.code == "keep.extra"]


def test_a_death_while_it_is_removed_removes_it_again(
    installed: Installed, tmp_path: Path
) -> None:
    package = ordered(installed)
    installed.parts.blobs.remove(names(installed)[0])  # the octets are gone, no record says so
    assert installed.platform.exports.view(package).state == "made"
    with pytest.raises(Refused, match=r"package\.removed"):
        name = installed.platform.exports.view(package).made[0].name
        installed.platform.exports.open(package, name)
    installed.clock.at += KEPT + timedelta(minutes=1)
    installed.platform.exports.finish()
    assert installed.platform.exports.view(package).state == "removed"


def test_what_belongs_to_no_order_is_removed(installed: Installed) -> None:
    orphan = f"{FOLDER}{new('pk', installed.clock(), installed.parts.entropy)}/half.zip"
    installed.parts.blobs.put(orphan, [b"half"])
    package = ordered(installed)
    assert [one.split("/")[1] for one in names(installed)] == [package]


def test_a_links_package_is_made_once_until_its_papers_change(installed: Installed) -> None:
    platform, clock = installed.platform, installed.clock
    secret = platform.shares.make(WantedShare((installed.exhibit,))).secret

    def fetched() -> bytes:
        opened, name, _ = platform.shares.package(secret, "", VISITOR)
        with opened:
            assert name == f"{installed.exhibit}.zip"
            return opened.read()

    first = fetched()
    (kept,) = names(installed)
    assert kept.startswith(SHARED)
    place = installed.parts.data / "blobs" / kept
    before = place.stat().st_ino
    clock.at += timedelta(days=3)
    assert fetched() == first
    assert names(installed) == [kept]
    assert place.stat().st_ino == before, "not made again"
    clock.at += timedelta(days=5)
    platform.exports.finish()
    assert names(installed) == [kept], "not found any more, and left to whoever fetches it"
    assert fetched() == first
    assert len(names(installed)) == 2
    clock.at += timedelta(days=1)
    platform.exports.finish()
    assert kept not in names(installed)
    assert list((installed.parts.data / "staging").iterdir()) == []


def test_an_owners_package_is_the_one_that_links_give(installed: Installed) -> None:
    platform = installed.platform
    secret = platform.shares.make(WantedShare((installed.exhibit,))).secret
    with platform.packed(installed.exhibit).opened as opened:
        first = opened.read()
    (kept,) = names(installed)
    before = (installed.parts.data / "blobs" / kept).stat().st_ino
    with platform.packed(installed.exhibit).opened as again:
        assert again.read() == first
    with platform.shares.package(secret, "", VISITOR).opened as given:
        assert given.read() == first
    assert names(installed) == [kept]
    assert (installed.parts.data / "blobs" / kept).stat().st_ino == before, "not made again"
    with pytest.raises(Refused, match=r"package\.not-complete"):
        platform.packed(platform.deposit("b.txt", [b"more"]))


def test_a_link_gives_so_many_packages_an_hour(installed: Installed) -> None:
    platform, clock = installed.platform, installed.clock
    secret = platform.shares.make(WantedShare((installed.exhibit,))).secret
    for _ in range(rules.PACKAGES):
        platform.shares.package(secret, "", VISITOR).opened.close()
    with pytest.raises(Refused) as refused:
        platform.shares.package(secret, "", VISITOR)
    assert refused.value.code == "sharing.too-many-packages"
    assert 3600 <= refused.value.retry_seconds <= 3601
    clock.at += timedelta(hours=1)
    platform.shares.package(secret, "", VISITOR).opened.close()
