"""RFC 6962 trees: published vectors, a slow second implementation, wrong proofs refused."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof import tree
from guzheng.proof.errors import Inconsistent, NotIncluded, ProofError

VECTORS = Path(__file__).parents[1] / "vectors" / "tree"
RFC = json.loads((VECTORS / "rfc6962.json").read_text())
ENTRIES = [bytes.fromhex(text) for text in RFC["entries"]]
ROOTS = [bytes.fromhex(text) for text in RFC["roots"]]


def unhex(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def leaves(count: int) -> list[bytes]:
    return [tree.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


HASHES = leaves(600)


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962 §2.1 word by word: split at the largest power of two smaller than n."""
    if not hashes:
        return sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + mth(hashes[:split]) + mth(hashes[split:])).digest()


def roots(hashes: list[bytes], ranges: list[tree.Range]) -> list[bytes]:
    return [tree.root_of(hashes[start:end]) for start, end in ranges]


# -- vectors -----------------------------------------------------------------------------------


def test_the_published_roots() -> None:
    hashes = [tree.leaf_hash(entry) for entry in ENTRIES]
    assert tree.root_of([]).hex() == RFC["empty_root"] == tree.EMPTY_ROOT.hex()
    for size, root in enumerate(ROOTS, start=1):
        assert tree.root_of(hashes[:size]) == root


@pytest.mark.parametrize("vector", RFC["inclusion"])
def test_the_published_inclusion_paths(vector: dict[str, object]) -> None:
    index, size, path = vector["index"], vector["size"], vector["path"]
    assert isinstance(index, int)
    assert isinstance(size, int)
    assert isinstance(path, list)
    hashes = [tree.leaf_hash(entry) for entry in ENTRIES[:size]]
    assert roots(hashes, tree.inclusion_ranges(index, size)) == unhex(path)
    tree.require_included(hashes[index], index, size, unhex(path), ROOTS[size - 1])


@pytest.mark.parametrize("vector", RFC["consistency"])
def test_the_published_consistency_proofs(vector: dict[str, object]) -> None:
    old, new, proof = vector["old"], vector["new"], vector["proof"]
    assert isinstance(old, int)
    assert isinstance(new, int)
    assert isinstance(proof, list)
    hashes = [tree.leaf_hash(entry) for entry in ENTRIES[:new]]
    assert roots(hashes, tree.consistency_ranges(old, new)) == unhex(proof)
    tree.require_consistent(old, ROOTS[old - 1], new, ROOTS[new - 1], unhex(proof))


# -- properties --------------------------------------------------------------------------------


def test_the_loop_gives_the_roots_of_the_recursion() -> None:
    for size in [*range(70), 127, 128, 129, 255, 256, 257, 511, 512, 513, 600]:
        assert tree.root_of(HASHES[:size]) == mth(HASHES[:size])


def test_every_inclusion_proof_of_small_trees_verifies_and_only_there() -> None:
    for size in range(1, 34):
        root = tree.root_of(HASHES[:size])
        for index in range(size):
            path = roots(HASHES[:size], tree.inclusion_ranges(index, size))
            tree.require_included(HASHES[index], index, size, path, root)
            for other in range(size):
                if other != index:
                    with pytest.raises(NotIncluded):
                        tree.require_included(HASHES[index], other, size, path, root)


def test_every_consistency_proof_of_small_trees_verifies() -> None:
    for new in range(34):
        for old in range(new + 1):
            old_root, new_root = tree.root_of(HASHES[:old]), tree.root_of(HASHES[:new])
            proof = roots(HASHES, tree.consistency_ranges(old, new))
            tree.require_consistent(old, old_root, new, new_root, proof)


