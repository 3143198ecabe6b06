"""What people and scripts get wrong: each a clear error, a stable code, nothing half kept."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.intake import Upload
from guzheng.refusals import Refused
from tests.cli.conftest import PROGRAM, Command, Ran
from tests.world import site


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"light")
    return path


def require_refused(ran: Ran, code: str, data: Path) -> None:
    """Exit 1, the code, who must act; and nothing of it anywhere."""
    assert ran.status == 1, ran
    assert f"[{code}]" in ran.err
    assert ran.err.count("\n") >= 2, "no facts beside the sentence"
    assert ran.out == ""
    assert left_in(data) == []


def left_in(data: Path) -> list[Path]:
    """Every blob, but the paper that says from the start how the ledger is divided."""
    blobs = data / "blobs"
    found = (one for one in blobs.rglob("*") if one.is_file())
    return [one for one in found if one != blobs / "shards/years"]


def test_an_empty_file(cli: Command, data: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    require_refused(cli("deposit", empty), "intake.empty-file", data)
    require_refused(cli("deposit", "--hash-only", empty), "intake.empty-file", data)


@pytest.mark.parametrize("more", [(), ("--hash-only",)])
@pytest.mark.parametrize(
    "name", [".", "missing.jpg", "photo.jpg/below", "x" * 300, "pipe", "/dev/zero"]
)
def test_what_is_no_file(
    cli: Command, data: Path, file: Path, name: str, more: tuple[str, ...]
) -> None:
    os.mkfifo(file.parent / "pipe")
    require_refused(cli("deposit", *more, file.parent / name), "intake.unreadable", data)


@pytest.mark.parametrize("more", [(), ("--hash-only",)])
def test_a_file_that_cannot_be_read(
    cli: Command, data: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    secret = Path("/proc/self/mem")  # even root is answered EIO
    if os.geteuid() != 0:
        secret = tmp_path / "secret.txt"
        secret.touch(mode=0)
    require_refused(cli("deposit", *more, secret), "intake.unreadable", data)


@pytest.mark.parametrize(
    "name",
    [
        "n" * 300,
        "漢" * 90,
        "../x",
        "a/b",
        "a\\b",
        "..",
        "line\nbreak",
        "nul\0",
        "bell\a",
        "photo\u202egpj.exe",
        "zero\u200bwidth",
        "CON",
        "nul.txt",
        "COM1.jpg",
        "dot.",
        " blank",
        "a:b",
        'quo"te',
        "what?",
        "\udcff",
    ],
)
def test_names_that_could_not_be_unpacked(
    cli: Command, data: Path, file: Path, name: str
) -> None:
    require_refused(cli("deposit", "--as", name, file), "intake.name-refused", data)
    require_refused(
        cli("deposit", "--hash-only", "--as", name, file), "intake.name-refused", data
    )


@pytest.mark.parametrize("option", ["--name", "--applicant", "--purpose"])
@pytest.mark.parametrize("text", ["x" * 2000, "two\nlines", "turned \u202e round", "\udcff"])
def test_texts_that_cannot_be_printed(
    cli: Command, data: Path, file: Path, option: str, text: str
) -> None:
    require_refused(cli("deposit", option, text, file), "intake.text-refused", data)


def test_the_other_files_are_still_fixed(cli: Command, file: Path, tmp_path: Path) -> None:
    ran = cli("deposit", "--json", tmp_path / "missing", file)
    assert ran.status == 1
    assert "[intake.unreadable]" in ran.err
    assert [one["state"] for one in ran.lines] == ["certified"]


def test_more_files_than_a_package_may_have(data: Path) -> None:
    platform = Platform(Config(data))

    def uploads() -> Iterator[Upload]:
        for number in range(1001):
            yield Upload(f"{number}.txt", [b"x"])

    with pytest.raises(Refused, match=r"intake\.too-many-items"):
        platform.road.deposit(uploads(), largest=1 << 20)
    assert left_in(data) == []
    assert platform.index.names() == frozenset()


@pytest.mark.parametrize("second", ["a.txt", "A.TXT"])
def test_a_name_twice(data: Path, second: str) -> None:
    platform = Platform(Config(data))
    both = [Upload("a.txt", [b"1"]), Upload(second, [b"2"])]
    with pytest.raises(Refused, match=r"intake\.name-twice"):
        platform.road.deposit(both, largest=1 << 20)
    assert left_in(data) == []


def test_no_file_at_all_and_one_too_large(data: Path) -> None:
    platform = Platform(Config(data))
    with pytest.raises(Refused, match=r"intake\.no-files"):
        platform.road.deposit((), largest=10)
    with pytest.raises(Refused, match=r"intake\.too-large"):
        platform.road.deposit([Upload("big", [b"12345", b"678901"])], largest=10)
    assert left_in(data) == []


# A program is charged for the memory of whoever starts it, until it is another program; this
# one is small, where the tests have had a gigabyte.
_STARTER = """
import os, sys
started = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(started, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_of(path: Path, size: int) -> int:
    """The most memory, in octets, that the program had while it fixed such a file."""
    with path.open("wb") as stream:
        stream.truncate(size)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _STARTER, PROGRAM, "deposit", "--json", path],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b'"state":"certified"' in done.stdout
    return int(done.stderr.split()[-1]) * 1024


