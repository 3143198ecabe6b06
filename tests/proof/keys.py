"""Keys of every kind a note may bear, made from a seed, and what they sign."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from guzheng.proof import note, sm2
from guzheng.proof.digest import sm3
from guzheng.proof.note import Note, Signature, VerifierKey

TYPES = (note.ED25519, note.COSIGNATURE, note.ML_DSA_44, note.SM2)


@dataclass(frozen=True)
class SigningKey:
    key: VerifierKey
    sign_octets: Callable[[bytes], bytes]

    def sign(self, text: bytes, seconds: int = 0) -> Signature:
        octets = self.sign_octets(self.key.message_of(text, seconds))
        return self.key.signature_of(octets, seconds)


def key_of(name: str, seed: int, kind: int = note.ED25519) -> SigningKey:
    octets = sha256(bytes([seed])).digest()
    if kind == note.SM2:
        public, sign = _sm2(int.from_bytes(octets, "big") % sm2.N)
        return SigningKey(VerifierKey(name, kind, note.SM2_LABEL + public), sign)
    if kind == note.ML_DSA_44:
        lattice = MLDSA44PrivateKey.from_seed_bytes(octets)
        public = lattice.public_key().public_bytes_raw()
        return SigningKey(VerifierKey(name, kind, public), lattice.sign)
    private = Ed25519PrivateKey.from_private_bytes(octets)
    return SigningKey(
        VerifierKey(name, kind, private.public_key().public_bytes_raw()), private.sign
    )


def signed(text: bytes, *keys: SigningKey, seconds: int = 0) -> Note:
    return Note(text, tuple(key.sign(text, seconds) for key in keys))


def _sm2(secret: int) -> tuple[bytes, Callable[[bytes], bytes]]:
    """GB/T 32918.2 §6.1, with a number that only a test may choose like this."""
    public = b"\x04" + b"".join(one.to_bytes(32, "big") for one in _multiple_of_g(secret))

    def sign(message: bytes) -> bytes:
        hashed = sm3(sm2.entity_digest(public) + message).value
        once = int.from_bytes(sha256(b"once" + hashed).digest(), "big") % sm2.N
        r = (int.from_bytes(hashed, "big") + _multiple_of_g(once)[0]) % sm2.N
        s = pow(1 + secret, -1, sm2.N) * (once - r * secret) % sm2.N
        numbers = b"".join(_integer(one) for one in (r, s))
        return b"\x30" + bytes([len(numbers)]) + numbers

    return public, sign


def _multiple_of_g(factor: int) -> tuple[int, int]:
    x, y, z = sm2._sum_of_multiples(factor, 0, (sm2.GX, sm2.GY, 1))
    inverse = pow(z, -1, sm2.P)
    return x * inverse * inverse % sm2.P, y * inverse**3 % sm2.P


def _integer(number: int) -> bytes:
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(octets)]) + octets
