"""The quorum step of an exhibit: sealed only when those whose word was asked for gave it."""

from dataclasses import replace

import pytest

from guzheng.proof import instant, note, package
from guzheng.proof.note import Note
from guzheng.proof.policy import Group, LedgerPolicy, Trust, Witness
from guzheng.proof.report import Outcome, Report
from guzheng.proof.tlogproof import TlogProof
from guzheng.verifier.words_of import text
from guzheng.words import LANGUAGES, say
from tests.proof.keys import SigningKey, key_of
from tests.proof.test_verify import GOOD, TRUST, steps, verified

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

COURTS = [key_of(f"court-{at}.example/w", at, note.COSIGNATURE) for at in (1, 2)]
NOTARIES = [key_of(f"notary-{at}.example/w", at + 4, note.COSIGNATURE) for at in (1, 2)]
NOTARIES.append(key_of("notary-3.example/w", 9, note.ML_DSA_44))
SECONDS = 1_790_000_000


def trusting(quorum: str) -> Trust:
    assert TRUST.ledger is not None
    witnesses = [Witness(f"court-{at}", one.key) for at, one in enumerate(COURTS)]
    witnesses += [Witness(f"notary-{at}", one.key) for at, one in enumerate(NOTARIES)]
    groups = (
        Group("courts", 1, ("court-0", "court-1")),
        Group("notaries", 2, ("notary-0", "notary-1", "notary-2")),
        Group("both", 2, ("courts", "notaries")),
    )
    ledger = LedgerPolicy(TRUST.ledger.logs, quorum, tuple(witnesses), groups)
    return replace(TRUST, ledger=ledger)


def cosigned_by(*keys: SigningKey) -> dict[str, bytes]:
    entry = TlogProof.parse(GOOD[package.ENTRY])
    lines = [one.sign(entry.note.text, SECONDS) for one in keys]
    signed = Note(entry.note.text, (*entry.note.signatures, *lines))
    return {**GOOD, package.ENTRY: replace(entry, note=signed).encode()}


def quorum_of(report: Report) -> str:
    [found] = [one for one in report.findings if one.step == "entry.quorum"]
    return found.found


def test_a_quorum_that_is_met_names_who_and_when() -> None:
    report = verified(cosigned_by(COURTS[1], NOTARIES[0], NOTARIES[2]), trusting("both"))
    assert report.outcome is Outcome.PASSED
    at = instant.encode(instant.parse("2026-09-21T14:13:20.000Z"))
    assert quorum_of(report) == "; ".join(
        f"{one.key.name}: {at}" for one in (COURTS[1], NOTARIES[0], NOTARIES[2])
    )
    for language in LANGUAGES:
        said = text(report, "given", (), (), "given", language)
        assert say("verdict.witnessed", language) in said
        assert say("verdict.unwitnessed", language) not in said
        assert "court-2.example/w: 2026-09-21" in said


@pytest.mark.parametrize(
    "who", [(), (COURTS[0],), (COURTS[0], NOTARIES[1]), tuple(NOTARIES), (COURTS[0], COURTS[1])]
)
def test_a_quorum_that_is_not_met_is_not_checked(who: tuple[SigningKey, ...]) -> None:
    report = verified(cosigned_by(*who), trusting("both"))
    assert report.outcome is Outcome.NOT_CHECKED
    assert steps(report, Outcome.NOT_CHECKED) == {"entry.quorum"}


def test_a_false_cosignature_refuses_the_checkpoint() -> None:
    held = cosigned_by(COURTS[0], NOTARIES[0], NOTARIES[1])
    entry = TlogProof.parse(held[package.ENTRY])
    false = COURTS[1].key.signature_of(bytes(64), SECONDS)
    signed = Note(entry.note.text, (*entry.note.signatures, false))
    report = verified(
        {**held, package.ENTRY: replace(entry, note=signed).encode()}, trusting("both")
    )
    assert "entry.checkpoint" in steps(report, Outcome.FAILED)


def test_where_no_witness_is_demanded_it_says_so() -> None:
    report = verified(GOOD)
    assert quorum_of(report) == ""
    for language in LANGUAGES:
        said = text(report, "given", (), (), "given", language)
        assert say("verdict.unwitnessed", language) in said
    # Cosigned nevertheless: that is told, and nobody is said to have demanded it.
    report = verified(cosigned_by(COURTS[0]), trusting("none"))
    assert report.outcome is Outcome.PASSED
    assert quorum_of(report).startswith("court-1.example/w: ")
