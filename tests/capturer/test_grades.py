"""The grade: nothing counts as given until it was shown, and every code has words."""

import dataclasses

import pytest

from guzheng.capturer.grades import CODES, Grade
from guzheng.capturer.timekeeping import ask_kernel, judged
from guzheng.proof import canonical, capture
from guzheng.proof.errors import ProofError
from guzheng.words import LANGUAGES, find_words
from tests.capturer.test_record import RECORD


def test_what_nobody_showed_is_missing() -> None:
    grade = Grade()
    assert grade.value()["grade"] == "reduced"
    assert grade.missing == CODES
    for code in CODES[1:]:
        grade.given(code)
    assert grade.missing == CODES[:1]
    grade.judge(CODES[0], "")
    assert grade.value() == {"grade": "full", "missing": []}
    grade.judge(CODES[3], "no such thing here")
    assert grade.value() == {
        "grade": "reduced",
        "missing": [{"code": CODES[3], "because": "no such thing here"}],
    }
    with pytest.raises(LookupError):
        grade.given("grade.of-nobody")


def test_every_code_has_words() -> None:
    for code in (*CODES, "grade.full", "grade.reduced"):
        assert all(find_words(code, language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("grade", "missing"), [("full", ("grade.cgroup",)), ("reduced", ()), (None, ())]
)
def test_a_record_whose_grade_does_not_fit_is_refused(
    grade: str | None, missing: tuple[str, ...]
) -> None:
    record = dataclasses.replace(RECORD, missing=missing)
    value = {**canonical.parse_object(record.encode()), "grade": grade}
    if grade is None:
        del value["grade"]
    with pytest.raises(ProofError) as caught:
        capture.CaptureRecord.parse(canonical.encode(value))
    assert caught.value.code == "capture.grade"


def test_the_shortfall_is_told_in_codes() -> None:
    found = capture.CaptureRecord.parse(RECORD.encode())
    assert found.shortfall == ("grade.reduced", "grade.cgroup")
    full = dataclasses.replace(RECORD, grade="full", missing=())
    assert capture.CaptureRecord.parse(full.encode()).shortfall == ()


def test_a_clock_is_believed_within_a_second() -> None:
    assert judged(synchronised=True, largest_error=0, pending=0).fault == ""
    assert judged(synchronised=True, largest_error=900_000, pending=0).fault == ""
    assert "1.0 s" in judged(synchronised=True, largest_error=900_000, pending=1).fault
    assert "not synchronised" in judged(synchronised=False, largest_error=0, pending=0).fault


def test_the_kernel_answers() -> None:
    found = ask_kernel()
    assert found.value()["claimed_by"] == "kernel"
    assert found.synchronised or found.fault
