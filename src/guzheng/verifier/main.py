"""The command: what it was given, what it found, in words or as JSON, and an exit status.

Exit status: 0 every step passed; 1 at least one failed; 2 none failed and not everything could
be checked; 64 the command was not understood (BSD sysexits.h, EX_USAGE).
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.proof import canonical, cms, instant, package, policy, timestamp, verify
from guzheng.proof.errors import Malformed, ProofError, Undecided
from guzheng.proof.policy import LedgerPolicy, Trust
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.verifier import reading, words_of
from guzheng.verifier.words_of import legible

SCHEMA = "guzheng.report/1"
USAGE = 64
_EXIT = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKED: 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A report and what it speaks of. `trusted`: where the roots came from."""

    report: Report
    trusted: str  # "given", "package" or "none"
    roots: tuple[str, ...]
    attested_at: tuple[str, ...]

    def encode(self) -> bytes:
        return canonical.encode(
            {
                "schema": SCHEMA,
                "outcome": self.report.outcome.value,
                "trust": {"source": self.trusted, "roots": list(self.roots)},
                "attested_at": list(self.attested_at),
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="guzheng-verify",
        description="核验证据包、证据目录，或文件与其 .tsa。Check a package, an exhibit's folder, or a file and its .tsa.",
        epilog="退出码 exit status: 0 通过 passed · 1 未通过 failed · 2 无法确定 not everything could be checked · 64 用法 usage",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="证据包（zip 或目录）、证书 PDF，或原始文件 / package, folder, certificate, or file",
    )
    parser.add_argument(
        "token",
        type=Path,
        nargs="?",
        metavar="TOKEN.tsa",
        help="原始文件的时间戳 / the file's timestamp",
    )
    parser.add_argument(
        "--roots",
        type=Path,
        metavar="PEM",
        help="您信任的根证书，取代包内所带 / roots that you believe, instead of the package's",
    )
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="您信任的账本（C2SP tlog-policy）/ the ledger that you believe",
    )
    parser.add_argument(
        "--digest",
        metavar="sha256:HEX",
        help="以指纹代替文件；此时 PATH 是 .tsa / a digest instead of the file; PATH is then the .tsa",
    )
    parser.add_argument(
        "--sm3", action="store_true", help="同时重算 SM3（较慢）/ recompute SM3 too (slower)"
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON / print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 / language")
    return parser


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    sys.exit(main(arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    for path in (given.path, given.token, given.roots, given.policy):
        if path is not None and not path.exists():
            sys.stderr.write(
                f"guzheng-verify: {legible(str(path))}: 没有这个文件 / no such file\n"
            )
            return USAGE
    try:
        verdict = _verdict(given)
    except ProofError as error:
        outcome = Outcome.NOT_CHECKED if isinstance(error, Undecided) else Outcome.FAILED
        refused = Finding(
            "reading",
            "docs/spec/package.md §4",
            outcome,
            error.code,
            "",
            error.expected,
            error.found,
        )
        verdict = Verdict(Report((refused,)), "none", (), ())
    except OSError as error:
        sys.stderr.write(f"guzheng-verify: {legible(str(error))}\n")
        return USAGE
    if given.json:
        sys.stdout.write(verdict.encode().decode() + "\n")
    else:
        sys.stdout.write(
            words_of.text(
                verdict.report, verdict.trusted, verdict.roots, verdict.attested_at, given.lang
            )
        )
    return _EXIT[verdict.report.outcome]


def _verdict(given: argparse.Namespace) -> Verdict:
    roots = _bounded(given.roots) if given.roots else None
    ledger = policy.parse_ledger_policy(_bounded(given.policy)) if given.policy else None
    if given.digest is not None:
        return _file_verdict(_digest(given.digest), _bounded(given.path), roots)
    if given.token is not None:
        with given.path.open("rb") as stream:
            hashes = _hashes(stream)
        return _file_verdict(hashes, _bounded(given.token), roots)
    if given.path.is_dir():
        return _members_verdict(
            reading.read_folder(given.path, with_sm3=given.sm3), roots, ledger
        )
    with given.path.open("rb") as stream:
        first = stream.read(4)
    if first == b"%PDF":
        trust = Trust(policy.parse_roots(roots) if roots else None)
        return _of(
            verify.verify_certificate(_bounded(given.path), trust),
            "given" if roots else "none",
            trust,
            (),
        )
    return _members_verdict(reading.read_zip(given.path, with_sm3=given.sm3), roots, ledger)


def _bounded(path: Path) -> bytes:
    with path.open("rb") as stream:
        octets = stream.read(package.MAX_PAPER + 1)
    if len(octets) > package.MAX_PAPER:
        raise Malformed(
            "package.paper-too-large",
            expected=f"at most {package.MAX_PAPER} octets",
            found=path.name,
        )
    return octets


def _digest(text: str) -> dict[str, bytes]:
    name, _, digits = text.partition(":")
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if name not in cms.DIGESTS.values() or len(value) != hashlib.new(name).digest_size:
        raise Malformed(
            "digest.malformed", expected="sha256:<64 hexadecimal digits>", found=text[:80]
        )
    return {name: value}


def _hashes(stream: reading.Stream) -> dict[str, bytes]:
    """Under every algorithm that a token may use; the file is read once."""
    hashers = {name: hashlib.new(name) for name in cms.DIGESTS.values()}
    while block := stream.read(reading.BLOCK):
        for one in hashers.values():
            one.update(block)
    return {name: one.digest() for name, one in hashers.items()}


def _file_verdict(hashes: dict[str, bytes], token: bytes, roots: bytes | None) -> Verdict:
    trust = Trust(policy.parse_roots(roots) if roots is not None else None)
    report = verify.verify_file(hashes, token, trust)
    return _of(report, "given" if roots is not None else "none", trust, (token,))


def _members_verdict(
    members: reading.Members, roots: bytes | None, ledger: LedgerPolicy | None
) -> Verdict:
    """A package brings its own trust; one exhibit's folder brings none."""
    single = package.MANIFEST in members.papers
    brought = members.papers.get(package.ROOTS)
    source = "given" if roots is not None else "package" if brought is not None else "none"
    pem = roots if roots is not None else brought
    held = members.papers.get(package.LEDGER_POLICY)
    trust = Trust(
        policy.parse_roots(pem) if pem is not None else None,
        ledger or (policy.parse_ledger_policy(held) if held is not None else None),
    )
    judge = verify.verify_exhibit if single else verify.verify_package
    if single:  # the platform's own order lies beside the papers and is none of them
        members.papers.pop("order.json", None)
        members.observed.pop("order.json", None)
    report = judge(members.papers, members.observed, trust)
    if members.container is not None:
        fault = members.container
        finding = Finding(
            "package.container",
            "docs/spec/package.md §4",
            Outcome.NOT_CHECKED,
            fault.code,
            "",
            fault.expected,
            fault.found,
        )
        report = Report((finding, *report.findings))
    seals = tuple(
        members.papers[one] for one in sorted(members.papers) if one.endswith(package.SEAL)
    )
    return _of(report, source, trust, seals)


def _of(report: Report, source: str, trust: Trust, seals: tuple[bytes, ...]) -> Verdict:
    prints = tuple(
        hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest() for one in trust.roots or ()
    )
    times = []
    for octets in seals:
        try:
            times.append(instant.encode(timestamp.parse(octets).attested_at))
        except ProofError:
            continue  # its own step says so
    return Verdict(report, source, prints, tuple(sorted(times)))
