"""Tokens per second in process against the bare signature of the same key, in one run.

Prints one JSON object. A token is the whole of `LocalAuthority`: reading the request, clock,
serial, the line in the issuance journal, signature, certificates included; 64 tokens at a time
are signed and flushed together, as under load, to a journal in memory (tmpfs), so that no disk
is measured. Python's own search for garbage is set as `guzheng tsa` sets it.
Time is this process's own (CPU), so that what else the machine does is left out as far as it
can be. Rounds alternate between the two; the ratio is between their best rounds, and the median
of the rounds' own ratios stands beside it.

Goals: RSA-3072 and SM2 at least 0.9, P-256 at least 0.75.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng import fix
from guzheng.fix import LocalAuthority, random_serials, signing_key_of, unverified
from guzheng.fix.clock import shared
from guzheng.fix.journal import OWN, FileJournal
from guzheng.fix.profiles import OPERATOR, certificates_of
from guzheng.fix.signing import PrivateKey, SigningKey
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.refusals import Unavailable
from guzheng.web.answering import settle

GOALS = {"P-256": 0.75, "RSA-3072": 0.9, "SM2": 0.9}
GROUP = 64
MEMORY = Path("/dev/shm")  # noqa: S108 - asked for: no disk is to be measured


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=4.0, help="for each key")
    arguments.add_argument("--rounds", type=int, default=20)
    chosen = arguments.parse_args()
    keys: dict[str, PrivateKey] = {
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "RSA-3072": rsa.generate_private_key(public_exponent=65537, key_size=3072),
    }
    found: dict[str, dict[str, float | bool]] = {}
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        journal = FileJournal(Path(folder) / "journal", now=now)
        settle()
        for name, key in keys.items():
            authority = authority_of(key, journal)
            found[name] = measure(
                signing_key_of(key), authority, journal, chosen.seconds, chosen.rounds
            )
        try:
            national = fix.sm2_ceremony.load_or_make(
                Path(folder), fix.open_libcrypto(), now=now, entropy=os.urandom
            )
        except Unavailable:  # this machine's OpenSSL has no SM2
            pass
        else:
            authority = fix.sm2_authority(
                national, now=now, entropy=os.urandom, clock=clock(), journal=journal
            )
            signer = fix.sm2.signing_key_of(national.tsa_key)
            found["SM2"] = measure(signer, authority, journal, chosen.seconds, chosen.rounds)
        journal.close()
    for name, one in found.items():
        one |= {"goal": GOALS[name], "met": one["ratio"] >= GOALS[name]}
    print(json.dumps({"bench": "timestamps", "keys": found}, indent=2))
    return 0 if all(one["met"] for one in found.values()) else 1


def measure(
    key: SigningKey,
    authority: LocalAuthority,
    journal: FileJournal,
    seconds: float,
    rounds: int,
) -> dict[str, float | bool]:
    request_der = timestamp.encode_request(sha256(b"one photograph"), 0x1234_5678_9ABC)
    message = bytes(138)  # as long as the signed attributes

    def signatures() -> None:
        for _ in range(GROUP):
            key.sign(message)

    def tokens() -> None:
        answers = authority.issue_all([(request_der, OWN)] * GROUP)
        assert answers[-1].group is not None
        journal.commit(answers[-1].group)

    count = max(1, int(seconds / rounds / 2 / timed(tokens, 2)))
    times = [[timed(one, count) / GROUP for one in (signatures, tokens)] for _ in range(rounds)]
    raw, token = (min(column) for column in zip(*times, strict=True))
    return {
        "signatures_per_second": round(1 / raw),
        "tokens_per_second": round(1 / token),
        "ratio": round(raw / token, 3),
        "median_ratio": round(statistics.median(one / other for one, other in times), 3),
        "octets": len(authority.issue(request_der, OWN).response_der),
    }


def timed(one: Callable[[], object], count: int) -> float:
    """Seconds of this process for one, on average over `count`."""
    begun = time.process_time()
    for _ in range(count):
        one()
    return (time.process_time() - begun) / count


def now() -> datetime:
    return datetime.now(UTC)


def clock() -> fix.Clock:
    return shared(unverified(now), now)


def authority_of(key: PrivateKey, journal: FileJournal) -> LocalAuthority:
    certificates = certificates_of(
        ec.generate_private_key(ec.SECP256R1()),
        tsa=key.public_key(),
        signer=key.public_key(),
        operator=OPERATOR,
        at=now(),
        entropy=os.urandom,
    )
    return LocalAuthority(
        signing_key_of(key),
        certificates["tsa"].public_bytes(Encoding.DER),
        clock=clock(),
        serial=random_serials(os.urandom),
        journal=journal,
    )


if __name__ == "__main__":
    sys.exit(main())
