"""The key log as it lies in a package: sealed as `openssl enc -aes-256-cbc -pbkdf2` seals.

docs/spec/transcript.md says how it is made. The password is 64 hexadecimal digits, kept apart.
CBC has no tag: what comes out is believed only if it is a key log with the digest on record.
"""

import hashlib
import re

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from guzheng.proof.errors import Malformed

_MAGIC, _ROUNDS = b"Salted__", 10_000
PASSWORD = re.compile(rb"[0-9a-f]{64}")


def opened(sealed: bytes, password: bytes) -> bytes:
    if sealed[:8] != _MAGIC or len(sealed) < 32 or len(sealed) % 16:
        wanted = "a key log sealed by openssl enc"
        raise Malformed("transcript.keys-not-opened", wanted, f"{len(sealed)} octets")
    material = hashlib.pbkdf2_hmac("sha256", password, sealed[8:16], _ROUNDS, 48)
    cipher = Cipher(algorithms.AES256(material[:32]), modes.CBC(material[32:]))
    decryptor, unpadder = cipher.decryptor(), padding.PKCS7(128).unpadder()
    padded = decryptor.update(sealed[16:]) + decryptor.finalize()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        wanted = "the key that it was sealed with"
        raise Malformed("transcript.keys-not-opened", wanted, "another key") from error
