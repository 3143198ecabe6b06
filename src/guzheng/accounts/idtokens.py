"""ID tokens of an identity provider: signed by one of its keys, and each claim as expected.

OpenID Connect Core 1.0 §3.1.3.7, over JWS (RFC 7515) and JWK (RFC 7517). Three algorithms are
taken, RS256, PS256 and ES256, and each only with a key of its own kind: neither `none` nor a
public key used as a secret can be smuggled in by a header (RFC 8725 §2.1). A text has one
spelling: base64url without padding, JSON without a member twice. Pure: neither clock nor
network is here. Raises Refused (`accounts.identity-not-proved`), which says what was expected.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from guzheng.accounts.onetime import from_websafe, websafe
from guzheng.proof import canonical
from guzheng.proof.errors import Malformed
from guzheng.refusals import Refused

ALGORITHMS: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
SKEW: Final = timedelta(seconds=60)  # by which two clocks may differ
OLDEST: Final = timedelta(
    minutes=10
)  # since it was issued: it is fetched the moment it is made
FRESH: Final = timedelta(
    minutes=5
)  # since the person showed there who he is, where that counts
_LONGEST: Final = 32 * 1024
_SHORTEST_RSA: Final = 2048
_P256_OCTETS: Final = 32
_SUBJECT: Final = 255  # Core §2


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `proved`: the person showed there a moment ago who he is."""

    issuer: str
    client: str
    nonce: str
    proved: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the issuer says it is. `subject` alone is for ever his; the rest is what he is shown
    by. `address`: empty unless the issuer says that he reads it."""

    issuer: str
    subject: str
    shown: str
    name: str
    address: str
    sid: str = ""  # the session there, where it names one


def parse_object(octets: bytes) -> dict[str, Any]:
    """A JSON object of no member twice. Raises ValueError."""
    try:
        value = canonical.parse_any(octets, _once)
    except Malformed as error:
        raise ValueError(error.found) from error
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - what was read, not what was called
    return cast("dict[str, Any]", value)


def judged(
    token: str,
    keys: Sequence[Mapping[str, Any]],
    expected: Expected,
    now: datetime,
    access_token: str = "",
) -> Identity:
    """Who it is, if the token is the issuer's, for us, for this sign-in, and in time."""
    claims = opened(token, keys)[1]
    require_ours(claims, expected.issuer, expected.client)
    require_in_time(claims, now, proved=expected.proved)
    # (11) Made for this very sign-in: else a token that was stolen elsewhere is good here.
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not constant_time.bytes_eq(
        nonce.encode("utf-8", "replace"), expected.nonce.encode()
    ):
        raise not_proved("nonce: the one of this sign-in", "another")
    if "at_hash" in claims:  # §3.1.3.8
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        _require("at_hash", websafe(half), claims["at_hash"])
    subject = claims.get("sub")
    if not (
        isinstance(subject, str)
        and 0 < len(subject) <= _SUBJECT
        and subject.isascii()
        and subject.isprintable()
    ):
        raise not_proved(f"sub: 1 to {_SUBJECT} characters of ASCII", type(subject).__name__)
    return _identity(expected.issuer, subject, claims)


def require_ours(claims: Mapping[str, Any], issuer: str, client: str) -> None:
    """(2)–(5) of Core §3.1.3.7: whose, and for whom. An audience beside us could have got the
    token for itself, and brought it here."""
    _require("iss", issuer, claims.get("iss"))
    audience = claims.get("aud")
    _require("aud", [client], [audience] if isinstance(audience, str) else audience)
    if "azp" in claims:
        _require("azp", client, claims["azp"])


def may_name(keys: Sequence[Mapping[str, Any]], token: str) -> bool:
    """Whether a key of this name is among these: if not, they may have been renewed."""
    try:
        wanted = parse_object(_octets(token.partition(".")[0])).get("kid")
    except ValueError:
        return True  # no other key will make it one
    return wanted is None or any(one.get("kid") == wanted for one in keys)


def not_proved(expected: str, found: str) -> Refused:
    return Refused("accounts.identity-not-proved", expected=expected, found=found[:120])


# ---- the signature -----------------------------------------------------------------------


