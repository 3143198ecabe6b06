"""Every code has words, in every language, with the same blanks."""

import re
from collections.abc import Iterator

import pytest

from guzheng import words
from tests.spoken import SOURCE, spoken

pytestmark = pytest.mark.xdist_group("words")  # so that the source is read once
REFUSALS = {"Refused", "Unavailable", "CaptureFailed"}
CODE = re.compile(r"[a-z-]+(\.[a-z0-9-]+)+")
SAID = re.compile(r"""\bsay\(\s*(["'])([\w.-]+)\1\s*[,)]""")


def calls(names: set[str]) -> Iterator[tuple[str, str]]:
    """The first argument of every call of these, when it is written out: code and file."""
    for one in spoken().calls:
        if one.name in names and one.first is not None and CODE.fullmatch(one.first):
            yield one.first, one.file


def test_every_language_has_the_same_codes_and_blanks() -> None:
    source = words.catalogue(words.SOURCE)
    for language in words.LANGUAGES:
        other = words.catalogue(language)
        assert set(other) == set(source)
        differing = [
            code for code in source if words.blanks(source[code]) != words.blanks(other[code])
        ]
        assert differing == []
        assert [code for code, text in other.items() if not text.strip()] == []


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_every_refusal_has_words(language: words.Language) -> None:
    known = words.catalogue(language)
    assert {one for one in calls(REFUSALS) if one[0] not in known} == set()


def test_every_finding_has_words() -> None:
    errors = ("Malformed", "Refuted", "DigestMismatch", "NotIncluded", "Inconsistent")
    family = {*errors, "BadSignature", "Undecided", "UnknownKey", "ProofError"}
    known = words.catalogue(words.SOURCE)
    # A malformed order is the capturer's own matter, and reaches people as a capture.* code.
    missing = {
        one
        for one in calls(family)
        if f"proof.{one[0]}" not in known and not one[1].startswith("capturer/")
    }
    assert missing == set()


def test_every_code_a_page_asks_for_has_words() -> None:
    known = words.catalogue(words.SOURCE)
    for page in sorted((SOURCE / "web" / "templates").glob("*.html")):
        asked = {code for _, code in SAID.findall(page.read_text())}
        assert asked <= set(known), page.name


def test_a_page_holds_no_sentence_of_its_own() -> None:
    """Chinese stands in the catalogue; only the mark and a language's own name are fixed."""
    for page in sorted((SOURCE / "web" / "templates").glob("*.html")):
        found = set(re.findall(r"[\u4e00-\u9fff]+", page.read_text()))
        assert found <= {"固证", "中文"}, page.name


@pytest.mark.parametrize("forbidden", ["区块链", "司法链", "blockchain"])
def test_nothing_is_called_what_it_is_not(forbidden: str) -> None:
    for language in words.LANGUAGES:
        assert not any(forbidden in text for text in words.catalogue(language).values())


def test_facts_fill_blanks_and_cannot_open_new_ones() -> None:
    assert words.say("walk.by", "en", who="{index}") == "Issued by {index}"
    assert words.say("walk.by", "zh", who="CN=甲") == "签发：CN=甲"


def test_a_missing_fact_or_code_is_our_bug() -> None:
    with pytest.raises(words.Unspoken):
        words.say("walk.by", "en")
    with pytest.raises(words.Unspoken):
        words.say("no.such-code")
    assert words.find_words("no.such-code") is None


@pytest.mark.parametrize(
    ("tag", "language"),
    [("zh-Hans-CN", "zh"), ("en_GB", "en"), (" EN ", "en"), ("fr", None), ("", None)],
)
def test_language_tags(tag: str, language: str | None) -> None:
    assert words.find_language(tag) == language
