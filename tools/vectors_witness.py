"""Vectors for witnesses, policies and forks, written from the specifications alone.

`python -m tools.vectors_witness` writes tests/vectors/{witness,policy,fork}/cases.json; with
`--check` it says whether they are what it would write. Nothing of ours is imported: trees are
the recursive definition of RFC 6962 §2.1, texts are put together by hand, and Ed25519 is
deterministic, so that another implementation may be held to the same octets.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VECTORS = Path(__file__).resolve().parent.parent / "tests" / "vectors"
ORIGIN = "log.example/vectors"
SECONDS = 1_700_000_000
LOG, COSIGNER = 0x01, 0x04
Case = dict[str, object]


# -- keys and notes ----------------------------------------------------------------------------


class Key:
    def __init__(self, name: str, kind: int = LOG) -> None:
        seed = hashlib.sha256(f"a seed that protects nothing: {name}".encode()).digest()
        self.name, self.kind = name, kind
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.octets = bytes([kind]) + self._private.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + self.octets).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_b64(self.octets)}"

    def line(self, text: str, seconds: int = SECONDS) -> str:
        message, stamp = text.encode(), b""
        if self.kind == COSIGNER:
            message = f"cosignature/v1\ntime {seconds}\n".encode() + message
            stamp = seconds.to_bytes(8, "big")
        signature = self.id + stamp + self._private.sign(message)
        return f"\u2014 {self.name} {_b64(signature)}\n"


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


# -- trees -------------------------------------------------------------------------------------


def mth(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return (
            hashlib.sha256(b"\0" + leaves[0]).digest() if leaves else hashlib.sha256().digest()
        )
    k = _split(len(leaves))
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def proof(old: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) of §2.1.2."""
    return _subproof(old, leaves, whole=True) if 0 < old < len(leaves) else []


