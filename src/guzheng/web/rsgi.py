"""RFC 3161 over HTTP for `guzheng tsa`, on granian's RSGI: `/tsa`; `/tsa/sm2` under SM2 only.

The same admission, authority and journal as the web face's `/tsa` (app/timestamping.py), with
little else in between. Questions are read and signed on the event loop; one thread flushes the
journal for all that were signed since the flush before, and only then do their tokens leave.

Bounds: octets and seconds of a question, questions inside at once, and what granian holds
(connections, seconds for headers). Whatever else is asked is answered as problem+json.
"""

import asyncio
import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Final, Protocol

from guzheng.app.timestamping import (
    QUERY_LIMIT,
    REPLY,
    Timestamping,
    require_query,
    too_big,
)
from guzheng.fix.authority import Answer
from guzheng.proof import canonical
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.web import problems
from guzheng.web.pages import accepted_language

SM2_PATH: Final = "/tsa/sm2"
PATHS: Final = frozenset({"/tsa", "/", SM2_PATH})
BODY_SECONDS: Final = 10.0
MAX_INSIDE: Final = 4096
_DRAINED: Final = 64 * 1024
_HEADERS: Final = [("content-type", REPLY), ("cache-control", "no-store")]
_PROBLEM_HEADERS: Final = [
    ("content-type", "application/problem+json"),
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
]


class Headers(Protocol):
    def get(self, key: str, default: None = None) -> str | None: ...


