"""A court package made: checked before, written, verified by the program, and only then kept.

It joins what the station `prove` needs: the papers, the trust in force, the press, the record
of the clock, whose account it was. Nothing in a package depends on when it is made, so the same
selection gives the same octets as long as the platform's keys and policy are the same.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path

from cryptography.hazmat.primitives import hashes

from guzheng import prove, road, words
from guzheng.app.parts import Parts
from guzheng.app.rehearsal_paper import rehearsal_paper
from guzheng.cases.rehearsal import Rehearsal
from guzheng.config import Config
from guzheng.fix.clock import record
from guzheng.proof import canonical, package, policy
from guzheng.proof.digest import Digest
from guzheng.proof.errors import ProofError
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import Manifest
from guzheng.proof.report import Outcome, Report
from guzheng.prove import selection as selections
from guzheng.refusals import Refused
from guzheng.store.blobs import NotKept, find, read

BESIDE_RESERVE = 24 << 20  # octets kept for documents, until they are printed
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DOCUMENTS = ("catalogue", "labels", "disclosure", "certification", "page")
REHEARSAL = "rehearsal"
APART = (REHEARSAL,)  # lies beside the package, never in it
USUAL = ("catalogue", "labels", "disclosure", "page")
_NAMES = {
    "catalogue": package.CATALOGUE,
    "labels": package.LABELS,
    "disclosure": package.DISCLOSURE,
    "certification": package.CERTIFICATION,
    "page": package.PAGE,
}
REHEARSAL_FILE = "质证预演.pdf"
_SCHEMA = "guzheng.package-wanted/1"


@dataclass(frozen=True, slots=True)
class WantedPackage:
    """What somebody wants packed, onto what, and with which documents."""

    selection: prove.Selection
    profile: str = "zip"
    documents: tuple[str, ...] = USUAL
    language: words.Language = words.SOURCE

    def encode(self) -> bytes:
        return canonical.encode(
            {
                "schema": _SCHEMA,
                "selection": self.selection.value(),
                "profile": self.profile,
                "documents": list(self.documents),
                "language": self.language,
            }
        )

    @classmethod
    def parse(cls, octets: bytes) -> "WantedPackage":
        fields = Fields(canonical.parse(octets), "package-wanted")
        fields.one_of("schema", (_SCHEMA,))
        wanted = cls(
            selections.of_value(fields.take("selection")),
            fields.text("profile"),
            fields.texts("documents"),
            words.find_language(fields.text("language")) or words.SOURCE,
        )
        fields.end()
        return wanted


@dataclass(frozen=True, slots=True)
class Precheck:
    """What stands against a package, before anything is written. `absent`: documents that
    were wanted and that this installation cannot make."""

    profile: prove.Profile
    violations: tuple[prove.Violation, ...]
    volumes: tuple[tuple[str, ...], ...]
    size: int
    absent: tuple[str, ...]
    maker: str  # of a disc's image: xorriso or pycdlib; empty for other containers

    @property
    def blocking(self) -> tuple[prove.Violation, ...]:
        return tuple(one for one in self.violations if not one.cured)


@dataclass(frozen=True, slots=True)
class MadeVolume:
    """One file (or folder) that was written, verified, and may be handed out; or a paper beside
    them, which has no evidence in it."""

    name: str
    volume: str
    exhibits: tuple[str, ...]
    size: int
    sha256: str  # of the file; empty for a folder
    evidence_sha256: str
    by: str
    passed: int
    unsure: int

    @property
    def is_volume(self) -> bool:
        return bool(self.evidence_sha256)

    def value(self) -> dict[str, object]:
        return {
            "name": self.name,
            "volume": self.volume,
            "exhibits": list(self.exhibits),
            "size": self.size,
            "sha256": self.sha256,
            "evidence_sha256": self.evidence_sha256,
            "by": self.by,
            "passed": self.passed,
            "unsure": self.unsure,
        }

    @classmethod
    def read(cls, value: object) -> "MadeVolume":
        fields = Fields(value, "package-made")
        made = cls(
            fields.text("name"),
            fields.text("volume"),
            fields.texts("exhibits"),
            fields.count("size"),
            fields.text("sha256"),
            fields.text("evidence_sha256"),
            fields.text("by"),
            fields.count("passed"),
            fields.count("unsure"),
        )
        fields.end()
        return made


@dataclass(frozen=True)
class Packaging:
    """Court packages of an installation; holds no state of its own.

    `require_finished`, `verify`, `policy`, `roots`, `rehearse`: the platform's; it refuses
    what is not walked to its end, and what was not confirmed."""

    config: Config
    parts: Parts
    walked: road.Road
    require_finished: Callable[[str], None]
    verify: Callable[[Path], Report]
    ledger_policy: Callable[[], policy.LedgerPolicy]
    roots_pem: Callable[[], bytes]
    rehearse: Callable[[str], Rehearsal]
    xorriso: str | None = field(default_factory=prove.find_xorriso)

    @cached_property
    def profiles(self) -> Mapping[str, prove.Profile]:
        file = self.config.court_profiles
        return prove.profiles(Path(file) if file else None)

    # ---- before ----------------------------------------------------------------------

    def check(self, wanted: WantedPackage) -> Precheck:
        """Everything that is known before the first octet is written. Raises Refused for what
        can in no case be packed."""
        prove.require_selection(wanted.selection)
        if unknown := set(wanted.documents) - {*DOCUMENTS, *APART}:
            raise Refused(
                "package.document-unknown",
                expected=", ".join((*DOCUMENTS, *APART)),
                found=", ".join(sorted(unknown))[:120],
                act="choose among these",
            )
        profile = prove.require_profile(self.profiles, wanted.profile)
        for one in wanted.selection.entries:
            self.require_finished(one.exhibit)
        extents = [self.extent(one.exhibit) for one in wanted.selection.entries]
        page_wanted = "page" in wanted.documents
        return Precheck(
            profile,
            prove.violations(profile, extents, BESIDE_RESERVE, self._burner),
            tuple(tuple(one) for one in prove.volumes(profile, extents, BESIDE_RESERVE)),
            sum(sum(one.members.values()) for one in extents),
            ("page",) if page_wanted and prove.verify_page() is None else (),
            self._burner if profile.container == "iso" else "",
        )

    @property
    def _burner(self) -> prove.Burner:
        return "xorriso" if self.xorriso else "pycdlib"

    def extent(self, exhibit: str) -> prove.Extent:
        """Its members with their sizes, as they will lie on the medium."""
        return prove.Extent(exhibit, prove.sizes_of(self.parts.blobs, _packed(exhibit)))

    # ---- writing ---------------------------------------------------------------------

    def write(
        self,
        wanted: WantedPackage,
        folder: Path,
        tell: Callable[[int], None] = lambda _octets: None,
        *,
        as_files: bool = False,
    ) -> tuple[MadeVolume, ...]:
        """Every volume below `folder`. Each is verified before it has its name; the first that
        fails ends it all, and nothing is left. `as_files`: what would be a folder is a zip, to
        be fetched and unpacked onto the medium."""
        checked = self.check(wanted)
        if checked.blocking:
            first = checked.blocking[0]
            raise Refused(
                first.code,
                expected=first.expected,
                found=f"{first.subject}: {first.found}"[:300],
                act=words.say(f"cure.{first.code}", "en"),
            )
        made: list[MadeVolume] = []
        begun = 1
        for place, exhibits in enumerate(checked.volumes):
            letter = _letter(place)
            issue = self._issue(wanted, exhibits, begun, letter, len(checked.volumes))
            container = checked.profile.container
            zipped = container == "zip" or (as_files and container == "folder")
            made.append(
                self._write(wanted, issue, checked.profile, folder, tell, zipped=zipped)
            )
            begun += len(exhibits)
        if REHEARSAL in wanted.documents:
            made.append(self._rehearsed(wanted, folder))
        return tuple(made)

    def _rehearsed(self, wanted: WantedPackage, folder: Path) -> MadeVolume:
        """A paper for whoever files, beside what he files: a package has no room for it."""
        from guzheng.certify import Printer

        blobs, names = self.parts.blobs, [one.exhibit for one in wanted.selection.entries]
        titles = [
            Manifest.parse(read(blobs, road.folder_of(one) + package.MANIFEST)).claimed_name
            for one in names
        ]
        octets = rehearsal_paper(
            [(title, self.rehearse(one)) for title, one in zip(titles, names, strict=True)],
            prove.Writer(Printer(), wanted.language),
            self.parts.now(),
        )
        digest = hashlib.sha256(octets).hexdigest()
        (folder / REHEARSAL_FILE).write_bytes(octets)
        return MadeVolume(REHEARSAL_FILE, "", tuple(names), len(octets), digest, "", "", 0, 0)

    def _write(
        self,
        wanted: WantedPackage,
        issue: prove.Issue,
        profile: prove.Profile,
        folder: Path,
        tell: Callable[[int], None],
        *,
        zipped: bool,
    ) -> MadeVolume:
        name = _file_name(issue)
        exhibits = [_packed(one.exhibit) for one in issue.told]
        packed_as = f"{name}.zip" if zipped else name
        beside = prove.Beside(
            prove.recipe(
                [one.manifest for one in issue.told], packed_as, self._further_seals(issue)
            ),
            self.roots_pem(),
            policy.encode_ledger_policy(self.ledger_policy()),
            documents_of(wanted, issue),
        )
        reports: list[Report] = []

        def approve(written: Path) -> None:
            reports.append(self.verify(written))
            require_sound(reports[0])

        blobs, out = self.parts.blobs, folder / packed_as
        by, digest = "", ""
        if zipped:
            prove.write_package(blobs, exhibits, beside, out=out, approve=approve, tell=tell)
            digest = _sha256(out)
        else:
            listing = prove.write_folder(blobs, exhibits, beside, out=out, tell=tell)
            approve(out)
            if profile.container == "iso":
                made = self._burn(out, folder / f"{name}.iso", listing, issue)
                out, by, digest = made.path, made.by, made.sha256.hex
        size = _size(out)
        _require_room(profile, size)
        passed, unsure = (len(reports[0].of(one)) for one in (_PASSED, _UNSURE))
        return MadeVolume(
            out.name,
            issue.volume,
            tuple(one.exhibit for one in issue.told),
            size,
            digest,
            issue.evidence_digest.hex,
            by,
            passed,
            unsure,
        )

    def _burn(
        self, folder: Path, image: Path, listing: Mapping[str, Digest], issue: prove.Issue
    ) -> prove.Made:
        volume = f"GZ_{issue.dated_at:%Y%m%d}_{issue.volume or 'A'}"
        try:
            return prove.write_iso(
                folder,
                image,
                listing,
                volume=volume,
                dated_at=issue.dated_at,
                xorriso=self.xorriso,
            )
        finally:
            shutil.rmtree(folder)

    def identity(self, exhibits: Sequence[str], name: str) -> Digest:
        """Of everything that their package holds, with no document: two of the same digest are
        the same octets. Papers are read for it, originals are not."""
        blobs, packed = self.parts.blobs, [_packed(one) for one in exhibits]
        manifests = [
            Manifest.parse(read(blobs, one.folder + package.MANIFEST)) for one in packed
        ]
        further = {
            f"{package.EXHIBITS}{one}/{seal}": read(blobs, road.folder_of(one) + seal)
            for one in exhibits
            for seal in package.seals_of(self.walked.papers(one))[1:]
        }
        beside = prove.Beside(
            prove.recipe(manifests, name, further),
            self.roots_pem(),
            policy.encode_ledger_policy(self.ledger_policy()),
        )
        return prove.identity_of(blobs, packed, beside)

    # ---- what the documents are made of ----------------------------------------------

    def _issue(
        self,
        wanted: WantedPackage,
        exhibits: Sequence[str],
        first: int,
        letter: str,
        volumes: int,
    ) -> prove.Issue:
        ledger = self.ledger_policy()
        container = prove.require_profile(self.profiles, wanted.profile).container
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
            digests, sizes = prove.digests_of(blobs, _packed(exhibit))
            return prove.read_told(
                manifest_json,
                read(blobs, folder + package.CERTIFICATE_JSON),
                read(blobs, folder + package.SEAL),
                digests,
                sizes,
                clock=self._clock(Manifest.parse(manifest_json).observed_at),
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
        blobs, then = self.parts.blobs, prove.ClockThen()
        for name in sorted(blobs.names(record.FOLDER)):
            octets = find(blobs, name)
            if octets is None or not name.endswith(".json"):
                continue
            try:
                paper = record.parse(octets)
            except ProofError:
                continue  # fsck names it; the sheet says what is left
            if paper.observed_at > at:
                break
            then = prove.ClockThen(
                paper.standing.value, paper.profile, paper.observed_at, _sources(octets)
            )
        return then

    def _further_seals(self, issue: prove.Issue) -> dict[str, bytes]:
        """Member of a package → octets, of every seal besides the first."""
        return {
            f"{package.EXHIBITS}{one.exhibit}/{seal}": read(
                self.parts.blobs, road.folder_of(one.exhibit) + seal
            )
            for one in issue.told
            for seal in package.seals_of(one.digests)[1:]
        }


_PASSED, _UNSURE = Outcome.PASSED, Outcome.NOT_CHECKED


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


def require_sound(report: Report) -> None:
    """Refused when a step of guzheng-verify failed."""
    if failed := report.of(Outcome.FAILED):
        raise Refused(
            "package.not-sound",
            expected="a package that passes every step of guzheng-verify",
            found="; ".join(f"{one.subject}: {one.code}" for one in failed[:5]),
            act="the operator runs fsck, which names what is damaged, and restores it",
        )


def plain_name(exhibits: Sequence[str]) -> str:
    """Of a package that nobody chose documents for."""
    return f"{exhibits[0]}.zip" if len(exhibits) == 1 else "guzheng-exhibits.zip"


def _packed(exhibit: str) -> prove.Exhibit:
    return prove.Exhibit(exhibit, road.folder_of(exhibit))


def _letter(place: int) -> str:
    """A … Z, then AA, AB …: as sheets of a table are counted."""
    letters = _LETTERS[place % 26]
    return letters if place < 26 else _letter(place // 26 - 1) + letters


def _file_name(issue: prove.Issue) -> str:
    """By the certificate of its first exhibit: plain letters, on every system."""
    return f"{issue.told[0].number}{f'-{issue.volume}' if issue.volume else ''}"


def _roots(pem: bytes) -> tuple[tuple[str, str], ...]:
    return tuple(
        (one.subject.rfc4514_string(), one.fingerprint(hashes.SHA256()).hex())
        for one in policy.parse_roots(pem)
    )


def _sources(octets: bytes) -> tuple[str, ...]:
    claims = canonical.parse_object(octets).get("observed_claims")
    listed = claims if isinstance(claims, list) else []
    return tuple(str(one.get("source", "")) for one in listed if isinstance(one, dict))


def _size(out: Path) -> int:
    files = out.rglob("*") if out.is_dir() else [out]
    return sum(one.stat().st_size for one in files if one.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _require_room(profile: prove.Profile, size: int) -> None:
    """What was estimated before is measured after: a medium is never promised too much."""
    limits = [profile.capacity]
    if profile.container == "zip":
        limits.append(profile.file_limit)
    for limit in limits:
        if limit and size > limit:
            raise Refused(
                "package.volume-too-large",
                expected=f"≤ {limit:,}",
                found=f"{size:,}",
                act="leave out documents or choose a larger medium",
            )
