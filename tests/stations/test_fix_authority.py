"""Our own authority, judged by readers nobody here wrote, asked by those who ask wrongly."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from guzheng.fix import (
    LOCAL_POLICY_OID,
    MEASURED_POLICY_OID,
    LocalAuthority,
    Reading,
    der,
    random_serials,
    signing_key_of,
    unverified,
)
from guzheng.fix.request import MAX_NONCE_OCTETS, Failure
from guzheng.fix.tokens import accuracy
from guzheng.proof import timestamp
from guzheng.proof.digest import sha256
from guzheng.refusals import Refused, Unavailable
from tests.stations.timestamps import (
    FILE,
    NOON,
    Answer,
    Issuer,
    issuer,
    openssl,
    openssl_request,
    openssl_verdict,
    pyhanko_accepts,
    rfc3161_client_accepts,
)

SHA256_NULL = bytes.fromhex("300d06096086480165030402010500")
GOOD = timestamp.encode_request(sha256(FILE), 0x1234_5678_9ABC)


@pytest.fixture(scope="module", params=["P-256", "RSA-3072"])
def by(request: pytest.FixtureRequest) -> Issuer:
    return issuer(str(request.param))


@pytest.fixture(scope="module")
def authority() -> LocalAuthority:
    return issuer().authority()


def asn1(response_der: bytes) -> tsp.TSTInfo:
    token = Answer.load(response_der, strict=True)["time_stamp_token"]
    return token["content"]["encap_content_info"]["content"].parsed


def failure_of(response_der: bytes) -> Failure:
    status = Answer.load(response_der, strict=True)["status"]
    assert status["status"].native == "rejection"
    bits = status["fail_info"].native
    names = {
        "bad_alg": Failure.BAD_ALG,
        "bad_request": Failure.BAD_REQUEST,
        "bad_data_format": Failure.BAD_DATA_FORMAT,
        "time_not_available": Failure.TIME_NOT_AVAILABLE,
        "unaccepted_policy": Failure.UNACCEPTED_POLICY,
        "unaccepted_extensions": Failure.UNACCEPTED_EXTENSION,
        "system_failure": Failure.SYSTEM_FAILURE,
    }
    (one,) = bits
    return names[one]


# ---------------------------------------------------------------- what others say of our tokens


@pytest.mark.oracle("openssl")
@pytest.mark.parametrize("algorithm", ["-sha256", "-sha384", "-sha512"])
def test_openssl_accepts(by: Issuer, algorithm: str, tmp_path: Path) -> None:
    asked = openssl_request(tmp_path, algorithm, "-cert")
    given_back = by.authority().respond(asked)
    assert openssl_verdict(tmp_path, given_back, by) == "Verification: OK"
    same_question = openssl(
        *("ts", "-verify", "-queryfile", "file.tsq", "-in", "file.tsa"),
        *("-CAfile", "roots.pem", "-attime", str(int(NOON.timestamp()) + 9)),
        cwd=tmp_path,
    )
    assert same_question.stdout == "Verification: OK\n", same_question.stderr
    assert "FAILED" in openssl_verdict(tmp_path, given_back, by, octets=b"another file")


@pytest.mark.oracle("openssl")
def test_openssl_accepts_without_the_certificate_inside(by: Issuer, tmp_path: Path) -> None:
    given_back = by.authority().respond(openssl_request(tmp_path, "-sha256", "-no_nonce"))
    assert by.tsa_der not in given_back
    verdict = openssl_verdict(tmp_path, given_back, by, "-untrusted", "tsa.pem")
    assert verdict == "Verification: OK"
    assert "FAILED" in openssl_verdict(tmp_path, given_back, by)


def test_rfc3161_client_accepts(by: Issuer) -> None:
    assert rfc3161_client_accepts(by.authority().respond(GOOD), by)
    without = timestamp.encode_request(sha256(FILE), 1, cert_req=False)
    assert rfc3161_client_accepts(by.authority().respond(without), by, without_certificate=True)


def test_pyhanko_accepts(by: Issuer) -> None:
    hashes = [("sha256", hashlib.sha256(FILE).digest())]
    assert pyhanko_accepts(by.authority().respond(GOOD), by, hashes)
    assert not pyhanko_accepts(by.authority().respond(GOOD), by, [("sha256", bytes(32))])


def test_our_own_verifier_accepts(by: Issuer) -> None:
    token = timestamp.parse(by.authority().respond(GOOD))
    timestamp.require_imprint(token, sha256(FILE).value)
    timestamp.require_nonce(token, 0x1234_5678_9ABC)
    signer = timestamp.require_signature(token)
    timestamp.require_trusted(token, signer, (by.root,))
    assert signer == by.tsa


# -------------------------------------------------------------------------- what is in a token


def test_a_token_says_what_was_asked_when_and_under_what(by: Issuer) -> None:
    said = asn1(by.authority(accuracy=timedelta(milliseconds=1500)).respond(GOOD))
    assert said["version"].native == "v1"
    assert said["policy"].native == LOCAL_POLICY_OID
    assert said["message_imprint"]["hashed_message"].native == sha256(FILE).value
    assert said["nonce"].native == 0x1234_5678_9ABC
    assert said["gen_time"].native == NOON
    assert said["accuracy"]["seconds"].native == 1
    assert said["accuracy"]["millis"].native == 500
    assert said["accuracy"]["micros"].native is None
    assert b"\x01\x01\x00" not in said.dump()  # ordering: its default is left out
    assert said["tsa"].native is None


@pytest.mark.parametrize(
    ("at", "spelled"),
    [
        (NOON, b"\x18\x1220261121120000.12Z"),
        (NOON.replace(microsecond=0), b"\x18\x0f20261121120000Z"),
        (NOON.replace(microsecond=999_999), b"\x18\x1320261121120000.999Z"),
        (NOON.replace(microsecond=999), b"\x18\x0f20261121120000Z"),
        (NOON.replace(second=50, microsecond=5_000), b"\x18\x1320261121120050.005Z"),
    ],
)
def test_a_time_is_rounded_down_and_spelled_as_der_wants(at: datetime, spelled: bytes) -> None:
    assert der.generalized_time(at) == spelled


def test_a_time_of_another_zone_is_told_in_utc() -> None:
    there = NOON.astimezone(tz=ZoneInfo("Asia/Shanghai"))
    assert der.generalized_time(there) == der.generalized_time(NOON)


@pytest.mark.parametrize(
    ("deviation", "encoded"),
    [
        (timedelta(seconds=1), "3003020101"),
        (timedelta(milliseconds=1), "3003800101"),
        (timedelta(milliseconds=300), "30048002012c"),
        (timedelta(seconds=2, milliseconds=200, microseconds=7), "300a020102800200c8810107"),
    ],
)
def test_an_accuracy_leaves_out_what_is_zero(deviation: timedelta, encoded: str) -> None:
    assert accuracy(deviation).hex() == encoded


def test_no_two_tokens_share_a_serial(authority: LocalAuthority) -> None:
    serials = {asn1(authority.respond(GOOD))["serial_number"].native for _ in range(200)}
    assert len(serials) == 200
    assert all(1 << 128 <= one < 1 << 129 for one in serials)


def test_all_of_a_token_is_der(by: Issuer) -> None:
    """Written anew by a library that knows the order of sets, it is the same octets."""
    response_der = by.authority().respond(GOOD)
    response = Answer.load(response_der, strict=True)
    (signer,) = response["time_stamp_token"]["content"]["signer_infos"]
    assert response.copy().dump(force=True) == response_der
    attributes = signer["signed_attrs"]
    assert attributes.copy().dump(force=True) == attributes.dump()
    assert [one["type"].native for one in attributes] == [
        "content_type",
        "message_digest",
        "signing_certificate_v2",
    ]
    (named,) = attributes[2]["values"][0]["certs"]
    assert named["cert_hash"].native == hashlib.sha256(by.tsa_der).digest()
    assert len(named.contents) == 34  # SHA-256 is the default and is left out


def test_intermediates_come_with_the_certificate_in_der_order() -> None:
    one, other = issuer(), issuer()
    authority = LocalAuthority(
        signing_key_of(one.tsa_key),
        one.tsa_der,
        [other.tsa_der],
        clock=unverified(lambda: NOON),
        serial=random_serials(os.urandom),
    )
    token = timestamp.parse(authority.respond(GOOD))
    assert token.signed.certificates == tuple(sorted([one.tsa_der, other.tsa_der]))


# ------------------------------------------------------------------------------ who is refused


def asked(
    *,
    version: bytes = b"\x02\x01\x01",
    imprint: bytes = der.sequence(SHA256_NULL, der.octet_string(bytes(32))),
    rest: bytes = b"",
) -> bytes:
    return der.sequence(version, imprint, rest)


def imprint_of(algorithm: bytes, octets: int) -> bytes:
    return der.sequence(algorithm, der.octet_string(bytes(octets)))


SHA1 = der.sequence(der.object_identifier("1.3.14.3.2.26"), der.NULL)
SM3 = der.sequence(der.object_identifier("1.2.156.10197.1.401"), der.NULL)
POLICY = der.object_identifier("1.2.3.4")
OURS = der.object_identifier(LOCAL_POLICY_OID)
EXTENSION = der.explicit(0, der.sequence(POLICY, der.octet_string(b"")))
CRITICAL = der.explicit(0, der.sequence(POLICY, der.BOOLEAN_TRUE, der.octet_string(b"")))

REFUSED = {
    "nothing": (b"", Failure.BAD_DATA_FORMAT),
    "one octet": (b"\x30", Failure.BAD_DATA_FORMAT),
    "empty": (der.sequence(), Failure.BAD_DATA_FORMAT),
    "a set": (b"\x31" + asked()[1:], Failure.BAD_DATA_FORMAT),
    "trailing octet": (asked() + b"\x00", Failure.BAD_DATA_FORMAT),
    "cut short": (asked()[:-1], Failure.BAD_DATA_FORMAT),
    "long form for a short length": (
        b"\x30\x81" + asked()[1:],
        Failure.BAD_DATA_FORMAT,
    ),
    "indefinite length": (b"\x30\x80" + asked()[2:] + b"\0\0", Failure.BAD_DATA_FORMAT),
    "huge length": (b"\x30\x84\xff\xff\xff\xff", Failure.BAD_DATA_FORMAT),
    "too large": (asked(rest=bytes(5000)), Failure.BAD_DATA_FORMAT),
    "version 2": (asked(version=b"\x02\x01\x02"), Failure.BAD_REQUEST),
    "version in two octets": (asked(version=b"\x02\x02\x00\x01"), Failure.BAD_REQUEST),
    "no version": (asked(version=b""), Failure.BAD_DATA_FORMAT),
    "no imprint": (asked(imprint=b""), Failure.BAD_DATA_FORMAT),
    "sha1": (asked(imprint=imprint_of(SHA1, 20)), Failure.BAD_ALG),
    "sm3, which is for SM2 keys": (
        asked(imprint=imprint_of(SM3, 32)),
        Failure.BAD_ALG,
    ),
    "sha256 with other parameters": (
        asked(imprint=imprint_of(SHA256_NULL[:-2] + b"\x02\x00", 32)),
        Failure.BAD_ALG,
    ),
    "sha256 of 31 octets": (
        asked(imprint=imprint_of(SHA256_NULL, 31)),
        Failure.BAD_DATA_FORMAT,
    ),
    "sha256 of 48 octets": (
        asked(imprint=imprint_of(SHA256_NULL, 48)),
        Failure.BAD_DATA_FORMAT,
    ),
    "imprint with a third field": (
        asked(imprint=der.sequence(SHA256_NULL, der.octet_string(bytes(32)), der.NULL)),
        Failure.BAD_DATA_FORMAT,
    ),
    "imprint without a hash": (
        asked(imprint=der.sequence(SHA256_NULL)),
        Failure.BAD_DATA_FORMAT,
    ),
    "another policy": (asked(rest=POLICY), Failure.UNACCEPTED_POLICY),
    "an extension": (asked(rest=EXTENSION), Failure.UNACCEPTED_EXTENSION),
    "a critical extension": (asked(rest=CRITICAL), Failure.UNACCEPTED_EXTENSION),
    "empty nonce": (asked(rest=b"\x02\x00"), Failure.BAD_DATA_FORMAT),
    "nonce with a needless octet": (
        asked(rest=b"\x02\x02\x00\x7f"),
        Failure.BAD_DATA_FORMAT,
    ),
    "negative nonce with a needless octet": (
        asked(rest=b"\x02\x02\xff\x80"),
        Failure.BAD_DATA_FORMAT,
    ),
    "endless nonce": (
        asked(rest=der.integer(1 << 8 * MAX_NONCE_OCTETS)),
        Failure.BAD_DATA_FORMAT,
    ),
    "certReq written out as FALSE": (asked(rest=b"\x01\x01\x00"), Failure.BAD_DATA_FORMAT),
    "certReq TRUE as 01": (asked(rest=b"\x01\x01\x01"), Failure.BAD_DATA_FORMAT),
    "nonce after certReq": (
        asked(rest=der.BOOLEAN_TRUE + der.integer(1)),
        Failure.BAD_DATA_FORMAT,
    ),
    "two nonces": (asked(rest=der.integer(1) * 2), Failure.BAD_DATA_FORMAT),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_question_is_answered_with_its_failure(
    authority: LocalAuthority, case: str
) -> None:
    request_der, failure = REFUSED[case]
    assert failure_of(authority.respond(request_der)) == failure


@pytest.mark.parametrize(
    "rest",
    [b"", der.integer(0), der.integer(-1), der.integer(1 << 159), OURS, der.BOOLEAN_TRUE],
)
def test_a_right_question_is_granted_and_its_nonce_echoed(
    authority: LocalAuthority, rest: bytes
) -> None:
    said = asn1(authority.respond(asked(rest=rest)))
    if rest[:1] == b"\x02":
        assert said.dump().endswith(rest)
    else:
        assert said["nonce"].native is None


def test_parameters_may_be_absent(authority: LocalAuthority) -> None:
    imprint = der.sequence(der.sequence(SHA256_NULL[2:-2]), der.octet_string(bytes(32)))
    assert imprint in authority.respond(asked(imprint=imprint))


@given(st.binary(max_size=300))
def test_any_octets_get_an_answer(octets: bytes) -> None:
    response = Answer.load(AUTHORITY.respond(octets), strict=True)
    assert response["status"]["status"].native == "rejection"


@st.composite
def nearly_right(draw: st.DrawFn) -> bytes:
    """A good request with a few octets changed, dropped or doubled."""
    octets = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(octets) - 1))
        match draw(st.sampled_from(["change", "drop", "double"])):
            case "change":
                octets[at] = draw(st.integers(0, 255))
            case "drop":
                del octets[at]
            case _:
                octets.insert(at, octets[at])
    return bytes(octets)


@given(nearly_right())
def test_nearly_right_questions_get_an_answer_that_can_be_read(octets: bytes) -> None:
    response_der = AUTHORITY.respond(octets)
    response = Answer.load(response_der, strict=True)
    if response["status"]["status"].native == "granted":
        token = timestamp.parse(response_der)
        assert token.imprint in octets
        assert der.octet_string(token.imprint) in octets
    else:
        failure_of(response_der)


AUTHORITY = issuer().authority()


@pytest.mark.oracle("openssl")
def test_openssl_reads_rejections(tmp_path: Path) -> None:
    (tmp_path / "empty.cnf").write_bytes(b"")
    for number, (request_der, failure) in enumerate(REFUSED.values()):
        (tmp_path / f"{number}").write_bytes(AUTHORITY.respond(request_der))
        shown = openssl(
            *("ts", "-config", "empty.cnf", "-reply", "-in", f"{number}", "-text"), cwd=tmp_path
        )
        assert "Status: Rejected." in shown.stdout, (failure, shown.stderr)
        assert "Failure info: unspecified" not in shown.stdout


# --------------------------------------------------------------- what it does when it must not


def broken(
    by: Issuer,
    *,
    now: Callable[[], datetime] = lambda: NOON,
    sign: Callable[[bytes], bytes] | None = None,
) -> LocalAuthority:
    key = signing_key_of(by.tsa_key)
    return LocalAuthority(
        replace(key, sign=sign) if sign else key,
        by.tsa_der,
        clock=unverified(now),
        serial=random_serials(os.urandom),
    )


def test_without_a_clock_or_a_key_nothing_is_granted(by: Issuer) -> None:
    def absent(*_: object) -> bytes:
        raise Unavailable("hardware.absent")

    def lost() -> datetime:
        raise Unavailable("clock.unsynchronised")

    assert failure_of(broken(by, now=lost).respond(GOOD)) == Failure.TIME_NOT_AVAILABLE
    assert failure_of(broken(by, sign=absent).respond(GOOD)) == Failure.SYSTEM_FAILURE


def with_clock(by: Issuer, reading: Reading) -> LocalAuthority:
    return LocalAuthority(
        signing_key_of(by.tsa_key),
        by.tsa_der,
        clock=lambda: reading,
        serial=random_serials(os.urandom),
    )


def test_a_turn_has_one_reading_and_a_slow_key_turns_of_one(by: Issuer) -> None:
    """Each reading is made when its questions are here, and before any of them is signed."""
    done: list[str] = []
    key = signing_key_of(by.tsa_key)

    def now() -> datetime:
        done.append("read")
        return NOON + timedelta(seconds=done.count("read"))

    def sign(message: bytes) -> bytes:
        done.append("signed")
        return key.sign(message)

    questions = [(b"no question", "own") if at % 7 == 3 else (GOOD, "own") for at in range(140)]
    answers = broken(by, now=now, sign=sign).issue_all(questions)
    turn = 64 if isinstance(by.tsa_key, ec.EllipticCurvePrivateKey) else 1
    turns = [questions[at : at + turn] for at in range(0, 140, turn)]
    asked = [sum(question == GOOD for question, _ in one) for one in turns]
    expected = [["read", *["signed"] * count] for count in asked if count]
    assert done == [one for turn in expected for one in turn]
    for at, answer in enumerate(answers):
        if at % 7 == 3:
            assert failure_of(answer.response_der) == Failure.BAD_DATA_FORMAT
        else:
            read = 1 + sum(one > 0 for one in asked[: at // turn])
            token = timestamp.parse(answer.response_der)
            assert token.attested_at == NOON + timedelta(seconds=read)


def policy_query(oid: str) -> bytes:
    return timestamp.encode_request(sha256(FILE), 1, policy_der=der.object_identifier(oid))


def test_the_policy_says_whether_the_clock_was_compared_with_others(by: Issuer) -> None:
    measured = with_clock(by, Reading(NOON, timedelta(milliseconds=7), True, "ntp.example"))
    alone = by.authority()
    token = timestamp.parse(measured.respond(GOOD))
    assert (token.policy, token.accuracy) == (MEASURED_POLICY_OID, timedelta(milliseconds=7))
    assert timestamp.parse(alone.respond(GOOD)).policy == LOCAL_POLICY_OID
    for authority, granted, denied in (
        (measured, MEASURED_POLICY_OID, LOCAL_POLICY_OID),
        (alone, LOCAL_POLICY_OID, MEASURED_POLICY_OID),
    ):
        assert timestamp.parse(authority.respond(policy_query(granted))).policy == granted
        assert failure_of(authority.respond(policy_query(denied))) == Failure.UNACCEPTED_POLICY


def test_outside_its_certificate_nothing_is_granted(by: Issuer) -> None:
    first, last = by.tsa.not_valid_before_utc, by.tsa.not_valid_after_utc
    for at in (first, last):
        timestamp.parse(by.authority(at=at).respond(GOOD))
    for at in (first - timedelta(microseconds=1), last + timedelta(microseconds=1)):
        assert failure_of(by.authority(at=at).respond(GOOD)) == Failure.SYSTEM_FAILURE


def test_an_unsuited_certificate_or_key_is_refused() -> None:
    one, other = issuer(), issuer()
    root_der = one.root.public_bytes(Encoding.DER)
    for certificate_der in (other.tsa_der, root_der):
        with pytest.raises(Refused) as refusal:
            LocalAuthority(
                signing_key_of(one.tsa_key),
                certificate_der,
                clock=unverified(lambda: NOON),
                serial=random_serials(os.urandom),
            )
        assert refusal.value.code == "fix.certificate-unsuited"
    weak = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for private_key in (weak, ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(Refused) as refusal:
            signing_key_of(private_key)
        assert refusal.value.code == "fix.key-unsuited"


def test_a_clock_in_another_zone_is_as_good(by: Issuer) -> None:
    there = broken(by, now=lambda: NOON.astimezone(ZoneInfo("Asia/Shanghai")))
    assert timestamp.parse(there.respond(GOOD)).attested_at == NOON.astimezone(UTC)


def test_nothing_secret_is_shown(by: Issuer) -> None:
    assert repr(by.authority()) == (
        "LocalAuthority('固证本地时间戳机构 Guzheng local TSA', "
        f"policy_oids={(LOCAL_POLICY_OID, MEASURED_POLICY_OID)!r})"
    )
    assert "sign=" not in repr(signing_key_of(by.tsa_key))
