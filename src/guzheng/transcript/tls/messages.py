"""The handshake messages that matter, read as RFC 8446 §4 and RFC 5246 §7.4 spell them."""

import hashlib
import zlib
from dataclasses import dataclass

import brotli
import zstandard

from guzheng.proof.errors import Malformed, Undecided
from guzheng.transcript.cursor import Cursor
from guzheng.transcript.limits import CERTIFICATE_OCTETS, CERTIFICATES

CLIENT_HELLO, SERVER_HELLO, NEW_TICKET, END_OF_EARLY_DATA = 1, 2, 4, 5
ENCRYPTED_EXTENSIONS, CERTIFICATE, SERVER_KEY_EXCHANGE = 8, 11, 12
CERTIFICATE_REQUEST, SERVER_HELLO_DONE, CERTIFICATE_VERIFY = 13, 14, 15
CLIENT_KEY_EXCHANGE, FINISHED, CERTIFICATE_STATUS = 16, 20, 22
COMPRESSED_CERTIFICATE, MESSAGE_HASH = 25, 254

_SERVER_NAME, _ALPN, _TICKET_12, _PRE_SHARED_KEY = 0, 16, 35, 41
_STATUS, _TIMESTAMPS = 5, 18
_EARLY_DATA, _VERSIONS, _ECH = 42, 43, 0xFE0D
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()  # RFC 8446 §4.1.3
TLS_12, TLS_13 = 0x0303, 0x0304


@dataclass(frozen=True, slots=True)
class ClientHello:
    random: bytes
    session: bytes
    server_name: str
    early_data: bool
    tickets: tuple[bytes, ...]  # what an earlier connection gave, now offered
    hides: bool  # an Encrypted Client Hello stands in it; browsers send a meaningless one, too


@dataclass(frozen=True, slots=True)
class ServerHello:
    random: bytes
    session: bytes
    suite: int
    version: int
    alpn: str
    resumes: int | None  # which of the client's tickets, in TLS 1.3
    timestamps: bytes = b""  # SCTs, which stand here in TLS 1.2

    @property
    def is_retry(self) -> bool:
        return self.random == RETRY


def client_hello(message: bytes) -> ClientHello:
    body = Cursor(message[4:], "ClientHello")
    body.take(2)
    random, session = body.take(32), body.vector(1)
    body.vector(2)
    body.vector(1)
    found = _extensions(body)
    return ClientHello(
        random,
        session,
        _server_name(found.get(_SERVER_NAME)),
        _EARLY_DATA in found,
        _tickets(found),
        _ECH in found,
    )


def server_hello(message: bytes) -> ServerHello:
    body = Cursor(message[4:], "ServerHello")
    version, random, session, suite = (
        body.number(2),
        body.take(32),
        body.vector(1),
        body.number(2),
    )
    body.take(1)
    found = _extensions(body)
    if _VERSIONS in found:
        version = Cursor(found[_VERSIONS], "supported_versions").number(2)
    chosen = found.get(_PRE_SHARED_KEY)
    resumes = None if chosen is None else Cursor(chosen, "pre_shared_key").number(2)
    given = found.get(_TIMESTAMPS, b"")
    return ServerHello(random, session, suite, version, _protocol(found), resumes, given)


def encrypted_extensions(message: bytes) -> tuple[str, bool]:
    """The protocol agreed on, and whether early data were taken."""
    body = Cursor(message[4:], "EncryptedExtensions")
    found = _extensions(body)
    return _protocol(found), _EARLY_DATA in found


def certificates(message: bytes, *, modern: bool) -> tuple[bytes, ...]:
    """DER of each certificate as it was sent, leaf first; compressed ones (RFC 8879) too."""
    return tuple(one for one, _ in entries(message, modern=modern))