@pytest.mark.usefixtures("data")
def test_a_large_file_in_constant_memory(tmp_path: Path) -> None:
    small = peak_of(tmp_path / "small.bin", 1)
    assert peak_of(tmp_path / "large.bin", 200 << 20) < small + (60 << 20)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("data")
def test_five_gigabytes_in_constant_memory(tmp_path: Path) -> None:
    assert peak_of(tmp_path / "huge.bin", 5 << 30) < 300 << 20


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://example.org/", "capture.url-not-http"),
        ("file:///etc/passwd", "capture.url-not-http"),
        ("javascript:alert(1)", "capture.url-not-http"),
        ("example.org", "capture.url-not-http"),
        ("http://", "capture.url-not-http"),
        ("http://[::1", "capture.url-not-http"),
        ("http://a b/", "capture.url-not-http"),
        ("http://a/" + "x" * 9000, "capture.url-not-http"),
        ("http://host:99999/", "capture.url-not-http"),
        ("http://user:secret@example.org/", "capture.url-with-password"),
    ],
)
def test_addresses_that_no_browser_is_sent_to(
    cli: Command, data: Path, url: str, code: str
) -> None:
    ran = cli("capture", url)
    assert "secret" not in ran.err
    if "[capture.no-browser]" not in ran.err:
        require_refused(ran, code, data)


@pytest.mark.parametrize("block", ["300.1.1.1/8", "127.0.0.1/8", "all", ""])
def test_networks_that_are_none(cli: Command, data: Path, block: str) -> None:
    ran = cli("capture", "http://127.0.0.1/", "--allow-private", block)
    require_refused(ran, "config.value-refused", data)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("http://nowhere.invalid/", "capture.name-not-resolved"),
        ("http://127.0.0.1:{free}/", "capture.connection-refused"),
        ("/redirect", "capture.address-refused"),
    ],
)
def test_pages_that_cannot_be_captured(
    cli: Command, tmp_path: Path, path: str, code: str
) -> None:
    with site() as address, socket.create_server(("127.0.0.1", 0)) as unheard:
        path = path.format(free=unheard.getsockname()[1])
        unheard.close()
        url = path if path.startswith("http") else address + path
        ran = cli("capture", url, "--json", "--allow-private", "127.0.0.0/8")
    assert ran.status == 1, ran
    assert f"[{code}]" in ran.err
    assert ran.lines[-1]["state"] == "refused"
    assert ran.lines[-1]["missing"] == []
    refusal = ran.lines[-1]["refusal"]
    assert isinstance(refusal, dict)
    assert refusal["code"] == code
    assert refusal["act"]
    assert cli("fsck").status == 0
    assert cli("show", ran.exhibit).status == 0
    # The attempt is evidence: it has a certificate of its own, and a package.
    out = str(tmp_path / "x.zip")
    assert cli("package", ran.exhibit, "--out", out).status == 0


@pytest.mark.browser
@pytest.mark.parametrize(
    ("path", "code"),
    [("/500", "capture.http-error-status"), ("/login", "scope.login-wall")],
)
def test_what_is_not_the_page_is_sealed_and_never_passes_for_it(
    cli: Command, path: str, code: str
) -> None:
    with site() as address:
        ran = cli("capture", f"{address}{path}", "--json", "--allow-private", "127.0.0.0/8")
    assert ran.status == 1
    assert f"[{code}]" in ran.err
    assert ran.lines[-1]["state"] == "certified"


@pytest.mark.parametrize(
    "exhibit", ["ex_" + "0" * 26, "nothing", "../../etc/passwd", "ex_\u202e", "\udcff", ""]
)
def test_exhibits_that_are_not_there(cli: Command, data: Path, exhibit: str) -> None:
    require_refused(cli("show", exhibit), "exhibit.not-found", data)
    require_refused(cli("package", exhibit, "--out", "x.zip"), "exhibit.not-found", data)
    assert not Path("x.zip").exists()


def test_a_package_of_an_exhibit_on_its_way(cli: Command, data: Path, tmp_path: Path) -> None:
    exhibit = Platform(Config(data)).deposit("a.txt", [b"words"])
    ran = cli("package", exhibit, "--out", tmp_path / "x.zip")
    assert ran.status == 1
    assert "[package.not-complete]" in ran.err
    assert not (tmp_path / "x.zip").exists()


