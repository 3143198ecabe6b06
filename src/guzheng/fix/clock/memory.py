"""What all programs of one installation know together about its clock, in two small files.

    measured.json   the last round of asking: claims, who was silent, who wants to be left
                    alone. May be lost: then the sources are asked again.
    issued          the time of the last token under a verified clock, and how the clock stands,
                    in 64 octets. It survives kill -9 by itself, and a power cut because a time
                    ahead of every token is made durable before any token reaches it.

`issued` is locked while a time is read and given out, so that programs give out times one after
the other; a second program with an older time cannot overtake.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from guzheng.fix.clock.rules import Agreement, Claim, Measurement, Tick
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused
from guzheng.store import durable

MEASURED, ISSUED = "measured.json", "issued"
AHEAD = 1_000_000  # microseconds: how often a token has to wait for the disk at most
_FORM = struct.Struct(">8s36sqqB3x")
_MAGIC = b"gz-clock"
_OPEN = os.O_RDWR | os.O_CLOEXEC


class Standing(StrEnum):
    """How a clock stands: its word is given, given with a warning, or not given."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    STOPPED = "stopped"


_NUMBERS = {None: 0, Standing.UNVERIFIED: 1, Standing.VERIFIED: 2, Standing.STOPPED: 3}
_STANDINGS = {number: standing for standing, number in _NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class Round:
    """The last time the sources were asked. `measured`: the last in which anybody answered.

    `resting`: who wants to be left alone, until which CLOCK_BOOTTIME."""

    asked: Tick
    measured: Measurement | None
    silent: Mapping[str, str] = field(default_factory=dict)
    resting: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        return canonical.encode(_plain(asdict(self)))

    @classmethod
    def parse(cls, octets: bytes) -> "Round":
        """Raises ValueError, TypeError, KeyError or ProofError for anything else."""
        value: dict[str, Any] = canonical.parse_object(octets)
        measured = value["measured"]
        return cls(
            asked=Tick(**value["asked"]),
            measured=_measurement(measured) if measured else None,
            silent=dict(value["silent"]),
            resting=dict(value["resting"]),
        )


def _measurement(value: dict[str, Any]) -> Measurement:
    agreement = value["agreement"]
    if agreement:
        names = {one: tuple(agreement[one]) for one in ("agreeing", "false")}
        agreement = Agreement(**agreement | names)
    return Measurement(
        tick=Tick(**value["tick"]),
        claims=tuple(Claim(**one) for one in value["claims"]),
        agreement=agreement,
        leap_at=value["leap_at"],
    )


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class Issued:
    """`last`: no verified token is later, as far as this run of the machine knows; `ahead`:
    none is later, come what may. `standing` None: not known yet."""

    boot: str = ""
    last: int = 0
    ahead: int = 0
    standing: Standing | None = None

    def not_before(self, boot: str) -> int:
        """No token may be older than this. After a new start of the machine what was written
        last may not have reached the disk; what was durable is later than it."""
        return self.last if self.boot == boot else self.ahead


def parse_issued(octets: bytes, path: Path) -> Issued:
    if not octets:
        return Issued()
    try:
        magic, boot, last, ahead, number = _FORM.unpack(octets)
        if magic != _MAGIC:
            raise ValueError(magic)
        return Issued(boot.decode("ascii").rstrip("\0"), last, ahead, _STANDINGS[number])
    except (struct.error, ValueError, KeyError) as error:
        raise Refused(
            "clock.memory-damaged",
            expected="the time of the last token",
            found=f"{path}: {len(octets)} octets that are not ours",
            act="move the file away when the clock is certainly right",
        ) from error


class Turn:
    """The file of the last token, held; nobody else gives out a time meanwhile."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path
        self.issued = parse_issued(os.pread(descriptor, _FORM.size + 1, 0), path)

    def last(self, boot: str) -> int:
        return self.issued.not_before(boot)

    def issue(self, now: Tick) -> None:
        """A token of this time is about to be signed."""
        with durable.reported(str(self._path)):
            ahead = max(self.issued.ahead, now.realtime)
            if now.realtime >= self.issued.ahead or self.issued.boot != now.boot:
                ahead = now.realtime + AHEAD
            self._write(replace(self.issued, boot=now.boot, last=now.realtime, ahead=ahead))

    def stand(self, standing: Standing) -> None:
        with durable.reported(str(self._path)):
            self._write(replace(self.issued, standing=standing), flush=True)

    def _write(self, issued: Issued, *, flush: bool = False) -> None:
        octets = _FORM.pack(
            _MAGIC,
            issued.boot.encode("ascii")[:36],
            issued.last,
            issued.ahead,
            _NUMBERS[issued.standing],
        )
        os.pwrite(self._descriptor, octets, 0)
        if flush or issued.ahead != self.issued.ahead:
            os.fdatasync(self._descriptor)
        self.issued = issued


class Memory:
    """Both files, in a folder of their own. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[tuple[int, int], Round | None] | None = None

    @contextlib.contextmanager
    def turn(self) -> Iterator[Turn]:
        """One at a time, of all threads and programs; the kernel ends it with its holder."""
        with self._alone(ISSUED) as descriptor:
            yield Turn(descriptor, self._folder / ISSUED)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """One program asks at a time; who waited finds the answers."""
        with self._alone("asking"):
            yield

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[int]:
        # Opened each time: a lock is of the opening, which a fork would share.
        path = self._folder / name
        try:
            descriptor = os.open(path, _OPEN)
        except FileNotFoundError:
            with durable.reported(str(path)):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(path, _OPEN | os.O_CREAT, 0o600)
                durable.sync_directory(self._folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def standing(self) -> Standing | None:
        """As it was last known here, without waiting for a turn."""
        return self._peek().standing

    def last(self, boot: str) -> int:
        return self._peek().not_before(boot)

    def _peek(self) -> Issued:
        path = self._folder / ISSUED
        try:
            return parse_issued(path.read_bytes(), path)
        except FileNotFoundError:
            return Issued()

    def keep(self, last: Round) -> None:
        durable.replace(self._folder / MEASURED, last.encode())

    def newest(self) -> Round | None:
        """The last round of any program; None when there was none that can be read."""
        path = self._folder / MEASURED
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        version, known = (found.st_ino, found.st_mtime_ns), self._known
        if known is not None and known[0] == version:
            return known[1]
        try:
            newest = Round.parse(path.read_bytes())
        except (ValueError, TypeError, KeyError, ProofError):
            newest = None
        self._known = version, newest
        return newest
