"""Merkle tree of RFC 6962, section 2.1: roots, inclusion paths and consistency proofs.

Leaf and node are hashed under different prefixes, so neither can pass for the other. A proof
is a list of subtree roots: the first half of this module says which subtrees (as ranges of
leaves), the second half puts them together and compares with signed roots: what begins before
the place in question stands on its left. It accepts what the algorithms of RFC 9162, sections
2.1.3.2 and 2.1.4.2, accept, and the tests hold it to them. Storage is in tiles and ledger.
"""

from collections.abc import Sequence
from hashlib import sha256

from guzheng.proof.errors import Inconsistent, NotIncluded, require

LEAF = b"\x00"
NODE = b"\x01"
HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
MAX_SIZE = (1 << 63) - 1  # what C2SP checkpoints, and every reader's integers, can hold

Range = tuple[int, int]  # leaves [start, end)


def leaf_hash(entry: bytes) -> bytes:
    return sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(NODE + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """MTH over hashes of leaves, or of subtrees that are all full and of one height.

    Only the last may also be a smaller subtree: pairing level by level and carrying an odd
    one upwards gives the same tree as splitting at the largest power of two."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(NODE + left + right).digest() for left, right in pairs] + odd
    return level[0]


# -- which subtrees a proof consists of --------------------------------------------------------


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """PATH(m, D[n]) of RFC 6962 §2.1.1: the siblings from the leaf up to below the root."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end = 0, size
    siblings: list[Range] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def subtree_ranges(start: int, end: int, size: int) -> list[Range]:
    """The siblings from a node up to below the root; the node holds the leaves [start, end).

    SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs, for subtrees that are nodes of the
    tree: those that are whole, and those at its right end. Of others there is none here.
    """
    low, high = 0, size
    siblings: list[Range] = []
    while (low, high) != (start, end):
        middle = low + _split(high - low) if high - low > 1 else high
        if end <= middle < high:
            siblings.append((middle, high))
            high = middle
        elif low < middle <= start:
            siblings.append((low, middle))
            low = middle
        else:
            raise ValueError(f"no node [{start}, {end}) in a tree of {size}")
    return siblings[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """PROOF(m, D[n]) of RFC 6962 §2.1.2; empty when there is nothing to prove."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not continue one of {old}")
    if old in (0, new):
        return []
    start, end = 0, new
    siblings: list[Range] = []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    if start:  # the verifier knows the old root only when the old tree is the whole subtree
        siblings.append((start, end))
    return siblings[::-1]


def node_ranges(old: int, new: int) -> list[Range]:
    """The proof's, and always first the subtree at which the old tree ends; 0 < old < new."""
    whole = [] if old & (old - 1) else [(0, old)]
    return whole + consistency_ranges(old, new)


def _split(size: int) -> int:
    """The largest power of two below size."""
    return 1 << (size - 1).bit_length() - 1


# -- checking a proof --------------------------------------------------------------------------


def require_included(
    entry_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """The leaf with this hash is number `index` of the tree of `size` leaves with this root."""
    require(0 <= index < size, NotIncluded, "tree.no-such-leaf", f"below {size}", index)
    ranges, result = inclusion_ranges(index, size), entry_hash
    length = len(ranges)
    require(len(path) == length, NotIncluded, "tree.path-length", length, len(path))
    for (start, _), sibling in zip(ranges, path, strict=True):
        # A subtree without the leaf that begins before it stands on its left.
        left = start < index
        result = node_hash(sibling, result) if left else node_hash(result, sibling)
    require(result == root, NotIncluded, "tree.not-included", root, result)


def require_subtree(
    found: bytes, start: int, end: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """The leaves [start, end) of the tree with this root are those whose root was found."""
    ranges, result = subtree_ranges(start, end, size), found
    length = len(ranges)
    require(len(path) == length, Inconsistent, "tree.proof-length", length, len(path))
    for (begin, _), sibling in zip(ranges, path, strict=True):
        result = node_hash(sibling, result) if begin < start else node_hash(result, sibling)
    _require_equal(root, result)


def require_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """The first `old` leaves of the new tree are the old tree: nothing was rewritten."""
    require(0 <= old <= new, Inconsistent, "tree.shrunk", f"at least {old} leaves", new)
    length = len(consistency_ranges(old, new))
    require(len(proof) == length, Inconsistent, "tree.proof-length", length, len(proof))
    if old == 0:
        _require_equal(EMPTY_ROOT, old_root)
    if old == new:
        _require_equal(old_root, new_root)
    if old in (0, new):
        return
    # A whole subtree of the new tree: then its root is not in the proof, being the old root.
    of_old, of_new = roots_of(old, new, list(proof) if old & (old - 1) else [old_root, *proof])
    _require_equal(old_root, of_old)
    _require_equal(new_root, of_new)


def roots_of(old: int, new: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that these nodes (see node_ranges) make."""
    of_old = of_new = nodes[0]
    for (start, _), node in zip(node_ranges(old, new)[1:], nodes[1:], strict=True):
        if start < old:  # on the left, and in both trees
            of_old, of_new = node_hash(node, of_old), node_hash(node, of_new)
        else:
            of_new = node_hash(of_new, node)
    return of_old, of_new


def _require_equal(expected: bytes, found: bytes) -> None:
    require(expected == found, Inconsistent, "tree.inconsistent", expected, found)
