"""The key of documents is turned: each is sealed anew, whoever dies, and the old one goes."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guzheng.accounts.documents import Vault, open_vault
from guzheng.accounts.generations import DOCUMENTS as FAMILY
from guzheng.accounts.generations import RETIRED_AFTER, Generations
from guzheng.accounts.realnames import FOLDER, place_of
from guzheng.app import Platform, open_parts
from guzheng.config import Config
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.blobs import read
from tests.stations.turned_keys import require_killed, require_turned_by_command

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
DOCUMENTS = 6


class Clock:
    at = AT

    def __call__(self) -> datetime:
        return self.at


class House:
    """An installation with documents under its first key."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.config = Config(folder, accounts="on")
        self.parts = open_parts(self.config, now=self.clock)
        self.platform = Platform(self.config, self.parts)
        self.names = self.platform.names
        self.keys = folder / "keys"
        self.places = [place_of(ids.new("na", AT, os.urandom), 1) for _ in range(DOCUMENTS)]
        for place in self.places:
            self.vault().put(place, place.encode())

    def vault(self) -> Vault:
        """As another program opens it."""
        parts = self.parts
        return open_vault(self.keys, parts.accounts, parts.blobs, self.clock, parts.entropy)

    def require_all(self) -> None:
        for place in self.places:
            assert self.vault().read(place) == place.encode()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def test_every_document_is_sealed_anew_and_the_old_key_goes(house: House) -> None:
    before = house.vault()
    mark, kept = before.mark("11010519491231002X"), read(house.parts.blobs, house.places[0])
    assert house.names.key.counts() == {1: DOCUMENTS}
    assert house.names.key.turn() == 2
    assert before.read(house.places[0]) == house.places[0].encode(), "both open"
    before.put(place_of(ids.new("na", AT, os.urandom), 1), b"meanwhile")
    assert house.names.key.counts() == {1: DOCUMENTS, 2: 1}, "who runs on turns, too"
    assert house.names.key.reseal() == (DOCUMENTS, ())
    assert house.names.key.reseal() == (0, ())
    assert read(house.parts.blobs, house.places[0]) != kept
    house.require_all()
    assert house.names.key.retire() == (), "not on the day it is turned away from"
    house.clock.at += RETIRED_AFTER
    assert house.names.key.retire() == (1,)
    assert not (house.keys / "documents.key").exists()
    house.require_all()
    assert house.vault().mark("11010519491231002X") == mark, "rows never change"
    assert house.names.key.turn() == 3
    assert house.names.key.reseal() == (DOCUMENTS + 1, ())
    house.require_all()
    for name in ("documents-2.key", "documents-3.key", FAMILY.marks_file):
        assert (house.keys / name).stat().st_mode & 0o777 == 0o600


def test_a_key_under_which_something_lies_stays(house: House) -> None:
    house.names.key.turn()
    house.clock.at += RETIRED_AFTER
    assert house.names.key.retire() == ()
    broken = house.places[0]
    octets = read(house.parts.blobs, broken)
    house.parts.blobs.replace(broken, octets[:-1] + bytes([octets[-1] ^ 1]))
    assert house.names.key.reseal() == (DOCUMENTS - 1, (broken,)), "one holds up no other"
    assert house.names.key.retire() == ()
    assert (house.keys / "documents.key").exists()
    house.parts.blobs.replace(broken, octets)
    assert house.names.key.reseal() == (1, ())
    assert house.names.key.retire() == (1,)


def test_a_document_is_bound_to_its_place_and_its_key(house: House) -> None:
    house.names.key.turn()
    house.names.key.reseal()
    one, other = house.places[:2]
    octets = read(house.parts.blobs, one)
    house.parts.blobs.replace(other, octets)
    never = octets[:4] + b"\0\7" + octets[6:]
    first = octets[:4] + b"\0\1" + octets[6:]
    for wrong in (octets, first, never, b"GZD1" + octets[6:], b"GZD2"):
        house.parts.blobs.replace(other, wrong)
        with pytest.raises(Refused):
            house.vault().read(other)
    assert not (house.keys / "documents-7.key").exists(), "a label makes no key"
    assert house.names.key.turn() == 3


def test_a_machine_without_the_key_seals_under_no_other(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "documents.key").write_bytes((house.keys / "documents.key").read_bytes())

    def there() -> Vault:
        parts = house.parts
        return open_vault(elsewhere, parts.accounts, parts.blobs, house.clock, parts.entropy)

    running = there()
    house.names.key.turn()
    place = place_of(ids.new("na", AT, os.urandom), 1)
    for attempt in (lambda: running.put(place, b"x"), there):
        with pytest.raises(Refused, match=r"accounts\.documents-key"):
            attempt()
    assert list(elsewhere.iterdir()) == [elsewhere / "documents.key"]
    assert running.read(house.places[0]) == house.places[0].encode()
    for name in ("documents-2.key", FAMILY.marks_file):
        (elsewhere / name).write_bytes((house.keys / name).read_bytes())
    there().put(place, b"x")
    assert house.vault().read(place) == b"x"


def test_a_file_that_was_prepared_is_the_next_key(house: House) -> None:
    prepared = os.urandom(32)
    (house.keys / "documents-2.key").write_bytes(prepared)
    assert house.names.key.turn() == 2
    assert (house.keys / "documents-2.key").read_bytes() == prepared
    keys = Generations(FAMILY, house.keys, house.parts.accounts, house.clock, os.urandom)
    assert keys.current() == 2
    assert keys.retirable() == ()


KILLED = """
import os, signal, sys
from guzheng.app import Platform, open_parts
from guzheng.config import Config
config = Config(__import__("pathlib").Path(sys.argv[1]), accounts="on")
platform = Platform(config, open_parts(config))
blobs, at, left = platform.parts.blobs, sys.argv[2], [3]
replace = type(blobs).replace
def dying(self, name, octets):
    left[0] -= 1
    if not left[0] and at == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(self, name, octets)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
type(blobs).replace = dying
platform.names.key.reseal()
"""


@pytest.mark.parametrize("at", ["before", "after"])
def test_who_is_killed_goes_on(house: House, at: str) -> None:
    house.names.key.turn()
    require_killed(KILLED, str(house.config.data), at)
    house.require_all()
    again = {"before": DOCUMENTS - 2, "after": DOCUMENTS - 3}[at]
    assert house.names.key.reseal() == (again, ())
    house.require_all()
    assert len(list(house.parts.blobs.names(FOLDER))) == DOCUMENTS


def test_the_command(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    require_turned_by_command("documents", DOCUMENTS, house.config.data, monkeypatch)
