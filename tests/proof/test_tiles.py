"""Tiles: names in one spelling, the specification's examples, the same proofs as the tree."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import tiles, tree
from guzheng.proof.errors import Malformed
from guzheng.proof.tiles import ENTRIES, WIDTH, Tile

VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors" / "tiles" / "paths.json").read_text("utf-8")
)
LEAVES = [tree.leaf_hash(number.to_bytes(4, "big")) for number in range(70_000)]


def level_hashes() -> list[list[bytes]]:
    """All the hashes on each level of tiles, computed from the leaves alone."""
    levels = [LEAVES]
    while len(levels[-1]) >= WIDTH:
        below = levels[-1]
        whole = len(below) // WIDTH
        levels.append(
            [tree.root_of(below[at * WIDTH : (at + 1) * WIDTH]) for at in range(whole)]
        )
    return levels


LEVELS = level_hashes()


def reader(size: int) -> Callable[[Tile], bytes]:
    def read(tile: Tile) -> bytes:
        assert tile == tiles.tile_at(tile.level, tile.index, size)  # only tiles of this tree
        first = tile.index * WIDTH
        return b"".join(LEVELS[tile.level][first : first + tile.width])

    return read


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", VECTORS["good"])
def test_a_good_name(path: str) -> None:
    assert Tile.parse(path) == Tile(*VECTORS["good"][path])
    assert str(Tile.parse(path)) == path


@pytest.mark.parametrize("path", VECTORS["bad"])
def test_a_bad_name(path: str) -> None:
    with pytest.raises(Malformed) as refused:
        Tile.parse(path)
    assert refused.value.code == "tiles.path"


@given(
    st.integers(-1, 63),
    st.integers(0, 2**63 // WIDTH - 1) | st.integers(0, 3000),
    st.integers(1, WIDTH),
)
def test_parse_undoes_str(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(str(tile)) == tile


@given(st.text(alphabet="tile/ens0123456789xp.\n", max_size=40).map("tile/".__add__))
def test_whatever_parses_has_this_one_spelling(path: str) -> None:
    with contextlib.suppress(Malformed):
        assert str(Tile.parse(path)) == path


# -- which tiles a tree has --------------------------------------------------------------------


@pytest.mark.parametrize(("size", "name"), [(70_000, "tiles_of_70000"), (256, "tiles_of_256")])
def test_the_examples_of_the_specification(size: int, name: str) -> None:
    full = {
        str(level): size // WIDTH ** (max(level, 0) + 1)
        for level in range(-1, 4)
        if size // WIDTH ** (max(level, 0) + 1)
    }
    partial = {str(tile.level): tile.width for tile in tiles.partial_tiles(size)}
    if size % WIDTH:
        partial["-1"] = tiles.tile_at(ENTRIES, size // WIDTH, size).width
    assert {"full": full, "partial": partial} == VECTORS[name]
    for tile in tiles.partial_tiles(size):
        assert tiles.tile_at(tile.level, tile.index, size) == tile
        assert tile.end <= size


def test_no_tile_beyond_the_tree() -> None:
    for level, index, size in (
        (0, 0, 0),
        (0, 1, 256),
        (1, 0, 255),
        (ENTRIES, 1, 256),
        (0, -1, 9),
    ):
        with pytest.raises(ValueError, match="has no tile"):
            tiles.tile_at(level, index, size)
    assert list(tiles.partial_tiles(0)) == []


def test_the_end_of_a_tile_is_the_smallest_tree_that_has_it() -> None:
    for tile in (Tile(0, 3, 5), Tile(1, 2), Tile(2, 0, 7), Tile(ENTRIES, 9, 1)):
        assert tiles.tile_at(tile.level, tile.index, tile.end) == tile
        last = max(tile.end - 1, 1)
        before = last // WIDTH ** max(tile.level, 0) - tile.index * WIDTH
        assert min(before, WIDTH) < tile.width


# -- roots and proofs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [0, 1, 2, 255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 70_000]
)
def test_the_root_from_tiles_is_the_root_of_the_leaves(size: int) -> None:
    assert tiles.root_from(reader(size), size) == tree.root_of(LEAVES[:size])


@given(st.integers(1, 70_000), st.data())
def test_proofs_from_tiles_verify(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = tiles.root_from(reader(size), size)
    path = tiles.inclusion_from(reader(size), index, size)
    tree.require_included(LEAVES[index], index, size, path, root)
    proof = tiles.consistency_from(reader(size), old, size)
    tree.require_consistent(old, tiles.root_from(reader(old), old), size, root, proof)


def test_proofs_from_tiles_are_those_of_the_leaves() -> None:
    for size in (1, 300, 65_600, 70_000):
        for index in {0, size // 3, size - 1}:
            expected = [
                tree.root_of(LEAVES[start:end])
                for start, end in tree.inclusion_ranges(index, size)
            ]
            assert tiles.inclusion_from(reader(size), index, size) == expected


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        tiles.root_from(lambda tile: bytes(32 * tile.width + 1), 300)
    assert refused.value.code == "tiles.length"


# -- bundles -----------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=WIDTH))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    bundle = Tile(ENTRIES, 0, len(entries))
    assert tiles.entries_in(bundle, tiles.bundle_of(entries)) == entries


def test_an_entry_as_long_as_a_bundle_can_say() -> None:
    entries = [bytes(tiles.MAX_ENTRY), b""]
    assert tiles.entries_in(Tile(ENTRIES, 0, 2), tiles.bundle_of(entries)) == entries
    with pytest.raises(OverflowError):
        tiles.bundle_of([bytes(tiles.MAX_ENTRY + 1)])


@given(st.binary(max_size=60), st.integers(1, WIDTH))
def test_any_octets_are_a_bundle_or_malformed(octets: bytes, width: int) -> None:
    try:
        entries = tiles.entries_in(Tile(ENTRIES, 0, width), octets)
    except Malformed as refused:
        assert refused.code == "tiles.bundle"
    else:
        assert tiles.bundle_of(entries) == octets
