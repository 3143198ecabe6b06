"""Signed notes and checkpoints: vectors of Go and C2SP, who is believed, what is refused."""

import base64
import contextlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof.errors import BadSignature, Inconsistent, Malformed, ProofError, UnknownKey
from guzheng.proof.note import (
    MAX_OCTETS,
    MAX_SIGNATURES,
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    require_checkpoint,
)
from guzheng.proof.tree import EMPTY_ROOT, MAX_SIZE

VECTORS = Path(__file__).parents[1] / "vectors" / "note"
PETER = VerifierKey.parse((VECTORS / "go-peterneumann.vkey").read_text().strip())
PETERS_NOTE = (VECTORS / "go-peterneumann.note").read_bytes()
TEXT, PETERS_LINE = PETERS_NOTE.split(b"\n\n")
TEXT += b"\n"


def key_of(name: str, seed: int) -> tuple[VerifierKey, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return VerifierKey(name, 1, private.public_key().public_bytes_raw()), private


def signed(text: bytes, *keys: tuple[VerifierKey, Ed25519PrivateKey]) -> Note:
    lines = [Signature(key.name, key.id, private.sign(text)) for key, private in keys]
    return Note(text, tuple(lines))


# -- notes -------------------------------------------------------------------------------------


def test_the_note_of_the_reference_implementation() -> None:
    note = Note.parse(PETERS_NOTE)
    assert note.text == TEXT
    assert note.require_signed([PETER]) == (PETER,)
    assert note.encode() == PETERS_NOTE


def test_signing_the_reference_note_gives_its_bytes() -> None:
    encoded = (VECTORS / "go-peterneumann.skey").read_text().strip().split("+", 4)[4]
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(encoded)[1:])
    assert signed(TEXT, (PETER, private)).encode() == PETERS_NOTE


@pytest.mark.parametrize("name", ["c2sp-signed-note.note", "c2sp-checkpoint.note"])
def test_the_examples_of_the_specifications_parse(name: str) -> None:
    octets = (VECTORS / name).read_bytes()
    assert Note.parse(octets).encode() == octets
    with pytest.raises(UnknownKey):
        Note.parse(octets).require_signed([PETER])


def test_the_text_ends_at_the_last_empty_line() -> None:
    note = Note.parse((VECTORS / "c2sp-signed-note.note").read_bytes())
    assert note.text.endswith("sole:\n\ned è subito sera.\n".encode())
    assert note.signatures[0].name == "quasimodo.example/salvatore"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        TEXT,
        TEXT + b"\n",
        TEXT + b"\n" + PETERS_LINE.removesuffix(b"\n"),
        b"\x01" + PETERS_NOTE,
        b"\xff" + PETERS_NOTE,
        PETERS_NOTE.replace(b"\n", b"\r\n"),
        PETERS_NOTE.replace(b"PeterNeumann", b"Bad Name"),
        PETERS_NOTE.replace(b"PeterNeumann", "Bad\u3000Name".encode()),
        PETERS_NOTE.replace(b"PeterNeumann", b"Bad+Name"),
        PETERS_NOTE.replace(b" PeterNeumann", b" "),
        PETERS_NOTE.replace("\u2014".encode(), b"-"),
        PETERS_NOTE.replace(b"JnAM=", b"JnAN="),  # stray bits after the last octet
        PETERS_NOTE.replace(b"JnAM=", b"JnAM"),
        PETERS_NOTE.replace(b"x08go/", b"x08g o/"),
        PETERS_NOTE.replace(b"x08go/", b"x08g_o"),
        PETERS_NOTE.removesuffix(b"\n") + b" \n",
        PETERS_NOTE + b"Unexpected line.\n",
        PETERS_NOTE + b"\n",
        TEXT + b"\n\xe2\x80\x94 PeterNeumann x08goA==\n",  # a key id and no signature
        TEXT + b"\n" + PETERS_LINE * (MAX_SIGNATURES + 1),
        b"x" * MAX_OCTETS + PETERS_NOTE,
    ],
)
def test_what_is_not_a_note(octets: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        Note.parse(octets)
    assert refused.value.code == "note.malformed"


@pytest.mark.parametrize("octet", sorted({*range(0x21), 0x7F}))
def test_newline_is_the_only_control_character(octet: int) -> None:
    octets = PETERS_NOTE[:3] + bytes([octet]) + PETERS_NOTE[3:]
    if octet in (0x0A, 0x20, 0x7F):  # as the reference implementation has it
        assert Note.parse(octets).encode() == octets
    else:
        with pytest.raises(Malformed):
            Note.parse(octets)


def test_as_many_signatures_as_the_reference_takes() -> None:
    note = Note.parse(TEXT + b"\n" + PETERS_LINE * MAX_SIGNATURES)
    assert note.require_signed([PETER]) == (PETER,)  # the same key counts once


def test_only_name_and_id_together_make_a_key_known() -> None:
    ours, other = key_of("log.example", 1), key_of("log.example", 2)
    assert ours[0].id != other[0].id
    note = signed(TEXT, ours, other)
    assert note.require_signed([ours[0]]) == (ours[0],)
    with pytest.raises(UnknownKey):
        signed(TEXT, other).require_signed([ours[0]])
    renamed = Signature("another.example", ours[0].id, ours[1].sign(TEXT))
    with pytest.raises(UnknownKey) as refused:
        Note(TEXT, (renamed,)).require_signed([ours[0]])
    assert refused.value.code == "note.unknown-key"
    with pytest.raises(UnknownKey):
        note.require_signed([])


def test_one_bad_signature_of_a_known_key_refuses_the_note() -> None:
    one, two = key_of("one.example", 1), key_of("two.example", 2)
    good = signed(TEXT, one, two)
    assert good.require_signed([one[0], two[0]]) == (one[0], two[0])
    bad = Signature(two[0].name, two[0].id, one[1].sign(TEXT))
    for signatures in ((good.signatures[0], bad), (*good.signatures, bad)):
        note = Note(TEXT, signatures)
        assert note.require_signed([one[0]])  # whoever does not know the key must ignore it
        with pytest.raises(BadSignature) as refused:
            note.require_signed([one[0], two[0]])
        assert refused.value.code == "note.bad-signature"


def test_a_signature_of_another_length_is_a_bad_signature() -> None:
    short = Signature(PETER.name, PETER.id, b"\x00")
    with pytest.raises(BadSignature):
        Note(TEXT, (short,)).require_signed([PETER])


@given(st.integers(0, len(PETERS_NOTE) * 8 - 1))
def test_one_changed_bit_is_never_taken_for_the_signed_note(bit: int) -> None:
    changed = bytearray(PETERS_NOTE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProofError):
        Note.parse(bytes(changed)).require_signed([PETER])


@given(st.binary(max_size=200) | st.binary(max_size=80).map(PETERS_NOTE.__add__))
def test_any_octets_parse_or_are_malformed(octets: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert Note.parse(octets).encode() == octets


# -- keys --------------------------------------------------------------------------------------


def test_a_key_has_one_spelling() -> None:
    text = str(PETER)
    assert VerifierKey.parse(text) == PETER
    bad = [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text))]
    bad += [text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))]
    bad += [text.upper(), text + "\n", " " + text, text.replace("c74f20a3", "C74F20A3"), ""]
    for other in bad:
        with pytest.raises(Malformed):
            VerifierKey.parse(other)


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_key_of_another_length_or_type_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_key_or_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(text)


