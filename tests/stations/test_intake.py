"""Station 1: orders, names and the index. The road and the commands are tested as wholes."""

import dataclasses
import io
import os
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guzheng.intake import (
    ExhibitIndex,
    Order,
    ReceivedItem,
    Upload,
    Walked,
    digests_of_stream,
    keep,
    manifest_of,
    media_type_of,
)
from guzheng.intake.records import listing_at_first
from guzheng.intake.rules import distinct, item_name, stated, web_address
from guzheng.proof import canonical
from guzheng.proof.digest import sha256, sm3
from guzheng.proof.errors import ProofError
from guzheng.refusals import Refused
from guzheng.store import ids
from guzheng.store.memory import MemoryBlobs
from guzheng.store.records import open_engine

AT = datetime(2026, 11, 21, 10, 44, 12, 38_000, tzinfo=UTC)
ITEM = ReceivedItem("a.txt", "text/plain", 5, (sha256(b"words"),))


def order_of(name: str = "照片", at: datetime = AT, **more: object) -> Order:
    given = Order(
        exhibit=ids.new("ex", at, os.urandom),
        kind="deposit",
        claimed_name=name,
        observed_at=at,
        salt=bytes(32),
        items=(ITEM,),
    )
    return dataclasses.replace(given, **more)  # type: ignore[arg-type]


def test_an_order_has_one_spelling() -> None:
    for order in (
        order_of(),
        order_of(claimed_applicant="某某", claimed_purpose="诉讼"),
        order_of(kind="web", items=(), url="http://a/", allow_private=("10.0.0.0/8",)),
    ):
        assert Order.parse(order.encode()) == order


@given(st.binary(max_size=300))
def test_an_order_that_is_none_raises_nothing_else(octets: bytes) -> None:
    with pytest.raises(ProofError):
        Order.parse(octets)


@given(st.data())
def test_a_changed_order_is_seen_or_says_something_else(data: st.DataObject) -> None:
    octets = bytearray(order_of().encode())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    try:
        assert Order.parse(bytes(octets)).encode() == bytes(octets)
    except ProofError:
        return


@given(st.text(max_size=40))
def test_a_name_is_refused_or_kept_as_it_is(name: str) -> None:
    try:
        assert item_name(name) == name
    except Refused as refusal:
        assert refusal.code == "intake.name-refused"
        return
    assert "/" not in name
    assert name.strip() == name
    assert not any(unicodedata.category(one) in {"Cc", "Cf"} for one in name)


@given(st.text(max_size=60))
def test_a_text_is_refused_or_trimmed(text: str) -> None:
    try:
        kept = stated(text, "purpose")
    except Refused as refusal:
        assert refusal.code == "intake.text-refused"
        return
    assert kept is None or (kept and kept == kept.strip() and kept in text)
    assert not any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} for one in kept or "")


@pytest.mark.parametrize("text", ["a\u202eb", "a\u200bb", "a\x00b", "a\x1b[2Jb", "x" * 100_000])
def test_a_text_is_bounded_and_hides_nothing(text: str) -> None:
    with pytest.raises(Refused, match=r"intake\.text-refused"):
        stated(text, "purpose")


@pytest.mark.parametrize(
    "text",
    [
        *("javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "ftp://a.example/"),
        *(
            "view-source:https://a.example/",
            "blob:https://a.example/x",
            "//a.example/",
            "http:",
        ),
        *("about:blank", "chrome://version", "https:///x", "ws://a.example/", "\thttp//a"),
    ],
)
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"capture\.url-"):
        web_address(text)


@given(st.text(max_size=60))
def test_an_address_is_refused_or_http(text: str) -> None:
    try:
        address = web_address(text)
    except Refused as refusal:
        assert refusal.code.startswith("capture.url-")
        return
    assert address.lower().startswith(("http://", "https://"))


