"""Signed data with exactly one signer (RFC 5652 §5), as tokens and signed PDFs use it.

The check that a signature stands over the signed attributes, that these name the content's
digest and type, and that they name the signer's certificate (RFC 5035, RFC 5816 §2.2.1). Whom
to trust is chain.py's question, asked apart: «forged» and «unknown issuer» are two answers.
"""

import hashlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from guzheng.proof import chain, der
from guzheng.proof.der import Element
from guzheng.proof.errors import BadSignature, DigestMismatch, Malformed, Refuted

DATA, SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE, _SIGNING_CERTIFICATE_V2 = (
    "1.2.840.113549.1.9.16.2.12",
    "1.2.840.113549.1.9.16.2.47",
)
_SIGNATURE_TOKEN = "1.2.840.113549.1.9.16.2.14"
MAX_CERTIFICATES = 8  # paths are searched among them; more would be a bomb, not a chain

# Digest algorithms we accept, NIST CSOR arcs. SHA-1 and MD5 are refused: see docs/threats.md.
DIGESTS: dict[str, str] = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# Signature algorithms, and the digest each implies (None: the SignerInfo's own).
_SIGNATURES: dict[str, str | None] = {
    "1.2.840.113549.1.1.1": None,
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}


@dataclass(frozen=True, slots=True)
class SignedContent:
    """What was read of a SignedData; nothing of it is checked yet."""

    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    identifier: Element
    digest_name: str
    attributes_encoded: bytes
    attributes: dict[str, Element]
    signature_oid: str
    signature: bytes
    signature_token: bytes | None  # a timestamp over `signature`: CAdES, ETSI EN 319 122-1 §5.3

    @property
    def readable_certificates(self) -> tuple[x509.Certificate, ...]:
        """Those that can be read; one that cannot is on no path, which then fails."""
        found: list[x509.Certificate] = []
        for encoded in self.certificates:
            try:
                found.append(chain.parse_certificate(encoded))
            except Malformed:
                continue
        return tuple(found)


def digest_name(algorithm: Element) -> str:
    """The name of an AlgorithmIdentifier among DIGESTS; parameters absent or NULL."""
    reader = algorithm.require(der.SEQUENCE, "AlgorithmIdentifier").reader(
        "AlgorithmIdentifier"
    )
    found = der.oid(reader.take(der.OID))
    _end_parameters(reader)
    if found not in DIGESTS:
        raise Refuted(
            "cms.digest-not-accepted", expected=", ".join(DIGESTS.values()), found=found
        )
    return DIGESTS[found]


def _end_parameters(reader: der.Reader) -> None:
    """Parameters of an algorithm are absent or NULL; nothing follows."""
    null = reader.optional(der.NULL)
    reader.end()
    if null is not None and null.content:
        raise Malformed("der.malformed", expected="an empty NULL", found=null.encoded.hex())


def _require_version(number: int, wanted: tuple[int, ...]) -> None:
    """Nobody signs the versions, so they must be the ones that the content implies."""
    if number not in wanted:
        raise Malformed(
            "cms.version", expected=" or ".join(map(str, wanted)), found=str(number)
        )


def parse(octets: bytes) -> SignedContent:
    """ContentInfo with SignedData inside. Raises Malformed, or Refuted for two signers."""
    info = der.parse(octets, der.SEQUENCE, "ContentInfo").reader("ContentInfo")
    kind = der.oid(info.take(der.OID))
    if kind != SIGNED_DATA:
        raise Malformed("cms.not-signed-data", expected=SIGNED_DATA, found=kind)
    explicit = info.take(der.context(0)).reader("ContentInfo.content")
    info.end()
    signed = explicit.take(der.SEQUENCE).reader("SignedData")
    explicit.end()
    version = der.integer(signed.take(der.INTEGER))
    announced = signed.take(der.SET).reader("digestAlgorithms").all(der.SEQUENCE)
    content_type, content = _encapsulated(signed.take(der.SEQUENCE))
    enclosed = signed.optional(der.context(0))
    certificates = enclosed.reader("certificates").all(der.SEQUENCE) if enclosed else []
    if len(certificates) > MAX_CERTIFICATES:
        raise Malformed(
            "cms.certificates",
            expected=f"at most {MAX_CERTIFICATES}",
            found=str(len(certificates)),
        )
    revocation = signed.optional(der.context(1))  # lists or answers: not judged here
    signers = signed.take(der.SET).reader("signerInfos").all(der.SEQUENCE)
    signed.end()
    # RFC 3161 §2.4.2: one signer and no other, or the reader would have to choose between them.
    if len(signers) != 1:
        raise Refuted("cms.one-signer", expected="one signer", found=str(len(signers)))
    held = tuple(one.encoded for one in certificates)
    found = _with_signer(signers[0], content_type, content, held)
    # RFC 5652 §5.1: 3 for content other than data, or a signer known by his key; 5 when
    # revocation is told by other means than lists.
    by_name = found.identifier.tag == der.SEQUENCE
    told = (5,) if revocation else ()
    _require_version(version, (1 if content_type == DATA and by_name else 3, *told))
    if found.digest_name not in [digest_name(one) for one in announced]:
        raise Refuted("cms.digest-not-announced", expected=found.digest_name, found="others")
    return found


