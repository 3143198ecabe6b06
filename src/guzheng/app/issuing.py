"""What the documents of a court package are made of: its papers, read as they will be told.

Facts of the papers, of the account, of the record of the clock and of the settings, and from
them the printed documents that were asked for. A paper that cannot be read refuses the package:
nothing is told of what nobody could check.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata

from cryptography.hazmat.primitives import hashes

from guzheng import prove, road
from guzheng.app.parts import Parts
from guzheng.app.volumes import DOCUMENTS, WantedPackage
from guzheng.config import Config
from guzheng.proof import canonical, package, policy
from guzheng.proof.digest import sha256
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Manifest
from guzheng.refusals import Refused
from guzheng.store.blobs import NotKept, read

_NAMES = {
    "catalogue": package.CATALOGUE,
    "labels": package.LABELS,
    "disclosure": package.DISCLOSURE,
    "certification": package.CERTIFICATION,
    "page": package.PAGE,
}


@dataclass(frozen=True, slots=True)
class Issuing:
    """Issues of an installation: one for each volume."""

    config: Config
    parts: Parts
    walked: road.Road
    ledger_policy: Callable[[], policy.LedgerPolicy]
    roots_pem: Callable[[], bytes]

    def issue(
        self,
        wanted: WantedPackage,
        exhibits: Sequence[str],
        first: int,
        letter: str,
        volumes: int,
        container: str,
    ) -> prove.Issue:
        """`exhibits` of the selection, the first of them numbered `first`, onto the volume of
        that letter. Raises Refused for a paper that is not sound."""
        ledger = self.ledger_policy()
        return prove.Issue(
            selection=wanted.selection,
            told=tuple(self._told(one) for one in exhibits),
            first=first,
            volume=letter if volumes > 1 or container == "iso" else "",
            volumes=volumes,
            medium=container,
            operator=self.config.operator,
            filing=self.config.operator_filing,
            public_url=self.config.public_url,
            own_authority=not self.config.timestamp_url,
            ledger_vkeys=tuple(ledger.logs),
            roots=_roots(self.roots_pem()),
            version=metadata.version("guzheng"),
        )

    def _told(self, exhibit: str) -> prove.Told:
        blobs, folder = self.parts.blobs, road.folder_of(exhibit)
        try:
            manifest_json = read(blobs, folder + package.MANIFEST)
            observed_at = Manifest.parse(manifest_json).observed_at
            digests, sizes = prove.digests_of(blobs, packed(exhibit))
            return prove.read_told(
                manifest_json,
                read(blobs, folder + package.CERTIFICATE_JSON),
                read(blobs, folder + package.SEAL),
                digests,
                sizes,
                clock=self._clock(observed_at),
                checked=self._checked(observed_at),
                account=self.walked.order(exhibit).account,
                pages=prove.pages_of(read(blobs, folder + package.CERTIFICATE_PDF)),
            )
        except (NotKept, ProofError) as error:
            raise Refused(
                "package.not-sound",
                expected="the papers as they were made",
                found=f"{exhibit}: {error.code}",
                act="the operator runs fsck, which names what is damaged, and restores it",
            ) from error

    def _clock(self, at: datetime) -> prove.ClockThen:
        """The last change of the clock's standing before a moment, and whom it had asked."""
        last, _ = self.parts.papers.row.around(at)
        if last is None:
            return prove.ClockThen()
        paper = last.paper
        return prove.ClockThen(
            paper.standing.value, paper.profile, paper.observed_at, _sources(last.octets)
        )

    def _checked(self, at: datetime) -> prove.CheckThen | None:
        """The self-check before a moment; of the very first exhibits, the one after it."""
        last, following = self.parts.checks.around(at)
        kept = last or following
        if kept is None:
            return None
        paper = kept.paper
        return prove.CheckThen(
            paper.number,
            paper.observed_at,
            paper.software,
            tuple((one.name, one.passed, one.observed) for one in paper.findings),
            sha256(kept.octets).hex,
            self.parts.checks.entry_of(kept),
            before=last is not None,
        )


def packed(exhibit: str) -> prove.Exhibit:
    return prove.Exhibit(exhibit, road.folder_of(exhibit))


def documents_of(wanted: WantedPackage, issue: prove.Issue) -> dict[str, bytes]:
    """Those that were asked for and can be made, by their names in the package."""
    from guzheng.certify import Printer  # the press, loaded with the first document

    writer = prove.Writer(Printer(), wanted.language)
    makers: Mapping[str, Callable[[], bytes | None]] = {
        "catalogue": lambda: prove.catalogue(issue, writer),
        "labels": lambda: prove.labels(issue, writer),
        "disclosure": lambda: prove.disclosure(issue, writer),
        "certification": lambda: prove.certification(issue, writer),
        "page": prove.verify_page,
    }
    printed = {one: makers[one]() for one in DOCUMENTS if one in wanted.documents}
    return {_NAMES[one]: octets for one, octets in printed.items() if octets is not None}


def _roots(pem: bytes) -> tuple[tuple[str, str], ...]:
    return tuple(
        (one.subject.rfc4514_string(), one.fingerprint(hashes.SHA256()).hex())
        for one in policy.parse_roots(pem)
    )


def _sources(octets: bytes) -> tuple[str, ...]:
    claims = canonical.parse_object(octets).get("observed_claims")
    listed = claims if isinstance(claims, list) else []
    return tuple(str(one.get("source", "")) for one in listed if isinstance(one, dict))
