"""Seals of further authorities: each on its own certificates, at its own time, counted once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from guzheng.fix import der
from guzheng.proof import policy, verify
from guzheng.proof.digest import sha256
from guzheng.proof.manifest import Manifest
from guzheng.proof.package import Observed, is_paper
from guzheng.proof.policy import Trust
from guzheng.proof.report import Finding, Outcome, Report
from tests.proof.tokens import members, papers
from tools.timestamp_pieces import (
    ROOT,
    TIME_STAMPING,
    Party,
    Said,
    answered,
    certified,
    imprint,
    issuing,
    p256,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GOOD = papers("good")
MANIFEST = GOOD["manifest.json"]
RECEIVED = Manifest.parse(MANIFEST).observed_at
LATER = RECEIVED + timedelta(seconds=5)
DAY = timedelta(days=1)
OURS = policy.parse_roots(members("good")["trust/roots.pem"])
LEDGER = policy.parse_ledger_policy(members("good")["trust/ledger.policy"])


def party(name: str, by: Party, *, begin: datetime, end: datetime) -> Party:
    return certified(name, p256(name), by, TIME_STAMPING, begin=begin, end=end)


ROOTS = {
    name: certified(f"root of {name}", p256(f"root of {name}"), None, issuing())
    for name in ("ann", "ben")
}
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
ANN = party("ann", ROOTS["ann"], begin=BEGIN, end=END)
ANN_TOO = party("ann too", ROOTS["ann"], begin=BEGIN, end=END)
BEN = party("ben", ROOTS["ben"], begin=BEGIN, end=END)


def seal(by: Party, at: datetime = LATER, over: bytes = MANIFEST) -> bytes:
    said = replace(Said(), imprint=imprint(over), time=der.generalized_time(at))
    return answered(said, by)


def judged(
    *outside: tuple[str, bytes],
    roots: tuple[x509.Certificate, ...] = (),
    demanded: int = 1,
    ours: bool = True,
) -> Report:
    """The good exhibit with these seals besides, as somebody judges it who believes `roots`."""
    held = {**GOOD, **{f"seal.{name}.tsa": octets for name, octets in outside}}
    seen = {name: Observed(len(one), sha256(one)) for name, one in held.items()}
    read = {name: one for name, one in held.items() if is_paper(name)}
    believed = (OURS if ours else ()) + roots
    return verify.verify_exhibit(read, seen, Trust(believed, LEDGER, demanded))


def outside_roots(*names: str) -> tuple[x509.Certificate, ...]:
    return tuple(ROOTS[name].certificate for name in names)


def found(report: Report, step: str, subject: str = "manifest.json") -> Finding:
    (one,) = [one for one in report.findings if (one.step, one.subject) == (step, subject)]
    return one


def test_each_is_named_with_its_time() -> None:
    report = judged(
        ("ann", seal(ANN)), ("ben", seal(BEN, LATER + DAY)), roots=outside_roots("ann", "ben")
    )
    assert report.outcome is Outcome.PASSED
    said = found(report, "authorities").found.split("; ")
    assert len(said) == 3
    assert said[1].startswith("CN=Test ann: ")
    assert said[2].startswith("CN=Test ben: ")
    assert f"{LATER + DAY:%Y-%m-%dT%H:%M:%S}" in said[2]


def test_who_believes_an_outside_authority_alone_learns_what_it_attests() -> None:
    report = judged(("ann", seal(ANN)), roots=outside_roots("ann"), ours=False)
    assert report.outcome is Outcome.NOT_CHECKED
    assert found(report, "seal.trust", "seal.tsa").code == "chain.unknown-root"
    said = found(report, "authorities")
    assert said.outcome is Outcome.PASSED
    assert said.found.startswith("CN=Test ann: ")
    assert ";" not in said.found


@pytest.mark.parametrize(
    ("demanded", "outcome"), [(2, Outcome.PASSED), (3, Outcome.NOT_CHECKED)]
)
def test_as_many_as_are_demanded(demanded: int, outcome: Outcome) -> None:
    report = judged(("ann", seal(ANN)), roots=outside_roots("ann"), demanded=demanded)
    assert found(report, "authorities").outcome is outcome


def test_one_authority_counts_once_under_any_name_key_or_certificate() -> None:
    """sigstore-go#471."""
    report = judged(
        ("ann", seal(ANN)),
        ("again", seal(ANN)),
        ("other-key", seal(ANN_TOO)),
        roots=outside_roots("ann"),
        demanded=3,
    )
    missing = found(report, "authorities")
    assert missing.code == "policy.authorities-missing"
    assert missing.found.startswith("2: ")


