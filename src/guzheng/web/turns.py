"""Signing and flushing in turns: what was asked together is signed and flushed together.

Signatures are made on the event loop, since each holds the interpreter and threads would gain
nothing; one thread flushes the journal for all that were signed since the flush before, and
only then do their tokens leave. Whoever comes while it flushes goes into the next flush; a few
who come meanwhile wait for its end to be signed together, where a signature is quick: begun
for each of them alone it costs twice as much.
"""

import asyncio
import contextlib
import os
import queue
import signal
import threading
from typing import Final, Protocol

from guzheng.app.timestamping import Timestamping
from guzheng.fix.authority import Answer


class Asker(Protocol):
    """Who asked, and is told the answer once."""

    def tell(self, body: bytes, /) -> None: ...

    def abandon(self) -> None:
        """There will be no answer, by a fault of ours."""
        ...


_TOGETHER: Final = 16
_QUICK_SECONDS: Final = 0.000_25  # RSA and SM2 take longer; they are signed beside the disk

_Asked = tuple[bytes, str, bool, Asker, float]
_Signed = tuple[list[Answer], list[tuple[Asker, float]]]  # each with when it had asked


class Turns:
    """One in each process; all but its thread is of the loop."""

    def __init__(self, timestamping: Timestamping, loop: asyncio.AbstractEventLoop) -> None:
        self._timestamping = timestamping
        self._loop = loop
        self._asked: list[_Asked] = []
        self._answers: list[Answer] = []
        self._askers: list[tuple[Asker, float]] = []
        self._flushing = self._planned = False
        self._worth = 1
        self._batches: queue.SimpleQueue[_Signed | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def ask(self, question: bytes, client: str, asker: Asker, *, only_sm2: bool) -> None:
        begun = self._timestamping.monotonic()
        self._asked.append((question, client, only_sm2, asker, begun))
        if not self._flushing or len(self._asked) >= self._worth:
            self._plan()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._sign)  # after all that is ready now

    def _sign(self) -> None:
        asked, self._asked, self._planned = self._asked, [], False
        begun = self._timestamping.monotonic()
        answers: list[Answer] = []
        try:
            answers = self._signed(asked)
        finally:
            if not answers:  # our bug, which the loop tells: nobody may wait for ever
                for *_, asker, _ in asked:
                    asker.abandon()
        took = self._timestamping.monotonic() - begun
        self._worth = _TOGETHER if took < _QUICK_SECONDS * len(asked) else 1
        told: list[float] = []
        for answer, (*_, asker, since) in zip(answers, asked, strict=True):
            if answer.group is None:
                asker.tell(answer.response_der)
                told.append(since)
            else:
                self._answers.append(answer)
                self._askers.append((asker, since))
        if told:
            self._took(told)
        if not self._flushing:
            self._next()

    def _signed(self, asked: list[_Asked]) -> list[Answer]:
        """In the order of the questions."""
        usual = [(question, client) for question, client, only_sm2, *_ in asked if not only_sm2]
        if len(usual) == len(asked):
            return self._timestamping.issue_all(usual)
        of_usual = iter(self._timestamping.issue_all(usual))
        return [
            self._timestamping.issue_sm2(question, client) if only_sm2 else next(of_usual)
            for question, client, only_sm2, *_ in asked
        ]

    def _next(self) -> None:
        self._flushing = bool(self._answers)
        if self._flushing:
            batch = self._answers, self._askers
            self._answers, self._askers = [], []
            self._batches.put(batch)

    def _run(self) -> None:
        batch: _Signed | None = None
        try:
            while batch := self._batches.get():
                answers, askers = batch
                responses = self._timestamping.committed_all(answers)
                with contextlib.suppress(RuntimeError):  # the loop ended: nobody is waiting
                    self._loop.call_soon_threadsafe(self._tell, askers, responses)
        finally:
            if batch:  # our bug: without a journal this process must end, and another begins
                os.kill(os.getpid(), signal.SIGTERM)

    def _tell(self, askers: list[tuple[Asker, float]], responses: list[bytes]) -> None:
        self._next()  # the disk works while these are sent
        if self._asked:
            self._plan()
        for (asker, _), response in zip(askers, responses, strict=True):
            asker.tell(response)
        self._took([since for _, since in askers])

    def _took(self, since: list[float]) -> None:
        """How long the answers took that were told just now; counted all at once."""
        now = self._timestamping.monotonic()
        self._timestamping.took_all([now - one for one in since])

    def end(self) -> None:
        self._batches.put(None)
        self._thread.join()
