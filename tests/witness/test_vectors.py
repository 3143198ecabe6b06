"""Vectors that tools/vectors_witness.py writes from the specifications, without our code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TypedDict

import pytest

from guzheng.proof import policy
from guzheng.proof.errors import ProofError
from guzheng.proof.fork import Fork
from guzheng.proof.note import Note, VerifierKey
from tests.witness.conftest import Place

ROOT = Path(__file__).parents[2]


class Case(TypedDict, total=False):
    why: str
    request: str
    status: int
    policy: str
    checkpoint: str
    file: str
    outcome: str


def cases(name: str) -> tuple[VerifierKey, list[Case]]:
    read = json.loads((ROOT / "tests" / "vectors" / name / "cases.json").read_bytes())
    return VerifierKey.parse(read["log"]), read["cases"]


def test_they_are_what_the_tool_describes() -> None:
    command = [sys.executable, "-m", "tools.vectors_witness", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_one_conversation_with_a_witness(place: Place) -> None:
    log, conversation = cases("witness")
    witness = place.open()
    witness.memory.add_log(log)
    statuses = {
        one["why"]: witness.add_checkpoint(one["request"].encode()).status
        for one in conversation
    }
    assert statuses == {one["why"]: one["status"] for one in conversation}
    witness.memory.close()


@pytest.mark.parametrize("case", cases("policy")[1], ids=lambda one: one["outcome"])
def test_policies(case: Case) -> None:
    try:
        stated = policy.parse_ledger_policy(case["policy"].encode())
        policy.require_quorum(stated, Note.parse(case["checkpoint"].encode()))
        outcome = "met"
    except ProofError as error:
        outcome = error.code
    assert outcome == case["outcome"]


@pytest.mark.parametrize("case", cases("fork")[1], ids=lambda one: one["outcome"])
def test_forks(case: Case) -> None:
    try:
        read = Fork.parse(case["file"].encode())
        assert read.encode() == case["file"].encode()
        read.require_proved([cases("fork")[0]])
        outcome = "proved"
    except ProofError as error:
        outcome = error.code
    assert outcome == case["outcome"]
