"""Disputes (异议): somebody says that the ledger or a certificate is wrong, and is heard.

A dispute is kept before it is acknowledged, under a number that its author can quote, and never
changed. It holds what its author claims about himself and the case, so it is read by the
operator only and served to nobody. At most `PER_DAY` are taken in one day (UTC).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from guzheng.proof import canonical, instant
from guzheng.proof.fields import Fields
from guzheng.refusals import Refused, Unavailable
from guzheng.store import ids
from guzheng.store.blobs import Blobs, read

FOLDER = "disputes/"
SCHEMA = "guzheng.dispute/1"
PER_DAY = 500
_LIMITS = {"claimed_name": 120, "claimed_contact": 200, "claimed_words": 4000, "about": 400}


@dataclass(frozen=True, slots=True)
class Dispute:
    """`about`: the file, certificate or entry in question, as it was asked for."""

    dispute: str
    observed_at: datetime
    about: str
    claimed_name: str
    claimed_contact: str
    claimed_words: str


def receive(
    blobs: Blobs,
    claims: Mapping[str, str],
    *,
    now: datetime,
    entropy: Callable[[int], bytes],
) -> str:
    """Keep one; gives its number. `claims`: the fields of Dispute that somebody fills in."""
    texts = {name: claims.get(name, "").strip() for name in _LIMITS}
    for name, longest in _LIMITS.items():
        least = 1 if name in {"claimed_contact", "claimed_words"} else 0
        if not least <= len(texts[name]) <= longest:
            raise Refused(
                "court.dispute-incomplete",
                expected=f"{name}: {least} to {longest} characters",
                found=str(len(texts[name])),
                act="fill in the field and send it again",
            )
    today = f"{now:%Y%m%d}"
    if sum(1 for _ in blobs.names(f"{FOLDER}{today}/")) >= PER_DAY:
        raise Unavailable(
            "court.disputes-full",
            expected=f"at most {PER_DAY} disputes a day",
            found="as many already",
            act="write to the operator, or come back tomorrow",
        )
    number = ids.new("ds", now, entropy)
    value = {"schema": SCHEMA, "dispute": number, "observed_at": instant.encode(now), **texts}
    blobs.put(f"{FOLDER}{today}/{number}.json", [canonical.encode(value)])
    return number


def disputes(blobs: Blobs) -> Iterator[Dispute]:
    """Every one, oldest first."""
    for name in sorted(blobs.names(FOLDER)):
        fields = Fields(canonical.parse(read(blobs, name)), "dispute")
        fields.text("schema")
        one = Dispute(
            fields.text("dispute"),
            fields.instant("observed_at"),
            *(
                fields.text(each, longest=_LIMITS[each])
                for each in ("about", "claimed_name", "claimed_contact", "claimed_words")
            ),
        )
        fields.end()
        yield one
