"""The manifest and the leaf: the vectors, one spelling, and names that are safe everywhere."""

import hashlib
import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import canonical, tree
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.errors import DigestMismatch, Malformed, ProofError
from guzheng.proof.manifest import (
    MAX_ITEMS,
    Extent,
    Item,
    Manifest,
    leaf_of,
    require_item_name,
)
from tests.strategies import altered, manifests

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = {
    case["name"]: case
    for case in json.loads((VECTORS / "manifest" / "cases.json").read_bytes())["cases"]
}
LEAVES = json.loads((VECTORS / "leaf" / "cases.json").read_bytes())["cases"]
GOOD = bytes.fromhex(CASES["everything-stated"]["octets"])
FIELDS = sorted(json.loads(GOOD))
ITEM_FIELDS = sorted(json.loads(GOOD)["items"][0])


@pytest.mark.parametrize("name", CASES)
def test_the_vectors(name: str) -> None:
    case = CASES[name]
    octets = bytes.fromhex(case["octets"])
    if case["code"] is None:
        assert Manifest.parse(octets).encode() == octets
        assert [str(sha256(octets)), str(sm3(octets))] == case["digests"]
        return
    with pytest.raises(Malformed) as refusal:
        Manifest.parse(octets)
    assert refusal.value.code == case["code"]


def test_the_example_of_the_specification() -> None:
    page = (VECTORS.parents[1] / "docs" / "spec" / "manifest.md").read_text("utf-8")
    example = CASES["as-in-the-specification"]
    assert bytes.fromhex(example["octets"]).decode() in page
    assert example["digests"][0].removeprefix("sha256:") in page


@given(manifests())
def test_parse_undoes_encode(manifest: Manifest) -> None:
    octets = manifest.encode()
    assert Manifest.parse(octets) == manifest
    assert canonical.encode(canonical.parse(octets)) == octets


@given(altered(GOOD))
def test_octets_near_a_manifest(octets: bytes) -> None:
    try:
        manifest = Manifest.parse(octets)
    except ProofError:
        return
    assert manifest.encode() == octets


def test_every_changed_byte_is_seen_in_the_leaf() -> None:
    seal, wanted = b"any seal", leaf_of(GOOD, b"any seal")
    for at in range(len(GOOD)):
        for bits in (1, 0x20, 0x80):
            octets = GOOD[:at] + bytes([GOOD[at] ^ bits]) + GOOD[at + 1 :]
            try:
                assert leaf_of(octets, seal) != wanted
            except ProofError:
                continue


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, True, -1, 2**53 - 1, "", "x", [], [[]], {}, {"": 0}])
def test_a_field_of_another_type_is_refused_or_means_itself(name: str, value: object) -> None:
    """Whatever stands in a field, only the family's own errors come out."""
    _refused_or_the_same({**json.loads(GOOD), name: value})


@pytest.mark.parametrize("name", ITEM_FIELDS)
@pytest.mark.parametrize("value", [None, False, -1, 2**53 - 1, "", "a\n", [], [0], {}, 0])
def test_a_field_of_an_item_likewise(name: str, value: object) -> None:
    paper = json.loads(GOOD)
    _refused_or_the_same({**paper, "items": [{**paper["items"][0], name: value}]})


@pytest.mark.parametrize("value", [None, 1, "item", [], {}])
def test_an_item_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        Manifest.parse(canonical.encode({**json.loads(GOOD), "items": [value]}))


def _refused_or_the_same(value: object) -> None:
    octets = canonical.encode(value)
    try:
        assert Manifest.parse(octets).encode() == octets
    except ProofError:
        return


def test_a_person_can_still_read_the_list() -> None:
    manifest = Manifest.parse(GOOD)
    (item,) = manifest.items

    def numbered(count: int) -> Manifest:
        return replace(
            manifest, items=tuple(replace(item, name=str(one)) for one in range(count))
        )

    assert len(Manifest.parse(numbered(MAX_ITEMS).encode()).items) == MAX_ITEMS
    with pytest.raises(Malformed):
        Manifest.parse(numbered(MAX_ITEMS + 1).encode())


@given(st.text())
def test_a_name_that_is_accepted_is_one_file_everywhere(name: str) -> None:
    try:
        require_item_name(name)
    except Malformed as refusal:
        assert refusal.code == "item.name-refused"
        return
    assert not {unicodedata.category(one) for one in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name not in {"", ".", ".."}
    assert len(name.encode()) <= 240
    assert name == name.strip()


def test_an_extent_knows_its_octets() -> None:
    extent = Extent.of(b"record")
    extent.require(b"record", "capture.json")
    for octets in (b"", b"Record", b"record "):
        with pytest.raises(DigestMismatch) as refusal:
            extent.require(octets, "capture.json")
        assert refusal.value.code == "paper.digest-differs"
    # SM3 alone differing is a difference too: somebody could break one of the two.
    with pytest.raises(DigestMismatch):
        replace(extent, digests=(extent.digests[0], sm3(b"other"))).require(b"record", "")


def test_an_item_is_read_as_it_is_written() -> None:
    item = Manifest.parse(GOOD).items[0]
    assert Item.read(item.value()) == item


@pytest.mark.parametrize("case", LEAVES, ids=[case["name"] for case in LEAVES])
def test_the_leaf(case: dict[str, str]) -> None:
    leaf = leaf_of(bytes.fromhex(case["manifest"]), bytes.fromhex(case["seal"]))
    assert leaf.hex() == case["leaf"]
    assert len(leaf) == 48
    assert tree.leaf_hash(leaf).hex() == case["leaf_hash"]


def test_a_leaf_says_nothing_without_the_salt() -> None:
    manifest = Manifest.parse(GOOD)
    leaves = {
        leaf_of(replace(manifest, salt=bytes([one]) * 32).encode(), b"") for one in range(9)
    }
    assert len(leaves) == 9
    assert all(hashlib.sha256(GOOD).digest() not in leaf for leaf in leaves)
