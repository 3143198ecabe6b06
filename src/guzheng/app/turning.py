"""Another key for what is sealed: turned to, everything sealed anew, the one before removed.

For documents of real names and for the secrets of accounts alike. All of it runs beside
everything else, from the shell, by one program at a time; killed in between, it goes on. The
rules of the keys themselves are in `accounts.generations`.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from guzheng.accounts.generations import ACCOUNTS, Family, Generations
from guzheng.accounts.resealing import Resealing
from guzheng.accounts.sealing import Sealing, generation_of
from guzheng.app.auditing import Audit
from guzheng.app.parts import Parts
from guzheng.refusals import Refused
from guzheng.store.lease import leased

_GONE = "accounts.document-not-found"  # deleted at this moment


@dataclass(frozen=True, slots=True)
class Lying:
    """Something that lies sealed: under which key, and how it is sealed under that of now."""

    name: str
    generation: Callable[[], int]
    reseal: Callable[[], bool]


class Turning:
    """The keys of a family, and what lies under them."""

    def __init__(
        self, parts: Parts, family: Family, lease: str, lying: Callable[[], Iterable[Lying]]
    ) -> None:
        self._parts, self._family, self._lease, self._lying = parts, family, lease, lying
        self._keys = Generations(
            family, parts.data / "keys", parts.accounts, parts.now, parts.entropy
        )

    def counts(self) -> dict[int, int]:
        """Of each key, how much lies under it; the one that seals is among them."""
        self._keys.key(current := self._keys.current())  # a lost key is told of first
        found = {current: 0}
        for one in self._lying():
            with contextlib.suppress(Refused):  # deleted at this moment
                generation = one.generation()
                found[generation] = found.get(generation, 0) + 1
        return found

    def turn(self) -> int:
        """Seal under another key from now on; gives its number."""
        generation = self._keys.turn()
        self._tell("key", generation)
        return generation

    def reseal(self) -> tuple[int, tuple[str, ...]]:
        """Seal anew what lies under keys before; gives how many, and those that no key opens.
        May run again at any time, beside everything else; killed in between, it goes on."""
        self._keys.key(self._keys.current())  # as above: without it nothing is damaged
        done, damaged = 0, []
        with leased(self._parts.leases, self._lease, wait=True):
            for one in self._lying():
                try:
                    done += one.reseal()
                except Refused as refused:
                    if refused.code != _GONE:
                        damaged.append(one.name)
        return done, tuple(damaged)

    def retire(self) -> tuple[int, ...]:
        """Remove the files of keys under which nothing lies, a day after they were turned away
        from; gives their numbers."""
        with leased(self._parts.leases, self._lease, wait=True):
            counts = self.counts()
            over = tuple(one for one in self._keys.retirable() if not counts.get(one))
            for one in over:
                self._keys.retire(one)
                self._tell("retired", one)
        return over

    def _tell(self, what: str, generation: int) -> None:
        audit = Audit(self._parts.data, self._parts.now)
        audit.tell(f"{self._family.name}.{what}", generation=generation)


def secrets_of(parts: Parts) -> Turning:
    """The key that secrets of accounts are sealed under: seeds of authenticators, webhooks'."""
    entropy = parts.entropy
    keys = Generations(ACCOUNTS, parts.data / "keys", parts.accounts, parts.now, entropy)
    secrets = Resealing(parts.accounts, Sealing(keys, entropy))

    def lying() -> Iterable[Lying]:
        for one in secrets.all():
            yield Lying(
                one.place, partial(generation_of, one.sealed), partial(secrets.reseal, one)
            )

    return Turning(parts, ACCOUNTS, "accounts", lying)
