"""The key of a cosigner, and a witness that forgot: refused with the reason, never guessed."""

import stat
from pathlib import Path

import pytest

from guzheng.cosigner import Refused
from guzheng.cosigner.keys import open_cosigner
from guzheng.proof.fork import Fork
from guzheng.proof.note import COSIGNATURE, ML_DSA_44, Checkpoint, Note
from guzheng.witness.main import run
from guzheng.witness.memory import FILE, Memory
from guzheng.witness.witness import Witness
from guzheng.words import LANGUAGES, say
from tests.proof.keys import key_of
from tests.witness.conftest import NAME, NOON, entropy
from tests.witness.logs import Log, leaves

TEXT = Checkpoint("log.example/1", 7, bytes(32)).encode()


def made(path: Path, *, post_quantum: bool = True) -> str:
    open_cosigner(path, NAME, post_quantum=post_quantum, entropy=entropy)
    return path.read_text()


def refused(path: Path, name: str | None = None, *, post_quantum: bool = False) -> str:
    with pytest.raises(Refused) as refusal:
        open_cosigner(path, name, post_quantum=post_quantum, entropy=entropy)
    for language in LANGUAGES:
        assert say(refusal.value.code, language, **refusal.value.facts)
    return refusal.value.code


def test_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "witness.key"
    assert refused(path) == "cosigner.no-name"
    text = made(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = open_cosigner(path, None, post_quantum=False, entropy=entropy)
    assert [one.key.type for one in again.keys] == [COSIGNATURE, ML_DSA_44]
    assert again.name == NAME
    assert path.read_text() == text
    lines = again.cosign(TEXT, 1_700_000_000)
    assert len(Note(TEXT, lines).find_signed(one.key for one in again.keys)) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["witness.key"]


def test_what_is_shown_of_a_key_is_public(tmp_path: Path) -> None:
    text = made(tmp_path / "k")
    shown = repr(open_cosigner(tmp_path / "k", None, post_quantum=True, entropy=entropy))
    for line in text.splitlines():
        assert line.split("+", 4)[4] not in shown


def test_a_key_that_others_can_read(tmp_path: Path) -> None:
    made(tmp_path / "k")
    (tmp_path / "k").chmod(0o640)
    assert refused(tmp_path / "k") == "cosigner.key-exposed"


def test_a_name_is_for_ever(tmp_path: Path) -> None:
    made(tmp_path / "k", post_quantum=False)
    assert refused(tmp_path / "k", "another.example") == "cosigner.renamed"
    assert refused(tmp_path / "k", NAME, post_quantum=True) == "cosigner.one-key"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u3000b", "a\x01", "x" * 256, "见" * 86])
def test_what_is_no_name(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / "k", name) == "cosigner.bad-name"
    assert not (tmp_path / "k").exists()


def test_every_damage_to_the_file_is_seen_and_nothing_of_it_shown(tmp_path: Path) -> None:
    path = tmp_path / "k"
    octets = made(path, post_quantum=False).encode()
    secret = octets.rsplit(b"+", 1)[1][:-1].decode()
    for at in range(len(octets)):
        damaged = bytearray(octets)
        damaged[at] ^= 1
        path.write_bytes(bytes(damaged))
        with pytest.raises(Refused) as refusal:
            open_cosigner(path, None, post_quantum=False, entropy=entropy)
        assert secret[8:] not in repr(refusal.value.__context__) + str(refusal.value)
    for cut in (b"", octets[:-1], octets + b"\n", octets + octets[:40]):
        path.write_bytes(cut)
        assert refused(path) == "cosigner.key-damaged"


# -- the command -------------------------------------------------------------------------------


def command(*arguments: object) -> int:
    return run([str(one) for one in arguments], lambda: NOON, entropy)


def test_a_witness_that_forgot_cannot_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, log = tmp_path / "w", key_of("log.example/1", 1)
    assert command("add-log", log.key, "--data", data) == 1  # without a name
    assert not data.exists()
    assert command("add-log", log.key, "--data", data, "--name", NAME) == 0
    (data / FILE).unlink()
    capsys.readouterr()
    assert command("show", "--data", data, "--lang", "en") == 1
    assert "witness.memory-lost" in capsys.readouterr().err
    assert not (data / FILE).exists()
    (data / FILE).write_bytes(b"not a database, but something in its place" * 100)
    assert command("show", "--data", data) == 1
    assert "witness.memory-damaged" in capsys.readouterr().err


def test_show_names_what_a_policy_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = key_of("log.example/1", 1)
    assert command("add-log", log.key, "--data", tmp_path / "w", "--name", NAME) == 0
    assert command("show", "--data", tmp_path / "w") == 0
    witness, watched = capsys.readouterr().out.splitlines()
    assert witness.startswith(f"witness {NAME} {NAME}+")
    assert watched == f"log {log.key} -"


def test_the_proof_of_a_fork_is_handed_out_as_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, fork = Log(leaves(9)), Log(leaves(9, "fork", 3))
    where = ("--data", tmp_path / "w", "--name", NAME)
    assert command("add-log", log.key, *where) == 0
    assert command("forks", *where, "--out", tmp_path / "f") == 0  # none yet
    memory = Memory(tmp_path / "w" / FILE, may_be_made=False)
    cosigner = open_cosigner(
        tmp_path / "w" / "witness.key", NAME, post_quantum=False, entropy=entropy
    )
    witness = Witness(cosigner, memory, lambda: NOON, lambda *_: None)
    assert witness.add_checkpoint(log.request(0, 8)).status == 200
    assert witness.add_checkpoint(fork.request(8, 8)).status == 422
    assert witness.add_checkpoint(log.request(8, 9)).status == 200
    memory.close()
    assert command("forks", *where, "--out", tmp_path / "f") == 1
    assert "witness.fork-written" in capsys.readouterr().err
    (file,) = (tmp_path / "f").iterdir()
    assert Fork.parse(file.read_bytes()).require_proved([log.key])[0].size == 8


@pytest.mark.parametrize("kind", [COSIGNATURE])
def test_what_is_no_key_of_a_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: int
) -> None:
    for vkey in ("nothing", str(key_of("w.example", 2, kind).key)):
        assert command("add-log", vkey, "--data", tmp_path / "w", "--name", NAME) == 1
        assert "witness.bad-log" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        command("serve")
    assert ended.value.code == 64


def test_an_interrupted_first_start_is_finished_by_the_next(tmp_path: Path) -> None:
    """The memory was made and the key was not: nothing was cosigned yet."""
    (tmp_path / "w").mkdir()
    Memory(tmp_path / "w" / FILE, may_be_made=True).close()
    assert command("show", "--data", tmp_path / "w", "--name", NAME) == 0
