"""Which exhibits have a file with this SHA-256: what a court asks that holds only a file.

Part of the index and as derived: a row for every file of an exhibit's listing (originals, and
papers such as the certificate), and for the files of a hash-only deposit, which stayed with
their owner. Made again by `rebuild`. A certificate's number is the beginning of the manifest's
SHA-256 (docs/spec/certificate.md), so it is found here too. Whether an exhibit that was found
is sound is asked of its papers and of the ledger, never of these rows.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    select,
)

from guzheng.proof.digest import Digest
from guzheng.refusals import Refused
from guzheng.store.ids import ALPHABET

TABLES = MetaData()
FINGERPRINT = Table(
    "fingerprint",
    TABLES,
    Column("sha256", Text, primary_key=True),
    Column("exhibit", Text, primary_key=True, index=True),
    sqlite_strict=True,
)
_NUMBER = re.compile(rf"GZ-[0-9]{{8}}-([{ALPHABET}]{{10}})", re.ASCII)


def spelled(number: str) -> str:
    """A certificate's number as it is printed, however it was typed; Refused if it is none."""
    one = number.strip().upper()
    if not _NUMBER.fullmatch(one):
        raise Refused(
            "court.not-a-number",
            expected="GZ-20261121-XXXXXXXXXX",
            found=number.strip()[:40],
            act="copy the number from the head of the certificate",
        )
    return one


def beginning_of(number: str) -> str:
    """The manifest's SHA-256 as far as a number tells it: 12 hex digits of its 50 bits."""
    bits = 0
    for letter in spelled(number).rpartition("-")[2]:
        bits = bits << 5 | ALPHABET.index(letter)
    return f"{bits >> 2:012x}"


def enter(connection: Connection, files: Mapping[str, Iterable[Digest]]) -> None:
    """These are the files of each exhibit, instead of what was known before."""
    leave(connection, files.keys())
    rows = [
        {"sha256": one, "exhibit": exhibit}
        for exhibit, digests in files.items()
        for one in sorted({digest.hex for digest in digests if digest.algorithm == "sha256"})
    ]
    if rows:
        connection.execute(insert(FINGERPRINT), rows)


def leave(connection: Connection, exhibits: Collection[str]) -> None:
    connection.execute(delete(FINGERPRINT).where(FINGERPRINT.c.exhibit.in_(exhibits)))


def of_exhibit(connection: Connection, exhibit: str) -> frozenset[str]:
    """SHA-256 of each of its files, in hex."""
    wanted = select(FINGERPRINT.c.sha256).where(FINGERPRINT.c.exhibit == exhibit)
    return frozenset(connection.execute(wanted).scalars())


def beginning(digits: str) -> ColumnElement[bool]:
    """As a range, which the index answers; a LIKE would read every row."""
    return and_(FINGERPRINT.c.sha256 >= digits, FINGERPRINT.c.sha256 < digits + "g")


def digests_beginning(connection: Connection, digits: str) -> Iterator[str]:
    """Each SHA-256 that begins so, by one step into the index for each."""
    known = connection.execute(select(func.min(FINGERPRINT.c.sha256)).where(beginning(digits)))
    while (found := known.scalar()) is not None:
        yield found
        known = connection.execute(
            select(func.min(FINGERPRINT.c.sha256)).where(
                beginning(digits), FINGERPRINT.c.sha256 > found
            )
        )


def exhibits_beginning(connection: Connection, digits: str, most: int) -> tuple[str, ...]:
    """Exhibits with a file whose SHA-256 begins with these hex digits; oldest first."""
    wanted = (
        select(FINGERPRINT.c.exhibit)
        .where(beginning(digits))
        .order_by(FINGERPRINT.c.exhibit)
        .distinct()
        .limit(most)
    )
    return tuple(connection.execute(wanted).scalars())
