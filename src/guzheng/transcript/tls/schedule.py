"""From a secret to keys, and to what Finished must hold: RFC 8446 §7, RFC 5246 §5 and §6.3."""

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from guzheng.transcript.tls.suites import Aead, Suite

FINISHED_12 = 12  # octets of verify_data


@dataclass(slots=True)
class Keys:
    """One direction under one key; `count` is the number of the next record."""

    aead: Aead
    iv: bytes
    explicit: int
    secret: bytes = b""  # of TLS 1.3, from which the next key comes
    count: int = 0


def expand(suite: Suite, secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label."""
    name = b"tls13 " + label.encode()
    spelled = size.to_bytes(2, "big") + bytes((len(name),)) + name
    spelled += bytes((len(context),)) + context
    return HKDFExpand(suite.hash(), size, spelled).derive(secret)


def keys_of(suite: Suite, secret: bytes) -> Keys:
    """TLS 1.3: the keys of one direction."""
    key = expand(suite, secret, "key", b"", suite.key_size)
    return Keys(suite.aead(key), expand(suite, secret, "iv", b"", 12), 0, secret)


def updated(suite: Suite, keys: Keys) -> Keys:
    """After KeyUpdate (RFC 8446 §7.2)."""
    return keys_of(suite, expand(suite, keys.secret, "traffic upd", b"", suite.hash_size))


def finished_13(suite: Suite, secret: bytes, digest: bytes) -> bytes:
    key = expand(suite, secret, "finished", b"", suite.hash_size)
    return mac(suite, key, digest)


def finished_12(suite: Suite, master: bytes, label: str, digest: bytes) -> bytes:
    return prf(suite, master, label, digest, FINISHED_12)


def key_block(
    suite: Suite, master: bytes, client_random: bytes, server_random: bytes
) -> tuple[Keys, Keys]:
    """TLS 1.2: the client's keys and the server's."""
    fixed = 12 - suite.explicit
    size = 2 * (suite.key_size + fixed)
    block = prf(suite, master, "key expansion", server_random + client_random, size)
    keys, ivs = block[: 2 * suite.key_size], block[2 * suite.key_size :]
    client, server = keys[: suite.key_size], keys[suite.key_size :]
    return (
        Keys(suite.aead(client), ivs[:fixed], suite.explicit),
        Keys(suite.aead(server), ivs[fixed:], suite.explicit),
    )


def prf(suite: Suite, secret: bytes, label: str, seed: bytes, size: int) -> bytes:
    """RFC 5246 §5, under the suite's hash."""
    whole = label.encode() + seed
    octets, step = b"", whole
    while len(octets) < size:
        step = mac(suite, secret, step)
        octets += mac(suite, secret, step + whole)
    return octets[:size]


def mac(suite: Suite, key: bytes, octets: bytes) -> bytes:
    context = hmac.HMAC(key, suite.hash())
    context.update(octets)
    return context.finalize()


def hash_of(suite: Suite, octets: bytes) -> bytes:
    context = hashes.Hash(suite.hash())
    context.update(octets)
    return context.finalize()
