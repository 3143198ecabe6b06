"""The catalogue of an account's exhibits: what a list filters by, and what a search finds.

How it is searched is in `seeking`. A part of the index and as derived: a line for each exhibit,
and a row for each word of its name, its files' names and its address. Made again by `rebuild`;
never asked what is true.

Words are found by their beginning, on both engines and without a dictionary: a run of letters
and digits is one word; a run of Chinese is kept as every two neighbouring characters, and its
last one alone, so that any stretch of it is found. A fingerprint is found whole or by its
beginning, a certificate by its number, an exhibit by its name.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.schema import CreateColumn

from guzheng.intake.order import Order
from guzheng.proof import instant, package
from guzheng.proof.digest import Digest
from guzheng.proof.errors import ProofError
from guzheng.store import tables
from guzheng.store.records import reading

GOING, CERTIFIED, REFUSED = "going", "certified", "refused"
WANTED, KEPT = "wanted", "kept"  # the original of a hash-only deposit
STATES: Final = (GOING, CERTIFIED, REFUSED)
_REFUSAL = "refused.json"

# Ranges of text need one order on every engine: that of the code points.
_ORDERED = Text().with_variant(Text(collation="C"), "postgresql")
TABLES = MetaData()
CATALOGUE = Table(
    "catalogue",
    TABLES,
    Column("exhibit", _ORDERED, primary_key=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("original", Text, nullable=False),
    Column("claimed_name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("picture", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    Column("person", Text, nullable=False, server_default=""),
    Index("catalogue_of_account", "account", "exhibit"),
    Index("catalogue_by_kind", "account", "kind", "exhibit"),
    Index("catalogue_by_state", "account", "state", "exhibit"),
    Index("catalogue_by_original", "account", "original", "exhibit"),
    Index("catalogue_by_person", "account", "person", "exhibit"),
    Index("catalogue_by_day", "account", "observed_at", "exhibit"),
    sqlite_strict=True,
)
WORD = Table(
    "catalogue_word",
    TABLES,
    Column("account", Text, primary_key=True),
    Column("word", _ORDERED, primary_key=True),
    Column("exhibit", _ORDERED, primary_key=True, index=True),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
_LAST = "\U0010ffff"
_CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUN = re.compile(rf"[{_CHINESE}]+|(?:(?![{_CHINESE}_])\w)+")
_HEX = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})", re.ASCII)
_NOT_SAID = frozenset({"http", "https", "www"})
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_SHOWN_FIRST = ("items/view.png", "items/screenshot.png", "items/screenshot-000.png")
MAX_WORD, MAX_WORDS, MAX_TERMS = 40, 300, 12
MAX_QUERY = 300
_MOST_MAKERS = 100
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the catalogue. `picture`: the file to show, empty where there is none."""

    exhibit: str
    account: str
    kind: str
    state: str
    original: str
    claimed_name: str
    url: str
    picture: str
    observed_at: datetime
    person: str


@dataclass(frozen=True, slots=True)
class Entered:
    """What a line is made from. `ended`: no paper is missing any more."""

    order: Order
    listing: Mapping[str, Digest]
    ended: bool


def create(connection: Connection) -> None:
    """Make what is not there yet; who made what is in a line since one version, and `rebuild`
    tells it of lines that are older."""
    if tables.is_there(connection, CATALOGUE):
        if CATALOGUE.c.person.name not in tables.columns(connection, CATALOGUE):
            added = CreateColumn(CATALOGUE.c.person).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {CATALOGUE.name} ADD COLUMN {added}")
        tables.make_indexes(connection, CATALOGUE)
    tables.make(connection, TABLES.sorted_tables)


def enter(connection: Connection, entered: Sequence[Entered]) -> None:
    """The lines of exhibits, in the place of what was known of them before."""
    names = [one.order.exhibit for one in entered]
    came = select(CATALOGUE.c.exhibit).where(
        CATALOGUE.c.exhibit.in_(names), CATALOGUE.c.original == KEPT
    )
    kept = frozenset(connection.execute(came).scalars())
    leave(connection, names)
    lines = [_line_of(one, kept=one.order.exhibit in kept) for one in entered]
    connection.execute(insert(CATALOGUE), lines)
    words = [row for one in entered for row in _words_of(one.order)]
    if words:
        connection.execute(insert(WORD), words)


def _line_of(entered: Entered, *, kept: bool) -> dict[str, str]:
    order = entered.order
    original = KEPT if kept else WANTED if order.kind == "hash-only" else ""
    return {
        "exhibit": order.exhibit,
        "account": order.account,
        "kind": order.kind,
        "state": _state(entered.listing, ended=entered.ended),
        "original": original,
        "claimed_name": order.claimed_name,
        "url": order.url or "",
        "picture": picture_in(entered.listing),
        "observed_at": instant.encode(order.observed_at),
        "person": order.person,
    }


