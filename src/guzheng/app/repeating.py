"""Captures that are repeated: once at a time to come, daily or weekly, until a day.

A time that passed while nobody was there to capture is entered as missed, and never captured
late as if it had been then; one that fell into a pause says so, and one that the rules refused
says why.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from guzheng.app.ordering import Ordering
from guzheng.app.parts import Parts
from guzheng.app.wishes import (
    Cause,
    CommissionView,
    Wanted,
    require_same,
    wanted_again,
)
from guzheng.commission import Schedule, Slot, Timing, rules
from guzheng.commission.schedules import ACTIVE, PAUSED, STOPPED
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids

SCHEDULE_PREFIX = "sc"
_BEIJING = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """`standing`: active, paused, stopped, or over when no time is left."""

    schedule: Schedule
    standing: str
    slots: tuple[Slot, ...]
    next_at: datetime | None
    captures: tuple[CommissionView, ...]

    @property
    def name(self) -> str:
        return self.schedule.schedule


def typed_moment(text: str) -> datetime:
    """A time as people here write it: UTC+08:00 unless it says otherwise."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Refused(
            "commission.timing-refused",
            expected="2026-11-22T09:00",
            found=repr(text[:40]),
            act="write day and time so",
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=_BEIJING)


class Repeating:
    """Every repetition of an installation."""

    def __init__(self, parts: Parts, ordering: Ordering) -> None:
        self._parts, self._rows, self._ordering = parts, parts.schedules, ordering

    def add(self, wanted: Wanted, timing: Timing, *, repeats: str = "") -> ScheduleView:
        now = self._parts.now()
        self._require_timing(timing, now)
        model = self._ordering.commissions_of(replace(wanted, token=""))[0]
        schedule = Schedule(
            schedule=wanted.token or self.new_token(),
            url=model.url,
            timing=timing,
            ordered_at=now,
            claimed_name=model.claimed_name,
            claimed_applicant=model.claimed_applicant,
            claimed_purpose=model.claimed_purpose,
            vantages=wanted.vantages,
            options=model.options,
            repeats=repeats,
            account=wanted.account,
            person=wanted.person,
        )
        ids.require_id(schedule.schedule, SCHEDULE_PREFIX)
        self._rows.add(schedule)
        require_same(
            self._rows.require(schedule.schedule).account, wanted.account, schedule.schedule
        )
        return self.view(schedule.schedule)

    def again(
        self, commission: str, timing: Timing, *, token: str = "", person: str = ""
    ) -> ScheduleView:
        """Repeat the capture of this order."""
        one = self._ordering.view(commission).commission
        wanted = wanted_again(one, token=token, person=person)
        return self.add(wanted, timing, repeats=one.exhibit)

    def new_token(self) -> str:
        return ids.new(SCHEDULE_PREFIX, self._parts.now(), self._parts.entropy)

    def _require_timing(self, timing: Timing, now: datetime) -> None:
        ends = timing.until_at is not None and timing.until_at < timing.first_at
        if timing.every not in rules.EVERY or ends or rules.is_missed(timing.first_at, now):
            raise Refused(
                "commission.timing-refused",
                expected="once, daily or weekly, from a time to come, until a later one",
                found=f"{timing.every} {timing.first_at:%Y-%m-%d %H:%M}"
                + (f" – {timing.until_at:%Y-%m-%d %H:%M}" if timing.until_at else ""),
                act="choose other times",
            )

    def pause(self, schedule: str, *, person: str = "") -> ScheduleView:
        return self._set(schedule, PAUSED, person)

    def resume(self, schedule: str, *, person: str = "") -> ScheduleView:
        return self._set(schedule, ACTIVE, person)

    def stop(self, schedule: str, *, person: str = "") -> ScheduleView:
        return self._set(schedule, STOPPED, person)

    def _set(self, schedule: str, standing: str, person: str) -> ScheduleView:
        self._run(self._rows.require(schedule))  # what has passed, passed under the old rule
        self._rows.set_standing(schedule, standing, self._parts.now(), person=person)
        return self.view(schedule)

    def round(self) -> None:
        """Order what is due, and say what was missed."""
        for schedule in self._rows.all():
            self._run(schedule)

    def _run(self, schedule: Schedule) -> None:
        standing = self._rows.standing(schedule.schedule)
        if standing == STOPPED:
            return
        now = self._parts.now()
        entered = self._rows.slots(schedule.schedule)
        after = entered[-1].slot_at if entered else None
        for slot_at in schedule.timing.slots(after, now):
            if standing == PAUSED or rules.is_missed(slot_at, now):
                outcome = "paused" if standing == PAUSED else "missed"
                self._enter(schedule, Slot(slot_at, outcome, ""))
            else:
                self._order(schedule, slot_at)

    def _order(self, schedule: Schedule, slot_at: datetime) -> None:
        wanted = Wanted(
            schedule.url,
            schedule.claimed_name,
            schedule.claimed_applicant,
            schedule.claimed_purpose,
            schedule.vantages,
            options=schedule.options,
            account=schedule.account,
            person=schedule.person,
        )
        try:
            self._enter(schedule, Slot(slot_at, "ran", ""), wanted)
        except Refused as refusal:
            self._enter(schedule, Slot(slot_at, "refused", refusal.code))

    def _enter(self, schedule: Schedule, slot: Slot, wanted: Wanted | None = None) -> None:
        made = (
            self._ordering.commissions_of(
                wanted, Cause(schedule=schedule.schedule, slot_at=instant.encode(slot.slot_at))
            )
            if wanted
            else ()
        )
        allowance = self._ordering.allowance_of(schedule.account) if made else None
        entered = self._rows.enter(
            schedule, slot, made, at=self._parts.now(), allowance=allowance
        )
        self._ordering.placed(entered)

    def view(self, schedule: str) -> ScheduleView:
        return self._view(self._rows.require(schedule))

    def account_of_schedule(self, schedule: str) -> str | None:
        """Whose it is; None when there is none of that number."""
        try:
            return self._rows.require(schedule).account
        except Refused:
            return None

    def views(self, *, account: str | None = None) -> tuple[ScheduleView, ...]:
        """Newest first; of this account or of all."""
        return tuple(map(self._view, self._rows.all(account=account)))

    def _view(self, schedule: Schedule) -> ScheduleView:
        standing = self._rows.standing(schedule.schedule)
        next_at = schedule.timing.next_after(self._parts.now())
        if standing == STOPPED:
            next_at = None
        elif next_at is None:
            standing = "over"
        return ScheduleView(
            schedule,
            standing,
            self._rows.slots(schedule.schedule),
            next_at,
            self._ordering.of_schedule(schedule.schedule),
        )
