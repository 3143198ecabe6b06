"""Deliveries: when a message is sent to whom, how it went, and when it is tried again.

It is tried until the other side says 2xx: again after 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and
24 hours, as Standard Webhooks proposes, or fewer times (`tries`). An endpoint that took nothing
for five days, or that answers 410, is disabled. Who tries is settled in the table: whoever
takes a delivery moves the time at which it is due again, so that two programs do not send at
once, and one that dies leaves it to the next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, and_, func, select, update

from guzheng.accounts.acting import Acting
from guzheng.accounts.hook_tables import ATTEMPT, DELIVERY, MESSAGE
from guzheng.accounts.hooks import Endpoint, Hooks, end, endpoint_in
from guzheng.accounts.members import append
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.records import insert_missing, reading, writing

WAITS: Final = tuple(
    timedelta(seconds=one) for one in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
MOST_TRIES: Final = len(WAITS) + 1
DISABLED_AFTER: Final = timedelta(days=5)
_TAKEN_FOR: Final = timedelta(minutes=5)  # then whoever took it has died
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is to be sent now, to whom, and for which time."""

    message: str
    endpoint: Endpoint
    body: bytes
    number: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: the status that came, or the code of why none did."""

    message: str
    kind: str
    number: int
    status: int
    code: str
    milliseconds: int
    observed_at: datetime

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


class Deliveries:
    """What each endpoint of an installation was sent, and will be."""

    def __init__(
        self,
        engine: Engine,
        entropy: Callable[[int], bytes],
        hooks: Hooks,
        tries: int = MOST_TRIES,
    ) -> None:
        self._engine, self._entropy, self._hooks = engine, entropy, hooks
        self._tries = min(tries, MOST_TRIES)

    def take(
        self,
        now: datetime,
        *,
        message: str = "",
        endpoint: str = "",
        spared: frozenset[str] = frozenset(),
    ) -> Due | None:
        """One that is due, and nobody else's for some minutes; None when none is. `spared`:
        endpoints that are not asked now."""
        at = instant.encode(now)
        wanted = select(DELIVERY).where(DELIVERY.c.due_at != "", DELIVERY.c.due_at <= at)
        if spared:
            wanted = wanted.where(DELIVERY.c.endpoint.not_in(spared))
        if message:
            wanted = wanted.where(DELIVERY.c.message == message)
        if endpoint:
            wanted = wanted.where(DELIVERY.c.endpoint == endpoint)
        with writing(self._engine) as connection:
            while row := connection.execute(wanted.order_by(DELIVERY.c.due_at)).first():
                mine = _of(row.message, row.endpoint)
                told = endpoint_in(connection, row.endpoint)
                if told.ended:
                    given_up = update(DELIVERY).where(mine)
                    connection.execute(given_up.values(due_at="", outcome="given-up"))
                    continue
                again = instant.encode(now + _TAKEN_FOR)
                connection.execute(
                    update(DELIVERY).where(mine).values(due_at=again, tries=row.tries + 1)
                )
                body = select(MESSAGE.c.body).where(MESSAGE.c.message == row.message)
                octets = connection.execute(body).scalar_one().encode()
                return Due(row.message, told, octets, row.tries + 1)
        return None

    def settle(
        self, due: Due, status: int, code: str, milliseconds: int, now: datetime
    ) -> bool:
        """Note how it went and when it is tried again; True when that disabled the endpoint."""
        taken, name = 200 <= status < 300, due.endpoint.endpoint
        row = {
            "endpoint": name,
            "message": due.message,
            "number": due.number,
            "status": status,
            "code": code,
            "milliseconds": milliseconds,
            "observed_at": instant.encode(now),
        }
        over = taken or due.number >= self._tries
        due_at = "" if over else instant.encode(now + self._wait(due.number))
        outcome = "delivered" if taken else "given-up" if over else "waiting"
        with writing(self._engine) as connection:
            insert_missing(connection, ATTEMPT, row)
            done = update(DELIVERY).where(_of(due.message, name))
            connection.execute(done.values(due_at=due_at, outcome=outcome))
            if taken or not (status == _GONE or _is_dead(connection, due.endpoint, now)):
                return False
            if not end(connection, name, "disabled", now):
                return False
            by = Acting(due.endpoint.account, "", frozenset(), by="platform")
            append(connection, by, "webhook-disabled", now, said=name)
            return True

    def _wait(self, number: int) -> timedelta:
        """So long until the next try, a tenth more or less: not all at the same moment."""
        chance = int.from_bytes(self._entropy(2), "big") / 65535
        return WAITS[number - 1] * (0.9 + 0.2 * chance)

    def again(self, by: Acting, endpoint: str, message: str, now: datetime) -> None:
        """Send it once more, whatever became of it."""
        one = self._hooks.require(by.account, endpoint)
        if one.ended:
            raise Refused("webhooks.ended", expected="one that is told things", found=one.ended)
        due = update(DELIVERY).where(_of(message, endpoint))
        with writing(self._engine) as connection:
            due = due.values(due_at=instant.encode(now), outcome="waiting")
            if connection.execute(due).rowcount != 1:
                raise Refused("webhooks.not-found", expected="a message", found=message[:40])

    def attempts(self, endpoint: str, limit: int) -> tuple[Attempt, ...]:
        """Newest first."""
        wanted = (
            select(ATTEMPT, MESSAGE.c.kind)
            .join(MESSAGE, MESSAGE.c.message == ATTEMPT.c.message)
            .where(ATTEMPT.c.endpoint == endpoint)
            .order_by(ATTEMPT.c.observed_at.desc(), ATTEMPT.c.number.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return tuple(map(_attempt, connection.execute(wanted)))

    def waiting(self, endpoint: str) -> tuple[int, datetime | None]:
        """How many messages wait to be sent, and when the first is."""
        wanted = select(func.count(), func.min(DELIVERY.c.due_at)).where(
            DELIVERY.c.endpoint == endpoint, DELIVERY.c.due_at != ""
        )
        with reading(self._engine) as connection:
            count, first = connection.execute(wanted).one()
        return count, instant.parse(first) if first else None


def _of(message: str, endpoint: str) -> Any:
    return and_(DELIVERY.c.message == message, DELIVERY.c.endpoint == endpoint)


def _is_dead(connection: Connection, endpoint: Endpoint, now: datetime) -> bool:
    """Whether it took nothing for days, since it was made or last took something."""
    last = select(func.max(ATTEMPT.c.observed_at)).where(
        ATTEMPT.c.endpoint == endpoint.endpoint,
        ATTEMPT.c.status >= 200,
        ATTEMPT.c.status < 300,
    )
    taken_at = connection.execute(last).scalar_one_or_none()
    first = select(func.min(ATTEMPT.c.observed_at)).where(
        ATTEMPT.c.endpoint == endpoint.endpoint, ATTEMPT.c.observed_at > (taken_at or "")
    )
    failing_since = connection.execute(first).scalar_one_or_none()
    return failing_since is not None and now - instant.parse(failing_since) >= DISABLED_AFTER


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        row.message,
        row.kind,
        row.number,
        row.status,
        row.code,
        row.milliseconds,
        instant.parse(row.observed_at),
    )
