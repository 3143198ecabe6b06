"""Files that the page hands down: denied, or kept within limits if the order says so.

A download that is kept is written by the browser under a name of its own making, into a folder
of its own; what the site calls it is only said. It is read back as whatever a page could have
made of it: a plain file of the browser's user, not larger than allowed. Each one, kept or not,
is a line of downloads.jsonl with what became of it and why: docs/spec/capture.md §5.5.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from guzheng.capturer.clock import Clock
from guzheng.capturer.devtools import Devtools, Values, number, text
from guzheng.capturer.journal import Journal, cut
from guzheng.capturer.limits import (
    DOWNLOAD_OCTETS,
    DOWNLOADS,
    DOWNLOADS_LISTED,
    DOWNLOADS_OCTETS,
    DOWNLOADS_SECONDS,
)
from guzheng.proof import canonical, instant

NAME = "downloads.jsonl"
OPTION = "keep-downloads"
SCHEMA = "guzheng.downloads/1"
_DENIED, _KEPT, _LEFT_OUT, _BROKEN = "denied", "kept", "left-out", "broken-off"
_TICK_SECONDS = 0.05
_PART = 1 << 20


@dataclass(slots=True)
class Download:
    """One of them, as the browser told it."""

    guid: str
    url: str
    claimed_name: str
    observed_at: str
    outcome: str
    why: str = ""
    is_over: bool = False
    octets: int = 0


@dataclass(slots=True)
class Downloads:
    """`make_folder` before the page is opened, `finish` at rest, `write` at the end."""

    clock: Clock
    journal: Journal
    is_kept: bool
    folder: Path | None = None
    uid: int = 0
    seen: list[Download] = field(default_factory=list[Download])
    _devtools: Devtools | None = None

    def behaviour(self) -> Values:
        """For Browser.setDownloadBehavior; denied unless there is a place for them."""
        if self.is_kept and self.folder is not None:
            where = {"behavior": "allowAndName", "downloadPath": str(self.folder)}
        else:
            where = {"behavior": "deny"}
        return {**where, "eventsEnabled": True}

    def make_folder(self, parent: Path, uid: int) -> None:
        self.folder, self.uid = parent / "downloads", uid
        self.folder.mkdir(0o700)
        if uid != os.getuid():
            os.chown(self.folder, uid, uid)

    def attach(self, devtools: Devtools) -> None:
        self._devtools = devtools

    def began(self, values: Values) -> None:
        name, url = text(values, "suggestedFilename"), text(values, "url")
        if len(self.seen) >= DOWNLOADS_LISTED:
            self.journal.limit("capture.downloads-cut")
            self._cancel(text(values, "guid"))
            return
        one = Download(
            text(values, "guid"),
            cut(url, 8000),
            cut(name, 240),
            instant.encode(self.clock.now()),
            _KEPT if self.is_kept else _DENIED,
        )
        self.seen.append(one)
        if not self.is_kept:
            one.is_over, one.why = True, "the order does not say that downloads are kept"
            self.journal.step("download.denied", f"{name} {url}")
        elif sum(each.outcome == _KEPT for each in self.seen) > DOWNLOADS:
            self._leave_out(one, f"more than {DOWNLOADS} downloads")
        else:
            self.journal.step("download.begun", f"{name} {url}")

    def progressed(self, values: Values) -> None:
        guid = text(values, "guid")
        one = next((each for each in self.seen if each.guid == guid), None)
        if one is None or one.is_over or one.outcome != _KEPT:
            return
        one.octets = int(number(values, "receivedBytes"))
        match text(values, "state"):
            case "completed":
                one.is_over = True
            case "canceled":
                one.is_over, one.outcome = True, _BROKEN
                one.why = "it broke off"
            case _ if one.octets > DOWNLOAD_OCTETS:
                self._leave_out(one, f"more than {DOWNLOAD_OCTETS} octets")

    def _leave_out(self, one: Download, why: str) -> None:
        one.is_over, one.outcome, one.why = True, _LEFT_OUT, why
        self.journal.limit("capture.downloads-cut")
        self.journal.step("download.denied", f"{one.claimed_name} {one.url}")
        self._cancel(one.guid)

    def _cancel(self, guid: str) -> None:
        if self._devtools is not None and guid:
            self._devtools.post("Browser.cancelDownload", {"guid": guid})

    async def finish(self, must_end: Callable[[], bool]) -> None:
        """Wait for those under way; what is not there then is broken off."""
        until = self.clock.monotonic() + DOWNLOADS_SECONDS
        while any(not one.is_over for one in self.seen):
            if self.clock.monotonic() >= until or must_end():
                break
            await asyncio.sleep(_TICK_SECONDS)
        for one in self.seen:
            if not one.is_over:
                one.is_over, one.outcome = True, _BROKEN
                one.why = f"not whole after {DOWNLOADS_SECONDS} s"
                self._cancel(one.guid)

    def write(self, items: Path) -> list[str]:
        """Names of what was made; nothing if the page handed nothing down."""
        if not self.seen:
            return []
        names, lines, left = [NAME], [canonical.encode({"schema": SCHEMA})], DOWNLOADS_OCTETS
        for place, one in enumerate(self.seen, 1):
            value: dict[str, object] = {
                "url": one.url,
                "claimed_name": one.claimed_name,
                "observed_at": one.observed_at,
            }
            if not one.is_over:  # it began when the pictures were taken
                one.outcome, one.why = _BROKEN, "not whole at the end"
            if one.outcome == _KEPT:
                item = f"download-{place:03d}.bin"
                told = self._copy(one, items / item, left)
                if told:
                    value |= {"item": item, **told}
                    left -= one.octets
                    names.append(item)
            value |= {"outcome": one.outcome, "why": one.why}
            lines.append(canonical.encode(value))
        (items / NAME).write_bytes(b"\n".join(lines) + b"\n")
        outcomes = {one.outcome for one in self.seen}
        if outcomes - {_KEPT}:
            self.journal.note("capture.download-denied")
        if len(names) > 1:
            self.journal.note("capture.download-kept")
        return names

    def _copy(self, one: Download, to: Path, most: int) -> dict[str, object]:
        """Its size and digest; nothing, with a reason, if it is not a plain file of theirs."""
        hasher, size = hashlib.sha256(), 0
        try:
            if self.folder is None or not one.guid.replace("-", "").isalnum():
                raise OSError("no such file")
            path = self.folder / one.guid
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with closing(os.fdopen(descriptor, "rb")) as stream:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or found.st_uid != self.uid:
                    raise OSError("not a plain file of the browser's user")
                if found.st_size > min(most, DOWNLOAD_OCTETS):
                    one.outcome, one.why = _LEFT_OUT, f"more than {most} octets in all"
                    self.journal.limit("capture.downloads-cut")
                    return {}
                with to.open("wb") as out:
                    while size < found.st_size and (part := stream.read(_PART)):
                        hasher.update(part)
                        size += len(part)
                        out.write(part)
        except OSError as error:
            one.outcome, one.why = _BROKEN, cut(error.strerror or str(error))[:200]
            return {}
        one.octets = size
        return {"octets": size, "sha256": f"sha256:{hasher.hexdigest()}"}