# -- checkpoints -------------------------------------------------------------------------------


def test_the_checkpoint_of_the_specification() -> None:
    note = Note.parse((VECTORS / "c2sp-checkpoint.note").read_bytes())
    checkpoint = Checkpoint.parse(note.text)
    assert checkpoint.origin == "example.com/behind-the-sofa"
    assert checkpoint.size == 20852163
    assert checkpoint.encode() == note.text


ROOT = base64.b64encode(bytes(32)).decode()
EMPTY = base64.b64encode(EMPTY_ROOT).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"a\n1\n{ROOT}",
        "a\n1\n",
        f"\n1\n{ROOT}\n",
        f"a\n01\n{ROOT}\n",
        f"a\n+1\n{ROOT}\n",
        f"a\n-1\n{ROOT}\n",
        f"a\n1 \n{ROOT}\n",
        f"a\n\u0661\n{ROOT}\n",
        f"a\n{MAX_SIZE + 1}\n{ROOT}\n",
        f"a\n{'9' * 5000}\n{ROOT}\n",
        f"a\n1\n{ROOT[:-1]}\n",
        f"a\n1\n {ROOT}\n",
        "a\n1\nAAAA\n",
        f"a\n1\n{ROOT}\n\n",
        f"a\n1\n{ROOT}\nextension\n\n",
        f"a\n1\n{ROOT}\next\x01\n",
        f"a\n0\n{ROOT}\n",  # size 0 has one root
    ],
)
def test_what_is_not_a_checkpoint(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        Checkpoint.parse(text.encode())
    assert refused.value.code == "checkpoint.malformed"


def test_checkpoints_at_the_edges() -> None:
    for text in (f"a\n0\n{EMPTY}\n", f"原\n{MAX_SIZE}\n{ROOT}\nextension one\n二\n"):
        assert Checkpoint.parse(text.encode()).encode() == text.encode()
    with pytest.raises(Malformed):
        Checkpoint.parse(b"\xff\n1\n" + ROOT.encode() + b"\n")


@given(st.binary(max_size=100))
def test_any_octets_are_a_checkpoint_or_malformed(octets: bytes) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(octets)


def test_a_checkpoint_counts_only_under_the_name_of_its_log() -> None:
    log = key_of("log.example/1", 1)
    own = Checkpoint("log.example/1", 7, bytes(32))
    assert require_checkpoint(signed(own.encode(), log), log[0]) == own
    foreign = Checkpoint("log.example/2", 7, bytes(32))
    with pytest.raises(Inconsistent) as refused:
        require_checkpoint(signed(foreign.encode(), log), log[0])
    assert refused.value.code == "checkpoint.origin"
    with pytest.raises(UnknownKey):
        require_checkpoint(signed(own.encode(), key_of("log.example/1", 2)), log[0])
