"""The capture record, as the capturer writes it: docs/spec/capture.md §4.

The dataclasses below say what is written: each field under its own name, one whose value is
None not at all. Whoever reads a record reads it by `proof.capture`, which knows the same fields
and refuses any other; a test holds the two together.
"""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol, cast

from guzheng.proof import canonical, instant
from guzheng.proof.capture import SCHEMA
from guzheng.proof.digest import Digest
from guzheng.proof.manifest import Item


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the step log; `at_milliseconds` since the start, on a monotonic clock."""

    at_milliseconds: int
    step: str
    detail: str
    why: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """The main document led on: by HTTP (with status), or by itself (`page`)."""

    url: str
    to: str
    means: Literal["http", "page"]
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection as the egress saw it. `answers` is what the name resolved to, once."""

    number: int
    host: str
    port: int
    kind: Literal["page", "browser"]
    outcome: str
    answers: tuple[str, ...]
    peer: str
    because: str
    sent: int
    received: int
    began_milliseconds: int
    ended_milliseconds: int | None = None
    agreement: str = "unasked"
    resolvers: tuple["Lookup", ...] = ()


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one resolver said of the name; the first is the one whose answers were used."""

    resolver: str
    answers: tuple[str, ...]
    failure: str
    authenticated: Literal["yes", "no"] | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was kept of the wire; `index` is what was stamped before the keys were read."""

    index: Digest
    connections: int
    octets: int


@dataclass(frozen=True, slots=True)
class SealedKeys:
    """The browser's TLS keys: digests of the log as it was, and of the item that hides it."""

    cipher: str
    octets: int
    clear: Digest
    sealed: Digest


@dataclass(frozen=True, slots=True)
class TlsSession:
    """What the browser said of TLS with one host; `chain` is SHA-256 of each certificate."""

    host: str
    protocol: str
    cipher: str
    group: str
    subject: str
    issuer: str
    valid_from: datetime
    valid_to: datetime
    chain: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what came of it; `why` is there whenever it is not recorded whole."""

    number: int
    method: str
    url: str
    kind: str
    outcome: str
    why: str
    status: int | None = None
    octets: int | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """With what the page was looked at. `browser` is a product with its version."""

    browser: str
    binary: str
    binary_size: int
    binary_digest: Digest
    flags: tuple[str, ...]
    user_agent: str
    sandbox: str
    viewport_width: int
    viewport_height: int
    language: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits under which the page was looked at."""

    wall_seconds: int
    page_seconds: int
    bytes: int
    requests: int
    memory_octets: int


@dataclass(frozen=True, slots=True)
class Vantage:
    """From where the page was looked at; `address` is this machine's, or that of a proxy."""

    name: str
    means: Literal["direct", "bind", "socks"]
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no capture; also written apart as failure.json."""

    code: str
    expected: str
    found: str
    act: str


@dataclass(frozen=True, slots=True)
class SeenCheckpoint:
    """The newest checkpoint that had its quorum, as the order gave it; `note`: its digest."""

    origin: str
    size: int
    root: str
    note: Digest


@dataclass(frozen=True, slots=True)
class Opening:
    """What is stamped before anything is opened: docs/spec/moments.md §2."""

    schema: str
    exhibit: str
    requested_url: str
    software: str
    observed_at: datetime
    not_before: SeenCheckpoint | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A stamp that was asked for; `answer` is «stamped», or why there is none."""

    name: str
    digest: Digest
    asked_milliseconds: int
    answer: str
    token: Digest | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """One exchange that is not whole, or not everywhere; `why` is a code of completeness.md."""

    method: str
    url: str
    why: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Completeness:
    """Requested, recorded, seen on the wire: docs/spec/completeness.md §3."""

    requested: int
    recorded: int
    seen_on_wire: int
    unopened: int
    missing_in_all: int
    missing: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sign by which a page was recognised, and what was found."""

    evidence: str
    found: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was got instead of the page: see scope."""

    code: str
    because: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Measures:
    """The control page, measured three ways; None: it could not be."""

    body: Digest | None = None
    document: Digest | None = None
    picture: Digest | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """The page whose truth is known, as this browser showed it: see control."""

    url: str
    expected: Measures
    observed: Measures
    equal: Literal["yes", "no"]


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """docs/spec/capture.md §4, field by field. Optional fields are absent, never empty."""

    exhibit: str
    outcome: Literal["captured", "failed"]
    requested_url: str
    observed_started_at: datetime
    observed_finished_at: datetime
    elapsed_milliseconds: int  # on the monotonic clock: shows a wall clock that was set
    software: str
    private_addresses_allowed: tuple[str, ...]
    trusted_spki: tuple[str, ...]
    limits: Bounds
    limits_hit: tuple[str, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    redirects: tuple[Redirect, ...]
    connections: tuple[Connection, ...]
    tls: tuple[TlsSession, ...]
    requests: tuple[Request, ...]
    artefacts: tuple[Item, ...]
    final_url: str | None = None
    observed_title: str | None = None
    observed_status: int | None = None
    viewer: Viewer | None = None
    options: tuple[str, ...] | None = None
    failure: Failure | None = None
    transcript: Transcript | None = None
    tls_keys: SealedKeys | None = None
    completeness: Completeness | None = None
    vantage: Vantage | None = None
    opening: Opening | None = None
    moments: tuple[Moment, ...] = ()
    scope: tuple[Judgement, ...] = ()
    control: Control | None = None
    grade: Literal["full", "reduced"] | None = None
    missing: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return canonical.encode({"schema": SCHEMA, **value_of(self)})


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[object]]]


def value_of(part: _Dataclass) -> dict[str, object]:
    """A part of the record, as it is spelled there."""
    values = ((one.name, getattr(part, one.name)) for one in dataclasses.fields(part))
    return {name: _spelled(value) for name, value in values if value is not None}


def _spelled(value: object) -> object:
    match value:
        case datetime():
            return instant.encode(value)
        case Digest():
            return str(value)
        case Item():
            return value.value()
        case tuple():
            return [_spelled(one) for one in cast(tuple[object, ...], value)]
        case str() | int():
            return value
        case _:
            return value_of(cast(_Dataclass, value))
