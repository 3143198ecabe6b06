"""Which outside authority to ask now, and which to leave alone for a while. Pure decisions.

An authority that has failed several times in a row is not asked for a while, then once, then
left alone for twice as long: exhibits do not wait for it one after the other, and it is not
stormed when it comes back. Times are seconds on a monotonic clock, given by the caller.
"""

import re
from dataclasses import dataclass

FAILURES = 3  # in a row, before it is left alone
PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 900.0
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
OWN = frozenset({"sm2"})  # seal.sm2.tsa is the platform's own authority again


@dataclass(frozen=True, slots=True)
class Conduct:
    """How an authority did lately: failures in a row, and when it was asked last."""

    failures: int = 0
    asked_at: float = float("-inf")


def pause_seconds(conduct: Conduct) -> float:
    """How long it is left alone after it was asked last."""
    times = min(conduct.failures - FAILURES, 10)
    return 0.0 if times < 0 else min(PAUSE_SECONDS * 2.0**times, LONGEST_PAUSE_SECONDS)


def may_ask(conduct: Conduct, at: float) -> bool:
    return at - conduct.asked_at >= pause_seconds(conduct)


def asked(conduct: Conduct, at: float) -> Conduct:
    """Before the answer: while one asks after a pause, nobody else does."""
    return Conduct(conduct.failures, at)


def failed(conduct: Conduct) -> Conduct:
    return Conduct(conduct.failures + 1, conduct.asked_at)


def answered(conduct: Conduct) -> Conduct:
    return Conduct(0, conduct.asked_at)


def named(line: str) -> tuple[str, str] | None:
    """`name address` of a setting; None when it is something else."""
    name, _, address = line.strip().partition(" ")
    fits = NAME.fullmatch(name) and name not in OWN and address.strip()
    return (name, address.strip()) if fits else None
