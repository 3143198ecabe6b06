"""The reader of requests has a short cut; nothing may pass that the strict one refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.fix import der, request
from guzheng.fix.request import MAX_NONCE_OCTETS, MAX_REQUEST_OCTETS, Rejection
from guzheng.proof.digest import sha256

POLICY = der.object_identifier("1.3.6.1.4.1.13762.3")
ALGORITHMS = [
    (der.sequence(der.object_identifier(oid), parameters), size)
    for oid, size in request.IMPRINT_ALGORITHMS.values()
    for parameters in (b"", der.NULL)
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    algorithm_der, size = draw(st.sampled_from(ALGORITHMS))
    hashed = draw(st.binary(min_size=size, max_size=size))
    nonce = draw(st.none() | st.integers(min_value=-(2**70), max_value=2**70))
    return der.sequence(
        der.integer(1),
        der.sequence(algorithm_der, der.octet_string(hashed)),
        draw(st.sampled_from([b"", POLICY])),
        b"" if nonce is None else der.integer(nonce),
        draw(st.sampled_from([b"", der.BOOLEAN_TRUE])),
    )


def read(octets: bytes) -> object:
    try:
        return request.parse(octets)
    except Rejection as rejection:
        return rejection.failure


def read_strictly(octets: bytes) -> object:
    try:
        return request.parse_strictly(octets)
    except Rejection as rejection:
        return rejection.failure


@given(requests(), requests())
def test_the_short_cut_reads_what_the_strict_reader_reads(one: bytes, other: bytes) -> None:
    for octets in (one, other, one):  # the second of a shape goes the short way
        assert read(octets) == request.parse_strictly(octets)


@given(st.data())
def test_no_altered_octet_gets_past_the_short_cut(data: st.DataObject) -> None:
    good = data.draw(requests())
    assert read(good) == request.parse_strictly(good)  # its shape is known from here on
    altered = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        altered[at] = data.draw(st.integers(0, 255))
    assert read(bytes(altered)) == read_strictly(bytes(altered))


@pytest.mark.parametrize("nonce", ["0000", "007f", "0080", "ff80", "ff7f", "ffff", "0100"])
def test_a_nonce_with_a_needless_octet_is_refused_by_both(nonce: str) -> None:
    def asked(octets: bytes) -> bytes:
        imprint = der.sequence(ALGORITHMS[1][0], der.octet_string(sha256(b"").value))
        return der.sequence(der.integer(1), imprint, der.tlv(b"\x02", octets))

    assert isinstance(read(asked(b"\x12\x34")), request.TimestampRequest)
    assert read(asked(bytes.fromhex(nonce))) == read_strictly(asked(bytes.fromhex(nonce)))


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_rejected(octets: bytes) -> None:
    assert read(octets) == read_strictly(octets)


@given(requests(), st.integers(1, 200))
def test_what_is_cut_short_is_refused(whole: bytes, octets: int) -> None:
    assert isinstance(read(whole[:-octets]), request.Failure)


@given(requests(), st.binary(min_size=1, max_size=20))
def test_what_follows_the_end_is_refused(whole: bytes, more: bytes) -> None:
    assert isinstance(read(whole + more), request.Failure)


@pytest.mark.parametrize("size", [0, 1, MAX_REQUEST_OCTETS, MAX_REQUEST_OCTETS + 1, 1 << 20])
def test_sizes_of_nothing_and_of_too_much(size: int) -> None:
    assert isinstance(read(b"\x30" * size), request.Failure)


def test_a_nonce_is_bounded() -> None:
    def asked(octets: int) -> bytes:
        imprint = der.sequence(ALGORITHMS[0][0], der.octet_string(sha256(b"").value))
        return der.sequence(der.integer(1), imprint, der.integer(1 << (8 * octets - 2)))

    assert isinstance(read(asked(MAX_NONCE_OCTETS)), request.TimestampRequest)
    assert read(asked(MAX_NONCE_OCTETS + 1)) is request.Failure.BAD_DATA_FORMAT
