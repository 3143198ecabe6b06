"""kill -9 of web and worker processes while people work, with accounts on.

Four persons of three accounts deposit, look, share and invite over two web processes; programs
are killed at random and started again. In the end: whatever was acknowledged is there, sealed
and certified, charged once; no line of the audit is missing or double; nobody has seen
anything of another account, and everybody is still signed in."""

import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from guzheng.accounts import Permission
from guzheng.accounts.people import Persons
from guzheng.accounts.sessions import COOKIE, Caller, Sessions
from guzheng.app import Platform
from guzheng.config import Config
from tests import engines, plain
from tests.road.fleet import Fleet, fleet

DONE_SECONDS = 270.0
UNITS = 100_000
STAFF = (Permission.READ, Permission.DEPOSIT, Permission.SHARE)


@dataclass
class Worker:
    """A person at work: what he was told happened, and what he asked for in vain."""

    mark: str
    person: str
    account: str
    token: str
    is_owner: bool
    most: int = 0  # deposits that he makes
    deposits: dict[str, bytes] = field(default_factory=dict)  # acknowledged
    unheard: set[bytes] = field(default_factory=set)  # sent, and no answer came
    shares: Counter[str] = field(default_factory=Counter)  # acknowledged, by token
    shares_unheard: int = 0
    invited: int = 0
    invited_unheard: int = 0
    seen: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def works(self, at: list[str], others: list["Worker"], stop: threading.Event) -> None:
        turns = itertools.cycle(at)
        number = 0
        while not stop.is_set() and not self.wrong:
            with plain.client(
                base_url=next(turns), cookies={COOKIE: self.token}, timeout=60
            ) as client:
                number += 1
                if len(self.deposits) < self.most:
                    self._deposit(client, number)
                else:
                    stop.wait(0.3)
                self._look(client)
                self._pry(client, others)
                if number % 3 == 0:
                    self._share(client)
                if number % 4 == 0 and self.is_owner and self.invited < 40:
                    self._invite(client)

    def _sent(
        self, client: httpx.Client, method: str, path: str, *good: int, **body: object
    ) -> httpx.Response | None:
        """None: nobody answered, or it was told to come again. All else must be right."""
        try:
            answer = client.request(method, path, **body)  # type: ignore[arg-type]
        except httpx.TransportError:
            time.sleep(0.05)  # who was killed is not there yet
            return None
        if answer.status_code == 503:
            return None
        if answer.status_code not in good:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    def _deposit(self, client: httpx.Client, number: int) -> None:
        octets = f"{self.mark} {number}".encode()
        name = f"{self.mark}-{number}.txt"
        answer = self._sent(
            client,
            "POST",
            "/api/exhibits",
            *(200, 201, 202),
            files={"file": (name, octets, "text/plain")},
        )
        if answer is None:
            self.unheard.add(octets)
        elif not self.wrong:
            self.deposits[answer.json()["exhibit"]] = octets

    def _look(self, client: httpx.Client) -> None:
        answer = self._sent(client, "GET", "/api/exhibits", 200)
        if answer is not None and not self.wrong:
            self.seen |= {one["exhibit"] for one in answer.json()["exhibits"]}

    def _pry(self, client: httpx.Client, others: list["Worker"]) -> None:
        theirs = [one for each in others for one in list(each.deposits)[-1:]]
        for one in theirs:
            self._sent(client, "GET", f"/api/exhibits/{one}", 404)
            self._sent(client, "GET", f"/exhibits/{one}", 404)

    def _share(self, client: httpx.Client) -> None:
        if not self.deposits:
            return
        token = f"{self.mark}{len(self.shares) + self.shares_unheard:06}".ljust(43, "x")
        form = {"exhibits": next(reversed(self.deposits)), "days": "7", "token": token}
        answer = self._sent(client, "POST", "/shares", 201, 422, data=form)
        if answer is None:
            self.shares_unheard += 1
        elif answer.status_code == 201:
            self.shares[token] += 1

    def _invite(self, client: httpx.Client) -> None:
        answer = self._sent(client, "POST", "/members/invitations", 201, data={"note": "x"})
        if answer is None:
            self.invited_unheard += 1
        else:
            self.invited += 1


def _people(platform: Platform) -> list[Worker]:
    """Three owners, and one who works for the first of them."""
    persons = Persons(platform.parts.accounts, platform.parts.entropy)
    sessions = Sessions(platform.parts.accounts, platform.parts.entropy)
    now, made = platform.now(), []
    for mark in ("anne", "bert", "cleo", "staff"):
        person = persons.add(mark, f"{mark}@example.com", "", now).person
        account = platform.members.rows.found(person, now)
        token = sessions.begin(person, "password", Caller("a test", "192.0.2.1"), now)
        made.append(Worker(mark, person, account, token, is_owner=mark != "staff"))
    owner, staff = made[0], made[-1]
    acting = platform.members.acting(owner.person)
    assert acting is not None
    _, secret = platform.members.invite(acting)
    platform.members.accept(secret, staff.person)
    platform.members.rows.grant(acting, staff.person, frozenset(STAFF), now)
    staff.account = owner.account
    return made


