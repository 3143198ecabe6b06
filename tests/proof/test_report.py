"""A report is honest: three values, the worst counts, and nothing checked is nothing proved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof.errors import ProofError, Undecided
from guzheng.proof.report import Finding, Outcome, Report

OUTCOMES = st.lists(st.sampled_from(Outcome), max_size=6)


def finding(outcome: Outcome) -> Finding:
    code = "ok" if outcome is Outcome.PASSED else f"x.{outcome.value}"
    return Finding("step", "rule", outcome, code)


def test_nothing_checked_is_not_passed() -> None:
    assert Report().outcome is Outcome.NOT_CHECKED
    with pytest.raises(Undecided) as refusal:
        Report().require()
    assert refusal.value.code == "report.empty"


@given(OUTCOMES)
def test_the_worst_finding_is_the_outcome(outcomes: list[Outcome]) -> None:
    report = Report(tuple(map(finding, outcomes)))
    if Outcome.FAILED in outcomes:
        assert report.outcome is Outcome.FAILED
    elif Outcome.NOT_CHECKED in outcomes or not outcomes:
        assert report.outcome is Outcome.NOT_CHECKED
    else:
        assert report.outcome is Outcome.PASSED


@given(OUTCOMES)
def test_require_raises_unless_all_passed(outcomes: list[Outcome]) -> None:
    report = Report(tuple(map(finding, outcomes)))
    if report.outcome is Outcome.PASSED:
        report.require()
        return
    with pytest.raises(ProofError) as refusal:
        report.require()
    if Outcome.FAILED in outcomes:  # the worst is told, not the first
        assert refusal.value.code == "x.failed"


@pytest.mark.parametrize("outcome", Outcome)
def test_a_report_is_no_truth_value(outcome: Outcome) -> None:
    report = Report((finding(outcome),))
    with pytest.raises(TypeError, match="three outcomes"):
        bool(report)
    with pytest.raises(TypeError):
        assert not report
    assert all(one in report.findings for value in Outcome for one in report.of(value))
