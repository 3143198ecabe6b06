"""Three lists held against each other: each reason is reached, and none hides another."""

import hashlib

import pytest

from guzheng.proof.digest import Digest
from guzheng.proof.errors import Undecided
from guzheng.transcript.comparing import (
    CONTRADICTED,
    STATED,
    Asked,
    Completeness,
    compare,
    key_of,
)
from guzheng.transcript.exchanges import Exchange
from guzheng.transcript.index import Extent, Told
from guzheng.transcript.warc import Pair, Record
from guzheng.transcript.wire import Opened
from guzheng.words import LANGUAGES, Language, find_words

URL = "https://a.example/x"


def digest_of(octets: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(octets).digest())


def asked(outcome: str = "recorded", url: str = URL, method: str = "GET") -> Asked:
    return Asked(1, method, url, outcome, "because")


def pair(body: bytes = b"b", status: int = 200, url: str = URL, method: str = "GET") -> Pair:
    def record(kind: str, start: bytes, content: bytes) -> Record:
        digest = digest_of(content)
        return Record("f", 0, 9, "id", kind, url, "", "", start, digest, digest, len(content))

    first = f"{method} /x HTTP/1.1".encode()
    answer = f"HTTP/1.1 {status} OK".encode()
    return Pair(record("request", first, b""), record("response", answer, body))


def seen(
    body: bytes = b"b", status: int = 200, url: str = URL, *, whole: bool = True
) -> Exchange:
    one = Exchange(1, 1, 0, "h2", "GET", url, status=status, whole=whole)
    one.body += body
    return one


def connection(*exchanges: Exchange, host: str = "a.example", opened: bool = True) -> Opened:
    nothing = Extent(9, digest_of(b""))
    told = Told(1, host, 443, (), (), "", "connected", "", 0, 1, nothing, nothing, nothing)
    one = Opened(told, exchanges=list(exchanges))
    if not opened:
        one.faults.append(("tls.handshake", Undecided("transcript.no-key", "a", "b")))
    return one


def reasons(figure: Completeness) -> list[str]:
    return [one.why for one in figure.missing]


def test_what_agrees_is_not_missing() -> None:
    figure = compare([asked()], [pair()], [connection(seen())])
    assert (figure.requested, figure.recorded, figure.seen_on_wire) == (1, 1, 1)
    assert figure.missing == figure.contradictions == []
    assert (figure.unread, figure.compared) == (False, 1)


@pytest.mark.parametrize(
    ("outcome", "pairs", "passed", "why"),
    [
        ("failed", [], [], "not-recorded"),
        ("failed", [], [seen(status=0)], "not-recorded"),
        ("recorded-in-part", [pair()], [seen()], "recorded-in-part"),
        ("recorded-without-body", [pair(b"")], [seen(b"")], "without-body"),
        ("recorded-without-body", [pair(b"")], [seen()], "body-only-on-wire"),
        ("recorded", [pair()], [seen(b"bb", whole=False)], "cut-on-wire"),
        ("recorded", [pair()], [], "not-on-wire"),
        ("recorded", [], [seen()], "not-in-archive"),
        ("recorded", [pair()], [seen(status=404)], "status-differs"),
        ("recorded", [pair()], [seen(b"c")], "body-differs"),
    ],
)
def test_each_reason(outcome: str, pairs: list[Pair], passed: list[Exchange], why: str) -> None:
    figure = compare([asked(outcome)], pairs, [connection(*passed)])
    assert reasons(figure) == [why]
    assert bool(figure.contradictions) == (why in CONTRADICTED)


def test_what_nobody_asked_for_is_named() -> None:
    assert reasons(compare([], [pair()], [])) == ["archive-only"]
    assert reasons(compare([], [], [connection(seen())])) == ["not-requested"]


def test_a_connection_that_was_not_opened_hides_what_passed() -> None:
    figure = compare([asked()], [pair()], [connection(opened=False)])
    assert (reasons(figure), figure.unopened) == (["connection-not-opened"], 1)
    assert (figure.unread, figure.compared) == (True, 0)
    other = compare([asked()], [pair()], [connection(host="b.example", opened=False)])
    assert reasons(other) == ["not-on-wire"]


def test_what_never_went_out_is_not_asked_of_the_wire() -> None:
    inside = [asked("from-cache"), asked("from-service-worker"), asked(url="data:,x")]
    assert compare(inside, [], []).requested == 0


def test_among_equal_requests_the_likeliest_pairs_are_taken() -> None:
    wanted = [asked(), asked(), asked("failed")]
    pairs = [pair(b"one"), pair(b"", 304)]
    passed = [seen(b"", 0, whole=False), seen(b"", 304), seen(b"one")]
    figure = compare(wanted, pairs, [connection(*passed)])
    assert reasons(figure) == ["not-recorded"]
    assert [one.seen.status for one in figure.matches if one.seen] == [200, 304, 0]


def test_a_coding_that_cannot_be_undone_is_said() -> None:
    one = seen(b"zz")
    one.response_headers = [("content-encoding", "dcb")]
    figure = compare([asked()], [pair()], [connection(one)])
    assert reasons(figure) == ["coding-not-undone"]
    assert (figure.unread, figure.compared) == (True, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://A.example:443/x#part", "https://a.example/x"),
        ("wss://a.example/x", "https://a.example/x"),
        ("ws://a.example:80/", "http://a.example/"),
        ("http://a.example", "http://a.example/"),
        ("http://a.example?q", "http://a.example/?q"),
        ("http://a/" + "x" * 9000, "http://a/" + "x" * 7999 + "…"),
    ],
)
def test_one_address_in_two_spellings(one: str, other: str) -> None:
    assert key_of("get", one) == key_of("GET", other)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_words(language: Language) -> None:
    for why in STATED + CONTRADICTED:
        assert find_words(f"transcript.missing.{why}", language)
