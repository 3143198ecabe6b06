"""The password of a capture's TLS keys comes in, and lies apart."""

import stat
from pathlib import Path

import pytest

from guzheng.intake import wirekeys
from guzheng.proof.errors import ProofError

EXHIBIT = "ex_" + "0" * 26
PASSWORD = b"0123456789abcdef" * 4


def test_it_is_kept_for_one_user_and_found_again(tmp_path: Path) -> None:
    (tmp_path / wirekeys.KEY).write_bytes(PASSWORD + b"\n")
    keys = tmp_path / "keys/captures"
    assert wirekeys.keep(tmp_path, keys, EXHIBIT)
    assert wirekeys.find(keys, EXHIBIT) == PASSWORD
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / f"{EXHIBIT}.key").stat().st_mode) == 0o600
    assert [one.name for one in keys.iterdir()] == [f"{EXHIBIT}.key"]


def test_the_next_run_replaces_it(tmp_path: Path) -> None:
    for password in (PASSWORD, PASSWORD[::-1]):
        (tmp_path / wirekeys.KEY).write_bytes(password + b"\n")
        assert wirekeys.keep(tmp_path, tmp_path / "keys", EXHIBIT)
    assert wirekeys.find(tmp_path / "keys", EXHIBIT) == PASSWORD[::-1]


def test_a_capture_without_tls_has_none(tmp_path: Path) -> None:
    assert not wirekeys.keep(tmp_path, tmp_path / "keys", EXHIBIT)
    assert wirekeys.find(tmp_path / "keys", EXHIBIT) is None


@pytest.mark.parametrize("octets", [b"", b"x" * 64 + b"\n", PASSWORD, PASSWORD + b"\n\n"])
def test_anything_else_is_refused(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / wirekeys.KEY).write_bytes(octets)
    with pytest.raises(ProofError):
        wirekeys.keep(tmp_path, tmp_path / "keys", EXHIBIT)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(PASSWORD + b"\n")
    (tmp_path / wirekeys.KEY).symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic links"):
        wirekeys.keep(tmp_path, tmp_path / "keys", EXHIBIT)
