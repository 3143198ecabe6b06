"""The name of an exhibit, `主体_场景_日期`, put together from its three parts.

The order of a case file is read from such names, so the parts are checked here before they
are joined: each present, none able to break a path, the day a real one. A free name is
possible, but only when the person asked for one by writing it in its own field."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from guzheng.refusals import Refused

PART_LIMIT: Final = 60
FREE_LIMIT: Final = 120
_MARKED: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{2})[-/.]([0-9]{2})")
# "_" separates the parts; the rest cannot stand in a file name on every system.
_FORBIDDEN = frozenset('_/\\:*?"<>|')


def claimed_name_of(form: Mapping[str, str]) -> str | None:
    """The free name, else the joined three parts, else none; raises Refused."""
    free = form.get("claimed_name", "").strip()
    if free:
        return require_plain(free, limit=FREE_LIMIT)
    subject = form.get("name_subject", "").strip()
    scene = form.get("name_scene", "").strip()
    day = form.get("name_day", "").strip()
    if not subject and not scene:
        return None  # the day alone is filled in beforehand and names nothing
    return "_".join((require_part(subject), require_part(scene), require_day(day)))


def require_part(text: str) -> str:
    if not text or _FORBIDDEN & set(text):
        raise Refused("name.three-parts", expected="主体_场景_日期", found=repr(text[:80]))
    return require_plain(text, limit=PART_LIMIT)


def require_day(text: str) -> str:
    """Eight digits, however a telephone writes them: of full width, with marks between."""
    typed, text = text, unicodedata.normalize("NFKC", text)
    if marked := _MARKED.fullmatch(text):
        text = "".join(marked.groups())
    try:
        datetime.strptime(text, "%Y%m%d")  # noqa: DTZ007 - a day of a name, not a time
    except ValueError as error:
        raise Refused("name.bad-day", expected="YYYYMMDD", found=repr(typed[:40])) from error
    if len(text) != len("YYYYMMDD"):
        raise Refused("name.bad-day", expected="YYYYMMDD", found=repr(typed[:40]))
    return text


def require_plain(text: str, *, limit: int) -> str:
    """No invisible character, and not longer than a line."""
    if any(unicodedata.category(one) in {"Cc", "Cf", "Zl", "Zp"} for one in text):
        raise Refused("name.invisible", expected="visible characters", found=ascii(text[:80]))
    if len(text) > limit:
        raise Refused("name.too-long", expected=f"≤ {limit}", found=str(len(text)))
    return text


def optional_text(form: Mapping[str, str], field: str, *, limit: int) -> str | None:
    text = form.get(field, "").strip()
    return require_plain(text, limit=limit) if text else None
