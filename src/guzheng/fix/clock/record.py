"""A change of standing as a paper, `clock/<number>.json`, and its leaf: docs/spec/clock.md.

Papers are numbered from 1 without a gap and each names the digest of the one before, so none
can be left out or put in between. The leaf commits to the paper under its salt; like every leaf
it tells nobody anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from guzheng.fix.clock.gate import PROFILES, Change
from guzheng.fix.clock.memory import Standing
from guzheng.proof import canonical
from guzheng.proof.digest import Digest
from guzheng.proof.fields import Fields
from guzheng.store import rowed

SCHEMA = "guzheng.clock/1"
FOLDER = "clock/"
LEAF_LABEL = b"guzheng/clock/v1"
_COMMITMENT_LABEL = b"guzheng/clock-commitment/v1\n"


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """One paper, as far as other code asks for it."""

    number: int
    observed_at: datetime
    standing: Standing
    profile: str
    code: str
    previous: Digest | None
    salt: bytes


def encode(
    number: int, change: Change, previous_json: bytes | None, entropy: Callable[[int], bytes]
) -> bytes:
    """The paper, canonical JSON. What was measured is in it, in microseconds."""
    value = rowed.encode_head(
        SCHEMA, number, change.at, previous_json, entropy(rowed.SALT_OCTETS)
    )
    value |= {"standing": change.standing.value, "profile": change.profile}
    if change.code:
        value["code"] = change.code
    if change.measured is not None:
        value["observed_claims"] = [
            {
                "source": one.source,
                "offset_microseconds": one.offset,
                "uncertainty_microseconds": one.uncertainty,
                "leap": one.leap,
            }
            for one in change.measured.claims
        ]
        if change.measured.agreement is not None:
            value["agreement"] = {
                "offset_microseconds": change.measured.agreement.offset,
                "uncertainty_microseconds": change.measured.agreement.uncertainty,
                "falsetickers": list(change.measured.agreement.false),
            }
    return canonical.encode(value)


def parse(octets: bytes) -> ClockRecord:
    """Raises ProofError. What was measured is for reading, and is not looked into."""
    fields = Fields(canonical.parse_object(octets), "clock")
    head = rowed.parse_head(fields, SCHEMA)
    for told in ("observed_claims", "agreement"):
        if fields.has(told):
            fields.take(told)
    record = ClockRecord(
        number=head.number,
        observed_at=head.observed_at,
        standing=Standing(fields.one_of("standing", tuple(Standing))),
        profile=fields.one_of("profile", PROFILES),
        code=fields.text_or_none("code") or "",
        previous=head.previous,
        salt=head.salt,
    )
    fields.end()
    return record


def leaf_of(octets: bytes) -> bytes:
    """The entry of the ledger, 48 octets."""
    return rowed.leaf_of(LEAF_LABEL, _COMMITMENT_LABEL, parse(octets).salt, octets)


def name_of(number: int) -> str:
    return f"{FOLDER}{number:06d}.json"