def _subproof(old: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    k = _split(len(leaves))
    if old <= k:
        return [*_subproof(old, leaves[:k], whole=whole), mth(leaves[k:])]
    return [*_subproof(old - k, leaves[k:], whole=False), mth(leaves[:k])]


def _split(count: int) -> int:
    k = 1
    while 2 * k < count:
        k *= 2
    return k


class Log:
    def __init__(self, branch: str = "", fork_at: int = 0) -> None:
        self.key = Key(ORIGIN)
        self.leaves = [
            f"{branch if at >= fork_at else ''}entry {at}".encode() for at in range(20)
        ]

    def text(self, size: int) -> str:
        return f"{ORIGIN}\n{size}\n{_b64(mth(self.leaves[:size]))}\n"

    def note(self, size: int, *others: Key) -> str:
        text = self.text(size)
        return text + "\n" + "".join(one.line(text) for one in (self.key, *others))

    def request(self, old: int, new: int, *, by: int | None = None) -> str:
        nodes = proof(old, self.leaves[:new]) if by is None else [bytes(32)] * by
        return "\n".join([f"old {old}", *map(_b64, nodes), "", self.note(new)])


TRUNK, FORK = Log(), Log("other ", 5)


# -- cases -------------------------------------------------------------------------------------


def witness() -> Iterator[Case]:
    """One conversation, in order: what is sent, and the status that must come back."""
    stranger = Log()
    stranger.key = Key("log.example/stranger")
    wrong = TRUNK.note(3).replace(TRUNK.key.line(TRUNK.text(3)), TRUNK.key.line("another\n"))
    empty = f"{ORIGIN}\n0\n{_b64(bytes(32))}\n"
    for why, sent, status in (
        ("of no size known here", TRUNK.request(3, 8), 409),
        (
            "a log that it was not told of",
            TRUNK.request(0, 3).replace(ORIGIN, "x.example"),
            404,
        ),
        ("signed by a stranger only", stranger.request(0, 3), 403),
        ("a false signature in the log's name", f"old 0\n\n{wrong}", 403),
        (
            "an empty tree with a root of its own",
            f"old 0\n\n{empty}\n{TRUNK.key.line(empty)}",
            422,
        ),
        ("the first, with a proof of nothing", TRUNK.request(0, 3, by=1), 422),
        ("the first", TRUNK.request(0, 3), 200),
        ("the same once more", TRUNK.request(3, 3), 200),
        ("another tree of the same size", FORK.request(3, 3), 200),  # they part at 5
        ("older than what it continues", TRUNK.request(3, 2, by=0), 400),
        ("a size that is not the last", TRUNK.request(2, 8), 409),
        ("one node too few", TRUNK.request(3, 8, by=2), 422),
        ("64 lines of proof", TRUNK.request(3, 8, by=64), 400),
        ("a number with a zero before it", TRUNK.request(3, 8).replace("old 3", "old 03"), 400),
        ("no empty line", TRUNK.request(3, 8).replace("\n\n", "\n"), 400),
        ("it grows", TRUNK.request(3, 8), 200),
        ("the other side of the fork, same size", FORK.request(8, 8), 422),
        ("the other side of the fork, grown", FORK.request(8, 20), 422),
        ("it grows still", TRUNK.request(8, 20), 200),
        ("rolled back", TRUNK.request(0, 8), 409),
    ):
        yield {"why": why, "request": sent, "status": status}


def policy() -> Iterator[Case]:
    keys = [Key(f"w{at}.example", COSIGNER) for at in range(5)]
    lines = [f"log {TRUNK.key.vkey}\n"]
    lines += [f"witness court-{at} {keys[at].vkey}\n" for at in range(2)]
    lines += [f"witness notary-{at} {keys[at + 2].vkey}\n" for at in range(3)]
    groups = "group courts any court-0 court-1\ngroup notaries 2 notary-0 notary-1 notary-2\n"
    both = "".join(lines) + groups + "group both all courts notaries\nquorum both\n"
    for who, outcome in (
        ((0, 2, 3), "met"),
        ((1, 3, 4), "met"),
        ((0, 1, 2, 3, 4), "met"),
        ((2, 3, 4), "policy.quorum-missing"),
        ((0, 1), "policy.quorum-missing"),
        ((0, 1, 4), "policy.quorum-missing"),
        ((), "policy.quorum-missing"),
    ):
        note = TRUNK.note(8, *(keys[at] for at in who))
        yield {"policy": both, "checkpoint": note, "outcome": outcome}
    false = TRUNK.note(8, keys[0], keys[2], keys[3]) + keys[1].line("another\n")
    yield {"policy": both, "checkpoint": false, "outcome": "note.bad-signature"}
    none = "".join(lines) + "quorum none\n"
    yield {"policy": none, "checkpoint": TRUNK.note(8), "outcome": "met"}
    for bad in (
        both + "quorum none\n",
        both.replace("quorum both\n", ""),
        both.replace("notaries 2", "notaries 4"),
        both.replace("notary-1 notary-2\n", "notary-1 court-0\n"),
        both.replace(keys[1].vkey, keys[0].vkey),
        both.replace("quorum both", "quorum all"),
        both.replace("\n", "\r\n"),
        groups + "".join(lines) + "quorum courts\n",
    ):
        yield {"policy": bad, "checkpoint": TRUNK.note(8), "outcome": "policy.malformed"}


def fork() -> Iterator[Case]:
    def file(old: int, first: Log, new: int, second: Log) -> str:
        """The file's nodes: the subtree at which the old tree ends, then RFC 6962's proof."""
        nodes = proof(old, second.leaves[:new])
        if old < new and not old & (old - 1):
            nodes = [mth(second.leaves[:old]), *nodes]
        one = first.note(old)
        head = ["guzheng/fork/v1", f"first {len(one.encode())}", *map(_b64, nodes), "", ""]
        return "\n".join(head) + one + second.note(new)

    for old, new in ((8, 8), (8, 9), (8, 20), (7, 20), (16, 20), (13, 14)):
        yield {"file": file(old, TRUNK, new, FORK), "outcome": "proved"}
        yield {"file": file(old, FORK, new, FORK), "outcome": "fork.no-contradiction"}
    yield {"file": file(4, TRUNK, 20, FORK), "outcome": "fork.no-contradiction"}
    yield {"file": file(20, TRUNK, 8, FORK), "outcome": "fork.malformed"}
    yield {"file": file(8, TRUNK, 8, FORK).replace("v1", "v2"), "outcome": "fork.malformed"}


def described() -> dict[str, bytes]:
    cases = {"witness": witness(), "policy": policy(), "fork": fork()}
    return {
        name: (
            json.dumps(
                {"log": TRUNK.key.vkey, "cases": list(found)}, ensure_ascii=False, indent=1
            )
            + "\n"
        ).encode()
        for name, found in cases.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="tools.vectors_witness")
    parser.add_argument("--check", action="store_true")
    check, stale = parser.parse_args().check, 0
    for name, octets in described().items():
        file = VECTORS / name / "cases.json"
        if not check:
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(octets)
        elif not file.is_file() or file.read_bytes() != octets:
            print(f"{name}/{file.name}: not what it describes", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
