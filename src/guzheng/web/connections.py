"""One connection of a stranger's to `guzheng tsa` or `guzheng ledger front`: an asyncio
protocol, not a task.

What may be asked is the door's to say (stamping.py, adding_front.py); this is HTTP for both.
One question at a time; what is sent ahead waits. A refusal for what a head says is
problem+json, and the connection is kept if the body is here whole; what is not HTTP is answered
with 400 and the end. Whoever sends without looking is read on for a while, so that he sees why.
"""

import asyncio
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, cast

from guzheng.proof import canonical
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.web import heads, problems
from guzheng.web.heads import Head, Malformed
from guzheng.web.pages import accepted_language

_AHEAD_LIMIT: Final = 64 * 1024  # octets that wait for the answer before
_DRAINED_LIMIT: Final = 2 * 1024 * 1024  # octets thrown away, so that a refusal is read
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_NOT_HTTP: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Door(Protocol):
    """What may be asked here, and by whom."""

    limit: int  # octets of a question

    def admit(self, head: Head, peer: str, /) -> str:
        """What `ask` is told with the question; or a `Problem`, before the body is read."""
        ...

    def ask(self, question: bytes, admitted: str, head: Head, asker: "Connection", /) -> None:
        """The asker is told once, and not before this returned; or a `Problem` is raised."""
        ...

    def too_big(self, found: str, /) -> Refused: ...

    def turned_away(self, problem: Problem, /) -> None:
        """Somebody was refused by what is here, and not by `admit` or `ask`."""
        ...


class Face(Protocol):
    """What all connections of a process share (answering.py)."""

    connections: "set[Connection]"
    most: int
    ending: bool
    moved: asyncio.Event

    @property
    def door(self) -> Door: ...

    def time(self) -> float: ...

    def granted(self, status: HTTPStatus, size: int) -> bytes:
        """The head of an answer of this size, without the empty line at its end."""
        ...

    def head(self, status: HTTPStatus, fields: list[tuple[str, str]], size: int) -> bytes:
        """The head of any answer, without the empty line at its end."""
        ...


class _Stage(NamedTuple):
    """What a connection waits for, and how many seconds at most; None: as long as we need."""

    name: str
    seconds: float | None


# Compared for each question: names of the module, since members of an Enum cost a call.
_NOTHING: Final = _Stage("the next question, or the first", 30.0)
_ASKING: Final = _Stage("the rest of a head", 10.0)
_SENDING: Final = _Stage("the rest of a body", 10.0)
_ANSWER: Final = _Stage("us", None)
_LEAVING: Final = _Stage("the other side's end, while what it sends is thrown away", 5.0)


