"""How a page writes times, sizes and fingerprints: one spelling each, in both languages.

Times are shown in UTC+08:00 and say so; the machine-readable spelling stays UTC. Fingerprints
are grouped by eight so that two can be compared by eye. File names are never rewritten: what
could deceive the eye (direction marks, control characters) is made visible instead."""

import shlex
import unicodedata
from datetime import datetime, timedelta, timezone

from guzheng import words
from guzheng.proof import instant
from guzheng.proof.errors import Malformed

BEIJING = timezone(timedelta(hours=8), "UTC+08:00")
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def moment_of(value: object) -> datetime | None:
    """A time of a paper or of a view; None when it is not one."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    try:
        return instant.parse(value)
    except Malformed:
        return None


def beijing(value: object) -> str:
    """`2026-11-21 18:44:12.038`, to be followed by the zone."""
    at = moment_of(value)
    if at is None:
        return "" if value is None else str(value)
    return (
        at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 1000:03d}"
    )


def machine(value: object) -> str:
    """For the datetime attribute: UTC, as papers write it."""
    at = moment_of(value)
    return "" if at is None else instant.encode(at)


def beijing_day(at: datetime) -> str:
    """The day of a name `主体_场景_日期`."""
    return at.astimezone(BEIJING).strftime("%Y%m%d")


def octets(size: object, language: words.Language) -> str:
    if not isinstance(size, int):
        return ""
    exact = words.say("web.octets", language, count=f"{size:,}")
    if size < 1024:
        return exact
    return words.say("web.octets-scaled", language, exact=exact, scaled=roughly(size))


def roughly(size: int) -> str:
    """A limit, for orientation: `20 GiB`."""
    scaled, unit = float(size), "B"
    for larger in _UNITS:
        if scaled < 1024:
            break
        scaled, unit = scaled / 1024, larger
    return f"{scaled:.1f}".removesuffix(".0") + f" {unit}"


def eights(digits: str) -> list[str]:
    return [digits[at : at + 8] for at in range(0, len(digits), 8)]


def visible(name: str) -> str:
    """A name with its invisible characters written out as `\\u202e`."""
    if name.isprintable():  # which none of these is
        return name
    return "".join(
        f"\\u{ord(one):04x}" if unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp"} else one
        for one in name
    )


def shell(name: str) -> str:
    """The name of a file as a shell reads one word, and no program takes it for an option."""
    return shlex.quote(f"./{name}" if name.startswith("-") else name)
