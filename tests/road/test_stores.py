"""Where things are kept is said by settings; what is wrong with one is said without secrets."""

from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.refusals import Refused


@pytest.mark.parametrize(
    ("text", "mode", "found"),
    [
        (None, 0o600, "FileNotFoundError"),
        ("AKIA\nthe-secret\n", 0o644, "mode 644"),
        ("AKIA the-secret more", 0o600, "3 lines"),
        ("", 0o600, "0 lines"),
    ],
)
def test_a_file_of_keys_that_cannot_be_used(
    tmp_path: Path, text: str | None, mode: int, found: str
) -> None:
    file = tmp_path / "s3.keys"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    config = Config(tmp_path / "data", s3_bucket="papers", s3_keys=str(file))
    with pytest.raises(Refused) as refused:
        Platform(config)
    assert refused.value.code == "config.value-refused"
    assert found in refused.value.found
    assert "the-secret" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgresql:/", "mysql://", "sqlite://", ""])
def test_a_database_that_is_none(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(Refused) as refused:
        Platform(Config(tmp_path, database_url=f"{scheme}guzheng:the-secret@host/x"))
    assert refused.value.code == "config.value-refused"
    assert "the-secret" not in str(refused.value)
