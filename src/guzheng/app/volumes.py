"""What a court package is to be, what stands against it, and the volumes that were made.

Values, nothing else: they are read and written by whoever orders, keeps and shows packages.
"""

from dataclasses import dataclass

from guzheng import prove, words
from guzheng.proof import canonical
from guzheng.proof.fields import Fields
from guzheng.prove import selection as selections
from guzheng.refusals import Refused

DOCUMENTS = ("catalogue", "labels", "disclosure", "certification", "page")
REHEARSAL = "rehearsal"
APART = (REHEARSAL,)  # lies beside the package, never in it
USUAL = ("catalogue", "labels", "disclosure", "page")
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

    def require(self) -> None:
        """Raises Refused for the first that stands in the way, with its cure."""
        if not self.blocking:
            return
        first = self.blocking[0]
        raise Refused(
            first.code,
            expected=first.expected,
            found=f"{first.subject}: {first.found}"[:300],
            act=words.say(f"cure.{first.code}", "en"),
        )


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
