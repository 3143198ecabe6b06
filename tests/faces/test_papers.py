"""Every paper that an exhibit can have is described on its page, in both languages."""

import pytest

from guzheng.proof import package
from guzheng.web.readings import words_of_paper
from guzheng.words import LANGUAGES, Language, find_words

LATER = (
    "anchors/checkpoint.tlog-proof",
    "anchors/checkpoint.court.tsa",
    "anchors/checkpoint.evm.evm.json",
    "anchors/checkpoint.alice.ots",
    "renewals/0001.ers",
)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["manifest.json", package.SEAL, package.ENTRY, *LATER])
def test_it_has_words(name: str, language: Language) -> None:
    assert find_words(f"page.paper.{words_of_paper(name)}", language)
    assert name not in LATER or package.is_optional(name)
