"""Signs checkpoints with the ledger's keys. What it signs is decided elsewhere (integrate).

A ledger has one Ed25519 key, which is its identity, and may have further keys under the same
name: ML-DSA-44, which c2sp.org/tlog-checkpoint asks for, and SM2. Each adds its own signature
line; who knows none but the first key still reads every checkpoint, as signed-note demands.

A signature of ML-DSA-44 has a place for a time. It is left at zero, which says nothing
(tlog-cosignature): what time it was is for the timestamp authorities and the witnesses to say,
not for the ledger's own clock. The kernel (proof.note) only verifies; this is the one place
that signs checkpoints.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guzheng.proof.note import ED25519, TIMED, Note, Signature, VerifierKey

_NO_TIME = bytes(8)


@dataclass(frozen=True, slots=True)
class FurtherKey:
    """Another key under the ledger's name: its public half, and what signs a message."""

    key: VerifierKey
    sign: Callable[[bytes], bytes] = field(repr=False)

    def signature(self, text: bytes) -> Signature:
        stamp = _NO_TIME if self.key.type in TIMED else b""
        octets = stamp + self.sign(self.key.message_of(text))
        return Signature(self.key.name, self.key.id, octets)


class Signer:
    """The keys of a ledger, and the name they sign under, which is its origin."""

    def __init__(
        self, name: str, private: Ed25519PrivateKey, further: Sequence[FurtherKey] = ()
    ) -> None:
        self.key = VerifierKey(name, ED25519, private.public_key().public_bytes_raw())
        self.further = tuple(further)
        self._private = private

    @property
    def vkey(self) -> str:
        """What a verifier must know to believe this ledger's checkpoints."""
        return str(self.key)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key that signs, the ledger's identity first."""
        return (self.key, *(one.key for one in self.further))

    def sign(self, text: bytes) -> Note:
        first = Signature(self.key.name, self.key.id, self._private.sign(text))
        return Note(text, (first, *(one.signature(text) for one in self.further)))
