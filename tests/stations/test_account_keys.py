"""The key of accounts' secrets is turned: each sealed anew, whoever dies, and the old goes."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from guzheng.accounts import challenges
from guzheng.accounts.generations import ACCOUNTS, RETIRED_AFTER
from guzheng.accounts.hooks import KINDS, Hooks
from guzheng.accounts.onetime import websafe
from guzheng.accounts.people import Persons
from guzheng.accounts.resealing import Resealing
from guzheng.accounts.sealing import Sealing, generation_of, keys_of_accounts, open_sealing
from guzheng.app import Platform, open_parts
from guzheng.app.turning import Turning, secrets_of
from guzheng.config import Config
from guzheng.refusals import Refused
from guzheng.store.records import writing
from tests.stations.firms import AT, Firm
from tests.stations.turned_keys import require_killed, require_turned_by_command

PERSONS = tuple(f"pe_{one:026}" for one in range(10, 14))
SECRETS = len(PERSONS) + 2  # a webhook has two


class House:
    """An installation with seeds of authenticators, and a webhook that was rotated."""

    def __init__(self, folder: Path) -> None:
        self.now = AT
        self.config = Config(folder, accounts="on")
        self.parts = open_parts(self.config, now=lambda: self.now)
        self.platform = Platform(self.config, self.parts)
        self.keys = folder / "keys"
        self.persons = Persons(self.parts.accounts, os.urandom)
        for one in PERSONS:
            seed = self.sealing().sealed(one.encode(), f"totp {one}")
            self.persons.propose_totp(one, seed)
        self.firm = Firm(self.parts.accounts)
        made, _ = self.hooks().add(
            self.firm.by(), "https://hooks.example/in", frozenset(KINDS), AT
        )
        self.endpoint = made.endpoint
        self.hooks().rotate(self.firm.by(), self.endpoint, AT)
        self.signing = self.hooks().keys_of(self.endpoint, AT)
        assert len(self.signing) == 2

    @property
    def turning(self) -> Turning:
        return secrets_of(self.parts)

    def sealing(self) -> Sealing:
        """As another program opens it."""
        parts = self.parts
        return open_sealing(self.keys, parts.accounts, parts.now, parts.entropy)

    def hooks(self) -> Hooks:
        return Hooks(self.parts.accounts, os.urandom, self.sealing())

    def require_all(self) -> None:
        sealing = self.sealing()
        for one in PERSONS:
            totp = self.persons.find_totp(one)
            assert totp is not None
            assert sealing.opened(totp.secret, f"totp {one}") == one.encode()
        assert self.hooks().keys_of(self.endpoint, AT) == self.signing


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "data")


def test_every_secret_is_sealed_anew_and_the_old_key_goes(house: House) -> None:
    running = house.sealing()
    digest, kept = (
        running.digest("recovery", "ABCD"),
        (house.keys / "accounts.key").read_bytes(),
    )
    assert house.turning.counts() == {1: SECRETS}
    assert house.turning.turn() == 2
    house.require_all()
    assert generation_of(running.sealed(b"x", "here")) == 2, "who runs on turns, too"
    assert running.opened(running.sealed(b"x", "here"), "here") == b"x"
    assert house.turning.reseal() == (SECRETS, ())
    assert house.turning.reseal() == (0, ())
    assert house.turning.counts() == {2: SECRETS}
    house.require_all()
    assert house.turning.retire() == (), "not on the day it is turned away from"
    house.now += RETIRED_AFTER
    assert house.turning.retire() == (1,)
    assert not (house.keys / "accounts.key").exists()
    house.require_all()
    assert house.sealing().digest("recovery", "ABCD") == digest, "recovery codes stay good"
    assert house.turning.turn() == 3
    assert house.turning.reseal() == (SECRETS, ())
    house.require_all()
    for name in ("accounts-2.key", "accounts-3.key", ACCOUNTS.marks_file):
        assert (house.keys / name).stat().st_mode & 0o777 == 0o600
        assert (house.keys / name).read_bytes() != kept


def test_a_key_that_was_known_signs_no_challenge(house: House) -> None:
    challenge = challenges.new(house.sealing(), challenges.TO_SIGN, AT, os.urandom)
    typed = websafe(challenge)
    challenges.require(house.sealing(), challenges.TO_SIGN, typed, AT)
    house.turning.turn()
    with pytest.raises(Refused):
        challenges.require(house.sealing(), challenges.TO_SIGN, typed, AT)


def test_a_secret_is_bound_to_its_place_and_its_key(house: House) -> None:
    first = house.sealing().sealed(b"secret", "totp pe_1")
    house.turning.turn()
    second = house.sealing().sealed(b"secret", "totp pe_1")
    assert house.sealing().opened(second, "totp pe_1") == b"secret"
    octets = second.removeprefix("2.")
    for wrong in (octets, f"2.{first}", f"7.{octets}", f"02.{octets}", "2.", "x", "", "2.zz"):
        with pytest.raises(Refused, match=r"accounts\.key-differs"):
            house.sealing().opened(wrong, "totp pe_1")
    with pytest.raises(Refused, match=r"accounts\.key-differs"):
        house.sealing().opened(second, "totp pe_2")
    assert not (house.keys / "accounts-7.key").exists(), "what somebody sends makes no key"
    keys = keys_of_accounts(house.keys, house.parts.accounts, house.parts.now, os.urandom)
    assert keys.current() == 2


def test_a_machine_without_the_key_seals_under_no_other(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "accounts.key").write_bytes((house.keys / "accounts.key").read_bytes())
    parts = house.parts
    running = open_sealing(elsewhere, parts.accounts, parts.now, parts.entropy)
    sealed = running.sealed(b"before", "here")
    house.turning.turn()
    with pytest.raises(Refused, match=r"accounts\.key-differs"):
        running.sealed(b"after", "here")
    assert running.opened(sealed, "here") == b"before"
    assert list(elsewhere.iterdir()) == [elsewhere / "accounts.key"]


def test_another_machine_keeps_the_key_of_marks_before_the_first_one_goes(
    house: House, tmp_path: Path
) -> None:
    """Nobody copied `accounts-marks.key` to it: with the first key it can still be made."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(house.keys, elsewhere)
    digest = house.sealing().digest("recovery", "ABCD")
    house.turning.turn()
    house.turning.reseal()
    shutil.copy(house.keys / "accounts-2.key", elsewhere)
    house.now += RETIRED_AFTER
    parts = house.parts
    there = keys_of_accounts(elsewhere, parts.accounts, parts.now, parts.entropy)
    there.retire(1)
    assert not (elsewhere / "accounts.key").exists()
    assert Sealing(there, os.urandom).digest("recovery", "ABCD") == digest
    kept = (elsewhere / ACCOUNTS.marks_file).read_bytes()
    assert kept == (house.keys / ACCOUNTS.marks_file).read_bytes()


