"""Single files: never half there, never overwritten by create, and readable by their owner."""

from pathlib import Path

import pytest

from guzheng.store import durable


def test_create_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "key"
    durable.create(path, b"one")
    with pytest.raises(FileExistsError):
        durable.create(path, b"two")
    assert path.read_bytes() == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_create_does_not_follow_a_link_that_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        durable.create(tmp_path / "key", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_replace_puts_the_new_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    durable.replace(path, b"one")
    durable.replace(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]
