"""Real names: one request at a time, the first decision counts, no name is edited."""

import contextlib
import io
import itertools
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from guzheng.accounts.documents import (
    LARGEST,
    PIXELS,
    SHOWN,
    Document,
    Vault,
    media_type_of,
    open_vault,
    preview,
)
from guzheng.accounts.realnames import (
    APPROVED,
    DELETED,
    REFUSED,
    WITHDRAWN,
    NameEvent,
    RealNames,
    Statement,
    masked_name,
    masked_number,
    place_of,
)
from guzheng.painter import __main__ as painter
from guzheng.proof.canonical import parse_object
from guzheng.refusals import Refused
from guzheng.store.directory import DirectoryBlobs
from guzheng.store.memory import MemoryBlobs
from guzheng.store.records import writing
from tests import engines
from tests.pictures import picture

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
DAY = timedelta(days=1)
USCC = "91350100M000100Y43"
FIRM = Statement("enterprise", "杭州某某贸易有限公司", USCC)
PERSON = Statement("person", "张某某", "11010519491231002X")
_numbers = itertools.count()


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "accounts")


@pytest.fixture
def names(engine: Engine) -> RealNames:
    return RealNames(engine)


def ask(
    names: RealNames, statement: Statement = FIRM, account: str = "ac_1", at: datetime = AT
) -> str:
    request = f"na_{next(_numbers):026}"
    document = Document(1, "image/png", 3, "00" * 32)
    names.add(
        request, account, "pe_1", statement, [document], number_mark=statement.number, now=at
    )
    return request


def approved(statement: Statement, at: datetime) -> NameEvent:
    return NameEvent(
        APPROVED,
        at,
        "pe_9",
        name=statement.name,
        uscc=USCC,
        means="review",
        attested_by="某平台",
    )


def test_a_name_counts_from_its_approval_until_another_or_its_withdrawal(
    names: RealNames,
) -> None:
    first = ask(names)
    assert names.attested("ac_1", AT) is None
    names.decide(first, approved(FIRM, AT + DAY))
    renamed = replace(FIRM, name="杭州某某科技有限公司")
    second = ask(names, renamed, at=AT + 2 * DAY)
    names.decide(second, approved(renamed, AT + 3 * DAY))
    names.decide(second, NameEvent(WITHDRAWN, AT + 4 * DAY, "pe_9", "执照系伪造"))

    def named(days: int) -> str | None:
        found = names.attested("ac_1", AT + days * DAY)
        return found.name if found else None

    assert [named(days) for days in range(6)] == [
        None,
        FIRM.name,
        FIRM.name,
        renamed.name,
        None,
        None,
    ]
    found = names.attested("ac_1", AT + DAY)
    assert found is not None
    assert (found.uscc, found.by, found.at) == (USCC, "某平台", AT + DAY)
    assert names.attested("ac_2", AT + DAY) is None


def test_an_account_asks_once_at_a_time_and_again_after_a_refusal(names: RealNames) -> None:
    first = ask(names)
    with pytest.raises(Refused, match=r"accounts\.name-pending"):
        ask(names)
    ask(names, account="ac_2")
    assert [one.account for one in names.pending()] == ["ac_1", "ac_2"]
    with pytest.raises(Refused, match=r"accounts\.reason-wanted"):
        names.decide(first, NameEvent(REFUSED, AT, "pe_9", " "))
    refused = names.decide(first, NameEvent(REFUSED, AT, "pe_9", "照片看不清"))
    assert refused.decision is not None
    assert (refused.state, refused.decision.reason) == ("refused", "照片看不清")
    second = ask(names)
    assert [one.request for one in names.of_account("ac_1")] == [second, first]
    assert len(names.with_number(USCC)) == 3


