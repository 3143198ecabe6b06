"""RFC 3161 over HTTP for `guzheng tsa`: `/tsa` and `/`; `/tsa/sm2` under SM2 only.

The same admission, authority and journal as the web face's `/tsa` (app/timestamping.py), with
as little as can be in between: a connection is an asyncio protocol, not a task, and what it
asks goes into the turn that is signed next (turns.py). Heads are judged in heads.py.

One question at a time on each connection; what is sent ahead waits. Bounds: octets of a head
and of a question, seconds for each, for a connection that asks nothing and for one that does
not take its answer, and how many connections there are. Whatever else is asked is answered as
problem+json; what is not HTTP, with 400 and the end of the connection.
"""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final, cast

import uvloop

from guzheng.app.timestamping import QUERY_LIMIT, REPLY, Timestamping, require_query, too_big
from guzheng.proof import canonical
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.web import heads, problems
from guzheng.web.heads import Head, Malformed
from guzheng.web.pages import accepted_language
from guzheng.web.turns import Turns

SM2_PATH: Final = "/tsa/sm2"
PATHS: Final = frozenset({"/tsa", "/", SM2_PATH})
MAX_CONNECTIONS: Final = 900  # the usual limit of open files is 1,024
_AHEAD_LIMIT: Final = 64 * 1024  # octets that wait for the answer before
_DRAINED_LIMIT: Final = 2 * 1024 * 1024  # octets thrown away, so that a refusal is read
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOT_HTTP: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Stage(Enum):
    """What a connection waits for, and how many seconds at most; None: as long as we need."""

    NOTHING = 30.0  # the next question, or the first
    ASKING = 10.0  # the rest of a head
    SENDING = 10.1  # the rest of a body
    ANSWER = None  # from us
    LEAVING = 5.0  # the other side's end, while what it sends is thrown away


class Stamping:
    """The face of this process: what its connections share."""

    def __init__(
        self,
        timestamping: Timestamping,
        now: Callable[[], datetime],
        loop: asyncio.AbstractEventLoop,
        most: int = MAX_CONNECTIONS,
    ) -> None:
        self.most = most
        self.timestamping = timestamping
        self.turns = Turns(timestamping, loop)
        self.connections: set[Connection] = set()
        self.ending = False
        self.moved = asyncio.Event()  # an answer left, or a connection ended
        self._now, self._loop = now, loop
        self._granted: dict[int, bytes] = {}
        self._took: list[float] = []
        self._look()

    def connection(self) -> "Connection":
        return Connection(self)

    def answered(self, begun: float) -> None:
        """Counted for all that were told in one turn of the loop at once."""
        if not self._took:
            self._loop.call_soon(self._tell_took)
        self._took.append(self.timestamping.monotonic() - begun)

    def granted(self, size: int) -> bytes:
        """The head of an answer of this size; there are some twenty."""
        return self._granted.get(size) or self._granted_of(size)

    def _granted_of(self, size: int) -> bytes:
        fields = [("content-type", REPLY), ("cache-control", "no-store")]
        made = self._granted[size] = self.head(HTTPStatus.OK, fields, size)
        return made

    def head(self, status: HTTPStatus, fields: list[tuple[str, str]], size: int) -> bytes:
        """Without the empty line at its end."""
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in fields]
        lines += [f"content-length: {size}", f"date: {self._date}", ""]
        return "\r\n".join(lines).encode("latin-1")

    def _look(self) -> None:
        """Once a second for all connections, not a timer for each."""
        self._date = format_datetime(self._now(), usegmt=True)
        self._granted.clear()
        now = self._loop.time()
        for one in [one for one in self.connections if one.is_late(now)]:
            one.give_up()
        self._timer = self._loop.call_later(1.0, self._look)

    def _tell_took(self) -> None:
        took, self._took = self._took, []
        self.timestamping.took_all(took)

    async def end(self, patience: float) -> None:
        """Whoever was asked is answered; nobody else is waited for."""
        self.ending = True
        until = self._loop.time() + patience
        for one in list(self.connections):
            if not one.owed:
                one.close()
        await self._wait(lambda: not any(one.owed for one in self.connections), until)
        self._timer.cancel()
        self.turns.end()
        for one in list(self.connections):
            one.close()
        await self._wait(lambda: not self.connections, until + 1)  # what was told is written
        self._tell_took()

    async def _wait(self, holds: Callable[[], bool], until: float) -> None:
        while not holds() and (left := until - self._loop.time()) > 0:
            self.moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self.moved.wait()


