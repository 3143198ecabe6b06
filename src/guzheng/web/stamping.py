"""RFC 3161 over HTTP for `guzheng tsa`: `/tsa` and `/`; `/tsa/sm2` under SM2 only.

The same admission, authority and journal as the web face's `/tsa` (app/timestamping.py), behind
connections that are protocols (answering.py); what is asked goes into the turn that is signed
next (turns.py).
"""

import asyncio
import functools
import socket
from collections.abc import Callable
from datetime import datetime
from typing import Final

from guzheng.app.timestamping import QUERY_LIMIT, REPLY, Timestamping, require_query, too_big
from guzheng.refusals import Problem, Refused
from guzheng.web.answering import answer_until_ended
from guzheng.web.connections import Connection
from guzheng.web.heads import Head
from guzheng.web.turns import Turns

SM2_PATH: Final = "/tsa/sm2"
PATHS: Final = frozenset({"/tsa", "/", SM2_PATH})


class Stamping:
    """The door of this process; see connections.Door."""

    limit = QUERY_LIMIT
    fields = (("content-type", REPLY), ("cache-control", "no-store"))

    def __init__(self, timestamping: Timestamping, loop: asyncio.AbstractEventLoop) -> None:
        self._timestamping = timestamping
        self._turns = Turns(timestamping, loop)

    def admit(self, head: Head, peer: str, /) -> str:
        """The client's name in the journal."""
        if head.path not in PATHS:
            raise Refused("web.not-found", found=head.path[:100])
        name = self._timestamping.admit(peer, head.forwarded)
        length = None if head.length is None else str(head.length)
        try:
            require_query(head.method, head.media_type, length)
        except Refused as problem:
            self.turned_away(problem)
            raise
        return name

    def ask(self, question: bytes, admitted: str, head: Head, asker: Connection, /) -> None:
        self._turns.ask(question, admitted, asker, only_sm2=head.path == SM2_PATH)

    def too_big(self, found: str, /) -> Refused:
        return too_big(found)

    def turned_away(self, problem: Problem, /) -> None:
        self._timestamping.turned_away(problem)

    def end(self) -> None:
        self._turns.end()


def stamp_until_ended(
    timestamping: Timestamping,
    now: Callable[[], datetime],
    listening: socket.socket,
    patience: float,
) -> None:
    """Serve an address that is listened at, until SIGTERM; then answer what was asked."""
    open_door = functools.partial(Stamping, timestamping)
    answer_until_ended(open_door, now, listening, patience)
