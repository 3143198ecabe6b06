"""Renewing what is kept: thirty years of a store, a crash at every effect, what is refused."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from guzheng.fix import LocalAuthority
from guzheng.keep import Age, Folder, Judged, Renewing, Sunsets, age_of, renew
from guzheng.proof import package, renewal, timestamp
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.manifest import Item, Manifest
from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import read
from guzheng.store.memory import MemoryBlobs
from tests.oracles import bouncycastle
from tests.stations.renewals import issuer_of, signer_der, year
from tests.stations.timestamps import Issuer

YEAR = timedelta(days=365)


@cache
def authority(first: int, last: int) -> Issuer:
    return issuer_of(first, last, "sha512" if (first, last) == D else "sha256")


A, B, C, D = (2026, 2032), (2030, 2045), (2043, 2058), (2055, 2070)


class Killed(Exception):
    """The program ended here."""


class MortalBlobs(MemoryBlobs):
    """Dies before or after the write whose turn it is."""

    dies_at: int | None = None
    moment = "before"
    writes = 0

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        self.writes += 1
        if self.writes == self.dies_at and self.moment == "before":
            raise Killed
        super().put(name, chunks)
        if self.writes == self.dies_at:
            raise Killed


@dataclass
class World:
    """A store with exhibits of two days, an authority, and the time."""

    now: datetime = datetime(2026, 12, 1, tzinfo=UTC)
    by: Issuer = field(default_factory=lambda: authority(*A))
    blobs: MortalBlobs = field(default_factory=MortalBlobs)
    sunsets: Sunsets = field(
        default_factory=lambda: Sunsets(hashes={"sha256": year(2057)}, signatures={})
    )
    asked: int = 0
    logged: list[bytes] = field(default_factory=list)
    exhibits: list[str] = field(default_factory=list)
    silent: bool = False

    @property
    def judged(self) -> Judged:
        known = (authority(*one).root for one in (A, B, C, D))
        return Judged((*known, self.by.root), self.sunsets)

    def respond(self, request: bytes) -> bytes:
        self.asked += 1
        if self.silent:
            raise Unavailable("fix.authority-unreachable")
        return self._authority().respond(request)

    def _authority(self) -> LocalAuthority:
        return self.by.authority(at=self.now)

    def seal(self, number: int, kind: str = "deposit") -> str:
        exhibit = f"ex_{number:026d}"
        place, octets = f"exhibits/{exhibit}/", f"photograph {number}".encode()
        digests = (sha256(octets), sm3(octets))
        item = Item("a.jpg", "original", "image/jpeg", len(octets), digests)
        manifest = Manifest(exhibit, kind, "a", self.now, (item,), os.urandom(32)).encode()
        stamped = {"tokens/a.jpg.tsa": sha256(octets), "seal.tsa": sha256(manifest)}
        papers = {"manifest.json": manifest}
        if kind == "deposit":
            papers["items/a.jpg"] = octets
        for name, digest in stamped.items():
            papers[name] = self._authority().respond(timestamp.encode_request(digest, 1))
        for name in ("leaf", "entry.tlog-proof", "certificate.json", "certificate.pdf"):
            papers[name] = f"{name} of {number}".encode()
        for name, paper in papers.items():
            self.blobs.put(place + name, [paper])
        self.exhibits.append(exhibit)
        return exhibit

    def folder(self, exhibit: str) -> Folder:
        place = f"exhibits/{exhibit}/"
        names = frozenset(one.removeprefix(place) for one in self.blobs.names(place))
        return Folder(exhibit, place, names)

    def age(self, exhibit: str) -> Age:
        folder = self.folder(exhibit)
        return age_of(self.blobs, exhibit, folder.place, folder.names, self.judged)

    def renew(self, within: timedelta = YEAR) -> tuple[str, ...]:
        horizon = self.now + within
        ages = [self.age(one) for one in self.exhibits]
        due = [(one, self.folder(one.exhibit)) for one in ages if one.until <= horizon]
        parts = Renewing(self.blobs, self.judged, self.respond, self._log, os.urandom)
        return renew(parts, due, horizon=horizon)

    def _log(self, leaf: bytes) -> None:
        if leaf not in self.logged:
            self.logged.append(leaf)

    def records(self, exhibit: str) -> list[str]:
        return sorted(one for one in self.folder(exhibit).names if one.startswith("renewals/"))


def sealed_world(exhibits: int = 3) -> World:
    world = World()
    for number in range(exhibits):
        world.seal(number)
        world.now += timedelta(hours=20)
    return world


def thirty_years(world: World) -> World:
    for by, at in ((B, year(2031, 3)), (C, year(2044, 6)), (D, year(2056, 12))):
        world.by, world.now = authority(*by), at
        assert world.renew() == tuple(world.exhibits)
    return world


def test_thirty_years_and_bouncy_castle(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = thirty_years(sealed_world())
    assert world.asked == 3, "one request renews all"
    assert len(world.logged) == 3
    for exhibit in world.exhibits:
        assert world.records(exhibit) == [f"renewals/000{one}.ers" for one in (1, 2, 3)]
        record = renewal.parse(read(world.blobs, f"exhibits/{exhibit}/renewals/0003.ers"))
        assert [(one.hash_name, len(one.stamps)) for one in record.chains] == [
            ("sha256", 2),
            ("sha512", 1),
        ]
        age = world.age(exhibit)
        assert (age.until, age.renewals, age.hash_name) == (year(2070), 3, "sha512")
    classes = bouncycastle.compiled("EvidenceRecords", tmp_path_factory)
    folders = [laid_out(world, one, tmp_path) for one in world.exhibits]
    assert bouncycastle.ask(classes, "EvidenceRecords", *folders) == ["sound"] * 3


def laid_out(world: World, exhibit: str, where: Path) -> Path:
    folder = where / exhibit
    (folder / "members").mkdir(parents=True)
    held = world.folder(exhibit)
    for name in held.names - set(world.records(exhibit)):
        octets = read(world.blobs, held.place + name)
        (folder / "members" / name.replace("/", "-")).write_bytes(octets)
    newest = read(world.blobs, held.place + world.records(exhibit)[-1])
    (folder / "record.ers").write_bytes(newest)
    last = renewal.parse(newest).stamps[-1].token_der
    (folder / "signer.der").write_bytes(signer_der(last))
    return folder


def test_nothing_ages_yet() -> None:
    world = sealed_world()
    assert world.renew() == ()
    assert (world.asked, world.logged) == (0, [])


def test_a_second_run_finds_nothing_to_do() -> None:
    world = sealed_world()
    world.by, world.now = authority(*B), year(2031, 3)
    assert world.renew() == tuple(world.exhibits)
    assert world.renew() == ()
    assert world.asked == 1


def test_the_ledger_has_the_token_that_renewed() -> None:
    world = sealed_world()
    world.by, world.now = authority(*B), year(2031, 3)
    world.renew()
    octets = read(world.blobs, f"exhibits/{world.exhibits[0]}/renewals/0001.ers")
    token = renewal.parse(octets).stamps[0].token_der
    assert world.logged == [b"guzheng/renewal/v1\n" + sha256(token).value]


def test_each_day_has_its_tree() -> None:
    """Exhibits of one day share all but the last step of their way."""
    world = World()
    for number in range(4):
        world.seal(number)
    world.now += timedelta(days=3)
    world.seal(4)
    world.by, world.now = authority(*B), year(2031, 3)
    world.renew()
    lengths = []
    for exhibit in world.exhibits:
        record = renewal.parse(read(world.blobs, f"exhibits/{exhibit}/renewals/0001.ers"))
        lengths.append(len(record.stamps[0].lists))
    assert lengths == [4, 4, 4, 4, 2]  # the group, two levels of the day, the other day


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3])
def test_killed_at_any_write(write: int, moment: str) -> None:
    world = sealed_world()
    world.by, world.now = authority(*B), year(2031, 3)
    world.blobs.dies_at, world.blobs.moment = world.blobs.writes + write, moment
    with pytest.raises(Killed):
        world.renew()
    world.renew()
    assert world.renew() == ()
    for exhibit in world.exhibits:
        assert world.records(exhibit) == ["renewals/0001.ers"]
    assert world.asked <= 2


def test_one_that_came_later_joins_the_next_time() -> None:
    """Ages differ: each is renewed when it is due, under whatever record it has."""
    world = sealed_world(2)
    world.by, world.now = authority(*B), year(2031, 3)
    world.renew()
    world.seal(7)
    world.by, world.now = authority(*C), year(2044, 6)
    assert len(world.renew()) == 3
    assert world.asked == 2
    assert [len(world.records(one)) for one in world.exhibits] == [2, 2, 1]


def test_an_authority_as_old_as_what_it_renews() -> None:
    world = sealed_world()
    world.now = year(2031, 6)
    with pytest.raises(Refused) as refused:
        world.renew()
    assert refused.value.code == "keep.authority-too-old"
    assert all(world.records(one) == [] for one in world.exhibits)
    assert world.logged == []


def test_an_authority_that_is_silent_or_unknown() -> None:
    world = sealed_world()
    world.now, world.silent = year(2031, 6), True
    with pytest.raises(Unavailable):
        world.renew()
    world.silent = False
    stranger = issuer_of(2030, 2045)
    respond = stranger.authority(at=world.now).respond
    parts = Renewing(world.blobs, world.judged, respond, world._log, os.urandom)
    due = [(world.age(one), world.folder(one)) for one in world.exhibits]
    with pytest.raises(Unavailable) as refused:
        renew(parts, due, horizon=world.now + YEAR)
    assert refused.value.code == "keep.stamp-unsound"
    assert world.logged == []


def test_too_late_is_not_hidden() -> None:
    world = sealed_world()
    world.by, world.now = authority(*B), year(2032, 2)
    with pytest.raises(Refused) as refused:
        world.renew()
    assert refused.value.code == "keep.renewal-unsound"
    assert all(world.records(one) == [] for one in world.exhibits)


def test_a_hash_that_ends_soon_begins_no_chain() -> None:
    world = sealed_world(1)
    world.by, world.now = issuer_of(2030, 2045, "sha512"), year(2031, 3)
    world.sunsets = Sunsets(hashes={"sha256": year(2031, 12)}, signatures={})
    world.renew()
    place = f"exhibits/{world.exhibits[0]}/renewals/0001.ers"
    record = renewal.parse(read(world.blobs, place))
    assert record.chains[0].hash_name == "sha512"


def test_an_authority_that_signs_with_the_hash_that_ends() -> None:
    """Its token over a SHA-512 would end with SHA-256 all the same."""
    world = sealed_world(1)
    world.by, world.now = authority(*B), year(2031, 3)
    world.sunsets = Sunsets(hashes={"sha256": year(2031, 12)}, signatures={})
    with pytest.raises(Refused, match="hash_ends sha256") as refused:
        world.renew()
    assert refused.value.code == "keep.authority-too-old"
    assert (world.records(world.exhibits[0]), world.logged) == ([], [])


def test_a_stamp_that_rests_on_a_hash_that_ends_is_renewed() -> None:
    """The imprint is SHA-512, the signature is not: the same chain, another authority."""
    world = sealed_world(1)
    world.by, world.now = authority(*B), year(2031, 3)
    world.sunsets = Sunsets(hashes={}, signatures={})
    world.renew()
    world.sunsets = Sunsets(hashes={"sha256": year(2033)}, signatures={})
    world.now = year(2032, 6)
    age = world.age(world.exhibits[0])
    assert (age.because, age.until) == ("hash", year(2033))
    world.by = issuer_of(2030, 2045, "sha512")
    world.renew()
    age = world.age(world.exhibits[0])
    assert (age.because, age.until, age.hash_name) == ("certificate", year(2045), "sha512")


def test_an_original_that_was_altered_is_not_covered_as_it_is() -> None:
    world = sealed_world(1)
    world.by, world.now = authority(*B), year(2031, 3)
    world.sunsets = Sunsets(hashes={"sha256": year(2031, 12)}, signatures={})
    world.blobs.replace(f"exhibits/{world.exhibits[0]}/items/a.jpg", b"altered")
    with pytest.raises(Refused) as refused:
        world.renew()
    assert refused.value.code == "keep.damaged"
    assert (world.asked, world.logged) == (0, [])


def test_originals_that_stayed_with_their_owner() -> None:
    """The record covers the manifest that names them, under SHA-512 too."""
    world = World()
    world.seal(0, "hash-only")
    thirty_years(world)
    assert len(world.records(world.exhibits[0])) == 3


def test_ages_name_what_ends_first() -> None:
    world = sealed_world(1)
    exhibit = world.exhibits[0]
    assert (world.age(exhibit).because, world.age(exhibit).until) == ("certificate", year(2032))
    world.sunsets = Sunsets(hashes={"sha256": year(2030)}, signatures={})
    assert (world.age(exhibit).because, world.age(exhibit).until) == ("hash", year(2030))
    world.sunsets = Sunsets()
    world.by, world.now = authority(*B), year(2031, 3)
    world.renew()
    age = world.age(exhibit)
    assert (age.because, age.until.year) == ("signature", 2035)
    assert "NIST IR 8547" in age.source


def test_a_root_that_was_taken_away_is_no_damage() -> None:
    world = sealed_world(1)
    stranger = Judged((authority(*B).root,), world.sunsets)
    folder = world.folder(world.exhibits[0])
    with pytest.raises(Refused, match="CN=root 2026") as refused:
        age_of(world.blobs, folder.exhibit, folder.place, folder.names, stranger)
    assert refused.value.code == "keep.root-missing"


def test_a_damaged_token_is_named() -> None:
    world = sealed_world(1)
    exhibit = world.exhibits[0]
    world.blobs.replace(f"exhibits/{exhibit}/{package.SEAL}", b"damaged")
    with pytest.raises(Refused) as refused:
        world.age(exhibit)
    assert refused.value.code == "keep.damaged"
    assert package.SEAL in refused.value.found
