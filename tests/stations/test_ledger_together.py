"""Many callers, one transaction: who gets what when it goes well, and when it does not."""

import threading
from collections.abc import Callable

import pytest

from guzheng.ledger.together import Leaves, Together
from guzheng.refusals import Refused, Unavailable


class Table:
    """Appends slowly: the first waits until the others have gathered."""

    def __init__(self, gathered: threading.Event) -> None:
        self.transactions: list[int] = []
        self.rows: list[bytes] = []
        self.trouble: Callable[[Leaves], None] = lambda _leaves: None
        self._gathered = gathered

    def append(self, leaves: Leaves) -> list[int]:
        self._gathered.wait(60)
        self.transactions.append(len(leaves))
        self.trouble(leaves)
        start = len(self.rows)
        self.rows += [leaf for leaf, _ in leaves]
        return list(range(start, start + len(leaves)))


def all_at_once(table: Table, gathered: threading.Event, callers: int) -> list[object]:
    together = Together(table.append)
    outcomes: list[object] = [None] * callers

    def call(who: int) -> None:
        try:
            outcomes[who] = together.append([(b"%d-%d" % (who, one), None) for one in range(2)])
        except (Refused, Unavailable, ZeroDivisionError) as error:
            outcomes[who] = error

    threads = [threading.Thread(target=call, args=(who,)) for who in range(callers)]
    for thread in threads:
        thread.start()
    while len(together._waiting) < callers - 1:
        assert any(thread.is_alive() for thread in threads)
    gathered.set()
    for thread in threads:
        thread.join(60)
    return outcomes


@pytest.fixture
def gathered() -> threading.Event:
    return threading.Event()


def test_those_who_come_meanwhile_share_the_next(gathered: threading.Event) -> None:
    table = Table(gathered)
    outcomes = all_at_once(table, gathered, 8)
    assert table.transactions == [2, 14]
    for who, numbers in enumerate(outcomes):
        assert isinstance(numbers, list)
        assert [table.rows[number] for number in numbers] == [b"%d-0" % who, b"%d-1" % who]


def test_one_who_is_refused_is_refused_alone(gathered: threading.Event) -> None:
    table = Table(gathered)

    def refuse(leaves: Leaves) -> None:
        if any(leaf.startswith(b"3-") for leaf, _ in leaves):
            raise Refused("ledger.leaf-of-another")

    table.trouble = refuse
    outcomes = all_at_once(table, gathered, 6)
    refused = [who for who, outcome in enumerate(outcomes) if isinstance(outcome, Refused)]
    assert refused == [3]
    assert len(table.rows) == 10


def test_what_befalls_the_disk_befalls_all(gathered: threading.Event) -> None:
    table = Table(gathered)

    def full(_leaves: Leaves) -> None:
        raise Unavailable("store.disk-full")

    table.trouble = full
    outcomes = all_at_once(table, gathered, 5)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert len(table.transactions) == 2


def test_a_fault_of_ours_is_raised_and_strands_nobody(gathered: threading.Event) -> None:
    table = Table(gathered)

    def faulty(_leaves: Leaves) -> None:
        if len(table.transactions) == 2:
            raise ZeroDivisionError

    table.trouble = faulty
    outcomes = all_at_once(table, gathered, 5)
    assert sum(isinstance(outcome, ZeroDivisionError) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 4


def test_a_fault_among_the_refused_strands_nobody(gathered: threading.Event) -> None:
    table = Table(gathered)

    def faulty(leaves: Leaves) -> None:
        if len(leaves) > 2:
            raise Refused("ledger.leaf-of-another")
        if len(table.transactions) == 4:
            raise ZeroDivisionError

    table.trouble = faulty
    outcomes = all_at_once(table, gathered, 6)
    assert sum(isinstance(outcome, ZeroDivisionError) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, list) for outcome in outcomes) >= 4
    assert None not in outcomes
