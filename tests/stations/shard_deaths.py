"""A program that kills itself before and after every effect of a turn, and looks what is left.

Run by test_ledger_shards as a program, as ledger_deaths is: one child dies in the turn, another
opens what was left and goes on as a server or a depositor does. `witnessed`: with three
witnesses, two of whom must cosign, and a death at every third effect. `scaled`: entries in
PostgreSQL, tiles and memory in S3, and a death at every fourth. Prints where each one died.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psycopg

from guzheng.ledger import Shards, turning
from guzheng.store.s3 import open_bucket
from tests import engines
from tests.stations.ledger_deaths import in_a_child
from tests.stations.shards import (
    Death,
    enter,
    nothing,
    require_whole,
    scaled_shards,
    shards_at,
)
from tests.witnesses import Witness, three

BEFORE, AFTER = range(5), range(3, 9)


Opened = Callable[[Death], Shards]


def die_at(opened: Opened, moment: int) -> None:
    count = 0
    enter(opened(nothing), BEFORE)

    def at(name: str) -> None:
        nonlocal count
        count += 1
        if count == moment:
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    shards = opened(at)
    turning.turn(shards.row, 2027)


def look(opened: Opened, place: Path, *, by_entering: bool) -> None:
    """Whoever comes next: one who wants to enter something, or one who turns."""
    shards = opened(nothing)
    if not by_entering:
        turning.go_on(shards.row)
    named = enter(shards, AFTER)
    assert {str(named[number]) for number in BEFORE if number in AFTER} == {"3", "4"}
    if shards.row.open.name == "first":
        turning.turn(shards.row, 2027)
        named |= enter(shards, [9])
        assert str(named[9]) == "2027/1"
        expected = range(10)
    else:
        assert str(named[8]) == "2027/4"
        expected = range(9)
    assert enter(shards, AFTER) == {number: named[number] for number in AFTER}
    for shard in shards.row.begun:
        shard.gathering.catch_up()
    require_whole(shards, place, expected)
    for shard in shards.row.begun:
        assert shard.gathering.is_cosigned()


def main(
    root: Path,
    opened: Callable[[Path, Death], Shards],
    *,
    step: int = 1,
) -> None:
    moment = 1
    while died(root, opened, moment, by_entering=moment // step % 2 == 0):
        moment += step


def died(
    root: Path, opened: Callable[[Path, Death], Shards], moment: int, *, by_entering: bool
) -> bool:
    """One life and the next."""
    place = root / str(moment)
    here = partial(opened, place)
    status = in_a_child(partial(die_at, here, moment))
    assert status in (0, signal.SIGKILL), status
    looked = partial(look, here, place, by_entering=by_entering)
    assert in_a_child(looked) == 0, f"moment {moment}"
    return status != 0


def witnessed(root: Path) -> None:
    """Each life has witnesses of its own, who have seen no other."""
    moment, going_on = 1, True
    while going_on:
        with three() as those:
            opened = partial(_witnessed, those)
            going_on = died(root, opened, moment, by_entering=moment % 2 == 0)
        moment += 3


def _witnessed(those: Sequence[Witness], place: Path, at: Death) -> Shards:
    return shards_at(place, at=at, witnesses=those)


def scaled(server: str, endpoint: str, name: str) -> Callable[[Path, Death], Shards]:
    """Opened in the children: what talks to a server does not outlive a fork."""

    def opened(place: Path, at: Death) -> Shards:
        own = f"{name}-{place.name}"
        if not place.exists():
            with psycopg.connect(f"{server}postgres", autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{own}"'.encode())
        bucket = open_bucket(own, endpoint=endpoint, region=engines.REGION, keys=engines.KEYS)
        return scaled_shards(place, f"{server}{own}", bucket, at)

    return opened


if __name__ == "__main__":
    root, how, *rest = sys.argv[1:]
    if how == "witnessed":
        witnessed(Path(root))
    elif how == "scaled":
        main(Path(root), scaled(*rest), step=4)
    else:
        main(Path(root), lambda place, at: shards_at(place, at=at))
