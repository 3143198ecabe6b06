"""What a log pushes: every status of c2sp.org/tlog-mirror; cut, twice, at once; and no lie."""

import gzip
import http.client
import io
import socket
import threading
from base64 import b64encode
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guzheng.cosigner import submission
from guzheng.cosigner.serving import Answer, Asked, Server
from guzheng.mirror.copying import Copy
from guzheng.mirror.paths import ADD_ENTRIES, Paths
from guzheng.mirror.pushing import Pushing
from guzheng.proof import tiles, tree
from guzheng.proof.errors import ProofError
from guzheng.proof.note import Checkpoint, Note
from guzheng.proof.tiles import WIDTH
from tests.mirror.sites import ORIGIN, Site, entries_of
from tests.mirror.test_copy import Mirror, require_same
from tests.proof.keys import key_of, signed


def hashes(entries: Sequence[bytes]) -> list[bytes]:
    return [tree.leaf_hash(one) for one in entries]


def checkpoint(entries: Sequence[bytes], origin: str = ORIGIN, seed: int = 1) -> bytes:
    text = Checkpoint(origin, len(entries), tree.root_of(hashes(entries))).encode()
    return signed(text, key_of(origin, seed)).encode()


def proved(entries: Sequence[bytes], ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    return [tree.root_of(hashes(entries[start:end])) for start, end in ranges]


def added(entries: Sequence[bytes], old: int) -> bytes:
    """The body of add-checkpoint."""
    proof = proved(entries, tree.consistency_ranges(old, len(entries)))
    lines = [f"old {old}", *(b64encode(one).decode() for one in proof), "", ""]
    return "\n".join(lines).encode() + checkpoint(entries)


def head(start: int, end: int, origin: bytes = ORIGIN.encode(), ticket: bytes = b"") -> bytes:
    sizes = start.to_bytes(8, "big") + end.to_bytes(8, "big")
    return (
        len(origin).to_bytes(2, "big")
        + origin
        + sizes
        + len(ticket).to_bytes(2, "big")
        + ticket
    )


def packages(entries: Sequence[bytes], start: int) -> list[bytes]:
    """From the definition: what a client sends for all that is left of these entries."""
    found, size = [], len(entries)
    for first in range(start - start % WIDTH, size, WIDTH):
        end = min(size, first + WIDTH)
        proof = proved(entries, tree.subtree_ranges(first, end, size))
        bundle = tiles.bundle_of(entries[max(start, first) : end])
        found.append(bundle + bytes([len(proof)]) + b"".join(proof))
    return found


class Pushed:
    def __init__(self, directory: Path, *, post_quantum: bool = False) -> None:
        self.mirror = Mirror(directory, post_quantum=post_quantum)
        self.copy: Copy = self.mirror.open()
        self.restart()

    def restart(self) -> None:
        self.copy = self.mirror.open()
        tell = lambda code, _facts: self.mirror.told.append(code)  # noqa: E731
        self.paths = Paths(self.copy, Pushing(self.copy, tell))

    def checkpoint(self, body: bytes) -> Answer:
        return self.paths.respond(Asked("POST", "/add-checkpoint", body))

    def entries(
        self, body: bytes, encoding: str = "", kind: str = "application/octet-stream"
    ) -> Answer:
        stream = io.BytesIO(body)
        return self.paths.respond(
            Asked("POST", "/add-entries", b"", kind, encoding, stream.read)
        )

    def told(self, answer: Answer) -> tuple[int, int, bytes]:
        assert answer.media_type == "text/x.tlog.mirror-info"
        size, ready, ticket, after = answer.body.split(b"\n")
        assert after == b""
        return int(size), int(ready), ticket


@pytest.fixture
def pushed(tmp_path: Path) -> Pushed:
    return Pushed(tmp_path)


def whole(pushed: Pushed, entries: Sequence[bytes], start: int) -> Answer:
    return pushed.entries(head(start, len(entries)) + b"".join(packages(entries, start)))


def test_a_log_grows_by_pushes_alone(pushed: Pushed) -> None:
    entries = entries_of(1300)
    for old, new in pairwise((0, 1, 2, 255, 256, 257, 511, 512, 700, 1300)):
        assert pushed.checkpoint(added(entries[:new], old)) == Answer(200, b"")
        pushed.mirror.at += timedelta(seconds=1)
        answer = whole(pushed, entries[:new], old)
        assert answer.status == 200, answer.body
        text = Note.parse(pushed.copy.read("checkpoint") or b"").text
        cosigned = Note.parse(text + b"\n" + answer.body)
        assert cosigned.find_signed([pushed.copy.cosigner.keys[0].key])
        require_same(pushed.copy, Site(entries), new)
        pushed.restart()
    assert pushed.copy.next_entry() == 1300


def test_nothing_is_signed_or_served_before_all_is_here(pushed: Pushed) -> None:
    entries = entries_of(700)
    pushed.checkpoint(added(entries, 0))
    first, second, last = packages(entries, 0)
    part = pushed.entries(head(0, 700) + first)
    assert (part.status, pushed.told(part)) == (202, (700, 256, b""))
    assert pushed.paths.respond(Asked("GET", "/checkpoint")).status == 404
    assert pushed.paths.respond(Asked("GET", "/tile/entries/000")).status == 404
    cut = pushed.entries(head(256, 700) + second + last[:-1])
    assert (cut.status, pushed.told(cut)) == (202, (700, 512, b""))
    pushed.restart()
    assert pushed.entries(head(512, 700) + last).status == 200
    require_same(pushed.copy, Site(entries), 700)


def test_packed_and_again_and_from_within_a_bundle(pushed: Pushed) -> None:
    entries = entries_of(600)
    pushed.checkpoint(added(entries[:300], 0))
    body = head(0, 300, ticket=b"of another time") + b"".join(packages(entries[:300], 0))
    assert pushed.entries(gzip.compress(body), "gzip").status == 200
    pushed.checkpoint(added(entries, 300))
    for start in (300, 299, 256, 100, 0):  # again what is here, from any place not too far back
        assert whole(pushed, entries, start).status == 200
    require_same(pushed.copy, Site(entries), 600)


def test_conflicts_say_where_to_go_on(pushed: Pushed) -> None:
    entries = entries_of(900)
    nothing = pushed.entries(head(0, 0))
    assert (nothing.status, pushed.told(nothing)) == (409, (0, 0, b""))
    pushed.checkpoint(added(entries[:300], 0))
    other = pushed.entries(head(0, 299))
    assert (other.status, pushed.told(other)) == (409, (300, 0, b""))
    ahead = pushed.entries(head(1, 300))
    assert (ahead.status, pushed.told(ahead)) == (409, (300, 0, b""))
    pushed.checkpoint(added(entries, 300))
    # A pending checkpoint that was overtaken may still be filled up to, and then is signed.
    assert whole(pushed, entries[:300], 0).status == 200
    assert whole(pushed, entries, 300).status == 200
    late = pushed.entries(head(300, 300))
    assert (late.status, pushed.told(late)) == (409, (900, 900, b""))


def test_what_is_malformed(pushed: Pushed) -> None:
    entries = entries_of(300)
    pushed.checkpoint(added(entries, 0))
    body = head(0, 300) + b"".join(packages(entries, 0))
    assert pushed.entries(body, kind="text/plain").status == 400
    assert pushed.entries(body, "br").status == 415
    assert pushed.entries(body, "gzip").status == 400
    for size in range(len(head(0, 300))):
        assert pushed.entries(body[:size]).status == 400
    assert pushed.entries(body[: len(head(0, 300)) + 100]).status == 400
    assert pushed.entries(head(301, 300)).status == 400
    assert pushed.entries(head(0, 300, b"another.example")).status == 404
    assert pushed.entries(head(0, 300)).status == 400
    assert pushed.copy.next_entry() == 0


def test_what_is_not_proved_is_not_kept(pushed: Pushed) -> None:
    entries = entries_of(700)
    pushed.checkpoint(added(entries, 0))
    good = packages(entries, 0)
    lies = entries_of(700, "other ", 0)
    for body in (
        packages(lies, 0)[0],
        good[1],
        good[0][:-1] + b"\0",
        tiles.bundle_of(entries[:WIDTH]) + b"\0",
        tiles.bundle_of(entries[:WIDTH]) + bytes([64]) + bytes(64 * 32),
    ):
        assert pushed.entries(head(0, 700) + body).status == 422
        assert pushed.copy.next_entry() == 0
    mixed = pushed.entries(head(0, 700) + good[0] + packages(lies, 0)[1])
    assert mixed.status == 422
    assert pushed.copy.next_entry() == 256  # what came before it is proved and stays
    assert whole(pushed, entries, 256).status == 200


def test_checkpoints_are_judged_as_a_witness_does(pushed: Pushed) -> None:
    entries = entries_of(400)
    other = entries_of(400, "other ", 0)
    body = added(entries[:300], 0)
    assert pushed.checkpoint(b"no").status == 400
    assert pushed.checkpoint(b"old 0\n\n" + checkpoint(entries, "b.example/2")).status == 404
    assert pushed.checkpoint(b"old 0\n\n" + checkpoint(entries, seed=2)).status == 403
    assert pushed.checkpoint(b"old 301\n\n" + checkpoint(entries[:300])).status == 400
    assert pushed.checkpoint(body).status == 200
    assert pushed.checkpoint(body) == Answer(409, b"300\n", "text/x.tlog.size")
    assert pushed.checkpoint(added(entries[:300], 300)).status == 200
    assert pushed.checkpoint(added(other, 300)).status == 422
    assert pushed.checkpoint(b"old 300\n\n" + checkpoint(other[:300])).status == 422
    fork = pushed.copy.directory.parent / "300-300.fork"
    assert fork.read_bytes().startswith(b"guzheng/fork/")
    assert pushed.checkpoint(added(entries, 300)).status == 200


def test_only_the_last_few_pending_checkpoints_are_known(pushed: Pushed) -> None:
    entries = entries_of(20)
    for size in range(1, 21):
        assert pushed.checkpoint(added(entries[:size], size - 1)).status == 200
    assert pushed.entries(head(0, 11)).status == 409
    assert whole(pushed, entries[:12], 0).status == 200
    assert whole(pushed, entries, 12).status == 200


def test_a_clock_that_goes_back_signs_nothing(pushed: Pushed) -> None:
    entries = entries_of(10)
    pushed.checkpoint(added(entries[:5], 0))
    assert whole(pushed, entries[:5], 0).status == 200
    pushed.checkpoint(added(entries, 5))
    pushed.mirror.at -= timedelta(seconds=5)
    assert whole(pushed, entries, 5).status == 503
    assert "mirror.clock-back" in pushed.mirror.told
    pushed.mirror.at += timedelta(seconds=5)
    assert whole(pushed, entries, 10).status == 200


def test_pushed_and_pulled_at_once(pushed: Pushed) -> None:
    entries, site = entries_of(3000), Site(entries_of(3000))
    pushed.checkpoint(added(entries, 0))
    body = head(0, 3000) + b"".join(packages(entries, 0))
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(pushed.entries(body))) for _ in range(3)
    ]
    for one in threads:
        one.start()
    pushed.copy.follow(site.show(3000).fetch)
    for one in threads:
        one.join()
    assert [one.status for one in answers] == [200, 200, 200]
    require_same(pushed.copy, site, 3000)