def test_the_first_decision_counts(names: RealNames) -> None:
    """Two reviewers at once, many times over: one decides."""
    request = ask(names)
    begin, told = threading.Barrier(8), []

    def decide(number: int) -> None:
        begin.wait()
        event = approved(FIRM, AT) if number % 2 else NameEvent(REFUSED, AT, "pe_9", "不符")
        try:
            told.append(names.decide(request, event).state)
        except Refused as refused:
            assert refused.code == "accounts.name-decided"

    threads = [threading.Thread(target=decide, args=(one,)) for one in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(told) == 1
    assert names.require(request).state == told[0]
    with pytest.raises(Refused, match=r"accounts\.name-not-found"):
        names.require("na_nonsense")


def test_history_is_only_added_to(engine: Engine, names: RealNames) -> None:
    names.decide(ask(names), approved(FIRM, AT))
    for statement in (
        "UPDATE name_event SET name = 'x'",
        "DELETE FROM name_event",
        "UPDATE name_request SET account = 'ac_2'",
        "DELETE FROM name_document",
    ):
        with pytest.raises(DatabaseError, match="rows are only added"), writing(engine) as one:
            one.execute(text(statement))


def test_what_is_due_for_deletion_is_what_was_decided_long_ago(names: RealNames) -> None:
    kept, old = ask(names), ask(names, account="ac_2")
    names.decide(old, NameEvent(REFUSED, AT, "pe_9", "不符"))
    late = ask(names, account="ac_3")
    names.decide(late, NameEvent(REFUSED, AT + DAY, "pe_9", "不符"))
    assert [one.request for one in names.deletable(AT + DAY)] == [old]
    for _ in range(2):
        names.note(old, NameEvent(DELETED, AT + DAY))
    assert names.deletable(AT + DAY) == ()
    assert [one.kind for one in names.require(old).events] == ["asked", "refused", "deleted"]
    assert names.require(kept).state == "asked"


@pytest.mark.parametrize(
    ("kind", "name", "number", "code"),
    [
        ("state", "张某", PERSON.number, "accounts.name-kind"),
        ("person", "张", PERSON.number, "accounts.name-refused"),
        ("person", "张某\u202e", PERSON.number, "accounts.name-refused"),
        ("person", "张" * 61, PERSON.number, "accounts.name-refused"),
        ("person", "张某", "110105194912310021", "identifier.resident-check"),
        ("enterprise", "某公司", PERSON.number, "identifier.uscc-check"),
        ("enterprise", "某公司", "", "identifier.uscc-malformed"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(
    kind: str, name: str, number: str, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        Statement.judged(kind, name, number, on=date(2026, 11, 22))
    assert refused.value.code == code


def test_a_statement_is_spelled_as_the_standard_does_and_shown_masked() -> None:
    one = Statement.judged(
        "person", " 张 某某 ", "１１０１０５19491231002x", on=date(2026, 11, 22)
    )
    assert one == Statement("person", "张 某某", PERSON.number)
    assert Statement.parse(one.encode(b"\1" * 32)) == one
    assert parse_object(one.encode(b"\1" * 32))["salt"] == "01" * 32
    assert (masked_name("张某"), masked_name("欧阳某某")) == ("张*", "欧***")
    assert masked_number(PERSON.number) == "110***********002X"
    assert "19491231" not in one.masked_number
    assert FIRM.masked_name == FIRM.name  # a register of the public has it


# ---- documents -------------------------------------------------------------------------------


def test_a_document_is_what_its_octets_say() -> None:
    assert media_type_of(picture("JPEG")) == "image/jpeg"
    assert media_type_of(picture("PNG")) == "image/png"
    assert media_type_of(b"%PDF-1.7\n%%EOF") == "application/pdf"
    for octets in (b"", b"<svg/>", b"GIF89a", b"MZ", picture("GIF"), picture("PNG")[:60]):
        with pytest.raises(Refused, match=r"accounts\.document-unreadable"):
            media_type_of(octets)
    with pytest.raises(Refused, match=r"accounts\.document-too-large"):
        media_type_of(b"%PDF-" + b"x" * LARGEST)


def test_a_picture_that_unpacks_to_gigabytes_is_refused() -> None:
    head = picture("PNG")
    for side in (9_000, 60_000):  # larger than ours, and than what Pillow itself allows
        bomb = head[:16] + side.to_bytes(4, "big") * 2 + head[24:]
        with pytest.raises(Refused, match=r"accounts\.document-unreadable"):
            media_type_of(bomb)


OCTETS = (st.binary(max_size=400), st.integers(0, 400))


def arriving(octets: bytes, at: int) -> tuple[bytes, ...]:
    good = picture("JPEG")
    return octets, b"\xff\xd8\xff" + octets, good[:at] + octets + good[at:]


@given(*OCTETS)
def test_nothing_that_arrives_makes_it_fall(octets: bytes, at: int) -> None:
    """What the program does with each of them, here: whoever asked it would not see it fall."""
    order = {"formats": ["JPEG"], "pixels": PIXELS, "width": SHOWN, "height": SHOWN}
    how = {"quality": 85, "head": False, "upright": True}
    for one in arriving(octets, at):
        with warnings.catch_warnings(), contextlib.suppress(*painter._BROKEN):
            warnings.simplefilter("ignore")  # the program says them to nobody
            assert painter._drawn(one, order | how).startswith(b"\xff\xd8\xff")


@settings(max_examples=5)  # a start of the program each time, and three times
@given(*OCTETS)
def test_whatever_the_program_answers_is_a_picture_or_a_refusal(octets: bytes, at: int) -> None:
    for one in arriving(octets, at):
        try:
            preview(one, "image/jpeg")
        except Refused as refused:
            assert refused.code == "accounts.document-unreadable"


def test_a_preview_carries_pixels_and_nothing_else() -> None:
    secret = b"GPS 30.25N 120.17E"
    exif = Image.Exif()
    exif[0x9286] = secret
    octets = picture("JPEG", (4000, 100), exif=exif)
    assert secret in octets
    shown = preview(octets, "image/jpeg")
    assert secret not in shown
    with Image.open(io.BytesIO(shown)) as drawn:
        assert (drawn.format, drawn.size[0]) == ("JPEG", SHOWN)


class OneKey:
    def __init__(self, octet: int) -> None:
        self._key = bytes([octet]) * 32

    def current(self) -> int:
        return 1

    def key(self, generation: int) -> bytes:
        assert generation == 1
        return self._key

    def marks(self) -> bytes:
        return self._key


def counted() -> Callable[[int], bytes]:
    return lambda size: os.urandom(size)


def test_documents_lie_sealed_and_each_in_its_own_place() -> None:
    blobs = MemoryBlobs()
    vault = Vault(blobs, OneKey(1), counted())
    here, there = place_of("na_1", 1), place_of("na_2", 1)
    vault.put(here, b"the face of a person")
    kept = b"".join(_all(blobs, here))
    assert b"face" not in kept
    assert vault.read(here) == b"the face of a person"
    blobs.put(there, [kept])  # moved to another's place
    blobs.put(place_of("na_3", 1), [kept[:-1] + bytes([kept[-1] ^ 1])])
    blobs.put(place_of("na_4", 1), [b""])
    for place in (there, place_of("na_3", 1), place_of("na_4", 1)):
        with pytest.raises(Refused, match=r"accounts\.document-damaged"):
            vault.read(place)
    with pytest.raises(Refused, match=r"accounts\.document-damaged"):
        Vault(blobs, OneKey(2), counted()).read(here)
    vault.remove(here)
    vault.remove(here)
    with pytest.raises(Refused, match=r"accounts\.document-not-found"):
        vault.read(here)


def _all(blobs: MemoryBlobs, name: str) -> list[bytes]:
    with blobs.open(name) as stream:
        return [stream.read()]


def test_the_key_is_made_once_and_never_anew(tmp_path: Path, engine: Engine) -> None:
    blobs = DirectoryBlobs(tmp_path / "blobs")
    keys = [tmp_path / name for name in ("one", "two")]
    for folder in keys:
        folder.mkdir()

    def opened(folder: Path) -> Vault:
        return open_vault(folder, engine, blobs, lambda: AT, os.urandom)

    opened(keys[0]).put(place_of("na_1", 1), b"x")
    file = keys[0] / "documents.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert opened(keys[0]).read(place_of("na_1", 1)) == b"x"
    with pytest.raises(Refused, match=r"accounts\.documents-key"):
        opened(keys[1])  # another machine, without the key
    assert not (keys[1] / "documents.key").exists()
    (keys[1] / "documents.key").write_bytes(b"\1" * 32)
    with pytest.raises(Refused, match=r"accounts\.documents-key"):
        opened(keys[1])
    (keys[1] / "documents.key").write_bytes(file.read_bytes())
    assert opened(keys[1]).read(place_of("na_1", 1)) == b"x"
    file.unlink()
    with pytest.raises(Refused, match=r"accounts\.documents-key"):
        opened(keys[0])
    assert not file.exists()


def test_programs_that_start_together_use_one_key(tmp_path: Path, engine: Engine) -> None:
    blobs, begin = MemoryBlobs(), threading.Barrier(6)
    vaults: list[Vault] = []

    def start() -> None:
        begin.wait()
        vaults.append(open_vault(tmp_path, engine, blobs, lambda: AT, os.urandom))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({one.mark("x") for one in vaults}) == 1
    assert len(vaults) == 6
