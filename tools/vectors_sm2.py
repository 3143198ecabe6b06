"""Makes tests/vectors/sm2/cases.json: SM2 signatures, good and bad, and what each must lead to.

    python -m tools.vectors_sm2           writes the file
    python -m tools.vectors_sm2 --check   fails if it is not what is described here

The signatures are made here by textbook arithmetic (affine points, GB/T 32918.2 §6), which
shares nothing with guzheng.proof.sm2; the example of the standard is a literal. The bad cases
follow those of Wycheproof for ECDSA, since each was once accepted by somebody's verifier.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives import hashes

FILE = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "sm2" / "cases.json"

P = 2**256 - 2**224 - 2**96 + 2**64 - 1
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
Point = tuple[int, int] | None

IDENTITY = b"1234567812345678"
MESSAGE = b"message digest"
# GM/T 0003.5-2012, appendix A.2: private key, public key, signature.
EXAMPLE_D = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
EXAMPLE_PUBLIC = (
    "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
EXAMPLE_R = 0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3
EXAMPLE_S = 0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA

SIGNATURE, MALFORMED, KEY = "sm2.signature-invalid", "der.malformed", "sm2.key"


# ---- textbook arithmetic


def add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % P == 0:
        return None
    slope = (3 * x1 * x1 + A) * pow(2 * y1, -1, P) if one == other else 0
    if one != other:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x3 = (slope * slope - x1 - x2) % P
    return x3, (slope * (x1 - x3) - y1) % P


def finite(point: Point) -> tuple[int, int]:
    if point is None:
        raise ValueError("the point at infinity")
    return point


def multiple(k: int, point: Point) -> Point:
    total: Point = None
    while k:
        if k & 1:
            total = add(total, point)
        point, k = add(point, point), k >> 1
    return total


def public_of(d: int) -> bytes:
    point = finite(multiple(d, G))
    return b"\x04" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def sm3(octets: bytes) -> bytes:
    context = hashes.Hash(hashes.SM3())
    context.update(octets)
    return context.finalize()


def e_of(public: bytes, message: bytes, identity: bytes = IDENTITY) -> int:
    curve = b"".join(one.to_bytes(32, "big") for one in (A, B, *G))
    z = sm3((8 * len(identity)).to_bytes(2, "big") + identity + curve + public[1:])
    return int.from_bytes(sm3(z + message), "big")


def signed(d: int, message: bytes, identity: bytes = IDENTITY, k: int = 0) -> tuple[int, int]:
    """§6.1. `k` is drawn from the message, as RFC 6979 would, so that vectors stay the same."""
    k = k or int.from_bytes(hashlib.sha512(d.to_bytes(32, "big") + message).digest(), "big") % N
    point = finite(multiple(k, G))
    r = (e_of(public_of(d), message, identity) + point[0]) % N
    return r, pow(1 + d, -1, N) * (k - r * d) % N


# ---- encodings


def integer(number: int) -> bytes:
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    return bytes((2, len(octets))) + octets


def encoded(r: int, s: int) -> bytes:
    body = integer(r) + integer(s)
    return bytes((0x30, len(body))) + body


def _case(
    name: str,
    signature: bytes,
    outcome: str,
    *,
    public: bytes = bytes.fromhex(EXAMPLE_PUBLIC),
    message: bytes = MESSAGE,
    identity: bytes = IDENTITY,
) -> dict[str, str]:
    return {
        "name": name,
        "public": public.hex(),
        "identity": identity.hex(),
        "message": message.hex(),
        "signature": signature.hex(),
        "outcome": outcome,
    }


# ---- the cases


def _valid() -> Iterator[dict[str, str]]:
    yield _case("gmt0003-5-example", encoded(EXAMPLE_R, EXAMPLE_S), "valid")
    d, public = EXAMPLE_D, bytes.fromhex(EXAMPLE_PUBLIC)
    for name, message in (("message-empty", b""), ("message-long", b"guzheng" * 64)):
        yield _case(name, encoded(*signed(d, message)), "valid", message=message)
    for name, identity in (
        ("identity-of-alice", b"ALICE123@YAHOO.COM"),
        ("identity-empty", b""),
        ("identity-longest", b"i" * 8191),
    ):
        signature = encoded(*signed(d, MESSAGE, identity))
        yield _case(name, signature, "valid", identity=identity)
    for name, d in (("key-is-the-generator", 1), ("key-is-largest", N - 2)):
        yield _case(name, encoded(*signed(d, MESSAGE)), "valid", public=public_of(d))
    e, point, k = e_of(public, MESSAGE), G, 1
    while (e + point[0]) % N >> 248:  # until r begins with a zero octet
        point, k = finite(add(point, G)), k + 1
    yield _case("r-short", encoded(*signed(EXAMPLE_D, MESSAGE, k=k)), "valid")


def _numbers() -> Iterator[dict[str, str]]:
    r, s = EXAMPLE_R, EXAMPLE_S
    t = 0x1234567
    infinite = -t * EXAMPLE_D % N  # [s]G + [t]P is the point at infinity
    doubled = t * EXAMPLE_D % N  # [s]G equals [t]P
    for name, pair in {
        "r-zero": (0, s),
        "s-zero": (r, 0),
        "both-zero": (0, 0),
        "r-is-n": (N, s),
        "s-is-n": (r, N),
        "r-plus-n": (r + N, s),
        "s-plus-n": (r, s + N),
        "r-is-p": (P, s),
        "sum-is-n": (r, N - r),
        "r-negative": (r - N, s),
        "s-negative": (r, s - N),
        "s-opposite": (r, N - s),
        "swapped": (s, r),
        "r-altered": (r ^ 1, s),
        "s-altered": (r, s ^ 1),
        "both-one": (1, 1),
        "both-largest": (N - 1, N - 1),
        "infinity": ((t - infinite) % N, infinite),
        "equal-multiples": ((t - doubled) % N, doubled),
    }.items():
        yield _case(name, encoded(*pair), SIGNATURE)


def _said_otherwise() -> Iterator[dict[str, str]]:
    good = encoded(EXAMPLE_R, EXAMPLE_S)
    yield _case("message-other", good, SIGNATURE, message=b"message digesT")
    yield _case("identity-other", good, SIGNATURE, identity=b"8765432187654321")
    yield _case("identity-none-but-default-signed", good, SIGNATURE, identity=b"")
    unnamed = encoded(*signed(EXAMPLE_D, MESSAGE, b""))
    yield _case("identity-default-but-none-signed", unnamed, SIGNATURE)
    yield _case("identity-too-long", good, "sm2.identity", identity=b"i" * 8192)
    yield _case("key-other", good, SIGNATURE, public=public_of(2))


def _encodings() -> Iterator[dict[str, str]]:
    good = encoded(EXAMPLE_R, EXAMPLE_S)
    r, s = integer(EXAMPLE_R), integer(EXAMPLE_S)

    def around(body: bytes) -> bytes:
        return bytes((0x30, len(body))) + body

    for name, octets in {
        "der-empty": b"",
        "der-empty-sequence": b"\x30\x00",
        "der-truncated": good[:-1],
        "der-trailing": good + b"\0",
        "der-trailing-inside": around(r + s + b"\x05\x00"),
        "der-one-number": around(r),
        "der-r-padded": around(b"\x02" + bytes((len(r) - 1, 0)) + r[2:] + s),
        "der-length-long-form": b"\x30\x81" + good[1:],
        "der-length-indefinite": b"\x30\x80" + r + s + b"\0\0",
        "der-number-long-form": around(b"\x02\x81" + r[1:] + s),
        "der-number-empty": around(b"\x02\x00" + s),
        "der-number-huge": b"\x30\x6b" + b"\x02\x44\x01" + bytes(67) + s,
    }.items():
        yield _case(name, octets, MALFORMED)
    yield _case("der-unsigned", around(b"\x02\x20" + r[3:] + s), SIGNATURE)
    yield _case("der-set", b"\x31" + good[1:], "der.tag")
    yield _case("der-octet-strings", around(b"\x04" + r[1:] + b"\x04" + s[1:]), "der.tag")
    raw = EXAMPLE_R.to_bytes(32, "big") + EXAMPLE_S.to_bytes(32, "big")
    yield _case("raw", raw, MALFORMED)


def _keys() -> Iterator[dict[str, str]]:
    good, public = encoded(EXAMPLE_R, EXAMPLE_S), bytes.fromhex(EXAMPLE_PUBLIC)
    x = next(x for x in range(1, 100) if pow(x**3 + A * x + B, (P - 1) // 2, P) == 1)
    y = pow(x**3 + A * x + B, (P + 1) // 4, P)
    for name, octets in {
        "key-empty": b"",
        "key-infinity": b"\0",
        "key-compressed": b"\x03" + public[1:33],
        "key-hybrid": b"\x07" + public[1:],
        "key-without-form": public[1:],
        "key-longer": public + b"\0",
        "key-zero": b"\x04" + bytes(64),
        "key-off-curve": public[:-1] + bytes((public[-1] ^ 1,)),
        "key-x-above-p": b"\x04" + (x + P).to_bytes(32, "big") + y.to_bytes(32, "big"),
        "key-all-ones": b"\x04" + b"\xff" * 64,
    }.items():
        yield _case(name, good, KEY, public=octets)


def described() -> bytes:
    cases = [*_valid(), *_numbers(), *_said_otherwise(), *_encodings(), *_keys()]
    return (json.dumps({"cases": cases}, ensure_ascii=False, indent=1) + "\n").encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="tools.vectors_sm2")
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        if FILE.is_file() and FILE.read_bytes() == described():
            return 0
        print(f"{FILE.name}: not what tools/vectors_sm2.py describes", file=sys.stderr)
        return 1
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(described())
    return 0


if __name__ == "__main__":
    sys.exit(main())
