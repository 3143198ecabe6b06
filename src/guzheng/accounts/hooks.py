"""Webhooks: an account's programs are told of finished work, at least once, for some days.

A message is durable before it is sent, and is sent again until the other side says 2xx: after
5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and 24 hours, as Standard Webhooks proposes. An endpoint
that took nothing for five days, or that answers 410, is disabled. Who tries is settled in the
table: whoever takes a delivery moves the time at which it is due again, so that two programs do
not send at once, and one that dies leaves it to the next.

Signing and sending are `calling`; what is said of a message is in docs/api.md.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, and_, func, insert, select, update

from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.hook_tables import (
    ATTEMPT,
    DELIVERY,
    ENDPOINT,
    ENDPOINT_END,
    MESSAGE,
    create,
)
from guzheng.accounts.members import append, require_standing
from guzheng.accounts.sealing import Sealing
from guzheng.proof import canonical, instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import insert_missing, reading, writing

PREFIX: Final = "we"
MESSAGE_PREFIX: Final = "wm"
SECRET_PREFIX: Final = "whsec_"
TEST: Final = "webhook.test"
KINDS: Final = ("exhibit.certified", "capture.failed", "order.confirmed", "share.opened")
WAITS: Final = tuple(
    timedelta(seconds=one) for one in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
DISABLED_AFTER: Final = timedelta(days=5)
_TAKEN_FOR: Final = timedelta(minutes=5)  # then whoever took it has died
_SECRET_OCTETS: Final = 32
_LARGEST: Final = 10  # endpoints of an account
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Endpoint:
    endpoint: str
    account: str
    url: str
    kinds: tuple[str, ...]
    by_person: str
    made_at: datetime
    ended: str = ""  # removed, disabled


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


class Hooks:
    """Every endpoint of an installation, and what each was and will be told."""

    def __init__(
        self, engine: Engine, entropy: Callable[[int], bytes], sealing: Sealing
    ) -> None:
        self._engine, self._entropy, self._sealing = engine, entropy, sealing
        with writing(engine) as connection:
            create(connection)

    # ---- endpoints -------------------------------------------------------------------

    def add(
        self, by: Acting, url: str, kinds: frozenset[str], now: datetime
    ) -> tuple[Endpoint, str]:
        """The endpoint, and the secret that its messages are signed with."""
        if not kinds or not kinds <= set(KINDS):
            raise Refused("webhooks.kinds-refused", expected=" ".join(KINDS), found="others")
        octets = self._entropy(_SECRET_OCTETS)
        made = Endpoint(
            ids.new(PREFIX, now, self._entropy),
            by.account,
            url,
            tuple(one for one in KINDS if one in kinds),
            by.person,
            now,
        )
        row = {
            "endpoint": made.endpoint,
            "account": made.account,
            "url": url,
            "kinds": " ".join(made.kinds),
            "secret": self._sealing.sealed(octets, made.endpoint),
            "by_person": by.person,
            "made_at": instant.encode(now),
        }
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            active = [one for one in _endpoints(connection, by.account) if not one.ended]
            if len(active) >= _LARGEST:
                raise Refused(
                    "webhooks.too-many", expected=f"≤ {_LARGEST}", found=str(len(active))
                )
            connection.execute(insert(ENDPOINT), row)
            append(connection, by, "webhook-made", now, said=made.endpoint)
        return made, SECRET_PREFIX + base64.b64encode(octets).decode()

    def of(self, account: str) -> tuple[Endpoint, ...]:
        """Newest first, with those that ended."""
        with reading(self._engine) as connection:
            return _endpoints(connection, account)

    def require(self, account: str, endpoint: str) -> Endpoint:
        found = next((one for one in self.of(account) if one.endpoint == endpoint), None)
        if found is None:
            raise Refused(
                "webhooks.not-found",
                expected="a webhook of this account",
                found=repr(endpoint[:40]),
            )
        return found

    def account_of(self, endpoint: str) -> str | None:
        with reading(self._engine) as connection:
            wanted = select(ENDPOINT.c.account).where(ENDPOINT.c.endpoint == endpoint)
            return connection.execute(wanted).scalar_one_or_none()

    def key_of(self, endpoint: str) -> bytes:
        """What its messages are signed with."""
        wanted = select(ENDPOINT.c.secret).where(ENDPOINT.c.endpoint == endpoint)
        with reading(self._engine) as connection:
            sealed: str = connection.execute(wanted).scalar_one()
        return self._sealing.opened(sealed, endpoint)

    def remove(self, by: Acting, endpoint: str, now: datetime) -> None:
        """It is told nothing any more; removed twice, it happened once."""
        self.require(by.account, endpoint)
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            if _end(connection, endpoint, "removed", now):
                append(connection, by, "webhook-removed", now, said=endpoint)

    # ---- what is told ----------------------------------------------------------------

    def wanted(self) -> bool:
        """Whether anybody is to be told of anything."""
        ended = select(ENDPOINT_END.c.endpoint)
        some = select(ENDPOINT.c.endpoint).where(ENDPOINT.c.endpoint.not_in(ended)).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(some).first() is not None

    def tell(
        self, account: str, kind: str, subject: str, members: Mapping[str, str], now: datetime
    ) -> None:
        """Durable when this returns, for each endpoint that wants it; told twice, it is one."""
        with reading(self._engine) as connection:  # most of the time there is nothing to do
            if not _untold(connection, account, kind, subject):
                return
        with writing(self._engine) as connection:
            if those := _untold(connection, account, kind, subject):
                self._enter(connection, those, kind, subject, members, now)

    def test(self, by: Acting, endpoint: str, now: datetime) -> str:
        """A message of no meaning, to this endpoint alone; its id."""
        one = self.require(by.account, endpoint)
        if one.ended:
            raise Refused("webhooks.ended", expected="one that is told things", found=one.ended)
        subject = ids.new("wt", now, self._entropy)
        with writing(self._engine) as connection:
            return self._enter(connection, [one], TEST, subject, {"test": subject}, now)

    def _enter(
        self,
        connection: Connection,
        those: Sequence[Endpoint],
        kind: str,
        subject: str,
        members: Mapping[str, str],
        now: datetime,
    ) -> str:
        name = ids.new(MESSAGE_PREFIX, now, self._entropy)
        at = instant.encode(now)
        body = canonical.encode({"type": kind, "timestamp": at, "data": dict(members)})
        row = {
            "message": name,
            "account": those[0].account,
            "kind": kind,
            "subject": subject,
            "body": body.decode(),
            "made_at": at,
        }
        connection.execute(insert(MESSAGE), row)
        for one in those:
            connection.execute(
                insert(DELIVERY),
                {
                    "message": name,
                    "endpoint": one.endpoint,
                    "tries": 0,
                    "due_at": at,
                    "outcome": "waiting",
                },
            )
        return name

    # ---- sending ---------------------------------------------------------------------

    def take(
        self, now: datetime, *, message: str = "", spared: frozenset[str] = frozenset()
    ) -> Due | None:
        """One that is due, and nobody else's for some minutes; None when none is. `spared`:
        endpoints that are not asked now."""
        at = instant.encode(now)
        wanted = select(DELIVERY).where(DELIVERY.c.due_at != "", DELIVERY.c.due_at <= at)
        if spared:
            wanted = wanted.where(DELIVERY.c.endpoint.not_in(spared))
        if message:
            wanted = wanted.where(DELIVERY.c.message == message)
        with writing(self._engine) as connection:
            while row := connection.execute(wanted.order_by(DELIVERY.c.due_at)).first():
                mine = _of(row.message, row.endpoint)
                endpoint = _endpoint(connection, row.endpoint)
                if endpoint.ended:
                    given_up = update(DELIVERY).where(mine)
                    connection.execute(given_up.values(due_at="", outcome="given-up"))
                    continue
                again = instant.encode(now + _TAKEN_FOR)
                connection.execute(
                    update(DELIVERY).where(mine).values(due_at=again, tries=row.tries + 1)
                )
                body = select(MESSAGE.c.body).where(MESSAGE.c.message == row.message)
                octets = connection.execute(body).scalar_one().encode()
                return Due(row.message, endpoint, octets, row.tries + 1)
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
        over = taken or due.number > len(WAITS)
        due_at = "" if over else instant.encode(now + self._wait(due.number))
        outcome = "delivered" if taken else "given-up" if over else "waiting"
        with writing(self._engine) as connection:
            insert_missing(connection, ATTEMPT, row)
            done = update(DELIVERY).where(_of(due.message, name))
            connection.execute(done.values(due_at=due_at, outcome=outcome))
            if taken or not (status == _GONE or _is_dead(connection, due.endpoint, now)):
                return False
            if not _end(connection, name, "disabled", now):
                return False
            by = Acting(due.endpoint.account, "", frozenset(), by="seat")
            append(connection, by, "webhook-disabled", now, said=name)
            return True

    def _wait(self, number: int) -> timedelta:
        """So long until the next try, a tenth more or less: not all at the same moment."""
        chance = int.from_bytes(self._entropy(2), "big") / 65535
        return WAITS[number - 1] * (0.9 + 0.2 * chance)

    def again(self, by: Acting, endpoint: str, message: str, now: datetime) -> None:
        """Send it once more, whatever became of it."""
        one = self.require(by.account, endpoint)
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


def _untold(
    connection: Connection, account: str, kind: str, subject: str
) -> tuple[Endpoint, ...]:
    """Who wants to be told of this; nobody, when it was told before."""
    wanted = select(MESSAGE.c.message).where(
        MESSAGE.c.account == account, MESSAGE.c.kind == kind, MESSAGE.c.subject == subject
    )
    if connection.execute(wanted).first() is not None:
        return ()
    those = _endpoints(connection, account)
    return tuple(one for one in those if not one.ended and kind in one.kinds)


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


def _end(connection: Connection, endpoint: str, kind: str, now: datetime) -> bool:
    row = {"endpoint": endpoint, "kind": kind, "observed_at": instant.encode(now)}
    return insert_missing(connection, ENDPOINT_END, row)


_WHOLE = select(ENDPOINT, ENDPOINT_END.c.kind).select_from(
    ENDPOINT.outerjoin(ENDPOINT_END, ENDPOINT.c.endpoint == ENDPOINT_END.c.endpoint)
)


def _endpoints(connection: Connection, account: str) -> tuple[Endpoint, ...]:
    wanted = _WHOLE.where(ENDPOINT.c.account == account)
    rows = connection.execute(wanted.order_by(ENDPOINT.c.endpoint.desc()))
    return tuple(map(_endpoint_of, rows))


def _endpoint(connection: Connection, endpoint: str) -> Endpoint:
    return _endpoint_of(connection.execute(_WHOLE.where(ENDPOINT.c.endpoint == endpoint)).one())


def _endpoint_of(row: Row[Any]) -> Endpoint:
    return Endpoint(
        row.endpoint,
        row.account,
        row.url,
        tuple(row.kinds.split()),
        row.by_person,
        instant.parse(row.made_at),
        row.kind or "",
    )


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
