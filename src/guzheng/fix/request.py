"""The question put to our own authority: a TimeStampReq, read strictly (RFC 3161 §2.4.1).

Anybody may send it, so one spelling only is taken: DER with shortest lengths, nothing after the
end, the imprint exactly as long as its algorithm says. Every other octet string is a
`Rejection` with the failure that RFC 3161 §2.4.2 names for it. What goes into the token is
echoed octet for octet.

Of a request that was read strictly its shape is remembered: all but the octets of hash and
nonce. The next one of that shape is compared with it and not taken apart, which costs less than
half. Nothing passes that the strict reader would refuse (tests/stations/test_fix_request.py).
"""

from enum import IntEnum
from typing import NamedTuple

from guzheng.fix import der

MAX_REQUEST_OCTETS = 4096  # a request with SHA-512, nonce and policy has about 150
MAX_NONCE_OCTETS = 64  # clients send 8 to 20

_BOOLEAN, _INTEGER, _OCTET_STRING, _OBJECT_IDENTIFIER = 0x01, 0x02, 0x04, 0x06
_SEQUENCE = 0x30
_EXTENSIONS = 0xA0  # [0] IMPLICIT SEQUENCE OF

# SM3 is granted with an SM2 key, and with no other: see `is_sm3`.
IMPRINT_ALGORITHMS = {
    "sm3": ("1.2.156.10197.1.401", 32),
    "sha256": ("2.16.840.1.101.3.4.2.1", 32),
    "sha384": ("2.16.840.1.101.3.4.2.2", 48),
    "sha512": ("2.16.840.1.101.3.4.2.3", 64),
}
# Both spellings are in use: parameters absent (RFC 5754 §2) and NULL (what openssl sends).
_ALGORITHMS = {
    der.sequence(der.object_identifier(oid), parameters): size
    for oid, size in IMPRINT_ALGORITHMS.values()
    for parameters in (b"", der.NULL)
}
# All that an imprint may be but for the hash itself: whole size → how it begins.
_IMPRINT_BEGINNINGS = {
    len(imprint): imprint[:-size]
    for imprint, size in (
        (der.sequence(algorithm_der, der.octet_string(bytes(size))), size)
        for algorithm_der, size in _ALGORITHMS.items()
    )
}

_SM3 = der.object_identifier(IMPRINT_ALGORITHMS["sm3"][0])
_SM3_SIZES = frozenset(size for size, begins in _IMPRINT_BEGINNINGS.items() if _SM3 in begins)

# One shape for each length: octets before the hash, between hash and nonce, after the nonce;
# where imprint, hash, its end, nonce element, nonce octets and its end lie; policy and wish.
_Shape = tuple[bytes, bytes, bytes, int, int, int, int, int, int, tuple[bytes, bool]]
_SHAPES: dict[int, _Shape] = {}
_MAX_SHAPED_OCTETS = 256


class Failure(IntEnum):
    """PKIFailureInfo, the bits RFC 3161 §2.4.2 allows an authority to set."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    SYSTEM_FAILURE = 25


class Rejection(Exception):
    """The authority answers, and the answer is no. `text` is for the person who asked; `code`
    is for the operator, where it is his to act."""

    def __init__(self, failure: Failure, text: str, code: str = "") -> None:
        super().__init__(text)
        self.failure = failure
        self.text = text
        self.code = code


class TimestampRequest(NamedTuple):
    """`imprint_der`, `policy_der`, `nonce_der` are whole encodings; empty means absent."""

    imprint_der: bytes
    policy_der: bytes
    nonce_der: bytes
    wants_certificate: bool


def is_sm3(request: TimestampRequest) -> bool:
    """Each size of an imprint has one algorithm, so the size tells."""
    return len(request.imprint_der) in _SM3_SIZES


def asks_for_sm3(request_der: bytes) -> bool:
    """Whether it names SM3 where an imprint's algorithm stands: a guess, to choose a key by."""
    return _SM3 in request_der[:32]


def parse(request_der: bytes) -> TimestampRequest:
    """The request, or `Rejection`."""
    shape = _SHAPES.get(len(request_der))
    if shape is not None:
        before, between, after, at, hashed, end, nonce_begin, nonce, nonce_end, asked = shape
        if (
            request_der[:hashed] == before
            and request_der[end:nonce] == between
            and request_der[nonce_end:] == after
            and not (
                nonce_end - nonce > 1
                and (first := request_der[nonce]) in (0x00, 0xFF)
                and request_der[nonce + 1] ^ first < 0x80  # one octet too many: X.690 §8.3.2
            )
        ):
            return TimestampRequest(
                request_der[at:end], asked[0], request_der[nonce_begin:nonce_end], asked[1]
            )
    request = parse_strictly(request_der)
    if len(request_der) <= _MAX_SHAPED_OCTETS:
        _SHAPES[len(request_der)] = _shape_of(request_der, request)
    return request


