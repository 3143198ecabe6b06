"""A log as a witness sees it: checkpoints, proofs, and the ways in which one may lie."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from guzheng.proof import tree
from guzheng.proof.note import Checkpoint, Note, VerifierKey
from tests.proof.keys import SigningKey, key_of, signed

ORIGIN = "log.example/1"


def leaves(count: int, branch: str = "", fork_at: int | None = None) -> list[bytes]:
    """Leaf hashes; a branch differs from the trunk from `fork_at` on."""
    return [
        sha256(
            f"{branch if fork_at is not None and at >= fork_at else ''}{at}".encode()
        ).digest()
        for at in range(count)
    ]


class Log:
    def __init__(
        self, hashes: Sequence[bytes], key: SigningKey | None = None, origin: str = ORIGIN
    ) -> None:
        self.hashes = list(hashes)
        self.signer = key or key_of(origin, 1)
        self.origin = origin

    @property
    def key(self) -> VerifierKey:
        return self.signer.key

    def root(self, size: int) -> bytes:
        return tree.root_of(self.hashes[:size])

    def note(self, size: int, keys: Iterable[SigningKey] = ()) -> Note:
        text = Checkpoint(self.origin, size, self.root(size)).encode()
        return signed(text, self.signer, *keys)

    def proof(self, old: int, new: int) -> list[bytes]:
        ranges = tree.consistency_ranges(old, new)
        return [tree.root_of(self.hashes[start:end]) for start, end in ranges]

    def request(self, old: int, new: int) -> bytes:
        return request(old, self.proof(old, new), self.note(new).encode())


def request(old: int | str, proof: Sequence[bytes], note: bytes) -> bytes:
    from base64 import b64encode

    lines = [f"old {old}".encode(), *(b64encode(one) for one in proof), b"", b""]
    return b"\n".join(lines) + note
