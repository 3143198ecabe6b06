"""The origin that only plays: one page for a ticket, the player, and the octets of one file.

It knows no session and sets no cookie; whoever has a ticket sees that one file for an hour. A
page here may be framed by the page that the ticket was made for, and by no other. The content
policy keeps what is played from asking anybody but this origin. Octets are given in ranges, as
players want them, and never as a type that a browser would run as a page.

An archive is played by a service worker. On a slow device its frame asks us before that is at
work, and would stay with a 404 for good: it gets a page that waits, and asks again."""

import base64
import hashlib
import html
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from guzheng import words
from guzheng.app.replaying import ARCHIVE, Replaying, Ticket
from guzheng.refusals import Problem, Refused
from guzheng.web import problems, ranges
from guzheng.web.guard import HOSTILE_BYTES_POLICY
from guzheng.web.pages import language_of

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_PAGE: Final = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<style>html,body{{margin:0;height:100%;background:#fbfaf6;font:14px sans-serif}}
replay-web-page{{display:block;height:calc(100% - 28px)}}
video,img{{display:block;max-width:100%;max-height:calc(100% - 28px);margin:0 auto}}
audio{{display:block;width:100%}}p{{margin:0;padding:4px 8px;color:#55625c}}</style>
{script}</head>
<body>{shown}<p>{note}</p></body></html>"""

# Three times at most: where no worker answers in the end, the words stay.
_AGAIN: Final = """
navigator.serviceWorker?.ready.then(() => {
  const tried = Number(sessionStorage.getItem(location.search)) || 0;
  sessionStorage.setItem(location.search, tried + 1);
  if (tried < 3) location.reload();
});
"""
# In a frame, where cookies of third parties are blocked, browsers let no service worker run.
# The player says so in a line that is cut off, so we say it instead. The probe is none of its.
_FRAMED: Final = """<p id="framed" hidden>{said}</p><script>
if (self !== top) (async () => {{
  try {{
    const scope = '/player/probe/';
    const made = await navigator.serviceWorker.register('/player/sw.js', {{scope}});
    await made.unregister();
  }} catch {{
    document.querySelector('replay-web-page').remove();
    document.querySelector('#framed').hidden = false;
  }}
}})();
</script>"""
_AGAIN_DIGEST: Final = base64.b64encode(hashlib.sha256(_AGAIN.encode()).digest()).decode()
# Framed by whoever frames the player, whom this page does not know: there is nothing to press.
_WAITING_POLICY: Final = (
    f"default-src 'none'; script-src 'sha256-{_AGAIN_DIGEST}'; style-src 'unsafe-inline';"
    " form-action 'none'; base-uri 'none'"
)


def create_replay_app(replaying: Replaying) -> ASGIApp:
    """What the second listener of `guzheng serve` runs."""

    def play(request: Request) -> Response:
        text = request.path_params["ticket"]
        ticket = replaying.redeem(text)
        body = _page(ticket, f"/octets/{text}/{_last(ticket)}", language_of(request))
        headers = {**_ALWAYS, "Cache-Control": "no-store"}
        headers["Content-Security-Policy"] = _policy(ticket)
        return Response(body, media_type="text/html", headers=headers)

    def octets(request: Request) -> Response:
        ticket = replaying.redeem(request.path_params["ticket"])
        opened = replaying.open(ticket)
        headers = {
            **_ALWAYS,
            "Cache-Control": "private, no-store",
            "Content-Security-Policy": HOSTILE_BYTES_POLICY,
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return ranges.given(request, opened, ticket.media_type, headers, tag="")

    def player(request: Request) -> Response:
        found = replaying.find_player(request.path_params["name"])
        if found is None:
            raise Refused("web.not-found", found=request.url.path[:80])
        return Response(found, media_type="text/javascript", headers=_ALWAYS)

    def waiting(request: Request) -> Response:
        headers = {**_ALWAYS, "Cache-Control": "no-store"}
        headers["Content-Security-Policy"] = _WAITING_POLICY
        body = _waiting_page(language_of(request))
        return Response(body, media_type="text/html", headers=headers)

    def refuse(request: Request, error: Exception) -> Response:
        if not isinstance(error, Problem):
            raise error
        trouble = problems.trouble_of(error, language_of(request))
        text = f"{trouble.title}\n{trouble.act}\n"
        return PlainTextResponse(text, trouble.status, headers=_ALWAYS)

    return Starlette(
        routes=[
            Route("/play/{ticket}", play, methods=["GET"]),
            Route("/octets/{ticket}/{name}", octets, methods=["GET"]),
            Route("/player/", waiting, methods=["GET"]),
            Route("/player/{name}", player, methods=["GET"]),
        ],
        exception_handlers={Problem: refuse},
    )


def _page(ticket: Ticket, source: str, language: words.Language) -> str:
    address = html.escape(source, quote=True)
    script = shown = ""
    match ticket.manner:
        case "archive":
            script = '<script src="/player/ui.js"></script>'
            first = (
                f' url="{html.escape(ticket.address, quote=True)}"' if ticket.address else ""
            )
            shown = (
                '<replay-web-page embed="replayonly" replayBase="/player/"'
                f' source="{address}"{first}></replay-web-page>'
            ) + _FRAMED.format(said=html.escape(words.say("page.replay.framed", language)))
        case "video":
            shown = f'<video controls preload="metadata" src="{address}"></video>'
        case "audio":
            shown = f'<audio controls preload="metadata" src="{address}"></audio>'
        case _:
            alt = html.escape(_last(ticket, quoted=False), quote=True)
            shown = f'<img src="{address}" alt="{alt}">'
    note = words.say("page.replay.note", language)
    if ticket.manner == ARCHIVE:
        link = "https://github.com/webrecorder/replayweb.page"
        note += (
            f' · <a href="{link}" target="_blank" rel="noopener">ReplayWeb.page (AGPL-3.0)</a>'
        )
    return _filled(
        language,
        html.escape(_last(ticket, quoted=False)),
        script=script,
        shown=shown,
        note=note,
    )


def _waiting_page(language: words.Language) -> str:
    said = html.escape(words.say("page.replay.waiting", language))
    return _filled(language, said, script="", shown=f"<script>{_AGAIN}</script>", note=said)


def _filled(language: words.Language, title: str, *, script: str, shown: str, note: str) -> str:
    lang = "zh-CN" if language == "zh" else "en"
    return _PAGE.format(lang=lang, title=title, script=script, shown=shown, note=note)


def _last(ticket: Ticket, *, quoted: bool = True) -> str:
    name = ticket.name.rpartition("/")[2]
    return quote(name, safe="") if quoted else name


def _policy(ticket: Ticket) -> str:
    """For an archive, scripts of strangers: they may do what they like, here, with no one."""
    if ticket.manner == ARCHIVE:
        own = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
    else:
        own = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
    return f"{own}; form-action 'none'; base-uri 'none'; frame-ancestors {ticket.within}"
