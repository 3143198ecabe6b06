"""One spelling of time in papers: UTC with milliseconds, `2026-11-21T10:44:12.038Z`.

A subset of RFC 3339. A time without a zone is never evidence, so none can be written here.
The years have bounds, so that a zone or a tolerance can be added to every time that was read.
"""

import re
from datetime import UTC, datetime, timedelta

from guzheng.proof.errors import Malformed, require

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1970, 9998


def require_year(at: datetime) -> datetime:
    """Neither before computers could tell the time, nor at the end of what they can."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        wanted = f"a year from {FIRST_YEAR} to {LAST_YEAR}"
        raise Malformed("instant.malformed", wanted, at.year)
    return at


def encode(at: datetime) -> str:
    """Milliseconds are cut, not rounded: a paper may not be dated after it was made."""
    zoned = at.utcoffset() is not None
    require(zoned, Malformed, "instant.no-zone", "a time with a zone", at)
    at = require_year(require_year(at).astimezone(UTC))
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse(text: str) -> datetime:
    """Of the one spelling, `2026-11-21T10:44:12.038Z`; aware, UTC. Raises Malformed."""
    if not _FORM.fullmatch(text):
        raise Malformed("instant.malformed", "YYYY-MM-DDTHH:MM:SS.mmmZ", repr(text[:40]))
    try:
        return require_year(datetime.fromisoformat(text))
    except ValueError as error:
        raise Malformed("instant.malformed", "a real date", text) from error


def beijing(at: datetime) -> str:
    """For a reader: `2026-11-21 18:44:12.038 (UTC+08:00)`. Papers hold UTC."""
    local = at.astimezone(UTC) + timedelta(hours=8)
    return local.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03d} (UTC+08:00)"
