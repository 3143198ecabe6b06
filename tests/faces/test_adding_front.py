"""The door for commitments alone: what it reads, what it refuses, and whom it tells of trouble.

How it reads HTTP is what `guzheng tsa` does, octet by octet (test_stamping.py); here is what it
has of its own: long bodies, keys, answers that are told much later, or never.
"""

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.ledger import Numbered
from guzheng.refusals import Unavailable
from guzheng.web.adding_front import Adding
from tests.faces.talking import Door, Talk, opened_door

KEY = "a key that the operator gave out"
PATH = "/api/ledger/entries"


def commitment(number: int) -> bytes:
    return hashlib.sha256(b"at the front %d" % number).digest()


def head(
    *fields: str, query: str = "", length: int | None = None, key: str = KEY, path: str = PATH
) -> bytes:
    lines = [f"POST {path}{query} HTTP/1.1", "Host: ledger.example", *fields]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def question(*commitments: bytes, query: str = "") -> bytes:
    body = b"".join(commitments)
    return head(query=query, length=len(body)) + body


def told(talk: Talk, status: int = 201) -> dict[str, object]:
    found, fields, body = talk.answer()
    assert found == status, body
    kind = "application/json" if status < 400 else "application/problem+json"
    assert fields["content-type"] == kind
    value: dict[str, object] = json.loads(body)
    return value


def indexes(talk: Talk) -> list[int]:
    found = told(talk)["indexes"]
    assert isinstance(found, list)
    return found


class Troubled(Platform):
    """Whose ledger is in trouble, or has a fault, when it is told so."""

    trouble: Exception | None = None

    def wait_for_checkpoint(self, entry: Numbered, seconds: float) -> bool:
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        return super().wait_for_checkpoint(entry, seconds)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Troubled:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    return Troubled(Config(tmp_path_factory.mktemp("front") / "data", ledger_keys=(digest,)))


@pytest.fixture(scope="module")
def door(platform: Troubled) -> Iterator[Door]:
    with opened_door(partial(Adding, platform)) as one:
        yield one


def test_ten_thousand_that_come_in_pieces(door: Door, platform: Troubled) -> None:
    wanted = [commitment(one) for one in range(10_000)]
    octets = question(*wanted) + question(wanted[7])
    with door.connected() as talk:
        for at in range(0, len(octets), 9_999):
            talk.send(octets[at : at + 9_999])
        given = indexes(talk)
        assert sorted(given) == list(range(min(given), min(given) + 10_000))
        assert indexes(talk) == [given[7]]
    signed = platform.ledger.signed()
    assert signed is not None
    assert signed.size > max(given)


def test_octet_by_octet_and_in_chunks(door: Door) -> None:
    one, other = commitment(-1), commitment(-2)
    with door.connected() as talk:
        octets = question(one, other)
        for at in range(len(octets)):
            talk.send(octets[at : at + 1])
        given = indexes(talk)
        cut = b"21\r\n%b\r\n1f\r\n%b\r\n0\r\n\r\n" % (one + other[:1], other[1:])
        talk.send(head("Transfer-Encoding: chunked") + cut + question(other))
        assert indexes(talk) == given
        assert indexes(talk) == given[1:]


def test_what_is_sent_ahead_is_answered_in_order(door: Door) -> None:
    wanted = [commitment(1_000_000 + one) for one in range(300)]
    refused = head(key="another", length=32) + bytes(32)
    with door.connected() as talk:
        talk.send(b"".join(question(one, query="?wait=sequenced") + refused for one in wanted))
        given = []
        for _ in wanted:
            given += indexes(talk)
            assert told(talk, 403)["code"] == "ledger.may-not-add"
        talk.send(question(*wanted))
        assert indexes(talk) == given


