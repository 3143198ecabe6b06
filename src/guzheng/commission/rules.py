"""Commissions: which step may follow which, what it does to the quota, when things are due.

Pure decisions. The state of a commission is read from its events, which are only ever appended:
the first final one decides, so that confirming and giving up at once cannot both succeed. A
quota unit is held when something is ordered, charged when it is confirmed, and given back when
it is given up, cancelled or failed: held, charged and given back always sum to nothing.

What nobody decides about decides itself, in favour of whoever pays: a page that was captured is
charged after some hours, what may not be the page that was asked for (a wall, an error, nothing
at all) never. That waits for a person, since an error may be just what was to be proved, and is
given up in the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from guzheng.refusals import Refused
from guzheng.store.ids import LOCAL as LOCAL

UNITS = 1  # of quota, for one capture
ORDERED, BEGAN, CAPTURED = "ordered", "began", "captured"
CONFIRMED, GIVEN_UP, CANCELLED, FAILED = "confirmed", "given-up", "cancelled", "failed"
CANCEL_ASKED = "cancel-asked"
FINAL = frozenset({CONFIRMED, GIVEN_UP, CANCELLED, FAILED})
STATES = ("ordered", "capturing", "previewable", CONFIRMED, GIVEN_UP, CANCELLED, FAILED)
_STATE_AFTER = {ORDERED: "ordered", BEGAN: "capturing", CAPTURED: "previewable"}
# What must have happened before, and what makes it too late; a final event always does.
_FROM: dict[str, frozenset[str]] = {
    ORDERED: frozenset({""}),
    BEGAN: frozenset({"ordered", "capturing"}),
    CAPTURED: frozenset({"ordered", "capturing"}),
    CANCEL_ASKED: frozenset({"ordered", "capturing"}),
    CONFIRMED: frozenset({"previewable"}),
    GIVEN_UP: frozenset({"previewable"}),
    CANCELLED: frozenset({"ordered", "capturing"}),
    # Once it is captured, only by the operator, who ends a road that nobody lets go on.
    FAILED: frozenset({"ordered", "capturing", "previewable"}),
}
DOUBTED = timedelta(days=30)  # so long a person may decide about what is no page, or altered
ONCE, DAILY, WEEKLY = "once", "daily", "weekly"
PERIODS = {DAILY: timedelta(days=1), WEEKLY: timedelta(weeks=1)}
EVERY = (ONCE, DAILY, WEEKLY)
LATEST = timedelta(hours=1)  # after its time a repetition is missed, and said to be
MOST_SLOTS = 1000  # written down at once, of one schedule


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a commission. `code` and `found` say why, where there is a
    reason to say; `person`, whose act it was, where it was anybody's."""

    kind: str
    observed_at: datetime
    code: str = ""
    found: str = ""
    person: str = ""


def state_of(events: Sequence[Event]) -> str:
    """ordered, capturing, previewable, confirmed, given-up, cancelled or failed."""
    kinds = [one.kind for one in events]
    final = next((one for one in kinds if one in FINAL), "")
    if final:
        return final
    reached = [_STATE_AFTER[one] for one in kinds if one in _STATE_AFTER]
    return max(reached, key=STATES.index, default="")


def follows(events: Sequence[Event], kind: str) -> bool:
    """Whether `kind` is to be appended; False when it has happened. Raises Refused."""
    state = state_of(events)
    if state == kind or (kind in {CANCEL_ASKED, CAPTURED} and _has(events, kind)):
        return False
    if kind == BEGAN and events and events[-1].kind == BEGAN:
        return False  # taken up again after a kill: it had begun
    if state not in _FROM[kind]:
        raise Refused(
            "commission.too-late" if state in FINAL else "commission.not-now",
            expected=" | ".join(sorted(_FROM[kind])),
            found=state,
            act="look at the order's page: what was decided stays decided",
        )
    return True


def _has(events: Sequence[Event], kind: str) -> bool:
    return any(one.kind == kind for one in events)


def cancel_is_asked(events: Sequence[Event]) -> bool:
    return _has(events, CANCEL_ASKED)


def means_for_quota(kind: str) -> str:
    """hold, charge or return; empty for what costs and returns nothing."""
    if kind == ORDERED:
        return "hold"
    if kind == CONFIRMED:
        return "charge"
    return "return" if kind in FINAL else ""


def confirms_at(events: Sequence[Event], hours: int) -> datetime | None:
    """When it is confirmed by itself; None before the capture, after a decision, and of what
    was captured with a warning."""
    captured = _undecided(events)
    if captured is None or captured.code:
        return None
    return captured.observed_at + timedelta(hours=hours)


def gives_up_at(events: Sequence[Event]) -> datetime | None:
    """When what was captured with a warning is given up by itself; None likewise."""
    captured = _undecided(events)
    if captured is None or not captured.code:
        return None
    return captured.observed_at + DOUBTED


def _undecided(events: Sequence[Event]) -> Event | None:
    """The capture of what can be decided about; its `code` is the gravest warning."""
    if state_of(events) != "previewable":
        return None
    return next(one for one in events if one.kind == CAPTURED)


@dataclass(frozen=True, slots=True)
class Timing:
    """When a capture is repeated: from `first_at`, every day or week, until `until_at`."""

    every: str
    first_at: datetime
    until_at: datetime | None = None

    def slots(self, after: datetime | None, now: datetime) -> tuple[datetime, ...]:
        """The times that have come and are later than `after`, oldest first."""
        period = PERIODS.get(self.every)
        if period is None:
            due = self.first_at <= now and (after is None or after < self.first_at)
            return (self.first_at,) if due else ()
        number = 0 if after is None else (after - self.first_at) // period + 1
        number = max(0, number)
        found: list[datetime] = []
        while len(found) < MOST_SLOTS:
            slot = self.first_at + number * period
            if slot > now or (self.until_at is not None and slot > self.until_at):
                break
            found.append(slot)
            number += 1
        return tuple(found)

    def next_after(self, now: datetime) -> datetime | None:
        """The next time to come; None when there is none any more."""
        if now < self.first_at:
            return self.first_at
        period = PERIODS.get(self.every)
        if period is None:
            return None
        slot = self.first_at + ((now - self.first_at) // period + 1) * period
        return None if self.until_at is not None and slot > self.until_at else slot


def is_missed(slot_at: datetime, now: datetime) -> bool:
    """Capturing then would not be a capture of that time any more."""
    return now - slot_at > LATEST