def test_names_that_differ_in_spelling_alone() -> None:
    distinct(["a", "b", "é"])
    for one, other in (("a", "A"), ("é", "e\u0301"), ("straße", "STRASSE")):
        with pytest.raises(Refused, match=r"intake\.name-twice"):
            distinct([one, other])


def test_a_media_type_is_a_guess_by_the_ending() -> None:
    assert media_type_of("a.jpg") == "image/jpeg"
    assert media_type_of("a") == media_type_of("a.nonsense") == "application/octet-stream"


@given(st.binary(max_size=5000))
def test_both_digests_of_a_stream(octets: bytes) -> None:
    assert digests_of_stream(io.BytesIO(octets)) == (
        len(octets),
        (sha256(octets), sm3(octets)),
    )


def test_a_manifest_is_made_of_what_is_kept_and_of_nothing_else() -> None:
    blobs = MemoryBlobs()
    received = keep(blobs, "x/", Upload("a.txt", [b"wo", b"rds"], "text/plain"), largest=5)
    assert received == ITEM

    def made(*items: ReceivedItem) -> object:
        order = order_of(items=items)
        return manifest_of(order, blobs, "x/", items, roles={}, capture_json=None, seen=None)

    assert made(received)
    for other in (
        dataclasses.replace(received, size=4),
        dataclasses.replace(received, digests=(sha256(b"WORDS"),)),
    ):
        with pytest.raises(Refused, match=r"intake\.item-damaged"):
            made(other)


def test_an_empty_upload_leaves_nothing() -> None:
    blobs = MemoryBlobs()
    with pytest.raises(Refused, match=r"intake\.empty-file"):
        keep(blobs, "x/", Upload("a.txt", []), largest=5)
    assert list(blobs.names()) == []


@pytest.fixture
def index(tmp_path: Path) -> ExhibitIndex:
    return ExhibitIndex(open_engine(tmp_path / "index.sqlite"))


def test_the_index_lists_newest_first_by_pages(index: ExhibitIndex) -> None:
    orders = [order_of(str(number), AT + timedelta(seconds=number)) for number in range(5)]
    for order in orders:
        index.add(order)
        index.add(order)  # again is fine
    newest = index.page(2)
    assert [line.claimed_name for line in newest] == ["4", "3"]
    assert [line.claimed_name for line in index.page(9, newest[-1].exhibit)] == ["2", "1", "0"]
    assert index.count() == 5
    assert index.unfinished() == tuple(order.exhibit for order in orders)


def test_the_first_listing_of_a_finished_exhibit_stands(index: ExhibitIndex) -> None:
    """Otherwise who walks over a damaged exhibit again would make the damage official."""
    order = order_of()
    index.add(order)
    assert set(index.listing_of(order.exhibit) or ()) == {"order.json", "items/a.txt"}
    index.finish(order, f"{sha256(b'1').hex}  leaf\n".encode())
    index.finish(order, f"{sha256(b'2').hex}  leaf\n".encode())
    assert index.listing_of(order.exhibit) == {"leaf": sha256(b"1")}
    assert index.unfinished() == ()
    index.add(order)
    assert index.unfinished() == (), "finished is finished"


def test_a_rebuilt_index_is_the_same(index: ExhibitIndex) -> None:
    one, two = order_of("1"), order_of("2", AT + timedelta(seconds=1))
    index.add(one)
    index.add(two)
    index.finish(two, listing_at_first(two))
    before = index.page(9), index.unfinished()
    index.rebuild(
        [Walked(one, listing_at_first(one), False), Walked(two, listing_at_first(two), True)],
        ["ex_gone"],
    )
    assert (index.page(9), index.unfinished()) == before
    assert index.altered() == ()
    index.forget(one.exhibit)
    assert index.names() == {two.exhibit}


def test_a_listing_is_sha256sums() -> None:
    octets = listing_at_first(order_of())
    lines = octets.decode().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["items/a.txt", "order.json"]
    assert canonical.parse(order_of().encode())
