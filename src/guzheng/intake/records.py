"""The index of exhibits: what lists and workers ask, and nothing that papers do not say.

Two tables, both made again by `rebuild`: `exhibit`, a line for each, and `unfinished`, the
names of those that may still lack a paper. Neither is ever asked what is true.

A line also has a listing (SHA256SUMS) of what its folder held: of the order and what came in
with it, and once the road is walked of every file. fsck compares, so that the file that was
altered is named and not the papers that refer to it. A digest over the line shows when it is
the line that was altered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy import update as change

from guzheng.intake import catalogue, fingerprints, heldup
from guzheng.intake.order import PAPER, Order
from guzheng.proof import canonical, instant, package
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError
from guzheng.store import tables
from guzheng.store.records import insert_missing, reading, writing

_tables = MetaData()
_exhibit = Table(
    "exhibit",
    _tables,
    Column("exhibit", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("claimed_name", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    Column("listing", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of the other columns
    sqlite_strict=True,
)
_unfinished = Table(
    "unfinished", _tables, Column("exhibit", Text, primary_key=True), sqlite_strict=True
)
_AT_ONCE = 200  # lines that one statement writes
_MOST = 50  # exhibits shown for one file
_SAID = ("exhibit", "kind", "claimed_name", "observed_at", "listing")


@dataclass(frozen=True, slots=True)
class Line:
    """What a list shows of an exhibit before its papers are looked at."""

    exhibit: str
    kind: str
    claimed_name: str
    observed_at: datetime


@dataclass(frozen=True, slots=True)
class Walked:
    """An exhibit as `rebuild` finds it: its order, its listing, whether a paper is missing."""

    order: Order
    listing: bytes
    finished: bool


class ExhibitIndex:
    """Derived; losing it loses nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            unknown = not tables.is_there(connection, fingerprints.FINGERPRINT)
            for some in (_tables, fingerprints.TABLES, heldup.TABLES):
                tables.make(connection, some.sorted_tables)
            if unknown:  # made by a version that had none
                for row in connection.execute(select(_exhibit)).all():
                    _enter_listed(connection, row)
            self._list_unlisted(connection)

    @property
    def engine(self) -> Engine:
        """For `catalogue`, which lists and searches."""
        return self._engine

    def _list_unlisted(self, connection: Connection) -> None:
        """Lines of a version that had no catalogue; `rebuild` knows their addresses too."""
        unlisted = not tables.is_there(connection, catalogue.CATALOGUE)
        catalogue.create(connection)
        if not unlisted:
            return
        going = set(connection.execute(select(_unfinished)).scalars())
        for row in connection.execute(select(_exhibit)).all():
            if _is_whole(row):
                listing = package.parse_listing(row.listing.encode())
                order = Order(
                    row.exhibit,
                    row.kind,
                    row.claimed_name,
                    _instant(row.observed_at),
                    b"",
                    url=None,
                )
                ended = row.exhibit not in going
                catalogue.enter(connection, [catalogue.Entered(order, listing, ended)])

    def add(self, order: Order) -> None:
        """A line, and unfinished; nothing when there is one already."""
        with writing(self._engine) as connection:
            line = _line_of(order, listing_at_first(order))
            if insert_missing(connection, _exhibit, line):
                name = {"exhibit": order.exhibit}
                insert_missing(connection, _unfinished, name)
                _enter(connection, [Walked(order, listing_at_first(order), finished=False)])

    def finish(self, order: Order, listing: bytes) -> None:
        """Nothing is missing any more. The first listing stands: a later one proves less."""
        with writing(self._engine) as connection:
            done = connection.execute(
                delete(_unfinished).where(_unfinished.c.exhibit == order.exhibit)
            )
            heldup.leave(connection, order.exhibit)
            if done.rowcount:
                connection.execute(
                    change(_exhibit).where(_exhibit.c.exhibit == order.exhibit),
                    _line_of(order, listing),
                )
                _enter(connection, [Walked(order, listing, finished=True)])

    def forget(self, exhibit: str) -> None:
        """An intake that was never acknowledged."""
        with writing(self._engine) as connection:
            _leave(connection, [exhibit])

    def keep_original(self, exhibit: str) -> None:
        """The original of a hash-only deposit lies beside it now."""
        with writing(self._engine) as connection:
            catalogue.keep_original(connection, exhibit)

    def unfinished(self) -> tuple[str, ...]:
        """Oldest first."""
        with reading(self._engine) as connection:
            return tuple(
                connection.execute(
                    select(_unfinished).order_by(_unfinished.c.exhibit)
                ).scalars()
            )

    def page(
        self, limit: int, before: str | None = None, *, account: str | None = None
    ) -> tuple[Line, ...]:
        """Newest first, of this account or of all; ids sort by time."""
        name = _exhibit.c.exhibit if account is None else catalogue.CATALOGUE.c.exhibit
        wanted = select(_exhibit).order_by(name.desc()).limit(limit)
        if account is not None:
            wanted = wanted.join(
                catalogue.CATALOGUE, catalogue.CATALOGUE.c.exhibit == _exhibit.c.exhibit
            ).where(catalogue.CATALOGUE.c.account == account)
        if before is not None:
            wanted = wanted.where(name < before)
        with reading(self._engine) as connection:
            rows = connection.execute(wanted).all()
        return tuple(
            Line(row.exhibit, row.kind, row.claimed_name, _instant(row.observed_at))
            for row in rows
        )

    def owner(self, exhibit: str) -> str | None:
        """The account that it is listed under; None when it is not listed."""
        line = catalogue.CATALOGUE.c
        with reading(self._engine) as connection:
            return connection.execute(
                select(line.account).where(line.exhibit == exhibit)
            ).scalar_one_or_none()

    def count(self) -> int:
        with reading(self._engine) as connection:
            return connection.execute(select(func.count()).select_from(_exhibit)).scalar_one()

    def names(self) -> frozenset[str]:
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(_exhibit.c.exhibit)).scalars())

    def listing_of(self, exhibit: str) -> Mapping[str, Digest] | None:
        """What its folder held; None when there is no line, or the line was altered."""
        with reading(self._engine) as connection:
            row = connection.execute(
                select(_exhibit).where(_exhibit.c.exhibit == exhibit)
            ).one_or_none()
        if row is None or not _is_whole(row):
            return None
        return package.parse_listing(row.listing.encode())

    def with_file(self, digest: Digest) -> tuple[str, ...]:
        """Exhibits that have this file, oldest first."""
        with reading(self._engine) as connection:
            return fingerprints.exhibits_beginning(connection, digest.hex, _MOST)

    def numbered(self, number: str) -> tuple[str, ...]:
        """Exhibits whose certificate may have this number; their papers say which has."""
        digits = fingerprints.beginning_of(number)
        with reading(self._engine) as connection:
            return fingerprints.exhibits_beginning(connection, digits, _MOST)

    def altered(self) -> tuple[str, ...]:
        """What cannot be as it was written: the names in lines, or what stands there."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_exhibit).order_by(_exhibit.c.exhibit)).all()
            waiting = set(connection.execute(select(_unfinished)).scalars())
            found = {
                one.exhibit: fingerprints.of_exhibit(connection, one.exhibit) for one in rows
            }
        known = {row.exhibit for row in rows}
        return (
            *(
                row.exhibit
                for row in rows
                if not _is_whole(row) or not _listed(row) <= found[row.exhibit]
            ),
            *sorted(waiting - known),
        )

    def rebuild(self, walked: Iterable[Walked], lost: Iterable[str]) -> None:
        """Write the lines again from the papers; forget those that have none any more.

        In one step, and never a line that is in neither: it came in meanwhile."""
        with writing(self._engine) as connection:
            _leave(connection, list(lost))
            remaining = iter(walked)
            while some := list(islice(remaining, _AT_ONCE)):
                _leave_lines(connection, [one.order.exhibit for one in some])
                lines = [_line_of(one.order, one.listing) for one in some]
                connection.execute(insert(_exhibit), lines)
                _enter(connection, some)
                going = [{"exhibit": one.order.exhibit} for one in some if not one.finished]
                if going:
                    connection.execute(insert(_unfinished), going)


def listing_at_first(order: Order) -> bytes:
    """Of what is durable when a deposit is acknowledged."""
    digests = {PAPER: sha256(order.encode())}
    if order.kind == "deposit":
        digests |= {package.ITEMS + item.name: item.digests[0] for item in order.items}
    return package.encode_listing(digests)


def _enter(connection: Connection, walked: Sequence[Walked]) -> None:
    """Into what is found by files and by words."""
    entered = [
        catalogue.Entered(one.order, package.parse_listing(one.listing), one.finished)
        for one in walked
    ]
    files = {
        one.order.exhibit: [
            *(item.digests[0] for item in one.order.items),
            *one.listing.values(),
        ]
        for one in entered
    }
    fingerprints.enter(connection, files)
    catalogue.enter(connection, entered)


def _leave(connection: Connection, exhibits: Sequence[str]) -> None:
    for at in range(0, len(exhibits), _AT_ONCE):
        some = exhibits[at : at + _AT_ONCE]
        _leave_lines(connection, some)
        fingerprints.leave(connection, some)
        catalogue.leave(connection, some)


def _leave_lines(connection: Connection, exhibits: Sequence[str]) -> None:
    for table in (_exhibit, _unfinished):
        connection.execute(delete(table).where(table.c.exhibit.in_(exhibits)))


def _enter_listed(connection: Connection, row: Row[Any]) -> None:
    if _is_whole(row):
        digests = package.parse_listing(row.listing.encode()).values()
        fingerprints.enter(connection, {row.exhibit: digests})


def _listed(row: Row[Any]) -> frozenset[str]:
    digests = package.parse_listing(row.listing.encode()).values() if _is_whole(row) else ()
    return frozenset(one.hex for one in digests)


def _line_of(order: Order, listing: bytes) -> dict[str, str]:
    line = {
        "exhibit": order.exhibit,
        "kind": order.kind,
        "claimed_name": order.claimed_name,
        "observed_at": instant.encode(order.observed_at),
        "listing": listing.decode(),
    }
    return line | {"sha256": sha256(canonical.encode(line)).hex}


def _is_whole(row: Row[Any]) -> bool:
    said = {name: getattr(row, name) for name in _SAID}
    return str(row.sha256) == sha256(canonical.encode(said)).hex


def _instant(text: str) -> datetime:
    """An altered line must not keep a list from being shown; fsck names it."""
    try:
        return instant.parse(text)
    except ProofError:
        return instant.parse("1970-01-01T00:00:00.000Z")
