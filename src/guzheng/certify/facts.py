"""certificate.json read into values of the right type, once: docs/spec/certificate.md.

A closed reading: an unknown field is refused, since a certificate that leaves out what it does
not understand would say less than was certified. All facts were derived from the papers before
(`proof`); nothing is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from guzheng.certify.completeness import Completeness
from guzheng.proof.certificate import MOMENT_PAPERS, MOST_ATTEMPTED
from guzheng.proof.digest import Digest
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import KINDS, MAX_ITEMS, AttestedApplicant, Item
from guzheng.proof.package import MOMENTS, SEAL_SM2

SCHEMA = "guzheng.certificate/1"
_LONGEST_URL = 65536
_MOST_SEALS = 64


@dataclass(frozen=True, slots=True)
class Capture:
    requested_url: str
    final_url: str | None
    title: str | None
    status: int | None
    started_at: datetime
    finished_at: datetime
    browser: str
    software: str
    private_addresses: tuple[str, ...]
    sandbox: str
    notes: tuple[str, ...]
    grade: str | None
    missing: tuple[str, ...]
    scope: "tuple[Judgement, ...]"
    control: str | None
    failure: "Failure | None"
    attempted: "tuple[Attempted, ...]"
    completeness: Completeness | None = None

    @classmethod
    def read(cls, value: object) -> "Capture":
        fields = Fields(value, "certificate.capture")
        answered = fields.has("observed_status")
        capture = cls(
            requested_url=fields.text("requested_url", longest=_LONGEST_URL),
            final_url=fields.text_or_none("final_url", longest=_LONGEST_URL),
            title=fields.text_or_none("observed_title", longest=_LONGEST_URL),
            status=fields.count("observed_status") if answered else None,
            started_at=fields.instant("observed_started_at"),
            finished_at=fields.instant("observed_finished_at"),
            browser=fields.text("browser"),
            software=fields.text("software"),
            private_addresses=fields.texts("private_addresses_allowed"),
            sandbox=fields.text("sandbox"),
            notes=fields.texts("notes"),
            grade=fields.text_or_none("grade"),
            missing=fields.texts("missing") if fields.has("missing") else (),
            scope=tuple(map(Judgement.read, fields.items("scope", most=64))),
            control=fields.optional("control", _equal),
            failure=fields.optional("failure", Failure.read),
            attempted=(
                tuple(map(Attempted.read, fields.items("attempted", most=MOST_ATTEMPTED)))
                if fields.has("attempted")
                else ()
            ),
            completeness=fields.optional("completeness", Completeness.read),
        )
        fields.end()
        return capture


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was got instead of the page; each sign by its kind, with what was found."""

    code: str
    because: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, value: object) -> "Judgement":
        fields = Fields(value, "certificate.capture.scope")
        signs = []
        for one in fields.items("because", most=1000):
            sign = Fields(one, "certificate.capture.scope.because")
            signs.append((sign.text("evidence"), sign.text("found")))
            sign.end()
        judgement = cls(fields.text("code"), tuple(signs))
        fields.end()
        return judgement


def _equal(value: object) -> str:
    fields = Fields(value, "certificate.capture.control")
    for name in ("url", "expected"):
        fields.take(name)
    looked = bool(fields.take("observed"))
    equal = fields.one_of("equal", ("yes", "no"))
    fields.end()
    return equal if looked else "missing"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no capture, as the record says it."""

    code: str
    expected: str
    found: str
    act: str

    @classmethod
    def read(cls, value: object) -> "Failure":
        fields = Fields(value, "certificate.capture.failure")
        names = ("code", "expected", "found", "act")
        failure = cls(*(fields.text(one, longest=_LONGEST_URL) for one in names))
        fields.end()
        return failure


@dataclass(frozen=True, slots=True)
class Attempted:
    """A connection of a capture that failed: what DNS said, and what came of it."""

    host: str
    port: int
    outcome: str
    answers: tuple[str, ...]
    peer: str
    because: str

    @classmethod
    def read(cls, value: object) -> "Attempted":
        fields = Fields(value, "certificate.capture.attempted")
        attempted = cls(
            host=fields.text("host", longest=_LONGEST_URL),
            port=fields.count("port"),
            outcome=fields.text("outcome"),
            answers=fields.texts("answers"),
            peer=fields.text("peer"),
            because=fields.text("because", longest=_LONGEST_URL),
        )
        fields.end()
        return attempted


@dataclass(frozen=True, slots=True)
class Seal:
    attested_at: datetime
    authority: str
    policy: str
    serial: str
    accuracy_milliseconds: int | None

    @classmethod
    def read(cls, value: object) -> "Seal":
        return cls.taken(Fields(value, "certificate.seal"))

    @classmethod
    def taken(cls, fields: Fields) -> "Seal":
        stated = fields.has("accuracy_milliseconds")
        seal = cls(
            attested_at=fields.instant("attested_at"),
            authority=fields.text("authority"),
            policy=fields.text("policy"),
            serial=fields.text("serial"),
            accuracy_milliseconds=fields.count("accuracy_milliseconds") if stated else None,
        )
        fields.end()
        return seal


@dataclass(frozen=True, slots=True)
class FurtherSeal:
    """Another authority's seal over the same manifest, and the paper that holds it."""

    paper: str
    seal: Seal

    @property
    def own(self) -> bool:
        """The platform's own authority again, under SM2: docs/spec/seal.md."""
        return self.paper == SEAL_SM2

    @classmethod
    def read(cls, value: object) -> "FurtherSeal":
        fields = Fields(value, "certificate.further_seals")
        return cls(fields.text("paper", longest=64), Seal.taken(fields))


