"""When algorithms end: the plan of renewals looks here, and names its source.

Dates are those of the source, to the last day. Whoever relies on another authority hands other
tables to the plan; the ends of hash algorithms are a setting (`hash_ends`), because none has
been announced: NIST SP 800-131A Rev. 2 (2019), §9, and the SOG-IS agreed mechanisms 1.3 (2023),
§5, accept SHA-256 and SHA-512 without an end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


@dataclass(frozen=True, slots=True)
class Sunset:
    """The last moment at which an algorithm may be relied on, and who says so."""

    at: datetime
    source: str


def _end_of(year: int) -> datetime:
    return datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)


_NIST_2030 = Sunset(_end_of(2030), "NIST SP 800-57 Part 1 Rev. 5, table 4: 112 bits to 2030")
_NIST_2035 = Sunset(_end_of(2035), "NIST IR 8547 (draft, 2024-11), table 2: not after 2035")

SIGNATURES: Mapping[str, Sunset] = {
    "rsa-below-3072": _NIST_2030,
    "rsa": _NIST_2035,
    "ecdsa-below-256": _NIST_2030,
    "ecdsa": _NIST_2035,
    "eddsa": _NIST_2035,
}


@dataclass(frozen=True, slots=True)
class Sunsets:
    """The tables in force for a plan."""

    hashes: Mapping[str, datetime] = field(default_factory=dict)
    signatures: Mapping[str, Sunset] = field(default_factory=lambda: SIGNATURES)

    def of_path(self, path: tuple[x509.Certificate, ...]) -> Sunset | None:
        """The first end among the keys of a certificate path; None when none is known."""
        found = [
            self.signatures[kind]
            for kind in map(kind_of, path)
            if kind is not None and kind in self.signatures
        ]
        return min(found, key=lambda one: one.at, default=None)

    def strongest(self, at: datetime) -> str:
        """The hash to begin a chain with: the least that has no end before `at`."""
        for name in ("sha256", "sha512"):
            if name not in self.hashes or self.hashes[name] > at:
                return name
        return max(self.hashes, key=lambda name: self.hashes[name])


def kind_of(certificate: x509.Certificate) -> str | None:
    """Which row of the table its key belongs to; None for a kind that has no row."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # SM2: GB/T 32918 names no end
        return None
    match key:
        case rsa.RSAPublicKey():
            return "rsa" if key.key_size >= 3072 else "rsa-below-3072"
        case ec.EllipticCurvePublicKey():
            return "ecdsa" if key.curve.key_size >= 256 else "ecdsa-below-256"
        case ed25519.Ed25519PublicKey():
            return "eddsa"
        case _:
            return None
