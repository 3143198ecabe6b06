"""What the tests of renewal share: authorities of every decade, and records made by them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.keep import ers
from guzheng.proof import der, timestamp
from guzheng.proof.renewal import Group
from tests.stations.timestamps import Issuer


def year(number: int, month: int = 1) -> datetime:
    return datetime(number, month, 1, tzinfo=UTC)


def issuer_of(first: int, last: int) -> Issuer:
    """A root and an authority whose certificates are valid in these years."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"root {first} {os.urandom(4).hex()}")]
    )

    def signed(
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        extension: x509.ExtensionType,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .issuer_name(name)
            .subject_name(subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(year(first))
            .not_valid_after(year(last))
            .add_extension(extension, critical=True)
        )
        return builder.sign(root_key, hashes.SHA256())

    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {first}")])
    root = signed(name, root_key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
    return Issuer(root, signed(subject, key.public_key(), purpose), key)


def token(by: Issuer, at: datetime, name: str, hashed: bytes) -> bytes:
    """The ContentInfo of a token over this hash."""
    answer = by.authority(at=at).respond(ers.request(name, hashed, 1))
    reader = der.parse(answer, der.SEQUENCE, "answer").reader("answer")
    reader.take(der.SEQUENCE)
    return reader.take(der.SEQUENCE).encoded


def group_of(members: Mapping[str, bytes], name: str) -> Group:
    hashed = frozenset(hashlib.new(name, one).digest() for one in members.values())
    return Group(hashed, hashed)


@dataclass
class Story:
    """Exhibits and their records, as the years go by. `begin`, then `restamp` and `rehash`."""

    exhibits: Sequence[Mapping[str, bytes]]
    chains: list[list[tuple[str, list[bytes]]]] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)

    def begin(self, by: Issuer, at: datetime, name: str = "sha256") -> None:
        self.chains = [[] for _ in self.exhibits]
        self.rehash(by, at, name)

    def rehash(self, by: Issuer, at: datetime, name: str) -> None:
        """A new chain over documents and all older chains (or the first of all)."""
        groups = [
            [self._hashed(name, octets, chains) for octets in exhibit.values()]
            for exhibit, chains in zip(self.exhibits, self.chains, strict=True)
        ]
        nodes = [ers.group_hash(name, group) for group in groups]
        root, paths = ers.tree_over(name, nodes)
        made = token(by, at, name, root)
        self.tokens.append(made)
        for group, node, chains in zip(groups, nodes, self.chains, strict=True):
            lists = ers.lists_of_group(group, paths[node])
            chains.append((name, [ers.archive_timestamp(name, lists, made)]))

    def restamp(self, by: Issuer, at: datetime, others: Sequence[bytes] = ()) -> None:
        """A new stamp over the last one, and over those of other days."""
        name = self.chains[0][-1][0]
        hashed = ers.hash_of(name, self.tokens[-1])
        root, paths = ers.tree_over(name, [hashed, *(ers.hash_of(name, one) for one in others)])
        made = token(by, at, name, root)
        self.tokens.append(made)
        for chains in self.chains:
            lists = ers.lists_of_one(hashed, paths[hashed])
            chains[-1][1].append(ers.archive_timestamp(name, lists, made))

    def record(self, number: int = 0) -> bytes:
        return ers.evidence_record(self.chains[number])

    @staticmethod
    def _hashed(name: str, octets: bytes, chains: Sequence[tuple[str, list[bytes]]]) -> bytes:
        hashed = ers.hash_of(name, octets)
        if not chains:
            return hashed
        return ers.hash_of(name, hashed, ers.hash_of(name, ers.sequence_of_chains(chains)))


def signer_der(token_der: bytes) -> bytes:
    return timestamp.require_signature(timestamp.parse(token_der)).public_bytes(Encoding.DER)


LATER = timedelta(days=1)
