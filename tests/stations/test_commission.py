"""Commissions: the events that may follow, the quota that sums to nothing, turns, tables."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.commission import Commission, Commissions, Event, Timing, rules, table
from guzheng.commission.units import limit_of
from guzheng.refusals import Refused
from guzheng.store.records import open_engine, writing
from tests import engines

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
_numbers = itertools.count()


def commission(account: str = rules.LOCAL) -> Commission:
    number = next(_numbers)
    return Commission(f"or_{number:026}", f"ex_{number:026}", "https://a/", AT, account=account)


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "commissions")


@pytest.fixture
def rows(engine: Engine) -> Commissions:
    return Commissions(engine)


def test_what_is_decided_stays_decided() -> None:
    events: list[Event] = []
    for kind in (rules.ORDERED, rules.BEGAN, rules.CAPTURED, rules.CONFIRMED):
        assert rules.follows(events, kind)
        events.append(Event(kind, AT))
        assert not rules.follows(events, kind), "asked twice, it happened once"
    for kind in (rules.GIVEN_UP, rules.CANCELLED, rules.FAILED, rules.CANCEL_ASKED):
        with pytest.raises(Refused, match=r"commission\.too-late"):
            rules.follows(events, kind)


def test_nothing_is_confirmed_that_was_not_captured() -> None:
    events = [Event(rules.ORDERED, AT), Event(rules.BEGAN, AT)]
    for kind in (rules.CONFIRMED, rules.GIVEN_UP):
        with pytest.raises(Refused, match=r"commission\.not-now"):
            rules.follows(events, kind)
    assert rules.state_of([*events, Event(rules.CANCEL_ASKED, AT)]) == "capturing"


@settings(max_examples=12, deadline=None)  # each makes a file
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(
                (rules.BEGAN, rules.CAPTURED, rules.CONFIRMED, rules.GIVEN_UP, rules.FAILED)
            ),
        ),
        max_size=25,
    )
)
def test_held_charged_and_given_back_sum_to_what_was_ordered(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str]]
) -> None:
    rows = Commissions(open_engine(tmp_path_factory.mktemp("quota") / "c.sqlite"))
    made = rows.add([commission() for _ in range(4)], allowance=limit_of(4))
    for number, kind in steps:
        try:
            rows.append(made[number], Event(kind, AT))
        except Refused:
            continue
    states = [rules.state_of(rows.events(one.commission)) for one in made]
    quota = rows.quota(rules.LOCAL)
    assert quota.spent == states.count(rules.CONFIRMED)
    assert quota.held == sum(one not in rules.FINAL for one in states)
    assert len(rows.undecided()) == quota.held


def test_a_quota_is_not_passed_by_asking_for_many_at_once(rows: Commissions) -> None:
    with pytest.raises(Refused, match=r"commission\.quota-spent"):
        rows.add([commission() for _ in range(3)], allowance=limit_of(2))
    assert rows.page(10) == ()
    assert rows.quota(rules.LOCAL).held == 0
    one, _ = rows.add([commission(), commission()], allowance=limit_of(2))
    rows.append(one, Event(rules.CANCELLED, AT))
    rows.add([commission()], allowance=limit_of(2))


def test_ordering_twice_under_one_number_orders_once(rows: Commissions) -> None:
    one = commission()
    first = rows.add([one], allowance=limit_of(1))
    again = rows.add([replace(one, exhibit="ex_other")], allowance=limit_of(1))
    assert first == again


def test_accounts_take_turns(rows: Commissions) -> None:
    many = rows.add([commission("much") for _ in range(5)], allowance=None)
    late = rows.add([commission("little")], allowance=None)
    assert late[0].turn == many[0].turn, "before the second of who came first"
    for one in many[:3]:
        rows.append(one, Event(rules.BEGAN, AT))
    (later,) = rows.add([commission("third")], allowance=None)
    assert later.turn == many[3].turn, "who was away has saved up nothing"


def test_rows_of_a_version_that_had_no_options_are_read(engine: Engine) -> None:
    Commissions(engine)
    with writing(engine) as connection:
        for table in ("commission", "schedule"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN options")
    rows = Commissions(engine)
    rows.add([commission()], allowance=None)
    assert rows.page(1)[0].options == ()
    rows.add([replace(commission(), options=("video",))], allowance=None)
    assert rows.page(1)[0].options == ("video",)


def test_rows_are_only_added(engine: Engine, rows: Commissions) -> None:
    rows.add([commission()], allowance=None)
    for statement in ("UPDATE quota_line SET units = 0", "DELETE FROM commission_event"):
        with pytest.raises(DatabaseError, match="only added"), writing(engine) as connection:
            connection.execute(text(statement))


def test_times_of_a_repetition() -> None:
    day = timedelta(days=1)
    timing = Timing(rules.DAILY, AT, AT + 3 * day)
    assert timing.slots(None, AT - day) == ()
    assert timing.slots(None, AT + 2 * day) == (AT, AT + day, AT + 2 * day)
    assert timing.slots(AT + day, AT + 9 * day) == (AT + 2 * day, AT + 3 * day)
    assert timing.next_after(AT) == AT + day
    assert timing.next_after(AT + 3 * day) is None
    once = Timing(rules.ONCE, AT)
    assert once.slots(None, AT) == (AT,)
    assert once.slots(AT, AT + day) == ()
    assert len(Timing(rules.DAILY, AT).slots(None, AT + 5000 * day)) == rules.MOST_SLOTS


# ---- tables ----------------------------------------------------------------------------


def judge(cells: Mapping[str, str]) -> None:
    if not cells["url"].startswith("http"):
        raise Refused("capture.url-not-http", found=cells["url"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_in_the_encodings_of_spreadsheets(encoding: str) -> None:
    octets = '网址,名称,用途\r\nhttps://a/,"甲,一",保全\r\n\r\nhttps://b/,,\r\n'.encode(
        encoding
    )
    sheet = table.parse(octets, judge)
    assert sheet.bad == ()
    assert [dict(one.cells) for one in sheet.rows] == [
        {"url": "https://a/", "claimed_name": "甲,一", "claimed_purpose": "保全"},
        {"url": "https://b/"},
    ]


def test_each_bad_line_is_named() -> None:
    octets = b"URL,Name\nhttps://a/,x\nftp://b/,y\nhttps://a/,z\nhttps://c/\n,\nhttps://d/,w\n"
    sheet = table.parse(octets, judge)
    assert [one.number for one in sheet.rows] == [2, 7]
    assert [(one.number, one.code) for one in sheet.bad] == [
        (3, "capture.url-not-http"),
        (4, "commission.line-twice"),
        (5, "commission.line-ragged"),
    ]


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"", "commission.table-empty"),
        (b"url\n", "commission.table-empty"),
        (b"PK\x03\x04\0\0", "commission.table-unreadable"),
        ("url\nhttps://a/\n".encode("utf-16"), "commission.table-unreadable"),
        (b'url\n"https://a/\n', "commission.table-unreadable"),
        (b"url,url\nhttps://a/,x\n", "commission.heads-unknown"),
        (b"url,price\nhttps://a/,x\n", "commission.heads-unknown"),
        (b"name\nx\n", "commission.heads-unknown"),
        (b"url\n" + b"https://a/\n" * 1001, "commission.table-too-large"),
        (b"x" * (table.MAX_OCTETS + 1), "commission.table-too-large"),
    ],
)
def test_what_is_no_table_is_refused(octets: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        table.parse(octets, judge)
    assert refused.value.code == code


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        table.parse(octets, judge)
    except Refused as refused:
        assert refused.code.startswith("commission.")


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1", "\u3000@x"]
)
def test_no_cell_is_a_formula(cell: str) -> None:
    octets = table.encode(["x"], [[cell]])
    assert octets.startswith("﻿".encode())
    assert f'"\'{cell}"'.encode() in octets
    assert table.safe_cell("https://a/?b=c") == "https://a/?b=c"
