"""Uploads that may be broken off and taken up again: which octets are here, part by part.

A part is durable, with its SHA-256, before its row is; a row is there before the sender is
told of it. So what a killed server had acknowledged is never lost, and the rest is sent again.
A part may grow: its row is then replaced by one that says more, never by one that says less.
These rows are a waiting room: they go when the upload ended or expired, and are no evidence.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Index,
    MetaData,
    Row,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.store.columns import NUMBER, text_column
from guzheng.store.ids import LOCAL
from guzheng.store.records import reading, writing

FOLDER = "uploads/"
METADATA = MetaData()

UPLOAD = Table(
    "upload",
    METADATA,
    text_column("upload", key=True),
    text_column("account"),
    text_column("person"),
    text_column("name"),
    text_column("media_type"),
    Column("size", NUMBER, nullable=False),
    text_column("sha256"),  # of the whole, as the sender says; empty: he does not
    text_column("claimed_name"),
    text_column("claimed_applicant"),
    text_column("claimed_purpose"),
    text_column("original_of"),  # the hash-only deposit whose original this is
    text_column("opened_at"),
    text_column("expires_at"),
    text_column("exhibit"),  # promised before the deposit is made, so that it is made once
    text_column("ended"),  # empty while it goes on; `kept`, or the code of why not
    Index("upload_of_account", "account", "upload"),
    Index("upload_by_end", "ended", "expires_at"),
    sqlite_strict=True,
)
PART = Table(
    "upload_part",
    METADATA,
    text_column("upload", key=True),
    Column("begins", NUMBER, primary_key=True, autoincrement=False),
    Column("size", NUMBER, nullable=False),
    text_column("sha256"),
    text_column("place"),
    sqlite_strict=True,
)
KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Part:
    """Octets that are here: from where on, how many, and their SHA-256 in hex."""

    begins: int
    size: int
    sha256: str
    place: str


@dataclass(frozen=True, slots=True)
class Arriving:
    """An upload as it stands."""

    upload: str
    name: str
    size: int
    opened_at: datetime
    expires_at: datetime
    account: str = LOCAL
    person: str = ""
    media_type: str = ""
    sha256: str = ""
    claimed_name: str = ""
    claimed_applicant: str = ""
    claimed_purpose: str = ""
    original_of: str = ""
    exhibit: str = ""
    ended: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def offset(self) -> int:
        """How much of it is here."""
        if self.ended == KEPT:
            return self.size
        return self.parts[-1].begins + self.parts[-1].size if self.parts else 0

    @property
    def is_whole(self) -> bool:
        return self.offset == self.size


class UploadRows:
    """The waiting room; may be shared by threads and programs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        with writing(engine) as connection:
            METADATA.create_all(connection)

    def open(self, one: Arriving, *, most: int) -> None:
        """Enter it; Refused when its account has so many open already."""
        with writing(self._engine) as connection:
            there = connection.execute(
                select(func.count())
                .select_from(UPLOAD)
                .where(UPLOAD.c.account == one.account, UPLOAD.c.ended == "")
            ).scalar_one()
            if there >= most:
                raise Refused(
                    "upload.too-many", expected=f"at most {most} unfinished", found=str(there)
                )
            connection.execute(insert(UPLOAD), _row_of(one))

    def find(self, upload: str) -> Arriving | None:
        with reading(self._engine) as connection:
            row = connection.execute(
                select(UPLOAD).where(UPLOAD.c.upload == upload)
            ).one_or_none()
            if row is None:
                return None
            parts = connection.execute(
                select(PART).where(PART.c.upload == upload).order_by(PART.c.begins)
            ).all()
        found = tuple(Part(one.begins, one.size, one.sha256, one.place) for one in parts)
        return replace(_arriving(row), parts=found)

    def account_of(self, upload: str) -> str | None:
        with reading(self._engine) as connection:
            found: str | None = connection.execute(
                select(UPLOAD.c.account).where(UPLOAD.c.upload == upload)
            ).scalar()
        return found

    def unfinished(self, account: str) -> tuple[Arriving, ...]:
        """Of one account, newest first."""
        wanted = (
            select(UPLOAD.c.upload)
            .where(UPLOAD.c.account == account, UPLOAD.c.ended == "")
            .order_by(UPLOAD.c.upload.desc())
        )
        with reading(self._engine) as connection:
            names = tuple(connection.execute(wanted).scalars())
        return tuple(one for one in map(self.find, names) if one is not None)

    def awaited(self) -> int:
        """Octets that unfinished uploads still want, of all accounts."""
        whole = select(func.coalesce(func.sum(UPLOAD.c.size), 0)).where(UPLOAD.c.ended == "")
        here = (
            select(func.coalesce(func.sum(PART.c.size), 0))
            .join(UPLOAD, UPLOAD.c.upload == PART.c.upload)
            .where(UPLOAD.c.ended == "")
        )
        with reading(self._engine) as connection:
            wanted = connection.execute(whole).scalar_one()
            return int(wanted) - int(connection.execute(here).scalar_one())

    def whole(self) -> tuple[str, ...]:
        """Those of which every octet is here, and that did not end."""
        here = func.coalesce(func.sum(PART.c.size), 0)
        wanted = (
            select(UPLOAD.c.upload)
            .join(PART, PART.c.upload == UPLOAD.c.upload)
            .where(UPLOAD.c.ended == "")
            .group_by(UPLOAD.c.upload, UPLOAD.c.size)
            .having(here == UPLOAD.c.size)
        )
        with reading(self._engine) as connection:
            return tuple(connection.execute(wanted).scalars())

    def expired(self, now: datetime) -> tuple[str, ...]:
        wanted = select(UPLOAD.c.upload).where(UPLOAD.c.expires_at < instant.encode(now))
        with reading(self._engine) as connection:
            return tuple(connection.execute(wanted).scalars())

    def add(self, upload: str, part: Part, *, expires_at: datetime) -> None:
        """These octets are here, durably, and the part stands for all from where it begins on;
        the upload lives on."""
        with writing(self._engine) as connection:
            connection.execute(
                delete(PART).where(PART.c.upload == upload, PART.c.begins >= part.begins)
            )
            connection.execute(
                insert(PART),
                {
                    "upload": upload,
                    "begins": part.begins,
                    "size": part.size,
                    "sha256": part.sha256,
                    "place": part.place,
                },
            )
            self._set(connection, upload, expires_at=instant.encode(expires_at))

    def promise(self, upload: str, exhibit: str) -> str:
        """The name that its exhibit will have; the first promise stands."""
        with writing(self._engine) as connection:
            known = connection.execute(
                select(UPLOAD.c.exhibit).where(UPLOAD.c.upload == upload)
            ).scalar_one()
            if known:
                return str(known)
            self._set(connection, upload, exhibit=exhibit)
        return exhibit

    def end(self, upload: str, *, ended: str) -> None:
        """It is kept, or why it was refused; its parts are needed no more."""
        with writing(self._engine) as connection:
            self._set(connection, upload, ended=ended)
            connection.execute(delete(PART).where(PART.c.upload == upload))

    def forget(self, upload: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(PART).where(PART.c.upload == upload))
            connection.execute(delete(UPLOAD).where(UPLOAD.c.upload == upload))

    def _set(self, connection: Any, upload: str, **values: str) -> None:
        connection.execute(update(UPLOAD).where(UPLOAD.c.upload == upload).values(**values))


def _row_of(one: Arriving) -> dict[str, object]:
    row: dict[str, object] = {
        column.name: getattr(one, column.name)
        for column in UPLOAD.columns
        if column.name not in {"opened_at", "expires_at"}
    }
    return row | {
        "opened_at": instant.encode(one.opened_at),
        "expires_at": instant.encode(one.expires_at),
    }


def _arriving(row: Row[Any]) -> Arriving:
    said = {name: getattr(row, name) for name in row._fields}
    said["opened_at"] = instant.parse(row.opened_at)
    said["expires_at"] = instant.parse(row.expires_at)
    return Arriving(**said)
