"""Why the platform did not do what was asked: two families, mapped to faces once each.

`Refused`: a rule or the caller; doing it again changes nothing until somebody acts.
`Unavailable`: an outside party or a resource failed; trying again may help.
Anything else that is raised is our own bug. Each says what was expected, what was found and
who must act; `code` is stable, and words/ holds its sentence in each language. What they say
may hold identifiers that an operator has named himself, such as those of editions; `names`
has these names by language, so that a page shows no identifier.
"""

from collections.abc import Mapping
from typing import Self


class Problem(Exception):
    """Root of both families; never raised itself."""

    retry_seconds = 0  # how long to wait before asking again; 0: that would change nothing

    def __init__(
        self,
        code: str,
        *,
        expected: str = "",
        found: str = "",
        act: str = "",
    ) -> None:
        self.code = code
        self.names: Mapping[str, Mapping[str, str]] = {}
        self.expected = expected
        self.found = found
        self.act = act
        parts = [code]
        if expected:
            parts.append(f"expected {expected}")
        if found:
            parts.append(f"found {found}")
        if act:
            parts.append(act)
        super().__init__("; ".join(parts))

    def naming(self, names: Mapping[str, Mapping[str, str]]) -> Self:
        """The same, with names for identifiers that it says."""
        self.names = names
        return self


class Refused(Problem):
    """The caller's to act on."""


class Unavailable(Problem):
    """Ours or another party's to mend; the job tries again."""
