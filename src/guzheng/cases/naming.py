"""By what words a case is called: of its name and its number at a court, as it is called now.

A part of the index of cases and as derived: the rows of a case are written anew whenever its
facts are entered, and all of them where a version that had none left its cases. What a word is,
says whoever searches. Never asked what is true.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from sqlalchemy import Column, Connection, MetaData, Table, Text, delete, exists, insert, select

from guzheng.cases.values import Facts

Words = Callable[[str], Iterable[str]]

METADATA = MetaData()
# Ranges of text need one order on every engine: that of the code points.
_ORDERED = Text().with_variant(Text(collation="C"), "postgresql")
CASE_WORD = Table(
    "case_word",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("word", _ORDERED, primary_key=True),
    Column("case_id", Text, primary_key=True, index=True),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
_LAST: Final = "\U0010ffff"


def enter(
    connection: Connection, case: str, account: str, facts: Facts, words_of: Words
) -> None:
    """It is called so now, whatever it was called before."""
    connection.execute(delete(CASE_WORD).where(CASE_WORD.c.case_id == case))
    words = sorted(set(words_of(f"{facts.name} {facts.court_number}")))
    if words:
        rows = [{"account": account, "word": one, "case_id": case} for one in words]
        connection.execute(insert(CASE_WORD), rows)


def called(
    connection: Connection, account: str, terms: Collection[str], most: int
) -> tuple[str, ...]:
    """The newest cases of the account of which each of these begins a word."""
    first, *others = sorted(terms, key=len, reverse=True)  # the longest has fewest
    line = CASE_WORD.c
    wanted = select(line.case_id).distinct()
    wanted = wanted.where(
        line.account == account, line.word >= first, line.word < first + _LAST
    )
    for one in others:
        word = CASE_WORD.alias().c
        begins = (word.word >= one, word.word < one + _LAST)
        wanted = wanted.where(
            exists().where(word.case_id == line.case_id, word.account == account, *begins)
        )
    found = connection.execute(wanted.order_by(line.case_id.desc()).limit(most))
    return tuple(found.scalars())
