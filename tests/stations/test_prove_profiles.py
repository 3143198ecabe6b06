"""Court profiles: each excess is named with both numbers; volumes hold what they can."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.prove.profiles import (
    Container,
    Extent,
    Profile,
    own_profiles,
    profiles,
    violations,
    volumes,
)
from guzheng.refusals import Refused
from guzheng.words import LANGUAGES, find_words, say

ITEM = "exhibits/ex_1/items/"


def profile(
    container: Container = "iso", capacity: int = 0, file_limit: int = 0, *types: str
) -> Profile:
    return Profile(
        "p", "介质", "medium", container, capacity, file_limit, types, "测试", "a test"
    )


def codes(of: Profile, *extents: Extent) -> list[str]:
    return [one.code for one in violations(of, extents, 0)]


def test_each_of_ours_says_where_its_numbers_are_from() -> None:
    for one in own_profiles().values():
        assert one.source("zh")
        assert one.capacity % 2048 == 0 or one.container != "iso"
        court = "court" in one.source("en").lower()
        assert not court or "example" in one.name, "no court's rule is made up here"


def test_sizes_of_discs() -> None:
    sizes = {name: one.capacity for name, one in own_profiles().items()}
    assert sizes["cd"] == 80 * 60 * 75 * 2048
    assert sizes["dvd"] == 2_295_104 * 2048
    assert sizes["bd"] == 12_219_392 * 2048


def test_what_does_not_fit_is_named() -> None:
    large = Extent("ex_1", {ITEM + "film.mp4": 5 << 20})
    assert codes(profile("iso", 4 << 20), large) == ["package.exhibit-too-large"]
    (excess,) = violations(profile("zip", 4 << 20), [large], 300_000)
    assert excess.expected == f"{4 << 20:,}", "the limit as the court states it"
    assert excess.found == f"{large.size('zip') + 300_000:,}"
    assert codes(profile("folder", 0, 4 << 20), large) == ["package.file-too-large"]
    assert codes(profile("folder", 0, 0, "pdf"), large) == ["package.type-not-taken"]
    assert codes(profile("zip", 0, 0, "zip"), large) == []
    two = [Extent(f"ex_{one}", {ITEM + "a": 2 << 20}) for one in "12"]
    (several,) = violations(profile("iso", 4 << 20), two, 0)
    assert (several.code, several.found, several.cured) == (
        "package.several-volumes",
        "2",
        True,
    )


@pytest.mark.parametrize(
    "name", ["a" * 104, "a;b.txt", "𠮷野家.txt"], ids=["long", "semicolon", "beyond-ucs2"]
)
def test_a_name_that_windows_would_show_otherwise(name: str) -> None:
    extent = Extent("ex_1", {ITEM + name: 1})
    assert codes(profile("iso"), extent) == ["package.name-not-for-disc"]
    assert codes(profile("zip"), extent) == []


def test_who_writes_the_image_decides_how_long_a_name_may_be() -> None:
    extent = Extent("ex_1", {ITEM + "长" * 22: 1})
    assert violations(profile("iso"), [extent], 0, "xorriso") == ()
    (found,) = violations(profile("iso"), [extent], 0, "pycdlib")
    assert found.expected == "≤ 64"


@given(
    st.lists(st.integers(1, 40 << 20), min_size=1, max_size=20),
    st.integers(64 << 20, 256 << 20),
)
def test_volumes_hold_everything_once_in_order(sizes: list[int], capacity: int) -> None:
    extents = [Extent(f"ex_{number}", {"a": one}) for number, one in enumerate(sizes)]
    of = profile("iso", capacity)
    made = volumes(of, extents, 0)
    assert [one for volume in made for one in volume] == [one.exhibit for one in extents]
    by_name = {one.exhibit: one.size("iso") for one in extents}
    assert all(sum(by_name[one] for one in volume) <= capacity for volume in made)


def test_a_file_of_the_operator_is_read(tmp_path: Path) -> None:
    file = tmp_path / "courts.toml"
    file.write_text(
        '[ours]\nzh="本院"\nen="our court"\ncontainer="zip"\ncapacity=1000\nfile_limit=1000\n'
        'types=["ZIP", ".pdf"]\nsource_zh="通知"\nsource_en="notice"\n',
        encoding="utf-8",
    )
    found = profiles(file)
    assert next(iter(found)) == "ours"
    assert found["ours"].types == ("zip", "pdf")
    assert "dvd" in found


@pytest.mark.parametrize("text", ["x", "[a]\n", '[a]\nzh="x"\n', "[a]\ncapacity=-1\n"], ids=str)
def test_a_file_out_of_form_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "courts.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=r"package\.profiles-refused"):
        profiles(file)
    with pytest.raises(Refused, match=r"package\.profiles-refused"):
        profiles(tmp_path / "missing.toml")


def test_every_violation_has_words_and_a_cure() -> None:
    for code in (
        "package.exhibit-too-large",
        "package.file-too-large",
        "package.type-not-taken",
        "package.several-volumes",
        "package.name-not-for-disc",
    ):
        for language in LANGUAGES:
            assert find_words(code, language)
            assert say(f"excess.{code}", language, subject="a.mp4", expected="1", found="2")
            assert find_words(f"cure.{code}", language)
