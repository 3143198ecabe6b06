"""sign-subtree of c2sp.org/tlog-witness: every status, and only one history is signed of."""

import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.cosigner.serving import Answer, Asked
from guzheng.cosigner.submission import MAX_OCTETS
from guzheng.cosigner.subtrees import SubtreeRequest
from guzheng.proof import note, tree
from guzheng.proof.errors import ProofError
from guzheng.proof.note import ML_DSA_44, Checkpoint, Note, Signature, VerifierKey
from guzheng.proof.subtree import Subtree
from guzheng.witness.memory import FILE, id_of
from guzheng.witness.paths import Paths
from guzheng.witness.witness import Witness
from tests.proof.keys import SigningKey, key_of, signed
from tests.strategies import altered
from tests.witness.conftest import Place
from tests.witness.logs import ORIGIN, Log, leaves

Range = tuple[int, int]
FORK = Log(leaves(40, "fork", 7))


def asked_for(
    log: Log,
    part: Range,
    reference: bytes,
    lines: Sequence[Signature] = (),
) -> bytes:
    """The body: the part, its hash, lines over it, the proof, and the reference checkpoint."""
    start, end = part
    text = reference.partition(b"\n\n")[0].rstrip(b"\n") + b"\n"
    ranges = tree.subtree_ranges(start, end, Checkpoint.parse(text).size)
    hashes = [log.hashes[start:end], *(log.hashes[low:high] for low, high in ranges)]
    root, *proof = (b64encode(tree.root_of(one)).decode() for one in hashes)
    over = [str(one).removesuffix("\n") for one in lines]
    head = "\n".join([f"subtree {start} {end}", root, *over, *proof])
    return head.encode() + b"\n\n" + reference


def bare(log: Log, size: int) -> bytes:
    return log.note(size).text


@pytest.fixture
def witness(place: Place, log: Log) -> Iterator[Witness]:
    place.post_quantum = True
    opened = place.open()
    opened.memory.add_log(log.key)
    yield opened
    opened.memory.close()


@pytest.fixture
def own(witness: Witness) -> VerifierKey:
    return VerifierKey.parse(witness.cosigner.vkeys[1])


def grown(witness: Witness, log: Log, *sizes: int) -> list[bytes]:
    """The notes that it cosigned: the log's line and the witness's two."""
    notes, old = [], 0
    for new in sizes:
        answer = witness.add_checkpoint(log.request(old, new))
        assert answer.status == 200, answer
        notes.append(log.note(new).encode() + answer.body)
        old = new
    return notes


def require_signed(answer: Answer, own: VerifierKey, log: Log, part: Range) -> None:
    assert answer.status == 200, answer
    assert answer.body.endswith(b"\n")
    lines = [Signature.parse(one) for one in answer.body[:-1].decode().split("\n")]
    meant = Subtree(ORIGIN, *part, tree.root_of(log.hashes[part[0] : part[1]]))
    assert meant.find_signed(lines, [own]) == {own: None}
    assert len(lines) == 1
    assert lines[0].octets[:8] == bytes(8)


PARTS = [(0, 14), (0, 13), (8, 13), (12, 13), (8, 14), (4, 8), (13, 14), (0, 1)]


@pytest.mark.parametrize("part", PARTS)
def test_200_by_what_it_remembers_or_by_its_own_line(
    witness: Witness, own: VerifierKey, log: Log, part: Range
) -> None:
    (cosigned,) = grown(witness, log, 14)
    before = witness.memory.find_latest(id_of(ORIGIN))
    for reference in (bare(log, 14), log.note(14).encode(), cosigned):
        body = asked_for(log, part, reference)
        require_signed(witness.sign_subtree(body), own, log, part)
    assert witness.memory.find_latest(id_of(ORIGIN)) == before


def test_an_older_checkpoint_stands_by_its_line_and_the_last_few_without_one(
    witness: Witness, own: VerifierKey, log: Log, place: Place
) -> None:
    notes = grown(witness, log, *range(1, 13))
    body = asked_for(log, (0, 2), notes[2])
    require_signed(witness.sign_subtree(body), own, log, (0, 2))
    for size in range(1, 13):
        status = witness.sign_subtree(asked_for(log, (0, 1), bare(log, size))).status
        assert status == (200 if size > 4 else 409)
    witness.memory.close()
    with closing(place.open().memory) as memory:  # and not only in the life that cosigned them
        assert [memory.stands(Checkpoint.parse(bare(log, size))) for size in (4, 5, 12)] == [
            False,
            True,
            True,
        ]