def _words_of(order: Order) -> list[dict[str, str]]:
    said = " ".join((order.claimed_name, order.url or "", *(one.name for one in order.items)))
    return [
        {"account": order.account, "word": one, "exhibit": order.exhibit}
        for one in sorted(set(words_of(said)))[:MAX_WORDS]
    ]


def leave(connection: Connection, exhibits: Collection[str]) -> None:
    connection.execute(delete(CATALOGUE).where(CATALOGUE.c.exhibit.in_(exhibits)))
    connection.execute(delete(WORD).where(WORD.c.exhibit.in_(exhibits)))


def keep_original(connection: Connection, exhibit: str) -> None:
    """The original of a hash-only deposit came after all."""
    connection.execute(
        update(CATALOGUE).where(CATALOGUE.c.exhibit == exhibit).values(original=KEPT)
    )


def words_of(text: str) -> Iterator[str]:
    """The words that a text is found by; the last character of a run of Chinese too."""
    for run in _runs(text):
        if _is_chinese(run):
            yield from (run[at : at + 2] for at in range(len(run)))
        else:
            yield run[:MAX_WORD]


def is_whole(term: str) -> bool:
    """Whether no longer word begins with it: two characters of Chinese are one word."""
    return len(term) == 2 and _is_chinese(term)


def terms_of(text: str) -> tuple[str, ...]:
    """The beginnings of words that must all be there."""
    terms: list[str] = []
    for run in _runs(text[:MAX_QUERY]):
        if _is_chinese(run) and len(run) > 1:
            terms += [run[at : at + 2] for at in range(len(run) - 1)]
        else:
            terms.append(run[:MAX_WORD])
    return tuple(dict.fromkeys(terms))[:MAX_TERMS]


def makers_of(engine: Engine, account: str) -> tuple[str, ...]:
    """The persons who made something for the account, each one step into the index after the
    one before: to ask for all distinct ones would read a line for each exhibit."""
    line = CATALOGUE.c
    least = select(func.min(line.person).label("person"))
    maker = least.where(line.account == account, line.person > "").cte("maker", recursive=True)
    after = least.where(line.account == account, line.person > maker.c.person)
    maker = maker.union_all(
        select(after.correlate(maker).scalar_subquery()).where(maker.c.person.is_not(None))
    )
    wanted = select(maker.c.person).where(maker.c.person.is_not(None)).limit(_MOST_MAKERS)
    with reading(engine) as connection:
        return tuple(connection.execute(wanted).scalars())


def lines_of(engine: Engine, exhibits: Collection[str]) -> dict[str, Listed]:
    """The lines of these exhibits, whoever's they are; what is not there is left out."""
    wanted = select(CATALOGUE).where(CATALOGUE.c.exhibit.in_(exhibits))
    with reading(engine) as connection:
        return {row.exhibit: listed(row) for row in connection.execute(wanted).all()}


def count_wanted(engine: Engine, account: str) -> int:
    """Hash-only deposits of the account whose original did not come yet; MOST_COUNTED may be
    more: a page need not count what nobody looks through."""
    some = (
        select(CATALOGUE.c.exhibit)
        .where(CATALOGUE.c.account == account, CATALOGUE.c.original == WANTED)
        .limit(MOST_COUNTED)
    )
    wanted = select(func.count()).select_from(some.subquery())
    with reading(engine) as connection:
        return connection.execute(wanted).scalar_one()


def _runs(text: str) -> Iterator[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return (one for one in _RUN.findall(folded) if one not in _NOT_SAID)


def _is_chinese(run: str) -> bool:
    return re.match(rf"[{_CHINESE}]", run) is not None


def _state(listing: Mapping[str, Digest], *, ended: bool) -> str:
    if not ended:
        return GOING
    return REFUSED if _REFUSAL in listing else CERTIFIED


def picture_in(names: Collection[str]) -> str:
    """What to look at first: the view of a capture, or a deposited picture; empty if none."""
    known = next((one for one in _SHOWN_FIRST if one in names), "")
    pictures = (
        one
        for one in sorted(names)
        if one.startswith(package.ITEMS) and one.lower().endswith(_PICTURES)
    )
    return known or next(pictures, "")


def listed(row: Row[Any]) -> Listed:
    try:
        observed_at = instant.parse(row.observed_at)
    except ProofError:  # an altered line must not keep a list from being shown
        observed_at = datetime(1970, 1, 1, tzinfo=UTC)
    return Listed(
        row.exhibit,
        row.account,
        row.kind,
        row.state,
        row.original,
        row.claimed_name,
        row.url,
        row.picture,
        observed_at,
        row.person,
    )
