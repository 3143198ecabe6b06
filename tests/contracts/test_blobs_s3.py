"""Blobs on S3, where it can go wrong: large things, races, a server that is away or lies."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.refusals import Refused, Unavailable
from guzheng.store.blobs import AlreadyKept, NotKept, read
from guzheng.store.s3 import OWN, PART, Bucket, Cell, S3Blobs, _by_segment, open_bucket
from tests import engines
from tests.ports import free_port

pytestmark = engines.together
MIB = 1 << 20


@pytest.fixture
def bucket(s3: engines.S3) -> Bucket:
    return s3.bucket(engines.fresh("blobs"))


@pytest.fixture
def blobs(bucket: Bucket) -> S3Blobs:
    return S3Blobs(bucket)


def large(first: bytes = b"a", last: bytes = b"z") -> Iterator[bytes]:
    yield first * MIB
    for number in range(PART // MIB + 2):
        yield bytes([number]) * MIB
    yield last * 5


def test_a_large_blob_comes_in_parts_and_never_changes(blobs: S3Blobs) -> None:
    whole = b"".join(large())
    assert len(whole) > PART
    blobs.put("items/film", large())
    blobs.put("items/film", large())  # again is fine
    for other in (large(b"b"), large(last=b"y")):
        with pytest.raises(AlreadyKept):
            blobs.put("items/film", other)
    with pytest.raises(AlreadyKept):
        blobs.put("items/film", [b"small"])
    assert read(blobs, "items/film") == whole
    with blobs.open("items/film") as stream:
        assert stream.seek(0, 2) == len(whole)
        stream.seek(5 * MIB - 3)
        assert stream.read(7) == whole[5 * MIB - 3 : 5 * MIB + 4]
        assert stream.seek(-2, 2) == len(whole) - 2
        assert stream.read() == b"zz"
        assert stream.read() == b""


def test_a_large_stream_that_breaks_leaves_nothing(blobs: S3Blobs) -> None:
    def broken() -> Iterator[bytes]:
        yield from large()
        raise ConnectionError("the sender went away")

    with pytest.raises(ConnectionError):
        blobs.put("items/film", broken())
    assert list(blobs.names()) == []
    with pytest.raises(NotKept):
        blobs.open("items/film")


def test_of_many_who_swap_one_wins(bucket: Bucket) -> None:
    cell = Cell(bucket, "cell")
    assert cell.read() is None
    assert not cell.swap(b"never there", b"x")
    with ThreadPoolExecutor(8) as hands:
        won = [one for one in range(8) if one >= 0]
        outcomes = list(hands.map(lambda one: cell.swap(None, b"first %d" % one), won))
        assert outcomes.count(True) == 1
        for number in range(5):
            old = cell.read()
            news = [b"%d by %d" % (number, one) for one in range(8)]
            outcomes = list(hands.map(lambda new, old=old: cell.swap(old, new), news))
            assert outcomes.count(True) == 1
            assert cell.read() == news[outcomes.index(True)]


def test_what_is_ours_is_no_blob(bucket: Bucket) -> None:
    assert Cell(bucket, "cell").swap(None, b"x")
    assert list(S3Blobs(bucket).names()) == []
    assert list(S3Blobs(bucket).names(OWN)) == []


names = st.lists(st.text(alphabet="a- .0", min_size=1, max_size=3), min_size=1, max_size=3)


@given(st.sets(names.map("/".join)))
def test_names_are_ordered_whatever_the_order_of_the_listing(found: set[str]) -> None:
    ordered = sorted(found, key=lambda name: name.split("/"))
    assert list(_by_segment(sorted(found))) == ordered
    assert list(_by_segment(ordered)) == ordered


def test_a_server_that_is_away_is_said(s3: engines.S3) -> None:
    bucket = s3.bucket(engines.fresh("away"))
    port = free_port()
    with pytest.raises(Unavailable) as refused:
        open_bucket(
            bucket.name,
            endpoint=f"http://127.0.0.1:{port}",
            region=engines.REGION,
            keys=engines.KEYS,
        )
    assert refused.value.code == "store.bucket-failed"


def test_wrong_keys_are_said_and_not_repeated(s3: engines.S3) -> None:
    with pytest.raises(Refused) as refused:
        open_bucket(
            "begin",
            endpoint=s3.endpoint,
            region=engines.REGION,
            keys=("guzheng", "not the secret"),
        )
    assert refused.value.code == "store.bucket-forbidden"
    for secret in (*engines.KEYS, "not the secret"):
        assert secret not in str(refused.value).replace("guzheng.", "")
    cause = refused.value.__cause__
    assert cause is not None
    assert "not the secret" not in str(cause)


def test_a_server_that_takes_no_notice_of_conditions_is_refused() -> None:
    class Careless(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            del format, arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        with pytest.raises(Refused) as refused:
            open_bucket(
                "careless",
                endpoint=f"http://127.0.0.1:{server.server_address[1]}",
                region=engines.REGION,
                keys=engines.KEYS,
            )
        assert refused.value.code == "store.bucket-unconditional"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
