"""What `guzheng-verify` says of something that somebody brought.

The verifier is a program that does not believe us; it is run, never imported. Its own process
also means that a hostile archive meets nothing of the platform.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guzheng.proof.digest import Digest
from guzheng.proof.errors import ProofError
from guzheng.proof.fields import Fields
from guzheng.proof.report import Finding, Outcome, Report
from guzheng.refusals import Unavailable

_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Judge:
    """`ledger_policy` and `roots_pem`: what the platform tells the verifier to believe."""

    roots_pem: bytes
    ledger_policy: bytes

    def package(self, file: Path) -> Report:
        """A package, or a certificate."""
        return self._report([str(file)])

    def file(self, digest: Digest, token: bytes) -> Report:
        """A digest and a `.tsa`."""
        with tempfile.NamedTemporaryFile(suffix=".tsa") as file:
            file.write(token)
            file.flush()
            return self._report([file.name, "--digest", str(digest)])

    @contextmanager
    def ahead(self) -> Iterator[Callable[[Path], Report]]:
        """Of a package that is still being written: the program starts beside that."""
        with self._started(["-"]) as program:

            def package(file: Path) -> Report:
                if not str(file).isprintable():  # it is told in a line of text
                    return self.package(file)
                return _heard(program, os.fsencode(file) + b"\n")

            yield package

    def _report(self, arguments: Sequence[str]) -> Report:
        with self._started(arguments) as program:
            return _heard(program, b"")

    @contextmanager
    def _started(self, arguments: Sequence[str]) -> "Iterator[subprocess.Popen[bytes]]":
        """The program, and nothing of it afterwards."""
        with tempfile.TemporaryDirectory() as room:
            roots, ledger = Path(room) / "roots.pem", Path(room) / "ledger.policy"
            roots.write_bytes(self.roots_pem)
            ledger.write_bytes(self.ledger_policy)
            command = [
                *(sys.executable, "-m", "guzheng.verifier", "--json"),
                *("--roots", str(roots), "--policy", str(ledger)),
                *arguments,
            ]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as program:
                try:
                    yield program
                finally:
                    program.kill()


def _heard(program: "subprocess.Popen[bytes]", said: bytes) -> Report:
    try:
        told, _ = program.communicate(said, timeout=_SECONDS)
        return _report_of(json.loads(told))
    except (subprocess.TimeoutExpired, ValueError, ProofError) as error:
        raise Unavailable(
            "verify.not-finished",
            expected=f"a report within {_SECONDS} s",
            found=type(error).__name__,
            act="check it with guzheng-verify on your own machine",
        ) from error


def _report_of(value: object) -> Report:
    fields = Fields(value, "report")
    findings = []
    for one in fields.items("findings", most=100_000):
        finding = Fields(one, "report.findings")
        findings.append(
            Finding(
                step=finding.text("step"),
                rule=finding.text("rule"),
                outcome=Outcome(finding.text("outcome")),
                code=finding.text("code"),
                subject=finding.text("subject"),
                expected=finding.text("expected", longest=100_000),
                found=finding.text("found", longest=100_000),
            )
        )
    return Report(tuple(findings))
