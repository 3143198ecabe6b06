"""What docs/operate/run-a-witness.md tells an operator to type is understood, and works."""

import re
import shlex
from pathlib import Path

import pytest

from guzheng.mirror.main import _parser as mirror_parser
from guzheng.witness.main import _parser as witness_parser
from guzheng.witness.main import run
from guzheng.words import catalogue
from tests.proof.keys import key_of
from tests.witness.conftest import NOON, entropy

PAGE = (Path(__file__).parents[2] / "docs" / "operate" / "run-a-witness.md").read_text("utf-8")
TYPED = re.findall(r"^witness/bin/guzheng-(witness|mirror) (.*)$", PAGE, re.MULTILINE)
PARSERS = {"witness": witness_parser, "mirror": mirror_parser}


@pytest.mark.parametrize(("program", "line"), TYPED)
def test_each_line_is_understood(program: str, line: str) -> None:
    assert vars(PARSERS[program]().parse_args(shlex.split(line)))


def test_its_codes_have_words() -> None:
    codes = re.findall(r"^\| `(witness\.[\w-]+)` \|", PAGE, re.MULTILINE)
    assert len(codes) == 4
    assert set(codes) <= catalogue("zh").keys()


def test_setting_up_as_the_page_says(tmp_path: Path) -> None:
    vkey = str(key_of("log.example/1", 1).key)
    lines = [line for program, line in TYPED if program == "witness" and " serve " not in line]
    for line in (one for one in lines if not one.startswith("serve")):
        typed = line.replace("VKEY", vkey).replace("/var/lib/witness", str(tmp_path / "w"))
        typed = typed.replace("--out proofs", f"--out {tmp_path / 'proofs'}")
        assert run(shlex.split(typed), lambda: NOON, entropy) == 0, line
