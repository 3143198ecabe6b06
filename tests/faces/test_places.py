"""Who holds a place while his octets come: no sender has them all, and the slow give way."""

import asyncio
import contextlib

import pytest

from guzheng.refusals import Unavailable
from guzheng.web.places import GRACE_SECONDS, HASTE, LEAST, Pace, Place, Places, address_of


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Holder:
    """A sender that holds a place until he is told to go."""

    def __init__(self, places: Places, sender: str) -> None:
        self.place: Place | None = None
        self._go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(places, sender))

    async def _hold(self, places: Places, sender: str) -> None:
        async with places.held(sender) as self.place:
            await self._go.wait()

    def has_place(self) -> bool:
        return self.place is not None

    async def go(self) -> None:
        self._go.set()
        await self.task
        await settled()


def test_one_sender_waits_for_his_own() -> None:
    async def run() -> None:
        places = Places(3, 2)
        one, two, three = (Holder(places, "a") for _ in range(3))
        other = Holder(places, "b")
        await settled()
        assert one.has_place()
        assert two.has_place()
        assert other.has_place(), "who came later is not kept out by one who waits for his own"
        assert not three.has_place()
        await other.go()
        assert not three.has_place()
        assert not other.place or not other.place.gives_way(GRACE_SECONDS)
        await one.go()
        assert three.has_place()
        for holder in (two, three):
            await holder.go()

    asyncio.run(run())


def test_as_many_give_way_as_wait() -> None:
    async def run() -> None:
        places = Places(3, 2)
        holders = [Holder(places, sender) for sender in "aab"]
        await settled()
        held = [one.place for one in holders if one.place]
        assert not any(place.gives_way(GRACE_SECONDS) for place in held), (
            "there is room for all who came"
        )
        waiting = Holder(places, "c")
        await settled()
        assert [place.gives_way(GRACE_SECONDS) for place in held] == [True, False, False]
        assert held[0].gives_way(GRACE_SECONDS), "once told, he goes"
        await holders[0].go()
        assert waiting.place
        assert not held[1].gives_way(GRACE_SECONDS)
        own = [Holder(places, "c"), Holder(places, "c")]
        await settled()
        assert [place.gives_way(GRACE_SECONDS) for place in (held[1], held[2])] == [True, True]
        assert not waiting.place.gives_way(GRACE_SECONDS), (
            "one helps him whom nobody else keeps out"
        )
        for holder in (holders[1], holders[2], waiting, *own):
            await holder.go()

    asyncio.run(run())


def test_who_waits_in_vain_is_told() -> None:
    async def run() -> None:
        places = Places(1, 1, patience_seconds=0.01)
        one = Holder(places, "a")
        await settled()
        with pytest.raises(Unavailable, match=r"web\.busy"):
            async with places.held("b"):
                pass
        await one.go()
        two = Holder(places, "b")
        await settled()
        assert two.place, "whoever gave up holds nothing"
        gone = Holder(places, "c")
        await settled()
        gone.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone.task
        await two.go()
        last = Holder(places, "d")
        await settled()
        assert last.place
        await last.go()

    asyncio.run(run())


def test_nobody_is_hurried_while_there_is_room() -> None:
    pace = Pace(None, 60.0)
    for _ in range(59):
        assert pace.waited(1.0) == ""
    pace.came(LEAST)
    assert pace.waited(1.0) == "", "so much is a sender"
    for _ in range(59):
        assert pace.waited(1.0) == ""
    assert "nothing more for 60 s" in pace.waited(1.0)


def test_who_sends_slowly_goes_once_another_waits() -> None:
    async def run() -> None:
        places = Places(1, 1)
        one = Holder(places, "a")
        await settled()
        pace = Pace(one.place, 60.0)
        for _ in range(int(GRACE_SECONDS) + 5):
            assert pace.waited(1.0) == ""
        other = Holder(places, "b")
        await settled()
        pace.came(10 * HASTE)
        assert pace.waited(1.0) == "", "he has made up for it"
        for _ in range(20):
            pace.came(HASTE)
            assert pace.waited(1.0) == ""
        told = [pace.waited(1.0) for _ in range(5)]
        assert told[-1] == ", too slowly while others wait"
        await one.go()
        await other.go()

    asyncio.run(run())


def test_who_holds_many_places_is_not_waited_for_in_each() -> None:
    """Two that hold everything, and have more waiting, keep a third no longer than their part
    of the grace; for one more of his own a sender is as patient as ever."""

    async def run() -> None:
        places = Places(40, 20)
        holders = [Holder(places, sender) for sender in "ab" * 20]
        await settled()
        paces = [Pace(one.place, 60.0) for one in holders]
        own = [Holder(places, sender) for sender in "aaabbb"]
        await settled()
        behind = GRACE_SECONDS / 20 + 0.1
        assert not any(pace.waited(behind) for pace in paces)
        other = Holder(places, "c")
        await settled()
        told = [pace.waited(0.1) for pace in paces]
        assert [one for one in told if one] == [", too slowly while others wait"]
        await holders[told.index(", too slowly while others wait")].go()
        assert other.has_place()
        assert not any(one.has_place() for one in own)
        for holder in holders:
            await holder.go()
        for holder in (other, *own):
            await holder.go()

    asyncio.run(run())


def test_who_holds_one_place_has_the_whole_grace() -> None:
    async def run() -> None:
        places = Places(2, 1)
        one, two, other = (Holder(places, sender) for sender in "abc")
        await settled()
        pace = Pace(one.place, 60.0)
        assert pace.waited(GRACE_SECONDS - 0.5) == ""
        assert pace.waited(1.0) == ", too slowly while others wait"
        for holder in (one, two, other):
            await holder.go()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "sender"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_subscriber_is_one_sender(host: str, sender: str) -> None:
    assert address_of(host) == sender
