"""A change of standing as a paper: the example of its specification, octet for octet."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guzheng.fix.clock import Change, Standing, record
from guzheng.fix.clock.rules import EPOCH, Claim, Tick, measured
from guzheng.proof import canonical
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec" / "clock.md"
AT = datetime(2026, 11, 22, 2, 0, 0, 123_000, tzinfo=UTC)
TICK = Tick((AT - EPOCH) // timedelta(microseconds=1), 3_600_000_000, 0, "boot")
FIRST = Change(
    AT,
    Standing.VERIFIED,
    "auto",
    measured=measured(
        TICK,
        (Claim("ntp.ntsc.ac.cn", -1250, 18_000), Claim("ntp.aliyun.com", -900, 9_000)),
        None,
    ),
)
SECOND = Change(
    AT + timedelta(hours=1),
    Standing.STOPPED,
    "auto",
    "clock.over-limit",
    measured(TICK, (Claim("ntp.ntsc.ac.cn", 5_001_000, 18_000),), None),
)


def ones(size: int) -> bytes:
    return b"1" * size


def twos(size: int) -> bytes:
    return b"2" * size


def test_the_specifications_example_is_what_is_written() -> None:
    text = SPEC.read_text("utf-8")
    first = record.encode(1, FIRST, None, ones)
    second = record.encode(2, SECOND, first, twos)
    for octets in (first, second):
        assert octets.decode() in text
        assert record.leaf_of(octets).hex() in text
        assert len(record.leaf_of(octets)) == 48
    read = record.parse(second)
    assert (read.number, read.standing, read.code) == (2, "stopped", "clock.over-limit")
    assert read.previous == sha256(first)
    assert read.observed_at == SECOND.at


def test_each_octet_of_a_record_is_under_its_leaf() -> None:
    octets = record.encode(1, FIRST, None, ones)
    leaf = record.leaf_of(octets)
    for at in range(len(octets)):
        altered = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
        try:
            assert record.leaf_of(altered) != leaf
        except ProofError:
            continue


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "guzheng.clock/2"},
        {"standing": "perhaps"},
        {"profile": "sometimes"},
        {"number": -1},
        {"salt": "31"},
        {"previous": "sha256:00"},
        {"more": "than is known"},
        {"observed_at": "2026-11-22"},
    ],
)
def test_what_is_no_record_is_refused(wrong: dict[str, object]) -> None:
    value = canonical.parse_object(record.encode(1, FIRST, None, ones))
    with pytest.raises((ProofError, ValueError)):
        record.parse(canonical.encode(value | wrong))


def test_every_cause_has_a_line_in_the_specification() -> None:
    rules = Path(record.__file__).with_name("rules.py").read_text("utf-8")
    causes = set(re.findall(r'"(clock\.[a-z-]+)"', rules))
    assert len(causes) >= 8
    text = SPEC.read_text("utf-8")
    assert {one for one in causes if f"`{one}`" not in text} == set()