def test_409_shows_the_checkpoint_that_is_known(witness: Witness, log: Log) -> None:
    (cosigned,) = grown(witness, log, 14)
    for reference in (bare(log, 20), bare(log, 13), bare(FORK, 14), FORK.note(14).encode()):
        other = FORK if reference.startswith(bare(FORK, 14)) else log
        answer = witness.sign_subtree(asked_for(other, (8, 13), reference))
        assert answer.status == 409
        assert answer.body == cosigned
    answer = witness.sign_subtree(asked_for(log, (8, 13), answer.body))
    assert answer.status == 200  # a client goes on from what it was shown


def test_404_for_another_log_and_for_one_of_which_nothing_was_cosigned(
    witness: Witness, log: Log
) -> None:
    other = Log(leaves(14), origin="log.example/2")
    assert witness.sign_subtree(asked_for(other, (0, 8), bare(other, 14))).status == 404
    assert witness.sign_subtree(asked_for(log, (0, 8), bare(log, 14))).status == 404


def test_404_without_a_key_that_signs_parts(place: Place, log: Log) -> None:
    witness = place.open()
    witness.memory.add_log(log.key)
    (cosigned,) = grown(witness, log, 14)
    assert witness.sign_subtree(asked_for(log, (0, 8), cosigned)).status == 404
    witness.memory.close()


def test_422_for_a_proof_that_proves_nothing(witness: Witness, log: Log) -> None:
    (cosigned,) = grown(witness, log, 14)
    good = asked_for(log, (8, 13), cosigned)
    head, _, rest = good.partition(b"\n\n")
    first, root, *proof = head.split(b"\n")
    zero = b64encode(bytes(32))
    for lines in (
        [first, root, *proof[:-1]],
        [first, root, *proof, zero],
        [first, root, *proof[::-1]],
        [first, zero, *proof],
        [first, root],
        [b"subtree 8 12", root, *proof],
        [b"subtree 9 13", root, *proof],  # no subtree at all: no proof of it is one
        [b"subtree 4 13", root, *proof],
    ):
        assert witness.sign_subtree(b"\n".join(lines) + b"\n\n" + rest).status == 422
    assert witness.sign_subtree(good).status == 200
    # The other side of a fork has a true proof under its own root, and under no other.
    fork = asked_for(FORK, (8, 13), cosigned)
    assert witness.sign_subtree(fork).status == 422


def test_403_for_a_false_line_in_a_known_name(
    witness: Witness, own: VerifierKey, log: Log
) -> None:
    logs = key_of(ORIGIN, 5, ML_DSA_44)
    witness.memory.add_log(logs.key)
    (cosigned,) = grown(witness, log, 14)
    meant = Subtree(ORIGIN, 8, 13, tree.root_of(log.hashes[8:13]))

    def line(part: Subtree, key: SigningKey = logs, seconds: int = 0) -> Signature:
        octets = key.sign_octets(part.message_of(key.key, seconds))
        return key.key.signature_of(octets, seconds)

    def status(*lines: Signature) -> int:
        return witness.sign_subtree(asked_for(log, (8, 13), cosigned, lines)).status

    stranger = key_of("stranger.example", 6, ML_DSA_44)
    assert status(line(meant)) == 200
    assert status(line(meant), Signature("stranger.example", b"1234", b"x")) == 200
    assert (
        status(line(Subtree(ORIGIN, 8, 12, meant.root), stranger)) == 200
    )  # not ours to judge
    assert status(Signature(own.name, own.id, bytes(2428))) == 403
    assert status(line(Subtree(ORIGIN, 8, 12, meant.root))) == 403
    beginning = Subtree(ORIGIN, 0, 8, log.root(8))
    body = asked_for(log, (0, 8), cosigned, [line(beginning, seconds=5)])
    assert witness.sign_subtree(body).status == 403  # true, but no time belongs here
    false = Note(log.note(14).text, (Signature(own.name, own.id, bytes(2428)),))
    assert witness.sign_subtree(asked_for(log, (8, 13), false.encode())).status == 403


def test_what_is_over_the_checkpoint_is_looked_at_for_its_own_name_only(
    witness: Witness, log: Log
) -> None:
    grown(witness, log, 14)
    text = bare(log, 14)
    strangers = [key_of(f"w{at}.example", at) for at in range(9)]
    eight = signed(text, *strangers[:8]).encode()
    assert witness.sign_subtree(asked_for(log, (0, 8), eight)).status == 200
    nine = signed(text, *strangers).encode()
    assert witness.sign_subtree(asked_for(log, (0, 8), nine)).status == 400
    false = Note(text, (Signature(log.key.name, log.key.id, bytes(64)),)).encode()
    assert witness.sign_subtree(asked_for(log, (0, 8), false)).status == 200


