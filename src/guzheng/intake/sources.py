"""What a search walks along: the rarest of what is asked, in its order and not too far.

A source is a part of an index in which exhibits lie newest first: those of a filter, of a word,
of a file, of the account. Along one of them everything else is asked of each exhibit that is
met. Which one, decides the cost and nothing else: each leads to the same exhibits.

The rarest is the one whose 500th exhibit is the longest ago. Of a source no more are met than
the page allows; `along` says where it stopped. What else is asked of a line is written so that
no engine walks along that instead: it would meet what nobody counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select, true

from guzheng.intake import fingerprints
from guzheng.intake.catalogue import CATALOGUE, WANTED, WORD
from guzheng.proof import instant

_SAMPLE: Final = 500
_LAST: Final = "\U0010ffff"


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
class Term:
    """A word, or the beginning of words."""

    text: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Page:
    """How many are wanted, and how many may be met to find them."""

    limit: int
    most: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of each line. `digits`: a SHA-256, or its beginning; `below`: only
    exhibits before this one."""

    account: str
    sought: Sought
    terms: tuple[Term, ...] = ()
    digits: str = ""
    exhibit: str = ""
    below: str | None = None

    @property
    def equal(self) -> dict[str, str]:
        """What a column of the line must be; each has an index in the order of exhibits."""
        state = self.sought.state
        asked = {
            "kind": self.sought.kind,
            "original" if state == WANTED else "state": state,
            "person": self.sought.person,
        }
        return {column: text for column, text in asked.items() if text}

    def days(self, observed_at: ColumnElement[str]) -> Iterator[ColumnElement[bool]]:
        since, until = self.sought.since, self.sought.until
        if since is not None:
            yield observed_at >= instant.encode(since)
        if until is not None:
            yield observed_at < instant.encode(until)

    @property
    def filters(self) -> tuple[ColumnElement[bool], ...]:
        """Each with an index of its own."""
        line = CATALOGUE.c
        days = tuple(self.days(line.observed_at))
        equal = tuple(line[column] == text for column, text in self.equal.items())
        return (*equal, and_(*days)) if days else equal

    def of_line(self, *, but: str = "") -> tuple[ColumnElement[bool], ...]:
        """The same of a line that was met, without an index; `but` for this column."""
        line = CATALOGUE.c
        return (
            *(line[one].concat("") == text for one, text in self.equal.items() if one != but),
            *self.days(line.observed_at.concat("")),
        )

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """All that is asked, of lines that were named."""
        line, file = CATALOGUE.c, fingerprints.FINGERPRINT.c
        words = (_has_word(line.exhibit, one, self.account) for one in self.terms)
        of_file = exists().where(
            file.exhibit == line.exhibit, fingerprints.beginning(self.digits)
        )
        return (
            line.account == self.account,
            *self.of_line(),
            *words,
            *([of_file] if self.digits else []),
        )


@dataclass(frozen=True, slots=True)
class _Source:
    """`here`: what lies together; `rest`: what is asked of each that is met, the words aside;
    `term`: the word that it is the source of."""

    exhibit: ColumnElement[str]
    here: tuple[ColumnElement[bool], ...]
    rest: tuple[ColumnElement[bool], ...] = ()
    term: Term | None = None

    def newest(self, below: str | None) -> Select[Any]:
        below_it = true() if below is None else self.exhibit < below
        return select(self.exhibit).where(*self.here, below_it).order_by(self.exhibit.desc())


