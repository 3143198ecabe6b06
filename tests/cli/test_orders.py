"""Orders in the shell: one capture decided later, tables named line by line, repetitions."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.world import site


@pytest.mark.browser
def test_capture_now_and_decide_later(cli: Command) -> None:
    with site() as url:
        ran = cli("capture", f"{url}/", "--later", "--json", "--allow-private", "127.0.0.1/32")
    assert ran.status == 0, ran.err
    line = ran.lines[-1]
    assert (line["state"], line["order_state"]) == ("certified", "previewable")
    assert str(line["preview"]).endswith(".png")
    assert (Path(str(line["folder"])) / str(line["preview"])).is_file()
    order, exhibit = str(line["order"]), ran.exhibit
    out = Path(str(line["folder"])).parent / "p.zip"
    refused = cli("package", exhibit, "--out", out)
    assert (refused.status, "[commission.not-confirmed]" in refused.err) == (1, True)
    assert cli("orders", "give-up", order, "--json").lines[0]["state"] == "given-up"
    late = cli("orders", "confirm", order)
    assert (late.status, "[commission.too-late]" in late.err) == (1, True)
    shown = cli("orders", "show", order, "--lang", "en")
    assert "Given up" in shown.out + shown.err
    again = cli("orders", "list", "--lang", "en")
    assert "0 held, 0 spent" in again.err
    itself = json.loads(cli("compare", exhibit, exhibit, "--json").out)
    assert (itself["differing"], itself["unknown"]) == ([], [])
    assert cli("compare", exhibit, exhibit).status == 0


@pytest.mark.browser
def test_bad_lines_of_a_table_are_named_and_nothing_is_ordered(
    cli: Command, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("网址\nhttps://example.org/\nftp://x/\nhttps://example.org/\n", "utf-8")
    ran = cli("capture", "--csv", file, "--lang", "en")
    assert ran.status == 1
    assert "line 3" in ran.err
    assert "line 4" in ran.err
    assert "[commission.lines-refused]" in ran.err
    assert cli("orders", "list", "--json").out == ""


def test_repetitions_are_made_paused_and_stopped(cli: Command) -> None:
    made = cli(
        "schedules", "add", "https://example.org/", "--every", "daily",
        "--at", "2099-01-01T09:00", "--until", "2099-02-01", "--json",
    )  # fmt: skip
    assert made.status == 0, made.err
    schedule = made.lines[0]
    assert schedule["next_at"] == "2099-01-01T01:00:00.000Z", (
        "UTC+08:00 unless it says otherwise"
    )
    name = str(schedule["schedule"])
    for verb, standing in (("pause", "paused"), ("resume", "active"), ("stop", "stopped")):
        assert cli("schedules", verb, name, "--json").lines[0]["standing"] == standing
    assert "已终止" in cli("schedules", "list").out
    past = cli("schedules", "add", "https://example.org/", "--at", "2020-01-01T09:00")
    assert (past.status, "[commission.timing-refused]" in past.err) == (1, True)
    nothing = cli("capture")
    assert nothing.status == 2
