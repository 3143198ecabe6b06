"""Shares and orders of packages, as they are kept: on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.prove import records
from guzheng.prove.records import Event, Ordered, Packages, Verified
from guzheng.refusals import Refused
from guzheng.sharing import Access, Share, Shares, Visitor, rules, shown_address
from guzheng.store.records import writing
from tests import engines

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
NOBODY = Visitor("", "")
_numbers = count()


def entropy(octets: int) -> bytes:
    return next(_numbers).to_bytes(octets, "big")


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


def share(secret: str, code: str = "") -> Share:
    number = next(_numbers)
    return Share(
        f"sh_{number:026}",
        "local",
        "",
        ("ex_b", "ex_a"),
        "给法官",
        True,
        rules.digest_of(secret),
        rules.hidden(code, b"salt") if code else "",
        AT,
        AT + timedelta(days=7),
    )


def test_what_is_kept_comes_back_and_is_never_changed(engine: Engine) -> None:
    rows = Shares(engine)
    secret = rules.new_secret(entropy)
    one = share(secret)
    assert rows.add(one)
    assert not rows.add(one), "twice is once"
    assert rows.find_by_link(secret) == one
    assert rows.find_by_link(secret[:-1] + "_") is None
    assert rows.page("local", 10) == (one,)
    assert rows.page("ac_other", 10) == ()
    assert rows.of_exhibit("ex_a") == (one,)
    rows.revoke(one.share, "pe_1", AT + timedelta(hours=1))
    rows.revoke(one.share, "pe_2", AT + timedelta(hours=2))
    assert rows.require(one.share).revoked_at == AT + timedelta(hours=1)
    for statement in ("UPDATE share SET account = 'x'", "DELETE FROM share_access"):
        rows.note(one.share, Access(AT, rules.OPENED, "", NOBODY))
        with pytest.raises(DatabaseError), writing(engine) as connection:
            connection.execute(text(statement))


def test_tries_at_once_are_as_many_as_one_after_another(engine: Engine) -> None:
    rows = Shares(engine)
    one = share(rules.new_secret(entropy), code="482913")
    rows.add(one)

    def guess(number: int) -> str:
        try:
            return str(rows.try_code(one, f"{number:06}", NOBODY, AT))
        except Refused as refused:
            return refused.code

    with ThreadPoolExecutor(6) as guessers:
        found = list(guessers.map(guess, range(12)))
    assert sorted(found) == ["False"] * 5 + ["sharing.too-many-codes"] * 7
    assert rows.try_code(one, "482913", NOBODY, AT + rules.TIME)
    kinds = [each.kind for each in rows.log(one.share, 100)]
    assert kinds == [rules.RIGHT_CODE] + [rules.WRONG_CODE] * 5


def test_whoever_gave_the_code_is_let_in_for_a_time(engine: Engine) -> None:
    rows = Shares(engine)
    one, other = share(rules.new_secret(entropy)), share(rules.new_secret(entropy))
    rows.add(one)
    rows.add(other)
    passed = rows.let_in(one.share, AT + rules.PASS_LASTS, entropy)
    assert rows.is_let_in(one.share, passed, AT)
    assert not rows.is_let_in(other.share, passed, AT)
    assert not rows.is_let_in(one.share, passed, AT + rules.PASS_LASTS)


def test_what_was_fetched_is_counted(engine: Engine) -> None:
    rows = Shares(engine)
    one = share(rules.new_secret(entropy))
    rows.add(one)
    for _ in range(3):
        rows.note(one.share, Access(AT, rules.FETCHED, "1/certificate.pdf", NOBODY))
    counted = rows.counts([one.share])[one.share]
    assert (counted.opened, counted.fetched, counted.last_at) == (0, 3, AT)


def test_orders_of_packages(engine: Engine) -> None:
    rows = Packages(engine)
    one = Ordered("pk_1", "local", "", b"{}", AT)
    rows.add(one)
    rows.add(one)
    assert rows.find("pk_1") == one
    assert [each.package for each in rows.in_state(("ordered",))] == ["pk_1"]
    rows.note("pk_1", Event(records.BEGAN, AT))
    assert rows.in_state(("ordered",)) == ()
    assert rows.in_state((records.BEGAN,))[0].state == records.BEGAN
    rows.note("pk_1", Event(records.FAILED, AT, "package.not-sound"))
    assert rows.in_state((records.BEGAN, records.FAILED)) == ()
    rows.verified(["ex_a"], Verified("failed", AT, "x"))
    rows.verified(["ex_a"], Verified("passed", AT + timedelta(days=1)))
    assert rows.last_verified(["ex_a", "ex_b"]) == {
        "ex_a": Verified("passed", AT + timedelta(days=1))
    }


@pytest.mark.parametrize(
    ("address", "policy", "shown"),
    [
        ("203.0.113.77", "truncated", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "truncated", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "truncated", "2001:db8:1::/48"),
        ("203.0.113.77", "whole", "203.0.113.77"),
        ("203.0.113.77", "none", ""),
        ("not an address", "whole", ""),
    ],
)
def test_what_of_an_address_is_written_down(address: str, policy: str, shown: str) -> None:
    assert shown_address(address, policy) == shown


@pytest.mark.parametrize("typed", ["Ab 12-XY", "ab12-xy", " AB12-XY "])
def test_a_code_is_itself_as_it_is_read_out(typed: str) -> None:
    kept = rules.hidden("Ab12-XY", b"salt")
    assert rules.is_code(typed, kept)
    assert not rules.is_code(typed + "z", kept)
    assert not rules.is_code("x" * 100_000, kept)
