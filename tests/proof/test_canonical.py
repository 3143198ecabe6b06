"""Canonical JSON: RFC 8785 as far as papers use it, and no second spelling of anything."""

import json
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guzheng.proof import canonical
from guzheng.proof.errors import Malformed, ProofError
from tests.strategies import JSON, TEXT, altered

ROOT: Final = Path(__file__).parents[2]
CASES = {
    case["name"]: case
    for case in json.loads((ROOT / "tests/vectors/canonical/cases.json").read_bytes())["cases"]
}


@pytest.mark.parametrize("name", CASES)
def test_the_vectors(name: str) -> None:
    octets, code = bytes.fromhex(CASES[name]["octets"]), CASES[name]["code"]
    if code is None:
        assert canonical.encode(canonical.parse(octets)) == octets
        return
    with pytest.raises(Malformed) as refusal:
        canonical.parse(octets)
    assert refusal.value.code == code


def test_the_files_are_what_the_tool_describes() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "tools.vectors", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


@given(JSON)
@example({"\ufb33": 1, "😀": 2, "\r": 3, "": 4})
@example([True, 1, False, 0])
def test_parse_undoes_encode(value: object) -> None:
    octets = canonical.encode(value)
    again = canonical.parse(octets)
    assert again == value
    assert canonical.encode(again) == octets
    assert json.loads(octets) == value  # and any reader of JSON agrees


@given(TEXT)
def test_text_is_escaped_as_rfc_8785_says(text: str) -> None:
    """§3.2.2.2: seven short escapes, other controls in lower-case hexadecimal."""
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    wanted = "".join(
        short.get(ord(one)) or (f"\\u{ord(one):04x}" if ord(one) < 0x20 else one)
        for one in text
    )
    assert canonical.encode(text).decode() == f'"{wanted}"'


@given(JSON, st.sampled_from([" ", "\n", "\t", "\r", "\ufeff"]), st.data())
def test_a_blank_is_another_spelling(value: object, blank: str, data: st.DataObject) -> None:
    text = canonical.encode(value).decode()
    at = data.draw(st.integers(0, len(text)))
    _refused_or_the_same(f"{text[:at]}{blank}{text[at:]}".encode())


@given(st.binary())
def test_any_octets(octets: bytes) -> None:
    _refused_or_the_same(octets)


@given(st.data())
def test_octets_near_a_paper(data: st.DataObject) -> None:
    good = canonical.encode(data.draw(JSON))
    _refused_or_the_same(data.draw(altered(good)))


@given(st.text('[]{},:"\\u0123456789-+.eE truefalsn\ud7ff', max_size=40))
def test_any_json_like_text(text: str) -> None:
    _refused_or_the_same(text.encode())


def _refused_or_the_same(octets: bytes) -> None:
    try:
        value = canonical.parse(octets)
    except ProofError:
        return
    assert canonical.encode(value) == octets


class _Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.0, "canonical.no-spelling"),
        (float("nan"), "canonical.no-spelling"),
        (b"x", "canonical.no-spelling"),
        ({1: 2}, "canonical.no-spelling"),
        ({"a": {None: 1}}, "canonical.no-spelling"),
        ({"a", "b"}, "canonical.no-spelling"),
        (2**53, "canonical.integer-range"),
        (-(2**53), "canonical.integer-range"),
        ("\ud800", "canonical.surrogate"),
        ({"\udfff": 1}, "canonical.surrogate"),
    ],
)
def test_what_has_no_spelling_is_refused(value: object, code: str) -> None:
    with pytest.raises(Malformed) as refusal:
        canonical.encode(value)
    assert refusal.value.code == code


def test_what_is_like_a_value_is_spelled_as_one() -> None:
    assert canonical.encode((1, (True,))) == b"[1,[true]]"
    assert canonical.encode(_Number.ONE) == b"1"


def test_a_value_that_holds_itself_is_too_deep() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(Malformed) as refusal:
        canonical.encode(value)
    assert refusal.value.code == "canonical.too-deep"


@pytest.mark.parametrize(
    "octets",
    [
        b"[" * 1_000_000,
        b'{"":' * 500_000,
        b"[" * 500_000 + b"]" * 500_000,
        b'["\\"",' + b"[" * 500_000,
        b'"' + b"\\" * 1_000_001 + b"[" * 500_000,
        # Other units than octets: a quote inside the sign ∀ would hide what comes after it.
        ('["∀",' + "[" * 500_000 + '"').encode("utf-16-le"),
        ('["∀",' + "[" * 500_000 + '"').encode("utf-32-be"),
    ],
)
def test_a_bomb_of_brackets_is_refused_and_nothing_else(octets: bytes) -> None:
    """Whatever depth another library thinks the stack can bear: that would end the process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for parse in (canonical.parse, canonical.parse_any):
            with pytest.raises(Malformed):
                parse(octets)
    finally:
        sys.setrecursionlimit(before)


def test_any_spelling_is_read_where_nothing_is_hashed() -> None:
    assert canonical.parse_any(b' {"b": 1.5, "a": "\\u0041"} ') == {"a": "A", "b": 1.5}
    assert canonical.parse_any(b'{"a": 1, "a": 2}', list) == [("a", 1), ("a", 2)]
    for octets in (b"", b"\xff", b"{", '{"a": 1}'.encode("utf-16")):
        with pytest.raises(Malformed):
            canonical.parse_any(octets)


def test_brackets_in_a_text_are_no_depth() -> None:
    value = {"[": "[" * 100, "t": ["\\", '"', '\\"[', "]"]}
    assert canonical.parse(canonical.encode(value)) == value


@pytest.mark.parametrize("octets", [b"[]", b'""', b"null", b"1"])
def test_a_paper_is_an_object(octets: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        canonical.parse_object(octets)
    assert refusal.value.code == "canonical.not-object"
