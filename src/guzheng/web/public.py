"""What belongs to no exhibit: help, static files, the map of the site, and health."""

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from guzheng.proof import instant
from guzheng.refusals import Refused
from guzheng.web.gate import PUBLIC, Rule
from guzheng.web.guard import ENGINE_POLICY
from guzheng.web.pages import READ, Pages
from guzheng.web.ports import Platform

# Never an exhibit: who has captured what is nobody else's to read.
PUBLIC_PAGES: Final = ("/", "/verify", "/ledger", "/help", "/map")

ENGINE_WORKER: Final = "built/engine-worker.js"
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}


RULES: Final[Mapping[str, Rule]] = {
    "GET /help": PUBLIC,
    "GET /map": PUBLIC,
    "GET /sitemap.xml": PUBLIC,
    "GET /robots.txt": PUBLIC,
    "GET /healthz": PUBLIC,
    "GET /favicon.ico": PUBLIC,
    "GET /static/{digest}/{name:path}": PUBLIC,
}


def routes(platform: Platform, pages: Pages) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/help", methods=READ)
    def help_page(request: Request) -> Response:
        return pages.render(request, "help.html", {"section": "help"})

    @router.api_route("/map", methods=READ)
    def site_map(request: Request) -> Response:
        facts = {"section": "", "public_pages": PUBLIC_PAGES}
        return pages.render(request, "map.html", facts)

    @router.api_route("/sitemap.xml", methods=READ)
    def sitemap(request: Request) -> Response:
        own = str(request.base_url).rstrip("/")
        entries = "".join(f"<url><loc>{escape(own + one)}</loc></url>" for one in PUBLIC_PAGES)
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>\n'
        )
        return Response(xml, media_type="application/xml")

    @router.api_route("/robots.txt", methods=READ)
    def robots(request: Request) -> Response:
        own = str(request.base_url).rstrip("/")
        return PlainTextResponse(
            "User-agent: *\nDisallow: /exhibits\nDisallow: /packages\nDisallow: /shares\n"
            "Disallow: /s/\nDisallow: /api/\n"
            f"Sitemap: {own}/sitemap.xml\n"
        )

    @router.api_route("/healthz", methods=READ)
    def health() -> Response:
        return JSONResponse({"answering": True, "now": instant.encode(platform.now())})

    @router.api_route("/favicon.ico", methods=READ)
    def icon() -> Response:
        return _static(pages, "mark.svg", kept=False)

    @router.api_route("/static/{digest}/{name:path}", methods=READ)
    def static(digest: str, name: str) -> Response:
        return _static(pages, name, kept=digest == pages.static_digest)

    return router


def _static(pages: Pages, name: str, *, kept: bool) -> Response:
    octets = pages.static.get(name)
    if octets is None:
        raise Refused("web.not-found", found=name[:100])
    cache = "public, max-age=31536000, immutable" if kept else "no-cache"
    media_type = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    headers = {"Cache-Control": cache}
    if name == ENGINE_WORKER:
        headers["Content-Security-Policy"] = ENGINE_POLICY
    return Response(octets, media_type=media_type, headers=headers)
