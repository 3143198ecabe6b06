"""Entitlements (权益): what was granted to an account, by whom, from where, until when.

A grant brings an edition, or units of quota, or both; it was bought, given or part of a
campaign (S2-012), and says so for ever: rows are only added, and an end before its time is a
row of its own, with a reason. What an account may do is what its default edition and its grants
in force have together. How many units are used is not here: the quota's one ledger has that
(`commission.units`), and takes the lots that are made from these grants.

Refuses: a grant of nothing, of an unknown edition, without source or reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    Row,
    Table,
    select,
)

from guzheng.accounts.editions import Edition
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column
from guzheng.store.records import insert_missing, reading, writing

GRANT_PREFIX: Final = "gr"
PURCHASE, GIFT, CAMPAIGN = "purchase", "gift", "campaign"
KINDS: Final = (PURCHASE, GIFT, CAMPAIGN)
MOST_UNITS: Final = 1_000_000_000
_LONGEST_TEXT: Final = 200
METADATA = MetaData()

GRANT = Table(
    "entitlement_grant",
    METADATA,
    text_column("grant_id", key=True),
    text_column("account"),
    text_column("edition"),  # empty: units alone
    text_column("kind"),
    text_column("source"),  # the number of an order, the name of a campaign, who gave it
    text_column("reason"),
    Column("units", NUMBER, nullable=True),  # null: no limit
    text_column("by_person"),
    text_column("granted_at"),
    text_column("starts_at"),
    text_column("expires_at"),  # empty: never
    Index("entitlement_of_account", "account", "grant_id"),
    sqlite_strict=True,
)
GRANT_END = Table(
    "entitlement_end",
    METADATA,
    text_column("grant_id", key=True),
    text_column("reason"),
    text_column("by_person"),
    text_column("observed_at"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it."""
    create_tables(connection, (GRANT, GRANT_END))


@dataclass(frozen=True, slots=True)
class Grant:
    """`units` None: no limit. `ended_at`: when it was ended before its time, and why."""

    grant: str
    account: str
    kind: str
    source: str
    reason: str
    granted_at: datetime
    starts_at: datetime
    edition: str = ""
    units: int | None = 0
    expires_at: datetime | None = None
    by_person: str = ""
    ended_at: datetime | None = None
    end_reason: str = ""

    def is_in_force(self, at: datetime) -> bool:
        over = [one for one in (self.expires_at, self.ended_at) if one is not None]
        return self.starts_at <= at and all(at < one for one in over)

    def require_sense(self, editions: Sequence[Edition]) -> None:
        known = [one.edition for one in editions]
        if self.kind not in KINDS:
            raise _nonsense(f"kind: {', '.join(KINDS)}", self.kind)
        if self.edition and self.edition not in known:
            raise _nonsense(f"edition: {', '.join(known)}", self.edition)
        if not self.edition and self.units == 0:
            raise _nonsense("an edition, or units", "neither")
        if self.units is not None and not 0 <= self.units <= MOST_UNITS:
            raise _nonsense(f"0 to {MOST_UNITS:,} units", str(self.units))
        if self.expires_at is not None and self.expires_at <= self.starts_at:
            raise _nonsense("an end after the beginning", instant.encode(self.expires_at))
        for name, text in (("source", self.source), ("reason", self.reason)):
            if not 2 <= len(text.strip()) <= _LONGEST_TEXT:
                raise _nonsense(f"{name}: 2 to {_LONGEST_TEXT} characters", str(len(text)))


