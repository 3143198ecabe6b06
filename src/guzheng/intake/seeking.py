"""Searching the catalogue: what to begin with decides what a search costs.

Newest first, a page at a time, whatever is asked for. A page must not cost more because there
is much that does not belong to it, so the answer is looked for where there is least to look at:

1. among the few that a filter, a word or a fingerprint has, if one has few;
2. else along the rarest word that is looked for whole (two characters of Chinese always are),
   whose exhibits lie in the index in their order;
3. else along the account's exhibits, newest first, until the page is full.

Whatever else is asked is asked of each exhibit met on the way, by one step into an index. What
stays dear are words that are all frequent and never meet: then the rarest is read to its end.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    exists,
    func,
    select,
)

from guzheng.intake import fingerprints
from guzheng.intake.catalogue import (
    CATALOGUE,
    MAX_QUERY,
    WANTED,
    WORD,
    Listed,
    is_whole,
    listed,
    terms_of,
)
from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.records import reading

_FEW: Final = 1000  # exhibits that are looked at one by one
_NAMED_AT_ONCE: Final = 500
_SAMPLE: Final = 500  # the rarer a word, the longer ago it was met so often
_WHOLE_DIGITS: Final = 64
_LAST: Final = "\U0010ffff"
_HEX: Final = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody looks for; empty means any. `since` and `until` are of the coming in."""

    words: str = ""
    kind: str = ""
    state: str = ""  # or `wanted`: hash-only deposits whose original did not come
    since: datetime | None = None
    until: datetime | None = None
    person: str = ""  # who made it, for the account
    case: str = ""  # looked up by whoever knows cases, and told as `among`


