"""Orders of captures from the wish to the decision: place, watch, confirm or give up.

The exhibit walks its road as ever, and is sealed at once; what waits for a decision is only
the charge. This object stands between: it holds a unit when something is ordered, notes what
the exhibit's papers show, and ends the hold by what was decided, or by itself after some hours.

The order of writes: the commission with its hold is durable first, then the exhibit is placed
under the name it was promised, then it is queued. Whoever is killed between is continued by
`round`, which every worker runs now and then; each step may run twice.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from guzheng import intake, road
from guzheng.app.entitling import Entitling
from guzheng.app.noting import Noting
from guzheng.app.parts import Parts
from guzheng.app.vantages import Vantages
from guzheng.app.wishes import (
    BadTable,
    BatchView,
    Cause,
    CommissionView,
    Wanted,
    judge_cells,
    judged,
    require_same,
    wanted_again,
    wanted_of,
)
from guzheng.commission import Allowance, Batch, Commission, Event, Quota, rules, table
from guzheng.config import Config
from guzheng.intake.rules import stated
from guzheng.jobs import QUEUE, Turn
from guzheng.proof import canonical, package
from guzheng.proof.digest import sha256
from guzheng.refusals import Problem, Refused
from guzheng.road import Road, Step, Tell
from guzheng.store import ids
from guzheng.store.blobs import find

ORDER_PREFIX, BATCH_PREFIX, PARTY_PREFIX = "or", "ba", "pa"
_PLACED_WITHIN = timedelta(seconds=30)  # then whoever ordered it was killed in between
_REASON = 200


class Ordering:
    """Every order of an installation; may be shared by threads."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        walking: Road,
        vantages: Vantages,
        enqueue: Callable[[str], None],
        entitlements: Entitling,
        confirmed: Callable[[Commission], None] = lambda _one: None,
    ) -> None:
        self._config, self._parts, self._road = config, parts, walking
        self._entitlements = entitlements
        self._rows = parts.commissions
        self._enqueue = enqueue
        self._noting = Noting(parts, walking, config.confirm_hours, confirmed)
        self.vantages = vantages

    # ---- placing ---------------------------------------------------------------------

    def new_token(self) -> str:
        """A number for an order that a form is made for."""
        return ids.new(ORDER_PREFIX, self._parts.now(), self._parts.entropy)

    def order(self, wanted: Wanted) -> tuple[CommissionView, ...]:
        """One order for each vantage point; durable and queued when this returns."""
        if wanted.token and (known := self._known(wanted.token, wanted.account)):
            return known
        allowance = self.allowance_of(wanted.account)
        made = self.commissions_of(wanted)
        return self.placed(self._rows.add(made, allowance=allowance))

    def allowance_of(self, account: str) -> Allowance:
        """Raises Refused when captures are not in the account's edition."""
        return self._entitlements.allowance_of(account)

    def limit_of(self, account: str = rules.LOCAL) -> int | None:
        """Units that an account may use in all; None: no limit."""
        return self._entitlements.limit_of(account)

    def _known(self, token: str, account: str) -> tuple[CommissionView, ...]:
        """What this account ordered under that number; another's is not told of (to order
        under its number is refused)."""
        ids.require_id(token, ORDER_PREFIX)
        if self.account_of_order(token) != account:
            return ()
        first = self._rows.require(token)
        return tuple(map(self._view, self._rows.together(first.party) or (first,)))

    def commissions_of(
        self, wanted: Wanted, cause: Cause | None = None
    ) -> tuple[Commission, ...]:
        """Judged by the rules, with numbers of their own, entered nowhere yet."""
        wish, cause = judged(wanted), cause or Cause()
        names = self.vantages.require(wanted.vantages)
        now, entropy = self._parts.now(), self._parts.entropy
        party = ids.new(PARTY_PREFIX, now, entropy) if len(names) > 1 else ""
        first = Commission(
            commission=wanted.token or ids.new(ORDER_PREFIX, now, entropy),
            exhibit="",
            url=wish.url,
            ordered_at=now,
            claimed_name=wish.claimed_name,
            claimed_applicant=wish.claimed_applicant,
            claimed_purpose=wish.claimed_purpose,
            party=party,
            retry_of=cause.retry_of,
            reason=cause.reason,
            batch=cause.batch,
            line=cause.line,
            schedule=cause.schedule,
            slot_at=cause.slot_at,
            automatic=wanted.automatic or not self._config.confirm_hours,
            options=wish.options,
            account=wanted.account,
            person=wanted.person,
        )
        numbers = [first.commission, *(self.new_token() for _ in names[1:])]
        return tuple(
            replace(first, commission=number, exhibit=ids.new("ex", now, entropy), vantage=name)
            for number, name in zip(numbers, names, strict=True)
        )

    def placed(self, entered: Sequence[Commission]) -> tuple[CommissionView, ...]:
        """Make the exhibits of commissions that are entered, and queue them."""
        for one in entered:
            self._place(one)
        return tuple(map(self._view, entered))

    def _place(self, one: Commission) -> None:
        before = self._rows.require(one.retry_of).exhibit if one.retry_of else None
        self._road.order_capture(
            one.url,
            allow_private=self._config.allow_private,
            options=one.options,
            claimed_name=one.claimed_name or None,
            claimed_applicant=one.claimed_applicant or None,
            claimed_purpose=one.claimed_purpose or None,
            exhibit=one.exhibit,
            vantage=one.vantage or None,
            retry_of=before,
            account=one.account,
            person=one.person,
        )
        self._enqueue(one.exhibit)

    def order_table(
        self,
        octets: bytes,
        name: str,
        *,
        vantages: tuple[str, ...] = (),
        options: tuple[str, ...] = (),
        automatic: bool = False,
        skip_bad: bool = False,
        token: str = "",
        account: str = rules.LOCAL,
        person: str = "",
    ) -> BatchView:
        """Everything that the table asks for, or nothing; `skip_bad`: without its bad lines.

        Raises BadTable, which names each bad line."""
        if token:
            ids.require_id(token, BATCH_PREFIX)
            if (owner := self.account_of_batch(token)) is not None:
                require_same(owner, account, token)
                return self.batch(token)
        sheet = table.parse(octets, judge_cells)
        if sheet.bad and (not skip_bad or not sheet.rows):
            raise BadTable(sheet.bad)
        batch = Batch(
            batch=token or self.new_batch_token(),
            name=_plain(name),
            sha256=sha256(octets).hex,
            refused=canonical.encode(
                [[one.number, one.code, one.found] for one in sheet.bad]
            ).decode(),
            ordered_at=self._parts.now(),
            account=account,
            person=person,
        )
        made = [
            one
            for row in sheet.rows
            for one in self.commissions_of(
                replace(
                    wanted_of(row.cells),
                    vantages=vantages,
                    options=options,
                    automatic=automatic,
                    account=account,
                    person=person,
                ),
                Cause(batch=batch.batch, line=row.number),
            )
        ]
        entered = self._rows.add(made, allowance=self.allowance_of(account), batch=batch)
        require_same(self._rows.batch(batch.batch).account, account, batch.batch)
        self.placed(entered)
        return self.batch(batch.batch)

    def new_batch_token(self) -> str:
        return ids.new(BATCH_PREFIX, self._parts.now(), self._parts.entropy)

    def retry(
        self, commission: str, reason: str, *, token: str = "", person: str = ""
    ) -> CommissionView:
        """The same page again, for a reason that is kept; the old order stays as it is."""
        one = self._rows.require(commission)
        view = self._view(one)
        said = stated(reason, "reason")
        if said is None or len(said) > _REASON:
            raise Refused(
                "commission.reason-wanted",
                expected=f"a reason, at most {_REASON} characters",
                found=f"{len(reason)}",
                act="say why the page is captured again",
            )
        if view.state in {"ordered", "capturing"}:
            raise Refused(
                "commission.not-now",
                expected="an order that has come to something",
                found=view.state,
                act="wait for it, or cancel it",
            )
        wanted = wanted_again(one, token=token, person=person)
        if token and (known := self._known(token, one.account)):
            return known[0]
        made = self.commissions_of(wanted, Cause(retry_of=commission, reason=said))
        allowance = self.allowance_of(one.account)
        return self.placed(self._rows.add(made, allowance=allowance))[0]

    # ---- deciding --------------------------------------------------------------------

    def confirm(self, commission: str, *, person: str = "") -> CommissionView:
        """The unit is charged; asked again, it stays so."""
        return self._decide(commission, rules.CONFIRMED, person)

    def give_up(self, commission: str, *, person: str = "") -> CommissionView:
        """The unit goes back. The exhibit is marked and stays, and so does its entry."""
        return self._decide(commission, rules.GIVEN_UP, person)

    def _decide(self, commission: str, kind: str, person: str) -> CommissionView:
        one = self._rows.require(commission)
        self._noting.note(one)
        self._noting.decide_if_due(one)
        self._noting.append(one, Event(kind, self._parts.now(), person=person))
        return self._view(one)

    def cancel(self, commission: str, *, person: str = "") -> CommissionView:
        """A queued one at once; one under way is stopped, and its record says so."""
        one = self._rows.require(commission)
        self._noting.note(one)
        self._rows.append(one, Event(rules.CANCEL_ASKED, self._parts.now(), person=person))
        self._place_if_lost(one)
        begun = rules.state_of(self._rows.events(commission)) == "capturing"
        self._road.cancel(one.exhibit, begun=begun)
        self._noting.note(one)
        self._enqueue(one.exhibit)  # so that the index waits for it no longer
        return self._view(one)

    def is_cancelled(self, exhibit: str) -> bool:
        """Whether the capturer of this exhibit is to stop; asked while it works."""
        one = self._rows.of_exhibit(exhibit)
        return one is not None and rules.cancel_is_asked(self._rows.events(one.commission))

    def require_taken(self, exhibit: str) -> None:
        """Refused while it is not decided, or was given up: what is taken away is charged."""
        one = self._rows.of_exhibit(exhibit)
        if one is None:
            return
        state = rules.state_of(self._rows.events(one.commission))
        if state in {"ordered", "capturing", "previewable", rules.GIVEN_UP}:
            given_up = state == rules.GIVEN_UP
            raise Refused(
                "commission.given-up" if given_up else "commission.not-confirmed",
                expected="an order that is confirmed",
                found=f"{one.commission}: {state}",
                act="order it again" if given_up else "confirm the order first",
            )

    # ---- walking ---------------------------------------------------------------------

    def turn(self, exhibit: str) -> Turn:
        """In which queue an exhibit waits, and behind whom."""
        one = self._rows.of_exhibit(exhibit)
        if one is None or package.CAPTURE in self._road.papers(exhibit):
            return Turn(QUEUE)
        return Turn(self.vantages.queue_of(one.vantage), one.turn)

    def advance(self, exhibit: str, tell: Tell) -> Step | None:
        """One step of the road, noting what it means for the order."""
        one = self._rows.of_exhibit(exhibit)
        if one is None:
            return self._road.advance(exhibit, tell)
        events = self._rows.events(one.commission)
        state = rules.state_of(events)
        if state in {"ordered", "capturing"} and rules.cancel_is_asked(events):
            self._road.cancel(exhibit, begun=state == "capturing")
        elif state in {"ordered", "capturing"}:
            self._rows.append(one, Event(rules.BEGAN, self._parts.now()))
        step = self._road.advance(exhibit, tell)
        self._noting.note(one)
        return step

    def ended(self, exhibit: str) -> None:
        """The operator ended its road: what was held or charged for it is given back, once."""
        one = self._rows.of_exhibit(exhibit)
        if one is not None:
            self._noting.note(one)
            self._rows.units.refund(one.commission, self._parts.now())

    def round(self) -> None:
        """Continue what a killed program left, and decide what nobody did in time."""
        for one in self._rows.undecided():
            with contextlib.suppress(Problem):
                self._place_if_lost(one)
                self._noting.note(one)
                self._noting.decide_if_due(one)

    def _place_if_lost(self, one: Commission) -> None:
        late = self._parts.now() - one.ordered_at > _PLACED_WITHIN
        order = road.folder_of(one.exhibit) + road.ORDER
        if late and find(self._parts.blobs, order) is None:
            self._place(one)

    # ---- looking ---------------------------------------------------------------------

    def view(self, commission: str) -> CommissionView:
        return self._view(self._rows.require(commission))

    def account_of_order(self, commission: str) -> str | None:
        """Whose it is; None when there is none of that number. So for the others."""
        try:
            return self._rows.require(commission).account
        except Refused:
            return None

    def account_of_batch(self, batch: str) -> str | None:
        try:
            return self._rows.batch(batch).account
        except Refused:
            return None

    def of_exhibit(self, exhibit: str) -> CommissionView | None:
        one = self._rows.of_exhibit(exhibit)
        return None if one is None else self._view(one)

    def page(
        self, limit: int, before: str | None = None, *, account: str | None = None
    ) -> tuple[CommissionView, ...]:
        """Newest first, of this account or of all."""
        if before is not None:
            ids.require_id(before, ORDER_PREFIX)
        return tuple(map(self._view, self._rows.page(limit, before, account=account)))

    def together(self, view: CommissionView) -> tuple[CommissionView, ...]:
        """Those that were ordered with it, from the other vantage points; itself too."""
        party = view.commission.party
        return tuple(map(self._view, self._rows.together(party))) if party else (view,)

    def retries_of(self, commission: str) -> tuple[CommissionView, ...]:
        return tuple(map(self._view, self._rows.retries_of(commission)))

    def of_schedule(self, schedule: str) -> tuple[CommissionView, ...]:
        return tuple(map(self._view, self._rows.of_schedule(schedule)))

    def batch(self, batch: str) -> BatchView:
        found = self._rows.batch(batch)
        left_out = canonical.parse(found.refused.encode())
        bad = [table.BadRow(*one) for one in left_out] if isinstance(left_out, list) else []
        views = tuple(map(self._view, self._rows.of_batch(batch)))
        return BatchView(found, views, tuple(bad))

    def given_up(self, exhibits: Sequence[str]) -> frozenset[str]:
        """Those among these exhibits that were given up, to be marked in lists."""
        return self._rows.given_up(exhibits)

    def quota(self, account: str = rules.LOCAL) -> Quota:
        return self._rows.quota(account)

    def live_picture(self, view: CommissionView) -> bytes | None:
        """What the capturer last saw, on this machine; for looking at, and no evidence."""
        workshop = self._config.data / "captures"
        return intake.find_live_picture(workshop, view.commission.exhibit)

    def _view(self, one: Commission) -> CommissionView:
        events = self._rows.events(one.commission)
        try:
            papers = self._road.papers(one.exhibit)
        except Problem:
            papers = frozenset()
        return CommissionView(
            commission=one,
            state=rules.state_of(events),
            events=events,
            exhibit_state=road.state_of("web", papers),
            confirms_at=rules.confirms_at(events, self._config.confirm_hours),
            gives_up_at=rules.gives_up_at(events),
            cancelling=rules.cancel_is_asked(events),
        )


def _plain(name: str) -> str:
    """A file's name for showing: its last part, nothing invisible."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one.isprintable())[:120]