def test_places_that_a_package_cannot_be_written_to(
    cli: Command, file: Path, tmp_path: Path
) -> None:
    exhibit = cli("deposit", "--json", file).exhibit
    missing = cli("package", exhibit, "--out", tmp_path / "missing" / "x.zip")
    assert (missing.status, "[package.no-folder]" in missing.err) == (1, True)
    for place in ("/proc/x.zip", tmp_path / ("n" * 300), "/dev/full/x.zip"):
        ran = cli("package", exhibit, "--out", place)
        assert ran.status == 1, ran
        assert "[package." in ran.err
    assert cli("package", exhibit, "--out", tmp_path).status == 2  # click: a folder
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "photo.jpg"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (b"workers = ", "config.file-refused"),
        (b"\xff\xfe", "config.file-refused"),
        (b"worker = 2", "config.unknown-setting"),
        (b'workers = "2"', "config.value-refused"),
        (b"workers = true", "config.value-refused"),
        (b"workers = 0", "config.value-refused"),
        (b'allow_private = ["everything"]', "config.value-refused"),
        (b"allow_private = [1]", "config.value-refused"),
        (b'timestamp_url = "ftp://tsa"', "fix.authority-url"),
        (b'timestamp_roots = "/nowhere.pem"', "config.value-refused"),
        (b'timestamp_roots = "/etc/hostname"', "config.value-refused"),
        (b'operator = "a\\u0000b"', "fix.operator-unnameable"),
    ],
)
def test_settings_that_cannot_be(
    cli: Command, data: Path, file: Path, settings: bytes, code: str
) -> None:
    data.mkdir()
    (data / "guzheng.toml").write_bytes(settings)
    for arguments in (("list",), ("deposit", file), ("doctor",), ("worker", "--until-idle")):
        require_refused(cli(*arguments), code, data)


@pytest.mark.parametrize(
    ("lines", "expected", "found"),
    [
        ("group all 1 nobody\nquorum all\n", "names of lines before this one", "nobody"),
        ("quorum none\nquorum none\n", "exactly one quorum", "1 and 2"),
        ("witness a b\nquorum none\n", "", "b"),
        ("anything\n", "log, witness, group or quorum", "anything"),
    ],
)
def test_a_policy_that_is_none_is_told_what_is_wrong_with_it(
    cli: Command, data: Path, lines: str, expected: str, found: str
) -> None:
    policy = data.parent / "ledger.policy"
    policy.write_text(lines)
    data.mkdir()
    (data / "guzheng.toml").write_text(f'ledger_policy = "{policy}"\n')
    ran = cli("ledger", "status")
    assert "[config.value-refused]" in ran.err
    assert expected in ran.err
    assert found in ran.err


def test_settings_of_the_environment(
    cli: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUZHENG_WORKERS", "many")
    require_refused(cli("list"), "config.value-refused", data)


def test_a_data_directory_that_is_none(cli: Command, file: Path, tmp_path: Path) -> None:
    assert cli("list", "--data", file).status == 2
    for place in (file / "below", Path("/proc/guzheng"), tmp_path / ("d" * 300)):
        ran = cli("list", "--data", place)
        assert ran.status == 1, ran
        assert "[config." in ran.err


def test_a_data_directory_that_looks_like_an_option(
    cli: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("list", "--data", "--json")
    assert (ran.status, "./--json" in ran.err) == (2, True), ran
    assert list(tmp_path.iterdir()) == []
    assert cli("list", "--data", "./--json").status == 0
    assert [one.name for one in tmp_path.iterdir()] == ["--json"]


def test_a_data_directory_from_the_environment_that_is_none(
    cli: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUZHENG_DATA", str(file))
    ran = cli("list")
    assert (ran.status, "[config.data-unusable]" in ran.err) == (1, True)


@pytest.mark.parametrize("paper", ["seal.tsa", "entry.tlog-proof", "certificate.pdf"])
def test_a_package_that_would_fail_in_court_is_not_given_out(
    cli: Command, data: Path, tmp_path: Path, paper: str
) -> None:
    """S1-102: verified before it is exported."""
    original = tmp_path / "a.txt"
    original.write_bytes(b"a")
    exhibit = cli("deposit", original, "--json").exhibit
    out = tmp_path / "court.zip"
    ran = cli("package", exhibit, "--out", out, "--lang", "en")
    assert ran.status == 0
    assert "Verified:" in ran.err
    before = out.read_bytes()
    damaged = data / "blobs/exhibits" / exhibit / paper
    octets = damaged.read_bytes()
    damaged.chmod(0o600)
    damaged.write_bytes(octets[:-40] + bytes([octets[-40] ^ 1]) + octets[-39:])
    ran = cli("package", exhibit, "--out", out)
    assert ran.status == 1
    assert "[package.not-sound]" in ran.err
    assert paper in ran.err
    assert out.read_bytes() == before  # and what was there is not lost
    assert sorted(one.name for one in tmp_path.iterdir() if one.is_file()) == [
        "a.txt",
        "court.zip",
    ]