def test_a_machine_without_the_key_calls_nothing_damaged(house: House) -> None:
    house.turning.turn()
    (house.keys / "accounts-2.key").unlink()
    with pytest.raises(Refused, match=r"accounts\.key-differs"):
        house.turning.reseal()


def test_two_who_retire_at_once_remove_it_once(house: House) -> None:
    house.turning.turn()
    house.turning.reseal()
    house.now += RETIRED_AFTER
    with ThreadPoolExecutor(2) as hands:
        both = [hands.submit(house.turning.retire) for _ in range(2)]
    assert sorted(one.result() for one in both) == [(), (1,)]


def test_what_no_key_opens_holds_up_nothing_but_the_retiring(house: House) -> None:
    with writing(house.parts.accounts) as connection:
        spoilt = text("UPDATE person_totp SET secret = '00' WHERE person = :one")
        connection.execute(spoilt, {"one": PERSONS[0]})
    house.turning.turn()
    assert house.turning.reseal() == (SECRETS - 1, (f"totp {PERSONS[0]}",))
    house.now += RETIRED_AFTER
    assert house.turning.retire() == ()
    house.persons.remove_totp(PERSONS[0])
    assert house.turning.retire() == (1,)


def test_what_was_changed_meanwhile_is_not_undone(house: House) -> None:
    """Between reading a seed and writing it anew its person takes it away, or another."""
    house.turning.turn()
    sealing = house.sealing()
    resealing = Resealing(house.parts.accounts, sealing)
    lying = {one.place: one for one in resealing.all()}
    house.persons.remove_totp(PERSONS[0])
    other = sealing.sealed(b"another", f"totp {PERSONS[1]}")
    house.persons.propose_totp(PERSONS[1], other)
    house.hooks().remove(house.firm.by(), house.endpoint, AT)
    for person in PERSONS[:2]:
        assert not resealing.reseal(lying[f"totp {person}"])
    assert not resealing.reseal(lying[house.endpoint])
    assert house.persons.find_totp(PERSONS[0]) is None
    totp = house.persons.find_totp(PERSONS[1])
    assert totp is not None
    assert totp.secret == other
    assert house.turning.counts() == {1: len(PERSONS) - 2, 2: 1}, "a webhook's went with it"