@pytest.mark.parametrize(
    ("octets", "status", "code"),
    [
        (head(path="/api/ledger", length=0), 404, "web.not-found"),
        (head(length=0).replace(b"POST", b"PUT"), 405, "web.method-not-allowed"),
        (head(key="", length=32) + bytes(32), 403, "ledger.may-not-add"),
        (question(bytes(32)).replace(b"Bearer", b"Basic"), 403, "ledger.may-not-add"),
        (question(bytes(32), query="?wait=ever"), 422, "web.malformed-query"),
        (question(bytes(31)), 422, "ledger.commitment-size"),
        (question(), 422, "ledger.batch-size"),
        (question(bytes(32 * 10_001)), 422, "ledger.batch-size"),
    ],
)
def test_who_is_refused_may_ask_again(
    door: Door, octets: bytes, status: int, code: str
) -> None:
    with door.connected() as talk:
        talk.send(octets)
        assert told(talk, status)["code"] == code
        talk.send(question(commitment(-3)))
        assert len(indexes(talk)) == 1


@pytest.mark.parametrize(
    "fields", [("Content-Length: 1048577",), ("Transfer-Encoding: chunked",)]
)
def test_too_much_is_refused_and_still_read(door: Door, fields: tuple[str]) -> None:
    with door.connected() as talk:
        talk.send(head(*fields))
        with contextlib.suppress(OSError):  # it may have seen enough
            chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
            talk.send(chunk + chunk if "chunked" in fields[0] else bytes(1 << 20))
        assert told(talk, 413)["code"] == "web.upload-too-big"


ASKED = question(commitment(-100), commitment(-101))


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(ASKED)), st.integers(0, 3), st.binary(max_size=4)).map(
        lambda one: ASKED[: one[0]] + one[2] + ASKED[one[0] + one[1] :]
    )
    | st.binary(max_size=300).map(lambda one: head(length=len(one)) + one)
)
def test_no_octets_disturb_the_others(door: Door, platform: Troubled, octets: bytes) -> None:
    before = platform.ledger.entries.size()
    with door.connected() as steady, door.connected() as talk:
        talk.send(octets)
        talk.socket.shutdown(socket.SHUT_WR)
        answered = b""
        while part := talk.socket.recv(65536):
            answered += part
        assert b" 500 " not in answered.partition(b"\r\n")[0]
        if b" 201 " not in answered:  # nothing is numbered that was not acknowledged
            assert platform.ledger.entries.size() == before
        steady.send(question(commitment(-100)))
        assert len(indexes(steady)) == 1


def test_trouble_is_told_and_the_connection_kept(door: Door, platform: Troubled) -> None:
    platform.trouble = Unavailable("store.disk-full", expected="room", found="none")
    with door.connected() as talk:
        talk.send(question(commitment(-4)))
        assert told(talk, 503)["code"] == "store.disk-full"
        talk.send(question(commitment(-4)))
        assert len(indexes(talk)) == 1


def test_a_fault_of_ours_ends_the_connection_and_no_other(
    door: Door, platform: Troubled
) -> None:
    platform.trouble = RuntimeError("a fault")
    with door.connected() as talk:
        talk.send(question(commitment(-5)))
        with pytest.raises(ConnectionError):
            talk.answer()
    with door.connected() as talk:
        talk.send(question(commitment(-5)))
        assert len(indexes(talk)) == 1


def test_who_went_away_disturbs_nobody(door: Door, platform: Troubled) -> None:
    gone = [door.connected() for _ in range(20)]
    for number, talk in enumerate(gone):
        talk.send(question(commitment(2_000_000 + number)))
        talk.socket.close()
    with door.connected() as talk:
        talk.send(question(commitment(-6)))
        assert len(indexes(talk)) == 1
    assert platform.ledger.entries.size() > 0


def test_who_was_asked_answers_before_it_ends(tmp_path: Path) -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    platform = Platform(Config(tmp_path / "data", ledger_keys=(digest,)))
    with opened_door(partial(Adding, platform)) as door, door.connected() as talk:
        talk.send(question(commitment(1)))
        assert indexes(talk) == [0]
        talk.send(question(*(commitment(one) for one in range(5_000))))
        until = time.monotonic() + 60
        while platform.ledger.entries.size() < 2:  # in the ledger, perhaps not signed yet
            assert time.monotonic() < until
        door.loop.call_soon_threadsafe(door.ended.set)
        assert len(indexes(talk)) == 5_000
        assert talk.is_ended()
