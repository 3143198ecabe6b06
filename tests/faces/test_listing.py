"""The list of exhibits of an account with several persons and cases: as a page, and as JSON."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from guzheng import words
from guzheng.accounts.roles import EVERYTHING
from guzheng.app import Platform
from guzheng.app.casework import MOST_CALLED
from guzheng.cases import Facts
from guzheng.config import Config
from guzheng.intake import catalogue
from guzheng.proof import instant
from guzheng.store import ids
from guzheng.store.records import writing
from guzheng.web import create_app, spelling
from tests.faces.conftest import Face, serving
from tests.faces.persons import Someone, someone

PAGE, API = "/exhibits", "/api/exhibits"


@dataclass(frozen=True)
class Firm:
    """An account with two persons, and another one with one; the names, newest first."""

    platform: Platform
    owner: Someone
    clerk: str
    alone: Someone
    names: tuple[str, ...]
    case: str
    others_case: str

    def listed(self, **asked: str | int) -> list[str]:
        """What the API answers, which is what the page shows."""
        answer = self.owner.client.get(API, params=asked)
        assert answer.status_code == 200, answer.text
        found = [one["exhibit"] for one in answer.json()["exhibits"]]
        page = self.owner.client.get(PAGE, params=asked).text
        assert [one for one in self.names if f'href="/exhibits/{one}"' in page] == found
        return found


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firm]:
    platform = Platform(Config(tmp_path_factory.mktemp("firm"), accounts="on"))
    with (
        serving(create_app(platform)) as face,
        someone(platform, face.address, "王掌柜") as owner,
        someone(platform, face.address, "独行者") as alone,
        someone(platform, face.address, "李会计") as clerk,
    ):
        by = owner.acting(platform)
        platform.members.accept(platform.members.invite(by)[1], clerk.person)
        platform.members.change(by, clerk.person, EVERYTHING)
        names = [
            platform.deposit(
                f"照片-{number}.txt",
                [b"a file\n"],
                claimed_name=f"商家{number}_虚假宣传",
                account=owner.account,
                person=(owner.person, clerk.person)[number % 2],
            )
            for number in range(5)
        ]
        platform.deposit("x.txt", [b"x"], account=alone.account, person=alone.person)
        case = platform.cases.open(Facts(name="云锦诉双童"), account=owner.account).case
        platform.cases.link(case, [names[1], names[2]])
        others = platform.cases.open(Facts(name="云锦 别家的案"), account=alone.account).case
        newest = tuple(reversed(names))
        yield Firm(platform, owner, clerk.person, alone, newest, case, others)


def test_who_made_it_is_said_and_asked_for(firm: Firm) -> None:
    html = firm.owner.text(PAGE)
    assert html.count(" · 李会计") == 2
    assert html.count(" · 王掌柜") == 3
    assert f'<option value="{firm.clerk}">李会计</option>' in html
    assert firm.listed(person=firm.clerk) == [firm.names[1], firm.names[3]]
    assert firm.listed(person=firm.owner.person, q="商家4") == [firm.names[0]]
    assert firm.listed(person=firm.alone.person) == []
    assert "李会计" in firm.owner.text(f"/exhibits/{firm.names[1]}"), "and on its page"
    answer = firm.owner.client.get(API, params={"person": firm.clerk}).json()
    assert {one["person"] for one in answer["exhibits"]} == {firm.clerk}
    by_himself = firm.alone.text(PAGE)
    assert 'name="person"' not in by_himself, "who is alone need not be told that it was he"


def test_who_left_is_still_named(firm: Firm) -> None:
    with someone(firm.platform, str(firm.owner.client.base_url), "张律师") as lawyer:
        by, members = firm.owner.acting(firm.platform), firm.platform.members
        members.accept(members.invite(by)[1], lawyer.person)
        made = firm.platform.deposit(
            "y.txt", [b"y"], account=firm.owner.account, person=lawyer.person
        )
        members.remove(by, lawyer.person)
        html = firm.owner.text(PAGE)
        firm.platform.road._forget(made)
    assert html.count(" · 张律师") == 1
    assert f'<option value="{lawyer.person}">张律师</option>' in html


def test_what_is_in_a_case_is_found_by_the_case(firm: Firm) -> None:
    linked = [firm.names[2], firm.names[3]]
    assert firm.listed(case=firm.case) == linked
    assert firm.listed(q="云锦") == linked
    assert firm.listed(q="双童 云锦") == linked
    assert firm.listed(q=firm.case) == linked
    assert firm.listed(q="云锦", person=firm.clerk) == [firm.names[3]]
    assert firm.listed(q="商家1", case=firm.case) == [firm.names[3]]
    assert firm.listed(q="商家4", case=firm.case) == []
    assert firm.listed(q=firm.others_case) == []
    assert firm.listed(q="别家") == []
    assert f'<option value="{firm.case}">云锦诉双童</option>' in firm.owner.text(PAGE)
    firm.platform.cases.remove(firm.case, "exhibit", firm.names[2])
    assert firm.listed(q="云锦") == [firm.names[3]]
    firm.platform.cases.restore(firm.case, "exhibit", firm.names[2])
    foreign = firm.owner.client.get(API, params={"case": firm.others_case})
    assert foreign.status_code == 404
    assert foreign.json()["code"] == "cases.not-found"
    page = firm.owner.client.get(PAGE, params={"case": firm.others_case}).text
    assert "cases.not-found" in page
    assert "别家的案" not in page


def test_more_cases_of_a_name_than_are_looked_into_are_said(
    firm: Firm,
) -> None:
    """Not left out in silence, and not chosen all at once."""
    account, cases = firm.owner.account, firm.platform.cases
    for number in range(MOST_CALLED):
        cases.open(Facts(name=f"连号案 {number}"), account=account)
    said = "叫这个名字的案卷超过 100 个"
    assert said not in firm.owner.text(f"{PAGE}?q=连号案")
    assert firm.owner.client.get("/api/exhibits?q=连号案").json()["cases_cut"] is False
    oldest = cases.open(Facts(name="连号案 末"), account=account).case
    cases.link(oldest, [firm.names[0]])
    assert said in firm.owner.text(f"{PAGE}?q=连号案")
    assert firm.owner.client.get("/api/exhibits?q=连号案").json()["cases_cut"] is True
    assert said not in firm.owner.text(f"{PAGE}?q=连号案 末")
    assert "web.search-not-ended" in firm.owner.text(f"{PAGE}?q=连号案&every=1")


def test_a_program_reads_page_after_page(firm: Firm) -> None:
    found: list[str] = []
    address: str | None = f"{API}?limit=2&state=going&q=虚假"
    while address:
        assert re.fullmatch(r"/api/exhibits\?[!-~]+|.*虚假", address), "an address, encoded"
        answer = firm.owner.client.get(address).json()
        assert len(answer["exhibits"]) <= 2
        found += [one["exhibit"] for one in answer["exhibits"]]
        address = answer["next"]
    assert tuple(found) == firm.names


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "x"},
        {"state": "x"},
        {"since": "2026-13-01"},
        {"until": "20261121"},
        {"person": "pe_1"},
        {"case": "ex_01M9GV61000000000000000000"},
        {"before": "ex_\0"},
        {"limit": "0"},
        {"limit": "101"},
        {"q": "虚" * 301},
        {"sate": "going"},
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_refused_in_words(firm: Firm, asked: dict[str, str]) -> None:
    answer = firm.owner.client.get(API, params=asked)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["code"] == "web.malformed-query"
    assert problem["found"]
    if asked.keys() <= {"kind", "state", "since", "until", "person", "case", "before"}:
        assert "web.malformed-query" in firm.owner.client.get(PAGE, params=asked).text


def test_it_is_described(firm: Firm) -> None:
    described = firm.owner.client.get("/api/openapi.json").json()
    listing = described["paths"][API]["get"]
    named = {one["name"]: one["schema"] for one in listing["parameters"]}
    assert set(named) >= {"q", "kind", "state", "since", "until", "person", "case", "before"}
    assert named["kind"]["enum"] == ["", "web", "deposit", "hash-only"]
    assert "next" in str(listing["responses"]["200"])


LINES = 16_600  # of each of two words more than one question may meet
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """Two words that all but never meet: in every other name the one, else the other."""
    platform = Platform(Config(tmp_path_factory.mktemp("crowded")))
    rows, said = [], []
    for number in range(LINES):
        at = BEGUN + timedelta(minutes=number)
        exhibit = ids.new("ex", at, lambda size: bytes(size))
        named = (
            "夏" if number % 2 else "冬",
            *(("夏", "冬") if number in {7, LINES - 9} else ()),
        )
        line = dict.fromkeys(("original", "url", "picture"), "")
        line |= {
            "kind": "deposit",
            "state": "certified",
            "exhibit": exhibit,
            "account": ids.LOCAL,
            "claimed_name": f"店{number}",
        }
        rows.append(line | {"person": "", "observed_at": instant.encode(at)})
        said += [
            {"account": ids.LOCAL, "word": one, "exhibit": exhibit} for one in {*named, "店"}
        ]
    with writing(platform.index.engine) as connection:
        connection.execute(insert(catalogue.CATALOGUE), rows)
        connection.execute(insert(catalogue.WORD), said)
    with serving(create_app(platform)) as face:
        yield face


@pytest.mark.parametrize(("language", "first"), [("zh", 1), ("en", 1), ("zh", 0), ("en", 0)])
def test_a_search_that_is_not_at_its_end_says_so_and_goes_on(
    crowded: Face, language: words.Language, first: int
) -> None:
    on = words.say("page.exhibits.search-on", language)
    none = words.say("page.exhibits.none-found", language)
    asked, shown = {"q": "店 冬 夏 ", "state": "", "lang": language}, list[int]()
    if not first:  # begin behind the one that is found at once
        asked["before"] = ids.new("ex", BEGUN + timedelta(minutes=LINES - 20), bytes)
    for _ in range(9):
        html = crowded.client.get(PAGE, params=asked).text
        shown.append(html.count('name="exhibit"'))
        assert (on in html) == ('id="back-to"' in html)
        assert none not in html
        if on not in html:
            break
        button = re.search(r'<button[^>]*name="before" value="(ex_\w+)" aria-desc[^>]*>', html)
        assert button, "described by what says how far it came"
        back_to = spelling.beijing(ids.made_at(button[1]))
        code = "page.exhibits.back-to" if shown[-1] else "page.exhibits.back-to-none"
        assert words.say(code, language, count=shown[-1], at=back_to) in html
        asked["before"] = button[1]
    assert (shown[0], sum(shown)) == (first, first + 1)


def test_a_program_goes_on_where_a_search_was_ended(crowded: Face) -> None:
    found, pages = 0, list[str | None]()
    address: str | None = f"{API}?q=冬%20夏"
    while address and len(pages) < 9:
        answer = crowded.client.get(address).json()
        found += len(answer["exhibits"])
        pages.append(answer["searched_back_to"])
        address = answer["next"]
    assert found == 2
    assert pages[-1] is None
    assert all(instant.parse(str(one)) for one in pages[:-1])


def test_not_all_can_be_chosen_before_the_end(crowded: Face) -> None:
    html = crowded.client.get(PAGE, params={"q": "冬 夏", "every": "1"}).text
    assert "web.search-not-ended" in html
    html = crowded.client.get(PAGE, params={"q": "冬 夏 x", "every": "1"}).text
    assert "web.search-not-ended" not in html
