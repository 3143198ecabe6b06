"""keep status, keep renew and ledger anchor, as an operator types them."""

from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.fixture
def exhibit(cli: Command, tmp_path: Path) -> str:
    file = tmp_path / "photo.txt"
    file.write_bytes(b"light")
    return cli("deposit", file, "--json").exhibit


def test_what_ages_and_what_is_done_about_it(cli: Command, exhibit: str) -> None:
    told = cli("keep", "status", "--json")
    (line,) = told.lines
    assert (line["exhibit"], line["due"], line["renewals"]) == (exhibit, False, 0)
    assert line["because"] in {"certificate", "signature"}
    assert cli("keep", "status", "--months", "600", "--json").lines[0]["due"] is True
    spoken = cli("keep", "status", "--lang", "en")
    assert f"✓ {exhibit}  good until 20" in spoken.out
    assert "1 exhibits, of which 0 age before" in spoken.err
    nothing = cli("keep", "renew")
    assert (nothing.status, nothing.out) == (0, "")
    # Our own authority is as old as what it would renew.
    refused = cli("keep", "renew", "--months", "120")
    assert refused.status == 1
    assert "[keep.authority-too-old]" in refused.err
    # And nothing is anchored where no anchor is set.
    anchored = cli("ledger", "anchor", "--json")
    assert (anchored.status, anchored.out) == (0, "")


def test_an_anchor_that_is_away(
    cli: Command, exhibit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUZHENG_ANCHOR_CALENDARS", "alice http://127.0.0.1:9")
    ran = cli("ledger", "anchor", "--lang", "en")
    assert ran.status == 75
    assert "[anchor.unavailable]" in ran.err
    assert "anchors/checkpoint.alice.ots" in ran.out
    assert "no receipt yet" in ran.out
    monkeypatch.setenv("GUZHENG_ANCHOR_CALENDARS", "Alice http://127.0.0.1:9")
    assert "[config.value-refused]" in cli("ledger", "anchor").err