def test_a_window_of_validity_is_not_borrowed() -> None:
    """TOB-SIGSTORE-11: one root, two certificates, and one had ended before its token."""
    ended = party("ended", ROOTS["ann"], begin=BEGIN, end=RECEIVED - DAY)
    report = judged(
        ("ended", seal(ended)), ("ann", seal(ANN)), roots=outside_roots("ann"), demanded=2
    )
    assert found(report, "seal.trust", "seal.ended.tsa").code == "chain.expired-at-gentime"
    assert "ended" not in found(report, "authorities").found
    assert report.outcome is Outcome.FAILED


def test_certificates_in_one_token_say_nothing_of_another() -> None:
    """Ben's intermediate is carried by Ann's token alone."""
    middle = certified("middle", p256("middle"), ROOTS["ben"], issuing())
    below = party("below", middle, begin=BEGIN, end=END)
    carrier = answered(
        replace(Said(), imprint=imprint(MANIFEST), time=der.generalized_time(LATER)),
        ANN,
        certificates=[ANN.der, middle.der],
    )
    report = judged(("ann", carrier), ("below", seal(below)), roots=outside_roots("ann", "ben"))
    assert found(report, "seal.trust", "seal.ann.tsa").outcome is Outcome.PASSED
    assert found(report, "seal.trust", "seal.below.tsa").code == "chain.unknown-root"


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (seal(ANN, over=b"another"), "timestamp.imprint-differs"),
        (seal(ANN, RECEIVED - DAY), "order.sealed-before-received"),
        (seal(ANN)[:-1], "der.malformed"),
        (b"", "der.malformed"),
        (GOOD["tokens/photograph.txt.tsa"], "timestamp.imprint-differs"),
        (seal(certified("tls", p256("tls"), ROOT)), "chain.purpose-wrong"),
    ],
    ids=["another-file", "too-early", "cut", "empty", "of-an-original", "no-purpose"],
)
def test_a_further_seal_that_is_wrong_is_a_fault_of_the_exhibit(
    octets: bytes, code: str
) -> None:
    report = judged(("ann", octets), roots=outside_roots("ann"))
    assert report.outcome is Outcome.FAILED
    assert code in {one.code for one in report.of(Outcome.FAILED)}


def test_a_seal_that_was_listed_and_not_read_is_not_passed_over() -> None:
    seen = {name: Observed(len(one), sha256(one)) for name, one in GOOD.items()}
    seen["seal.ann.tsa"] = Observed(3, sha256(b"abc"))
    read = {name: one for name, one in GOOD.items() if is_paper(name)}
    report = verify.verify_exhibit(read, seen, Trust(OURS, LEDGER))
    assert found(report, "seal.imprint", "seal.ann.tsa").outcome is Outcome.NOT_CHECKED
    assert report.outcome is Outcome.NOT_CHECKED


@pytest.mark.parametrize(
    "name",
    ["seal..tsa", "seal.Ann.tsa", "seal.-a.tsa", "seal." + "a" * 33 + ".tsa", "seal.a.tsr"],
)
def test_a_name_that_is_none_is_an_extra_member(name: str) -> None:
    held = {**GOOD, name: seal(ANN)}
    seen = {one: Observed(len(octets), sha256(octets)) for one, octets in held.items()}
    read = {one: octets for one, octets in held.items() if is_paper(one)}
    report = verify.verify_exhibit(read, seen, Trust(OURS, LEDGER))
    assert found(report, "exhibit.members", "").code == "package.member-extra"


@given(st.data())
def test_every_octet_of_a_further_seal_counts_or_is_the_status(data: st.DataObject) -> None:
    octets = bytearray(seal(ANN))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    report = judged(("ann", bytes(octets)), roots=outside_roots("ann"))
    if report.outcome is Outcome.PASSED:
        assert (at, octets[at]) == (bytes(seal(ANN)).index(b"\x02\x01\x00") + 2, 1)
