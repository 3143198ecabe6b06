"""Reading every byte of an exhibit again, by the same steps that a stranger takes.

The judge is `proof.verify`, so what we call sound is what a court would. An exhibit on its way
is not at fault for papers that are still to come; what it has must be right.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from guzheng.proof import package, verify
from guzheng.proof.digest import Digest, new_hasher, sha256
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust
from guzheng.proof.report import Outcome
from guzheng.store.blobs import Blobs, NotKept

_BLOCK = 4 << 20
_MISSING = "package.member-missing"
_CONSEQUENCE = "step.input-missing"  # of a fault that another finding names


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: `place` is a blob's name or a table's."""

    place: str
    code: str
    expected: str = ""
    found: str = ""


def scrub_exhibit(
    blobs: Blobs, folder: str, trust: Trust, *, beside: Collection[str], finished: bool
) -> tuple[Fault, ...]:
    """The faults of one exhibit. `beside`: names that may lie in its folder, and no papers."""
    papers: dict[str, bytes] = {}
    observed: dict[str, Observed] = {}
    faults: list[Fault] = []
    for name in blobs.names(folder):
        short = name.removeprefix(folder)
        if short in beside:
            continue
        try:
            with blobs.open(name) as stream:
                if package.is_paper(short):
                    papers[short] = stream.read(package.MAX_PAPER + 1)
                    observed[short] = Observed(len(papers[short]), sha256(papers[short]))
                else:
                    observed[short] = _observe(iter(lambda: stream.read(_BLOCK), b""))
        except NotKept:
            faults.append(Fault(name, "keep.not-a-file", "a plain file", "something else"))
    for finding in verify.verify_exhibit(papers, observed, trust).findings:
        if finding.outcome is Outcome.PASSED or finding.code == _CONSEQUENCE:
            continue
        missing = finding.code == _MISSING
        if finished or not missing:  # on the way, only absence is excused
            name = finding.expected if missing else finding.subject
            faults.append(Fault(folder + name, finding.code, finding.expected, finding.found))
    return tuple(dict.fromkeys(faults))


def _observe(blocks: Iterable[bytes]) -> Observed:
    plain, national, size = new_hasher("sha256"), new_hasher("sm3"), 0
    for block in blocks:
        plain.update(block)
        national.update(block)
        size += len(block)
    return Observed(size, Digest("sha256", plain.digest()), Digest("sm3", national.digest()))
