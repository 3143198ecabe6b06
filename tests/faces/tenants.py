"""Two accounts with one of everything, and an outside party of the gate that knows who asks.

`Known` is a dict of cookie → who acts: what the gate does with an answer is tried with it; who
gives the answer in earnest is tried where people are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from guzheng.accounts import Acting, Permission
from guzheng.accounts.people import Persons
from guzheng.accounts.sessions import COOKIE as COOKIE
from guzheng.accounts.sessions import Sessions
from guzheng.app import Platform
from guzheng.app.sharing import WantedShare
from guzheng.app.volumes import WantedPackage
from guzheng.app.wishes import Wanted
from guzheng.cases import Facts
from guzheng.commission import Timing
from guzheng.prove import Selection
from guzheng.prove.selection import Chosen
from guzheng.web.gate import owners_of
from tests.faces.persons import CALLER

ALL = frozenset(Permission)
ANNE = Acting("ac_01J000000000000000000000AA", "pe_01J000000000000000000000AA", ALL)


@dataclass
class Known:
    """Sessions by the value of their cookie, keys by the word after Bearer."""

    people: dict[str, Acting] = field(default_factory=lambda: {"anne": ANNE})
    asked: int = 0

    def find(self, cookies: Mapping[str, str], headers: Mapping[str, str], /) -> Acting | None:
        self.asked += 1
        key = headers.get("authorization", "").removeprefix("Bearer ")
        return self.people.get(cookies.get(COOKIE, "")) or self.people.get(key)

    def with_only(self, of: Acting, *permissions: Permission) -> str:
        """The cookie of somebody of this account who may do this and nothing else."""
        name = "+".join(sorted(permissions)) or "nothing"
        self.people[name] = replace(
            of, person=f"pe_of_{name}", permissions=frozenset(permissions), operator=False
        )
        return name


@dataclass(frozen=True)
class Tenant:
    """Somebody with an account of his own, and one of everything in it.

    `of`: by the name that a path parameter has for it. Whoever adds a kind to the gate's owners
    adds one of it here; the walk fails until he does."""

    acting: Acting
    cookie: str
    session: str
    mark: str  # a word that nobody else may read
    of: Mapping[str, str]

    @property
    def said(self) -> tuple[str, ...]:
        return (*self.of.values(), self.mark, self.acting.account, self.acting.person)


def tenant(platform: Platform, mark: str) -> Tenant:
    parts, now = platform.parts, platform.now()
    address = f"{mark}@example.com"
    person = Persons(parts.accounts, parts.entropy).add(mark, address, "", now).person
    account = platform.members.rows.found(person, now)
    sessions = Sessions(parts.accounts, parts.entropy)
    cookie = sessions.begin(person, "password", CALLER, now)
    acting = platform.members.acting(person)
    assert acting is not None
    assert acting.account == account
    (session,) = (one.session for one in sessions.of(person, now))
    return Tenant(acting, cookie, session, mark, _things(platform, acting, mark))


def _things(platform: Platform, acting: Acting, mark: str) -> dict[str, str]:
    account, person = acting.account, acting.person
    one, other = (
        platform.deposit(
            f"{mark}-{number}.txt",
            [f"{mark} {number}".encode()],
            claimed_name=f"{mark}_证据_2026112{number}",
            claimed_applicant=f"{mark}公司",
            account=account,
            person=person,
        )
        for number in range(2)
    )
    for each in (one, other):
        platform.walk(each, lambda _step, _detail: None)
    page, tomorrow = f"https://{mark}.example/", platform.now() + timedelta(days=1)
    wanted = Wanted(page, f"{mark}_取证_20261122", account=account, person=person)
    makers: dict[str, Callable[[], str]] = {
        "exhibit": lambda: one,
        "one": lambda: one,
        "other": lambda: other,
        "order": lambda: platform.ordering.order(wanted)[0].commission.commission,
        "batch": lambda: (
            platform.ordering.order_table(
                f"url\n{page}table\n".encode(), f"{mark}.csv", account=account, person=person
            ).batch.batch
        ),
        "schedule": lambda: platform.repeating.add(wanted, Timing("daily", tomorrow)).name,
        "case": lambda: _case(platform, acting, f"{mark} 案", one),
        "invitation": lambda: platform.members.invite(acting, note=mark)[0].invitation,
        "key": lambda: (
            platform.keys.make(acting, frozenset({Permission.READ}), days=30, note=mark)[0].key
        ),
        "upload": lambda: _upload(platform, acting, f"{mark}.bin"),
        "share": lambda: (
            platform.shares.make(
                WantedShare((one,), title=mark), account=account, person=person
            ).view.share.share
        ),
        "package": lambda: platform.exports.order(
            WantedPackage(Selection((Chosen(one),))), account=account, person=person
        ),
        "endpoint": lambda: (
            platform.webhooks.add(
                acting, f"http://127.0.0.1:9/{mark}", frozenset({"order.confirmed"})
            )[0].endpoint
        ),
    }
    made = {kind: makers[kind]() for kind in owners_of(platform) if kind in makers}
    platform.exports.finish()
    return made


def _case(platform: Platform, acting: Acting, name: str, exhibit: str) -> str:
    account, person = acting.account, acting.person
    case = platform.cases.open(Facts(name=name), account=account, person=person).case
    platform.cases.link(case, [exhibit], person=person)
    return case


def _upload(platform: Platform, acting: Acting, name: str) -> str:
    from guzheng.intake.uploads import Arriving

    now = platform.now()
    return platform.uploads.open(
        Arriving("", name, 9, now, now, acting.account, acting.person)
    ).upload
