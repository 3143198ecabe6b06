"""Places for those whose bodies are received in threads: few for each, and the slow give way.

A thread is held while its sender sends, so whoever sends next to nothing could hold them all.
One sender (an account, or an address where nobody is signed in) has a part of the places and
waits for his own beyond it. Nobody is hurried while there is room; once somebody waits whom a
place would help, a sender that kept its reader waiting is cut off, as many as wait and no more.
A place that is free goes to whoever holds fewest, and who holds many may be behind in each by
as much less: however many connections a few senders have waiting, another comes before them.
Who waits himself for a minute in vain is told so (`web.busy`). Time is counted by those who
wait; nothing here reads a clock."""

import asyncio
import ipaddress
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from guzheng.refusals import Unavailable

PATIENCE_SECONDS: Final = 60.0
LEAST: Final = 4096  # octets that must come in that time, or in the end it is no sender
HASTE: Final = 32 << 10  # octets a second, of those who keep others waiting
GRACE_SECONDS: Final = 10.0  # that a sender may be behind that, in all that he sends at once
_IPV6_BITS: Final = 64  # what one subscriber has


def address_of(host: str) -> str:
    """Who sends, as far as an address tells."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_BITS), strict=False))


class Places:
    """All of one kind in a process: at most `most`, and `each` of them for one sender."""

    def __init__(
        self, most: int, each: int, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._most, self._each, self._patience_seconds = most, each, patience_seconds
        self._lock = threading.Lock()  # a reader's thread asks, the event loop changes
        self._held: Counter[str] = Counter()
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._leaving: Counter[str] = Counter()

    @asynccontextmanager
    async def held(self, sender: str) -> AsyncIterator["Place"]:
        """A place as soon as there is one; raises Unavailable when there is none for long."""
        await self._enter(sender)
        place = Place(self, sender)
        try:
            yield place
        finally:
            self._leave(sender, leaving=place.leaves)

    async def _enter(self, sender: str) -> None:
        with self._lock:
            if self._has_room(sender):
                self._held[sender] += 1
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting[turn] = sender
        try:
            async with asyncio.timeout(self._patience_seconds):
                await turn
        except TimeoutError:
            self._give_up(turn, sender)
            raise Unavailable(
                "web.busy",
                expected=f"fewer than {self._most} at once, {self._each} of one sender",
                found="no end of those before",
                act="try again in a moment",
            ) from None
        except asyncio.CancelledError:
            self._give_up(turn, sender)
            raise

    def _give_up(self, turn: "asyncio.Future[None]", sender: str) -> None:
        with self._lock:
            waited = self._waiting.pop(turn, None) is not None
        if not waited:  # it was his turn at this very moment
            self._leave(sender, leaving=False)

    def _leave(self, sender: str, *, leaving: bool) -> None:
        with self._lock:
            self._less(self._held, sender)
            if leaving:
                self._less(self._leaving, sender)
            while (turn := self._find_next()) is not None:
                self._held[self._waiting.pop(turn)] += 1
                if not turn.done():
                    turn.set_result(None)

    def _find_next(self) -> "asyncio.Future[None] | None":
        """Of those who hold fewest, and have room, the one who came first."""
        if self._held.total() >= self._most:
            return None
        return min(
            (one for one, who in self._waiting.items() if self._held[who] < self._each),
            key=lambda one: self._held[self._waiting[one]],
            default=None,
        )

    @staticmethod
    def _less(counter: Counter[str], sender: str) -> None:
        counter[sender] -= 1
        if not counter[sender]:
            del counter[sender]

    def _has_room(self, sender: str) -> bool:
        return self._held.total() < self._most and self._held[sender] < self._each

    def gives_way(self, sender: str, behind: float) -> bool:
        """Whether a place of this sender's, in which he is so many seconds behind, is wanted by
        one whom it would help; then he must leave it. For another of his own he has the whole
        grace in each. From any thread."""
        with self._lock:
            if behind * self._held[sender] < GRACE_SECONDS:
                return False
            full = self._held.total() >= self._most
            wanted = sum(
                behind >= GRACE_SECONDS
                if who == sender
                else full and self._held[who] < self._each
                for who in self._waiting.values()
            )
            leaving = self._leaving.total() if full else self._leaving[sender]
            if wanted <= leaving:
                return False
            self._leaving[sender] += 1
            return True


class Place:
    """One place, held by one sender."""

    def __init__(self, places: Places, sender: str) -> None:
        self._places, self._sender = places, sender
        self.leaves = False

    def gives_way(self, behind: float) -> bool:
        if not self.leaves:
            self.leaves = self._places.gives_way(self._sender, behind)
        return self.leaves


class Pace:
    """How one sender sends: told what came and how long was waited for it."""

    def __init__(self, place: Place | None, patience_seconds: float) -> None:
        self._place, self._patience_seconds = place, patience_seconds
        self._waited = self._behind = 0.0
        self._octets = 0

    def came(self, octets: int) -> None:
        self._octets += octets
        self._behind = max(0.0, self._behind - octets / HASTE)

    def waited(self, seconds: float) -> str:
        """Why nobody waits for him any longer; empty while somebody does."""
        self._waited += seconds
        self._behind += seconds
        if self._waited >= self._patience_seconds:
            if self._octets < LEAST:
                return f", and nothing more for {self._patience_seconds:.0f} s"
            self._waited, self._octets = 0.0, 0
        if self._place and self._place.gives_way(self._behind):
            return ", too slowly while others wait"
        return ""
