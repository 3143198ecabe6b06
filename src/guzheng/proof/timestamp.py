"""RFC 3161 timestamps: ask for one, read one, and check what it proves.

A `.tsa` file holds a TimeStampResp (the answer as the authority sent it); a bare
TimeStampToken is accepted too, since other platforms hand those out. What a valid token
proves: these bytes existed at `attested_at`, in the word of that authority. Not who made
them, and not that they are true.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509

from guzheng.proof import chain, cms, der
from guzheng.proof.digest import Digest, hash_of
from guzheng.proof.errors import DigestMismatch, Inconsistent, Malformed, Refuted, require
from guzheng.proof.shapes import Frame, Span, children, whole

TST_INFO = "1.2.840.113549.1.9.16.1.4"
# The policy by which an authority says itself that its clock was compared with no other, and
# that its word goes no further than that: docs/spec/seal.md §5.
CLOCK_NOT_VERIFIED = "2.25.233878078801265780082694493288412666610"
MAX_OCTETS = 64 * 1024  # a token with four RSA-4096 certificates is below 12 kB
_ALGORITHMS = {  # SHA-256 with NULL, as openssl asks; SM3 without parameters
    "sha256": bytes.fromhex("300d06096086480165030402010500"),
    "sm3": bytes.fromhex("300a06082a811ccf55018311"),
}


@dataclass(frozen=True, slots=True)
class TimestampToken:
    """A token as read. `accuracy` None when the authority states none."""

    imprint_name: str  # of cms.DIGESTS
    imprint: bytes
    policy: str
    serial: int
    attested_at: datetime
    accuracy: timedelta | None
    nonce: int | None
    signed: cms.SignedContent

    @property
    def token_der(self) -> bytes:
        """The TSTInfo that is signed."""
        return self.signed.content or b""


class _Slots(NamedTuple):
    """Where a token says what another of the same authority says otherwise."""

    imprint: Span
    serial: Span
    time: Span
    nonce: Span | None
    message_digest: (
        Span | None
    )  # none: the token is refused later, when its signature is judged
    signature: Span
    # Not slots, but what holds them: the TSTInfo, and the attributes that are signed.
    content: Span
    attributes: Span

    def in_order(self) -> list[Span]:
        held = self.imprint, self.serial, self.time, self.nonce, self.message_digest
        return [*(one for one in held if one), self.signature]


def _slots(octets: bytes) -> _Slots:
    """Of a token that was read in full."""
    outer = children(octets, whole(octets))[0]
    inside = children(octets, outer)
    info = inside if inside[0].tag == der.OID else children(octets, inside[1])
    signed = children(octets, children(octets, info[1])[0])
    content = children(octets, children(octets, signed[2])[1])[0]
    fields = children(octets, children(octets, content)[0])
    signer = children(octets, children(octets, signed[-1])[0])
    attributes = signer[3]
    message_digest = None
    for one in children(octets, attributes):
        kind, values = children(octets, one)
        if der.oid(kind.element(octets)) == cms.MESSAGE_DIGEST:
            message_digest = children(octets, values)[0]
    return _Slots(
        imprint=children(octets, fields[2])[1],
        serial=fields[3],
        time=fields[4],
        nonce=next((one for one in fields[5:] if one.tag == der.INTEGER), None),
        message_digest=message_digest,
        signature=signer[5],
        content=content,
        attributes=attributes,
    )


class _Seen:
    """A token that was read in full, for reading those that differ from it in a few contents.

    shapes.py says why that comes to the same. The frame is made when a second one of this size
    comes: most who verify one token verify no other.
    """

    __slots__ = ("_cut", "_octets", "_token")

    def __init__(self, octets: bytes, token: TimestampToken) -> None:
        self._octets, self._token = octets, token
        self._cut: tuple[_Slots, Frame] | None = None

    def read(self, octets: bytes) -> TimestampToken | None:
        """As `_parse_whole`; None when these octets have to be read by it."""
        slots, frame = self._cut or self._cut_out()
        if not frame.fits(octets):
            return None
        ours = self._token
        serial = der.integer(slots.serial.element(octets))
        attested_at = der.generalized_time(slots.time.element(octets))
        nonce = slots.nonce
        signed = cms.with_others(
            ours.signed,
            slots.content.of(octets),
            slots.attributes.element(octets),
            slots.message_digest and slots.message_digest.element(octets),
            slots.signature.of(octets),
        )
        return TimestampToken(
            imprint_name=ours.imprint_name,
            imprint=slots.imprint.of(octets),
            policy=ours.policy,
            serial=serial,
            attested_at=attested_at,
            accuracy=ours.accuracy,
            nonce=der.integer(nonce.element(octets)) if nonce else None,
            signed=signed,
        )

    def _cut_out(self) -> tuple[_Slots, Frame]:
        slots = _slots(self._octets)
        self._cut = slots, Frame(self._octets, slots.in_order())
        return self._cut


# By size, the last few of each: what an authority varies (the lengths of nonce, serial number
# and signature) gives some dozens of frames.
_SIZES_SEEN, _ALIKE = 64, 8
_SEEN: dict[int, tuple[_Seen, ...]] = {}


def forget() -> None:
    """As if no token had been seen yet."""
    _SEEN.clear()
    cms.forget()


def encode_request(
    digest: Digest, nonce: int, *, cert_req: bool = True, policy_der: bytes = b""
) -> bytes:
    """TimeStampReq in DER (RFC 3161 §2.4.1) over a digest; `nonce` below 2**64."""
    fits = 0 <= nonce < 2**64
    require(fits, Malformed, "timestamp.request", "a nonce below 2**64", nonce)
    algorithm = _ALGORITHMS[digest.algorithm]
    imprint = _tlv(der.SEQUENCE, algorithm + _tlv(der.OCTET_STRING, digest.value))
    number = _tlv(der.INTEGER, nonce.to_bytes(nonce.bit_length() // 8 + 1, "big"))
    certificate = _tlv(der.BOOLEAN, b"\xff") if cert_req else b""
    version = _tlv(der.INTEGER, b"\x01")
    return _tlv(der.SEQUENCE, version + imprint + policy_der + number + certificate)


def _tlv(tag: int, content: bytes) -> bytes:
    # Everything in a request is shorter than 128 octets: one form of length suffices.
    return bytes([tag, len(content)]) + content


def parse(octets: bytes) -> TimestampToken:
    """A TimeStampResp, or a bare TimeStampToken. Raises ProofError, and nothing else."""
    if len(octets) > MAX_OCTETS:
        raise Malformed("timestamp.too-large", f"at most {MAX_OCTETS} octets", len(octets))
    alike = _SEEN.get(len(octets), ())
    for seen in alike:
        if (token := seen.read(octets)) is not None:
            return token
    token = _parse_whole(octets)
    if len(_SEEN) >= _SIZES_SEEN:
        _SEEN.clear()
    _SEEN[len(octets)] = (*alike[-_ALIKE:], _Seen(octets, token))
    return token


def _parse_whole(octets: bytes) -> TimestampToken:
    reader = der.parse(octets, der.SEQUENCE, "TimeStampResp").reader("TimeStampResp")
    if reader.tag == der.OID:  # a ContentInfo: the token without the answer round it
        return _token(octets)
    _require_granted(reader.take(der.SEQUENCE).content)
    token = reader.take(der.SEQUENCE)
    reader.end()
    return _token(token.encoded)


def _require_granted(content: bytes) -> None:
    """PKIStatusInfo: granted, or grantedWithMods (RFC 3161 §2.4.2)."""
    status = der.Reader(content, "PKIStatusInfo")
    number = der.integer(status.take(der.INTEGER))
    require(number in {0, 1}, Refuted, "timestamp.not-granted", "status 0 or 1", number)
    # statusString is for people; failInfo belongs to a refusal, and contradicts a token.
    if (text := status.optional(der.SEQUENCE)) is not None:
        text.reader("statusString").all(der.UTF8_STRING)
    status.end()


def _token(octets: bytes) -> TimestampToken:
    signed = cms.parse(octets)
    if signed.content_type != TST_INFO or signed.content is None:
        raise Malformed("timestamp.not-a-token", TST_INFO, signed.content_type)
    reader = der.parse(signed.content, der.SEQUENCE, "TSTInfo").reader("TSTInfo")
    version = der.integer(reader.take(der.INTEGER))
    require(version == 1, Malformed, "timestamp.version", "TSTInfo version 1", version)
    policy = der.oid(reader.take(der.OID))
    imprint = reader.take(der.SEQUENCE)
    algorithm, octet_string = imprint.parts("MessageImprint", der.SEQUENCE, der.OCTET_STRING)
    name, hashed = cms.digest_name(algorithm), octet_string.content
    size = cms.SIZES[name]
    if len(hashed) != size:
        raise Malformed("timestamp.imprint-size", size, len(hashed))
    serial = der.integer(reader.take(der.INTEGER))
    attested_at = der.generalized_time(reader.take(der.GENERALIZED_TIME))
    accuracy = reader.optional(der.SEQUENCE)
    ordering = reader.optional(der.BOOLEAN)
    stated = ordering is None or der.boolean(ordering)
    require(stated, Malformed, "der.malformed", "a default to be left out", "ordering FALSE")
    nonce = reader.optional(der.INTEGER)
    reader.optional(der.context(0))  # tsa: a name for reading; the certificate is who signed
    extensions = reader.optional(der.context(1))
    if extensions is not None:
        _require_uncritical(extensions)
    reader.end()
    return TimestampToken(
        imprint_name=name,
        imprint=hashed,
        policy=policy,
        serial=serial,
        attested_at=attested_at,
        accuracy=_accuracy(accuracy) if accuracy else None,
        nonce=der.integer(nonce) if nonce else None,
        signed=signed,
    )


def _require_uncritical(extensions: der.Element) -> None:
    """None is known here. Qualified authorities state in one, not critical, that they are
    (ETSI EN 319 422 §9); a critical one could change what the token says: RFC 5280 §4.2.
    """
    for one in extensions.reader("extensions").all(der.SEQUENCE):
        reader = one.reader("Extension")
        name = der.oid(reader.take(der.OID))
        critical = reader.optional(der.BOOLEAN)
        reader.take(der.OCTET_STRING)
        reader.end()
        wanted = "known critical extensions"
        require(critical is None, Refuted, "timestamp.extension-unknown", wanted, name)


def _accuracy(element: der.Element) -> timedelta:
    """Accuracy (RFC 3161 §2.4.2): seconds, [0] millis and [1] micros of 1 to 999 each."""
    reader = element.reader("Accuracy")
    seconds = reader.optional(der.INTEGER)
    parts = [der.integer(seconds) if seconds else 0]
    for number in (0, 1):
        part = reader.optional(der.context(number, constructed=False))
        # [n] IMPLICIT: the content is an INTEGER's, and as minimal.
        value = der.integer(der.Element(der.INTEGER, part.content, part.encoded)) if part else 0
        fits = part is None or 1 <= value <= 999
        require(fits, Malformed, "der.malformed", "1 to 999", value)
        parts.append(value)
    reader.end()
    fits = 0 <= parts[0] <= 86_400
    require(fits, Malformed, "timestamp.accuracy", "0 to 86,400 s", parts[0])
    return timedelta(seconds=parts[0], milliseconds=parts[1], microseconds=parts[2])


def require_imprint(token: TimestampToken, hashed: bytes, name: str = "sha256") -> None:
    """The token speaks of these bytes and no others: RFC 3161 §2.4.2."""
    same = (token.imprint_name, token.imprint) == (name, hashed)
    if not same:
        wanted, found = f"{token.imprint_name}:{token.imprint.hex()}", f"{name}:{hashed.hex()}"
        raise DigestMismatch("timestamp.imprint-differs", wanted, found)


def require_nonce(token: TimestampToken, nonce: int) -> None:
    """The answer belongs to this request, and is no replay: RFC 3161 §2.4.2."""
    same = token.nonce == nonce
    require(same, Inconsistent, "timestamp.nonce-differs", nonce, token.nonce)


def require_signature(token: TimestampToken, extra: tuple[bytes, ...] = ()) -> x509.Certificate:
    """The authority's certificate, once its signature over the token is shown to fit.

    The certificate's purpose is checked here: RFC 3161 §2.3, sole and critical timeStamping.
    """
    content = token.token_der
    digest = hash_of(token.signed.digest_name, content)
    certificate = cms.require_signature(token.signed, digest, extra)
    chain.require_sole_critical_purpose(certificate, chain.TIME_STAMPING)
    return certificate


def require_trusted(
    token: TimestampToken, authority: x509.Certificate, roots: tuple[x509.Certificate, ...]
) -> tuple[x509.Certificate, ...]:
    """The path to a trusted root, valid at the time that the token attests, not now."""
    held = token.signed.readable_certificates
    return chain.require_path(authority, held, roots, token.attested_at)
