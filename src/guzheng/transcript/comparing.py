"""Requested, recorded, seen on the wire: three lists by three witnesses, compared.

The browser says what it asked for (capture record), the archive what it brought (WARC), the
tunnel what passed (transcript). An exchange in one and not in another is named with its reason;
the figure of completeness is these counts and that list, and nothing is rounded.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from guzheng.transcript.exchanges import Exchange
from guzheng.transcript.limits import MISSING
from guzheng.transcript.warc import Pair
from guzheng.transcript.wire import Opened

# Why an exchange is on the list; each has words. Those of the first group speak of a gap that
# the record itself states, those of the second contradict it.
STATED = (
    "not-recorded",  # the browser had no answer, or gave none
    "recorded-in-part",
    "without-body",  # the archive has the heads alone, and the wire no body either
    "body-only-on-wire",  # the archive has the heads alone; the transcript has the body
    "connection-not-opened",  # cannot be seen: its connection could not be read
    "cut-on-wire",  # the archive has what the browser was given; the wire was cut off
    "coding-not-undone",  # both have a body, which could not be compared
)
CONTRADICTED = (
    "not-on-wire",  # recorded, and nothing like it passed
    "not-requested",  # passed, and the browser never said so
    "archive-only",  # archived, and the browser never said so
    "not-in-archive",  # said to be archived, and is not
    "status-differs",
    "body-differs",
)
UNREAD = frozenset({"connection-not-opened", "coding-not-undone"})
_INSIDE = frozenset({"from-cache", "from-service-worker"})
_ARCHIVED = frozenset({"recorded", "recorded-in-part", "recorded-without-body", "websocket"})
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_LONGEST = 7900  # the record cuts URLs at 8,000 characters; what is compared is shorter

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the capture record."""

    number: int
    method: str
    url: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Missing:
    method: str
    url: str
    why: str
    detail: str = ""

    def value(self) -> dict[str, object]:
        value: dict[str, object] = {"method": self.method, "url": self.url, "why": self.why}
        return value | ({"detail": self.detail} if self.detail else {})


@dataclass(slots=True)
class Match:
    """What belongs together. Any part may be absent."""

    asked: Asked | None
    pair: Pair | None = None
    seen: Exchange | None = None


@dataclass(slots=True)
class Completeness:
    requested: int = 0
    recorded: int = 0
    seen_on_wire: int = 0
    unopened: int = 0  # connections that brought octets which could not be read
    missing: list[Missing] = field(default_factory=list[Missing])
    matches: list[Match] = field(default_factory=list[Match])

    @property
    def contradictions(self) -> list[Missing]:
        return [one for one in self.missing if one.why in CONTRADICTED]

    @property
    def unread(self) -> bool:
        """Something passed that nobody could read: of it nothing is known to agree."""
        return self.unopened > 0 or any(one.why in UNREAD for one in self.missing)

    @property
    def compared(self) -> int:
        """Exchanges of which the archive and the wire were held against each other."""
        unread = sum(one.why == "coding-not-undone" for one in self.missing)
        both = sum(one.pair is not None and one.seen is not None for one in self.matches)
        return both - unread

    def value(self) -> dict[str, object]:
        return {
            "requested": self.requested,
            "recorded": self.recorded,
            "seen_on_wire": self.seen_on_wire,
            "unopened": self.unopened,
            "missing_in_all": len(self.missing),
            "missing": [one.value() for one in self.missing[:MISSING]],
        }


def compare(
    asked: Sequence[Asked], pairs: Sequence[Pair], opened: Sequence[Opened]
) -> Completeness:
    """Each exchange is used once; among equal requests the archive's order is the browser's."""
    found = Completeness(unopened=sum(not one.is_opened and not one.is_empty for one in opened))
    hidden = {(one.told.host.lower(), one.told.port) for one in opened if not one.is_opened}
    archived = defaultdict[Key, deque[Pair]](deque)
    for pair in pairs:
        archived[key_of(pair.request.method, pair.response.url)].append(pair)
    passed = defaultdict[Key, deque[Exchange]](deque)
    for exchange in (each for one in opened for each in one.exchanges):
        found.seen_on_wire += 1
        passed[key_of(exchange.method, exchange.url)].append(exchange)
    for one in asked:
        if one.outcome not in _INSIDE and one.url.partition(":")[0].lower() in _SCHEMES:
            waiting = archived[key_of(one.method, one.url)]
            pair_or_none = waiting.popleft() if one.outcome in _ARCHIVED and waiting else None
            found.matches.append(Match(one, pair_or_none))
    found.requested = len(found.matches)
    _see(found.matches, passed)
    for match in found.matches:
        _judge(match, hidden, found)
    for waiting in archived.values():
        found.missing += [_of_pair(one, "archive-only") for one in waiting]
        found.matches += [Match(None, one) for one in waiting]
    for passing in passed.values():
        found.missing += [
            Missing(one.method, one.url, "not-requested", f"connection {one.connection}")
            for one in passing
        ]
        found.matches += [Match(None, None, one) for one in passing]
    return found


