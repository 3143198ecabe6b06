"""A self-check (自检) of the installation as a paper, `checks/<number>.json`, and its leaf.

《民事证据规定》 art 93 asks whether the system worked normally, and by what means errors would
have been found; 在线诉讼规则 art 17 asks how it stood at the time. So what was looked at, and
what was found, is written down once a day, when the software changes, and when a finding
changes: docs/spec/selfcheck.md. A paper is this installation's own word. In the ledger it
cannot be written again, or later, when somebody asks for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from guzheng.proof import canonical
from guzheng.proof.digest import Digest
from guzheng.proof.fields import Fields
from guzheng.store import rowed

SCHEMA: Final = "guzheng.check/1"
FOLDER: Final = "checks/"
LEAF_LABEL: Final = b"guzheng/check/v1"
_COMMITMENT_LABEL = b"guzheng/check-commitment/v1\n"
# In the order in which they are told.
NAMES: Final = (
    "algorithms",
    "authority",
    "clock",
    "disk",
    "queue",
    "ledger",
    "sample",
    "reading",
)
_OUTCOMES = ("failed", "passed")
_MOST = 32
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `observed`: what was seen, in figures, without words."""

    name: str
    passed: bool
    observed: str


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One paper."""

    number: int
    observed_at: datetime
    software: str
    findings: tuple[Finding, ...]
    previous: Digest | None
    salt: bytes

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if not one.passed)


def encode(
    number: int,
    at: datetime,
    software: str,
    findings: Sequence[Finding],
    previous_json: bytes | None,
    entropy: Callable[[int], bytes],
) -> bytes:
    """The paper, canonical JSON."""
    value = rowed.encode_head(SCHEMA, number, at, previous_json, entropy(rowed.SALT_OCTETS))
    value["software"] = software
    value["findings"] = [
        {
            "name": one.name,
            "outcome": _OUTCOMES[one.passed],
            "observed": one.observed[:_LONGEST],
        }
        for one in findings
    ]
    return canonical.encode(value)


def parse(octets: bytes) -> CheckRecord:
    """Raises ProofError. A name that is not known here is of a later version, and stays."""
    fields = Fields(canonical.parse_object(octets), "check")
    head = rowed.parse_head(fields, SCHEMA)
    record = CheckRecord(
        number=head.number,
        observed_at=head.observed_at,
        software=fields.text("software", longest=_LONGEST),
        findings=tuple(_finding(one) for one in fields.items("findings", most=_MOST)),
        previous=head.previous,
        salt=head.salt,
    )
    fields.end()
    return record


def _finding(value: object) -> Finding:
    fields = Fields(value, "check finding")
    finding = Finding(
        name=fields.text("name", longest=40),
        passed=fields.one_of("outcome", _OUTCOMES) == _OUTCOMES[True],
        observed=fields.text("observed", longest=_LONGEST),
    )
    fields.end()
    return finding


def leaf_of(octets: bytes) -> bytes:
    """The entry of the ledger, 48 octets."""
    return rowed.leaf_of(LEAF_LABEL, _COMMITMENT_LABEL, parse(octets).salt, octets)


def name_of(number: int) -> str:
    return f"{FOLDER}{number:06d}.json"
