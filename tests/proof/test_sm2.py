"""SM2 in plain arithmetic: the standard's example, hostile cases, and two second opinions."""

import json
import subprocess
import sys
from pathlib import Path

import gmssl_pyx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guzheng.proof import sm2
from guzheng.proof.errors import BadSignature, Malformed, ProofError
from tools import vectors_sm2 as textbook

ROOT = Path(__file__).parents[2]
CASES = {
    case["name"]: case
    for case in json.loads((ROOT / "tests/vectors/sm2/cases.json").read_bytes())["cases"]
}
# What the two others can be asked: GmSSL's binding takes sound keys and identities of 1 to 8191
# octets, openssl's command line an identity that can be typed.
OF_GMSSL = [
    name
    for name, case in CASES.items()
    if case["outcome"] != "sm2.key" and 0 < len(case["identity"]) // 2 < 8192
]
OF_OPENSSL = [
    name
    for name in OF_GMSSL
    if CASES[name]["outcome"] == "valid" and len(CASES[name]["identity"]) < 200
]
FEW = settings(max_examples=20)  # each costs milliseconds of textbook arithmetic


def _parts(name: str) -> tuple[bytes, bytes, bytes, bytes]:
    case = CASES[name]
    public, message = bytes.fromhex(case["public"]), bytes.fromhex(case["message"])
    return public, message, bytes.fromhex(case["signature"]), bytes.fromhex(case["identity"])


@pytest.mark.parametrize("name", CASES)
def test_every_vector_comes_to_its_outcome(name: str) -> None:
    try:
        sm2.require_signature(*_parts(name))
        outcome = "valid"
    except ProofError as error:
        outcome = error.code
        wanted = BadSignature if outcome == "sm2.signature-invalid" else Malformed
        assert isinstance(error, wanted)
    assert outcome == CASES[name]["outcome"]


def test_the_vectors_are_what_their_tool_describes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.vectors_sm2", "--check"], cwd=ROOT, check=False
    )
    assert done.returncode == 0


def test_the_digest_of_identity_and_key_is_the_standards() -> None:
    """GM/T 0003.5-2012, appendix A.2: Z_A."""
    found = sm2.entity_digest(bytes.fromhex(textbook.EXAMPLE_PUBLIC))
    assert found.hex() == "b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"


@pytest.mark.parametrize("name", OF_GMSSL)
def test_gmssl_judges_signatures_of_sound_keys_alike(name: str) -> None:
    public, message, signature, identity = _parts(name)
    try:
        agreed = gmssl_pyx.sm2_verify(public[1:], message, signature, identity)
    except gmssl_pyx.GmsslInnerError:
        agreed = False
    assert agreed == (CASES[name]["outcome"] == "valid")


@pytest.mark.oracle("openssl")
@pytest.mark.parametrize("name", OF_OPENSSL)
def test_openssl_agrees_with_what_is_valid(name: str, tmp_path: Path) -> None:
    public, message, signature, identity = _parts(name)
    prefix = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
    (tmp_path / "key").write_bytes(prefix + public)
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(signature)
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key",
         "-rawin", "-digest", "sm3", "-pkeyopt", f"distid:{identity.decode()}",
         "-in", "message", "-sigfile", "signature"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert b"Signature Verified Successfully" in done.stdout, done.stderr


@FEW
@given(st.integers(1, textbook.N - 2), st.binary(max_size=200))
def test_what_the_textbook_signs_is_accepted(d: int, message: bytes) -> None:
    signature = textbook.encoded(*textbook.signed(d, message))
    sm2.require_signature(textbook.public_of(d), message, signature)


@FEW
@given(st.integers(0), st.integers(0))
def test_no_pair_of_numbers_passes_by_chance(r: int, s: int) -> None:
    with pytest.raises((BadSignature, Malformed)):
        sm2.require_signature(
            bytes.fromhex(textbook.EXAMPLE_PUBLIC),
            b"m",
            textbook.encoded(r % 2**256, s % 2**256),
        )


def test_every_flipped_bit_of_a_signature_is_refused() -> None:
    public, message, signature, identity = _parts("gmt0003-5-example")
    for at in range(0, 8 * len(signature), 5):
        flipped = bytearray(signature)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises((BadSignature, Malformed)):
            sm2.require_signature(public, message, bytes(flipped), identity)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_octets_lead_to_a_refusal_and_nothing_else(public: bytes, signature: bytes) -> None:
    with pytest.raises(ProofError):
        sm2.require_signature(public, b"", signature)
