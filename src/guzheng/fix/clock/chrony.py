"""What chronyd says of the clock: `chronyc -c tracking`, read strictly.

By chrony's own manual the clock's error is at most
`|system time| + root dispersion + root delay / 2`; that is the claim. chronyd selects among
many servers and can check who they are (NTS), which is why it is asked in place of the kernel
it keeps. Not a source: a chronyd that is not synchronised, or that follows this very machine's
clock (`local stratum`).
"""

import shutil
import subprocess
from collections.abc import Sequence

from guzheng.fix.clock.rules import Claim
from guzheng.refusals import Unavailable

NAME = "chrony"
PROGRAM = "chronyc"
_FIELDS = 14
_LOCAL = "7F7F0101"  # 127.127.1.1: the machine's own clock
_LEAPS = {"Normal": False, "Insert second": True, "Delete second": True}


def find_command() -> tuple[str, ...]:
    """The command, or nothing where chrony is not installed."""
    program = shutil.which(PROGRAM)
    return (program, "-c", "-n", "tracking") if program else ()


def ask(command: Sequence[str], *, timeout_seconds: float, most: int) -> Claim:
    """Runs the command and reads its line; `Unavailable` with the reason otherwise."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=timeout_seconds,
            check=False,
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _silent(type(error).__name__) from error
    if done.returncode != 0:
        said = (done.stdout or done.stderr).decode("ascii", "replace").strip()
        raise _silent(said[:100] or f"status {done.returncode}")
    return parse(done.stdout, most=most)


def parse(line: bytes, *, most: int) -> Claim:
    """One line of 14 fields; the fifth is above nought when our clock is behind (tested)."""
    try:
        fields = line.decode("ascii").removesuffix("\n").split(",")
        if len(fields) != _FIELDS:
            raise ValueError(f"{len(fields)} fields")
        identity, _, stratum, leap = fields[0], fields[1], int(fields[2]), fields[13]
        behind, delay, dispersion = (_micros(fields[at]) for at in (4, 10, 11))
    except ValueError as error:
        raise _silent(f"another line: {error}") from error
    if leap not in _LEAPS or not 0 < stratum < 16 or identity in {_LOCAL, "00000000"}:
        raise _silent("not synchronised")
    if delay < 0 or dispersion < 0:
        raise _silent("a distance below nought")
    uncertainty = -(-delay // 2) + dispersion + 1
    if uncertainty > most:
        raise _silent(f"it may be wrong by {uncertainty / 1e6:.3f} s")
    return Claim(NAME, behind, uncertainty, leap=_LEAPS[leap])


def _micros(text: str) -> int:
    """Seconds with a fraction, as chrony writes them; no infinity, no exponent."""
    digits = text.removeprefix("-")
    if not digits.replace(".", "", 1).isdecimal() or len(digits) > 30:
        raise ValueError(f"not a number of seconds: {text[:30]!r}")
    return round(float(text) * 1_000_000)


def _silent(found: str) -> Unavailable:
    return Unavailable(
        "clock.source-silent",
        expected="a chronyd that is synchronised",
        found=f"{NAME}: {found}",
        act="see chronyc tracking",
    )
