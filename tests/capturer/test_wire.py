"""Keeping what passed: tape, room, zip, index and sealed keys, without a network."""

import asyncio
import hashlib
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.capturer import wire
from guzheng.capturer.failures import CaptureFailed
from guzheng.capturer.tunnel.connection import Connection, Flow, Resolution
from guzheng.capturer.tunnel.order import TunnelOrder
from guzheng.capturer.tunnel.tape import RECEIVED, SENT, Full, Room, Tape
from guzheng.proof import canonical
from guzheng.proof.digest import Digest, sha256
from guzheng.proof.errors import ProofError

EXHIBIT = "ex_" + "0" * 26
_LOG = b"CLIENT_RANDOM 00 11\n"


def _entropy(size: int) -> bytes:
    return bytes(range(size))


def _ticking() -> Callable[[], int]:
    ticks = iter(range(1000, 2000))
    return lambda: next(ticks)


def _kept(folder: Path, *parts: tuple[str, bytes], number: int = 1) -> Connection:
    folder.mkdir(exist_ok=True)
    connection = Connection(number, "site.test", 443, 7, outcome="connected")
    tape = Tape(folder, connection, Room(1 << 20, 1 << 20), _ticking())
    for direction, octets in parts:
        tape.take(direction, octets)
    tape.close()
    return connection


def test_what_passed_is_kept_in_order_with_its_digests(tmp_path: Path) -> None:
    found = _kept(tmp_path / "w", (SENT, b"hello"), (RECEIVED, b"abc"), (SENT, b"!"))
    assert (tmp_path / "w/c00001.sent").read_bytes() == b"hello!"
    assert (tmp_path / "w/c00001.received").read_bytes() == b"abc"
    assert (tmp_path / "w/c00001.times").read_bytes() == b"1000 > 5\n1001 < 3\n1002 > 1\n"
    assert found.sent == Flow(6, hashlib.sha256(b"hello!").hexdigest())
    assert found.received == Flow(3, hashlib.sha256(b"abc").hexdigest())
    assert found.times.octets == 27


@pytest.mark.parametrize(
    ("octets", "disk", "because"),
    [(10, 1 << 20, "the limit of octets"), (1 << 20, 30, "the room on the disk")],
)
def test_nothing_is_kept_beyond_the_room(
    tmp_path: Path, octets: int, disk: int, because: str
) -> None:
    connection = Connection(1, "site.test", 443, 7)
    tape = Tape(tmp_path, connection, Room(octets, disk), _ticking())
    tape.take(SENT, b"12345678")
    with pytest.raises(Full) as caught:
        tape.take(RECEIVED, b"123456789")
    assert caught.value.because == because
    tape.close()
    assert (connection.sent.octets, connection.received.octets) == (8, 0)
    assert (tmp_path / "c00001.times").read_bytes() == b"1000 > 8\n"


def test_many_small_pieces_fill_the_disk_too(tmp_path: Path) -> None:
    """One octet a time costs nine on the disk: a stream of drops is bounded as well."""
    tape = Tape(tmp_path, Connection(1, "a", 1, 1), Room(1 << 20, 1000), lambda: 1)
    with pytest.raises(Full):
        for _ in range(1000):
            tape.take(SENT, b"x")
    tape.close()


def _keep(tmp_path: Path, connection: Connection, *, uid: int | None = None) -> wire.Wire:
    (tmp_path / "items").mkdir()
    told: list[tuple[str, Digest, bool]] = []

    async def stamp(name: str, digest: Digest) -> None:
        told.append((name, digest, (tmp_path / "items/tls-keys.enc").exists()))

    own = os.getuid() if uid is None else uid
    kept = asyncio.run(
        wire.keep_wire(
            exhibit=EXHIBIT,
            connections=[connection],
            folder=tmp_path / "w",
            key_log=tmp_path / "keys.log",
            out=tmp_path,
            uids=(own, own),
            stamp=stamp,
            entropy=_entropy,
        )
    )
    assert told == [("transcript", kept.transcript.index, False)]
    return kept


