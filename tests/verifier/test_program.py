"""`guzheng-verify` as a program: exit status, both languages, JSON, and never a traceback."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from guzheng.proof import canonical
from guzheng.verifier.main import main
from tests.proof.tokens import TIMESTAMPS
from tests.verifier.packed import KEPT, Packed, zipped

VECTORS = Path(__file__).parents[1] / "vectors" / "package"
GOOD, FAILED = VECTORS / "good.zip", VECTORS / "item-altered.zip"
PROGRAM = Path(sys.prefix) / "bin" / "guzheng-verify"
Done = subprocess.CompletedProcess[str]


def ran(*arguments: object, environment: Mapping[str, str] | None = None) -> Done:
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            **(environment or {}),
        },
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "Warning" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("package", "status"),
    [("good.zip", 0), ("item-altered.zip", 1), ("deflated.zip", 2), ("empty.zip", 1)],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_packages(package: str, status: int, language: str) -> None:
    done = ran(VECTORS / package, "--lang", language)
    assert done.returncode == status, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.isascii() == (language == "en")
    assert done.stderr == ""
    assert "[docs/spec/package.md" in done.stdout  # the rule of a step


@pytest.mark.parametrize(
    ("case", "file", "with_roots", "status", "code"),
    [
        ("good-p256", "photograph.txt", True, 0, None),
        ("good-p256", "photograph.txt", False, 2, "trust.no-roots"),
        ("good-p256", "README.md", True, 1, "timestamp.imprint-differs"),
        ("unknown-root", "photograph.txt", True, 2, "chain.unknown-root"),
        ("purpose-client-auth", "photograph.txt", True, 1, "chain.purpose-wrong"),
        ("expired-at-gentime", "photograph.txt", True, 1, "chain.expired-at-gentime"),
        ("cut-short", "photograph.txt", True, 1, "der.malformed"),
        ("empty", "photograph.txt", True, 1, "der.malformed"),
    ],
)
def test_a_file_and_its_token(
    case: str, file: str, with_roots: bool, status: int, code: str | None
) -> None:
    roots = ("--roots", TIMESTAMPS / "roots.pem") if with_roots else ()
    asked = (TIMESTAMPS / file, TIMESTAMPS / f"{case}.tsa", *roots)
    done = ran(*asked, "--json")
    assert done.returncode == status, done.stdout
    found = {one["code"] for one in json.loads(done.stdout)["findings"]}
    assert code is None or code in found
    for language in ("zh", "en"):
        said = ran(*asked, "--lang", language)
        assert said.returncode == status
        assert code is None or f"[{code}]" in said.stdout


def test_a_digest_instead_of_a_file(packed: Packed, tmp_path: Path) -> None:
    """Somebody else keeps the file: its digest is enough."""
    token = tmp_path / "kept.tsa"
    token.write_bytes(packed.member(packed.hash_only, "tokens/kept.bin.tsa"))
    digest = hashlib.sha256(KEPT).hexdigest()
    for given, status in ((digest, 0), (digest[::-1], 1)):
        done = ran(token, "--digest", f"sha256:{given}", "--roots", packed.roots)
        assert done.returncode == status


def test_a_certificate_alone(packed: Packed, tmp_path: Path) -> None:
    pdf = tmp_path / "certificate.pdf"
    pdf.write_bytes(packed.member(packed.deposit, "certificate.pdf"))
    assert ran(pdf, "--roots", packed.roots).returncode == 0
    assert ran(pdf).returncode == 2
    pdf.write_bytes(pdf.read_bytes() + b"\n")
    assert ran(pdf, "--roots", packed.roots).returncode == 1


def test_sm3_is_computed_when_asked(packed: Packed, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(packed.octets)
    assert ran(path, "--sm3").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--nonsense",),
        (GOOD, "a", "b"),
        (GOOD, "--lang", "fr"),
        ("nowhere.zip",),
        ("x" * 300,),
        ("x" * 5000,),
        (GOOD, "nowhere.tsa"),
        (GOOD, "--roots", "nowhere.pem"),
        (GOOD, "--roots", VECTORS / "README.md"),
        (GOOD, "--roots", VECTORS),
        (GOOD, "--policy", VECTORS / "roots.pem"),
        (GOOD, "--policy", "/dev/null"),
        (GOOD, "--digest", "sha256:00"),
        (GOOD, "--digest", "md5:" + "00" * 16),
        (GOOD, GOOD, "--digest", "sha256:" + "00" * 32),
        (VECTORS, GOOD),
        (VECTORS, "--digest", "sha256:" + "00" * 32),
        ("a\x1b[31m\u202e",),
        ("--\x1b]0;evil\x07",),
    ],
    ids=range(20),
)
def test_what_cannot_be_understood(arguments: tuple[object, ...]) -> None:
    """Says nothing of the evidence: no verdict, a sentence, and the status of usage."""
    done = ran(*arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr


def test_the_json_is_one_object_in_one_spelling() -> None:
    for package in (GOOD, FAILED):
        done = ran(package, "--json")
        told = canonical.parse_object(done.stdout.removesuffix("\n").encode())
        assert set(told) == {
            *("schema", "outcome", "trust", "attested_at", "clock_not_verified", "findings")
        }
        assert told["schema"] == "guzheng.report/1"
        assert set(json.loads(done.stdout)["trust"]) == {"source", "roots", "ledger"}
        for finding in json.loads(done.stdout)["findings"]:
            assert set(finding) == {
                *("step", "rule", "outcome", "code", "subject", "expected", "found")
            }
            assert (finding["code"] == "ok") == (finding["outcome"] == "passed")


def test_it_says_whom_it_believed(packed: Packed, tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(packed.octets)

    def trust(*options: object) -> tuple[str, str]:
        told = json.loads(ran(path, "--json", *options).stdout)["trust"]
        return told["source"], told["ledger"]

    assert trust() == ("package", "package")
    assert trust("--roots", packed.roots) == ("given", "package")
    assert trust("--roots", packed.roots, "--policy", packed.policy) == ("given", "given")


def test_names_do_not_steer_the_readers_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\u2066\x9b31m"
    path = tmp_path / "evil.zip"
    path.write_bytes(zipped({f"{evil}.txt": b"x", "SHA256SUMS": b""}))
    for options in ((), ("--json",), ("--lang", "en")):
        done = ran(path, *options)
        assert done.returncode == 1
        assert all(one.isprintable() for one in done.stdout.replace("\n", ""))
    folder = tmp_path / "folder"
    (folder / "trust").mkdir(parents=True)
    (folder / "trust" / evil).write_bytes(b"")
    done = ran(folder)
    assert done.returncode == 1
    assert all(one.isprintable() for one in done.stdout.replace("\n", ""))


def test_a_terminal_without_chinese_still_reads() -> None:
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "PYTHONUTF8": "0"}):
        done = ran(GOOD, environment=environment)
        assert done.returncode == 0, done.stderr
        assert re.search(r"SHA-256 [0-9a-f]{64}", done.stdout)


def test_a_reader_who_had_enough() -> None:
    """`guzheng-verify X | head -1`: no traceback, and the status is that of the report."""
    for package, status in ((GOOD, 0), (FAILED, 1)):
        running = subprocess.Popen(
            [PROGRAM, package], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert running.stdout is not None
        running.stdout.close()
        assert running.stderr is not None
        with running.stderr as errors:
            assert errors.read() == b""
        assert running.wait() == status


def test_nothing_is_written_beside_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(GOOD.read_bytes())
    path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert ran(path).returncode == 0
        assert [one.name for one in tmp_path.iterdir()] == ["good.zip"]
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("name", sorted(one.name for one in VECTORS.glob("*.zip")))
def test_every_bad_package_is_told_in_words(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a start for each: what depends on the program itself is asked of four, above."""
    assert main([str(VECTORS / name)]) in {0, 1, 2}
    said = capsys.readouterr()
    assert said.err == ""
    assert "None" not in said.out
    for code in re.findall(r"\[([a-z]+\.[a-z0-9-]+)\]", said.out):
        assert f"    {code} [{code}]" not in said.out, f"{code} has no words"


COMMON_NAME, COUNTRY = b"\x06\x03\x55\x04\x03", b"\x06\x03\x55\x04\x06"


def test_what_a_library_warns_of_is_judged_in_silence(tmp_path: Path) -> None:
    """A country of nine letters, in a certificate that is not the signer's."""
    octets = (TIMESTAMPS / "intermediate.tsa").read_bytes()
    for place in re.finditer(re.escape(COMMON_NAME), octets):
        odd = octets[: place.start()] + COUNTRY + octets[place.end() :]
        (tmp_path / "odd.tsa").write_bytes(odd)
        done = ran(
            *(TIMESTAMPS / "photograph.txt", tmp_path / "odd.tsa"),
            *("--roots", TIMESTAMPS / "roots.pem"),
        )
        assert done.returncode in {1, 2}
        assert done.stderr == ""
