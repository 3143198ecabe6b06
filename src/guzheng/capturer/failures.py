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


STOPPED = CaptureFailed(
    "capture.stopped",
    expected="a capture that runs to its end",
    found="the program was told to stop",
    act="nobody; try again",
)


def gone(error: Exception) -> CaptureFailed:
    """The page, while it was being recorded: `error` is the browser's word."""
    return CaptureFailed(
        "capture.page-moved",
        expected="a page that stays until it is recorded",
        found=f"it went away by itself: {error}",
        act="nobody; try again",
    )


def not_written(error: OSError) -> CaptureFailed:
    """Disk full, no permission."""
    return CaptureFailed(
        "capture.not-written",
        expected="room and permission for the folder of the capture",
        found=f"{error.strerror or type(error).__name__}: {error.filename or ''}",
        act="the operator",
    )


def never_answered() -> CaptureFailed:
    """Of the page itself, while there was time left for the whole."""
    return CaptureFailed(
        "capture.timed-out",
        expected="a page that answers when it is asked",
        found="its script never pauses",
        act="nobody; the site may behave otherwise later",
    )


def too_slow(wall_seconds: int) -> CaptureFailed:
    """More than the order allows the whole capture."""
    return CaptureFailed(
        "capture.timed-out",
        expected=f"a capture within {wall_seconds} s",
        found="more",
        act="nobody; try again, or raise the limit",
    )
