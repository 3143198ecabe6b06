"""Every code of a fault, a step, a state or a command has its words in every language.

faces/test_words.py asks it for what pages say; here it is what commands and papers say."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from guzheng.capturer.journal import REASONS
from guzheng.road import Step
from guzheng.words import LANGUAGES, Language, catalogue, find_words

SOURCE = Path(__file__).resolve().parents[2] / "src/guzheng"
CODE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")
OF_THE_PLATFORM = frozenset(
    {"Refused", "Unavailable", "CaptureFailed", "Fault", "Damage", "AlreadyKept"}
)


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                yield name or (node.func.id if isinstance(node.func, ast.Name) else ""), node


def texts_in(node: ast.expr) -> Iterator[str]:
    """The constants an argument can be: itself, or either side of a choice."""
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def codes_of(names: frozenset[str]) -> set[str]:
    found = set()
    for name, call in calls():
        if name in names:
            for argument in call.args[:3]:
                found |= {one for one in texts_in(argument) if CODE.fullmatch(one)}
    return found


def constants() -> set[str]:
    """Every text of the source that looks like a code, wherever it stands."""
    return {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and CODE.fullmatch(node.value)
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
        for name, call in calls()
        if name in {"say", "note"} and call.args
        for one in texts_in(call.args[0])
        if one.startswith(("cli.", "web.", "state.")) and not one.endswith(".")
    }
    assert {one for one in wanted if one not in said} == set()
    assert len(wanted) > 10


def test_no_code_of_a_capture_is_without_words() -> None:
    """Notes and failures of the capturer are texts in tables too; all begin with its name."""
    said = catalogue("zh")
    wanted = {one for one in constants() if one.startswith("capture.")}
    files = {"capture.json", "capture.digest", "capture.finished", "capture.failed"}
    files.add("capture.transcript")  # a part of the record, named where it is read
    missing = {one for one in wanted - files if one not in said and f"proof.{one}" not in said}
    assert missing == set()
