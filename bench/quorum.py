"""How long a checkpoint waits for witnesses: three programs of `guzheng-witness`, two suffice.

Prints one JSON object: milliseconds from a leaf to a published checkpoint with the quorum, of
which signing (`integrate`) alone, and a bare request to one witness beside it (`GET` of what it
has seen), which no protocol over HTTP is faster than.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guzheng.ledger import FileLastSigned, Gathering, HttpWitness, Ledger, Signer, Sizes
from guzheng.proof.policy import parse_ledger_policy
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.records import open_engine
from tests.witness_programs import running

SIGNER = Signer("bench.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
NAMES = ("court", "notary", "school")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    rounds = arguments.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as room,
        running(Path(room), NAMES, [SIGNER.vkey]) as all_,
    ):
        place = Path(room)
        lines = "".join(one.line for one in all_)
        text = f"log {SIGNER.vkey}\n{lines}group some 2 {' '.join(NAMES)}\nquorum some\n"
        demanded = parse_ledger_policy(text.encode())
        ledger = Ledger(
            open_engine(place / "ledger.sqlite"),
            DirectoryBlobs(place / "blobs"),
            SIGNER,
            FileLastSigned(place / "signed"),
        )
        asked = [HttpWitness(one, timeout_seconds=20) for one in demanded.witnesses]
        gathering = Gathering(ledger, demanded, asked, Sizes(place / "sizes.json"), seconds=20)
        whole, signing, bare = [], [], []
        with httpx.Client() as client:
            for number in range(rounds):
                start = time.perf_counter()
                index = ledger.append(number.to_bytes(48, "big"), f"ex_{number}")
                ledger.integrate()
                signed = time.perf_counter()
                gathering.cosign(index)
                whole.append(time.perf_counter() - start)
                signing.append(signed - start)
                start = time.perf_counter()
                client.get(f"{all_[1].url}/none/checkpoint")
                bare.append(time.perf_counter() - start)
    figures = {
        name: {"p50": milliseconds(times, 50), "p99": milliseconds(times, 99)}
        for name, times in (
            ("leaf to quorum", whole),
            ("of it signing", signing),
            ("bare", bare),
        )
    }
    print(json.dumps({"rounds": rounds, "milliseconds": figures}))


def milliseconds(times: list[float], percent: int) -> float:
    return round(1000 * statistics.quantiles(times, n=100)[percent - 1], 1)


if __name__ == "__main__":
    main()
