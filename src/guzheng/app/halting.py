"""What halts on its road: why, to have it tried again, and to end it for good.

An exhibit whose step fails stays in the queue, and is tried again: every half minute while an
outside party is away, every ten minutes where somebody must act first (`intake.heldup` has the
reason for every page to show). Whoever mended the cause need not wait (`again`). What will
never go on, say because an authority refuses it for ever, only the operator ends (`end`):
nothing that is kept is removed, the unit goes back, and the exhibit's page says by whose word
it ended.

Order of writes of an end: the event, the paper, the custody, the unit, the index. Killed in
between, the queue does the rest; the event is told again when the command is.
"""

from collections.abc import Callable

from guzheng import road
from guzheng.app.auditing import Audit
from guzheng.app.custody import Keeping
from guzheng.app.parts import Parts
from guzheng.intake import heldup
from guzheng.intake.heldup import HeldUp
from guzheng.intake.rules import stated
from guzheng.keep.custody import ENDED
from guzheng.refusals import Problem, Refused
from guzheng.road import Road, Tell

_REASON = 200


class Halting:
    """May be shared by threads."""

    def __init__(
        self,
        parts: Parts,
        walk: Road,
        keeping: Keeping,
        step: Callable[[str, Tell], bool],
        enqueue: Callable[[str], None],
    ) -> None:
        """`step`: one step of the road and what belongs to it; whether more may be left."""
        self._parts, self._road, self._keeping = parts, walk, keeping
        self._step, self._enqueue = step, enqueue
        self._engine = parts.index.engine
        self._audit = Audit(parts.data, parts.now)

    # ---- why, and again --------------------------------------------------------------

    def noted(self, exhibit: str, problem: Problem | None) -> None:
        """By what its last step failed, or that it goes on."""
        if problem is None:
            heldup.forget(self._engine, exhibit)
        else:
            heldup.note(self._engine, exhibit, problem, self._parts.now())

    def refused(self) -> frozenset[str]:
        """Those for which somebody must act first."""
        return heldup.refused(self._engine)

    def find(self, exhibit: str) -> HeldUp | None:
        """By what it is held up, as far as anybody tried."""
        return heldup.find(self._engine, exhibit)

    def again(self, exhibit: str) -> None:
        """Try it at the queue's next look, wherever that runs; at once if it is here."""
        if not self.missing(exhibit):
            raise _walked(self._road, exhibit)
        heldup.forget(self._engine, exhibit)
        self._enqueue(exhibit)

    # ---- the end ---------------------------------------------------------------------

    def missing(self, exhibit: str) -> tuple[str, ...]:
        """The papers that are still to come; none when its road is over."""
        kind = self._road.order(exhibit).kind
        return road.missing_from(kind, self._road.papers(exhibit))

    def end(self, exhibit: str, reason: str) -> bool:
        """For good, by the operator; False when it was so before. Refused (`road.walked`) when
        nothing is missing."""
        said = stated(reason, "reason")
        if said is None or len(said) > _REASON:
            raise Refused(
                "road.reason-wanted",
                expected=f"a reason, at most {_REASON} characters",
                found=f"{len(reason)}",
                act="say why it will never go on",
            )
        missing = self.missing(exhibit)
        if not missing and road.ENDED not in self._road.papers(exhibit):
            raise _walked(self._road, exhibit)
        kind = self._road.order(exhibit).kind
        self._audit.tell("exhibit.ended", exhibit=exhibit, kind=kind, missing=len(missing))
        ended = self._road.end(exhibit, said)
        if not any(one.act == ENDED for one in self._keeping.of(exhibit)):
            self._keeping.tell(ENDED, [exhibit], said=said, account="")
        while self._step(exhibit, lambda _step, _detail: None):
            pass
        return ended


def _walked(walk: Road, exhibit: str) -> Refused:
    state = road.state_of(walk.order(exhibit).kind, walk.papers(exhibit))
    return Refused(
        "road.walked",
        expected="an exhibit that lacks a paper",
        found=state,
        act="nothing: its road is over already",
    )
