"""A proof that a log forked convinces who has its key; none can be made of an honest log."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guzheng.proof import note, tree
from guzheng.proof.errors import BadSignature, Malformed, ProofError, Refuted, UnknownKey
from guzheng.proof.fork import Fork
from guzheng.proof.note import Checkpoint
from tests.proof.keys import key_of, signed
from tests.strategies import altered
from tests.witness.logs import ORIGIN, Log, leaves

SIZE = 40
TRUNK, BRANCH = Log(leaves(SIZE)), Log(leaves(SIZE, "fork", 4))
KEYS = [TRUNK.key]


def nodes(log: Log, old: int, new: int) -> tuple[bytes, ...]:
    if old == new:
        return ()
    ranges = tree.node_ranges(old, new)
    return tuple(tree.root_of(log.hashes[start:end]) for start, end in ranges)


def fork_of(one: Log, old: int, other: Log, new: int) -> Fork:
    return Fork(one.note(old), other.note(new), nodes(other, old, new))


@pytest.mark.parametrize("old", [5, 6, 7, 8, 9, 15, 16, 17, 31, 32])
@pytest.mark.parametrize("new", [8, 9, 16, 32, 33, 40])
def test_two_histories(old: int, new: int) -> None:
    if old > new:
        return
    for one, other in ((TRUNK, BRANCH), (BRANCH, TRUNK)):
        fork = fork_of(one, old, other, new)
        assert Fork.parse(fork.encode()) == fork
        first, second = fork.require_proved(KEYS)
        assert (first.size, second.size) == (old, new)
        # An honest log gives nothing of the kind, and its own tree does not prove a fork.
        with pytest.raises(Refuted) as refused:
            fork_of(other, old, other, new).require_proved(KEYS)
        assert refused.value.code == "fork.no-contradiction"


def test_trees_that_do_not_differ_yet() -> None:
    with pytest.raises(Refuted):
        fork_of(TRUNK, 4, BRANCH, 9).require_proved(KEYS)
    with pytest.raises(Refuted):
        fork_of(TRUNK, 3, BRANCH, 3).require_proved(KEYS)


@settings(max_examples=100)
@given(
    st.integers(1, SIZE),
    st.integers(1, SIZE),
    st.lists(st.binary(min_size=32, max_size=32), max_size=8),
)
def test_no_nodes_accuse_an_honest_log(old: int, new: int, drawn: list[bytes]) -> None:
    old, new = sorted((old, new))
    with pytest.raises((Refuted, Malformed)):
        Fork(TRUNK.note(old), TRUNK.note(new), tuple(drawn)).require_proved(KEYS)


@pytest.mark.parametrize("at", range(len(nodes(BRANCH, 8, 40))))
def test_nodes_must_make_the_signed_root(at: int) -> None:
    fork = fork_of(TRUNK, 8, BRANCH, 40)
    for other in (bytes(32), fork.nodes[at - 1]):
        forged = (*fork.nodes[:at], other, *fork.nodes[at + 1 :])
        with pytest.raises(Refuted):
            Fork(fork.first, fork.second, forged).require_proved(KEYS)
    for count in (fork.nodes[1:], (*fork.nodes, bytes(32)), ()):
        with pytest.raises(Malformed):
            Fork(fork.first, fork.second, count).require_proved(KEYS)


def test_both_are_signed_by_the_log() -> None:
    stranger = Log(leaves(SIZE, "fork", 4), key_of(ORIGIN, 9))
    with pytest.raises(UnknownKey):
        fork_of(TRUNK, 8, stranger, 9).require_proved(KEYS)
    with pytest.raises(UnknownKey):
        fork_of(stranger, 8, BRANCH, 9).require_proved(KEYS)
    # Two logs of one operator are two logs, even if he named one key for the other's origin.
    other = Log(leaves(SIZE, "fork", 4), origin="log.example/2")
    with pytest.raises(Refuted) as refused:
        fork_of(TRUNK, 8, other, 9).require_proved([TRUNK.key, other.key])
    assert refused.value.code == "fork.another-log"
    disguised = signed(Checkpoint(ORIGIN, 9, BRANCH.root(9)).encode(), other.signer)
    with pytest.raises(Refuted):
        Fork(TRUNK.note(8), disguised, nodes(BRANCH, 8, 9)).require_proved(
            [TRUNK.key, other.key]
        )
    # Two keys of one log: it answers for both.
    second = key_of(ORIGIN, 3, note.SM2)
    by_second = signed(BRANCH.note(9).text, second)
    Fork(TRUNK.note(8), by_second, nodes(BRANCH, 8, 9)).require_proved([*KEYS, second.key])


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 9), (9, 8)])
def test_the_smaller_tree_first_and_not_an_empty_one(old: int, new: int) -> None:
    with pytest.raises(Malformed):
        Fork(TRUNK.note(old), BRANCH.note(new)).require_proved(KEYS)


GOOD = fork_of(TRUNK, 8, BRANCH, 40).encode()


def test_every_octet_counts() -> None:
    for at in range(len(GOOD)):
        changed = bytearray(GOOD)
        changed[at] ^= 1
        with pytest.raises(ProofError):
            Fork.parse(bytes(changed)).require_proved(KEYS)


@given(st.binary(max_size=200) | altered(GOOD))
def test_any_octets_are_a_fork_or_malformed(octets: bytes) -> None:
    with contextlib.suppress(ProofError):
        assert Fork.parse(octets).encode() == octets


def test_a_false_signature_beside_a_true_one_refuses_it() -> None:
    fork = fork_of(TRUNK, 8, BRANCH, 9)
    false = TRUNK.key.signature_of(bytes(64))
    bad = note.Note(fork.first.text, (*fork.first.signatures, false))
    with pytest.raises(BadSignature):
        Fork(bad, fork.second, fork.nodes).require_proved(KEYS)