def _nonsense(expected: str, found: str) -> Refused:
    return Refused("accounts.grant-refused", expected=expected, found=found[:80])


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account has at a moment: the highest edition, and the functions of them all."""

    edition: Edition
    functions: frozenset[str]
    in_force: tuple[Grant, ...]


def standing_of(
    grants: Sequence[Grant], editions: Sequence[Edition], default: str, at: datetime
) -> Standing:
    """A pure derivation; an edition that is in no file any more brings no function."""
    named = {one.edition: one for one in editions}
    in_force = tuple(one for one in grants if one.is_in_force(at))
    held = [named[default], *(named[one.edition] for one in in_force if one.edition in named)]
    return Standing(
        edition=max(held, key=lambda one: one.rank),
        functions=frozenset().union(*(one.functions for one in held)),
        in_force=in_force,
    )


class Entitlements:
    """The grants of an installation; may be shared by threads."""

    def __init__(
        self, engine: Engine, editions: Sequence[Edition], entropy: Callable[[int], bytes]
    ) -> None:
        self._engine, self._entropy = engine, entropy
        self.editions = tuple(editions)
        with writing(engine) as connection:
            create(connection)

    def new_token(self, now: datetime) -> str:
        """A number for a grant that a form is made for: asked twice, it is granted once."""
        return ids.new(GRANT_PREFIX, now, self._entropy)

    def add(self, grant: Grant) -> bool:
        """Whether it was granted now; False when it had been. Raises Refused."""
        grant.require_sense(self.editions)
        ids.require_id(grant.grant, GRANT_PREFIX)
        row = {
            "grant_id": grant.grant,
            "account": grant.account,
            "edition": grant.edition,
            "kind": grant.kind,
            "source": grant.source.strip(),
            "reason": grant.reason.strip(),
            "units": grant.units,
            "by_person": grant.by_person,
            "granted_at": instant.encode(grant.granted_at),
            "starts_at": instant.encode(grant.starts_at),
            "expires_at": instant.encode(grant.expires_at) if grant.expires_at else "",
        }
        with writing(self._engine) as connection:
            return insert_missing(connection, GRANT, row)

    def end(self, grant: str, reason: str, by_person: str, now: datetime) -> bool:
        """No further unit is taken from it, and its edition counts no more, from now on."""
        if not 2 <= len(reason.strip()) <= _LONGEST_TEXT:
            raise Refused(
                "accounts.reason-wanted",
                expected=f"a reason, 2 to {_LONGEST_TEXT} characters",
                found=str(len(reason.strip())),
            )
        self.require(grant)
        row = {
            "grant_id": grant,
            "reason": reason.strip(),
            "by_person": by_person,
            "observed_at": instant.encode(now),
        }
        with writing(self._engine) as connection:
            return insert_missing(connection, GRANT_END, row)

    def require(self, grant: str) -> Grant:
        found = self._all(GRANT.c.grant_id == grant)
        if not found:
            raise Refused("accounts.grant-not-found", expected="a grant", found=grant[:40])
        return found[0]

    def of_account(self, account: str) -> tuple[Grant, ...]:
        """Newest first."""
        return self._all(GRANT.c.account == account)

    def latest(self, limit: int, before: str | None = None) -> tuple[Grant, ...]:
        """Newest first; `before`: the last one already seen."""
        return self._all(None if before is None else GRANT.c.grant_id < before, limit)

    def _all(self, where: Any, limit: int | None = None) -> tuple[Grant, ...]:
        wanted = (
            select(GRANT, GRANT_END.c.observed_at, GRANT_END.c.reason.label("end_reason"))
            .outerjoin(GRANT_END, GRANT_END.c.grant_id == GRANT.c.grant_id)
            .order_by(GRANT.c.grant_id.desc())
            .limit(limit)
        )
        if where is not None:
            wanted = wanted.where(where)
        with reading(self._engine) as connection:
            return tuple(_grant(row) for row in connection.execute(wanted).all())


def _grant(row: Row[Any]) -> Grant:
    return Grant(
        grant=row.grant_id,
        account=row.account,
        kind=row.kind,
        source=row.source,
        reason=row.reason,
        granted_at=instant.parse(row.granted_at),
        starts_at=instant.parse(row.starts_at),
        edition=row.edition,
        units=row.units,
        expires_at=instant.parse(row.expires_at) if row.expires_at else None,
        by_person=row.by_person,
        ended_at=instant.parse(row.observed_at) if row.observed_at else None,
        end_reason=row.end_reason or "",
    )
