"""Webhooks of an installation: what finished is told to whoever wants it, now and then again.

A finished exhibit is told before its road is entered as walked, so a crash leaves it to be told
again; a confirmed order is told when it is confirmed, and all those of the last days are looked
through when a program starts, or when telling failed. `round` sends what is due, a few at a
time, and never for long: nothing else waits for the programs of others.
"""

import contextlib
import ipaddress
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from guzheng import road, words
from guzheng.accounts import Acting, calling, sealing
from guzheng.accounts.deliveries import Attempt, Deliveries, Due
from guzheng.accounts.hooks import Endpoint, Hooks, Measure
from guzheng.accounts.tries import Limit, Tries
from guzheng.app.membership import Membership
from guzheng.app.parts import Parts
from guzheng.app.people import People
from guzheng.commission import Commission
from guzheng.config import Config
from guzheng.refusals import Problem
from guzheng.road import Road
from guzheng.sharing import Share

_AT_ONCE: Final = 4
_ROUND: Final = timedelta(seconds=20)
_LOOKED_BACK: Final = timedelta(days=2)
_SHOWN: Final = 50
_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class EndpointView:
    endpoint: Endpoint
    waiting: int
    next_at: datetime | None
    attempts: tuple[Attempt, ...]


class Webhooks:
    """Every webhook of an installation; may be shared by threads."""

    def __init__(
        self, config: Config, parts: Parts, walking: Road, members: Membership, people: People
    ) -> None:
        self._parts, self._road, self._now = parts, walking, parts.now
        self._members, self._people = members, people
        self._allowed = tuple(map(ipaddress.ip_network, config.allow_private))
        keys, entropy = parts.data / "keys", parts.entropy
        sealed = sealing.open_sealing(keys, parts.accounts, parts.now, entropy)
        measure = Measure(config.webhooks_most, config.webhooks_daily)
        self._hooks = Hooks(parts.accounts, entropy, sealed, measure)
        tries = config.webhook_tries
        self._deliveries = Deliveries(parts.accounts, entropy, self._hooks, tries)
        self._tries, self._digest = Tries(parts.accounts), sealed.digest
        self._by_hand = Limit(config.webhook_calls, _PAUSE, _LONGEST_PAUSE, _LONGEST_PAUSE)
        self._behind = True  # something confirmed may not have been told
        self._sending = threading.Lock()

    # ---- endpoints -------------------------------------------------------------------

    def of(self, account: str) -> tuple[EndpointView, ...]:
        return tuple(self._view(one, 1) for one in self._hooks.of(account))

    def view(self, account: str, endpoint: str) -> EndpointView:
        return self._view(self._hooks.require(account, endpoint), _SHOWN)

    def _view(self, one: Endpoint, limit: int) -> EndpointView:
        waiting, next_at = self._deliveries.waiting(one.endpoint)
        if one.ended:  # what waited is given up when it would be due
            waiting, next_at = 0, None
        return EndpointView(
            one, waiting, next_at, self._deliveries.attempts(one.endpoint, limit)
        )

    def account_of(self, endpoint: str) -> str | None:
        return self._hooks.account_of(endpoint)

    def add(self, by: Acting, url: str, kinds: frozenset[str]) -> tuple[Endpoint, str]:
        """The endpoint and its secret. Refused at once for an address that is never called: it
        costs one press, or our resolver would tell anybody what it knows of names beside us."""
        parts = calling.parse_address(url)
        pressed = self._count(by)
        calling.looked_up(parts, self._allowed, calling.resolved)
        self._tries.give_back(pressed)
        return self._hooks.add(by, parts.geturl(), kinds, self._now())

    def remove(self, by: Acting, endpoint: str) -> None:
        self._hooks.remove(by, endpoint, self._now())

    def rotate(self, by: Acting, endpoint: str) -> str:
        """Another secret, told this once; for a day the one before signs too."""
        return self._hooks.rotate(by, endpoint, self._now())

    def test(self, by: Acting, endpoint: str) -> None:
        """Send a message of no meaning, now."""
        self._count(by)
        message = self._hooks.test(by, endpoint, self._now())
        due = self._deliveries.take(self._now(), message=message)
        if due is not None:  # or else the round was faster
            self._send(due)

    def again(self, by: Acting, endpoint: str, message: str) -> None:
        self._count(by)
        self._deliveries.again(by, endpoint, message, self._now())
        due = self._deliveries.take(self._now(), message=message, endpoint=endpoint)
        if due is not None:  # or else the round was faster
            self._send(due)

    def _count(self, by: Acting) -> Mapping[str, Limit]:
        """What is sent because somebody pressed for it has a measure: we are nobody's tool for
        calling others. Raises Refused (too-often)."""
        limits = {self._digest("try webhook", by.account): self._by_hand}
        self._tries.claim(limits, self._now())
        return limits

    # ---- what finished ---------------------------------------------------------------

    def look(self, exhibit: str) -> None:
        """Tell of an exhibit whose road is walked; nothing where it is not."""
        if not self._hooks.wanted():
            return
        order, papers = self._road.order(exhibit), self._road.papers(exhibit)
        state = road.state_of(order.kind, papers)
        kinds = {"certified": "exhibit.certified", "refused": "capture.failed"}
        if road.ENDED in papers:  # whatever else was refused: nothing follows by a decision
            kinds["refused"] = "exhibit.ended"
        if state in kinds:
            members = {"exhibit": exhibit, "kind": order.kind, "state": state}
            self._hooks.tell(order.account, kinds[state], exhibit, members, self._now())

    def confirmed(self, one: Commission) -> None:
        """Tell of an order that was confirmed a moment ago."""
        try:
            if self._hooks.wanted():
                self._tell_confirmed(one)
        except Problem:
            self._behind = True

    def opened(self, share: Share) -> None:
        """Tell that a link was opened for the first time. It is not kept from who opens it
        because that cannot be told now: the next opening tells it."""
        with contextlib.suppress(Problem):
            if self._hooks.wanted():
                members = {"share": share.share, "state": "opened"}
                account, now = share.account, self._now()
                self._hooks.tell(account, "share.opened", share.share, members, now)

    def _tell_confirmed(self, one: Commission) -> None:
        members = {"order": one.commission, "exhibit": one.exhibit, "state": "confirmed"}
        kind = "order.confirmed"
        self._hooks.tell(one.account, kind, one.commission, members, self._now())

    # ---- sending ---------------------------------------------------------------------

    def round(self) -> None:
        """Send what is due. One at a time in a process; others of the table's take others."""
        if not self._hooks.wanted() or not self._sending.acquire(blocking=False):
            return
        try:
            if self._behind:
                for one in self._parts.commissions.confirmed_since(self._now() - _LOOKED_BACK):
                    self._tell_confirmed(one)
                self._behind = False
            self._send_due()
        finally:
            self._sending.release()

    def _send_due(self) -> None:
        until = self._now() + _ROUND
        silent: set[str] = set()  # whose turn is over for this round

        def some() -> None:
            while self._now() < until:
                due = self._deliveries.take(self._now(), spared=frozenset(silent))
                if due is None:
                    return
                if not self._send(due):
                    silent.add(due.endpoint.endpoint)

        with ThreadPoolExecutor(_AT_ONCE, "webhooks") as threads:
            for each in [threads.submit(some) for _ in range(_AT_ONCE)]:
                each.result()

    def _send(self, due: Due) -> bool:
        """Whether the other side answered at all."""
        began, status, code = self._now(), 0, ""
        try:
            line = calling.looked_up(
                calling.parse_address(due.endpoint.url), self._allowed, calling.resolved
            )
            keys = self._hooks.keys_of(due.endpoint.endpoint, began)
            headers = calling.signed(keys, due.message, due.body, began)
            status = calling.post(line, headers, due.body)
            code = "" if status else "webhooks.no-answer"
        except Problem as problem:
            code = problem.code
        now = self._now()
        taken = max(0, (now - began) // timedelta(milliseconds=1))
        if self._deliveries.settle(due, status, code, taken, now):
            self._notify(due.endpoint)
        return status != 0

    def _notify(self, endpoint: Endpoint) -> None:
        """To who founded the account: nobody is told anything there any more."""
        founder = self._members.rows.find_founder(endpoint.account)
        person = self._people.find_person(founder) if founder else None
        if person is not None:
            with contextlib.suppress(Problem):  # the page says it too
                self._people.write_to(
                    person.address, "webhook-disabled", words.SOURCE, url=endpoint.url
                )
