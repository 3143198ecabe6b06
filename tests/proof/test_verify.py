"""The numbered steps: every one is carried out, and none passes without its inputs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import policy, verify
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.package import Observed, is_paper
from guzheng.proof.policy import LedgerPolicy, Trust
from guzheng.proof.report import Outcome, Report
from tests.proof.tokens import members, papers, signed_part
from tests.strategies import WHOLE, altered

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GOOD = papers("good")
TRUST = Trust(
    policy.parse_roots(members("good")["trust/roots.pem"]),
    policy.parse_ledger_policy(members("good")["trust/ledger.policy"]),
)
STEPS = (
    "manifest.form", "exhibit.members", "item.digest", "token.imprint", "token.signature",
    "token.trust", "seal.imprint", "seal.signature", "seal.trust", "leaf", "entry.inclusion",
    "entry.checkpoint", "entry.quorum", "order", "certificate.content", "certificate.signature",
    "authorities",
)  # fmt: skip


def observed(held: dict[str, bytes]) -> dict[str, Observed]:
    return {name: Observed(len(one), sha256(one)) for name, one in held.items()}


def verified(
    held: dict[str, bytes],
    trust: Trust = TRUST,
    seen: dict[str, Observed] | None = None,
) -> Report:
    read = {name: one for name, one in held.items() if is_paper(name)}
    return verify.verify_exhibit(read, observed(held) if seen is None else seen, trust)


def steps(report: Report, outcome: Outcome) -> set[str]:
    return {one.step for one in report.of(outcome)}


def test_the_steps_in_their_order() -> None:
    report = verified(GOOD)
    assert report.outcome is Outcome.PASSED
    assert tuple(dict.fromkeys(one.step for one in report.findings)) == STEPS
    assert all(one.rule and one.code == "ok" for one in report.findings)


def test_nothing_at_all_proves_nothing() -> None:
    report = verified({})
    assert report.outcome is not Outcome.PASSED
    assert not report.of(Outcome.PASSED)
    empty = verify.verify_package({}, {}, TRUST)
    assert empty.outcome is Outcome.FAILED
    assert not empty.of(Outcome.PASSED)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_without_a_member(name: str) -> None:
    held = {key: one for key, one in GOOD.items() if key != name}
    report = verified(held)
    assert report.outcome is not Outcome.PASSED
    if name != "manifest.json":  # without it nobody knows what should be there
        missing = {one.expected for one in report.findings}
        assert name in missing


def test_with_a_member_too_many() -> None:
    report = verified({**GOOD, "note.txt": b"x"})
    assert steps(report, Outcome.FAILED) == {"exhibit.members"}
    assert [one.found for one in report.of(Outcome.FAILED)] == ["note.txt"]


@pytest.mark.parametrize(
    ("trust", "undecided"),
    [
        (
            Trust(None, TRUST.ledger),
            {"token.trust", "seal.trust", "certificate.signature"},
        ),
        (
            Trust(TRUST.roots, None),
            {"entry.checkpoint", "entry.quorum", "certificate.content"},
        ),
        (
            Trust(TRUST.roots, replace(TRUST.ledger, quorum="w") if TRUST.ledger else None),
            {"entry.quorum"},
        ),
        (
            Trust(
                TRUST.roots,
                policy.parse_ledger_policy(members("stranger")["trust/ledger.policy"]),
            ),
            {"entry.checkpoint", "entry.quorum", "certificate.content"},
        ),
    ],
    ids=["no-roots", "no-ledger", "unknown-quorum", "strangers-ledger"],
)
def test_what_is_not_believed_is_not_checked(trust: Trust, undecided: set[str]) -> None:
    report = verified(GOOD, trust)
    assert report.outcome is Outcome.NOT_CHECKED
    assert steps(report, Outcome.NOT_CHECKED) == undecided


def test_a_ledger_key_that_is_none() -> None:
    report = verified(GOOD, Trust(TRUST.roots, LedgerPolicy(("not a key",), "none")))
    assert "entry.checkpoint" in steps(report, Outcome.FAILED)


def test_an_original_is_known_by_size_and_by_both_digests() -> None:
    name = "items/photograph.txt"
    right = observed(GOOD)[name]
    for wrong in (
        Observed(right.size + 1, right.sha256),
        Observed(right.size, sha256(b"another")),
        Observed(right.size, right.sha256, sm3(b"another")),
        Observed(right.size, Digest("sm3", right.sha256.value)),
    ):
        report = verified(GOOD, seen={**observed(GOOD), name: wrong})
        assert [one.code for one in report.of(Outcome.FAILED)] == ["item.altered"]
    with_sm3 = Observed(right.size, right.sha256, sm3(GOOD[name]))
    assert verified(GOOD, seen={**observed(GOOD), name: with_sm3}).outcome is Outcome.PASSED


PAPERS = sorted(name for name in GOOD if is_paper(name) and name != "certificate.pdf")


@WHOLE
@given(st.data())
def test_papers_near_good_ones(data: st.DataObject) -> None:
    """One paper altered, and everything that lists papers made to fit: it is still seen."""
    name = data.draw(st.sampled_from(PAPERS))
    octets = data.draw(altered(GOOD[name]))
    report = verified({**GOOD, name: octets})
    if octets == GOOD[name] or report.outcome is not Outcome.PASSED:
        return
    # Only what nobody signs can differ in a token, and nothing at all in other papers.
    assert name.startswith("tokens/")
    assert signed_part(octets) == signed_part(GOOD[name])


@WHOLE
@given(st.data())
def test_papers_of_another_exhibit(data: st.DataObject) -> None:
    """Any mixture of the papers of two exhibits of one platform is seen."""
    other = papers("hash-only")
    shared = sorted(set(GOOD) & set(other))
    taken = data.draw(st.sets(st.sampled_from(shared), min_size=1, max_size=len(shared) - 1))
    report = verified({**GOOD, **{name: other[name] for name in taken}})
    assert report.outcome is Outcome.FAILED


@WHOLE
@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.binary(max_size=200)))
def test_any_octets_as_papers(changed: dict[str, bytes]) -> None:
    report = verified({**GOOD, **changed})
    if any(GOOD[name] != octets for name, octets in changed.items()):
        assert report.outcome is not Outcome.PASSED


def test_a_certificate_alone() -> None:
    report = verify.verify_certificate(GOOD["certificate.pdf"], TRUST)
    assert report.outcome is Outcome.PASSED
    unknown = verify.verify_certificate(GOOD["certificate.pdf"], Trust(None))
    assert unknown.outcome is Outcome.NOT_CHECKED
