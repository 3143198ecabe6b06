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
    """Of an entry: 32 octets (RFC 9162 §2.1.1)."""
    return sha256(LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two children, 32 octets each, left before right."""
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


def is_subtree(start: int, end: int) -> bool:
    """Whether these leaves are a tree that could be cut off where it stands (§4.1 of the draft
    below): the start is a multiple of the next power of two that is not below their number.
    """
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def subtree_ranges(start: int, end: int, size: int) -> list[Range]:
    """What leads from the leaves [start, end) to the root of a tree of `size`, bottom up.

    SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs-03 §4.4.1, and RFC 6962 §2.1.2 where
    the start is 0. A subtree that is a node of the tree has siblings above it. One whose end
    lies within a node is put together first, from the node where it ends leftwards.
    """
    if not (is_subtree(start, end) and end <= size):
        raise ValueError(f"no subtree [{start}, {end}) in a tree of {size}")
    low, high, cut = 0, size, False
    siblings: list[Range] = []
    while (low, high) != (start, end):
        middle = low + _split(high - low)
        if end <= middle:
            siblings.append((middle, high))
            high = middle
        else:
            siblings.append((low, middle))
            cut = cut or start < middle  # what is cut begins where the node did
            start, low = max(start, middle), middle
    if cut:  # the verifier knows the subtree's root only when it is a node of the tree
        siblings.append((low, high))
    return siblings[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """PROOF(m, D[n]) of RFC 6962 §2.1.2; empty when there is nothing to prove."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not continue one of {old}")
    return subtree_ranges(0, old, new) if old else []


def node_ranges(old: int, new: int) -> list[Range]:
    """The proof's, and always first the subtree at which the old tree ends; 0 < old < new."""
    return _with_first(0, old, consistency_ranges(old, new))


def _with_first(start: int, end: int, ranges: list[Range]) -> list[Range]:
    """A proof begins with the node where a subtree ends, unless that is the whole subtree."""
    begins = bool(ranges) and ranges[0][1] == end
    return ranges if begins else [(start, end), *ranges]


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
    wanted = f"a subtree of the {size} leaves"
    holds = is_subtree(start, end) and end <= size
    require(holds, Inconsistent, "tree.no-subtree", wanted, f"[{start}, {end})")
    ranges = subtree_ranges(start, end, size)
    length = len(ranges)
    require(len(path) == length, Inconsistent, "tree.proof-length", length, len(path))
    whole = _with_first(start, end, ranges)
    nodes = path if len(whole) == length else [found, *path]
    of_subtree, of_tree = _both_roots(start, end, whole, nodes)
    _require_equal(found, of_subtree)
    _require_equal(root, of_tree)


def require_consistent(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """The first `old` leaves of the new tree are the old tree: nothing was rewritten."""
    require(0 <= old <= new, Inconsistent, "tree.shrunk", f"at least {old} leaves", new)
    if old:
        require_subtree(old_root, 0, old, new, proof, new_root)
        return
    require(not proof, Inconsistent, "tree.proof-length", 0, len(proof))
    _require_equal(EMPTY_ROOT, old_root)
    if new == 0:
        _require_equal(old_root, new_root)


def roots_of(old: int, new: int, nodes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees that these nodes (see node_ranges) make."""
    return _both_roots(0, old, node_ranges(old, new), nodes)


def _both_roots(
    start: int, end: int, ranges: Sequence[Range], nodes: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Of the subtree [start, end) and the whole tree, from the node where the former ends."""
    of_subtree = of_tree = nodes[0]
    for (low, _), node in zip(ranges[1:], nodes[1:], strict=True):
        if low >= end:
            of_tree = node_hash(of_tree, node)
            continue
        of_tree = node_hash(node, of_tree)
        if low >= start:
            of_subtree = node_hash(node, of_subtree)
    return of_subtree, of_tree


def _require_equal(expected: bytes, found: bytes) -> None:
    require(expected == found, Inconsistent, "tree.inconsistent", expected, found)