@dataclass(frozen=True, slots=True)
class Moment:
    """A stamp that was asked for while the capture was under way."""

    name: str
    seal: Seal

    @classmethod
    def read(cls, value: object) -> "Moment":
        fields = Fields(value, "certificate.moments")
        paper = fields.one_of("paper", MOMENT_PAPERS)
        return cls(paper.removeprefix(MOMENTS).removesuffix(".tsa"), Seal.taken(fields))


@dataclass(frozen=True, slots=True)
class Witness:
    """Who has seen the checkpoint, and the time that stands in the cosignature."""

    name: str
    attested_at: datetime

    @classmethod
    def read(cls, value: object) -> "Witness":
        fields = Fields(value, "certificate.entry.witnesses")
        witness = cls(fields.text("name"), fields.instant("attested_at"))
        fields.end()
        return witness


@dataclass(frozen=True, slots=True)
class Entry:
    origin: str
    index: int
    size: int
    root: str
    witnesses: tuple[Witness, ...]

    @classmethod
    def read(cls, value: object) -> "Entry":
        fields = Fields(value, "certificate.entry")
        entry = cls(
            origin=fields.text("origin"),
            index=fields.count("index"),
            size=fields.count("size"),
            root=fields.text("root"),
            witnesses=tuple(map(Witness.read, fields.items("witnesses", most=64))),
        )
        fields.end()
        return entry


@dataclass(frozen=True, slots=True)
class LowerBound:
    """An independent proof that something was not made before: where, and in what, it is."""

    at: datetime
    contained_in: str  # "content", "manifest" or "record"
    source: str
    witnesses: tuple[Witness, ...] = ()

    @classmethod
    def read(cls, value: object) -> "LowerBound":
        fields = Fields(value, "certificate.not_before")
        bound = cls(
            at=fields.instant("at"),
            contained_in=fields.one_of("contained_in", ("content", "manifest", "record")),
            source=fields.text("source"),
            witnesses=(
                tuple(map(Witness.read, fields.items("witnesses", most=64)))
                if fields.has("witnesses")
                else ()
            ),
        )
        fields.end()
        return bound


@dataclass(frozen=True, slots=True)
class Facts:
    """certificate.json, read: docs/spec/certificate.md, field by field."""

    number: str
    exhibit: str
    kind: str
    claimed_name: str
    claimed_applicant: str | None
    claimed_purpose: str | None
    attested_applicant: AttestedApplicant | None
    observed_at: datetime
    items: tuple[Item, ...]
    manifest_digests: tuple[Digest, ...]
    capture: Capture | None
    seal: Seal
    further_seals: tuple[FurtherSeal, ...]
    entry: Entry
    not_before: LowerBound | None
    moments: tuple[Moment, ...]

    @property
    def sealed_at(self) -> datetime:
        return self.seal.attested_at

    @classmethod
    def read(cls, value: Mapping[str, object]) -> "Facts":
        fields = Fields(dict(value), "certificate")
        fields.one_of("schema", (SCHEMA,))
        facts = cls(
            number=fields.text("number", longest=64),
            exhibit=fields.text("exhibit", longest=64),
            kind=fields.one_of("kind", KINDS),
            claimed_name=fields.text("claimed_name"),
            claimed_applicant=fields.text_or_none("claimed_applicant"),
            claimed_purpose=fields.text_or_none("claimed_purpose"),
            attested_applicant=fields.optional("attested_applicant", AttestedApplicant.read),
            observed_at=fields.instant("observed_at"),
            items=tuple(Item.read(one) for one in fields.items("items", most=MAX_ITEMS)),
            manifest_digests=fields.digests("manifest_digests"),
            capture=Capture.read(fields.take("capture")) if fields.has("capture") else None,
            seal=Seal.read(fields.take("seal")),
            further_seals=tuple(
                FurtherSeal.read(one)
                for one in (
                    fields.items("further_seals", most=_MOST_SEALS)
                    if fields.has("further_seals")
                    else ()
                )
            ),
            entry=Entry.read(fields.take("entry")),
            not_before=(
                LowerBound.read(fields.take("not_before")) if fields.has("not_before") else None
            ),
            moments=(
                tuple(map(Moment.read, fields.items("moments", most=8)))
                if fields.has("moments")
                else ()
            ),
        )
        fields.end()
        return facts
