"""The columns that tables of records are made of: text that is there, and whole numbers.

None of them is ever NULL: what is not known is the empty text, which two engines sort and
compare alike.
"""

from sqlalchemy import BigInteger, Column, Integer, Text

from guzheng.store.records import SQLITE

# 64 bits on both engines; SQLite numbers rows by INTEGER alone.
NUMBER = BigInteger().with_variant(Integer(), SQLITE)


def text_column(name: str, *, key: bool = False) -> "Column[str]":
    """`key`: of the primary key, or a part of it."""
    return Column(name, Text, primary_key=key, nullable=False)


def number_column(name: str) -> "Column[int]":
    return Column(name, NUMBER, nullable=False)
