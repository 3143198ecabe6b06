"""What belongs to a step of the road besides the step, and what is to be done now and then.

An order of a capture decides over its exhibit, a refusal gives the unit back, and programs of
the account are told of what is finished. The queue asks for one step at a time.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from guzheng import road
from guzheng.app.entitling import Entitling
from guzheng.app.ordering import Ordering
from guzheng.app.progress import Progress
from guzheng.app.webhooks import Webhooks
from guzheng.refusals import Problem


class Tended(Protocol):
    """Whatever has something to do now and then."""

    def round(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Walking:
    """`tended`: in the order in which it is asked."""

    walked: road.Road
    progress: Progress
    ordering: Ordering
    entitlements: Entitling
    webhooks: Webhooks
    tended: Iterable[Tended]

    def walk(self, exhibit: str, tell: road.Tell) -> str:
        """Walk the road to its end in this process; gives the state. Raises Problem."""
        while self.step(exhibit, tell):
            pass
        return road.state_of(self.walked.order(exhibit).kind, self.walked.papers(exhibit))

    def advance(self, exhibit: str) -> bool:
        """One step, told to the exhibit's page; whether more may be left."""
        if self.step(exhibit, self.progress.tell_of(exhibit)):
            return True
        self.progress.forget(exhibit)
        return False

    def step(self, exhibit: str, tell: road.Tell) -> bool:
        """Whether more may be left. What is finished is told before the index forgets it."""
        self.webhooks.look(exhibit)
        papers = self.walked.papers(exhibit)
        if papers & {road.REFUSED, road.ENDED}:  # of a capture, its order decides
            self.entitlements.refund(exhibit)
        if road.ENDED in papers:
            self.ordering.ended(exhibit)
        return self.ordering.advance(exhibit, tell) is not None

    def tend(self) -> None:
        """What is to be done now and then; one that fails does not hold up the others."""
        for one in self.tended:
            with contextlib.suppress(Problem):
                one.round()
