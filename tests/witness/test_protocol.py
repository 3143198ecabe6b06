"""Every answer that c2sp.org/tlog-witness names, and what is remembered after each."""

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guzheng.cosigner.serving import Asked
from guzheng.cosigner.submission import MAX_OCTETS, Submission
from guzheng.proof import note
from guzheng.proof.errors import Malformed, ProofError
from guzheng.proof.fork import Fork
from guzheng.proof.note import Checkpoint, Note, Signature, VerifierKey
from guzheng.proof.tree import EMPTY_ROOT
from guzheng.witness.memory import id_of
from guzheng.witness.paths import Paths
from guzheng.witness.witness import Witness
from tests.proof.keys import key_of, signed
from tests.strategies import altered
from tests.witness.conftest import NOON, Place, cosigned
from tests.witness.logs import ORIGIN, Log, leaves, request


def size_of(witness: Witness, origin: str = ORIGIN) -> int | None:
    seen = witness.memory.find_latest(id_of(origin))
    return seen.size if seen else None


def test_a_log_from_its_first_checkpoint_on(witness: Witness, log: Log, place: Place) -> None:
    (vkey,) = witness.cosigner.vkeys
    for old, new in ((0, 1), (1, 1), (1, 5), (5, 8), (8, 40)):
        place.later(7)
        answer = witness.add_checkpoint(log.request(old, new))
        assert answer.media_type == "text/plain; charset=utf-8"
        signers = cosigned(answer, log.note(new), vkey)
        assert signers == {VerifierKey.parse(vkey): place.at}
        assert size_of(witness) == new


def test_two_keys_make_two_lines(place: Place, log: Log) -> None:
    place.post_quantum = True
    witness = place.open()
    witness.memory.add_log(log.key)
    answer = witness.add_checkpoint(log.request(0, 3))
    signers = cosigned(answer, log.note(3), *witness.cosigner.vkeys)
    assert [key.type for key in signers] == [note.COSIGNATURE, note.ML_DSA_44]
    assert set(signers.values()) == {NOON}
    # What ML-DSA-44 does not cover, it does not sign.
    text = Checkpoint(ORIGIN, 3, log.root(3), ("an extension",)).encode()
    longer = signed(text, log.signer)
    answer = witness.add_checkpoint(request(3, [], longer.encode()))
    assert len(cosigned(answer, longer, *witness.cosigner.vkeys)) == 1
    witness.memory.close()


def test_404_for_a_log_nobody_told_it_of(witness: Witness) -> None:
    other = Log(leaves(3), origin="log.example/2")
    assert witness.add_checkpoint(other.request(0, 3)).status == 404
    assert size_of(witness, "log.example/2") is None


def test_403_without_a_signature_of_the_log(witness: Witness, log: Log) -> None:
    stranger = Log(leaves(3), key_of(ORIGIN, 9))  # the right name under another key
    assert witness.add_checkpoint(stranger.request(0, 3)).status == 403
    good = log.note(3)
    false = Note(good.text, (Signature(log.key.name, log.key.id, bytes(64)),))
    assert witness.add_checkpoint(request(0, [], false.encode())).status == 403
    both = Note(good.text, (*good.signatures, *false.signatures))
    assert witness.add_checkpoint(request(0, [], both.encode())).status == 403
    more = Note(good.text, (*stranger.note(3).signatures, *good.signatures))
    assert witness.add_checkpoint(request(0, [], more.encode())).status == 200
    assert size_of(witness) == 3


def test_400_for_a_checkpoint_smaller_than_what_it_continues(
    witness: Witness, log: Log
) -> None:
    assert witness.add_checkpoint(log.request(0, 8)).status == 200
    assert witness.add_checkpoint(request(8, [], log.note(7).encode())).status == 400
    assert witness.add_checkpoint(request(9, [], log.note(8).encode())).status == 400
    assert size_of(witness) == 8


@pytest.mark.parametrize(("old", "new"), [(0, 8), (0, 20), (7, 8), (7, 20), (9, 20), (20, 20)])
def test_409_tells_the_size_that_is_remembered(
    witness: Witness, log: Log, old: int, new: int
) -> None:
    assert witness.add_checkpoint(log.request(0, 8)).status == 200
    answer = witness.add_checkpoint(log.request(old, new))
    assert (answer.status, answer.body) == (409, b"8\n")
    assert answer.media_type == "text/x.tlog.size"
    assert size_of(witness) == 8