def _encapsulated(element: Element) -> tuple[str, bytes | None]:
    reader = element.reader("EncapsulatedContentInfo")
    content_type = der.oid(reader.take(der.OID))
    explicit = reader.optional(der.context(0))
    reader.end()
    if explicit is None:
        return content_type, None
    return content_type, der.parse(explicit.content, der.OCTET_STRING, "eContent").content


def _with_signer(
    signer: Element, content_type: str, content: bytes | None, certificates: tuple[bytes, ...]
) -> SignedContent:
    reader = signer.reader("SignerInfo")
    version = der.integer(reader.take(der.INTEGER))
    identifier = reader.take()
    # RFC 5652 §5.3: 1 for issuer and serial number, 3 for the key's identifier.
    _require_version(version, (1,) if identifier.tag == der.SEQUENCE else (3,))
    name = digest_name(reader.take(der.SEQUENCE))
    attributes = reader.take(der.context(0))
    algorithm = reader.take(der.SEQUENCE).reader("signatureAlgorithm")
    signature_oid = der.oid(algorithm.take(der.OID))
    _end_parameters(algorithm)
    signature = reader.take(der.OCTET_STRING).content
    unsigned = reader.optional(der.context(1))  # these prove nothing about the content
    reader.end()
    token = _attributes(unsigned).get(_SIGNATURE_TOKEN) if unsigned else None
    return SignedContent(
        content_type=content_type,
        content=content,
        certificates=certificates,
        identifier=identifier,
        digest_name=name,
        # RFC 5652 §5.4: signed is the SET OF itself, not its [0] tag.
        attributes_encoded=bytes([der.SET]) + attributes.encoded[1:],
        attributes=_attributes(attributes),
        signature_oid=signature_oid,
        signature=signature,
        signature_token=token.encoded if token else None,
    )


def _attributes(element: Element) -> dict[str, Element]:
    """Type → its one value; RFC 5652 §11 allows the ones we read a single value, once."""
    found: dict[str, Element] = {}
    for one in element.reader("attributes").all(der.SEQUENCE):
        reader = one.reader("Attribute")
        kind = der.oid(reader.take(der.OID))
        values = reader.take(der.SET).reader("attribute values")
        reader.end()
        if kind in found:
            raise Refuted("cms.attribute-duplicated", expected=f"{kind} once", found="twice")
        found[kind] = values.take()
        values.end()
    return found


def require_signature(
    signed: SignedContent, content_digest: bytes, extra: tuple[bytes, ...] = ()
) -> x509.Certificate:
    """The signer's certificate, once its signature and all that it must name are shown to fit.

    `content_digest` is over the content under `signed.digest_name`; `extra` are certificates in
    DER that the signer did not include.
    """
    # (1) The attributes name this content's type and digest: RFC 5652 §11.1, §11.2.
    if der.oid(_attribute(signed, _CONTENT_TYPE)) != signed.content_type:
        raise Refuted(
            "cms.content-type-differs",
            expected=signed.content_type,
            found="another in signedAttrs",
        )
    named = (
        _attribute(signed, _MESSAGE_DIGEST).require(der.OCTET_STRING, "messageDigest").content
    )
    if named != content_digest:
        raise DigestMismatch(
            "cms.message-digest-differs", expected=named.hex(), found=content_digest.hex()
        )
    # (2) The certificate is the one the signer says he used, by its hash. Without this, a
    #     second certificate over the same key could lend other rights: RFC 5035 §5.
    encoded = _signer_certificate(signed, extra)
    certificate = chain.parse_certificate(encoded)
    _require_identified(signed.identifier, certificate)
    # (3) The signature stands over the attributes: RFC 5652 §5.4.
    _require_key_signed(signed, certificate)
    return certificate


