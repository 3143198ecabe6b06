"""Who may ask: pure rules, over a time that the test tells."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.fix import admission
from guzheng.fix.admission import Admission, Limits, TooMany, bucket_of, client_of

HERE = tuple(ipaddress.ip_network(one) for one in ("127.0.0.1/32", "10.0.0.0/8"))


def admitted(door: Admission, client: str, now: float) -> int:
    """0, or the seconds to wait."""
    try:
        door.admit(client, now)
    except TooMany as refusal:
        return refusal.retry_seconds
    return 0


def test_a_burst_then_the_rate() -> None:
    door = Admission(Limits(rate=2, burst=3, per_day=0))
    assert [admitted(door, "a", 100.0) for _ in range(5)] == [0, 0, 0, 1, 1]
    assert admitted(door, "b", 100.0) == 0  # others have their own
    assert admitted(door, "a", 100.5) == 0
    assert admitted(door, "a", 100.6) == 1
    assert [admitted(door, "a", 200.0) for _ in range(4)] == [
        0,
        0,
        0,
        1,
    ]  # never more than that


def test_a_day_has_its_quota() -> None:
    door = Admission(Limits(rate=0, burst=1, per_day=2))
    assert [admitted(door, "a", 0.0) for _ in range(3)] == [0, 0, 43_200]
    assert admitted(door, "a", 43_200.0) == 0


def test_without_limits_nothing_is_remembered() -> None:
    door = Admission(Limits(rate=0, burst=1, per_day=0))
    assert [admitted(door, "a", 0.0) for _ in range(100)] == [0] * 100
    assert len(door) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    door = Admission(Limits(rate=1, burst=1, per_day=0))
    assert admitted(door, "a", 10.0) == 0
    assert admitted(door, "a", 0.0) == 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Admission(Limits(rate=1, burst=1, per_day=0))
    for number in range(admission.MAX_CLIENTS + 10):
        door.admit(str(number), 0.0)
    assert len(door) == admission.MAX_CLIENTS


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.floats(0, 3), max_size=200),
)
def test_never_more_than_the_burst_and_the_rate(
    rate: int, burst: int, pauses: list[float]
) -> None:
    door = Admission(Limits(rate=rate, burst=burst, per_day=0))
    now, let_in = 0.0, 0
    for pause in pauses:
        now += pause
        let_in += admitted(door, "a", now) == 0
    assert let_in <= burst + rate * now + 1e-6


@pytest.mark.parametrize(
    ("address", "forwarded", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),  # no proxy of ours: what it says is nothing
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "203.0.113.9, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("fe80::1%eth0", None, "fe80::1"),
        ("", None, "unknown"),
    ],
)
def test_who_asks(address: str, forwarded: str | None, client: str) -> None:
    assert client_of(address, forwarded, HERE) == client


@pytest.mark.parametrize(
    ("client", "bucket"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_what_shares_a_bucket(client: str, bucket: str) -> None:
    assert bucket_of(client) == bucket


@given(st.text(max_size=40), st.none() | st.text(max_size=80))
def test_any_text_is_somebody(address: str, forwarded: str | None) -> None:
    assert bucket_of(client_of(address, forwarded, HERE))
