"""The door for commitments alone: for a process that does nothing else (answering.py).

The same keys, bounds and crowd as `/api/ledger/entries` of the web face (adding.py), with
nothing else in between; only octets are taken. What came in one turn of the loop goes into the
crowd at once, and what is told together comes back in one. What is refused is problem+json.
"""

import asyncio
import functools
import socket
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Final, Protocol, cast, get_args
from urllib.parse import parse_qs

from guzheng.ledger import COMMITMENT_SIZE
from guzheng.refusals import Problem, Refused
from guzheng.web.adding import BODY_LIMIT, OCTETS, PATH, commitments_in, key_of, too_big
from guzheng.web.answering import answer_until_ended
from guzheng.web.connections import Connection
from guzheng.web.crowd import Added, Adder, Crowd, Until, Waiting
from guzheng.web.heads import Head

_MOST_KEYS: Final = 256


class Platform(Adder, Protocol):
    """What is needed of it."""

    def require_may_add(self, key_sha256: str, /) -> None: ...


class Adding:
    """The door of this process; see connections.Door."""

    limit = BODY_LIMIT
    fields = (("content-type", "application/json"), ("cache-control", "no-store"))

    def __init__(self, platform: Platform, loop: asyncio.AbstractEventLoop) -> None:
        self._platform, self._loop = platform, loop
        self._crowd = Crowd(platform)
        self._came: list[Waiting] = []  # in this turn of the loop
        self._may: set[str] = set()  # what was sent and bears a key; keys change with a start

    def admit(self, head: Head, peer: str, /) -> str:  # noqa: ARG002 - whoever has a key
        """Until when it waits."""
        if head.path != PATH:
            raise Refused("web.not-found", expected=PATH, found=head.path[:100])
        if head.method != "POST":
            raise Refused("web.method-not-allowed", expected="POST", found=head.method[:20])
        if head.authorization not in self._may:
            self._platform.require_may_add(key_of(head.authorization))
            if len(self._may) < _MOST_KEYS:
                self._may.add(head.authorization)
        if head.length is not None and head.length > BODY_LIMIT:
            raise too_big()
        return _until(head.query) if head.query else "checkpointed"

    def ask(self, question: bytes, admitted: str, head: Head, asker: Connection, /) -> None:
        del head
        commitments = (
            [question] if len(question) == COMMITMENT_SIZE else commitments_in(OCTETS, question)
        )
        until = cast(Until, admitted)
        self._crowd.admit(len(commitments))
        if not self._came:
            self._loop.call_soon(self._put)  # after all that is ready now
        tell = functools.partial(self._tell, asker, until)
        self._came.append(Waiting(commitments, until, self._loop, tell))

    def _put(self) -> None:
        came, self._came = self._came, []
        self._crowd.put(came)

    def _tell(self, asker: Connection, until: Until, result: Added | Exception) -> None:
        if isinstance(result, Added):
            reached = result.state == until
            status = HTTPStatus.CREATED if reached else HTTPStatus.ACCEPTED
            asker.tell(result.encoded(), status)
        elif isinstance(result, Problem):
            asker.refuse(result)
        else:
            said = {"message": "a fault of ours in the ledger", "exception": result}
            self._loop.call_exception_handler(said)
            asker.abandon()

    def too_big(self, found: str, /) -> Refused:  # noqa: ARG002 - ours says what it expected
        return too_big()

    def turned_away(self, problem: Problem, /) -> None:
        """Who adds is known to the operator: nothing is counted."""

    def end(self) -> None:
        """Everybody was told, or lost patience; what is in the ledger stays there."""


def _until(query: str) -> Until:
    asked = parse_qs(query).get("wait", ["checkpointed"])[-1]
    if asked not in get_args(Until):
        raise Refused(
            "web.malformed-query", expected=", ".join(get_args(Until)), found=asked[:40]
        )
    return cast(Until, asked)


def add_until_ended(
    platform: Platform,
    now: Callable[[], datetime],
    listening: socket.socket,
    patience: float,
    most: int,
) -> None:
    """Serve an address that is listened at, until SIGTERM; then answer what was asked."""
    answer_until_ended(functools.partial(Adding, platform), now, listening, patience, most)
