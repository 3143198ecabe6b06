"""What an operator must be able to look up later: structured events, one JSON line each.

To `audit.jsonl` in the data directory, by `logging` (logger `guzheng.audit`), opened anew when
somebody moves it away, so that any log rotation works. What may stand in a line is listed here,
event by event: no key, no name, no address, no file name can get in by mistake. Every token has
its line in the issuance journal instead; requests are counted, not listed (app/counting.py).
"""

import logging
import logging.handlers
import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from guzheng.accounts import Acting
from guzheng.proof import canonical, instant

FILE: Final = "audit.jsonl"
# Event → the facts it has. docs/operate/timestamp-authority.md explains each; a test compares.
EVENTS: Final[Mapping[str, frozenset[str]]] = {
    "tsa.started": frozenset({"address", "processes"}),
    "tsa.stopped": frozenset(),
    "tsa.issuing": frozenset({"signer"}),
    "tsa.failing": frozenset({"failure", "code"}),
    "tsa.refusing": frozenset({"code", "refused"}),
    "journal.head": frozenset({"chain", "lines", "entry"}),
    "journal.head-failed": frozenset({"code"}),
    "exhibit.deleted": frozenset({"exhibit", "rule", "days", "items", "octets"}),
    "access.refused": frozenset({"code", "rule", "account", "person", "way", "refused"}),
}
_AGAIN_SECONDS: Final = 60
_MOST_KINDS: Final = 10_000


class Audit:
    """Writes events. Several processes may write the same file: a line is one write."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._now = now
        self._log = logging.getLogger(f"guzheng.audit.{folder.resolve()}")
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        if not self._log.handlers:
            line = logging.handlers.WatchedFileHandler(
                folder / FILE, encoding="utf-8", delay=True
            )
            line.setFormatter(logging.Formatter("%(message)s"))
            self._log.addHandler(line)

    def tell(self, event: str, **facts: str | int) -> None:
        """`facts` must be the ones that the event has: anything else is our bug."""
        if facts.keys() != EVENTS[event]:
            raise ValueError(f"{event} has {sorted(EVENTS[event])} and not {sorted(facts)}")
        line = {
            "event": event,
            "observed_at": instant.encode(self._now()),
            "pid": os.getpid(),
            **facts,
        }
        self._log.info("%s", canonical.encode(line).decode("utf-8"))


class Accesses:
    """Who is signed in and asked for what he may not have. Each kind once a minute, with how
    many it stands for: who tries everything must not fill the disk as well.

    `rule` is the address as it is served, with names for its parameters: what was asked for
    does not stand in the line."""

    def __init__(self, audit: Audit, monotonic: Callable[[], float]) -> None:
        self._audit, self._monotonic = audit, monotonic
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}
        self._telling = threading.Lock()

    def refused(self, acting: Acting, rule: str, code: str) -> None:
        kind = (acting.account, acting.person, acting.by, rule, code)
        now = self._monotonic()
        with self._telling:
            told_at, since = self._told.get(kind, (float("-inf"), 0))
            if now - told_at < _AGAIN_SECONDS:
                self._told[kind] = (told_at, since + 1)
                return
            if len(self._told) >= _MOST_KINDS:
                self._told.clear()
            self._told[kind] = (now, 0)
        self._audit.tell(
            "access.refused",
            code=code,
            rule=rule,
            account=acting.account,
            person=acting.person,
            way=acting.by,
            refused=since + 1,
        )
