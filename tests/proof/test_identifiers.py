"""Numbers of residents and enterprises: the standards' examples, every slip, every typing."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof.errors import Malformed
from guzheng.proof.identifiers import (
    RESIDENT_CHECKS,
    USCC_ALPHABET,
    require_resident,
    require_uscc,
    resident_check,
    spelled,
    uscc_check,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "identifiers" / "cases.json"
CASES = {case["name"]: case for case in json.loads(VECTORS.read_bytes())["cases"]}
DAY = date(2026, 11, 22)
BORN = st.dates(date(1880, 1, 1), DAY)


@st.composite
def usccs(draw: st.DrawFn) -> str:
    letters = st.sampled_from(USCC_ALPHABET)
    head = "".join(draw(st.lists(letters, min_size=2, max_size=2)))
    body = "".join(draw(st.lists(letters, min_size=9, max_size=9)))
    first = f"{head}{draw(st.integers(0, 999999)):06}{body}"
    return first + uscc_check(first)


@st.composite
def residents(draw: st.DrawFn) -> str:
    district, order = draw(st.integers(100000, 999999)), draw(st.integers(0, 999))
    first = f"{district}{draw(BORN):%Y%m%d}{order:03}"
    return first + resident_check(first)


def judged(kind: str, number: str) -> str | None:
    try:
        if kind == "uscc":
            require_uscc(number)
        else:
            require_resident(number, on=DAY)
    except Malformed as refused:
        return refused.code
    return None


@pytest.mark.parametrize("name", CASES)
def test_the_vectors(name: str) -> None:
    case = CASES[name]
    assert judged(case["kind"], case["number"]) == case.get("code")


@given(usccs(), st.data())
def test_one_slip_in_an_enterprise_s_code_is_refused(code: str, data: st.DataObject) -> None:
    assert require_uscc(code) == code
    at = data.draw(st.integers(0, 17))
    other = data.draw(st.sampled_from(USCC_ALPHABET.replace(code[at], "")))
    assert judged("uscc", code[:at] + other + code[at + 1 :])


@given(usccs(), st.integers(0, 16))
def test_neighbours_exchanged_are_refused(code: str, at: int) -> None:
    swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    assert swapped == code or judged("uscc", swapped)


@given(residents(), st.data())
def test_one_slip_in_a_resident_s_number_is_refused(number: str, data: st.DataObject) -> None:
    assert f"{require_resident(number, on=DAY):%Y%m%d}" == number[6:14]
    at = data.draw(st.integers(0, 17))
    alphabet = RESIDENT_CHECKS if at == 17 else RESIDENT_CHECKS[:10]
    other = data.draw(st.sampled_from(alphabet.replace(number[at], "")))
    assert judged("resident", number[:at] + other + number[at + 1 :])
    swapped = number[: at - 1] + number[at] + number[at - 1] + number[at + 1 :] if at else ""
    assert swapped == number or judged("resident", swapped)


@given(residents())
def test_nobody_is_born_tomorrow(number: str) -> None:
    born = require_resident(number, on=DAY)
    with pytest.raises(Malformed, match="birth"):
        require_resident(number, on=date.fromordinal(born.toordinal() - 1))


@given(st.text())
def test_anything_else_is_refused_in_words(text: str) -> None:
    for kind in ("uscc", "resident"):
        assert judged(kind, text) != ""


def test_what_people_type_is_spelled_as_the_standard_does() -> None:
    assert spelled(" 91350100-m000 100y43\n") == "91350100M000100Y43"
    assert spelled("１１０１０５１９４９１２３１００２ｘ") == "11010519491231002X"


def test_a_refused_number_is_not_repeated_whole() -> None:
    """What is refused is logged and shown; a person's number is neither."""
    for number in ("110105194912310021", "11010519491231002", "110105199913310025"):
        with pytest.raises(Malformed) as refused:
            require_resident(number, on=DAY)
        assert number not in str(refused.value)
