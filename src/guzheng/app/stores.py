"""Where an installation keeps things: on this machine, or where many machines see them.

    papers and tiles           a directory                  s3_bucket: a bucket of S3
    index, entries, queue,     SQLite files                 database_url: PostgreSQL
    commissions, accounts
    leases                     locks below the directory    advisory locks of PostgreSQL
    the checkpoint signed last beside the key               a cell in the bucket

Each is chosen by itself, but many machines need both, and a copy of `keys/` each. The memory of
the last signature is never in the database: a database may be restored from yesterday's backup.
Every shard of the ledger has entries, keys and memory of its own, the first under plain names.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

from guzheng.config import Config
from guzheng.ledger import FileLastSigned, LastSigned, TileStore
from guzheng.ledger.lastsigned import CellLastSigned
from guzheng.ledger.ledger import FIRST
from guzheng.refusals import Refused
from guzheng.store.blobs import Blobs
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.lease import Place
from guzheng.store.records import drawer, open_database, open_engine

INDEX, LEDGER, JOBS = "index.sqlite", "ledger.sqlite", "jobs.sqlite"
COMMISSIONS = "commissions.sqlite"  # no index: like accounts, the truth of its matter
ACCOUNTS = "accounts.sqlite"  # likewise: persons, permissions, cases, shares
LAST_SIGNED = "last-signed.checkpoint"


class Store(Blobs, TileStore, Protocol):
    """Where papers and tiles are kept."""


@dataclass(frozen=True, slots=True)
class Stores:
    """One of each."""

    blobs: Store
    index: Engine
    entries: Callable[[str], Engine]  # of a shard
    commissions: Engine
    accounts: Engine
    leases: Place
    last_signed: Callable[[str], LastSigned]  # of a shard


def open_stores(config: Config, keys_folder: Path) -> Stores:
    """Open what the settings name; raises Refused or Unavailable where it cannot be used."""
    data = config.data
    leases: Place = data / "leases"
    if config.database_url:
        _require_extra("psycopg")
        from guzheng.store.server import ServerLeases

        database = open_database(config.database_url)
        index, commissions = drawer(database, "index"), drawer(database, "commissions")
        accounts = drawer(database, "accounts")
        leases = ServerLeases(database)

        def entries(shard: str) -> Engine:
            return drawer(database, "ledger" if shard == FIRST else f"ledger-{shard}")
    else:
        index, commissions = open_engine(data / INDEX), open_engine(data / COMMISSIONS)
        accounts = open_engine(data / ACCOUNTS)

        def entries(shard: str) -> Engine:
            return open_engine(data / (LEDGER if shard == FIRST else f"ledger-{shard}.sqlite"))

    if not config.s3_bucket:
        return Stores(
            DirectoryBlobs(data / "blobs"),
            index,
            entries,
            commissions,
            accounts,
            leases,
            lambda shard: FileLastSigned(keys_of(keys_folder, shard) / LAST_SIGNED),
        )
    _require_extra("obstore")
    from guzheng.store import s3

    bucket = s3.open_bucket(
        config.s3_bucket,
        endpoint=config.s3_endpoint,
        region=config.s3_region,
        keys=_keys_in(config.s3_keys),
    )

    def last_signed(shard: str) -> LastSigned:
        name = LAST_SIGNED if shard == FIRST else f"last-signed-{shard}.checkpoint"
        return CellLastSigned(s3.Cell(bucket, name), leases)

    return Stores(
        s3.S3Blobs(bucket), index, entries, commissions, accounts, leases, last_signed
    )


def keys_of(keys_folder: Path, shard: str) -> Path:
    """Where the keys of a shard lie."""
    return keys_folder if shard == FIRST else keys_folder / "shards" / shard


def _require_extra(package: str) -> None:
    """One machine alone needs neither driver, and is installed without them."""
    if importlib.util.find_spec(package) is None:
        raise Refused(
            "config.extra-missing",
            expected="the packages for many machines",
            found=f"no {package}",
            act="pip install 'guzheng[server,scale]'",
        )


def _keys_in(file: str) -> tuple[str, str] | None:
    """Access key and secret key, one a line; what is wrong with them is said without them."""
    if not file:
        return None
    try:
        mode = Path(file).stat().st_mode
        lines = Path(file).read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(file, type(error).__name__) from error
    if mode & 0o077:
        raise _unusable(file, f"mode {mode & 0o777:o}: others can read it")
    if len(lines) != 2:
        raise _unusable(file, f"{len(lines)} lines")
    return lines[0], lines[1]


def _unusable(file: str, found: str) -> Refused:
    return Refused(
        "config.value-refused",
        expected="s3_keys: a file that only its owner can read, with the access key and the"
        " secret key, one a line",
        found=f"{file}: {found}",
        act="mend the file",
    )
