"""Signed data with exactly one signer (RFC 5652 §5), as tokens and signed PDFs use it.

The check that a signature stands over the signed attributes, that these name the content's
digest and type, and that they name the signer's certificate (RFC 5035, RFC 5816 §2.2.1). Whom
to trust is chain.py's question, asked apart: «forged» and «unknown issuer» are two answers.
"""

from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from guzheng.proof import chain, der, sm2
from guzheng.proof.der import Element
from guzheng.proof.digest import hash_of
from guzheng.proof.errors import BadSignature, DigestMismatch, Malformed, Refuted, require

DATA, SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
_CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
_SIGNATURE_TOKEN = "1.2.840.113549.1.9.16.2.14"
MAX_CERTIFICATES = 8  # paths are searched among them; more would be a bomb, not a chain

# Digest algorithms we accept, NIST CSOR arcs. SHA-1 and MD5 are refused: see docs/threats.md.
DIGESTS: dict[str, str] = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    sm2.SM3: "sm3",  # GM/T 0006
}
SIZES = {"sha256": 32, "sha384": 48, "sha512": 64, "sm3": 32}  # in octets
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_ECDSA_OVER = {name: ec.ECDSA(one) for name, one in _HASHES.items()}
_PKCS1 = padding.PKCS1v15()
# Signature algorithms, and the digest each implies (None: the SignerInfo's own).
_RSA = {
    "1.2.840.113549.1.1.1": None,
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}
_ECDSA = {
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}
_SHA2 = _RSA | _ECDSA


class SignedContent(NamedTuple):
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
        return _readable(self.certificates)


@lru_cache(chain.REMEMBERED)
def _readable(certificates: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    found: list[x509.Certificate] = []
    for encoded in certificates:
        try:
            found.append(chain.parse_certificate(encoded))
        except Malformed:
            continue
    return tuple(found)


def digest_name(algorithm: Element) -> str:
    """The name of an AlgorithmIdentifier among DIGESTS; parameters absent or NULL."""
    found = _algorithm(algorithm)
    if found not in DIGESTS:
        raise Refuted("cms.digest-not-accepted", ", ".join(DIGESTS.values()), found)
    return DIGESTS[found]


def _algorithm(element: Element) -> str:
    """The name of an algorithm whose parameters are absent or NULL."""
    element.require(der.SEQUENCE, "AlgorithmIdentifier")
    reader = element.reader("AlgorithmIdentifier")
    found = der.oid(reader.take(der.OID))
    null = reader.optional(der.NULL)
    reader.end()
    if null is not None and null.content:
        raise Malformed("der.malformed", "an empty NULL", null.encoded)
    return found


def forget() -> None:
    """As if no token had been seen yet: see chain.forget, which it calls."""
    chain.forget()
    _readable.cache_clear()
    _require_signer.cache_clear()


def _require_version(element: Element, *wanted: int) -> None:
    """Nobody signs the versions, so they must be the ones that the content implies."""
    found = der.integer(element)
    if found not in wanted:
        raise Malformed("cms.version", " or ".join(map(str, wanted)), found)


def parse(octets: bytes) -> SignedContent:
    """ContentInfo with SignedData inside. Raises Malformed, or Refuted for two signers."""
    info = der.parse(octets, der.SEQUENCE, "ContentInfo")
    named, explicit = info.parts("ContentInfo", der.OID, der.context(0))
    kind = der.oid(named)
    require(kind == SIGNED_DATA, Malformed, "cms.not-signed-data", SIGNED_DATA, kind)
    signed = explicit.parts("ContentInfo.content", der.SEQUENCE)[0].reader("SignedData")
    version = signed.take(der.INTEGER)
    announced = signed.take(der.SET).reader("digestAlgorithms").all(der.SEQUENCE)
    content_type, content = _encapsulated(signed.take(der.SEQUENCE))
    enclosed = signed.optional(der.context(0))
    held = _certificates(enclosed.content) if enclosed else ()
    revocation = signed.optional(der.context(1))  # lists or answers: not judged here
    signers = signed.take(der.SET).reader("signerInfos").all(der.SEQUENCE)
    signed.end()
    # RFC 3161 §2.4.2: one signer and no other, or the reader would have to choose between them.
    require(len(signers) == 1, Refuted, "cms.one-signer", "one signer", len(signers))
    found = _with_signer(signers[0], content_type, content, held)
    # RFC 5652 §5.1: 3 for content other than data, or a signer known by his key; 5 when
    # revocation is told by other means than lists.
    by_name = found.identifier.tag == der.SEQUENCE
    told = (5,) if revocation else ()
    _require_version(version, 1 if content_type == DATA and by_name else 3, *told)
    name, names = found.digest_name, [digest_name(one) for one in announced]
    require(name in names, Refuted, "cms.digest-not-announced", name, names)
    return found


def _certificates(content: bytes) -> tuple[bytes, ...]:
    held = tuple(one.encoded for one in der.Reader(content, "certificates").all(der.SEQUENCE))
    few = len(held) <= MAX_CERTIFICATES
    require(few, Malformed, "cms.certificates", f"at most {MAX_CERTIFICATES}", len(held))
    return held


def _encapsulated(element: Element) -> tuple[str, bytes | None]:
    reader = element.reader("EncapsulatedContentInfo")
    content_type = der.oid(reader.take(der.OID))
    explicit = reader.optional(der.context(0))
    reader.end()
    if explicit is None:
        return content_type, None
    return content_type, explicit.parts("eContent", der.OCTET_STRING)[0].content


def _with_signer(
    signer: Element, content_type: str, content: bytes | None, certificates: tuple[bytes, ...]
) -> SignedContent:
    reader = signer.reader("SignerInfo")
    version, identifier = reader.take(der.INTEGER), reader.take()
    # RFC 5652 §5.3: 1 for issuer and serial number, 3 for the key's identifier.
    _require_version(version, 1 if identifier.tag == der.SEQUENCE else 3)
    name = digest_name(reader.take(der.SEQUENCE))
    attributes = reader.take(der.context(0))
    signature_oid = _algorithm(reader.take(der.SEQUENCE))
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
        attributes_encoded=_as_signed(attributes),
        attributes=_attributes(attributes),
        signature_oid=signature_oid,
        signature=signature,
        signature_token=token.encoded if token else None,
    )


