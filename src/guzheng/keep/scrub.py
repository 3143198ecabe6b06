"""Reading every byte of an exhibit again: against its listing, then as a stranger would.

The listing (SHA256SUMS, taken when the road was walked) names exactly the file that changed.
Only where it finds nothing does `proof.verify` judge, by the same steps as a court's expert:
a changed manifest would otherwise be reported as four papers that no longer fit it. An exhibit
on its way is not at fault for papers that are still to come; what it has must be right.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha512

from guzheng.proof import package, verify
from guzheng.proof.digest import Digest, new_hasher, sha256
from guzheng.proof.package import Observed
from guzheng.proof.policy import Trust
from guzheng.proof.report import Outcome
from guzheng.store.blobs import Blobs, NotKept, UnsafeName

_BLOCK = 4 << 20
_MISSING = "package.member-missing"
_EXTRA = "package.member-extra"
_NO_FAULTS = {
    "step.input-missing",  # follows from a fault that another finding names
    # The entry is older than the policy that asks for more witnesses (decision 15).
    # Cosignatures that were there and are gone contradict certificate and listing, which name
    # them.
    "policy.quorum-missing",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: `place` is a blob's name or a table's."""

    place: str
    code: str
    expected: str = ""
    found: str = ""


def scrub_exhibit(
    blobs: Blobs,
    folder: str,
    trust: Trust | None,
    *,
    listed: Mapping[str, Digest],
    beside: Collection[str],
    finished: bool,
    gone: Collection[str] = frozenset(),
) -> tuple[Fault, ...]:
    """The faults of one exhibit. `beside`: names that may lie in its folder, and no papers;
    `gone`: names that need not be there, since a rule deleted them and a tombstone says so.

    Without trust nothing is judged, only compared with the listing."""
    papers, observed, faults = _read(blobs, folder)
    unread = {fault.place for fault in faults}
    for name in sorted(listed):
        place = folder + name
        if place in unread:
            continue
        if name not in observed and name in gone:
            continue
        if name not in observed:
            faults.append(Fault(place, "keep.missing", str(listed[name]), "none"))
        elif observed[name].sha256 != listed[name]:
            found = f"{observed[name].sha256}, {observed[name].size} octets"
            faults.append(Fault(place, "keep.altered", str(listed[name]), found))
    if finished and listed:
        faults += [
            Fault(folder + name, "keep.extra", "only papers of this exhibit", "a file")
            for name in sorted(observed.keys() - listed.keys() - set(gone))
            if not package.is_optional(name)  # came later; judged below like every paper
        ]
    if faults or trust is None:
        return tuple(faults)
    for name in beside:
        papers.pop(name, None)
        observed.pop(name, None)
    return _judged(papers, observed, trust, folder, finished=finished)


def _judged(
    papers: Mapping[str, bytes],
    observed: Mapping[str, Observed],
    trust: Trust,
    folder: str,
    *,
    finished: bool,
) -> tuple[Fault, ...]:
    faults = []
    for finding in verify.verify_exhibit(papers, observed, trust).findings:
        if finding.outcome is Outcome.PASSED or finding.code in _NO_FAULTS:
            continue
        missing = finding.code == _MISSING
        if finished or not missing:  # on the way, only absence is excused
            name = finding.subject
            if missing:
                name = finding.expected
            elif finding.code == _EXTRA:
                name = finding.found
            faults.append(Fault(folder + name, finding.code, finding.expected, finding.found))
    return tuple(dict.fromkeys(faults))


def _read(
    blobs: Blobs, folder: str
) -> tuple[dict[str, bytes], dict[str, Observed], list[Fault]]:
    papers: dict[str, bytes] = {}
    observed: dict[str, Observed] = {}
    faults: list[Fault] = []
    for name in blobs.names(folder):
        short = name.removeprefix(folder)
        try:
            with blobs.open(name) as stream:
                if package.is_paper(short):
                    papers[short] = stream.read(package.MAX_PAPER + 1)
                    observed[short] = Observed(len(papers[short]), sha256(papers[short]))
                else:
                    observed[short] = _observe(iter(lambda: stream.read(_BLOCK), b""))
        except (NotKept, UnsafeName):
            faults.append(Fault(name, "keep.not-a-file", "a plain file", "something else"))
    return papers, observed, faults


def _observe(blocks: Iterable[bytes]) -> Observed:
    plain, national, wide, size = new_hasher("sha256"), new_hasher("sm3"), sha512(), 0
    for block in blocks:
        for hasher in (plain, national, wide):
            hasher.update(block)
        size += len(block)
    digests = Digest("sha256", plain.digest()), Digest("sm3", national.digest())
    return Observed(size, *digests, wide.digest())