def _shape_of(request_der: bytes, request: TimestampRequest) -> _Shape:
    """Where hash and nonce lie, and all the octets around them."""
    at = request_der.index(request.imprint_der)
    end = at + len(request.imprint_der)
    hashed = at + len(_IMPRINT_BEGINNINGS[len(request.imprint_der)])
    nonce_begin = end + len(request.policy_der)
    nonce_end = nonce_begin + len(request.nonce_der)
    nonce = nonce_begin + 2 if request.nonce_der else nonce_end  # a nonce's length is one octet
    return (
        request_der[:hashed],
        request_der[end:nonce],
        request_der[nonce_end:],
        at,
        hashed,
        end,
        nonce_begin,
        nonce,
        nonce_end,
        (request.policy_der, request.wants_certificate),
    )


def parse_strictly(request_der: bytes) -> TimestampRequest:
    """The request, or `Rejection`, octet by octet."""
    if len(request_der) > MAX_REQUEST_OCTETS:
        raise _unreadable(f"more than {MAX_REQUEST_OCTETS} octets")
    tag, at, end = _element(request_der, 0, len(request_der))
    if tag != _SEQUENCE or end != len(request_der):
        raise _unreadable("not one SEQUENCE and nothing after it")

    version, at = _required(request_der, at, end, _INTEGER, "version")
    if version != b"\x02\x01\x01":
        raise Rejection(Failure.BAD_REQUEST, "request version is not 1")
    imprint_der, at = _required(request_der, at, end, _SEQUENCE, "messageImprint")
    policy_der, at = _optional(request_der, at, end, _OBJECT_IDENTIFIER)
    nonce_der, at = _optional(request_der, at, end, _INTEGER)
    certificate_wish, at = _optional(request_der, at, end, _BOOLEAN)
    extensions, at = _optional(request_der, at, end, _EXTENSIONS)
    if at != end:
        raise _unreadable("a field that a request does not have, or fields out of order")

    beginning = _IMPRINT_BEGINNINGS.get(len(imprint_der))
    if beginning is None or not imprint_der.startswith(beginning):
        raise _imprint_fault(imprint_der)
    if nonce_der:
        _require_nonce(nonce_der)
    if certificate_wish not in (b"", der.BOOLEAN_TRUE):  # FALSE is the default: X.690 §11.5
        raise _unreadable("certReq is neither absent nor TRUE")
    if extensions:
        # None is known here, and one that is ignored could change what the client asked for.
        raise Rejection(Failure.UNACCEPTED_EXTENSION, "no request extension is accepted")
    return TimestampRequest(imprint_der, policy_der, nonce_der, bool(certificate_wish))


def _imprint_fault(imprint_der: bytes) -> Rejection:
    _, at, end = _element(imprint_der, 0, len(imprint_der))
    algorithm_der, at = _required(imprint_der, at, end, _SEQUENCE, "hashAlgorithm")
    hashed, at = _required(imprint_der, at, end, _OCTET_STRING, "hashedMessage")
    if at != end:
        return _unreadable("messageImprint has more than two fields")
    size = _ALGORITHMS.get(algorithm_der)
    if size is None:
        return Rejection(
            Failure.BAD_ALG, f"imprint algorithms: {', '.join(IMPRINT_ALGORITHMS)}"
        )
    return _unreadable(f"hashedMessage has {len(hashed) - 2} octets and not {size}")


def _require_nonce(nonce_der: bytes) -> None:
    _, at, end = _element(nonce_der, 0, len(nonce_der))
    octets = nonce_der[at:end]
    if not 1 <= len(octets) <= MAX_NONCE_OCTETS:
        raise _unreadable(f"nonce does not have 1 to {MAX_NONCE_OCTETS} octets")
    if octets[:1] == b"\x00" and octets[1:2] < b"\x80" and len(octets) > 1:
        raise _unreadable("nonce begins with a needless octet")
    if octets[:1] == b"\xff" and octets[1:2] >= b"\x80":
        raise _unreadable("nonce begins with a needless octet")


def _required(octets: bytes, at: int, end: int, tag: int, field: str) -> tuple[bytes, int]:
    encoding, after = _optional(octets, at, end, tag)
    if not encoding:
        raise _unreadable(f"{field} is missing")
    return encoding, after


def _optional(octets: bytes, at: int, end: int, tag: int) -> tuple[bytes, int]:
    """The next element's whole encoding if it has this tag, and where the one after begins."""
    if at == end or octets[at] != tag:
        return b"", at
    _, _, after = _element(octets, at, end)
    return octets[at:after], after


def _element(octets: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, and where the content begins and ends, of the element at `at`."""
    if end - at < 2:
        raise _unreadable("an element is cut short")
    tag, size = octets[at], octets[at + 1]
    begin = at + 2
    if size >= 0x80:
        count = size & 0x7F
        if count not in (1, 2):  # 0 is BER's indefinite length; 3 exceeds MAX_REQUEST_OCTETS
            raise _unreadable("a length is indefinite or too long")
        begin += count
        size = int.from_bytes(octets[at + 2 : begin], "big")
        if size < (0x80 if count == 1 else 0x100):
            raise _unreadable("a length is not the shortest")
    if begin + size > end:
        raise _unreadable("an element is longer than what holds it")
    return tag, begin, begin + size


def _unreadable(reason: str) -> Rejection:
    return Rejection(Failure.BAD_DATA_FORMAT, reason)