HASH = b64encode(bytes(32)).decode()
HASHED = f"{HASH}\n"
STRANGE = str(Signature("stranger.example", b"1234", b"signature"))
ROOT14 = b64encode(Log(leaves(14)).root(14)).decode()
TEXT14 = f"{ORIGIN}\n14\n{ROOT14}\n"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "subtree 0 8",
        "subtree 0 8\n",
        f"subtree 0 8\n\n{TEXT14}",
        f"subtree 0\n{HASH}\n\n{TEXT14}",
        f"subtree 00 8\n{HASH}\n\n{TEXT14}",
        f"subtree 0 08\n{HASH}\n\n{TEXT14}",
        f"subtree  0 8\n{HASH}\n\n{TEXT14}",
        f"subtree 0 8 \n{HASH}\n\n{TEXT14}",
        f"subtree -8 8\n{HASH}\n\n{TEXT14}",
        f"subtree 0 9223372036854775808\n{HASH}\n\n{TEXT14}",
        f"subtree 0 \u0668\n{HASH}\n\n{TEXT14}",
        f"SUBTREE 0 8\n{HASH}\n\n{TEXT14}",
        f"subtree 0 8\r\n{HASH}\n\n{TEXT14}",
        f"subtree 8 8\n{HASH}\n\n{TEXT14}",
        f"subtree 9 8\n{HASH}\n\n{TEXT14}",
        f"subtree 0 0\n{HASH}\n\n{TEXT14}",
        f"subtree 8 15\n{HASH}\n\n{TEXT14}",
        f"subtree 0 8\nAAAA\n\n{TEXT14}",
        f"subtree 0 8\nnot base64\n\n{TEXT14}",
        f"subtree 0 8\n{STRANGE}{HASH}\n\n{TEXT14}",
        f"subtree 0 8\n{HASH}\n{HASH}\n{STRANGE}\n{TEXT14}",
        f"subtree 0 8\n{HASH}\n\u2014 stranger.example AAAA\n\n{TEXT14}",
        f"subtree 0 8\n{HASH}\n{STRANGE * 9}\n{TEXT14}",
        f"subtree 0 8\n{HASH}\n{HASHED * 64}\n{TEXT14}",
        f"subtree 0 8\n{HASH}\n\n{TEXT14[:-1]}",
        f"subtree 0 8\n{HASH}\n\n{TEXT14}\n",
        f"subtree 0 8\n{HASH}\n\n{TEXT14}\n{STRANGE}x",
        f"subtree 0 8\n{HASH}\n\n{ORIGIN}\n14\n",
        f"subtree 0 8\n{HASH}\n\n{ORIGIN}\n014\n{ROOT14}\n",
        f"subtree 0 8\n{HASH}\n\n\n14\n{ROOT14}\n",
        f"subtree 0 8\n{HASH}\n\n{TEXT14}" + "x" * MAX_OCTETS,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_400_for_what_is_no_request(witness: Witness, log: Log, body: str) -> None:
    grown(witness, log, 14)
    assert witness.sign_subtree(body.encode()).status == 400


def test_400_for_other_octets_than_utf_8(witness: Witness) -> None:
    body = f"subtree 0 8\n{HASH}\n\n{TEXT14}".encode()
    assert witness.sign_subtree(body[:14] + b"\xff" + body[14:]).status == 400


def test_as_many_lines_as_may_be_sent_are_read() -> None:
    body = f"subtree 0 8\n{HASH}\n{STRANGE * 8}{HASHED * 63}\n{TEXT14}\n{STRANGE * 8}"
    read = SubtreeRequest.parse(body.encode())
    assert (len(read.lines), len(read.proof), len(read.note.signatures)) == (8, 63, 8)


GOOD = asked_for(
    Log(leaves(20)), (8, 13), Log(leaves(20)).note(14, [key_of("w.example", 2)]).encode()
)


@settings(max_examples=300)
@given(st.binary(max_size=300) | altered(GOOD))
def test_any_octets_are_a_request_or_malformed(octets: bytes) -> None:
    try:
        read = SubtreeRequest.parse(octets)
    except ProofError:
        return
    lines = [f"subtree {read.start} {read.end}", b64encode(read.root).decode()]
    lines += [str(one).removesuffix("\n") for one in read.lines]
    lines += [b64encode(one).decode() for one in read.proof]
    text = read.note.encode() if read.note.signatures else read.note.text
    assert "\n".join(lines).encode() + b"\n\n" + text == octets


