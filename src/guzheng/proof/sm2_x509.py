"""X.509 certificates with SM2 keys and SM2 signatures, which `cryptography` only reads.

What it cannot do is done here from the certificate's octets: take out the key, and check the
issuer's signature under the GM identity (GM/T 0015, GM/T 0009 §10). Everything else about a
certificate (names, dates, extensions) is chain.py's, the same for every algorithm.
"""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guzheng.proof import der, sm2
from guzheng.proof.der import Element
from guzheng.proof.errors import Inconsistent, Malformed, require

# AlgorithmIdentifier { id-ecPublicKey, sm2p256v1 }, and { SM2 with SM3 } without parameters:
# the one spelling of each (GM/T 0009 §7.1, RFC 8998 §3.2.1).
_SM2_KEY = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_SM2_SIGNED = bytes.fromhex("300a06082a811ccf55018375")


def public_key_der_of(certificate: x509.Certificate) -> bytes:
    """SubjectPublicKeyInfo, as it stands."""
    return _fields_of(certificate)[5].encoded


def find_key(certificate: x509.Certificate) -> bytes | None:
    """`04 || x || y`, on the curve; None for a key of another kind."""
    spki = _fields_of(certificate)[5]
    algorithm, bits = spki.parts("SubjectPublicKeyInfo", der.SEQUENCE, der.BIT_STRING)
    if algorithm.encoded != _SM2_KEY:
        return None
    whole = bits.content[:1] == b"\0"
    require(whole, Malformed, "sm2.key", "a key of whole octets", bits.content[:1])
    public = bits.content[1:]
    sm2.point_of(public)
    return public


def is_signed_by_sm2(certificate: x509.Certificate) -> bool:
    """Whether it says that it is signed by SM2 with SM3; nothing is verified."""
    return certificate.signature_algorithm_oid.dotted_string == sm2.SM2_WITH_SM3


def require_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """`BadSignature` unless the issuer's SM2 key signed this certificate."""
    inner = _fields_of(certificate)[1].encoded
    outer = certificate.public_bytes(Encoding.DER)
    _, algorithm, _ = der.parse(outer, der.SEQUENCE, "Certificate").parts(
        "Certificate", der.SEQUENCE, der.SEQUENCE, der.BIT_STRING
    )
    # RFC 5280 §4.1.1.2: the algorithm is named twice, and only one of the two is signed.
    same = inner == algorithm.encoded == _SM2_SIGNED
    require(same, Malformed, "sm2.certificate", _SM2_SIGNED, algorithm.encoded[:40])
    key = find_key(issuer)
    if key is None:
        raise Inconsistent("sm2.certificate", "an issuer with an SM2 key", "another key")
    sm2.require_signature(key, certificate.tbs_certificate_bytes, certificate.signature)


def _fields_of(certificate: x509.Certificate) -> list[Element]:
    """serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo."""
    whole = der.parse(certificate.tbs_certificate_bytes, der.SEQUENCE, "TBSCertificate")
    reader = whole.reader("TBSCertificate")
    reader.optional(der.context(0))
    return [reader.take(der.INTEGER), *(reader.take(der.SEQUENCE) for _ in range(5))]
