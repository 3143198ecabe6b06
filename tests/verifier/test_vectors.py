"""tests/vectors/package: every package gives the outcome and the codes that it should."""

import json
from pathlib import Path
from typing import Any

import pytest

from guzheng.verifier import main
from tests.verifier.packed import codes, judged

FOLDER = Path(__file__).parents[1] / "vectors" / "package"
CASES = {
    case["name"]: case for case in json.loads((FOLDER / "cases.json").read_bytes())["cases"]
}

SM2 = FOLDER.parent / "sm2"
TOKENS = json.loads((SM2 / "tokens.json").read_bytes())["cases"]


def options(case: dict[str, str]) -> list[object]:
    return [
        one
        for name in ("roots", "policy")
        if case[name]
        for one in (f"--{name}", FOLDER / case[name])
    ]


@pytest.mark.parametrize("name", CASES)
def test_the_vectors(name: str) -> None:
    case = CASES[name]
    verdict = judged(FOLDER / case["package"], *options(case))
    assert verdict.report.outcome.value == case["outcome"]
    assert sorted(codes(verdict)) == case["codes"]


@pytest.mark.parametrize("name", CASES)
def test_the_exit_status(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    status = main.main([str(FOLDER / case["package"]), "--json", *map(str, options(case))])
    assert status == {"passed": 0, "failed": 1, "not-checked": 2}[case["outcome"]]
    told = json.loads(capsys.readouterr().out)
    assert told["outcome"] == case["outcome"]
    assert told["trust"]["source"] != "none" or case["outcome"] == "failed"


@pytest.mark.parametrize("case", TOKENS, ids=lambda one: one["name"])
def test_two_tokens_of_one_file(case: dict[str, Any]) -> None:
    """One under ECDSA, the other under SM2 with SM3: each judged by itself."""
    asked = [SM2 / case["file"], SM2 / case["token"]]
    roots = ("--roots", SM2 / case["roots"]) if case["roots"] else ()
    verdict = judged(*asked, *roots)
    assert verdict.report.outcome.value == case["outcome"]
    assert sorted(codes(verdict)) == case["codes"]


def test_every_package_has_a_case() -> None:
    assert {case["package"] for case in CASES.values()} == {
        one.name for one in FOLDER.glob("*.zip")
    }


def test_they_stay_small() -> None:
    assert sum(one.stat().st_size for one in FOLDER.iterdir()) < 1_800_000