def test_a_mirror_that_only_pulls_takes_nothing(tmp_path: Path) -> None:
    copy = Mirror(tmp_path).open()
    for path in ("/add-checkpoint", "/add-entries", "/sign-subtree"):
        assert Paths(copy).respond(Asked("POST", path)).status == 405


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_sent_only_what_is_proved_is_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pushed = Pushed(tmp_path_factory.mktemp("m"))
    entries = entries_of(300)
    pushed.checkpoint(added(entries, 0))
    body = bytearray(head(0, 300) + b"".join(packages(entries, 0)))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    answer = pushed.entries(bytes(body))
    assert answer.status in (400, 404, 409, 422, 202, 200)
    ready = pushed.copy.next_entry()
    assert b"".join(pushed.copy.entries(0, min(ready, 256))) == b"".join(entries[:ready][:256])
    if answer.status == 200:
        require_same(pushed.copy, Site(entries), 300)


@given(st.integers(0, 600), st.integers(0, 3))
def test_a_node_of_a_tree_leads_to_its_root(size: int, number: int) -> None:
    entries = entries_of(size)
    start = number * WIDTH
    end = min(size, start + WIDTH)
    if start >= end:
        with pytest.raises(ValueError, match="no subtree"):
            tree.subtree_ranges(start, start + WIDTH, size)
        return
    path = proved(entries, tree.subtree_ranges(start, end, size))
    root, found = tree.root_of(hashes(entries)), tree.root_of(hashes(entries[start:end]))
    tree.require_subtree(found, start, end, size, path, root)
    with pytest.raises(ProofError):
        tree.require_subtree(bytes(32), start, end, size, path, root)
    with pytest.raises(ProofError):
        tree.require_subtree(found, start, end, size, [*path, bytes(32)], root)


