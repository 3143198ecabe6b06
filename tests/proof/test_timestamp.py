"""Tokens: whatever is done to a good one, the report says so, and nothing else comes out.

What single faults give which code is in tests/vectors/timestamp (tests/stations/
test_fix_vectors.py runs them all). Here are changes of each byte, and fuzzing.
"""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import der, timestamp, verify
from guzheng.proof.digest import Digest, sha256, sm3
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.policy import Trust
from guzheng.proof.report import Outcome
from tests.proof.tokens import Pair, pair, signed_part, tlv
from tests.strategies import DIGESTS, altered

# As the verifier runs: a serial number that a strict library warns of is judged all the same.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# Every bit alone, all bits, half of them, and the one that turns capitals into small letters.
PATTERNS = (1, 2, 4, 8, 16, 32, 64, 128, 0xFF, 0x0F)
KINDS = (
    "good-p256",
    "good-rsa3072",
    "good-sha384",
    "good-sha512",
    "bare-token",
    "intermediate",
)


def outcomes_of_flips(
    good: Pair, start: int, step: int, *, all_of_them: bool
) -> dict[tuple[int, int], Outcome]:
    found = {}
    for at in range(start, len(good.token), step):
        for bits in PATTERNS if all_of_them else (1 << (at // step) % 8, 0xFF):
            token = bytearray(good.token)
            token[at] ^= bits
            found[at, bits] = good.report(bytes(token)).outcome
    return found


def excepted(good: Pair) -> set[tuple[int, int]]:
    """What nobody signs, and what means the same in two spellings that are both allowed.

    The status: 0 and 1 are both a grant (RFC 3161 §2.4.2). Nothing else.
    """
    granted = bytes.fromhex("3003020100")
    at = good.token.find(granted, 0, 16)
    return {(at + len(granted) - 1, 1)} if at > 0 else set()


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("patterns", ["two", pytest.param("all", marks=pytest.mark.soak)])
def test_no_byte_can_be_flipped_unseen(name: str, quarter: int, patterns: str) -> None:
    """Each byte in two ways: one bit of it, another one from byte to byte, and all of them."""
    good = pair(name)
    found = outcomes_of_flips(good, quarter, 4, all_of_them=patterns == "all")
    passed = {flip for flip, outcome in found.items() if outcome is Outcome.PASSED}
    assert passed <= excepted(good)


@pytest.mark.parametrize("name", KINDS)
def test_no_token_can_be_cut_or_lengthened_unseen(name: str) -> None:
    good = pair(name)
    for size in range(len(good.token)):
        assert good.report(good.token[:size]).outcome is Outcome.FAILED
    for after in (b"\0", b"\n", good.token):
        assert good.report(good.token + after).outcome is Outcome.FAILED


def outcome_of(read: Callable[[bytes], timestamp.TimestampToken], octets: bytes) -> object:
    try:
        return read(octets)
    except ProofError as error:
        return str(error)


@pytest.mark.parametrize("name", KINDS)
def test_tokens_seen_before_do_not_change_how_one_reads(name: str) -> None:
    """A token that is like one read before gives what it gives to a reader without memory."""
    good = pair(name).token
    timestamp.forget()
    seen = timestamp._Seen(good, timestamp.parse(good))
    alike = 0
    for at in range(len(good)):
        for bits in (1, 0x20, 0x80):
            octets = bytearray(good)
            octets[at] ^= bits
            found = outcome_of(timestamp.parse, bytes(octets))
            assert found == outcome_of(timestamp._parse_whole, bytes(octets))
            alike += outcome_of(seen.read, bytes(octets)) is not None  # type: ignore[arg-type]
    # Only these contents may differ: of imprint, serial, time, nonce, digest and signature.
    slots = timestamp._slots(good).in_order()
    assert alike == 3 * sum(slot.end - slot.content for slot in slots)


@given(st.data())
def test_tokens_near_one_seen_before(data: st.DataObject) -> None:
    good = pair(data.draw(st.sampled_from(KINDS)))
    assert outcome_of(timestamp.parse, good.token) == timestamp._parse_whole(good.token)
    for octets in (data.draw(altered(good.token)), _with_one_replaced(good.token, data)):
        found = outcome_of(timestamp.parse, octets)
        assert found == outcome_of(timestamp._parse_whole, octets)


@given(st.data())
def test_tokens_near_a_good_one(data: st.DataObject) -> None:
    good = pair(data.draw(st.sampled_from(KINDS)))
    token = data.draw(altered(good.token))
    if good.report(token).outcome is Outcome.PASSED:
        assert signed_part(token) == signed_part(good.token)
    _read_all(token)


@given(st.binary())
def test_any_octets(octets: bytes) -> None:
    _read_all(octets)


def _read_all(octets: bytes) -> None:
    """Only the family's own error may come out of any door."""
    try:
        token = timestamp.parse(octets)
        timestamp.require_imprint(token, bytes(32))
    except ProofError:
        return


@given(st.data())
def test_elements_near_a_good_token(data: st.DataObject) -> None:
    """Structure kept, one element replaced: what byte flips hardly reach."""
    good = pair(data.draw(st.sampled_from(KINDS)))
    token = _with_one_replaced(good.token, data)
    if good.report(token).outcome is Outcome.PASSED:  # an algorithm announced twice, say
        assert signed_part(token) == signed_part(good.token)


_OTHERS = st.sampled_from(
    [
        b"",
        b"\x05\x00",
        b"\x30\x00",
        b"\x31\x00",
        b"\x02\x01\x00",
        b"\x02\x01\xff",
        b"\x01\x01\xff",
        b"\x04\x00",
        tlv(2, b"\x01" * 64),
        tlv(0x80, b"\x7f" * 3000),
        tlv(0x18, b"99991231235959Z"),
        tlv(6, b"\x2a\x03"),
        tlv(0xA0),
        tlv(0xA1),
    ]
)


def _with_one_replaced(octets: bytes, data: st.DataObject) -> bytes:
    """One element, at any depth, replaced, doubled, removed or moved to the end."""
    reader, found = der.Reader(octets, "token"), []
    while reader.tag is not None:
        found.append(reader.take())
    at = data.draw(st.integers(0, len(found) - 1))
    one = found[at]
    parts = [element.encoded for element in found]
    is_inside = one.tag & 0x20 and one.content and data.draw(st.integers(0, 3))
    if is_inside:
        parts[at] = tlv(one.tag, _with_one_replaced(one.content, data))
        return b"".join(parts)
    match data.draw(st.sampled_from(["replace", "double", "remove", "last", "tag"])):
        case "replace":
            parts[at] = data.draw(_OTHERS)
        case "double":
            parts.insert(at, one.encoded)
        case "remove":
            del parts[at]
        case "last":
            parts.append(parts.pop(at))
        case _:
            parts[at] = tlv(data.draw(st.integers(0, 0xFE)), one.content)
    return b"".join(parts)


# ---- what a hostile authority could write: signed by itself, so no flip of ours reaches it


def tst_info(**changed: bytes) -> bytes:
    """A TSTInfo, element by element."""
    fields = {
        "version": b"\x02\x01\x01",
        "policy": tlv(6, b"\x2a\x03"),
        "imprint": tlv(0x30, bytes.fromhex("300b0609608648016503040201"), tlv(4, bytes(32))),
        "serial": b"\x02\x01\x01",
        "time": tlv(0x18, b"20261121120000Z"),
        "accuracy": b"",
    }
    return tlv(0x30, *{**fields, **changed}.values())


def token_of(content: bytes) -> bytes:
    """A ContentInfo whose signature is worthless: what is inside is read all the same."""
    sha = bytes.fromhex("300b0609608648016503040201")
    kind = bytes.fromhex("060b2a864886f70d0109100104")
    signer = tlv(
        0x30,
        b"\x02\x01\x01",
        tlv(0x30, tlv(0x30), b"\x02\x01\x01"),
        sha,
        tlv(0xA0, tlv(0x30, bytes.fromhex("06092a864886f70d010903"), tlv(0x31, kind))),
        bytes.fromhex("300a06082a8648ce3d040302"),
        tlv(4, b"signature"),
    )
    signed = tlv(
        0x30,
        b"\x02\x01\x03",
        tlv(0x31, sha),
        tlv(0x30, kind, tlv(0xA0, tlv(4, content))),
        tlv(0x31, signer),
    )
    return tlv(0x30, bytes.fromhex("06092a864886f70d010702"), tlv(0xA0, signed))


def test_the_worthless_token_is_read() -> None:
    token = timestamp.parse(token_of(tst_info()))
    assert (token.serial, token.policy, token.accuracy) == (1, "1.2.3", None)


@pytest.mark.parametrize(
    ("field", "octets"),
    [
        ("accuracy", tlv(0x30, tlv(0x80, b"\x01" * 4000))),  # more digits than Python prints
        ("accuracy", tlv(0x30, tlv(0x80, b"\x00\x01"))),
        ("accuracy", tlv(0x30, tlv(0x80, b""))),
        ("accuracy", tlv(0x30, tlv(0x80, b"\x00"))),
        ("accuracy", tlv(0x30, tlv(0x81, b"\x03\xe8"))),
        ("accuracy", tlv(0x30, tlv(0x80, b"\xff"))),
        ("accuracy", tlv(0x30, tlv(0x81, b"\x01"), tlv(0x80, b"\x01"))),
        ("accuracy", tlv(0x30, tlv(2, b"\xff"))),
        ("accuracy", tlv(0x30, tlv(2, b"\x01\x51\x81"))),  # a day and a second
        ("time", tlv(0x18, b"99991231235959Z")),
        ("time", tlv(0x18, b"00010101000000Z")),
        ("serial", tlv(2, b"\x01" * 65)),
        ("version", b"\x02\x01\x02"),
        ("policy", tlv(6, b"\x80\x01")),
        ("imprint", tlv(0x30, bytes.fromhex("300b0609608648016503040201"), tlv(4, bytes(31)))),
    ],
)
def test_fields_out_of_bounds_are_refused(field: str, octets: bytes) -> None:
    with pytest.raises(ProofError):
        timestamp.parse(token_of(tst_info(**{field: octets})))


@pytest.mark.parametrize(
    ("octets", "accuracy"),
    [
        (tlv(0x30), timedelta()),
        (tlv(0x30, tlv(2, b"\x01")), timedelta(seconds=1)),
        (tlv(0x30, tlv(0x80, b"\x03\xe7")), timedelta(milliseconds=999)),
        (tlv(0x30, tlv(0x80, b"\x00\x80")), timedelta(milliseconds=128)),
        (tlv(0x30, tlv(0x81, b"\x01")), timedelta(microseconds=1)),
        (tlv(0x30, tlv(2, b"\x01\x51\x80")), timedelta(days=1)),
    ],
)
def test_accuracy(octets: bytes, accuracy: timedelta) -> None:
    assert timestamp.parse(token_of(tst_info(accuracy=octets))).accuracy == accuracy


@pytest.mark.parametrize(
    "status",
    [
        b"\x02\x01\x02",
        b"\x02\x01\x00\x05\x00",
        b"\x02\x01\x00\x03\x02\x05\xa0",  # granted, and yet a failure is told
        b"\x02\x01\x00\x30\x02\x04\x00",
        b"\x02\x02\x00\x00",
        b"",
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(status: bytes) -> None:
    bare = pair("bare-token").token
    with pytest.raises(ProofError):
        timestamp.parse(tlv(0x30, tlv(0x30, status), bare))


def test_an_answer_may_say_something_to_people() -> None:
    text = tlv(0x30, tlv(0x0C, "已签发".encode()))
    bare = pair("bare-token")
    answer = tlv(0x30, tlv(0x30, b"\x02\x01\x01", text), bare.token)
    assert bare.report(answer).outcome is Outcome.PASSED


def test_a_large_file_is_not_even_read() -> None:
    with pytest.raises(Malformed) as refusal:
        timestamp.parse(b"\x30\x84\x7f\xff\xff\xff" + bytes(100_000))
    assert refusal.value.code == "timestamp.too-large"


# ---- reports on a file and its token


def test_another_file_fails_and_the_rest_still_passes() -> None:
    good = pair("good-p256")
    report = verify.verify_file({"sha256": bytes(32)}, good.token, good.trust)
    found = {one.step: (one.outcome, one.code) for one in report.findings}
    assert found["token.imprint"] == (Outcome.FAILED, "timestamp.imprint-differs")
    assert found["token.signature"][0] is found["token.trust"][0] is Outcome.PASSED
    assert report.outcome is Outcome.FAILED


def test_without_the_right_hash_nothing_is_claimed() -> None:
    good = pair("good-p256")
    assert verify.verify_file({}, good.token, good.trust).outcome is Outcome.NOT_CHECKED


@pytest.mark.parametrize(
    ("trust", "code"), [(Trust(None), "trust.no-roots"), (Trust(()), "chain.unknown-root")]
)
def test_without_roots_nothing_is_believed(trust: Trust, code: str) -> None:
    report = dataclasses.replace(pair("good-p256"), trust=trust).report()
    assert report.outcome is Outcome.NOT_CHECKED
    assert {one.code for one in report.of(Outcome.NOT_CHECKED)} == {code}


# ---- requests


@given(DIGESTS, st.integers(0, 2**64 - 1), st.booleans())
def test_a_request_is_der(digest: Digest, nonce: int, cert_req: bool) -> None:
    octets = timestamp.encode_request(digest, nonce, cert_req=cert_req)
    reader = der.parse(octets, der.SEQUENCE, "TimeStampReq").reader("TimeStampReq")
    assert der.integer(reader.take(der.INTEGER)) == 1
    imprint = reader.take(der.SEQUENCE).reader("MessageImprint")
    imprint.take(der.SEQUENCE)
    assert imprint.take(der.OCTET_STRING).content == digest.value
    assert der.integer(reader.take(der.INTEGER)) == nonce
    assert (reader.optional(der.BOOLEAN) is not None) == cert_req
    reader.end()


@pytest.mark.parametrize("nonce", [-1, 2**64])
def test_a_request_out_of_bounds(nonce: int) -> None:
    for digest in (sha256(b""), sm3(b"")):
        with pytest.raises(Malformed) as refusal:
            timestamp.encode_request(digest, nonce)
        assert refusal.value.code == "timestamp.request"
