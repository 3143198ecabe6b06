"""Whose an order, a repetition and an exhibit are: kept, listed apart, added to old tables."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from guzheng.commission import (
    Batch,
    Commission,
    Commissions,
    Event,
    Schedule,
    Schedules,
    Timing,
)
from guzheng.commission.rules import CONFIRMED, DAILY, LOCAL
from guzheng.intake import ExhibitIndex, Order, ReceivedItem
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused
from guzheng.store.records import reading, writing
from tests import engines

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ANNE, BERT = f"ac_{1:026}", f"ac_{2:026}"
_numbers = itertools.count(1)


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "ownership")


def commission(account: str, person: str = "") -> Commission:
    number = next(_numbers)
    return Commission(
        f"or_{number:026}", f"ex_{number:026}", "https://a/", AT, account, person=person
    )


def order(account: str, person: str = "") -> Order:
    number = next(_numbers)
    item = ReceivedItem("a.txt", "text/plain", 5, (sha256(b"words"),))
    return Order(
        exhibit=f"ex_{number:026}",
        kind="deposit",
        claimed_name="a",
        observed_at=AT + timedelta(seconds=number),
        salt=bytes(32),
        items=(item,),
        account=account,
        person=person,
    )


def test_orders_are_listed_by_account(engine: Engine) -> None:
    rows = Commissions(engine)
    made = rows.add(
        [commission(ANNE, "pe_a"), commission(BERT), commission(ANNE)], allowance=None
    )
    anne = [one.commission for one in made if one.account == ANNE]
    assert [one.commission for one in rows.page(9, account=ANNE)] == anne[::-1]
    assert [one.commission for one in rows.page(9, anne[1], account=ANNE)] == anne[:1]
    assert len(rows.page(9)) == 3
    assert rows.page(9, account=LOCAL) == ()
    assert rows.require(anne[0]).person == "pe_a"
    assert rows.events(anne[0])[0].person == "pe_a"


def test_a_number_of_another_account_is_nobodys(engine: Engine) -> None:
    rows = Commissions(engine)
    (hers,) = rows.add([commission(ANNE)], allowance=None)
    with pytest.raises(Refused, match=r"commission\.not-found"):
        rows.add([commission(BERT), replace(hers, account=BERT)], allowance=None)
    assert len(rows.page(9)) == 1, "all or none"
    assert rows.add([hers], allowance=None) == (hers,)


def test_a_decision_names_whose_it_was(engine: Engine) -> None:
    rows = Commissions(engine)
    (one,) = rows.add([commission(ANNE)], allowance=None)
    rows.append(one, Event("captured", AT))
    rows.append(one, Event(CONFIRMED, AT, person="pe_b"))
    assert [each.person for each in rows.events(one.commission)] == ["", "", "pe_b"]


def test_repetitions_are_listed_by_account(engine: Engine) -> None:
    commissions = Commissions(engine)
    rows, timing = Schedules(engine, commissions), Timing(DAILY, AT)
    for number, account in enumerate((ANNE, BERT), 1):
        rows.add(Schedule(f"sc_{number:026}", "https://a/", timing, AT, account, "pe_x"))
    assert [(one.account, one.person) for one in rows.all(account=ANNE)] == [(ANNE, "pe_x")]
    assert len(rows.all()) == 2


def test_tables_of_a_version_without_persons_are_read_and_written(engine: Engine) -> None:
    Commissions(engine)
    tables = (
        "commission",
        "commission_event",
        "commission_batch",
        "schedule",
        "schedule_event",
    )
    with writing(engine) as connection:
        for table in tables:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN person")
        old = (
            "INSERT INTO commission_batch VALUES ('ba_{0:026}', 'local', 't', '', '[]', '{1}')"
        )
        at = "2026-11-22T01:00:00.000Z"
        connection.exec_driver_sql(old.format(1, at))
    rows = Commissions(engine)
    assert rows.batch(f"ba_{1:026}").person == ""
    batch = Batch(f"ba_{2:026}", "t", "", "[]", AT, ANNE, "pe_a")
    rows.add([replace(commission(ANNE), batch=batch.batch)], allowance=None, batch=batch)
    assert rows.batch(batch.batch) == batch
    with reading(engine) as connection:
        for table in tables:
            names = {one["name"] for one in inspect(connection).get_columns(table)}
            assert "person" in names


def test_exhibits_are_listed_by_account(engine: Engine) -> None:
    index = ExhibitIndex(engine)
    orders = [order(ANNE), order(BERT), order(ANNE), order(LOCAL)]
    for one in orders:
        index.add(one)
    hers = [one.exhibit for one in orders if one.account == ANNE]
    assert [one.exhibit for one in index.page(9, account=ANNE)] == hers[::-1]
    assert [one.exhibit for one in index.page(9, hers[1], account=ANNE)] == hers[:1]
    assert len(index.page(9)) == 4
    assert index.owner(hers[0]) == ANNE
    assert index.owner("ex_none") is None
    assert index.altered() == ()


def test_an_order_says_whose_it_is_only_where_that_is_not_the_shell() -> None:
    plain = order(LOCAL)
    assert b"account" not in plain.encode(), "orders of before are spelled as they were"
    for one in (plain, order(ANNE, "pe_a"), order(LOCAL, "pe_a")):
        assert Order.parse(one.encode()) == one