@given(st.data())
def test_one_changed_bit_anywhere_refuses_an_inclusion_proof(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    path = roots(HASHES, tree.inclusion_ranges(index, size))
    root = tree.root_of(HASHES[:size])
    tree.require_included(HASHES[index], index, size, path, root)
    parts = [HASHES[index], root, *path]
    where = data.draw(st.integers(0, len(parts) * 256 - 1))
    parts[where // 256] = flipped(parts[where // 256], where % 256)
    with pytest.raises(NotIncluded):
        tree.require_included(parts[0], index, size, parts[2:], parts[1])


@given(st.data())
def test_one_changed_bit_anywhere_refuses_a_consistency_proof(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 600))
    old = data.draw(st.integers(1, new))
    proof = roots(HASHES, tree.consistency_ranges(old, new))
    parts = [tree.root_of(HASHES[:old]), tree.root_of(HASHES[:new]), *proof]
    tree.require_consistent(old, parts[0], new, parts[1], proof)
    where = data.draw(st.integers(0, len(parts) * 256 - 1))
    parts[where // 256] = flipped(parts[where // 256], where % 256)
    with pytest.raises(Inconsistent):
        tree.require_consistent(old, parts[0], new, parts[1], parts[2:])


@given(st.tuples(*[st.integers(1, 600)] * 3).map(sorted))
def test_consistency_is_transitive(sizes: list[int]) -> None:
    first, second, third = sizes
    known = {size: tree.root_of(HASHES[:size]) for size in sizes}
    for old, new in ((first, second), (second, third), (first, third)):
        proof = roots(HASHES, tree.consistency_ranges(old, new))
        tree.require_consistent(old, known[old], new, known[new], proof)


@given(st.integers(2, 300), st.data())
def test_a_rewritten_past_has_no_consistency_proof(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    where = data.draw(st.integers(0, old - 1))
    forged = [*HASHES[:new]]
    forged[where] = tree.leaf_hash(b"another")
    proof = roots(forged, tree.consistency_ranges(old, new))
    with pytest.raises(Inconsistent):
        tree.require_consistent(
            old, tree.root_of(HASHES[:old]), new, tree.root_of(forged), proof
        )


@given(
    st.integers(-2, 40),
    st.integers(-2, 40),
    st.lists(st.sampled_from(HASHES[:3]) | st.binary(max_size=40), max_size=8),
)
def test_nonsense_is_refused_with_our_own_error(one: int, two: int, path: list[bytes]) -> None:
    with pytest.raises(ProofError):
        tree.require_included(HASHES[0], one, two, path, HASHES[5])
    with pytest.raises(ProofError):
        tree.require_consistent(one, HASHES[4], two, HASHES[5], path)


# -- edges -------------------------------------------------------------------------------------


def test_a_leaf_cannot_pass_for_a_node() -> None:
    node = tree.node_hash(HASHES[0], HASHES[1])
    assert tree.leaf_hash(HASHES[0] + HASHES[1]) != node


def test_the_empty_tree_is_the_beginning_of_every_tree() -> None:
    tree.require_consistent(0, tree.EMPTY_ROOT, 5, tree.root_of(HASHES[:5]), [])
    tree.require_consistent(0, tree.EMPTY_ROOT, 0, tree.EMPTY_ROOT, [])
    for old_root, new, new_root in (
        (HASHES[0], 5, tree.root_of(HASHES[:5])),
        (HASHES[0], 0, HASHES[0]),
        (tree.EMPTY_ROOT, 0, HASHES[0]),
    ):
        with pytest.raises(Inconsistent):
            tree.require_consistent(0, old_root, new, new_root, [])


@pytest.mark.parametrize(
    ("index", "size", "length", "code"),
    [
        (0, 0, 0, "tree.no-such-leaf"),
        (-1, 5, 3, "tree.no-such-leaf"),
        (5, 5, 3, "tree.no-such-leaf"),
        (0, 8, 2, "tree.path-length"),
        (0, 8, 4, "tree.path-length"),
        (4, 5, 3, "tree.path-length"),
        (0, 8, 3, "tree.not-included"),
    ],
)
def test_inclusion_says_why_not(index: int, size: int, length: int, code: str) -> None:
    with pytest.raises(NotIncluded) as refused:
        tree.require_included(HASHES[0], index, size, [HASHES[1]] * length, HASHES[2])
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("old", "new", "length", "code"),
    [
        (5, 4, 0, "tree.shrunk"),
        (-1, 4, 0, "tree.shrunk"),
        (4, 4, 1, "tree.proof-length"),
        (0, 4, 1, "tree.proof-length"),
        (3, 8, 3, "tree.proof-length"),
        (3, 8, 4, "tree.inconsistent"),
        (4, 4, 0, "tree.inconsistent"),
    ],
)
def test_consistency_says_why_not(old: int, new: int, length: int, code: str) -> None:
    with pytest.raises(Inconsistent) as refused:
        tree.require_consistent(old, HASHES[0], new, HASHES[2], [HASHES[1]] * length)
    assert refused.value.code == code


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_path_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        tree.inclusion_ranges(index, size)


def test_no_proof_is_made_that_a_tree_shrank() -> None:
    with pytest.raises(ValueError, match="does not continue"):
        tree.consistency_ranges(4, 3)


def flipped(octets: bytes, bit: int) -> bytes:
    number = int.from_bytes(octets, "big") ^ 1 << bit % (8 * len(octets))
    return number.to_bytes(len(octets), "big")


def rfc9162_root(hashed: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162 §2.1.3.2, as it is written there: bits of the index, level by level."""
    here, last, result = index, size - 1, hashed
    for sibling in path:
        assert last, "the path is no longer than the tree is high"
        if here & 1 or here == last:
            result = tree.node_hash(sibling, result)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            result = tree.node_hash(result, sibling)
        here, last = here >> 1, last >> 1
    assert last == 0
    return result


def rfc9162_roots(old: int, new: int, nodes: list[bytes]) -> tuple[bytes, bytes]:
    """RFC 9162 §2.1.4.2."""
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    of_old = of_new = nodes[0]
    for node in nodes[1:]:
        assert last, "the proof is no longer than the tree is high"
        if here & 1 or here == last:
            of_old, of_new = tree.node_hash(node, of_old), tree.node_hash(node, of_new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            of_new = tree.node_hash(of_new, node)
        here, last = here >> 1, last >> 1
    assert last == 0
    return of_old, of_new


SIZES = st.one_of(st.integers(2, 300), st.integers(2, tree.MAX_SIZE))


@given(st.data())
def test_sides_are_those_of_rfc_9162(data: st.DataObject) -> None:
    """Whatever the hashes are: both put them together in the same order."""
    size = data.draw(SIZES)
    index = data.draw(st.integers(0, size - 1))
    path = [
        tree.leaf_hash(bytes([at])) for at in range(len(tree.inclusion_ranges(index, size)))
    ]
    wanted = rfc9162_root(b"leaf", index, size, path)
    tree.require_included(b"leaf", index, size, path, wanted)
    old = data.draw(st.integers(1, size - 1))
    nodes = [tree.leaf_hash(bytes([at])) for at in range(len(tree.node_ranges(old, size)))]
    assert tree.roots_of(old, size, nodes) == rfc9162_roots(old, size, nodes)
