"""Server time of the list of evidence, its search and its filters, at 10^3 and 10^5 exhibits.

Prints one JSON object. The index is filled by the product's own `rebuild`, from orders made up
here (Chinese names, addresses, ten papers each), all of one account with three persons; the
newest have folders with a real order and seal, since what is on its way and what waits for its
original is asked of the papers. Each question goes through the whole application in this
process (session, gate, route, template), one at a time; what is counted is wall time from the
question to the last octet of the answer, and CPU beside it. Goal: p95 at most 50 ms at 10^5.

    PYTHONPATH=. python bench/pages.py                      five minutes, most of it seeding
    PYTHONPATH=. python bench/pages.py --rows 1000000 --keep FOLDER
        copies of 10^5: ten minutes, and some 12 GB of disk while it is filled; 6 stay, and the
        next run takes what is there
    PYTHONPATH=. python bench/pages.py --postgres           a server of its own on loopback
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from bench import pages_multiplied
from guzheng.accounts.people import Persons
from guzheng.accounts.roles import EVERYTHING
from guzheng.accounts.sessions import COOKIE, Caller, Sessions
from guzheng.app import Platform
from guzheng.cases import Facts
from guzheng.config import Config
from guzheng.intake import Order, ReceivedItem, Walked
from guzheng.proof import package
from guzheng.proof.digest import sha256
from guzheng.store import ids
from guzheng.store.records import SQLITE
from guzheng.web import create_app
from tests import engines

GOAL_MILLISECONDS, GOAL_ROWS = 50.0, 100_000
SEEDING_KIBIBYTES = 3 * 1024 * 1024
Measured = dict[str, object]
END = datetime(2026, 11, 21, 8, tzinfo=UTC)
APART = timedelta(minutes=7)
MULTIPLIED = 100_000  # more are made of so many
WITH_PAPERS = 400  # the newest ones
PAPERS = (
    "manifest.json",
    "seal.tsa",
    "entry.leaf",
    "entry.tlog-proof",
    "certificate.json",
    "certificate.pdf",
    "tokens/0.tsa",
    "tokens/1.tsa",
)
FIRMS = ("杭州云锦", "宁波海曙", "义乌双童", "温州康奈", "绍兴柯桥", "金华尖峰", "台州飞跃")
TRADES = ("旗舰店", "服饰专营店", "家居生活馆", "数码商行", "食品经营部", "玩具厂")
CASE = "云栖诉双童_著作权_20261121"
SCENES = ("虚假宣传", "虚假宣传", "商标侵权", "图片盗用", "专利侵权", "不正当竞争")


@dataclass(frozen=True)
class Seeded:
    """What was filled in, and where in it the questions point."""

    account: str
    persons: tuple[str, ...]
    cookie: str
    deep: str
    file: str
    url: str
    exhibit: str
    case: str
    seconds: float


def order_of(number: int, rows: int, account: str, persons: tuple[str, ...]) -> Order:
    """One every seven minutes, the last one at END; of three kinds, as 2 : 2 : 1."""
    at = END - (rows - number) * APART
    firm, trade = FIRMS[number % 7], TRADES[number % 6]
    kind = ("web", "web", "deposit", "deposit", "hash-only")[number % 5]
    name = f"{firm}{trade}_{SCENES[number * 7 // 3 % 6]}_{at:%Y%m%d}"
    if number % 10_000 == 77:
        name = f"龙泉青瓷_{name}"
    item = ReceivedItem(
        f"照片-{number}.jpg", "image/jpeg", 5, (sha256(f"item {number}".encode()),)
    )
    return Order(
        exhibit=ids.new("ex", at, lambda size: number.to_bytes(size, "big")),
        kind=kind,
        claimed_name=name,
        observed_at=at,
        salt=bytes(32),
        items=() if kind == "web" else (item,),
        url=f"https://shop{number % 5000}.example.cn/item/{number}" if kind == "web" else None,
        account=account,
        person=persons[number % 3],
    )


def walked_of(order: Order, number: int, rows: int) -> Walked:
    """One in two hundred was refused; of the newest, one in ten is still on its way."""
    names = ["refused.json"] if number % 200 == 1 and order.kind == "web" else list(PAPERS)
    names += [package.ITEMS + one.name for one in order.items]
    if order.kind == "web":
        names += [package.ITEMS + one for one in ("view.png", "capture.wacz")]
    digests = {one: sha256(f"{one} {number}".encode()) for one in names}
    going = number > rows - WITH_PAPERS and number % 10 == 0
    return Walked(order, package.encode_listing(digests), finished=not going)


@contextlib.contextmanager
def quickly(engine: Engine) -> Iterator[None]:
    """Fill SQLite with neither journal nor flush, and memory for the pages that are met at
    random: a run that is cut off here is begun again, so nothing need survive it."""
    if engine.dialect.name != SQLITE:
        yield
        return
    engine.dispose()  # whoever keeps the file open keeps its journal
    event.listen(engine, "connect", _without_journal)
    try:
        yield
    finally:
        event.remove(engine, "connect", _without_journal)
        engine.dispose()


def _without_journal(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{SEEDING_KIBIBYTES}"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def seed(platform: Platform, rows: int) -> Seeded:
    """More than `MULTIPLIED` are copies, of so many."""
    copies = max(1, rows // MULTIPLIED) if platform.index.engine.dialect.name == SQLITE else 1
    rows = rows // copies
    parts, now = platform.parts, platform.now()
    persons = Persons(parts.accounts, parts.entropy)
    people = tuple(
        persons.add(name, f"{number}@example.com", "", now).person
        for number, name in enumerate(("王掌柜", "李会计", "张律师"))
    )
    account = platform.members.rows.found(people[0], now)
    owner = platform.members.acting(people[0])
    assert owner is not None
    for one in people[1:]:
        platform.members.accept(platform.members.invite(owner)[1], one)
        platform.members.change(owner, one, EVERYTHING)
    made = platform.deposit("a.txt", [b"a"], account=account, person=people[0])
    platform.walk(made, lambda _step, _detail: None)
    sealed = platform.folder(made)
    began = time.perf_counter()
    orders = (order_of(number, rows, account, people) for number in range(rows))
    with quickly(parts.index.engine):
        parts.index.rebuild(
            (walked_of(one, number, rows) for number, one in enumerate(orders)), ()
        )
    if copies > 1:
        index = Path(parts.index.engine.url.database or "")
        pages_multiplied.multiply(index, copies, rows * APART)
    took = time.perf_counter() - began
    for number in range(max(0, rows - WITH_PAPERS), rows):
        order = order_of(number, rows, account, people)
        folder = platform.folder(order.exhibit)
        folder.mkdir(parents=True)
        (folder / "order.json").write_bytes(order.encode())
        for paper in ("manifest.json", "seal.tsa"):
            shutil.copy(sealed / paper, folder / paper)
    return pointed_at(platform, rows * copies, account, people, round(took, 1))


def pointed_at(
    platform: Platform, rows: int, account: str, people: tuple[str, ...], seconds: float
) -> Seeded:
    parts, now = platform.parts, platform.now()
    deep = ids.new("ex", END - rows * 9 // 10 * APART, bytes)
    rows = min(rows, MULTIPLIED)
    middle = order_of(rows // 2 // 5 * 5, rows, account, people)  # a web page
    deposit = order_of(rows // 2 // 5 * 5 + 2, rows, account, people)
    sessions = Sessions(parts.accounts, parts.entropy)
    newest = (
        order_of(number, rows, account, people) for number in range(rows - 300, rows - 100)
    )
    known = [one for one, facts in platform.cases.offered(account) if facts.name == CASE]
    case = known[0] if known else platform.cases.open(Facts(name=CASE), account=account).case
    if not known:
        platform.cases.link(case, [one.exhibit for one in newest])
    return Seeded(
        account=account,
        persons=people,
        cookie=sessions.begin(people[0], "password", Caller("bench", "192.0.2.1"), now),
        deep=deep,
        file=deposit.items[0].digests[0].hex,
        url=middle.url or "",
        exhibit=middle.exhibit,
        case=case,
        seconds=seconds,
    )


def questions(one: Seeded) -> Mapping[str, str]:
    day = f"{END - timedelta(days=1):%Y-%m-%d}"
    listed: dict[str, dict[str, str]] = {
        "first page": {},
        "deep page (nine tenths down)": {"before": one.deep},
        "kind: captures": {"kind": "web"},
        "kind, deep": {"kind": "hash-only", "before": one.deep},
        "state: certified": {"state": "certified"},
        "state: refused": {"state": "refused"},
        "state: on its way": {"state": "going"},
        "state: original wanted": {"state": "wanted"},
        "one day": {"since": day, "until": day},
        "since long ago": {"since": "2001-01-01"},
        "kind and state": {"kind": "web", "state": "refused"},
        "made by one of three": {"person": one.persons[1]},
        "in a case of 200": {"case": one.case},
        "name, two characters, every third": {"q": "虚假"},
        "name, one character, every second": {"q": "商"},
        "name, four characters, rare": {"q": "龙泉青瓷"},
        "name, two words that meet": {"q": "杭州云锦 商标侵权"},
        "name, two common words that never meet": {"q": "宁波海曙 虚假宣传 商标侵权"},
        "two common words of letters that never meet": {"q": "jpg item"},
        "name and state": {"q": "虚假宣传", "state": "refused"},
        "name, kind and person": {"q": "虚假", "kind": "web", "person": one.persons[2]},
        "name of a case": {"q": "云栖诉双童"},
        "name of a file": {"q": "照片-4711.jpg"},
        "name, unknown": {"q": "不存在的商家"},
        "digest, whole": {"q": one.file},
        "digest, eight digits": {"q": one.file[:8]},
        "address, whole": {"q": one.url},
        "address, shop": {"q": "shop77.example.cn"},
        "number of an exhibit": {"q": one.exhibit},
    }
    return {
        **{name: f"/exhibits?{urlencode(asked)}" for name, asked in listed.items()},
        "API: first page of 30": "/api/exhibits",
        "home": "/",
        "facts of the case": f"/cases/{one.case}",
    }


async def asked(app: object, cookie: str, path: str, rounds: int) -> dict[str, float]:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    walls: list[float] = []
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", cookies={COOKIE: cookie}
    ) as client:
        first = await client.get(path)
        assert first.status_code == 200, first.text[:300]
        burned = time.process_time()
        for _ in range(rounds):
            began = time.perf_counter()
            await client.get(path)
            walls.append((time.perf_counter() - began) * 1000)
        burned = time.process_time() - burned
    walls.sort()
    return {
        "p50_ms": round(statistics.median(walls), 1),
        "p95_ms": round(walls[min(len(walls) - 1, int(len(walls) * 0.95))], 1),
        "cpu_ms": round(burned * 1000 / rounds, 1),
    }


def found_again(platform: Platform, rows: int) -> Seeded | None:
    """What an earlier run filled in, in a folder that was kept."""
    account = next(iter(platform.members.rows.latest(1)), "")
    if platform.index.count() < rows or not account:
        return None
    people = tuple(one.member.person for one in platform.members.people(account))
    return pointed_at(platform, rows, account, people, 0.0)


@contextlib.contextmanager
def database(*, on_server: bool) -> Iterator[str]:
    if not on_server:
        yield ""
        return
    with engines.postgres_running() as server:
        yield server.database("pages")


@contextlib.contextmanager
def folder_for(rows: int, kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept / str(rows)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        yield Path(folder)


def measured(rows: int, rounds: int, kept: Path | None, *, on_server: bool) -> Measured:
    with folder_for(rows, kept) as folder, database(on_server=on_server) as url:
        config = Config(folder / "data", accounts="on")
        if url:
            config = dataclasses.replace(config, database_url=url)
        platform = Platform(config)
        seeded = found_again(platform, rows) or seed(platform, rows)
        if url:
            with platform.index.engine.connect() as connection:
                connection.exec_driver_sql("ANALYZE")
        app = create_app(platform)
        found = {
            name: asyncio.run(asked(app, seeded.cookie, path, rounds))
            for name, path in questions(seeded).items()
        }
        missed = [name for name, one in found.items() if one["p95_ms"] > GOAL_MILLISECONDS]
        size = sum(one.stat().st_size for one in config.data.glob("index.sqlite*"))
    return {
        "seed_seconds": seeded.seconds,
        "index_octets_each": round(size / rows) if size else None,
        "over_the_goal": missed,
        "answers": found,
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, nargs="+", default=[1_000, GOAL_ROWS])
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument("--postgres", action="store_true")
    arguments.add_argument("--keep", type=Path, help="a folder to fill once and measure often")
    chosen = arguments.parse_args()
    sizes = {
        str(rows): measured(rows, chosen.rounds, chosen.keep, on_server=chosen.postgres)
        for rows in chosen.rows
    }
    print(
        json.dumps(
            {
                "figure": "server time of the list of evidence",
                "engine": "PostgreSQL" if chosen.postgres else "SQLite",
                "rows": sizes,
                "goal": f"p95 at most {GOAL_MILLISECONDS:.0f} ms at {GOAL_ROWS:,}",
            },
            ensure_ascii=False,
            indent=1,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
