"""Parts of a tree: which there are, what proves them, and who may sign them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guzheng.proof import note, policy, tree
from guzheng.proof.errors import BadSignature, Inconsistent, Malformed, ProofError
from guzheng.proof.note import Checkpoint, Note, Signature
from guzheng.proof.subtree import Subtree
from tests.proof.keys import SigningKey, key_of

ORIGIN = "log.example/1"
HASHES = [tree.leaf_hash(b"%d" % at) for at in range(300)]
KEY = key_of("cosigner.example/1", 3, note.ML_DSA_44)
SECONDS = 1_679_315_147


def draft_proof(
    start: int, end: int, leaves: list[bytes], *, known: bool = True
) -> list[bytes]:
    """SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs-03 §4.4.1, as it is defined."""
    size = len(leaves)
    if (start, end) == (0, size):
        return [] if known else [tree.root_of(leaves)]
    k = 1
    while 2 * k < size:
        k *= 2
    left, right = leaves[:k], leaves[k:]
    if end <= k:
        return [*draft_proof(start, end, left, known=known), tree.root_of(right)]
    if k <= start:
        return [*draft_proof(start - k, end - k, right, known=known), tree.root_of(left)]
    return [*draft_proof(0, end - k, right, known=False), tree.root_of(left)]


def draft_accepts(
    start: int, end: int, size: int, proof: list[bytes], found: bytes, root: bytes
) -> bool:
    """§4.4.3, as its steps are: bits of the two ends and of the last leaf, level by level."""
    first, last, top = start, end - 1, size - 1
    while first != last and (last == top or last & 1):
        first, last, top = first >> 1, last >> 1, top >> 1
    rest = list(proof)
    if first != last and not rest:
        return False
    of_first = of_all = found if first == last else rest.pop(0)
    for one in rest:
        if top == 0:
            return False
        if last & 1 or last == top:
            if first < last:
                of_first = tree.node_hash(one, of_first)
            of_all = tree.node_hash(one, of_all)
            while not last & 1:
                first, last, top = first >> 1, last >> 1, top >> 1
        else:
            of_all = tree.node_hash(of_all, one)
        first, last, top = first >> 1, last >> 1, top >> 1
    return (top, of_first, of_all) == (0, found, root)


def ours_accepts(
    start: int, end: int, size: int, proof: list[bytes], found: bytes, root: bytes
) -> bool:
    try:
        tree.require_subtree(found, start, end, size, proof, root)
    except Inconsistent:
        return False
    return True


def proved(start: int, end: int, size: int) -> list[bytes]:
    return [
        tree.root_of(HASHES[low:high]) for low, high in tree.subtree_ranges(start, end, size)
    ]


def subtrees(most: int) -> st.SearchStrategy[tuple[int, int, int]]:
    """A start, an end and a size; the start as the end allows."""

    @st.composite
    def drawn(draw: st.DrawFn) -> tuple[int, int, int]:
        size = draw(st.integers(1, most))
        end = draw(st.integers(1, size))
        count = draw(st.integers(1, end))
        start = end - count
        step = 1 << (count - 1).bit_length()
        start -= start % step
        while not tree.is_subtree(start, end):  # now it is longer than it was
            step *= 2
            start -= start % step
        return start, end, size

    return drawn()


def test_which_ranges_are_subtrees_and_what_proves_the_two_examples_of_the_draft() -> None:
    found = {
        (start, end) for start in range(17) for end in range(17) if tree.is_subtree(start, end)
    }
    for start, end in found:
        height = (end - start - 1).bit_length()
        assert start < end
        assert start >> height << height == start
    assert {(0, end) for end in range(1, 17)} <= found
    assert {(8, 13), (4, 8), (12, 13)} <= found
    assert not {(7, 9), (4, 9), (5, 7), (0, 0)} & found
    assert tree.subtree_ranges(4, 8, 14) == [(0, 4), (8, 14)]
    assert tree.subtree_ranges(8, 13, 14) == [(12, 13), (13, 14), (8, 12), (0, 8)]


def test_every_subtree_of_small_trees_is_proved_as_the_draft_has_it() -> None:
    for size in range(1, 26):
        root = tree.root_of(HASHES[:size])
        for end in range(1, size + 1):
            for start in (one for one in range(end) if tree.is_subtree(one, end)):
                proof = proved(start, end, size)
                assert proof == draft_proof(start, end, HASHES[:size])
                found = tree.root_of(HASHES[start:end])
                assert ours_accepts(start, end, size, proof, found, root)
                assert draft_accepts(start, end, size, proof, found, root)
                assert not ours_accepts(start, end, size, [*proof, root], found, root)
                assert not proof or not ours_accepts(start, end, size, proof[1:], found, root)


@given(subtrees(300), st.data())
def test_one_changed_bit_anywhere_refuses_a_proof(
    at: tuple[int, int, int], data: st.DataObject
) -> None:
    start, end, size = at
    parts = [tree.root_of(HASHES[start:end]), tree.root_of(HASHES[:size]), *proved(*at)]
    assert ours_accepts(start, end, size, parts[2:], parts[0], parts[1])
    bit = data.draw(st.integers(0, 256 * len(parts) - 1))
    changed = int.from_bytes(parts[bit // 256]) ^ 1 << bit % 256
    parts[bit // 256] = changed.to_bytes(32)
    assert not ours_accepts(start, end, size, parts[2:], parts[0], parts[1])


@given(subtrees(tree.MAX_SIZE), st.data())
def test_ours_accepts_what_the_steps_of_the_draft_accept(
    at: tuple[int, int, int], data: st.DataObject
) -> None:
    """In trees of any size, of hashes that mean nothing but fit together."""
    start, end, size = at
    ranges = tree.subtree_ranges(start, end, size)
    proof = [tree.leaf_hash(bytes([number])) for number in range(len(ranges))]
    whole = bool(ranges) and ranges[0][1] == end
    nodes = proof if whole else [tree.leaf_hash(b"found"), *proof]
    at_first = ranges if whole else [(start, end), *ranges]
    found, root = tree._both_roots(start, end, at_first, nodes)
    assert draft_accepts(start, end, size, proof, found, root)
    assert ours_accepts(start, end, size, proof, found, root)
    other = data.draw(subtrees(min(size, 1 << 12)))
    here = (other[0], other[1], size)
    assert draft_accepts(*here, proof, found, root) == ours_accepts(*here, proof, found, root)


@pytest.mark.parametrize(
    ("start", "end", "size", "code"),
    [
        (7, 9, 9, "tree.no-subtree"),
        (0, 0, 9, "tree.no-subtree"),
        (4, 4, 9, "tree.no-subtree"),
        (8, 7, 9, "tree.no-subtree"),
        (-2, 0, 9, "tree.no-subtree"),
        (8, 10, 9, "tree.no-subtree"),
        (0, 4, 9, "tree.proof-length"),
    ],
)
def test_it_says_why_not(start: int, end: int, size: int, code: str) -> None:
    with pytest.raises(Inconsistent) as refused:
        tree.require_subtree(HASHES[0], start, end, size, [], HASHES[1])
    assert refused.value.code == code
    if code == "tree.no-subtree":
        with pytest.raises(ValueError, match="no subtree"):
            tree.subtree_ranges(start, end, size)


# -- who signs one -----------------------------------------------------------------------------


def line(part: Subtree, key: SigningKey = KEY, seconds: int = 0) -> Signature:
    octets = key.sign_octets(part.message_of(key.key, seconds))
    return key.key.signature_of(octets, seconds)


PART = Subtree(ORIGIN, 8, 13, HASHES[1])
BEGINNING = Subtree(ORIGIN, 0, 13, HASHES[1])


def test_the_message_octet_by_octet() -> None:
    assert PART.message_of(KEY.key) == (
        b"subtree/v1\n\x00"
        b"\x12cosigner.example/1"
        + bytes(8)
        + b"\x0dlog.example/1"
        + (8).to_bytes(8)
        + (13).to_bytes(8)
        + HASHES[1]
    )


def test_who_signed_and_that_no_other_part_is_meant() -> None:
    mine = line(PART)
    stranger = line(PART, key_of("stranger.example", 4, note.ML_DSA_44))
    assert PART.find_signed([stranger, mine, mine], [KEY.key]) == {KEY.key: None}
    assert PART.find_signed([stranger], [KEY.key]) == {}
    for other in (
        Subtree(ORIGIN, 8, 12, HASHES[1]),
        Subtree(ORIGIN, 0, 13, HASHES[1]),
        Subtree(ORIGIN, 8, 13, HASHES[2]),
        Subtree("log.example/2", 8, 13, HASHES[1]),
    ):
        with pytest.raises(BadSignature):
            other.find_signed([mine], [KEY.key])


def test_a_time_goes_only_with_a_tree_from_its_first_leaf_on() -> None:
    timed = line(BEGINNING, seconds=SECONDS)
    at = datetime.fromtimestamp(SECONDS, UTC)
    assert BEGINNING.find_signed([timed], [KEY.key]) == {KEY.key: at}
    with pytest.raises(BadSignature):  # truly signed, and forbidden all the same
        PART.find_signed([line(PART, seconds=SECONDS)], [KEY.key])
    moved = Signature(timed.name, timed.key_id, bytes(8) + timed.octets[8:])
    with pytest.raises(BadSignature):
        BEGINNING.find_signed([moved], [KEY.key])


def test_a_line_without_a_time_over_a_whole_tree_counts_for_no_quorum() -> None:
    """One message for both: so a line without a time must not pass for a witness's word."""
    log = key_of(ORIGIN, 1)
    text = Checkpoint(ORIGIN, 13, HASHES[1]).encode()
    for seconds, counts in ((0, False), (SECONDS, True)):
        both = Note(text, (log.sign(text), line(BEGINNING, seconds=seconds)))
        assert set(both.find_signed([KEY.key])) == {KEY.key}
        stated = f"log {log.key}\nwitness w {KEY.key}\nquorum w\n"
        if counts:
            policy.require_quorum(policy.parse_ledger_policy(stated.encode()), both)
        else:
            with pytest.raises(ProofError):
                policy.require_quorum(policy.parse_ledger_policy(stated.encode()), both)


@pytest.mark.parametrize("kind", [note.ED25519, note.COSIGNATURE, note.SM2])
def test_keys_that_cannot_sign_parts_sign_none(kind: int) -> None:
    key = key_of("cosigner.example/1", 3, kind)
    with pytest.raises(Malformed):
        PART.message_of(key.key)
    false = Signature(key.key.name, key.key.id, bytes(72))
    assert PART.find_signed([false], [key.key]) == {}  # not a line that such a key can bear


@settings(max_examples=30)
@given(st.binary(max_size=80))
def test_any_octets_as_a_line(octets: bytes) -> None:
    with pytest.raises(BadSignature):
        PART.find_signed([Signature(KEY.key.name, KEY.key.id, octets)], [KEY.key])


@pytest.mark.parametrize(
    ("start", "end", "root"), [(7, 9, 32), (3, 3, 32), (0, 1 << 63, 32), (8, 13, 31)]
)
def test_what_is_no_part_of_a_tree(start: int, end: int, root: int) -> None:
    with pytest.raises(Malformed):
        Subtree(ORIGIN, start, end, bytes(root))
