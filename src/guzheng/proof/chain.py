"""A certificate's path to a root we were told to trust, at the time that is claimed.

RFC 5280 §6 for the few extensions that authorities for time and documents use. Validity is
judged at the given time, never now: an authority that has expired since does not undo its old
seals, and one that had expired then could not make them. A critical extension we do not know
refuses the path. Revocation is not judged here: the report says so.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from guzheng.proof import sm2_x509
from guzheng.proof.errors import Malformed, ProofError, Refuted, UnknownKey, require

MAX_DEPTH = 6  # leaf, up to four intermediates, root
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
# Of certificates: how they read and who signed whom does not depend on the time or the token,
# so it is remembered. Whether they are valid at that time is asked for each token anew.
REMEMBERED = 256
_UNDERSTOOD = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
)
# What `cryptography` raises on a certificate or an extension that it cannot read.
_UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


@lru_cache(REMEMBERED)
def parse_certificate(encoded: bytes) -> x509.Certificate:
    """An X.509 certificate whose names, dates, key and extensions can all be read."""
    try:
        found = x509.load_der_x509_certificate(encoded)
        _ = (found.extensions, found.subject, found.issuer)
        _ = (found.not_valid_before_utc, found.not_valid_after_utc)
        # A certificate ends with its signature, and before that the number of bits of it that
        # are unused: no signature covers these, and libraries pass over them.
        unused = encoded[-1 - len(found.signature)]
    except _UNREADABLE as error:
        why = str(error)[:80]
        raise Malformed("chain.certificate-malformed", "an X.509 certificate", why) from error
    wanted = "a signature of whole octets"
    require(unused == 0, Malformed, "chain.certificate-malformed", wanted, unused)
    readable = find_public_key(found) is not None
    wanted = "a known kind of key"
    require(readable, Malformed, "chain.certificate-malformed", wanted, "another")
    return found


def forget() -> None:
    """As if no certificate had been seen yet."""
    forget_paths()
    for remembering in (parse_certificate, require_sole_critical_purpose):
        remembering.cache_clear()


def forget_paths() -> None:
    """As if it had never been asked who signed whom; how certificates read stays known."""
    for remembering in (_issuers, _ways):
        remembering.cache_clear()
    _LAST.clear()


def find_public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes | bytes | None:
    """As `cryptography` reads it; an SM2 key, which it cannot, as `04 || x || y`."""
    try:
        return certificate.public_key()
    except _UNREADABLE:
        return sm2_x509.find_key(certificate)


def parse_pem_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, in order."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except _UNREADABLE as error:
        why = str(error)[:80]
        raise Malformed("roots.malformed", "certificates in PEM", why) from error
    return tuple(parse_certificate(one.public_bytes(Encoding.DER)) for one in found)


_Certificate = x509.Certificate
_Pool = tuple[x509.Certificate, ...]
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)


def extension_of(
    certificate: x509.Certificate, kind: type[_Kind]
) -> x509.Extension[_Kind] | None:
    """The extension of this kind; None where the certificate has none (RFC 5280 §4.2)."""
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


@lru_cache(REMEMBERED)
def require_sole_critical_purpose(certificate: x509.Certificate, purpose: str) -> None:
    """RFC 3161 §2.3: the extended key usage is critical, and this is its only value.

    Otherwise any certificate of the same root, a web server's say, could back-date.
    """
    usage = extension_of(certificate, x509.ExtendedKeyUsage)
    found = [one.dotted_string for one in usage.value] if usage else []
    critical = usage is not None and usage.critical
    if not critical or found != [purpose]:
        shown = f"{found}, critical: {critical}"
        raise Refuted("chain.purpose-wrong", f"{purpose}, alone and critical", shown)


def require_path(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    roots: Iterable[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """The path from leaf to root, every certificate valid `at`; UnknownKey without one."""
    refusals: list[Refuted] = []
    for way in _ways_of(leaf, tuple(others), tuple(roots)):
        if way.may_stand and way.first <= at <= way.last:
            return way.path
        try:  # not usable: say for which certificate, and why
            for depth, certificate in enumerate(way.path):
                _require_usable(certificate, depth, at)
        except Refuted as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]
    issuer = f"issuer {leaf.issuer.rfc4514_string()}"
    raise UnknownKey("chain.unknown-root", "a path to a root of the trust list", issuer)


class _Way(NamedTuple):
    """A path to a root, with what does not depend on the time that is asked for."""

    path: _Pool
    first: datetime  # all of it is valid from here
    last: datetime
    may_stand: bool


# What was asked last, with its answer. Who verifies many tokens of one authority asks with the
# same objects: that they are costs a tenth of hashing them all.
_Asked = tuple[_Certificate, _Pool, _Pool]
_LAST: dict[str, tuple[_Asked, tuple[_Way, ...]]] = {}


def _ways_of(leaf: _Certificate, others: _Pool, anchors: _Pool) -> tuple[_Way, ...]:
    asked, last = (leaf, others, anchors), _LAST.get("asked")
    if last and last[0] == asked:
        return last[1]
    found = _ways(leaf, (*anchors, *others), anchors)
    _LAST["asked"] = asked, found
    return found


@lru_cache(REMEMBERED)
def _ways(leaf: _Certificate, pool: _Pool, anchors: _Pool) -> tuple[_Way, ...]:
    return tuple(
        _Way(
            path,
            max(one.not_valid_before_utc for one in path),
            min(one.not_valid_after_utc for one in path),
            _all_may_stand(path),
        )
        for path in _paths((leaf,), pool, anchors)
    )


def _all_may_stand(path: _Pool) -> bool:
    try:
        for depth, certificate in enumerate(path):
            _require_may_stand(certificate, depth)
    except Refuted:
        return False
    return True


def _paths(path: _Pool, pool: _Pool, anchors: _Pool) -> Iterator[_Pool]:
    """Upwards from the end of this one, through issuers that are not on it yet."""
    last = path[-1]
    if last in anchors:
        yield path
    elif len(path) < MAX_DEPTH:
        for issuer in _issuers(last, pool):
            if issuer not in path:
                yield from _paths((*path, issuer), pool, anchors)


@lru_cache(REMEMBERED)
def _issuers(certificate: _Certificate, pool: _Pool) -> _Pool:
    """Those of the pool that truly signed it; there may be namesakes that did not."""
    named = dict.fromkeys(one for one in pool if one.subject == certificate.issuer)
    return tuple(one for one in named if _signed_by(certificate, one))


def _signed_by(certificate: _Certificate, issuer: _Certificate) -> bool:
    try:
        if sm2_x509.is_signed_by_sm2(certificate):
            sm2_x509.require_signed_by(certificate, issuer)
        else:
            certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ProofError, *_UNREADABLE):
        return False
    return True


def _require_usable(certificate: x509.Certificate, depth: int, at: datetime) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    # Both ends count: RFC 5280 §4.1.2.5 («through notAfter, inclusive»).
    if not first <= at <= last:
        wanted = f"{certificate.subject.rfc4514_string()} valid at {at}"
        require(first <= at, Refuted, "chain.not-yet-valid", wanted, first)
        raise Refuted("chain.expired-at-gentime", wanted, last)
    _require_may_stand(certificate, depth)


def _require_may_stand(certificate: _Certificate, depth: int) -> None:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            wanted, found = "known critical extensions", extension.oid.dotted_string
            raise Refuted("chain.extension-unknown", wanted, found)
    if depth > 0:
        _require_issuer(certificate, depth)


def _require_issuer(certificate: x509.Certificate, depth: int) -> None:
    constraints = extension_of(certificate, x509.BasicConstraints)
    longest = constraints.value.path_length if constraints else None
    # path_length counts the intermediates below, the leaf excepted: RFC 5280 §4.2.1.9.
    if not (constraints and constraints.value.ca and (longest is None or depth <= longest + 1)):
        wanted = f"{certificate.subject.rfc4514_string()} may issue at depth {depth}"
        raise Refuted("chain.not-an-issuer", wanted, constraints and constraints.value)
    usage = extension_of(certificate, x509.KeyUsage)
    if usage and not usage.value.key_cert_sign:
        wanted = f"{certificate.subject.rfc4514_string()} with keyCertSign"
        raise Refuted("chain.not-an-issuer", wanted, "without")
