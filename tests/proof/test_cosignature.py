"""Cosignatures of Ed25519 and ML-DSA-44, SM2 signatures, and the times they state."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guzheng.proof import note
from guzheng.proof.errors import BadSignature, Malformed, ProofError, UnknownKey
from guzheng.proof.note import Checkpoint, Note, Signature, VerifierKey
from tests.proof.keys import TYPES, key_of, signed

VECTORS = Path(__file__).parents[1] / "vectors" / "note"
TEXT = Checkpoint("log.example/1", 7, bytes(range(32))).encode()
SECONDS = 1_679_315_147
AT = datetime(2023, 3, 20, 12, 25, 47, tzinfo=UTC)
CASES = [key_of("key.example/1", 7, kind) for kind in TYPES]
NOTES = [signed(TEXT, one, seconds=SECONDS).encode() for one in CASES]
IDS = ["ed25519", "cosignature", "ml-dsa-44", "sm2"]


def test_a_checkpoint_that_another_implementation_signed_with_ml_dsa() -> None:
    key = VerifierKey.parse((VECTORS / "torchwood-mldsa.vkey").read_text().strip())
    read = Note.parse((VECTORS / "torchwood-mldsa.note").read_bytes())
    assert key.type == note.ML_DSA_44
    assert note.require_checkpoint(read, key).size == 1
    assert read.find_signed([key]) == {key: None}  # its time is zero: it states none
    assert read.encode() == (VECTORS / "torchwood-mldsa.note").read_bytes()


def test_the_key_of_a_witness_on_the_network() -> None:
    key = VerifierKey.parse((VECTORS / "remora-ed25519.vkey").read_text().strip())
    assert (key.name, key.type) == ("remora.n621.de", note.COSIGNATURE)


def test_what_the_example_of_the_specification_signs() -> None:
    read = Note.parse((VECTORS / "c2sp-checkpoint.note").read_bytes())
    message = CASES[1].key.message_of(read.text, SECONDS)
    assert message.split(b"\n") == [
        b"cosignature/v1",
        b"time 1679315147",
        b"example.com/behind-the-sofa",
        b"20852163",
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        b"",
    ]


def test_the_message_under_ml_dsa_octet_by_octet() -> None:
    message = CASES[2].key.message_of(TEXT, SECONDS)
    assert message == (
        b"subtree/v1\n\x00"
        b"\x0dkey.example/1"
        + SECONDS.to_bytes(8, "big")
        + b"\x0dlog.example/1"
        + bytes(8)
        + (7).to_bytes(8, "big")
        + bytes(range(32))
    )


@pytest.mark.parametrize("case", range(4), ids=IDS)
def test_each_kind_signs_and_only_cosigners_state_a_time(case: int) -> None:
    key = CASES[case].key
    assert VerifierKey.parse(str(key)) == key
    expected = AT if key.type in note.TIMED else None
    assert Note.parse(NOTES[case]).find_signed([key]) == {key: expected}


@pytest.mark.parametrize("case", range(4), ids=IDS)
def test_no_octet_of_a_note_can_be_another(case: int) -> None:
    octets, key = NOTES[case], CASES[case].key
    step = 1 if len(octets) < 400 else 37  # ML-DSA is long; all of its text, some of the rest
    for at in (*range(100), *range(100, len(octets), step)):
        changed = bytearray(octets)
        changed[at] ^= 1
        with pytest.raises(ProofError):
            Note.parse(bytes(changed)).require_signed([key])


@pytest.mark.parametrize("case", range(4), ids=IDS)
@settings(max_examples=20)
@given(octets=st.binary(max_size=80))
def test_any_octets_as_a_signature(case: int, octets: bytes) -> None:
    key = CASES[case].key
    with pytest.raises(BadSignature) as refused:
        Note(TEXT, (Signature(key.name, key.id, octets),)).find_signed([key])
    assert refused.value.code == "note.bad-signature"


@pytest.mark.parametrize("case", [1, 2], ids=IDS[1:3])
def test_the_time_is_signed(case: int) -> None:
    key, line = CASES[case].key, CASES[case].sign(TEXT, SECONDS)
    for other in (0, SECONDS + 1, note.LAST_SECOND + 1, (1 << 64) - 1):
        moved = Signature(line.name, line.key_id, other.to_bytes(8, "big") + line.octets[8:])
        with pytest.raises(BadSignature):
            Note(TEXT, (moved,)).find_signed([key])


@pytest.mark.parametrize("case", [1, 2], ids=IDS[1:3])
def test_a_time_that_nobody_has_seen_is_refused_though_signed(case: int) -> None:
    last = signed(TEXT, CASES[case], seconds=note.LAST_SECOND)
    assert last.find_signed([CASES[case].key])[CASES[case].key] == datetime(
        9999, 12, 31, 23, 59, 59, tzinfo=UTC
    )
    for seconds in (note.LAST_SECOND + 1, (1 << 63) - 1, (1 << 64) - 1):
        with pytest.raises(BadSignature):
            signed(TEXT, CASES[case], seconds=seconds).find_signed([CASES[case].key])


def test_signing_twice_counts_once_and_both_are_judged() -> None:
    one = CASES[1]
    twice = Note(TEXT, (one.sign(TEXT, SECONDS), one.sign(TEXT, SECONDS + 60)))
    assert twice.find_signed([one.key]) == {one.key: AT}
    bad = Note(TEXT, (*twice.signatures, Signature(one.key.name, one.key.id, bytes(72))))
    with pytest.raises(BadSignature):
        bad.find_signed([one.key])


def test_a_cosignature_is_not_a_log_signature_nor_the_reverse() -> None:
    """The same Ed25519 key under two types: the id differs, and so does what is signed."""
    plain, timed = key_of("one.example", 3), key_of("one.example", 3, note.COSIGNATURE)
    assert plain.key.public == timed.key.public
    with pytest.raises(UnknownKey):
        signed(TEXT, plain).require_signed([timed.key])
    forged = Signature(timed.key.name, timed.key.id, plain.sign(TEXT).octets)
    with pytest.raises(BadSignature):
        Note(TEXT, (forged,)).find_signed([timed.key])


def test_ml_dsa_signs_only_checkpoints_it_covers_wholly() -> None:
    key = CASES[2]
    for text in (b"not a checkpoint\n", TEXT + b"an extension\n"):
        with pytest.raises(Malformed):
            key.key.message_of(text, SECONDS)
    for name, origin in (("k" * 256, "log.example/1"), ("key", "o" * 256)):
        named = VerifierKey(name, note.ML_DSA_44, key.key.public)
        with pytest.raises(Malformed):
            named.message_of(Checkpoint(origin, 7, bytes(32)).encode())
    # Ed25519 signs the whole text, whatever it is.
    longer = TEXT + b"an extension\n"
    assert signed(longer, CASES[1], seconds=SECONDS).find_signed([CASES[1].key])


def test_an_sm2_key_bears_its_label_and_a_point_of_the_curve() -> None:
    public = CASES[3].key.public
    for other in (public[1:], b"X" + public[1:], public + b"\x00", public[-65:]):
        with pytest.raises(Malformed) as refused:
            VerifierKey("key.example", note.SM2, other)
        assert refused.value.code == "note.key-type"
    off = VerifierKey("key.example", note.SM2, public[:-1] + bytes([public[-1] ^ 1]))
    with pytest.raises(BadSignature):
        Note(TEXT, (Signature(off.name, off.id, CASES[3].sign(TEXT).octets),)).find_signed(
            [off]
        )


@given(st.text())
def test_a_key_name_is_any_text_without_spaces_and_plus(name: str) -> None:
    public = CASES[0].key.public
    fine = bool(name) and not any(one.isspace() or one in "+" or one < " " for one in name)
    try:
        key = VerifierKey(name, note.ED25519, public)
    except Malformed:
        assert not fine
    else:
        assert fine
        assert VerifierKey.parse(str(key)) == key


def test_a_name_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(Malformed):
        VerifierKey("\udcff", note.ED25519, CASES[0].key.public)