def with_others(
    like: SignedContent,
    content: bytes,
    attributes: Element,
    message_digest: Element | None,
    signature: bytes,
) -> SignedContent:
    """What `parse` gives for octets that differ from these only in content, in the attribute
    that names its digest, and in the signature. Nothing of that is checked here either.
    """
    held = like.attributes
    return SignedContent(
        content_type=like.content_type,
        content=content,
        certificates=like.certificates,
        identifier=like.identifier,
        digest_name=like.digest_name,
        attributes_encoded=_as_signed(attributes),
        attributes=held | {MESSAGE_DIGEST: message_digest} if message_digest else held,
        signature_oid=like.signature_oid,
        signature=signature,
        signature_token=like.signature_token,
    )


def _as_signed(attributes: Element) -> bytes:
    """RFC 5652 §5.4: signed is the SET OF itself, not its [0] tag."""
    return b"\x31" + attributes.encoded[1:]


def _attributes(element: Element) -> dict[str, Element]:
    """Type → its one value; RFC 5652 §11 allows the ones we read a single value, once."""
    found: dict[str, Element] = {}
    for one in element.reader("attributes").all(der.SEQUENCE):
        named, values = one.parts("Attribute", der.OID, der.SET)
        kind, reader = der.oid(named), values.reader("attribute values")
        if kind in found:
            raise Refuted("cms.attribute-duplicated", f"{kind} once", "twice")
        found[kind] = reader.take()
        reader.end()
    return found


def require_signature(
    signed: SignedContent, content_digest: bytes, extra: tuple[bytes, ...] = ()
) -> x509.Certificate:
    """The signer's certificate, once its signature and all that it must name are shown to fit.

    `content_digest` is over the content under `signed.digest_name`; `extra` are certificates in
    DER that the signer did not include.
    """
    # (1) The attributes name this content's type and digest: RFC 5652 §11.1, §11.2.
    kind, wanted = der.oid(_attribute(signed, _CONTENT_TYPE)), signed.content_type
    require(kind == wanted, Refuted, "cms.content-type-differs", wanted, kind)
    held = _attribute(signed, MESSAGE_DIGEST).require(der.OCTET_STRING, "messageDigest").content
    same = held == content_digest
    require(same, DigestMismatch, "cms.message-digest-differs", held, content_digest)
    # (2) The certificate is the one the signer says he used, by its hash. Without this, a
    #     second certificate over the same key could lend other rights: RFC 5035 §5.
    name_of_it = _named_in(signed)
    certificate = _require_signer(*name_of_it, signed.identifier, signed.certificates, extra)
    # (3) The signature stands over the attributes: RFC 5652 §5.4.
    _require_key_signed(signed, certificate)
    return certificate


