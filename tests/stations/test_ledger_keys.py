"""The ledger's key: made once, its owner's only, bound to its name, never shown."""

import os
import threading
from pathlib import Path

import pytest

from guzheng.ledger import Signer, open_signer
from guzheng.ledger.keys import FILE, ML_DSA_FILE, SM2_FILE
from guzheng.proof.errors import ProofError
from guzheng.proof.note import ML_DSA_44, SM2, SM2_LABEL, Checkpoint, Note, VerifierKey
from guzheng.proof.sm2 import N
from guzheng.proof.tree import EMPTY_ROOT
from guzheng.refusals import Refused
from tools.vectors_sm2 import encoded, public_of, signed

VECTORS = Path(__file__).parents[1] / "vectors" / "note"


def test_a_key_is_made_at_first_start_and_stays(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = open_signer(keys, None, os.urandom)
    assert first.key.name.startswith("guzheng.local/")
    assert len(first.key.name) == len("guzheng.local/") + 8
    octets = (keys / FILE).read_bytes()
    for origin in (None, first.key.name):
        assert open_signer(keys, origin, os.urandom).vkey == first.vkey
    assert (keys / FILE).read_bytes() == octets
    assert keys.stat().st_mode & 0o777 == 0o700
    assert (keys / FILE).stat().st_mode & 0o777 == 0o600
    assert {path.name for path in keys.iterdir()} == {FILE, ML_DSA_FILE}


def test_the_form_is_that_of_the_reference_implementation(tmp_path: Path) -> None:
    skey = (VECTORS / "go-peterneumann.skey").read_bytes()
    (tmp_path / FILE).write_bytes(skey)
    (tmp_path / FILE).chmod(0o600)
    signer = open_signer(tmp_path, "PeterNeumann", os.urandom)
    assert signer.vkey == (VECTORS / "go-peterneumann.vkey").read_text().strip()
    note = (VECTORS / "go-peterneumann.note").read_bytes()
    text = Note.parse(note).text
    assert Signer(signer.key.name, signer._private).sign(text).encode() == note


def test_one_of_many_starting_programs_makes_the_key(tmp_path: Path) -> None:
    made: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        made.append(open_signer(tmp_path / "keys", "ledger.example", os.urandom).vkey)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_a_ledger_does_not_change_its_name(tmp_path: Path) -> None:
    open_signer(tmp_path, "ledger.example/1", os.urandom)
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path, "ledger.example/2", os.urandom)
    assert refused.value.code == "ledger.origin-changed"


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    open_signer(tmp_path, None, os.urandom)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path, None, os.urandom)
    assert refused.value.code == "ledger.key-exposed"


def test_damage_is_said_without_showing_the_key(tmp_path: Path) -> None:
    open_signer(tmp_path, "ledger.example", lambda size: b"\x5a" * size)
    path = tmp_path / FILE
    whole = path.read_text()
    secret = whole.strip().rpartition("+")[2]
    for damaged in (
        "",
        whole[:-5],
        whole.replace("PRIVATE", "PUBLIC"),
        whole.replace("ledger.example", "ledger.exam+ple"),
        whole.replace("ledger.example", "ledger.examplf"),
        whole.replace("ledger.example", "ledger example"),
        whole.replace(secret, secret[:-8] + "AAAAAAA="),
        whole + "\n",
    ):
        path.write_text(damaged)
        with pytest.raises(Refused) as refused:
            open_signer(tmp_path, None, os.urandom)
        assert refused.value.code == "ledger.key-damaged"
        assert secret[:12] not in str(refused.value)


def test_nothing_that_is_printed_shows_the_key(tmp_path: Path) -> None:
    signer = open_signer(tmp_path, "ledger.example", lambda size: b"\x5a" * size)
    shown = repr(signer) + str(vars(signer)) + signer.vkey
    assert "5a5a" not in shown
    assert "Wlpa" not in shown
    assert VerifierKey.parse(signer.vkey) == signer.key


@pytest.mark.parametrize("origin", ["with space", "with+plus", "line\nbreak"])
def test_an_origin_that_cannot_be_signed_under_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path / "keys", origin, os.urandom)
    assert refused.value.code == "ledger.bad-origin"
    assert not (tmp_path / "keys" / FILE).exists()


CHECKPOINT = Checkpoint("ledger.example", 0, EMPTY_ROOT).encode()