def test_over_http_an_answer_comes_before_the_body_and_a_silent_peer_ends(
    pushed: Pushed,
) -> None:
    entries = entries_of(600)
    pushed.checkpoint(added(entries, 0))
    server = Server(
        *("127.0.0.1", 0),
        pushed.paths.respond,
        largest_body=submission.MAX_OCTETS,
        streamed={ADD_ENTRIES: 1 << 20},
    )
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()

    def asked(body: bytes, length: int | None = None, more: str = "") -> tuple[int, bytes]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as peer:
            size = len(body) if length is None else length
            kind = "Content-Type: application/octet-stream"
            peer.sendall(
                f"POST /add-entries HTTP/1.1\r\nHost: m\r\n{kind}\r\n"
                f"Content-Length: {size}\r\n{more}\r\n".encode()
                + body
            )
            if length is not None:
                peer.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(peer)
            answer.begin()
            return answer.status, answer.read()

    try:
        first, *_ = packages(entries, 0)
        assert asked(head(0, 600, b"another"), 1 << 20)[0] == 404
        assert asked(head(0, 600) + first, 1 << 19) == (202, b"600\n256\n\n")
        assert asked(head(256, 600), 1 << 19)[0] == 400
        assert asked(b"", (1 << 20) + 1)[0] == 413
        assert asked(b"", 0, "Transfer-Encoding: chunked\r\n")[0] == 411
        packed = gzip.compress(head(256, 600) + b"".join(packages(entries, 256)))
        assert asked(packed, more="Content-Encoding: gzip\r\nConnection: close\r\n")[0] == 200
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    require_same(pushed.copy, Site(entries), 600)
