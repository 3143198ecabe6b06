"""What holds for every command: two streams, four statuses, options anywhere, no traceback."""

import gc
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.cli.main import commands
from guzheng.config import Config
from tests.cli.conftest import PROGRAM, Command

EVERY = sorted(commands.commands)
OF_AN_EXHIBIT = {"exhibit", "folder", "state", "missing"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "照片.jpg"
    path.write_bytes(b"light")
    return path


def arguments(name: str, exhibit: str, tmp_path: Path, file: Path) -> tuple[object, ...]:
    return {
        "deposit": ("deposit", file),
        "show": ("show", exhibit),
        "package": ("package", exhibit, "--out", tmp_path / "x.zip"),
        "worker": ("worker", "--until-idle"),
        "orders": ("orders", "list"),
        "schedules": ("schedules", "list"),
        "keep": ("keep", "status"),
        "journal": ("journal", "verify"),
        "keys": ("keys", "list"),
        "ledger": ("ledger", "status"),
        "accounts": ("accounts", "show", "local"),
        "rehearse": ("rehearse", exhibit),
    }.get(name, (name,))


# Commands that speak of exhibits; `operator` needs accounts (test_people), and a witness is
# another program, started and never imported; `end` refuses what is finished (test_halting).
ANSWERING = [
    one
    for one in EVERY
    if one
    not in {"capture", "compare", "end", "operator", "serve", "tsa", "transcript"}
    | {"witness", "mirror"}
]


OF_OTHER_THINGS = {
    *("roots", "doctor", "keys", "journal", "ledger", "orders", "schedules"),
    *("accounts", "rehearse", "documents", "secrets", "selfcheck"),
}


@pytest.mark.parametrize("name", ANSWERING)
def test_options_stand_before_or_after(
    cli: Command, tmp_path: Path, file: Path, name: str
) -> None:
    data = tmp_path / "elsewhere"
    exhibit = cli("deposit", file, "--data", data, "--json").exhibit
    asked = arguments(name, exhibit, tmp_path, file)
    for typed in (
        ("--data", data, "--json", *asked),
        (asked[0], "--json", "--data", data, *asked[1:]),
        (*asked, "--data", data, "--json"),
    ):
        ran = cli(*typed)
        # Nobody vouches for the clock of a test: the self-check says so, and ends with 1.
        assert ran.status == (name == "selfcheck"), ran
        if name in OF_OTHER_THINGS:
            continue
        for line in ran.lines:
            assert line.keys() >= OF_AN_EXHIBIT
            assert Path(str(line["folder"])).is_dir()
        if name != "worker":  # which had nothing left to do
            assert exhibit in {line["exhibit"] for line in ran.lines} or name == "deposit"
    assert not (tmp_path / "data").exists(), "another directory than the one that was named"


def test_json_is_the_one_spelling(cli: Command, file: Path) -> None:
    ran = cli("deposit", file, "--json", "--name", "合同 «A»")
    (line,) = ran.out.splitlines()
    said = json.loads(line)
    assert line == json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert said["claimed_name"] == "合同 «A»"
    assert said["state"] == "certified"
    assert said["missing"] == []


def test_a_progress_line_for_each_step(cli: Command, file: Path) -> None:
    ran = cli("deposit", file, "--lang", "en")
    assert [line[4:] for line in ran.err.splitlines()[1:]] == [
        "Manifest",
        "Timestamp",
        "Log entry",
        "Certificate",
    ]


def test_what_is_packed_is_what_was_asked_for(cli: Command, file: Path, tmp_path: Path) -> None:
    one = cli("deposit", file, "--json").exhibit
    two = cli("deposit", file, "--json", "--hash-only").exhibit
    ran = cli("package", one, two, one, "--json", "--out", tmp_path / "x.zip")
    assert [line["exhibit"] for line in ran.lines] == [one, two]
    with zipfile.ZipFile(tmp_path / "x.zip") as package:
        folders = {name.split("/")[1] for name in package.namelist() if "exhibits/" in name}
    assert folders == {one, two}
    verify = PROGRAM.with_name("guzheng-verify")
    (tmp_path / "roots.pem").write_text(cli("roots").out)
    checked = subprocess.run(
        [verify, tmp_path / "x.zip", "--roots", tmp_path / "roots.pem"],
        capture_output=True,
        check=False,
    )
    assert checked.returncode in (0, 2), checked.stdout.decode()


@pytest.mark.oracle("openssl")
def test_the_roots_are_what_openssl_takes(cli: Command, file: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    ran = cli("deposit", file, "--json")
    roots.write_text(cli("roots").out)
    shown = subprocess.run(
        ["openssl", "x509", "-in", roots, "-noout", "-subject"], capture_output=True, check=True
    )
    assert b"CN" in shown.stdout
    token = Path(str(ran.lines[-1]["folder"])) / f"tokens/{file.name}.tsa"
    subprocess.run(
        ["openssl", "ts", "-verify", "-data", file, "-in", token, "-CAfile", roots],
        capture_output=True,
        check=True,
    )


def test_doctor_says_what_this_machine_can_do(cli: Command) -> None:
    ran = cli("doctor", "--json")
    assert ran.status == 0
    assert {line["check"] for line in ran.lines} == {
        "keys",
        "keys-ending",
        "sm2",
        "ledger",
        "disk",
        "browser",
        "fonts",
        "clock",
    }
    assert {line["check"]: line["good"] for line in ran.lines}["clock"] is False


def test_a_self_check_is_told_and_kept(cli: Command, data: Path) -> None:
    """Nobody vouches for the clock of the tests, and the status says that something is so."""
    ran = cli("selfcheck", "--json")
    assert ran.status == 1
    assert [line["check"] for line in ran.lines if not line["good"]] == ["clock"]
    assert (data / "blobs" / "checks" / "000001.json").is_file()
    assert "第 2 号" in cli("selfcheck", "--lang", "zh").err


def test_a_machine_without_a_browser(
    cli: Command, data: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    monkeypatch.setenv("GUZHENG_CHROMIUM", "/nowhere/chromium")
    ran = cli("capture", "https://example.org/")
    assert ran.status == 75
    assert "[capture.no-browser]" in ran.err
    assert cli("list", "--json").out == ""
    assert cli("deposit", file).status == 0


def test_a_damaged_file_ends_fsck_with_one(cli: Command, file: Path) -> None:
    ran = cli("deposit", file, "--json")
    paper = Path(str(ran.lines[-1]["folder"])) / "manifest.json"
    paper.chmod(0o600)
    paper.write_bytes(paper.read_bytes().replace(b"light", b"night") + b" ")
    ran = cli("fsck", "--json")
    assert ran.status == 1
    faults = [line for line in ran.lines if "place" in line]
    assert [one["place"] for one in faults] == [f"exhibits/{ran.exhibit}/manifest.json"]
    words = cli("fsck", "--lang", "en")
    assert words.status == 1
    assert f"exhibits/{ran.exhibit}/manifest.json" in words.out
    assert "[keep.altered]" in words.out


def test_a_damaged_table_is_mended_by_rebuild(cli: Command, data: Path, file: Path) -> None:
    exhibit = cli("deposit", file, "--json").exhibit
    gc.collect()  # a connection of that command, closed later, would write the file whole again
    for name in ("index.sqlite-wal", "index.sqlite-shm"):  # it would still be whole in these
        (data / name).unlink(missing_ok=True)
    (data / "index.sqlite").write_bytes(b"nothing" * 1000)
    for asked in (("list",), ("fsck",), ("deposit", file)):
        ran = cli(*asked)
        assert ran.status == 1
        assert "index.sqlite" in ran.err
        assert "[store.table-damaged]" in ran.err
    ran = cli("rebuild", "--json")
    assert (ran.status, ran.exhibit) == (0, exhibit)
    assert len(list(data.glob("index.sqlite.damaged-*"))) >= 1
    assert cli("fsck").status == 0


def test_who_reads_us_may_go_away(file: Path, cli: Command) -> None:
    for _ in range(3):
        cli("deposit", file)
    done = subprocess.run(
        ["bash", "-c", f"{PROGRAM} list --json | head -c 1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_knows_no_chinese(program: Command, file: Path, encoding: str) -> None:
    ran = program("deposit", file, "--json", PYTHONIOENCODING=encoding)
    assert ran.status == 0, ran.err
    assert program("show", "漢", PYTHONIOENCODING=encoding).status == 1


def test_what_comes_from_outside_does_not_steer_the_terminal(
    cli: Command, tmp_path: Path
) -> None:
    bell = tmp_path / "bell\x1b[2J\a.txt"
    bell.write_bytes(b"x")
    ran = cli("deposit", bell)
    assert ran.status == 1
    assert not any(one in ran.out + ran.err for one in "\x1b\a")


def test_the_program_itself(program: Command, file: Path) -> None:
    assert program("deposit", file, "--json").lines[-1]["state"] == "certified"
    assert program("--help").status == 0
    assert program("nonsense").status == 2
    assert program("show", "nothing").status == 1


def test_disputes_are_read_by_the_operator(cli: Command, data: Path) -> None:
    assert cli("ledger", "disputes").out == ""
    claims = {"claimed_contact": "me@example.cn", "claimed_words": "错了\x1b[2J"}
    number = Platform(Config(data)).dispute(claims)
    ran = cli("ledger", "disputes")
    assert ran.status == 0
    assert number in ran.out
    assert "me@example.cn" in ran.out
    assert "\x1b" not in ran.out
    assert cli("ledger", "disputes", "--json").lines[0]["dispute"] == number
