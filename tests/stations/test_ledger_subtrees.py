"""Proofs from tiles alone: those of the kernel, whatever the size, and without the table."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.ledger import Ledger
from guzheng.ledger.edge import Edge
from guzheng.ledger.subtrees import Subtrees
from guzheng.proof import tiles, tree
from guzheng.proof.note import VerifierKey
from guzheng.proof.tiles import Tile
from guzheng.proof.tlogproof import TlogProof
from guzheng.refusals import Refused
from tests.stations.ledgers import append, leaf, open_ledger, require_proves

MOST = 66_100  # three levels of tiles


@pytest.fixture(scope="module")
def made() -> dict[Tile, bytes]:
    edge = Edge()
    full = dict(edge.grow([leaf(number) for number in range(MOST)]))
    return full | dict(edge.partial())


def of_size(made: dict[Tile, bytes], tile: Tile) -> bytes:
    """As `Ledger.tile` reads: a narrower tile is the beginning of a wider one."""
    for width in range(tile.width, tiles.WIDTH + 1):
        octets = made.get(Tile(tile.level, tile.index, width))
        if octets is not None:
            return octets[: tile.width * tree.HASH_SIZE]
    raise KeyError(str(tile))


@given(st.integers(1, MOST), st.data())
def test_the_same_proofs_as_the_kernel_makes(
    made: dict[Tile, bytes], size: int, data: st.DataObject
) -> None:
    def read(tile: Tile) -> bytes:
        return of_size(made, tile)

    subtrees = Subtrees(read)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    root = tiles.root_from(read, size)
    assert subtrees.root(0, size, size) == root
    path = subtrees.inclusion(index, size)
    assert list(path) == tiles.inclusion_from(read, index, size)
    tree.require_included(tree.leaf_hash(leaf(index)), index, size, path, root)
    proof = subtrees.consistency(old, size)
    assert list(proof) == tiles.consistency_from(read, old, size)
    tree.require_consistent(old, subtrees.root(0, old, old), size, root, proof)


def test_a_tile_is_read_once(made: dict[Tile, bytes]) -> None:
    asked: list[Tile] = []

    def read(tile: Tile) -> bytes:
        asked.append(tile)
        return of_size(made, tile)

    subtrees = Subtrees(read)
    for index in (0, 1, 255, 256, MOST - 1, *range(300, 400)):
        subtrees.inclusion(index, MOST)
    assert len(asked) == len(set(asked))


def test_consistency_of_every_two_signed_sizes(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    roots = {0: tree.EMPTY_ROOT}
    for start, end in itertools.pairwise((0, 1, 255, 256, 300, 513)):
        append(ledger, range(start, end))
        roots[end] = ledger.integrate().root
    for old, new in itertools.combinations_with_replacement(roots, 2):
        proof = ledger.prove_consistency(old, new)
        tree.require_consistent(old, roots[old], new, roots[new], proof)
    for old, new in ((2, 1), (-1, 3), (0, 514)):
        with pytest.raises(Refused) as refused:
            ledger.prove_consistency(old, new)
        assert refused.value.code == "ledger.no-such-size"


def test_the_table_is_not_asked_for_a_paper(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    append(ledger, range(300))
    ledger.integrate()
    for path in tmp_path.glob("ledger.sqlite*"):
        path.unlink()
    reader = open_ledger(tmp_path)
    key = VerifierKey.parse(reader.vkey)
    require_proves(reader.prove(7), leaf(7), key)
    assert TlogProof.parse(reader.prove(299, leaf(299))).index == 299


def test_no_paper_over_another_leaf(ledger_of_three: Ledger) -> None:
    with pytest.raises(Refused) as refused:
        ledger_of_three.prove(1, leaf(2))
    assert refused.value.code == "ledger.damaged-entry"


@pytest.fixture
def ledger_of_three(tmp_path: Path) -> Ledger:
    ledger = open_ledger(tmp_path)
    append(ledger, range(3))
    ledger.integrate()
    return ledger
