"""Why a capture was not made: one exception with a stable code, written to failure.json.

The codes are listed in docs/spec/capture.md; the caller has a sentence for each.
"""


class CaptureFailed(Exception):
    """`act` names who must do something: applicant, operator, site, or nobody (try again)."""

    def __init__(self, code: str, *, expected: str, found: str, act: str) -> None:
        self.code = code
        self.expected = expected
        self.found = found
        self.act = act
        super().__init__(f"{code}: expected {expected}, found {found}; {act}")

    def value(self) -> dict[str, object]:
        return {
            "code": self.code,
            "expected": self.expected,
            "found": self.found,
            "act": self.act,
        }