def opened(
    token: str, keys: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, of what a key of the issuer has signed."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST or not token.isascii():
        raise not_proved("a JWS of three parts", f"{len(parts)} parts, {len(token)} octets")
    try:
        header, claims = parse_object(_octets(parts[0])), parse_object(_octets(parts[1]))
        signature = _octets(parts[2])
    except ValueError as error:
        raise not_proved("base64url of JSON objects", str(error)) from error
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise not_proved(f"alg: {', '.join(ALGORITHMS)}", repr(algorithm))
    if "crit" in header or "b64" in header:  # RFC 7515 §4.1.11: we understand none
        raise not_proved("no critical extension", "one")
    _require_signed(
        f"{parts[0]}.{parts[1]}".encode(), signature, algorithm, _key_of(header, keys)
    )
    return header, claims


def _key_of(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The one key that the header can mean; a guess among several is none."""
    algorithm, name = header["alg"], header.get("kid")
    fitting = [
        one
        for one in keys
        if one.get("kty") == ALGORITHMS[algorithm]
        and one.get("use", "sig") == "sig"
        and one.get("alg", algorithm) == algorithm
        and (name is None or one.get("kid") == name)
    ]
    if len(fitting) != 1:
        raise not_proved(f"one key of the issuer for {algorithm}", f"{len(fitting)}")
    return fitting[0]


def _require_signed(
    signed: bytes, signature: bytes, algorithm: str, jwk: Mapping[str, Any]
) -> None:
    try:
        if algorithm == "ES256":
            _elliptic(jwk).verify(_der(signature), signed, ec.ECDSA(SHA256()))
        else:
            pad = padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size)
            _rsa(jwk).verify(
                signature, signed, pad if algorithm == "PS256" else padding.PKCS1v15(), SHA256()
            )
    except InvalidSignature as error:
        raise not_proved("a signature by the issuer's key", "another") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise not_proved("a key that can be used", type(error).__name__) from error


def _rsa(jwk: Mapping[str, Any]) -> rsa.RSAPublicKey:
    n, e = (int.from_bytes(_octets(jwk[one]), "big") for one in ("n", "e"))
    if n.bit_length() < _SHORTEST_RSA:
        raise not_proved(f"an RSA key of {_SHORTEST_RSA} bits", f"{n.bit_length()}")
    return rsa.RSAPublicNumbers(e, n).public_key()


def _elliptic(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    x, y = _octets(jwk["x"]), _octets(jwk["y"])
    if jwk.get("crv") != "P-256" or len(x) != _P256_OCTETS or len(y) != _P256_OCTETS:
        raise not_proved("a key on P-256", repr(jwk.get("crv")))
    at_x, at_y = int.from_bytes(x, "big"), int.from_bytes(y, "big")
    return ec.EllipticCurvePublicNumbers(at_x, at_y, ec.SECP256R1()).public_key()


def _der(signature: bytes) -> bytes:
    """RFC 7518 §3.4: the two numbers side by side, of 32 octets each."""
    if len(signature) != 2 * _P256_OCTETS:
        raise not_proved("a signature of 64 octets", f"{len(signature)}")
    r, s = signature[:_P256_OCTETS], signature[_P256_OCTETS:]
    return encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))


def _octets(text: str) -> bytes:
    octets = from_websafe(text)
    if websafe(octets) != text:
        raise ValueError("another spelling of base64url")
    return octets


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


# ---- the claims --------------------------------------------------------------------------


def _require(name: str, expected: object, found: object) -> None:
    if found != expected:
        raise not_proved(f"{name}: {expected}", repr(found))


def require_in_time(claims: Mapping[str, Any], now: datetime, *, proved: bool = False) -> None:
    at = now.timestamp()
    skew, oldest = SKEW.total_seconds(), OLDEST.total_seconds()
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if at >= expires + skew:  # (9)
        raise not_proved("exp: not yet", f"{at - expires:.0f} s ago")
    if not -skew <= at - issued <= oldest:  # (10)
        raise not_proved("iat: a moment ago", f"{at - issued:.0f} s ago")
    if "nbf" in claims and at < _seconds(claims, "nbf") - skew:
        raise not_proved("nbf: past", "later")
    if proved:  # (13), §3.1.2.1: max_age was asked for, so it must be told
        since = at - _seconds(claims, "auth_time")
        if not -skew <= since <= FRESH.total_seconds():
            raise not_proved("auth_time: a moment ago", f"{since:.0f} s ago")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise not_proved(f"{name}: seconds since 1970", repr(value))
    return float(value)


def _identity(issuer: str, subject: str, claims: Mapping[str, Any]) -> Identity:
    def text(name: str) -> str:
        value = claims.get(name)
        legible = value if isinstance(value, str) else ""
        return "".join(one for one in legible if one.isprintable())[:200].strip()

    # §5.1: only `true` says that the person reads it, whatever some providers write.
    address = text("email") if claims.get("email_verified") is True else ""
    shown = text("email") or text("preferred_username") or text("name") or subject
    return Identity(issuer, subject, shown[:120], text("name"), address, text("sid"))
