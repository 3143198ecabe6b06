"""A certificate's path to a root we were told to trust, at the time that is claimed.

RFC 5280 §6 for the few extensions that authorities for time and documents use. Validity is
judged at the given time, never now: an authority that has expired since does not undo its old
seals, and one that had expired then could not make them. A critical extension we do not know
refuses the path. Revocation is not judged here: the report says so.
"""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from guzheng.proof import der
from guzheng.proof.errors import Malformed, Refuted, UnknownKey

MAX_DEPTH = 6  # leaf, up to four intermediates, root
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
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


def parse_certificate(encoded: bytes) -> x509.Certificate:
    """An X.509 certificate whose names, dates, key and extensions can all be read."""
    _require_whole_octets(encoded)
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        _ = (certificate.extensions, certificate.subject, certificate.issuer)
        _ = (
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            certificate.public_key(),
        )
    except _UNREADABLE as error:
        raise Malformed(
            "chain.certificate-malformed",
            expected="an X.509 certificate",
            found=str(error)[:80],
        ) from error
    return certificate


def _require_whole_octets(encoded: bytes) -> None:
    """The signature has no unused bits, which no signature covers and libraries pass over."""
    reader = der.parse(encoded, der.SEQUENCE, "Certificate").reader("Certificate")
    reader.take(der.SEQUENCE)
    reader.take(der.SEQUENCE)
    signature = reader.take(der.BIT_STRING).content
    reader.end()
    if signature[:1] != b"\0":
        raise Malformed(
            "chain.certificate-malformed",
            expected="a signature of whole octets",
            found=f"unused bits {signature[:1].hex()}",
        )


def parse_pem_roots(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, in order."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except _UNREADABLE as error:
        raise Malformed(
            "roots.malformed", expected="certificates in PEM", found=str(error)[:80]
        ) from error
    return tuple(parse_certificate(one.public_bytes(Encoding.DER)) for one in found)


def require_sole_critical_purpose(certificate: x509.Certificate, purpose: str) -> None:
    """RFC 3161 §2.3: the extended key usage is critical, and this is its only value.

    Otherwise any certificate of the same root, a web server's say, could back-date.
    """
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise Refuted(
            "chain.purpose-wrong", expected=f"the purpose {purpose}", found="no purpose"
        ) from None
    found = [one.dotted_string for one in usage.value]
    if not usage.critical or found != [purpose]:
        state = "critical" if usage.critical else "not critical"
        raise Refuted(
            "chain.purpose-wrong",
            expected=f"{purpose}, alone and critical",
            found=f"{', '.join(found)} ({state})",
        )


def require_path(
    leaf: x509.Certificate,
    others: Iterable[x509.Certificate],
    roots: Iterable[x509.Certificate],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """The path from leaf to root, every certificate valid `at`; UnknownKey without one."""
    anchors = tuple(roots)
    pool = (*anchors, *others)
    refusals: list[Refuted] = []
    for path in _paths((leaf,), pool, anchors, {}):
        try:
            for depth, certificate in enumerate(path):
                _require_usable(certificate, depth, at)
        except Refuted as refusal:
            refusals.append(refusal)
        else:
            return path
    if refusals:
        raise refusals[0]
    raise UnknownKey(
        "chain.unknown-root",
        expected="a path to a root of the trust list",
        found=f"issuer {leaf.issuer.rfc4514_string()}",
    )


def _paths(
    path: tuple[x509.Certificate, ...],
    pool: tuple[x509.Certificate, ...],
    anchors: tuple[x509.Certificate, ...],
    signed: dict[tuple[x509.Certificate, x509.Certificate], bool],
) -> Iterable[tuple[x509.Certificate, ...]]:
    """`signed` holds the answers so far: namesakes would ask for them without end."""
    last = path[-1]
    if last in anchors:
        yield path
        return
    if len(path) == MAX_DEPTH:
        return
    for candidate in pool:
        if candidate in path:
            continue
        if (last, candidate) not in signed:
            signed[last, candidate] = candidate.subject == last.issuer and _signed_by(
                last, candidate
            )
        if signed[last, candidate]:
            yield from _paths((*path, candidate), pool, anchors, signed)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_UNREADABLE):
        return False
    return True


def _require_usable(certificate: x509.Certificate, depth: int, at: datetime) -> None:
    name = certificate.subject.rfc4514_string()
    # Both ends count: RFC 5280 §4.1.2.5 («through notAfter, inclusive»).
    if at < certificate.not_valid_before_utc:
        raise Refuted(
            "chain.not-yet-valid",
            expected=f"{name} valid at {at}",
            found=f"from {certificate.not_valid_before_utc}",
        )
    if at > certificate.not_valid_after_utc:
        raise Refuted(
            "chain.expired-at-gentime",
            expected=f"{name} valid at {at}",
            found=f"until {certificate.not_valid_after_utc}",
        )
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise Refuted(
                "chain.extension-unknown",
                expected="known critical extensions",
                found=extension.oid.dotted_string,
            )
    if depth > 0:
        _require_issuer(certificate, depth, name)


def _require_issuer(certificate: x509.Certificate, depth: int, name: str) -> None:
    extensions = certificate.extensions
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    # path_length counts the intermediates below, the leaf excepted: RFC 5280 §4.2.1.9.
    too_long = constraints.path_length is not None and depth - 1 > constraints.path_length
    if not constraints.ca or too_long:
        raise Refuted(
            "chain.not-an-issuer",
            expected=f"{name} may issue at depth {depth}",
            found=repr(constraints),
        )
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise Refuted(
            "chain.not-an-issuer", expected=f"{name} with keyCertSign", found="without"
        )