class Connection(asyncio.Protocol):
    """One connection of a stranger's."""

    __slots__ = (
        "_begun",
        "_chunks",
        "_clogged",
        "_drained",
        "_ended",
        "_face",
        "_head",
        "_name",
        "_peer",
        "_received",
        "_since",
        "_stage",
        "_time",
        "_transport",
    )

    def __init__(self, face: Stamping) -> None:
        self._face = face
        self._time = face._loop.time  # noqa: SLF001 - of this module
        self._transport: asyncio.Transport
        self._received = b""
        self._stage = _Stage.NOTHING
        self._since = self._time()
        self._head: Head | None = None
        self._chunks: heads.Chunks | None = None
        self._clogged = self._ended = False
        self._drained = 0
        self._begun = 0.0
        self._name = self._peer = ""

    # ---- what asyncio tells -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if len(self._face.connections) >= self._face.most or self._face.ending:
            busy = Unavailable("web.busy", expected=f"at most {self._face.most} at once")
            self._face.timestamping.turned_away(busy)
            self._refuse(busy, "", keeps=False)
            self._transport.close()
            return
        self._face.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._face.connections.discard(self)
        self._face.moved.set()

    def pause_writing(self) -> None:
        self._clogged, self._since = True, self._time()

    def resume_writing(self) -> None:
        self._clogged, self._since = False, self._time()
        self._proceed()

    def data_received(self, data: bytes) -> None:
        if self._stage is _Stage.LEAVING:
            self._drained += len(data)
            if self._drained > _DRAINED_LIMIT:
                self._transport.abort()
            return
        self._received = self._received + data if self._received else data
        if self._stage is _Stage.ANSWER or self._clogged:
            if len(self._received) > _AHEAD_LIMIT:
                self._transport.pause_reading()
        else:
            self._proceed()

    def eof_received(self) -> bool:
        """Who closed his half may still be owed an answer."""
        self._ended = True
        return self.owed

    # ---- reading ----------------------------------------------------------------------------

    def _proceed(self) -> None:
        """As far as what was received allows."""
        while self._received and not self._clogged:
            if self._stage not in _READING:
                return
            try:
                done = self._read_head() if self._head is None else self._read_body()
            except Malformed:
                self._transport.write(_NOT_HTTP)
                self._leave()
                return
            except Problem as problem:
                self._refuse_head(problem)
                continue
            if not done:
                return

    def _read_head(self) -> bool:
        received = self._received
        end = received.find(heads.END) + len(heads.END)
        if end < len(heads.END) or end > heads.HEAD_LIMIT:
            if len(received) > heads.HEAD_LIMIT:
                raise Malformed
            self._wait(_Stage.ASKING)
            return False
        octets = received[:end]
        head = heads.judged(octets)
        self._received = received[end:]
        self._head = head
        if head.length is None:
            self._chunks = heads.Chunks(octets)
        self._admit(head)
        return self._read_body()

    def _admit(self, head: Head) -> None:
        if head.path not in PATHS:
            raise Refused("web.not-found", found=head.path[:100])
        self._name = self._face.timestamping.admit(self._peer, head.forwarded)
        length = None if head.length is None else str(head.length)
        try:
            require_query(head.method, head.media_type, length)
        except Refused as problem:
            self._face.timestamping.turned_away(problem)
            raise

    def _read_body(self) -> bool:
        head = self._head
        assert head is not None  # noqa: S101 - judged before
        if head.length is not None:
            if len(self._received) < head.length:
                return self._wait_for_body(head)
            question, self._received = (
                self._received[: head.length],
                self._received[head.length :],
            )
        else:
            assert self._chunks is not None  # noqa: S101 - made with its head
            octets, self._received = self._received, b""
            if not self._chunks.complete(octets, QUERY_LIMIT):
                return self._wait_for_body(head)
            question, self._received = self._chunks.body, self._chunks.rest
            if len(question) > QUERY_LIMIT:
                problem = too_big(f"more than {QUERY_LIMIT}")
                self._face.timestamping.turned_away(problem)
                raise problem
        self._stage = _Stage.ANSWER
        self._begun = self._face.timestamping.monotonic()
        self._face.turns.ask(question, self._name, self, only_sm2=head.path == SM2_PATH)
        return False

    def _wait_for_body(self, head: Head) -> bool:
        if self._stage is not _Stage.SENDING and head.waits and not self._received:
            self._transport.write(_CONTINUE)
        self._wait(_Stage.SENDING)
        return False

    def _wait(self, stage: _Stage) -> None:
        """From when it began to wait for this; more octets do not make it longer."""
        if self._stage is not stage:
            self._stage, self._since = stage, self._time()

    # ---- answering --------------------------------------------------------------------------

    def tell(self, response: bytes) -> None:
        """Of `Asker`: what may leave now."""
        head = self._head
        if head is None or self._transport.is_closing():
            return  # the client went away
        keeps = head.keeps and not self._face.ending and not self._ended
        end = b"\r\n" if keeps else b"connection: close\r\n\r\n"
        self._transport.write(self._face.granted(len(response)) + end + response)
        self._face.answered(self._begun)
        self._over(keeps=keeps)
        if self._received:
            self._transport.resume_reading()
            self._proceed()

    def abandon(self) -> None:
        self._transport.abort()

    def _over(self, *, keeps: bool) -> None:
        self._head = self._chunks = None
        if not keeps:
            self._leave()
            return
        self._stage, self._since = _Stage.NOTHING, self._time()

    def _refuse_head(self, problem: Problem) -> None:
        """Refused for what its head says: the connection is kept if the body is here whole."""
        head = self._head
        assert head is not None  # noqa: S101 - judged before
        length = head.length
        keeps = length is not None and length <= len(self._received) and head.keeps
        if keeps and length:
            self._received = self._received[length:]
        self._refuse(problem, head.language, keeps=keeps, bare=head.method == "HEAD")
        if keeps:
            self._over(keeps=True)

    def _refuse(
        self, problem: Problem, language: str, *, keeps: bool, bare: bool = False
    ) -> None:
        trouble = problems.trouble_of(problem, accepted_language(language))
        allow = [("allow", "POST")] if problem.code == "web.method-not-allowed" else []
        close = [] if keeps else [("connection", "close")]
        fields = [
            ("content-type", "application/problem+json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            *allow,
            *close,
            *problems.headers_of(trouble).items(),
        ]
        body = canonical.encode(problems.problem_members(trouble))
        head = self._face.head(trouble.status, fields, len(body)) + b"\r\n"
        self._transport.write(head if bare else head + body)
        if not keeps:
            self._leave()

    # ---- leaving ----------------------------------------------------------------------------

    @property
    def owed(self) -> bool:
        """Whether we owe an answer that can still be told."""
        return self._stage is _Stage.ANSWER and not self._transport.is_closing()

    def is_late(self, now: float) -> bool:
        seconds = _Stage.NOTHING.value if self._clogged else self._stage.value
        return seconds is not None and now - self._since > seconds

    def give_up(self) -> None:
        """It waited long enough."""
        if self._stage is _Stage.SENDING and not self._clogged:
            late = Refused(
                "web.too-slow",
                expected=f"a question within {_Stage.SENDING.value:.0f} s",
                found="none",
            )
            self._face.timestamping.turned_away(late)
            self._refuse(late, self._head.language if self._head else "", keeps=False)
        elif self._stage is _Stage.NOTHING and not self._clogged:
            self._transport.close()
        else:
            self._transport.abort()

    def _leave(self) -> None:
        """End our half; who sends without looking still reads why he was refused."""
        self._head = self._chunks = None
        self._received = b""
        self._stage, self._since = _Stage.LEAVING, self._time()
        self._face.moved.set()
        if self._ended or self._transport.is_closing():
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()

    def close(self) -> None:
        self._transport.close()


_READING: Final = frozenset({_Stage.NOTHING, _Stage.ASKING, _Stage.SENDING})


def stamp_until_ended(
    timestamping: Timestamping,
    now: Callable[[], datetime],
    listening: socket.socket,
    patience: float,
) -> None:
    """Serve an address that is listened at, until SIGTERM; then answer what was asked."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        face = Stamping(timestamping, now, loop)
        server = await loop.create_server(face.connection, sock=listening)
        # What was made until here stays, and is not looked through again and again.
        gc.collect()
        gc.freeze()
        await ended.wait()
        server.close()
        await face.end(patience)

    uvloop.run(serve())
