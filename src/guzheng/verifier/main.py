"""The command: what it was given, what it found, in words or as JSON, and an exit status.

Exit status: 0 every step passed; 1 at least one failed; 2 none failed and not everything could
be checked; 64 the command was not understood (BSD sysexits.h, EX_USAGE).
"""

import argparse
import hashlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.proof import canonical, cms, instant, package, policy, timestamp, verify
from guzheng.proof.digest import hash_of, new_hasher
from guzheng.proof.errors import Malformed, ProofError, Undecided
from guzheng.proof.policy import LedgerPolicy, Trust
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.verifier import reading, words_of
from guzheng.verifier.words_of import legible

SCHEMA = "guzheng.report/1"
USAGE = 64
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_T = TypeVar("_T")
_MOST_AUTHORITIES = 64
_EXIT = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.NOT_CHECKED: 2}


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


class NotUnderstood(Exception):
    """What the user gave cannot be used; nothing is said of the evidence."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be checked, and whom the user believes; all of it was readable."""

    path: Path
    token: Path | None = None
    hashes: dict[str, bytes] | None = None  # instead of a file: `path` is then the token
    roots: tuple[x509.Certificate, ...] | None = None
    ledger: LedgerPolicy | None = None
    with_sm3: bool = False
    fork: bool = False  # the file is said to prove that a log forked
    authorities: int = 1  # how many distinct ones must attest each manifest
    judged_at: datetime | None = None  # whether it still stands then is asked, too


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {legible(message)}\n")


def _positive(text: str) -> int:
    value = int(text) if text.isascii() and text.isdecimal() else 0
    if not 1 <= value <= _MOST_AUTHORITIES:
        raise argparse.ArgumentTypeError(f"1 … {_MOST_AUTHORITIES}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="guzheng-verify",
        description="核验证据包、证据目录，或文件与其 .tsa。"
        "Check a package, an exhibit's folder, or a file and its .tsa.",
        epilog="退出码 exit status: 0 通过 passed · 1 未通过 failed · "
        "2 无法确定 not everything could be checked · 64 用法 usage",
    )
    parser.add_argument(
        "path",
        type=Path,
        metavar="PATH",
        help="证据包（zip 或目录）、证书 PDF，或原始文件；- 则从标准输入读一行路径 / "
        "package, folder, certificate, or file; - takes the path from a line of standard input",
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
        "--authorities",
        type=_positive,
        default=1,
        metavar="N",
        help="清单须由几家彼此独立的可信时间戳机构作证（默认 1）/ "
        "how many distinct authorities that you believe must attest a manifest",
    )
    parser.add_argument(
        "--digest",
        metavar="sha256:HEX",
        help="以指纹代替文件；此时 PATH 是 .tsa / "
        "a digest instead of the file; PATH is then the .tsa",
    )
    parser.add_argument(
        "--fork",
        action="store_true",
        help="PATH 是日志分叉的证明，须给 --policy / PATH proves a log's fork; needs --policy",
    )
    parser.add_argument(
        "--sm3", action="store_true", help="同时重算 SM3（较慢）/ recompute SM3 too (slower)"
    )
    parser.add_argument(
        "--at",
        metavar="DATE",
        help="另问到这一天（UTC）是否仍可采信，如 2040-01-01 / "
        "also ask whether it still stands on that day (UTC)",
    )
    parser.add_argument("--json", action="store_true", help="输出 JSON / print JSON")
    parser.add_argument("--lang", choices=("zh", "en"), default="zh", help="语言 / language")
    return parser


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    # What a library thinks of the certificates it reads is no verdict: nobody should see it.
    warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that has no Chinese still reads
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main(arguments)
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if str(given.path) == "-":  # whoever has something soon starts us ahead
        line = sys.stdin.readline()
        if not line:
            return INTERRUPTED
        given.path = Path(line.removesuffix("\n"))
    try:
        verdict = verdict_of(_question(given))
    except NotUnderstood as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename}: 读不到 / cannot be read: {error.strerror}")
    _print(
        verdict.encode().decode() + "\n"
        if given.json
        else words_of.text(
            verdict.report,
            verdict.trusted,
            verdict.roots,
            verdict.attested_at,
            verdict.ledger,
            given.lang,
            clock_not_verified=verdict.clock_not_verified,
        )
    )
    return _EXIT[verdict.report.outcome]


def _complain(text: str) -> int:
    sys.stderr.write(f"guzheng-verify: {legible(text)}\n")
    return USAGE


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader had enough; the exit status still says what was found
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _question(given: argparse.Namespace) -> Question:
    if given.digest is not None and given.token is not None:
        raise NotUnderstood("--digest: PATH 即为 .tsa / PATH is then the .tsa, and no TOKEN is")
    paths: tuple[Path | None, ...] = (given.path, given.token, given.roots, given.policy)
    for path in paths:
        if path is not None:
            path.stat()  # raises OSError, with the name
    return Question(
        path=given.path,
        token=given.token,
        hashes=_given("--digest", lambda: _digest(given.digest), given.digest),
        roots=_given("--roots", lambda: policy.parse_roots(_bounded(given.roots)), given.roots),
        ledger=_given(
            "--policy",
            lambda: policy.parse_ledger_policy(_bounded(given.policy)),
            given.policy,
        ),
        with_sm3=given.sm3,
        fork=given.fork,
        authorities=given.authorities,
        judged_at=_given("--at", lambda: instant.parse(f"{given.at}T00:00:00.000Z"), given.at),
    )


def _given(option: str, parse: Callable[[], _T], value: object) -> _T | None:
    """What the user states must be usable: a fault in it is no fault of the evidence."""
    if value is None:
        return None
    try:
        return parse()
    except ProofError as error:
        raise NotUnderstood(f"{option}: {error}") from error


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
        return _file_verdict(asked.hashes, _bounded(asked.path), asked.roots)
    if asked.token is not None:
        with asked.path.open("rb") as stream:
            hashes = _hashes(stream)
        return _file_verdict(hashes, _bounded(asked.token), asked.roots)
    if asked.fork:
        trust = Trust(ledger=asked.ledger)
        report = verify.verify_fork(_bounded(asked.path), trust)
        return _of(report, "none", trust, (), ledger=_source(asked.ledger))
    if asked.path.is_dir():
        return _members_verdict(reading.read_folder(asked.path, with_sm3=asked.with_sm3), asked)
    with asked.path.open("rb") as stream:
        first = stream.read(4)
    if first == b"%PDF":
        trust = Trust(asked.roots)
        report = verify.verify_certificate(_bounded(asked.path), trust)
        return _of(report, _source(asked.roots), trust, ())
    return _members_verdict(reading.read_zip(asked.path, with_sm3=asked.with_sm3), asked)


def _source(given: object, brought: object = None) -> str:
    return "given" if given is not None else "package" if brought is not None else "none"


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
    if name not in cms.DIGESTS.values() or len(value) != len(hash_of(name, b"")):
        raise Malformed(
            "digest.malformed", expected="sha256:<64 hexadecimal digits>", found=text[:80]
        )
    return {name: value}


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
