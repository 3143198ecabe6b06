"""Run by test_purity.py on an expert's machine: verify a package while Python reports every
effect. Prints the outcome first, then one line per event. Not a test by itself."""

import sys
from pathlib import Path

from guzheng.proof import policy, verify
from guzheng.proof.policy import Trust
from guzheng.verifier import reading

members = reading.read_folder(Path(sys.argv[1]), with_sm3=True)
papers = members.papers
# A second package, with one byte of each paper changed: refusing must be as pure as passing.
spoiled = {name: octets[:-9] + b"?" + octets[-8:] for name, octets in papers.items()}
seen: list[str] = []
watching = False


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if watching:
        seen.append(f"{event} {arguments!r}"[:300])


sys.addaudithook(watch)
watching = True
trust = Trust(
    policy.parse_roots(papers["trust/roots.pem"]),
    policy.parse_ledger_policy(papers["trust/ledger.policy"]),
)
report = verify.verify_package(papers, members.observed, trust)
refused = verify.verify_package(spoiled, members.observed, trust)
for name, octets in papers.items():
    if name.endswith(".tsa"):
        verify.verify_file({"sha256": bytes(32)}, octets, trust)
    if name.endswith(".pdf"):
        verify.verify_certificate(octets, trust)
watching = False

sys.stdout.write("\n".join([f"{report.outcome.value} {refused.outcome.value}", *seen]))
