"""index.json of a transcript: docs/spec/transcript.md §2. Closed, like every paper of ours."""

from dataclasses import dataclass

from guzheng.proof import canonical
from guzheng.proof.digest import Digest
from guzheng.proof.errors import Malformed
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import require_exhibit_name
from guzheng.transcript.limits import CONNECTIONS

SCHEMA = "guzheng.transcript/1"


@dataclass(frozen=True, slots=True)
class Extent:
    octets: int
    sha256: Digest

    @classmethod
    def read(cls, value: object) -> "Extent":
        fields = Fields(value, "transcript.extent")
        extent = cls(fields.count("octets"), Digest("sha256", fields.octets("sha256", 32)))
        fields.end()
        return extent


@dataclass(frozen=True, slots=True)
class Resolved:
    """What one resolver answered. `authenticated`: its AD bit, where it has one; `aliases`
    and `ttl_seconds` as in docs/spec/transcript.md §3.1."""

    resolver: str
    answers: tuple[str, ...]
    authenticated: bool | None
    failure: str
    aliases: tuple[str, ...] = ()
    ttl_seconds: int | None = None

    @classmethod
    def read(cls, value: object) -> "Resolved":
        fields = Fields(value, "transcript.resolver")
        said = fields.take("authenticated") if fields.has("authenticated") else None
        if said is not None and not isinstance(said, bool):
            raise Malformed("paper.malformed", "authenticated: true or false", repr(said)[:80])
        one = cls(
            fields.text("resolver", longest=300),
            fields.texts("answers"),
            said,
            fields.text_or_none("failure", longest=300) or "",
            fields.texts("aliases", most=100) if fields.has("aliases") else (),
            fields.count("ttl_seconds") if fields.has("ttl_seconds") else None,
        )
        fields.end()
        return one


@dataclass(frozen=True, slots=True)
class Told:
    """What the tunnel says of one connection."""

    number: int
    host: str
    port: int
    answers: tuple[str, ...]
    resolvers: tuple[Resolved, ...]
    peer: str
    outcome: str
    because: str
    began_milliseconds: int
    ended_milliseconds: int | None
    sent: Extent
    received: Extent
    times: Extent

    def extent(self, part: str) -> Extent:
        return {"sent": self.sent, "received": self.received, "times": self.times}[part]

    @property
    def member(self) -> str:
        return f"c{self.number:05d}"

    @property
    def has_streams(self) -> bool:
        return self.outcome == "connected"

    @classmethod
    def read(cls, value: object) -> "Told":
        fields = Fields(value, "transcript.connections")
        one = cls(
            fields.count("number"),
            fields.text("host", longest=1000),
            fields.count("port"),
            fields.texts("answers"),
            tuple(Resolved.read(each) for each in fields.items("resolvers", most=100)),
            fields.text("peer", longest=100),
            fields.text("outcome", longest=100),
            fields.text("because", longest=1000),
            fields.count("began_milliseconds"),
            fields.count("ended_milliseconds") if fields.has("ended_milliseconds") else None,
            Extent.read(fields.take("sent")),
            Extent.read(fields.take("received")),
            Extent.read(fields.take("times")),
        )
        fields.end()
        return one


@dataclass(frozen=True, slots=True)
class Index:
    exhibit: str
    connections: tuple[Told, ...]

    @classmethod
    def parse(cls, octets: bytes) -> "Index":
        fields = Fields(canonical.parse_object(octets), "transcript")
        fields.one_of("schema", (SCHEMA,))
        exhibit = require_exhibit_name(fields.text("exhibit"))
        listed = fields.items("connections", most=CONNECTIONS)
        fields.end()
        connections = tuple(map(Told.read, listed))
        numbers = [one.number for one in connections]
        if numbers != sorted(set(numbers)) or any(not 0 < one < 100_000 for one in numbers):
            wanted = "connections by number, each once, from 1"
            raise Malformed("paper.malformed", wanted, str(numbers[:5]))
        return cls(exhibit, connections)