steps = st.tuples(
    st.sampled_from([Log(leaves(24)), Log(leaves(24, "a", 5)), Log(leaves(24, "b", 11))]),
    st.integers(1, 24),
    st.integers(0, 23),
    st.integers(1, 24),
    st.sampled_from(["grow", "part", "line"]),
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, max_size=12))
def test_in_whatever_order_a_log_lies_all_parts_are_of_one_history(
    tmp_path_factory: pytest.TempPathFactory, taken: list[tuple[Log, int, int, int, str]]
) -> None:
    """What was signed for, whole trees and parts of them, lies on one branch at the end."""
    place = Place(tmp_path_factory.mktemp("w"), post_quantum=True)
    witness = place.open()
    witness.memory.add_log(Log(leaves(1)).key)
    handed: set[tuple[int, int, bytes]] = set()
    notes: dict[int, bytes] = {}
    for log, size, start, end, what in taken:
        seen = witness.memory.find_latest(id_of(ORIGIN))
        known = seen.size if seen else 0
        if what == "grow":
            answer = witness.add_checkpoint(log.request(min(known, size), size))
            if answer.status == 200:
                handed.add((0, size, log.root(size)))
                notes[size] = log.note(size).encode() + answer.body
        elif tree.is_subtree(start, end) and end <= size:
            reference = notes.get(size, bare(log, size)) if what == "line" else bare(log, size)
            root = tree.root_of(log.hashes[start:end])
            answer = witness.sign_subtree(asked_for(log, (start, end), reference))
            if answer.status == 200:
                handed.add((start, end, root))
            else:
                assert answer.status in (404, 409, 422)
    branches = [Log(leaves(24)), Log(leaves(24, "a", 5)), Log(leaves(24, "b", 11))]
    assert any(
        all(tree.root_of(one.hashes[start:end]) == root for start, end, root in handed)
        for one in branches
    )
    witness.memory.close()


def test_over_its_path_and_only_by_post(witness: Witness, own: VerifierKey, log: Log) -> None:
    (cosigned,) = grown(witness, log, 14)
    paths = Paths(witness, "/w")
    body = asked_for(log, (8, 13), cosigned)
    answer = paths.respond(Asked("POST", "/w/sign-subtree", body))
    require_signed(answer, own, log, (8, 13))
    assert paths.respond(Asked("GET", "/w/sign-subtree")).status == 405
    assert paths.respond(Asked("POST", "/sign-subtree", body)).status == 404


def test_a_memory_from_before_knows_its_newest(place: Place, log: Log) -> None:
    """A file that was made before the last few were remembered goes on as it is."""
    place.post_quantum = True
    witness = place.open()
    witness.memory.add_log(log.key)
    grown(witness, log, 5, 14)
    witness.memory.close()
    with closing(sqlite3.connect(place.directory / FILE)) as opened:
        opened.execute("DROP TABLE recent")
        opened.commit()
    witness = place.open()
    assert witness.sign_subtree(asked_for(log, (8, 13), bare(log, 14))).status == 200
    assert witness.sign_subtree(asked_for(log, (0, 4), bare(log, 5))).status == 409
    witness.memory.close()


def test_503_when_the_memory_cannot_be_read(place: Place, log: Log) -> None:
    place.post_quantum = True
    witness = place.open()
    witness.memory.add_log(log.key)
    body = asked_for(log, (0, 4), bare(log, 5))
    witness.memory.close()
    answer = witness.sign_subtree(body)
    assert answer.status == 503
    assert "Retry-After" in answer.headers


def test_it_says_why_and_never_what_was_sent(witness: Witness, log: Log, place: Place) -> None:
    grown(witness, log, 14)
    witness.sign_subtree(b"subtree secret")
    witness.sign_subtree(asked_for(log, (0, 8), bare(log, 13)))
    told = [facts for code, facts in place.told if code == "witness.subtree-declined"]
    assert [(one["status"], one["found"]) for one in told] == [
        (400, "subtree.malformed"),
        (409, "size 13"),
    ]


def test_the_memory_keeps_a_few_and_no_more(witness: Witness, log: Log, place: Place) -> None:
    grown(witness, log, *range(1, 31))
    with closing(sqlite3.connect(place.directory / FILE)) as opened:
        rows = opened.execute("SELECT size FROM recent ORDER BY size").fetchall()
    assert [size for (size,) in rows] == list(range(23, 31))
    newest = Note.parse(witness.memory.newest(ORIGIN) or b"")
    assert note.require_checkpoint(newest, log.key).size == 30
