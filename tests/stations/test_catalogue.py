"""The catalogue: what a search finds, on both engines, and that it asks an index for it."""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, insert, select

from guzheng.intake import ExhibitIndex, Order, ReceivedItem, Walked, catalogue
from guzheng.intake.fingerprints import FINGERPRINT
from guzheng.intake.seeking import search
from guzheng.intake.sources import Sought
from guzheng.proof import package
from guzheng.proof.digest import sha256
from guzheng.store import ids
from guzheng.store.records import drawer, open_database, open_engine, reading, writing
from tests import engines

AT = datetime(2026, 11, 21, 10, 44, 12, tzinfo=UTC)
MINE = "local"
_numbers = itertools.count(1)


@pytest.fixture(params=engines.BOTH)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    yield from engines.each(request, tmp_path, "index")


def order_of(name: str, **more: object) -> Order:
    number = next(_numbers)
    at = AT + timedelta(hours=number)
    given = Order(
        exhibit=ids.new("ex", at, lambda size: number.to_bytes(size, "big")),
        kind="deposit",
        claimed_name=name,
        observed_at=at,
        salt=bytes(32),
        items=(ReceivedItem(f"file-{number}.png", "image/png", 5, (sha256(name.encode()),)),),
    )
    return dataclasses.replace(given, **more)  # type: ignore[arg-type]


def found(engine: Engine, words: str = "", **more: object) -> list[str]:
    sought = dataclasses.replace(Sought(words), **more)  # type: ignore[arg-type]
    return [one.exhibit for one in search(engine, sought, account=MINE, limit=50).lines]


def test_a_name_an_address_and_a_fingerprint_are_found(engine: Engine) -> None:
    index = ExhibitIndex(engine)
    shop = order_of("XX商家_虚假宣传_20261121")
    page = order_of("详情页", kind="web", items=(), url="https://www.Shop.example.cn/item/9527")
    for one in (shop, page):
        index.add(one)
    for words in ("虚假宣传", "商家", "家", "传", "xx", "20261121", "假宣 商", "FILE"):
        assert found(engine, words) == [shop.exhibit], words
    for words in ("shop.example.cn", "https://www.shop.example.cn/item/95", "exam", "详情"):
        assert found(engine, words) == [page.exhibit], words
    for words in ("宣假", "虚假广告", "shop 商家", "%", "_", "'"):
        assert found(engine, words) == [], words
    digits = shop.items[0].digests[0].hex
    for words in (digits, digits[:8], f"sha256:{digits[:20]}", digits[:16].upper()):
        assert found(engine, words) == [shop.exhibit], words
    assert found(engine, f"{digits[:8]} {digits[8:16]}") == [shop.exhibit], "as it is printed"
    assert found(engine, digits[:7]) == [], "too short to be one"
    assert found(engine, page.exhibit) == [page.exhibit]
    assert found(engine) == [page.exhibit, shop.exhibit], "newest first"


def test_what_a_list_is_narrowed_by(engine: Engine) -> None:
    index = ExhibitIndex(engine)
    deposit, page, print_only = (
        order_of("一"),
        order_of("二", kind="web", items=(), url="https://a/"),
        order_of("三", kind="hash-only"),
    )
    for one in (deposit, page, print_only):
        index.add(one)
    assert found(engine, kind="web") == [page.exhibit]
    assert found(engine, state="wanted") == [print_only.exhibit]
    assert len(found(engine, state="going")) == 3
    listing = package.encode_listing(
        {"items/view.png": sha256(b"1"), "order.json": sha256(b"2")}
    )
    index.finish(page, listing)
    refused = package.encode_listing({"refused.json": sha256(b"1"), "order.json": sha256(b"2")})
    index.finish(deposit, refused)
    assert found(engine, state="certified") == [page.exhibit]
    assert found(engine, state="refused") == [deposit.exhibit]
    index.keep_original(print_only.exhibit)
    assert found(engine, state="wanted") == []
    assert catalogue.count_wanted(engine, MINE) == 0
    index.finish(print_only, listing)
    assert found(engine, state="wanted") == [], "what came stays, whatever is written after"
    soon = page.observed_at + timedelta(minutes=1)
    assert found(engine, since=page.observed_at, until=soon) == [page.exhibit]
    clerk = order_of("四", person="pe_clerk")
    index.add(clerk)
    assert found(engine, person="pe_clerk") == [clerk.exhibit]
    assert found(engine, person="pe_nobody") == []
    assert search(engine, Sought(), account=MINE, limit=1).lines[0].person == "pe_clerk"
    index.forget(clerk.exhibit)
    first = search(engine, Sought(), account=MINE, limit=2).lines
    rest = search(engine, Sought(), account=MINE, limit=2, before=first[-1].exhibit)
    then = rest.lines
    assert [one.exhibit for one in (*first, *then)] == found(engine)
    assert first[1].picture == "items/view.png"
    assert search(engine, Sought(), account="ac_other", limit=9).lines == ()


