"""API keys: shown once, kept as a digest, never more than their maker, gone with him."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.accounts import SEAT, Permission
from guzheng.accounts.keys import Keys
from guzheng.refusals import Refused
from guzheng.store.records import reading, writing
from tests import engines
from tests.stations.firms import AT, LAWYER, OWNER, STAFF, Firm

TWO = frozenset({Permission.READ, Permission.CAPTURE})


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


@pytest.fixture
def firm(engine: Engine) -> Firm:
    firm = Firm(engine)
    firm.invite(STAFF)
    firm.grant(STAFF, Permission.READ, Permission.CAPTURE, Permission.MEMBERS)
    return firm


@pytest.fixture
def keys(engine: Engine) -> Keys:
    return Keys(engine, os.urandom)


def test_a_key_opens_what_it_was_made_for(engine: Engine, firm: Firm, keys: Keys) -> None:
    made, secret = keys.make(firm.by(), TWO, AT, days=30, note="夜间取证")
    found = keys.find(secret, AT)
    assert found is not None
    assert (found.account, found.person, found.permissions, found.by, found.operator) == (
        firm.account,
        OWNER,
        TWO,
        "key",
        False,
    )
    assert keys.find(secret, made.expires_at) is None
    for wrong in ("", "gzk_", secret[:-1], secret + "A", secret.swapcase(), "gzk_" + "钥" * 43):
        assert keys.find(wrong, AT) is None
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT * FROM account_key")).all()
    assert secret not in repr(rows)
    assert secret.removeprefix("gzk_")[:-4] not in repr(rows)


def test_a_key_is_never_more_than_its_maker(firm: Firm, keys: Keys) -> None:
    _made, secret = keys.make(firm.by(STAFF), TWO, AT, days=30, note="n")
    with pytest.raises(Refused, match=r"accounts\.beyond-own"):
        keys.make(firm.by(STAFF), frozenset({Permission.BILL}), AT, days=30, note="n")
    firm.members.revoke(firm.by(), STAFF, {Permission.CAPTURE}, AT)
    found = keys.find(secret, AT)
    assert found is not None
    assert found.permissions == {Permission.READ}
    firm.members.remove(firm.by(), STAFF, AT)
    assert keys.find(secret, AT) is None
    firm.invite(STAFF)
    firm.grant(STAFF, *TWO)
    assert keys.find(secret, AT) is None, "a key does not come back with its maker"


def test_what_is_revoked_opens_nothing(firm: Firm, keys: Keys) -> None:
    made, secret = keys.make(firm.by(), TWO, AT, days=30, note="n")
    for _ in range(2):
        keys.revoke(firm.by(STAFF), made.key, AT)
    assert keys.find(secret, AT) is None
    assert keys.of(firm.account)[0].standing(AT) == "revoked"
    told = [one.kind for one in firm.members.audit(firm.account, 9)]
    assert told[:2] == ["key-revoked", "key-made"]
    other = firm.members.found(LAWYER, AT)
    lawyer = firm.members.acting(LAWYER, other)
    assert lawyer is not None
    with pytest.raises(Refused, match=r"accounts\.key-not-found"):
        keys.revoke(lawyer, made.key, AT)
    assert keys.of(other) == ()


def test_a_key_makes_no_key_and_manages_nobody(firm: Firm, keys: Keys) -> None:
    _made, secret = keys.make(firm.by(), TWO, AT, days=30, note="n")
    key = keys.find(secret, AT)
    assert key is not None
    with pytest.raises(Refused, match=r"accounts\.not-permitted"):
        keys.make(key, TWO, AT, days=30, note="n")
    for scopes, days in (
        (frozenset({Permission.MEMBERS}), 30),
        (frozenset[Permission](), 30),
        (TWO, 10_000),
    ):
        with pytest.raises(Refused, match=r"accounts\.key-scopes"):
            keys.make(firm.by(), scopes, AT, days=days, note="n")
    with pytest.raises(Refused, match=r"accounts\.key-needs-person"):
        keys.make(SEAT, TWO, AT, days=30, note="n")
    with pytest.raises(Refused, match=r"accounts\.note-refused"):
        keys.make(firm.by(), TWO, AT, days=30, note=" ")


def test_when_a_key_was_used_is_noted_to_the_minute(firm: Firm, keys: Keys) -> None:
    _made, secret = keys.make(firm.by(), TWO, AT, days=30, note="n")
    assert keys.of(firm.account)[0].used_at is None
    for seconds in (1, 30, 90):
        keys.find(secret, AT + timedelta(seconds=seconds))
    assert keys.of(firm.account)[0].used_at == AT + timedelta(seconds=90)


def test_an_account_has_so_many_keys_and_no_more(firm: Firm, keys: Keys) -> None:
    for _ in range(50):
        keys.make(firm.by(), TWO, AT, days=30, note="n")
    with pytest.raises(Refused, match=r"accounts\.keys-too-many"):
        keys.make(firm.by(), TWO, AT, days=30, note="n")
    keys.make(firm.by(), TWO, AT + timedelta(days=31), days=30, note="n")


def test_what_was_made_is_never_changed(engine: Engine, firm: Firm, keys: Keys) -> None:
    keys.make(firm.by(), TWO, AT, days=30, note="n")
    for statement in ("UPDATE account_key SET scopes = 'bill'", "DELETE FROM account_key"):
        with (
            pytest.raises(DatabaseError, match="rows are only added"),
            writing(engine) as connection,
        ):
            connection.execute(text(statement))
