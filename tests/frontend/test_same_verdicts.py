"""The browser's engine and `guzheng-verify` say the same, step by step, on every vector.

The engine runs under Node here; frontend/src is what browsers get. Compared are the outcome,
the trust it rests on, the times, and of every finding its step, subject, outcome and code (and
what a passed step tells). Not compared are the words of «expected» and «found»."""

import base64
import json
import random
import subprocess
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guzheng.verifier.question import parser, question_of
from guzheng.verifier.verdict import verdict_of
from tests.frontend.building import built_library, node
from tools import kernel_tables

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
RUN = Path(__file__).with_name("run.mjs")
Question = dict[str, str | None]
FLIPS = 40


def vectors() -> Iterator[tuple[str, Question]]:
    folder = VECTORS / "timestamp"
    for case in json.loads((folder / "cases.json").read_bytes())["cases"]:
        pair: Question = {
            "file": str(folder / case["file"]),
            "token": str(folder / case["answer"]),
        }
        yield case["name"], {**pair, "roots": str(folder / "roots.pem")}
        yield f"{case['name']}, no roots", pair
    folder = VECTORS / "package"
    for case in json.loads((folder / "cases.json").read_bytes())["cases"]:
        given = {one: case[one] and str(folder / case[one]) for one in ("roots", "policy")}
        yield case["name"], {"file": str(folder / case["package"]), **given}
    folder = VECTORS / "sm2"
    for case in json.loads((folder / "tokens.json").read_bytes())["cases"]:
        given = {
            one: case[one] and str(folder / case[one]) for one in ("file", "token", "roots")
        }
        yield case["name"], given


def by_command(question: Question) -> dict[str, Any]:
    path = question.get("folder") or question["file"]
    words = [str(one) for one in (path, question.get("token")) if one]
    for option in ("roots", "policy"):
        if question.get(option):
            words += [f"--{option}", str(question[option])]
    with warnings.catch_warnings():  # as the command does: what a library thinks is no verdict
        warnings.simplefilter("ignore")
        asked = question_of(parser().parse_args(words))
        answer: dict[str, Any] = json.loads(verdict_of(asked).encode())
    return answer


def by_engine(questions: list[Question], *without: str) -> list[Any]:
    with tempfile.TemporaryDirectory() as room:
        written = Path(room) / "questions.json"
        written.write_text(json.dumps(questions))
        done = subprocess.run(
            [*node(), str(RUN), str(built_library()), str(written), *without],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        answers: list[Any] = json.loads(done.stdout)
        return answers


def told(findings: list[dict[str, str]]) -> list[tuple[str, ...]]:
    return [
        (
            *(one[name] for name in ("step", "rule", "subject", "outcome", "code")),
            one["found"] if one["outcome"] == "passed" else "",
        )
        for one in findings
    ]


def differences(questions: list[tuple[str, Question]]) -> list[str]:
    answers = by_engine([question for _, question in questions])
    found: list[str] = []
    for (name, question), engine in zip(questions, answers, strict=True):
        if "crashed" in engine:
            found.append(f"{name}: {engine['crashed'][:400]}")
            continue
        verifier = by_command(question)
        here = {
            "outcome": engine["outcome"],
            "trust": (engine["trusted"], engine["ledger"]),
            "roots": [one["print"] for one in engine["roots"]],
            "attested_at": engine["attestedAt"],
            "clock_not_verified": engine["clockNotVerified"],
            "findings": told(engine["findings"]),
        }
        trust = verifier["trust"]
        there = {
            "outcome": verifier["outcome"],
            "trust": (trust["source"], trust["ledger"]),
            "roots": trust["roots"],
            "attested_at": verifier["attested_at"],
            "clock_not_verified": verifier["clock_not_verified"],
            "findings": told(verifier["findings"]),
        }
        found += [
            f"{name}: {one}: {here[one]} but {there[one]}"
            for one in here
            if here[one] != there[one]
        ]
    return found


def test_they_have_the_kernels_tables() -> None:
    assert kernel_tables.WRITTEN.read_text() == kernel_tables.tables(), (
        "python -m tools.kernel_tables"
    )


def test_on_every_vector() -> None:
    assert differences(list(vectors())) == []


def test_on_tokens_and_papers_with_a_bit_flipped(tmp_path: Path) -> None:
    """Wherever the bit is: both refuse, for the same reason and at the same step."""
    chance = random.Random(20261122)
    questions: list[tuple[str, Question]] = []
    folder = VECTORS / "timestamp"
    for name in ("good-p256", "good-rsa3072", "intermediate"):
        octets = (folder / f"{name}.tsa").read_bytes()
        for _ in range(FLIPS):
            place, bit = chance.randrange(len(octets)), 1 << chance.randrange(8)
            flipped = bytearray(octets)
            flipped[place] ^= bit
            path = tmp_path / f"{name}-{place}-{bit}.tsa"
            path.write_bytes(flipped)
            pair: Question = {"file": str(folder / "photograph.txt"), "token": str(path)}
            questions.append((path.name, {**pair, "roots": str(folder / "roots.pem")}))
    questions += list(flipped_papers(tmp_path, chance))
    assert differences(questions) == []


def test_on_zips_with_a_bit_flipped(tmp_path: Path) -> None:
    """Two programs of different making read the container: half the bits in its directory."""
    chance = random.Random(20261123)
    questions: list[tuple[str, Question]] = []
    for name in ("good", "deflated"):
        octets = (VECTORS / "package" / f"{name}.zip").read_bytes()
        for number in range(FLIPS):
            flipped = bytearray(octets)
            place = chance.randrange(len(octets) - 1800 if number % 2 else 0, len(octets))
            flipped[place] ^= 1 << chance.randrange(8)
            path = tmp_path / f"{name}-{number}-{place}.zip"
            path.write_bytes(flipped)
            questions.append((path.name, {"file": str(path)}))
    assert differences(questions) == []


def flipped_papers(tmp_path: Path, chance: random.Random) -> Iterator[tuple[str, Question]]:
    """The exhibit's folder of a good package, unpacked, with one paper changed."""
    with zipfile.ZipFile(VECTORS / "package" / "good.zip") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    papers = sorted(one for one in held if not one.endswith(".pdf"))
    for number in range(FLIPS // 2):
        changed = papers[number % len(papers)]
        octets = bytearray(held[changed])
        place = chance.randrange(len(octets))
        octets[place] ^= 1 << chance.randrange(8)
        folder = tmp_path / f"package-{number}"
        for name, whole in held.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(octets) if name == changed else whole)
        yield f"{changed} at {place}", {"folder": str(folder)}


@pytest.mark.parametrize("spelling", ["pem", "base64"])
def test_a_wrapped_token_is_unwrapped_by_the_page(tmp_path: Path, spelling: str) -> None:
    """Other platforms hand out PEM and base64: the page takes that off and says so."""
    folder = VECTORS / "timestamp"
    body = base64.encodebytes((folder / "bare-token.tsa").read_bytes()).decode()
    text = f"-----BEGIN PKCS7-----\n{body}-----END PKCS7-----\n" if spelling == "pem" else body
    path = tmp_path / "their.tst"
    path.write_text(text)
    question: Question = {
        "file": str(folder / "photograph.txt"),
        "token": str(path),
        "roots": str(folder / "roots.pem"),
    }
    strict, lenient = by_engine([question, {**question, "lenient": "yes"}])
    assert strict["outcome"] == "failed"
    assert (lenient["outcome"], lenient["token"]["spelling"]) == ("passed", spelling)
    assert lenient["token"]["bare"] is True


def cases(folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / folder / "cases.json").read_bytes())[
        "cases"
    ]
    return found


