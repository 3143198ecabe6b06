"""Keeps what the page and the browser said on the console: messages, log entries, exceptions.

What the page says of itself is evidence of its making (a script that failed, a resource that
was blocked), and a page may say anything: text is kept as text, never as code, within limits.
A page that floods the console has it shut, and the record says so. What is written is
items/console.jsonl: docs/spec/capture.md §5.3.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from guzheng.capturer.clock import Clock
from guzheng.capturer.devtools import Devtools, Values, as_object, inner, listing, number, text
from guzheng.capturer.journal import cut
from guzheng.capturer.limits import CONSOLE_LINES, CONSOLE_OCTETS, CONSOLE_TEXT
from guzheng.proof import canonical, instant
from guzheng.proof.errors import Malformed

SCHEMA = "guzheng.console/1"
ENABLE = ("Runtime.enable", "Log.enable")
_DISABLE = ("Runtime.disable", "Log.disable")


class ConsoleLog:
    """`take` every event; `octets` is the item."""

    def __init__(self, clock: Clock) -> None:
        self.is_cut = False
        self._clock = clock
        self._devtools: Devtools | None = None
        self._lines = [canonical.encode({"schema": SCHEMA})]
        self._kept = 0
        self._shut_sessions: set[str] = set()
        self._readers: Mapping[str, Callable[[Values], dict[str, object]]] = {
            "Runtime.consoleAPICalled": _called,
            "Runtime.exceptionThrown": _thrown,
            "Log.entryAdded": _entry,
        }

    def attach(self, devtools: Devtools) -> None:
        self._devtools = devtools

    def take(self, method: str, values: Values, session: str) -> None:
        reader = self._readers.get(method)
        if reader is None:
            return
        if len(self._lines) > CONSOLE_LINES or self._kept > CONSOLE_OCTETS:
            self._shut(session)
            return
        line = reader(values)
        line["observed_at"] = self._at(line.pop("milliseconds", 0))
        octets = canonical.encode({name: one for name, one in line.items() if one != ""})
        self._kept += len(octets)
        self._lines.append(octets)

    def _shut(self, session: str) -> None:
        self.is_cut = True
        if self._devtools is not None and session not in self._shut_sessions:
            self._shut_sessions.add(session)
            for method in _DISABLE:
                self._devtools.post(method, {}, session)

    def _at(self, milliseconds: object) -> str:
        """By the browser's wall clock; by ours where it says nothing usable."""
        try:
            seconds = milliseconds / 1000 if isinstance(milliseconds, (int, float)) else 0
            at = datetime.fromtimestamp(seconds, UTC) if seconds > 0 else self._clock.now()
            return instant.encode(at)
        except (ValueError, OverflowError, OSError, Malformed):
            return instant.encode(self._clock.now())

    @property
    def octets(self) -> bytes:
        return b"\n".join(self._lines) + b"\n"


def _called(values: Values) -> dict[str, object]:
    said = " ".join(_spoken(as_object(one)) for one in listing(values, "args")[:50])
    frames = listing(values, "stackTrace", "callFrames")
    return {
        "kind": "console",
        "level": text(values, "type"),
        "text": cut(said, CONSOLE_TEXT),
        "milliseconds": number(values, "timestamp"),
        **_place(as_object(frames[0]) if frames else {}),
    }


def _thrown(values: Values) -> dict[str, object]:
    details = inner(values, "exceptionDetails")
    said = text(details, "exception", "description") or text(details, "text")
    return {
        "kind": "exception",
        "level": "error",
        "text": cut(said, CONSOLE_TEXT),
        "milliseconds": number(values, "timestamp"),
        **_place(details),
    }


def _entry(values: Values) -> dict[str, object]:
    entry = inner(values, "entry")
    return {
        "kind": f"log.{text(entry, 'source')}",
        "level": text(entry, "level"),
        "text": cut(text(entry, "text"), CONSOLE_TEXT),
        "milliseconds": number(entry, "timestamp"),
        **_place(entry),
    }


def _spoken(argument: Values) -> str:
    value = argument.get("value")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return text(argument, "description") or text(argument, "type")


def _place(values: Values) -> dict[str, object]:
    """Where in which script; the browser counts lines from 0, people from 1."""
    place: dict[str, object] = {"url": cut(text(values, "url"))}
    if place["url"] and "lineNumber" in values:
        place["line"] = int(number(values, "lineNumber")) + 1
    return place
