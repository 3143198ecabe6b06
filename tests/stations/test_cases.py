"""Cases: what may be entered, that nothing is lost, and what a hold forbids."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.cases import (
    Cases,
    Damage,
    Exhibited,
    Facts,
    Hand,
    Pair,
    Party,
    Tick,
    Why,
    course,
    damages,
    guide,
)
from guzheng.cases.values import amount_of, seconds_of
from guzheng.refusals import Refused
from guzheng.store.records import writing
from tests import engines

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
HAND = Hand("pe_1", AT)
LICENCE = "91110000802100433B"  # of a published example of GB 32100
_numbers = itertools.count(1)


def case_number() -> str:
    return f"ca_{next(_numbers):026}"


def exhibit() -> str:
    return f"ex_{next(_numbers):026}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=engines.together)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


@pytest.fixture
def cases(engine: Engine) -> Cases:
    return Cases(engine)


def opened(cases: Cases, account: str = "local", **facts: object) -> str:
    stated = replace(Facts(name="XX商家_商标侵权_20261122"), **facts)  # type: ignore[arg-type]
    return cases.open(case_number(), account, stated, HAND).case


# ---- the course, on both engines -----------------------------------------------------------


def test_what_lists_ask_of_cases_is_read_without_the_rest(cases: Cases) -> None:
    first, then, others = opened(cases), opened(cases), opened(cases, "ac_other")
    renamed = replace(Facts(name="改名之后"), court_number="(2026)浙0102民初1号")
    cases.set(first, course.FACTS, "", renamed, HAND)
    assert cases.named("local", 9) == ((then, cases.require(then).facts), (first, renamed))
    assert cases.named("local", 1) == ((then, cases.require(then).facts),)
    one, other, gone = exhibit(), exhibit(), exhibit()
    cases.link(first, [one, gone], HAND)
    cases.link(then, [one, other], HAND)
    cases.link(others, [exhibit()], HAND)
    cases.remove(first, course.EXHIBIT, gone, HAND)
    assert cases.exhibits_in([first]) == {one}
    cases.remove(first, course.EXHIBIT, one, HAND)
    assert cases.exhibits_in([first]) == set()
    assert cases.exhibits_in([first, then]) == {one, other}
    assert cases.exhibits_in([]) == set()


def test_a_case_is_found_by_what_it_is_called_now(cases: Cases) -> None:
    first, then = (opened(cases, name=f"云锦 诉 {name}") for name in ("双童", "双喜"))
    opened(cases, "ac_other", name="云锦 诉 双童")
    assert cases.called("local", ["云锦"], 9) == (then, first)
    assert cases.called("local", ["云锦"], 1) == (then,)
    assert cases.called("local", ["云", "双童"], 9) == (first,)
    assert cases.called("local", ["双", "锦"], 9) == cases.called("local", [], 9) == ()
    cases.set(first, course.FACTS, "", Facts(name="改名 之后", court_number="民初1号"), HAND)
    assert cases.called("local", ["双童"], 9) == ()
    assert cases.called("local", ["民初"], 9) == (first,)
    with writing(cases._engine) as connection:
        connection.exec_driver_sql("DROP TABLE case_word")
    again = Cases(cases._engine)  # as a version that had none left it
    assert again.called("local", ["改名", "之后"], 9) == (first,)
    assert again.called("local", ["云锦"], 9) == (then,)


def test_a_case_is_what_was_entered_last_and_keeps_what_was_said_before(cases: Cases) -> None:
    case = opened(cases)
    later = Hand("pe_2", AT + timedelta(minutes=5))
    cases.set(case, course.FACTS, "", Facts(name="另一名称", hearing_on="2027-01-05"), later)
    now = cases.require(case)
    assert (now.facts.name, now.facts.hearing_on) == ("另一名称", "2027-01-05")
    assert [one.person for one in now.entries] == ["pe_1", "pe_2"]
    first = now.entries[0].stated
    assert isinstance(first, Facts)
    assert first.name == "XX商家_商标侵权_20261122"
    assert Cases(cases._engine).require(case) == now, "read anew it is the same"


def test_what_is_said_twice_is_entered_once(cases: Cases) -> None:
    case = opened(cases)
    facts = Facts(name="甲")
    cases.set(case, course.FACTS, "", facts, HAND)
    cases.set(case, course.FACTS, "", facts, HAND)
    assert len(cases.require(case).entries) == 2
    again = cases.open(case, "local", Facts(name="乙"), HAND)
    assert again.facts.name == "甲", "a form sent twice opens one case"


def test_a_case_of_another_account_is_none(cases: Cases) -> None:
    case = opened(cases, "ac_one")
    with pytest.raises(Refused, match=r"cases\.not-found"):
        cases.open(case, "ac_two", Facts(name="x"), HAND)
    assert cases.account_of(case) == "ac_one"
    assert cases.page("ac_two", 10) == ()
    for unknown in (case_number(), "", "x", "ca_' OR 1=1", "\x00"):
        with pytest.raises(Refused, match=r"cases\.not-found"):
            cases.require(unknown)
        with pytest.raises(Refused, match=r"cases\.not-found"):
            cases.account_of(unknown)


def test_pages_are_newest_first(cases: Cases) -> None:
    made = [opened(cases, "ac_p") for _ in range(5)]
    assert [one.case for one in cases.page("ac_p", 3)] == made[:1:-1]
    assert [one.case for one in cases.page("ac_p", 3, made[2])] == made[1::-1]


def test_rows_are_only_added(engine: Engine, cases: Cases) -> None:
    opened(cases)
    for statement in (
        "UPDATE case_entry SET person = 'pe_9'",
        "DELETE FROM case_entry",
        "UPDATE case_file SET account = 'ac_9'",
    ):
        with pytest.raises(DatabaseError), writing(engine) as connection:
            connection.execute(text(statement))


def test_what_was_removed_is_put_back_as_it_was(cases: Cases) -> None:
    case = opened(cases)
    party = Party(name="杭州某某公司", licence=LICENCE)
    subject = cases.set(case, course.PARTY, "", party, HAND)
    cases.remove(case, course.PARTY, subject, HAND)
    cases.remove(case, course.PARTY, subject, HAND)
    assert cases.require(case).parties == {}
    cases.restore(case, course.PARTY, subject, HAND)
    cases.restore(case, course.PARTY, subject, HAND)
    assert cases.require(case).parties == {subject: party}
    assert [one.act for one in cases.require(case).entries] == ["set", "set", "removed", "set"]
    other = cases.set(case, course.PARTY, "", party, HAND)
    assert other != subject
    with pytest.raises(Refused, match=r"cases\.not-there"):
        cases.set(case, course.PARTY, "p99", party, HAND)


def test_exhibits_keep_the_order_they_are_given(cases: Cases) -> None:
    case = opened(cases)
    one, two, three = exhibit(), exhibit(), exhibit()
    cases.link(case, [two, one, two, three], HAND)
    assert list(cases.require(case).exhibits) == [two, one, three]
    cases.move(case, three, 0, HAND)
    cases.move(case, two, 99, HAND)
    assert list(cases.require(case).exhibits) == [three, one, two]
    cases.remove(case, course.EXHIBIT, one, HAND)
    cases.set(case, course.EXHIBIT, two, Exhibited(purpose="证明侵权"), HAND)
    assert list(cases.require(case).exhibits) == [three, two]
    cases.link(case, [one], HAND)
    assert list(cases.require(case).exhibits) == [three, one, two], "it comes back in its place"
    with pytest.raises(Refused, match=r"cases\.not-linked"):
        cases.move(case, exhibit(), 0, HAND)


def test_a_hold_keeps_every_exhibit_until_it_is_lifted(cases: Cases) -> None:
    case, held, free = opened(cases), exhibit(), exhibit()
    cases.link(case, [held], HAND)
    assert not cases.held(held)
    cases.set(case, course.HOLD, "", Why("已立案"), HAND)
    assert cases.held(held)
    assert not cases.held(free)
    assert not cases.held("\x00")
    with pytest.raises(Refused, match=r"cases\.held"):
        cases.remove(case, course.EXHIBIT, held, HAND)
    other = opened(cases, "ac_other")
    cases.link(other, [free], HAND)
    assert not cases.held(free), "a hold is of its own case"
    cases.remove(case, course.HOLD, "", HAND)
    assert not cases.held(held)
    cases.remove(case, course.EXHIBIT, held, HAND)
    kinds = [one.act for one in cases.require(case).entries if one.part == course.HOLD]
    assert kinds == ["set", "removed"], "that there was a hold stays to be read"


def test_a_closed_case_takes_notes_and_holds_and_nothing_else(cases: Cases) -> None:
    case = opened(cases)
    cases.set(case, course.CLOSING, "", Why("已和解"), HAND)
    with pytest.raises(Refused, match=r"cases\.closed"):
        cases.link(case, [exhibit()], HAND)
    with pytest.raises(Refused, match=r"cases\.closed"):
        cases.set(case, course.FACTS, "", Facts(name="y"), HAND)
    cases.set(case, course.NOTE, "", Why("对方已付款"), HAND)
    cases.set(case, course.HOLD, "", Why("以备执行"), HAND)
    cases.remove(case, course.CLOSING, "", HAND)
    cases.link(case, [exhibit()], HAND)
    assert cases.require(case).closing is None


def test_what_is_referred_to_stays(cases: Cases) -> None:
    case, one, two = opened(cases), exhibit(), exhibit()
    with pytest.raises(Refused, match=r"cases\.not-linked"):
        cases.set(case, course.DAMAGE, "", Damage(exhibits=(one,)), HAND)
    cases.link(case, [one, two], HAND)
    damage = cases.set(case, course.DAMAGE, "", Damage(exhibits=(one,)), HAND)
    cases.set(case, course.PAIR, "", Pair(infringing=one, genuine=two), HAND)
    for each in (one, two):
        with pytest.raises(Refused, match=r"cases\.still-cited"):
            cases.remove(case, course.EXHIBIT, each, HAND)
    assert cases.require(case).citing(one) == ("damage", "pair")
    cases.remove(case, course.DAMAGE, damage, HAND)
    cases.remove(case, course.PAIR, "c1", HAND)
    cases.remove(case, course.EXHIBIT, one, HAND)
    with pytest.raises(Refused, match=r"cases\.not-linked"):
        cases.restore(case, course.DAMAGE, damage, HAND)


def test_nobody_overwrites_what_he_has_not_read(cases: Cases) -> None:
    case = opened(cases)
    seen = cases.require(case).last(course.FACTS, "")
    cases.set(case, course.FACTS, "", Facts(name="甲的"), HAND, seen=seen)
    with pytest.raises(Refused, match=r"cases\.changed-meanwhile"):
        cases.set(case, course.FACTS, "", Facts(name="乙的"), HAND, seen=seen)
    assert cases.require(case).facts.name == "甲的"


def test_of_two_who_write_at_once_both_are_entered(cases: Cases) -> None:
    case = opened(cases)
    notes = [Thread(target=cases.set, args=(case, course.NOTE, "", Why(f"{number}"), HAND))
             for number in range(8)]  # fmt: skip
    for one in notes:
        one.start()
    for one in notes:
        one.join()
    case_now = cases.require(case)
    assert len(case_now.notes) == 8
    assert [one.number for one in case_now.entries] == list(range(1, 10))


# ---- what may be entered -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        (Facts(), "cases.name-wanted"),
        (Facts(name="x" * 121), "cases.text-refused"),
        (Facts(name="gpj\u202eexe"), "cases.text-refused"),
        (Facts(name="x", categories=("theft",)), "cases.choice-unknown"),
        (Facts(name="x", direct=("other",)), "cases.choice-unknown"),
        (Facts(name="x", hearing_on="2026-02-30"), "cases.day-refused"),
        (Facts(name="x", hearing_on="20260205"), "cases.day-refused"),
        (Party(), "cases.party-unnamed"),
        (Party(role="thief", name="x"), "cases.choice-unknown"),
        (Damage(amount="1"), "cases.amount-refused"),
        (Damage(kind="other"), "cases.choice-unknown"),
        (Pair(infringing="ex_1", genuine="ex_1"), "cases.pair-of-one"),
        (Exhibited(submitter="judge"), "cases.choice-unknown"),
        (Tick(offset="1:61"), "cases.offset-refused"),
        (Why(" "), "cases.reason-wanted"),
    ],
)
def test_what_may_not_be_entered(stated: Facts, code: str) -> None:
    with pytest.raises(Refused) as refused:
        stated.require()
    assert refused.value.code == code


def test_a_licence_that_fails_its_check_is_entered_and_said_to_fail() -> None:
    assert Party(name="甲", licence=LICENCE).licence_check == "passed"
    wrong = Party(name="甲", licence=LICENCE[:-1] + "C")
    wrong.require()
    assert wrong.licence_check == "identifier.uscc-check"
    assert Party(name="甲", licence="123").licence_check == "identifier.uscc-malformed"
    assert Party(name="甲").licence_check == ""


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("12,345.6", "12345.60"),
        ("0", "0.00"),
        ("¥1.05", "1.05"),
        ("１２．５", "12.50"),
        ("￥ 800 元", "800.00"),
    ],
)
def test_money_is_read_as_people_type_it(typed: str, amount: str) -> None:
    assert str(amount_of(typed)) == amount


@pytest.mark.parametrize(
    "typed", ["", "-1", "1.005", "1e3", "NaN", "Infinity", "1000000000000.01"]
)
def test_money_that_is_none(typed: str) -> None:
    with pytest.raises(Refused, match=r"cases\.amount-refused"):
        amount_of(typed)


@given(st.lists(st.decimals("0", "99999999.99", places=2), max_size=30))
def test_sums_are_exact_to_the_cent(amounts: list[Decimal]) -> None:
    kinds = itertools.cycle(("order-amount", "enforcement-cost"))
    lines = [
        Damage(kind=kind, amount=str(one)) for kind, one in zip(kinds, amounts, strict=False)
    ]
    sums = damages.sums_of(lines)
    assert sums.total == sum(amounts, Decimal(0))
    assert sums.buyer == sum(amounts[::2], Decimal(0))


def test_offsets_into_a_recording() -> None:
    assert seconds_of("1:02:03") == 3723
    assert seconds_of("02:03") == 123
    assert seconds_of("7") == 7
    assert seconds_of("") is None


# ---- guides --------------------------------------------------------------------------------


def test_the_guide_has_everything_the_requirements_name() -> None:
    known = guide.guide_named("1688")
    codes = [item.code for section in known.sections for item in section.items]
    assert len(set(codes)) == len(codes)
    assert [one.code for one in known.sections] == ["A", "B", "C", "D", "E"]
    for section in known.sections:
        assert all(section.words[one] and section.purpose[one] for one in ("zh", "en"))
        for item in section.items:
            assert item.words["zh"], item.code
            assert item.words["en"], item.code
            assert set(item.delay) <= {one.name for one in item.fields}
            assert item.when <= set(_ALL_TYPES), (
                f"{item.code} is for something that no case can have"
            )
            assert {one.kind for one in item.fields} <= set(guide.KINDS)


_ALL_TYPES = (
    *("false-advertising", "forged-certificate", "order-breach", "copyright", "trademark"),
    *("patent", "trademark-use", "patent-use", "design-use", "forged-qualification"),
    *("suggestive-wording", "altered-report"),
)


def test_a_case_is_shown_as_n_of_m_of_what_is_for_it(cases: Cases) -> None:
    known = guide.guide_named("1688")
    case, first, genuine = opened(cases), exhibit(), exhibit()
    plain = {one.section.code: one.of for one in guide.answered(known, cases.require(case))}
    facts = Facts(name="x", categories=("trademark",), direct=("trademark-use",))
    cases.set(case, course.FACTS, "", facts, HAND)
    of_marks = {one.section.code: one.of for one in guide.answered(known, cases.require(case))}
    assert of_marks["B"] > plain["B"]
    cases.link(case, [first, genuine], HAND)
    tick = Tick(known.label, first, "0:42", "", {"enterprise": "杭州某某公司"})
    cases.set(case, course.TICK, guide.subject_of(known, "A1", first), tick, HAND)
    cases.set(case, course.PAIR, "", Pair("goods", first, genuine), HAND)
    done = {one.section.code: one.done for one in guide.answered(known, cases.require(case))}
    assert done == {"A": 1, "B": 1, "C": 0, "D": 0, "E": 0}
    assert guide.purposes(known, cases.require(case), "zh")[first] == (
        "锁定侵权主体，核实其资质是否真实",
    )


def test_details_are_read_by_their_kind() -> None:
    known = guide.guide_named("1688")
    order, complaint = known.require_item("C1"), known.require_item("D2")
    typed = {"order": " 3301 ", "price": "1,200", "quantity": "7", "goods": "", "other": "x"}
    assert guide.require_details(order, typed) == {
        "order": "3301",
        "price": "1200.00",
        "quantity": "7",
    }
    for wrong in ({"price": "x"}, {"quantity": "-1"}):
        with pytest.raises(Refused):
            guide.require_details(order, wrong)
    times = {"complained_at": "2026-11-01T09:00", "replied_at": "2026-11-09T10:30"}
    assert guide.require_details(complaint, times) == times
    assert guide.delay_of(complaint, times) == timedelta(days=8, hours=1, minutes=30)
    assert guide.delay_of(complaint, {}) is None
    assert guide.delay_of(order, {}) is None
    with pytest.raises(Refused, match=r"cases\.day-refused"):
        guide.require_details(complaint, {"replied_at": "yesterday"})
    with pytest.raises(Refused, match=r"cases\.choice-unknown"):
        known.require_item("Z9")
    with pytest.raises(Refused, match=r"cases\.choice-unknown"):
        guide.guide_named("../1688")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("ZL 200410018477.9", "passed"),
        ("200410018477.9", "passed"),
        ("ZL2004100184779", "passed"),
        ("200410018477.8", "cases.patent-check"),
        ("202010261387", "cases.patent-without-check"),
        ("XXXX", "cases.patent-malformed"),
    ],
)
def test_numbers_of_patents(number: str, said: str) -> None:
    assert guide.patent_check(number) == said


def test_a_tick_says_whether_its_numbers_hold() -> None:
    item = guide.guide_named("1688").require_item("A2")
    assert guide.details_checks(item, {"uscc": LICENCE}) == {"uscc": "passed"}
    assert guide.details_checks(item, {"uscc": "1"}) == {"uscc": "identifier.uscc-malformed"}
    assert guide.details_checks(item, {}) == {}
