"""Every code of a fault, a step, a state or a command has its words in every language.

faces/test_words.py asks it for what pages say; here it is what commands and papers say."""

import pytest

from guzheng.capturer.journal import REASONS
from guzheng.road import Step
from guzheng.words import LANGUAGES, Language, catalogue, find_words
from tests.spoken import CODE, spoken

pytestmark = pytest.mark.xdist_group("words")  # so that the source is read once
OF_THE_PLATFORM = frozenset(
    {"Refused", "Unavailable", "CaptureFailed", "Fault", "Damage", "AlreadyKept"}
)


def codes_of(names: frozenset[str]) -> set[str]:
    return {
        text
        for call in spoken().calls
        if call.name in names
        for texts in call.texts
        for text in texts
        if CODE.fullmatch(text)
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_has_words(language: Language) -> None:
    found = codes_of(OF_THE_PLATFORM)
    assert len(found) > 90, "the scan sees them"
    said = catalogue(language)
    silent = {one for one in found if one not in said and f"proof.{one}" not in said}
    assert silent == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_road_and_capture_has_words(language: Language) -> None:
    steps = {step.value for step in Step} | REASONS.keys()
    said = catalogue(language)
    assert {one for one in steps if f"progress.{one}" not in said} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_words(language: Language) -> None:
    states = ["received", "captured", "manifested", "fixed", "logged", "certified"]
    for state in (*states, "refused", "damaged"):
        assert find_words(f"state.{state}", language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_commands_say_has_words(language: Language) -> None:
    said = catalogue(language)
    wanted = {
        one
        for call in spoken().calls
        if call.name in {"say", "note"}
        for one in call.texts[0]
        if one.startswith(("cli.", "web.", "state.")) and not one.endswith(".")
    }
    assert {one for one in wanted if one not in said} == set()
    assert len(wanted) > 10


def test_no_code_of_a_capture_is_without_words() -> None:
    """Notes and failures of the capturer are texts in tables too; all begin with its name."""
    said = catalogue("zh")
    wanted = {one for one in spoken().codes if one.startswith("capture.")}
    files = {"capture.json", "capture.digest", "capture.finished", "capture.failed"}
    files.add("capture.transcript")  # a part of the record, named where it is read
    missing = {one for one in wanted - files if one not in said and f"proof.{one}" not in said}
    assert missing == set()
