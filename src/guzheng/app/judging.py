"""What `guzheng-verify` says of something that somebody brought.

The verifier is a program that does not believe us; it is run, never imported. Its own process
also means that a hostile archive meets nothing of the platform.
"""

import json
import subprocess
import sys
import tempfile
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

    def _report(self, arguments: list[str]) -> Report:
        with tempfile.TemporaryDirectory() as room:
            roots, ledger = Path(room) / "roots.pem", Path(room) / "ledger.policy"
            roots.write_bytes(self.roots_pem)
            ledger.write_bytes(self.ledger_policy)
            command = [
                *(sys.executable, "-m", "guzheng.verifier", "--json"),
                *("--roots", str(roots), "--policy", str(ledger)),
                *arguments,
            ]
            try:
                done = subprocess.run(
                    command, capture_output=True, timeout=_SECONDS, check=False
                )
                return _report_of(json.loads(done.stdout))
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
