"""What every answer carries, and what no request may do: the face's outer door.

Pure ASGI, so that it also guards streams and static files. It refuses a request that would
change something and that a browser says (Fetch Metadata, Origin) was caused by another site;
programs send neither header and pass. It answers under no name that is not ours (`names`).
Where readers reach us by https, cookies carry the prefixes that bind them to it (`cookies`).
It sets the content policy: nothing inline, nothing from elsewhere, no frame, and no string
becomes markup in a script (trusted types)."""

from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from guzheng.refusals import Refused
from guzheng.web import cookies, names

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "object-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types guzheng-worker",
    )
)

# The verification page shows pictures that a visitor gave it: from memory, from nowhere else.
GIVEN_PICTURES_POLICY = CONTENT_POLICY.replace("img-src 'self'", "img-src 'self' blob:")

# For the worker that judges evidence in the browser (frontend/src/worker.ts). A worker has a
# policy of its own: this one may compile the hashes' WebAssembly, and may connect to nothing,
# so that no file it was given can leave by it. The page itself is not given even that.
ENGINE_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'"

# For bytes that strangers made: even opened as a document they can neither run nor load.
HOSTILE_BYTES_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
# RFC 6797: two years, as the lists of browsers ask for.
_ONLY_HTTPS = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}
_UNLESS_SET = {
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def require_own_site(method: str, headers: Headers, *, only_https: bool = False) -> None:
    """Refuse a change that another site's page asked the visitor's browser for. Where readers
    reach us by https, a page of our own name that came without it is anybody's."""
    if method in _SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site in {"same-origin", "none"}:
            return
        raise Refused("web.cross-site", expected="same-origin", found=site)
    origin = headers.get("origin")
    if origin is None:
        return
    host, said = headers.get("host", ""), urlsplit(origin)
    if said.netloc != host or (only_https and said.scheme != "https"):
        raise Refused("web.cross-site", expected=host, found=origin)


class Guard:
    """ASGI middleware; `refuse` answers a request that did not get in."""

    def __init__(
        self,
        app: ASGIApp,
        refuse: Callable[[Scope, Receive, Send, Refused], Awaitable[None]],
        *,
        answered: Collection[str] = (names.ANY,),
        only_https: bool = False,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._answered = frozenset(one.lower() for one in answered)
        self._always = _ALWAYS | (_ONLY_HTTPS if only_https else {})
        self._only_https = only_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._only_https:
            scope = {**scope, "headers": cookies.bare(scope["headers"])}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._only_https:
                    message["headers"] = cookies.prefixed(message.get("headers", ()))
                headers = MutableHeaders(scope=message)
                for name, value in self._always.items():
                    headers[name] = value
                for name, value in _UNLESS_SET.items():
                    headers.setdefault(name, value)
            await send(message)

        said = Headers(scope=scope)
        try:
            names.require_own_name(said, self._answered)
            require_own_site(scope["method"], said, only_https=self._only_https)
        except Refused as refused:
            await self._refuse(scope, receive, send_guarded, refused)
            return
        await self._app(scope, receive, send_guarded)
