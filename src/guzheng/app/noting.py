"""What an exhibit's papers mean for the order it was made by: captured, failed, cancelled, due.

The papers decide; an order only repeats them, with the time at which they were seen. Each may
run twice: an event that is there already is not added again.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from guzheng import intake, origin, road
from guzheng.app.parts import Parts
from guzheng.commission import Commission, Event, rules
from guzheng.proof import canonical, package
from guzheng.proof.capture import CaptureRecord
from guzheng.proof.errors import ProofError
from guzheng.road import Road
from guzheng.store.blobs import find

_STOPPED = frozenset({"capture.stopped", "commission.cancelled"})
_GRAVE = ("capture.control-differs", "capture.wire-contradicts")
_MOST = 8  # a page can be several things; each is one of some ten codes


@dataclass(frozen=True, slots=True)
class Noting:
    """`confirm_hours`: then an order is confirmed by itself unless something speaks against
    what was captured; `confirmed` is told once."""

    parts: Parts
    walked: Road
    confirm_hours: int
    confirmed: Callable[[Commission], None]

    def note(self, one: Commission) -> None:
        """What the exhibit's papers show, into the order."""
        events = self.parts.commissions.events(one.commission)
        if rules.state_of(events) not in {"ordered", "capturing", "previewable"}:
            return
        papers, now = self.walked.papers(one.exhibit), self.parts.now()
        if road.REFUSED in papers:  # an attempt has a capture record too, and a certificate
            code, found = self._refusal(one.exhibit)
            stopped = rules.cancel_is_asked(events) and code in _STOPPED
            kind = rules.CANCELLED if stopped else rules.FAILED
            self.parts.commissions.append(one, Event(kind, now, code, found))
        elif package.CAPTURE in papers and not self._is_attempt(one.exhibit):
            codes = self._warnings(one.exhibit)
            event = Event(rules.CAPTURED, now, codes[0] if codes else "", " ".join(codes))
            self.parts.commissions.append(one, event)
            if one.automatic:
                why = "commission.automatic"
                self.append(one, Event(rules.CONFIRMED, now, why))

    def append(self, one: Commission, event: Event) -> None:
        """An event of this order, if the rules let it follow the others."""
        if self.parts.commissions.append(one, event) and event.kind == rules.CONFIRMED:
            self.confirmed(one)

    def _is_attempt(self, exhibit: str) -> bool:
        """Whether its capture failed; if a program died there, its refusal is next."""
        octets = find(self.parts.blobs, road.folder_of(exhibit) + package.CAPTURE)
        with contextlib.suppress(ProofError):  # unreadable: the road's next step says so
            return octets is not None and intake.refusal_in(octets) is not None
        return False

    def _warnings(self, exhibit: str) -> tuple[str, ...]:
        """What whoever decides about it must know first: that its origin is in doubt, that it
        may not be the page that was asked for, that something altered or contradicts it."""
        octets = find(self.parts.blobs, road.folder_of(exhibit) + package.CAPTURE)
        with contextlib.suppress(ProofError):  # unreadable: the road's next step says so
            if octets is not None:
                return warnings_of(CaptureRecord.parse(octets))
        return ()

    def _refusal(self, exhibit: str) -> tuple[str, str]:
        octets = find(self.parts.blobs, road.folder_of(exhibit) + road.REFUSED)
        value = canonical.parse_object(octets) if octets else {}
        return str(value.get("code", "")), str(value.get("found", ""))[:200]

    def decide_if_due(self, one: Commission) -> None:
        """Nobody decided in time."""
        now, events = self.parts.now(), self.parts.commissions.events(one.commission)
        confirms_at = rules.confirms_at(events, self.confirm_hours)
        gives_up_at = rules.gives_up_at(events)
        if confirms_at is not None and confirms_at <= now:
            self.append(one, Event(rules.CONFIRMED, now, "commission.time-passed"))
        elif gives_up_at is not None and gives_up_at <= now:
            self.append(one, Event(rules.GIVEN_UP, now, "commission.doubt-passed"))


def warnings_of(record: CaptureRecord) -> tuple[str, ...]:
    """By code, the gravest first; nothing where nothing speaks against it."""
    notes = cast("list[str]", record.fields["notes"])
    judged = cast("list[dict[str, object]]", record.fields["scope"])
    astray = (origin.FAILED,) if origin.judge(notes).failed else ()
    altered = tuple(one for one in _GRAVE if one in notes)
    return (*astray, *altered, *(str(one["code"]) for one in judged))[:_MOST]
