"""Shares kept: what was shared, and every access. Rows are only ever added.

A wrong code is counted in the transaction that asks whether there are tries left, before it is
compared: so any number of guesses at once are as many as one after the other.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    MetaData,
    Row,
    Table,
    Text,
    func,
    insert,
    select,
)

from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.sharing import rules
from guzheng.sharing.rules import Access, Share, Visitor
from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column
from guzheng.store.records import insert_missing, reading, writing

MOST_LOGGED = 10_000  # lines of one share: a flood of openings must not fill the disk
_METADATA = MetaData()

_SHARE = Table(
    "share",
    _METADATA,
    text_column("share", key=True),
    text_column("account"),
    text_column("person"),
    text_column("claimed_title"),
    Column("with_package", NUMBER, nullable=False),
    Column("link_sha256", Text, nullable=False, unique=True),
    text_column("code_scrypt"),
    text_column("made_at"),
    text_column("expires_at"),
    Index("share_of_account", "account", "share"),
    sqlite_strict=True,
)
_SHARED = Table(
    "share_exhibit",
    _METADATA,
    text_column("share", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("exhibit"),
    Index("share_of_exhibit", "exhibit"),
    sqlite_strict=True,
)
_REVOKED = Table(
    "share_revoked",
    _METADATA,
    text_column("share", key=True),
    text_column("person"),
    text_column("observed_at"),
    sqlite_strict=True,
)
_ACCESS = Table(
    "share_access",
    _METADATA,
    text_column("share", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("observed_at"),
    text_column("kind"),
    text_column("what"),
    text_column("observed_address"),
    text_column("claimed_agent"),
    sqlite_strict=True,
)
# Who gave the right code carries a secret of his own for some hours.
_PASS = Table(
    "share_pass",
    _METADATA,
    text_column("secret_sha256", key=True),
    text_column("share"),
    text_column("until_at"),
    sqlite_strict=True,
)


@dataclass(frozen=True, slots=True)
class Counted:
    """How often a share was opened, and how many files were fetched."""

    opened: int = 0
    fetched: int = 0
    last_at: datetime | None = None


class Shares:
    """Every share of an installation; may be used by threads and programs at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            create_tables(connection, (_SHARE, _SHARED, _REVOKED, _ACCESS, _PASS))

    # ---- the owner's -----------------------------------------------------------------

    def add(self, share: Share) -> bool:
        """Whether it was added: under one name a second time it was not."""
        row = {
            "share": share.share,
            "account": share.account,
            "person": share.person,
            "claimed_title": share.claimed_title,
            "with_package": int(share.with_package),
            "link_sha256": share.link_sha256,
            "code_scrypt": share.code_scrypt,
            "made_at": instant.encode(share.made_at),
            "expires_at": instant.encode(share.expires_at),
        }
        with writing(self._engine) as connection:
            if not insert_missing(connection, _SHARE, row):
                return False
            connection.execute(
                insert(_SHARED),
                [
                    {"share": share.share, "number": number, "exhibit": exhibit}
                    for number, exhibit in enumerate(share.exhibits)
                ],
            )
        return True

    def revoke(self, share: str, person: str, now: datetime) -> None:
        """For good; twice is once."""
        row = {"share": share, "person": person, "observed_at": instant.encode(now)}
        with writing(self._engine) as connection:
            insert_missing(connection, _REVOKED, row)

    def find(self, share: str) -> Share | None:
        with reading(self._engine) as connection:
            return _one(connection, _SHARE.c.share == share)

    def require(self, share: str) -> Share:
        found = self.find(share)
        if found is None:
            raise Refused("sharing.not-found", expected="sh_…", found=repr(share[:40]))
        return found

    def page(self, account: str, most: int, before: str | None = None) -> tuple[Share, ...]:
        """Newest first; `before`: the last one already seen."""
        asked = (
            select(_SHARE)
            .where(_SHARE.c.account == account)
            .order_by(_SHARE.c.share.desc())
            .limit(most)
        )
        if before is not None:
            asked = asked.where(_SHARE.c.share < before)
        with reading(self._engine) as connection:
            return tuple(_share(connection, row) for row in connection.execute(asked).all())

    def of_exhibit(self, exhibit: str) -> tuple[Share, ...]:
        """Newest first."""
        asked = (
            select(_SHARE)
            .join(_SHARED, _SHARED.c.share == _SHARE.c.share)
            .where(_SHARED.c.exhibit == exhibit)
            .order_by(_SHARE.c.share.desc())
            .limit(50)
        )
        with reading(self._engine) as connection:
            return tuple(_share(connection, row) for row in connection.execute(asked).all())

    def log(self, share: str, most: int) -> tuple[Access, ...]:
        """Newest first."""
        asked = (
            select(_ACCESS)
            .where(_ACCESS.c.share == share)
            .order_by(_ACCESS.c.number.desc())
            .limit(most)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(asked).all()
        right = {row.what for row in rows if row.kind == rules.RIGHT_CODE}
        return tuple(
            Access(
                instant.parse(row.observed_at),
                row.kind,
                row.what if row.kind != rules.RIGHT_CODE else "",
                Visitor(row.observed_address, row.claimed_agent),
            )
            for row in rows
            if row.kind != rules.WRONG_CODE or str(row.number) not in right
        )

    def counts(self, shares: Collection[str]) -> dict[str, Counted]:
        asked = (
            select(
                _ACCESS.c.share,
                _ACCESS.c.kind,
                func.count().label("times"),
                func.max(_ACCESS.c.observed_at).label("last"),
            )
            .where(_ACCESS.c.share.in_(shares))
            .group_by(_ACCESS.c.share, _ACCESS.c.kind)
        )
        found: dict[str, Counted] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(asked):
                before = found.get(row.share, Counted())
                last = instant.parse(row.last)
                found[row.share] = Counted(
                    before.opened + (row.times if row.kind == rules.OPENED else 0),
                    before.fetched + (row.times if row.kind == rules.FETCHED else 0),
                    max(last, before.last_at) if before.last_at else last,
                )
        return found

    # ---- the visitor's ---------------------------------------------------------------

    def find_by_link(self, secret: str) -> Share | None:
        with reading(self._engine) as connection:
            return _one(connection, _SHARE.c.link_sha256 == rules.digest_of(secret))

    def wrong_codes(self, share: str) -> tuple[datetime, ...]:
        with reading(self._engine) as connection:
            return _wrong(connection, share)

    def note(self, share: str, access: Access) -> None:
        with writing(self._engine) as connection:
            _note(connection, share, access)

    def fetch_package(self, share: str, visitor: Visitor, now: datetime) -> None:
        """On the record before it is sent, and counted there: many at once are counted, too.
        Raises Refused when there were too many."""
        fetched = (_ACCESS.c.kind == rules.FETCHED) & (_ACCESS.c.what == rules.PACKAGE)
        asked = (
            select(_ACCESS.c.observed_at)
            .where(_ACCESS.c.share == share, fetched)
            .order_by(_ACCESS.c.number.desc())
            .limit(rules.PACKAGES)
        )
        with writing(self._engine) as connection:
            times = [instant.parse(one) for one in connection.execute(asked).scalars()]
            rules.require_packages_left(now, times[::-1])
            access = Access(now, rules.FETCHED, rules.PACKAGE, visitor)
            _note(connection, share, access, always=True)

    def try_code(self, share: Share, code: str, visitor: Visitor, now: datetime) -> bool:
        """Whether it is the code. The try is on the record before the code is looked at, and
        a try that was right is marked so after it. Raises Refused when there is none left."""
        tried = Access(now, rules.WRONG_CODE, "", visitor)
        with writing(self._engine) as connection:
            wrong = _wrong(connection, share.share)
            rules.require_open(share, now, wrong)
            rules.require_tries_left(now, wrong)
            number = _note(connection, share.share, tried, always=True)
        if not rules.is_code(code, share.code_scrypt):
            return False
        self.note_right(share.share, number, visitor, now)
        return True

    def note_right(self, share: str, number: int, visitor: Visitor, now: datetime) -> None:
        """That the try under this number was the right code."""
        right = Access(now, rules.RIGHT_CODE, str(number), visitor)
        with writing(self._engine) as connection:
            _note(connection, share, right, always=True)

    def let_in(self, share: str, until: datetime, entropy: Callable[[int], bytes]) -> str:
        """The secret that whoever gave the code carries."""
        secret = rules.new_secret(entropy)
        row = {
            "secret_sha256": rules.digest_of(secret),
            "share": share,
            "until_at": instant.encode(until),
        }
        with writing(self._engine) as connection:
            connection.execute(insert(_PASS).values(**row))
        return secret

    def is_let_in(self, share: str, secret: str, now: datetime) -> bool:
        asked = select(_PASS).where(_PASS.c.secret_sha256 == rules.digest_of(secret))
        with reading(self._engine) as connection:
            row = connection.execute(asked).first()
        return row is not None and row.share == share and now < instant.parse(row.until_at)


def _one(connection: Connection, condition: ColumnElement[bool]) -> Share | None:
    row = connection.execute(select(_SHARE).where(condition)).first()
    return None if row is None else _share(connection, row)


def _share(connection: Connection, row: Row[Any]) -> Share:
    exhibits = connection.execute(
        select(_SHARED.c.exhibit).where(_SHARED.c.share == row.share).order_by(_SHARED.c.number)
    ).scalars()
    revoked = connection.execute(
        select(_REVOKED.c.observed_at).where(_REVOKED.c.share == row.share)
    ).scalar()
    return Share(
        row.share,
        row.account,
        row.person,
        tuple(exhibits),
        row.claimed_title,
        bool(row.with_package),
        row.link_sha256,
        row.code_scrypt,
        instant.parse(row.made_at),
        instant.parse(row.expires_at),
        instant.parse(revoked) if revoked else None,
    )


def _wrong(connection: Connection, share: str) -> tuple[datetime, ...]:
    """When a code was tried that did not turn out right, oldest first."""
    asked = (
        select(_ACCESS)
        .where(
            _ACCESS.c.share == share, _ACCESS.c.kind.in_((rules.WRONG_CODE, rules.RIGHT_CODE))
        )
        .order_by(_ACCESS.c.number)
    )
    rows = connection.execute(asked).all()
    right = {row.what for row in rows if row.kind == rules.RIGHT_CODE}
    return tuple(
        instant.parse(row.observed_at)
        for row in rows
        if row.kind == rules.WRONG_CODE and str(row.number) not in right
    )


def _note(connection: Connection, share: str, access: Access, *, always: bool = False) -> int:
    last = connection.execute(
        select(func.max(_ACCESS.c.number)).where(_ACCESS.c.share == share)
    ).scalar()
    number = 0 if last is None else last + 1
    if number < MOST_LOGGED or always:
        row = {
            "share": share,
            "number": number,
            "observed_at": instant.encode(access.observed_at),
            "kind": access.kind,
            "what": access.what,
            "observed_address": access.visitor.observed_address,
            "claimed_agent": access.visitor.claimed_agent[: rules.LONGEST_AGENT],
        }
        connection.execute(insert(_ACCESS).values(**row))
    return number
