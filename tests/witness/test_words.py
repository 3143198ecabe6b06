"""Whatever witness and mirror say has words, and no words are left that nobody says."""

import re
from pathlib import Path

import pytest

from guzheng.words import LANGUAGES, Language, catalogue

SRC = Path(__file__).parents[2] / "src" / "guzheng"
PROGRAMS = ("cosigner", "mirror", "witness")
CODE = re.compile(
    r'"((?:cosigner|mirror|witness)\.[a-z0-9]+(?:-[a-z0-9]+)*)"|\'(witness\.page-\w+)\''
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_codes_and_words_are_the_same(language: Language) -> None:
    said = {
        found[1] or found[2]
        for program in PROGRAMS
        for path in (SRC / program).glob("*.py")
        for found in CODE.finditer(path.read_text("utf-8"))
    } - {"witness.key", "mirror.key", "witness.sqlite", "mirror.malformed"}  # proof.mirror.…
    written = {code for code in catalogue(language) if code.partition(".")[0] in PROGRAMS}
    assert said == written - {"witness.key", "mirror.key"}