class Connection(asyncio.Protocol):
    """One connection of a stranger's."""

    __slots__ = (
        "_admitted",
        "_chunks",
        "_clogged",
        "_door",
        "_drained",
        "_ended",
        "_face",
        "_head",
        "_missing",
        "_parts",
        "_peer",
        "_received",
        "_since",
        "_stage",
        "_time",
        "_transport",
    )

    def __init__(self, face: Face) -> None:
        self._face, self._door = face, face.door
        self._time = face.time
        self._transport: asyncio.Transport
        self._received = b""
        self._parts: list[bytes] = []  # of a body that did not come whole
        self._missing = 0  # octets of it
        self._stage = _NOTHING
        self._since = self._time()
        self._head: Head | None = None
        self._chunks: heads.Chunks | None = None
        self._clogged = self._ended = False
        self._drained = 0
        self._admitted = self._peer = ""

    # ---- what asyncio tells -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if len(self._face.connections) >= self._face.most or self._face.ending:
            busy = Unavailable("web.busy", expected=f"at most {self._face.most} at once")
            self._door.turned_away(busy)
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
        self._transport.resume_reading()  # who sent far ahead was read no further meanwhile
        self._proceed()

    def data_received(self, data: bytes) -> None:
        if self._stage is _LEAVING:
            self._drained += len(data)
            if self._drained > _DRAINED_LIMIT:
                self._transport.abort()
            return
        if self._missing:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._parts)
            self._forget_parts()
        self._received = self._received + data if self._received else data
        if self._stage is _ANSWER or self._clogged:
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
            if self._stage is _ANSWER or self._stage is _LEAVING:
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
            self._wait(_ASKING)
            return False
        octets = received[:end]
        head = heads.judged(octets)
        self._received = received[end:]
        self._head = head
        if head.length is None:
            self._chunks = heads.Chunks(octets)
        self._admitted = self._door.admit(head, self._peer)
        return self._read_body()

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
            if not self._chunks.complete(octets, self._door.limit):
                return self._wait_for_body(head)
            question, self._received = self._chunks.body, self._chunks.rest
            if len(question) > self._door.limit:
                problem = self._door.too_big(f"more than {self._door.limit}")
                self._door.turned_away(problem)
                raise problem
        self._stage = _ANSWER
        self._door.ask(question, self._admitted, head, self)
        return False

    def _wait_for_body(self, head: Head) -> bool:
        if self._stage is not _SENDING and head.waits and not self._received:
            self._transport.write(_CONTINUE)
        self._wait(_SENDING)
        if head.length is not None:  # it may come octet by octet: joined once
            self._missing = head.length - len(self._received)
            self._parts, self._received = [self._received], b""
        return False

    def _forget_parts(self) -> None:
        self._parts, self._missing = [], 0

    def _wait(self, stage: _Stage) -> None:
        """From when it began to wait for this; more octets do not make it longer."""
        if self._stage is not stage:
            self._stage, self._since = stage, self._time()

    # ---- answering --------------------------------------------------------------------------

    def tell(self, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        """What may leave now."""
        head = self._head
        if head is None or self._transport.is_closing():
            return  # the client went away
        keeps = head.keeps and not self._face.ending and not self._ended
        end = b"\r\n" if keeps else b"connection: close\r\n\r\n"
        self._transport.write(self._face.granted(status, len(body)) + end + body)
        if not keeps and not self._received:
            self._transport.close()  # nothing that was not read can take the answer along
            return
        self._over(keeps=keeps)
        self._go_on()

    def refuse(self, problem: Problem) -> None:
        """The same for a question that is not answered, some time after it was asked."""
        head = self._head
        if head is None or self._transport.is_closing():
            return
        keeps = head.keeps and not self._face.ending and not self._ended
        self._refuse(problem, head.language, keeps=keeps)
        if keeps:
            self._over(keeps=True)
            self._go_on()

    def abandon(self) -> None:
        """There will be no answer, by a fault of ours."""
        self._transport.abort()

    def _go_on(self) -> None:
        if self._received:
            self._transport.resume_reading()
            self._proceed()

    def _over(self, *, keeps: bool) -> None:
        self._head = self._chunks = None
        if not keeps:
            self._leave()
            return
        self._stage, self._since = _NOTHING, self._time()

    def _refuse_head(self, problem: Problem) -> None:
        """Refused for what it says: the connection is kept if the body is here whole."""
        head = self._head
        assert head is not None  # noqa: S101 - judged before
        length = head.length
        if self._stage is _ANSWER:  # the question was read, and is none
            keeps = head.keeps
        else:
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
        return self._stage is _ANSWER and not self._transport.is_closing()

    def is_late(self, now: float) -> bool:
        seconds = _NOTHING.seconds if self._clogged else self._stage.seconds
        return seconds is not None and now - self._since > seconds

    def give_up(self) -> None:
        """It waited long enough."""
        if self._stage is _SENDING and not self._clogged:
            late = Refused(
                "web.too-slow",
                expected=f"a question within {_SENDING.seconds:.0f} s",
                found="none",
            )
            self._door.turned_away(late)
            self._refuse(late, self._head.language if self._head else "", keeps=False)
        elif self._stage is _NOTHING and not self._clogged:
            self._transport.close()
        else:
            self._transport.abort()

    def _leave(self) -> None:
        """End our half; who sends without looking still reads why he was refused."""
        self._head = self._chunks = None
        self._received = b""
        self._forget_parts()
        self._stage, self._since = _LEAVING, self._time()
        self._face.moved.set()
        if self._ended or self._transport.is_closing():
            self._transport.close()
            return
        self._transport.resume_reading()
        self._transport.write_eof()

    def close(self) -> None:
        self._transport.close()
