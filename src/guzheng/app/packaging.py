"""A court package made: checked before, written, verified by the program, and only then kept.

It joins what the station `prove` needs: the papers, the trust in force, the press, the record
of the clock, whose account it was. Nothing in a package depends on when it is made, so the same
selection gives the same octets as long as the platform's keys and policy are the same.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from guzheng import prove, road
from guzheng.app.issuing import Issuing, documents_of, packed
from guzheng.app.judging import Judge
from guzheng.app.parts import Parts
from guzheng.app.rehearsal_paper import rehearsal_paper
from guzheng.app.volumes import APART, DOCUMENTS, REHEARSAL, MadeVolume, Precheck, WantedPackage
from guzheng.cases.rehearsal import Rehearsal
from guzheng.config import Config
from guzheng.proof import package, policy
from guzheng.proof.digest import Digest
from guzheng.proof.manifest import Manifest
from guzheng.proof.report import Outcome, Report
from guzheng.refusals import Problem, Refused
from guzheng.store.blobs import read

# Octets that are kept for documents until they are printed: verify.html and the fonts of each;
# what each exhibit adds to them; what each of its members adds to VERIFY.md and SHA256SUMS.
_RESERVED, _FOR_EXHIBIT, _FOR_MEMBER = 2 << 20, 64 << 10, 1 << 10
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
REHEARSAL_FILE = "质证预演.pdf"


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

    @property
    def _issuing(self) -> Issuing:
        return Issuing(self.config, self.parts, self.walked, self.ledger_policy, self.roots_pem)

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
        members = sum(len(one.members) for one in extents)
        beside = _RESERVED + _FOR_EXHIBIT * len(extents) + _FOR_MEMBER * members
        page_wanted = "page" in wanted.documents
        return Precheck(
            profile,
            prove.violations(profile, extents, beside, self._burner),
            tuple(tuple(one) for one in prove.volumes(profile, extents, beside)),
            sum(sum(one.members.values()) for one in extents),
            ("page",) if page_wanted and prove.verify_page() is None else (),
            self._burner if profile.container == "iso" else "",
        )

    @property
    def _burner(self) -> prove.Burner:
        return "xorriso" if self.xorriso else "pycdlib"

    def extent(self, exhibit: str) -> prove.Extent:
        """Its members with their sizes, as they will lie on the medium."""
        return prove.Extent(exhibit, prove.sizes_of(self.parts.blobs, packed(exhibit)))

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
        checked.require()
        made: list[MadeVolume] = []
        begun = 1
        for place, exhibits in enumerate(checked.volumes):
            letter = _letter(place)
            container = checked.profile.container
            issue = self._issuing.issue(
                wanted, exhibits, begun, letter, len(checked.volumes), container
            )
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
        exhibits = [packed(one.exhibit) for one in issue.told]
        packed_as = f"{name}.zip" if zipped else name
        beside = prove.Beside(
            prove.recipe(
                [one.manifest for one in issue.told],
                packed_as,
                self.further_seals([one.exhibit for one in issue.told]),
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

    # ---- a plain one: no documents, one zip ------------------------------------------

    def write_plain(self, exhibits: Sequence[str], out: Path) -> Report:
        """The court package of these exhibits, as one zip at `out`, with what the verifier says
        of it: verified before it is given out, so that nobody files what a court would refuse.
        """
        for one in exhibits:
            self.require_finished(one)
        reports: list[Report] = []

        judge = Judge(self.roots_pem(), policy.encode_ledger_policy(self.ledger_policy()))
        with judge.ahead() as verify:

            def approve(written: Path) -> None:
                reports.append(verify(written))
                require_sound(reports[0])

            prove.write_package(
                self.parts.blobs,
                [packed(one) for one in exhibits],
                self._beside_plain(exhibits, out.name),
                out=out,
                approve=approve,
            )
        return reports[0]

    def plain(self, exhibits: Sequence[str]) -> Path:
        """Likewise, in a temporary file, which the caller removes."""
        staging = self.config.data / "staging"
        staging.mkdir(mode=0o700, exist_ok=True)
        out = Path(tempfile.mkdtemp(dir=staging)) / plain_name(exhibits)
        try:
            self.write_plain(exhibits, out)
        except Problem:
            shutil.rmtree(out.parent, ignore_errors=True)
            raise
        return out

    def identity(self, exhibits: Sequence[str], name: str) -> Digest:
        """Of everything that their package holds, with no document: two of the same digest are
        the same octets. Papers are read for it, originals are not."""
        places = [packed(one) for one in exhibits]
        return prove.identity_of(self.parts.blobs, places, self._beside_plain(exhibits, name))

    def _beside_plain(self, exhibits: Sequence[str], name: str) -> prove.Beside:
        blobs = self.parts.blobs
        manifests = [
            Manifest.parse(read(blobs, road.folder_of(one) + package.MANIFEST))
            for one in exhibits
        ]
        return prove.Beside(
            prove.recipe(manifests, name, self.further_seals(exhibits)),
            self.roots_pem(),
            policy.encode_ledger_policy(self.ledger_policy()),
        )

    def further_seals(self, exhibits: Sequence[str]) -> dict[str, bytes]:
        """Member of a package → octets, of every seal besides the first."""
        return {
            f"{package.EXHIBITS}{one}/{seal}": read(
                self.parts.blobs, road.folder_of(one) + seal
            )
            for one in exhibits
            for seal in package.seals_of(self.walked.papers(one))[1:]
        }


_PASSED, _UNSURE = Outcome.PASSED, Outcome.NOT_CHECKED


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


def _letter(place: int) -> str:
    """A … Z, then AA, AB …: as sheets of a table are counted."""
    letters = _LETTERS[place % 26]
    return letters if place < 26 else _letter(place // 26 - 1) + letters


def _file_name(issue: prove.Issue) -> str:
    """By the certificate of its first exhibit: plain letters, on every system."""
    return f"{issue.told[0].number}{f'-{issue.volume}' if issue.volume else ''}"


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
