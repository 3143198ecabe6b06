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
import functools
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from guzheng.fix.clock.rules import Agreement, Claim, Measurement, Tick
from guzheng.proof import canonical
from guzheng.proof.errors import ProofError
from guzheng.refusals import Unavailable
from guzheng.store import durable

MEASURED, ISSUED = "measured.json", "issued"
AHEAD = 1_000_000  # microseconds: how often a token has to wait for the disk at most
_BOOT_OCTETS = 36
_FORM = struct.Struct(f">8s{_BOOT_OCTETS}sqqB3x")
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


class Issued(NamedTuple):
    """`last`: no verified token is later, as far as this run of the machine knows; `ahead`:
    none is later, come what may. `standing` None: not known yet."""

    boot: bytes = bytes(_BOOT_OCTETS)
    last: int = 0
    ahead: int = 0
    standing: Standing | None = None

    def not_before(self, boot: str) -> int:
        """No token may be older than this. After a new start of the machine what was written
        last may not have reached the disk; what was durable is later than it."""
        return self.last if self.boot == _boot(boot) else self.ahead


@functools.cache
def _boot(boot: str) -> bytes:
    return boot.encode("ascii")[:_BOOT_OCTETS].ljust(_BOOT_OCTETS, b"\0")


def parse_issued(octets: bytes, path: str) -> Issued:
    """None yet where the file is empty; raises Unavailable for one that is damaged."""
    if not octets:
        return Issued()
    try:
        magic, boot, last, ahead, number = _FORM.unpack(octets)
        if magic != _MAGIC:
            raise ValueError(magic)
        return Issued(boot, last, ahead, _STANDINGS[number])
    except (struct.error, ValueError, KeyError) as error:
        raise Unavailable(
            "clock.memory-damaged",
            expected="the time of the last token",
            found=f"{path}: {len(octets)} octets that are not ours",
            act="move the file away when the clock is certainly right",
        ) from error


class Turn:
    """The file of the last token, held; nobody else gives out a time meanwhile."""

    __slots__ = ("_descriptor", "_path", "issued")

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor, self._path = descriptor, path
        self.issued = parse_issued(os.pread(descriptor, _FORM.size + 1, 0), path)

    def issue(self, now: Tick) -> None:
        """A token of this time is about to be signed."""
        before, boot, ahead = self.issued, _boot(now.boot), self.issued.ahead
        if now.realtime >= ahead or before.boot != boot:
            ahead = max(ahead, now.realtime + AHEAD)
        self._write(Issued(boot, now.realtime, ahead, before.standing), ahead != before.ahead)

    def stand(self, standing: Standing) -> None:
        self._write(self.issued._replace(standing=standing), durably=True)

    def _write(self, issued: Issued, durably: bool) -> None:  # noqa: FBT001 - of this class only
        octets = _FORM.pack(
            _MAGIC, issued.boot, issued.last, issued.ahead, _NUMBERS[issued.standing]
        )
        try:
            os.pwrite(self._descriptor, octets, 0)
            if durably:
                os.fdatasync(self._descriptor)
        except OSError as error:
            raise _unusable(self._path, error) from error
        self.issued = issued


def _unusable(path: str, error: OSError) -> Unavailable:
    return Unavailable(
        "clock.memory-unusable",
        expected="a file that this user can read and write, on a disk with room",
        found=f"{path}: {error.strerror or type(error).__name__}",
        act="the operator mends it; nothing was issued",
    )


class Memory:
    """Both files, in a folder of their own. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._issued = str(folder / ISSUED)
        self._measured = str(folder / MEASURED)
        self._known: tuple[tuple[int, int], Round | None] | None = None

    @contextlib.contextmanager
    def turn(self) -> Iterator[Turn]:
        """One at a time, of all threads and programs; the kernel ends it with its holder."""
        descriptor = self._locked(self._issued)
        try:
            yield Turn(descriptor, self._issued)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """One program asks at a time; who waited finds the answers."""
        descriptor = self._locked(str(self._folder / "asking"))
        try:
            yield
        finally:
            os.close(descriptor)

    def _locked(self, path: str) -> int:
        # Opened each time: a lock is of the opening, which threads and a fork would share.
        try:
            descriptor = self._opened(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise _unusable(path, error) from error
        return descriptor

    def _opened(self, path: str) -> int:
        try:
            return os.open(path, _OPEN)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, _OPEN | os.O_CREAT, 0o600)
            durable.sync_directory(self._folder)
            return descriptor

    def standing(self) -> Standing | None:
        """As it was last known here, without waiting for a turn."""
        return self._peek().standing

    def last(self, boot: str) -> int:
        return self._peek().not_before(boot)

    def _peek(self) -> Issued:
        try:
            return parse_issued(Path(self._issued).read_bytes(), self._issued)
        except FileNotFoundError:
            return Issued()
        except OSError as error:
            raise _unusable(self._issued, error) from error

    def keep(self, last: Round) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            durable.replace(Path(self._measured), last.encode())
        except OSError as error:
            raise _unusable(self._measured, error) from error

    def newest(self) -> Round | None:
        """The last round of any program; None when there was none that can be read."""
        try:
            found = os.stat(self._measured)  # noqa: PTH116 - once for each token
        except OSError:
            return None
        version, known = (found.st_ino, found.st_mtime_ns), self._known
        if known is not None and known[0] == version:
            return known[1]
        try:
            newest = Round.parse(Path(self._measured).read_bytes())
        except (OSError, ValueError, TypeError, KeyError, ProofError):
            newest = None
        self._known = version, newest
        return newest
