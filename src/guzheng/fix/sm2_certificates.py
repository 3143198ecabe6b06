"""SM2 certificates, written by hand: `cryptography` can read them, and make none.

A root and the timestamp authority's certificate under it, with the same names, lives, purposes
and extensions as those of profiles.py, signed under the GM identity (GM/T 0009, GM/T 0015):
`openssl verify` needs `-vfyopt distid:1234567812345678` to agree, and says so nowhere itself.
Pure, as profiles.py is.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from guzheng.fix import der, profiles
from guzheng.fix.sm2 import SM2_WITH_SM3_DER, Sm2Key

Extension = tuple[x509.ExtensionType, bool]
_VERSION_3 = der.explicit(0, der.integer(2))


def root_of(
    key: Sm2Key, *, operator: str, at: datetime, entropy: Callable[[int], bytes]
) -> bytes:
    """The root's own certificate, in DER."""
    identifier = _identifier_of(key.public)
    name = profiles.name_of(
        operator, f"固证本地国密根 Guzheng local SM2 root {identifier.digest.hex()[:16]}"
    )
    return _signed(
        key,
        issuer=name,
        subject=name,
        public_key_der=key.public_key_der,
        begins_at=at,
        ends_at=at + profiles.ROOT_LIFE,
        entropy=entropy,
        extensions=(
            (identifier, False),
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (profiles.CA_USAGE, True),
        ),
    )


def tsa_of(
    root_key: Sm2Key,
    root: x509.Certificate,
    public_key_der: bytes,
    *,
    operator: str,
    at: datetime,
    entropy: Callable[[int], bytes],
) -> bytes:
    """The authority's certificate, in DER: for timestamps alone, and critically."""
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        _identifier_of(root_key.public)
    )
    return _signed(
        root_key,
        issuer=root.subject,
        subject=profiles.name_of(operator, "固证本地国密时间戳机构 Guzheng local SM2 TSA"),
        public_key_der=public_key_der,
        begins_at=at,
        ends_at=min(at + profiles.LEAF_LIFE, root.not_valid_after_utc),
        entropy=entropy,
        extensions=(
            (_identifier_of(public_key_der[-65:]), False),
            (issuer_id, False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (profiles.SIGNING_USAGE, True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
        ),
    )


def _signed(
    root_key: Sm2Key,
    *,
    issuer: x509.Name,
    subject: x509.Name,
    public_key_der: bytes,
    begins_at: datetime,
    ends_at: datetime,
    entropy: Callable[[int], bytes],
    extensions: tuple[Extension, ...],
) -> bytes:
    """TBSCertificate and its signature: RFC 5280 §4.1."""
    tbs = der.sequence(
        _VERSION_3,
        der.integer(profiles.serial_of(entropy)),
        SM2_WITH_SM3_DER,
        issuer.public_bytes(),
        der.sequence(_time(begins_at), _time(ends_at)),
        subject.public_bytes(),
        public_key_der,
        der.explicit(3, der.sequence(*(_extension(*one) for one in extensions))),
    )
    return der.sequence(tbs, SM2_WITH_SM3_DER, der.bit_string(root_key.sign(tbs)))


def _extension(extension: x509.ExtensionType, critical: bool) -> bytes:  # noqa: FBT001 - as in Extension
    flag = der.BOOLEAN_TRUE if critical else b""
    return der.sequence(
        der.object_identifier(extension.oid.dotted_string),
        flag,
        der.octet_string(extension.public_bytes()),
    )


def _time(at: datetime) -> bytes:
    """Whole seconds; UTCTime until 2049, GeneralizedTime from 2050: RFC 5280 §4.1.2.5."""
    at = at.astimezone(UTC).replace(microsecond=0)
    if at.year < 2050:
        return der.tlv(b"\x17", f"{at:%y%m%d%H%M%S}Z".encode())
    return der.generalized_time(at)


def _identifier_of(public: bytes) -> x509.SubjectKeyIdentifier:
    """RFC 5280 §4.2.1.2 (1). A name for the key, which nobody needs to trust."""
    return x509.SubjectKeyIdentifier(hashlib.sha1(public, usedforsecurity=False).digest())
