"""A self-check as a paper: the example of its specification, octet for octet; known answers."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from guzheng.keep import known_answers, selfcheck
from guzheng.keep.selfcheck import NAMES, Finding
from guzheng.proof import canonical
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.words import LANGUAGES, find_words

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec" / "selfcheck.md"
AT = datetime(2026, 11, 22, 2, 0, 0, 123_000, tzinfo=UTC)
SOFTWARE = "guzheng 0.1.0, Python 3.11.2"
FINDINGS = (
    Finding("algorithms", passed=True, observed="OpenSSL 3.0.17"),
    Finding("clock", passed=False, observed="—"),
)


def ones(size: int) -> bytes:
    return b"1" * size


FIRST = selfcheck.encode(1, AT, SOFTWARE, FINDINGS, None, ones)


def test_the_specifications_example_is_what_is_written() -> None:
    text = SPEC.read_text("utf-8")
    assert FIRST.decode() in text
    leaf = selfcheck.leaf_of(FIRST)
    assert leaf.hex() in text
    assert (len(leaf), leaf[:16]) == (48, b"guzheng/check/v1")
    read = selfcheck.parse(selfcheck.encode(2, AT, SOFTWARE, FINDINGS[:1], FIRST, ones))
    assert (read.number, read.previous, read.failed) == (2, sha256(FIRST), ())
    assert selfcheck.parse(FIRST).failed == FINDINGS[1:]
    assert selfcheck.parse(FIRST).findings == FINDINGS


def test_each_octet_of_a_record_is_under_its_leaf() -> None:
    leaf = selfcheck.leaf_of(FIRST)
    for at in range(len(FIRST)):
        altered = FIRST[:at] + bytes([FIRST[at] ^ 1]) + FIRST[at + 1 :]
        try:
            assert selfcheck.leaf_of(altered) != leaf
        except ProofError:
            continue


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "guzheng.check/2"},
        {"number": -1},
        {"salt": "31"},
        {"software": 1},
        {"software": "x" * 201},
        {"findings": {}},
        {"findings": [{"name": "disk", "outcome": "perhaps", "observed": ""}]},
        {"findings": [{"name": "disk", "outcome": "passed"}]},
        {"findings": [{"name": "disk", "outcome": "passed", "observed": "", "more": 1}]},
        {"findings": [{"name": "disk", "outcome": "passed", "observed": ""}] * 33},
        {"previous": "sha256:00"},
        {"more": "than is known"},
        {"observed_at": "2026-11-22"},
    ],
)
def test_what_is_no_record_is_refused(wrong: dict[str, object]) -> None:
    value = canonical.parse_object(FIRST)
    with pytest.raises(ProofError):
        selfcheck.parse(canonical.encode(value | wrong))


def test_everything_that_is_looked_at_has_words_and_a_line_in_the_specification() -> None:
    text = SPEC.read_text("utf-8")
    for name in NAMES:
        assert f"| `{name}` |" in text
        for language in LANGUAGES:
            assert find_words(f"selfcheck.{name}", language), name


def test_the_algorithms_of_this_machine_give_what_their_texts_print() -> None:
    assert known_answers.wrong_answers() == ()
    assert known_answers.library().startswith("OpenSSL 3")
