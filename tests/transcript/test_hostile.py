"""Whatever a transcript holds, the program answers: it refuses, or says what it found."""

import json
import random
import socket
import ssl
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.proof.errors import Malformed, ProofError
from guzheng.transcript import layout, sealedkeys, warc
from guzheng.transcript.codings import content_of
from guzheng.transcript.container import Transcript
from guzheng.transcript.index import Told
from guzheng.transcript.keylog import KeyLog
from guzheng.transcript.tls.opening import open_session
from guzheng.transcript.wire import open_all
from tests.transcript.recording import EXHIBIT, Kept, Recorder, make_site, pack, spelled, write
from tests.transcript.servers import tls_server

LINE = b"CLIENT_RANDOM " + b"a1" * 32 + b" " + b"b2" * 48 + b"\n"


@pytest.mark.parametrize(
    "octets",
    [
        LINE.replace(b" ", b"  "),
        LINE.lower(),
        b"\xff\n",
        LINE.replace(b"b2", b"zz"),
        LINE[:-2] + b"\n",
        LINE + LINE.replace(b"b2", b"b3"),
        b"A" * 70 + LINE[13:],
    ],
)
def test_a_key_log_out_of_its_form_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        KeyLog.parse(octets)
    assert "b2b2" not in str(caught.value)  # a fault never tells a secret


def test_a_key_log_that_was_cut_off_is_read_up_to_there() -> None:
    log = KeyLog.parse(b"# made by a browser\r\n" + LINE + LINE[:40])
    assert log.is_cut_off
    assert log.find("CLIENT_RANDOM", bytes.fromhex("a1" * 32)) == bytes.fromhex("b2" * 48)
    assert log.find("CLIENT_RANDOM", bytes(32)) is None


def members(**streams: bytes) -> dict[str, bytes]:
    kept = Kept(1, 443, 0, 1, bytearray(b"abc"), bytearray(b"de"), ["1 > 3\n", "1 < 2\n"])
    index = {
        "schema": "guzheng.transcript/1",
        "exhibit": EXHIBIT,
        "connections": [kept.value("h")],
    }
    return {
        "index.json": spelled(index),
        "c00001.sent": b"abc",
        "c00001.received": b"de",
        "c00001.times": b"1 > 3\n1 < 2\n",
    } | streams


def opened(path: Path) -> Told:
    with path.open("rb") as stream:
        transcript = Transcript.open(stream)
        (told,) = transcript.index.connections
        for part in ("sent", "received"):
            transcript.stream(told, part)
        list(transcript.times(told))
    return told


def _changed(change: Callable[[Any], object]) -> dict[str, bytes]:
    index = json.loads(members()["index.json"])
    change(index)
    return members(**{"index.json": spelled(index)})


_TOLD = {"resolver": "1.1.1.1", "answers": [], "aliases": ["edge.test"], "ttl_seconds": 60}


@pytest.mark.parametrize("more", [{}, {"resolvers": [_TOLD]}])
def test_the_form_is_accepted(tmp_path: Path, more: dict[str, object]) -> None:
    pack(tmp_path / "t.zip", _changed(lambda one: one["connections"][0].update(more)))
    told = opened(tmp_path / "t.zip")
    aliases = [one.aliases for one in told.resolvers]
    assert (("edge.test",) in aliases) == bool(more)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (members(**{"c00002.sent": b""}), "transcript.container-malformed"),
        (members(**{"../x": b""}), "transcript.container-malformed"),
        (members(**{"c00001.sent": b"abd"}), "transcript.stream-altered"),
        (members(**{"c00001.sent": b"ab"}), "transcript.stream-altered"),
        (members(**{"c00001.times": b"1 > 3\n"}), "transcript.stream-altered"),
        (members(**{"index.json": b"{}"}), "paper.malformed"),
        (members(**{"index.json": b"{ }"}), "canonical.other-spelling"),
        (members(**{"index.json": b"[" * 5000}), "canonical.too-deep"),
        (_changed(lambda one: one.update(more=1)), "paper.malformed"),
        (_changed(lambda one: one.update(connections=[])), "transcript.container-malformed"),
        (_changed(lambda one: one.update(exhibit="ex_1")), "exhibit.name-malformed"),
        (_changed(lambda one: one["connections"][0].update(number=0)), "paper.malformed"),
        (_changed(lambda one: one["connections"][0].update(number="1")), "paper.malformed"),
        (
            _changed(lambda one: one["connections"].append(one["connections"][0])),
            "paper.malformed",
        ),
    ],
)
def test_another_form_of_a_transcript_is_refused(
    tmp_path: Path, content: dict[str, bytes], code: str
) -> None:
    pack(tmp_path / "t.zip", content)
    with pytest.raises(ProofError) as caught:
        opened(tmp_path / "t.zip")
    assert caught.value.code == code


