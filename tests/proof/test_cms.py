"""Signed data: one signer, and no field that anybody could change unseen."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import cms, der
from guzheng.proof.errors import ProofError
from tests.proof.tokens import pair, tlv
from tests.strategies import altered

TOKEN = pair("bare-token").token
SIGNED = cms.parse(TOKEN)
CONTENT_DIGEST = hashlib.new(SIGNED.digest_name, SIGNED.content or b"").digest()
SHA256 = bytes.fromhex("300b0609608648016503040201")
SHA1 = bytes.fromhex("300706052b0e03021a")


def code_of(octets: bytes) -> str:
    with pytest.raises(ProofError) as refusal:
        cms.require_signature(cms.parse(octets), CONTENT_DIGEST)
    return refusal.value.code


def pieces() -> tuple[list[bytes], list[bytes]]:
    """The elements of SignedData, and those of its SignerInfo."""
    info = der.parse(TOKEN, der.SEQUENCE, "token").reader("token")
    info.take(der.OID)
    signed = info.take(der.context(0)).reader("[0]").take(der.SEQUENCE).reader("SignedData")
    outer = []
    while signed.tag is not None:
        outer.append(signed.take())
    signer = outer[-1].reader("signers").take(der.SEQUENCE).reader("SignerInfo")
    inner = []
    while signer.tag is not None:
        inner.append(signer.take().encoded)
    return [one.encoded for one in outer], inner


def rebuilt(outer: list[bytes], *signers: list[bytes]) -> bytes:
    whole = [*outer[:-1], tlv(0x31, *(tlv(0x30, *one) for one in signers))]
    return tlv(0x30, bytes.fromhex("06092a864886f70d010702"), tlv(0xA0, tlv(0x30, *whole)))


OUTER, SIGNER = pieces()  # version, digests, content, certificates, signers


def changed(
    outer: dict[int, bytes] | None = None, signer: dict[int, bytes] | None = None
) -> bytes:
    return rebuilt(
        [(outer or {}).get(at, one) for at, one in enumerate(OUTER)],
        [(signer or {}).get(at, one) for at, one in enumerate(SIGNER)],
    )


def test_the_pieces_make_the_whole() -> None:
    assert rebuilt(OUTER, SIGNER) == TOKEN
    cms.require_signature(SIGNED, CONTENT_DIGEST)


@pytest.mark.parametrize("count", [0, 2])
def test_one_signer_and_no_other(count: int) -> None:
    assert code_of(rebuilt(OUTER, *[SIGNER] * count)) == "cms.one-signer"


@pytest.mark.parametrize("version", [0, 1, 2, 4, 5])
def test_versions_nobody_signs_are_those_that_the_content_implies(version: int) -> None:
    number = tlv(2, bytes([version]))
    assert code_of(changed({0: number})) == "cms.version"
    if version != 1:
        assert code_of(changed(signer={0: number})) == "cms.version"


@pytest.mark.parametrize("announced", [b"", SHA1, SHA256[:-1] + b"\x02"])
def test_the_digest_is_announced(announced: bytes) -> None:
    assert code_of(changed({1: tlv(0x31, announced)})) in {
        "cms.digest-not-announced",
        "cms.digest-not-accepted",
    }


def test_the_signer_is_named_as_in_his_certificate() -> None:
    serial = der.parse(SIGNER[1], der.SEQUENCE, "sid").content[:-1] + b"\x00"
    key = tlv(0x80, bytes(20))
    assert code_of(changed(signer={1: tlv(0x30, serial)})) == "cms.signer-differs"
    assert (
        code_of(changed({0: tlv(2, b"\3")}, {0: tlv(2, b"\3"), 1: key})) == "cms.signer-differs"
    )


@pytest.mark.parametrize("algorithm", [SHA1, bytes.fromhex("300c06082a864886f70d02050500")])
def test_digests_that_are_broken_are_refused(algorithm: bytes) -> None:
    assert code_of(changed(signer={2: algorithm})) == "cms.digest-not-accepted"


@pytest.mark.parametrize("after", [b"\x05\x01\x00", b"\x30\x00", b"\x05\x00\x05\x00"])
def test_parameters_hold_nothing(after: bytes) -> None:
    digest = tlv(0x30, SHA256[2:], after)
    signature = tlv(0x30, bytes.fromhex("06082a8648ce3d040302"), after)
    assert code_of(changed(signer={2: digest})) == "der.malformed"
    assert code_of(changed(signer={4: signature})) == "der.malformed"


def test_a_null_is_a_spelling_that_is_allowed() -> None:
    digest = tlv(0x30, SHA256[2:], b"\x05\x00")
    cms.require_signature(cms.parse(changed(signer={2: digest})), CONTENT_DIGEST)


@pytest.mark.parametrize(
    "oid",
    [
        "06082a8648ce3d040301",  # ECDSA with SHA-224
        "06072a8648ce3d0401",  # ECDSA with SHA-1
        "06092a864886f70d010105",  # RSA with SHA-1
        "06092a864886f70d01010b",  # RSA, and the key is not
        "06092a864886f70d01010a",  # PSS
        "06032b6570",  # Ed25519
    ],
)
def test_other_signature_algorithms_are_refused(oid: str) -> None:
    algorithm = tlv(0x30, bytes.fromhex(oid))
    assert code_of(changed(signer={4: algorithm})) == "cms.signature-algorithm"


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"\x30\x00",
        tlv(0x30, b"\x02\x01\x00\x02\x01\x00"),  # (0, 0) fits any key in broken libraries
        tlv(0x30, b"\x02\x01\x01\x02\x01\x01"),
        bytes(72),
    ],
)
def test_signatures_of_nothing(signature: bytes) -> None:
    assert code_of(changed(signer={5: tlv(4, signature)})) == "cms.signature-invalid"


def test_a_signature_in_another_spelling_of_its_numbers() -> None:
    """ECDSA signatures are DER inside DER: a zero before a number is another octet string."""
    inner = der.parse(SIGNER[5], der.OCTET_STRING, "signature").content
    reader = der.parse(inner, der.SEQUENCE, "Ecdsa-Sig-Value").reader("r, s")
    first, second = reader.take(der.INTEGER), reader.take(der.INTEGER)
    longer = tlv(0x30, tlv(2, b"\0" + first.content), second.encoded)
    assert code_of(changed(signer={5: tlv(4, longer)})) == "cms.signature-invalid"


def test_more_certificates_than_any_path_needs() -> None:
    held = der.parse(OUTER[3], der.context(0), "certificates").content
    many = tlv(0xA0, held * (cms.MAX_CERTIFICATES + 1))
    assert code_of(changed({3: many})) == "cms.certificates"


def test_certificates_that_cannot_be_read_are_on_no_path() -> None:
    held = der.parse(OUTER[3], der.context(0), "certificates").content
    signed = cms.parse(changed({3: tlv(0xA0, held, tlv(0x30, b"\x02\x01\x01"))}))
    assert len(signed.certificates) == 2
    assert len(signed.readable_certificates) == 1


@given(st.binary() | altered(TOKEN))
def test_any_octets(octets: bytes) -> None:
    try:
        signed = cms.parse(octets)
        cms.require_signature(signed, CONTENT_DIGEST)
    except ProofError:
        return
    assert signed.attributes_encoded == SIGNED.attributes_encoded
    assert signed.signature == SIGNED.signature
