"""Passwords: which are refused, and what is kept of one (Argon2id, RFC 9106).

Rules are those of NIST SP 800-63B §3.1.1: length is what counts (at least ten characters, no
composition rules, no expiry), and what attackers try first is refused: known passwords, runs
and repetitions, and the person's own name or address. A password is normalised (NFKC), so that
the same keys give the same password on every keyboard.

Kept is an Argon2id hash alone, under the second set of parameters of RFC 9106 §4 unless told
otherwise. One costs 64 MiB, so only a few are worked out at a time and few more may wait: a
flood of log-ins is sent away (`accounts.crowded`) before it eats the memory of the machine.
Whoever has no account costs as much as who has: `check` against nothing hashes too.
"""

import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from guzheng.refusals import Refused, Unavailable

SHORTEST: Final = 10
LONGEST: Final = 256  # octets are hashed, however many; a bound all the same
AT_ONCE: Final = 4
MOST_WAITING: Final = 12
WAIT_SECONDS: Final = 10.0
_SALT_OCTETS: Final = 16
_PRODUCT: Final = ("guzheng", "固证")
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Argon2id: memory, passes, lanes. The default is RFC 9106 §4, second choice."""

    kibibytes: int = 64 * 1024
    passes: int = 3
    lanes: int = 4


def normalised(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def require_good(password: str, *, own: Iterable[str] = ()) -> str:
    """The password as it is hashed. `own`: what the person is called and reached by."""
    text = normalised(password)
    if len(text) < SHORTEST:
        raise Refused("accounts.password-short", expected=f"≥ {SHORTEST}", found=f"{len(text)}")
    if len(text) > LONGEST:
        raise Refused("accounts.password-long", expected=f"≤ {LONGEST}", found=f"{len(text)}")
    folded = text.casefold()
    if folded in _common() or _is_run(folded) or _is_own(folded, own):
        raise Refused("accounts.password-common", expected="one that nobody would guess")
    return text


@cache
def _common() -> frozenset[str]:
    text = files("guzheng.accounts").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(one for one in text.split("\n") if one and not one.startswith("#"))


def _is_run(text: str) -> bool:
    """One unit repeated, or neighbours of the alphabet or a row of keys, either way round."""
    for width in range(1, len(text) // 2 + 1):
        if (text[:width] * (len(text) // width + 1))[: len(text)] == text:
            return True
    return any(text in row * 3 or text in row[::-1] * 3 for row in _ROWS)


def _is_own(text: str, own: Iterable[str]) -> bool:
    """Nothing but what everybody knows of this person, perhaps with a few digits."""
    for one in (*own, *_PRODUCT):
        for part in {one.casefold(), one.casefold().partition("@")[0]}:
            if len(part) >= 2 and part in text and len(text.replace(part, "")) < 5:
                return True
    return False


class Passwords:
    """Hashes and checks, a few at a time. Shared by all threads of a process."""

    def __init__(self, entropy: Callable[[int], bytes], cost: Cost = Cost()) -> None:
        self._entropy = entropy
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.kibibytes, parallelism=cost.lanes
        )
        self._room = threading.Semaphore(AT_ONCE)
        self._counting = threading.Lock()
        self._waiting = 0
        self._nobody = ""

    def hashed(self, password: str) -> str:
        """For keeping; the password was let through by `require_good`."""
        with self._turn():
            return self._hasher.hash(normalised(password), salt=self._entropy(_SALT_OCTETS))

    def check(self, password: str, kept: str) -> bool:
        """Whether it is the one kept; nothing kept takes as long, and is never right."""
        with self._turn():
            if not self._nobody:
                self._nobody = self._hasher.hash(
                    self._entropy(24).hex(), salt=self._entropy(_SALT_OCTETS)
                )
            try:
                self._hasher.verify(kept or self._nobody, normalised(password)[:LONGEST])
            except (VerificationError, InvalidHashError):
                return False
            return bool(kept)

    def is_stale(self, kept: str) -> bool:
        """Whether it was made under other parameters than are used today."""
        return self._hasher.check_needs_rehash(kept)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._counting:
            if self._waiting >= MOST_WAITING:
                raise _crowded()
            self._waiting += 1
        try:
            if not self._room.acquire(timeout=WAIT_SECONDS):
                raise _crowded()
        finally:
            with self._counting:
                self._waiting -= 1
        try:
            yield
        finally:
            self._room.release()


def _crowded() -> Unavailable:
    return Unavailable(
        "accounts.crowded",
        expected=f"at most {AT_ONCE} passwords worked out at once, {MOST_WAITING} waiting",
        found="more",
        act="try again in a moment",
    )
