"""Digests: the standards' own examples, and one spelling."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guzheng.proof.digest import ALGORITHMS, Digest, new_hasher, sha256, sm3
from guzheng.proof.errors import Malformed
from tests.strategies import DIGESTS

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = {
    case["name"]: case
    for case in json.loads((VECTORS / "digest" / "cases.json").read_bytes())["cases"]
}


@pytest.mark.parametrize("name", CASES)
def test_the_examples_of_the_standards(name: str) -> None:
    octets = bytes.fromhex(CASES[name]["octets"])
    wanted = Digest.parse(CASES[name]["digest"])
    assert {"sha256": sha256, "sm3": sm3}[wanted.algorithm](octets) == wanted


def test_a_million_letters() -> None:
    """FIPS 180-4, third example: more than any buffer, in parts."""
    hasher = new_hasher("sha256")
    for _ in range(1000):
        hasher.update(b"a" * 1000)
    wanted = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    assert hasher.digest().hex() == wanted


@given(st.binary(), st.data())
def test_parts_are_hashed_as_the_whole(octets: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(octets)))
    for algorithm, whole in (("sha256", sha256(octets)), ("sm3", sm3(octets))):
        hasher = new_hasher(whole.algorithm)
        hasher.update(octets[:at])
        hasher.digest()  # asking in between changes nothing
        hasher.update(memoryview(octets)[at:])
        assert Digest(whole.algorithm, hasher.digest()) == whole, algorithm


def test_the_system_agrees_on_sm3() -> None:
    if "sm3" not in hashlib.algorithms_available:
        pytest.skip("this system's OpenSSL has no SM3")
    assert hashlib.new("sm3", b"one photograph").digest() == sm3(b"one photograph").value


@given(DIGESTS)
def test_parse_undoes_str(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@given(st.text())
@example("sha256:" + "AB" * 32)
@example("sha256:" + " ".join(["ab"] * 32))
@example("sha256: " + "ab" * 32)
@example("sha256:" + "ab" * 32 + "\n")
@example("SHA256:" + "ab" * 32)
@example("sha1:" + "ab" * 20)
@example("sha256:" + "ab" * 31)
@example("sha256:" + "٣" * 64)
@example("sm3:")
@example("")
def test_any_other_spelling_is_refused(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except Malformed as refusal:
        assert refusal.code == "digest.malformed"
    else:
        assert str(digest) == text


@pytest.mark.parametrize("size", [0, 31, 33])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_digest_of_another_size_cannot_be_made(algorithm: str, size: int) -> None:
    with pytest.raises(Malformed):
        Digest("sm3" if algorithm == "sm3" else "sha256", bytes(size))
