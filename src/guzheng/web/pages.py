"""A page: template, words, language, clock and content addresses, brought together.

Every page is complete without a script. The language is what the reader asked for in the
address, else what he asked for before (cookie), else what his browser says, else Chinese.
Templates hold no sentence: they ask the catalogue by code, and everything they print is
escaped. Static files live under a folder named by the digest of them all, so that they may be
kept for ever and a new release is never mixed with an old one."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from guzheng import words
from guzheng.accounts import Acting
from guzheng.refusals import Problem
from guzheng.web import problems, spelling
from guzheng.web.gate import NOT_DONE, find_acting
from guzheng.web.ports import Platform

READ: Final = ["GET", "HEAD"]
COOKIE: Final = "guzheng_language"
_COOKIE_SECONDS: Final = 365 * 24 * 3600


def static_files() -> Mapping[str, bytes]:
    """Every static file by its path, read once."""

    def walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
        for entry in sorted(folder.iterdir(), key=lambda one: one.name):
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry.read_bytes()

    return dict(walk(files("guzheng.web") / "static", ""))


def digest_of_all(contents: Mapping[str, bytes]) -> str:
    hasher = hashlib.sha256()
    for name, octets in contents.items():
        hasher.update(f"{name}\0{len(octets)}\0".encode())
        hasher.update(octets)
    return hasher.hexdigest()[:16]


def language_of(request: Request) -> words.Language:
    """Address, then cookie, then browser, then the source language."""
    for tag in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if tag is not None and (language := words.find_language(tag)) is not None:
            return language
    return accepted_language(request.headers.get("accept-language", ""))


def accepted_language(header: str) -> words.Language:
    """The best of ours in an Accept-Language header (RFC 9110 §12.5.4)."""
    best: tuple[float, words.Language] = (0.0, words.SOURCE)
    for part in header[:1000].split(","):
        tag, _, weight = part.partition(";")
        language = words.find_language(tag)
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if language is not None and quality > best[0]:
            best = (quality, language)
    return best[1]


class Pages:
    """Renders every page of the face."""

    def __init__(self, platform: Platform, *, version: str) -> None:
        self._platform = platform
        self.accesses = platform.accesses
        self._version = version
        self.addresses: frozenset[str] = frozenset()  # served ones; no link leads to others
        self.static = static_files()
        self.static_digest = digest_of_all(self.static)
        self._environment = Environment(
            loader=PackageLoader("guzheng.web"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            beijing=spelling.beijing,
            machine=spelling.machine,
            eights=spelling.eights,
            roughly=spelling.roughly,
            visible=spelling.visible,
            shell=spelling.shell,
        )

    def render(
        self,
        request: Request,
        template: str,
        facts: Mapping[str, object],
        *,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        language = language_of(request)
        page = {
            "say": partial(_say, language),
            "find_words": partial(_find_words, language),
            "find_item_words": partial(_find_item_words, language),
            "octets": partial(_octets, language),
            "language": language,
            "languages": words.LANGUAGES,
            "language_address": partial(_in_language, request),
            "version": self._version,
            "path": request.url.path,
            "not_done": request.method == "GET" and NOT_DONE in request.query_params,
            "acting": (acting := _acting(request)),
            "reader": self._name_of(acting),
            "reader_mark": _mark_of(acting),
            "is_served": self.addresses.__contains__,
            "acted": partial(_acted, self._platform, language),
            "static": f"/static/{self.static_digest}",
            "clock": self._platform.clock(),
            "now": self._platform.now(),
        }
        html = self._environment.get_template(template).render({**page, **facts})
        response = HTMLResponse(html, status_code=status_code, headers=dict(headers or {}))
        response.headers["Vary"] = "Accept-Language, Cookie"
        response.headers["Content-Language"] = "zh-CN" if language == "zh" else "en"
        asked = words.find_language(request.query_params.get("lang", ""))
        if asked is not None:
            response.set_cookie(
                COOKIE, asked, max_age=_COOKIE_SECONDS, httponly=True, samesite="lax"
            )
        return response

    def _name_of(self, acting: Acting | None) -> str:
        """What the person who is signed in calls himself; empty for nobody, and at the seat."""
        if acting is None or not acting.person:
            return ""
        try:
            return self._platform.people.name_of(acting.person)
        except Problem:
            return ""

    def trouble(self, request: Request, trouble: problems.Trouble) -> HTMLResponse:
        return self.render(
            request,
            "trouble.html",
            {"trouble": trouble, "section": ""},
            status_code=trouble.status,
            headers=problems.headers_of(trouble),
        )


def _acted(platform: Platform, language: words.Language, account: str, person: str) -> str:
    """«由 … 代 …»: who did it for whom; empty where it was done at the seat."""
    if not person:
        return ""
    name, founder = platform.members.name_of(person), platform.members.founder_name(account)
    if platform.members.is_founder(account, person):
        return words.say("member.acted", language, name=name)
    return words.say("member.acted-for", language, name=name, founder=founder)


def _acting(request: Request) -> Acting | None:
    """Who is signed in, to be shown; a page that all may see is not kept from them because
    that cannot be found out now."""
    try:
        return find_acting(request)
    except Problem:
        return None


def _mark_of(acting: Acting | None) -> str:
    """By which a browser knows the same reader again (`drafts.js`); no id of his."""
    if acting is None or not acting.person:
        return ""
    return hashlib.sha256(f"{acting.person} {acting.account}".encode()).hexdigest()[:16]


def _in_language(request: Request, language: words.Language) -> str:
    """The same address in another language. A page that answered a form is left for its start,
    since what was posted is not posted again."""
    path = request.url.path if request.method in READ else "/"
    kept = [
        (name, value) for name, value in request.query_params.multi_items() if name != "lang"
    ]
    return f"{quote(path)}?{urlencode([*kept, ('lang', language)])}"


def _say(language: words.Language, code: str, **facts: object) -> str:
    return words.say(code, language, **facts)


def _find_item_words(language: words.Language, name: str) -> str | None:
    return words.find_item_words(name, language)


def _find_words(language: words.Language, code: str, **facts: object) -> str | None:
    return words.find_words(code, language, **facts)


def _octets(language: words.Language, size: object) -> str:
    return spelling.octets(size, language)
