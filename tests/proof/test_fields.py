"""Reading the fields of a paper: the type asked for, or a refusal that names the field."""

import pytest

from guzheng.proof.errors import Malformed
from guzheng.proof.fields import Fields


def refusal_of(value: object, method: str, *arguments: object, **more: object) -> Malformed:
    with pytest.raises(Malformed) as refusal:
        getattr(Fields({"field": value}, "paper"), method)("field", *arguments, **more)
    return refusal.value


@pytest.mark.parametrize("value", [None, 1, "text", [], True])
def test_a_paper_is_an_object(value: object) -> None:
    with pytest.raises(Malformed) as refusal:
        Fields(value, "paper")
    assert refusal.value.code == "paper.malformed"


@pytest.mark.parametrize(
    ("method", "values", "more"),
    [
        ("text", [None, 1, b"x", ["x"], "long"], {"longest": 3}),
        ("count", [None, -1, True, "1", 1.0], {}),
        ("instant", [None, 1, "2026-11-21T00:00:00Z" + " " * 30], {}),
        ("octets", [None, "0g" * 2, "AB" * 2, "ab", "ab ab", "ab" * 3], {"size": 2}),
        ("items", [None, {}, "ab", [1, 2, 3]], {"most": 2}),
        ("texts", [None, [1], ["a", None]], {}),
        ("digests", [[], ["sm3:" + "00" * 32], [1], ["sha256:" + "00" * 32] * 2, "x"], {}),
    ],
)
def test_another_type_is_refused_and_the_field_is_named(
    method: str, values: list[object], more: dict[str, object]
) -> None:
    for value in values:
        refusal = refusal_of(value, method, **more)
        assert refusal.code == "paper.malformed", value
        assert "paper.field" in refusal.expected


def test_one_of() -> None:
    assert Fields({"field": "a"}, "paper").one_of("field", ("a", "b")) == "a"
    assert "a, b" in refusal_of("c", "one_of", ("a", "b")).expected
    assert refusal_of(["a"], "one_of", ("a", "b")).code == "paper.malformed"


def test_a_field_that_is_not_there() -> None:
    fields = Fields({}, "paper")
    assert fields.text_or_none("field") is None
    with pytest.raises(Malformed) as refusal:
        fields.take("field")
    assert refusal.value.found == "'nothing'"


def test_null_is_a_value_and_no_absence() -> None:
    with pytest.raises(Malformed):
        Fields({"field": None}, "paper").text_or_none("field")


def test_what_was_not_asked_for_is_refused() -> None:
    fields = Fields({"known": 1, "unknown": 2}, "paper")
    fields.count("known")
    with pytest.raises(Malformed) as refusal:
        fields.end()
    assert "unknown" in refusal.value.found


def test_a_refusal_is_never_longer_than_a_line() -> None:
    assert len(refusal_of("x" * 100_000, "text", longest=10).found) <= 80
