"""Many callers, one transaction: whoever comes while another commits shares the next.

A commit costs one flush of the disk however much is in it. The first caller appends alone;
those who come meanwhile gather, and one of them appends for all. Nobody waits for a clock, so
a lone caller pays nothing. When one of them is refused, each is tried alone: nobody is refused
for what another asked. What is appended, and how, is the caller's to give (see records).
"""

import threading
from collections.abc import Callable, Sequence

from guzheng.refusals import Problem, Refused

Leaves = Sequence[tuple[bytes, str | None]]  # each with its exhibit, if it has one
_MOST = 16_384  # leaves in one transaction of several callers


class _Caller:
    """Somebody's leaves, and in the end their numbers or why there are none."""

    def __init__(self, leaves: Leaves) -> None:
        self.leaves = leaves
        self.numbers: list[int] | None = None
        self.problem: Problem | None = None
        self.called = threading.Event()  # settled, or to lead

    @property
    def settled(self) -> bool:
        return self.numbers is not None or self.problem is not None


class Together:
    """Shared by threads. `append` puts leaves into one transaction: all of them, or none."""

    def __init__(self, append: Callable[[Leaves], list[int]]) -> None:
        self._append = append
        self._queueing = threading.Lock()
        self._waiting: list[_Caller] = []
        self._led = False  # whether somebody appends for all at this moment

    def append(self, leaves: Leaves) -> list[int]:
        """Their numbers in the order given, once durable; raises what the append raised."""
        mine = _Caller(leaves)
        with self._queueing:
            self._waiting.append(mine)
            leads, self._led = not self._led, True
        if not leads:
            self._wait(mine)
        if not mine.settled:
            try:
                while not mine.settled:
                    self._lead(self._next(), mine)
            finally:
                self._hand_over()
        if mine.numbers is None:
            raise mine.problem or AssertionError("settled without a word")
        return mine.numbers

    def _wait(self, mine: _Caller) -> None:
        try:
            mine.called.wait()
        except BaseException:  # interrupted: whoever is not there cannot be called to lead
            with self._queueing:
                self._waiting = [one for one in self._waiting if one is not mine]
            if mine.called.is_set() and not mine.settled:
                self._hand_over()
            raise

    def _next(self) -> list[_Caller]:
        """Those who have waited longest, as far as one transaction should go."""
        with self._queueing:
            count = leaves = 0
            for one in self._waiting:
                leaves += len(one.leaves)
                if count and leaves > _MOST:
                    break
                count += 1
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _hand_over(self) -> None:
        """Who led goes; the first of those who gathered meanwhile leads."""
        with self._queueing:
            self._led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].called.set()

    def _lead(self, group: list[_Caller], leader: _Caller) -> None:
        try:
            self._settle(group)
        except BaseException:
            # A fault of ours, which is raised to whoever leads; the others try for themselves.
            with self._queueing:
                others = [one for one in group if not one.settled and one is not leader]
                self._waiting = others + self._waiting
            raise

    def _settle(self, group: list[_Caller]) -> None:
        try:
            numbers = self._append([leaf for one in group for leaf in one.leaves])
        except Refused as refusal:
            if len(group) > 1:
                for one in group:
                    self._settle([one])
                return
            group[0].problem = refusal
        except Problem as problem:
            for one in group:
                one.problem = problem
        else:
            at = 0
            for one in group:
                one.numbers = numbers[at : at + len(one.leaves)]
                at += len(one.leaves)
        for one in group:
            one.called.set()
