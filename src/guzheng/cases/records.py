"""Cases, kept: rows that are only ever added, on both engines. Rules are in `course`.

What is entered is judged against the case as it stands inside the same transaction, and writers
of this drawer take turns, so two who write at once cannot both be judged by the same state.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    Row,
    Table,
    func,
    insert,
    select,
)

from guzheng.cases import course, naming
from guzheng.cases.course import EXHIBIT, NUMBERED, PARTS, REMOVED, SET, Case, Entry, case_of
from guzheng.cases.values import Exhibited, Facts, Sequence, Stated
from guzheng.proof import canonical, instant
from guzheng.refusals import Refused
from guzheng.store import ids, tables
from guzheng.store.added import create_tables
from guzheng.store.columns import NUMBER, text_column
from guzheng.store.records import reading, writing

PREFIX = "ca"
METADATA = MetaData()

CASE = Table(
    "case_file",
    METADATA,
    text_column("case_id", key=True),
    text_column("account"),
    Index("case_of_account", "account", "case_id"),
    sqlite_strict=True,
)
ENTRY = Table(
    "case_entry",
    METADATA,
    text_column("case_id", key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    text_column("part"),
    text_column("subject"),
    text_column("act"),
    text_column("stated"),  # canonical JSON
    text_column("person"),
    text_column("observed_at"),
    Index("case_entry_of_subject", "part", "subject"),
    Index("case_entry_of_part", "case_id", "part", "number"),
    sqlite_strict=True,
)


def create(connection: Connection) -> None:
    """Make what is not there yet, and guard it: rows are only added."""
    create_tables(connection, (CASE, ENTRY))
    tables.make_indexes(connection, ENTRY)


@dataclass(frozen=True, slots=True)
class Hand:
    """Who writes, and when."""

    person: str
    observed_at: datetime


class Cases:
    """Every case of an installation. What may be asked for is the caller's to judge; here it
    is only who owns what."""

    def __init__(self, engine: Engine, words_of: naming.Words = str.split) -> None:
        self._engine, self._words_of = engine, words_of
        with writing(engine) as connection:
            create(connection)
            if tables.make(connection, naming.METADATA.sorted_tables):
                self._name_all(connection)

    # ---- in --------------------------------------------------------------------------

    def open(self, case: str, account: str, facts: Facts, hand: Hand) -> Case:
        """A new case; under a number that is taken already, that case as it stands."""
        ids.require_id(case, PREFIX)
        facts.require()
        with writing(self._engine) as connection:
            if (known := self._find(connection, case)) is None:
                connection.execute(insert(CASE), {"case_id": case, "account": account})
                self._append(connection, case, [(course.FACTS, "", SET, facts)], hand, 1)
                known = self._read(connection, case)
            elif known.account != account:
                raise _not_found(case)
            return known

    def set(
        self,
        case: str,
        part: str,
        subject: str,
        stated: Stated,
        hand: Hand,
        *,
        seen: int | None = None,
    ) -> str:
        """Enter it, unless it says so already; gives the subject, a new one for an empty."""

        def judged(known: Case) -> Iterable[_Line]:
            nonlocal subject
            if not subject and part in NUMBERED:
                subject = _next_subject(known, part)
            elif part in {EXHIBIT, *NUMBERED} and subject not in known.standing.get(part, {}):
                raise Refused("cases.not-there", expected=part, found=repr(subject[:60]))
            known.require_set(part, subject, stated, seen)
            there = known.standing.get(part, {}).get(subject)
            if there is None or there.stated != stated:
                yield part, subject, SET, stated

        self._enter(case, hand, judged)
        return subject

    def remove(self, case: str, part: str, subject: str, hand: Hand) -> None:
        """It is there no more, and can be put back; asked twice, it happens once."""

        def judged(known: Case) -> Iterable[_Line]:
            if subject in known.gone.get(part, {}):
                return
            yield part, subject, REMOVED, known.require_removed(part, subject).stated

        self._enter(case, hand, judged)

    def restore(self, case: str, part: str, subject: str, hand: Hand) -> None:
        """Put back what was removed, as it was."""

        def judged(known: Case) -> Iterable[_Line]:
            if subject in known.standing.get(part, {}):
                return
            entry = known.gone.get(part, {}).get(subject)
            if entry is None:
                raise Refused("cases.not-there", expected=part, found=repr(subject[:60]))
            known.require_set(part, subject, entry.stated, None)
            yield part, subject, SET, entry.stated

        self._enter(case, hand, judged)

    def link(self, case: str, exhibits: Iterable[str], hand: Hand) -> None:
        """Add these exhibits, all or none; those that are there stay as they are."""
        wanted = tuple(dict.fromkeys(exhibits))

        def judged(known: Case) -> Iterable[_Line]:
            room = course.MOST[EXHIBIT] - len(known.exhibits)
            fresh = [one for one in wanted if one not in known.exhibits]
            if len(fresh) > room:
                raise Refused(
                    "cases.too-many",
                    expected=f"at most {course.MOST[EXHIBIT]}: {EXHIBIT}",
                    found=f"{len(known.exhibits) + len(fresh)}",
                )
            for one in fresh:
                gone = known.gone.get(EXHIBIT, {}).get(one)
                stated = gone.stated if gone else Exhibited()  # as it was, when it comes back
                known.require_set(EXHIBIT, one, stated, None)
                yield EXHIBIT, one, SET, stated

        self._enter(case, hand, judged)

    def move(self, case: str, exhibit: str, place: int, hand: Hand) -> None:
        """Put an exhibit at this place of the order, counted from 0; beyond an end, there."""

        def judged(known: Case) -> Iterable[_Line]:
            names = list(known.exhibits)
            if exhibit not in names:
                raise Refused("cases.not-linked", expected=EXHIBIT, found=repr(exhibit[:40]))
            names.remove(exhibit)
            names.insert(max(0, place), exhibit)
            if names == list(known.exhibits):
                return
            known.require_set(course.ORDER, "", Sequence(tuple(names)), None)
            yield course.ORDER, "", SET, Sequence(tuple(names))

        self._enter(case, hand, judged)

    # ---- out -------------------------------------------------------------------------

    def require(self, case: str) -> Case:
        with reading(self._engine) as connection:
            return self._read(connection, case)

    def account_of(self, case: str) -> str:
        """Raises Refused when there is no such case."""
        account = None
        if ids.is_id(case):  # what is no id at all is not for every database to compare
            wanted = select(CASE.c.account).where(CASE.c.case_id == case)
            with reading(self._engine) as connection:
                account = connection.execute(wanted).scalar_one_or_none()
        if account is None:
            raise _not_found(case)
        return str(account)

    def page(self, account: str, limit: int, before: str | None = None) -> tuple[Case, ...]:
        """Newest first; ids sort by time."""
        wanted = select(CASE.c.case_id).where(CASE.c.account == account)
        if before is not None:
            wanted = wanted.where(CASE.c.case_id < ids.require_id(before, PREFIX))
        with reading(self._engine) as connection:
            found = connection.execute(wanted.order_by(CASE.c.case_id.desc()).limit(limit))
            return tuple(self._read(connection, one) for one in found.scalars().all())

    def named(self, account: str, most: int) -> tuple[tuple[str, Facts], ...]:
        """The newest cases of an account with their facts, and nothing else of them read."""
        newest = (
            select(CASE.c.case_id)
            .where(CASE.c.account == account)
            .order_by(CASE.c.case_id.desc())
            .limit(most)
            .subquery()
        )
        last = (
            select(newest.c.case_id, func.max(ENTRY.c.number).label("number"))
            .join(ENTRY, (ENTRY.c.case_id == newest.c.case_id) & (ENTRY.c.part == course.FACTS))
            .group_by(newest.c.case_id)
            .subquery()
        )
        wanted = (
            select(ENTRY)
            .join(
                last,
                (ENTRY.c.case_id == last.c.case_id) & (ENTRY.c.number == last.c.number),
            )
            .order_by(ENTRY.c.case_id.desc())
        )
        with reading(self._engine) as connection:
            found = [(row.case_id, _entry(row)) for row in connection.execute(wanted).all()]
        return tuple(
            (case, entry.stated) for case, entry in found if isinstance(entry.stated, Facts)
        )

    def called(self, account: str, terms: Collection[str], most: int) -> tuple[str, ...]:
        """The newest cases of an account in whose name, or number at a court, each of these
        begins a word."""
        if not terms:
            return ()
        with reading(self._engine) as connection:
            return naming.called(connection, account, terms, most)

    def exhibits_in(self, cases: Collection[str]) -> frozenset[str]:
        """The exhibits that are in any of these cases now."""
        line = ENTRY.c
        wanted = (
            select(line.case_id, line.subject, line.act)
            .where(line.case_id.in_(cases), line.part == EXHIBIT)
            .order_by(line.case_id, line.number)
        )
        with reading(self._engine) as connection:
            last = {(row.case_id, row.subject): row.act for row in connection.execute(wanted)}
        return frozenset(exhibit for (_, exhibit), act in last.items() if act == SET)

    def of_exhibit(self, exhibit: str, account: str | None = None) -> tuple[Case, ...]:
        """The cases that an exhibit is in now; of one account, or of all."""
        if not ids.is_id(exhibit):
            return ()
        wanted = (
            select(ENTRY.c.case_id)
            .where(ENTRY.c.part == EXHIBIT, ENTRY.c.subject == exhibit)
            .distinct()
            .order_by(ENTRY.c.case_id)
        )
        with reading(self._engine) as connection:
            found = [
                self._read(connection, one) for one in connection.execute(wanted).scalars()
            ]
        return tuple(
            one for one in found if exhibit in one.exhibits and account in {None, one.account}
        )

    def held(self, exhibit: str) -> bool:
        """Whether a legal hold forbids that this exhibit, or anything of it, is removed."""
        return any(one.hold is not None for one in self.of_exhibit(exhibit))

    # ---- rows ------------------------------------------------------------------------

    def _enter(
        self, case: str, hand: Hand, judged: Callable[[Case], Iterable["_Line"]]
    ) -> None:
        with writing(self._engine) as connection:
            known = self._read(connection, case)
            lines = list(judged(known))
            self._append(connection, case, lines, hand, known.entries[-1].number + 1)

    def _append(
        self,
        connection: Connection,
        case: str,
        lines: Collection["_Line"],
        hand: Hand,
        number: int,
    ) -> None:
        rows = [
            {
                "case_id": case,
                "number": number + place,
                "part": part,
                "subject": subject,
                "act": act,
                "stated": canonical.encode(stated.value()).decode(),
                "person": hand.person,
                "observed_at": instant.encode(hand.observed_at),
            }
            for place, (part, subject, act, stated) in enumerate(lines)
        ]
        if rows:
            connection.execute(insert(ENTRY), rows)
        for part, _, _, stated in lines:
            if part == course.FACTS and isinstance(stated, Facts):
                wanted = select(CASE.c.account).where(CASE.c.case_id == case)
                account = connection.execute(wanted).scalar_one()
                naming.enter(connection, case, account, stated, self._words_of)

    def _name_all(self, connection: Connection) -> None:
        """What cases of an earlier version are called."""
        for case, account in connection.execute(select(CASE.c.case_id, CASE.c.account)).all():
            facts = self._read(connection, case).facts
            naming.enter(connection, case, account, facts, self._words_of)

    def _find(self, connection: Connection, case: str) -> Case | None:
        account = connection.execute(
            select(CASE.c.account).where(CASE.c.case_id == case)
        ).scalar_one_or_none()
        if account is None:
            return None
        wanted = select(ENTRY).where(ENTRY.c.case_id == case).order_by(ENTRY.c.number)
        return case_of(case, account, map(_entry, connection.execute(wanted).all()))

    def _read(self, connection: Connection, case: str) -> Case:
        found = self._find(connection, case) if ids.is_id(case) else None
        if found is None:
            raise _not_found(case)
        return found


_Line = tuple[str, str, str, Stated]


def _entry(row: Row[Any]) -> Entry:
    # Rows of our own, and no evidence: a strict parser would be most of what a page costs.
    value: Mapping[str, object] = json.loads(row.stated)
    return Entry(
        row.number,
        row.part,
        row.subject,
        row.act,
        PARTS[row.part].read(value),
        row.person,
        instant.parse(row.observed_at),
    )


def _next_subject(known: Case, part: str) -> str:
    letter = NUMBERED[part]
    used = [one.subject for one in known.entries if one.part == part]
    return f"{letter}{max((int(one[1:]) for one in used), default=0) + 1}"


def _not_found(case: str) -> Refused:
    return Refused(
        "cases.not-found",
        expected="the number of a case of this account",
        found=f"none numbered {case[:40]!r}",
        act="check the number",
    )