def test_the_zip_has_one_form_and_its_files_are_gone_from_the_folder(tmp_path: Path) -> None:
    connection = _kept(tmp_path / "w", (SENT, b"hello"))
    kept = _keep(tmp_path, connection)
    assert list((tmp_path / "w").iterdir()) == []
    with zipfile.ZipFile(tmp_path / "items/transcript.zip") as archive:
        names = archive.namelist()
        index = archive.read("index.json")
    assert names == ["c00001.received", "c00001.sent", "c00001.times", "index.json"]
    assert sha256(index) == kept.transcript.index
    assert canonical.parse_object(index) == {
        "schema": "guzheng.transcript/1",
        "exhibit": EXHIBIT,
        "connections": [connection.value()],
    }
    assert (kept.names, kept.keys) == (("transcript.zip",), None)


def test_an_octet_that_changed_on_the_disk_is_seen(tmp_path: Path) -> None:
    connection = _kept(tmp_path / "w", (SENT, b"hello"))
    (tmp_path / "w/c00001.sent").write_bytes(b"hellO")
    with pytest.raises(CaptureFailed) as caught:
        _keep(tmp_path, connection)
    assert caught.value.code == "capture.transcript-differs"


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_only_plain_files_of_that_user_are_read(tmp_path: Path, kind: str) -> None:
    """Whoever broke out of the browser may put anything in the place of its key log."""
    connection = _kept(tmp_path / "w", (SENT, b"hello"))
    secret, log = tmp_path / "secret", tmp_path / "keys.log"
    secret.write_bytes(b"not for the page")
    match kind:
        case "link":
            log.symlink_to(secret)
        case "folder":
            log.mkdir()
        case _:
            os.mkfifo(log)
    with pytest.raises((CaptureFailed, OSError)):
        _keep(tmp_path, connection)
    assert not (tmp_path / "items/tls-keys.enc").exists()


def test_another_users_file_is_not_read(tmp_path: Path) -> None:
    connection = _kept(tmp_path / "w")
    with pytest.raises(CaptureFailed) as caught:
        _keep(tmp_path, connection, uid=os.getuid() + 1)
    assert caught.value.code == "capture.transcript-differs"


def test_the_password_is_apart_and_for_one_user(tmp_path: Path) -> None:
    connection = _kept(tmp_path / "w", (SENT, b"hello"))
    (tmp_path / "keys.log").write_bytes(_LOG)
    kept = _keep(tmp_path, connection)
    assert kept.keys is not None
    assert kept.keys.clear == sha256(_LOG)
    assert kept.keys.octets == len(_LOG)
    sealed = (tmp_path / "items/tls-keys.enc").read_bytes()
    assert sealed == wire.seal(_LOG, _entropy(32).hex().encode(), _entropy(8))
    assert kept.keys.sealed == sha256(sealed)
    password = tmp_path / "tls-keys.key"
    assert password.read_bytes() == _entropy(32).hex().encode() + b"\n"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600


_text = st.text(max_size=20)
_flow = st.builds(
    Flow, st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32).map(bytes.hex)
)
_connections = st.builds(
    Connection,
    number=st.integers(1, 99_999),
    host=_text,
    port=st.integers(0, 65535),
    began_milliseconds=st.integers(0, 10**9),
    answers=st.lists(_text, max_size=3).map(tuple),
    resolvers=st.lists(
        st.builds(
            Resolution,
            _text,
            st.lists(_text, max_size=3).map(tuple),
            st.none() | st.booleans(),
            _text,
            st.lists(_text, max_size=3).map(tuple),
            st.none() | st.integers(0, 2**31),
        ),
        max_size=3,
    ).map(tuple),
    peer=_text,
    outcome=_text,
    because=_text,
    ended_milliseconds=st.none() | st.integers(0, 10**9),
    sent=_flow,
    received=_flow,
    times=_flow,
)


@given(_connections)
def test_a_connection_is_read_as_it_was_written(connection: Connection) -> None:
    again = canonical.parse(canonical.encode(connection.value()))
    assert Connection.read(again) == connection


@given(st.binary(max_size=200))
def test_what_is_no_order_is_refused(octets: bytes) -> None:
    with pytest.raises(ProofError):
        TunnelOrder.parse(octets)