class Scope(Protocol):
    """What RSGI says of a request."""

    @property
    def proto(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query_string(self) -> str: ...
    @property
    def headers(self) -> Headers: ...


class Exchange(Protocol):
    """What RSGI lets us do with it."""

    async def __call__(self) -> bytes: ...

    def __aiter__(self) -> "Exchange": ...

    async def __anext__(self) -> bytes: ...

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None: ...


class Face:
    """The application that granian runs; one in each process."""

    def __init__(self, open_timestamping: Callable[[], Timestamping]) -> None:
        self._timestamping = open_timestamping()
        self._inside = 0
        self._committer: _Committer | None = None
        self._patience: _Patience | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._patience = _Patience(loop)
        self._committer = _Committer(self._timestamping, loop)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        del loop
        if self._patience is not None and self._committer is not None:
            self._patience.end()
            self._committer.end()

    async def __rsgi__(self, scope: Scope, exchange: Exchange) -> None:
        begun = self._timestamping.monotonic()
        try:
            if scope.path not in PATHS:
                raise Refused("web.not-found", found=scope.path[:100])
            response = await self._answered(scope, exchange)
        except Problem as problem:
            self._refuse(scope, exchange, problem)
            return
        exchange.response_bytes(200, _HEADERS, response)
        self._timestamping.took(self._timestamping.monotonic() - begun)

    async def _answered(self, scope: Scope, exchange: Exchange) -> bytes:
        headers = scope.headers
        peer = scope.client.rpartition(":")[0].strip("[]")
        client = self._timestamping.admit(peer, headers.get("x-forwarded-for"))
        try:
            length = headers.get("content-length")
            require_query(scope.method, headers.get("content-type"), length)
            if self._inside >= MAX_INSIDE or not (self._patience and self._committer):
                raise Unavailable("web.busy", expected=f"at most {MAX_INSIDE} at once")
            self._inside += 1
            try:
                question = await self._patience.question(exchange, length)
                only_sm2 = scope.path == SM2_PATH
                return await self._committer.answered(question, client, only_sm2=only_sm2)
            finally:
                self._inside -= 1
        except Problem as problem:
            self._timestamping.turned_away(problem)
            raise

    def _refuse(self, scope: Scope, exchange: Exchange, problem: Problem) -> None:
        language = accepted_language(scope.headers.get("accept-language") or "")
        trouble = problems.trouble_of(problem, language)
        allow = [("allow", "POST")] if problem.code == "web.method-not-allowed" else []
        headers = [*_PROBLEM_HEADERS, *allow, *problems.headers_of(trouble).items()]
        body = canonical.encode(problems.problem_members(trouble))
        exchange.response_bytes(int(trouble.status), headers, body)


class _Patience:
    """Ends whoever reads for too long: one look a second at all, not a timer for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reading: dict[asyncio.Task[object], float] = {}
        self._look()

    async def question(self, exchange: Exchange, length: str | None) -> bytes:
        """The body, of no more octets and within no more seconds than a question needs."""
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 - we are inside one
        self._reading[task] = self._loop.time()
        try:
            return await _read(exchange, length)
        except asyncio.CancelledError:
            if task.uncancel() or self._loop.time() - self._reading[task] < BODY_SECONDS:
                raise  # the server ends, not the patience
            raise Refused(
                "web.too-slow", expected=f"a question within {BODY_SECONDS:g} s", found="none"
            ) from None
        finally:
            del self._reading[task]

    def _look(self) -> None:
        late = self._loop.time() - BODY_SECONDS
        for task, begun in self._reading.items():
            if begun < late:
                task.cancel()
        self._timer = self._loop.call_later(1.0, self._look)

    def end(self) -> None:
        self._timer.cancel()


async def _read(exchange: Exchange, length: str | None) -> bytes:
    if length is not None:
        return await exchange()
    received, size = b"", 0
    async for chunk in exchange:
        size += len(chunk)
        if size <= QUERY_LIMIT:
            received += chunk
        elif size > _DRAINED:
            break
    # Read on a little, so that who sends without looking still sees why he was refused.
    if size > QUERY_LIMIT:
        raise too_big(f"more than {QUERY_LIMIT}")
    return received


class _Committer:
    """Signs what was asked in one turn of the loop together; one thread flushes the journal.

    Whoever comes while it flushes goes into the next flush."""

    def __init__(self, timestamping: Timestamping, loop: asyncio.AbstractEventLoop) -> None:
        self._timestamping = timestamping
        self._loop = loop
        self._asked: list[_Asked] = []
        self._waiting: list[_Waiting] = []
        self._flushing = False
        self._batches: queue.SimpleQueue[list[_Waiting]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def answered(self, question: bytes, client: str, *, only_sm2: bool) -> bytes:
        future: asyncio.Future[bytes] = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._sign)  # after all that is ready now
        self._asked.append((question, client, only_sm2, future))
        return await future

    def _sign(self) -> None:
        asked, self._asked = self._asked, []
        answers: list[Answer] = []
        try:
            answers = self._answers(asked)
        finally:
            if not answers:  # our bug, which the loop tells: nobody may wait for ever
                for *_, future in asked:
                    future.cancel()
        for answer, (*_, future) in zip(answers, asked, strict=True):
            if answer.group is not None:
                self._waiting.append((answer, future))
            elif not future.done():
                future.set_result(answer.response_der)
        if not self._flushing:
            self._next()

    def _answers(self, asked: list["_Asked"]) -> list[Answer]:
        """In the order of the questions."""
        usual = [(question, client) for question, client, only_sm2, _ in asked if not only_sm2]
        of_usual = iter(self._timestamping.issue_all(usual))
        return [
            self._timestamping.issue_sm2(question, client) if only_sm2 else next(of_usual)
            for question, client, only_sm2, _ in asked
        ]

    def _next(self) -> None:
        batch, self._waiting = self._waiting, []
        self._flushing = bool(batch)
        if batch:
            self._batches.put(batch)

    def _run(self) -> None:
        batch: list[_Waiting] | None = None
        try:
            while batch := self._batches.get():
                done = [
                    (future, self._timestamping.committed(answer)) for answer, future in batch
                ]
                with contextlib.suppress(RuntimeError):  # the loop ended: nobody is waiting
                    self._loop.call_soon_threadsafe(self._tell, done)
        finally:
            if batch:  # our bug: without a journal this process must end, and another begins
                os.kill(os.getpid(), signal.SIGTERM)

    def _tell(self, done: list[tuple[asyncio.Future[bytes], bytes]]) -> None:
        self._next()  # the disk works while these are sent
        for future, response in done:
            if not future.done():  # else the client went away
                future.set_result(response)

    def end(self) -> None:
        self._batches.put([])
        self._thread.join()


_Asked = tuple[bytes, str, bool, asyncio.Future[bytes]]
_Waiting = tuple[Answer, asyncio.Future[bytes]]
