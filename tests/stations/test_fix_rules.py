"""When an outside authority is asked, and when it is left alone: decisions over given times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.fix import rules
from guzheng.fix.rules import FAILURES, LONGEST_PAUSE_SECONDS, PAUSE_SECONDS, Conduct

MANY = st.integers(0, 10_000)


def test_whoever_was_never_asked_is_asked() -> None:
    assert rules.may_ask(Conduct(), 0.0)
    assert rules.may_ask(Conduct(), -1e9)


@given(st.integers(0, FAILURES - 1), st.floats(0, 1e6))
def test_a_few_failures_are_nothing(failures: int, at: float) -> None:
    assert rules.may_ask(Conduct(failures, at), at)


def test_it_is_left_alone_for_longer_each_time_and_never_for_ever() -> None:
    pauses = [rules.pause_seconds(Conduct(number)) for number in range(40)]
    assert pauses[:FAILURES] == [0.0] * FAILURES
    assert pauses[FAILURES] == PAUSE_SECONDS
    assert pauses[FAILURES + 1] == 2 * PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


@given(MANY, st.floats(0, 1e6), st.floats(0, 1e6))
def test_after_a_pause_one_asks_and_no_other(failures: int, asked_at: float, at: float) -> None:
    conduct = Conduct(failures, asked_at)
    if rules.may_ask(conduct, at) and rules.pause_seconds(conduct) > 0:
        assert not rules.may_ask(rules.asked(conduct, at), at)


@given(MANY, st.floats(0, 1e6))
def test_one_sound_answer_forgives_everything(failures: int, at: float) -> None:
    assert rules.may_ask(rules.answered(Conduct(failures, at)), at)
    assert rules.failed(Conduct(failures, at)).failures == failures + 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ca https://ca.example/tsa", ("ca", "https://ca.example/tsa")),
        ("  ca-2   http://a/ ", ("ca-2", "http://a/")),
        ("ca", None),
        ("ca ", None),
        ("CA http://a/", None),
        ("-a http://a/", None),
        ("a.b http://a/", None),
        ("sm2 http://a/", None),
        ("a" * 33 + " http://a/", None),
        ("", None),
        ("証 http://a/", None),
    ],
)
def test_how_one_is_named(line: str, found: tuple[str, str] | None) -> None:
    assert rules.named(line) == found
