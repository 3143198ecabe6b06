"""Signs notes with the ledger's Ed25519 key. What it signs is decided elsewhere (integrate).

The kernel (proof.note) only verifies; this is the one place that signs checkpoints.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guzheng.proof.note import ED25519, Note, Signature, VerifierKey


class Signer:
    """A key and the name it signs under, which is the origin of the ledger."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self.key = VerifierKey(name, ED25519, private.public_key().public_bytes_raw())
        self._private = private

    @property
    def vkey(self) -> str:
        """What a verifier must know to believe this ledger's checkpoints."""
        return str(self.key)

    def sign(self, text: bytes) -> Note:
        return Note(text, (Signature(self.key.name, self.key.id, self._private.sign(text)),))
