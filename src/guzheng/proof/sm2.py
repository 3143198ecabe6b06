"""SM2 signatures, checked in plain integer arithmetic: GB/T 32918.2-2016 §7 (GM/T 0003.2).

`cryptography` has SM3 and no SM2, so the verification is spelt out here, where an expert can
follow it beside the standard. It only verifies: every input is public, so that nothing has to
take the same time for every value. Accepted is one form of each thing: a key is `04 || x || y`
on the curve of GB/T 32918.5, a signature is DER of SEQUENCE { r, s } (GM/T 0009 §7.3), both
numbers in [1, n-1]. The signer's identity goes into what is signed; where nobody agreed on
another it is `1234567812345678` (GM/T 0009 §10). Tools that sign with an empty identity, as
openssl does unless told, make signatures that are refused here, and by every GM verifier.
"""

from guzheng.proof import der
from guzheng.proof.digest import sm3
from guzheng.proof.errors import BadSignature, Malformed

IDENTITY = b"1234567812345678"
CURVE = "1.2.156.10197.1.301"  # sm2p256v1, as a parameter of id-ecPublicKey
SM2_WITH_SM3 = "1.2.156.10197.1.501"
SM3 = "1.2.156.10197.1.401"

# GB/T 32918.5-2017 §2: y² = x³ + ax + b over the integers modulo p, with a = -3; G generates
# a group of prime order n, and the curve has no other points.
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

_OCTETS = 32
_MAX_IDENTITY = 0xFFFF // 8  # its length in bits is written in two octets
_Point = tuple[int, int, int]  # Jacobian: x = X/Z², y = Y/Z³; Z = 0 is the point at infinity
_INFINITY: _Point = (1, 1, 0)


def require_signature(
    public: bytes, message: bytes, signature_der: bytes, identity: bytes = IDENTITY
) -> None:
    """`BadSignature` unless the key's holder signed this message under this identity.

    The letters are the standard's: B1 to B7 of §7.1.
    """
    x, y = point_of(public)
    r, s = _numbers_of(signature_der)
    if not (1 <= r < N and 1 <= s < N):  # B1, B2
        raise _bad("r or s outside 1 to n-1")
    e = int.from_bytes(sm3(entity_digest(public, identity) + message).value, "big")  # B3, B4
    t = (r + s) % N  # B5
    if t == 0:
        raise _bad("r + s divisible by n")
    x1 = _affine_x(_sum_of_multiples(s, t, (x, y, 1)))  # B6
    if x1 is None or (e + x1) % N != r:  # B7
        raise _bad("a signature of another key, message or identity")


def entity_digest(public: bytes, identity: bytes = IDENTITY) -> bytes:
    """Z of §5.5: binds identity, curve and key into what is signed."""
    if len(identity) > _MAX_IDENTITY:
        raise Malformed(
            "sm2.identity", expected=f"at most {_MAX_IDENTITY} octets", found=str(len(identity))
        )
    constants = b"".join(number.to_bytes(_OCTETS, "big") for number in (A, B, GX, GY))
    length = (8 * len(identity)).to_bytes(2, "big")
    return sm3(length + identity + constants + public[1:]).value


def point_of(public: bytes) -> tuple[int, int]:
    """The key's point, uncompressed and on the curve; never the point at infinity (§6.2)."""
    if len(public) != 1 + 2 * _OCTETS or public[0] != 4:
        raise Malformed(
            "sm2.key", expected="65 octets that begin with 04", found=public[:4].hex() or "none"
        )
    x = int.from_bytes(public[1 : 1 + _OCTETS], "big")
    y = int.from_bytes(public[1 + _OCTETS :], "big")
    if x >= P or y >= P or (y * y - (x * x + A) * x - B) % P:
        raise Malformed("sm2.key", expected="a point on the curve", found="another")
    return x, y


def _numbers_of(signature_der: bytes) -> tuple[int, int]:
    reader = der.parse(signature_der, der.SEQUENCE, "SM2Signature").reader("SM2Signature")
    r, s = der.integer(reader.take(der.INTEGER)), der.integer(reader.take(der.INTEGER))
    reader.end()
    return r, s


def _sum_of_multiples(s: int, t: int, key: _Point) -> _Point:
    """[s]G + [t]key, both multiples in one pass over the bits."""
    base: _Point = (GX, GY, 1)
    addends = (_INFINITY, base, key, _add(base, key))
    total = _INFINITY
    for place in reversed(range(max(s.bit_length(), t.bit_length()))):
        total = _double(total)
        chosen = (s >> place & 1) | (t >> place & 1) << 1
        if chosen:
            total = _add(total, addends[chosen])
    return total


def _double(point: _Point) -> _Point:
    """For a = -3. No point of the curve has y = 0, since n is odd."""
    x, y, z = point
    zz = z * z % P
    yy = y * y % P
    slope = 3 * (x - zz) * (x + zz) % P
    four = 4 * x * yy % P
    x3 = (slope * slope - 2 * four) % P
    return x3, (slope * (four - x3) - 8 * yy * yy) % P, 2 * y * z % P


def _add(one: _Point, other: _Point) -> _Point:
    """Complete: equal, opposite and infinite points are told apart before the formula."""
    if one[2] == 0:
        return other
    if other[2] == 0:
        return one
    zz1, zz2 = one[2] * one[2] % P, other[2] * other[2] % P
    u1, u2 = one[0] * zz2 % P, other[0] * zz1 % P
    s1, s2 = one[1] * zz2 * other[2] % P, other[1] * zz1 * one[2] % P
    if u1 == u2:
        return _double(one) if s1 == s2 else _INFINITY
    h, rise = u2 - u1, s2 - s1
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x3 = (rise * rise - hhh - 2 * v) % P
    return x3, (rise * (v - x3) - s1 * hhh) % P, one[2] * other[2] * h % P


def _affine_x(point: _Point) -> int | None:
    """None for the point at infinity, which has no coordinates."""
    if point[2] == 0:
        return None
    inverse = pow(point[2], -1, P)
    return point[0] * inverse * inverse % P


def _bad(found: str) -> BadSignature:
    return BadSignature("sm2.signature-invalid", expected="the key's signature", found=found)
