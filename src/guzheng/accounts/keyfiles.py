"""A key that secrets in the database are sealed under: a file beside it, made once.

Made when nothing was sealed yet. Which key it is (a keyed mark, not the key) is then written
into the database, and from then on no other is made or taken, on this machine or another that
shares the database: a lost key is restored from its copy, never replaced, since a new one would
open nothing and let new secrets be sealed beside the old.
"""

import contextlib
import hmac
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Engine, MetaData, Table, Text, select

from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store import durable
from guzheng.store.added import create_tables
from guzheng.store.records import insert_missing, writing

KEY_OCTETS: Final = 32

MARK = Table(
    "name_key",  # by its first use; one row for each purpose
    MetaData(),
    Column("purpose", Text, primary_key=True, nullable=False),
    Column("mark", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    sqlite_strict=True,
)


def key_for(
    purpose: str,
    path: Path,
    engine: Engine,
    *,
    code: str,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> bytes:
    """The key in this file. Raises Refused (`code`) when it is lost, damaged or another."""
    with writing(engine) as connection:
        create_tables(connection, (MARK,))
        wanted = select(MARK.c.mark).where(MARK.c.purpose == purpose)
        marked = connection.execute(wanted).scalar_one_or_none()
        if marked is None and not path.exists():
            with contextlib.suppress(FileExistsError):  # another program was first
                durable.create(path, entropy(KEY_OCTETS))
        key = _read(path, code)
        mark = hmac.digest(key, f"guzheng {purpose}: which key".encode(), "sha256").hex()
        row = {"purpose": purpose, "mark": mark, "observed_at": instant.encode(now)}
        if marked is None and insert_missing(connection, MARK, row):
            marked = mark
    if marked != mark:
        raise Refused(
            code,
            expected=f"the key that the first secrets were sealed under: keys/{path.name}",
            found="another",
            act=f"the operator copies keys/{path.name} from where they were sealed",
        )
    return key


def _read(path: Path, code: str) -> bytes:
    key = path.read_bytes() if path.exists() else b""
    if len(key) != KEY_OCTETS:
        raise Refused(
            code,
            expected=f"{KEY_OCTETS} octets in keys/{path.name}",
            found=f"{len(key)}",
            act=f"the operator restores keys/{path.name} from its copy; no other opens a thing",
        )
    return key