def along(connection: Connection, asked: Asked, page: Page) -> tuple[list[str], str | None]:
    """The newest exhibits that are as asked, and how far back was looked: None if that is to
    the end, or if they are as many as are wanted."""
    source, terms = _chosen(connection, asked)
    rest = (*source.rest, *(_has_word(source.exhibit, one, asked.account) for one in terms))
    wanted, end = source.newest(asked.below).where(*rest), None
    if rest:
        # Half as many where more than one thing is asked of each: what costs is the asking.
        most = page.most if len(rest) == 1 else max(1, page.most // 2)
        last = source.newest(asked.below).offset(most - 1).limit(1)
        end = connection.execute(last).scalar()
    if end is not None:
        oldest = _oldest(connection, asked, page.most)
        wanted = wanted.where(source.exhibit >= max(end, oldest))
        end = None if end <= oldest else end
    found = list(connection.execute(wanted.limit(page.limit)).scalars())
    return found, None if len(found) >= page.limit else end


def _oldest(connection: Connection, asked: Asked, most: int) -> str:
    """The oldest of those that came in since the day that is asked for, where so many may be
    met to find it; else what is before them all. One may be older than that day: it has its
    name from when it was begun."""
    since, line = asked.sought.since, CATALOGUE.c
    if since is None:
        return ""
    came = select(line.exhibit).where(
        line.account == asked.account, line.observed_at >= instant.encode(since)
    )
    met = came.limit(most).subquery()
    count, oldest = connection.execute(select(func.count(), func.min(met.c.exhibit))).one()
    return str(oldest) if 0 < count < most else ""


def _chosen(connection: Connection, asked: Asked) -> tuple[_Source, tuple[Term, ...]]:
    """What to walk along, and the words to ask of what is met, in their order."""
    line = CATALOGUE.c
    if asked.digits:
        file = fingerprints.FINGERPRINT.c
        is_asked = _is_asked(file.exhibit, asked)
        return _Source(file.exhibit, (file.sha256 == asked.digits,), (is_asked,)), asked.terms
    terms = _told_whole(connection, asked)
    narrowed = bool(asked.filters)
    mine = line.account == asked.account
    known = [
        _Source(line.exhibit, (mine, line[column] == text), asked.of_line(but=column))
        for column, text in asked.equal.items()
    ]
    for one in terms:
        if one.whole:
            exhibit = WORD.c.exhibit
            rest = (_is_asked(exhibit, asked),) if narrowed else ()
            known.append(_Source(exhibit, tuple(is_term(one, asked.account)), rest, one))
    if not known:
        return _Source(line.exhibit, (mine,), asked.of_line()), terms
    return _rarest(connection, asked, known, terms)


def _rarest(
    connection: Connection, asked: Asked, known: list[_Source], terms: tuple[Term, ...]
) -> tuple[_Source, tuple[Term, ...]]:
    """The rarest, then the words that most likely are not where that is; at the end those of
    which nothing is known, the beginnings of several words."""
    if len(known) == 1:
        return known[0], tuple(one for one in terms if one != known[0].term)
    long_ago = (
        one.newest(asked.below).offset(_SAMPLE - 1).limit(1).scalar_subquery() for one in known
    )
    # None, where there are not so many, is before every name.
    met = [one or "" for one in connection.execute(select(*long_ago)).one()]
    first = met.index(min(met))
    others = sorted(
        (place for place, one in enumerate(known) if one.term and place != first),
        # What was met where the rarest was is of one name with it, and asked last.
        key=lambda place: (met[place] == met[first], met[place]),
    )
    words = [one.term for one in (known[place] for place in others) if one.term]
    return known[first], (*words, *(one for one in terms if not one.whole))


def _told_whole(connection: Connection, asked: Asked) -> tuple[Term, ...]:
    """The words, with those told as whole of which the catalogue knows no longer one."""
    if not asked.terms:
        return ()
    longer = (
        select(func.min(WORD.c.word)).where(
            WORD.c.account == asked.account,
            WORD.c.word > one.text,
            WORD.c.word < one.text + _LAST,
        )
        for one in asked.terms
    )
    known = connection.execute(select(*(one.scalar_subquery() for one in longer))).one()
    return tuple(
        replace(one, whole=one.whole or longest is None)
        for one, longest in zip(asked.terms, known, strict=True)
    )


def _is_asked(exhibit: ColumnElement[str], asked: Asked) -> ColumnElement[bool]:
    line = CATALOGUE.c
    return exists().where(
        line.exhibit == exhibit, line.account == asked.account, *asked.of_line()
    )


def _has_word(exhibit: ColumnElement[str], term: Term, account: str) -> ColumnElement[bool]:
    word = WORD.alias()
    return exists().where(word.c.exhibit == exhibit, *is_term(term, account, word.c))


def is_term(term: Term, account: str, word: Any = WORD.c) -> list[ColumnElement[bool]]:
    """A row of this word, or of one that begins so."""
    if term.whole:
        return [word.account == account, word.word == term.text]
    return [
        word.account == account,
        word.word >= term.text,
        word.word < term.text + _LAST,
    ]
