"""Who signs in, as an outside party of the gate: a dict of cookie → who acts.

No password and no database: what the gate does with an answer is what is tried here, and who
gives the answer is tried where people are (test_people)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from guzheng.accounts import Acting, Permission

COOKIE = "guzheng_session"
ALL = frozenset(Permission)
ANNE = Acting("ac_01J000000000000000000000AA", "pe_01J000000000000000000000AA", ALL)
BERT = Acting("ac_01J000000000000000000000BB", "pe_01J000000000000000000000BB", ALL)


@dataclass
class Known:
    """Sessions by the value of their cookie, keys by the word after Bearer."""

    people: dict[str, Acting] = field(default_factory=lambda: {"anne": ANNE, "bert": BERT})
    asked: int = 0

    def find(self, cookies: Mapping[str, str], headers: Mapping[str, str], /) -> Acting | None:
        self.asked += 1
        key = headers.get("authorization", "").removeprefix("Bearer ")
        return self.people.get(cookies.get(COOKIE, "")) or self.people.get(key)

    def with_only(self, *permissions: Permission) -> str:
        """The cookie of somebody of Anne's account who may do this and nothing else."""
        name = "+".join(sorted(permissions)) or "nothing"
        self.people[name] = replace(
            ANNE, person="pe_of_" + name, permissions=frozenset(permissions)
        )
        return name