def _attribute(signed: SignedContent, kind: str) -> Element:
    if kind not in signed.attributes:
        raise Refuted("cms.attribute-missing", f"signed attribute {kind}", "none")
    return signed.attributes[kind]


def _named_in(signed: SignedContent) -> tuple[Element, bool]:
    """The attribute that names the signer's certificate; True for the newer kind."""
    newer = _SIGNING_CERTIFICATE_V2 in signed.attributes
    kind = _SIGNING_CERTIFICATE_V2 if newer else _SIGNING_CERTIFICATE
    if kind not in signed.attributes:
        raise Refuted("cms.certificate-unnamed", "a signing-certificate attribute", "none")
    return signed.attributes[kind], newer


@lru_cache(chain.REMEMBERED)
def _require_signer(
    attribute: Element,
    newer: bool,  # noqa: FBT001 - which of two attributes it is
    identifier: Element,
    certificates: tuple[bytes, ...],
    extra: tuple[bytes, ...],
) -> x509.Certificate:
    """The one certificate that attribute and identifier both name. All of it is in the
    arguments, so it is remembered: an authority's tokens differ in none of these.
    """
    name, wanted = _first_named(attribute, newer)
    held = (*certificates, *extra)
    require(bool(held), Refuted, "cms.no-certificate", "the signer's certificate", "none")
    for encoded in held:
        if hash_of(name, encoded) == wanted:
            certificate = chain.parse_certificate(encoded)
            break
    else:
        raise Refuted("cms.certificate-differs", f"one with {name} {wanted.hex()}", "others")
    same = _identifies(identifier, certificate)
    require(same, Refuted, "cms.signer-differs", "the certificate's own names", "others")
    return certificate


def _identifies(identifier: Element, certificate: x509.Certificate) -> bool:
    """Issuer and serial, or the key's identifier, are the certificate's: RFC 5652 §5.3."""
    if identifier.tag == der.SEQUENCE:
        issuer, serial = identifier.parts("IssuerAndSerialNumber", der.SEQUENCE, der.INTEGER)
        found = (issuer.encoded, der.integer(serial))
        return found == (certificate.issuer.public_bytes(), certificate.serial_number)
    named = identifier.require(der.context(0, constructed=False), "SignerIdentifier").content
    own = chain.extension_of(certificate, x509.SubjectKeyIdentifier)
    return own is not None and own.value.digest == named


def _first_named(attribute: Element, newer: bool) -> tuple[str, bytes]:  # noqa: FBT001
    """Hash name and hash of the first ESSCertID or ESSCertIDv2: the signer's own."""
    attribute.require(der.SEQUENCE, "SigningCertificate")
    named = attribute.reader("SigningCertificate").take(der.SEQUENCE)
    identifiers = named.reader("ESSCertIDs").all(der.SEQUENCE)
    require(bool(identifiers), Malformed, "cms.certificate-unnamed", "an ESSCertID", "none")
    first = identifiers[0].reader("ESSCertID")
    # RFC 5816 §2.2.1: v1 is SHA-1 by definition, v2 says which, SHA-256 by default.
    name = "sha256" if newer else "sha1"
    if newer and first.tag == der.SEQUENCE:
        name = digest_name(first.take(der.SEQUENCE))
    return name, first.take(der.OCTET_STRING).content


def _require_key_signed(signed: SignedContent, certificate: x509.Certificate) -> None:
    """The one place where a signature is computed: a further algorithm is a further case."""
    named, over = signed.signature_oid, signed.attributes_encoded
    key = chain.find_public_key(certificate)
    signed_with = _SHA2.get(named, "none") or signed.digest_name
    algorithm = _HASHES.get(signed_with)
    try:
        match key:
            case rsa.RSAPublicKey() if named in _RSA and algorithm:
                key.verify(signed.signature, over, _PKCS1, algorithm)
            case ec.EllipticCurvePublicKey() if named in _ECDSA and algorithm:
                utils.decode_dss_signature(signed.signature)
                key.verify(signed.signature, over, _ECDSA_OVER[signed_with])
            case bytes() if (named, signed.digest_name) == (sm2.SM2_WITH_SM3, "sm3"):
                sm2.require_signature(key, over, signed.signature)
            case _:
                wanted = "RSA or ECDSA with SHA-2, SM2 with SM3, as the certificate's key is"
                raise Refuted("cms.signature-algorithm", wanted, named)
    except (InvalidSignature, ValueError) as error:
        wanted = "a signature by the certificate's key"
        raise BadSignature("cms.signature-invalid", wanted, "another") from error
