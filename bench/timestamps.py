"""Tokens per second in process against the bare signature of the same key, in one run.

Prints one JSON object. A token is the whole of `LocalAuthority.respond`: reading the request,
clock, serial, signature, certificates included. Rounds alternate between the two, so that what
else the machine does falls on both; the ratio is between their best rounds, and the median of
the rounds' own ratios stands beside it. Goals: RSA-3072 and SM2 at least 0.9, P-256
at least 0.75. Where the system's OpenSSL has no SM2, that is said and counts as nothing.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.fix import (
    LocalAuthority,
    SigningKey,
    random_serials,
    signing_key_of,
    sm2,
    sm2_authority,
    sm2_ceremony,
    unverified,
)
from guzheng.fix.profiles import OPERATOR, certificates_of
from guzheng.fix.signing import PrivateKey
from guzheng.proof import timestamp
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.refusals import Unavailable

GOALS = {"P-256": 0.75, "RSA-3072": 0.9, "SM2": 0.9}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=4.0, help="for each key")
    arguments.add_argument("--rounds", type=int, default=40)
    chosen = arguments.parse_args()
    found = {
        name: measure(key, authority, over, chosen.seconds, chosen.rounds)
        for name, key, authority, over in candidates()
    }
    for name, one in found.items():
        one |= {"goal": GOALS[name], "met": one["ratio"] >= GOALS[name]}
    missing = sorted(GOALS.keys() - found.keys())
    print(json.dumps({"bench": "timestamps", "keys": found, "missing": missing}, indent=2))
    return 0 if all(one["met"] for one in found.values()) else 1


def candidates() -> Iterator[tuple[str, SigningKey, LocalAuthority, Digest]]:
    """Name, key, authority under it, and what it is asked to stamp."""
    photograph = b"one photograph"
    keys: dict[str, PrivateKey] = {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "RSA-3072": rsa.generate_private_key(public_exponent=65537, key_size=3072),
    }
    for name, key in keys.items():
        yield name, signing_key_of(key), authority_of(key), sha256(photograph)
    try:
        library = sm2.open_libcrypto()
    except Unavailable:
        return
    with tempfile.TemporaryDirectory() as folder:
        national = sm2_ceremony.load_or_make(
            Path(folder) / "keys", library, now=_now, entropy=os.urandom
        )
    authority = sm2_authority(national, now=_now, entropy=os.urandom)
    yield "SM2", sm2.signing_key_of(national.tsa_key), authority, sm3(photograph)


def _now() -> datetime:
    return datetime.now(UTC)


def measure(
    key: SigningKey, authority: LocalAuthority, over: Digest, seconds: float, rounds: int
) -> dict[str, float | bool]:
    request_der = timestamp.encode_request(over, 0x1234_5678_9ABC)
    message = bytes(150)  # as long as the signed attributes
    sign = key.sign
    both: list[Callable[[], object]] = [
        lambda: sign(message),
        lambda: authority.respond(request_der),
    ]
    count = max(1, int(seconds / rounds / 2 / timed(both[1], 50)))
    times = [[timed(one, count) for one in both] for _ in range(rounds)]
    raw, token = (min(column) for column in zip(*times, strict=True))
    return {
        "signatures_per_second": round(1 / raw),
        "tokens_per_second": round(1 / token),
        "ratio": round(raw / token, 3),
        "median_ratio": round(statistics.median(one / other for one, other in times), 3),
        "octets": len(authority.respond(request_der)),
    }


def timed(one: Callable[[], object], count: int) -> float:
    """Seconds for one, on average over `count`."""
    begun = time.perf_counter()
    for _ in range(count):
        one()
    return (time.perf_counter() - begun) / count


def authority_of(key: PrivateKey) -> LocalAuthority:
    certificates = certificates_of(
        ec.generate_private_key(ec.SECP256R1()),
        tsa=key.public_key(),
        signer=key.public_key(),
        operator=OPERATOR,
        at=_now(),
        entropy=os.urandom,
    )
    return LocalAuthority(
        signing_key_of(key),
        certificates["tsa"].public_bytes(Encoding.DER),
        clock=unverified(_now),
        serial=random_serials(os.urandom),
    )


if __name__ == "__main__":
    sys.exit(main())
