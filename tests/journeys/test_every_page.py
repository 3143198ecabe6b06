"""Every page of the face, found in the route table, in both languages, on a phone and a desk.

A page that is added later is found by itself; one about something needs a sample of that thing
here. Judged by axe-core (WCAG 2.2 AA and its best practices), by what the browser says on its
console, by whether anything stands out over the side of a phone, and by how it looks beside
how it looked (tests/journeys/pictures.py)."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from guzheng.app import Platform
from guzheng.app.sharing import WantedShare
from guzheng.app.wishes import Wanted
from guzheng.cases import Facts
from guzheng.commission import Timing, rules
from guzheng.web import create_app
from guzheng.web.application import rules_of
from tests.faces.conftest import Face, serving
from tests.faces.persons import Someone, someone
from tests.journeys import pictures
from tests.journeys.conftest import DESKTOP, PHONE, aside, hands_of, with_accounts

AXE = Path(__file__).resolve().parent.parent / "oracles/node/node_modules/axe-core/axe.min.js"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("journeys"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core here: `make ready` installs it"),
]
# What is no page, or is one of a walk that has a test of its own.
LEFT_OUT = re.compile(
    r"/api/|/ledger/\{|/static/|/tile/|/papers/|/preview|/thumbnail|/compare/|/trace"
    r"|/healthz|/checkpoint|/invitation/|/documents/|/pictures/|/files/"
    r"|\.(json|pem|zip|txt|xml|csv|jpg|png|tsa)$"
)
_PARAMETER = re.compile(r"\{(\w+)[^}]*\}")
_JUDGE = """async () => {
  const found = await axe.run(document, {resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']});
  return found.violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 160))]);
}"""
_OVER = """() => [...document.querySelectorAll('body *')]
  .filter(one => one.getClientRects().length
    && one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('[data-scrolls], .scrolls, pre, table'))
  .map(one => one.outerHTML.slice(0, 120)).slice(0, 3)"""


@dataclass(frozen=True)
class Samples:
    """One of each kind of thing that a page may be about."""

    known: dict[str, str]

    def missing(self, template: str) -> set[str]:
        return set(_PARAMETER.findall(template)) - self.known.keys()

    def address(self, template: str) -> str:
        return _PARAMETER.sub(lambda one: self.known[one[1]], template)


# Of its own: what other journeys leave behind would be in the lists that are compared.
@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with with_accounts(tmp_path_factory.mktemp("pages"), time_servers=()) as opened:
        yield opened


@pytest.fixture(scope="module")
def face(platform: Platform) -> Iterator[Face]:
    with serving(create_app(platform, upload_limit=64 << 20)) as served:
        yield served


@pytest.fixture(scope="module")
def operator(platform: Platform, face: Face) -> Iterator[Someone]:
    with someone(platform, face.address, "operator", "local") as signed_in:
        yield signed_in


@pytest.fixture(scope="module")
def samples(platform: Platform, face: Face, operator: Someone) -> Iterator[Samples]:
    exhibit = platform.deposit(
        "合同.txt", ["甲方乙方".encode()], claimed_name="XX商家_合同_20261122"
    )
    assert aside(lambda: platform.walk(exhibit, lambda *_: None)) == "certified"
    ordering = platform.ordering
    batch = ordering.order_table(b"url\nhttps://a.example/\n", "t.csv")
    order = ordering.order(Wanted("https://b.example/"))[0].commission.commission
    ordering.cancel(order)
    timing = Timing(rules.DAILY, platform.now())
    schedule = platform.repeating.add(Wanted("https://c.example/"), timing)
    case = platform.cases.open(Facts("XX商家_盗图_20261122"))
    platform.cases.link(case.case, [exhibit])
    share = platform.shares.make(WantedShare((exhibit,), code="法庭 2026"))
    package = aside(
        lambda: operator.post(
            "/packages",
            {"exhibits": exhibit, "profile": "zip", "step": "make"},
        ).headers["location"]
    )
    acting = platform.identities.find(dict(operator.client.cookies), {})
    assert acting is not None
    endpoint, _ = platform.webhooks.add(
        acting, "https://203.0.113.9/hook", frozenset({"exhibit.certified"})
    )
    picture = io.BytesIO()
    Image.new("RGB", (60, 40), "white").save(picture, "PNG")
    review = platform.names.ask(
        acting, "enterprise", "杭州某某有限公司", "91350100M000100Y43", [picture.getvalue()]
    )
    yield Samples(
        {
            "share": share.view.share.share,
            "secret": share.secret,
            "package": package.rsplit("/", 1)[1],
            "endpoint": endpoint.endpoint,
            "review": review.request,
            "token": platform.people.operator_link(face.address).rsplit("/", 1)[1],
            "exhibit": exhibit,
            "case": case.case,
            "name": "manifest.json",
            "number": "0",
            "order": order,
            "batch": batch.batch.batch,
            "schedule": schedule.name,
            "person": operator.person,
        }
    )


def templates_of(platform: Platform) -> list[str]:
    templates = [one.removeprefix("GET ") for one in rules_of(platform) if one[:4] == "GET "]
    return [one for one in templates if not LEFT_OUT.search(one)]


def test_there_is_a_sample_for_every_page(platform: Platform, samples: Samples) -> None:
    missing = {one: samples.missing(one) for one in templates_of(platform)}
    assert not {one: names for one, names in missing.items() if names}


@pytest.mark.parametrize(
    ("viewport", "language"),
    [
        pytest.param(PHONE, "zh-CN", id="phone-zh"),
        pytest.param(DESKTOP, "en", id="desktop-en"),
        pytest.param(PHONE, "en", id="phone-en", marks=pytest.mark.soak),
        pytest.param(DESKTOP, "zh-CN", id="desktop-zh", marks=pytest.mark.soak),
    ],
)
def test_every_page_can_be_used_by_everybody(
    platform: Platform,
    face: Face,
    operator: Someone,
    samples: Samples,
    chromium: Browser,
    viewport: dict[str, int],
    language: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    compared = {"phone-zh", "desktop-en"} & {request.node.callspec.id}
    faults: list[str] = []
    with hands_of(
        chromium, face.address, operator, viewport=viewport, language=language
    ) as hands:
        hands.page.add_init_script(path=AXE)
        for template in templates_of(platform):
            if samples.missing(template):
                continue
            path = samples.address(template)
            answer = operator.client.head(path)
            if not answer.headers.get("content-type", "").startswith("text/html"):
                continue
            if answer.status_code >= 500:
                faults.append(f"{path}: {answer.status_code}")
            if answer.status_code != 200:  # no such thing of this exhibit: the page of an error
                continue
            page = hands.go(path)
            faults += [f"{path}: {rule} {nodes}" for rule, nodes in page.evaluate(_JUDGE)]
            faults += [f"{path}: over the side: {one}" for one in page.evaluate(_OVER)]
            for folder in compared:
                name = re.sub(r"\W+", "-", template).strip("-") or "first"
                seen = pictures.grey(page)
                said = pictures.difference(f"{folder}/{name}", seen, tmp_path)
                faults += [said] if said else []
        faults += hands.complaints
    assert not faults, "\n".join(faults)