def test_409_before_anything_was_cosigned(witness: Witness, log: Log) -> None:
    answer = witness.add_checkpoint(log.request(3, 8))
    assert (answer.status, answer.body) == (409, b"0\n")


def test_422_for_a_proof_that_proves_nothing(witness: Witness, log: Log) -> None:
    note8, junk = log.note(8).encode(), sha256(b"").digest()
    assert witness.add_checkpoint(request(0, [junk], note8)).status == 422  # must be empty
    assert witness.add_checkpoint(request(0, [], note8)).status == 200
    good = log.proof(8, 20)
    for proof in ([], good[:-1], [*good, junk], [junk, *good[1:]], good[::-1]):
        answer = witness.add_checkpoint(request(8, proof, log.note(20).encode()))
        assert answer.status == 422
    assert witness.add_checkpoint(request(8, [junk], note8)).status == 422
    assert size_of(witness) == 8


def test_422_for_another_root_of_the_same_size_and_the_evidence_is_kept(
    witness: Witness, log: Log
) -> None:
    assert witness.add_checkpoint(log.request(0, 8)).status == 200
    fork = Log(leaves(40, "fork", 7))
    answer = witness.add_checkpoint(fork.request(8, 8))
    assert answer.status == 422
    kept = witness.memory.find_contradiction(id_of(ORIGIN))
    assert kept is not None
    both = Fork.parse(kept).require_proved([log.key])
    assert [one.root for one in both] == [log.root(8), fork.root(8)]
    again = Log(leaves(40, "third", 2))
    assert witness.add_checkpoint(again.request(8, 8)).status == 422
    assert witness.memory.find_contradiction(id_of(ORIGIN)) == kept  # one is proof enough


def test_422_for_a_history_that_was_rewritten(witness: Witness, log: Log) -> None:
    assert witness.add_checkpoint(log.request(0, 8)).status == 200
    fork = Log(leaves(40, "fork", 7))
    assert witness.add_checkpoint(fork.request(8, 20)).status == 422
    assert witness.add_checkpoint(log.request(8, 20)).status == 200