def test_it_is_made_again(engine: Engine) -> None:
    index = ExhibitIndex(engine)
    one, gone = order_of("合同"), order_of("不在了")
    index.add(one)
    index.add(gone)
    listing = package.encode_listing({"order.json": sha256(one.encode())})
    index.rebuild([Walked(one, listing, finished=True)], {gone.exhibit})
    assert found(engine, "合同", state="certified") == [one.exhibit]
    assert found(engine, "不在") == []
    with writing(engine) as connection:
        for table in (catalogue.CATALOGUE, catalogue.WORD):
            table.drop(connection)
    ExhibitIndex(engine)  # as a version that had none left it
    assert found(engine, "合同", state="certified") == [one.exhibit]


def test_many_are_made_again_at_once(engine: Engine) -> None:
    index = ExhibitIndex(engine)
    orders = [order_of("合同", kind="hash-only") for _ in range(449)]
    orders.append(order_of("孤本", kind="hash-only"))
    index.add(orders[0])
    index.keep_original(orders[0].exhibit)
    again = [
        Walked(one, package.encode_listing({"order.json": sha256(b"1")}), finished=place < 449)
        for place, one in enumerate(orders)
    ]
    for _ in range(2):
        index.rebuild(again, (one.exhibit for one in orders[:3]))
        assert index.count() == len(orders)
        assert index.unfinished() == (orders[-1].exhibit,)
        assert found(engine, "孤本") == [orders[-1].exhibit]
        assert catalogue.count_wanted(engine, MINE) == 450


def test_a_catalogue_that_did_not_know_who_made_what(engine: Engine) -> None:
    """As an earlier version left it: the lines stay, and `rebuild` tells who it was."""
    index = ExhibitIndex(engine)
    one = order_of("合同", person="pe_clerk")
    index.add(one)
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP INDEX catalogue_by_person")
        connection.exec_driver_sql("ALTER TABLE catalogue DROP COLUMN person")
    index = ExhibitIndex(engine)
    assert found(engine, "合同") == [one.exhibit]
    assert found(engine, person="pe_clerk") == []
    listing = package.encode_listing({"order.json": sha256(one.encode())})
    index.rebuild([Walked(one, listing, finished=True)], ())
    assert found(engine, person="pe_clerk") == [one.exhibit]


LINES = 20_000
SOME = 80  # several pages of the longest


def filled(engine: Engine, lines: int) -> None:
    ExhibitIndex(engine)  # makes the tables
    rows, words, prints = [], [], []
    for number in range(lines):
        at = AT + timedelta(minutes=number)
        exhibit = ids.new("ex", at, number.to_bytes)
        name = f"商家{number % 50}_虚假宣传_{20260000 + number}"
        account = MINE if number % 4 else "ac_other"
        rows.append(
            {
                "exhibit": exhibit,
                "account": account,
                "kind": ("web", "deposit", "hash-only")[number % 3],
                "state": "refused" if number % 100 == 1 else "certified",
                "original": "wanted" if number % 3 == 2 else "",
                "claimed_name": name,
                "url": f"https://shop{number % 500}.example/item/{number}",
                "picture": "",
                "person": f"pe_{number % 3}",
                "observed_at": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            }
        )
        said = f"{name} {rows[-1]['url']}"
        words += [
            {"account": account, "word": one, "exhibit": exhibit}
            for one in set(catalogue.words_of(said))
        ]
        prints.append({"sha256": sha256(exhibit.encode()).hex, "exhibit": exhibit})
    with writing(engine) as connection:
        connection.execute(insert(catalogue.CATALOGUE), rows)
        connection.execute(insert(catalogue.WORD), words)
        connection.execute(insert(FINGERPRINT), prints)