def key_of(method: str, url: str) -> Key:
    """Method and URL, spelled as both sides would: no fragment, ws as the http that it is."""
    scheme, colon, rest = url.partition("#")[0].partition("://")
    scheme = _SCHEMES.get(scheme.lower(), scheme)
    host, slash, path = rest.partition("/")
    if not slash and "?" in host:  # RFC 3986 §6.2.3
        host, _, query = host.partition("?")
        path = f"?{query}"
    usual = {"http": ":80", "https": ":443"}.get(scheme, ":")
    plain = f"{scheme}{colon}{host.lower().removesuffix(usual)}/{path}"
    return method.upper(), plain[:_LONGEST]


def host_of(url: str) -> str:
    """Host and port, the usual port left out."""
    return key_of("", url)[1].partition("://")[2].partition("/")[0]


def _see(matches: Iterable[Match], passed: dict[Key, deque[Exchange]]) -> None:
    """The likeliest first: same status and body, then same status, then whatever is left."""
    by_key = defaultdict[Key, list[Match]](list)
    for match in matches:
        if match.asked is not None:
            by_key[key_of(match.asked.method, match.asked.url)].append(match)
    for key, wanting in by_key.items():
        left = list(passed.get(key, ()))
        if len(wanting) == 1 and len(left) == 1:  # nearly always
            wanting[0].seen = left.pop()
        for likeness in _LIKENESSES:
            left = _paired(wanting, left, likeness)
        if key in passed:
            passed[key] = deque(left)


def _paired(
    wanting: list[Match],
    left: list[Exchange],
    likeness: tuple[Callable[[Match], Hashable], Callable[[Exchange], Hashable]],
) -> list[Exchange]:
    of_match, of_exchange = likeness
    if not left or all(one.seen is not None for one in wanting):
        return left
    table = defaultdict[Hashable, deque[Exchange]](deque)
    for one in left:
        table[of_exchange(one)].append(one)
    for match in wanting:
        if match.seen is None and (found := table.get(of_match(match))):
            match.seen = found.popleft()
    used = {id(one.seen) for one in wanting}
    return [one for one in left if id(one) not in used]


def _body_archived(match: Match) -> Hashable:
    return match.pair and (match.pair.response.status, match.pair.response.digest)


def _body_passed(one: Exchange) -> Hashable:
    return one.status, one.content.digest


def _status_archived(match: Match) -> Hashable:
    return match.pair.response.status if match.pair else 0


def _status_passed(one: Exchange) -> Hashable:
    return one.status


def _any(_: object) -> Hashable:
    return 0


_LIKENESSES = (
    (_body_archived, _body_passed),
    (_status_archived, _status_passed),
    (_any, _any),
)


def _judge(match: Match, hidden: set[tuple[str, int]], found: Completeness) -> None:
    """At most one reason for each: the first that applies."""
    asked, pair, seen = match.asked, match.pair, match.seen
    if asked is None:
        return

    def miss(why: str, detail: str = "") -> None:
        found.missing.append(Missing(asked.method, asked.url, why, detail[:300]))

    if pair is None:
        said = asked.outcome in _ARCHIVED and asked.outcome != "websocket"
        miss("not-in-archive" if said else "not-recorded", asked.why)
        return
    if asked.outcome in ("recorded", "websocket"):
        found.recorded += 1
    if seen is None:
        is_hidden = any(host_of(asked.url) in (one, f"{one}:{port}") for one, port in hidden)
        miss("connection-not-opened" if is_hidden else "not-on-wire")
    elif seen.frames is None and pair.response.status != seen.status:
        miss("status-differs", f"{pair.response.status} archived, {seen.status} on the wire")
    elif asked.outcome == "recorded-in-part":
        miss("recorded-in-part", asked.why)
    elif asked.outcome == "recorded-without-body":
        miss("body-only-on-wire" if seen.body else "without-body", asked.why)
    elif asked.outcome == "recorded" and seen.content.digest != pair.response.digest:
        _judge_bodies(pair, seen, miss)


def _judge_bodies(pair: Pair, seen: Exchange, miss: Callable[[str, str], None]) -> None:
    if seen.content.digest is None:
        miss("coding-not-undone", seen.content.why)
    elif not seen.whole:
        miss("cut-on-wire", seen.why)
    else:
        archived = f"{pair.response.size} octets {pair.response.digest} archived"
        miss("body-differs", f"{archived}, {seen.content.size} {seen.content.digest} passed")


def _of_pair(pair: Pair, why: str) -> Missing:
    where = f"{pair.response.file} at octet {pair.response.offset}"
    return Missing(pair.request.method, pair.response.url, why, where)
