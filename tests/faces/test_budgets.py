"""What a page makes a browser load: counted for every address of the route table.

Nothing here measures time. Each address that answers with a page, for somebody with one of
everything and for the operator, is read as a browser reads it: the scripts it names with all
that these import, styles, and whatever else is fetched without being asked for. Budgets are of
gzipped octets: 30 kB of scripts on an ordinary page; the verification centre may have its
engine besides (docs/performance.md). No page loads anything from elsewhere, nor any font."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from guzheng.app import Platform
from guzheng.config import Config
from guzheng.web import create_app
from guzheng.web.application import rules_of
from guzheng.web.pages import static_files
from tests import plain
from tests.faces.conftest import serving
from tests.faces.persons import someone
from tests.faces.tenants import COOKIE, Tenant, tenant

SCRIPTS, STYLES, ENGINE = 30_000, 15_000, 95_000
STATIC = re.compile(r"/static/[0-9a-f]{16}/(.+)")
# What a script brings along: by import, by import(), by the name of a worker's file.
BRINGS = re.compile(r"""(?:from|import)\s*\(?\s*["']\./([\w.-]+)["']""")
FONTS = (".woff", ".woff2", ".ttf", ".otf")
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
_WORDS = re.compile(r"built/(zh|en)-\w+\.js")
FILES = static_files()


@dataclass
class Loaded(HTMLParser):
    """What a browser fetches for a page by itself."""

    addresses: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ("src", "srcset", "poster", "data", "data-worker", "action", "formaction"):
            if name in given:
                self.addresses.append(given[name])
        if tag == "link":
            self.addresses.append(given.get("href", ""))
            if given.get("rel") == "stylesheet":
                self.styles.append(given["href"])
        if tag == "script":
            if "src" in given:
                self.scripts.append(given["src"])
            elif given.get("type") != "application/json":
                self.inline.append(tag)
        if "data-worker" in given:  # its file is a script of this page, too
            self.scripts.append(given["data-worker"])
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def read(html: str) -> Loaded:
    page = Loaded()
    page.feed(html)
    return page


def named(addresses: list[str]) -> list[str]:
    found = [STATIC.fullmatch(one) for one in addresses]
    return [one[1] for one in found if one is not None]


def with_all_it_brings(names: list[str]) -> set[str]:
    """Words of another language are not fetched: of those the larger ones count."""
    whole: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in whole:
            whole.add(name)
            folder = name.rpartition("/")[0]
            brought = BRINGS.findall(FILES[name].decode())
            waiting += [f"{folder}/{one}".lstrip("/") for one in brought]
    words = sorted((one for one in whole if _WORDS.fullmatch(one)), key=sized)
    return whole - set(words[:-1])


def sized(name: str) -> int:
    return len(gzip.compress(FILES[name], 9, mtime=0))


@dataclass(frozen=True)
class House:
    """A server, and every page that it has: address → HTML."""

    pages: dict[str, str]
    policies: dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    here = ("127.0.0.1/32",)
    config = Config(tmp_path_factory.mktemp("budgets"), accounts="on", allow_private=here)
    platform = Platform(config)
    anne = tenant(platform, "annexyz")
    table = [one.removeprefix("GET ") for one in rules_of(platform) if one.startswith("GET ")]
    pages: dict[str, str] = {}
    policies: dict[str, str] = {}
    with (
        serving(create_app(platform, upload_limit=1 << 20)) as face,
        someone(platform, face.address, "operator", "local") as operator,
        plain.client(
            base_url=face.address, cookies={COOKIE: anne.cookie}, timeout=60
        ) as client,
    ):
        for who, asking in (("anne", client), ("operator", operator.client)):
            for template in table:
                address = filled(template, anne)
                if template.startswith("/static/"):
                    continue
                answer = asking.get(address)
                if answer.headers.get("content-type", "").startswith("text/html"):
                    pages[f"{template} ({who})"] = answer.text
                    policy = answer.headers["content-security-policy"]
                    policies[f"{template} ({who})"] = policy
    yield House(pages, policies)


def filled(template: str, anne: Tenant) -> str:
    return _PARAMETER.sub(lambda one: anne.of.get(one[1], "x"), template)


def test_pages_are_found(house: House) -> None:
    """So that a walk that meets nothing does not pass."""
    assert len(house.pages) > 100
    for template in ("/exhibits", "/exhibits/{exhibit}", "/cases/{case}", "/verify", "/me"):
        assert f"{template} (anne)" in house.pages


def test_scripts_of_every_page_are_small(house: House) -> None:
    for address, html in house.pages.items():
        brought = with_all_it_brings(named(read(html).scripts))
        engine = {one for one in brought if one.startswith("built/")}
        size = sum(map(sized, brought - engine))
        assert size <= SCRIPTS, (address, size, sorted(brought))
        assert not engine or address.startswith("/verify"), (address, engine)
        size = sum(map(sized, engine))
        assert size <= ENGINE, (address, size, sorted(engine))


def test_no_script_is_larger_than_a_page_may_have() -> None:
    """Counted without any page, so that none is missed that the walk did not meet."""
    ordinary = [one for one in FILES if one.endswith(".js") and not one.startswith("built/")]
    assert sum(map(sized, ordinary)) <= SCRIPTS, "all together: no page can have more"


def test_styles_are_small_and_there_are_no_fonts(house: House) -> None:
    for address, html in house.pages.items():
        size = sum(map(sized, named(read(html).styles)))
        assert size <= STYLES, (address, size)
    assert not [one for one in FILES if one.endswith(FONTS)]
    for name, octets in FILES.items():
        if name.endswith(".css"):
            assert b"@font-face" not in octets, name
            assert b"@import" not in octets, name
            # What moves is drawn again sixty times a second for as long as the page is open.
            assert not re.search(rb"animation[^;}]*\binfinite\b", octets), name


def test_nothing_is_loaded_from_elsewhere(house: House) -> None:
    for address, html in house.pages.items():
        page = read(html)
        for one in page.addresses:
            assert one == "" or re.match(r"/(?!/)|\?|#|data:image/", one), (address, one)
        assert page.inline == [], address
        sources = house.policies[address].replace("'", "").split(";")
        for source in (one.split() for one in sources):
            assert source[0] == "trusted-types" or not [
                one for one in source[1:] if one not in {"self", "none", "blob:", "script"}
            ], (address, source)
    for name, octets in FILES.items():
        if name.endswith((".css", ".svg")):
            text = octets.decode().replace("http://www.w3.org/", "")
            assert not re.search(r"https?:|url\(\s*[\"']?//", text), name


def test_what_is_counted_is_what_a_page_loads() -> None:
    """The counting itself: a page of two scripts, one of which brings two more."""
    page = read(
        '<script type="module" src="/static/0123456789abcdef/intake.js"></script>'
        '<link rel="stylesheet" href="https://elsewhere.example/a.css"><p onclick="x">'
    )
    assert with_all_it_brings(named(page.scripts)) >= {"intake.js", "upload.js"}
    assert page.addresses[-1] == "https://elsewhere.example/a.css"
    assert page.inline == ["onclick"]