QUESTIONS = {
    "all": Sought(),
    "kind": Sought(kind="web"),
    "state": Sought(state="refused"),
    "person": Sought(person="pe_2"),
    "a word in every line": Sought("虚假宣传"),
    "a character in every line": Sought("商"),
    "the beginning of a word in every line": Sought("sho"),
    "a word in one line": Sought("9527"),
    "two words": Sought("商家 shop77"),
    "words that never meet": Sought("虚假 商家 wwww"),
    "a word and a state": Sought("虚假宣传", state="refused"),
    "a word and a kind": Sought("虚假宣传", kind="web"),
    "a word, a kind and a day": Sought("虚假", "web", "", AT, AT + timedelta(days=9)),
    "fingerprint": Sought(sha256(b"nowhere").hex[:12]),
    "a day that may be a fingerprint": Sought("20265211"),
    "since": Sought(since=AT),
    "until": Sought(until=AT + timedelta(days=2)),
    "a day": Sought(since=AT + timedelta(days=2), until=AT + timedelta(days=3)),
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One line as its tables tell it, and the words that it is found by."""

    row: dict[str, str]
    words: frozenset[str]
    digits: str
    at: datetime


def lines_of(engine: Engine) -> list[Line]:
    with reading(engine) as connection:
        every = [
            dict(one) for one in connection.execute(select(catalogue.CATALOGUE)).mappings()
        ]
        prints = dict(
            connection.execute(select(FINGERPRINT.c.exhibit, FINGERPRINT.c.sha256)).all()
        )
    return [
        Line(
            row,
            frozenset(catalogue.words_of(f"{row['claimed_name']} {row['url']}")),
            prints[row["exhibit"]],
            datetime.fromisoformat(row["observed_at"]),
        )
        for row in every
    ]


def matches(sought: Sought, line: Line, terms: Sequence[str]) -> bool:
    """What a search should find, said in the plainest way."""
    row = line.row
    if not (
        sought.kind in {"", row["kind"]}
        and sought.state in {"", row["state"], row["original"]}
        and sought.person in {"", row["person"]}
        and (sought.since is None or sought.since <= line.at)
        and (sought.until is None or line.at < sought.until)
        and row["account"] == MINE
    ):
        return False
    if not sought.words:
        return True
    printed = sought.words.isascii() and len(sought.words) >= 8
    if printed and line.digits.startswith(sought.words):
        return True
    return bool(terms) and all(any(w.startswith(one) for w in line.words) for one in terms)


def wanted(sought: Sought, lines: list[Line]) -> list[str]:
    terms = catalogue.terms_of(sought.words)
    names = (one.row["exhibit"] for one in lines if matches(sought, one, terms))
    return sorted(names, reverse=True)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, list[Line]]]:
    engine = open_engine(tmp_path_factory.mktemp("full") / "index.sqlite")
    filled(engine, LINES)
    yield engine, lines_of(engine)
    engine.dispose()


@pytest.mark.parametrize("name", QUESTIONS)
def test_no_question_reads_the_whole_catalogue(
    full: tuple[Engine, list[Line]], name: str
) -> None:
    engine, lines = full
    sought, said = QUESTIONS[name], list[tuple[str, tuple[object, ...]]]()

    def hear(
        _c: object, _x: object, sql: str, parameters: tuple[object, ...], *_: object
    ) -> None:
        said.append((sql, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    begun = time.perf_counter()
    rows = search(engine, sought, account=MINE, limit=31, most=LINES + 1).lines
    took = time.perf_counter() - begun
    event.remove(engine, "before_cursor_execute", hear)
    with reading(engine) as connection:
        for sql, parameters in said:
            if sql.startswith("SELECT"):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)
                steps = [str(row.detail) for row in plan]
                read = [one for one in steps if one.startswith(("SCAN cat", "SCAN finger"))]
                assert not read, (name, sql, steps)
    assert took < 1, (name, took)  # some ms on an idle machine; a bound for a loaded one
    newest = wanted(sought, lines)
    assert [one.exhibit for one in rows] == newest[:31]
    if len(newest) > 31:
        then = search(engine, sought, account=MINE, limit=31, before=newest[30], most=LINES + 1)
        assert [one.exhibit for one in then.lines] == newest[31:62]
    some = newest[::7]
    among = search(engine, sought, account=MINE, limit=31, among=some)
    assert [one.exhibit for one in among.lines] == some[:31]


@pytest.fixture(scope="module", params=engines.BOTH)
def some(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, list[Line]]]:
    """Some lines, and what they are, as tables tell it."""
    if request.param == "sqlite":
        engine = open_engine(tmp_path_factory.mktemp("some") / "index.sqlite")
    else:
        server: engines.Postgres = request.getfixturevalue("postgres")
        engine = drawer(open_database(server.database(engines.fresh("some"))), "index")
    filled(engine, SOME)
    yield engine, lines_of(engine)
    engine.dispose()


SAID = ("", "虚假宣传", "商", "sho", "shop", "商家 item", "shop item 商家7", "item https 宣传")
DAYS = st.none() | st.integers(0, SOME + 20).map(
    lambda minutes: AT + timedelta(minutes=minutes)
)
WORDS = (*SAID, sha256(b"nowhere").hex[:8], "shop1 shop2", "20260042")
KINDS = ("", "web", "hash-only")
STATES = ("", "certified", "refused", "wanted")
PERSONS = ("", "pe_0", "pe_1")
ANY = st.builds(
    Sought,
    words=st.sampled_from(WORDS),
    kind=st.sampled_from(("", *KINDS)),
    state=st.sampled_from(("", *STATES)),
    since=DAYS,
    until=DAYS,
    person=st.sampled_from(("", *PERSONS)),
)


@given(sought=ANY, limit=st.integers(1, 40), most=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_who_goes_on_finds_what_is_there_and_nothing_twice(
    some: tuple[Engine, list[Line]], sought: Sought, limit: int, most: int
) -> None:
    require_each_once(*some, sought, limit, most)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("limit", "most"), [(1, 1), (7, 3), (40, 30), (5, 30), (40, 2)])
def test_every_question_finds_what_is_there_and_nothing_twice(
    some: tuple[Engine, list[Line]], limit: int, most: int
) -> None:
    """The whole grid of what a page can ask, of which the test above draws some."""
    days = (None, AT + timedelta(minutes=11), AT + timedelta(minutes=60))
    for words, kind, state, person, since, until in itertools.product(
        WORDS, KINDS, STATES, PERSONS, days, days
    ):
        sought = Sought(words, kind, state, since, until, person)
        require_each_once(*some, sought, limit, most)


def require_each_once(
    engine: Engine, lines: list[Line], sought: Sought, limit: int, most: int
) -> None:
    """Whoever goes on from page to page has met each line, newest first, and none twice."""
    names, befores = list[str](), list[str | None]([None])
    while len(befores) <= len(lines) + 2:
        page = search(engine, sought, account=MINE, limit=limit, before=befores[-1], most=most)
        found = [one.exhibit for one in page.lines]
        names += found
        assert len(found) <= limit
        before = page.back_to or (found[-1] if len(found) == limit else None)
        if before is None:
            break
        assert page.back_to is None or len(found) < limit, "a full page says nothing of it"
        assert befores[-1] is None or before < befores[-1], "each goes further back"
        befores.append(before)
    assert names == wanted(sought, lines), sought


def test_one_file_that_many_have(engine: Engine) -> None:
    ExhibitIndex(engine)
    filled(engine, 90)
    with writing(engine) as connection:
        names = connection.execute(select(catalogue.CATALOGUE.c.exhibit)).scalars().all()
        digests = [sha256(b"a").hex, sha256(b"a").hex[:32] + "0" * 32]
        connection.execute(
            insert(FINGERPRINT),
            [{"sha256": digests[n % 3 // 2], "exhibit": one} for n, one in enumerate(names)],
        )
        line = catalogue.CATALOGUE.c
        own = connection.execute(select(line.exhibit).where(line.account == MINE))
        mine = sorted(own.scalars(), reverse=True)
    for words in (digests[0][:12], digests[0], digests[1]):
        known, befores = list[str](), list[str | None]([None])
        for before in befores:  # which grows
            page = search(engine, Sought(words), account=MINE, limit=4, before=before, most=7)
            known += [one.exhibit for one in page.lines]
            if page.back_to or len(page.lines) == 4:
                befores.append(page.back_to or known[-1])
        among = [one for n, one in enumerate(names) if digests[n % 3 // 2].startswith(words)]
        assert known == [one for one in mine if one in among], words