def test_a_checkpoint_is_signed_with_every_key(tmp_path: Path) -> None:
    signer = open_signer(tmp_path, "ledger.example", os.urandom)
    note = Note.parse(signer.sign(CHECKPOINT).encode())
    assert note.find_signed(signer.keys) == dict.fromkeys(signer.keys)  # and none states a time
    assert [key.type for key in signer.keys] == [1, ML_DSA_44]
    other = Note(CHECKPOINT.replace(b"0\n", b"1\n"), note.signatures)
    for key in signer.keys:
        with pytest.raises(ProofError):
            other.require_signed([key])


def test_a_ledger_of_before_gets_further_keys_and_keeps_its_name(tmp_path: Path) -> None:
    """A data directory that has an Ed25519 key alone, and a checkpoint signed with it alone."""
    first = open_signer(tmp_path, None, os.urandom)
    (tmp_path / ML_DSA_FILE).unlink()
    signed = Signer(first.key.name, first._private).sign(CHECKPOINT).encode()
    again = open_signer(tmp_path, None, os.urandom, signed=signed)
    assert again.vkey == first.vkey
    assert again.keys != first.keys
    assert open_signer(tmp_path, None, os.urandom, signed=signed).keys == again.keys


def test_a_further_key_that_has_signed_is_never_made_anew(tmp_path: Path) -> None:
    signer = open_signer(tmp_path, None, os.urandom)
    text = CHECKPOINT.replace(b"ledger.example", signer.key.name.encode())
    signed = signer.sign(text).encode()
    (tmp_path / ML_DSA_FILE).rename(tmp_path / "elsewhere")
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path, None, os.urandom, signed=signed)
    assert refused.value.code == "ledger.key-missing"
    assert not (tmp_path / ML_DSA_FILE).exists()


def test_keys_of_two_ledgers_do_not_mix(tmp_path: Path) -> None:
    open_signer(tmp_path / "a", "ledger.example/a", os.urandom)
    open_signer(tmp_path / "b", "ledger.example/b", os.urandom)
    (tmp_path / "b" / ML_DSA_FILE).rename(tmp_path / "a" / ML_DSA_FILE)
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path / "a", None, os.urandom)
    assert refused.value.code == "ledger.origin-changed"


@pytest.mark.parametrize("file", [FILE, ML_DSA_FILE])
def test_every_key_is_its_owners_only_and_whole(tmp_path: Path, file: str) -> None:
    open_signer(tmp_path, None, os.urandom)
    (tmp_path / file).chmod(0o604)
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path, None, os.urandom)
    assert refused.value.code == "ledger.key-exposed"
    (tmp_path / file).chmod(0o600)
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:-4])
    with pytest.raises(Refused) as refused:
        open_signer(tmp_path, None, os.urandom)
    assert refused.value.code == "ledger.key-damaged"


class TextbookSm2:
    """SM2 as the standard writes it; what a machine's libcrypto does is another station's."""

    def public(self, secret: bytes) -> bytes:
        scalar = int.from_bytes(secret, "big")
        if not 0 < scalar < N - 1:
            raise ValueError("no scalar of the curve")
        return public_of(scalar)

    def sign(self, secret: bytes, message: bytes) -> bytes:
        return encoded(*signed(int.from_bytes(secret, "big"), message))


def test_where_sm2_can_be_signed_with_it_is(tmp_path: Path) -> None:
    draws = iter((b"\x11" * 32, b"\x22" * 32, b"\xff" * 32, b"\x33" * 32))
    signer = open_signer(
        tmp_path, "ledger.example", lambda _size: next(draws), sm2=TextbookSm2()
    )
    assert [key.type for key in signer.keys] == [1, ML_DSA_44, SM2]
    assert signer.keys[2].public.startswith(SM2_LABEL + b"\x04")
    note = signer.sign(CHECKPOINT)
    assert set(note.find_signed(signer.keys)) == set(signer.keys)
    # On a machine without SM2 the ledger goes on with its other keys, and the file stays.
    assert len(open_signer(tmp_path, None, os.urandom).keys) == 2
    assert open_signer(tmp_path, None, os.urandom, sm2=TextbookSm2()).keys == signer.keys
    (tmp_path / SM2_FILE).unlink()
    with pytest.raises(Refused, match=r"ledger\.key-missing"):
        open_signer(tmp_path, None, os.urandom, sm2=TextbookSm2(), signed=note.encode())
