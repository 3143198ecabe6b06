"""Who may ask the authority now, and who must wait: pure rules over an injected time.

Each client (an address, or the /64 network that one IPv6 customer has) has a bucket of
permits: `burst` at most, refilled `rate` a second; and one for the day, if there is a quota.
An empty bucket is refused with the seconds until the next permit, before anything is parsed.

The memory is bounded: of more clients than `MAX_CLIENTS` the ones who asked longest ago are
forgotten, which gives them a full bucket. Each process counts for itself.
"""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from guzheng.refusals import Refused

MAX_CLIENTS: Final = 65_536
_DAY_SECONDS: Final = 86_400.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TooMany(Refused):
    """The caller's to act on: wait so long, then ask again."""

    def __init__(self, retry_seconds: int, *, expected: str) -> None:
        super().__init__(
            "fix.too-many-requests",
            expected=expected,
            found="more from this address",
            act=f"wait {retry_seconds} s and ask again",
        )
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """Zero means that there is no such limit."""

    rate: int
    burst: int
    per_day: int


class Admission:
    """Buckets of all clients. One process, one thread at a time (the caller's to see to)."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._buckets: OrderedDict[str, list[float]] = OrderedDict()

    def admit(self, client: str, now: float) -> None:
        """Take a permit at `now`, in seconds of a clock that only goes on; or `TooMany`."""
        limits = self.limits
        if not limits.rate and not limits.per_day:
            return
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = [limits.burst, limits.per_day, now]
            if len(self._buckets) > MAX_CLIENTS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            passed, bucket[2] = max(0.0, now - bucket[2]), now
            bucket[0] = min(limits.burst, bucket[0] + passed * limits.rate)
            bucket[1] = min(limits.per_day, bucket[1] + passed * limits.per_day / _DAY_SECONDS)
        if limits.rate and bucket[0] < 1:
            raise _too_many((1 - bucket[0]) / limits.rate, f"{limits.rate} a second")
        if limits.per_day and bucket[1] < 1:
            wait = (1 - bucket[1]) * _DAY_SECONDS / limits.per_day
            raise _too_many(wait, f"{limits.per_day} a day")
        bucket[0] -= 1
        bucket[1] -= 1

    def __len__(self) -> int:
        return len(self._buckets)


def _too_many(wait: float, limit: str) -> TooMany:
    return TooMany(max(1, math.ceil(wait)), expected=f"at most {limit}")


def client_of(address: str, forwarded: str | None, proxies: tuple[Network, ...]) -> str:
    """Who asks: the peer, or behind proxies of the operator's the one whom they name.

    `forwarded` is X-Forwarded-For, which anybody can write: it is read from its end, and only
    as far as the peers that wrote it are the operator's own."""
    peer = _address(address)
    hops = [one.strip() for one in forwarded.split(",")] if forwarded else []
    while hops and peer is not None and any(peer in one for one in proxies):
        named = _address(hops.pop())
        if named is None:
            break
        peer = named
    return str(peer) if peer is not None else "unknown"


@lru_cache(maxsize=4096)
def bucket_of(client: str) -> str:
    """What shares a bucket: one IPv4 address, or the 2^64 addresses of one IPv6 network."""
    peer = _address(client)
    if isinstance(peer, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(peer) >> 64 << 64, 64)))
    return client


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
