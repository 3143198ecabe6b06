"""Makes an index of a million exhibits out of one of a hundred thousand, in minutes.

`rebuild` takes 0.6 ms of CPU for each exhibit, most of it Python, and meets the index of files
at random. Here SQLite copies what is there, each copy as much older as the whole lasts, sorts
it once and writes every table and index from end to end. So a word that was in one exhibit is
in as many as there are copies, each with its own name, time and fingerprints; and the lines of
`exhibit`, which a list does not read, have no listing. Nothing of this is flushed: whoever is
cut off here begins again.
"""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from guzheng.proof import instant
from guzheng.store import ids

_CACHE_KIBIBYTES: Final = 1024 * 1024
_SETTINGS: Final = (
    "journal_mode=OFF",
    "synchronous=OFF",
    f"cache_size=-{_CACHE_KIBIBYTES}",
    "threads=1",
)
_LINES: Final = (
    "exhibit, account, kind, state, original, claimed_name, url, picture, observed_at, person"
)


def multiply(index: Path, copies: int, apart: timedelta) -> None:
    """`index`: nobody else has it open. Each copy is so much older than the one before."""
    connection = sqlite3.connect(index, isolation_level=None)
    try:
        for one in _SETTINGS:
            connection.execute(f"PRAGMA {one}")
        connection.execute("CREATE TEMP TABLE copied (was TEXT, copy INT, name TEXT, at TEXT)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO temp.copied VALUES (?, ?, ?, ?)", _copies(connection, copies, apart)
        )
        connection.execute("CREATE INDEX temp.copied_of ON copied (was, copy DESC, name)")
        for table, columns, copied in (
            (
                "exhibit",
                "exhibit, kind, claimed_name, observed_at, listing, sha256",
                "name, kind, claimed_name, at, '', ''",
            ),
            (
                "catalogue",
                _LINES,
                _LINES.replace("exhibit", "name").replace("observed_at", "at"),
            ),
            (
                "fingerprint",
                "sha256, exhibit",
                "substr(sha256, 1 + copy * 5) || substr(sha256, 1, copy * 5), name",
            ),
            ("catalogue_word", "account, word, exhibit", "account, word, name"),
        ):
            _fill(connection, table, columns, copied)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _copies(
    connection: sqlite3.Connection, copies: int, apart: timedelta
) -> Iterator[tuple[str, int, str, str]]:
    known = connection.execute("SELECT exhibit, observed_at FROM catalogue").fetchall()
    for place, (exhibit, observed_at) in enumerate(known):
        at = instant.parse(observed_at)
        for copy in range(1, copies):
            older = at - copy * apart
            name = ids.new("ex", older, (place * copies + copy).to_bytes)
            yield exhibit, copy, name, instant.encode(older)


def _fill(connection: sqlite3.Connection, table: str, columns: str, copied: str) -> None:
    """The table made anew in the order of its key, then its indexes."""
    made = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL"
    table_sql, *indexes = (
        one
        for (one,) in connection.execute(f"{made} ORDER BY type = 'index'", (table,)).fetchall()
    )
    keys = connection.execute(
        "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)
    )
    order = ", ".join(str(1 + columns.split(", ").index(one)) for (one,) in keys)
    connection.execute(f"ALTER TABLE {table} RENAME TO was_{table}")
    for one in indexes:  # their names are wanted again
        connection.execute(f"DROP INDEX {one.split()[2]}")
    connection.execute(table_sql)
    copies = f"SELECT {copied} FROM was_{table} JOIN temp.copied ON was = exhibit"  # noqa: S608 - our own tables
    both = f"SELECT {columns} FROM was_{table} UNION ALL {copies} ORDER BY {order}"  # noqa: S608 - likewise
    connection.execute(f"INSERT INTO {table} {both}")
    connection.execute(f"DROP TABLE was_{table}")
    for one in indexes:
        connection.execute(one)
