"""Vantage points: from where captures are made, and which of them this process makes.

A name and how its captures leave the machine. `elsewhere` is a worker with other settings, on
another machine that shares the database, which takes from the queue of that name. The first
point of the list is the usual one; without a list it is this machine, without a name.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from guzheng.jobs import QUEUE
from guzheng.refusals import Refused

DIRECT, BIND, SOCKS, ELSEWHERE = "direct", "bind", "socks", "elsewhere"
CAPTURES = "captures"
MOST = 8
_NAME = re.compile(r"[A-Za-z0-9\u4e00-\u9fff][\w\u4e00-\u9fff.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Vantage:
    """`address`: what to bind to, or ADDRESS:PORT of a SOCKS5 proxy; empty for the others."""

    name: str
    means: str
    address: str = ""

    @property
    def is_here(self) -> bool:
        return self.means != ELSEWHERE

    @property
    def queue(self) -> str:
        return f"{CAPTURES}-{self.name}"

    @property
    def way(self) -> Mapping[str, str]:
        """As a capture's order says it."""
        return {"means": self.means} | ({"address": self.address} if self.address else {})


@dataclass(frozen=True, slots=True)
class Vantages:
    """All of them, the usual one first."""

    all: tuple[Vantage, ...]

    @classmethod
    def parse(cls, lines: tuple[str, ...]) -> "Vantages":
        found = tuple(_parsed(line) for line in lines)
        names = [one.name for one in found]
        if len(set(names)) != len(names) or len(names) > MOST:
            raise _unusable(", ".join(names), f"at most {MOST} names, each once")
        return cls(found)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.all)

    @property
    def usual(self) -> str:
        return self.all[0].name if self.all else ""

    def require(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names themselves, or the usual one when there is none. Raises Refused."""
        for name in names:
            if name not in self.names:
                raise Refused(
                    "commission.no-such-vantage",
                    expected=", ".join(self.names) or "this machine alone",
                    found=repr(name[:60]),
                    act="choose one of them",
                )
        return tuple(dict.fromkeys(names)) or (self.usual,)

    def find(self, name: str) -> Vantage | None:
        return next((one for one in self.all if one.name == name), None)

    def is_here(self, name: str) -> bool:
        """Whether this process can make a capture from there."""
        found = self.find(name)
        return found.is_here if found else not name

    def queue_of(self, name: str) -> str:
        """Where a capture from there waits. A name that the settings have lost waits for a
        worker that has it."""
        return f"{CAPTURES}-{name}" if name else CAPTURES

    def queues(self, at_once: int) -> Mapping[str, int]:
        """What this process takes from."""
        return {CAPTURES: at_once} | {one.queue: at_once for one in self.all if one.is_here}

    def ways(self) -> Mapping[str, Mapping[str, str]]:
        return {one.name: one.way for one in self.all if one.is_here}


def _parsed(line: str) -> Vantage:
    name, _, how = line.strip().partition(" ")
    means, _, address = how.strip().partition(" ")
    if not _NAME.fullmatch(name) or f"{CAPTURES}-{name}" == QUEUE:
        raise _unusable(line, "a name of letters and digits, then how")
    if means in {DIRECT, ELSEWHERE} and not address:
        return Vantage(name, means)
    if means == BIND and _is_address(address):
        return Vantage(name, means, address)
    if means == SOCKS:
        host, _, port = address.rpartition(":")
        if _is_address(host.strip("[]")) and port.isdecimal() and 0 < int(port) < 65536:
            return Vantage(name, means, address)
    raise _unusable(line, "name direct | bind ADDRESS | socks ADDRESS:PORT | elsewhere")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _unusable(found: str, expected: str) -> Refused:
    return Refused(
        "config.value-refused",
        expected=f"vantages: {expected}",
        found=repr(found[:120]),
        act="mend the setting",
    )
