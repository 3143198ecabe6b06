"""How right this machine's wall clock is, by the word of its kernel: adjtimex(2).

Whoever keeps the clock (chronyd, systemd-timesyncd, phc2sys) tells the kernel that it is
synchronised and by how much it may be wrong. The capturer compares the clock with nothing
itself: its only way out is the page's. So this is the kernel's claim, and named as such; the
platform's own comparison stands in the ledger of its clock, not here.

A bound of nought is believed by nobody: systemd-timesyncd always claims it.
"""

import ctypes
from dataclasses import dataclass

MOST_ERROR = 1_000_000  # microseconds: ETSI EN 319 422 allows an authority one second
_LEAST_ERROR = 100_000
_STA_UNSYNC, _STA_NANO = 0x40, 0x2000
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),  # what the kernel writes beyond is not read
    )


@dataclass(frozen=True, slots=True)
class Timekeeping:
    """`fault` is empty if the kernel vouches for its clock."""

    synchronised: bool
    largest_error_microseconds: int
    pending_microseconds: int
    fault: str

    def value(self) -> dict[str, object]:
        return {
            "claimed_by": "kernel",
            "synchronised": self.synchronised,
            "largest_error_microseconds": self.largest_error_microseconds,
            "pending_microseconds": self.pending_microseconds,
        }


def ask_kernel() -> Timekeeping:
    """Never raises: a kernel that does not answer is a fault of its clock."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except AttributeError:
        return _silent("a C library without adjtimex")
    if state < 0:
        return _silent(f"adjtimex: error {ctypes.get_errno()}")
    pending = abs(timex.offset)
    if timex.status & _STA_NANO:
        pending = -(-pending // 1000)
    error = max(timex.maxerror, 0)
    return judged(
        synchronised=not timex.status & _STA_UNSYNC and state != _TIME_ERROR,
        largest_error=error,
        pending=pending,
    )


def judged(*, synchronised: bool, largest_error: int, pending: int) -> Timekeeping:
    """Believed if it is synchronised and cannot be wrong by more than a second."""
    fault = ""
    if not synchronised:
        fault = "the kernel says that its clock is not synchronised"
    elif (total := largest_error + pending + _LEAST_ERROR) > MOST_ERROR:
        fault = f"the kernel's clock may be wrong by {total / 1e6:.1f} s"
    return Timekeeping(synchronised, largest_error, pending, fault)


def _silent(fault: str) -> Timekeeping:
    return Timekeeping(
        synchronised=False,
        largest_error_microseconds=0,
        pending_microseconds=0,
        fault=fault,
    )
