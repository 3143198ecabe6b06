"""The tombstone: which items of an exhibit were deleted, when, and by which rule.

It is written before the first item goes, so that whoever is killed between is continued by
whoever comes next, and no item is ever gone without a word. Papers stay: the manifest still
names every item by its digests, and the ledger its entry. It is this platform's own word, in no
package. docs/operate/delete-given-up-captures.md has its form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from guzheng.proof import canonical, instant
from guzheng.proof.fields import Fields
from guzheng.proof.manifest import Item

SCHEMA: Final = "guzheng.deletion/1"
TOMBSTONE: Final = "deleted.json"
GIVEN_UP: Final = "given-up"
RULES: Final = (GIVEN_UP,)
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Tombstone:
    """`since`: when what the rule counts from happened; `days`: how many it gave."""

    exhibit: str
    rule: str
    since: datetime
    days: int
    deleted_at: datetime
    items: tuple[Item, ...]

    @property
    def octets(self) -> int:
        return sum(one.size for one in self.items)

    def encode(self) -> bytes:
        return canonical.encode(
            {
                "schema": SCHEMA,
                "exhibit": self.exhibit,
                "rule": self.rule,
                "since": instant.encode(self.since),
                "days": self.days,
                "deleted_at": instant.encode(self.deleted_at),
                "items": [one.value() for one in self.items],
            }
        )

    @classmethod
    def parse(cls, octets: bytes) -> "Tombstone":
        fields = Fields(canonical.parse_object(octets), "deletion")
        fields.one_of("schema", (SCHEMA,))
        found = cls(
            exhibit=fields.text("exhibit", longest=40),
            rule=fields.one_of("rule", RULES),
            since=fields.instant("since"),
            days=fields.count("days"),
            deleted_at=fields.instant("deleted_at"),
            items=tuple(Item.read(one) for one in fields.items("items", most=_MOST)),
        )
        fields.end()
        return found

    def speaks_of(self, exhibit: str, since: datetime, items: Sequence[Item]) -> bool:
        """Whether it says what is known otherwise; a forged one would not."""
        return (self.exhibit, self.since, self.items) == (exhibit, since, tuple(items))
