"""A refusal is told in the reader's words: what a program noted for programs stays aside."""

import ast
import re
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from guzheng import words
from guzheng.refusals import Problem, Refused, Unavailable
from guzheng.web import problems, spelling, telling
from tests.faces.test_words import CODE

SOURCE = Path(__file__).resolve().parents[2] / "src" / "guzheng"
# What a visitor of the pages can meet; the others are an operator's, in a terminal or a log.
FAMILIES = (
    "accounts cases commission compare court exhibit intake name package replay sharing upload"
    " web webhooks"
)
PROGRAMS = {"cosigner", "mirror", "witness"}  # with terminals of their own
ELSEWHERE = "what is made elsewhere"
PARTS = ("expected", "found", "act")
# Said to an operator only, at a start or by a command.
TERMINAL = {
    "accounts.editions-file",
    "accounts.key-differs",
    "accounts.no-register",
    "accounts.sms-refused",
    "package.disc-unreadable",
    "package.no-folder",
    "package.profiles-refused",
    "package.unwritable",
}


@cache
def raised() -> tuple[tuple[str, Problem], ...]:
    return tuple(_raised())


def _raised() -> Iterator[tuple[str, Problem]]:
    """Every refusal that is written out, its figures and texts filled in: file and problem."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.parent.name in PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", "")
            first = node.args[0]
            if name in {"Refused", "Unavailable"} and isinstance(first, ast.Constant):
                notes = {one.arg: sample(one.value) for one in node.keywords if one.arg}
                notes = {part: notes[part] for part in notes if part in PARTS}
                family = Refused if name == "Refused" else Unavailable
                yield f"{path.name}:{node.lineno}", family(str(first.value), **notes)


def sample(value: ast.expr) -> str:
    """A note as it may come out: a figure for what is counted, else a text."""
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(sample(one) for one in value.values)
    if isinstance(value, ast.FormattedValue):
        quoted = value.conversion == ord("r")
        return "'甲'" if quoted else "12"
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "repr":
        return "'甲'"
    return ELSEWHERE


def test_no_note_in_english_is_told_to_a_chinese_reader() -> None:
    """Whatever a program raises: words, figures, quoted text, or nothing."""
    english = re.compile(r"[a-z]{3,}")
    allowed = re.compile(
        r"https?|sha256|Chromium|Pillow|name@example\.com|tus|Webhook|Authorization|/me/\w+|tsa",
        re.I,
    )
    seen = 0
    for place, problem in raised():
        if CODE.fullmatch(problem.code) is None:
            continue
        told = problems.trouble_of(problem, "zh").told
        for text in (told.expected, told.found):
            assert not english.search(allowed.sub("", text)), (place, problem.code, text)
        notes = {problem.expected, problem.found} - {""}
        assert set(told.technical) <= notes
        seen += 1
    assert seen > 400


def test_who_meets_a_refusal_on_a_page_is_told_what_was_expected() -> None:
    """Else «as is asked for above» would stand under nothing."""
    missing = []
    for place, problem in raised():
        family = problem.code.partition(".")[0]
        if family not in FAMILIES.split() or problem.code in TERMINAL:
            continue
        if isinstance(problem, Refused) and problem.expected not in {"", ELSEWHERE}:
            told = problems.trouble_of(problem, "zh").told
            if not told.expected:
                missing.append((place, problem.code, problem.expected))
    assert missing == []


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_nobody_is_sent_to_a_line_that_is_not_there(language: words.Language) -> None:
    asked = words.say("act.caller", language)
    for place, problem in raised():
        trouble = problems.trouble_of(problem, language)
        assert trouble.act, place
        assert trouble.told.expected or trouble.act != asked, (place, problem.code)


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ("at most 5,000 octets", "不超过 5,000 字节"),
        ("≤ 20", "不超过 20"),
        ("1 to 200 characters", "1 至 200 个字符"),
        ("none numbered 'ac_1'", "没有“ac_1”"),
        ("'甲_乙'", "甲_乙"),
        ("none", "没有"),
        ("a digest that nobody asked for", ""),
    ],
)
def test_notes_of_known_forms_are_told_in_words(note: str, told: str) -> None:
    assert telling.in_words(note, "zh") == told


def test_an_edition_and_a_function_are_told_by_name() -> None:
    names = {"trial": {"zh": "体验版", "en": "Trial"}, "full": {"zh": "完整版", "en": "Full"}}
    problem = Refused("accounts.not-in-edition", expected="cases: full", found="trial").naming(
        names
    )
    chinese = problems.trouble_of(problem, "zh")
    assert chinese.told.expected == "有“案卷”功能的版本：完整版"
    assert chinese.told.found == "体验版"
    assert chinese.told.cure == ("/me/edition", "page.edition.title")
    english = problems.trouble_of(problem, "en")
    assert english.told.found == "Trial"
    assert english.told.expected == "an edition with “Cases”: Full"
    # A program still compares the identifiers.
    assert problems.problem_members(chinese)["found"] == "trial"


def test_permissions_are_told_by_name() -> None:
    problem = Refused("accounts.not-permitted", expected="members", found="capture, deposit")
    told = problems.trouble_of(problem, "zh").told
    assert (told.expected, told.found) == ("成员与密钥", "取证、存证")


def test_every_link_of_a_refusal_has_words() -> None:
    for _, problem in raised():
        cure = problems.trouble_of(problem, "zh").told.cure
        if cure:
            assert words.find_words(cure[1]), cure


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_box_of_a_refusal_keeps_notes_of_programs_aside(
    language: words.Language,
) -> None:
    """On a page: in Chinese, outside «for technicians», not a word of English."""
    environment = Environment(
        loader=PackageLoader("guzheng.web"), autoescape=True, undefined=StrictUndefined
    )
    kinds = ("visible", "machine", "beijing", "eights", "roughly", "shell")
    environment.filters |= dict.fromkeys(kinds, str)
    source = '{% from "pieces.html" import trouble_box %}{{ trouble_box(say, trouble) }}'
    page = environment.from_string(source)
    problem = Refused("cases.not-found", expected="the number", found="what is noted")
    html = page.render(
        say=lambda code, **facts: words.say(code, language, **facts),
        trouble=problems.trouble_of(problem, language),
    )
    aside = re.search(r"<details.*?</details>", html, re.DOTALL)
    assert aside and "cases.not-found" in aside[0]
    seen = re.sub(r"<[^>]*>", "", html.replace(aside[0], ""))
    if language == "zh":
        assert "what is noted" in aside[0]
        assert not re.search("[a-z]{3,}", seen), seen
    else:
        assert "what is noted" in seen


@pytest.mark.parametrize("name", ["-n", "--help", "-a b'$c.txt", "合同.txt"])
def test_a_name_in_a_command_is_one_word_and_no_option(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("its text")
    done = subprocess.run(
        ["/bin/sh", "-c", f"cat {spelling.shell(name)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "its text")


@pytest.mark.parametrize("one", ["a", "1", "a-", "https:/", "'"])
def test_a_long_note_is_told_as_fast_as_it_is_long(one: str) -> None:
    """What somebody typed may stand in one; each of its places was tried to the end."""
    note = one * (80_000 // len(one))
    begun = time.process_time()
    telling.is_neutral(note)
    telling.in_words(note, "zh")
    assert time.process_time() - begun < 4
