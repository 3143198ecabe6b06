"""The tlog-proof paper: one spelling, nothing but its own error for anything else."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof.errors import Malformed
from guzheng.proof.note import Note
from guzheng.proof.tlogproof import TlogProof

VECTORS = Path(__file__).parents[1] / "vectors" / "note"
NOTE = (VECTORS / "c2sp-checkpoint.note").read_bytes()
PATH = tuple(bytes([number]) * 32 for number in range(3))
PROOF = TlogProof(73894, PATH, Note.parse(NOTE))
OCTETS = PROOF.encode()


def test_the_form_of_the_specification() -> None:
    head, checkpoint = OCTETS.split(b"\n\n", 1)
    assert checkpoint == NOTE  # verbatim
    assert head.decode().split("\n") == [
        "c2sp.org/tlog-proof@v1",
        "index 73894",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
        "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
    ]
    assert TlogProof.parse(OCTETS) == PROOF
    assert PROOF.checkpoint.size == 20852163


@given(
    st.integers(0, 2**63 - 2),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(max_size=50),
)
def test_parse_undoes_encode(index: int, path: list[bytes], extra: bytes | None) -> None:
    proof = TlogProof(index, tuple(path), Note.parse(NOTE), extra)
    assert TlogProof.parse(proof.encode()) == proof


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        NOTE,
        OCTETS.replace(b"@v1", b"@v2"),
        OCTETS.replace(b"index 73894", b"index 073894"),
        OCTETS.replace(b"index 73894", b"index -1"),
        OCTETS.replace(b"index 73894", b"index 9223372036854775807"),
        OCTETS.replace(b"index 73894\n", b""),
        OCTETS.replace(b"index", b"extra AA=\nindex"),
        OCTETS.replace(b"index", b"extra AAAA\nextra AAAA\nindex"),
        OCTETS.replace(b"index", b"more AAAA\nindex"),
        OCTETS.replace(b"AQEB", b"AQE", 1),
        OCTETS.replace(b"AgI=", b"AgJ="),
        OCTETS.replace(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", b"AAAA\n"),
        TlogProof(1, PATH[:1] * 64, Note.parse(NOTE)).encode(),
        OCTETS.replace(b"\n", b"\r\n"),
        OCTETS.replace(b"\n\n", b"\n", 1),
        OCTETS.replace(b"20852163", b"020852163"),
        OCTETS.replace(b"index", "índex".encode()),
        OCTETS.removesuffix(b"\n"),
        b"\n" + OCTETS,
        OCTETS + b" " * (2 << 20),
    ],
)
def test_what_is_not_a_proof(octets: bytes) -> None:
    with pytest.raises(Malformed):
        TlogProof.parse(octets)


@given(st.binary(max_size=100) | st.binary(max_size=60).map(lambda more: OCTETS[:90] + more))
def test_any_octets_parse_or_are_malformed(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert TlogProof.parse(octets).encode() == octets


@given(st.integers(0, len(OCTETS) * 8 - 1))
def test_one_changed_bit_is_seen_or_gives_another_proof(bit: int) -> None:
    changed = bytearray(OCTETS)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        proof = TlogProof.parse(bytes(changed))
    except Malformed:
        return
    assert proof != PROOF
    assert proof.encode() == bytes(changed)
