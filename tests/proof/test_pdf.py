"""The certificate's PDF: every octet is signed, and its facts are those beside it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import pdf, policy
from guzheng.proof.errors import ProofError
from tests.proof.tokens import members, papers
from tests.strategies import altered

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PDF = papers("good")["certificate.pdf"]
FACTS = papers("good")["certificate.json"]
ROOTS = policy.parse_roots(members("good")["trust/roots.pem"])
STRANGERS = policy.parse_roots(members("stranger")["trust/roots.pem"])
RANGE = re.search(rb"/ByteRange \[0 (\d+) (\d+) (\d+)\]", PDF)
assert RANGE is not None
BEFORE, RESUME, AFTER = (int(one) for one in RANGE.groups())


def code_of(octets: bytes) -> str:
    with pytest.raises(ProofError) as refusal:
        pdf.require_signed(octets, ROOTS)
    return refusal.value.code


def test_the_good_one() -> None:
    assert pdf.require_signed(PDF, ROOTS).year == 2026
    pdf.require_speaks_of(PDF, FACTS)


@pytest.mark.parametrize("part", range(8))
def test_no_byte_can_be_flipped_unseen(part: int) -> None:
    """In the signature three patterns for each octet, one of them the case of a digit."""
    for at in range(part, len(PDF), 8):
        for bits in (0x01, 0x20, 0xFF) if BEFORE <= at < RESUME else (1 << at % 8,):
            octets = PDF[:at] + bytes([PDF[at] ^ bits]) + PDF[at + 1 :]
            with pytest.raises(ProofError):
                pdf.require_signed(octets, ROOTS)


@pytest.mark.parametrize("size", range(0, len(PDF), 97))
def test_no_cut_is_unseen(size: int) -> None:
    with pytest.raises(ProofError):
        pdf.require_signed(PDF[:size], ROOTS)


def test_what_was_added_afterwards_is_seen() -> None:
    assert code_of(PDF + b"\n") == "pdf.not-covered"
    assert code_of(PDF + PDF[PDF.index(b"1 0 obj") :]) == "pdf.not-covered"


def test_a_range_that_leaves_out_more_is_refused() -> None:
    """What is left out is one hexadecimal string: nothing that a reader would show."""
    text = b"/ByteRange [0 %d %d %d]"
    for numbers in (
        (BEFORE - 1, RESUME, AFTER),
        (BEFORE, RESUME + 1, AFTER - 1),
        (BEFORE, RESUME, AFTER + 1),
        (RESUME, BEFORE, AFTER),
        (BEFORE, BEFORE, len(PDF) - BEFORE),
        (10**11, 10**11 + 2, 0),
    ):
        octets = PDF.replace(RANGE[0] if RANGE else b"", text % numbers)
        assert code_of(octets) in {"pdf.byte-range", "pdf.not-covered"}


def test_a_case_of_digits_is_one_spelling() -> None:
    lower = PDF[:BEFORE] + PDF[BEFORE:RESUME].lower() + PDF[RESUME:]
    assert pdf.require_signed(lower, ROOTS) == pdf.require_signed(PDF, ROOTS)
    mixed = PDF[: BEFORE + 40] + PDF[BEFORE + 40 : RESUME].lower() + PDF[RESUME:]
    assert code_of(mixed) == "pdf.byte-range"


def test_a_thousand_signatures_are_not_even_hashed() -> None:
    assert code_of(PDF + RANGE[0] * 1000 if RANGE else b"") == "pdf.byte-range"


@pytest.mark.parametrize("octets", [b"", b"%PDF-1.7\n", PDF[:BEFORE], b"/ByteRange [0 1 2 3"])
def test_without_a_signature(octets: bytes) -> None:
    assert code_of(octets) == "pdf.unsigned"


def test_a_signature_that_is_no_signature() -> None:
    for inner in (b"", b"00", b"3", b"30820000", b"3082FFFF00", b"30" * 100):
        gap = b"<" + inner + b"0" * (RESUME - BEFORE - 2 - len(inner)) + b">"
        octets = PDF[:BEFORE] + gap + PDF[RESUME:]
        with pytest.raises(ProofError):
            pdf.require_signed(octets, ROOTS)


@pytest.mark.parametrize("roots", [(), STRANGERS], ids=["nobody", "strangers"])
def test_by_somebody_whom_we_do_not_believe(roots: tuple[object, ...]) -> None:
    with pytest.raises(ProofError) as refusal:
        pdf.require_signed(PDF, STRANGERS if roots else ())
    assert refusal.value.code == "chain.unknown-root"


def test_it_speaks_of_its_own_facts_and_no_others() -> None:
    name = b"certificate.json sha256:"
    for octets, facts in (
        (PDF, papers("hash-only")["certificate.json"]),
        (PDF, FACTS + b" "),
        (PDF.replace(name, b"certificate.json sha512:"), FACTS),
        (PDF + name + b"0" * 64, FACTS),  # two voices are none
    ):
        with pytest.raises(ProofError) as refusal:
            pdf.require_speaks_of(octets, facts)
        assert refusal.value.code == "certificate.differs"


@given(st.binary() | altered(PDF))
def test_any_octets(octets: bytes) -> None:
    try:
        pdf.require_signed(octets, ROOTS)
    except ProofError:
        return
    assert octets == PDF
