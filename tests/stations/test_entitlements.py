"""Editions, grants and the one ledger: nothing is spent twice, whoever asks at once."""

import itertools
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.accounts import editions
from guzheng.accounts.entitlements import CAMPAIGN, Entitlements, Grant, standing_of
from guzheng.commission import Commission, Commissions, Event, Lot, Units, rules
from guzheng.commission.units import CHARGE, RETURN, limit_of, lot_to_use
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import drawer, writing
from tests import engines

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
EDITIONS = editions.load("")
_numbers = itertools.count()


def grant(**changed: object) -> Grant:
    name = ids.new("gr", AT, os.urandom)
    made = Grant(name, "ac_1", "gift", "运营者", "开业活动", AT, AT, units=3)
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


@pytest.fixture
def units(engine: Engine) -> Units:
    return Commissions(drawer(engine, "commissions")).units


def subject() -> str:
    return f"ex_{next(_numbers):026}"


# ---- the ledger ------------------------------------------------------------------------------


def test_what_expires_first_is_used_first_and_a_unit_comes_back_to_its_own(
    units: Units,
) -> None:
    late, soon, ever = Lot("late", 2, AT + 9 * DAY), Lot("soon", 1, AT + DAY), Lot("", 1)
    lots, held = (ever, late, soon), [subject() for _ in range(4)]
    for one in held:
        units.hold(one, "ac_1", lots, AT)
    assert units.used("ac_1") == {"soon": 1, "late": 2, "": 1}
    with pytest.raises(Refused, match=r"commission\.quota-spent"):
        units.hold(subject(), "ac_1", lots, AT)
    assert units.end(held[1], RETURN, AT) is True
    assert units.end(held[1], CHARGE, AT) is False  # decided once
    assert units.end("ex_nothing", RETURN, AT) is False
    assert units.used("ac_1")["late"] == 1
    assert (units.quota("ac_1").held, units.quota("ac_1").spent) == (3, 0)
    # What comes back to a lot that is over is over.
    assert units.end(held[0], RETURN, AT + 2 * DAY) is True
    units.hold(subject(), "ac_1", lots, AT + 2 * DAY)
    with pytest.raises(Refused, match=r"commission\.quota-spent"):
        units.hold(subject(), "ac_1", lots, AT + 2 * DAY)
    units.hold(subject(), "ac_2", (Lot("", 1),), AT)  # another account's are its own
    assert [one.means for one in units.history("ac_1", 3)] == ["return", "hold", "return"]


def test_what_was_charged_for_nothing_is_given_back_once(units: Units) -> None:
    lots, one, other = (Lot("gr_1", 1, AT + DAY),), subject(), subject()
    units.hold(one, "ac_1", lots, AT)
    assert units.refund(one, AT) is False, "nothing was charged yet"
    assert units.end(one, CHARGE, AT) is True
    assert (units.quota("ac_1").spent, units.used("ac_1")) == (1, {"gr_1": 1})
    assert [units.refund(one, AT) for _ in range(3)] == [True, False, False]
    assert (units.quota("ac_1").held, units.quota("ac_1").spent) == (0, 0)
    assert units.used("ac_1") == {"gr_1": 0}, "to the lot that it was taken from"
    units.hold(other, "ac_1", lots, AT)
    units.end(other, RETURN, AT)
    assert units.refund(other, AT) is False, "it was given back already"
    assert units.quota("ac_1").spent == 0
    assert {line.means for line in units.history("ac_1", 9)} == {
        *("hold", "charge", "return", "refund")
    }


