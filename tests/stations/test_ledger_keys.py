"""The ledger's key: made once, its owner's only, bound to its name, never shown."""

import os
import threading
from pathlib import Path

import pytest

from guzheng.ledger import open_signer
from guzheng.ledger.keys import FILE
from guzheng.proof.note import VerifierKey
from guzheng.refusals import Refused

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
    assert [path.name for path in keys.iterdir()] == [FILE]


def test_the_form_is_that_of_the_reference_implementation(tmp_path: Path) -> None:
    skey = (VECTORS / "go-peterneumann.skey").read_bytes()
    (tmp_path / FILE).write_bytes(skey)
    (tmp_path / FILE).chmod(0o600)
    signer = open_signer(tmp_path, "PeterNeumann", os.urandom)
    assert signer.vkey == (VECTORS / "go-peterneumann.vkey").read_text().strip()
    note = (VECTORS / "go-peterneumann.note").read_bytes()
    assert signer.sign(note.partition(b"\n\n")[0] + b"\n").encode() == note


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