def _works(people: list[Worker], running: Fleet, kills: int, chance: random.Random) -> None:
    stop = threading.Event()
    threads = []
    for one in people:
        one.most = 2 * kills
        others = [each for each in people if each.account != one.account]
        at = running.addresses[:: chance.choice((1, -1))]
        threads.append(threading.Thread(target=one.works, args=(at, others, stop)))
    for thread in threads:
        thread.start()
    try:
        running.kill_some(kills, chance)
        deadline = time.monotonic() + DONE_SECONDS
        while any(len(one.deposits) < kills for one in people):
            if any(one.wrong for one in people):
                break
            assert time.monotonic() < deadline, [len(one.deposits) for one in people]
            time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
    assert [one.wrong for one in people] == [[] for _ in people]


def _certified(platform: Platform) -> None:
    """Wait until everything that came in is at the end of its road."""
    deadline = time.monotonic() + DONE_SECONDS
    while unfinished := platform.index.unfinished():
        assert time.monotonic() < deadline, unfinished
        time.sleep(0.3)


def _judge(platform: Platform, people: list[Worker], running: Fleet) -> None:
    by_account: dict[str, list[Worker]] = {}
    for one in people:
        by_account.setdefault(one.account, []).append(one)
    acknowledged = {name for one in people for name in one.deposits}
    views = {view.exhibit: view for view in platform.exhibits(platform.index.count())}
    assert acknowledged <= views.keys(), "nothing that was acknowledged is lost"
    assert {view.state for view in views.values()} == {"certified"}
    for one in people:
        for name, octets in one.deposits.items():
            assert (views[name].account, views[name].person) == (one.account, one.person)
            items = platform.road.order(name).items
            with platform.open_paper(name, f"items/{items[0].name}") as original:
                assert original.read() == octets
    for account, of in by_account.items():
        mine = {name for name, view in views.items() if view.account == account}
        _judge_account(platform, account, of, mine)
    for one in people:  # the sessions are good, at each web process
        for address in running.addresses:
            answer = plain.get(f"{address}/me", cookies={COOKIE: one.token}, timeout=60)
            assert answer.status_code == 200
            assert one.mark in answer.text


def _judge_account(platform: Platform, account: str, of: list[Worker], mine: set[str]) -> None:
    told = {name for one in of for name in one.deposits}
    for one in of:
        assert one.seen <= mine, "nothing of another account was ever listed"
    # What came in unheard is there whole, or not at all: never more than was sent.
    assert len(mine - told) <= sum(len(one.unheard) for one in of)
    quota = platform.entitlements.view(account).quota
    assert quota.spent == len(mine), "each is charged, and once"
    assert quota.held <= sum(len(one.unheard) for one in of) - len(mine - told)
    lines = platform.members.rows.audit(account, 100_000)
    assert [one.number for one in lines] == list(range(len(lines), 0, -1)), "no gap"
    invited = sum(one.kind == "invited" for one in lines) - any(not one.is_owner for one in of)
    assert (
        0 <= invited - sum(one.invited for one in of) <= sum(one.invited_unheard for one in of)
    )
    shares = platform.shares.page(account, 100_000)
    assert (
        0
        <= len(shares) - sum(len(one.shares) for one in of)
        <= sum(one.shares_unheard for one in of)
    )
    assert {share.share.account for share in shares} <= {account}


@pytest.mark.parametrize(
    ("engine", "workers", "kills"),
    [
        ("sqlite", 1, 3),
        pytest.param("sqlite", 2, 60, marks=pytest.mark.soak),
        pytest.param("postgres", 2, 60, marks=[pytest.mark.soak, engines.together]),
    ],
)
def test_people_work_while_programs_are_killed(
    tmp_path: Path, request: pytest.FixtureRequest, engine: str, workers: int, kills: int
) -> None:
    database = ""
    if engine == "postgres":
        server: engines.Postgres = request.getfixturevalue("postgres")
        database = server.database(engines.fresh("kills"))
    data = tmp_path / "data"
    config = Config(data, accounts="on", quota_units=UNITS, database_url=database)
    platform = Platform(config)
    people = _people(platform)
    environment = {
        "GUZHENG_ACCOUNTS": "on",
        "GUZHENG_QUOTA_UNITS": str(UNITS),
        "GUZHENG_DATABASE_URL": database,
        "GUZHENG_CAPTURES_WAITING": "0",
        "GUZHENG_METRICS_PORT": "0",
    }
    chance = random.Random(kills)
    with fleet(data, tmp_path, webs=2, workers=workers, environment=environment) as running:
        running.ready()
        _works(people, running, kills, chance)
        running.ready()
        _certified(platform)
        platform.entitlements.round()
        _judge(platform, people, running)
        assert running.kills >= kills - 1
    assert platform.fsck(lambda _exhibit: None) == []
    for output in tmp_path.glob("*.txt"):
        assert "Traceback" not in output.read_text("utf-8"), output.read_text("utf-8")[-3000:]
