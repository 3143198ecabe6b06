"""Whether a capture came from the site that its address names, by what the capture noted (R-2).

A hosts file, a resolver that lies or a proxy leads a browser to another server, and the picture
looks the same. The capturer notes each; here the notes become one verdict, so that certificate,
pages, court package and rehearsal say the same. Derived and never stored: a record of before is
judged by the same rules. It never says that the site was the true one, only what was looked at
and whether anything spoke against it (docs/spec/capture.md §7.1). Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

PRESET: Final = "capture.name-preset"
DIFFERS: Final = "capture.page-resolvers-differ"
PROXIED: Final = "capture.through-proxy"
# Each of these can have decided which server answered; the order is that in which it is said.
AGAINST: Final = (PRESET, DIFFERS)
# What keeps the check from being whole. The first two are settings of a test: what they allow
# is no public site, or one that no authority vouches for. The third is a way out that the
# operator chose to see the page from elsewhere. The fourth is of a part of the page, or of a
# page that proved its name by its certificate: content networks answer each resolver otherwise.
RESERVATIONS: Final = (
    "capture.private-addresses-allowed",
    "capture.tls-key-trusted",
    PROXIED,
    "capture.resolvers-differ",
)

FAILED: Final = "origin.failed"
RESERVED: Final = "origin.reserved"
PASSED: Final = "origin.passed"


@dataclass(frozen=True, slots=True)
class Origin:
    """`code`: one of the three above, with words. `because`: codes of notes."""

    code: Literal["origin.failed", "origin.reserved", "origin.passed"]
    because: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.code == FAILED


def judge(notes: Collection[str]) -> Origin:
    """What speaks against it comes first: no setting of a test excuses a preset name."""
    if against := tuple(one for one in AGAINST if one in notes):
        return Origin(FAILED, against)
    if reservations := tuple(one for one in RESERVATIONS if one in notes):
        return Origin(RESERVED, reservations)
    return Origin(PASSED)


def of_facts(capture: object) -> Origin | None:
    """The same of a certificate's facts, read as a page reads them; None where nothing was
    looked at: no capture, or one that failed before any connection was tried."""
    if not isinstance(capture, dict):
        return None
    notes = capture.get("notes")
    origin = judge([str(one) for one in notes] if isinstance(notes, list) else ())
    if origin.code == PASSED and "failure" in capture and not capture.get("attempted"):
        return None
    return origin
