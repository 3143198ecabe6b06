"""Searching the catalogue: what to begin with decides what a search costs.

Newest first, a page at a time, whatever is asked for. A page must not cost more because there
is much that does not belong to it, so the answer is looked for where there is least to look at:

1. among the few that a filter, a word or a case has, if one has few;
2. else along what is rarest of a filter, a word that is looked for whole (two characters of
   Chinese always are) or a fingerprint, whose exhibits lie in the index in their order;
3. else along the account's exhibits, newest first, until the page is full (see `sources`).

Whatever else is asked is asked of each exhibit met on the way, by one step into an index. No
more than MOST_MET are met for one page: words that are all frequent and never meet would be
read to their end. Then the page ends before it is full, and says how far back was looked; who
asks for what is before that goes on from there, and misses nothing. It is a number of exhibits
and no time, so that the same question has the same answer on a slow day.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, func, select

from guzheng.intake import fingerprints, sources
from guzheng.intake.catalogue import (
    CATALOGUE,
    MAX_QUERY,
    WORD,
    Listed,
    is_whole,
    listed,
    terms_of,
)
from guzheng.intake.sources import Asked, Page, Sought, Term
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import reading

MOST_MET: Final = 6000
_FEW: Final = 1000  # exhibits that are looked at one by one
_NAMED_AT_ONCE: Final = 500
_WHOLE_DIGITS: Final = 64
_HEX: Final = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Searched:
    """Newest first. `back_to`: what is older than this exhibit was not looked at, and the page
    is not full; None where it is, or where nothing is left to look at."""

    lines: tuple[Listed, ...]
    back_to: str | None


def search(
    engine: Engine,
    sought: Sought,
    *,
    account: str,
    limit: int,
    before: str | None = None,
    among: Collection[str] | None = None,
    most: int = MOST_MET,
) -> Searched:
    """`before` is the last one already seen, or how far back was looked. `among`: of these
    alone. `most`: exhibits that may be met."""
    found, ends = dict[str, Row[Any]](), list[str]()
    with reading(engine) as connection:
        for asked in _ways(sought, account, before):
            rows, end = _found(connection, asked, Page(limit, most), among)
            found |= {row.exhibit: row for row in rows}
            ends += [] if end is None else [end]
    lines = tuple(listed(found[name]) for name in sorted(found, reverse=True))
    return ended(lines, max(ends, default=None), limit)


def ended(lines: tuple[Listed, ...], back_to: str | None, limit: int) -> Searched:
    """What was found in several ways, as far back as all of them looked."""
    sure = tuple(one for one in lines if back_to is None or one.exhibit >= back_to)
    return Searched(sure[:limit], None if len(sure) >= limit else back_to)


def _ways(sought: Sought, account: str, before: str | None) -> Iterator[Asked]:
    """What a text may mean: a day is eight digits, and so is the beginning of a fingerprint.
    None where nothing but signs was typed."""
    text = unicodedata.normalize("NFKC", sought.words).strip()[:MAX_QUERY]
    below = [] if before is None else [before]
    if sought.until is not None:
        below.append(ids.new("ex", sought.until, bytes))  # named before it came in
    asked = Asked(account, sought, below=min(below, default=None))
    if not text:
        yield asked
    elif ids.is_id(text) and text.startswith("ex_"):
        yield replace(asked, exhibit=text)
    elif digits := _number(text):
        yield replace(asked, digits=digits)
    else:
        form = _HEX.fullmatch("".join(text.lower().split()))
        if form is not None:
            yield replace(asked, digits=form[1])
        if terms := terms_of(text):
            yield replace(asked, terms=tuple(Term(one, is_whole(one)) for one in terms))


def _number(text: str) -> str:
    try:
        return fingerprints.beginning_of(text)
    except Refused:
        return ""


def _found(
    connection: Connection, asked: Asked, page: Page, among: Collection[str] | None
) -> tuple[list[Row[Any]], str | None]:
    """What is as asked, and how far back was looked, if that is not all."""
    if among is None and asked.digits:
        return _with_file(connection, asked, page)
    if asked.exhibit:
        among = {asked.exhibit} if among is None else {asked.exhibit}.intersection(among)
    elif among is None:
        among = _few(connection, asked, min(_FEW, page.most))
    if among is None:
        names, end = sources.along(connection, asked, page)
        return _named(connection, asked, page, names), end
    return _named(connection, asked, page, among, asked.conditions()), None


def _named(
    connection: Connection,
    asked: Asked,
    page: Page,
    names: Collection[str],
    conditions: Collection[ColumnElement[bool]] = (),
) -> list[Row[Any]]:
    """The lines of these, newest first, as many as a page has."""
    line, found = CATALOGUE.c, list[Row[Any]]()
    for some in _parts(names, asked.below):
        wanted = select(CATALOGUE).where(line.exhibit.in_(some), *conditions)
        wanted = wanted.order_by(line.exhibit.desc()).limit(page.limit - len(found))
        found += connection.execute(wanted).all()
        if len(found) >= page.limit:
            break
    return found


def _parts(names: Collection[str], below: str | None) -> Iterator[Collection[str]]:
    """So many as one statement may name; newest first, and none that was seen."""
    newest = sorted((one for one in names if below is None or one < below), reverse=True)
    for at in range(0, len(newest), _NAMED_AT_ONCE):
        yield newest[at : at + _NAMED_AT_ONCE]


def _few(connection: Connection, asked: Asked, few: int) -> frozenset[str] | None:
    """The exhibits of what has fewest, if these are few; None if everything has many."""
    line = CATALOGUE.c
    every: list[Select[Any]] = [
        *(select(line.exhibit).where(line.account == asked.account, o) for o in asked.filters),
        *(
            select(WORD.c.exhibit).where(*sources.is_term(one, asked.account))
            for one in asked.terms
        ),
    ]
    if not every:
        return None
    counted = (
        select(func.count()).select_from(one.limit(few).subquery()).scalar_subquery()
        for one in every
    )
    counts = connection.execute(select(*counted)).one()
    place, least = min(enumerate(counts), key=lambda one: int(one[1]))
    if least >= few:
        return None
    return frozenset(connection.execute(every[place]).scalars())


def _with_file(
    connection: Connection, asked: Asked, page: Page
) -> tuple[list[Row[Any]], str | None]:
    """What has such a file. Of a beginning each whole fingerprint is asked for: in the index
    the exhibits of one file lie in their order, however many have it."""
    names, ends = set[str](), list[str]()
    digests = iter([asked.digits])
    if len(asked.digits) < _WHOLE_DIGITS:
        digests = fingerprints.digests_beginning(connection, asked.digits)
    for digits in digests:
        found, end = sources.along(connection, replace(asked, digits=digits), page)
        names |= set(found)
        ends += [] if end is None else [end]
    end = max(ends, default=None)
    sure = [one for one in names if end is None or one >= end]
    return _named(connection, asked, page, sure), end
