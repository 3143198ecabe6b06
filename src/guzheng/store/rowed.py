"""Papers that an installation writes of itself, in a row: their common head, and their leaf.

Each is numbered from 1 without a gap and names the digest of the one before, so that none can
be left out or put in between; its leaf in the ledger commits to it under its salt, and like
every leaf tells nobody anything. Specifications: docs/spec/clock.md §6, docs/spec/selfcheck.md.
"""

from dataclasses import dataclass
from datetime import datetime

from guzheng.proof import instant
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.fields import Fields

SALT_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Head:
    """What every such paper begins with. `previous`: the digest of the one before."""

    number: int
    observed_at: datetime
    previous: Digest | None
    salt: bytes


def encode_head(
    schema: str, number: int, at: datetime, previous_json: bytes | None, salt: bytes
) -> dict[str, object]:
    """The members of the head; whoever writes the paper adds his own."""
    value: dict[str, object] = {
        "schema": schema,
        "number": number,
        "observed_at": instant.encode(at),
        "salt": salt.hex(),
    }
    if previous_json is not None:
        value["previous"] = str(sha256(previous_json))
    return value


def parse_head(fields: Fields, schema: str) -> Head:
    """Takes the head's members out of a paper. Raises ProofError."""
    fields.one_of("schema", (schema,))
    return Head(
        number=fields.count("number"),
        observed_at=fields.instant("observed_at"),
        previous=Digest.parse(fields.text("previous")) if fields.has("previous") else None,
        salt=fields.octets("salt", SALT_OCTETS),
    )


def leaf_of(label: bytes, commitment_label: bytes, salt: bytes, paper: bytes) -> bytes:
    """The entry of the ledger: the label's 16 octets, and 32 of the commitment."""
    commitment = sha256(commitment_label + salt + sha256(paper).value + sm3(paper).value)
    return label + commitment.value
