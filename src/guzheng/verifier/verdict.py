"""The answer: what is found of the evidence that was asked about, and under whose word."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.proof import canonical, cms, instant, package, policy, timestamp, verify
from guzheng.proof.digest import new_hasher
from guzheng.proof.errors import ProofError, Undecided
from guzheng.proof.policy import Trust
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.verifier import reading
from guzheng.verifier.question import Question, bounded
from guzheng.verifier.words_of import legible

SCHEMA = "guzheng.report/1"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A report and what it speaks of: where roots and ledger key came from, and the times."""

    report: Report
    trusted: str  # "given", "package" or "none"
    roots: tuple[str, ...] = ()
    attested_at: tuple[str, ...] = ()
    ledger: str = "none"  # likewise
    clock_not_verified: bool = False  # an authority says so of its own clock

    def encode(self) -> bytes:
        return canonical.encode(
            {
                "schema": SCHEMA,
                "outcome": self.report.outcome.value,
                "trust": {
                    "source": self.trusted,
                    "roots": list(self.roots),
                    "ledger": self.ledger,
                },
                "attested_at": list(self.attested_at),
                "clock_not_verified": self.clock_not_verified,
                "findings": [_finding_value(one) for one in self.report.findings],
            }
        )


def _finding_value(finding: Finding) -> dict[str, object]:
    return {
        "step": finding.step,
        "rule": finding.rule,
        "outcome": finding.outcome.value,
        "code": finding.code,
        "subject": legible(finding.subject),
        "expected": legible(finding.expected),
        "found": legible(finding.found),
    }


def verdict_of(question: Question) -> Verdict:
    """The answer; whatever is wrong with what is checked becomes a finding."""
    try:
        return _verdict(question)
    except ProofError as error:
        return Verdict(
            Report((_fault("reading", "docs/spec/package.md §4", error),)),
            "given" if question.roots is not None else "none",
        )


def _fault(step: str, rule: str, error: ProofError, subject: str = "") -> Finding:
    outcome = Outcome.NOT_CHECKED if isinstance(error, Undecided) else Outcome.FAILED
    return Finding(step, rule, outcome, error.code, subject, error.expected, error.found)


def _verdict(asked: Question) -> Verdict:
    if asked.hashes is not None:
        return _file_verdict(asked.hashes, bounded(asked.path), asked.roots)
    if asked.token is not None:
        with asked.path.open("rb") as stream:
            hashes = _hashes(stream)
        return _file_verdict(hashes, bounded(asked.token), asked.roots)
    if asked.fork:
        trust = Trust(ledger=asked.ledger)
        report = verify.verify_fork(bounded(asked.path), trust)
        return _of(report, "none", trust, (), ledger=_source(asked.ledger))
    if asked.path.is_dir():
        return _members_verdict(reading.read_folder(asked.path, with_sm3=asked.with_sm3), asked)
    with asked.path.open("rb") as stream:
        first = stream.read(4)
    if first == b"%PDF":
        trust = Trust(asked.roots)
        report = verify.verify_certificate(bounded(asked.path), trust)
        return _of(report, _source(asked.roots), trust, ())
    return _members_verdict(reading.read_zip(asked.path, with_sm3=asked.with_sm3), asked)


def _source(given: object, brought: object = None) -> str:
    return "given" if given is not None else "package" if brought is not None else "none"


def _hashes(stream: reading.Stream) -> dict[str, bytes]:
    """Under every algorithm that a token may use; the file is read once."""
    hashers = {name: new_hasher(name) for name in cms.DIGESTS.values()}
    while block := stream.read(reading.BLOCK):
        for one in hashers.values():
            one.update(block)
    return {name: one.digest() for name, one in hashers.items()}


def _file_verdict(
    hashes: dict[str, bytes], token: bytes, roots: tuple[x509.Certificate, ...] | None
) -> Verdict:
    trust = Trust(roots)
    return _of(verify.verify_file(hashes, token, trust), _source(roots), trust, (token,))


def _members_verdict(members: reading.Members, asked: Question) -> Verdict:
    """A package brings its own trust; one exhibit's folder brings none."""
    faults: list[Finding] = []
    if members.container is not None:
        faults.append(_fault("package.container", "docs/spec/package.md §4", members.container))

    def brought(name: str, parse: Callable[[bytes], _T]) -> _T | None:
        octets = members.papers.get(name)
        try:
            return parse(octets) if octets is not None else None
        except ProofError as error:
            faults.append(_fault("package.outer", "docs/spec/package.md §5", error, name))
            return None

    roots = brought(package.ROOTS, policy.parse_roots)
    ledger = brought(package.LEDGER_POLICY, policy.parse_ledger_policy)
    trust = Trust(
        asked.roots if asked.roots is not None else roots,
        asked.ledger if asked.ledger is not None else ledger,
        asked.authorities,
        judged_at=asked.judged_at,
    )
    single = package.MANIFEST in members.papers
    judge = verify.verify_exhibit if single else verify.verify_package
    if single:  # the platform's own order lies beside the papers and is none of them
        members.papers.pop("order.json", None)
        members.observed.pop("order.json", None)
    report = judge(members.papers, members.observed, trust)
    seals = tuple(
        members.papers[one] for one in sorted(members.papers) if one.endswith(package.SEAL)
    )
    return _of(
        Report((*faults, *report.findings)),
        _source(asked.roots, roots),
        trust,
        seals,
        ledger=_source(asked.ledger, ledger),
    )


def _of(
    report: Report, source: str, trust: Trust, seals: tuple[bytes, ...], *, ledger: str = "none"
) -> Verdict:
    prints = tuple(
        hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() for one in trust.roots or ()
    )
    times, policies = [], set[str]()
    for octets in seals:
        try:
            token = timestamp.parse(octets)
        except ProofError:
            continue  # its own step says so
        times.append(instant.encode(token.attested_at))
        policies.add(token.policy)
    unverified = timestamp.CLOCK_NOT_VERIFIED in policies
    return Verdict(report, source, prints, tuple(sorted(times)), ledger, unverified)
