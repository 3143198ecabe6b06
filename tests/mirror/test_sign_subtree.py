"""sign-subtree at a mirror: a part is signed when all of its entries are here, not before."""

from base64 import b64encode
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.cosigner.serving import Answer, Asked
from guzheng.proof import tree
from guzheng.proof.note import ML_DSA_44, Checkpoint, Note, Signature, VerifierKey
from guzheng.proof.subtree import Subtree
from tests.mirror.sites import ORIGIN, Site, entries_of
from tests.mirror.test_push import Pushed, added, checkpoint, hashes, proved, whole
from tests.proof.keys import key_of, signed

ENTRIES = entries_of(700)
SIZES = (1, 5, 256, 300, 700)


def part_of(entries: Sequence[bytes], start: int, end: int, reference: bytes) -> bytes:
    size = Checkpoint.parse(reference.partition(b"\n\n")[0].rstrip(b"\n") + b"\n").size
    found = tree.root_of(hashes(entries[start:end]))
    nodes = [found, *proved(entries, tree.subtree_ranges(start, end, size))]
    lines = [f"subtree {start} {end}", *(b64encode(one).decode() for one in nodes)]
    return "\n".join(lines).encode() + b"\n\n" + reference


def text(entries: Sequence[bytes]) -> bytes:
    return Note.parse(checkpoint(entries)).text


def asked(pushed: Pushed, body: bytes) -> Answer:
    return pushed.paths.respond(Asked("POST", "/sign-subtree", body))


def own_key(pushed: Pushed) -> VerifierKey:
    return VerifierKey.parse(pushed.copy.cosigner.vkeys[1])


def filled(pushed: Pushed, *sizes: int) -> Pushed:
    for old, new in pairwise((0, *sizes)):
        pushed.checkpoint(added(ENTRIES[:new], old))
        assert whole(pushed, ENTRIES[:new], old).status == 200
    return pushed


def require_signed(pushed: Pushed, answer: Answer, start: int, end: int) -> None:
    assert answer.status == 200, answer
    (line,) = (Signature.parse(one) for one in answer.body[:-1].decode().split("\n"))
    meant = Subtree(ORIGIN, start, end, tree.root_of(hashes(ENTRIES[start:end])))
    key = own_key(pushed)
    assert meant.find_signed([line], [key]) == {key: None}


@pytest.fixture
def pushed(tmp_path: Path) -> Pushed:
    return Pushed(tmp_path, post_quantum=True)


def test_any_tree_that_is_here_stands_without_a_line(pushed: Pushed) -> None:
    """From the tiles: it need not have been signed at that size, nor be remembered."""
    filled(pushed, *SIZES)
    pushed.restart()
    for size in (1, 2, 255, 256, 257, 300, 511, 512, 513, 699, 700):
        for start, end in ((0, size), (0, -(-size // 2)), (size - 1, size)):
            body = part_of(ENTRIES, start, end, text(ENTRIES[:size]))
            require_signed(pushed, asked(pushed, body), start, end)


def test_its_own_line_stands_and_a_witness_s_does_not(pushed: Pushed) -> None:
    filled(pushed, 300)
    shown = pushed.copy.read("checkpoint") or b""
    require_signed(pushed, asked(pushed, part_of(ENTRIES, 8, 13, shown)), 8, 13)
    pushed.checkpoint(added(ENTRIES, 300))  # pending: not all is here, nothing is signed
    witness = key_of("witness.example/w1", 4, ML_DSA_44)
    by_witness = signed(text(ENTRIES), witness, seconds=5).encode()
    for reference in (text(ENTRIES), checkpoint(ENTRIES), by_witness):
        answer = asked(pushed, part_of(ENTRIES, 0, 256, reference))
        assert (answer.status, answer.body) == (409, shown)
    assert asked(pushed, part_of(ENTRIES, 0, 256, shown)).status == 200
    false = Signature(own_key(pushed).name, own_key(pushed).id, bytes(2428))
    body = part_of(ENTRIES, 8, 13, Note(text(ENTRIES), (false,)).encode())
    assert asked(pushed, body).status == 403


def test_every_other_status(pushed: Pushed) -> None:
    body = part_of(ENTRIES, 8, 13, text(ENTRIES[:14]))
    assert asked(pushed, body).status == 404  # nothing is here yet
    filled(pushed, 14)
    assert asked(pushed, body).status == 200
    assert asked(pushed, b"subtree 8 13").status == 400
    assert asked(pushed, body.replace(b"subtree 8 13", b"subtree 8 15")).status == 400
    assert asked(pushed, body.replace(b"subtree 8 13", b"subtree 8 12")).status == 422
    assert asked(pushed, body.replace(ORIGIN.encode(), b"log.example/2")).status == 404
    other = entries_of(14, "other ", 9)
    answer = asked(pushed, part_of(other, 8, 13, text(other)))
    assert (answer.status, answer.body) == (409, pushed.copy.read("checkpoint"))
    assert "mirror.declined" in pushed.mirror.told
    assert pushed.paths.respond(Asked("GET", "/sign-subtree")).status == 404


def test_without_a_key_that_signs_parts_there_is_no_such_path(tmp_path: Path) -> None:
    pushed = filled(Pushed(tmp_path), 14)
    assert asked(pushed, part_of(ENTRIES, 8, 13, text(ENTRIES[:14]))).status == 404


def test_a_copy_that_lost_a_tile_signs_nothing_by_it(pushed: Pushed) -> None:
    filled(pushed, 700)
    for path in (pushed.copy.directory / "tile" / "0").rglob("*"):
        if path.is_file():
            path.unlink()
    assert asked(pushed, part_of(ENTRIES, 8, 13, text(ENTRIES[:300]))).status == 503
    assert "mirror.not-written" in pushed.mirror.told


def test_pulled_entries_are_as_good(pushed: Pushed) -> None:
    pushed.copy.follow(Site(ENTRIES).show(600).fetch)
    body = part_of(ENTRIES, 512, 600, text(ENTRIES[:600]))
    require_signed(pushed, asked(pushed, body), 512, 600)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_sent_only_what_is_here_is_signed_for(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pushed = filled(Pushed(tmp_path_factory.mktemp("m"), post_quantum=True), 14)
    body = bytearray(part_of(ENTRIES, 8, 13, text(ENTRIES[:14])))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    answer = asked(pushed, bytes(body))
    assert answer.status in (400, 404, 409, 422)
