"""What the papers of one exhibit say, as far as the documents of a package repeat it.

Nothing here is decided or judged: certificate.json is derived from the other papers, and the
verifier makes it again. A paper out of its form is refused, and then no document is printed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from cryptography.hazmat.primitives import hashes

from guzheng.proof import canonical, instant, package, timestamp
from guzheng.proof.digest import Digest
from guzheng.proof.errors import ProofError
from guzheng.proof.manifest import Manifest
from guzheng.refusals import Refused

Facts = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ClockThen:
    """How the platform's clock stood when the exhibit came in, by the record of its changes.

    `standing`: verified, unverified, stopped; empty: there was no record yet."""

    standing: str = ""
    profile: str = ""
    since: datetime | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckThen:
    """A self-check of the platform: the last before the exhibit came in, else the first after.

    `findings`: name, whether it passed, what was seen. `entry`: of its leaf in the ledger."""

    number: int
    at: datetime
    software: str
    findings: tuple[tuple[str, bool, str], ...]
    sha256: str
    entry: str
    before: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One exhibit. `digests`: every paper and original by member name below its folder."""

    manifest: Manifest
    facts: Facts
    digests: Mapping[str, Digest]
    sizes: Mapping[str, int]
    signature: str  # object identifier of the algorithm that signed the seal
    signer_sha256: str  # of the authority's X.509 certificate
    clock: ClockThen = ClockThen()
    checked: CheckThen | None = None
    account: str = ""
    pages: int | None = None  # of the certificate, printed

    @property
    def exhibit(self) -> str:
        return self.manifest.exhibit

    @property
    def number(self) -> str:
        return text(self.facts, "number")

    @property
    def name(self) -> str:
        return self.manifest.claimed_name

    @property
    def sealed_at(self) -> datetime:
        return instant.parse(text(below(self.facts, "seal"), "attested_at"))

    @property
    def captured_at(self) -> datetime:
        """When a page was looked at; what was brought has only the time it was received."""
        capture = below(self.facts, "capture")
        begun = text(capture, "observed_started_at")
        return instant.parse(begun) if begun else self.manifest.observed_at

    @property
    def witnesses(self) -> tuple[Facts, ...]:
        return tuple(listed(below(self.facts, "entry"), "witnesses"))


def read_told(
    manifest_json: bytes,
    certificate_json: bytes,
    seal: bytes,
    digests: Mapping[str, Digest],
    sizes: Mapping[str, int],
    *,
    clock: ClockThen,
    checked: CheckThen | None,
    account: str,
    pages: int | None = None,
) -> Told:
    try:
        token = timestamp.parse(seal)
        signer = timestamp.require_signature(token)
        return Told(
            Manifest.parse(manifest_json),
            canonical.parse_object(certificate_json),
            digests,
            sizes,
            token.signed.signature_oid,
            signer.fingerprint(hashes.SHA256()).hex(),
            clock,
            checked,
            account,
            pages,
        )
    except ProofError as error:
        raise Refused(
            "package.not-sound",
            expected="papers in their form",
            found=f"{error.code}: {error.found}"[:300],
            act="the operator runs fsck, which names what is damaged, and restores it",
        ) from error


def listing_of(told: Told) -> dict[str, Digest]:
    """The lines that SHA256SUMS has for this exhibit."""
    folder = f"{package.EXHIBITS}{told.exhibit}/"
    return {folder + name: digest for name, digest in told.digests.items()}


def text(facts: Facts, name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""


def count(facts: Facts, name: str) -> int | None:
    value = facts.get(name)
    return value if type(value) is int else None


def below(facts: Facts, name: str) -> Facts:
    value = facts.get(name)
    return cast("Facts", value) if isinstance(value, dict) else {}


def listed(facts: Facts, name: str) -> list[Facts]:
    value = facts.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
