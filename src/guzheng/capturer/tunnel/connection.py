"""One connection as the tunnel saw it: its form on the pipe is its form in the index.

docs/spec/transcript.md §3. The capturer reads what the tunnel says as strictly as any paper:
the tunnel talks with the whole network.
"""

from dataclasses import dataclass, field

from guzheng.proof.fields import Fields

_MOST_ANSWERS = 256  # a DNS answer over UDP has room for fewer
MOST_ALIASES = 32  # twice as many as are followed of one question
_EMPTY = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing
)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one resolver said. `authenticated`: its AD bit (RFC 4035 §3.2.3), if it has one.

    `aliases`: the names that the name led to (CNAME); of the system the last alone.
    `ttl_seconds`: how long the answer may be kept, where the resolver tells it."""

    resolver: str
    answers: tuple[str, ...] = ()
    authenticated: bool | None = None
    failure: str = ""
    aliases: tuple[str, ...] = ()
    ttl_seconds: int | None = None

    def value(self) -> dict[str, object]:
        value: dict[str, object] = {"resolver": self.resolver, "answers": list(self.answers)}
        if self.aliases:
            value["aliases"] = list(self.aliases)
        if self.ttl_seconds is not None:
            value["ttl_seconds"] = self.ttl_seconds
        if self.authenticated is not None:
            value["authenticated"] = self.authenticated
        if self.failure:
            value["failure"] = self.failure
        return value

    @classmethod
    def read(cls, value: object) -> "Resolution":
        fields = Fields(value, "transcript.resolver")
        authenticated: bool | None = None
        if fields.has("authenticated"):
            authenticated = fields.take("authenticated") is True
        resolution = cls(
            fields.text("resolver", longest=100),
            fields.texts("answers", most=_MOST_ANSWERS),
            authenticated,
            fields.text_or_none("failure", longest=200) or "",
            fields.texts("aliases", most=MOST_ALIASES) if fields.has("aliases") else (),
            fields.count("ttl_seconds") if fields.has("ttl_seconds") else None,
        )
        fields.end()
        return resolution


@dataclass(frozen=True, slots=True)
class Flow:
    """How many octets, and their SHA-256 in hexadecimal."""

    octets: int = 0
    sha256: str = _EMPTY

    def value(self) -> dict[str, object]:
        return {"octets": self.octets, "sha256": self.sha256}

    @classmethod
    def read(cls, value: object) -> "Flow":
        fields = Fields(value, "transcript.flow")
        flow = cls(fields.count("octets"), fields.octets("sha256", 32).hex())
        fields.end()
        return flow


@dataclass(slots=True)
class Connection:
    """One request for a connection. `outcome` is a code (docs/spec/capture.md §7)."""

    number: int
    host: str
    port: int
    began_milliseconds: int
    answers: tuple[str, ...] = ()
    resolvers: tuple[Resolution, ...] = ()
    peer: str = ""
    outcome: str = "open"
    because: str = ""
    ended_milliseconds: int | None = None
    sent: Flow = field(default_factory=Flow)
    received: Flow = field(default_factory=Flow)
    times: Flow = field(default_factory=Flow)

    @property
    def name(self) -> str:
        """What its files are called, without their endings."""
        return f"c{self.number:05d}"

    @property
    def agreement(self) -> str:
        """Whether the other resolvers say what ours said; a difference alone proves nothing."""
        return agreement_of(self.resolvers)

    def value(self) -> dict[str, object]:
        value: dict[str, object] = {
            "number": self.number,
            "host": self.host,
            "port": self.port,
            "answers": list(self.answers),
            "resolvers": [one.value() for one in self.resolvers],
            "peer": self.peer,
            "outcome": self.outcome,
            "because": self.because,
            "began_milliseconds": self.began_milliseconds,
            "sent": self.sent.value(),
            "received": self.received.value(),
            "times": self.times.value(),
        }
        if self.ended_milliseconds is not None:
            value["ended_milliseconds"] = self.ended_milliseconds
        return value

    @classmethod
    def read(cls, value: object) -> "Connection":
        fields = Fields(value, "transcript.connection")
        connection = cls(
            number=fields.count("number"),
            host=fields.text("host", longest=300),
            port=fields.count("port"),
            began_milliseconds=fields.count("began_milliseconds"),
            answers=fields.texts("answers", most=_MOST_ANSWERS),
            resolvers=tuple(map(Resolution.read, fields.items("resolvers", most=16))),
            peer=fields.text("peer", longest=100),
            outcome=fields.text("outcome", longest=40),
            because=fields.text("because", longest=500),
            ended_milliseconds=(
                fields.count("ended_milliseconds") if fields.has("ended_milliseconds") else None
            ),
            sent=Flow.read(fields.take("sent")),
            received=Flow.read(fields.take("received")),
            times=Flow.read(fields.take("times")),
        )
        fields.end()
        return connection


def agreement_of(resolvers: tuple[Resolution, ...]) -> str:
    """`unasked`, `unanswered`, `same`, `overlapping` or `different`: spec §3.2."""
    if len(resolvers) < 2:
        return "unasked"
    ours = set(resolvers[0].answers)
    said = [set(one.answers) for one in resolvers[1:] if one.authenticated is not None]
    if not said:
        return "unanswered"
    if all(ours == theirs for theirs in said):
        return "same"
    return "overlapping" if all(ours & theirs for theirs in said) else "different"
