"""Run by test_purity.py on an expert's machine: verify a package while Python reports every
effect. Prints the outcome first, then one line per effect. Not a test by itself.

All is verified twice. In the first round Python still loads its own libraries when they are
first called (`_strptime`, parts of `cryptography`): reading a module's file is left out there,
and nothing else is. In the second round nothing is left out.
"""

import sys
import sysconfig
from pathlib import Path

from guzheng.proof import policy, verify
from guzheng.proof.policy import Trust
from guzheng.verifier import reading

LIBRARIES = tuple(sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib"))
LOADING = {"import", "marshal.loads", "exec", "compile"}

members = reading.read_folder(Path(sys.argv[1]), with_sm3=True)
papers = members.papers
# A second package, with one byte of each paper changed: refusing must be as pure as passing.
spoiled = {name: octets[:-9] + b"?" + octets[-8:] for name, octets in papers.items()}
seen: list[str] = []
watched = "not yet"


def is_loading(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether Python reads one of its own modules: for reading only, from its own folders."""
    if event == "open":
        return str(arguments[0]).startswith(LIBRARIES) and arguments[1] == "r"
    if event == "os.listdir":
        return str(arguments[0]).startswith(LIBRARIES)
    return event in LOADING


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if watched == "second" or (watched == "first" and not is_loading(event, arguments)):
        seen.append(f"{watched} {event} {arguments!r}"[:300])


def verify_everything() -> str:
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
    return f"{report.outcome.value} {refused.outcome.value}"


sys.addaudithook(watch)
watched = "first"
first = verify_everything()
watched = "second"
second = verify_everything()
watched = "no more"

sys.stdout.write("\n".join([f"{first}, {second}", *seen]))
