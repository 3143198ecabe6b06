"""The capture record: who looked where, with what, under which options, and what was missed.

docs/spec/capture.md §4 is its specification. The capturer writes it and the manifest holds its
digests; nothing in it is attested by an outside party. `observed_` is what this platform's
browser saw; a missing thing is stated, never silent.

The dataclasses below are the format: a field is read and spelled by its type, one whose default
is None may be absent, and any other name is refused.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol, TypeVar, cast, get_args, get_origin

from guzheng.proof import canonical, instant
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import Item, require_exhibit_name

SCHEMA = "guzheng.capture/1"
MAX_ENTRIES = 100_000  # requests, connections, steps; an order usually allows 5,000 requests
LONGEST = 8192  # of one text: a URL has at most so many characters


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no capture; also written apart as failure.json."""

    code: str
    expected: str
    found: str
    act: str


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
    failure: Failure | None = None

    @property
    def browser(self) -> str:
        return self.viewer.browser if self.viewer else ""

    @property
    def sandbox(self) -> str:
        return self.viewer.sandbox if self.viewer else ""

    @classmethod
    def parse(cls, octets: bytes) -> "CaptureRecord":
        value = canonical.parse_object(octets)
        Fields(value, "capture").one_of("schema", (SCHEMA,))
        members = {name: one for name, one in value.items() if name != "schema"}
        record = _read(cls, members, "capture")
        require_exhibit_name(record.exhibit)
        failed = record.outcome == "failed"
        if failed != (record.failure is not None) or not (failed or record.viewer):
            raise Malformed(
                "capture.outcome",
                expected="a failure when it failed, a viewer when it was captured",
                found=record.outcome,
            )
        return record

    def encode(self) -> bytes:
        return canonical.encode({"schema": SCHEMA, **_members_of(self)})


# --- reading and spelling by type -------------------------------------------------------------


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[object]]]


_Part = TypeVar("_Part", bound=_Dataclass)
_Reader = Callable[[Fields, str], object]


def _read(kind: type[_Part], value: object, paper: str) -> _Part:
    fields = Fields(value, paper)
    found = {
        one.name: _reader_of(one.type)(fields, one.name)
        for one in dataclasses.fields(kind)
        if one.default is not None or fields.has(one.name)
    }
    fields.end()
    return cast(Callable[..., _Part], kind)(**found)


def _reader_of(kind: object) -> _Reader:
    if get_origin(kind) is Literal:
        return lambda fields, name: fields.one_of(name, get_args(kind))
    return _READERS[kind]


def _text(fields: Fields, name: str) -> object:
    return fields.text(name, longest=LONGEST)


def _part(kind: type[_Part]) -> _Reader:
    return lambda fields, name: _read(kind, fields.take(name), f"capture.{name}")


def _parts(kind: type[_Part]) -> _Reader:
    return lambda fields, name: tuple(
        _read(kind, one, f"capture.{name}") for one in fields.items(name, most=MAX_ENTRIES)
    )


_READERS: Mapping[object, _Reader] = {
    str: _text,
    str | None: _text,
    int: Fields.count,
    int | None: Fields.count,
    datetime: Fields.instant,
    Digest: lambda fields, name: Digest.parse(fields.text(name, longest=80)),
    tuple[str, ...]: lambda fields, name: fields.texts(name, most=MAX_ENTRIES),
    tuple[Digest, ...]: lambda fields, name: tuple(map(Digest.parse, fields.texts(name))),
    tuple[Item, ...]: lambda fields, name: tuple(map(Item.read, fields.items(name, most=1000))),
    tuple[Step, ...]: _parts(Step),
    tuple[Redirect, ...]: _parts(Redirect),
    tuple[Connection, ...]: _parts(Connection),
    tuple[TlsSession, ...]: _parts(TlsSession),
    tuple[Request, ...]: _parts(Request),
    Bounds: _part(Bounds),
    Viewer | None: _part(Viewer),
    Failure | None: _part(Failure),
}


def _members_of(part: _Dataclass) -> dict[str, object]:
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
            return _members_of(cast(_Dataclass, value))