def test_an_empty_tree_has_one_root(witness: Witness, log: Log) -> None:
    wrong = f"{ORIGIN}\n0\n{b64encode(bytes(32)).decode()}\n".encode()
    assert (
        witness.add_checkpoint(request(0, [], signed(wrong, log.signer).encode())).status == 422
    )
    assert witness.add_checkpoint(log.request(0, 0)).status == 200
    assert witness.add_checkpoint(log.request(0, 0)).status == 200
    assert witness.add_checkpoint(log.request(0, 3)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"old 00\n\n{note}",
        b"old -1\n\n{note}",
        b"old +1\n\n{note}",
        b"old 1_0\n\n{note}",
        b"old 9223372036854775808\n\n{note}",
        b"OLD 0\n\n{note}",
        b"old  0\n\n{note}",
        b"old 0 \n\n{note}",
        b"old 0\r\n\r\n{note}",
        b" old 0\n\n{note}",
        b"old 0\nAAAA\n\n{note}",
        b"old 0\nnot base64\n\n{note}",
        b"old 0\n" + (b64encode(bytes(32)) + b"\n") * 64 + b"\n{note}",
        b"old 0\n\xff\n\n{note}",
        b"old 0\n\n{note}x",
        b"old 0\n\n" + ORIGIN.encode() + b"\n1\n",
        b"old 0\n\n" + b"x" * MAX_OCTETS + b"{note}",
        "old \u0661\n\n{note}".encode(),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_400_for_what_is_no_request(witness: Witness, log: Log, body: bytes) -> None:
    whole = body.replace(b"{note}", log.note(3).encode())
    assert witness.add_checkpoint(whole).status == 400
    assert size_of(witness) is None


def test_400_for_a_signed_text_that_is_no_checkpoint(witness: Witness, log: Log) -> None:
    for text in (
        f"{ORIGIN}\n",
        f"{ORIGIN}\n1\n",
        f"{ORIGIN}\n01\n{b64encode(bytes(32)).decode()}\n",
    ):
        body = request(0, [], signed(text.encode(), log.signer).encode())
        assert witness.add_checkpoint(body).status == 400


def test_63_lines_of_proof_are_read() -> None:
    note63 = Log(leaves(3)).note(3).encode()
    assert len(Submission.parse(request(1, [bytes(32)] * 63, note63)).proof) == 63
    with pytest.raises(Malformed):
        Submission.parse(request(1, [bytes(32)] * 64, note63))


GOOD = Log(leaves(20)).request(7, 20)


@settings(max_examples=300)
@given(st.binary(max_size=300) | altered(GOOD))
def test_any_octets_are_a_submission_or_malformed(octets: bytes) -> None:
    try:
        read = Submission.parse(octets)
    except ProofError:
        return
    assert request(read.old_size, read.proof, read.note.encode()) == octets


def test_the_clock_may_stand_still_but_not_go_back(
    witness: Witness, log: Log, place: Place
) -> None:
    assert witness.add_checkpoint(log.request(0, 3)).status == 200
    assert witness.add_checkpoint(log.request(3, 5)).status == 200
    place.at = datetime(2026, 11, 21, 11, 59, 59, tzinfo=UTC)
    answer = witness.add_checkpoint(log.request(5, 8))
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert size_of(witness) == 5
    place.at = NOON
    assert witness.add_checkpoint(log.request(5, 8)).status == 200


def test_two_logs_and_two_keys_of_one(witness: Witness, log: Log) -> None:
    second = key_of(ORIGIN, 5, note.ML_DSA_44)
    witness.memory.add_log(second.key)
    witness.memory.add_log(second.key)  # again is fine
    other = Log(leaves(9), origin="log.example/2")
    witness.memory.add_log(other.key)
    assert len(witness.memory.logs()) == 3
    by_second = signed(log.note(3).text, second)
    assert witness.add_checkpoint(request(0, [], by_second.encode())).status == 200
    assert witness.add_checkpoint(other.request(0, 9)).status == 200
    assert (size_of(witness), size_of(witness, "log.example/2")) == (3, 9)


def test_the_monitoring_path_shows_what_was_cosigned_last(witness: Witness, log: Log) -> None:
    paths = Paths(witness, "/w/")
    monitor = f"/w/{id_of(ORIGIN)}/checkpoint"
    assert paths.respond(Asked("GET", monitor)).status == 404
    stranger = key_of("stranger.example", 3)
    for old, new in ((0, 3), (3, 8)):
        body = request(old, log.proof(old, new), log.note(new, [stranger]).encode())
        answer = paths.respond(Asked("POST", "/w/add-checkpoint", body))
        assert answer.status == 200
        shown = Note.parse(paths.respond(Asked("GET", monitor)).body)
        assert note.require_checkpoint(shown, log.key).size == new
        assert cosigned(answer, log.note(new), *witness.cosigner.vkeys)
        # Lines of keys it does not know are not passed on.
        assert len(shown.signatures) == 2
    for asked, status in (
        (Asked("GET", "/w/"), 200),
        (Asked("GET", "/w/add-checkpoint"), 405),
        (Asked("POST", monitor), 404),
        (Asked("GET", "/add-checkpoint"), 404),
        (Asked("GET", "/w/" + "0" * 64 + "/checkpoint"), 404),
        (Asked("GET", "/w/" + id_of(ORIGIN).upper() + "/checkpoint"), 404),
        (Asked("GET", "/w/../w/"), 404),
    ):
        assert paths.respond(asked).status == status


def test_the_page_names_keys_and_logs_in_both_languages(witness: Witness, log: Log) -> None:
    witness.memory.add_log(key_of("<b>log</b>", 4).key)
    assert witness.add_checkpoint(log.request(0, 8)).status == 200
    page = Paths(witness, "").respond(Asked("GET", "/")).body.decode()
    assert witness.cosigner.vkeys[0] in page
    assert "独立的见证人" in page
    assert "independent witness" in page
    assert "&lt;b&gt;log&lt;/b&gt;" in page
    assert ">8</a>" in page
    assert EMPTY_ROOT.hex() not in page
