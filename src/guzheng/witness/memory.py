"""What a witness must never forget: which logs it watches, and what it last cosigned of each.

SQLite: what `remember` wrote is on the disk when `exclusively` ends, or an error is raised. The
journal is a rollback journal, not a write-ahead log: what was committed is in the one file, so
a witness that is stopped moves to another machine as that file and its key. One connection
serves all threads, one at a time; a second program on the same file waits its turn too (BEGIN
IMMEDIATE). Never restore this file from a backup: an older memory would let two histories be
cosigned. A witness whose memory is lost is at its end.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from guzheng.cosigner import Refused
from guzheng.proof.note import Checkpoint, VerifierKey

FILE = "witness.sqlite"
_BUSY_SECONDS = 30
_RECENT = 8
_TABLES = """
CREATE TABLE IF NOT EXISTS log (
  vkey TEXT PRIMARY KEY,
  origin TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS latest (
  id TEXT PRIMARY KEY,        -- SHA-256 of the origin, in hexadecimal
  origin TEXT NOT NULL,
  size INTEGER NOT NULL CHECK (size >= 0),
  root BLOB NOT NULL CHECK (length(root) = 32),
  seconds INTEGER NOT NULL,   -- the time that was cosigned
  note BLOB NOT NULL          -- the checkpoint with the log's signatures and ours
);
CREATE TABLE IF NOT EXISTS recent (  -- the last few that were cosigned
  id TEXT,
  size INTEGER,
  root BLOB NOT NULL,
  PRIMARY KEY (id, size)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contradiction (
  id TEXT PRIMARY KEY,
  fork BLOB NOT NULL          -- docs/spec/fork.md: what the log signed beside what we cosigned
);
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """The largest checkpoint of a log that was cosigned here."""

    origin: str
    size: int
    root: bytes
    seconds: int
    note: bytes


def id_of(origin: str) -> str:
    """How the monitoring path of tlog-witness names a log."""
    return sha256(origin.encode()).hexdigest()


class Memory:
    def __init__(self, path: Path, *, may_be_made: bool) -> None:
        if not may_be_made and not path.exists():
            raise Refused("witness.memory-lost", path=path)
        self._turn = threading.RLock()
        self._sql = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._sql.execute("PRAGMA journal_mode=DELETE")
            self._sql.execute("PRAGMA synchronous=EXTRA")  # FULL, and the directory after it
            self._sql.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            self._sql.close()
            raise Refused("witness.memory-damaged", path=path, found=error) from error

    def close(self) -> None:
        with self._turn:
            self._sql.close()

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Nobody else reads or writes meanwhile; all of it is durable afterwards, or none."""
        with self._turn:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._sql.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # some errors have rolled back already
                    self._sql.execute("ROLLBACK")
                raise

    # -- logs ----------------------------------------------------------------------------------

    def add_log(self, key: VerifierKey) -> None:
        with self.exclusively():
            self._sql.execute("INSERT OR IGNORE INTO log VALUES (?, ?)", (str(key), key.name))

    def keys_of(self, origin: str) -> tuple[VerifierKey, ...]:
        return tuple(key for key in self.logs() if key.name == origin)

    def logs(self) -> tuple[VerifierKey, ...]:
        with self._turn:
            rows = self._sql.execute("SELECT vkey FROM log ORDER BY origin, vkey").fetchall()
        return tuple(VerifierKey.parse(vkey) for (vkey,) in rows)

    # -- checkpoints ---------------------------------------------------------------------------

    def find_latest(self, log_id: str) -> Seen | None:
        with self._turn:
            row = self._sql.execute(
                "SELECT origin, size, root, seconds, note FROM latest WHERE id = ?", (log_id,)
            ).fetchone()
        return Seen(*row) if row else None

    def remember(self, seen: Seen) -> None:
        log_id = id_of(seen.origin)
        self._sql.execute(
            "INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?, ?)",
            (log_id, seen.origin, seen.size, seen.root, seen.seconds, seen.note),
        )
        self._sql.execute(
            "INSERT OR REPLACE INTO recent VALUES (?, ?, ?)", (log_id, seen.size, seen.root)
        )
        self._sql.execute(
            "DELETE FROM recent WHERE id = ?1 AND size <="
            " (SELECT size FROM recent WHERE id = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)",
            (log_id, _RECENT),
        )

    def stands(self, at: Checkpoint) -> bool:
        """Whether this is one of the last few checkpoints that were cosigned of its log."""
        log_id = id_of(at.origin)
        with self._turn:
            row = self._sql.execute(
                "SELECT 1 FROM recent WHERE id = ?1 AND size = ?2 AND root = ?3 UNION ALL"
                " SELECT 1 FROM latest WHERE id = ?1 AND size = ?2 AND root = ?3",
                (log_id, at.size, at.root),
            ).fetchone()
        return row is not None

    def newest(self, origin: str) -> bytes | None:
        seen = self.find_latest(id_of(origin))
        return seen.note if seen else None

    def keep_contradiction(self, origin: str, fork: bytes) -> None:
        """The first is proof enough; more would let a log fill this disk."""
        self._sql.execute(
            "INSERT OR IGNORE INTO contradiction VALUES (?, ?)", (id_of(origin), fork)
        )

    def find_contradiction(self, log_id: str) -> bytes | None:
        with self._turn:
            row = self._sql.execute(
                "SELECT fork FROM contradiction WHERE id = ?", (log_id,)
            ).fetchone()
        return bytes(row[0]) if row else None
