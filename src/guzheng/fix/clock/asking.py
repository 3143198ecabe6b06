"""Ask every source at once, and wait no longer than is allowed.

Each server is asked in a thread of its own, since looking up its name may take longer than
anybody wants to wait and cannot be called off; who comes too late is not heard. chrony speaks
for the kernel's clock when it is there, else the kernel does itself.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guzheng.fix.clock import adjtimex, chrony, ntp
from guzheng.fix.clock.rules import Claim, Tick
from guzheng.refusals import Unavailable

# How long a server that asked for it is left alone (RFC 5905 §7.4), in microseconds.
REST = {"RATE": 1024_000_000, "DENY": 86_400_000_000, "RSTR": 86_400_000_000}
_Answer = Claim | Unavailable


@dataclass(frozen=True, slots=True)
class Heard:
    """A round: who answered, who did not and why, who wants to be left alone for how long."""

    claims: tuple[Claim, ...]
    silent: Mapping[str, str]
    resting: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask. `chronyc`: its command, or nothing. `most`: the largest error of a local
    source that is of any use, in microseconds."""

    servers: Sequence[str]
    ticks: Callable[[], Tick]
    entropy: Callable[[int], bytes]
    most: int
    chronyc: Sequence[str] = ()
    kernel: Callable[[], adjtimex.KernelClock] | None = adjtimex.read_kernel

    def ask(self, resting: frozenset[str], *, timeout_seconds: float) -> Heard:
        """One round; `resting` are not asked. Never raises, never takes longer."""
        answers: queue.SimpleQueue[tuple[str, _Answer]] = queue.SimpleQueue()
        questions: dict[str, Callable[[], Claim]] = {
            server: self._question(server, timeout_seconds)
            for server in self.servers
            if server not in resting
        }
        if self.chronyc:
            questions[chrony.NAME] = lambda: chrony.ask(
                self.chronyc, timeout_seconds=timeout_seconds, most=self.most
            )
        for source, question in questions.items():
            threading.Thread(
                target=_put, args=(answers, source, question), name=f"ask {source}", daemon=True
            ).start()
        found: dict[str, _Answer] = {}
        end = self.ticks().boottime + int(timeout_seconds * 1_000_000)
        while len(found) < len(questions):
            left = end - self.ticks().boottime
            try:
                source, answer = answers.get(timeout=max(left, 0) / 1_000_000)
            except queue.Empty:
                break
            found[source] = answer
        return self._heard(found, [one for one in questions if one not in found])

    def _question(self, server: str, timeout_seconds: float) -> Callable[[], Claim]:
        return lambda: ntp.ask(
            server, timeout_seconds=timeout_seconds, ticks=self.ticks, entropy=self.entropy
        )

    def _heard(self, found: Mapping[str, _Answer], late: Sequence[str]) -> Heard:
        claims = [one for one in found.values() if isinstance(one, Claim)]
        silent = dict.fromkeys(late, "too late")
        resting: dict[str, int] = {}
        for name, one in found.items():
            if isinstance(one, Unavailable):
                silent[name] = one.found
            if isinstance(one, ntp.Kissed):
                resting[name] = REST[one.kiss]
        if self.kernel is not None and not any(one.source == chrony.NAME for one in claims):
            try:
                claims.append(adjtimex.claim_of(self.kernel(), most=self.most))
            except Unavailable as error:
                silent[adjtimex.NAME] = error.found
        order = [*self.servers, chrony.NAME, adjtimex.NAME]
        claims.sort(key=lambda one: order.index(one.source))
        return Heard(tuple(claims), silent, resting)


def _put(
    answers: queue.SimpleQueue[tuple[str, _Answer]],
    source: str,
    question: Callable[[], Claim],
) -> None:
    try:
        answers.put((source, question()))
    except Unavailable as error:
        answers.put((source, error))
