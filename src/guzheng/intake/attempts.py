"""Why a page was not captured, as the capturer's folder says it: a refusal, and what is kept.

Some failures are the page's or the network's, and what was tried is evidence of its own
(docs/spec/capture.md §9); some are the operator's to mend, and are tried again; some are final
and leave nothing. What the folder says is believed only as far as it can be parsed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from guzheng.intake.brought import CAPTURE, moments_in
from guzheng.proof import canonical
from guzheng.proof.capture import OUTSIDE, CaptureRecord
from guzheng.proof.errors import Malformed, ProofError, require
from guzheng.proof.fields import Fields
from guzheng.refusals import Refused, Unavailable

_OPERATORS = frozenset(
    {"capture.no-browser", "capture.browser-died", "capture.order-malformed"}
)


class CaptureRefused(Refused):
    """The page could not be captured, nor would it be the next time; what was tried is kept."""

    def __init__(
        self, failure: Fields, attempt_json: bytes, moments: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__(
            failure.text("code"),
            expected=failure.text("expected"),
            found=failure.text("found"),
            act=failure.text("act"),
        )
        self.attempt_json = attempt_json
        self.moments = moments or {}

    @property
    def is_evidence(self) -> bool:
        """Whether the attempt is sealed and certified: docs/spec/capture.md §9."""
        return bool(self.attempt_json) and self.code in OUTSIDE


class CaptureAttempted(CaptureRefused):
    """One that is evidence: what is kept of it lies in the finished run, and is then kept."""


class CaptureCancelled(CaptureRefused):
    """Somebody cancelled it, and there is no record of anything that was done."""

    def __init__(self, *, begun: bool) -> None:
        Refused.__init__(
            self,
            "commission.cancelled",
            expected="an order that stands",
            found="cancelled; what was begun was killed and left no record"
            if begun
            else "cancelled before it was begun",
            act="order it again if it is wanted",
        )
        self.attempt_json, self.moments = b"", {}


def refusal_in(record_json: bytes) -> Refused | None:
    """Why a capture that is kept was not made; None if it was."""
    record = CaptureRecord.parse(record_json)
    if not record.failed:
        return None
    failure = failure_in(record_json)
    code, *rest = (failure.text(one) for one in ("code", "expected", "found", "act"))
    return Refused(code, expected=rest[0], found=rest[1], act=rest[2])


def failure_in(record_json: bytes) -> Fields:
    return Fields(CaptureRecord.parse(record_json).fields["failure"], "failure")


def raise_failure(out: Path, status: int) -> NoReturn:
    """What a run says that captured nothing. Raises CaptureRefused (CaptureAttempted where the
    attempt is evidence), or Unavailable where another run may succeed."""
    failure, attempt = out / "failure.json", out / CAPTURE
    if not failure.exists():
        raise Unavailable(
            "capture.browser-died",
            expected="a record of the capture",
            found=f"the capturer ended with status {status}",
            act="the worker tries again",
        )
    try:
        fields = Fields(canonical.parse(failure.read_bytes()), "failure")
        attempt_json = attempt.read_bytes() if attempt.exists() else b""
        refused = CaptureRefused(fields, attempt_json, dict(moments_in(out, attempt_json)))
        if refused.is_evidence:
            failed = refusal_in(attempt_json) is not None
            require(failed, Malformed, "capture.outcome", "failed", "captured")
    except (ProofError, OSError) as error:
        found = error.code if isinstance(error, ProofError) else "a file less"
        raise Unavailable(
            "capture.browser-died", expected="a readable failure.json", found=found
        ) from error
    if refused.is_evidence:
        raise CaptureAttempted(failure_in(attempt_json), attempt_json, refused.moments)
    if refused.code in _OPERATORS:
        raise Unavailable(
            refused.code, expected=refused.expected, found=refused.found, act=refused.act
        )
    raise refused