def _require_identified(identifier: Element, certificate: x509.Certificate) -> None:
    """Issuer and serial, or the key's identifier, are the certificate's: RFC 5652 §5.3."""
    if identifier.tag == der.SEQUENCE:
        reader = identifier.reader("IssuerAndSerialNumber")
        issuer, serial = (
            reader.take(der.SEQUENCE).encoded,
            der.integer(reader.take(der.INTEGER)),
        )
        reader.end()
        same = (issuer, serial) == (
            certificate.issuer.public_bytes(),
            certificate.serial_number,
        )
    else:
        wanted = identifier.require(
            der.context(0, constructed=False), "SignerIdentifier"
        ).content
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            found = None
        same = found is not None and found.value.digest == wanted
    if not same:
        raise Refuted(
            "cms.signer-differs", expected="the certificate's own names", found="others"
        )


def _attribute(signed: SignedContent, kind: str) -> Element:
    if kind not in signed.attributes:
        raise Refuted(
            "cms.attribute-missing", expected=f"signed attribute {kind}", found="none"
        )
    return signed.attributes[kind]


def _signer_certificate(signed: SignedContent, extra: tuple[bytes, ...]) -> bytes:
    hash_name, wanted = _named_certificate(signed)
    for encoded in (*signed.certificates, *extra):
        if hashlib.new(hash_name, encoded).digest() == wanted:
            return encoded
    if not signed.certificates and not extra:
        raise Refuted(
            "cms.no-certificate", expected="the signer's certificate", found="none in the token"
        )
    raise Refuted(
        "cms.certificate-differs",
        expected=f"a certificate with {hash_name} {wanted.hex()}",
        found="others",
    )


def _named_certificate(signed: SignedContent) -> tuple[str, bytes]:
    """Hash name and hash of the first ESSCertID or ESSCertIDv2: the signer's own."""
    newer = _SIGNING_CERTIFICATE_V2 in signed.attributes
    if not newer and _SIGNING_CERTIFICATE not in signed.attributes:
        raise Refuted(
            "cms.certificate-unnamed", expected="a signing-certificate attribute", found="none"
        )
    kind = _SIGNING_CERTIFICATE_V2 if newer else _SIGNING_CERTIFICATE
    reader = (
        signed.attributes[kind]
        .require(der.SEQUENCE, "SigningCertificate")
        .reader("SigningCertificate")
    )
    identifiers = reader.take(der.SEQUENCE).reader("ESSCertIDs").all(der.SEQUENCE)
    if not identifiers:
        raise Malformed("cms.certificate-unnamed", expected="an ESSCertID", found="none")
    first = identifiers[0].reader("ESSCertID")
    # RFC 5816 §2.2.1: v1 is SHA-1 by definition, v2 says which, SHA-256 by default.
    name = "sha256" if newer else "sha1"
    if newer and first.tag == der.SEQUENCE:
        name = digest_name(first.take(der.SEQUENCE))
    return name, first.take(der.OCTET_STRING).content


def _require_key_signed(signed: SignedContent, certificate: x509.Certificate) -> None:
    if signed.signature_oid not in _SIGNATURES:
        raise Refuted(
            "cms.signature-algorithm",
            expected="RSA or ECDSA with SHA-2",
            found=signed.signature_oid,
        )
    implied = _SIGNATURES[signed.signature_oid]
    algorithm = _HASHES[implied or signed.digest_name]
    key = certificate.public_key()
    try:
        match key:
            case rsa.RSAPublicKey() if signed.signature_oid.startswith("1.2.840.113549"):
                key.verify(
                    signed.signature, signed.attributes_encoded, padding.PKCS1v15(), algorithm
                )
            case ec.EllipticCurvePublicKey() if signed.signature_oid.startswith(
                "1.2.840.10045"
            ):
                utils.decode_dss_signature(signed.signature)
                key.verify(signed.signature, signed.attributes_encoded, ec.ECDSA(algorithm))
            case _:
                raise Refuted(
                    "cms.signature-algorithm",
                    expected="the algorithm of the certificate's key",
                    found=signed.signature_oid,
                )
    except (InvalidSignature, ValueError) as error:
        raise BadSignature(
            "cms.signature-invalid",
            expected="a signature by the certificate's key",
            found="another",
        ) from error
