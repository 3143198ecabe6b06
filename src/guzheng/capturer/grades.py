"""The grade of a capture: full, or reduced by what this machine could not give.

Whatever a court may hold against a capture's surroundings has a code here. All of them count
as missing until somebody has shown that they were given: what was never looked at must not
pass for a pass. A reduced grade stops nothing; it stands on the record, the certificate and the
page, and the environment report says of each missing code why (docs/spec/capture.md §4.2).
"""

from dataclasses import dataclass, field
from typing import Literal

NOT_SHOWN = "nobody has shown that it was given"
# Each has words under [grade] in both catalogues.
CODES: tuple[str, ...] = (
    "grade.own-user",  # a user for this browser alone
    "grade.network-namespace",  # no way out but the egress, by the kernel
    "grade.cgroup",  # memory, processes and processor time bounded by the kernel
    "grade.namespace-sandbox",  # Chromium's sandbox in its strongest form
    "grade.seccomp",  # every renderer filtered
    "grade.no-new-privs",  # no setuid program can raise the browser
    "grade.clean-start",  # empty profile, no cookie, no policy, nothing preloaded
    "grade.program-verified",  # the browser is what the distribution's package says
    "grade.clock-verified",  # the wall clock is kept by something outside this machine
    "grade.second-resolver",  # two resolvers agree on the addresses
    "grade.transcript",  # the octets of the wire are kept
)
Word = Literal["full", "reduced"]


@dataclass(slots=True)
class Grade:
    """Call `given`, or `lacks` with the reason; the last word on a code counts."""

    _missing: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CODES, NOT_SHOWN))

    def given(self, code: str) -> None:
        self._known(code)
        self._missing.pop(code, None)

    def lacks(self, code: str, because: str) -> None:
        self._known(code)
        self._missing[code] = because

    def judge(self, code: str, fault: str) -> None:
        """Given if there is no fault; else the fault is why it is missing."""
        if fault:
            self.lacks(code, fault)
        else:
            self.given(code)

    @property
    def word(self) -> Word:
        return "reduced" if self._missing else "full"

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(code for code in CODES if code in self._missing)

    def value(self) -> dict[str, object]:
        """For the environment report: with the reasons."""
        return {
            "grade": self.word,
            "missing": [
                {"code": code, "because": self._missing[code]} for code in self.missing
            ],
        }

    def _known(self, code: str) -> None:
        if code not in CODES:
            raise LookupError(f"no such code of a grade: {code}")
