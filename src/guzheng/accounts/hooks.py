"""Webhooks: an account's programs are told of finished work, at least once, for some days.

A message is durable when `tell` returns, for each endpoint that wants its kind; the same news
told twice is one message. When it is sent, and again, is `deliveries`; signing and calling are
`calling`. A message names things and says nothing of them; docs/api.md has the kinds. A secret
can be rotated: for a day messages carry two signatures, as Standard Webhooks allows, so that
the receiver changes over when it suits him. So many endpoints of an account are in use at once,
and so many are made in a day: each stays on record, with all that it was told.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from guzheng.accounts.acting import Acting, Permission
from guzheng.accounts.hook_tables import (
    DELIVERY,
    ENDPOINT,
    ENDPOINT_END,
    MESSAGE,
    SEALED,
    SECRET,
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
KINDS: Final = (
    "exhibit.certified",
    "capture.failed",
    "exhibit.ended",
    "order.confirmed",
    "share.opened",
)
_SECRET_OCTETS: Final = 32
OVERLAP: Final = timedelta(hours=24)  # how long the secret before signs too
_DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Measure:
    """How many endpoints an account may have in use, and make in a day."""

    most: int = 10
    daily: int = 30


@dataclass(frozen=True, slots=True)
class Endpoint:
    endpoint: str
    account: str
    url: str
    kinds: tuple[str, ...]
    by_person: str
    made_at: datetime
    ended: str = ""  # removed, disabled


class Hooks:
    """Every endpoint of an installation, and what each was and will be told."""

    def __init__(
        self,
        engine: Engine,
        entropy: Callable[[int], bytes],
        sealing: Sealing,
        measure: Measure = Measure(),
    ) -> None:
        self._engine, self._entropy, self._sealing = engine, entropy, sealing
        self._measure = measure
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
            "secret": "",
            "by_person": by.person,
            "made_at": instant.encode(now),
        }
        kept = self._kept(made.endpoint, 0, octets)
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            _require_room(connection, by.account, self._measure, now)
            connection.execute(insert(ENDPOINT), row)
            connection.execute(insert(SEALED), kept)
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

    def keys_of(self, endpoint: str, now: datetime) -> tuple[bytes, ...]:
        """What its messages are signed with now, the newest first: one, or two for a time."""
        first = select(ENDPOINT.c.secret).where(ENDPOINT.c.endpoint == endpoint)
        later = select(SECRET).where(SECRET.c.endpoint == endpoint)
        lying = select(SEALED.c.number, SEALED.c.secret).where(SEALED.c.endpoint == endpoint)
        with reading(self._engine) as connection:
            sealed = {0: connection.execute(first).scalar_one()}
            rows = connection.execute(later.order_by(SECRET.c.number)).all()
            below = {row.number: row.secret for row in connection.execute(lying)}
        sealed |= {row.number: row.secret for row in rows} | below
        if not all(sealed.values()):
            raise Refused("webhooks.ended", expected="one that is told things", found="ended")
        fresh = bool(rows) and now - instant.parse(rows[-1].made_at) < OVERLAP
        signing = sorted(sealed.items())[-2 if fresh else -1 :]
        return tuple(
            self._sealing.opened(secret, place_of(endpoint, number))
            for number, secret in reversed(signing)
        )

    def _kept(self, endpoint: str, number: int, octets: bytes) -> dict[str, object]:
        secret = self._sealing.sealed(octets, place_of(endpoint, number))
        return {"endpoint": endpoint, "number": number, "secret": secret}

    def rotate(self, by: Acting, endpoint: str, now: datetime) -> str:
        """Another secret, told this once; the one before signs too for a day. Refused while two
        do: the one that the receiver knows must not stop before he knows the next."""
        one = self.require(by.account, endpoint)
        if one.ended:
            raise Refused("webhooks.ended", expected="one that is told things", found=one.ended)
        octets = self._entropy(_SECRET_OCTETS)
        wanted = select(SECRET).where(SECRET.c.endpoint == endpoint)
        wanted = wanted.order_by(SECRET.c.number.desc()).limit(1)
        with reading(self._engine) as connection:
            before = connection.execute(wanted).first()
        number = (before.number if before is not None else 0) + 1
        kept = self._kept(endpoint, number, octets)  # may enter a key, which is a write
        row = {
            "endpoint": endpoint,
            "number": number,
            "secret": "",
            "made_at": instant.encode(now),
        }
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            latest = connection.execute(wanted).first()  # whoever was first did so a moment ago
            if latest is not None and now - instant.parse(latest.made_at) < OVERLAP:
                raise Refused(
                    "webhooks.rotated-lately",
                    expected=instant.beijing(instant.parse(latest.made_at) + OVERLAP),
                    found=instant.beijing(now),
                    act="wait until the former secret has ended, or remove the webhook",
                )
            connection.execute(insert(SECRET), row)
            connection.execute(insert(SEALED), kept)
            append(connection, by, "webhook-rotated", now, said=endpoint)
        return SECRET_PREFIX + base64.b64encode(octets).decode()

    def remove(self, by: Acting, endpoint: str, now: datetime) -> None:
        """It is told nothing any more; removed twice, it happened once."""
        self.require(by.account, endpoint)
        with writing(self._engine) as connection:
            require_standing(connection, by, Permission.MEMBERS)
            if end(connection, endpoint, "removed", now):
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


def _require_room(
    connection: Connection, account: str, measure: Measure, now: datetime
) -> None:
    active = sum(not one.ended for one in _endpoints(connection, account))
    if active >= measure.most:
        raise Refused("webhooks.too-many", expected=f"≤ {measure.most}", found=str(active))
    since = instant.encode(now - _DAY)
    lately = (ENDPOINT.c.account == account) & (ENDPOINT.c.made_at > since)
    wanted = select(func.count()).select_from(ENDPOINT).where(lately)
    made = connection.execute(wanted).scalar_one()
    if made >= measure.daily:
        raise Refused("webhooks.made-often", expected=f"≤ {measure.daily}", found=str(made))


def place_of(endpoint: str, number: int) -> str:
    """Where a secret is sealed to; it opens nowhere else."""
    return f"{endpoint} {number}" if number else endpoint


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


def end(connection: Connection, endpoint: str, kind: str, now: datetime) -> bool:
    """It is told nothing any more, and what signed is kept no longer."""
    row = {"endpoint": endpoint, "kind": kind, "observed_at": instant.encode(now)}
    connection.execute(delete(SEALED).where(SEALED.c.endpoint == endpoint))
    return insert_missing(connection, ENDPOINT_END, row)


_WHOLE = select(ENDPOINT, ENDPOINT_END.c.kind).select_from(
    ENDPOINT.outerjoin(ENDPOINT_END, ENDPOINT.c.endpoint == ENDPOINT_END.c.endpoint)
)


def _endpoints(connection: Connection, account: str) -> tuple[Endpoint, ...]:
    wanted = _WHOLE.where(ENDPOINT.c.account == account)
    rows = connection.execute(wanted.order_by(ENDPOINT.c.endpoint.desc()))
    return tuple(map(_endpoint_of, rows))


def endpoint_in(connection: Connection, endpoint: str) -> Endpoint:
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