def test_many_at_once_spend_the_last_unit_once(engine: Engine, units: Units) -> None:
    """Captures and deposits together, against one lot."""
    lots, threads = (Lot("a", 3, AT + DAY), Lot("b", 2)), 16
    begin, done, refused = threading.Barrier(threads), list[str](), list[str]()
    rows = Commissions(drawer(engine, "commissions"))

    def one(number: int) -> None:
        name = subject()
        begin.wait()
        try:
            if number % 2:
                units.hold(name, "ac_1", lots, AT)
            else:
                order = f"or_{name[3:]}"
                rows.add(
                    [Commission(order, name, "https://a/", AT, account="ac_1")], allowance=lots
                )
            done.append(name)
        except Refused as refusal:
            refused.append(refusal.code)

    running = [threading.Thread(target=one, args=(number,)) for number in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert (len(done), set(refused)) == (5, {"commission.quota-spent"})
    assert units.used("ac_1") == {"a": 3, "b": 2}
    assert units.quota("ac_1").held == 5


def test_a_capture_that_fails_gives_its_unit_back_to_its_lot(engine: Engine) -> None:
    rows = Commissions(drawer(engine, "commissions"))
    lots = (Lot("gr_1", 1, AT + DAY),)
    made = Commission("or_" + "0" * 26, "ex_" + "0" * 26, "https://a/", AT, account="ac_1")
    (one,) = rows.add([made], allowance=lots)
    assert rows.units.used("ac_1") == {"gr_1": 1}
    for kind in (rules.BEGAN, rules.FAILED):
        rows.append(one, Event(kind, AT))
    assert rows.units.used("ac_1") == {"gr_1": 0}
    with pytest.raises(DatabaseError, match="rows are only added"), writing(engine) as open_:
        open_.execute(text("UPDATE quota_line SET units = 0"))


def test_a_ledger_from_before_lots_is_read_as_it_was(engine: Engine) -> None:
    with writing(engine) as connection:
        for statement in (
            "CREATE TABLE quota_line (commission TEXT NOT NULL, part TEXT NOT NULL,"
            " account TEXT NOT NULL, means TEXT NOT NULL, units INTEGER NOT NULL,"
            " observed_at TEXT NOT NULL, PRIMARY KEY (commission, part))",
            "INSERT INTO quota_line VALUES"
            " ('or_1', 'hold', 'local', 'hold', 1, '2026-11-22T01:00:00.000Z')",
        ):
            connection.execute(text(statement))
    units = Commissions(engine).units
    assert units.used("local") == {"": 1}
    units.hold(subject(), "local", limit_of(2), AT)
    with pytest.raises(Refused, match=r"commission\.quota-spent"):
        units.hold(subject(), "local", limit_of(2), AT)


LOTS = st.lists(
    st.builds(
        lambda size, days: (size, days), st.integers(0, 3), st.none() | st.integers(-2, 3)
    ),
    max_size=5,
)


@settings(max_examples=200)
@given(LOTS, st.integers(0, 20))
def test_no_lot_ever_falls_below_zero(drawn: list[tuple[int, int | None]], asks: int) -> None:
    lots = [
        Lot(str(number), size, None if days is None else AT + days * DAY)
        for number, (size, days) in enumerate(drawn)
    ]
    used: dict[str, int] = {}
    ends = []
    for _ in range(asks):
        found = lot_to_use(lots, used, AT)
        if found is None:
            break
        used[found.lot] = used.get(found.lot, 0) + 1
        ends.append(found.expires_at or AT + 99 * DAY)
        assert used[found.lot] <= found.units
        assert found.expires_at is None or found.expires_at > AT
    assert ends == sorted(ends)
    usable = sum(one.units for one in lots if not one.is_over(AT))
    assert sum(used.values()) == min(asks, usable)


# ---- grants ----------------------------------------------------------------------------------


def test_a_grant_is_kept_once_with_its_source_and_ended_with_a_reason(engine: Engine) -> None:
    kept = Entitlements(engine, EDITIONS, os.urandom)
    one = grant(edition="standard", kind=CAMPAIGN, expires_at=AT + DAY)
    assert [kept.add(one), kept.add(replace(one, units=9))] == [True, False]
    assert kept.of_account("ac_1") == (one,)
    with pytest.raises(Refused, match=r"accounts\.reason-wanted"):
        kept.end(one.grant, "", "pe_9", AT)
    assert [kept.end(one.grant, "误发", "pe_9", AT + timedelta(hours=1)) for _ in "12"] == [
        True,
        False,
    ]
    (ended,) = kept.of_account("ac_1")
    assert (ended.end_reason, ended.is_in_force(AT)) == ("误发", True)
    assert not ended.is_in_force(AT + timedelta(hours=1))
    with pytest.raises(Refused, match=r"accounts\.grant-not-found"):
        kept.end("gr_none", "误发", "pe_9", AT)
    for statement in ("UPDATE entitlement_grant SET units = 9", "DELETE FROM entitlement_end"):
        with (
            pytest.raises(DatabaseError, match="rows are only added"),
            writing(engine) as open_,
        ):
            open_.execute(text(statement))


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "theft"},
        {"edition": "platinum"},
        {"units": 0},
        {"units": -1},
        {"units": 10**12},
        {"expires_at": AT},
        {"source": " "},
        {"reason": "x" * 201},
    ],
)
def test_a_grant_of_nothing_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(Refused, match=r"accounts\.grant-refused"):
        grant(**changed).require_sense(EDITIONS)


def test_an_account_has_what_its_grants_have_together() -> None:
    grants = [
        grant(edition="standard", expires_at=AT + 2 * DAY),
        grant(edition="professional", units=None, expires_at=AT + DAY),
        grant(edition="of-another-file"),
    ]

    def at(days: int) -> tuple[str, bool, bool]:
        found = standing_of(grants, EDITIONS, "trial", AT + days * DAY)
        return found.edition.edition, "batch" in found.functions, "cases" in found.functions

    assert [at(0), at(1), at(2)] == [
        ("professional", True, True),
        ("standard", False, True),
        ("trial", False, False),
    ]
    assert standing_of([], EDITIONS, "full", AT).functions == frozenset(editions.FUNCTIONS)


def test_the_editions_that_come_along_are_in_order() -> None:
    assert [one.edition for one in EDITIONS] == ["trial", "standard", "professional", "full"]
    for lower, higher in itertools.pairwise(EDITIONS):
        assert lower.functions <= higher.functions
    assert EDITIONS[-1].units is None
    assert {one.name("en") for one in EDITIONS} == {"Trial", "Standard", "Professional", "Full"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "edition = 1",
        "not toml",
        '[[edition]]\nedition = "a"\nname.zh = "a"\nfunctions = ["fly"]',
        '[[edition]]\nedition = "a"\nname.en = "a"\nfunctions = []',
        '[[edition]]\nedition = "a"\nname.zh = "a"\nfunctions = []\nunits = -1',
        '[[edition]]\nedition = "a"\nname.zh = "a"\nfunctions = []\nprice = 1',
        '[[edition]]\nedition = "a"\nname.zh = "a"\nfunctions = []\n' * 2,
    ],
)
def test_a_file_of_editions_that_cannot_be_is_refused(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "editions.toml"
    file.write_text(wrong, "utf-8")
    with pytest.raises(Refused, match=r"accounts\.editions-file"):
        editions.load(str(file))
    with pytest.raises(Refused, match=r"accounts\.editions-file"):
        editions.load(str(tmp_path / "none"))
