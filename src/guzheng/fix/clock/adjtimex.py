"""What the kernel knows of its own clock: adjtimex(2), asked through the C library.

Whoever disciplines the clock (chronyd, ntpd, systemd-timesyncd, phc2sys) tells the kernel that
it is synchronised and by how much it may be wrong; from then on the kernel adds 500 ppm until
it is told again, and gives up at 16 s. Reading asks for no privilege.

systemd-timesyncd tells it an error of nought, whatever the network: so nothing below
`LEAST_ERROR` is believed. Not a source: a kernel that is unsynchronised, or that may be wrong
by more than is allowed.
"""

import ctypes
from dataclasses import dataclass

from guzheng.fix.clock.rules import Claim
from guzheng.refusals import Unavailable

NAME = "kernel"
LEAST_ERROR = 100_000  # microseconds
_STA_INS, _STA_DEL, _STA_UNSYNC, _STA_NANO = 0x10, 0x20, 0x40, 0x2000
_TIME_INS, _TIME_DEL, _TIME_OOP, _TIME_ERROR = 1, 2, 3, 5


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_seconds", ctypes.c_long),
        ("time_fraction", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    )


@dataclass(frozen=True, slots=True)
class KernelClock:
    """The answer: the state it returns, STA_ bits, the largest error, and what is still to be
    slewed away, both in microseconds."""

    state: int
    bits: int
    largest_error: int
    pending: int


def read_kernel() -> KernelClock:
    """Raises `Unavailable` where there is no such call, or it is forbidden."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except AttributeError as error:
        raise _silent("a C library without adjtimex") from error
    if state < 0:
        raise _silent(f"error {ctypes.get_errno()}")
    pending = abs(timex.offset)
    if timex.status & _STA_NANO:
        pending = -(-pending // 1000)
    return KernelClock(state, timex.status, timex.maxerror, pending)


def claim_of(kernel: KernelClock, *, most: int) -> Claim:
    """What it says of itself; `Unavailable` when it knows nothing, or too little."""
    if kernel.bits & _STA_UNSYNC or kernel.state == _TIME_ERROR:
        raise _silent("not synchronised")
    error = max(kernel.largest_error, 0) + kernel.pending + LEAST_ERROR
    if error > most:
        raise _silent(f"it may be wrong by {error / 1e6:.1f} s")
    return Claim(
        NAME,
        0,
        error,
        leap=kernel.state in {_TIME_INS, _TIME_DEL, _TIME_OOP}
        or bool(kernel.bits & (_STA_INS | _STA_DEL)),
    )


def _silent(found: str) -> Unavailable:
    return Unavailable(
        "clock.source-silent",
        expected="a kernel whose clock is synchronised",
        found=f"{NAME}: {found}",
        act="run chronyd, or another program that keeps the clock",
    )
