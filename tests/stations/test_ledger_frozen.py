"""What closed shards have is remembered: they are asked when they may know, and only then."""

import threading
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from guzheng.ledger import Numbered, Shards, turning
from guzheng.ledger.frozen import PATIENCE, Filter
from guzheng.ledger.ledger import FIRST
from tests.stations.ledgers import leaf, require_all_well
from tests.stations.shards import enter, shards_at

SECONDS = 60.0


@given(st.sets(st.binary(min_size=1, max_size=40)), st.sets(st.binary(min_size=1, max_size=40)))
def test_what_was_added_may_be_there(added: set[bytes], others: set[bytes]) -> None:
    made = Filter(len(added))
    made.add(added)
    assert set(made.maybe([*added])) == added
    assert set(made.maybe([*others])) <= others
    assert Filter(0).maybe([*others]) == []


def test_most_of_what_was_not_added_is_known_not_to_be_there() -> None:
    made = Filter(5000)
    made.add(map(leaf, range(5000)))
    assert len(made.maybe([leaf(number) for number in range(5000, 15_000)])) < 500


def asked_of(shards: Shards, name: str) -> list[object]:
    """Grows by one for each connection that somebody takes to ask this shard's table."""
    asked: list[object] = []
    engine = shards.shard(name).ledger.entries._engine
    event.listen(engine, "checkout", lambda *_: asked.append(None))
    return asked


def until_remembered(shards: Shards) -> None:
    for number in range(PATIENCE):
        shards.append(leaf(10_000 + number), None)
    deadline = time.monotonic() + SECONDS
    while shards._frozen._made is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_closed_shards_are_left_alone_and_the_same_leaf_keeps_its_name(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    before = enter(shards, range(300))
    turning.turn(shards.row, 2027)
    later = enter(shards, range(300, 600))
    turning.turn(shards.row, 2028)
    until_remembered(shards)
    asked = asked_of(shards, FIRST)
    fresh = [leaf(number) for number in range(20_000, 20_100)]
    for one in fresh:
        assert shards.append(one, None).shard == "2028"
    assert len(asked) < 30  # a wrong «maybe» now and then
    assert enter(shards, range(300)) == before
    assert enter(shards, range(300, 600)) == later
    assert asked
    # After another turn the filter is of too few shards, and is not believed.
    turning.turn(shards.row, 2029)
    again = [shards.append(one, None) for one in fresh]
    assert {one.shard for one in again} == {"2028"}
    assert enter(shards, range(600)) == before | later
    shards.integrate()
    require_all_well(shards.open)


def test_many_at_once_while_it_is_made(tmp_path: Path) -> None:
    shards = shards_at(tmp_path)
    before = enter(shards, range(3000))
    turning.turn(shards.row, 2027)
    found: list[Numbered] = []

    def append() -> None:
        found.extend(shards.append(leaf(number), None) for number in range(0, 3000, 50))

    threads = [threading.Thread(target=append) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == sorted([before[number] for number in range(0, 3000, 50)] * 4)
