"""What the tests of renewal share: authorities of every decade, and records made by them."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guzheng.fix import der as fix_der
from guzheng.fix.signing import SigningKey
from guzheng.keep import ers
from guzheng.proof import der, timestamp
from guzheng.proof.renewal import Group
from tests.stations.timestamps import Issuer


def year(number: int, month: int = 1) -> datetime:
    return datetime(number, month, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Issuer512(Issuer):
    """One whose tokens and certificates are signed with SHA-512, as they must be when SHA-256
    ends; under the same curve, which takes its first 256 bits."""

    def signing_key(self) -> SigningKey:
        assert isinstance(self.tsa_key, ec.EllipticCurvePrivateKey)
        private_key, sha512 = self.tsa_key, "2.16.840.1.101.3.4.2.3"
        algorithm = fix_der.sequence(fix_der.object_identifier(sha512))
        return SigningKey(
            public_key_der=private_key.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            ),
            digest_algorithm_der=algorithm,
            signature_algorithm_der=fix_der.sequence(
                fix_der.object_identifier("1.2.840.10045.4.3.4")
            ),
            ess_algorithm_der=algorithm,
            digest=lambda octets: hashlib.sha512(octets).digest(),
            sign=lambda octets: private_key.sign(octets, ec.ECDSA(hashes.SHA512())),
        )


def issuer_of(first: int, last: int, name: str = "sha256") -> Issuer:
    """A root and an authority whose certificates are valid in these years, signing with this
    hash."""
    kinds: dict[str, tuple[type[Issuer], hashes.SHA256 | hashes.SHA512]] = {
        "sha256": (Issuer, hashes.SHA256()),
        "sha512": (Issuer512, hashes.SHA512()),
    }
    kind, algorithm = kinds[name]
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    called = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"root {first} {os.urandom(4).hex()}")]
    )

    def signed(
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        extension: x509.ExtensionType,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .issuer_name(called)
            .subject_name(subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(year(first))
            .not_valid_after(year(last))
            .add_extension(extension, critical=True)
        )
        return builder.sign(root_key, algorithm)

    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {first}")])
    root = signed(called, root_key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
    return kind(root, signed(subject, key.public_key(), purpose), key)


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
