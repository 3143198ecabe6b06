"""The capture record: who looked where, with what, under which options, and what was missed.

docs/spec/capture.md §4 is its specification. The capturer writes it and the manifest holds its
digests; nothing in it is attested by an outside party. `observed_` is what this platform's
browser saw; a missing thing is stated, never silent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from guzheng.proof import canonical, instant
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import Item, require_exhibit_name

SCHEMA = "guzheng.capture/1"
OUTCOMES = ("captured", "failed")
MAX_ENTRIES = 100_000  # requests, connections, steps; an order allows 5,000 requests
LONGEST = 8192  # of one text: a URL has at most so many characters
Value = dict[str, object]
_One = TypeVar("_One")


def _list(fields: Fields, name: str, read: Callable[[Fields], _One]) -> tuple[_One, ...]:
    found: list[_One] = []
    for value in fields.items(name, most=MAX_ENTRIES):
        inner = Fields(value, f"capture.{name}")
        found.append(read(inner))
        inner.end()
    return tuple(found)


def _without_nothing(value: Value) -> Value:
    """Optional fields are absent, never empty."""
    return {name: one for name, one in value.items() if one is not None}


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the step log; `at_milliseconds` since the start, on a monotonic clock."""

    at_milliseconds: int
    step: str
    detail: str = ""
    why: str = ""

    @classmethod
    def read(cls, fields: Fields) -> "Step":
        return cls(
            fields.count("at_milliseconds"),
            fields.text("step", longest=100),
            fields.text("detail", longest=LONGEST),
            fields.text("why", longest=LONGEST),
        )

    def value(self) -> Value:
        return {
            "at_milliseconds": self.at_milliseconds,
            "step": self.step,
            "detail": self.detail,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Redirect:
    """The main document led on: by HTTP (`status`) or by itself (`means` page, no status)."""

    url: str
    to: str
    means: str
    status: int | None = None

    @classmethod
    def read(cls, fields: Fields) -> "Redirect":
        return cls(
            fields.text("url", longest=LONGEST),
            fields.text("to", longest=LONGEST),
            fields.one_of("means", ("http", "page")),
            fields.count("status") if fields.has("status") else None,
        )

    def value(self) -> Value:
        return _without_nothing(
            {"url": self.url, "to": self.to, "means": self.means, "status": self.status}
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection as the egress saw it. `answers` is what the name resolved to, once."""

    number: int
    host: str
    port: int
    kind: str
    outcome: str
    answers: tuple[str, ...]
    peer: str
    because: str
    sent: int
    received: int
    began_milliseconds: int
    ended_milliseconds: int | None = None

    @classmethod
    def read(cls, fields: Fields) -> "Connection":
        return cls(
            number=fields.count("number"),
            host=fields.text("host"),
            port=fields.count("port"),
            kind=fields.one_of("kind", ("page", "browser")),
            outcome=fields.text("outcome", longest=100),
            answers=fields.texts("answers"),
            peer=fields.text("peer", longest=100),
            because=fields.text("because", longest=LONGEST),
            sent=fields.count("sent"),
            received=fields.count("received"),
            began_milliseconds=fields.count("began_milliseconds"),
            ended_milliseconds=(
                fields.count("ended_milliseconds") if fields.has("ended_milliseconds") else None
            ),
        )

    def value(self) -> Value:
        return _without_nothing(
            {
                "number": self.number,
                "host": self.host,
                "port": self.port,
                "kind": self.kind,
                "outcome": self.outcome,
                "answers": list(self.answers),
                "peer": self.peer,
                "because": self.because,
                "sent": self.sent,
                "received": self.received,
                "began_milliseconds": self.began_milliseconds,
                "ended_milliseconds": self.ended_milliseconds,
            }
        )


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

    @classmethod
    def read(cls, fields: Fields) -> "TlsSession":
        return cls(
            host=fields.text("host"),
            protocol=fields.text("protocol"),
            cipher=fields.text("cipher"),
            group=fields.text("group"),
            subject=fields.text("subject"),
            issuer=fields.text("issuer"),
            valid_from=fields.instant("valid_from"),
            valid_to=fields.instant("valid_to"),
            chain=tuple(Digest.parse(one) for one in fields.texts("chain", most=20)),
        )

    def value(self) -> Value:
        return {
            "host": self.host,
            "protocol": self.protocol,
            "cipher": self.cipher,
            "group": self.group,
            "subject": self.subject,
            "issuer": self.issuer,
            "valid_from": instant.encode(self.valid_from),
            "valid_to": instant.encode(self.valid_to),
            "chain": [str(one) for one in self.chain],
        }


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what came of it; `why` is there whenever it is not recorded whole."""

    number: int
    method: str
    url: str
    kind: str
    outcome: str
    why: str = ""
    status: int | None = None
    octets: int | None = None

    @classmethod
    def read(cls, fields: Fields) -> "Request":
        return cls(
            number=fields.count("number"),
            method=fields.text("method", longest=100),
            url=fields.text("url", longest=LONGEST),
            kind=fields.text("kind", longest=100),
            outcome=fields.text("outcome", longest=100),
            why=fields.text("why", longest=LONGEST),
            status=fields.count("status") if fields.has("status") else None,
            octets=fields.count("octets") if fields.has("octets") else None,
        )

    def value(self) -> Value:
        return _without_nothing(
            {
                "number": self.number,
                "method": self.method,
                "url": self.url,
                "kind": self.kind,
                "outcome": self.outcome,
                "why": self.why,
                "status": self.status,
                "octets": self.octets,
            }
        )


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

    @classmethod
    def read(cls, fields: Fields) -> "Viewer":
        return cls(
            browser=fields.text("browser"),
            binary=fields.text("binary"),
            binary_size=fields.count("binary_size"),
            binary_digest=Digest.parse(fields.text("binary_digest", longest=80)),
            flags=fields.texts("flags"),
            user_agent=fields.text("user_agent"),
            sandbox=fields.text("sandbox"),
            viewport_width=fields.count("viewport_width"),
            viewport_height=fields.count("viewport_height"),
            language=fields.text("language", longest=100),
            time_zone=fields.text("time_zone", longest=100),
        )

    def value(self) -> Value:
        return {
            "browser": self.browser,
            "binary": self.binary,
            "binary_size": self.binary_size,
            "binary_digest": str(self.binary_digest),
            "flags": list(self.flags),
            "user_agent": self.user_agent,
            "sandbox": self.sandbox,
            "viewport_width": self.viewport_width,
            "viewport_height": self.viewport_height,
            "language": self.language,
            "time_zone": self.time_zone,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no capture; also written apart as failure.json."""

    code: str
    expected: str
    found: str
    act: str

    @classmethod
    def read(cls, fields: Fields) -> "Failure":
        return cls(*(fields.text(name, longest=LONGEST) for name in _FAILURE))

    def value(self) -> Value:
        return {name: getattr(self, name) for name in _FAILURE}


_FAILURE = ("code", "expected", "found", "act")


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """docs/spec/capture.md §4, field by field. Optional fields are absent, never empty."""

    exhibit: str
    outcome: str
    requested_url: str
    observed_started_at: datetime
    observed_finished_at: datetime
    elapsed_milliseconds: int  # on the monotonic clock: shows a wall clock that was set
    software: str
    private_addresses_allowed: tuple[str, ...]
    trusted_spki: tuple[str, ...]
    limits: tuple[tuple[str, int], ...]
    limits_hit: tuple[str, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    redirects: tuple[Redirect, ...] = ()
    connections: tuple[Connection, ...] = ()
    tls: tuple[TlsSession, ...] = ()
    requests: tuple[Request, ...] = ()
    artefacts: tuple[Item, ...] = ()
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
        fields = Fields(canonical.parse(octets), "capture")
        fields.one_of("schema", (SCHEMA,))
        record = cls(
            exhibit=require_exhibit_name(fields.text("exhibit", longest=64)),
            outcome=fields.one_of("outcome", OUTCOMES),
            requested_url=fields.text("requested_url", longest=LONGEST),
            observed_started_at=fields.instant("observed_started_at"),
            observed_finished_at=fields.instant("observed_finished_at"),
            elapsed_milliseconds=fields.count("elapsed_milliseconds"),
            software=fields.text("software"),
            private_addresses_allowed=fields.texts("private_addresses_allowed"),
            trusted_spki=fields.texts("trusted_spki"),
            limits=_limits(fields),
            limits_hit=fields.texts("limits_hit"),
            notes=fields.texts("notes"),
            steps=_list(fields, "steps", Step.read),
            redirects=_list(fields, "redirects", Redirect.read),
            connections=_list(fields, "connections", Connection.read),
            tls=_list(fields, "tls", TlsSession.read),
            requests=_list(fields, "requests", Request.read),
            artefacts=tuple(Item.read(one) for one in fields.items("artefacts", most=1000)),
            final_url=fields.text_or_none("final_url", longest=LONGEST),
            observed_title=fields.text_or_none("observed_title", longest=LONGEST),
            observed_status=(
                fields.count("observed_status") if fields.has("observed_status") else None
            ),
            viewer=_one(fields, "viewer", Viewer.read),
            failure=_one(fields, "failure", Failure.read),
        )
        fields.end()
        record._require_sense()
        return record

    def _require_sense(self) -> None:
        failed = self.outcome == "failed"
        if failed != (self.failure is not None) or (not failed and self.viewer is None):
            raise Malformed(
                "capture.outcome",
                expected="a failure when it failed, a viewer when it was captured",
                found=self.outcome,
            )

    def encode(self) -> bytes:
        return canonical.encode(
            _without_nothing(
                {
                    "schema": SCHEMA,
                    "exhibit": self.exhibit,
                    "outcome": self.outcome,
                    "requested_url": self.requested_url,
                    "final_url": self.final_url,
                    "observed_title": self.observed_title,
                    "observed_status": self.observed_status,
                    "observed_started_at": instant.encode(self.observed_started_at),
                    "observed_finished_at": instant.encode(self.observed_finished_at),
                    "elapsed_milliseconds": self.elapsed_milliseconds,
                    "software": self.software,
                    "viewer": self.viewer.value() if self.viewer else None,
                    "private_addresses_allowed": list(self.private_addresses_allowed),
                    "trusted_spki": list(self.trusted_spki),
                    "limits": dict(self.limits),
                    "limits_hit": list(self.limits_hit),
                    "notes": list(self.notes),
                    "redirects": [one.value() for one in self.redirects],
                    "connections": [one.value() for one in self.connections],
                    "tls": [one.value() for one in self.tls],
                    "requests": [one.value() for one in self.requests],
                    "steps": [one.value() for one in self.steps],
                    "artefacts": [one.value() for one in self.artefacts],
                    "failure": self.failure.value() if self.failure else None,
                }
            )
        )


def _one(fields: Fields, name: str, read: Callable[[Fields], _One]) -> _One | None:
    if not fields.has(name):
        return None
    inner = Fields(fields.take(name), f"capture.{name}")
    value = read(inner)
    inner.end()
    return value


def _limits(fields: Fields) -> tuple[tuple[str, int], ...]:
    inner = Fields(fields.take("limits"), "capture.limits")
    limits = tuple(
        (name, inner.count(name))
        for name in ("wall_seconds", "page_seconds", "bytes", "requests")
    )
    inner.end()
    return limits