@pytest.mark.parametrize(
    "times", [b"1 > 3\n0 < 2\n", b"1 > 3\n1 < 1\n", b"x > 3\n", b"1 - 3\n"]
)
def test_times_that_do_not_fit_are_refused(tmp_path: Path, times: bytes) -> None:
    kept = Kept(1, 443, 0, 1, bytearray(b"abc"), bytearray(b"de"), [times.decode()])
    write(tmp_path, [kept])
    with pytest.raises(Malformed) as caught:
        opened(tmp_path / "items/transcript.zip")
    assert caught.value.code == "transcript.times-malformed"


def test_another_zip_of_the_same_members_is_refused(tmp_path: Path) -> None:
    for number, entry in enumerate(("deflated", "dated", "unsorted", "cut", "none")):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            names = sorted(members(), reverse=entry == "unsorted")
            for name in names:
                one = zipfile.ZipInfo(name, (1980, 1, 1 + (entry == "dated"), 0, 0, 0))
                one.compress_type = 8 if entry == "deflated" else 0
                archive.writestr(one, members()[name])
        octets = path.read_bytes()
        path.write_bytes({"cut": octets[:-9], "none": b""}.get(entry, octets))
        with pytest.raises(Malformed):
            opened(path)


@pytest.fixture(scope="module")
def conversation(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[bytes, bytes, KeyLog]:
    folder = tmp_path_factory.mktemp("conversation")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.keylog_filename = str(folder / "keys.log")
    with tls_server(make_site(folder, "p256")) as port:
        recorder = Recorder(port)
        raw = socket.create_connection(("127.0.0.1", recorder.port))
        with context.wrap_socket(raw) as stream:
            stream.sendall(b"GET /hint HTTP/1.1\r\nHost: h\r\n\r\nGET /close HTTP/1.1\r\n\r\n")
            while stream.recv(65536):
                pass
        recorder.pack(folder)
    (kept,) = recorder.kept
    log = KeyLog.parse((folder / "keys.log").read_bytes())
    return bytes(kept.sent), bytes(kept.received), log


def test_every_octet_of_the_servers_side_is_held(
    conversation: tuple[bytes, bytes, KeyLog],
) -> None:
    """A changed octet is a fault, or stands where TLS itself does not look (versions)."""
    sent, received, log = conversation
    whole = open_session(sent, received, log)
    assert whole.faults == []
    drawn = random.Random(4)
    unseen = 0
    for _ in range(300):
        at = drawn.randrange(len(received))
        changed = bytearray(received)
        changed[at] ^= 1 << drawn.randrange(8)
        session = open_session(sent, bytes(changed), log)
        if not session.faults and bytes(session.received.octets) == bytes(
            whole.received.octets
        ):
            unseen += 1
    assert unseen <= 6  # legacy versions of clear records, the spare ChangeCipherSpec


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_octets_end_in_an_answer(sent: bytes, received: bytes) -> None:
    for start, answer in ((b"", b""), (b"\x16\x03\x01\x00\x40\x01", b"\x16\x03\x03")):
        session = open_session(start + sent, answer + received, KeyLog({}))
        assert session.faults, "nobody shook hands"


@given(st.data())
def test_a_conversation_cut_anywhere_ends_in_an_answer(
    conversation: tuple[bytes, bytes, KeyLog], data: st.DataObject
) -> None:
    sent, received, log = conversation
    session = open_session(
        sent[: data.draw(st.integers(0, len(sent)))],
        received[: data.draw(st.integers(0, len(received)))],
        log,
    )
    for step, fault in session.faults:
        assert (step, fault.code) == ("tls.handshake", "transcript.handshake-unfinished")


def test_another_sites_signature_is_no_signature(
    conversation: tuple[bytes, bytes, KeyLog],
) -> None:
    """Without the keys of the handshake its signature cannot even be reached."""
    sent, received, log = conversation
    wrong = {name: bytes(len(one)) for name, one in log.secrets.items()}
    session = open_session(sent, received, KeyLog(wrong))
    assert session.finished == (False, False)
    assert session.scheme == ""
    assert [fault.code for _, fault in session.faults] == ["transcript.record-not-authentic"]


def test_plain_octets_that_are_no_http_are_said_to_be_none(tmp_path: Path) -> None:
    kept = Kept(1, 80, 0, 1, bytearray(b"\0" * 9 + b"\n"), bytearray(b"x"), ["1 > 10\n1 < 1\n"])
    write(tmp_path, [kept])
    with (tmp_path / "items/transcript.zip").open("rb") as stream:
        (one,) = open_all(Transcript.open(stream), KeyLog({}))
    assert [fault.code for _, fault in one.faults] == ["transcript.http-malformed"]


@pytest.mark.parametrize("codings", ["gzip", "br", "zstd", "deflate", "gzip, " * 9, "rot13"])
@given(octets=st.binary(min_size=1, max_size=200))
def test_any_body_under_any_coding_ends_in_an_answer(codings: str, octets: bytes) -> None:
    content = content_of(octets, codings)
    assert (content.digest is None) == bool(content.why)


def test_a_body_that_unpacks_without_end_is_bounded() -> None:
    import brotli
    import zstandard

    large = bytes(80 << 20)
    for coding, packed in (
        ("br", brotli.compress(large, quality=1)),
        ("zstd", zstandard.compress(large)),
    ):
        content = content_of(packed, coding)
        assert content.digest is None
        assert "at most" in content.why


@given(st.binary(max_size=300))
def test_any_sealed_keys_end_in_an_answer(octets: bytes) -> None:
    with pytest.raises(Malformed):
        sealedkeys.opened(octets, b"0" * 64)


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"{}", b"[" * 100_000, b"NaN", b'{"documents":[],"strings":[]}',
        b'{"documents":[{}],"strings":[]}', b'{"documents":[1],"strings":7}',
        b'{"documents":[{"nodes":{},"layout":{"nodeIndex":[0]}}],"strings":["a"]}',
    ],
)  # fmt: skip
def test_a_layout_out_of_its_form_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        layout.parse(octets)
    assert caught.value.code == "transcript.trace-malformed"


