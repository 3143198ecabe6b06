"""The reader of DER: one spelling of each value, and nothing but its own error."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guzheng.proof import der
from guzheng.proof.errors import Malformed, ProofError
from tests.proof.tokens import pair, tlv
from tests.strategies import altered

TOKEN = pair("good-p256").token


def element(octets: bytes) -> der.Element:
    return der.parse(octets, octets[0], "element")


@given(st.integers(0, 30), st.binary(max_size=300), st.binary(max_size=3))
def test_an_element_is_taken_whole(tag: int, content: bytes, after: bytes) -> None:
    octets = tlv(tag, content)
    found = der.Reader(octets + after, "test").take(tag)
    assert (found.tag, found.content, found.encoded) == (tag, content, octets)
    if after:
        with pytest.raises(Malformed):
            der.parse(octets + after, tag, "test")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_every_width_of_a_length(size: int) -> None:
    assert element(tlv(4, bytes(size))).content == bytes(size)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x04",
        b"\x04\x01",
        b"\x04\x80\x00\x00",  # indefinite
        b"\x04\x81",
        b"\x04\x81\x01a",  # not minimal
        b"\x04\x81\x7f" + bytes(127),
        b"\x04\x82\x00\x80" + bytes(128),
        b"\x04\x84\x00\x01\x00\x00" + bytes(65_536),
        b"\x04\x85\x01\x00\x00\x00\x00",
        b"\x04\xff" + b"\xff" * 127,
        b"\x04\x84\xff\xff\xff\xff",
        b"\x1f\x81\x00\x00",  # a tag of many octets
    ],
)
def test_other_lengths_and_tags_are_refused(octets: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        der.Reader(octets, "test").take()
    assert refusal.value.code == "der.malformed"


def test_another_tag_is_refused_by_name() -> None:
    with pytest.raises(Malformed) as refusal:
        der.parse(b"\x04\x00", der.SEQUENCE, "Thing")
    assert refusal.value.code == "der.tag"
    assert "Thing" in refusal.value.expected


@given(st.integers(-(2**255), 2**255))
def test_integers(number: int) -> None:
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    assert der.integer(element(tlv(2, number.to_bytes(size, "big", signed=True)))) == number


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00", b"\x00\x7f", b"\xff\xff", b"\xff\x80", b"\x01" * 65]
)
def test_integers_that_are_not_minimal_or_too_long(content: bytes) -> None:
    with pytest.raises(Malformed):
        der.integer(element(tlv(2, content)))


@pytest.mark.parametrize(
    ("content", "value"), [(b"\x00", False), (b"\xff", True), (b"\x01", None), (b"", None)]
)
def test_booleans(content: bytes, value: bool | None) -> None:
    if value is None:
        with pytest.raises(Malformed):
            der.boolean(element(tlv(1, content)))
    else:
        assert der.boolean(element(tlv(1, content))) is value


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("2a8648", "1.2.840"),
        ("608648016503040201", "2.16.840.1.101.3.4.2.1"),
        ("00", "0.0"),
        ("27", "0.39"),
        ("28", "1.0"),
        ("4f", "1.39"),
        ("50", "2.0"),
        ("883703", "2.999.3"),
        ("69" + "ff" * 18 + "7f", "2.25." + str(2**133 - 1)),
    ],
)
def test_object_identifiers(content: str, text: str) -> None:
    assert der.oid(element(tlv(6, bytes.fromhex(content)))) == text


@pytest.mark.parametrize("content", ["", "80", "8001", "2a8001", "2a86", "81" * 65 + "01"])
def test_object_identifiers_of_another_form(content: str) -> None:
    with pytest.raises(Malformed):
        der.oid(element(tlv(6, bytes.fromhex(content))))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20261121120000Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("20261121120000.5Z", datetime(2026, 11, 21, 12, microsecond=500_000, tzinfo=UTC)),
        (
            "20261121120000.123456789Z",
            datetime(2026, 11, 21, 12, microsecond=123_456, tzinfo=UTC),
        ),
        ("19700101000000Z", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times(text: str, at: datetime) -> None:
    assert der.generalized_time(element(tlv(0x18, text.encode()))) == at


@pytest.mark.parametrize(
    "text",
    [
        "202611211200Z",
        "20261121120000",
        "20261121120000z",
        "20261121120000.Z",
        "20261121120000.50Z",
        "20261121120000,5Z",
        "20261121120000.1234567890Z",
        "20261121120000+0800",
        "20260229120000Z",
        "20261121240000Z",
        "20161231235960Z",  # RFC 3161 §2.4.2 has no leap seconds
        "19691231235959Z",
        "99991231235959Z",
        "00001121120000Z",
        "２０261121120000Z",
        "",
    ],
)
def test_times_of_another_form(text: str) -> None:
    with pytest.raises(Malformed):
        der.generalized_time(element(tlv(0x18, text.encode())))


READERS = (der.integer, der.boolean, der.oid, der.generalized_time)


@given(st.binary())
@example(b"\x30\x80\x00\x00")
def test_any_octets(octets: bytes) -> None:
    reader = der.Reader(octets, "test")
    try:
        while reader.tag is not None:
            found = reader.take()
            for read in READERS:
                try:
                    read(found)
                except ProofError:
                    continue
    except ProofError:
        return
    assert octets == b"" or reader.tag is None


@given(altered(TOKEN))
def test_what_is_read_is_what_stood_there(octets: bytes) -> None:
    """Nothing is skipped, and nothing has a second spelling: elements put together again."""
    try:
        assert _again(octets) == octets
    except ProofError:
        return


def _again(octets: bytes) -> bytes:
    reader = der.Reader(octets, "test")
    parts = []
    while reader.tag is not None:
        found = reader.take()
        inner = _again(found.content) if found.tag & 0x20 else found.content
        parts.append(tlv(found.tag, inner))
    return b"".join(parts)