def test_a_webhook_of_before_there_were_rows_that_change(house: House) -> None:
    """Its secret lies in the row that never changes; sealed anew it lies beside it."""
    sealed = house.sealing().sealed(b"s" * 32, "we_before")
    with writing(house.parts.accounts) as connection:
        connection.execute(
            text(
                "INSERT INTO webhook_endpoint VALUES ('we_before', :account, 'https://x', '',"
                " :sealed, '', '2026-11-22T01:00:00Z')"
            ),
            {"account": house.firm.account, "sealed": sealed},
        )
    assert house.hooks().keys_of("we_before", AT) == (b"s" * 32,)
    house.turning.turn()
    assert house.turning.reseal() == (SECRETS + 1, ())
    house.now += RETIRED_AFTER
    assert house.turning.retire() == (1,)
    assert house.hooks().keys_of("we_before", AT) == (b"s" * 32,)


def test_a_webhook_is_rotated_by_who_just_started(house: House) -> None:
    """The key is entered at its first use, which is a write, and must not wait for itself."""
    fresh = Hooks(house.parts.accounts, os.urandom, house.sealing())
    secret = fresh.rotate(house.firm.by(), house.endpoint, AT + timedelta(days=2))
    assert secret.startswith("whsec_")
    assert len(fresh.keys_of(house.endpoint, AT + timedelta(days=2))) == 2


KILLED = """
import os, signal, sys
from guzheng.accounts.resealing import Resealing
from guzheng.app import open_parts
from guzheng.app.turning import secrets_of
from guzheng.config import Config
parts = open_parts(Config(__import__("pathlib").Path(sys.argv[1]), accounts="on"))
at, left, reseal = sys.argv[2], [3], Resealing.reseal
def dying(self, one):
    left[0] -= 1
    if not left[0] and at == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = reseal(self, one)
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
Resealing.reseal = dying
secrets_of(parts).reseal()
"""


@pytest.mark.parametrize("at", ["before", "after"])
def test_who_is_killed_goes_on(house: House, at: str) -> None:
    house.turning.turn()
    require_killed(KILLED, str(house.config.data), at)
    house.require_all()
    again = {"before": SECRETS - 2, "after": SECRETS - 3}[at]
    assert house.turning.reseal() == (again, ())
    house.require_all()


TURNED = """
import os, signal, sys
from guzheng.accounts import keyfiles
from guzheng.app import open_parts
from guzheng.app.turning import secrets_of
from guzheng.config import Config
from guzheng.store import durable
parts = open_parts(Config(__import__("pathlib").Path(sys.argv[1]), accounts="on"))
create, left = durable.create, [int(sys.argv[2])]
def dying(path, octets):
    create(path, octets)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
durable.create = dying
secrets_of(parts).turn()
"""


@pytest.mark.parametrize("written", [1, 2])
def test_who_is_killed_while_turning_has_turned_nothing(house: House, written: int) -> None:
    """The file is there and not entered yet: the next turn takes it."""
    require_killed(TURNED, str(house.config.data), str(written))
    assert house.turning.counts() == {1: SECRETS}
    house.require_all()
    assert house.turning.turn() == 2
    assert house.turning.reseal() == (SECRETS, ())
    house.require_all()


def test_the_command(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    require_turned_by_command("secrets", SECRETS, house.config.data, monkeypatch)
