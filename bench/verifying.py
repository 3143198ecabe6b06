"""Verifications per second against rfc3161-client, and inclusion proofs per second from tiles.

Prints one JSON object; times are of the processor, so that what else the machine does counts
less. Tokens: the same tokens, authority and root for both, in rounds that
alternate; ours once with nothing remembered (each token as if it were the first), once without
its memory of chains (every signature of the path computed for every token; how tokens and
certificates read is known), once as a verifier of many does it (certificates read and paths
built once; every token's own signature, imprint and validity at its genTime still checked).
The authority has a root and an intermediate of the kinds asked for by `--chain`: RSA-4096, as
nearly all public authorities have them, and P-384, where both programs do little but compute
two signatures that cost six times as much.
Goals: 20 times rfc3161-client with chains remembered, 2 times without. Inclusion proofs come
from tiles alone, in ledgers of 10^3, 10^5 and 10^7 entries, to show how the cost grows; each is
checked against the root.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256 as hash_of

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client import VerifierBuilder, decode_timestamp_response

from guzheng.fix import LocalAuthority, random_serials, signing_key_of, unverified
from guzheng.fix.signing import PrivateKey
from guzheng.ledger.edge import Edge
from guzheng.proof import chain, tiles, timestamp, tree
from guzheng.proof.digest import sha256
from guzheng.proof.tiles import WIDTH, Tile

GOALS = {"remembered": 20.0, "unchained": 2.0, "fresh": 2.0}
MESSAGE = b"one photograph"


def of_rsa(size: int) -> PrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


CHAINS: dict[str, Callable[[], PrivateKey]] = {
    "rsa4096": lambda: of_rsa(4096),
    "rsa2048": lambda: of_rsa(2048),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tokens", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--largest", type=int, default=7, help="10 to the power of")
    arguments.add_argument("--chain", nargs="+", choices=tuple(CHAINS), default=tuple(CHAINS))
    chosen = arguments.parse_args()
    keys: dict[str, PrivateKey] = {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "RSA-3072": rsa.generate_private_key(public_exponent=65537, key_size=3072),
    }
    tokens = {
        f"{name} under {kind}": verifications(key, kind, chosen.tokens, chosen.rounds)
        for kind in chosen.chain
        for name, key in keys.items()
    }
    proofs = {
        f"10^{power}": inclusions(10**power) for power in (3, 5, 7) if power <= chosen.largest
    }
    met = {
        goal: {kind: one[f"ratio_{goal}"] >= least for kind, one in tokens.items()}
        for goal, least in GOALS.items()
    }
    print(
        json.dumps(
            {
                "bench": "verifying",
                "tokens": tokens,
                "proofs": proofs,
                "goals": GOALS,
                "met": met,
            },
            indent=2,
        )
    )
    return 0 if all(all(one.values()) for one in met.values()) else 1


def verifications(key: PrivateKey, kind: str, count: int, rounds: int) -> dict[str, float]:
    root, between, own = path_of(key, kind)
    authority = LocalAuthority(
        signing_key_of(key),
        own.public_bytes(Encoding.DER),
        [between.public_bytes(Encoding.DER)],
        clock=unverified(lambda: datetime.now(UTC)),
        serial=random_serials(os.urandom),
    )
    digest = sha256(MESSAGE)
    made = [authority.respond(timestamp.encode_request(digest, one)) for one in range(count)]

    def ours(token: bytes) -> None:
        read = timestamp.parse(token)
        timestamp.require_imprint(read, digest.value)
        timestamp.require_trusted(read, timestamp.require_signature(read), (root,))

    def fresh(token: bytes) -> None:
        timestamp.forget()
        ours(token)

    def unchained(token: bytes) -> None:
        chain.forget_paths()
        ours(token)

    def theirs(token: bytes) -> None:
        # One for each token: this library's builder changes itself.
        verifier = VerifierBuilder().add_root_certificate(root).build()
        assert verifier.verify(decode_timestamp_response(token), digest.value)

    signed = {token: timestamp.parse(token).signed for token in made}
    public = key.public_key()
    own_hash = hashes.SHA256()

    def raw(token: bytes) -> None:
        """The token's own signature and nothing else: below this no verifier comes."""
        one = signed[token]
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(one.signature, one.attributes_encoded, padding.PKCS1v15(), own_hash)
        else:
            assert isinstance(public, ec.EllipticCurvePublicKey)
            public.verify(one.signature, one.attributes_encoded, ec.ECDSA(own_hash))

    pairs = [(own, between.public_key()), (between, root.public_key())]

    def every(token: bytes) -> None:
        """Each signature of the path too, by keys that were read before: below this comes
        nobody who remembers nothing."""
        raw(token)
        for one, by in pairs:
            check(by, one)

    ways: dict[str, Callable[[bytes], None]] = {
        "raw_signature": raw,
        "raw_signatures_of_all": every,
        "remembered": ours,
        "unchained": unchained,
        "fresh": fresh,
        "rfc3161_client": theirs,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.process_time()
            for token in made:
                way(token)
            taken[name].append((time.process_time() - began) / count)
    best = {name: min(one) for name, one in taken.items()}
    found: dict[str, float] = {
        f"{name}_per_second": round(1 / one) for name, one in best.items()
    }
    for goal in GOALS:
        found[f"ratio_{goal}"] = round(best["rfc3161_client"] / best[goal], 2)
        rounds_own = zip(taken["rfc3161_client"], taken[goal], strict=True)
        found[f"median_ratio_{goal}"] = round(
            statistics.median(theirs / ours for theirs, ours in rounds_own), 2
        )
    # Both cannot but compute signatures: what they do beside is compared here.
    found["ratio_at_most"] = round(best["rfc3161_client"] / best["raw_signature"], 2)
    all_of_them = best["raw_signatures_of_all"]
    found["ratio_fresh_at_most"] = round(best["rfc3161_client"] / all_of_them, 2)
    found["share_of_signatures_fresh"] = round(all_of_them / best["fresh"], 2)
    found["share_of_signature_remembered"] = round(
        best["raw_signature"] / best["remembered"], 2
    )
    return found


def check(by: CertificatePublicKeyTypes, one: x509.Certificate) -> None:
    octets, hashed = one.tbs_certificate_bytes, hashes.SHA384()
    if isinstance(by, rsa.RSAPublicKey):
        by.verify(one.signature, octets, padding.PKCS1v15(), hashed)
    else:
        assert isinstance(by, ec.EllipticCurvePublicKey)
        by.verify(one.signature, octets, ec.ECDSA(hashed))


def path_of(
    key: PrivateKey, kind: str
) -> tuple[x509.Certificate, x509.Certificate, x509.Certificate]:
    """Root and intermediate of this kind, and the authority."""
    now = datetime.now(UTC)
    upper, middle = CHAINS[kind](), CHAINS[kind]()

    def made(
        name: str, public: CertificatePublicKeyTypes, issuer: str, *, may_issue: bool
    ) -> x509.CertificateBuilder:
        one = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(may_issue, None), critical=True)
        )
        if may_issue:
            return one
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        return one.add_extension(purpose, critical=True)

    hashed = hashes.SHA384()
    root = made("root", upper.public_key(), "root", may_issue=True).sign(upper, hashed)
    between = made("middle", middle.public_key(), "root", may_issue=True).sign(upper, hashed)
    own = made("authority", key.public_key(), "middle", may_issue=False).sign(middle, hashed)
    return root, between, own


def inclusions(size: int) -> dict[str, float]:
    """Proofs of entries all over a ledger of this size, from tiles in memory."""
    size = -(-size // WIDTH) * WIDTH  # whole groups, so that hashes are all that is needed
    kept: dict[Tile, bytes] = {}
    edge = Edge()
    for start in range(0, size, WIDTH):
        kept.update(
            edge.add_group([hash_of(b"%d" % (start + at)).digest() for at in range(WIDTH)])
        )
    kept.update(edge.partial())
    root = tiles.root_from(kept.__getitem__, size)
    wanted = [
        int.from_bytes(hash_of(b"pick%d" % one).digest()[:8]) % size for one in range(500)
    ]
    began = time.process_time()
    paths = [tiles.inclusion_from(kept.__getitem__, one, size) for one in wanted]
    seconds = time.process_time() - began
    for index, path in zip(wanted, paths, strict=True):
        tree.require_included(hash_of(b"%d" % index).digest(), index, size, path, root)
    return {
        "proofs_per_second": round(len(wanted) / seconds),
        "hashes_in_a_path": len(paths[0]),
    }


if __name__ == "__main__":
    sys.exit(main())
