"""What an operator must be able to look up later: structured events, one JSON line each.

To `audit.jsonl` in the data directory, by `logging` (logger `guzheng.audit`), opened anew when
somebody moves it away, so that any log rotation works. What may stand in a line is listed here,
event by event: no key, no name, no address, no file name can get in by mistake. Every token has
its line in the issuance journal instead; requests are counted, not listed (app/counting.py).

A copy of each line can go where nobody on this machine can take it back (`audit_copy`): to
stdout, which whatever runs the program collects, or to a syslog (RFC 3164), here or elsewhere.
The file is the record; a copy that cannot be sent holds nothing up.
"""

import logging
import logging.handlers
import os
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from guzheng.accounts import Acting
from guzheng.proof import canonical, instant
from guzheng.refusals import Refused

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
    "exhibit.ended": frozenset({"exhibit", "kind", "missing"}),
    "sms.budget": frozenset({"prefix", "sent"}),
    "documents.key": frozenset({"generation"}),
    "documents.retired": frozenset({"generation"}),
    "accounts.key": frozenset({"generation"}),
    "accounts.retired": frozenset({"generation"}),
    "access.refused": frozenset({"code", "rule", "account", "person", "way", "refused"}),
    "entry.refused": frozenset({"code", "rule", "refused"}),
}
_AGAIN_SECONDS: Final = 60
_MOST_KINDS: Final = 10_000


SYSLOG_SOCKET: Final = "/dev/log"


class _Copy(logging.handlers.SysLogHandler):
    """Whoever collects may be away; the file has the line."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        del record


def copied(folder: Path, how: str) -> None:
    """From now on the events of this installation go there too. `how`: empty, stdout, syslog,
    or `syslog HOST:PORT` (UDP). Raises Refused for what cannot be."""
    log = logging.getLogger(f"guzheng.audit.{folder.resolve()}")
    if not how or any(one.get_name() == how for one in log.handlers):
        return
    to: logging.Handler
    kind, _, where = how.partition(" ")
    host, _, port = where.rpartition(":")
    try:
        if how == "stdout":
            to = logging.StreamHandler(sys.stdout)
        elif how == "syslog":
            to = _Copy(SYSLOG_SOCKET)
        elif kind == "syslog" and host and port.isascii() and port.isdecimal():
            to = _Copy((host.strip("[]"), int(port)))
        else:
            raise _no_copy(how[:60])
    except (OSError, OverflowError) as error:
        raise _no_copy(type(error).__name__) from error
    if isinstance(to, _Copy):
        to.ident, to.append_nul = "guzheng: ", False
    to.set_name(how)
    to.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(to)


def _no_copy(found: str) -> Refused:
    return Refused(
        "config.value-refused",
        expected="audit_copy: stdout, syslog, or syslog HOST:PORT",
        found=found,
        act="mend the setting",
    )


class Audit:
    """Writes events. Several processes may write the same file: a line is one write."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._now = now
        self._log = logging.getLogger(f"guzheng.audit.{folder.resolve()}")
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        if not any(one.get_name() == FILE for one in self._log.handlers):
            line = logging.handlers.WatchedFileHandler(
                folder / FILE, encoding="utf-8", delay=True
            )
            line.set_name(FILE)
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
    """Who is signed in and asked for what he may not have, and who did not get in. Each kind
    once a minute, with how many it stands for: who tries everything must not fill the disk as
    well.

    `rule` is the address as it is served, with names for its parameters: what was asked for
    does not stand in the line."""

    def __init__(self, audit: Audit, monotonic: Callable[[], float]) -> None:
        self._audit, self._monotonic = audit, monotonic
        self._told: dict[tuple[str, ...], tuple[float, int]] = {}
        self._telling = threading.Lock()

    def refused(self, acting: Acting, rule: str, code: str) -> None:
        if refused := self._counted(acting.account, acting.person, acting.by, rule, code):
            self._audit.tell(
                "access.refused",
                code=code,
                rule=rule,
                account=acting.account,
                person=acting.person,
                way=acting.by,
                refused=refused,
            )

    def not_entered(self, rule: str, code: str) -> None:
        """A password, a code, a passkey, a link, a key that opened nothing. As whom he tried to
        come does not stand there, nor from where: the person's own history says how many failed
        before he came in."""
        if refused := self._counted(rule, code):
            self._audit.tell("entry.refused", code=code, rule=rule, refused=refused)

    def _counted(self, *kind: str) -> int:
        """How many of this kind since it was told last; 0 where that was a moment ago."""
        now = self._monotonic()
        with self._telling:
            told_at, since = self._told.get(kind, (float("-inf"), 0))
            if now - told_at < _AGAIN_SECONDS:
                self._told[kind] = (told_at, since + 1)
                return 0
            if len(self._told) >= _MOST_KINDS:
                self._told.clear()
            self._told[kind] = (now, 0)
        return since + 1