def pieces() -> Iterator[tuple[str, Question, str | None]]:
    """Vectors of single formats: what is asked, and the code that its file demands."""
    for piece in ("canonical", "manifest"):
        for one in cases(piece):
            yield one["name"], {"piece": piece, "octets": one["octets"]}, one["code"]
    for one in cases("leaf"):
        asked = {name: one[name] for name in ("manifest", "seal")}
        yield one["name"], {"piece": "leaf", **asked}, one["leaf"]
    for one in cases("sm2"):
        asked = {name: one[name] for name in ("public", "identity", "message", "signature")}
        code = None if one["outcome"] == "valid" else one["outcome"]
        yield one["name"], {"piece": "sm2", **asked}, code
    codes = {"met": None, "not-met": "policy.quorum-missing"}
    for number, one in enumerate(cases("policy")):
        asked = {name: one[name] for name in ("policy", "checkpoint")}
        code = codes.get(one["outcome"], one["outcome"])
        yield f"policy {number}", {"piece": "quorum", **asked}, code
    for name in ("go-peterneumann", "torchwood-mldsa"):  # Ed25519, and ML-DSA-44
        note = (VECTORS / "note" / f"{name}.note").read_bytes()
        key = (VECTORS / "note" / f"{name}.vkey").read_text().strip()
        yield name, {"piece": "note", "note": note.hex(), "key": key}, None
        spoilt = note[:-10] + (b"A" if note[-10:-9] != b"A" else b"B") + note[-9:]
        question: Question = {"piece": "note", "note": spoilt.hex(), "key": key}
        yield f"{name}, spoilt", question, "note.bad-signature"


def test_on_vectors_of_single_formats() -> None:
    asked = list(pieces())
    answers = by_engine([question for _, question, _ in asked])
    found = [
        f"{name}: {answer} but {code}"
        for (name, _, code), answer in zip(asked, answers, strict=True)
        if answer != code
    ]
    assert found == [], "\n".join(found)


def test_what_a_browser_lacks_is_never_a_refusal() -> None:
    """Without WebCrypto no signature is judged: cannot be determined, and says why."""
    folder = VECTORS / "timestamp"
    pair: Question = {
        "file": str(folder / "photograph.txt"),
        "token": str(folder / "good-p256.tsa"),
        "roots": str(folder / "roots.pem"),
    }
    package: Question = {"file": str(VECTORS / "package" / "good.zip")}
    for answer in by_engine([pair, package], "without-webcrypto"):
        assert answer["outcome"] == "not-checked"
        outcomes = {one["outcome"] for one in answer["findings"]}
        assert outcomes == {"passed", "not-checked"}
        assert "note.unsupported" in {one["code"] for one in answer["findings"]}