def snapshot(**changed: object) -> bytes:
    document = {
        "documentURL": 0, "baseURL": 0, "contentWidth": 10, "contentHeight": 10,
        "scrollOffsetX": 0, "scrollOffsetY": 0,
        "nodes": {
            "nodeName": [1], "backendNodeId": [5], "attributes": [[]],
            "currentSourceURL": {"index": [], "value": []},
            "contentDocumentIndex": {"index": [], "value": []},
        },
        "layout": {
            "nodeIndex": [0], "styles": [[]], "bounds": [[0.5, 0, 3, 4]], "paintOrders": [1],
            "clientRects": [[]],
        },
    }  # fmt: skip
    for path, value in changed.items():
        part: dict[str, object] = document
        *steps, last = path.split("__")
        for step in steps:
            part = part[step]  # type: ignore[assignment]
        part[last] = value
    return json.dumps({"documents": [document], "strings": ["http://a/", "P"]}).encode()


def test_a_layout_is_read() -> None:
    (node,) = layout.parse(snapshot()).nodes
    assert (node.node, node.name, node.box, node.url) == (5, "P", (0, 0, 4, 4), "http://a/")


@pytest.mark.parametrize(
    "changed",
    [
        {"layout__bounds": [[0, 0, 1e300, 4]]},
        {"layout__bounds": [[0, 0, float("inf"), 4]]},
        {"layout__bounds": [["0", 0, 1, 4]]},
        {"layout__nodeIndex": [7]},
        {"layout__paintOrders": [-1]},
        {"nodes__backendNodeId": ["5"]},
        {"nodes__nodeName": [99]},
        {"nodes__contentDocumentIndex": {"index": [0], "value": [0]}},  # itself
        {"nodes__contentDocumentIndex": {"index": [0], "value": [9]}},
        {"documentURL": -7},
        {"contentWidth": True},
    ],
)
def test_a_layout_that_lies_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        layout.parse(snapshot(**changed))


@given(st.binary(max_size=300))
def test_any_archive_ends_in_an_answer(octets: bytes) -> None:
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        package.writestr("archive/data.warc.gz", octets)
    if octets:
        with pytest.raises(Malformed):
            warc.pairs_in(out)
    else:
        assert warc.pairs_in(out) == []


def _vector(size: int, octets: bytes) -> bytes:
    return len(octets).to_bytes(size, "big") + octets


def _compressed(algorithm: int, packed: bytes, size: int) -> bytes:
    body = algorithm.to_bytes(2, "big") + size.to_bytes(3, "big") + _vector(3, packed)
    return b"\x19" + _vector(3, body)


def test_a_compressed_chain_is_unpacked_within_its_bounds() -> None:
    """RFC 8879: what browsers offer and large sites answer with."""
    import zlib

    import brotli
    import zstandard

    from guzheng.transcript.tls.messages import certificates

    entries = b"".join(_vector(3, one) + b"\0\0" for one in (b"leaf" * 300, b"issuer"))
    chain = b"\0" + _vector(3, entries)
    for algorithm, pack_ in ((1, zlib.compress), (2, brotli.compress), (3, zstandard.compress)):
        packed = pack_(chain)
        message = _compressed(algorithm, packed, len(chain))
        assert certificates(message, modern=True) == (b"leaf" * 300, b"issuer")
        bomb = pack_(bytes(8 << 20))
        for wrong in (
            _compressed(algorithm, packed, len(chain) - 1),
            _compressed(algorithm, packed, len(chain) + 1),
            _compressed(algorithm, packed[:-4], len(chain)),
            _compressed(algorithm, bomb, len(chain)),
            _compressed(algorithm, bomb, 8 << 20),
            _compressed(algorithm, b"", len(chain)),
            _compressed(9, packed, len(chain)),
        ):
            with pytest.raises(Malformed):
                certificates(wrong, modern=True)