def entries(message: bytes, *, modern: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Each certificate, and the extensions that came with it (RFC 8446 §4.4.2)."""
    body = Cursor(message[4:], "Certificate")
    if message[0] == COMPRESSED_CERTIFICATE:
        body = Cursor(_decompressed(body), "Certificate")
    if modern:
        body.vector(1)
    listed = body.inner(3)
    body.end()
    found: list[tuple[bytes, bytes]] = []
    while listed.left:
        one = listed.vector(3)
        found.append((one, listed.vector(2) if modern else b""))
        if len(found) > CERTIFICATES:
            wanted = f"at most {CERTIFICATES} certificates"
            raise Malformed("transcript.tls-malformed", wanted, "more")
    return tuple(found)


def stapled(message: bytes) -> tuple[bytes, bytes]:
    """What the site sent with its own certificate in TLS 1.3: the answer of OCSP
    (RFC 6066 §8) and the list of SCTs (RFC 6962 §3.3); empty what it did not send."""
    listed = entries(message, modern=True)
    if not listed:
        return b"", b""
    octets = listed[0][1]
    found = _extensions(Cursor(len(octets).to_bytes(2, "big") + octets, "CertificateEntry"))
    status = found.get(_STATUS)
    return b"" if status is None else _ocsp(status), found.get(_TIMESTAMPS, b"")


def status_12(message: bytes) -> bytes:
    """The answer of OCSP in CertificateStatus of TLS 1.2."""
    return _ocsp(message[4:])


def _ocsp(content: bytes) -> bytes:
    body = Cursor(content, "CertificateStatus")
    kind, answer = body.number(1), body.vector(3)
    body.end()
    if kind != 1:
        raise Malformed("transcript.tls-malformed", "a status of OCSP", f"type {kind}")
    return answer


def verification(message: bytes) -> tuple[int, bytes]:
    """Scheme and signature of CertificateVerify."""
    body = Cursor(message[4:], "CertificateVerify")
    scheme, signature = body.number(2), body.vector(2)
    body.end()
    return scheme, signature


def key_exchange(message: bytes) -> tuple[bytes, int, bytes]:
    """ServerKeyExchange (RFC 8422 §5.4): what is signed, the scheme, the signature."""
    body = Cursor(message[4:], "ServerKeyExchange")
    head = body.take(3)
    if head[0] != 3:
        raise Undecided("transcript.suite-not-opened", "a named curve", f"type {head[0]}")
    point = body.vector(1)
    scheme, signature = body.number(2), body.vector(2)
    body.end()
    return head + bytes((len(point),)) + point, scheme, signature


def ticket_13(message: bytes) -> bytes:
    """What a later ClientHello offers again."""
    body = Cursor(message, "NewSessionTicket")
    body.take(8)
    body.vector(1)
    return body.vector(2)


def ticket_12(message: bytes) -> bytes:
    body = Cursor(message[4:], "NewSessionTicket")
    body.take(4)
    return body.vector(2)


def _extensions(body: Cursor) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if not body.left:
        return found
    listed = body.inner(2)
    body.end()
    while listed.left:
        kind, content = listed.number(2), listed.vector(2)
        if kind in found:
            raise Malformed("transcript.tls-malformed", "each extension once", str(kind))
        found[kind] = content
    return found


def _server_name(content: bytes | None) -> str:
    if not content:
        return ""
    listed = Cursor(content, "server_name").inner(2)
    listed.take(1)
    return listed.vector(2).decode("ascii", "backslashreplace")


def _protocol(found: dict[int, bytes]) -> str:
    if _ALPN not in found:
        return ""
    listed = Cursor(found[_ALPN], "ALPN").inner(2)
    return listed.vector(1).decode("ascii", "backslashreplace")


def _tickets(found: dict[int, bytes]) -> tuple[bytes, ...]:
    if _PRE_SHARED_KEY not in found:
        old = found.get(_TICKET_12, b"")
        return (old,) if old else ()
    listed = Cursor(found[_PRE_SHARED_KEY], "pre_shared_key").inner(2)
    offered: list[bytes] = []
    while listed.left:
        offered.append(listed.vector(2))
        listed.take(4)
    return tuple(offered)


def _decompressed(body: Cursor) -> bytes:
    """RFC 8879 §4. Bounded before anything is unpacked."""
    algorithm, size, packed = body.number(2), body.number(3), body.vector(3)
    body.end()
    wanted = f"a certificate chain of {size} octets"
    if size > CERTIFICATE_OCTETS:
        raise Malformed("transcript.tls-malformed", f"at most {CERTIFICATE_OCTETS}", str(size))
    try:
        octets = _unpacked(algorithm, packed, size)
    except (zlib.error, brotli.error, zstandard.ZstdError) as error:
        raise Malformed("transcript.tls-malformed", wanted, str(error)[:80]) from error
    if len(octets) != size:
        raise Malformed("transcript.tls-malformed", wanted, f"{len(octets)} octets")
    return octets


def _unpacked(algorithm: int, packed: bytes, size: int) -> bytes:
    match algorithm:
        case 1:
            inflater = zlib.decompressobj()
            inflated = inflater.decompress(packed, size + 1)
            return inflated if inflater.eof else b""
        case 2:
            unpacker = brotli.Decompressor()
            octets = b""
            while len(octets) <= size and not unpacker.is_finished():
                more: bytes = unpacker.process(packed, output_buffer_limit=size + 1)
                packed = b""
                if not more and unpacker.can_accept_more_data():
                    break
                octets += more
            return octets if unpacker.is_finished() else b""
        case 3:
            with zstandard.ZstdDecompressor().stream_reader(packed) as reader:
                whole: bytes = reader.read(size + 1)
                return whole
        case _:
            expected = "zlib, brotli or zstd"
            raise Malformed("transcript.tls-malformed", expected, f"algorithm {algorithm}")