@dataclass(frozen=True, slots=True)
class _Term:
    """A word, or the beginning of words."""

    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of each line. `filters`: each with an index of its own; `digits`: the
    beginning of a SHA-256; `below`: only exhibits before this one."""

    account: str
    sought: Sought
    terms: tuple[_Term, ...] = ()
    digits: str = ""
    exhibit: str = ""
    below: str | None = None

    @property
    def filters(self) -> tuple[ColumnElement[bool], ...]:
        return tuple(_filters(self.sought, CATALOGUE.c.observed_at))

    @property
    def walked(self) -> tuple[ColumnElement[bool], ...]:
        """The same for lines that are met in their order: SQLite must not take the index of
        days for it, and then put thousands in order."""
        return tuple(_filters(self.sought, CATALOGUE.c.observed_at.concat("")))


def search(
    engine: Engine,
    sought: Sought,
    *,
    account: str,
    limit: int,
    before: str | None = None,
    among: Collection[str] | None = None,
) -> tuple[Listed, ...]:
    """Newest first; `before` is the last one already seen. `among`: of these alone."""
    found: dict[str, Row[Any]] = {}
    with reading(engine) as connection:
        for asked in _ways(sought, account, before):
            found |= {row.exhibit: row for row in _found(connection, asked, limit, among)}
    return tuple(listed(found[name]) for name in sorted(found, reverse=True)[:limit])


def _ways(sought: Sought, account: str, before: str | None) -> Iterator[_Asked]:
    """What a text may mean: a day is eight digits, and so is the beginning of a fingerprint.
    None where nothing but signs was typed."""
    text = unicodedata.normalize("NFKC", sought.words).strip()[:MAX_QUERY]
    below = [] if before is None else [before]
    if sought.until is not None:
        below.append(ids.new("ex", sought.until, bytes))  # named before it came in
    asked = _Asked(account, sought, below=min(below, default=None))
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
            yield replace(asked, terms=tuple(_Term(one, is_whole(one)) for one in terms))


def _number(text: str) -> str:
    try:
        return fingerprints.beginning_of(text)
    except Refused:
        return ""


def _filters(sought: Sought, observed_at: ColumnElement[str]) -> Iterator[ColumnElement[bool]]:
    line = CATALOGUE.c
    if sought.kind:
        yield line.kind == sought.kind
    if sought.state:
        yield (line.original if sought.state == WANTED else line.state) == sought.state
    if sought.person:
        yield line.person == sought.person
    days: list[ColumnElement[bool]] = []
    if sought.since is not None:
        days.append(observed_at >= instant.encode(sought.since))
    if sought.until is not None:
        days.append(observed_at < instant.encode(sought.until))
    if days:
        yield and_(*days)


def _found(
    connection: Connection, asked: _Asked, limit: int, among: Collection[str] | None
) -> Iterator[Row[Any]]:
    if asked.exhibit:
        among = {asked.exhibit} if among is None else {asked.exhibit}.intersection(among)
    elif among is None and asked.digits:
        among = _with_file(connection, asked, limit)
    elif among is None:
        among = _few(connection, asked)
        if among is None and asked.terms:
            asked = replace(asked, terms=_ranked(connection, asked))
            if asked.terms[0].whole:
                among = _along_the_first(connection, asked, limit)
    for some in _parts(among, asked.below):
        rows = connection.execute(_lines(asked, limit, some)).all()
        yield from rows
        limit -= len(rows)
        if limit <= 0:
            return


def _parts(
    among: Collection[str] | None, below: str | None
) -> Iterator[Collection[str] | None]:
    """So many as one statement may name; newest first, and none that was seen."""
    if among is None:
        yield None
        return
    names = sorted((one for one in among if below is None or one < below), reverse=True)
    for at in range(0, len(names), _NAMED_AT_ONCE):
        yield names[at : at + _NAMED_AT_ONCE]


def _lines(asked: _Asked, limit: int, some: Collection[str] | None) -> Select[Any]:
    line = CATALOGUE.c
    wanted = [line.account == asked.account, *asked.walked]
    if some is not None:
        wanted.append(line.exhibit.in_(some))
    elif asked.below is not None:
        wanted.append(line.exhibit < asked.below)
    if asked.digits:
        file = fingerprints.FINGERPRINT.c
        wanted.append(
            exists().where(file.exhibit == line.exhibit, fingerprints.beginning(asked.digits))
        )
    wanted += [_has_word(line.exhibit, one, asked.account) for one in asked.terms]
    return select(CATALOGUE).where(*wanted).order_by(line.exhibit.desc()).limit(limit)


# ---- where there is least to look at -----------------------------------------------------


def _few(connection: Connection, asked: _Asked) -> frozenset[str] | None:
    """The exhibits of what has fewest, if that is few; None if everything has many."""
    line = CATALOGUE.c
    sources = [
        *(select(line.exhibit).where(line.account == asked.account, o) for o in asked.filters),
        *(select(WORD.c.exhibit).where(*_is(one, asked.account)) for one in asked.terms),
    ]
    if not sources:
        return None
    counted = (
        select(func.count()).select_from(one.limit(_FEW).subquery()).scalar_subquery()
        for one in sources
    )
    counts = connection.execute(select(*counted)).one()
    place, least = min(enumerate(counts), key=lambda one: int(one[1]))
    if least >= _FEW:
        return None
    return frozenset(connection.execute(sources[place]).scalars())


def _with_file(connection: Connection, asked: _Asked, limit: int) -> list[str]:
    """The newest exhibits that have such a file, and are as asked."""
    file = fingerprints.FINGERPRINT.c
    wanted = select(file.exhibit).where(_is_asked(file.exhibit, asked))
    if len(asked.digits) == _WHOLE_DIGITS:  # in the index, they lie in their order
        wanted = wanted.where(file.sha256 == asked.digits)
    else:
        wanted = wanted.distinct().where(fingerprints.beginning(asked.digits))
    if asked.below is not None:
        wanted = wanted.where(file.exhibit < asked.below)
    found = connection.execute(wanted.order_by(file.exhibit.desc()).limit(limit))
    return list(found.scalars())


def _ranked(connection: Connection, asked: _Asked) -> tuple[_Term, ...]:
    """The rarest first, then what most likely is not where that is; at the end those of which
    nothing is known, the beginnings of several words."""
    longer = (
        select(func.min(WORD.c.word)).where(
            WORD.c.account == asked.account,
            WORD.c.word > one.text,
            WORD.c.word < one.text + _LAST,
        )
        for one in asked.terms
    )
    known = connection.execute(select(*(one.scalar_subquery() for one in longer))).one()
    terms = [
        _Term(one.text, one.whole or longest is None)
        for one, longest in zip(asked.terms, known, strict=True)
    ]
    whole = [one for one in terms if one.whole]
    if not whole:
        return asked.terms
    long_ago = (
        select(WORD.c.exhibit)
        .where(*_is(one, asked.account))
        .order_by(WORD.c.exhibit.desc())
        .offset(_SAMPLE - 1)
        .limit(1)
        .scalar_subquery()
        for one in whole
    )
    met = connection.execute(select(*long_ago)).one()
    rarest = min(map(str, met))
    ranked = sorted(
        zip(met, whole, strict=True),
        key=lambda one: (one[0] != rarest, str(one[0])),
    )
    first, *rest = (one for _, one in ranked)
    beside = sum(one == rarest for one in met) - 1  # of one name, and met where it is
    return (first, *rest[beside:], *rest[:beside], *(one for one in terms if not one.whole))


def _along_the_first(connection: Connection, asked: _Asked, limit: int) -> list[str]:
    """The newest exhibits that have the first word, and are as asked."""
    exhibit = WORD.c.exhibit
    first, *others = asked.terms
    wanted = select(exhibit).where(*_is(first, asked.account))
    if asked.below is not None:
        wanted = wanted.where(exhibit < asked.below)
    wanted = wanted.where(*(_has_word(exhibit, one, asked.account) for one in others))
    if asked.sought != Sought(asked.sought.words):
        wanted = wanted.where(_is_asked(exhibit, asked))
    return list(connection.execute(wanted.order_by(exhibit.desc()).limit(limit)).scalars())


def _is_asked(exhibit: ColumnElement[str], asked: _Asked) -> ColumnElement[bool]:
    line = CATALOGUE.c
    return exists().where(
        line.exhibit == exhibit, line.account == asked.account, *asked.filters
    )


def _has_word(exhibit: ColumnElement[str], term: _Term, account: str) -> ColumnElement[bool]:
    word = WORD.alias()
    return exists().where(word.c.exhibit == exhibit, *_is(term, account, word.c))


def _is(term: _Term, account: str, word: Any = WORD.c) -> list[ColumnElement[bool]]:
    """A row of this word, or of one that begins so."""
    if term.whole:
        return [word.account == account, word.word == term.text]
    return [
        word.account == account,
        word.word >= term.text,
        word.word < term.text + _LAST,
    ]
